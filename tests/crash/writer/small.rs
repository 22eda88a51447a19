//! Small files that do not live long.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{Log, Writer};

/// How long a file waits to be opened before it is left for later.
const TO_BE_OPENED: Duration = Duration::from_secs(1);
const TO_BE_READ: Duration = Duration::from_secs(20);

impl Writer {
    pub(super) fn small(&mut self) {
        let mut alive: Vec<Log> = Vec::new();
        let mut dir = self.dir.clone();
        for n in 0.. {
            if self.rng.once_in(8) {
                dir = self.dir.join(format!("d{n}/e"));
                fs::create_dir_all(&dir).unwrap();
            }
            let mut log = self.open(dir.join(format!("{n}.log")));
            self.append(&mut log);
            self.pause();
            match self.rng.once_in(4) {
                true => alive.extend(self.remove_while_open(log)),
                false => alive.push(log),
            }
            alive.retain(|log| !self.remove_if_seen(log));
            if self.is_over() {
                return;
            }
        }
    }

    /// Removes a file that the daemon holds open, and goes on writing to it; gives it back if it is not opened.
    fn remove_while_open(&mut self, mut log: Log) -> Option<Log> {
        let ledger = std::sync::Arc::clone(&self.ledger);
        let _alive = ledger.hold();
        let deadline = Instant::now() + TO_BE_OPENED;
        while !self.is_held(&log) {
            if Instant::now() >= deadline {
                return Some(log);
            }
            thread::sleep(Duration::from_millis(2));
        }
        fs::remove_file(&log.path).unwrap();
        self.note(format_args!("removes {} while it is held", log.path.display()));
        self.ledger.rotated();
        self.append(&mut log);
        let numbers = std::mem::take(&mut log.numbers);
        drop(log);
        self.ledger.wait_for(&numbers, TO_BE_READ);
        None
    }

    fn is_held(&self, log: &Log) -> bool {
        let pid = self.ledger.pid.load(std::sync::atomic::Ordering::Relaxed);
        let Ok(held) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        held.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == log.path))
    }
}
