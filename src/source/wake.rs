//! What wakes the reader: notified paths, requests, or nothing until a deadline.
//!
//! Bounded by the number of distinct paths: the same file notified a thousand times is one entry, and too many
//! paths become "look at everything". Neither side ever waits for the other's work.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// More notified paths than this are answered by looking at everything.
const MAX_PATHS: usize = 10_000;

/// So many new files are kept open until the reader comes to them.
const MAX_APPEARED: usize = 32;

/// The reader's letter box. `R` is what others can ask of the reader.
#[derive(Debug)]
pub struct Wake<R> {
    mail: Mutex<Mail<R>>,
    arrived: Condvar,
}

/// What arrived since the last look.
#[derive(Debug)]
pub struct Mail<R> {
    pub paths: HashSet<PathBuf>,
    /// New files, opened at once: they may be gone when the reader has time for them.
    pub appeared: Vec<(PathBuf, File)>,
    /// From and to, in the order in which they happened.
    pub renames: Vec<(PathBuf, PathBuf)>,
    /// Notifications were lost: look at everything.
    pub rescan: bool,
    /// There is something in the letter box of a journal.
    pub has_news: bool,
    pub requests: Vec<R>,
}

impl<R> Default for Mail<R> {
    fn default() -> Mail<R> {
        Mail {
            paths: HashSet::new(),
            appeared: Vec::new(),
            renames: Vec::new(),
            rescan: false,
            has_news: false,
            requests: Vec::new(),
        }
    }
}

impl<R> Default for Wake<R> {
    fn default() -> Wake<R> {
        Wake { mail: Mutex::default(), arrived: Condvar::new() }
    }
}

impl<R> Mail<R> {
    fn is_empty(&self) -> bool {
        self.paths.is_empty()
            && self.appeared.is_empty()
            && self.renames.is_empty()
            && !self.rescan
            && !self.has_news
            && self.requests.is_empty()
    }
}

impl<R> Wake<R> {
    pub fn changed(&self, path: PathBuf) {
        let mut mail = self.lock();
        if mail.paths.len() < MAX_PATHS {
            mail.paths.insert(path);
        } else {
            mail.rescan = true;
        }
        self.arrived.notify_one();
    }

    /// A new file. `open` is asked for it only if there is room.
    pub fn appeared(&self, path: PathBuf, open: impl FnOnce(&Path) -> Option<File>) {
        if self.lock().appeared.len() < MAX_APPEARED
            && let Some(file) = open(&path)
        {
            self.lock().appeared.push((path.clone(), file));
        }
        self.changed(path);
    }

    pub fn renamed(&self, from: PathBuf, to: PathBuf) {
        let mut mail = self.lock();
        if mail.renames.len() < MAX_PATHS {
            mail.renames.push((from, to));
        } else {
            mail.rescan = true;
        }
        self.arrived.notify_one();
    }

    pub fn rescan(&self) {
        self.lock().rescan = true;
        self.arrived.notify_one();
    }

    pub fn news(&self) {
        self.lock().has_news = true;
        self.arrived.notify_one();
    }

    pub fn request(&self, request: R) {
        self.lock().requests.push(request);
        self.arrived.notify_one();
    }

    /// Takes what has arrived; waits until something does, or until `deadline`.
    pub fn take(&self, deadline: Instant) -> Mail<R> {
        let mut mail = self.lock();
        while mail.is_empty() {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let waited = self.arrived.wait_timeout(mail, deadline - now);
            mail = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut mail)
    }

    fn lock(&self) -> MutexGuard<'_, Mail<R>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn repeats_are_one_and_floods_become_a_rescan() {
        let wake = Wake::<()>::default();
        for i in 0..MAX_PATHS * 2 {
            wake.changed(format!("/log/{}", i % 5).into());
        }
        let mail = wake.take(Instant::now());
        assert_eq!((mail.paths.len(), mail.rescan), (5, false));
        for i in 0..=MAX_PATHS {
            wake.changed(format!("/log/{i}").into());
        }
        let mail = wake.take(Instant::now());
        assert_eq!((mail.paths.len(), mail.rescan), (MAX_PATHS, true));
        assert!(wake.take(Instant::now()).is_empty());
    }

    #[test]
    fn only_so_many_new_files_are_kept_open() {
        let wake = Wake::<()>::default();
        for i in 0..MAX_APPEARED * 2 {
            wake.appeared(format!("/log/{i}").into(), |_| tempfile::tempfile().ok());
        }
        let mail = wake.take(Instant::now());
        assert_eq!((mail.appeared.len(), mail.paths.len()), (MAX_APPEARED, MAX_APPEARED * 2));
    }

    #[test]
    fn a_request_wakes_a_reader_that_waits() {
        let wake = Arc::new(Wake::default());
        let reader = Arc::clone(&wake);
        let waiting = std::thread::spawn(move || reader.take(Instant::now() + Duration::from_secs(60)));
        wake.request("stop");
        assert_eq!(waiting.join().unwrap().requests, ["stop"]);
    }
}
