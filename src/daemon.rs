//! The daemon: puts reader, store, sinks and HTTP server together, and ends or reloads them when asked.
//!
//! Three threads: the reader (with one more that tells it of changes), the sink, and this one, which waits for signals
//! and serves HTTP. Each knows the others only through the store and the reader's letter box.

mod checkup;
mod dir;
mod files;
mod follow;
mod footprint;
mod journal;
mod links;
mod meet;
mod pending;
mod plan;
mod problems;
mod reader;
mod settle;
mod sinks;
mod unknown;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use checkup::Checkup;
use plan::Plan;
pub use plan::Setup;
use reader::{Reader, Request};
use sinks::Sinks;

use crate::config::{Filter, Notify, StdoutFormat, Webhook};
use crate::deliver::stdout::{self, Style};
use crate::deliver::webhook::{Sender, filter};
use crate::http;
use crate::service::Service;
use crate::source::selection::Own;
use crate::source::wake::Wake;
use crate::store::{Forgotten, StateDir, Store};
use crate::telemetry::Metrics;

/// From the request to end until the process is gone, whatever does not move.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// Signals this close together are one request.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Why the daemon ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to, or there is nothing more to read.
    Asked,
    /// Nobody reads its only output any more.
    Unread,
    /// Standard input, which was all there is to read, could not be read to its end.
    Unreadable,
}

/// Why the daemon did not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration, one message per problem.
    #[error("{}", .0.join("\n"))]
    Setup(Vec<String>),
    /// State, address or system did not let it start.
    #[error("{0}")]
    Start(String),
    /// A part ended that must not end.
    #[error("{0}")]
    Broken(String),
}

/// What has to be there before anything else: signals are caught from here on, and those that arrive during the start are
/// answered after it.
pub struct Ready {
    runtime: Runtime,
    signals: Signals,
}

impl Ready {
    /// # Errors
    /// The system does not give what it takes to wait for signals.
    pub fn new() -> Result<Ready, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;
        let signals = runtime.block_on(async { Signals::new() }).map_err(start)?;
        Ok(Ready { runtime, signals })
    }
}

