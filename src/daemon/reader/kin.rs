//! Files that are met for the first time while others of their name are known: copies, replacements, strangers.
//!
//! A copy is read after its original, so that what both hold is reported once. Until it is clear what it is, it
//! is held back, open, so that it cannot be lost either.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use super::Reader;
use super::leap::Head;
use super::look::DISPLACED_INTERVAL;
use super::truncated::Truncated;
use crate::daemon::dir;
use crate::daemon::follow::{Follow, reported_up_to};
use crate::daemon::meet::{self, Moment, Newcomer};
use crate::identity::FileKey;
use crate::notice::{About, Reason};
use crate::pipeline::Checkpoint;
use crate::source::kin::{self, Likeness, Lines, Original, Verdict, judge};
use crate::source::proof::Proof;
use crate::source::selection::visible;
use crate::source::step::Place;
use crate::store::FileState;

/// File systems keep coarse time.
const SLACK: Duration = Duration::from_millis(100);

/// Newcomers of which it is not clear yet what they are.
#[derive(Debug, Default)]
pub struct Kin {
    held: HashMap<FileKey, Held>,
    /// Files that are followed, and not read on before it is clear what others hold.
    waiting: HashMap<FileKey, Waiting>,
    /// The files that names led to before, since the last walk: a copy is named after the name its original had.
    pub(super) before: HashMap<PathBuf, FileKey>,
    /// When the walk before this one began.
    last_walk: Option<Moment>,
    /// Files that were truncated; copies of what they held may have been made before.
    pub(super) truncated: Vec<Truncated>,
    /// Those of them that are read to their end again, and since when nobody knows what they held.
    pub(super) unseen: Vec<(FileKey, Moment)>,
}

#[derive(Debug)]
struct Held {
    newcomer: Newcomer,
    /// Where it was seen.
    path: PathBuf,
    size: u64,
    grown: Instant,
    /// The file of which it looks like a copy.
    original: Option<FileKey>,
    /// What it began with, by which copies of it are known.
    first: Option<Proof>,
}

/// A file that is followed, and may be a copy, or be about to take the place of another.
#[derive(Debug)]
struct Waiting {
    original: FileKey,
    size: u64,
    grown: Instant,
    since: Instant,
}

/// What there is to do with a newcomer.
enum Finding {
    Stranger,
    /// Goes on where this stopped.
    Heir(Box<FileState>),
    /// The same, as it is this very file: its file system has given it another identity.
    Same(Box<FileState>),
    Later {
        original: FileKey,
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

    /// Those that cannot be judged before this file was read.
    pub fn waiting_for(&self, original: FileKey) -> Vec<FileKey> {
        let held = self.held.iter().filter(|(_, held)| held.original == Some(original)).map(|(&key, _)| key);
        let waiting = self.waiting.iter().filter(|(_, waiting)| waiting.original == original).map(|(&key, _)| key);
        held.chain(waiting).collect()
    }

    /// A file of this size is not read on before it is clear what the original holds. Returns for how long that has been so,
    /// and for how long it has not grown.
    pub fn wait(&mut self, key: FileKey, original: FileKey, size: u64, clock: Instant) -> (Duration, Duration) {
        let begin = Waiting { original, size, grown: clock, since: clock };
        let waiting = self.waiting.entry(key).or_insert(begin);
        waiting.original = original;
        if size > waiting.size {
            (waiting.size, waiting.grown) = (size, clock);
        }
        (clock.saturating_duration_since(waiting.since), clock.saturating_duration_since(waiting.grown))
    }

    pub fn waits_for(&self, key: FileKey) -> Option<FileKey> {
        self.waiting.get(&key).map(|waiting| waiting.original)
    }

    /// It is read on, or gone.
    pub fn waits_no_more(&mut self, key: FileKey) {
        self.waiting.remove(&key);
    }

    /// Those that are followed, and not read on.
    pub fn waiting(&self) -> Vec<FileKey> {
        self.waiting.keys().copied().collect()
    }

    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty() || !self.waiting.is_empty()
    }

