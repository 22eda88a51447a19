//! `paytriage outbox`: what waits for delivery, and dropping it.
//!
//! `status` and `list` read beside a running daemon and change nothing; `drop` works only where none runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use serde::Serialize;

use super::setup::{catalog_of, config_from, host};
use crate::catalog::Catalog;
use crate::cli::{ExplainFormat, OutboxCommand, OutboxState};
use crate::config::{Config, DEFAULT_FILE};
use crate::deliver::pretty;
use crate::exit::Exit;
use crate::identity::FileKey;
use crate::notice::{About, Notice};
use crate::store::{Backlog, Dropped, FileState, Outbox, OutboxEvent, StateDir, Store};
use crate::wire::EventWriter;

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
            let status = Status::of(&dir, &config)?;
            match format {
                ExplainFormat::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
                ExplainFormat::Pretty => status.pretty(out)?,
            }
            Ok(Exit::Done)
        }
        OutboxCommand::List { state, limit, format } => list(&configured(state)?.1, *limit, *format, out),
        OutboxCommand::Drop { state, yes } => {
            let (config, dir) = configured(state)?;
            if *yes { drop_all(&dir, &config, out) } else { refuse(&dir, err) }
        }
    }
}

/// The configuration, and the state directory it speaks of.
fn configured(state: &OutboxState) -> Result<(Config, PathBuf)> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
    let config = config_from(state.config.clone().or_else(default).as_deref())?;
    let dir = state.state.clone().or_else(|| config.state.dir.clone());
    let dir = dir.ok_or_else(|| anyhow!("no state directory: give --state DIR, or --config FILE with [state] dir"))?;
    Ok((config, dir))
}

#[derive(Serialize)]
struct Status {
    state: String,
    /// " (process 123)" where somebody works with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_by: Option<String>,
    events: u64,
    bytes: u64,
    max_bytes: u64,
    sinks: Vec<SinkStatus>,
    files: usize,
    unread_bytes: u64,
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct SinkStatus {
    name: String,
    events: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
}

impl Status {
    fn of(dir: &Path, config: &Config) -> Result<Status> {
        let used_by = Outbox::user_of(dir)?.map(|holder| holder.trim_matches([' ', '(', ')']).to_owned());
        let outbox = Outbox::open(dir)?;
        let (mut waiting, mut sinks, mut files) = (Backlog::default(), Vec::new(), Vec::new());
        if let Some(outbox) = &outbox {
            (waiting, files) = (outbox.waiting()?, outbox.files()?);
            sinks = outbox
                .sinks()?
                .into_iter()
                .map(|sink| SinkStatus {
                    name: sink.name,
                    events: sink.waiting.rows,
                    bytes: sink.waiting.bytes,
                    oldest: time(sink.waiting.oldest_ms),
                })
                .collect();
        }
        Ok(Status {
            state: dir.display().to_string(),
            used_by,
            events: waiting.rows,
            bytes: waiting.bytes,
            max_bytes: config.state.max_outbox,
            sinks,
            files: files.len(),
            unread_bytes: files.iter().map(unread).sum(),
            damaged: damaged(dir),
        })
    }

    fn pretty(&self, out: &mut dyn Write) -> Result<()> {
        let used_by = self.used_by.as_deref().map_or("not in use".into(), |by| format!("in use by {by}"));
        writeln!(out, "state   {} ({used_by})", self.state)?;
        writeln!(out, "outbox  {} events, {} of {}", self.events, size(self.bytes), size(self.max_bytes))?;
        for SinkStatus { name, events, bytes, oldest } in &self.sinks {
            let since = oldest.map_or(String::new(), |oldest| format!(", the oldest since {oldest}"));
            writeln!(out, "sink    {name}: {events} events, {}{since}", size(*bytes))?;
        }
        writeln!(out, "files   {} known, {} not read as of the last commit", self.files, size(self.unread_bytes))?;
        for name in &self.damaged {
            writeln!(out, "damaged {name}: a database that was set aside")?;
        }
        Ok(())
    }
}

/// Names of databases that were set aside in the directory.
fn damaged(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| name.contains(".db.bad-") && !name.ends_with("-wal") && !name.ends_with("-shm")).collect();
    names.sort();
    names
}

/// Bytes of a file that are written but not read, if it still has its name.
fn unread(file: &FileState) -> u64 {
    match std::fs::metadata(&file.path) {
        Ok(metadata) if FileKey::of(&metadata) == file.key => metadata.len().saturating_sub(file.proof.at),
        _ => 0,
    }
}

fn list(dir: &Path, limit: usize, format: ExplainFormat, out: &mut dyn Write) -> Result<Exit> {
    let Some(outbox) = Outbox::open(dir)? else { return Ok(Exit::Done) };
    let (mut seq, mut left) = (0, limit);
    while left > 0 {
        let rows = outbox.rows_after(seq, left.min(PAGE))?;
        let Some(last) = rows.last() else { break };
        (seq, left) = (last.seq, left - rows.len());
        for row in &rows {
            match format {
                ExplainFormat::Json => out.write_all(&row.body)?,
                ExplainFormat::Pretty => out.write_all(pretty::lines(&row.body).as_bytes())?,
            }
            out.write_all(b"\n")?;
        }
    }
    Ok(Exit::Done)
}

/// Says what would be dropped.
fn refuse(dir: &Path, err: &mut dyn Write) -> Result<Exit> {
    let waiting = Outbox::open(dir)?.map(|outbox| outbox.waiting()).transpose()?.unwrap_or_default();
    writeln!(err, "{}; nothing was dropped. Give --yes to drop them", told(&waiting, "wait"))?;
    Ok(Exit::Usage)
}

fn drop_all(dir: &Path, config: &Config, out: &mut dyn Write) -> Result<Exit> {
    if !dir.try_exists().with_context(|| dir.display().to_string())? {
        bail!("{}: there is no such state directory", dir.display());
    }
    let catalog = Arc::new(catalog_of(&config.catalog, &[])?);
    let lock = StateDir::lock(dir).context("stop the daemon first")?;
    let store = Store::open(&lock, config.state.synchronous)?;
    let writer = EventWriter::new(&catalog, config.lang);
    let dropped = store.drop_waiting(|dropped| notice(&dropped, dir, &catalog, &writer))?;
    writeln!(out, "{}", told(&dropped.waiting, "were dropped"))?;
    Ok(Exit::Done)
}

/// The event that tells receivers what they will not get.
fn notice(dropped: &Dropped, dir: &Path, catalog: &Catalog, writer: &EventWriter) -> Option<OutboxEvent> {
    let Dropped { waiting, last_seq } = *dropped;
    let oldest = time(waiting.oldest_ms);
    let notice = Notice::Dropped { events: waiting.rows, bytes: waiting.bytes, oldest, last_seq };
    let about = About::ourselves(dir.display().to_string(), host());
    let event = notice.event(&about, catalog, Timestamp::now())?;
    let mut body = Vec::new();
    writer.write(&event, &mut body);
    Some(OutboxEvent { id: event.id, body })
}

fn told(waiting: &Backlog, verb: &str) -> String {
    let since = time(waiting.oldest_ms).map_or(String::new(), |oldest| format!(", the oldest from {oldest}"));
    format!("{} events ({}{since}) {verb}", waiting.rows, size(waiting.bytes))
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