/// Runs until it is asked to stop, or nobody reads its only output any more.
///
/// `load` reads the configuration and everything that belongs to it; it is asked once at the start and again for
/// each SIGHUP. `state` is where offsets and waiting events are kept; without it they are forgotten at the end.
///
/// # Errors
/// What kept it from starting, or made it end early.
pub fn run(
    ready: Ready,
    load: impl Fn() -> Result<Setup, Vec<String>>,
    state: Option<&Path>,
) -> Result<Ended, Failure> {
    let Ready { runtime, signals } = ready;
    let cwd = std::env::current_dir().map_err(|error| start(format!("current directory: {error}")))?;
    let mut plan = Plan::new(load().map_err(Failure::Setup)?, cwd.clone()).map_err(start)?;
    let config = &plan.setup.config;
    let bound = config.http.as_ref().map(|http| Ok((http.listen.clone(), http::bind(&http.listen)?)));
    let bound = bound.transpose().map_err(|error: http::ListenError| start(error))?;
    let dir = state.map(StateDir::lock).transpose().map_err(start)?;
    let store = Arc::new(match &dir {
        Some(dir) => Store::open(dir, config.state.synchronous).map_err(start)?,
        None => Store::in_memory().map_err(start)?,
    });
    store.keep_recent(bound.is_some()).map_err(start)?;
    let in_force_http = plan.setup.answers();
    let stdout = config.stdout.enabled.then_some((config.stdout.format, config.stdout.notify));
    let sender = Sender::new(config, plan.setup.host.clone());
    let metrics = Arc::new(Metrics::default());
    set_sinks(&store, stdout.map(|(_, notify)| notify), &config.webhooks)?;
    let in_force = config.webhooks.clone();
    let webhooks = std::mem::take(&mut plan.setup.webhooks);
    let own = Own::new(dir.as_ref().map(StateDir::path));
    let checkup = Checkup {
        config: plan.setup.config.clone(),
        engine: Arc::clone(&plan.setup.engine),
        state: dir.as_ref().map(|dir| dir.path().to_path_buf()),
        cwd: cwd.clone(),
        metrics: Arc::clone(&metrics),
    };
    let (has_stdin, has_sources) = (plan.setup.stdin.is_some(), !plan.setup.config.sources.is_empty());
    let mut reader = Reader::new(plan, Arc::clone(&store), Arc::clone(&metrics), own).map_err(start)?;
    let (input_ends, input_ended) = oneshot::channel();
    if has_stdin {
        reader.read_stdin(input_ends).map_err(start)?;
    }
    let wake = reader.wake();
    let mut sinks = Sinks::new(Arc::clone(&store), Arc::clone(&metrics), Arc::clone(&wake));
    sinks.replace(webhooks).map_err(start)?;
    let answers = bound.zip(dir.as_ref()).map(|((address, listener), dir)| {
        let ask = Arc::clone(&wake);
        let sources = http::Sources {
            metrics: Arc::clone(&metrics),
            state_dir: dir.path().to_path_buf(),
            ask_files: Box::new(move |answer| ask.request(Request::Files(answer))),
        };
        let (control, server) = http::server(address, in_force_http, sources);
        runtime.spawn(async move {
            if let Err(error) = server.on(listener).await {
                tracing::error!(%error, "HTTP server ended");
            }
        });
        control
    });
    let parts = Parts {
        reader: spawn("reader", move || reader.run())?,
        stdout: stdout.map(|(format, notify)| Stdout::start(&store, notify, format, sender)).transpose()?,
        sinks,
        input_ended: (has_stdin && !has_sources).then_some(input_ended),
        in_force,
        wake,
        written_elsewhere: store.written_elsewhere(),
        store,
        service: Service::new(Arc::clone(&metrics)),
        metrics,
        answers,
    };
    checkup.begin().map_err(start)?;
    let reload = Reload { load, cwd, state: state.map(Path::to_path_buf) };
    let outcome = runtime.block_on(parts.watch_over(signals, reload));
    // Nothing that is left may hold up the end: a sink that nobody reads ends with the process.
    runtime.shutdown_background();
    outcome
}

fn start(error: impl std::fmt::Display) -> Failure {
    Failure::Start(error.to_string())
}

struct Signals {
    stop: Stop,
    hang_up: Signal,
}

/// SIGTERM or SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let stop = Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Signals { stop, hang_up: signal(SignalKind::hangup())? })
    }
}

impl Stop {
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Whoever asks again is in a hurry; but the same request often comes twice, to the process and to its group.
    async fn asked_again(&mut self) {
        let first = Instant::now();
        while first.elapsed() < SAME_REQUEST {
            self.asked().await;
        }
    }
}

/// How the configuration is loaded again.
struct Reload<F> {
    load: F,
    cwd: PathBuf,
    state: Option<PathBuf>,
}

impl<F: Fn() -> Result<Setup, Vec<String>>> Reload<F> {
    /// All or nothing: only a configuration without any problem reaches the reader.
    fn run(&self, parts: &mut Parts) {
        parts.service.reloads();
        let plan =
            (self.load)().and_then(|setup| Plan::new(setup, self.cwd.clone()).map_err(|error| vec![error.to_string()]));
        let plan = plan.and_then(|mut plan| {
            let webhooks = std::mem::take(&mut plan.setup.webhooks);
            // What standard output gets changes only with the next start.
            let stdout = parts.stdout.as_ref().map(|stdout| stdout.notify);
            let wanted = &plan.setup.config.webhooks;
            let replaced = forget_sinks(&parts.store, &parts.in_force, wanted)
                .and_then(|()| set_sinks(&parts.store, stdout, wanted))
                .map(|()| parts.in_force.clone_from(wanted))
                .and_then(|()| parts.sinks.replace(webhooks).map_err(start));
            replaced.map(|()| plan).map_err(|failure| vec![failure.to_string()])
        });
        parts.metrics.reloaded(plan.is_ok());
        let problems = match plan {
            Ok(plan) => {
                if let Some(control) = &parts.answers {
                    control.replace(plan.setup.answers());
                }
                let checkup = Checkup {
                    config: plan.setup.config.clone(),
                    engine: Arc::clone(&plan.setup.engine),
                    state: self.state.clone(),
                    cwd: self.cwd.clone(),
                    metrics: Arc::clone(&parts.metrics),
                };
                if let Err(error) = checkup.begin() {
                    tracing::warn!(%error, "the set-up cannot be looked at");
                }
                parts.wake.request(Request::Reload(Box::new(plan)));
                Vec::new()
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("{problem}");
                }
                tracing::error!("configuration not reloaded; the old one stays in force");
                problems
            }
        };
        parts.service.reloaded(&problems);
    }
}