    /// One that is held back was seen here.
    pub fn seen_at(&mut self, key: FileKey, path: &Path) {
        if let Some(held) = self.held.get_mut(&key) {
            (held.path, held.newcomer.path, held.newcomer.place) = (path.into(), path.into(), Place::Listed);
        }
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
        let (first, path) = (kin::first_bytes(&newcomer.file)?, path.to_path_buf());
        let held = Held { size: metadata.size(), grown: clock, original: None, path, newcomer, first };
        self.decide(held, &metadata, clock)
    }

    /// Looks again at what was held back.
    pub(super) fn look_at_held(&mut self, clock: Instant) {
        self.kin.waiting().into_iter().for_each(|key| self.files.queue(key));
        for key in self.kin.held.keys().copied().collect::<Vec<_>>() {
            self.look_at_held_file(key, clock);
        }
        self.clear_if_none_is_held(clock);
    }

    /// Once nothing is held back, copies of what earlier runs left behind are told from new files.
    pub(super) fn clear_if_none_is_held(&mut self, clock: Instant) {
        if self.kin.is_empty() {
            self.newcomers.all_clear();
            self.report_doomed(clock);
        }
    }

    pub(super) fn look_at_held_file(&mut self, key: FileKey, clock: Instant) {
        let Some(mut held) = self.kin.held.remove(&key) else { return };
        let path = held.path.clone();
        let looked = held.newcomer.file.metadata().and_then(|metadata| {
            if metadata.size() < held.size {
                self.truncated_while_held(&held, clock);
            }
            if metadata.size() != held.size {
                (held.size, held.grown) = (metadata.size(), clock);
                held.first = kin::first_bytes(&held.newcomer.file)?;
            }
            if !dir::leads_to(&path, key) {
                held.newcomer.place = Place::Moved;
            }
            self.decide(held, &metadata, clock)
        });
        if let Err(error) = looked {
            self.unreadable(&path, &error);
        }
    }

    /// What it held may stand in a copy. Of what its original has too, nothing is missing.
    fn truncated_while_held(&mut self, held: &Held, clock: Instant) {
        let path = held.newcomer.path.clone();
        let Some(source) = self.plan.selection.source_of(&path) else { return };
        let key = held.newcomer.key;
        let about = About { origin: meet::origin(&self.plan, source, &path), identity: key.identity(0), line: 1 };
        let known = held.original.and_then(|original| self.files.get(original));
        let unread = known.map_or(0, |it| it.position().max(it.unread().end))..held.size;
        let Some(proof) = held.first.clone() else {
            return self.report_gap(&about, Reason::Truncated, unread, clock);
        };
        let former = FileState { key, generation: 0, path, proof, checkpoint: Checkpoint::default(), unread_to: None };
        self.kin.truncated.push(Truncated { former, about, unread, torn: None, unreported_since: None });
    }

    fn decide(&mut self, mut held: Held, metadata: &Metadata, clock: Instant) -> io::Result<()> {
        let mut left = None;
        let (follow, copy_of, is_unheard_of) = match self.what_is(&held, metadata, clock)? {
            Finding::Later { original } => {
                held.original = Some(original);
                self.look_at_original(original);
                self.kin.held.insert(held.newcomer.key, held);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
                return Ok(());
            }
            Finding::Stranger => {
                let newcomer = &held.newcomer;
                let is_new = self.newcomers.appears_later(&newcomer.path, &self.plan);
                let is_unheard_of = is_new && !self.newcomers.knows(newcomer.key);
                let original = self.was_copy_of(&held);
                let mut follow = self.newcomers.meet(held.newcomer, &self.plan, clock)?;
                if let Some((follow, original)) = follow.as_mut().zip(original.as_ref())
                    && follow.leap_over_left_behind(original, clock)?
                {
                    left = Some(original.clone());
                }
                (follow, original.map(|row| row.key), is_unheard_of)
            }
            Finding::Heir(before) => {
                tracing::debug!(path = %visible(&held.path), original = %visible(&before.path), "goes on where its original was");
                // What takes the place of another is no copy of it for long.
                let copy_of = (before.path != held.path).then_some(before.key);
                let follow = self.newcomers.meet_heir(held.newcomer, &before, &self.plan, clock)?;
                if let Some(follow) = &follow {
                    let key = follow.key();
                    self.inherited((key, metadata.size()), &before, clock);
                }
                (follow, copy_of, false)
            }
            Finding::Same(before) => {
                let follow = self.newcomers.meet_heir(held.newcomer, &before, &self.plan, clock)?;
                if let Some(follow) = &follow {
                    self.pending.urgent(follow.key(), clock);
                    self.gone(before.key, clock);
                }
                (follow, None, false)
            }
        };
        if let Some(mut follow) = follow {
            (follow.copy_of, follow.is_unheard_of) = (copy_of, is_unheard_of);
            self.problems.readable(&held.path);
            if follow.place != Place::Listed {
                self.metrics.rotations.fetch_add(1, Relaxed);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
            }
            // It was truncated, or replaced, between two runs; what it held then is known up to where it was read.
            let about = follow.about();
            self.kin.truncated(&mut follow, about, 0..0);
            let key = follow.key();
            self.add(follow, clock);
            if let Some(before) = left {
                self.inherited((key, metadata.size()), &before, clock);
            }
        }
        Ok(())
    }

