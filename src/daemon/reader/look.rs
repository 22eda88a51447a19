//! Where the reader looks: at what was notified, at everything now and then, and at files that lost their name.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Reader;
use crate::daemon::follow::Follow;
use crate::daemon::meet;
use crate::identity::FileKey;
use crate::source::step::Stamp;
use crate::source::walk::{Found, Outcome, Walk, reason};

/// How often a file that was rotated away is looked at: its new name may be where nobody watches.
const DISPLACED_INTERVAL: Duration = Duration::from_secs(1);
/// Where watching is impossible, everything is looked at this often.
const DEGRADED_INTERVAL: Duration = Duration::from_secs(1);

impl Reader {
    /// Looks at one notified path.
    pub(super) fn notice(&mut self, path: &Path, clock: Instant) {
        let concerns = self.files.named(path).is_some()
            || self.plan.selection.reaches(path)
            || self.plan.selection.source_of(path).is_some()
            || self.targets.contains(path)
            || self.next_displaced.is_some();
        if !concerns {
            return;
        }
        let Ok(metadata) = fs::metadata(path) else {
            if self.watcher.forget(path) {
                // With a directory go all names in it.
                self.next_walk = clock;
            }
            return self.unname(path, clock);
        };
        if self.own.contains(&metadata) {
            return;
        }
        let key = FileKey::of(&metadata);
        if self.files.named(path).is_some_and(|before| before != key) {
            self.unname(path, clock);
        }
        if metadata.is_file() && self.files.get(key).is_some() {
            if self.plan.selection.source_of(path).is_some() {
                self.files.name(path, key, clock);
            }
            if self.files.get(key).is_some_and(|follow| follow.is_due(Stamp::of(&metadata))) {
                self.files.queue(key);
            }
            return;
        }
        let (outcome, _) = self.search(|walk| walk.one(path));
        for found in outcome.files {
            self.found(&found, clock);
        }
    }

    /// A file may have left its source before it was ever seen there.
    pub(super) fn renamed(&mut self, from: &Path, to: &Path, clock: Instant) {
        let selection = &self.plan.selection;
        let Some(listed) = self.lineage.renamed(from, to, |path| selection.source_of(path).is_some()) else { return };
        let Ok(metadata) = fs::metadata(to) else { return };
        let unseen = self.files.get(FileKey::of(&metadata)).is_none() && self.newcomers.is_born_since(&metadata);
        if !unseen || !metadata.is_file() || self.own.contains(&metadata) {
            return;
        }
        match self.newcomers.meet_moved(&listed, to, &self.plan, clock) {
            Ok(Some(follow)) if self.files.get(follow.key()).is_none() => {
                self.metrics.rotations.fetch_add(1, Relaxed);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
                self.add(follow, clock);
            }
            // It was renamed once more, and that is notified too.
            Ok(_) | Err(_) => {}
        }
    }

    fn unname(&mut self, path: &Path, clock: Instant) {
        if let Some(key) = self.files.unname(path, clock) {
            self.metrics.rotations.fetch_add(1, Relaxed);
            self.displaced(key, clock);
        }
    }

    /// A file has no listed name any more: it is read to its end first.
    fn displaced(&mut self, key: FileKey, clock: Instant) {
        if let Some(follow) = self.files.get_mut(key) {
            meet::find_again(follow);
        }
        self.files.queue(key);
        self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
    }

    pub(super) fn look_at_displaced(&mut self, clock: Instant) {
        let displaced = self.files.displaced();
        self.next_displaced = (!displaced.is_empty()).then(|| clock + DISPLACED_INTERVAL);
        displaced.into_iter().for_each(|key| self.files.queue(key));
        self.bound_pinned(clock);
    }

