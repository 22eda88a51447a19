//! Room in the outbox: reading slows as it fills up and pauses while it is full; the log files are the buffer. Where one sink
//! stands still although another has taken everything (`standstill`), the oldest rows of that one go, and are reported.

mod standstill;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use standstill::{PATIENCE, Standstill};

use super::Reader;
use crate::daemon::follow::{Follow, PER_TURN};
use crate::daemon::plan::Plan;
use crate::deliver::webhook::filter;
use crate::identity::FileKey;
use crate::store::{Dropped, StateError, Store};

/// Reading pauses while so many events wait for delivery, or so many bytes of them as are configured.
const MAX_WAITING: u64 = 100_000;
/// With so many it goes on.
const FEW_WAITING: u64 = MAX_WAITING / 8 * 7;
/// Bytes of events where they wait in memory.
const MAX_IN_MEMORY: u64 = 16 * 1024 * 1024;
/// What must be free in the outbox for anything to be read: more than the events of the smallest read take.
pub(super) const RESERVE: u64 = 512 * 1024;
/// More than a notice takes.
const A_ROW: u64 = 16 * 1024;
/// Events take up to this many times the bytes of the lines that they are about.
const AMPLIFICATION: u64 = 128;
const MIN_READ: u64 = 4096;
/// How often files are looked at while nothing is read.
const PAUSED_LOOK: Duration = Duration::from_secs(1);
/// Not full for so long, it begins anew to be full.
const RESPITE: Duration = Duration::from_secs(10);

/// What is known of the sinks while the outbox is full. That reading goes on for a moment whenever a few rows went changes nothing: it is over
/// when half of it is empty, or when it has not been full for a while, as with a sink that is only slow.
#[derive(Debug, Default)]
pub(super) struct Fullness {
    /// Since when it has not been full.
    free_since: Option<Instant>,
    sinks: Standstill,
    /// Nobody looks at the sinks before.
    next_look: Option<Instant>,
}

impl Fullness {
    fn seen(&mut self, is_full: bool, is_half_empty: bool, clock: Instant) {
        let had_respite = self.free_since.is_some_and(|since| clock.saturating_duration_since(since) >= RESPITE);
        if had_respite || !is_full && is_half_empty {
            *self = Fullness::default();
        }
        if is_full {
            self.free_since = None;
        } else {
            self.free_since.get_or_insert(clock);
        }
    }
}

/// Bytes of events that may wait for delivery.
pub(super) fn max_outbox(plan: &Plan, store: &Store) -> u64 {
    let configured = plan.setup.config.state.max_outbox;
    if store.is_in_memory() { configured.min(MAX_IN_MEMORY) } else { configured }
}

impl Reader {
    /// False while nothing more may be taken in: a commit failed, or too much waits for delivery.
    pub(super) fn may_read(&mut self, clock: Instant) -> bool {
        if self.stalled.is_some_and(|stall| clock < stall.until) {
            return false;
        }
        let waiting = self.store.waiting();
        let blocked = match self.blocked {
            None => self.room() < RESERVE || waiting.rows >= MAX_WAITING,
            // A little more than one row has to go before reading goes on.
            Some(_) => self.room() < self.room_to_go_on() || waiting.rows >= FEW_WAITING,
        };
        let half = self.max_outbox.saturating_sub(RESERVE) / 2;
        let is_half_empty = self.max_outbox - self.room() < half && waiting.rows < MAX_WAITING / 2;
        self.fullness.seen(blocked, is_half_empty, clock);
        if blocked != self.blocked.is_some() {
            self.blocked = blocked.then_some(clock);
            self.metrics.paused(self.blocked);
            if blocked {
                self.metrics.backpressure.fetch_add(1, Relaxed);
                tracing::warn!(
                    events = waiting.rows,
                    bytes = waiting.bytes,
                    max_outbox = self.max_outbox,
                    "the outbox is full; reading pauses until its sinks take events"
                );
            } else {
                tracing::info!(events = waiting.rows, bytes = waiting.bytes, "reading goes on");
            }
        }
        !blocked && self.stalled.is_none()
    }

