//! Files that are met for the first time while others of their name are known: copies, replacements, strangers.
//!
//! A copy is read after its original, so that what both hold is reported once. Until it is clear what it is, it
//! is held back, open, so that it cannot be lost either.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use super::Reader;
use super::look::DISPLACED_INTERVAL;
use crate::daemon::follow::Follow;
use crate::daemon::meet::{Moment, Newcomer, is_backup_of};
use crate::identity::FileKey;
use crate::source::kin::{self, Likeness, Original, Verdict, judge};
use crate::source::selection::visible;
use crate::source::step::Place;
use crate::store::FileState;

/// File systems keep coarse time.
const SLACK: Duration = Duration::from_millis(100);

/// Newcomers of which it is not clear yet what they are.
#[derive(Debug, Default)]
pub struct Kin {
    held: HashMap<FileKey, Held>,
    /// The files that names led to before, since the last walk: a copy is named after the name its original had.
    before: HashMap<PathBuf, FileKey>,
    /// When the walk before this one began.
    last_walk: Option<Moment>,
}

#[derive(Debug)]
struct Held {
    newcomer: Newcomer,
    /// Where it was seen.
    path: PathBuf,
    size: u64,
    grown: Instant,
    /// The file of which it looks like a copy, and which content of it that was.
    original: (FileKey, u32),
}

/// What a look for copies of a truncated file came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    None,
    /// What was not read before the truncation is read in a copy.
    Some,
}

/// What there is to do with a newcomer.
enum Finding {
    Stranger,
    /// Goes on where this stopped.
    Heir(Box<FileState>),
    AllRead,
    Later {
        original: FileKey,
        generation: u32,
    },
}

impl Kin {
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A name leads to this file no longer.
    pub fn unnamed(&mut self, path: &Path, key: FileKey) {
        self.before.insert(path.to_path_buf(), key);
    }

    pub fn holds(&self, key: FileKey) -> bool {
        self.held.contains_key(&key)
    }

    /// When the oldest of them was born. The store does not know them, so what happened since then counts as unseen.
    pub fn unclear_since(&self) -> Option<SystemTime> {
        let births = self.held.values().map(|held| held.newcomer.file.metadata().and_then(|file| file.created()));
        births.filter_map(Result::ok).min()
    }
}

