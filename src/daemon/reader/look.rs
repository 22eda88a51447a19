//! Where the reader looks: at what was notified, at everything now and then, and at files that lost their name.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Reader;
use crate::config::Watch;
use crate::daemon::follow::Follow;
use crate::daemon::meet;
use crate::identity::FileKey;
use crate::source::step::Stamp;
use crate::source::walk::{Found, Outcome, Walk, reason};

/// How often a file that was rotated away is looked at: its new name may be where nobody watches.
const DISPLACED_INTERVAL: Duration = Duration::from_secs(1);
/// Where watching is impossible, everything is looked at this often.
const DEGRADED_INTERVAL: Duration = Duration::from_secs(1);
/// Where changes are announced, looking at everything is a second line, and may take one part in so many of the
/// processor's time: with ten thousand idle files that would be the only thing there is to do …
const WALK_SHARE: u32 = 4000;
/// … but it is never put off for longer than this on that account.
const MAX_STRETCH: Duration = Duration::from_secs(60);
/// Who asks for less than this, which is the default, gets it.
const SHORT: Duration = Duration::from_secs(10);

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
        // A new directory may be one too many to watch.
        self.next_walk = self.next_walk.min(clock + self.walk_interval());
    }

    /// A file may have left its source before it was ever seen there.
    pub(super) fn renamed(&mut self, from: &Path, to: &Path, clock: Instant) {
        let selection = &self.plan.selection;
        let Some(listed) = self.lineage.renamed(from, to, |path| selection.source_of(path).is_some()) else { return };
        let Ok(metadata) = fs::metadata(to) else { return };
        if let Some(follow) = self.files.get_mut(FileKey::of(&metadata)) {
            return follow.seen_at(to);
        }
        if !self.newcomers.is_born_since(&metadata) || !metadata.is_file() || self.own.contains(&metadata) {
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
        if let Some(follow) = self.files.get_mut(key).filter(|follow| !follow.is_open() && !follow.can_be_reopened()) {
            // Where it cannot be found, its next turn says so.
            drop(meet::find_again(follow));
        }
        self.files.queue(key);
        self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
    }

    pub(super) fn look_at_displaced(&mut self, clock: Instant) {
        let displaced = self.files.displaced();
        self.next_displaced = (!displaced.is_empty()).then(|| clock + DISPLACED_INTERVAL);
        displaced.into_iter().for_each(|key| self.files.queue(key));
    }

    /// Walks with the watcher in place; returns also the directories that were entered.
    fn search(&mut self, look: impl FnOnce(Walk) -> Outcome) -> (Outcome, HashSet<PathBuf>) {
        let (watcher, selection, metrics) = (&mut self.watcher, &self.plan.selection, &self.metrics);
        let mut entered = HashSet::new();
        let mut enter = |dir: &Path| {
            // A large tree takes its time; that is no standstill.
            metrics.reader_alive(Instant::now());
            if selection.wants_watch(dir) {
                watcher.add(dir);
            }
            entered.insert(dir.to_path_buf());
        };
        let outcome = look(Walk::new(selection, &self.own, &mut enter));
        (outcome, entered)
    }

    /// Looks at everything: what notifications have missed shows here.
    pub(super) fn walk(&mut self, clock: Instant) {
        let before = cpu_time();
        self.watcher.walk_begins();
        let (outcome, mut entered) = self.search(|walk| walk.all());
        self.walk_cost = cpu_time().saturating_sub(before);
        self.problems.missing(outcome.problems);
        self.targets.clear();
        let names: HashMap<_, _> = outcome.files.iter().map(|found| (found.path.as_path(), found.key)).collect();
        self.problems.retain(|path| names.contains_key(path));
        for stale in self.files.names_not_in(&names) {
            self.unname(&stale, clock);
        }
        for found in &outcome.files {
            self.found(found, clock);
        }
        entered.extend(self.targets.iter().filter_map(|target| target.parent()).map(Path::to_path_buf));
        self.watcher.walk_ends(&entered);
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
        let sources = &self.plan.setup.config.sources;
        let wanted = sources.iter().map(|source| source.poll_interval).min().unwrap_or(Duration::from_secs(10));
        if self.watcher.is_degraded() {
            wanted.min(DEGRADED_INTERVAL)
        } else if sources.iter().any(|source| source.watch == Watch::Poll) {
            wanted
        } else {
            second_line(wanted, self.walk_cost)
        }
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
        if let Some(dir) = target.parent().filter(|_| self.plan.selection.wants_watch(link)) {
            self.watcher.add(dir);
        }
        self.targets.insert(target);
    }
}

/// What this thread has used so far; no other program's load is in it.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.cast_unsigned(), spent.tv_nsec as u32)
}

/// How often everything is looked at where changes are announced, if one look takes so much.
fn second_line(wanted: Duration, cost: Duration) -> Duration {
    if wanted < SHORT { wanted } else { wanted.max((cost * WALK_SHARE).min(MAX_STRETCH)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_line_is_put_off_by_what_it_costs_but_not_for_long() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        for (wanted, cost, expected) in [
            (s(10), Duration::ZERO, s(10)),
            (s(10), ms(2), s(10)),
            (s(10), ms(5), s(20)),
            (ms(500), s(3), ms(500)),
            (s(10), s(3), MAX_STRETCH),
            (s(3600), s(3), s(3600)),
        ] {
            assert_eq!(second_line(wanted, cost), expected, "{wanted:?} {cost:?}");
        }
    }
}
