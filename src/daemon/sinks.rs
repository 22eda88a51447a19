//! The workers of the webhooks: one thread each, replaced one by one when the configuration is loaded again.
//!
//! A worker that is replaced finishes the attempt that it is at, so that no request is under way twice. What a sink has to say
//! of itself goes to the metrics, the log and, as a notice, through the reader to the other sinks.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use tokio::sync::{oneshot, watch};

use super::reader::Request;
use crate::deliver::webhook::{self, Sink, SinkState};
use crate::notice::Notice;
use crate::source::wake::Wake;
use crate::store::Store;
use crate::telemetry::{Metrics, Outcome};

/// What a worker needs besides its sink.
#[derive(Clone)]
struct Surroundings {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    wake: Arc<Wake<Request>>,
}

/// The workers by the names of their sinks.
pub struct Sinks {
    surroundings: Surroundings,
    workers: BTreeMap<String, Worker>,
    /// Of sinks that are no longer configured.
    leaving: Vec<Worker>,
}

struct Worker {
    /// What it goes on as, once it has stopped.
    next: Arc<Mutex<Option<Next>>>,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

struct Next {
    sink: Sink,
    stop: watch::Receiver<bool>,
}

impl Sinks {
    pub fn new(store: Arc<Store>, metrics: Arc<Metrics>, wake: Arc<Wake<Request>>) -> Sinks {
        Sinks { surroundings: Surroundings { store, metrics, wake }, workers: BTreeMap::new(), leaving: Vec::new() }
    }

    /// Makes these the sinks.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn replace(&mut self, sinks: Vec<Sink>) -> std::io::Result<()> {
        let names: Vec<String> = sinks.iter().map(|sink| sink.name().to_owned()).collect();
        let gone: Vec<String> = self.workers.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            if let Some(worker) = self.workers.remove(&name) {
                worker.stop.send_replace(true);
                self.leaving.push(worker);
            }
        }
        self.leaving.retain_mut(|worker| worker.ended.try_recv().is_err());
        for sink in sinks {
            let (sender, stop) = watch::channel(false);
            let next = Next { sink, stop };
            let name = next.sink.name().to_owned();
            match self.workers.get_mut(&name) {
                Some(worker) => {
                    *worker.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
                    std::mem::replace(&mut worker.stop, sender).send_replace(true);
                }
                None => {
                    let worker = self.surroundings.spawn(next, sender)?;
                    self.workers.insert(name, worker);
                }
            }
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Comes when a worker ends that nobody has asked to, and is the name of its sink.
    pub async fn broken(&mut self) -> String {
        poll_fn(|context| {
            for (name, Worker { ended, .. }) in &mut self.workers {
                if !ended.is_terminated() && Pin::new(ended).poll(context).is_ready() {
                    return Poll::Ready(name.clone());
                }
            }
            Poll::Pending
        })
        .await
    }

    /// No attempt is begun any more.
    pub fn stop(&mut self) {
        for worker in self.workers.values() {
            worker.stop.send_replace(true);
        }
    }

    /// Waits for the attempts that are under way.
    pub async fn ended(&mut self) {
        for worker in self.workers.values_mut().chain(&mut self.leaving) {
            // Who is gone has ended.
            let _ = (&mut worker.ended).await;
        }
    }
}

impl Surroundings {
    fn spawn(&self, first: Next, stop: watch::Sender<bool>) -> std::io::Result<Worker> {
        let next = Arc::new(Mutex::new(None));
        let (done, ended) = oneshot::channel();
        let (queue, surroundings) = (Arc::clone(&next), self.clone());
        let thread = thread::Builder::new().name(first.sink.name().to_owned());
        thread.spawn(move || {
            let mut current = Some(first);
            while let Some(Next { sink, stop }) = current {
                surroundings.work(&sink, stop);
                current = queue.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            // Who no longer listens has ended already.
            let _ = done.send(());
        })?;
        Ok(Worker { next, stop, ended })
    }

    fn work(&self, sink: &Sink, stop: watch::Receiver<bool>) {
        let name = sink.name();
        // As others were told, before a reload or restart too.
        let is_down = self.store.standing(name).is_ok_and(|standing| standing.down_ms.is_some());
        self.metrics.sink_up(name, !is_down);
        let mut has_accepted = false;
        let tell = |state| {
            // Whether it was down is known to the incidents, from before a restart too.
            if matches!(state, SinkState::Accepted { .. }) && !std::mem::replace(&mut has_accepted, true) {
                self.wake.request(Request::Accepts(name.to_owned()));
            }
            self.tell(name, state);
        };
        if let Err(error) = webhook::run(sink, &self.store, stop, tell) {
            tracing::error!(sink = name, %error, "cannot deliver");
        }
    }

    fn tell(&self, name: &str, state: SinkState) {
        let sink = || name.to_owned();
        let request = match state {
            SinkState::Accepted { rows } => {
                self.metrics.sink_request(name, Outcome::Accepted);
                tracing::debug!(sink = name, rows, "delivered");
                return;
            }
            SinkState::Failed { reason } => {
                self.metrics.sink_request(name, Outcome::Failed);
                tracing::warn!(sink = name, reason, "delivery failed; it is tried again");
                return;
            }
            SinkState::Failing { since, reason } => {
                self.metrics.sink_up(name, false);
                tracing::error!(sink = name, %since, reason, "this sink takes nothing");
                Request::Tell(Notice::SinkDown { sink: sink(), since, reason })
            }
            SinkState::Recovered { since } => {
                self.metrics.sink_up(name, true);
                tracing::info!(sink = name, down_since = %since, "this sink takes messages again");
                Request::Tell(Notice::SinkUp { sink: sink(), since })
            }
            SinkState::Stopped { since, reason } => {
                self.metrics.sink_up(name, false);
                tracing::error!(
                    sink = name,
                    reason,
                    "this sink wants nothing any more; it is tried again after a reload, a restart or `outbox retry`"
                );
                Request::Tell(Notice::SinkDown { sink: sink(), since, reason })
            }
            SinkState::Expired(dropped) => {
                tracing::error!(sink = name, events = dropped.waiting.rows, "gave up what has waited for too long");
                Request::Losses
            }
            SinkState::Superseded { id, incidents } => {
                tracing::warn!(
                    sink = name,
                    id,
                    ?incidents,
                    "refused, and something later of these incidents was accepted; gave up what it says of them"
                );
                Request::Losses
            }
            SinkState::Dead { id, reason } => {
                self.metrics.dead_letters.fetch_add(1, Relaxed);
                tracing::error!(sink = name, id, reason, "refused for too long; it is a dead letter now");
                Request::Losses
            }
        };
        self.wake.request(request);
    }
}