    /// A file of this size goes on where another was read up to.
    pub(super) fn inherited(&mut self, (key, size): (FileKey, u64), before: &FileState, clock: Instant) {
        // Only the store can prove it once either has another name.
        self.pending.urgent(key, clock);
        if let Some(doomed) = self.newcomers.inherited(before.key) {
            self.report_doomed_from(doomed, size, clock);
        }
        self.hand_over(before);
    }

    /// The last line of a file that was replaced, if it is open, goes on in the file that holds all of it.
    fn hand_over(&mut self, before: &FileState) {
        let Some(original) = self.files.get_mut(before.key) else { return };
        let is_all = (original.generation(), original.proof()) == (before.generation, &before.proof);
        let is_replaced = || dir::is_replaced(&original.handle()?, &before.path);
        if is_all && is_replaced().unwrap_or(false) {
            original.hand_over();
        }
    }

    fn what_is(&self, held: &Held, metadata: &Metadata, clock: Instant) -> io::Result<Finding> {
        let newcomer = &held.newcomer;
        let may_be_copy =
            self.newcomers.appears_later(&newcomer.path, &self.plan) || self.newcomers.is_any_left_behind();
        if !may_be_copy || self.newcomers.is_as_known(newcomer)? {
            return Ok(Finding::Stranger);
        }
        match self.by_its_name(held, metadata, clock)? {
            Finding::Heir(before) => self.among_heirs(held, metadata, before),
            other => Ok(other),
        }
    }

    fn by_its_name(&self, held: &Held, metadata: &Metadata, clock: Instant) -> io::Result<Finding> {
        let mut names = kin::original_names(&held.path);
        // A file that has only a link in its source is known by that.
        let links: Vec<_> = names.iter().filter_map(|name| self.links.listed(name)).collect();
        names.extend(links);
        // What it was compared with before may have lost its name meanwhile.
        let last = names.first().map(|name| (name, held.original));
        for (name, known) in names.iter().map(|name| (name, None)).chain(last) {
            let finding = self.compare(held, metadata, (name, known), clock)?;
            if !matches!(finding, Finding::Stranger) {
                return Ok(finding);
            }
        }
        self.by_its_content(held)
    }

    /// Of several copies of one content one goes on where the original was; the others go on where that one is. What took the
    /// place of the original, and lost it again at once, is one of them too.
    fn among_heirs(&self, held: &Held, metadata: &Metadata, mut before: Box<FileState>) -> io::Result<Finding> {
        let (key, original) = (held.newcomer.key, before.key);
        if let Some(row) = self.left_behind_like(held)?.filter(|row| progress(row) > progress(&before)) {
            *before = row.clone();
        }
        let is_in_place = |it: &Follow| it.is_unheard_of && it.position() == 0 && !it.has_its_name();
        let mut head = Head::of(&held.newcomer.file)?;
        // One that took the place of the original, and was read further.
        let dir = held.path.parent();
        let mut is_successor =
            |it: &Follow| it.path.parent() == dir && it.position() > before.proof.at && head.is_that_of(it.proof());
        let is_other = |it: &&Follow| it.key() != key && it.key() != original;
        let heirs = self.files.iter().filter(is_other);
        let heirs = heirs.filter(|it| it.copy_of == Some(original) || is_in_place(it) || is_successor(it));
        for heir in heirs.collect::<Vec<_>>() {
            let Ok(there) = heir.handle() else { continue };
            let (likeness, read) = likeness(&held.newcomer.file, metadata.size(), heir, &there)?;
            match judge(likeness, read, kin::COPY_PAUSE) {
                Verdict::Heir(state) if progress(&state) > progress(&before) => *before = state,
                Verdict::Later => return Ok(Finding::Later { original: heir.key() }),
                Verdict::Heir(_) | Verdict::Stranger => {}
            }
        }
        Ok(Finding::Heir(before))
    }

