//! What the reader says of itself: what it could not read, what was lost of the state.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Reader;
use super::work::Stall;
use crate::config::Notify;
use crate::event::Missed;
use crate::identity::FileKey;
use crate::notice::{About, Notice, Reason, Why};
use crate::pipeline::Cut;
use crate::store::{Backlog, Dropped, Loss, Lost, StateError};

/// That a full outbox had to give something up is told no more often.
const FULL_EVERY: Duration = Duration::from_secs(20);

impl Reader {
    /// Bytes of a file are gone unread.
    pub(super) fn report_gap(&mut self, about: &About, reason: Reason, unread: Range<u64>, clock: Instant) {
        let Range { start: from, end: to } = unread;
        if from >= to {
            return;
        }
        self.metrics.gap(reason, to - from);
        tracing::warn!(
            path = %about.origin.path, from, to, reason = reason.as_str(),
            "a part of this file could not be read"
        );
        self.report(&Notice::Gap { reason, from, to }, about, clock);
    }

    pub(super) fn report_cuts(&mut self, cuts: &[Cut], about: &About, clock: Instant) {
        for &Cut { offset, line } in cuts {
            self.metrics.cut_lines.fetch_add(1, Relaxed);
            tracing::warn!(path = %about.origin.path, line, offset, "a line longer than 1 MiB; only its beginning was searched");
            let about = About { line, ..about.clone() };
            self.report(&Notice::LineCut { offset }, &about, clock);
        }
    }

    /// Reports each damaged database that no event has told of yet.
    ///
    /// # Errors
    /// The store cannot say which those are.
    pub(super) fn report_damage(&mut self, clock: Instant) -> Result<(), StateError> {
        for name in self.store.untold_damage()? {
            if self.pending.told.contains(&name) {
                continue;
            }
            self.metrics.state_lost.fetch_add(1, Relaxed);
            let about = About::ourselves("state".into(), self.plan.setup.host.clone());
            self.report(&Notice::StateLost { kept_as: name.clone() }, &about, clock);
            self.pending.told.push(name);
        }
        Ok(())
    }

    /// Reports what was given up and no event has told of yet: for each sink, reason and kind of rows the sum. Of a full outbox is told a few times a
    /// minute at most, however often it makes room.
    pub(super) fn report_losses(&mut self, clock: Instant) {
        let losses = match self.store.losses() {
            Ok(losses) => losses,
            Err(error) => {
                return tracing::warn!(%error, "cannot see what was given up; it is reported at the next start");
            }
        };
        let mut sums: Vec<(String, Lost)> = Vec::new();
        let mut told = Vec::new();
        for Loss { id, sink, lost } in losses {
            let is_early = self.next_full.is_some_and(|at| clock < at);
            if self.pending.losses.contains(&id) || is_early && matches!(lost, Lost::Rows(Why::Full, ..)) {
                continue;
            }
            told.push(id);
            let sum = sums.iter_mut().find_map(|(name, sum)| match (sum, &lost) {
                (Lost::Rows(why, kind, sum), Lost::Rows(other_why, other_kind, more)) => {
                    ((&*name, *why, *kind) == (&sink, *other_why, *other_kind)).then_some((sum, *more))
                }
                _ => None,
            });
            match sum {
                Some((sum, more)) => sum.add(more),
                None => sums.push((sink, lost)),
            }
        }
        for (sink, lost) in sums {
            let notice = match lost {
                Lost::Rows(why, kind, Dropped { waiting: Backlog { rows, bytes, oldest_ms }, last_seq, at_most }) => {
                    if why == Why::Full {
                        self.next_full = Some(clock + FULL_EVERY);
                    }
                    let oldest = oldest_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
                    let lost = match kind {
                        Notify::Event => Missed { events: rows, messages: 0, at_most },
                        Notify::Incident => Missed { events: 0, messages: rows, at_most },
                    };
                    Notice::Dropped { sink, why, lost, bytes, oldest, last_seq }
                }
                Lost::Letter { id, reason } => Notice::DeadLetter { sink, id, reason },
            };
            self.pass_on(&notice, clock);
        }
        self.pending.losses.extend(told);
    }

    /// Reports what has waited for its time.
    pub(super) fn report_full(&mut self, clock: Instant) {
        if self.next_full.take_if(|at| clock >= *at).is_some() {
            self.report_losses(clock);
        }
    }

