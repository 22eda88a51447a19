//! Paths that cannot be read: each is reported once, and once more when it is over.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::source::selection::visible;
use crate::source::walk::{Found, Problem};

#[derive(Debug, Default)]
pub struct Problems {
    /// What the last walk reported, with the reason.
    missing: HashMap<PathBuf, String>,
    /// Files that could not be opened or read, with the reason.
    unreadable: HashMap<PathBuf, String>,
    /// Something of this has changed since it was asked for.
    is_news: bool,
}

/// More are only counted.
const MAX_LISTED: usize = 10;

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
        self.is_news |= self.missing != now;
        self.missing = now;
    }

    /// Returns true the first time.
    pub fn unreadable(&mut self, path: &Path, reason: String) -> bool {
        let new = !self.unreadable.contains_key(path);
        if new {
            tracing::warn!(path = %visible(path), error = reason, "cannot read; trying again from time to time");
            self.unreadable.insert(path.to_path_buf(), reason);
            self.is_news = true;
        }
        new
    }

    /// Forgets files that are no longer there; these are, and those that are followed.
    pub fn retain(&mut self, there: &[Found], is_followed: impl Fn(&Path) -> bool) {
        if !self.unreadable.is_empty() {
            let there: HashSet<&Path> = there.iter().map(|found| found.path.as_path()).collect();
            let before = self.unreadable.len();
            self.unreadable.retain(|path, _| there.contains(path.as_path()) || is_followed(path));
            self.is_news |= self.unreadable.len() != before;
        }
    }

    pub fn readable(&mut self, path: &Path) {
        if !self.unreadable.is_empty() && self.unreadable.remove(path).is_some() {
            tracing::info!(path = %visible(path), "can be read now");
            self.is_news = true;
        }
    }

    /// What there is, in words, if that has changed since it was asked for: the first few by their paths, and how many more.
    pub fn news(&mut self) -> Option<Vec<String>> {
        if !std::mem::take(&mut self.is_news) {
            return None;
        }
        let mut all: Vec<_> = self.missing.iter().chain(&self.unreadable).collect();
        all.sort();
        let more = all.len().saturating_sub(MAX_LISTED);
        all.truncate(MAX_LISTED);
        let mut lines: Vec<_> = all.iter().map(|(path, reason)| format!("{}: {reason}", visible(path))).collect();
        lines.extend((more > 0).then(|| format!("and {more} more")));
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_when_it_changes() {
        let mut problems = Problems::default();
        assert_eq!(problems.news(), None);
        let walk =
            |n: usize| (0..n).map(|n| Problem { path: format!("/{n:02}").into(), reason: "gone".into() }).collect();
        problems.missing(walk(1));
        problems.unreadable("/z\u{1b}".as_ref(), "permission denied".into());
        let lines = problems.news().unwrap();
        assert!(lines.len() == 2 && lines[0] == "/00: gone" && !lines[1].contains('\u{1b}'), "{lines:?}");
        problems.missing(walk(1));
        assert_eq!(problems.news(), None);
        problems.readable("/z\u{1b}".as_ref());
        problems.missing(walk(12));
        let lines = problems.news().unwrap();
        assert!(lines.len() == 11 && lines[10] == "and 2 more", "{lines:?}");
    }
}
