//! `run` after a power failure: what was not synced is gone, or there in part, and the rest has to do.
//!
//! A run writes down each change of its state directory. From that the directory is made as a disk may show it after power failed at
//! any moment: of what was written since the last sync of its file each sector is there or not, and of files that were made,
//! renamed or deleted since the last sync of the directory either name is. The same seed makes the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::Connection;
use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, failure, number, rename, run};
use crate::shim;

const LINES: usize = 240;
const SEED: u64 = 0x5555;

/// One change, as the journal has it.
struct Change {
    what: u8,
    name: String,
    at: usize,
    data: Vec<u8>,
}

fn changes(mut journal: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    while let [what, len, rest @ ..] = journal {
        let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap()) as usize;
        let (name, rest) = (&rest[16..][..usize::from(*len)], &rest[16 + usize::from(*len)..]);
        let name = String::from_utf8(name.to_vec()).unwrap();
        let (at, n) = (number(0), number(8));
        // A kill may have cut the last one.
        let Some(data) = rest.get(..n) else { break };
        changes.push(Change { what: *what, name, at, data: data.to_vec() });
        journal = &rest[n..];
    }
    changes
}

/// What is done to a file until it is synced.
#[derive(Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Default)]
struct Disk {
    /// What is surely there, and what was done since.
    files: Vec<(Vec<u8>, Vec<Write>)>,
    /// Names as the running system sees them, and as they surely are.
    names: BTreeMap<String, usize>,
    sure: BTreeMap<String, usize>,
}

impl Disk {
    fn change(&mut self, change: &Change) {
        let Change { what, name, at, data } = change;
        match what {
            b'C' => {
                self.names.insert(name.clone(), self.files.len());
                self.files.push(Default::default());
            }
            b'W' => self.file(name).1.push(Write::Bytes(*at, data.clone())),
            b'T' => self.file(name).1.push(Write::Length(*at)),
            b'S' if name == "." => self.sure = self.names.clone(),
            b'S' => {
                let (bytes, writes) = self.file(name);
                writes.drain(..).for_each(|write| write.apply(bytes, |_| true));
            }
            b'U' => drop(self.names.remove(name)),
            b'R' => {
                let file = self.names.remove(name).unwrap();
                self.names.insert(String::from_utf8(data.clone()).unwrap(), file);
            }
            other => panic!("{other}"),
        }
    }

    fn file(&mut self, name: &str) -> &mut (Vec<u8>, Vec<Write>) {
        &mut self.files[*self.names.get(name).unwrap_or_else(|| panic!("{name} was never made"))]
    }

    /// What is there when power fails now.
    fn fail(&self, rng: &mut Rng) -> BTreeMap<String, Vec<u8>> {
        let (sector, share) = (*rng.choice(&[512, 4096]).unwrap(), *rng.choice(&[0.0, 0.5, 0.9]).unwrap());
        let all: BTreeSet<_> = self.names.keys().chain(self.sure.keys()).collect();
        let mut there = BTreeMap::new();
        for name in all {
            let names = if rng.bool() { &self.names } else { &self.sure };
            let Some(&file) = names.get(name) else { continue };
            let (mut bytes, writes) = self.files[file].clone();
            for write in writes {
                write.in_sectors(sector).into_iter().for_each(|part| part.apply(&mut bytes, |_| rng.f64() < share));
            }
            there.insert(name.clone(), bytes);
        }
        // The index of the write-ahead log is memory that processes share; what a disk has of it is chance.
        there.entry("paytriage.db-shm".into()).and_modify(|index| *index = (0..32 << 10).map(|_| rng.u8(..)).collect());
        there
    }
}

impl Write {
    /// A disk keeps whole sectors.
    fn in_sectors(self, sector: usize) -> Vec<Write> {
        let Write::Bytes(at, bytes) = self else { return vec![self] };
        let first = (sector - at % sector).min(bytes.len());
        let (first, rest) = bytes.split_at(first);
        let mut parts = vec![Write::Bytes(at, first.to_vec())];
        let begins = at + first.len();
        parts.extend(rest.chunks(sector).enumerate().map(|(n, part)| Write::Bytes(begins + n * sector, part.to_vec())));
        parts
    }

