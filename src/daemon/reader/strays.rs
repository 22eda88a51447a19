//! Files that left their source while nobody looked: between two runs, or between two looks where nothing is notified.
//!
//! They lie beside where they were written. Those known by their identity go on where they were; those born meanwhile
//! beside a listed name, with that name and an ending, are read too.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Reader;
use super::kin::since;
use crate::daemon::dir::names_in;
use crate::daemon::meet::Newcomer;
use crate::identity::FileKey;
use crate::source::kin;
use crate::source::selection::visible;

/// A directory in which files are renamed while it is listed is listed again, at most so often.
const MAX_LISTINGS: usize = 20;
/// File systems keep coarse time: within one tick, a change shows no other time than the one before.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// How a look at a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Done,
    /// It had another name by the time it was opened.
    Renamed,
}

impl Reader {
    /// Looks for files that were rotated away between two runs.
    pub(super) fn look_for_strays(&mut self, entered: &HashSet<PathBuf>, clock: Instant) {
        let mut looked_at = HashSet::new();
        for dir in self.newcomers.dirs_of_strays(&self.plan, &self.links, entered) {
            for _ in 0..MAX_LISTINGS {
                let before = quiet_since(&dir);
                let looked = self.look_for_strays_in(&dir, &mut looked_at, clock);
                if looked == Looked::Done && before.is_some() && quiet_since(&dir) == before {
                    break;
                }
            }
        }
    }

    fn look_for_strays_in(&mut self, dir: &Path, looked_at: &mut HashSet<FileKey>, clock: Instant) -> Looked {
        let mut all = Looked::Done;
        for path in names_in(dir) {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                all = Looked::Renamed;
                continue;
            };
            if looked_at.contains(&FileKey::of(&metadata)) {
                continue;
            }
            match self.stray(&path, &metadata, clock) {
                Looked::Done => drop(looked_at.insert(FileKey::of(&metadata))),
                Looked::Renamed => all = Looked::Renamed,
            }
        }
        all
    }

    /// The same for one file, which may also have been renamed while directories were listed.
    pub(super) fn stray(&mut self, path: &Path, metadata: &Metadata, clock: Instant) -> Looked {
        let listed = self.newcomers.stray_from(path, metadata, &self.plan, &self.links);
        let Some(listed) = listed.filter(|_| self.is_unmet(metadata)) else { return Looked::Done };
        let newcomer = Newcomer::open(path).ok().filter(|newcomer| newcomer.key == FileKey::of(metadata));
        let Some(newcomer) = newcomer else {
            let is_there = fs::symlink_metadata(path).is_ok_and(|now| FileKey::of(&now) == FileKey::of(metadata));
            return if is_there { Looked::Done } else { Looked::Renamed };
        };
        tracing::debug!(path = %visible(path), "was rotated while paytriage was not running; reading it to its end");
        // Who can no longer be read is gone by now.
        drop(self.newcomer(newcomer.moved_from(&listed), path, clock));
        Looked::Done
    }

    /// Files were truncated since it was known last what they held. What was written, copied and cut off in between is found beside
    /// them.
    pub(super) fn look_for_unseen(&mut self, clock: Instant) {
        let unseen = std::mem::take(&mut self.kin.unseen);
        let Some(since) = unseen.iter().map(|(_, moment)| since(*moment)).min() else { return };
        let keys: HashSet<FileKey> = unseen.into_iter().map(|(key, _)| key).collect();
        let names = self.files.names().filter(|(_, key)| keys.contains(key)).map(|(name, _)| name.to_path_buf());
        self.look_for_missed(&names.collect::<Vec<_>>(), since, clock);
    }

    /// These names lead to other files than at that time, or to other contents. Files that were made, filled and rotated away in
    /// between are found beside them.
    pub(super) fn look_for_missed(&mut self, names: &[PathBuf], since: SystemTime, clock: Instant) {
        // What was written there was meant for a name: the name itself, and where it led.
        let mut meant: HashMap<&Path, &Path> = names.iter().map(|name| (name.as_path(), name.as_path())).collect();
        let stale: HashSet<&Path> = meant.keys().copied().collect();
        for (place, links) in self.links.places() {
            if let Some(name) = links.iter().find(|link| stale.contains(link.as_path())) {
                meant.entry(place).or_insert(name);
            }
        }
        let dirs: HashSet<&Path> = meant.keys().filter_map(|name| name.parent()).collect();
        let backups = dirs.into_iter().flat_map(names_in).filter_map(|path| {
            let name = kin::written_as(&path).iter().find_map(|written| meant.get(written.as_path()).copied())?;
            let source = self.plan.selection.source_of(name)?;
            (!source.excludes(&path)).then(|| (path, name.to_path_buf()))
        });
        let backups: Vec<_> = backups.collect();
        for (path, name) in backups {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let is_new = metadata.created().is_ok_and(|birth| birth >= since);
            if !is_new || self.plan.selection.source_of(&path).is_some() || !self.is_unmet(&metadata) {
                continue;
            }
            // Who is gone by now cannot be read.
            let Ok(newcomer) = Newcomer::open(&path) else { continue };
            if self.is_new(newcomer.key) {
                drop(self.newcomer(newcomer.moved_from(&name), &path, clock));
            }
        }
    }

    /// True for a file that nothing is known of in this run.
    pub(super) fn is_unmet(&self, metadata: &Metadata) -> bool {
        metadata.is_file() && self.is_new(FileKey::of(metadata)) && !self.own.contains(metadata)
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
