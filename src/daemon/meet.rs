//! Files that are met for the first time in this run: where to begin with each.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dir;
use super::follow::{Follow, Met};
use super::links::Links;
use super::plan::Plan;
use crate::event::Origin;
use crate::identity::FileKey;
use crate::pipeline::{At, Checkpoint};
use crate::source::kin;
use crate::source::proof::Content;
use crate::source::selection::Source;
use crate::source::step::{self, Appeared, Place, Start};
use crate::source::tail::{self, Tail};
use crate::store::{FileState, StateError, Store};

/// Rows of files that nobody has seen for this long are forgotten.
const FORGET_AFTER_SECONDS: i64 = 30 * 24 * 3600;

/// File systems keep coarse time, and what happened just before an end may not have been seen any more.
const SLACK: Duration = Duration::from_millis(100);

/// More files that were let go are not remembered in memory; the store still has them.
const MAX_REMEMBERED: usize = 100_000;

/// A moment by both clocks: the wall clock can be set back, and files are born by it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    wall: SystemTime,
    clock: Instant,
}

impl Moment {
    pub fn now() -> Moment {
        Moment { wall: SystemTime::now(), clock: Instant::now() }
    }

    /// The earliest time that the wall clock, as it goes `now`, can have shown at this moment or later.
    pub fn earliest(self, now: Moment) -> SystemTime {
        let passed = now.clock.saturating_duration_since(self.clock);
        self.wall.min(now.wall - passed)
    }
}

/// When nobody watched.
#[derive(Debug)]
struct Gap {
    /// A little before the end of the earlier run.
    from: SystemTime,
    /// The end of the first walk of this one; `None` until then.
    to: Option<SystemTime>,
}

/// A file that is not followed yet.
#[derive(Debug)]
pub struct Newcomer {
    pub file: File,
    pub key: FileKey,
    /// The listed name that it has, or was written under.
    pub path: PathBuf,
    pub place: Place,
}

impl Newcomer {
    /// # Errors
    /// There is no file that could be read.
    pub fn open(path: &Path) -> io::Result<Newcomer> {
        let (file, metadata) = tail::open(path)?;
        Ok(Newcomer { file, key: FileKey::of(&metadata), path: path.to_path_buf(), place: Place::Listed })
    }

    /// It was written under this listed name and has another one now.
    pub fn moved_from(self, listed: &Path) -> Newcomer {
        Newcomer { path: listed.to_path_buf(), place: Place::Moved, ..self }
    }
}

#[derive(Debug)]
pub struct Newcomers {
    /// What earlier runs left behind and this one has not met yet.
    stored: HashMap<FileKey, FileState>,
    /// What this run has read and let go.
    let_go: HashMap<FileKey, FileState>,
    /// What `stored` began with, by name, until it is clear what the files of the first walk are.
    left_behind: HashMap<PathBuf, Vec<FileState>>,
    /// Those of them that had lost their names and were not read to their end.
    doomed: HashMap<FileKey, FileState>,
    /// Devices that a file of this inode and birth time was on.
    devices: HashMap<(u64, u64), Vec<u64>>,
    /// Written paths that were watched before, in this run or an earlier one.
    watched: Vec<String>,
    first_walk: bool,
    /// Between two runs, if there was an earlier one.
    gap: Option<Gap>,
    began: Moment,
    /// With more files than this, idle ones are closed between turns.
    pub max_open: usize,
}

impl Newcomers {
    /// # Errors
    /// The store cannot be read.
    pub fn load(store: &Store) -> Result<Newcomers, StateError> {
        let ended = store.seen_until_ms()?.map(|ms| UNIX_EPOCH + Duration::from_millis(ms.cast_unsigned()));
        let mut newcomers = Newcomers {
            stored: HashMap::new(),
            let_go: HashMap::new(),
            left_behind: HashMap::new(),
            doomed: HashMap::new(),
            devices: HashMap::new(),
            watched: store.watched()?,
            first_walk: true,
            gap: ended.map(|ended| Gap { from: ended - SLACK, to: None }),
            began: Moment::now(),
            max_open: raise_open_files_limit() / 2,
        };
        newcomers.remember_stored(store)?;
        let doomed = newcomers.stored.iter().filter(|(_, file)| file.unread_to.is_some());
        newcomers.doomed = doomed.map(|(&key, file)| (key, file.clone())).collect();
        Ok(newcomers)
    }

