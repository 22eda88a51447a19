//! Paths that cannot be read: each is reported once, and once more when it is over.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::source::selection::visible;
use crate::source::walk::{Found, Problem};

#[derive(Debug, Default)]
pub struct Problems {
    /// What the last walk reported, with the reason.
    missing: HashMap<PathBuf, String>,
    /// Files that could not be opened or read.
    unreadable: HashSet<PathBuf>,
}

impl Problems {
    /// Takes what a walk over everything came upon.
    pub fn missing(&mut self, now: Vec<Problem>) {
        let now: HashMap<_, _> = now.into_iter().map(|problem| (problem.path, problem.reason)).collect();
        for (path, reason) in &now {
            if self.missing.get(path) != Some(reason) {
                tracing::warn!(path = %visible(path), "{reason}");
            }
        }
        for path in self.missing.keys().filter(|path| !now.contains_key(*path)) {
            tracing::info!(path = %visible(path), "can be read now");
        }
        self.missing = now;
    }

    /// Returns true the first time.
    pub fn unreadable(&mut self, path: &Path, reason: String) -> bool {
        let new = self.unreadable.insert(path.to_path_buf());
        if new {
            tracing::warn!(path = %visible(path), error = reason, "cannot read; trying again from time to time");
        }
        new
    }

    /// Forgets files that are no longer there; these are, and those that are followed.
    pub fn retain(&mut self, there: &[Found], is_followed: impl Fn(&Path) -> bool) {
        if !self.unreadable.is_empty() {
            let there: HashSet<&Path> = there.iter().map(|found| found.path.as_path()).collect();
            self.unreadable.retain(|path| there.contains(path.as_path()) || is_followed(path));
        }
    }

    pub fn readable(&mut self, path: &Path) {
        if !self.unreadable.is_empty() && self.unreadable.remove(path) {
            tracing::info!(path = %visible(path), "can be read now");
        }
    }
}
