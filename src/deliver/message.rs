//! What is in the outbox, as formats see it: rows read back from their JSON.
//!
//! Formats know nothing else of an event or an incident, so that a message that is sent late, or after an upgrade, says what
//! it would have said at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::incident::notice::{Digest, Notice, Remediation};

/// One row of the outbox.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// One JSON object, without a newline.
    pub raw: &'a [u8],
    pub item: Item,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "schema")]
pub enum Item {
    #[serde(rename = "paytriage.event/1")]
    Event(Box<Event>),
    #[serde(rename = "paytriage.incident/1")]
    Incident(Box<Notice>),
    #[serde(rename = "paytriage.digest/1")]
    Digest(Digest),
}

impl<'a> Message<'a> {
    /// # Errors
    /// It is no row that this version knows.
    pub fn parse(raw: &'a [u8]) -> serde_json::Result<Message<'a>> {
        Ok(Message { raw, item: serde_json::from_slice(raw)? })
    }

    /// The incidents of a digest as rows of their own, byte for byte; all else is itself.
    ///
    /// # Errors
    /// One of them is no row that this version knows.
    pub fn one_by_one(&self) -> serde_json::Result<Vec<Message<'a>>> {
        if !matches!(self.item, Item::Digest(_)) {
            return Ok(vec![self.clone()]);
        }
        listed(self.raw)?.into_iter().map(|incident| Message::parse(incident.get().as_bytes())).collect()
    }
}

/// The notices of a digest as they stand in it.
///
/// # Errors
/// It is no digest.
pub fn listed(digest: &[u8]) -> serde_json::Result<Vec<&RawValue>> {
    #[derive(Deserialize)]
    struct Listed<'a> {
        #[serde(borrow)]
        incidents: Vec<&'a RawValue>,
    }
    serde_json::from_slice(digest).map(|Listed { incidents }| incidents)
}

/// The parts of an event that formats show; all of it is in [`Message::raw`].
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
    pub time: Option<String>,
    pub observed_time: String,
    pub code: String,
    pub kind: String,
    pub entry: String,
    pub provider: Option<String>,
    pub title: String,
    pub category: String,
    pub severity: String,
    pub act: String,
    pub advice: String,
    pub retry: String,
    pub cause: String,
    #[serde(default)]
    pub remediation: Remediation,
    #[serde(default)]
    pub docs: Vec<String>,
    pub source: Origin,
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
    pub excerpt: String,
}

/// Where the event was read.
#[derive(Debug, Clone, Deserialize)]
pub struct Origin {
    pub name: String,
    pub path: String,
    pub line: u64,
    pub offset: u64,
    pub host: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}
