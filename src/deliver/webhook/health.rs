//! What the answers of a receiver say of its sink: whether it fails, since when, whether others were told, and whether everything
//! is refused. Pure: answers and times in, what others should know out.
//!
//! A sink fails from the first attempt that comes to nothing until one is accepted. One row that is refused says nothing of a receiver
//! that has accepted others: that row steps aside. It does where nothing was accepted ever, with this URL and these keys: then it is
//! they that are wrong, for all one knows. And so do two with nothing accepted between them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::SinkState;

/// So many rows are refused one after the other, with nothing accepted between them: then it is everything.
const MAX_IN_A_ROW: u32 = 10;

#[derive(Debug)]
pub struct Health {
    /// How long a sink may fail before others are told.
    failing_after: Duration,
    failing: Option<Failing>,
    /// The only row that was refused, as long as it says nothing of the sink.
    odd: Option<Failing>,
    /// Something was accepted, by this worker or an earlier one, with this URL and these keys.
    has_accepted: bool,
    /// How many rows stepped aside or were given up since something was accepted.
    in_a_row: u32,
}

#[derive(Debug)]
struct Failing {
    since: Timestamp,
    /// The same by a clock that nobody sets.
    began: Instant,
    reason: String,
    told: bool,
    /// An attempt of this worker has failed: what an earlier one saw may be over.
    is_so: bool,
}

/// An attempt that came to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// When the first attempt of its request was.
    pub since: Timestamp,
    pub now: Instant,
    pub reason: &'a str,
}

impl Health {
    pub fn new(failing_after: Duration) -> Health {
        Health { failing_after, failing: None, odd: None, has_accepted: false, in_a_row: 0 }
    }

    /// An earlier worker of the sink saw it fail, for so long, and may have told others.
    pub fn remember(&mut self, since: Timestamp, began: Instant, told: bool) {
        self.failing = Some(Failing { since, began, reason: String::new(), told, is_so: false });
    }

    /// An earlier worker of the sink saw its receiver accept something.
    pub fn remember_accepting(&mut self) {
        self.has_accepted = true;
    }

    pub fn has_accepted(&self) -> bool {
        self.has_accepted
    }

    pub fn is_failing(&self) -> bool {
        self.failing.as_ref().is_some_and(|failing| failing.is_so)
    }

    /// It is the receiver, and not what is in the rows.
    pub fn refuses_all(&self) -> bool {
        self.in_a_row >= MAX_IN_A_ROW
    }

    /// An attempt failed that is to be repeated before anything else is accepted.
    pub fn failed(&mut self, failure: Failure) {
        self.fails(failure);
    }

    /// A row is no longer in the way of those behind it, since it is refused.
    pub fn stepped_aside(&mut self, failure: Failure) {
        self.in_a_row += 1;
        let odd = self.odd.take();
        let failing = self.fails(failure);
        if let Some(odd) = odd {
            // Neither was it that one.
            (failing.since, failing.began) = (odd.since, odd.began);
        } else if self.in_a_row == 1 && self.has_accepted {
            // All that failed may have been this row.
            self.odd = self.failing.take_if(|failing| !failing.told);
        }
    }

    /// A row that stepped aside is not accepted either.
    pub fn still_apart(&mut self, failure: Failure) {
        if !self.has_accepted {
            self.fails(failure);
        }
    }

    /// All that waited is given up: nobody misses anything, until the next one comes.
    pub fn nothing_waits(&mut self) {
        self.failing.take_if(|failing| !failing.told);
        self.odd = None;
    }

    /// The receiver wants nothing any more.
    pub fn stopped(&mut self, failure: Failure) -> SinkState {
        let failing = self.fails(failure);
        failing.told = true;
        SinkState::Stopped { since: failing.since, reason: failing.reason.clone() }
    }

    /// Something was accepted; what to say if others were told that nothing is.
    pub fn accepted(&mut self) -> Option<SinkState> {
        (self.in_a_row, self.odd, self.has_accepted) = (0, None, true);
        let failing = self.failing.take()?;
        failing.told.then_some(SinkState::Recovered { since: failing.since })
    }

    /// What others should know by now, once.
    pub fn news(&mut self, now: Instant) -> Option<SinkState> {
        let is_long = |began: Instant| now.saturating_duration_since(began) >= self.failing_after;
        let failing = self.failing.as_mut().filter(|it| it.is_so && !it.told && is_long(it.began))?;
        failing.told = true;
        Some(SinkState::Failing { since: failing.since, reason: failing.reason.clone() })
    }

    /// When others should know that it fails, which an earlier worker saw and this one has not seen yet.
    pub fn in_doubt_until(&self) -> Option<Instant> {
        self.failing.as_ref().filter(|it| !it.is_so && !it.told).map(|it| it.began + self.failing_after)
    }

    fn fails(&mut self, Failure { since, now, reason }: Failure) -> &mut Failing {
        let begins = || Failing { since, began: now, reason: String::new(), told: false, is_so: true };
        let failing = self.failing.get_or_insert_with(begins);
        failing.is_so = true;
        reason.clone_into(&mut failing.reason);
        failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn health() -> Health {
        Health::new(5 * MINUTE)
    }

    fn failure(now: Instant) -> Failure<'static> {
        Failure { since: Timestamp::UNIX_EPOCH, now, reason: "no" }
    }

    fn failing() -> SinkState {
        SinkState::Failing { since: Timestamp::UNIX_EPOCH, reason: "no".into() }
    }

