//! Where the reader looks: at what was notified, at everything now and then, and at files that lost their name.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use super::Reader;
use crate::config::Watch;
use crate::daemon::dir;
use crate::daemon::follow::Follow;
use crate::daemon::meet::{self, Moment, Newcomer};
use crate::identity::FileKey;
use crate::source::step::{Place, Stamp};
use crate::source::walk::{Found, Outcome, Walk, reason};

/// How often a file that was rotated away is looked at: its new name may be where nobody watches.
pub(super) const DISPLACED_INTERVAL: Duration = Duration::from_secs(1);
/// Where watching is impossible, everything is looked at this often.
const DEGRADED_INTERVAL: Duration = Duration::from_secs(1);
/// Where changes are announced, looking at everything is a second line, and may take one part in so many of the
/// processor's time: with ten thousand idle files that would be the only thing there is to do …
const WALK_SHARE: u32 = 4000;
/// … but it is never put off for longer than this on that account.
const MAX_STRETCH: Duration = Duration::from_secs(120);
/// Silences that are over are listed (`silence list --over`) for so long.
const KEEP_SILENCES: Duration = Duration::from_secs(30 * 24 * 3600);
/// Who asks for less than this, which is the default, gets it.
const SHORT: Duration = Duration::from_secs(10);

impl Reader {
    /// Looks at one notified path.
    pub(super) fn notice(&mut self, path: &Path, clock: Instant) {
        let concerns = self.files.named(path).is_some()
            || self.plan.selection.reaches(path)
            || self.plan.selection.source_of(path).is_some()
            || self.links.to(path).next().is_some()
            || self.next_displaced.is_some();
        if !concerns {
            return;
        }
        // All links on the way here are known, also those that lead through others.
        let links: Vec<PathBuf> = self.links.to(path).filter(|link| *link != path).map(Path::to_path_buf).collect();
        links.iter().for_each(|link| self.notice_name(link, None, clock));
        self.notice_name(path, links.first(), clock);
    }