    fn remember_stored(&mut self, store: &Store) -> Result<(), StateError> {
        (self.stored, self.left_behind, self.devices) = Default::default();
        for file in store.files()? {
            let FileKey { device, inode, birth } = file.key;
            if birth != 0 {
                self.devices.entry((inode, birth)).or_default().push(device);
            }
            self.left_behind.entry(file.path.clone()).or_default().push(file.clone());
            self.stored.insert(file.key, file);
        }
        for files in self.left_behind.values_mut() {
            files.sort_by_key(|file: &FileState| Reverse(file.proof.at));
        }
        Ok(())
    }

    pub fn is_first_walk(&self) -> bool {
        self.first_walk
    }

    /// Everything the plan means was looked at once; what is met from now on appeared later.
    pub fn walked(&mut self, watched: Vec<String>) {
        self.watched = watched;
        self.first_walk = false;
        if let Some(gap) = &mut self.gap {
            gap.to.get_or_insert_with(SystemTime::now);
        }
    }

    /// All that was met by the first walk is clear: copies of what earlier runs left behind were told from new files.
    pub fn all_clear(&mut self) {
        if !self.first_walk {
            self.left_behind = HashMap::new();
        }
    }

    /// Another file goes on where this one was read up to. Returned if it was one of those.
    pub fn inherited(&mut self, key: FileKey) -> Option<FileState> {
        self.doomed.remove(&key)
    }

    /// What went with an earlier run and stands in no other file, once everything was looked at.
    pub fn take_doomed(&mut self) -> Vec<FileState> {
        if self.first_walk { Vec::new() } else { std::mem::take(&mut self.doomed).into_values().collect() }
    }

    /// A file is no longer followed; should it come back, it goes on where it was.
    pub fn remember(&mut self, file: FileState) {
        if self.let_go.len() < MAX_REMEMBERED {
            self.let_go.insert(file.key, file);
        }
    }

