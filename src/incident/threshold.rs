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

/// So many events beside those that a threshold asks for are kept while it is not reached: where old logs are read, of several files in
/// turn, those that were written together need not come one behind the other.
const BESIDE: usize = 20;

/// Events of which nothing was said, in the order in which they came. They count together if they were written within the
/// threshold's time, by what their lines say; where a line says nothing, by when it came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(VecDeque<Early>);

/// What an event did to a window.
pub(super) enum Added {
    /// There are not enough yet; so many were forgotten to make room.
    Waits(u64),
    /// These are enough, and all that was written since the first of them; so many older ones are forgotten.
    Reached(Vec<Early>, u64),
}

impl Window {
    pub fn add(&mut self, seen: &Sighting<'_>, event: &Event, threshold: Threshold) -> Added {
        let (count, within) = ((threshold.count as usize).max(1), millis(threshold.within));
        let is_near =
            |early: &&Early| early.sighting().written_ms().abs_diff(seen.written_ms()) < within.unsigned_abs();
        let n_samples = self.0.iter().filter(is_near).filter(|early| early.sample.is_some()).count();
        self.0.push_back(Early::new(seen, event, n_samples < MAX_SAMPLES));
        let mut written: Vec<i64> = self.0.iter().map(|early| early.sighting().written_ms()).collect();
        written.sort_unstable();
        let Some(first) = written
            .windows(count)
            .find(|those| those[count - 1].saturating_sub(those[0]) < within)
            .map(|those| those[0])
        else {
            let n_more = self.0.len().saturating_sub(count.saturating_add(BESIDE));
            self.0.drain(..n_more);
            return Added::Waits(n_more as u64);
        };
        let (enough, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|early| early.sighting().written_ms() >= first);
        Added::Reached(enough, others.len() as u64)
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
