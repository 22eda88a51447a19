//! The life of one group of events: below its threshold, open, and for a while afterwards remembered.

mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use standing::Standing;

use super::key::hash;
use super::matching::Subject;
use super::notice::{Reason, Status};
use super::own::lasts;
use super::tally::{Early, Sighting, Tally, sample};
use super::threshold::{Added, Window, millis, threshold};
use super::{Clock, Settings, Sight};
use crate::catalog::{Entry, Severity, Threshold};
use crate::config::Incident;
use crate::event::Event;

const MINUTE: i64 = 60_000;
/// So long after it is resolved an incident can open again.
const REMEMBERED: i64 = 120 * MINUTE;
/// Of an incident that became worse is not said more often.
const WORSE_EVERY: i64 = 5 * MINUTE;
const WORSE: f64 = 10.0;
/// The quiet that is asked for doubles so often at most.
const MAX_DOUBLINGS: u32 = 3;
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

/// An incident that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    /// Its id.
    pub incident: String,
    /// As it was when it opened: receivers know it by that, also where a reload changes the catalogue.
    pub severity: Severity,
    /// How many notices there were.
    pub notices: u64,
    /// How often it opened.
    openings: u32,
    pub opened_at: Timestamp,
    opened_ms: i64,
    /// Since when its events are new: the first of them, or the last notice.
    since_ms: i64,
    /// Events a minute at the last notice.
    rate: f64,
    /// How far it is in the list of intervals.
    step: usize,
    said: Said,
    pace: Pace,
    #[serde(default)]
    end: End,
    /// When the minute began in which events are counted, and how many there were.
    minute: (i64, u64),
    pub tally: Tally,
}

/// What those who are told know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Nothing,
    Opened,
    /// Nothing, because of a silence.
    NothingHushed,
    /// That it opened; there was a reason to speak since, but also a silence.
    OpenedHushed,
}

/// What ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    /// Quiet.
    #[default]
    Quiet,
    /// Word that it is over, which has not come.
    Word,
    /// It came at this moment.
    Said(i64, Reason),
}

/// How it goes since the last notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pace {
    AsBefore,
    /// Much faster, from this moment on.
    Worse(i64),
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

impl Open {
    /// A new incident of this id, or one that was over `before`.
    fn new(id: String, before: Option<Open>, severity: Severity, early: &[Early], now: Clock) -> Open {
        let first = early[0].sighting();
        let mut tally = Tally::new(&first);
        early.iter().for_each(|early| tally.add(&early.sighting(), || early.sample.clone()));
        let (notices, openings, step) =
            before.as_ref().map_or((0, 0, 0), |before| (before.notices, before.openings, before.step));
        Open {
            incident: before.map_or(id, |before| before.incident),
            severity,
            notices,
            openings: openings.saturating_add(1),
            opened_at: now.wall,
            opened_ms: now.steady_ms,
            since_ms: first.ms,
            rate: 0.0,
            step,
            said: Said::Nothing,
            pace: Pace::AsBefore,
            end: End::Quiet,
            minute: (now.steady_ms, 0),
            tally,
        }
    }

    fn add(&mut self, seen: &Sighting<'_>, event: &Event) {
        self.tally.add(seen, || Some(sample(event)));
        if let End::Said(..) = self.end {
            self.end = End::Word;
        }
        if seen.ms >= self.minute.0.saturating_add(MINUTE) {
            self.minute = (seen.ms, 0);
        }
        self.minute.1 += 1;
        let is_worse = self.minute.1 as f64 >= WORSE * self.rate.max(1.0);
        if is_worse && self.pace == Pace::AsBefore && seen.ms >= self.since_ms.saturating_add(WORSE_EVERY) {
            self.pace = Pace::Worse(seen.ms);
        }
    }

    pub fn state(&self) -> State {
        match self.said {
            Said::Nothing | Said::Opened => State::Open,
            Said::NothingHushed | Said::OpenedHushed => State::Hushed,
        }
    }