    /// Everything is looked at by another plan. What it means again may have been rotated away while no plan meant it, and is
    /// looked for as after a start.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new_plan(&mut self, plan: &Plan, store: &Store) -> Result<(), StateError> {
        self.first_walk = true;
        if plan.selection.written().iter().any(|path| !self.watched.contains(path)) {
            self.remember_stored(store)?;
            self.gap = Some(Gap { from: SystemTime::now() - SLACK, to: None });
        }
        Ok(())
    }

    /// Decides where to begin with a file of a source. `None` if it belongs to no source.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn meet(&mut self, newcomer: Newcomer, plan: &Plan, clock: Instant) -> io::Result<Option<Follow>> {
        let Newcomer { file, key, path, place } = newcomer;
        let Some(source) = plan.selection.source_of(&path) else { return Ok(None) };
        let appeared = match self.appears_later(&path, plan) {
            false => Appeared::BeforeFirstStart(source.config.start_at),
            true => Appeared::Later,
        };
        let stored = self.known(key);
        let mut proven = None;
        let mut resumed = None;
        for row in &stored {
            match Tail::resume(key, row.generation, &file, &row.proof)? {
                Ok(tail) => {
                    resumed = Some((tail, row.checkpoint.clone()));
                    proven = Some((row.generation, Content::Same));
                    break;
                }
                Err(content) => proven = proven.or(Some((row.generation, content))),
            }
        }
        let former = stored.into_iter().next().filter(|_| resumed.is_none());
        let (tail, checkpoint) = match (step::start(proven, appeared), resumed) {
            (Start::Resume, Some(resumed)) => resumed,
            (Start::End, _) => end(key, &file)?,
            (Start::Beginning { generation }, _) => (Tail::beginning(key, generation), Checkpoint::default()),
            (Start::Resume, None) => (Tail::beginning(key, 0), Checkpoint::default()),
        };
        self.stored.remove(&key);
        self.let_go.remove(&key);
        // A file that was renamed is still known by the name it was written under.
        let origin = origin(plan, source, &path);
        let met = Met { tail, checkpoint, file, path, place };
        Ok(Some(Follow::new(met, Arc::clone(source), origin, clock).with_former(former)))
    }

    /// Follows a file whose content was read under another name, up to what `before` says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn meet_heir(
        &self,
        newcomer: Newcomer,
        before: &FileState,
        plan: &Plan,
        clock: Instant,
    ) -> io::Result<Option<Follow>> {
        let Newcomer { file, key, path, place } = newcomer;
        let Some(source) = plan.selection.source_of(&path) else { return Ok(None) };
        let generation = match self.known(key).first() {
            _ if is_same_file(key, before.key) => before.generation,
            // It held something else before, whose events keep their ids.
            Some(row) => row.generation + 1,
            None => 0,
        };
        let Ok(tail) = Tail::resume(key, generation, &file, &before.proof)? else { return Ok(None) };
        let checkpoint = before.checkpoint.clone();
        let origin = origin(plan, source, &path);
        let met = Met { tail, checkpoint, file, path, place };
        Ok(Some(Follow::new(met, Arc::clone(source), origin, clock)))
    }

    /// True if the file's place was watched before, so that all of a file that nobody knows is new.
    pub fn appears_later(&self, path: &Path, plan: &Plan) -> bool {
        !self.first_walk || plan.selection.is_known(path, &self.watched)
    }

    /// Since when nobody has looked, while this run has not looked at everything yet.
    pub fn unseen_since(&self) -> Option<SystemTime> {
        self.gap.as_ref().filter(|gap| gap.to.is_none()).map(|gap| gap.from + SLACK)
    }

    /// True if this run or an earlier one has read of this very file.
    pub fn knows(&self, key: FileKey) -> bool {
        self.known(key).iter().any(|row| row.proof.at > 0)
    }

    /// True if what was read of this very file is what it holds: it was not overwritten since.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_as_known(&self, newcomer: &Newcomer) -> io::Result<bool> {
        for row in self.known(newcomer.key).iter().filter(|row| row.proof.at > 0) {
            if Tail::resume(newcomer.key, row.generation, &newcomer.file, &row.proof)?.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What this run or earlier ones have read of this very file, the newest first.
    fn known(&self, key: FileKey) -> Vec<FileState> {
        self.let_go.get(&key).cloned().map_or_else(|| self.rows_of(key), |row| vec![row])
    }

    /// What an earlier run left behind under this name; the longest proof, which says most, comes first.
    pub fn left_behind_as<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a FileState> {
        self.left_behind.get(path).into_iter().flatten()
    }

    /// True until it is clear what the files of the first walk are, if an earlier run, or plan, left anything behind.
    pub fn is_any_left_behind(&self) -> bool {
        !self.left_behind.is_empty()
    }

    /// What an earlier run left behind in this directory.
    pub fn left_behind_in<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a FileState> {
        self.left_behind
            .values()
            .flatten()
            .filter(move |row| row.path.parent().map(Path::as_os_str) == Some(dir.as_os_str()))
    }

    /// What is stored of a file; the newest first where several rows are of it. A device can have another number
    /// after each start of the system; then inode and birth time are what stays.
    fn rows_of(&self, key: FileKey) -> Vec<FileState> {
        let elsewhere = self.devices.get(&(key.inode, key.birth)).into_iter().flatten();
        let devices = elsewhere.copied().filter(|&device| device != key.device);
        let keys = std::iter::once(key).chain(devices.map(|device| FileKey { device, ..key }));
        let mut rows: Vec<_> = keys.filter_map(|key| self.stored.get(&key).cloned()).collect();
        rows.sort_by_key(|row| Reverse((row.generation, row.proof.at)));
        rows
    }

    /// True if the file is no older than this run, so that a name it has now says nothing about its past.
    pub fn is_born_since(&self, file: &fs::Metadata) -> bool {
        let began = self.began.earliest(Moment::now());
        file.created().map_or(true, |birth| birth >= began - SLACK)
    }

    /// Where files may be that were rotated away between two runs: in `entered`, and in the directories of files that
    /// were followed before. Nowhere, once they were looked for.
    pub fn dirs_of_strays(&self, plan: &Plan, links: &Links, entered: &HashSet<PathBuf>) -> HashSet<PathBuf> {
        if self.gap.as_ref().is_none_or(|gap| gap.to.is_some()) {
            return HashSet::new();
        }
        let left: Vec<_> = self.left_behind.keys().filter(|path| plan.selection.source_of(path).is_some()).collect();
        // Where a link to a directory led, what was below it is there still.
        let dirs = links.places().filter(|(place, _)| place.is_dir());
        let below =
            dirs.flat_map(|(place, links)| links.iter().map(move |link| (place, link))).flat_map(|(place, link)| {
                left.iter()
                    .filter_map(move |path| Some(place.join(path.strip_prefix(link).ok()?).parent()?.to_path_buf()))
            });
        let beside = left.iter().filter_map(|path| path.parent()).map(Path::to_path_buf);
        beside.chain(below).chain(entered.iter().cloned()).collect()
    }

    /// The listed name that an unlisted file was written under, if it was rotated away between two runs: known by its
    /// identity, or born then, and named like a backup.
    pub fn stray_from(&self, path: &Path, metadata: &fs::Metadata, plan: &Plan, links: &Links) -> Option<PathBuf> {
        if !metadata.is_file() || plan.selection.source_of(path).is_some() {
            return None;
        }
        if let Some(row) = self.rows_of(FileKey::of(metadata)).into_iter().next() {
            return Some(row.path);
        }
        if !self.is_born_in_gap(metadata) {
            return None;
        }
        let is_meant = |name: &PathBuf| plan.selection.source_of(name).is_some_and(|source| !source.excludes(path));
        let names = kin::written_as(path);
        let written = names.iter().flat_map(|name| [Some(name.clone()), links.listed(name)]);
        // A link may have led to it until it was switched. What one leads to now is no stray.
        let left = links.listed(path).filter(|link| !dir::leads_to(link, FileKey::of(metadata)));
        let listed = std::iter::once(left).chain(written).flatten();
        listed.into_iter().find(is_meant)
    }

    fn is_born_in_gap(&self, file: &fs::Metadata) -> bool {
        let (Some(gap), Ok(birth)) = (&self.gap, file.created()) else { return false };
        birth >= gap.from && gap.to.is_none_or(|to| birth <= to)
    }

    /// # Errors
    /// The store cannot be written.
    pub fn forget_old(&self, store: &Store) -> Result<usize, StateError> {
        store.forget_files_before(jiff::Timestamp::now().as_second() - FORGET_AFTER_SECONDS)
    }
}

