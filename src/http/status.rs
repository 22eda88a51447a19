//! `/api/v1/status`: what runs, whether it is ready, and how its sinks fare.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use super::Server;
use super::answer::{Failure, json};
use super::query::Query;
use crate::config::Notify;
use crate::store::SinkBacklog;

#[derive(Serialize)]
struct Status {
    version: &'static str,
    started_at: String,
    uptime_seconds: u64,
    ready: bool,
    /// Why it is not.
    reasons: Vec<String>,
    /// What is not as it should be all the same.
    remarks: Vec<String>,
    state: StateDir,
    files: Files,
    outbox: Amount,
    sinks: Vec<Sink>,
    config: Config,
}

#[derive(Serialize)]
struct StateDir {
    dir: String,
}

#[derive(Serialize)]
struct Files {
    followed: u64,
    lag_bytes: u64,
}

#[derive(Serialize)]
struct Amount {
    messages: u64,
    bytes: u64,
    /// When the oldest was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
}

#[derive(Serialize)]
struct Sink {
    name: String,
    notify: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    up: Option<bool>,
    waiting: Amount,
    /// Of the request that is next.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    dead_letters: u64,
}

#[derive(Serialize)]
struct Config {
    last_reload_successful: bool,
    taken_over_at: String,
}

pub(super) async fn status(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Failure> {
    Query::read(&uri, &[])?;
    let backlogs = server.read(|outbox| outbox.sinks()).await?;
    let metrics = &server.sources.metrics;
    let now = Instant::now();
    let (up, reasons, reload) = (metrics.sinks_up(), metrics.unready(now), metrics.reload());
    let sink = |backlog: SinkBacklog| Sink { up: up.get(&backlog.name).copied(), ..sink(backlog) };
    let started_at = Timestamp::try_from(metrics.started_at()).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: seconds(started_at.as_second()).unwrap_or_default(),
        uptime_seconds: metrics.uptime(now).as_secs(),
        ready: reasons.is_empty(),
        reasons,
        remarks: metrics.remarks(),
        state: StateDir { dir: server.sources.state_dir.to_string_lossy().into_owned() },
        files: Files { followed: metrics.files_open.load(Relaxed), lag_bytes: metrics.file_lag_bytes.load(Relaxed) },
        outbox: Amount {
            messages: metrics.outbox_events.load(Relaxed),
            bytes: metrics.outbox_bytes.load(Relaxed),
            oldest: None,
        },
        sinks: backlogs.into_iter().map(sink).collect(),
        config: Config { last_reload_successful: reload.0, taken_over_at: seconds(reload.1).unwrap_or_default() },
    }))
}

fn sink(backlog: SinkBacklog) -> Sink {
    let SinkBacklog { name, notify, waiting, attempts, next_ms, last_error, stopped, dead, .. } = backlog;
    let notify = match notify {
        Notify::Event => "event",
        Notify::Incident => "incident",
    };
    let waiting = Amount {
        messages: waiting.rows,
        bytes: waiting.bytes,
        oldest: waiting.oldest_ms.and_then(|ms| seconds(ms.div_euclid(1000))),
    };
    let next_attempt = next_ms.filter(|ms| *ms > 0).and_then(|ms| seconds(ms.div_euclid(1000)));
    Sink { name, notify, up: None, waiting, attempts, next_attempt, last_error, stopped, dead_letters: dead }
}

/// A moment, without its fraction.
fn seconds(since_1970: i64) -> Option<String> {
    Timestamp::from_second(since_1970).ok().map(|time| time.to_string())
}
