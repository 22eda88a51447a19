//! `outbox status`: how much waits for each sink and how it fares, and how far reading is behind.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use jiff::{Timestamp, Unit};
use serde::Serialize;

use super::{rows, size, time};
use crate::cli::ExplainFormat;
use crate::config::{Config, Notify};
use crate::deliver::stdout;
use crate::deliver::webhook::batch;
use crate::identity::FileKey;
use crate::store::{Backlog, FileState, Outbox, SinkBacklog};
use crate::visible::visible;

/// Prints it. `max_bytes` is how much may wait, if that is known.
pub fn status(
    dir: &Path,
    config: &Config,
    max_bytes: Option<u64>,
    format: ExplainFormat,
    out: &mut dyn Write,
) -> Result<()> {
    let status = Status { max_bytes, ..Status::of(dir, config)? };
    match format {
        ExplainFormat::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
        ExplainFormat::Pretty => status.pretty(out, Timestamp::now())?,
    }
    Ok(())
}

#[derive(Serialize)]
struct Status {
    state: String,
    /// " (process 123)" where somebody works with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_by: Option<String>,
    /// Rows of all kinds.
    events: u64,
    bytes: u64,
    /// Of the daemon's configuration, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    sinks: Vec<SinkStatus>,
    files: usize,
    unread_bytes: u64,
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct SinkStatus {
    name: String,
    /// `stdout` or `webhook`.
    kind: &'static str,
    notify: &'static str,
    /// Of a webhook that is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// Rows: events, or notices of incidents.
    events: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    /// Requests that are made and not accepted.
    batches: u64,
    /// Those of them that were refused alone and let the others go first.
    apart: u64,
    /// Of the request that is next.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Why it is not tried for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    dead_letters: u64,
    #[serde(skip)]
    unit: Notify,
}

impl SinkStatus {
    fn of(sink: SinkBacklog, config: &Config) -> SinkStatus {
        let webhook = config.webhooks.iter().find(|webhook| webhook.name == sink.name);
        SinkStatus {
            kind: if sink.name == stdout::NAME { "stdout" } else { "webhook" },
            notify: match sink.notify {
                Notify::Event => "event",
                Notify::Incident => "incident",
            },
            format: webhook.map(|webhook| batch::name(&webhook.format)),
            events: sink.waiting.rows,
            bytes: sink.waiting.bytes,
            oldest: time(sink.waiting.oldest_ms),
            batches: sink.batches,
            apart: sink.apart,
            attempts: sink.attempts,
            next_try: sink.next_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            last_error: sink.last_error,
            stopped: sink.stopped,
            dead_letters: sink.dead,
            unit: sink.notify,
            name: sink.name,
        }
    }

    fn pretty(&self, out: &mut dyn Write, now: Timestamp) -> Result<()> {
        let kind = match (self.kind, self.format) {
            ("webhook", Some(format)) => format!(" (webhook, {format})"),
            ("webhook", None) => " (webhook)".to_owned(),
            _ => String::new(),
        };
        let since = self.oldest.map_or(String::new(), |oldest| format!(", the oldest since {oldest}"));
        let (name, waiting) = (visible(&self.name), rows(self.events, self.unit));
        writeln!(out, "sink    {name}: {waiting}, {}{since}{kind}", size(self.bytes))?;
        if self.batches > 0 {
            writeln!(out, "          {}", self.requests(now))?;
        }
        if let Some(reason) = &self.stopped {
            let again = "tried again after a reload, a restart or `outbox retry`";
            writeln!(out, "          stopped: answered {}; {again}", visible(reason))?;
        } else if let Some(error) = &self.last_error {
            writeln!(out, "          last error: {}", visible(error))?;
        }
        if self.dead_letters > 0 {
            let how = "given up; see `outbox list --dead`, `outbox retry`";
            writeln!(out, "          {} {how}", counted(self.dead_letters, "dead letter"))?;
        }
        Ok(())
    }

    fn requests(&self, now: Timestamp) -> String {
        let mut parts = vec![counted(self.batches, "request")];
        if self.apart > 0 {
            parts.push(format!("{} of them refused and put apart", self.apart));
        }
        if self.attempts > 0 {
            parts.push(counted(self.attempts.into(), "attempt"));
        }
        match self.next_try {
            Some(at) if at <= now => parts.push("due now".to_owned()),
            Some(at) => parts.push(format!("next try in {}", wait(now, at))),
            None => {}
        }
        parts.join(", ")
    }
}

fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// `4m 10s`
fn wait(from: Timestamp, to: Timestamp) -> String {
    let round = jiff::TimestampDifference::new(to).largest(Unit::Hour).smallest(Unit::Second);
    let rounded = from.until(round);
    rounded.map_or_else(|_| "a while".to_owned(), |span| format!("{span:#}"))
}

impl Status {
    fn of(dir: &Path, config: &Config) -> Result<Status> {
        let used_by = Outbox::user_of(dir)?.map(|holder| holder.trim_matches([' ', '(', ')']).to_owned());
        let outbox = Outbox::open(dir)?;
        let (mut waiting, mut sinks, mut files) = (Backlog::default(), Vec::new(), Vec::new());
        if let Some(outbox) = &outbox {
            (waiting, files) = (outbox.waiting()?, outbox.files()?);
            sinks = outbox.sinks()?.into_iter().map(|sink| SinkStatus::of(sink, config)).collect();
        }
        Ok(Status {
            state: dir.display().to_string(),
            used_by,
            events: waiting.rows,
            bytes: waiting.bytes,
            max_bytes: None,
            sinks,
            files: files.len(),
            unread_bytes: files.iter().map(unread).sum(),
            damaged: damaged(dir),
        })
    }

    fn pretty(&self, out: &mut dyn Write, now: Timestamp) -> Result<()> {
        let used_by = self.used_by.as_deref().map_or("not in use".into(), |by| format!("in use by {by}"));
        writeln!(out, "state   {} ({used_by})", self.state)?;
        let of = self.max_bytes.map_or_else(String::new, |max| format!(" of {}", size(max)));
        writeln!(out, "outbox  {} events, {}{of}", self.events, size(self.bytes))?;
        for sink in &self.sinks {
            sink.pretty(out, now)?;
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
