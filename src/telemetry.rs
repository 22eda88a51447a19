//! What paytriage says about itself: its own log (`log`) and the numbers behind `/metrics`.
//!
//! Label values are closed sets; nothing from a log line or a path becomes one.

pub mod file;
pub mod log;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::about::{CATALOG, COMMIT, RUSTC, TARGET, VERSION};
use crate::event::{Event, Kind};
use crate::notice::{self, Reason};
use crate::provider::Provider;

/// All numbers of the process. Counters only grow; gauges are set by whoever knows.
#[derive(Debug)]
pub struct Metrics {
    pub files_open: AtomicU64,
    pub file_lag_bytes: AtomicU64,
    pub read_bytes: AtomicU64,
    pub read_errors: AtomicU64,
    pub rotations: AtomicU64,
    pub truncations: AtomicU64,
    pub unstable_heads: AtomicU64,
    pub watch_overflows: AtomicU64,
    /// Changes cannot be watched for everywhere.
    pub watch_degraded: AtomicBool,
    pub commit_errors: AtomicU64,
    pub outbox_events: AtomicU64,
    pub outbox_bytes: AtomicU64,
    /// Events that nobody will deliver.
    pub dropped_events: AtomicU64,
    /// Lines of which only the first part was searched.
    pub cut_lines: AtomicU64,
    /// Journals that can be read, and what was read of them.
    pub journals_open: AtomicU64,
    pub stdin_open: AtomicBool,
    pub journal_entries: AtomicU64,
    pub journal_gaps: AtomicU64,
    /// Databases that were damaged.
    pub state_lost: AtomicU64,
    /// Disk held by deleted files that are not read to their end.
    pub pinned_bytes: AtomicU64,
    /// What `doctor` found not to work when the daemon began.
    pub setup_faults: AtomicU64,
    /// Times that reading paused because too much waits for delivery.
    pub backpressure: AtomicU64,
    /// Rows that a sink has refused for too long.
    pub dead_letters: AtomicU64,
    incidents_open: AtomicU64,
    /// Events of which no incident was ever told.
    unsaid: AtomicU64,
    sinks: Mutex<BTreeMap<String, SinkNumbers>>,
    unknown_codes: AtomicU64,
    events: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    gaps: Mutex<BTreeMap<Reason, u64>>,
    reload_ok: AtomicBool,
    reload_at: AtomicI64,
    sources_open: AtomicBool,
    /// Why the last commit failed.
    state_error: Mutex<Option<String>>,
    /// What of the sources cannot be read, in words.
    unread: Mutex<Vec<String>>,
    paused_since: Mutex<Option<Instant>>,
    started: Instant,
    started_at: SystemTime,
    /// Milliseconds after `started` until which the reader may be silent.
    alive_until: AtomicU64,
}

/// How a request to a sink ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Failed,
}

/// What is counted of one sink. Their names come from the configuration: a closed set.
#[derive(Debug, Default)]
struct SinkNumbers {
    is_up: bool,
    accepted: u64,
    failed: u64,
}

/// How long reading may pause before that is no longer normal.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the reader may be late before it counts as stuck.
const SILENCE: Duration = Duration::from_secs(30);

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            files_open: AtomicU64::new(0),
            file_lag_bytes: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            truncations: AtomicU64::new(0),
            unstable_heads: AtomicU64::new(0),
            watch_overflows: AtomicU64::new(0),
            watch_degraded: AtomicBool::new(false),
            commit_errors: AtomicU64::new(0),
            outbox_events: AtomicU64::new(0),
            outbox_bytes: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            cut_lines: AtomicU64::new(0),
            journals_open: AtomicU64::new(0),
            stdin_open: AtomicBool::new(false),
            journal_entries: AtomicU64::new(0),
            journal_gaps: AtomicU64::new(0),
            state_lost: AtomicU64::new(0),
            pinned_bytes: AtomicU64::new(0),
            setup_faults: AtomicU64::new(0),
            backpressure: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            incidents_open: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
            sinks: Mutex::new(BTreeMap::new()),
            unknown_codes: AtomicU64::new(0),
            events: Mutex::new(BTreeMap::new()),
            gaps: Mutex::new([Reason::Truncated, Reason::Deleted, Reason::Unreachable].map(|it| (it, 0)).into()),
            reload_ok: AtomicBool::new(true),
            reload_at: AtomicI64::new(unix_seconds()),
            sources_open: AtomicBool::new(false),
            state_error: Mutex::new(None),
            unread: Mutex::new(Vec::new()),
            paused_since: Mutex::new(None),
            started: Instant::now(),
            started_at: SystemTime::now(),
            alive_until: AtomicU64::new(SILENCE.as_millis() as u64),
        }
    }
}

