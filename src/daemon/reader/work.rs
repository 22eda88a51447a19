//! What the reader does: gives files their turns, and stores what came of them.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Reader;
use super::leap::Leap;
use super::room::RESERVE;
use crate::daemon::follow::{Follow, Turn, Turned};
use crate::daemon::meet;
use crate::daemon::pending::{self, Load};
use crate::daemon::settle::settle_after;
use crate::event::Event;
use crate::identity::FileKey;
use crate::notice::Reason;
use crate::pipeline::Pending;
use crate::source::selection::visible;
use crate::source::step::{Place, Step};
use crate::source::walk::reason;
use crate::store::{Batch, StateError};

/// How long to wait before trying again what could not be stored …
const RETRY: Duration = Duration::from_secs(1);
/// … twice as long each time, so that a disk in trouble is left alone, up to this: who has just freed space sees it go on, and so
/// does the next readiness probe (every 10 s is usual).
const MAX_RETRY: Duration = Duration::from_secs(8);
/// How long files are read before the reader looks up: for requests, for what changed, and for what is to be stored.
pub(super) const MAX_ROUND: Duration = Duration::from_millis(100);

/// The last commit failed; nothing is read until the next one works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stall {
    /// When it is tried again.
    pub until: Instant,
    pause: Duration,
}

impl Stall {
    /// It is tried again at once.
    pub fn none(clock: Instant) -> Stall {
        Stall { until: clock, pause: Duration::ZERO }
    }

    /// One more commit failed.
    fn longer(before: Option<Stall>, clock: Instant) -> Stall {
        let pause = before.map_or(RETRY, |before| (before.pause * 2).clamp(RETRY, MAX_RETRY));
        Stall { until: clock + pause, pause }
    }
}

impl Reader {
    /// Gives each file that is waiting one turn, as far as there is time.
    pub(super) fn read_round(&mut self, clock: Instant) {
        let began = (self.now)();
        for _ in 0..self.files.n_queued() {
            if self.pending.is_full() || self.room() < RESERVE || (self.now)() >= began + MAX_ROUND {
                return;
            }
            let Some(key) = self.files.next() else { return };
            self.turn(key, clock);
            self.spare_descriptor(key);
            self.metrics.reader_alive(Instant::now());
        }
    }

    /// Where there are more files than descriptors, each has one for its turn only.
    pub(super) fn spare_descriptor(&mut self, key: FileKey) {
        let many = self.files.len() > self.newcomers.max_open;
        if let Some(follow) = self.files.get_mut(key).filter(|follow| many && follow.can_be_reopened()) {
            follow.close();
        }
    }

    pub(super) fn turn(&mut self, key: FileKey, clock: Instant) {
        let mut events = Vec::new();
        let budget = self.budget();
        let mut end = u64::MAX;
        match self.leap_over_copied(key, clock) {
            Ok(Leap::NoCopy) => {}
            Ok(Leap::UpTo(size)) => end = size,
            Ok(Leap::NoRoom) => return self.files.queue(key),
            Ok(Leap::Wait) => return,
            Err(error) => tracing::debug!(%error, "cannot compare a copy with its original"),
        }
        let Some(follow) = self.files.get_mut(key) else { return };
        let (before, lag, about) = (follow.position(), follow.lag(), follow.about());
        let turned = follow.turn(&mut Turn {
            engine: &self.plan.setup.engine,
            buffer: &mut self.buffer,
            events: &mut events,
            now: Timestamp::now(),
            clock,
            budget: budget.min(usize::try_from(end.saturating_sub(before)).unwrap_or(usize::MAX)),
        });
        let cuts = follow.take_cuts();
        let unseen_since = if let Ok(Turned::Drained) = turned { follow.take_unseen_since() } else { None };
        let (read, pending) = (follow.position().saturating_sub(before), follow.pending());
        if follow.told_unread_to.is_some() && follow.unread_to().is_none() {
            follow.told_unread_to = None;
            self.pending.urgent(key, clock);
        }
        let path = follow.path.clone();
        self.metrics.read_bytes.fetch_add(read, Relaxed);
        if read > 0 || !events.is_empty() {
            self.pending.touched(key, clock);
        }
        self.take(events, clock);
        self.report_cuts(&cuts, &about, clock);
        match turned {
            Ok(Turned::More) => self.files.queue(key),
            Ok(Turned::Drained) => {
                self.kin.unseen.extend(unseen_since.map(|since| (key, since)));
                self.problems.readable(&path);
                self.drained(key, (read, pending), clock);
            }
            Ok(Turned::Restarted(step)) => {
                self.metrics.truncations.fetch_add(1, Relaxed);
                let what = if step == Step::Truncated { "truncated" } else { "replaced in place" };
                tracing::info!(path = %visible(&path), "file was {what}; reading it from its beginning");
                self.pending.touched(key, clock);
                self.files.queue(key);
                if let Some(follow) = self.files.get_mut(key) {
                    self.kin.truncated(follow, about, before..before + lag);
                }
                self.kin.waiting_for(key).into_iter().for_each(|copy| self.files.queue(copy));
            }
            Ok(Turned::HeadGivenUp) => {
                self.metrics.unstable_heads.fetch_add(1, Relaxed);
                tracing::warn!(
                    path = %visible(&path),
                    "the beginning of this file keeps changing; from now on only the bytes read last prove that it is the same"
                );
                self.pending.touched(key, clock);
                self.files.queue(key);
            }
            Ok(Turned::Gone) if !self.kin.waiting_for(key).is_empty() => self.look_at_copies_of(key, clock),
            Ok(Turned::Gone) => self.gone(key, clock),
            Err(error) => self.turn_failed(key, &path, &error, clock),
        }
    }