    /// What an earlier run may have known it as a copy of, whatever that is called by now. Other copies of that have its name in the store too.
    fn was_copy_of(&self, held: &Held) -> Option<FileState> {
        let names = kin::written_as(&held.path);
        let rows = || names.iter().flat_map(|name| self.newcomers.left_behind_as(name));
        let others = || rows().filter(|row| row.key != held.newcomer.key);
        let named = others().find(|row| self.files.named(&row.path) == Some(row.key));
        named.or_else(|| others().next()).cloned()
    }

    /// One file can have several names, of which the store knows one: what happened between two runs may have to do with another.
    fn by_its_content(&self, held: &Held) -> io::Result<Finding> {
        let file = &held.newcomer.file;
        let formers = self.kin.truncated.iter().map(|truncated| &truncated.former);
        for former in formers.filter(|former| former.path.parent() == held.path.parent()) {
            if kin::holds(file, &former.proof)? {
                return Ok(heir(former));
            }
        }
        let Some(row) = self.left_behind_like(held)? else { return Ok(Finding::Stranger) };
        // What took the place of that, and is read further, says more; this one may be about to take its place.
        let is_further = |it: &&Follow| it.path.parent() == held.path.parent() && it.position() >= row.proof.at;
        let mut further = self.files.iter().filter(is_further);
        let is_another = further.any(|it| kin::holds(file, it.proof()).unwrap_or(false));
        Ok(if is_another { Finding::Stranger } else { heir(row) })
    }

    /// What an earlier run left behind in its directory, which it holds and no file there has any more; of several the one that was
    /// read furthest.
    fn left_behind_like<'a>(&'a self, held: &'a Held) -> io::Result<Option<&'a FileState>> {
        let file = &held.newcomer.file;
        let Some(dir) = held.path.parent() else { return Ok(None) };
        let (mut head, mut furthest) = (Head::of(file)?, None::<&FileState>);
        for row in self.newcomers.left_behind_in(dir).filter(|row| self.files.get(row.key).is_none()) {
            let is_further = furthest.is_none_or(|best| progress(best) < progress(row));
            let is_left = is_further && head.is_that_of(&row.proof) && kin::holds(file, &row.proof)?;
            if is_left && !dir::is_in_directory(row.key, &row.path) {
                furthest = Some(row);
            }
        }
        Ok(furthest)
    }

