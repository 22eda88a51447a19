//! Groups events in time: what a person should be told, once, while it lasts, and when it is over.
//!
//! Pure: events and a clock value in, notices out. Only these and the settings change the state, so that a replay after a crash
//! decides the same; intervals are measured by a clock that never goes back, wall time is only shown. Only thresholds ask how long
//! before it came an event was written.
//!
//! A `group` counts the events of one kind. Below its `threshold` nothing is said; then an incident opens, is spoken of
//! at growing intervals while it goes on, and is resolved when it has been quiet, and all was read (`own` knows what is over only when somebody says so). What is due at about the same time goes
//! out as one message (`digest`), so that a storm makes few of them; what there is no room for is only counted (`crowd`).

mod crowd;
mod digest;
mod group;
mod hush;
mod incidents;
mod json;
mod key;
mod matching;
pub mod notice;
mod orders;
mod own;
mod related;
mod scope;
mod tally;
mod threshold;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{Catalog, Lang};
use crate::config;
use crate::event::EventId;

pub use group::{Standing, State, longest_pause};
pub use incidents::{Incidents, Known, Listed};
pub use json::digest_of;
pub use matching::fits;
pub use own::{is_own, lasts};
pub use threshold::threshold_of;

/// The JSON Schema that every message validates against, a single notice as well as a digest.
pub const INCIDENT_JSON_SCHEMA: &str = include_str!("../../data/schema/incident.v1.json");

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Shown, and compared with silences and mute times; no interval depends on it.
    pub wall: Timestamp,
    /// Milliseconds since any moment in the past; never goes back, not even over a restart.
    pub steady_ms: i64,
}

/// How much of the logs is read: where something is not, nobody knows how quiet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All that was written.
    Whole,
    /// What was written last is yet to be read.
    Part,
    /// Nothing is read for now.
    None,
}

/// What incidents are judged and described by.
#[derive(Debug, Clone)]
pub struct Settings {
    pub config: config::Incident,
    /// Of all texts.
    pub lang: Lang,
    /// Annotates what was stored by an earlier process.
    pub catalog: Arc<Catalog>,
}

/// A message for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// That of the notice or digest in it.
    pub id: EventId,
    /// One JSON object without a newline: `paytriage.incident/1` or `paytriage.digest/1`.
    pub body: Vec<u8>,
}