    fn turn_failed(&mut self, key: FileKey, path: &Path, error: &io::Error, clock: Instant) {
        let Some(follow) = self.files.get_mut(key) else { return };
        if follow.place != Place::Listed && error.kind() == io::ErrorKind::NotFound {
            return self.lost_sight_of(key, clock);
        }
        // A handle can go stale on a network file system; the next turn opens the file anew.
        let is_stale = error.raw_os_error() == Some(rustix::io::Errno::STALE.raw_os_error());
        if follow.place == Place::Listed || is_stale {
            follow.close();
        }
        if self.problems.unreadable(path, reason(error)) {
            self.metrics.read_errors.fetch_add(1, Relaxed);
        }
    }

    /// A file that was rotated away while its descriptor was given back is not where it was seen last.
    fn lost_sight_of(&mut self, key: FileKey, clock: Instant) {
        let Some(follow) = self.files.get_mut(key) else { return };
        if meet::find_again(follow).is_ok() {
            return self.files.queue(key);
        }
        tracing::warn!(
            path = %visible(&follow.path),
            "too many files to keep open, and this one was rotated away; what was written to it last may be unread"
        );
        let (about, unread) = (follow.about(), follow.unread());
        self.report_gap(&about, Reason::Unreachable, unread, clock);
        self.gone(key, clock);
    }

    fn drained(&mut self, key: FileKey, (read, pending): (u64, Pending), clock: Instant) {
        let Some(pause) = settle_after(pending) else {
            self.settling.remove(&key);
            return self.look_at_copies_of(key, clock);
        };
        let at = (self.now)() + pause;
        // Who only looked, and saw nothing new, does not put it off.
        let due = self.settling.entry(key).or_insert(at);
        if read > 0 {
            *due = at;
        }
    }

    pub(super) fn gone(&mut self, key: FileKey, clock: Instant) {
        let Some(follow) = self.files.remove(key) else { return };
        self.settling.remove(&key);
        self.kin.waits_no_more(key);
        tracing::debug!(path = %visible(&follow.path), "file is over, letting it go");
        if follow.place != Place::Deleted {
            self.newcomers.remember(follow.to_store());
        }
        self.pending.over(follow.to_store(), follow.place, clock);
    }