    /// Compares a newcomer with the files that have, or had, this name, and one that is known.
    fn compare(
        &self,
        held: &Held,
        metadata: &Metadata,
        (name, known): (&Path, Option<FileKey>),
        clock: Instant,
    ) -> io::Result<Finding> {
        let same_name = name == held.path;
        let named = self.files.named(name).filter(|_| !same_name);
        let left = self.newcomers.left_behind_as(name);
        let before = self.kin.before.get(name).copied().into_iter().chain(known);
        let displaced = self.files.displaced_from(name);
        let keys = named.into_iter().chain(before).chain(displaced).chain(left.map(|row| row.key));
        let mut best: Option<FileState> = None;
        for key in keys {
            let Some(original) = self.files.get(key).filter(|_| key != held.newcomer.key) else { continue };
            let Ok(there) = original.handle() else { continue };
            // An overlay file system does so when a file of a lower layer is written to.
            if FileKey::of(&there.metadata()?) == held.newcomer.key {
                return Ok(Finding::Same(Box::new(original.to_store())));
            }
            if same_name && !dir::is_replaced(&there, name)? {
                continue;
            }
            let (likeness, read) = likeness(&held.newcomer.file, metadata.size(), original, &there)?;
            // Should it grow under a name like this, it is compared again each time.
            let is_compared = kin::written_as(&held.path).contains(&original.path);
            let quiet = if is_compared { kin::COPY_PAUSE } else { clock.saturating_duration_since(held.grown) };
            match judge(likeness, read, quiet) {
                Verdict::Stranger => {}
                // Of several files of this name, the longest proof says most.
                Verdict::Heir(before) => {
                    best = best.filter(|best| progress(best) >= progress(&before)).or(Some(before))
                }
                Verdict::Later => return Ok(Finding::Later { original: key }),
            }
        }
        if let Some(best) = best {
            return Ok(heir(&best));
        }
        for row in self.newcomers.left_behind_as(name).filter(|row| self.files.get(row.key).is_none()) {
            let is_replaced = || !same_name || dir::was_replaced(row.key, name);
            if kin::holds(&held.newcomer.file, &row.proof)? && is_replaced() {
                return Ok(heir(row));
            }
        }
        Ok(Finding::Stranger)
    }

    /// Has an original read on, or looked at, before it is compared again. One that is read to its end only waits for the
    /// end of its last record.
    pub(super) fn look_at_original(&mut self, original: FileKey) {
        let Some(follow) = self.files.get_mut(original) else { return };
        if needs_turn(follow).unwrap_or(false) {
            follow.look_again();
            self.files.queue(original);
        }
    }

    pub(super) fn walk_began(&mut self, at: Moment) {
        self.kin.before.clear();
        self.kin.last_walk = Some(at);
    }

    pub(super) fn last_walk(&self) -> Option<SystemTime> {
        self.kin.last_walk.map(since)
    }
}

/// What was born at this moment or later may show this time, or a later one.
pub(super) fn since(moment: Moment) -> SystemTime {
    moment.earliest(Moment::now()) - SLACK
}

/// Compares a file of this size with one original, and says what is left to read of that.
pub(super) fn likeness(
    file: &File,
    size: u64,
    original: &Follow,
    there: &File,
) -> io::Result<(Likeness<FileState>, Original)> {
    let now = original.to_store();
    let unit = now.checkpoint.unit();
    let found = if let Some(former) = former_in(original, file)? {
        Likeness::Former(former.clone())
    } else if kin::holds(file, &now.proof)? {
        Likeness::Current(now)
    } else {
        let lines = kin::lines((file, 0..size), there, unit)?;
        // Only now: what it was compared with is what was read.
        if !original.is_as_read(there)? {
            Likeness::Unclear
        } else if let Lines::Beginning(proof) = lines {
            Likeness::Beginning(reported_up_to(proof, &now))
        } else if let Some(before) = original.formerly_at(|proof| kin::holds(file, proof))? {
            Likeness::FormerBeginning(before)
        } else if lines == Lines::Nothing {
            Likeness::Nothing
        } else {
            Likeness::None
        }
    };
    Ok((found, is_read(original, there)?))
}

/// # Errors
/// The original cannot be read.
pub(super) fn is_read(original: &Follow, there: &File) -> io::Result<Original> {
    Ok(if original.has_read_all(there)? { Original::Read } else { Original::Unread })
}

fn former_in<'a>(original: &'a Follow, file: &File) -> io::Result<Option<&'a FileState>> {
    original.former().map_or(Ok(None), |former| Ok(kin::holds(file, &former.proof)?.then_some(former)))
}

/// How far a file was read, and reported.
pub(super) fn progress(state: &FileState) -> (u64, u64, usize) {
    (state.proof.at, state.checkpoint.done, state.checkpoint.reported.len())
}

/// True if an original has to be read on, or looked at, before anything is compared with it.
pub(super) fn needs_turn(original: &Follow) -> io::Result<bool> {
    let there = original.handle()?;
    Ok(!original.is_at_end(&there)? || !original.is_as_read(&there)?)
}

fn heir(before: &FileState) -> Finding {
    Finding::Heir(Box::new(before.clone()))
}
