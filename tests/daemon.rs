//! The daemon as a test sees it: what it prints, what it logs, and how it ends.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli_env::Env;

/// How long anything may take before a test gives up. Only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Appends to a file, making it if need be.
pub fn append(env: &Env, name: &str, text: &str) {
    let path = env.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

pub fn rename(env: &Env, from: &str, to: &str) {
    fs::rename(env.path(from), env.path(to)).unwrap();
}

/// Starts `paytriage run` with these arguments and waits until it watches.
pub fn run(env: &Env, args: &[&str]) -> Daemon {
    let mut daemon = Daemon::spawn(command(env, args));
    daemon.wait_for_log("watching");
    daemon
}

pub fn command(env: &Env, args: &[&str]) -> Command {
    let mut command = env.command(&[&["run"], args].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A failure as a payment service logs it; `n` is found again in the event.
pub fn failure(n: usize) -> String {
    format!(
        "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {{\"code\":\"40004\",\
         \"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"N{n:06}\"}}\n"
    )
}

/// What every event on stdout must be.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(paytriage::wire::EVENT_JSON_SCHEMA).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

/// A running daemon; killed when the test is over.
pub struct Daemon {
    child: Child,
    stdout: Option<Receiver<String>>,
    stderr: Receiver<String>,
    log: Vec<String>,
}

impl Daemon {
    pub fn spawn(mut command: Command) -> Daemon {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(lines_of);
        let stderr = lines_of(child.stderr.take().unwrap());
        Daemon { child, stdout, stderr, log: Vec::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        self.line_in_time().unwrap_or_else(|| panic!("no event came; log so far:\n{}", self.drain_log()))
    }

    fn line_in_time(&mut self) -> Option<String> {
        self.stdout.as_ref().expect("stdout is piped").recv_timeout(PATIENCE).ok()
    }

    /// Keeps it from running until [`Daemon::thaw`]: what happens meanwhile, it has not seen.
    pub fn freeze(&self) {
        self.signal("STOP");
        let stat = || fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        eventually("it stands still", || stat().contains(") T "));
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// The next event.
    pub fn event(&mut self) -> serde_json::Value {
        let line = self.line();
        let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(SCHEMA.is_valid(&event), "no valid event: {line}");
        event
    }

    /// The numbers of the next `n` events, as [`failure`] wrote them.
    pub fn numbers(&mut self, n: usize) -> Vec<usize> {
        (0..n).map(|_| number(&self.event())).collect()
    }

    /// All that stdout still says after the daemon has ended.
    pub fn rest(&mut self) -> Vec<serde_json::Value> {
        let lines = self.stdout.take().expect("stdout is piped");
        lines.iter().map(|line| serde_json::from_str(&line).unwrap()).collect()
    }

    /// Waits for a line of the daemon's own log and returns it.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} is not in the log:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// Everything logged so far.
    pub fn drain_log(&mut self) -> String {
        self.log.extend(self.stderr.try_iter());
        self.log.join("\n")
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until the daemon has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end; log:\n{}", self.drain_log());
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Nobody reads its output any more.
    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The number that [`failure`] put into the line of this event.
pub fn number(event: &serde_json::Value) -> usize {
    let order = event["ids"]["out_trade_no"].as_str().unwrap_or_else(|| panic!("no order number: {event}"));
    order.trim_start_matches('N').parse().unwrap()
}

/// How often each number was seen.
pub fn tally(numbers: impl IntoIterator<Item = usize>) -> HashMap<usize, usize> {
    let mut tally = HashMap::new();
    for number in numbers {
        *tally.entry(number).or_default() += 1;
    }
    tally
}

/// Waits for these numbers, ends the daemon, and sees that each came once and no other did. Whoever wants to know that a
/// file was not read twice puts a last line into it: events of one file come in its order.
#[track_caller]
pub fn exactly_once(mut daemon: Daemon, numbers: impl IntoIterator<Item = usize>) {
    let expected = tally(numbers);
    let mut seen = HashMap::new();
    while !expected.keys().all(|number| seen.contains_key(number)) {
        let Some(line) = daemon.line_in_time() else { break };
        *seen.entry(number(&serde_json::from_str(&line).unwrap())).or_default() += 1;
    }
    let ended = daemon.stop();
    for event in daemon.rest() {
        *seen.entry(number(&event)).or_default() += 1;
    }
    let mut lost: Vec<_> = expected.keys().filter(|number| !seen.contains_key(number)).collect();
    let mut twice: Vec<_> = seen.iter().filter(|(number, n)| expected.get(number) != Some(n)).collect();
    lost.sort_unstable();
    twice.sort_unstable();
    assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, how often {twice:?}\n{}", daemon.drain_log());
    assert!(ended.success(), "{}", daemon.drain_log());
}

/// Polls until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads lines on a thread, until the receiver goes away; then the pipe is closed.
fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tx, rx) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    rx
}
