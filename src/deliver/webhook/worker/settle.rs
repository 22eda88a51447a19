//! What an attempt came to: stored first, then told, and what it says of the sink's health.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::SinkState;
use super::super::health::Failure;
use super::super::outcome::{self, MAX_APART, Moment, Outcome, Room};
use super::super::verdict::Verdict;
use super::{Pause, STORE_RETRY, Worker, now_ms};
use crate::store::{Delivery, Standing, StateError, Tries};

impl<T: FnMut(SinkState)> Worker<'_, T> {
    /// Stores what an attempt came to, and tells of it.
    pub(super) async fn settle(&mut self, delivery: &Delivery, verdict: Verdict) {
        let room = match self.n_apart {
            _ if self.health.refuses_all() => Room::NoUse,
            MAX_APART.. => Room::Full,
            _ => Room::Free,
        };
        let max_age = self.sink.config.max_age;
        let steady_for = self.store.steady_for();
        let moment = Moment { now_ms: now_ms(), random: (self.sink.chance)(), max_age, steady_for, room };
        let outcome = outcome::decide(delivery, verdict, moment);
        if !self.keep(delivery, &outcome, moment.now_ms).await {
            return;
        }
        let is_apart = delivery.row.is_some();
        let since = delivery.tries.first_tried_ms.unwrap_or(moment.now_ms);
        let since = Timestamp::from_millisecond(since).unwrap_or_else(|_| Timestamp::now());
        let failure = |reason| Failure { since, now: Instant::now(), reason };
        match outcome {
            Outcome::Accepted => {
                (self.tell)(SinkState::Accepted { rows: delivery.members.len() });
                self.remember_accepting();
                self.health.accepted().map(&mut self.tell);
            }
            Outcome::Again(tries) | Outcome::Pause { tries, .. } => {
                let reason = self.failed(delivery, tries);
                if is_apart {
                    self.health.still_apart(failure(&reason));
                } else {
                    self.health.failed(failure(&reason));
                }
            }
            Outcome::Halve(tries) => drop(self.failed(delivery, tries)),
            Outcome::Apart(tries) => {
                let reason = self.failed(delivery, tries);
                self.health.stepped_aside(failure(&reason));
            }
            Outcome::Dead { reason } => {
                if !is_apart {
                    self.health.stepped_aside(failure(&reason));
                }
                (self.tell)(SinkState::Dead { id: delivery.id.clone(), reason });
            }
            Outcome::Gone(tries) => {
                let stopped = self.health.stopped(failure(&tries.last_error.unwrap_or_default()));
                (self.tell)(stopped);
            }
        }
    }

    /// Stores an outcome. As long as that does not work it is remembered here: a full disk does not cause repeats. False if the
    /// worker was asked to stop meanwhile.
    pub(super) async fn keep(&mut self, delivery: &Delivery, outcome: &Outcome, now_ms: i64) -> bool {
        while let Err(error) = self.store_outcome(delivery, outcome, now_ms) {
            tracing::warn!(sink = self.name(), %error, "cannot record what became of a request; trying again");
            self.wait(Pause::Until(Instant::now() + STORE_RETRY)).await;
            if self.is_stopped() {
                return false;
            }
        }
        true
    }

    fn store_outcome(&self, delivery: &Delivery, outcome: &Outcome, now_ms: i64) -> Result<(), StateError> {
        let (store, sink, id) = (self.store, self.name(), &delivery.id);
        match outcome {
            Outcome::Accepted => store.accept_delivery(sink, delivery),
            Outcome::Again(tries) => store.set_tries(sink, id, tries),
            Outcome::Gone(tries) => store.stop_sink(sink, id, tries),
            Outcome::Pause { tries, until_ms } => store.pause(sink, id, tries, *until_ms),
            Outcome::Halve(begin) => {
                let mut halves = self.sink.maker().halves(&self.members(delivery)?, delivery.through);
                halves.iter_mut().for_each(|half| half.tries = begin.clone());
                store.replace_delivery(sink, id, &halves)
            }
            Outcome::Apart(tries) => store.put_apart(sink, delivery, tries),
            Outcome::Dead { reason } => store.bury(sink, delivery, reason, now_ms),
        }
    }

    /// Tells of an attempt that came to nothing, and gives the reason.
    fn failed(&mut self, delivery: &Delivery, tries: Tries) -> String {
        let reason = tries.last_error.unwrap_or_default();
        tracing::debug!(sink = self.name(), id = delivery.id, attempts = tries.attempts, reason, "not accepted");
        (self.tell)(SinkState::Failed { reason: reason.clone() });
        reason
    }

    /// A sink that failed before this run is failing since then.
    pub(super) fn remember_failing(&mut self) {
        let Ok(standing) = self.store.standing(self.name()) else { return };
        let Standing { next, is_stopped, down_ms, accepted_as, .. } = standing;
        if accepted_as.as_deref() == Some(self.sink.client.setup()) {
            self.health.remember_accepting();
        }
        // What stands apart says something only of a receiver that never accepted anything.
        let apart_ms = match accepted_as {
            None => self.store.apart_since(self.name()).unwrap_or_default(),
            Some(_) => None,
        };
        let next_ms = next.filter(|next| next.tries.attempts > 0).and_then(|next| next.tries.first_tried_ms);
        let tried_ms = next_ms.into_iter().chain(apart_ms).min();
        let Some(since) = down_ms.or(tried_ms) else { return };
        let ago = Duration::from_millis(now_ms().saturating_sub(since).max(0).cast_unsigned());
        if let Ok(since) = Timestamp::from_millisecond(since) {
            // Before the machine was started that clock has no times.
            let now = Instant::now();
            let began = now.checked_sub(ago).unwrap_or(now);
            // What is told may not be stored yet.
            self.health.remember(since, began, is_stopped || down_ms.is_some());
        }
    }

    /// Stored once for each URL and key.
    fn remember_accepting(&self) {
        if self.health.has_accepted() {
            return;
        }
        if let Err(error) = self.store.set_accepted_as(self.name(), self.sink.client.setup()) {
            tracing::warn!(sink = self.name(), %error, "cannot record that this sink accepts messages");
        }
    }
}