    /// The same for this name alone; `link` leads, or led, there.
    fn notice_name(&mut self, path: &Path, link: Option<&PathBuf>, clock: Instant) {
        let Ok(metadata) = fs::metadata(path) else {
            if self.watcher.forget(path) {
                // With a directory go all names in it.
                self.next_walk = clock;
            }
            self.watch_link(path);
            return self.unname(path, clock);
        };
        if self.files.named(path) != Some(FileKey::of(&metadata)) {
            self.watch_link(path);
        }
        if metadata.is_dir() && path.is_symlink() {
            // What its names led to before is somewhere else now.
            self.next_walk = clock;
        }
        if self.own.contains(&metadata) {
            return;
        }
        if let Some(link) = link.filter(|_| self.newcomers.is_born_since(&metadata))
            && self.plan.selection.source_of(path).is_none()
            && self.is_unmet(&metadata)
        {
            // Made where the link led, which was switched before anybody looked. Who is gone by now cannot be read.
            if let Ok(newcomer) = Newcomer::open(path) {
                drop(self.newcomer(newcomer.moved_from(link), path, clock));
            }
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
        self.watch_links(&outcome);
        for found in outcome.files {
            self.found(&found, clock);
        }
        // A new directory may be one too many to watch.
        self.next_walk = self.next_walk.min(clock + self.walk_interval());
    }

    /// A new file, opened when it was notified; by now it may have another name, or none.
    pub(super) fn appeared(&mut self, path: PathBuf, file: File, clock: Instant) {
        let Ok(metadata) = file.metadata() else { return };
        let key = FileKey::of(&metadata);
        if !self.is_new(key) || self.own.contains(&metadata) {
            return;
        }
        let has_its_name = dir::leads_to(&path, key);
        if has_its_name {
            self.unname(&path, clock);
            self.watch_link(&path);
        }
        let place = if has_its_name { Place::Listed } else { Place::Moved };
        if let Err(error) = self.newcomer(Newcomer { file, key, path: path.clone(), place }, &path, clock) {
            self.unreadable(&path, &error);
        }
    }

    /// A file may have left its source before it was ever seen there.
    pub(super) fn renamed(&mut self, from: &Path, to: &Path, clock: Instant) {
        let (selection, links) = (&self.plan.selection, &self.links);
        let is_meant = |path: &Path| selection.source_of(path).is_some();
        let is_listed = |path: &Path| is_meant(path) || links.listed(path).is_some_and(|link| is_meant(&link));
        let mut listed = self.lineage.renamed(from, to, is_listed);
        if let Some(path) = listed.take() {
            let link = links.listed(&path).filter(|_| !is_meant(&path));
            listed = Some(link.unwrap_or(path));
        }
        let Ok(metadata) = fs::metadata(to) else { return };
        if let Some(follow) = self.files.get_mut(FileKey::of(&metadata)) {
            if listed.is_some() {
                follow.seen_at(to);
            }
            return;
        }
        if !metadata.is_file() || self.own.contains(&metadata) {
            return;
        }
        match listed.filter(|_| self.newcomers.is_born_since(&metadata)) {
            Some(listed) => {
                // If it was renamed once more, that is notified too.
                let Ok(newcomer) = Newcomer::open(to) else { return };
                if self.is_new(newcomer.key) {
                    drop(self.newcomer(newcomer.moved_from(&listed), to, clock));
                }
            }
            // Directories were listed while files in them were renamed: this one may have been missed.
            None => drop(self.stray(to, &metadata, clock)),
        }
    }

    pub(super) fn unname(&mut self, path: &Path, clock: Instant) {
        // What was written under this name may not have been read, also if the file has another one.
        if let Some(key) = self.files.named(path) {
            self.files.queue(key);
        }
        if let Some(key) = self.files.named(path) {
            self.kin.unnamed(path, key);
        }
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
        self.pinned(key, clock);
        self.files.queue(key);
        self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
    }

    pub(super) fn look_at_displaced(&mut self, clock: Instant) {
        self.look_at_held(clock);
        let displaced = self.files.displaced();
        let waits = !displaced.is_empty() || self.kin.is_waiting();
        self.next_displaced = waits.then(|| clock + DISPLACED_INTERVAL);
        displaced.into_iter().for_each(|key| self.files.queue(key));
        self.bound_pinned(clock);
    }

    /// Walks with the watcher in place, over what is not as it was; returns also the directories that were entered.
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
        // The first look by a plan is at everything: a source may mean less than before, or a file be another source's.
        let (files, is_first) = (&mut self.files, self.newcomers.is_first_walk());
        let mut is_known = |path: &Path, entry: &fs::DirEntry, device| {
            let Some(key) = files.named(path).filter(|_| !is_first) else { return false };
            let Some(follow) = files.get(key).filter(|follow| follow.place == Place::Listed) else { return false };
            // An open file keeps its inode, so what has this number is this file; to ask its descriptor costs half of a look by name.
            let is_here = (device, entry.ino()) == (key.device, key.inode);
            let file = follow.descriptor().filter(|_| is_here);
            let Ok(metadata) = file.map_or_else(|| entry.metadata(), File::metadata) else { return false };
            let is_as_it_was = FileKey::of(&metadata) == key && !follow.is_due(Stamp::of(&metadata));
            is_as_it_was && files.seen(path, key)
        };
        let outcome = look(Walk::new(selection, &self.own, &mut enter, &mut is_known));
        (outcome, entered)
    }

