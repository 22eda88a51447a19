//! `paytriage run`: how soon it speaks, how fast it catches up, how long a line takes to become an event, and what it costs when
//! nothing happens. State is on disk, committed in full.

use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::Options;
use crate::child::{self, Cost, Running};
use crate::corpus::{self, Kind};
use crate::inputs::{Inputs, size_of};
use crate::table::{self, median, quantile};

const STARTS: usize = 20;
const APPENDS: usize = 200;
const IDLE_FILES: usize = 10_000;

/// Nothing takes so long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds until what was waited for, and what the process cost until its end.
type Taken = (f64, Cost);

fn daemon(state: &Path, paths: &[&Path]) -> Command {
    let mut command = child::paytriage(["run", "--from-start", "--state"]);
    command.arg(state).args(paths).stdout(Stdio::piped());
    command
}

/// Until the first event, and `explain`.
pub fn start(_: &Options, inputs: &Inputs) {
    let (log, many) = (inputs.log("short"), inputs.path("many.toml"));
    let scan = |options: &[&Path]| {
        let mut command = child::paytriage(["scan", "--format", "json", "-j1"]);
        command.args(options).arg(&log).stdout(Stdio::piped());
        Running::begin(&mut command)
    };
    let whole = |mut running: Running| (running.lines(1), running.end());
    let first_of_many = format!("scan, {} literals: first event", inputs.n_literals("many"));
    let kinds: [(&str, &dyn Fn() -> Taken); 4] = [
        ("scan: first event", &|| whole(scan(&[]))),
        (&first_of_many, &|| whole(scan(&[Path::new("--catalog"), &many]))),
        ("run: first event", &|| {
            let mut running = Running::begin(&mut daemon(&inputs.fresh("state"), &[&log]));
            (running.lines(1), running.kill())
        }),
        ("explain NOTENOUGH: all of it", &|| {
            let mut running = Running::begin(child::paytriage(["explain", "NOTENOUGH"]).stdout(Stdio::piped()));
            (running.lines(usize::MAX), running.end())
        }),
    ];
    let mut taken = vec![Vec::new(); kinds.len()];
    for _ in 0..STARTS {
        for (measure, taken) in kinds.iter().zip(&mut taken) {
            taken.push(measure.1());
        }
    }
    let rows = kinds.iter().zip(&taken).map(|((name, _), taken)| {
        let ms = |value: fn(&Taken) -> f64| format!("{:.0}", median(taken.iter().map(value)) * 1000.0);
        let memory = median(taken.iter().map(|(_, cost)| cost.memory));
        vec![(*name).to_owned(), ms(|(wall, _)| *wall), ms(|(_, cost)| cost.cpu), format!("{memory:.0}")]
    });
    table::print(
        &format!("start, median of {STARTS}"),
        &["", "ms", "CPU ms", "MiB at most"],
        &rows.collect::<Vec<_>>(),
    );
}

/// A daemon reads what was written before it started, beside `scan` of the same.
pub fn backlog(options: &Options, inputs: &Inputs) {
    let mut rows = Vec::new();
    for name in ["mixed", "storm"] {
        let log = inputs.log(name);
        let scan = || {
            let mut command = child::paytriage(["scan", "--format", "json", "-j1"]);
            command.arg(&log).stdout(Stdio::piped());
            command
        };
        let n_events = child::count_lines(&mut scan());
        let mut rounds = Vec::new();
        for _ in 0..options.n_rounds() {
            let mut running = Running::begin(&mut scan());
            let scanned = (running.lines(n_events), running.end());
            let mut running = Running::begin(&mut daemon(&inputs.fresh("state"), &[&log]));
            rounds.push((scanned, (running.lines(n_events), running.kill())));
        }
        let bytes = size_of(&log) as f64;
        let speed = |wall: f64| format!("{:.3}", bytes / wall / 1e9);
        let cpu = |cost: &Cost| cost.cpu / bytes * f64::from(1 << 30);
        let of = |value: &dyn Fn(&(Taken, Taken)) -> f64| median(rounds.iter().map(value));
        rows.push(vec![
            format!("{name}, {n_events} events"),
            speed(of(&|(scan, _)| scan.0)),
            speed(of(&|(_, run)| run.0)),
            format!("{:.2} ({:.2})", of(&|(scan, run)| scan.0 / run.0), of(&|(scan, run)| scan.1.cpu / run.1.cpu)),
            format!("{:.2}", of(&|(_, run)| cpu(&run.1))),
            format!("{:.0}", of(&|(_, run)| run.1.memory)),
        ]);
    }
    let headings = ["", "scan GB/s", "run GB/s", "x scan", "run CPU s/GiB", "run MiB"];
    table::print("backlog: until the last event is in a pipe, state on disk", &headings, &rows);
}