/// The inode on a device that got another number is the same file.
fn is_same_file(one: FileKey, other: FileKey) -> bool {
    one.birth != 0 && (one.inode, one.birth) == (other.inode, other.birth) || one == other
}

/// Skips what a file holds now.
fn end(key: FileKey, file: &File) -> io::Result<(Tail, Checkpoint)> {
    let tail = Tail::end(key, file)?;
    let offset = tail.position();
    // A line whose beginning is further back than was looked at is over before anything else is read.
    let at = if tail.ends_a_line() { At::LineStart } else { At::Cut };
    Ok((tail, Checkpoint { offset, done: offset, at, ..Checkpoint::default() }))
}

/// What the events of a file say about it.
pub fn origin(plan: &Plan, source: &Source, path: &Path) -> Arc<Origin> {
    Arc::new(Origin {
        name: source.config.name.clone(),
        path: plan.selection.shown(source, path),
        host: plan.setup.host.clone(),
        labels: source.config.labels.clone(),
    })
}

/// Looks for a file that lost its name while its descriptor was given back, in the directory where it was.
///
/// # Errors
/// It is not there, or nobody can tell.
pub fn find_again(follow: &mut Follow) -> io::Result<()> {
    let key = follow.key();
    for entry in fs::read_dir(follow.path.parent().unwrap_or(Path::new("/")))?.flatten() {
        if entry.ino() == key.inode && entry.metadata().is_ok_and(|metadata| FileKey::of(&metadata) == key) {
            follow.seen_at(&entry.path());
            return Ok(());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Takes as many descriptors as the system grants without asking, and says how many those are.
fn raise_open_files_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A limit that cannot be raised is lived with.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |current| current as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_makes_no_new_file_an_old_one() {
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        let began = Moment::now();
        let after = |wall| Moment { wall, clock: began.clock + minute };
        // It goes right, was set back, was set forward.
        assert_eq!(began.earliest(after(began.wall + minute)), began.wall);
        assert_eq!(began.earliest(after(began.wall + minute - hour)), began.wall - hour);
        assert_eq!(began.earliest(after(began.wall + minute + hour)), began.wall);
    }
}
