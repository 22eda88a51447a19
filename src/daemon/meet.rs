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
use crate::store::{FileState, Store};

/// Rows of files that nobody has seen for this long are forgotten.
const FORGET_AFTER_SECONDS: i64 = 30 * 24 * 3600;

/// File systems keep coarse time, and what happened just before an end may not have been seen any more.
const SLACK: Duration = Duration::from_millis(100);

/// A directory in which files are renamed while it is listed is listed again, at most so often.
const MAX_LISTINGS: usize = 20;
/// File systems keep coarse time: within one tick, a change shows no other time than the one before.
const TICK: Duration = Duration::from_millis(10);

/// More files that were let go are not remembered in memory; the store still has them.
const MAX_REMEMBERED: usize = 100_000;

/// What was found in the directories of the sources.
#[derive(Debug, Default)]
struct Adopted {
    follows: Vec<Follow>,
    looked_at: HashSet<FileKey>,
}

/// When nobody watched.
#[derive(Debug)]
struct Gap {
    /// A little before the end of the earlier run.
    from: SystemTime,
    /// The end of the first walk of this one; `None` until then.
    to: Option<SystemTime>,
}

#[derive(Debug)]
pub struct Newcomers {
    /// What earlier runs left behind and this one has not met yet.
    stored: HashMap<FileKey, FileState>,
    /// What this run has read and let go.
    let_go: HashMap<FileKey, FileState>,
    /// What `stored` began with, until the first walk is done.
    left_behind: Vec<FileState>,
    /// Written paths that were watched before, in this run or an earlier one.
    watched: Vec<String>,
    first_walk: bool,
    /// Between two runs, if there was an earlier one.
    gap: Option<Gap>,
    /// A little before this run began.
    since: SystemTime,
    /// With more files than this, idle ones are closed between turns.
    pub max_open: usize,
}

impl Newcomers {
    pub fn load(store: &Store) -> rusqlite::Result<Newcomers> {
        let left_behind = store.files()?;
        let stored = left_behind.iter().map(|file| (file.key, file.clone())).collect();
        let ended = store.seen_until_ms()?.map(|ms| UNIX_EPOCH + Duration::from_millis(ms.cast_unsigned()));
        let gap = ended.map(|ended| Gap { from: ended - SLACK, to: None });
        let since = SystemTime::now() - SLACK;
        let max_open = raise_open_files_limit() / 2;
        let watched = store.watched()?;
        Ok(Newcomers { stored, let_go: HashMap::new(), left_behind, watched, first_walk: true, gap, since, max_open })
    }

    pub fn is_first_walk(&self) -> bool {
        self.first_walk
    }

    /// Everything the plan means was looked at once; what is met from now on appeared later.
    pub fn walked(&mut self, watched: Vec<String>) {
        self.watched = watched;
        self.first_walk = false;
        self.left_behind = Vec::new();
        if let Some(gap) = &mut self.gap {
            gap.to.get_or_insert_with(SystemTime::now);
        }
    }

    /// A file is no longer followed; should it come back, it goes on where it was.
    pub fn remember(&mut self, file: FileState) {
        if self.let_go.len() < MAX_REMEMBERED {
            self.let_go.insert(file.key, file);
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
        let stored = self.stored.get(&key).or_else(|| self.let_go.get(&key));
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
        self.let_go.remove(&key);
        // A file that was renamed is still known by the name it was written under.
        let met = Met { tail, checkpoint, file, path: listed.to_path_buf(), place };
        Ok(Some(Follow::new(met, Arc::clone(source), origin(plan, source, listed), clock)))
    }

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
        let listed = |file: &&FileState| plan.selection.source_of(&file.path).is_some();
        let left = self.left_behind.iter().filter(listed).filter_map(|file| file.path.parent());
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
        unlisted && (self.stored.contains_key(&FileKey::of(metadata)) || self.is_born_in_gap(metadata))
    }

    /// The same for one file, which may also have been renamed while directories were listed.
    pub fn adopt_one(&mut self, path: &Path, metadata: &fs::Metadata, plan: &Plan, clock: Instant) -> Option<Follow> {
        if !self.may_be_ours(path, metadata, plan) {
            return None;
        }
        let key = FileKey::of(metadata);
        let Some(listed) = self.stored.get(&key).map(|stored| stored.path.clone()) else {
            return self.born_in_gap(path, plan, clock);
        };
        if tail::open(path).is_ok_and(|(_, opened)| FileKey::of(&opened) != key) {
            return None;
        }
        tracing::debug!(path = %visible(path), "was rotated while paytriage was not running; reading it to its end");
        self.meet_moved(&listed, path, plan, clock).ok().flatten()
    }

    /// Goes on in a copy where `before`, its original, stopped, if its content proves that it can.
    fn inherit(&self, before: &FileState, path: &Path, plan: &Plan, clock: Instant) -> Option<Follow> {
        let source = plan.selection.source_of(&before.path)?;
        let (file, metadata) = tail::open(path).ok()?;
        let key = FileKey::of(&metadata);
        let tail = Tail::resume(key, 0, &file, &before.proof).ok()?.ok()?;
        tracing::debug!(path = %visible(path), "was copied while paytriage was not running; reading it to its end");
        let origin = origin(plan, source, &before.path);
        let copy_of = Some(before.key.identity(before.generation));
        let checkpoint = Checkpoint { copy_of, ..before.checkpoint.clone() };
        let met = Met { tail, checkpoint, file, path: before.path.clone(), place: Place::Moved };
        Some(Follow::new(met, Arc::clone(source), origin, clock))
    }

    fn is_born_in_gap(&self, file: &fs::Metadata) -> bool {
        let (Some(gap), Ok(birth)) = (&self.gap, file.created()) else { return false };
        birth >= gap.from && gap.to.is_none_or(|to| birth <= to)
    }

    /// A backup that was made while nobody watched: a copy of what was followed, else a file nobody has seen.
    fn born_in_gap(&mut self, path: &Path, plan: &Plan, clock: Instant) -> Option<Follow> {
        let listed = listed_name(path, plan)?;
        if plan.selection.source_of(&listed)?.excludes(path) {
            return None;
        }
        let mut originals: Vec<_> = self.left_behind.iter().filter(|file| is_backup_of(path, &file.path)).collect();
        // Of a file of which little was read any other may be the copy: the longest proof says most.
        originals.sort_by_key(|file| std::cmp::Reverse(file.proof.at));
        let copy = originals.into_iter().find_map(|file| self.inherit(file, path, plan, clock));
        copy.or_else(|| self.meet_moved(&listed, path, plan, clock).ok().flatten())
    }

    /// # Errors
    /// The store cannot be written.
    pub fn forget_old(&self, store: &Store) -> rusqlite::Result<usize> {
        store.forget_files_before(jiff::Timestamp::now().as_second() - FORGET_AFTER_SECONDS)
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