    /// The database was damaged while it was in use. What is in memory is as good as ever: all of it is stored anew, and
    /// only the events that waited for delivery are gone.
    pub(super) fn begin_anew(&mut self, clock: Instant) {
        for key in self.files.keys() {
            self.pending.touched(key, clock);
        }
        self.store_incidents_anew();
        if !self.newcomers.is_first_walk() {
            self.pending.watched = Some(self.plan.selection.written());
            self.pending.linked(self.links.all(), clock);
        }
        if let Err(error) = self.report_damage(clock) {
            tracing::error!(%error, "cannot look for what was set aside");
        }
        self.stalled = Some(Stall::none(clock));
    }

    /// What others have to say of paytriage itself.
    pub(super) fn pass_on(&mut self, notice: &Notice, clock: Instant) {
        let about = About::ourselves("sink".into(), self.plan.setup.host.clone());
        self.report(notice, &about, clock);
    }

    /// Lets deleted files go, the oldest first, until the rest holds no more disk than it may.
    pub(super) fn bound_pinned(&mut self, clock: Instant) {
        let displaced = self.files.displaced();
        let pinned = displaced.into_iter().filter_map(|key| {
            let bytes = self.pinned(key, clock)?;
            Some((self.files.get(key)?.changed(), key, bytes))
        });
        let mut pinned: Vec<(Instant, FileKey, u64)> = pinned.collect();
        pinned.sort_unstable();
        let mut held: u64 = pinned.iter().map(|(.., bytes)| bytes).sum();
        for (_, key, bytes) in pinned {
            if held <= self.plan.setup.config.state.max_pinned_bytes {
                break;
            }
            held -= bytes;
            self.flush(key, clock);
            let Some(follow) = self.files.get(key) else { continue };
            let (about, unread) = (follow.about(), follow.unread());
            self.report_gap(&about, Reason::Deleted, unread, clock);
            self.gone(key, clock);
        }
        self.metrics.pinned_bytes.store(held, Relaxed);
    }

    /// Disk that a file keeps although it is deleted. What was not read of it goes with the process, and the next run has to know.
    pub(super) fn pinned(&mut self, key: FileKey, clock: Instant) -> Option<u64> {
        let follow = self.files.get_mut(key)?;
        let before = follow.to_store().unread_to;
        let bytes = follow.pinned()?;
        if follow.to_store().unread_to > before {
            self.pending.urgent(key, clock);
        }
        Some(bytes)
    }

    /// What was not read of deleted files is gone now. The next run reports it, unless it finds a copy; without one it is reported now.
    pub(super) fn leave_deleted(&mut self, clock: Instant) {
        for key in self.files.displaced() {
            if self.pinned(key, clock).is_none() {
                continue;
            }
            let Some(follow) = self.files.get(key).filter(|follow| follow.lag() > 0) else { continue };
            let (about, unread) = (follow.about(), follow.unread());
            if self.store.is_in_memory() {
                self.report_gap(&about, Reason::Deleted, unread, clock);
            } else {
                let Range { start: from, end: to } = unread;
                tracing::warn!(
                    path = %about.origin.path, from, to,
                    "ended before this deleted file was read to its end; reported at the next start if no copy of it is found"
                );
            }
        }
    }

    /// Reports what went unread with the process before this one.
    pub(super) fn report_doomed(&mut self, clock: Instant) {
        for row in self.newcomers.take_doomed() {
            let source = self.plan.selection.source_of(&row.path).cloned();
            let origin = source.map(|source| super::super::meet::origin(&self.plan, &source, &row.path));
            let Some(origin) = origin else { continue };
            let identity = row.key.identity(row.generation);
            let about = About { origin, identity, line: row.checkpoint.line + 1 };
            let unread = row.proof.at..row.unread_to.unwrap_or(row.proof.at);
            self.report_gap(&about, Reason::Deleted, unread, clock);
            self.pending.deleted.push(row.key);
        }
    }

    fn report(&mut self, notice: &Notice, about: &About, clock: Instant) {
        let event = notice.event(about, &self.plan.setup.catalog, Timestamp::now());
        self.take(event.into_iter().collect(), clock);
    }
}
