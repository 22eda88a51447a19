//! Files that are met for the first time in this run: where to begin with each.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::follow::{Follow, Met};
use super::plan::Plan;
use crate::event::Origin;
use crate::identity::FileKey;
use crate::pipeline::Checkpoint;
use crate::source::proof::Content;
use crate::source::selection::{Source, visible};
use crate::source::step::{self, Appeared, Place, Start};
use crate::source::tail::{self, Tail};
use crate::store::{FileState, StateError, Store};

/// Rows of files that nobody has seen for this long are forgotten.
const FORGET_AFTER_SECONDS: i64 = 30 * 24 * 3600;

/// File systems keep coarse time, and what happened just before an end may not have been seen any more.
const SLACK: Duration = Duration::from_millis(100);

/// More files that were let go are not remembered in memory; the store still has them.
const MAX_REMEMBERED: usize = 100_000;

#[derive(Debug)]
pub struct Newcomers {
    /// What earlier runs left behind and this one has not met yet.
    stored: HashMap<FileKey, FileState>,
    /// The same, whole, until the first walk is done.
    left_behind: Vec<FileState>,
    /// Written paths that were watched before, in this run or an earlier one.
    watched: Vec<String>,
    first_walk: bool,
    /// A little before nobody watched any more, if an earlier run says when that was.
    before_gap: Option<SystemTime>,
    /// A little before this run began.
    since: SystemTime,
    /// With more files than this, idle ones are closed between turns.
    pub max_open: usize,
}

impl Newcomers {
    pub fn load(store: &Store) -> Result<Newcomers, StateError> {
        let left_behind = store.files()?;
        let stored = left_behind.iter().map(|file| (file.key, file.clone())).collect();
        let before_gap =
            store.seen_until_ms()?.map(|ms| UNIX_EPOCH + Duration::from_millis(ms.cast_unsigned()) - SLACK);
        let since = SystemTime::now() - SLACK;
        let max_open = raise_open_files_limit() / 2;
        let watched = store.watched()?;
        Ok(Newcomers { stored, left_behind, watched, first_walk: true, before_gap, since, max_open })
    }

    pub fn is_first_walk(&self) -> bool {
        self.first_walk
    }

    /// Everything the plan means was looked at once; what is met from now on appeared later.
    pub fn walked(&mut self, watched: Vec<String>) {
        self.watched = watched;
        self.first_walk = false;
        self.left_behind = Vec::new();
        self.before_gap = None;
    }

    /// A file is no longer followed; should it come back, it goes on where it was.
    pub fn remember(&mut self, file: FileState) {
        if self.stored.len() < MAX_REMEMBERED {
            self.stored.insert(file.key, file);
        }
    }

    pub fn new_plan(&mut self) {
        self.first_walk = true;
    }

