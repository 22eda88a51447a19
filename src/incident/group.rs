//! The life of one group of events: below its threshold, open, and for a while afterwards remembered.

mod open;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use open::Open;
use open::{End, MAX_DOUBLINGS, Said};
pub use standing::Standing;

use super::key::hash;
use super::matching::Subject;
use super::notice::{Reason, Status};
use super::own::lasts;
use super::tally::{Early, Sighting};
use super::threshold::{Added, Window, threshold};
use super::{Clock, Settings, Sight};
use crate::catalog::{Entry, Severity, Threshold};
use crate::config::Incident;
use crate::event::Event;

const MINUTE: i64 = 60_000;
/// So long after it is resolved an incident can open again.
const REMEMBERED: i64 = 120 * MINUTE;
/// How often is looked whether a silence is over.
const LOOK_EVERY: i64 = 10_000;

/// The longest time between two notices of an incident that goes on: either it is told again, or it is over. What lasts is told
/// again also where nothing happens.
pub fn longest_pause(config: &Incident) -> Duration {
    let quiet = config.resolve_after.saturating_mul(1 << MAX_DOUBLINGS);
    config.repeat.iter().copied().fold(quiet, Duration::max).saturating_add(config.batch_wait)
}

/// What a decision goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub config: &'a Incident,
    pub sight: Sight,
}

/// What the events of a group have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub entry: String,
    pub code: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub source: String,
    /// Of the source, when the incident opened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What is stored of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub key: String,
    pub about: About,
    phase: Phase,
    /// The incident that it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    past: Option<Past>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Waiting(Window),
    Open(Box<Open>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Past {
    /// As it was when it was over.
    last: Box<Open>,
    resolved_ms: i64,
    resolved_at: Timestamp,
}

/// How long something that is no news of an opening waits for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It goes with a message that goes out anyway.
    None,
    /// It is reason enough for a message.
    BatchWait,
}

/// How an incident that goes on is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// Open, and held back by a silence or a mute.
    Hushed,
}

/// One group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    stored: Stored,
    pub entry: Arc<Entry>,
    threshold: Threshold,
    /// When to look whether a silence is over; unknown after a restart.
    look_ms: Option<i64>,
    pub change: Change,
}

/// Whether what is stored is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    ToStore,
}

impl About {
    pub fn of(event: &Event) -> About {
        About {
            entry: event.entry.id.to_string(),
            code: event.code.clone(),
            kind: event.kind.as_str().to_owned(),
            provider: event.provider.as_ref().map(|provider| provider.as_str().to_owned()),
            source: event.origin.name.clone(),
            labels: event.origin.labels.clone(),
        }
    }

    pub fn subject(&self, severity: Severity) -> Subject<'_> {
        Subject {
            code: &self.code,
            entry: &self.entry,
            provider: self.provider.as_deref(),
            source: &self.source,
            labels: &self.labels,
            severity,
        }
    }
}

impl Group {
    pub fn new(key: &str, event: &Event, settings: &Settings) -> Group {
        let (about, phase) = (About::of(event), Phase::Waiting(Window::default()));
        let stored = Stored { key: key.to_owned(), about, phase, past: None };
        Group::with(stored, Arc::clone(&event.entry), settings, Change::ToStore)
    }

    /// An entry that is no longer there is described in general terms: who heard of it should hear that it is over.
    pub fn restore(stored: Stored, settings: &Settings) -> Group {
        let catalog = &settings.catalog;
        let entry = catalog.get(&stored.about.entry).unwrap_or(catalog.fallback());
        Group::with(stored, Arc::clone(entry), settings, Change::None)
    }

    fn with(stored: Stored, entry: Arc<Entry>, settings: &Settings, change: Change) -> Group {
        let threshold = threshold(&settings.config, &stored.about, &entry);
        Group { stored, entry, threshold, look_ms: None, change }
    }

    pub fn set(&mut self, settings: &Settings) {
        if let Some(entry) = settings.catalog.get(&self.stored.about.entry) {
            self.entry = Arc::clone(entry);
        }
        self.threshold = threshold(&settings.config, &self.stored.about, &self.entry);
    }

    /// Its events are told by another key from now on.
    pub fn rename(&mut self, key: String) {
        self.stored.key = key;
        self.change = Change::ToStore;
    }

    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    pub fn about(&self) -> &About {
        &self.stored.about
    }

    pub fn severity(&self) -> Severity {
        self.open().map_or(self.entry.severity, |open| open.severity)
    }

    pub fn open(&self) -> Option<&Open> {
        match &self.stored.phase {
            Phase::Open(open) => Some(open),
            Phase::Waiting(_) => None,
        }
    }

    /// Counts an event. Gives how many events before it will not lead to an incident any more.
    pub fn observe(&mut self, event: &Event, now: Clock) -> u64 {
        self.change = Change::ToStore;
        let expired = self.expire(now.steady_ms);
        let seen = Sighting::of(event, now.steady_ms);
        let forgotten = match &mut self.stored.phase {
            Phase::Open(open) => {
                open.add(&seen, event);
                0
            }
            Phase::Waiting(window) => match window.add(&seen, event, self.threshold) {
                Added::Waits(forgotten) => forgotten,
                Added::Reached(early, forgotten) => {
                    self.stored.about.labels.clone_from(&event.origin.labels);
                    self.begin(&early, now);
                    forgotten
                }
            },
        };
        expired + forgotten
    }