    fn recovered() -> SinkState {
        SinkState::Recovered { since: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_fails_for_long_is_told_once_and_so_is_its_end() {
        let (mut health, start) = (health(), Instant::now());
        health.failed(failure(start));
        assert_eq!(health.news(start + 4 * MINUTE), None);
        health.failed(failure(start + 4 * MINUTE));
        assert_eq!(health.news(start + 5 * MINUTE), Some(failing()));
        assert_eq!(health.news(start + 9 * MINUTE), None);
        assert_eq!(health.accepted(), Some(recovered()));
        health.failed(failure(start + 10 * MINUTE));
        assert_eq!((health.news(start + 11 * MINUTE), health.accepted()), (None, None));
    }

    #[test]
    fn one_row_that_is_refused_says_nothing_and_two_do() {
        let (mut health, start) = (health(), Instant::now());
        health.remember_accepting();
        health.failed(failure(start));
        health.stepped_aside(failure(start));
        health.still_apart(failure(start + 15 * MINUTE));
        assert_eq!((health.is_failing(), health.news(start + 60 * MINUTE)), (false, None));
        // What fails otherwise says nothing of the time before.
        health.failed(Failure { since: Timestamp::MAX, ..failure(start + 60 * MINUTE) });
        assert_eq!((health.is_failing(), health.news(start + 64 * MINUTE)), (true, None));
        // Since the first of two that are refused nothing was accepted.
        health.stepped_aside(failure(start + 64 * MINUTE));
        assert_eq!(health.news(start + 64 * MINUTE), Some(failing()));
        for accepts in [true, false] {
            let mut health = self::health();
            health.remember_accepting();
            health.stepped_aside(failure(start));
            if accepts {
                health.accepted();
            }
            health.stepped_aside(failure(start + MINUTE));
            assert_eq!(health.news(start + 4 * MINUTE), None);
            assert_eq!(health.news(start + 5 * MINUTE).is_some(), !accepts);
        }
        // What was told is over only when something is accepted.
        let (mut health, later) = (self::health(), start + 5 * MINUTE);
        health.remember_accepting();
        health.failed(failure(start));
        assert_eq!(health.news(later), Some(failing()));
        health.stepped_aside(failure(later));
        assert_eq!(health.accepted(), Some(recovered()));
    }

    #[test]
    fn one_row_that_is_refused_by_who_never_accepted_anything_is_told_when_its_time_is_over() {
        let start = Instant::now();
        let refused = || {
            let mut health = health();
            health.failed(failure(start));
            health.stepped_aside(failure(start + MINUTE));
            assert_eq!((health.is_failing(), health.news(start + 4 * MINUTE)), (true, None));
            health
        };
        assert_eq!(refused().news(start + 5 * MINUTE), Some(failing()));
        let mut accepted = refused();
        assert_eq!((accepted.accepted(), accepted.news(start + 5 * MINUTE)), (None, None));
        // From now on it is one that has accepted something.
        accepted.stepped_aside(failure(start + 5 * MINUTE));
        assert_eq!(accepted.news(start + 60 * MINUTE), None);
        let mut dropped = refused();
        dropped.nothing_waits();
        assert_eq!(dropped.news(start + 5 * MINUTE), None);
        // An earlier worker saw it.
        let mut later = health();
        later.remember(Timestamp::UNIX_EPOCH, start, false);
        later.still_apart(failure(start + 4 * MINUTE));
        assert_eq!(later.news(start + 5 * MINUTE), Some(failing()));
    }

    #[test]
    fn so_many_refused_rows_in_a_row_are_everything_until_something_is_accepted() {
        let (mut health, now) = (health(), Instant::now());
        for n in 0..MAX_IN_A_ROW {
            assert!(!health.refuses_all(), "{n}");
            health.stepped_aside(failure(now));
        }
        assert!(health.refuses_all());
        health.accepted();
        assert!(!health.refuses_all());
    }

    #[test]
    fn what_an_earlier_worker_saw_is_told_only_once_it_is_seen_again() {
        let (mut health, start) = (health(), Instant::now());
        let later = start + 60 * MINUTE;
        health.remember(Timestamp::UNIX_EPOCH, start, false);
        assert_eq!((health.is_failing(), health.news(later), health.accepted()), (false, None, None));
        health.remember(Timestamp::UNIX_EPOCH, start, false);
        assert_eq!(health.in_doubt_until(), Some(start + 5 * MINUTE));
        health.failed(Failure { since: Timestamp::MAX, ..failure(later) });
        assert_eq!(health.in_doubt_until(), None);
        assert_eq!(health.news(later), Some(failing()));
    }

    #[test]
    fn what_an_earlier_worker_told_is_not_told_again_and_its_end_is() {
        let (mut health, start) = (health(), Instant::now());
        health.remember(Timestamp::UNIX_EPOCH, start, true);
        assert_eq!(health.in_doubt_until(), None);
        health.failed(failure(start));
        assert_eq!(health.news(start + 60 * MINUTE), None);
        assert_eq!(health.accepted(), Some(recovered()));
    }

    #[test]
    fn a_receiver_that_wants_nothing_any_more_is_told_at_once() {
        let (mut health, start) = (health(), Instant::now());
        let stopped = SinkState::Stopped { since: Timestamp::UNIX_EPOCH, reason: "no".into() };
        assert_eq!(health.stopped(failure(start)), stopped);
        assert_eq!((health.news(start + 60 * MINUTE), health.accepted()), (None, Some(recovered())));
    }
}
