//! Rotation by new names: numbered chains, names inside the source, symbolic links.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::{Log, Writer};

impl Writer {
    fn app_log(&self) -> PathBuf {
        self.dir.join("app.log")
    }

    /// `app.log` and its backups, the newest with number 1.
    pub(super) fn chain(&mut self) {
        let mut backups: Vec<Log> = Vec::new();
        while !self.is_over() {
            let mut log = self.open(self.app_log());
            self.append_some(&mut log);
            self.prune(&mut backups);
            let n = backups.len();
            for (i, backup) in backups.iter_mut().enumerate() {
                let to = self.dir.join(format!("app.log.{}", n - i + 1));
                self.rename(&backup.path, &to);
                backup.path = to;
            }
            let to = self.dir.join("app.log.1");
            self.rename(&log.path, &to);
            log.path = to;
            self.ledger.rotated();
            if self.rng.once_in(3) {
                self.pause();
            }
            self.write_late(&mut log);
            backups.push(log);
        }
    }

    /// New names that the source means, and now and then a name that it does not, for a while.
    pub(super) fn inside(&mut self) {
        let mut old: Vec<Log> = Vec::new();
        for n in 0.. {
            let mut log = self.open(self.app_log());
            self.append_some(&mut log);
            if self.is_over() {
                return;
            }
            if self.rng.once_in(3) {
                let away = self.dir.join("app.log.away");
                self.rename(&log.path, &away);
                self.write_late(&mut log);
                self.pause();
                self.rename(&away, &log.path);
                self.append_some(&mut log);
            }
            let to = self.dir.join(format!("app-{n}.log"));
            self.rename(&log.path, &to);
            log.path = to;
            self.ledger.rotated();
            self.write_late(&mut log);
            old.push(log);
            self.prune(&mut old);
        }
    }

    /// A link that leads from one file to the next.
    pub(super) fn links(&mut self) {
        let (link, new_link, targets) = (self.dir.join("app.log"), self.dir.join("new"), self.dir.join("targets"));
        fs::create_dir_all(&targets).unwrap();
        let mut old: Vec<Log> = Vec::new();
        for n in 0.. {
            let mut log = self.open(targets.join(format!("{n}.txt")));
            if self.rng.once_in(2) {
                self.append(&mut log);
            }
            if n > 0 && self.rng.once_in(2) {
                fs::remove_file(&link).unwrap();
            }
            symlink(&log.path, &new_link).unwrap();
            self.rename(&new_link, &link);
            self.ledger.rotated();
            if let Some(before) = old.last_mut() {
                self.write_late(before);
            }
            self.append_some(&mut log);
            while log.numbers.is_empty() {
                self.append(&mut log);
            }
            // Nobody can know a file that no name led to while the daemon ran.
            while !log.numbers.iter().any(|number| self.ledger.all_seen(&[*number])) && !self.is_over() {
                std::thread::sleep(Duration::from_millis(2));
            }
            if self.is_over() {
                return;
            }
            old.push(log);
            self.prune(&mut old);
        }
    }

    /// A program that has not noticed that its file was rotated.
    fn write_late(&mut self, log: &mut Log) {
        while self.rng.once_in(2) {
            self.append(log);
            self.pause();
        }
    }
}
