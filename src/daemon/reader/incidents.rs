//! Incidents in the reader's rounds: events are counted when they are taken, and what is to be said of them is stored with them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Reader;
use crate::config::{Notify, Silence};
use crate::daemon::plan::Plan;
use crate::event::Event;
use crate::incident::{Clock, Incidents, Settings, Sight, State};
use crate::store::{self, OutboxEvent, StateError, Store};

/// The groups, and the clock that they are judged by.
pub(super) struct Watch {
    incidents: Incidents,
    /// Steady time, milliseconds, at `began`.
    base_ms: i64,
    began: Instant,
}

/// Nobody wants to know of incidents where no sink takes them and nobody can ask.
fn is_wanted(plan: &Plan) -> bool {
    let config = &plan.setup.config;
    config.http.is_some()
        || config.stdout.enabled && config.stdout.notify == Notify::Incident
        || config.webhooks.iter().any(|webhook| webhook.notify == Notify::Incident)
}

fn settings(plan: &Plan) -> Settings {
    let setup = &plan.setup;
    Settings { config: setup.config.incident.clone(), lang: setup.config.lang, catalog: setup.catalog.clone() }
}

fn in_force(stored: store::Silence) -> Silence {
    Silence { matcher: stored.matcher, until: stored.until, comment: stored.comment }
}

impl Watch {
    /// `None` if no sink takes incidents.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn begin(plan: &Plan, store: &Store, clock: Instant) -> Result<Option<Watch>, StateError> {
        if !is_wanted(plan) {
            return Ok(None);
        }
        let (incidents, n_unread) = Incidents::restore(settings(plan), store.incidents()?);
        if n_unread > 0 {
            tracing::warn!(n_unread, "incidents of the last run could not be read; they begin anew");
        }
        let now = Timestamp::now().as_millisecond();
        let base_ms = incidents.latest_ms().map_or(now, |latest| latest.max(now));
        let mut watch = Watch { incidents, base_ms, began: clock };
        watch.keep_sinks(plan, clock);
        Ok(Some(watch))
    }

    fn keep_sinks(&mut self, plan: &Plan, clock: Instant) {
        let sinks: Vec<&str> = plan.setup.config.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
        self.incidents.keep_sinks(&sinks, self.clock(clock));
    }

    fn clock(&self, clock: Instant) -> Clock {
        let passed = clock.saturating_duration_since(self.began).as_millis();
        Clock { wall: Timestamp::now(), steady_ms: self.base_ms + i64::try_from(passed).unwrap_or(i64::MAX / 2) }
    }
}

impl Reader {
    pub(super) fn observe(&mut self, event: &Event) {
        let now = (self.now)();
        if let Some(watch) = &mut self.watch {
            let clock = watch.clock(now);
            watch.incidents.observe(event, clock);
        }
    }

    pub(super) fn sink_accepts(&mut self, sink: &str, clock: Instant) {
        if let Some(watch) = &mut self.watch {
            let clock = watch.clock(clock);
            watch.incidents.sink_accepts(sink, clock);
        }
    }

    /// How much of the logs is read, where nothing `may_read` or after a round of reading. After a pause, or a start, sources
    /// are seen as a whole once they were read to their ends.
    pub(super) fn see(&mut self, may_read: bool) {
        self.is_behind = !may_read || self.is_behind && self.files.n_queued() > 0;
        let sight = match (may_read, self.is_behind) {
            (false, _) => Sight::None,
            (true, true) => Sight::Part,
            (true, false) => Sight::Whole,
        };
        if let Some(watch) = &mut self.watch {
            watch.incidents.see(sight);
        }
    }

    /// When there is something to say.
    pub(super) fn incidents_due(&self) -> Option<Instant> {
        let watch = self.watch.as_ref()?;
        let due_ms = watch.incidents.due()?.saturating_sub(watch.base_ms);
        Some(watch.began + Duration::from_millis(u64::try_from(due_ms).unwrap_or(0)))
    }

    /// Says what is due, and takes what changed, both for the next transaction.
    pub(super) fn tell_incidents(&mut self, clock: Instant) {
        let is_due = self.incidents_due().is_some_and(|at| at <= clock);
        let Some(watch) = &mut self.watch else { return };
        if is_due {
            let silences = match self.store.silences() {
                Ok(silences) => silences.into_iter().map(in_force).collect(),
                Err(error) => {
                    tracing::warn!(%error, "cannot read the silences");
                    Vec::new()
                }
            };
            let now = watch.clock(clock);
            for message in watch.incidents.tick(now, &silences) {
                self.pending.notice(OutboxEvent { id: message.id, body: message.body }, clock);
            }
        }
        for (name, row) in watch.incidents.take_changes() {
            self.pending.incidents.insert(name, row);
        }
        let open = watch.incidents.open().filter(|known| known.state == State::Open).count();
        self.metrics.incidents(open as u64, watch.incidents.unsaid());
    }

    /// Other settings, or other sinks.
    pub(super) fn reload_incidents(&mut self, clock: Instant) {
        match &mut self.watch {
            Some(watch) if is_wanted(&self.plan) => {
                watch.incidents.set(settings(&self.plan));
                watch.keep_sinks(&self.plan, clock);
            }
            Some(_) => self.watch = None,
            None => match Watch::begin(&self.plan, &self.store, clock) {
                Ok(watch) => self.watch = watch,
                Err(error) => tracing::error!(%error, "cannot read the incidents of before"),
            },
        }
    }

    /// The store knows nothing any more.
    pub(super) fn store_incidents_anew(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.incidents.store_anew();
        }
    }
}
