//! From rows to requests: which rows go together, under which id. Pure: the same rows make the same requests under the same ids, so
//! that making them twice makes them once.

use sha2::{Digest, Sha256};

use super::filter;
use crate::config::{Format, Webhook};
use crate::deliver::format::{self, Context, RenderError};
use crate::deliver::message::Message;
use crate::event::EventId;
use crate::store::{Delivery, Request, Row, Tries};

/// A row as its sink gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub seq: i64,
    pub id: EventId,
    pub body: Vec<u8>,
}

impl Member {
    /// `None` if the sink is not told of it.
    pub fn of(row: &Row, config: &Webhook) -> Option<Member> {
        let body = filter::passing(&row.body, &config.filter)?.into_owned();
        format::tells_of(&config.format, &body).then_some(Member { seq: row.seq, id: row.id, body })
    }
}

/// Makes the requests of one sink.
#[derive(Debug)]
pub struct Maker<'a> {
    pub format: &'a Format,
    /// Rows, or what they consist of, in one request.
    pub max_batch: usize,
    pub context: Context<'a>,
}

impl Maker<'_> {
    /// The requests of some rows, in order; more than one where they are too large together, or the target wants them one by
    /// one. What cannot be rendered is a request all the same, which is tried and fails. `through` is what they cover.
    pub fn deliveries(&self, members: &[Member], through: i64) -> Vec<Delivery> {
        let Some(first) = members.first() else { return Vec::new() };
        let requests = match self.requests(members) {
            Err(RenderError::TooBig { .. } | RenderError::NotAlone) if members.len() > 1 => {
                return self.halves(members, through);
            }
            Err(_) => vec![None],
            Ok(requests) => requests.into_iter().map(Some).collect(),
        };
        let n_last = requests.len().saturating_sub(1);
        let delivery = |(part, request): (usize, Option<Request>)| Delivery {
            id: self.id(members, part),
            members: members.iter().map(|member| member.seq).collect(),
            part: part as u32,
            through: if part == n_last { through } else { first.seq - 1 },
            format: name(self.format).to_owned(),
            request,
            tries: Tries::default(),
            row: None,
        };
        requests.into_iter().enumerate().map(delivery).collect()
    }

    /// The same in two parts, each with an id of its own.
    pub fn halves(&self, members: &[Member], through: i64) -> Vec<Delivery> {
        let (left, right) = members.split_at(members.len() / 2);
        let middle = left.last().map_or(0, |member| member.seq);
        [self.deliveries(left, middle), self.deliveries(right, through)].concat()
    }

    /// One of the requests of some rows.
    ///
    /// # Errors
    /// They cannot be rendered; the text says why.
    pub fn request(&self, members: &[Member], part: u32) -> Result<Request, String> {
        let requests = self.requests(members).map_err(|error| error.to_string())?;
        requests.into_iter().nth(part as usize).ok_or_else(|| "there is no such part of it any more".to_owned())
    }

    fn requests(&self, members: &[Member]) -> Result<Vec<Request>, RenderError> {
        let messages: Vec<Message<'_>> =
            members.iter().map(|member| Message::parse(&member.body)).collect::<Result<_, _>>()?;
        let request = |messages: Vec<Message<'_>>| {
            let format::Rendered { content_type, body, headers } =
                format::render(self.format, &messages, &self.context)?;
            Ok(Request { content_type: content_type.into_owned(), headers, body })
        };
        format::requests(self.format, self.max_batch, &messages)?.into_iter().map(request).collect()
    }

    /// The webhook-id: of the sink and the ids of the rows.
    fn id(&self, members: &[Member], part: usize) -> String {
        let mut hash = Sha256::new();
        hash.update((self.context.sink.len() as u64).to_le_bytes());
        hash.update(self.context.sink);
        members.iter().for_each(|member| hash.update(member.id.0));
        hash.update((part as u64).to_le_bytes());
        webhook_id(hash)
    }

    /// Another id for the same rows, because they are told in another form.
    pub fn id_anew(&self, id: &str) -> String {
        webhook_id(Sha256::new().chain_update(id).chain_update(name(self.format)))
    }
}

fn webhook_id(hash: Sha256) -> String {
    let hash = hash.finalize();
    hash.iter().take(16).fold(String::from("msg_"), |id, byte| format!("{id}{byte:02x}"))
}

/// What a format is called in the configuration, and in the store.
pub fn name(format: &Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::CloudEvents => "cloudevents",
        Format::Alertmanager => "alertmanager",
        Format::AlertmanagerAlerts => "alertmanager-alerts",
        Format::PagerDuty => "pagerduty",
        Format::Slack => "slack",
        Format::Feishu => "feishu",
        Format::DingTalk => "dingtalk",
        Format::WeCom => "wecom",
        Format::Template(_) => "template",
    }
}
