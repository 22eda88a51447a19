//! The sink that is somebody's HTTP endpoint: rows become requests, and each is tried until it is accepted.
//!
//! At least once, and in order: a request is stored before its first attempt, and every attempt, also after a crash, has the
//! same id and the same bytes. One worker a sink, on a thread of its own with a runtime of its own: calls to the store block
//! it, and nobody else. All it knows is in the store; each look begins there, so what an operator changes beside it counts.

pub mod batch;
pub mod budget;
pub mod client;
pub mod filter;
pub mod guard;
mod health;
pub mod outcome;
pub mod retry;
pub mod sign;
pub mod trial;
pub mod verdict;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use self::batch::Maker;
use self::budget::Budget;
use self::client::{Client, ClientError, Connected, SendError};
use self::worker::Worker;
use super::format::{self, CompiledTemplate, Context, TemplateError, Trial, Voice};
use crate::catalog::Lang;
use crate::config::{Config, Format, Webhook};
use crate::incident::longest_pause;
use crate::store::{Dropped, Store};

/// How long a sink may fail before others are told.
const FAILING_AFTER: Duration = Duration::from_secs(300);

/// A sink that is ready to be worked for.
#[derive(Debug)]
pub struct Sink {
    config: Webhook,
    sender: Sender,
    template: Option<CompiledTemplate>,
    doubt: Option<TemplateError>,
    client: Client,
    /// From 0 to 1, at random; decides how long the pauses are between attempts.
    chance: fn() -> f64,
    /// A sink that fails for so long is spoken of.
    failing_after: Duration,
}

/// What requests say beside what is in their rows; the same for all sinks.
#[derive(Debug, Clone)]
pub struct Sender {
    pub lang: Lang,
    /// Of the times that people read.
    pub timezone: TimeZone,
    /// Name of this machine.
    pub host: Option<String>,
    /// See [`longest_pause`].
    pub longest_pause: Duration,
    /// Labels that sources have, each with the value of the first one.
    pub labels: BTreeMap<String, String>,
}

impl Sender {
    pub fn new(config: &Config, host: Option<String>) -> Sender {
        let Config { lang, timezone, incident, .. } = config;
        let labels = config.sources.iter().rev().flat_map(|source| source.labels.clone()).collect();
        Sender { lang: *lang, timezone: timezone.clone(), host, longest_pause: longest_pause(incident), labels }
    }

    /// For what people read.
    pub fn voice(&self) -> Voice<'_> {
        Voice { lang: self.lang, timezone: &self.timezone, host: self.host.as_deref() }
    }
}

/// Why a sink cannot be worked for.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// What others should know of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkState {
    /// A request with so many rows was accepted.
    Accepted { rows: usize },
    /// An attempt failed.
    Failed { reason: String },
    /// Nothing was accepted for five minutes; said once.
    Failing { since: Timestamp, reason: String },
    /// That is over.
    Recovered { since: Timestamp },
    /// Its receiver wants nothing any more; what waits stays until the sink is started again, or an operator has it tried.
    Stopped { since: Timestamp, reason: String },
    /// So much has waited for too long and is given up.
    Expired(Dropped),
    /// A row was refused, and something later of these incidents was accepted: what it says of them is given up.
    Superseded { id: String, incidents: Vec<String> },
    /// A row was refused for too long; it is a dead letter now.
    Dead { id: String, reason: String },
}

impl Sink {
    /// Reads secrets, certificates and the template, and tries that with messages of every kind.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(config: Webhook, sender: Sender) -> Result<Sink, SinkError> {
        let (template, doubt) = match &config.format {
            Format::Template(template) => {
                let compiled = format::compile(template)?;
                let trial = Trial { notify: config.notify, max_batch: config.max_batch, labels: sender.labels.clone() };
                let doubt = compiled.try_out(&trial, &context(&config, &sender, None))?;
                (Some(compiled), doubt)
            }
            _ => (None, None),
        };
        let client = Client::new(&config)?;
        Ok(Sink { config, sender, template, doubt, client, chance: fastrand::f64, failing_after: FAILING_AFTER })
    }

    /// What some messages may make its template fail at, although it renders others of each kind.
    pub fn doubt(&self) -> Option<&TemplateError> {
        self.doubt.as_ref()
    }

    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Scheme, host and port that it sends to: all of the URL that may be shown.
    pub fn receiver(&self) -> &str {
        self.client.shown()
    }

    /// Connects to its receiver, or to the proxy before it, and sends nothing.
    ///
    /// # Errors
    /// There is no connection, with the reason and what to do.
    pub fn connect(&self) -> Result<Connected, SendError> {
        self.client.connect(&self.config)
    }

    /// Who it sends to, if that takes only so many requests: a mark that tells nothing of the URL.
    pub fn limited_receiver(&self) -> Option<&str> {
        Some(self.client.receiver()).filter(|_| Budget::of(&format::limits(&self.config.format)).is_limited())
    }

    /// What to say of a proxy in the environment that is not used.
    pub fn unused_proxy(&self) -> Option<String> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let name = self.client.unused_proxy(is_set)?;
        Some(format!("{name} is set, and not used; to use it, set proxy = {{ env = \"{name}\" }} in this sink"))
    }

    fn maker(&self) -> Maker<'_> {
        let Sink { config, sender, template, .. } = self;
        let context = context(config, sender, template.as_ref());
        Maker { format: &config.format, max_batch: config.max_batch, context }
    }
}

/// What requests of a sink say beside what is in their rows.
fn context<'a>(config: &'a Webhook, sender: &'a Sender, template: Option<&'a CompiledTemplate>) -> Context<'a> {
    Context {
        lang: sender.lang,
        timezone: &sender.timezone,
        longest_pause: sender.longest_pause,
        host: sender.host.as_deref(),
        version: env!("CARGO_PKG_VERSION"),
        sink: &config.name,
        max_bytes: format::limits(&config.format).max_bytes,
        template,
    }
}

/// Delivers until it is asked to stop. An attempt that is under way then is waited for, and none is begun after it; what is not
/// delivered stays in the store.
///
/// # Errors
/// There is no runtime to be had.
pub fn run(sink: &Sink, store: &Store, stop: watch::Receiver<bool>, tell: impl FnMut(SinkState)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Worker::new(sink, store, stop, tell).run());
    if let Err(error) = store.at_rest(sink.name()) {
        tracing::warn!(sink = sink.name(), %error, "cannot record that nothing is under way; done at the next start");
    }
    // A name look-up that hangs holds up nobody.
    runtime.shutdown_background();
    Ok(())
}

#[cfg(test)]
pub mod tests;