impl Reader {
    /// Begins with a file that is not followed yet, now or once it is clear what it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn newcomer(&mut self, newcomer: Newcomer, path: &Path, clock: Instant) -> io::Result<()> {
        let metadata = newcomer.file.metadata()?;
        let held = Held {
            size: metadata.size(),
            grown: clock,
            original: (newcomer.key, 0),
            path: path.to_path_buf(),
            newcomer,
        };
        self.decide(held, &metadata, clock)
    }

    /// Looks again at what was held back.
    pub(super) fn look_at_held(&mut self, clock: Instant) {
        for key in self.kin.held.keys().copied().collect::<Vec<_>>() {
            self.look_at_held_file(key, clock);
        }
    }

    pub(super) fn look_at_held_file(&mut self, key: FileKey, clock: Instant) {
        let Some(mut held) = self.kin.held.remove(&key) else { return };
        let path = held.path.clone();
        let looked = held.newcomer.file.metadata().and_then(|metadata| {
            if metadata.size() > held.size {
                (held.size, held.grown) = (metadata.size(), clock);
            }
            let has_its_name = fs::metadata(&path).is_ok_and(|there| FileKey::of(&there) == key);
            if !has_its_name {
                held.newcomer.place = Place::Moved;
            }
            self.decide(held, &metadata, clock)
        });
        if let Err(error) = looked {
            self.unreadable(&path, &error);
        }
    }

    fn decide(&mut self, mut held: Held, metadata: &Metadata, clock: Instant) -> io::Result<()> {
        let follow = match self.what_is(&held, metadata, clock)? {
            Finding::Later { original, generation } => {
                held.original = (original, generation);
                self.files.queue(original);
                self.kin.held.insert(held.newcomer.key, held);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
                return Ok(());
            }
            Finding::Stranger => self.newcomers.meet(held.newcomer, &self.plan, clock)?,
            Finding::Heir(before) => {
                tracing::debug!(path = %visible(&held.path), original = %visible(&before.path), "goes on where its original was");
                self.newcomers.meet_heir(held.newcomer, Some(&before), &self.plan, clock)?
            }
            Finding::AllRead => self.newcomers.meet_heir(held.newcomer, None, &self.plan, clock)?,
        };
        if let Some(follow) = follow {
            self.problems.readable(&held.path);
            if follow.place != Place::Listed {
                self.metrics.rotations.fetch_add(1, Relaxed);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
            }
            self.add(follow, clock);
        }
        Ok(())
    }

    fn what_is(&self, held: &Held, metadata: &Metadata, clock: Instant) -> io::Result<Finding> {
        let newcomer = &held.newcomer;
        if self.newcomers.knows(newcomer.key) || !self.newcomers.appears_later(&newcomer.path, &self.plan) {
            return Ok(Finding::Stranger);
        }
        for name in kin::original_names(&held.path) {
            let finding = self.compare(held, metadata, &name, clock)?;
            if !matches!(finding, Finding::Stranger) {
                return Ok(finding);
            }
        }
        Ok(Finding::Stranger)
    }

    /// Compares a newcomer with the files that have, or had, this name.
    fn compare(&self, held: &Held, metadata: &Metadata, name: &Path, clock: Instant) -> io::Result<Finding> {
        let same_name = name == held.path;
        let named = self.files.named(name).filter(|_| !same_name);
        let left = self.newcomers.left_behind_as(name);
        // What it was compared with before may have lost that name meanwhile.
        let before = self.kin.before.get(name).copied().into_iter().chain([held.original.0]);
        let displaced = self.files.displaced_from(name);
        let mut keys: Vec<_> =
            named.into_iter().chain(before).chain(displaced).chain(left.map(|row| row.key)).collect();
        // Of several files of this name, the longest proof says most.
        keys.sort_by_key(|key| Reverse(self.files.get(*key).map(Follow::position)));
        for key in keys {
            let Some(original) = self.files.get(key).filter(|_| key != held.newcomer.key) else { continue };
            let Ok(file) = original.handle() else { continue };
            let there = file.metadata()?;
            // Log rotation leaves the old file somewhere; an editor or a restore does not.
            if same_name && there.nlink() > 0 {
                continue;
            }
            let likeness = self.likeness(held, metadata, original, (&file, there.size()))?;
            let read = if original.has_read_all(there.size()) { Original::Read } else { Original::Unread };
            let quiet = clock.saturating_duration_since(held.grown);
            let waits_for_it = held.original == (key, original.generation());
            if likeness == Likeness::None && read == Original::Unread && waits_for_it && quiet < kin::COPY_PAUSE {
                // The original may have been truncated, and not looked at since.
                return Ok(Finding::Later { original: key, generation: original.generation() });
            }
            match judge(likeness, read, metadata.size(), quiet) {
                Verdict::Stranger => {}
                Verdict::HeirOfFormer => return Ok(original.former().map_or(Finding::Stranger, heir)),
                Verdict::HeirOfCurrent => return Ok(heir(&original.to_store())),
                Verdict::AllRead => return Ok(Finding::AllRead),
                Verdict::Later => {
                    return Ok(Finding::Later { original: key, generation: original.generation() });
                }
            }
        }
        for row in self.newcomers.left_behind_as(name).filter(|row| self.files.get(row.key).is_none()) {
            let gone = || !same_name || !is_in_directory(row.key, name);
            if kin::holds(&held.newcomer.file, &row.proof)? && gone() {
                return Ok(heir(row));
            }
        }
        Ok(Finding::Stranger)
    }

    fn likeness(
        &self,
        held: &Held,
        metadata: &Metadata,
        original: &Follow,
        there: (&fs::File, u64),
    ) -> io::Result<Likeness> {
        let file = &held.newcomer.file;
        if let Some(former) = original.former() {
            if kin::holds(file, &former.proof)? {
                return Ok(Likeness::Former);
            }
            let seen_before = held.original == (original.key(), former.generation) && former.key == original.key();
            if seen_before && metadata.size() < former.proof.at {
                return Ok(Likeness::FormerBeginning);
            }
        }
        if kin::holds(file, &original.to_store().proof)? {
            return Ok(Likeness::Current);
        }
        let is_beginning = metadata.size() <= there.1 && kin::begin_alike((file, metadata.size()), there)?;
        Ok(if is_beginning { Likeness::Beginning } else { Likeness::None })
    }

    /// A file was truncated: a copy of what it held may have been made before, with what was not read yet.
    pub(super) fn look_for_copies(&mut self, original: FileKey, clock: Instant) -> Copies {
        self.look_at_held(clock);
        let mut copies = Copies::None;
        let Some(follow) = self.files.get(original) else { return copies };
        let (Some(former), path) = (follow.former().cloned(), follow.path.clone()) else { return copies };
        for (path, metadata) in beside(&path) {
            let is_listed = self.plan.selection.source_of(&path).is_some();
            let is_named_so = kin::original_names(&path)[1..].contains(&former.path);
            if !is_named_so || !is_listed && !self.is_meant_as_backup(&path, &former.path) {
                continue;
            }
            if Newcomer::open(&path).and_then(|copy| kin::holds(&copy.file, &former.proof)).unwrap_or(false) {
                copies = Copies::Some;
            }
            if is_listed && self.is_unmet(&metadata) {
                self.notice(&path, clock);
            } else if self.is_unmet(&metadata) {
                drop(self.copy_outside_the_sources(&path, &former, clock));
            }
        }
        copies
    }

    fn copy_outside_the_sources(&mut self, path: &Path, former: &FileState, clock: Instant) -> io::Result<()> {
        let newcomer = Newcomer::open(path)?.moved_from(&former.path);
        let unread = newcomer.file.metadata()?.size() > former.checkpoint.offset;
        if unread && kin::holds(&newcomer.file, &former.proof)? {
            tracing::debug!(path = %visible(path), "copy of a truncated file; reading what was not read of it");
            if let Some(follow) = self.newcomers.meet_heir(newcomer, Some(former), &self.plan, clock)? {
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
                self.add(follow, clock);
            }
        }
        Ok(())
    }

    /// These names lead to other files than at the last walk. Files that were made, filled and rotated away in between
    /// are found beside them.
    pub(super) fn look_for_missed(&mut self, names: &[PathBuf], clock: Instant) {
        let Some(since) = self.kin.last_walk.map(|at| at.earliest(Moment::now()) - SLACK) else { return };
        for name in names {
            for (path, metadata) in beside(name) {
                let is_new = metadata.created().is_ok_and(|birth| birth >= since);
                let unlisted = is_new && self.plan.selection.source_of(&path).is_none() && self.is_unmet(&metadata);
                if !unlisted || !is_backup_of(&path, name) || !self.is_meant_as_backup(&path, name) {
                    continue;
                }
                // Who is gone by now cannot be read.
                let Ok(newcomer) = Newcomer::open(&path) else { continue };
                drop(self.newcomer(newcomer.moved_from(name), &path, clock));
            }
        }
    }

    pub(super) fn walk_began(&mut self, at: Moment) {
        self.kin.before.clear();
        self.kin.last_walk = Some(at);
    }

    fn is_unmet(&self, metadata: &Metadata) -> bool {
        let key = FileKey::of(metadata);
        metadata.is_file() && self.files.get(key).is_none() && !self.kin.holds(key) && !self.own.contains(metadata)
    }

    fn is_meant_as_backup(&self, path: &Path, listed: &Path) -> bool {
        self.plan.selection.source_of(listed).is_some_and(|source| !source.excludes(path))
    }
}

fn heir(before: &FileState) -> Finding {
    Finding::Heir(Box::new(before.clone()))
}

/// The files in the directory of this one.
fn beside(path: &Path) -> Vec<(PathBuf, Metadata)> {
    let entries = path.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect()
}

fn is_in_directory(key: FileKey, path: &Path) -> bool {
    beside(path).iter().any(|(_, metadata)| FileKey::of(metadata) == key)
}
