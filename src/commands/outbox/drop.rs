//! `outbox drop`: gives up what waits, or what was given up by the daemon already.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::super::setup::{catalog_of, host};
use super::super::state::{check_sink, operator};
use super::{rows, size, time};
use crate::catalog::Catalog;
use crate::config::{Config, Notify};
use crate::deliver::stdout;
use crate::exit::Exit;
use crate::notice::{About, Notice, Why};
use crate::store::{Backlog, Dropped, Outbox, OutboxEvent, SinkBacklog, StateDir, Store};
use crate::wire::EventWriter;

/// What is to go.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    Everything,
    WaitingFor(&'a str),
    /// The dead letters of one sink, or of all.
    Dead(Option<&'a str>),
}

impl<'a> What<'a> {
    pub fn of(sink: Option<&'a str>, dead: bool) -> What<'a> {
        match (sink, dead) {
            (_, true) => What::Dead(sink),
            (Some(sink), false) => What::WaitingFor(sink),
            (None, false) => What::Everything,
        }
    }
}

/// Says what would be dropped.
pub fn refuse(dir: &Path, what: What<'_>, err: &mut dyn Write) -> Result<Exit> {
    let outbox = Outbox::open(dir)?;
    let sinks = outbox.as_ref().map(Outbox::sinks).transpose()?.unwrap_or_default();
    let told = match what {
        What::Everything => {
            let waiting = outbox.map(|outbox| outbox.waiting()).transpose()?.unwrap_or_default();
            told(&waiting, Notify::Event, "wait")
        }
        What::WaitingFor(name) => {
            let SinkBacklog { waiting, notify, .. } = find(&sinks, name)?;
            told(waiting, *notify, "wait")
        }
        What::Dead(None) => dead(sinks.iter().map(|sink| sink.dead).sum()) + " are kept",
        What::Dead(Some(name)) => dead(find(&sinks, name)?.dead) + " are kept",
    };
    writeln!(err, "{told}; nothing was dropped. Give --yes to drop them")?;
    Ok(Exit::Usage)
}

/// Drops it, and says what it was.
pub fn run(dir: &Path, config: &Config, what: What<'_>, out: &mut dyn Write) -> Result<Exit> {
    let told = match what {
        What::Everything => everything(dir, config)?,
        What::WaitingFor(sink) => waiting_for(dir, config, sink)?,
        What::Dead(sink) => dead_letters(dir, sink)?,
    };
    writeln!(out, "{told}")?;
    Ok(Exit::Done)
}

fn everything(dir: &Path, config: &Config) -> Result<String> {
    if !dir.try_exists().with_context(|| dir.display().to_string())? {
        bail!("{}: there is no such state directory", dir.display());
    }
    let reporter = Reporter::new(dir, config)?;
    let lock = StateDir::lock(dir).context("stop the daemon first")?;
    let store = Store::open(&lock, config.state.synchronous)?;
    let dropped = store.drop_waiting(|dropped| reporter.event(&dropped, None))?;
    Ok(told(&dropped.waiting, Notify::Event, "were dropped"))
}

fn waiting_for(dir: &Path, config: &Config, sink: &str) -> Result<String> {
    let reporter = Reporter::new(dir, config)?;
    let mut operator = operator(dir)?;
    check_sink(&operator.sinks()?, Some(sink))?;
    // It keeps what it has taken out in memory, and does not look whether somebody else has changed it.
    if let (stdout::NAME, Some(user)) = (sink, Outbox::user_of(dir)?) {
        bail!("stop the daemon first{user}: what waits for {sink} can be dropped only without it");
    }
    let notify = Outbox::open(dir)?.map(|outbox| outbox.sinks()).transpose()?.unwrap_or_default();
    let notify = find(&notify, sink)?.notify;
    let dropped = operator.drop_waiting(sink, |dropped| reporter.event(&dropped, Some(sink)))?;
    Ok(told(&dropped.waiting, notify, "were dropped"))
}

fn dead_letters(dir: &Path, sink: Option<&str>) -> Result<String> {
    let mut operator = operator(dir)?;
    let known = operator.sinks()?;
    check_sink(&known, sink)?;
    let mut n_dead = 0;
    for name in known.iter().filter(|name| sink.is_none_or(|sink| sink == name.as_str())) {
        n_dead += operator.drop_dead(name)?;
    }
    Ok(dead(n_dead) + " were dropped")
}

fn find<'s>(sinks: &'s [SinkBacklog], name: &str) -> Result<&'s SinkBacklog> {
    let names: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
    check_sink(&names, Some(name))?;
    sinks.iter().find(|sink| sink.name == name).with_context(|| format!("no sink is called {name:?}"))
}

fn dead(n: u64) -> String {
    format!("{n} dead letters")
}

/// Makes the event that tells receivers what they will not get.
struct Reporter<'a> {
    dir: &'a Path,
    catalog: Arc<Catalog>,
    writer: EventWriter,
}

impl Reporter<'_> {
    fn new<'a>(dir: &'a Path, config: &Config) -> Result<Reporter<'a>> {
        let catalog = Arc::new(catalog_of(&config.catalog, &[])?);
        let writer = EventWriter::new(&catalog, config.lang);
        Ok(Reporter { dir, catalog, writer })
    }

    fn event(&self, dropped: &Dropped, sink: Option<&str>) -> Option<OutboxEvent> {
        let Dropped { waiting, last_seq } = *dropped;
        let oldest = time(waiting.oldest_ms);
        let sink = sink.map(str::to_owned);
        let notice =
            Notice::Dropped { sink, why: Why::Asked, events: waiting.rows, bytes: waiting.bytes, oldest, last_seq };
        let about = About::ourselves(self.dir.display().to_string(), host());
        let event = notice.event(&about, &self.catalog, Timestamp::now())?;
        let mut body = Vec::new();
        self.writer.write(&event, &mut body);
        Some(OutboxEvent { id: event.id, body })
    }
}

fn told(waiting: &Backlog, notify: Notify, verb: &str) -> String {
    let since = time(waiting.oldest_ms).map_or(String::new(), |oldest| format!(", the oldest from {oldest}"));
    format!("{} ({}{since}) {verb}", rows(waiting.rows, notify), size(waiting.bytes))
}
