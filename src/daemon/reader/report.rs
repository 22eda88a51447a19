//! What the reader says of itself: what it could not read, what was lost of the state.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Reader;
use super::work::Stall;
use crate::config::Notify;
use crate::daemon::meet;
use crate::event::Missed;
use crate::identity::FileKey;
use crate::notice::{About, Notice, Reason, Why};
use crate::pipeline::Cut;
use crate::store::{Backlog, Dropped, FileState, Loss, Lost, StateError};

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
                Lost::Rows(why, kind, Dropped { waiting, last_seq, at_most, .. }) => {
                    let Backlog { rows, bytes, oldest_ms } = waiting;
                    if why == Why::Full {
                        self.next_full = Some(clock + FULL_EVERY);
                    }
                    self.metrics.dropped_events.fetch_add(rows, Relaxed);
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
        self.pending.read_on(clock);
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

    /// That a sink is down or up again, which its next worker has to know too. Not of one that is no longer configured: nobody
    /// would ever end that.
    pub(super) fn sink_tells(&mut self, notice: &Notice, clock: Instant) {
        let (sink, down_since) = match notice {
            Notice::SinkDown { sink, since, .. } => (sink, Some(since.as_millisecond())),
            Notice::SinkUp { sink, .. } => (sink, None),
            _ => return,
        };
        if !self.plan.setup.config.webhooks.iter().any(|webhook| webhook.name == *sink) {
            return;
        }
        self.pending.down(sink, down_since, clock);
        self.pass_on(notice, clock);
    }

    /// What is to be said of paytriage itself, and of no log.
    fn pass_on(&mut self, notice: &Notice, clock: Instant) {
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
            let Some(follow) = self.files.get_mut(key) else { continue };
            follow.forget_room();
            let (about, unread) = (follow.about(), follow.unread());
            self.report_gap(&about, Reason::Deleted, unread, clock);
            self.gone(key, clock);
        }
        self.metrics.pinned_bytes.store(held, Relaxed);
    }

    /// Disk that a file keeps although it is deleted. What was not read of one without a name may be out of the next run's reach, which
    /// has to know.
    pub(super) fn pinned(&mut self, key: FileKey, clock: Instant) -> Option<u64> {
        let follow = self.files.get_mut(key)?;
        let bytes = follow.pinned();
        if follow.unread_to() > follow.told_unread_to {
            follow.told_unread_to = follow.unread_to();
            self.pending.urgent(key, clock);
        }
        bytes
    }

    /// What was not read of files without a name may be gone now. The next run reports it, unless it finds them or copies of them;
    /// without one it is reported now.
    pub(super) fn leave_unread(&mut self, clock: Instant) {
        for key in self.files.displaced() {
            self.pinned(key, clock);
            let Some(follow) = self.files.get_mut(key) else { continue };
            follow.forget_room();
            self.pending.touched(key, clock);
            if follow.lag() == 0 {
                continue;
            }
            let (about, unread) = (follow.about(), follow.unread());
            if self.store.is_in_memory() {
                self.report_gap(&about, Reason::Unreachable, unread, clock);
            } else {
                let Range { start: from, end: to } = unread;
                tracing::warn!(
                    path = %about.origin.path, from, to,
                    "ended before this file, which lost its name, was read to its end; reported at the next start if it is not found"
                );
            }
        }
    }

    /// Reports what went unread with the process before this one and was not found again.
    pub(super) fn report_doomed(&mut self, clock: Instant) {
        for row in self.newcomers.take_doomed() {
            if self.files.get(row.key).is_none() {
                self.report_doomed_from(row, 0, clock);
            }
        }
    }

    /// The same for one file, of which another holds so many bytes. That of a source that is no longer configured is nobody's.
    pub(super) fn report_doomed_from(&mut self, row: FileState, held: u64, clock: Instant) {
        if let Some(source) = self.plan.selection.source_of(&row.path) {
            let origin = meet::origin(&self.plan, source, &row.path);
            let about = About { origin, identity: row.key.identity(row.generation), line: row.checkpoint.line + 1 };
            // The oldest record that is not finished is lost as a whole.
            let unread = row.checkpoint.offset.max(held)..row.unread_to.unwrap_or_default();
            self.report_gap(&about, Reason::Unreachable, unread, clock);
        }
        // Should it come back it goes on where it was.
        self.pending.finished.push(FileState { unread_to: None, ..row });
    }

    pub(super) fn report(&mut self, notice: &Notice, about: &About, clock: Instant) {
        let event = notice.event(about, &self.plan.setup.catalog, Timestamp::now());
        self.take(event.into_iter().collect(), clock);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::config::{Config, Durability, Notify};
    use crate::daemon::plan::{Plan, Setup};
    use crate::daemon::reader::Request;
    use crate::deliver::webhook::tests::case::{Case, NAME};
    use crate::pipeline::Engine;
    use crate::source::selection::Own;
    use crate::source::wake::Mail;
    use crate::store::{StateDir, Store};
    use crate::telemetry::Metrics;

    #[test]
    fn a_sink_that_is_not_configured_is_not_down_and_one_that_is_stays_so_until_it_is_up() {
        let case = Case::new(([127, 0, 0, 1], 1).into());
        let dir = StateDir::lock(case.dir.path()).unwrap();
        let store = Arc::new(Store::open(&dir, Durability::Normal).unwrap());
        store.set_sinks(&[(NAME, Notify::Event)]).unwrap();
        let mut config = Config::new(&|_| None);
        config.webhooks.push(case.config.clone());
        let catalog = Arc::new(Catalog::builtin());
        let engine = Arc::new(Engine::new(Arc::clone(&catalog), Default::default()));
        let setup = Setup { config, catalog, engine, host: None, stdin: None, webhooks: Vec::new(), token: None };
        let (plan, own) = (Plan::new(setup, "/".into()).unwrap(), Own::new(Some(dir.path())));
        let mut reader = Reader::new(plan, Arc::clone(&store), Arc::new(Metrics::default()), own).unwrap();
        let since = Timestamp::from_millisecond(7).unwrap();
        let down = |sink: &str| Notice::SinkDown { sink: sink.into(), since, reason: "HTTP 410".into() };
        let mut tell = |notice| {
            reader.round(Mail { requests: vec![Request::Tell(notice)], ..Mail::default() });
            let codes = store.rows_after(Notify::Event, 0, 10).unwrap().into_iter().map(|row| {
                let event: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
                event["code"].as_str().unwrap().to_owned()
            });
            (codes.collect::<Vec<_>>(), store.standing(NAME).unwrap().down_ms)
        };
        assert_eq!(tell(down("renamed")), (vec![], None));
        assert_eq!(tell(down(NAME)), (vec!["PT.SINK_DOWN".into()], Some(7)));
        let up = Notice::SinkUp { sink: NAME.into(), since };
        assert_eq!(tell(up), (vec!["PT.SINK_DOWN".into(), "PT.SINK_UP".into()], None));
    }
}