impl Metrics {
    pub fn count_event(&self, event: &Event) {
        if event.kind == Kind::UnknownCode {
            self.unknown_codes.fetch_add(1, Relaxed);
        }
        let provider = match &event.provider {
            None => "none",
            Some(Provider::Custom(name)) if &**name == notice::PROVIDER => notice::PROVIDER,
            Some(Provider::Custom(_)) => "custom",
            Some(Provider::Alipay) => "alipay",
            Some(Provider::AlipayPlus) => "alipayplus",
            Some(Provider::WechatPay) => "wechatpay",
            Some(Provider::UnionPay) => "unionpay",
            Some(Provider::Issuer) => "issuer",
        };
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        *events.entry((provider, event.entry.severity.as_str())).or_default() += 1;
    }

    pub fn incidents(&self, open: u64, unsaid: u64) {
        self.incidents_open.store(open, Relaxed);
        self.unsaid.store(unsaid, Relaxed);
    }

    /// A sink accepts messages, or has not for a while.
    pub fn sink_up(&self, sink: &str, is_up: bool) {
        self.sink(sink, |numbers| numbers.is_up = is_up);
    }

    /// A request was accepted, or not.
    pub fn sink_request(&self, sink: &str, outcome: Outcome) {
        self.sink(sink, |numbers| match outcome {
            Outcome::Accepted => numbers.accepted += 1,
            Outcome::Failed => numbers.failed += 1,
        });
    }