    /// Opens a file of a source and decides where to begin. `None` if it belongs to no source.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn meet(&mut self, path: &Path, plan: &Plan, clock: Instant) -> io::Result<Option<Follow>> {
        self.meet_as((path, path, Place::Listed), plan, clock)
    }

    /// The same for a file that was written under a listed name and has another one now.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn meet_moved(
        &mut self,
        listed: &Path,
        path: &Path,
        plan: &Plan,
        clock: Instant,
    ) -> io::Result<Option<Follow>> {
        self.meet_as((listed, path, Place::Moved), plan, clock)
    }

    /// True if the file is no older than this run, so that a name it has now says nothing about its past.
    pub fn is_born_since(&self, file: &fs::Metadata) -> bool {
        file.created().map_or(true, |birth| birth >= self.since)
    }

    fn meet_as(
        &mut self,
        (listed, path, place): (&Path, &Path, Place),
        plan: &Plan,
        clock: Instant,
    ) -> io::Result<Option<Follow>> {
        let Some(source) = plan.selection.source_of(listed) else { return Ok(None) };
        let (file, metadata) = tail::open(path)?;
        let key = FileKey::of(&metadata);
        let appeared = match self.first_walk && !plan.selection.is_known(listed, &self.watched) {
            true => Appeared::BeforeFirstStart(source.config.start_at),
            false => Appeared::Later,
        };
        let stored = self.stored.get(&key);
        let resumed = stored.map(|stored| Tail::resume(key, stored.generation, &file, &stored.proof)).transpose()?;
        let proven = match (&resumed, stored) {
            (Some(Ok(_)), Some(stored)) => Some((stored.generation, Content::Same)),
            (Some(Err(content)), Some(stored)) => Some((stored.generation, *content)),
            _ => None,
        };
        let (tail, checkpoint) = match (step::start(proven, appeared), resumed, stored) {
            (Start::Resume, Some(Ok(tail)), Some(stored)) => (tail, stored.checkpoint.clone()),
            (Start::End, ..) => {
                let tail = Tail::end(key, &file)?;
                let at = tail.position();
                let checkpoint = Checkpoint { offset: at, done: at, ..Checkpoint::default() };
                (tail, checkpoint)
            }
            (Start::Beginning { generation }, ..) => (Tail::beginning(key, generation), Checkpoint::default()),
            (Start::Resume, ..) => (Tail::beginning(key, 0), Checkpoint::default()),
        };
        self.stored.remove(&key);
        // A file that was renamed is still known by the name it was written under.
        let met = Met { tail, checkpoint, file, path: listed.to_path_buf(), place };
        Ok(Some(Follow::new(met, Arc::clone(source), origin(plan, source, listed), clock)))
    }

    /// Files that were rotated out of the sources while nobody watched, found in the directories of files that
    /// were followed before: those known by their identity go on where they were, those born meanwhile beside a
    /// listed file, with its name and an ending, are read too. `is_followed` knows what need not be looked at.
    pub fn adopt(&mut self, plan: &Plan, clock: Instant, is_followed: impl Fn(FileKey) -> bool) -> Vec<Follow> {
        let listed = |file: &&FileState| plan.selection.source_of(&file.path).is_some();
        let dirs = self.left_behind.iter().filter(listed).filter_map(|file| file.path.parent());
        let dirs: HashSet<PathBuf> = dirs.map(Path::to_path_buf).collect();
        let mut adopted = Vec::new();
        for entry in dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let key = FileKey::of(&metadata);
            if !metadata.is_file() || is_followed(key) {
                continue;
            }
            let path = entry.path();
            let heir = match self.stored.remove(&key) {
                Some(stored) => self.inherit(&stored, &path, plan, clock),
                None => self.born_in_gap(&path, &metadata, plan, clock),
            };
            adopted.extend(heir);
        }
        adopted
    }

    /// Goes on in `path` where `before` stopped, if its content proves that it can.
    fn inherit(&self, before: &FileState, path: &Path, plan: &Plan, clock: Instant) -> Option<Follow> {
        let source = plan.selection.source_of(&before.path)?;
        let (file, metadata) = tail::open(path).ok()?;
        let key = FileKey::of(&metadata);
        let generation = if key == before.key { before.generation } else { 0 };
        let tail = Tail::resume(key, generation, &file, &before.proof).ok()?.ok()?;
        tracing::debug!(path = %visible(path), "was rotated while paytriage was not running; reading it to its end");
        let origin = origin(plan, source, &before.path);
        let mut checkpoint = before.checkpoint.clone();
        if key != before.key && !checkpoint.reported.is_empty() {
            // The ids belong to the original; what they stand for ended no later than what was read of it.
            checkpoint.done = before.proof.at;
        }
        let met = Met { tail, checkpoint, file, path: before.path.clone(), place: Place::Moved };
        Some(Follow::new(met, Arc::clone(source), origin, clock))
    }

    /// A backup that was made while nobody watched: a copy of what was followed, else a file nobody has seen.
    fn born_in_gap(&mut self, path: &Path, metadata: &fs::Metadata, plan: &Plan, clock: Instant) -> Option<Follow> {
        let gap = self.before_gap?;
        if metadata.created().ok()? < gap || plan.selection.source_of(path).is_some() {
            return None;
        }
        let originals: Vec<_> = self.left_behind.iter().filter(|file| is_backup_of(path, &file.path)).collect();
        let source = originals.iter().find_map(|file| plan.selection.source_of(&file.path))?;
        if source.excludes(path) {
            return None;
        }
        let copy = originals.iter().find_map(|file| self.inherit(file, path, plan, clock));
        let listed = originals.first()?.path.clone();
        copy.or_else(|| self.meet_moved(&listed, path, plan, clock).ok().flatten())
    }

    /// # Errors
    /// The store cannot be written.
    pub fn forget_old(&self, store: &Store) -> Result<usize, StateError> {
        store.forget_files_before(jiff::Timestamp::now().as_second() - FORGET_AFTER_SECONDS)
    }
}

/// `app.log.1` and `app.log-20260701` are backups of `app.log`.
fn is_backup_of(path: &Path, listed: &Path) -> bool {
    let (Some(name), Some(original)) = (path.file_name(), listed.file_name()) else { return false };
    let (name, original) = (name.as_encoded_bytes(), original.as_encoded_bytes());
    path.parent() == listed.parent() && name.len() > original.len() && name.starts_with(original)
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
pub fn find_again(follow: &mut Follow) {
    if follow.is_open() {
        return;
    }
    let Some(entries) = follow.path.parent().and_then(|dir| fs::read_dir(dir).ok()) else { return };
    for entry in entries.flatten() {
        let same = entry.metadata().is_ok_and(|metadata| FileKey::of(&metadata) == follow.key());
        if same && let Ok((file, _)) = tail::open(&entry.path()) {
            return follow.reopen(file);
        }
    }
    tracing::warn!(
        path = %visible(&follow.path),
        "too many files to keep open, and this one was rotated away; what was written to it last may be unread"
    );
}

/// Takes as many descriptors as the system grants without asking, and says how many those are.
fn raise_open_files_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A limit that cannot be raised is lived with.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |current| current as usize)
}
