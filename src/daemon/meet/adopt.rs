//! Files that were rotated out of the sources while nobody watched.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{Newcomer, Newcomers, is_backup_of};
use crate::daemon::follow::Follow;
use crate::daemon::plan::Plan;
use crate::identity::FileKey;
use crate::source::kin;
use crate::source::selection::visible;

/// A directory in which files are renamed while it is listed is listed again, at most so often.
const MAX_LISTINGS: usize = 20;
/// File systems keep coarse time: within one tick, a change shows no other time than the one before.
const TICK: Duration = Duration::from_millis(10);

/// What was found in the directories of the sources.
#[derive(Debug, Default)]
struct Adopted {
    follows: Vec<Follow>,
    looked_at: HashSet<FileKey>,
}

impl Newcomers {
    /// Files that were rotated out of the sources while nobody watched, found in `dirs` and in the directories of
    /// files that were followed before: those known by their identity go on where they were, those born meanwhile
    /// beside a listed name, with that name and an ending, are read too. `is_followed` knows what need not be
    /// looked at.
    pub fn adopt(
        &mut self,
        plan: &Plan,
        dirs: &HashSet<PathBuf>,
        clock: Instant,
        is_followed: impl Fn(FileKey) -> bool,
    ) -> Vec<Follow> {
        if self.left_behind.is_empty() && self.gap.as_ref().is_none_or(|gap| gap.to.is_some()) {
            return Vec::new();
        }
        let listed = |path: &&PathBuf| plan.selection.source_of(path).is_some();
        let left = self.left_behind.keys().filter(listed).filter_map(|path| path.parent());
        let dirs: HashSet<PathBuf> = left.map(Path::to_path_buf).chain(dirs.iter().cloned()).collect();
        let mut adopted = Adopted::default();
        for dir in &dirs {
            for _ in 0..MAX_LISTINGS {
                let before = quiet_since(dir);
                let complete = self.adopt_from(dir, plan, clock, &mut adopted, &is_followed);
                if complete && before.is_some() && quiet_since(dir) == before {
                    break;
                }
            }
        }
        adopted.follows
    }

    /// Lists a directory once. Returns false if some file had another name by the time it was opened.
    fn adopt_from(
        &mut self,
        dir: &Path,
        plan: &Plan,
        clock: Instant,
        adopted: &mut Adopted,
        is_followed: &impl Fn(FileKey) -> bool,
    ) -> bool {
        let mut complete = true;
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                complete = false;
                continue;
            };
            let key = FileKey::of(&metadata);
            if is_followed(key) || adopted.looked_at.contains(&key) {
                continue;
            }
            if !self.may_be_ours(&entry.path(), &metadata, plan) {
                adopted.looked_at.insert(key);
                continue;
            }
            let heir = self.adopt_one(&entry.path(), &metadata, plan, clock);
            let opened = heir.as_ref().map(Follow::key);
            complete &= opened.is_none_or(|opened| opened == key);
            if let Some(heir) = heir.filter(|heir| !is_followed(heir.key()) && adopted.looked_at.insert(heir.key())) {
                adopted.follows.push(heir);
            }
            complete &= opened.is_some() || fs::metadata(entry.path()).is_ok_and(|now| FileKey::of(&now) == key);
        }
        complete
    }

    /// A look at what is known without opening the file.
    fn may_be_ours(&self, path: &Path, metadata: &fs::Metadata, plan: &Plan) -> bool {
        let unlisted = metadata.is_file() && plan.selection.source_of(path).is_none();
        unlisted && (!self.rows_of(FileKey::of(metadata)).is_empty() || self.is_born_in_gap(metadata))
    }

    /// The same for one file, which may also have been renamed while directories were listed.
    pub fn adopt_one(&mut self, path: &Path, metadata: &fs::Metadata, plan: &Plan, clock: Instant) -> Option<Follow> {
        if !self.may_be_ours(path, metadata, plan) {
            return None;
        }
        let key = FileKey::of(metadata);
        let newcomer = Newcomer::open(path).ok()?;
        let Some(listed) = self.rows_of(key).into_iter().next().map(|stored| stored.path) else {
            return self.born_in_gap(newcomer, path, plan, clock);
        };
        if newcomer.key != key {
            return None;
        }
        tracing::debug!(path = %visible(path), "was rotated while paytriage was not running; reading it to its end");
        self.meet(newcomer.moved_from(&listed), plan, clock).ok().flatten()
    }

    fn is_born_in_gap(&self, file: &fs::Metadata) -> bool {
        let (Some(gap), Ok(birth)) = (&self.gap, file.created()) else { return false };
        birth >= gap.from && gap.to.is_none_or(|to| birth <= to)
    }

    /// A backup that was made while nobody watched: a copy of what was followed, else a file nobody has seen.
    fn born_in_gap(&mut self, newcomer: Newcomer, path: &Path, plan: &Plan, clock: Instant) -> Option<Follow> {
        let listed = listed_name(path, plan)?;
        if plan.selection.source_of(&listed)?.excludes(path) {
            return None;
        }
        let names = kin::original_names(path);
        let backed_up = names.iter().filter(|name| is_backup_of(path, name));
        let mut originals: Vec<_> = backed_up.flat_map(|name| self.left_behind_as(name)).collect();
        // Of a file of which little was read any other may be the copy: the longest proof says most.
        originals.sort_by_key(|file| std::cmp::Reverse(file.proof.at));
        let holds = |proof| kin::holds(&newcomer.file, proof).unwrap_or(false);
        let original = originals.into_iter().find(|file| holds(&file.proof)).cloned();
        let newcomer = newcomer.moved_from(&listed);
        match original {
            Some(before) => {
                tracing::debug!(path = %visible(path), "was copied while paytriage was not running; reading it to its end");
                self.meet_heir(newcomer, Some(&before), plan, clock).ok().flatten()
            }
            None => self.meet(newcomer, plan, clock).ok().flatten(),
        }
    }
}

/// When entries of a directory changed last; `None`, after a moment, if that is so short ago that a change to come
/// might not show.
fn quiet_since(dir: &Path) -> Option<SystemTime> {
    let modified = fs::metadata(dir).ok()?.modified().ok()?;
    if modified.elapsed().is_ok_and(|quiet| quiet < TICK) {
        std::thread::sleep(TICK / 2);
        return None;
    }
    Some(modified)
}

/// The name that a backup was written under: the longest one that a source lists, followed by an ending.
fn listed_name(path: &Path, plan: &Plan) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let cuts = name.rmatch_indices(['.', '-', '_', '~']).map(|(at, _)| &name[..at]);
    let mut names = cuts.filter(|name| !name.is_empty()).map(|name| path.with_file_name(name));
    names.find(|name| plan.selection.source_of(name).is_some())
}