/// When each line of its output came.
fn arrivals(running: &mut Running) -> Receiver<Instant> {
    let (sender, receiver) = mpsc::channel();
    let stdout = running.stdout();
    thread::spawn(move || {
        for _ in stdout.split(b'\n') {
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Lines that are errors, one by one.
fn errors(n: usize) -> Vec<String> {
    let mut log = Vec::new();
    // Every fifth line of some 300 bytes.
    corpus::write(Kind::Storm, n as u64 * 5 * 1000, &mut log).expect("memory takes everything");
    let lines = String::from_utf8(log).expect("logs are UTF-8");
    lines.lines().skip(4).step_by(5).take(n).map(|line| format!("{line}\n")).collect()
}

/// From a line that is appended to its event on standard output.
pub fn latency(_: &Options, inputs: &Inputs) {
    let path = inputs.path("appended.log");
    let mut log = File::create(&path).expect("a log can be made");
    let mut running = Running::begin(&mut daemon(&inputs.fresh("state"), &[&path]));
    let arrivals = arrivals(&mut running);
    let mut taken = Vec::new();
    for (n, line) in errors(APPENDS + 1).iter().enumerate() {
        let begun = Instant::now();
        log.write_all(line.as_bytes()).expect("the disk has room");
        let arrived = arrivals.recv_timeout(PATIENCE).expect("each line is an event");
        // The first one waits for the start.
        if n > 0 {
            taken.push((arrived - begun).as_secs_f64() * 1000.0);
        }
        thread::sleep(Duration::from_millis(20 + n as u64 * 7 % 31));
    }
    let cost = running.kill();
    let row = [0.5, 0.99, 1.0].map(|share| format!("{:.1}", quantile(taken.iter().copied(), share)));
    let row = [vec![format!("{APPENDS} lines")], row.to_vec(), vec![format!("{:.2}", cost.cpu)]].concat();
    table::print("append to event, ms, committed", &["", "median", "99 %", "longest", "CPU s"], &[row]);
}

/// Nothing happens for ten seconds.
pub fn idle(_: &Options, inputs: &Inputs) {
    let directory = inputs.path("idle");
    fs::create_dir(&directory).expect("a directory can be made");
    for n in 0..IDLE_FILES {
        fs::write(directory.join(format!("{n}.log")), "2026-11-23 10:20:30 INFO all is well\n")
            .expect("the disk has room");
    }
    let error = inputs.log("short");
    let mut rows = Vec::new();
    for (name, paths) in [("1 file", &[&*error][..]), (&format!("{} files", IDLE_FILES + 1), &[&*directory, &*error])] {
        let mut running = Running::begin(&mut daemon(&inputs.fresh("state"), paths));
        // Kept to the end: a daemon whose output nobody reads ends.
        let events = arrivals(&mut running);
        events.recv_timeout(PATIENCE).expect("there is an error to report");
        thread::sleep(Duration::from_secs(5));
        let before = processor(running.id());
        let time = Duration::from_secs(10);
        thread::sleep(time);
        let share = (processor(running.id()) - before).as_secs_f64() / time.as_secs_f64() * 100.0;
        rows.push(vec![name.to_owned(), format!("{share:.3}"), format!("{:.1}", resident(running.id()))]);
        running.kill();
    }
    table::print("idle", &["", "% of a processor", "MiB resident"], &rows);
}

/// Time of processor that all threads of a process had so far.
fn processor(id: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("it runs").flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn resident(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}