    /// Walks with the watcher in place; returns also the directories that were entered.
    fn search(&mut self, look: impl FnOnce(Walk) -> Outcome) -> (Outcome, HashSet<PathBuf>) {
        let (watcher, metrics, mut entered) = (&mut self.watcher, &self.metrics, HashSet::new());
        let mut enter = |dir: &Path, metadata: &fs::Metadata| {
            // A large tree takes its time; that is no standstill.
            metrics.reader_alive(Instant::now());
            watcher.add(dir, metadata);
            entered.insert(dir.to_path_buf());
        };
        let outcome = look(Walk::new(&self.plan.selection, &self.own, &mut enter));
        (outcome, entered)
    }

    /// Looks at everything: what notifications have missed shows here.
    pub(super) fn walk(&mut self, clock: Instant) {
        let (outcome, mut entered) = self.search(|walk| walk.all());
        self.problems.missing(outcome.problems);
        self.targets.clear();
        let mut names = HashMap::new();
        for found in &outcome.files {
            names.insert(found.path.clone(), found.key);
        }
        for stale in self.files.names_not_in(&names) {
            self.unname(&stale, clock);
        }
        for found in &outcome.files {
            self.found(found, clock);
        }
        entered.extend(self.targets.iter().filter_map(|target| target.parent()).map(Path::to_path_buf));
        self.watcher.retain(&entered);
        for follow in self.files.iter_mut() {
            follow.park_if_idle(clock);
        }
        self.first_walk_done(clock);
        self.next_walk = clock + self.walk_interval();
    }

    /// The first walk by a plan decides what is new; the store must know before anything is read.
    fn first_walk_done(&mut self, clock: Instant) {
        if !self.newcomers.is_first_walk() {
            return;
        }
        let files = &self.files;
        for follow in self.newcomers.adopt(&self.plan, clock, |key| files.get(key).is_some()) {
            self.next_displaced.get_or_insert(clock);
            self.add(follow, clock);
        }
        let watched = self.plan.selection.written();
        self.newcomers.walked(watched.clone());
        self.pending.watched = Some(watched);
        self.commit(clock);
        if let Err(error) = self.newcomers.forget_old(&self.store) {
            tracing::warn!(%error, "cannot forget files that were not seen for a month");
        }
        self.metrics.sources_opened();
        tracing::info!(files = self.files.len(), "watching");
    }

    fn walk_interval(&self) -> Duration {
        let wanted = self.plan.setup.config.sources.iter().map(|source| source.poll_interval).min();
        let wanted = wanted.unwrap_or(Duration::from_secs(10));
        if self.watcher.is_degraded() { wanted.min(DEGRADED_INTERVAL) } else { wanted }
    }

    /// A file of a source was seen under this name.
    fn found(&mut self, found: &Found, clock: Instant) {
        self.metrics.reader_alive(Instant::now());
        if found.is_link {
            self.watch_target(&found.path);
        }
        if self.files.named(&found.path).is_some_and(|before| before != found.key) {
            self.unname(&found.path, clock);
        }
        if let Some(follow) = self.files.get(found.key) {
            let due = follow.is_due(found.stamp);
            self.files.name(&found.path, found.key, clock);
            if due {
                self.files.queue(found.key);
            }
            return;
        }
        match self.newcomers.meet(&found.path, &self.plan, clock) {
            Ok(Some(follow)) if self.files.get(follow.key()).is_none() => {
                self.problems.readable(&found.path);
                self.add(follow, clock);
            }
            Ok(_) => {}
            Err(error) => {
                if self.problems.unreadable(&found.path, reason(&error)) {
                    self.metrics.read_errors.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn add(&mut self, mut follow: Follow, clock: Instant) {
        if self.files.len() >= self.newcomers.max_open {
            follow.close();
        }
        self.pending.touched(follow.key(), clock);
        self.files.insert(follow);
    }

    fn watch_target(&mut self, link: &Path) {
        let Ok(target) = fs::canonicalize(link) else { return };
        if let Some((dir, metadata)) = target.parent().and_then(|dir| Some((dir, fs::metadata(dir).ok()?))) {
            self.watcher.add(dir, &metadata);
        }
        self.targets.insert(target);
    }
}
