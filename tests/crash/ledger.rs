//! What was written and what came back, shared by the writers, the readers of the daemon's output, and the killer.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lines;

/// What the daemon's output said so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Each id with the number of its event.
    pub ids: HashMap<String, u64>,
    /// Each number with the id that it came with first.
    pub numbers: HashMap<u64, String>,
    /// Lines that had come before, after a kill.
    pub repeats: u64,
    pub faults: Vec<String>,
}

#[derive(Debug)]
pub struct Ledger {
    began: Instant,
    seen: Mutex<Seen>,
    /// Numbers whose lines were written to their end.
    written: Mutex<HashSet<u64>>,
    journal: Mutex<Vec<String>>,
    pub rotations: AtomicU64,
    /// Process id of the daemon that watches, 0 while there is none.
    pub pid: AtomicU32,
    /// Starting and killing takes this for writing: who holds it for reading sees no end and no start.
    pub life: RwLock<()>,
    stop: AtomicBool,
}

impl Ledger {
    pub fn new() -> Ledger {
        Ledger {
            began: Instant::now(),
            seen: Mutex::default(),
            written: Mutex::default(),
            journal: Mutex::default(),
            rotations: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            life: RwLock::new(()),
            stop: AtomicBool::new(false),
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    pub fn written(&self) -> MutexGuard<'_, HashSet<u64>> {
        lock(&self.written)
    }

    /// Nothing starts and nothing is killed while this lives.
    pub fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.life.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wrote(&self, numbers: &[u64]) {
        self.written().extend(numbers);
    }

    pub fn rotated(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one line of the daemon's output.
    pub fn saw(&self, line: &str) {
        let mut seen = self.seen();
        let event: Value = match serde_json::from_str(line) {
            Ok(event) => event,
            Err(error) => return seen.faults.push(format!("a line on stdout is no event: {error}: {line}")),
        };
        let (Some(number), Some(id)) = (lines::number(&event), event["id"].as_str()) else {
            return seen.faults.push(format!("an event nobody wrote: {line}"));
        };
        match seen.ids.insert(id.to_owned(), number) {
            Some(before) if before != number => seen.faults.push(format!("id {id} is of {before} and of {number}")),
            Some(_) => seen.repeats += 1,
            None => {}
        }
        if let Some(before) = seen.numbers.insert(number, id.to_owned())
            && before != id
        {
            let path = &event["source"]["path"];
            seen.faults.push(format!("{number} came as {before} and as {id}, from {path}"));
        }
    }

    pub fn all_seen(&self, numbers: &[u64]) -> bool {
        let seen = self.seen();
        numbers.iter().all(|number| seen.numbers.contains_key(number))
    }

    /// Waits until these came back; false if it takes longer than `patience` or all is over.
    pub fn wait_for(&self, numbers: &[u64], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.all_seen(numbers) {
            if Instant::now() >= deadline || self.is_over() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Written and not seen.
    pub fn missing(&self) -> Vec<u64> {
        let (written, seen) = (self.written(), self.seen());
        let mut missing: Vec<_> = written.iter().filter(|number| !seen.numbers.contains_key(number)).copied().collect();
        missing.sort_unstable();
        missing
    }

    pub fn note(&self, what: fmt::Arguments) {
        lock(&self.journal).push(format!("{:9.4} {what}", self.began.elapsed().as_secs_f64()));
    }

    pub fn journal(&self) -> String {
        lock(&self.journal).join("\n")
    }

    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
