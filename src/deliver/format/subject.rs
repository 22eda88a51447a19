//! What a request speaks of: incidents and events, taken out of their messages.

use std::collections::BTreeMap;

use super::super::message::{Event, Item, Message};
use crate::incident::is_own;
use crate::incident::notice::{Notice, Status, Totals, Unheard};
use crate::notice::SINK;

/// One thing to speak of.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Event(&'a Event),
    Incident(&'a Notice),
}

/// All of a request.
#[derive(Debug, Default)]
pub struct Subjects<'a> {
    pub list: Vec<Subject<'a>>,
    /// Incidents that are counted in digests, but not listed; nobody has heard of them.
    pub more: u64,
    /// What some of these were.
    pub unheard: Vec<&'a Unheard>,
    pub totals: Totals,
}

/// What the catalogue says of it, in the words of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Annotation<'a> {
    pub code: &'a str,
    pub entry: &'a str,
    pub provider: Option<&'a str>,
    pub title: &'a str,
    pub severity: &'a str,
    pub act: &'a str,
    pub retry: &'a str,
    pub cause: &'a str,
    pub operator: &'a [String],
    pub docs: &'a [String],
}

/// Where it happened.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the source.
    pub source: &'a str,
    /// The host, or that from which most events are.
    pub host: Option<&'a str>,
    pub labels: Option<&'a BTreeMap<String, String>>,
}

pub fn subjects<'a>(messages: &'a [Message<'_>]) -> Subjects<'a> {
    let mut all = Subjects::default();
    for message in messages {
        match &message.item {
            Item::Event(event) => all.list.push(Subject::Event(event)),
            Item::Incident(notice) => {
                all.list.push(Subject::Incident(notice));
                all.totals.count(notice);
            }
            Item::Digest(digest) => {
                all.list.extend(digest.incidents.iter().map(Subject::Incident));
                all.more += digest.more;
                all.unheard.extend(&digest.unheard);
                all.totals.add(Totals::of(digest));
            }
        }
    }
    all
}

impl<'a> Subject<'a> {
    pub fn annotation(self) -> Annotation<'a> {
        match self {
            Subject::Event(event) => Annotation {
                code: &event.code,
                entry: &event.entry,
                provider: event.provider.as_deref(),
                title: &event.title,
                severity: &event.severity,
                act: &event.act,
                retry: &event.retry,
                cause: &event.cause,
                operator: &event.remediation.operator,
                docs: &event.docs,
            },
            Subject::Incident(notice) => Annotation {
                code: &notice.code,
                entry: &notice.entry,
                provider: notice.provider.as_deref(),
                title: &notice.title,
                severity: &notice.severity,
                act: &notice.act,
                retry: &notice.retry,
                cause: &notice.cause,
                operator: &notice.remediation.operator,
                docs: &notice.docs,
            },
        }
    }

    pub fn place(self) -> Place<'a> {
        match self {
            Subject::Event(event) => Place {
                source: &event.source.name,
                host: event.source.host.as_deref(),
                labels: Some(&event.source.labels),
            },
            Subject::Incident(notice) => match notice.sources.first() {
                Some(source) => {
                    Place { source: &source.name, host: source.host.as_deref(), labels: Some(&source.labels) }
                }
                None => Place { source: "", host: None, labels: None },
            },
        }
    }

    /// No more of it follows: it is over, or nobody follows it any longer.
    pub fn is_closed(self) -> bool {
        matches!(self, Subject::Incident(notice) if notice.status == Status::Resolved)
    }

    /// True where it is known to be over.
    pub fn is_over(self) -> bool {
        self.is_closed() && !matches!(self, Subject::Incident(notice) if notice.is_unfollowed())
    }

    /// It is no payment: paytriage speaks of itself.
    pub fn is_own(self) -> bool {
        is_own(self.annotation().provider)
    }

    /// The sink that paytriage speaks of.
    pub fn sink(self) -> Option<&'a str> {
        self.place().labels?.get(SINK).map(String::as_str).filter(|_| self.is_own())
    }

    /// When it was noticed or decided, RFC 3339.
    pub fn time(self) -> &'a str {
        match self {
            Subject::Event(event) => &event.observed_time,
            Subject::Incident(notice) => &notice.time,
        }
    }
}

/// What people search a payment by: the first of its ids that there is.
pub fn order(ids: &BTreeMap<String, String>) -> Option<&str> {
    ["out_trade_no", "trade_no", "transaction_id", "request_id"]
        .iter()
        .find_map(|&name| ids.get(name))
        .map(String::as_str)
}