    fn apply(self, file: &mut Vec<u8>, mut is_kept: impl FnMut(&Write) -> bool) {
        if !is_kept(&self) {
            return;
        }
        match self {
            Write::Length(len) => file.resize(len, 0),
            Write::Bytes(at, bytes) => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

/// Writes and rotates under a daemon whose changes are written down; gives the journal and the id of each number.
fn record(env: &Env) -> (Vec<Change>, HashMap<usize, String>) {
    let mut command = command(env, &["--config", "p.toml"]);
    shim::preload(env, shim::JOURNAL, &mut command);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    let mut ids = HashMap::new();
    for n in (0..LINES).step_by(4) {
        if n % 60 == 40 {
            rename(env, "logs/app.log", &format!("logs/app.log.{n}"));
        }
        append(env, "logs/app.log", &(n..n + 4).map(failure).collect::<String>());
        // In different rounds, and now and then after what is delivered was recorded.
        std::thread::sleep(Duration::from_millis(if n % 32 == 0 { 80 } else { 4 }));
    }
    while ids.len() < LINES {
        let event = daemon.event();
        ids.insert(number(&event), id(&event));
    }
    assert!(daemon.stop().success());
    (changes(&fs::read(env.path("journal")).unwrap()), ids)
}

/// What a database holds after its recovery: the ids of the rows that wait, and how many rows it ever had.
fn recovered(env: &Env, files: &BTreeMap<String, Vec<u8>>) -> (BTreeSet<String>, u64) {
    for (name, bytes) in files {
        env.write(&format!("look/{name}"), bytes);
    }
    let database = Connection::open(env.path("look/paytriage.db")).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let n_tables: u32 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    if n_tables == 0 {
        return Default::default();
    }
    let waiting = "SELECT lower(hex(event_id)) FROM outbox WHERE seq > (SELECT coalesce(max(delivered), 0) FROM sink)";
    let mut waiting = database.prepare(waiting).unwrap();
    let waiting = waiting.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let ever = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'";
    (waiting, database.query_row(ever, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned())
}

/// Power fails at moments of a run, and the next run has to make do.
fn power_fails(synchronous: &str, moments: usize) {
    let env = Env::new();
    env.write("logs/app.log", "");
    let source = "[[source]]\npaths = [\"logs/*\"]\nstart_at = \"beginning\"\n";
    env.write("p.toml", format!("{source}[state]\ndir = \"state\"\nsynchronous = \"{synchronous}\"\n"));
    let (changes, ids) = record(&env);
    let mut rng = Rng::with_seed(SEED);
    for _ in 0..moments {
        let (until, seed) = (rng.usize(..changes.len()), rng.u64(..));
        let case = format!("{synchronous}, power failed after change {until} of {}, seed {seed}", changes.len());
        let (mut disk, mut output) = (Disk::default(), Vec::new());
        for change in &changes[..until] {
            match change.what {
                b'O' => output.extend_from_slice(&change.data),
                _ => disk.change(change),
            }
        }
        let files = disk.fail(&mut Rng::with_seed(seed));
        fs::remove_dir_all(env.path("state")).unwrap();
        drop(fs::remove_dir_all(env.path("look")));
        fs::create_dir(env.path("state")).unwrap();
        for (name, bytes) in &files {
            env.write(&format!("state/{name}"), bytes);
        }
        let (waiting, ever) = recovered(&env, &files);
        let delivered: Vec<Value> = output
            .split_inclusive(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let delivered: HashMap<usize, String> = delivered.iter().map(|event| (number(event), id(event))).collect();

        let mut daemon = run(&env, &["--config", "p.toml"]);
        let mut seen: HashMap<usize, String> = HashMap::new();
        let take = |seen: &mut HashMap<usize, String>, event: &Value| {
            assert_ne!(event["provider"], "paytriage", "{case}: {event}");
            let (number, id) = (number(event), id(event));
            assert_eq!(ids.get(&number), Some(&id), "{case}: another id");
            if synchronous == "full" && delivered.contains_key(&number) {
                assert!(waiting.contains(&id), "{case}: {number} was delivered, and is read again");
            }
            assert!(seen.insert(number, id).is_none(), "{case}: {number} came twice");
        };
        while !(0..LINES).all(|n| seen.contains_key(&n) || delivered.contains_key(&n)) {
            take(&mut seen, &daemon.event());
        }
        assert!(daemon.stop().success(), "{case}");
        daemon.rest().iter().for_each(|event| take(&mut seen, event));
        let log = daemon.drain_log();
        assert!(!log.contains("ERROR"), "{case}: {log}");
        if synchronous == "full" {
            assert!(ever >= delivered.len() as u64, "{case}: {} were delivered, {ever} stored", delivered.len());
        }
    }
}

#[test]
fn a_power_failure_loses_nothing_and_repeats_only_what_was_not_acknowledged() {
    power_fails("full", 12);
}

#[test]
fn with_synchronous_normal_a_power_failure_repeats_some_and_loses_nothing() {
    power_fails("normal", 6);
}
