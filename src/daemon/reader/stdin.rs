//! Standard input among the sources: read as a file that has no position, so that what was not reported when the process ends is
//! not read again. Where it is the only source, its end is the daemon's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::Reader;
use super::room::RESERVE;
use super::work::MAX_ROUND;
use crate::daemon::Ended;
use crate::daemon::plan::Plan;
use crate::daemon::settle::settle_after;
use crate::event::{Event, Origin};
use crate::identity;
use crate::notice::About;
use crate::pipeline::{Checkpoint, FileContext, Stream};
use crate::source::stdin::{Arrival, Stdin};

/// What events and messages call it.
const NAME: &str = "-";

/// How it is read.
pub(super) struct Input {
    stdin: Stdin,
    stream: Box<Stream>,
    about: About,
    settles: Option<Instant>,
    over: Option<Ended>,
    /// Wants to know that it is over.
    ended: oneshot::Sender<Ended>,
}

impl Input {
    fn new(plan: &Plan, stdin: Stdin, ended: oneshot::Sender<Ended>) -> Option<Input> {
        let source = plan.setup.stdin.as_ref()?;
        let host = plan.setup.host.clone();
        let origin =
            Arc::new(Origin { name: source.name.clone(), path: NAME.into(), host, labels: source.labels.clone() });
        // Another run reads something else, at the same offsets.
        let identity = identity::of_stdin(Timestamp::now().as_nanosecond());
        let context = FileContext {
            origin: Arc::clone(&origin),
            identity: identity.clone(),
            provider: source.provider.clone(),
            timezone: source.timezone.clone(),
            charset: source.encoding,
        };
        let stream = Box::new(Stream::new(Arc::clone(&plan.setup.engine), context, Checkpoint::default()));
        let about = About { origin, identity, line: 1 };
        Some(Input { stdin, stream, about, settles: None, over: None, ended })
    }

    pub fn due(&self, clock: Instant) -> Option<Instant> {
        if self.stdin.is_empty() { self.settles } else { Some(clock) }
    }

    pub fn has_more(&self) -> bool {
        !self.stdin.is_empty()
    }

    pub fn is_open(&self) -> bool {
        self.over.is_none()
    }

    /// What is pushed from now on is looked at by this plan.
    pub fn go_over_to(&mut self, plan: &Plan) {
        self.stream.go_over_to(Arc::clone(&plan.setup.engine));
    }
}

impl Reader {
    /// Reads standard input as well, and tells when it has ended and nothing else is to be read.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn read_stdin(&mut self, ended: oneshot::Sender<Ended>) -> io::Result<()> {
        let wake = Arc::clone(&self.wake);
        let stdin = Stdin::read(io::stdin(), move || wake.news())?;
        self.input = Input::new(&self.plan, stdin, ended);
        Ok(())
    }

    /// Takes in what has arrived, for a round's time.
    pub(super) fn read_input(&mut self, clock: Instant) {
        let Some(mut input) = self.input.take() else { return };
        let began = (self.now)();
        let mut events = Vec::new();
        while !self.pending.is_full() && self.room() >= RESERVE && (self.now)() < began + MAX_ROUND {
            let Some(arrival) = input.stdin.take() else { break };
            let now = Timestamp::now();
            match arrival {
                Arrival::Bytes(bytes) => {
                    self.metrics.read_bytes.fetch_add(bytes.len() as u64, Relaxed);
                    input.stream.push(&bytes, now, &mut events);
                    input.settles = settle_after(input.stream.pending()).map(|pause| (self.now)() + pause);
                }
                Arrival::End(error) => {
                    input.stream.finish(now, &mut events);
                    input.settles = None;
                    input.over = Some(match error {
                        Some(error) => {
                            tracing::error!(%error, "standard input cannot be read any more");
                            Ended::Unreadable
                        }
                        None => {
                            tracing::info!("standard input has ended");
                            Ended::Asked
                        }
                    });
                }
            }
            self.take_found(&mut input, &mut events, clock);
        }
        if input.settles.is_some_and(|at| at <= (self.now)()) {
            input.settles = None;
            input.stream.flush(Timestamp::now(), &mut events);
            self.take_found(&mut input, &mut events, clock);
        }
        self.metrics.stdin_open.store(input.is_open(), Relaxed);
        match input.over {
            // Nobody listens where there is more to read.
            Some(end) => _ = input.ended.send(end),
            None => self.input = Some(input),
        }
    }

    fn take_found(&mut self, input: &mut Input, events: &mut Vec<Event>, clock: Instant) {
        let cuts = input.stream.take_cuts();
        self.take(std::mem::take(events), clock);
        self.report_cuts(&cuts, &input.about, clock);
    }

    /// Reports all that was read of it: nobody reads it again.
    pub(super) fn end_input(&mut self, clock: Instant) {
        let Some(mut input) = self.input.take() else { return };
        let mut events = Vec::new();
        input.stream.flush(Timestamp::now(), &mut events);
        self.take_found(&mut input, &mut events, clock);
    }
}