    /// Reports what is complete in files that have been quiet for a moment.
    pub(super) fn settle(&mut self, clock: Instant) {
        let due: Vec<_> = self.settling.iter().filter(|(_, at)| **at <= clock).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| self.flush(key, clock));
    }

    pub(super) fn flush(&mut self, key: FileKey, clock: Instant) {
        self.settling.remove(&key);
        let mut events = Vec::new();
        let Some(follow) = self.files.get_mut(key) else { return };
        follow.flush(Timestamp::now(), &mut events);
        if !events.is_empty() {
            self.pending.touched(key, clock);
        }
        self.take(events, clock);
        self.look_at_copies_of(key, clock);
    }

    /// Now that this file is read, it can be told what waits for it. Until then it is not let go.
    fn look_at_copies_of(&mut self, original: FileKey, clock: Instant) {
        for copy in self.kin.waiting_for(original) {
            self.files.queue(copy);
            self.look_at_held_file(copy, clock);
        }
    }

    pub(super) fn take(&mut self, events: Vec<Event>, clock: Instant) {
        for event in events {
            self.metrics.count_event(&event);
            self.unknown.tell(&event);
            self.observe(&event);
            let mut body = Vec::new();
            self.writer.write(&event, &mut body);
            self.pending.event(event.id, body, clock);
        }
    }

    pub(super) fn commit_if_due(&mut self, clock: Instant) {
        if self.stalled.is_some_and(|stall| clock < stall.until) {
            return;
        }
        let is_busy = self.files.n_queued() > 0
            || self.journals.have_news()
            || self.input.as_ref().is_some_and(|input| input.has_more());
        let load = if is_busy && self.blocked.is_none() { Load::Busy } else { Load::Quiet };
        let due = self.pending.due(load, clock);
        if self.stalled.is_some() || due.is_some_and(|at| at <= clock) {
            self.commit(clock);
        }
    }

    /// Stores everything that is pending, or keeps it and stops reading for a while.
    pub(super) fn commit(&mut self, clock: Instant) {
        let files = &self.files;
        let live = self.pending.dirty.iter().filter_map(|key| files.get(*key)).map(Follow::to_store);
        let states = self.pending.finished.iter().cloned().chain(live).collect();
        let (events, deleted) = (std::mem::take(&mut self.pending.events), self.pending.deleted.clone());
        let (watched, links) = (self.pending.watched.clone(), self.pending.links.clone());
        let (told, losses) = (self.pending.told.clone(), self.pending.losses.clone());
        let seen_until_ms = self.seen_until_ms();
        let notices = std::mem::take(&mut self.pending.notices);
        let incidents = self.pending.incidents.iter().map(|(name, row)| (name.clone(), row.clone())).collect();
        let down = self.pending.down.clone().into_iter().collect();
        let journals = if self.pending.journals { self.journals.states() } else { Vec::new() };
        let batch = Batch {
            files: states,
            journals,
            events,
            notices,
            incidents,
            deleted,
            watched,
            links,
            seen_until_ms,
            told,
            losses,
            down,
        };
        match self.store.commit(&batch) {
            Ok(()) => {
                self.pending = pending::Pending::default();
                if self.stalled.take().is_some() {
                    tracing::info!("state can be written again");
                }
                self.metrics.state(None);
            }
            Err(error) => {
                (self.pending.events, self.pending.notices) = (batch.events, batch.notices);
                self.commit_failed(&error, clock);
            }
        }
    }

    /// All that happened before this was looked at and is stored.
    fn seen_until_ms(&self) -> i64 {
        let unclear = self.kin.unclear_since().into_iter().chain(self.newcomers.unseen_since());
        let unclear = unclear.filter_map(|since| Timestamp::try_from(since).ok()).map(Timestamp::as_millisecond);
        unclear.fold(self.round_began_ms, i64::min)
    }

    /// Nothing is rolled back: positions and the events they account for stay together in memory, and are tried again.
    fn commit_failed(&mut self, error: &StateError, clock: Instant) {
        if let StateError::Begun = error {
            return self.begin_anew(clock);
        }
        self.metrics.commit_errors.fetch_add(1, Relaxed);
        self.metrics.state(Some(error.to_string()));
        if self.stalled.is_none() {
            tracing::error!(%error, "cannot write the state; reading pauses until it can be written. Nothing is lost");
        }
        self.stalled = Some(Stall::longer(self.stalled, clock));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let clock = Instant::now();
        let stalls =
            std::iter::successors(Some(Stall::longer(None, clock)), |&stall| Some(Stall::longer(Some(stall), clock)));
        let pauses: Vec<u64> = stalls.map(|stall| (stall.until - clock).as_secs()).take(6).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
        // Also where an empty database was begun in between.
        assert_eq!(Stall::longer(Some(Stall::none(clock)), clock).until - clock, RETRY);
    }
}
