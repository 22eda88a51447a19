//! `paytriage outbox`: what waits for delivery and what was given up, trying it again, and dropping it.
//!
//! `status` and `list` change nothing. All but dropping everything works beside a running daemon.

mod drop;
mod status;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use self::drop::What;
use super::setup::host;
use super::state::{check_sink, configured, is_of_its_daemon, operator};
use crate::cli::{ExplainFormat, OutboxCommand};
use crate::config::{Config, Notify};
use crate::deliver::format::Voice;
use crate::deliver::pretty;
use crate::exit::Exit;
use crate::store::{DeadLetter, Outbox, Retried, Row};
use crate::visible::visible;

/// Rows per look into the outbox.
const PAGE: usize = 200;

/// Runs the subcommand. What was asked for goes to `out`, what is said beside it to `err`.
///
/// # Errors
/// The configuration, or the state, cannot be read; somebody works with it.
pub fn run(command: &OutboxCommand, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    match command {
        OutboxCommand::Status { state, format } => {
            let (config, dir) = configured(state)?;
            let max_bytes = is_of_its_daemon(state, (&config, &dir)).then_some(config.state.max_outbox);
            status::status(&dir, &config, max_bytes, *format, out)?;
            Ok(Exit::Done)
        }
        OutboxCommand::List { state, sink, dead, limit, format } => {
            let (config, dir) = configured(state)?;
            let (sink, host) = (sink.as_deref(), host());
            let Some(outbox) = known(&dir, sink)? else { return Ok(Exit::Done) };
            let mut list = List { format: *format, voice: voice(&config, host.as_deref()), left: *limit, out };
            let is_all = if *dead { list.dead(&outbox, sink)? } else { list.waiting(&outbox, sink)? };
            if !is_all {
                writeln!(err, "there are more than these {limit}; --limit N lists N of them")?;
            }
            Ok(Exit::Done)
        }
        OutboxCommand::Retry { state, sink } => retry(&configured(state)?.1, sink.as_deref(), out),
        OutboxCommand::Drop { state, sink, dead, yes } => {
            let (config, dir) = configured(state)?;
            let what = What::of(sink.as_deref(), *dead);
            if *yes { drop::run(&dir, &config, what, out) } else { drop::refuse(&dir, what, err) }
        }
    }
}

/// The outbox, if it knows the sink that is asked for.
fn known(dir: &Path, sink: Option<&str>) -> Result<Option<Outbox>> {
    let outbox = Outbox::open(dir)?;
    if let Some(outbox) = &outbox {
        let names: Vec<String> = outbox.sinks()?.into_iter().map(|sink| sink.name).collect();
        check_sink(&names, sink)?;
    }
    Ok(outbox)
}

fn voice<'a>(config: &'a Config, host: Option<&'a str>) -> Voice<'a> {
    Voice { lang: config.lang, timezone: &config.timezone, host }
}

struct List<'a> {
    format: ExplainFormat,
    voice: Voice<'a>,
    /// Rows that may still be printed.
    left: usize,
    out: &'a mut dyn Write,
}

impl List<'_> {
    /// False if there are more than may be printed.
    fn waiting(&mut self, outbox: &Outbox, sink: Option<&str>) -> Result<bool> {
        if let Some(sink) = sink {
            let apart = outbox.apart(sink, self.left.saturating_add(1))?;
            if !self.print(apart.iter())? {
                return Ok(false);
            }
        }
        let mut seq = 0;
        loop {
            let limit = self.left.saturating_add(1).min(PAGE);
            let rows: Vec<Row> = match sink {
                Some(sink) => outbox.rows_for(sink, seq, limit)?,
                None => outbox.rows_after(seq, limit)?,
            };
            let Some(last) = rows.last() else { return Ok(true) };
            seq = last.seq;
            if !self.print(rows.iter().map(|row| &row.body))? {
                return Ok(false);
            }
        }
    }

    fn print<'r>(&mut self, bodies: impl Iterator<Item = &'r Vec<u8>>) -> Result<bool> {
        for body in bodies {
            if self.left == 0 {
                return Ok(false);
            }
            match self.format {
                ExplainFormat::Json => self.out.write_all(body)?,
                ExplainFormat::Pretty => self.out.write_all(pretty::lines(body, self.voice).as_bytes())?,
            }
            self.out.write_all(b"\n")?;
            self.left -= 1;
        }
        Ok(true)
    }

    fn dead(&mut self, outbox: &Outbox, sink: Option<&str>) -> Result<bool> {
        let letters = outbox.dead_letters(sink, self.left.saturating_add(1))?;
        for letter in letters.iter().take(self.left) {
            let DeadLetter { sink, id, reason, at_ms, body, .. } = letter;
            let at = time(Some(*at_ms));
            match self.format {
                ExplainFormat::Json => {
                    // What is no JSON is shown as the text it is.
                    let row = serde_json::from_slice(body).or_else(|_| {
                        serde_json::to_string(&String::from_utf8_lossy(body)).and_then(RawValue::from_string)
                    })?;
                    let line = DeadLine { sink, id, at, reason, row };
                    writeln!(self.out, "{}", serde_json::to_string(&line)?)?;
                }
                ExplainFormat::Pretty => {
                    let at = at.map_or_else(|| "-".to_owned(), |at| at.to_string());
                    writeln!(self.out, "{}", pretty::lines(body, self.voice))?;
                    writeln!(self.out, "  given up by {} at {at}: {}", visible(sink), visible(reason))?;
                }
            }
        }
        Ok(letters.len() <= self.left)
    }
}

/// A dead letter as JSON.
#[derive(Serialize)]
struct DeadLine<'a> {
    sink: &'a str,
    /// The webhook-id of its request.
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    reason: &'a str,
    row: Box<RawValue>,
}

fn retry(dir: &Path, sink: Option<&str>, out: &mut dyn Write) -> Result<Exit> {
    let mut operator = operator(dir)?;
    check_sink(&operator.sinks()?, sink)?;
    if sink == Some(crate::deliver::stdout::NAME) {
        bail!("what waits for stdout is written as soon as somebody reads it; there is nothing to retry");
    }
    let Retried { due, revived } = operator.retry(sink)?;
    if due + revived == 0 {
        writeln!(out, "there is nothing to try again")?;
        return Ok(Exit::Done);
    }
    let when = match Outbox::user_of(dir)? {
        Some(_) => "within seconds",
        None => "once `paytriage run` works with this state",
    };
    let what = match (due, revived) {
        (due, 0) => several(due, "request"),
        (0, revived) => several(revived, "dead letter"),
        (due, revived) => format!("{} and {}", several(due, "request"), several(revived, "dead letter")),
    };
    let are = if due + revived == 1 { "is" } else { "are" };
    writeln!(out, "{what} {are} tried again {when}")?;
    Ok(Exit::Done)
}

/// `1 request`, `3 requests`
fn several(n: u64, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// `3 events`
fn rows(n: u64, notify: Notify) -> String {
    match notify {
        Notify::Event => several(n, "event"),
        Notify::Incident => several(n, "notice"),
    }
}

fn time(ms: Option<i64>) -> Option<Timestamp> {
    // Rows of an older version have no time.
    ms.filter(|&ms| ms > 0).and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

fn size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (256 << 20, "256.0 MiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
