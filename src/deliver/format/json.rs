//! The envelope of Standard Webhooks around the rows as they are stored.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::message::{Item, Message};
use super::{Context, RenderError, Rendered};
use crate::incident::notice::Status;

#[derive(Serialize)]
struct Envelope<'a, T: Serialize> {
    r#type: &'static str,
    /// When the (last) message came to be.
    timestamp: &'a str,
    data: T,
}

#[derive(Serialize)]
struct Events<'a> {
    events: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Notices<'a> {
    notices: Vec<&'a RawValue>,
}

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let timestamp = messages.last().map_or("", |message| message.time());
    let body = match messages {
        [message] => {
            serde_json::to_vec(&Envelope { r#type: message.envelope_type(), timestamp, data: message.value()? })?
        }
        events if events.iter().all(|message| matches!(message.item, Item::Event(_))) => {
            let data = Events { events: values(events)? };
            serde_json::to_vec(&Envelope { r#type: "paytriage.events", timestamp, data })?
        }
        notices => {
            let data = Notices { notices: values(notices)? };
            serde_json::to_vec(&Envelope { r#type: "paytriage.notices", timestamp, data })?
        }
    };
    context.request("application/json", body)
}

fn values<'a>(messages: &[Message<'a>]) -> Result<Vec<&'a RawValue>, RenderError> {
    messages.iter().map(Message::value).collect()
}

impl<'a> Message<'a> {
    /// The row, not encoded anew.
    pub(super) fn value(&self) -> Result<&'a RawValue, RenderError> {
        Ok(serde_json::from_slice(self.raw)?)
    }

    /// Name of what happened, for envelopes.
    pub(super) fn envelope_type(&self) -> &'static str {
        match &self.item {
            Item::Event(_) => "paytriage.event",
            Item::Incident(notice) => match notice.status {
                Status::Opened => "paytriage.incident.opened",
                Status::Ongoing => "paytriage.incident.ongoing",
                Status::Resolved => "paytriage.incident.resolved",
            },
            Item::Digest(_) => "paytriage.digest",
        }
    }

    /// RFC 3339: when it happened, as far as that is known.
    pub(super) fn time(&self) -> &str {
        match &self.item {
            Item::Event(event) => event.time.as_deref().unwrap_or(&event.observed_time),
            Item::Incident(notice) => &notice.time,
            Item::Digest(digest) => &digest.time,
        }
    }
}