/// What runs.
struct Parts {
    reader: oneshot::Receiver<()>,
    stdout: Option<Stdout>,
    sinks: Sinks,
    /// Standard input, where it is the only source.
    input_ended: Option<oneshot::Receiver<Ended>>,
    /// The webhooks that the store knows.
    in_force: Vec<Webhook>,
    wake: Arc<Wake<Request>>,
    written_elsewhere: watch::Receiver<()>,
    store: Arc<Store>,
    service: Service,
    metrics: Arc<Metrics>,
    /// Absent without an HTTP server.
    answers: Option<http::Control>,
}

impl Parts {
    async fn watch_over<F>(mut self, mut signals: Signals, reload: Reload<F>) -> Result<Ended, Failure>
    where
        F: Fn() -> Result<Setup, Vec<String>>,
    {
        let (mut ended, mut why) = (None, Ended::Asked);
        loop {
            tokio::select! {
                // Who wants it to end does not wait for a reload that was asked for too.
                biased;
                () = signals.stop.asked() => break,
                _ = signals.hang_up.recv() => reload.run(&mut self),
                () = self.service.due() => self.service.tell(),
                // Somebody may have dropped what waited.
                Ok(()) = self.written_elsewhere.changed() => self.wake.request(Request::Losses),
                end = end_of_input(&mut self.input_ended) => {
                    why = end;
                    break;
                }
                _ = &mut self.reader => return Err(Failure::Broken("the reader ended unexpectedly".into())),
                sink = self.sinks.broken() => {
                    return Err(Failure::Broken(format!("the worker of sink {sink} ended unexpectedly")));
                }
                end = next_end(&mut self.stdout) => {
                    if !self.goes_on_without_stdout(&end) {
                        ended = Some(end);
                        break;
                    }
                }
            }
        }
        self.service.ends();
        let deadline = Instant::now() + STOP_WITHIN;
        tokio::select! {
            () = self.stop(deadline) => {}
            () = signals.stop.asked_again() => tracing::warn!("asked again, ending at once"),
        }
        match ended {
            None | Some(stdout::End::Drained) => Ok(why),
            Some(stdout::End::Closed) => {
                tracing::info!("standard output was closed and there is no other sink; ending");
                Ok(Ended::Unread)
            }
            Some(stdout::End::Failed(error)) => {
                Err(Failure::Broken(format!("cannot write to standard output: {error}")))
            }
        }
    }

    /// Without standard output, the webhooks are reason enough to go on. What was meant for it is not kept for nobody.
    fn goes_on_without_stdout(&self, end: &stdout::End) -> bool {
        if self.sinks.is_empty() || matches!(end, stdout::End::Drained) {
            return false;
        }
        tracing::warn!("standard output cannot be written any more; the webhooks go on");
        match self
            .store
            .forget_sink(stdout::NAME, |row, heard| filter::is_missed(row, stdout::NAME, &Filter::default(), heard))
        {
            Ok(forgotten) => {
                log_forgotten(forgotten);
                self.wake.request(Request::Losses);
            }
            Err(error) => tracing::error!(%error, "cannot forget what waits for standard output"),
        }
        true
    }