    /// Looks at everything: what notifications have missed shows here.
    pub(super) fn walk(&mut self, clock: Instant) {
        let (began, before) = (Moment::now(), cpu_time());
        self.watcher.walk_begins();
        self.files.look_begins();
        self.links.look_begins();
        let (outcome, mut entered) = self.search(|walk| walk.all());
        self.watch_links(&outcome);
        self.links_on_the_way();
        self.keep_links(clock);
        self.walk_cost = cpu_time().saturating_sub(before);
        self.problems.missing(outcome.problems);
        entered.extend(self.links.places().filter_map(|(place, _)| place.parent()).map(Path::to_path_buf));
        for found in &outcome.files {
            self.files.seen(&found.path, found.key);
        }
        let is_read = |path: &Path| self.files.named(path).is_some() || self.journals.are_called(path);
        self.problems.retain(&outcome.files, is_read);
        let stale = self.files.unseen();
        for name in &stale {
            self.unname(name, clock);
        }
        // What is known comes first: what is not may be a copy of it.
        let is_first = self.newcomers.is_first_walk();
        let (known, new): (Vec<_>, Vec<_>) =
            outcome.files.iter().partition(|found| is_first && self.newcomers.knows(found.key));
        known.into_iter().for_each(|found| self.found(found, clock));
        if is_first {
            self.look_for_strays(&entered, clock);
        }
        new.into_iter().for_each(|found| self.found(found, clock));
        if is_first {
            // What was rotated away since the directories were listed is unlisted now, and as old as the rest.
            self.look_for_strays(&entered, clock);
        }
        if let Some(since) = self.last_walk() {
            self.look_for_missed(&stale, since, clock);
        }
        self.look_for_copies(clock);
        self.walk_began(began);
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
        let watched = self.plan.selection.written();
        self.newcomers.walked(watched.clone());
        self.clear_if_none_is_held(clock);
        self.pending.watched = Some(watched);
        self.commit(clock);
        if let Err(error) = self.newcomers.forget_old(&self.store) {
            tracing::warn!(%error, "cannot forget files that were not seen for a month");
        }
        if let Err(error) = self.store.forget_silences_before(Timestamp::now() - KEEP_SILENCES) {
            tracing::warn!(%error, "cannot forget silences that are over");
        }
        self.is_announced = false;
        self.announce();
    }

    /// Says that it is ready, once everything was looked at and the journals have begun.
    pub(super) fn announce(&mut self) {
        if self.is_announced || self.newcomers.is_first_walk() || !self.journals.have_begun() {
            return;
        }
        self.is_announced = true;
        if self.pending.journals {
            // What is written from now on is read, whatever happens.
            self.commit((self.now)());
        }
        self.metrics.sources_opened();
        tracing::info!(files = self.files.len(), journals = self.journals.open(), "watching");
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
        if self.kin.holds(found.key) {
            self.kin.seen_at(found.key, &found.path);
            return self.look_at_held_file(found.key, clock);
        }
        let met = Newcomer::open(&found.path).and_then(|newcomer| {
            if newcomer.key != found.key {
                // A link that was switched since it was followed.
                self.watch_link(&found.path);
            }
            match self.is_new(newcomer.key) {
                true => self.newcomer(newcomer, &found.path, clock),
                false => Ok(()),
            }
        });
        if let Err(error) = met {
            self.unreadable(&found.path, &error);
        }
    }

    /// Another file can have taken the name since it was looked at.
    pub(super) fn is_new(&self, key: FileKey) -> bool {
        self.files.get(key).is_none() && !self.kin.holds(key)
    }

    pub(super) fn unreadable(&mut self, path: &Path, error: &io::Error) {
        if self.problems.unreadable(path, reason(error)) {
            self.metrics.read_errors.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn add(&mut self, mut follow: Follow, clock: Instant) {
        if self.files.len() >= self.newcomers.max_open && follow.can_be_reopened() {
            follow.close();
        }
        self.pending.touched(follow.key(), clock);
        self.files.insert(follow);
    }

    fn watch_links(&mut self, outcome: &Outcome) {
        let found = outcome.files.iter().filter(|found| found.is_link).map(|found| &found.path);
        found.chain(&outcome.dangling).for_each(|link| self.watch_link(link));
    }

    /// If this is a link of a source, what becomes of the file that it leads to is watched.
    fn watch_link(&mut self, link: &Path) {
        if self.plan.selection.source_of(link).is_none() {
            return;
        }
        for dir in self.links.follow(link) {
            if self.plan.selection.wants_watch(link) {
                self.watcher.add(&dir);
            }
        }
    }

    /// Where the links lead through which the sources are reached. The walk watches the directories that they are in.
    fn links_on_the_way(&mut self) {
        for root in self.plan.selection.roots() {
            for link in root.ancestors().filter(|path| path.is_symlink()) {
                self.links.follow(link);
            }
        }
    }

    /// The next run has to know where links lead.
    pub(super) fn keep_links(&mut self, clock: Instant) {
        if let Some(links) = self.links.changed() {
            self.pending.linked(links, clock);
        }
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