    /// Gives up the oldest of what waits for a sink that has stood still for too long, as much as reading needs to go on, and an
    /// eighth of the outbox at least, so that it is not to be done again at once.
    /// Never where all sinks wait: then it would be lost to everybody.
    pub(super) fn make_room(&mut self, clock: Instant) {
        let is_early = self.fullness.next_look.is_some_and(|at| clock < at);
        if self.blocked.is_none() || self.stalled.is_some() || is_early {
            return;
        }
        match self.give_up_oldest(clock) {
            // What went was not for it.
            Ok(Some((_, lost))) if lost.waiting.rows == 0 => {}
            Ok(Some((sink, lost))) => {
                tracing::error!(
                    sink,
                    events = lost.waiting.rows,
                    bytes = lost.waiting.bytes,
                    "took nothing for a minute although another sink has taken everything and the outbox is full; gave up the oldest of what waits for this one"
                );
                self.report_losses(clock);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot make room in the outbox; trying again in a minute");
                self.fullness = Fullness { next_look: Some(clock + PATIENCE), ..Fullness::default() };
            }
        }
    }

    fn give_up_oldest(&mut self, clock: Instant) -> Result<Option<(String, Dropped)>, StateError> {
        let (progress, last) = self.store.progress()?;
        let still = self.fullness.sinks.look(&progress, last, clock);
        let to_try = self.fullness.sinks.due_for_a_try(clock);
        if !to_try.is_empty() {
            tracing::info!(
                sinks = to_try.join(", "),
                "the outbox is full, and another sink has taken everything; trying these again"
            );
            self.store.hasten(&to_try)?;
        }
        if still.is_empty() {
            return Ok(None);
        }
        let rows = (self.store.waiting().rows + 1).saturating_sub(FEW_WAITING);
        let bytes = (self.room_to_go_on() + A_ROW).saturating_sub(self.room()).max(self.max_outbox / 8);
        let webhooks = &self.plan.setup.config.webhooks;
        self.store.make_room(rows, bytes, &still, |sink, row, heard| {
            let webhook = webhooks.iter().find(|webhook| webhook.name == sink);
            webhook.is_none_or(|webhook| filter::is_missed(row, sink, &webhook.filter, heard))
        })
    }

    /// While nothing is read, files are truncated all the same: what goes unread with that is reported then, as the next run could
    /// not know of it.
    pub(super) fn look_while_paused(&mut self, clock: Instant) {
        if self.stalled.is_some() || clock < self.next_paused_look {
            return;
        }
        self.next_paused_look = clock + PAUSED_LOOK;
        let shrunk = |key: &FileKey| self.files.get(*key).is_some_and(Follow::has_shrunk);
        let shrunk: Vec<_> = self.files.queued().filter(shrunk).collect();
        shrunk.into_iter().for_each(|key| self.turn(key, clock));
        self.look_for_copies(clock);
    }

    /// Bytes of events that may still come to the outbox.
    pub(super) fn room(&self) -> u64 {
        self.max_outbox.saturating_sub(self.store.waiting().bytes + self.pending.bytes())
    }

    fn room_to_go_on(&self) -> u64 {
        RESERVE.max(self.max_outbox / 8)
    }

    /// Bytes to read in one turn, so that their events find room.
    pub(super) fn budget(&self) -> usize {
        (self.room() / AMPLIFICATION).clamp(MIN_READ, PER_TURN as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_time_and_again_is_full_all_the_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut fullness = Fullness::default();
        let is_known = |fullness: &Fullness| fullness.next_look.is_some();
        fullness.seen(true, false, at(0));
        fullness.next_look = Some(start);
        for second in 1..70 {
            fullness.seen(second % 9 == 1, false, at(second));
            assert!(is_known(&fullness), "{second}");
        }
        fullness.seen(false, true, at(71));
        assert!(!is_known(&fullness), "half of it is empty");
        fullness.seen(true, false, at(72));
        fullness.next_look = Some(start);
        // However rarely somebody looks, full and full is full all the time; not full for ten seconds between is not.
        fullness.seen(true, false, at(500));
        assert!(is_known(&fullness));
        fullness.seen(false, false, at(501));
        fullness.seen(true, false, at(511));
        assert!(!is_known(&fullness));
    }
}
