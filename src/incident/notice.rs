//! What is said of an incident: JSON, `paytriage.incident/1`, or several of them in a `paytriage.digest/1`.
//!
//! `data/schema/incident.v1.json` is its JSON Schema. Written once, stored, and read back by the formats; absent values are left
//! out, texts are in the configured language.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Value of the key `schema` of one notice.
pub const INCIDENT_SCHEMA: &str = "paytriage.incident/1";
/// Value of the key `schema` of several.
pub const DIGEST_SCHEMA: &str = "paytriage.digest/1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Opened,
    Ongoing,
    Resolved,
}

/// Why it is said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It has happened as often as its threshold says.
    Threshold,
    /// It goes on, and it is time to say so.
    Interval,
    /// It has become much more frequent.
    Worse,
    /// Nothing more has happened for a while.
    Quiet,
    /// It was silenced or muted, and is not any more.
    SilenceEnded,
    /// Too many incidents are open to keep this one. Nothing is known of how it goes on.
    CrowdedOut,
    /// The sink that was down takes messages again.
    Recovered,
    /// The sink that was down is not configured any more.
    Removed,
}

/// What those who are affected have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One event.
    Isolated,
    OneOrder,
    /// One merchant id, although others are seen here too.
    OneMerchant,
    /// One host, although others report too.
    OneHost,
    Widespread,
    /// No payment at all: paytriage speaks of itself.
    Paytriage,
}

/// One notice of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// 32 hex digits: of the incident, the status and how many notices came before.
    pub id: String,
    /// 32 hex digits: of what it groups and its first event. The same in all its notices.
    pub incident: String,
    pub status: Status,
    pub reason: Reason,
    /// RFC 3339, like all times here: when this was decided.
    pub time: String,
    pub opened_at: String,
    pub first_seen: String,
    pub last_seen: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// Events since it opened, those that led to it among them.
    pub count: u64,
    /// Events since the last notice.
    pub new: u64,
    /// Events that are lost, as the events say; only of what paytriage says of itself.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lost: u64,
    /// Messages about incidents that are lost, likewise.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lost_messages: u64,
    /// It may be less that is lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost_at_most: bool,
    /// Events a minute since the last notice.
    pub rate_per_minute: f64,
    pub orders: Orders,
    pub scope: Scope,
    /// What that suggests to look at first, as a sentence.
    pub scope_text: String,
    /// It comes and goes, so less is said of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flapping: bool,
    pub code: String,
    pub kind: String,
    pub entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub title: String,
    pub category: String,
    pub severity: String,
    pub act: String,
    pub advice: String,
    pub retry: String,
    pub cause: String,
    #[serde(default, skip_serializing_if = "Remediation::is_empty")]
    pub remediation: Remediation,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub docs: Vec<String>,
    /// At most 10, the most frequent first.
    pub sources: Vec<Source>,
    /// At most 5, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merchants: Vec<Merchant>,
    /// Other incidents with some of the same orders; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// At most 3 events.
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    pub distinct: u64,
    /// False: an estimate, within some percent.
    pub exact: bool,
    /// At most 5 order numbers; templates may count on the key.
    #[serde(default)]
    pub samples: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remediation {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operator: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payer: Vec<String>,
}

impl Remediation {
    fn is_empty(&self) -> bool {
        self.operator.is_empty() && self.payer.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    pub mch_id: String,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    pub incident: String,
    pub entry: String,
    pub code: String,
    pub title: String,
    pub shared_orders: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The event's id.
    pub event: String,
    pub time: String,
    pub path: String,
    pub line: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    pub excerpt: String,
}

fn is_none(n: &u64) -> bool {
    *n == 0
}

impl Notice {
    /// It is not over: it is only followed no longer, because there are too many.
    pub fn is_unfollowed(&self) -> bool {
        self.reason == Reason::CrowdedOut
    }
}

/// Of incidents, listed or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub opened: u64,
    pub ongoing: u64,
    pub resolved: u64,
    pub unfollowed: u64,
    /// Events of all of them.
    pub events: u64,
}

impl Totals {
    pub fn of(digest: &Digest) -> Totals {
        let Digest { opened, ongoing, resolved, unfollowed, count: events, .. } = *digest;
        Totals { opened, ongoing, resolved, unfollowed, events }
    }

    pub fn add(&mut self, other: Totals) {
        self.opened += other.opened;
        self.ongoing += other.ongoing;
        self.resolved += other.resolved;
        self.unfollowed += other.unfollowed;
        self.events += other.events;
    }

    /// One more. That it is no longer followed says more of it than its status.
    pub fn count(&mut self, notice: &Notice) {
        match notice.status {
            _ if notice.is_unfollowed() => self.unfollowed += 1,
            Status::Opened => self.opened += 1,
            Status::Ongoing => self.ongoing += 1,
            Status::Resolved => self.resolved += 1,
        }
        self.events += notice.count;
    }

    pub fn incidents(&self) -> u64 {
        self.opened + self.ongoing + self.resolved + self.unfollowed
    }
}

/// What an incident was that had to make room before anything was said of it. It has no id: nobody can be told of its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    pub code: String,
    pub entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub title: String,
    pub severity: String,
    pub source: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub count: u64,
}

/// Several notices that were due together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// 32 hex digits: of all incidents that it tells of.
    pub id: String,
    pub time: String,
    /// The worst first; none where it tells only of what nobody has heard of.
    pub incidents: Vec<Notice>,
    /// Incidents that had to make room before anything was said of them; they are in no other figure but `unfollowed` and `count`.
    pub more: u64,
    /// What some of these were, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<Unheard>,
    /// Of `incidents`, by status.
    pub opened: u64,
    pub ongoing: u64,
    pub resolved: u64,
    /// Those that are not followed any longer, since there are too many, and `more`; they may well go on.
    #[serde(default)]
    pub unfollowed: u64,
    /// Events of all.
    pub count: u64,
}