    /// Ends the reader, then lets the sinks deliver what they can.
    async fn stop(&mut self, deadline: Instant) {
        self.wake.request(Request::Stop);
        let stored = timeout_at(deadline, &mut self.reader).await.is_ok();
        self.sinks.stop();
        self.store.close();
        let delivered = match &mut self.stdout {
            Some(stdout) => timeout_at(deadline, &mut stdout.end).await.is_ok(),
            None => true,
        };
        let attempted = timeout_at(deadline, self.sinks.ended()).await.is_ok();
        if !stored || !delivered || !attempted {
            tracing::warn!(waiting = self.store.waiting().rows, "ended before everything was delivered");
        }
    }
}

/// Tells the store who takes what. What nobody will get any more is a loss, which the reader reports.
fn set_sinks(store: &Store, stdout: Option<Notify>, webhooks: &[Webhook]) -> Result<(), Failure> {
    let stdout = stdout.map(|notify| (stdout::NAME, notify));
    let webhooks = webhooks.iter().map(|webhook| (webhook.name.as_str(), webhook.notify));
    let sinks: Vec<(&str, Notify)> = stdout.into_iter().chain(webhooks).collect();
    log_forgotten(store.set_sinks(&sinks).map_err(start)?);
    Ok(())
}

/// Takes those from the store that are no longer wanted, while it is known what they were to get.
fn forget_sinks(store: &Store, in_force: &[Webhook], wanted: &[Webhook]) -> Result<(), Failure> {
    let is_wanted = |old: &Webhook| wanted.iter().any(|new| (&new.name, new.notify) == (&old.name, old.notify));
    for old in in_force.iter().filter(|old| !is_wanted(old)) {
        let forgotten = store
            .forget_sink(&old.name, |row, heard| filter::is_missed(row, &old.name, &old.filter, heard))
            .map_err(start)?;
        log_forgotten(forgotten);
    }
    Ok(())
}

fn log_forgotten(forgotten: impl IntoIterator<Item = Forgotten>) {
    for Forgotten { sink, waiting, dead } in forgotten {
        let rows = waiting.rows + dead;
        if rows > 0 {
            tracing::warn!(
                sink,
                rows,
                "dropped what waited for a sink that is no longer there, or takes something else now"
            );
        }
    }
}

/// The end of the only source; never, if there are others.
async fn end_of_input(ended: &mut Option<oneshot::Receiver<Ended>>) -> Ended {
    let end = match ended {
        Some(end) => end.await.ok(),
        None => None,
    };
    *ended = None;
    match end {
        Some(end) => end,
        None => std::future::pending().await,
    }
}

/// The end of the sink; never, if there is none.
async fn next_end(sink: &mut Option<Stdout>) -> stdout::End {
    match sink {
        Some(Stdout { end, .. }) => {
            let end = end.await;
            *sink = None;
            end.unwrap_or_else(|_| stdout::End::Failed(io::Error::other("its thread ended unexpectedly")))
        }
        None => std::future::pending().await,
    }
}

/// The sink that writes to standard output.
struct Stdout {
    notify: Notify,
    end: oneshot::Receiver<stdout::End>,
}

impl Stdout {
    fn start(store: &Arc<Store>, notify: Notify, format: StdoutFormat, sender: Sender) -> Result<Stdout, Failure> {
        let store = Arc::clone(store);
        let end = spawn("stdout", move || {
            let mut out = match stdout::Patient::stdout() {
                Ok(out) => out,
                Err(error) => return stdout::End::Failed(error),
            };
            let style = match format {
                StdoutFormat::Json => Style::Json,
                StdoutFormat::Pretty => Style::Pretty(sender.voice()),
            };
            match stdout::end_torn_line(&mut out) {
                Ok(()) => stdout::run(&store, notify, style, &mut out),
                Err(error) => stdout::End::Failed(error),
            }
        })?;
        Ok(Stdout { notify, end })
    }
}

/// Runs `work` on a thread of its own; its result, or that it panicked, arrives at the receiver.
fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Failure> {
    let (done, receiver) = oneshot::channel();
    let thread = thread::Builder::new().name(name.into());
    // Who no longer listens has ended already.
    thread.spawn(move || drop(done.send(work()))).map_err(start)?;
    Ok(receiver)
}
