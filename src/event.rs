//! The event: a detection with its annotation, as it leaves the pure core.
//!
//! Text that came from a log is held as [`Redacted`], which only `redact` can make; codes and ids are held in
//! types whose alphabet is too small to carry markup or secrets. How an event looks on the wire is `wire`'s
//! business.

#[cfg(test)]
pub(crate) mod samples;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{Entry, EntryId};
use crate::provider::Provider;
use crate::record::{Encoding, Level};
use crate::redact::Redacted;

/// Stable name of an event: a hash of file identity, record offset and code, 32 hex digits. Reading the same
/// bytes again gives the same id. It holds no log text: a hash of a card number could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// Reads back what [`fmt::Display`] wrote; `None` for anything else.
    pub fn parse(hex: &str) -> Option<EventId> {
        if hex.len() != 32 || !hex.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(EventId(bytes))
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<EventId, D::Error> {
        let hex = std::borrow::Cow::<str>::deserialize(deserializer)?;
        EventId::parse(&hex).ok_or_else(|| serde::de::Error::custom("an event id has 32 hexadecimal digits"))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Event {
    /// The host that wrote the record; that which reads its file, if the record names none.
    pub fn host(&self) -> Option<&str> {
        let own = self.origin.host.as_deref();
        // One's own, without its domain.
        let is_own = |host: &str| own.and_then(|own| own.strip_prefix(host)).is_some_and(|rest| rest.starts_with('.'));
        self.host.as_deref().filter(|host| !is_own(host)).or(own)
    }
}

/// What was found in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A code of the catalogue.
    Code,
    /// Only the message text of an entry.
    Message,
    /// A code in a provider's error field that no entry knows.
    UnknownCode,
}

/// How sure the diagnosis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    Low,
    Medium,
    High,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Code => "code",
            Kind::Message => "message",
            Kind::UnknownCode => "unknown_code",
        }
    }
}

impl Confidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// What all events of one file share; built once per file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The source's configured name.
    pub name: String,
    /// The path as the user would type it; bytes that are not UTF-8 are escaped.
    pub path: String,
    /// The host that reads the file.
    pub host: Option<String>,
    pub labels: BTreeMap<String, String>,
}

/// Where in its file an event was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// 1-based line of the match itself.
    pub line: u64,
    /// Byte offset of that line's first byte, from the start of the file (of the decompressed text).
    pub offset: u64,
    pub record_first_line: u64,
    pub record_last_line: u64,
}

/// Identifiers that stood in the record. Typed ids stay readable; they are what support people search for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    pub out_trade_no: Option<String>,
    pub trade_no: Option<String>,
    pub transaction_id: Option<String>,
    pub request_id: Option<String>,
    pub trace_id: Option<String>,
    pub mch_id: Option<String>,
    pub app_id: Option<String>,
    /// As written, with the unit the field has at its provider (cents for WeChat Pay, yuan for Alipay).
    pub amount: Option<String>,
    /// ISO 4217 letters.
    pub currency: Option<String>,
}

/// One failed operation in one record, annotated.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: EventId,
    /// From the record; `None` when it has no time.
    pub time: Option<Timestamp>,
    /// When paytriage read it.
    pub observed: Timestamp,
    /// Letters, digits, `.`, `_` and `-` only, at most 128 bytes.
    pub code: String,
    pub kind: Kind,
    pub entry: Arc<Entry>,
    pub provider: Option<Provider>,
    pub confidence: Confidence,
    /// Other entries that the surroundings leave possible.
    pub alternatives: Vec<EntryId>,
    /// The text as found, decoded.
    pub matched: Redacted,
    pub encoding: Encoding,
    pub origin: Arc<Origin>,
    /// The host that wrote the record, where that says so: logs of many come together on one.
    pub host: Option<String>,
    pub position: Position,
    pub ids: Ids,
    pub level: Option<Level>,
    pub excerpt: Redacted,
    /// How many places of the excerpt were masked.
    pub redactions: u32,
    /// What is lost with what this one tells of; nothing, but for what paytriage says of itself.
    pub lost: Missed,
}

/// What receivers will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Missed {
    pub events: u64,
    /// About incidents.
    pub messages: u64,
    /// It may be less.
    pub at_most: bool,
}

impl Missed {
    /// Both together.
    pub fn add(&mut self, other: Missed) {
        self.events = self.events.saturating_add(other.events);
        self.messages = self.messages.saturating_add(other.messages);
        self.at_most |= other.at_most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_its_host_unless_that_is_this_one() {
        let mut event = samples::full();
        for (own, written, expected) in [
            (Some("pay-1.shop.example"), Some("pay-1"), Some("pay-1.shop.example")),
            (Some("pay-1.shop.example"), Some("pay-1.shop.example"), Some("pay-1.shop.example")),
            (Some("pay-1.shop.example"), Some("pay"), Some("pay")),
            (Some("pay-1"), Some("web-2"), Some("web-2")),
            (Some("pay-1"), None, Some("pay-1")),
            (None, Some("web-2"), Some("web-2")),
        ] {
            Arc::make_mut(&mut event.origin).host = own.map(str::to_owned);
            event.host = written.map(str::to_owned);
            assert_eq!(event.host(), expected);
        }
    }
}
