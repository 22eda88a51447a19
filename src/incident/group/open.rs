//! An incident that goes on: what was said of it, how fast it goes, when there is something to say and when it is over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MINUTE, Patience, State, Terms};
use crate::catalog::Severity;
use crate::event::Event;
use crate::incident::notice::{Reason, Status};
use crate::incident::tally::{Early, Sighting, Tally, sample};
use crate::incident::threshold::millis;
use crate::incident::{Clock, Sight};

/// Of an incident that became worse is not said more often.
const WORSE_EVERY: i64 = 5 * MINUTE;
const WORSE: f64 = 10.0;
/// The quiet that is asked for doubles so often at most.
pub const MAX_DOUBLINGS: u32 = 3;

/// An incident that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
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
    pub(super) since_ms: i64,
    /// Events a minute at the last notice.
    rate: f64,
    /// How far it is in the list of intervals.
    step: usize,
    pub(super) said: Said,
    pace: Pace,
    #[serde(default)]
    pub(super) end: End,
    /// When the minute began in which events are counted, and how many there were.
    minute: (i64, u64),
    pub tally: Tally,
}

/// What those who are told know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
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
pub enum End {
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

impl Open {
    /// A new incident of this id, or one that was over `before`.
    pub(super) fn new(id: String, before: Option<Open>, severity: Severity, early: &[Early], now: Clock) -> Open {
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

    pub(super) fn add(&mut self, seen: &Sighting<'_>, event: &Event) {
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

    pub(super) fn why_over(&self) -> Reason {
        match self.end {
            End::Said(_, reason) => reason,
            End::Quiet | End::Word => Reason::Quiet,
        }
    }

    pub(super) fn is_over(&self, terms: Terms, now_ms: i64) -> bool {
        self.over_ms(terms).is_some_and(|over| now_ms >= over)
    }

    /// When it is time to say that it goes on, if it does. How much happens is not known while nothing is read.
    fn interval_ms(&self, terms: Terms) -> Option<i64> {
        let repeat = &terms.config.repeat;
        let goes_on = self.end == End::Word || self.tally.new > 0 && terms.sight != Sight::None;
        let interval = repeat.get(self.step).or(repeat.last()).filter(|_| goes_on)?;
        Some(self.since_ms.saturating_add(millis(*interval)).max(self.opened_ms))
    }

    pub(super) fn due(&self, terms: Terms, patience: Patience) -> Option<i64> {
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

    pub(super) fn decide(&self, terms: Terms, now_ms: i64) -> Option<(Status, Reason)> {
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

    pub(super) fn told(&mut self, status: Status, now_ms: i64) {
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
