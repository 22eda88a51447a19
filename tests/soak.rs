//! A long run under writing and rotating: memory, descriptors, threads and the database must stay as they are.
//!
//! `cargo test` runs a few seconds' worth. The long mode prints its figures each minute:
//! `PAYTRIAGE_SOAK_MINUTES=10 cargo test --test integration soak -- --nocapture`; `PAYTRIAGE_SOAK_BINARY` names
//! another binary to run, as one that was built for release.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli_env::Env;
use crate::daemon::{Daemon, failure, number};
use crate::process;

const WRITERS: usize = 4;
/// Lines in the short mode, of all writers.
const SHORT: usize = 2_000;
/// A writer rotates after so many lines, and deletes what it rotated away so many rotations ago.
const LINES_PER_FILE: usize = 500;
const BACKUPS: usize = 3;
/// Lines of one burst, and the pause after it.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// Writers wait while so many lines have not come out as events: a machine with other work must not grow a backlog.
const MAX_BEHIND: usize = 1_000;

/// How a writer makes room.
#[derive(Debug, Clone, Copy)]
enum Rotation {
    /// To a name that the source does not mean.
    Out,
    /// To another name that it means.
    Within,
    /// No rename: the next file has another name.
    Dated,
    /// Nothing, for comparison.
    Never,
}

const ROTATIONS: [Rotation; WRITERS] = [Rotation::Out, Rotation::Within, Rotation::Dated, Rotation::Never];

struct Writer {
    dir: PathBuf,
    rotation: Rotation,
    n_files: usize,
    file: File,
}

impl Writer {
    fn new(dir: &Path, rotation: Rotation) -> Writer {
        let dir = dir.join(format!("{rotation:?}").to_lowercase());
        fs::create_dir_all(&dir).unwrap();
        let file = create(&dir.join(name(rotation, 0)));
        Writer { dir, rotation, n_files: 0, file }
    }

    fn write(&mut self, line: &str) {
        self.file.write_all(line.as_bytes()).unwrap();
    }

    fn rotate(&mut self) {
        self.n_files += 1;
        let (now, n) = (name(self.rotation, self.n_files), self.n_files);
        let backup = |n: usize| match self.rotation {
            Rotation::Out => format!("app.log.{n}"),
            Rotation::Within => format!("app-{n}.log"),
            Rotation::Dated | Rotation::Never => name(self.rotation, n - 1),
        };
        match self.rotation {
            Rotation::Never => return,
            Rotation::Out | Rotation::Within => {
                fs::rename(self.dir.join(&now), self.dir.join(backup(n))).unwrap();
            }
            Rotation::Dated => {}
        }
        self.file = create(&self.dir.join(now));
        if n > BACKUPS {
            fs::remove_file(self.dir.join(backup(n - BACKUPS))).unwrap();
        }
    }
}

fn name(rotation: Rotation, n: usize) -> String {
    match rotation {
        Rotation::Dated => format!("app.{n:06}.log"),
        Rotation::Out | Rotation::Within | Rotation::Never => "app.log".into(),
    }
}

fn create(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

/// What the daemon uses.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Of its own; pages of the program's file come and go.
    anonymous_kib: u64,
    threads: u64,
    descriptors: usize,
    database_kib: u64,
    wal_kib: u64,
}

impl Usage {
    fn of(pid: u32, state: &Path) -> Usage {
        let kib = |file: &str| fs::metadata(state.join(file)).map_or(0, |file| file.len() / 1024);
        Usage {
            anonymous_kib: process::status(pid, "RssAnon"),
            threads: process::status(pid, "Threads"),
            descriptors: process::descriptors(pid).len(),
            database_kib: kib("paytriage.db"),
            wal_kib: kib("paytriage.db-wal"),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { anonymous_kib, threads, descriptors, database_kib, wal_kib } = self;
        write!(f, "{anonymous_kib:>13} {threads:>8} {descriptors:>12} {database_kib:>13} {wal_kib:>8}")
    }
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} cannot be read")))
}

fn start(env: &Env) -> Daemon {
    let binary = variable("PAYTRIAGE_SOAK_BINARY").unwrap_or(env!("CARGO_BIN_EXE_paytriage").to_owned());
    let mut command = Command::new(binary);
    command.args(["run", "logs/*/*.log", "--state", "state"]).current_dir(env.path(".")).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    daemon
}

/// How far everybody is.
#[derive(Debug, Default)]
struct Course {
    written: AtomicUsize,
    seen: AtomicUsize,
    stop: AtomicBool,
}

/// Writes until told to stop.
fn write(env: &Env, rotation: Rotation, course: &Course) {
    let mut writer = Writer::new(&env.path("logs"), rotation);
    let mut lines = 0;
    while !course.stop.load(Relaxed) {
        if course.written.load(Relaxed) > course.seen.load(Relaxed) + MAX_BEHIND {
            thread::sleep(PAUSE);
            continue;
        }
        for _ in 0..BURST {
            writer.write(&failure(course.written.fetch_add(1, Relaxed)));
        }
        lines += BURST;
        if lines % LINES_PER_FILE == 0 {
            writer.rotate();
        }
        thread::sleep(PAUSE);
    }
}

#[test]
fn what_it_uses_stays_as_it_is() {
    let minutes: Option<u64> = variable("PAYTRIAGE_SOAK_MINUTES");
    let env = Env::new();
    let mut daemon = start(&env);
    let course = Course::default();
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut figures: Vec<Usage> = Vec::new();
    thread::scope(|scope| {
        for rotation in ROTATIONS {
            let (env, course) = (&env, &course);
            scope.spawn(move || write(env, rotation, course));
        }
        let began = Instant::now();
        println!("minute    events  anonymous_kib  threads  descriptors  database_kib  wal_kib");
        loop {
            *seen.entry(number(&daemon.event())).or_default() += 1;
            course.seen.store(seen.len(), Relaxed);
            let minute = began.elapsed().as_secs() / 60;
            if minute > figures.len() as u64 {
                let usage = Usage::of(daemon.pid(), &env.path("state"));
                println!("{minute:>6} {:>9} {usage}", seen.len());
                figures.push(usage);
            }
            if minutes.map_or(seen.len() >= SHORT, |minutes| minute >= minutes) {
                break;
            }
        }
        figures.push(Usage::of(daemon.pid(), &env.path("state")));
        course.stop.store(true, Relaxed);
    });
    let written = course.written.load(Relaxed);
    while seen.len() < written {
        *seen.entry(number(&daemon.event())).or_default() += 1;
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    let repeated: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    flat(&figures);
}

/// The last figures against those of the first minute, and against what is plausible at all.
fn flat(figures: &[Usage]) {
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    assert!(last.anonymous_kib < first.anonymous_kib + 8 * 1024, "{first} {last}");
    assert!(last.threads <= 5 && last.descriptors < 64, "{last}");
    assert!(last.database_kib < 16 * 1024 && last.wal_kib <= 16 * 1024, "{last}");
}