    /// Somebody has heard that it opened, and not that it is over.
    pub fn is_told(&self) -> bool {
        matches!(self.said, Said::Opened | Said::OpenedHushed)
    }

    pub fn is_flapping(&self) -> bool {
        self.openings > 1
    }

    /// Events a minute since the last notice; less than a minute counts as one.
    pub fn rate(&self, now_ms: i64) -> f64 {
        let elapsed = now_ms.saturating_sub(self.since_ms).max(MINUTE);
        let rate = self.tally.new as f64 * MINUTE as f64 / elapsed as f64;
        (rate * 100.0).round() / 100.0
    }

    /// When it is over, if nothing more happens: when it has been quiet for long enough. While something is unread nobody knows how
    /// quiet it is.
    fn over_ms(&self, terms: Terms) -> Option<i64> {
        let doublings = self.openings.saturating_sub(1).min(MAX_DOUBLINGS);
        match self.end {
            End::Quiet if terms.sight != Sight::Whole => None,
            End::Quiet => Some(
                self.tally.last_ms.saturating_add(millis(terms.config.resolve_after).saturating_mul(1 << doublings)),
            ),
            End::Word => None,
            End::Said(at, _) => Some(at),
        }
    }

    fn why_over(&self) -> Reason {
        match self.end {
            End::Said(_, reason) => reason,
            End::Quiet | End::Word => Reason::Quiet,
        }
    }

    fn is_over(&self, terms: Terms, now_ms: i64) -> bool {
        self.over_ms(terms).is_some_and(|over| now_ms >= over)
    }

    /// When it is time to say that it goes on, if it does. How much happens is not known while nothing is read.
    fn interval_ms(&self, terms: Terms) -> Option<i64> {
        let repeat = &terms.config.repeat;
        let goes_on = self.end == End::Word || self.tally.new > 0 && terms.sight != Sight::None;
        let interval = repeat.get(self.step).or(repeat.last()).filter(|_| goes_on)?;
        Some(self.since_ms.saturating_add(millis(*interval)).max(self.opened_ms))
    }

    fn due(&self, terms: Terms, patience: Patience) -> Option<i64> {
        let wait = match patience {
            Patience::None => 0,
            Patience::BatchWait => millis(terms.config.batch_wait),
        };
        match (self.said, self.pace) {
            (Said::Nothing | Said::NothingHushed, _) => Some(self.opened_ms),
            (_, Pace::Worse(since)) => Some(since),
            _ => {
                let due = self.interval_ms(terms).into_iter().chain(self.over_ms(terms)).min();
                due.map(|due| due.saturating_add(wait))
            }
        }
    }

    fn decide(&self, terms: Terms, now_ms: i64) -> Option<(Status, Reason)> {
        let is_over = self.is_over(terms, now_ms);
        let is_time = self.interval_ms(terms).is_some_and(|due| now_ms >= due);
        match self.said {
            Said::Nothing => Some((Status::Opened, Reason::Threshold)),
            Said::NothingHushed => (!is_over).then_some((Status::Opened, Reason::SilenceEnded)),
            Said::Opened | Said::OpenedHushed if is_over => Some((Status::Resolved, self.why_over())),
            Said::OpenedHushed => {
                (self.tally.new > 0 || self.end == End::Word).then_some((Status::Ongoing, Reason::SilenceEnded))
            }
            Said::Opened if matches!(self.pace, Pace::Worse(_)) => Some((Status::Ongoing, Reason::Worse)),
            Said::Opened => is_time.then_some((Status::Ongoing, Reason::Interval)),
        }
    }

    fn told(&mut self, status: Status, now_ms: i64) {
        self.rate = self.rate(now_ms);
        self.notices += 1;
        self.since_ms = now_ms;
        self.said = Said::Opened;
        self.pace = Pace::AsBefore;
        if status == Status::Ongoing {
            self.step = self.step.saturating_add(1);
        }
        self.tally.told();
    }
}

/// 32 hex digits.
pub(super) fn hex(id: &[u8; 16]) -> String {
    crate::event::EventId(*id).to_string()
}