    fn begin(&mut self, early: &[Early], now: Clock) {
        let Some(first) = early.first() else { return };
        let before = self.stored.past.take().map(|past| *past.last);
        let id = hex(&hash(&[self.stored.key.as_bytes(), &first.event.0]));
        let mut open = Open::new(id, before, self.entry.severity, early, now);
        if lasts(&self.stored.about.entry) {
            open.end = End::Word;
        }
        self.stored.phase = Phase::Open(Box::new(open));
    }

    /// Takes note that what lasts is over. False if it does not last, or nothing is open.
    pub fn end(&mut self, reason: Reason, now_ms: i64) -> bool {
        match &mut self.stored.phase {
            Phase::Open(open) if open.end == End::Word => {
                open.end = End::Said(now_ms, reason);
                self.change = Change::ToStore;
                true
            }
            _ => false,
        }
    }

    /// Forgets what is too old; gives how many events that were. Deciding does not depend on when this is done.
    pub fn expire(&mut self, now_ms: i64) -> u64 {
        let Phase::Waiting(window) = &mut self.stored.phase else { return 0 };
        let expired = window.expire(now_ms, self.threshold);
        let was_past = self.stored.past.is_some();
        self.stored.past.take_if(|past| now_ms >= past.resolved_ms.saturating_add(REMEMBERED));
        if expired > 0 || was_past != self.stored.past.is_some() {
            self.change = Change::ToStore;
        }
        expired
    }

    /// True where nothing of it is worth remembering.
    pub fn is_over(&self) -> bool {
        matches!(&self.stored.phase, Phase::Waiting(window) if window.is_empty()) && self.stored.past.is_none()
    }

    /// When something is to be said, looked at or forgotten.
    pub fn due(&self, terms: Terms, patience: Patience) -> Option<i64> {
        match &self.stored.phase {
            Phase::Waiting(window) => {
                let past = self.stored.past.as_ref().map(|past| past.resolved_ms.saturating_add(REMEMBERED));
                window.ends(self.threshold).into_iter().chain(past).min()
            }
            Phase::Open(open) if open.state() == State::Hushed => Some(self.look_ms.unwrap_or(i64::MIN)),
            Phase::Open(open) => open.due(terms, patience),
        }
    }

    /// The latest moment that it remembers.
    pub fn latest_ms(&self) -> i64 {
        let resolved = self.stored.past.as_ref().map(|past| past.resolved_ms);
        self.open().map(|open| open.tally.last_ms.max(open.since_ms)).or(resolved).unwrap_or(i64::MIN)
    }

    /// What there is to say, if anything; called when it is due and not hushed.
    pub fn decide(&self, terms: Terms, now_ms: i64) -> Option<(Status, Reason)> {
        self.open()?.decide(terms, now_ms)
    }

    /// Holds back what is due, until the next look. An incident that nobody heard of and that is over meanwhile is forgotten: then
    /// the number of its events is given.
    pub fn hush(&mut self, terms: Terms, now: Clock) -> u64 {
        self.look_ms = Some((now.steady_ms.div_euclid(LOOK_EVERY) + 1).saturating_mul(LOOK_EVERY));
        let Phase::Open(open) = &mut self.stored.phase else { return 0 };
        let said = match open.said {
            Said::Nothing | Said::NothingHushed => Said::NothingHushed,
            Said::Opened | Said::OpenedHushed => Said::OpenedHushed,
        };
        if open.said != said {
            open.said = said;
            self.change = Change::ToStore;
        }
        if said == Said::NothingHushed && open.is_over(terms, now.steady_ms) { self.forget(now) } else { 0 }
    }

    /// Takes note that a silence is over and left nothing to say; gives how many events nobody heard of.
    pub fn wake(&mut self, now: Clock) -> u64 {
        let Phase::Open(open) = &mut self.stored.phase else { return 0 };
        match open.said {
            Said::NothingHushed => return self.forget(now),
            Said::OpenedHushed => {
                open.said = Said::Opened;
                self.change = Change::ToStore;
            }
            Said::Nothing | Said::Opened => {}
        }
        0
    }

    /// After a restart it is not known when to look for the end of a silence: at the next full interval, as before.
    pub fn is_unscheduled(&mut self, now_ms: i64) -> bool {
        let is_hushed = self.open().is_some_and(|open| open.state() == State::Hushed);
        let is_unknown = self.look_ms.is_none() && is_hushed;
        if is_unknown {
            let next = now_ms.saturating_add(LOOK_EVERY - 1).div_euclid(LOOK_EVERY) * LOOK_EVERY;
            self.look_ms = Some(next);
        }
        is_unknown && self.look_ms > Some(now_ms)
    }

    /// Takes note that `status` was said.
    pub fn told(&mut self, status: Status, now: Clock) {
        self.change = Change::ToStore;
        let Phase::Open(open) = &mut self.stored.phase else { return };
        open.told(status, now.steady_ms);
        if status == Status::Resolved {
            self.close(now);
        }
    }

    /// Ends it without a word; gives how many events nobody heard of.
    pub fn forget(&mut self, now: Clock) -> u64 {
        self.change = Change::ToStore;
        let count = match &self.stored.phase {
            Phase::Waiting(window) => window.len(),
            Phase::Open(open) => open.tally.new,
        };
        self.close(now);
        count
    }

    fn close(&mut self, now: Clock) {
        let waiting = Phase::Waiting(Window::default());
        if let Phase::Open(last) = std::mem::replace(&mut self.stored.phase, waiting) {
            let past = Past { last, resolved_ms: now.steady_ms, resolved_at: now.wall };
            self.stored.past = Some(past).filter(|past| past.last.is_told());
        }
    }
}

/// 32 hex digits.
pub(super) fn hex(id: &[u8; 16]) -> String {
    crate::event::EventId(*id).to_string()
}
