//! What a session showed: the counts, and what must not be.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::lines;

#[derive(Debug, Default)]
pub struct Verdict {
    pub runs: usize,
    pub kills: usize,
    written: usize,
    rotations: u64,
    lost: Vec<u64>,
    /// Rows the outbox got beyond one per id.
    twice: i64,
    /// Lines of stdout that came again after a kill.
    repeats: u64,
    /// Ids that an undisturbed `scan` gives too.
    confirmed: usize,
    faults: Vec<String>,
}

impl Verdict {
    pub const HEADER: &str = "runs kills    lines rotations lost twice repeats same-as-scan";

    /// Compares what was written, what came, what the outbox got, and what a scan of the same files says.
    pub fn check(&mut self, dir: &Path, ledger: &Ledger) {
        self.written = ledger.written().len();
        self.rotations = ledger.rotations.load(Ordering::Relaxed);
        self.lost = ledger.missing();
        let scanned = scan(dir);
        let seen = ledger.seen();
        self.repeats = seen.repeats;
        self.faults.extend(seen.faults.iter().cloned());
        let inserted = ever_inserted(dir);
        self.twice = inserted - seen.ids.len() as i64;
        for (number, id) in &scanned {
            match seen.numbers.get(number) {
                Some(reported) if reported != id => {
                    self.faults.push(format!("{number} was reported as {reported}, scan calls it {id}"));
                }
                Some(_) => self.confirmed += 1,
                None => {}
            }
        }
        let written = ledger.written();
        let invented = seen.numbers.keys().filter(|number| !written.contains(number));
        self.faults.extend(invented.map(|number| format!("{number} was reported and never written")));
    }

    pub fn add(&mut self, other: &Verdict) {
        self.runs += other.runs;
        self.kills += other.kills;
        self.written += other.written;
        self.rotations += other.rotations;
        self.lost.extend(&other.lost);
        self.twice += other.twice;
        self.repeats += other.repeats;
        self.confirmed += other.confirmed;
        self.faults.extend(other.faults.iter().cloned());
    }

    pub fn has_failed(&self) -> bool {
        !self.lost.is_empty() || self.twice != 0 || !self.faults.is_empty()
    }

    pub fn complaint(&self) -> String {
        let mut complaint =
            format!("lost: {:?} …\nrows beyond one per id: {}\n", &self.lost[..self.lost.len().min(400)], self.twice);
        for fault in self.faults.iter().take(20) {
            complaint.push_str(fault);
            complaint.push('\n');
        }
        complaint
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:4} {:5} {:8} {:9} ", self.runs, self.kills, self.written, self.rotations)?;
        write!(f, "{:4} {:5} {:7} {:12}", self.lost.len(), self.twice, self.repeats, self.confirmed)
    }
}

/// How many rows the outbox was ever given: its sequence counts also those that were delivered and deleted, and
/// those that were refused because their id was there.
fn ever_inserted(dir: &Path) -> i64 {
    let path = dir.join("state/paytriage.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let waiting: i64 = db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(waiting, 0, "asked to end, it left events undelivered");
    db.query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'", [], |row| row.get(0))
        .unwrap()
}

/// The ids by number that the files give which are still there and were never truncated.
fn scan(dir: &Path) -> HashMap<u64, String> {
    let mut files = Vec::new();
    for name in ["chain", "inside", "links/targets", "small"] {
        collect(&dir.join(name), &mut files);
    }
    if files.is_empty() {
        return HashMap::new();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_paytriage"));
    command.current_dir(dir).env_clear().envs([("TZ", "UTC"), ("HOME", "/nonexistent")]);
    let output = command.args(["scan", "--format", "json"]).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let events = events.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    events.filter_map(|event| Some((lines::number(&event)?, event["id"].as_str()?.to_owned()))).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            collect(&path, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}
