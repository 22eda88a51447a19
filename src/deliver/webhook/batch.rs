//! From rows to requests: which rows go together, under which id. Pure: the same rows make the same requests under the same ids, so
//! that making them twice makes them once.

use sha2::{Digest, Sha256};

use super::filter;
use crate::config::{Format, Notify, Webhook};
use crate::deliver::format::{self, Context, RenderError};
use crate::deliver::message::{Item, Message};
use crate::event::EventId;
use crate::incident::notice::{Notice, Status};
use crate::store::{Delivery, Heard, Incidents, Request, Row, Tries};

/// A row as its sink gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub seq: i64,
    pub id: EventId,
    pub body: Vec<u8>,
}

impl Member {
    /// `None` if the sink is not told of it.
    pub fn of(row: &Row, config: &Webhook, heard: &Heard) -> Option<Member> {
        let mut body = filter::passing(&row.body, &config.name, &config.filter, heard)?;
        if format::keeps_open(&config.format) && config.notify == Notify::Incident {
            body = filter::begun(&body, heard)?.into_owned().into();
        }
        Member::told(row, body.into_owned(), config)
    }

    /// What the row says of these incidents; `None` if nothing.
    pub fn about(row: &Row, config: &Webhook, incidents: &Incidents) -> Option<Member> {
        let body = filter::about(&row.body, &config.filter, incidents)?.into_owned();
        Member::told(row, body, config)
    }

    /// What it says of incidents.
    pub fn incidents(&self) -> Incidents {
        incidents(Message::parse(&self.body).ok())
    }

    fn told(row: &Row, body: Vec<u8>, config: &Webhook) -> Option<Member> {
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
            Err(_) => vec![(None, incidents(members.iter().filter_map(|it| Message::parse(&it.body).ok())))],
            Ok(requests) => requests.into_iter().map(|(request, incidents)| (Some(request), incidents)).collect(),
        };
        let n_last = requests.len().saturating_sub(1);
        let delivery = |(part, (request, incidents)): (usize, (Option<Request>, Incidents))| Delivery {
            id: self.id(members, part),
            members: members.iter().map(|member| member.seq).collect(),
            part: part as u32,
            through: if part == n_last { through } else { first.seq - 1 },
            format: name(self.format).to_owned(),
            request,
            tries: Tries::default(),
            row: None,
            incidents,
        };
        requests.into_iter().enumerate().map(delivery).collect()
    }

    /// The same in two parts, each with an id of its own.
    pub fn halves(&self, members: &[Member], through: i64) -> Vec<Delivery> {
        let (left, right) = members.split_at(members.len() / 2);
        let middle = left.last().map_or(0, |member| member.seq);
        [self.deliveries(left, middle), self.deliveries(right, through)].concat()
    }

    /// Some rows in the place of a request, in another form, and so under other ids.
    pub fn anew(&self, old: &Delivery, members: &[Member]) -> Vec<Delivery> {
        let mut anew = self.deliveries(members, old.through);
        if anew.is_empty() {
            let format = name(self.format).to_owned();
            anew.push(Delivery { request: None, format, ..old.clone() });
        }
        for it in &mut anew {
            it.id = self.id_anew(&old.id, &it.id);
            (it.tries, it.row) = (old.tries.clone(), old.row.clone());
        }
        anew
    }

    /// The request of some rows; `None` if they make more than one.
    ///
    /// # Errors
    /// They cannot be rendered; the text says why.
    pub fn request(&self, members: &[Member]) -> Result<Option<Request>, String> {
        let mut requests = self.requests(members).map_err(|error| error.to_string())?;
        Ok(requests.pop().filter(|_| requests.is_empty()).map(|(request, _)| request))
    }

    /// Each with the incidents that it speaks of.
    fn requests(&self, members: &[Member]) -> Result<Vec<(Request, Incidents)>, RenderError> {
        let messages: Vec<Message<'_>> =
            members.iter().map(|member| Message::parse(&member.body)).collect::<Result<_, _>>()?;
        let request = |messages: Vec<Message<'_>>| {
            let format::Rendered { content_type, body, headers } =
                format::render(self.format, &messages, &self.context)?;
            let request = Request { content_type: content_type.into_owned(), headers, body };
            Ok((request, incidents(messages)))
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

    /// The id of what takes a request's place.
    fn id_anew(&self, old: &str, own: &str) -> String {
        webhook_id(Sha256::new().chain_update(old).chain_update(name(self.format)).chain_update(own))
    }
}

/// What is said of incidents, the last of each.
fn incidents<'a>(messages: impl IntoIterator<Item = Message<'a>>) -> Incidents {
    let of = |notice: &Notice| (notice.incident.clone(), notice.status == Status::Resolved);
    let all = messages.into_iter().flat_map(|message| match message.item {
        Item::Event(_) => Vec::new(),
        Item::Incident(notice) => vec![of(&notice)],
        Item::Digest(digest) => digest.incidents.iter().map(of).collect(),
    });
    all.collect()
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
