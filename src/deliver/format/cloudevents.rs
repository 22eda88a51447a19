//! CloudEvents 1.0, structured mode; several as a batch. Each incident is an event of its own, also those of a digest: its type says
//! what became of it, and it keeps within the 64 KiB that all have to take.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::message::{Item, Message};
use super::subject::order;
use super::{Context, RenderError, Rendered};
use crate::visible::visible;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    /// A relative URI reference; with `id` it names the message in the whole world.
    source: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    time: &'a str,
    datacontenttype: &'static str,
    dataschema: &'static str,
    data: &'a RawValue,
}

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let events = messages.iter().map(|message| event(message, context)).collect::<Result<Vec<_>, _>>()?;
    match events.as_slice() {
        [event] => context.request("application/cloudevents+json; charset=UTF-8", serde_json::to_vec(event)?),
        events => context.request("application/cloudevents-batch+json; charset=UTF-8", serde_json::to_vec(events)?),
    }
}

fn event<'a>(message: &'a Message<'_>, context: &Context<'_>) -> Result<CloudEvent<'a>, RenderError> {
    let host = context.host;
    let (id, source, subject, dataschema) = match &message.item {
        Item::Event(event) => {
            let source = reference(event.source.host.as_deref().or(host), Some(&event.source.name));
            (&event.id, source, order(&event.ids).or(Some(&event.entry)), "urn:paytriage:event:1")
        }
        Item::Incident(notice) => {
            let of = notice.sources.first();
            // Which host has most of its events may change.
            let host = host.or(of.and_then(|source| source.host.as_deref()));
            let source = reference(host, of.map(|source| source.name.as_str()));
            (&notice.id, source, Some(notice.entry.as_str()), "urn:paytriage:incident:1")
        }
        Item::Digest(_) => return Err(RenderError::NotAlone),
    };
    Ok(CloudEvent {
        specversion: "1.0",
        id,
        source,
        r#type: message.envelope_type(),
        // An empty one is against the rules, and so are control characters.
        subject: subject.filter(|subject| !subject.is_empty()).map(visible),
        time: message.time(),
        datacontenttype: "application/json",
        dataschema,
        data: message.value()?,
    })
}

/// `/paytriage/<host>/<source>`, each percent-encoded.
fn reference(host: Option<&str>, source: Option<&str>) -> String {
    let mut reference = format!("/paytriage/{}", percent_encoded(host.unwrap_or("-")));
    if let Some(source) = source {
        reference.push('/');
        reference.push_str(&percent_encoded(source));
    }
    reference
}

/// All but the unreserved characters of RFC 3986.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_uri_references() {
        assert_eq!(reference(Some("pay-1"), Some("shop")), "/paytriage/pay-1/shop");
        assert_eq!(reference(None, Some("a b/支?#")), "/paytriage/-/a%20b%2F%E6%94%AF%3F%23");
        assert_eq!(reference(Some("pay-1"), None), "/paytriage/pay-1");
    }
}
