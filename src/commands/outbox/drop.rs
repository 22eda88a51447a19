//! `outbox drop`: gives up what waits, or what was given up by the daemon already. What goes is noted in the store; the daemon
//! tells it.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::super::state::{check_sink, operator};
use super::{rows, size, time};
use crate::config::{Config, Filter, Notify};
use crate::deliver::stdout;
use crate::deliver::webhook::filter;
use crate::exit::Exit;
use crate::store::{Backlog, Heard, Operator, Outbox, SinkBacklog, StateDir};
use crate::visible::visible;

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
        bail!(
            "{}: there is no such state directory; name that of `paytriage run` with --state DIR, or its configuration with --config FILE",
            dir.display()
        );
    }
    let _lock = StateDir::lock(dir).context("stop the daemon first")?;
    let (mut operator, sinks) = (operator(dir)?, known(dir)?);
    let mut all = Vec::new();
    for sink in &sinks {
        let told = drop_for(&mut operator, config, sink)?;
        all.push(format!("{}: {told}", visible(&sink.name)));
    }
    Ok(if all.is_empty() { "nothing waits".to_owned() } else { all.join("\n") })
}

fn waiting_for(dir: &Path, config: &Config, name: &str) -> Result<String> {
    let mut operator = operator(dir)?;
    let sinks = known(dir)?;
    let sink = find(&sinks, name)?;
    // It keeps what it has taken out in memory, and does not look whether somebody else has changed it.
    if let (stdout::NAME, Some(user)) = (name, Outbox::user_of(dir)?) {
        bail!("stop the daemon first{user}: what waits for {name} can be dropped only without it");
    }
    drop_for(&mut operator, config, sink)
}

/// Drops what waits for one sink. What of it was for the sink is known as long as the configuration has the sink.
fn drop_for(operator: &mut Operator, config: &Config, sink: &SinkBacklog) -> Result<String> {
    let webhook = config.webhooks.iter().find(|webhook| (&webhook.name, webhook.notify) == (&sink.name, sink.notify));
    let everything = Filter::default();
    let filter = webhook.map(|webhook| &webhook.filter).or((sink.name == stdout::NAME).then_some(&everything));
    let is_missed =
        filter.map(|filter| move |row: &[u8], heard: &Heard| filter::is_missed(row, &sink.name, filter, heard));
    let is_lost = is_missed.as_ref().map(|is_missed| is_missed as &dyn Fn(&[u8], &Heard) -> bool);
    let dropped = operator.drop_waiting(&sink.name, is_lost)?;
    let up_to = if dropped.at_most { "up to " } else { "" };
    let all_the_same = match dropped.under_way {
        0 => String::new(),
        n => format!("; {n} of them may be under way, and are not counted as dropped if they arrive all the same"),
    };
    Ok(format!("{up_to}{}{all_the_same}", told(&dropped.waiting, sink.notify, "were dropped")))
}

fn known(dir: &Path) -> Result<Vec<SinkBacklog>> {
    Ok(Outbox::open(dir)?.map(|outbox| outbox.sinks()).transpose()?.unwrap_or_default())
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

fn told(waiting: &Backlog, notify: Notify, verb: &str) -> String {
    let since = time(waiting.oldest_ms).map_or(String::new(), |oldest| format!(", the oldest from {oldest}"));
    format!("{} ({}{since}) {verb}", rows(waiting.rows, notify), size(waiting.bytes))
}