    fn sink(&self, sink: &str, change: impl FnOnce(&mut SinkNumbers)) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        change(sinks.entry(sink.to_owned()).or_default());
    }

    /// A reload was tried.
    pub fn reloaded(&self, ok: bool) {
        self.reload_ok.store(ok, Relaxed);
        if ok {
            self.reload_at.store(unix_seconds(), Relaxed);
        }
    }

    /// The reader is at work and will be heard of again by `next`.
    pub fn reader_alive(&self, next: Instant) {
        let until = next.saturating_duration_since(self.started) + SILENCE;
        self.alive_until.store(until.as_millis() as u64, Relaxed);
    }

    pub fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started).as_millis() as u64 <= self.alive_until.load(Relaxed)
    }

    pub fn sources_opened(&self) {
        self.sources_open.store(true, Relaxed);
    }

    /// Everything was looked at once.
    pub fn are_sources_open(&self) -> bool {
        self.sources_open.load(Relaxed)
    }

    /// The last commit worked, or did not for this reason.
    pub fn state(&self, error: Option<String>) {
        *self.state_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// What of the sources cannot be read at the moment, one line each.
    pub fn unread(&self, unread: Vec<String>) {
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }

    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether each sink accepts messages.
    pub fn sinks_up(&self) -> BTreeMap<String, bool> {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().map(|(name, numbers)| (name.clone(), numbers.is_up)).collect()
    }

    /// Whether the last reload worked, and when a configuration was last taken over, in seconds since 1970.
    pub fn reload(&self) -> (bool, i64) {
        (self.reload_ok.load(Relaxed), self.reload_at.load(Relaxed))
    }

    /// Reading pauses since then, because the outbox is full; or it goes on.
    pub fn paused(&self, since: Option<Instant>) {
        *self.paused_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Bytes of a log file that will not be read.
    pub fn gap(&self, reason: Reason, bytes: u64) {
        *self.gaps.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += bytes;
    }

    fn pause(&self, now: Instant) -> Option<Duration> {
        let since = *self.paused_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| now.saturating_duration_since(since))
    }

    /// Why paytriage is not ready; empty when it is.
    pub fn unready(&self, now: Instant) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.sources_open.load(Relaxed) {
            reasons.push("sources are not open yet".to_owned());
        }
        if let Some(error) = &*self.state_error.lock().unwrap_or_else(PoisonError::into_inner) {
            reasons.push(format!("state cannot be written: {error}"));
        }
        if self.pause(now).is_some_and(|pause| pause >= PATIENCE) {
            let reason = "reading has paused for a minute: the outbox is full and its sinks do not take events";
            reasons.push(reason.to_owned());
        }
        reasons
    }

    /// What does not keep it from working but is not as it should be.
    pub fn remarks(&self) -> Vec<String> {
        let degraded = self.watch_degraded.load(Relaxed);
        let remark = "degraded: changes cannot be watched for everywhere and are looked for every second";
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner).clone();
        degraded.then(|| remark.to_owned()).into_iter().chain(unread).collect()
    }

    /// How it goes, in one line for people.
    pub fn in_short(&self, now: Instant) -> String {
        let n = |value: &AtomicU64, one: &str| match value.load(Relaxed) {
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        let unready = self.unready(now);
        let has_stdin = self.stdin_open.load(Relaxed);
        let journals = (self.journals_open.load(Relaxed) > 0).then(|| n(&self.journals_open, "journal"));
        let is_all = journals.is_none() && !has_stdin;
        let files = (is_all || self.files_open.load(Relaxed) > 0).then(|| n(&self.files_open, "file"));
        let stdin = has_stdin.then(|| "standard input".to_owned());
        let watched = [files, journals, stdin].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let begin = if unready.is_empty() {
            format!("Watching {watched}")
        } else {
            format!("Not ready: {}", unready.join("; "))
        };
        let waiting = format!("{} waiting for delivery", n(&self.outbox_events, "message"));
        let incidents = format!("{} open", n(&self.incidents_open, "incident"));
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let down = sinks.iter().filter(|(_, numbers)| !numbers.is_up).map(|(name, _)| format!("sink {name} is down"));
        let faults = (self.setup_faults.load(Relaxed) > 0)
            .then(|| format!("{}: paytriage doctor", n(&self.setup_faults, "set-up fault")));
        let parts = [begin, incidents, waiting].into_iter().chain(down).chain(faults);
        parts.chain(self.remarks()).collect::<Vec<_>>().join("; ")
    }

    /// All numbers in the text format of Prometheus, version 0.0.4.
    pub fn render(&self) -> String {
        let mut out = String::new();
        family(&mut out, "paytriage_build_info", "gauge", "Which build this is; the value is always 1.");
        let (version, rules, commit, target, rustc) = (VERSION, CATALOG, COMMIT, TARGET, RUSTC);
        _ = writeln!(
            out,
            "paytriage_build_info{{version=\"{version}\",rules_version=\"{rules}\",commit=\"{commit}\",target=\"{target}\",\
             rustc=\"{rustc}\"}} 1"
        );
        for (name, kind, help, value) in self.plain() {
            family(&mut out, name, kind, help);
            _ = writeln!(out, "{name} {value}");
        }
        family(&mut out, "paytriage_events_total", "counter", "Events found, by provider and severity.");
        for ((provider, severity), n) in &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            _ = writeln!(out, "paytriage_events_total{{provider=\"{provider}\",severity=\"{severity}\"}} {n}");
        }
        family(
            &mut out,
            "paytriage_gap_bytes_total",
            "counter",
            "Bytes of log files that could not be read, by reason.",
        );
        for (reason, n) in &*self.gaps.lock().unwrap_or_else(PoisonError::into_inner) {
            _ = writeln!(out, "paytriage_gap_bytes_total{{reason=\"{}\"}} {n}", reason.as_str());
        }
        self.render_sinks(&mut out);
        process(&mut out, self.started_at);
        out
    }

    fn render_sinks(&self, out: &mut String) {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        family(
            out,
            "paytriage_sink_up",
            "gauge",
            "1 while a sink accepts messages, 0 once it has not for five minutes.",
        );
        for (sink, numbers) in &*sinks {
            _ = writeln!(out, "paytriage_sink_up{{sink=\"{}\"}} {}", escaped(sink), u8::from(numbers.is_up));
        }
        family(out, "paytriage_sink_requests_total", "counter", "Requests to sinks, by how they ended.");
        for (sink, numbers) in &*sinks {
            let sink = escaped(sink);
            for (outcome, n) in [("accepted", numbers.accepted), ("failed", numbers.failed)] {
                _ = writeln!(out, "paytriage_sink_requests_total{{sink=\"{sink}\",outcome=\"{outcome}\"}} {n}");
            }
        }
    }

    #[rustfmt::skip]
    fn plain(&self) -> [(&'static str, &'static str, &'static str, i64); 28] {
        let get = |value: &AtomicU64| value.load(Relaxed) as i64;
        [
            ("paytriage_files_open", "gauge", "Log files that are followed.", get(&self.files_open)),
            ("paytriage_file_lag_bytes", "gauge", "Bytes written to followed files but not read yet.", get(&self.file_lag_bytes)),
            ("paytriage_read_bytes_total", "counter", "Bytes read from log files.", get(&self.read_bytes)),
            ("paytriage_read_errors_total", "counter", "Log files that could not be opened or read.", get(&self.read_errors)),
            ("paytriage_rotations_total", "counter", "Log files that were renamed away or deleted.", get(&self.rotations)),
            ("paytriage_truncations_total", "counter", "Log files whose content was cut off or replaced in place.", get(&self.truncations)),
            ("paytriage_unstable_heads_total", "counter", "Log files whose first bytes keep changing, so that they prove nothing.", get(&self.unstable_heads)),
            ("paytriage_watch_overflows_total", "counter", "Times that change notifications were lost and everything was looked at.", get(&self.watch_overflows)),
            ("paytriage_watch_degraded", "gauge", "1 while changes cannot be watched for everywhere and are looked for every second.", i64::from(self.watch_degraded.load(Relaxed))),
            ("paytriage_unknown_codes_total", "counter", "Events whose code no catalogue entry knows.", get(&self.unknown_codes)),
            ("paytriage_commit_errors_total", "counter", "Times that the state could not be written.", get(&self.commit_errors)),
            ("paytriage_outbox_events", "gauge", "Events that wait for delivery.", get(&self.outbox_events)),
            ("paytriage_outbox_bytes", "gauge", "Bytes of events that wait for delivery.", get(&self.outbox_bytes)),
            ("paytriage_dropped_events_total", "counter", "Events, or messages about incidents, that waited for a sink and were dropped, as PT.DROPPED says why.", get(&self.dropped_events)),
            ("paytriage_dead_letters_total", "counter", "Messages that a sink has refused for too long.", get(&self.dead_letters)),
            ("paytriage_incidents_open", "gauge", "Incidents that go on.", get(&self.incidents_open)),
            ("paytriage_unsaid_events_total", "counter", "Events of which no incident was told: too few of their kind, or silenced.", get(&self.unsaid)),
            ("paytriage_cut_lines_total", "counter", "Lines longer than 1 MiB, of which only the first part was searched.", get(&self.cut_lines)),
            ("paytriage_journals_open", "gauge", "Journals that are read.", get(&self.journals_open)),
            ("paytriage_journal_entries_total", "counter", "Entries read from journals.", get(&self.journal_entries)),
            ("paytriage_journal_gaps_total", "counter", "Times that a journal was vacuumed before it was read.", get(&self.journal_gaps)),
            ("paytriage_state_lost_total", "counter", "Databases that were damaged and set aside.", get(&self.state_lost)),
            ("paytriage_pinned_bytes", "gauge", "Disk held by deleted log files that are still open.", get(&self.pinned_bytes)),
            ("paytriage_setup_faults", "gauge", "Faults of the set-up that `paytriage doctor` found when the daemon began, or was reloaded last; the log names them.", get(&self.setup_faults)),
            ("paytriage_reading_paused", "gauge", "1 while nothing is read because the outbox is full.", i64::from(self.pause(Instant::now()).is_some())),
            ("paytriage_backpressure_total", "counter", "Times that reading paused because too many events wait for delivery.", get(&self.backpressure)),
            ("paytriage_config_last_reload_successful", "gauge", "1 if the configuration in force is the newest one.", i64::from(self.reload_ok.load(Relaxed))),
            ("paytriage_config_last_reload_success_timestamp_seconds", "gauge", "When a configuration was last taken over.", self.reload_at.load(Relaxed)),
        ]
    }
}

