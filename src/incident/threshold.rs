//! How many events make an incident, and the events that are not yet enough.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::group::About;
use super::tally::{Early, MAX_SAMPLES, Sighting};
use crate::catalog::{Actor, Advice, Entry, Severity, Threshold};
use crate::config::Incident;
use crate::event::Event;
use crate::incident::matching::matches;

/// The first rule of the configuration that means it, else what the entry says, else what its kind of trouble is.
pub(super) fn threshold(config: &Incident, about: &About, entry: &Entry) -> Threshold {
    let subject = about.subject(entry.severity);
    let rule = config.thresholds.iter().find(|rule| matches(&rule.matcher, &subject));
    rule.map_or_else(|| threshold_of(entry), |rule| rule.threshold)
}

/// What holds for an entry where the configuration is silent.
pub fn threshold_of(entry: &Entry) -> Threshold {
    entry.threshold.unwrap_or_else(|| general(entry))
}

/// Congestion passes by itself, payers and their banks say no every day, and what is only for information is worth a word when it
/// piles up. All else is somebody's to repair: the first is told.
fn general(entry: &Entry) -> Threshold {
    let minutes = |count, n: u64| Threshold { count, within: Duration::from_secs(60 * n) };
    match entry {
        Entry { advice: Advice::RetryLater, .. } => minutes(5, 1),
        Entry { act: Actor::Payer | Actor::Issuer, .. } => minutes(10, 5),
        Entry { severity: Severity::Info, .. } => minutes(20, 5),
        _ => minutes(1, 1),
    }
}

/// Events of which nothing was said, oldest first; never more than a threshold's count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(VecDeque<Early>);

impl Window {
    /// Adds an event to those that are still in the window; all of them once they are as many as the threshold asks for.
    pub fn add(&mut self, seen: &Sighting<'_>, event: &Event, threshold: Threshold) -> Option<Vec<Early>> {
        let n_samples = self.0.iter().filter(|early| early.sample.is_some()).count();
        self.0.push_back(Early::new(seen, event, n_samples < MAX_SAMPLES));
        let is_reached = self.0.len() >= threshold.count as usize;
        is_reached.then(|| std::mem::take(&mut self.0).into())
    }

    /// Forgets what is too old to count, and says how many events that were.
    pub fn expire(&mut self, now_ms: i64, threshold: Threshold) -> u64 {
        let n_old = self.0.partition_point(|early| early.ms.saturating_add(millis(threshold.within)) <= now_ms);
        self.0.drain(..n_old);
        n_old as u64
    }

    /// When the last of it will be too old.
    pub fn ends(&self, threshold: Threshold) -> Option<i64> {
        self.0.back().map(|early| early.ms.saturating_add(millis(threshold.within)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// As far as a clock of milliseconds goes.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