/// The value of a label, as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// The process metrics that every exporter has; those the platform does not tell are left out.
fn process(out: &mut String, started_at: SystemTime) {
    let started = started_at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    family(out, "process_start_time_seconds", "gauge", "When the process started, seconds since 1970.");
    _ = writeln!(out, "process_start_time_seconds {started:.3}");
    if let Some(bytes) = resident_bytes() {
        family(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
        _ = writeln!(out, "process_resident_memory_bytes {bytes}");
    }
    if let Ok(fds) = std::fs::read_dir("/proc/self/fd") {
        family(out, "process_open_fds", "gauge", "Open file descriptors.");
        _ = writeln!(out, "process_open_fds {}", fds.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn unix_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_help_type_and_a_proper_name() {
        let metrics = Metrics::default();
        metrics.read_bytes.fetch_add(7, Relaxed);
        let text = metrics.render();
        assert!(text.contains("\npaytriage_read_bytes_total 7\n"), "{text}");
        for (name, kind, help, _) in metrics.plain() {
            assert!(text.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} ")), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        }
    }

    #[test]
    fn in_short_it_says_what_is_watched_and_what_is_wrong() {
        let (metrics, now) = (Metrics::default(), Instant::now());
        let rest = "0 incidents open; 0 messages waiting for delivery";
        assert_eq!(metrics.in_short(now), format!("Not ready: sources are not open yet; {rest}"));
        metrics.sources_opened();
        metrics.files_open.store(1, Relaxed);
        metrics.sink_up("oncall", true);
        assert_eq!(metrics.in_short(now), format!("Watching 1 file; {rest}"));
        metrics.journals_open.store(1, Relaxed);
        assert_eq!(metrics.in_short(now), format!("Watching 1 file and 1 journal; {rest}"));
        metrics.files_open.store(0, Relaxed);
        assert_eq!(metrics.in_short(now), format!("Watching 1 journal; {rest}"));
        metrics.journals_open.store(0, Relaxed);
        metrics.stdin_open.store(true, Relaxed);
        assert_eq!(metrics.in_short(now), format!("Watching standard input; {rest}"));
        metrics.stdin_open.store(false, Relaxed);
        metrics.files_open.store(1, Relaxed);
        metrics.sink_up("oncall", false);
        metrics.incidents(1, 0);
        let status = "Watching 1 file; 1 incident open; 0 messages waiting for delivery; sink oncall is down";
        assert_eq!(metrics.in_short(now), status);
        metrics.setup_faults.store(2, Relaxed);
        assert_eq!(metrics.in_short(now), format!("{status}; 2 set-up faults: paytriage doctor"));
    }

    #[test]
    fn a_reader_that_is_not_heard_of_is_stuck() {
        let metrics = Metrics::default();
        let now = Instant::now();
        metrics.reader_alive(now + Duration::from_secs(10));
        assert!(metrics.is_alive(now + Duration::from_secs(39)));
        assert!(!metrics.is_alive(now + Duration::from_secs(42)));
    }

    #[test]
    fn ready_when_sources_are_open_and_state_is_writable() {
        let (metrics, now) = (Metrics::default(), Instant::now());
        assert_eq!(metrics.unready(now), ["sources are not open yet"]);
        metrics.sources_opened();
        metrics.state(Some("disk full".into()));
        assert_eq!(metrics.unready(now), ["state cannot be written: disk full"]);
        metrics.state(None);
        assert!(metrics.unready(now).is_empty());
    }

    #[test]
    fn not_ready_once_reading_has_paused_for_a_minute() {
        let (metrics, now) = (Metrics::default(), Instant::now());
        metrics.sources_opened();
        metrics.paused(Some(now));
        assert!(metrics.unready(now + PATIENCE - Duration::from_millis(1)).is_empty());
        let reasons = metrics.unready(now + PATIENCE);
        assert!(reasons.len() == 1 && reasons[0].contains("outbox is full"), "{reasons:?}");
        metrics.paused(None);
        assert!(metrics.unready(now + PATIENCE).is_empty());
    }
}
