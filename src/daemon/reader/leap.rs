//! Files that are followed and hold what stands in another: copies that grow or are made anew, and files that are about to
//! take the place of another. What the original has too is passed over, as far as their content proves it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::Reader;
use super::appended::appended;
use super::kin::{likeness, needs_turn, progress};
use super::look::DISPLACED_INTERVAL;
use super::room::RESERVE;
use crate::daemon::dir;
use crate::daemon::follow::Follow;
use crate::identity::FileKey;
use crate::source::kin::{self, COPY_PAUSE, Likeness, Lines, Verdict, judge};
use crate::source::proof::{Digest, HEAD_MAX, Proof, digest};
use crate::source::step::Place;
use crate::source::tail::{self, Tail};
use crate::store::FileState;

/// A new file that begins like another in its directory may be renamed to that one's name, as `sed -i` does it, once it
/// is written. So long after it has last grown it is a file of its own …
const RENAME_PAUSE: Duration = Duration::from_secs(1);
/// … and in any case after this.
pub(super) const MAX_RENAME_PAUSE: Duration = Duration::from_secs(30);

/// What came of comparing a file that has grown with the one that it may be a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leap {
    /// There is none.
    NoCopy,
    /// Up to here it may be read on.
    UpTo(u64),
    /// The original has to be read first, and there is no room for that now.
    NoRoom,
    /// It is looked at again when more is known of the original, or later.
    Wait,
}

impl Leap {
    /// It was compared with another one too.
    fn and(self, other: Leap) -> Leap {
        match (self, other) {
            (Leap::UpTo(size), Leap::UpTo(other)) => Leap::UpTo(size.min(other)),
            (Leap::UpTo(size), Leap::NoCopy) => Leap::UpTo(size),
            (_, other) => other,
        }
    }
}

impl Reader {
    /// A copy may be made anew over an older one, as `cp app.log app.log.bak` does each night. What the original has too is
    /// read there, and not again.
    ///
    /// # Errors
    /// One of the two cannot be read.
    pub(super) fn leap_over_copied(&mut self, key: FileKey, clock: Instant) -> io::Result<Leap> {
        let leap = self.compare_with_originals(key, clock);
        match leap {
            Ok(Leap::Wait) => drop(self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL)),
            _ => self.kin.waits_no_more(key),
        }
        leap
    }

    fn compare_with_originals(&mut self, key: FileKey, clock: Instant) -> io::Result<Leap> {
        let originals = self.originals_of(key);
        let mut leap = self.compare_with_twin(key, &originals, clock)?;
        for original in originals {
            if matches!(leap, Leap::NoRoom | Leap::Wait) {
                break;
            }
            leap = leap.and(self.compare_with(original, key, clock)?);
        }
        Ok(leap)
    }

    /// What it is known to be a copy of, what has the name of that by now, and what had it.
    fn originals_of(&self, key: FileKey) -> Vec<FileKey> {
        let Some(copy) = self.files.get(key) else { return Vec::new() };
        let names = kin::written_as(&copy.path);
        let named = names.iter().find_map(|name| self.files.named(name));
        let was_named = names.iter().find_map(|name| self.files.displaced_from(name).into_iter().next());
        let mut originals = Vec::new();
        let known = [copy.copy_of, named, was_named].into_iter().flatten();
        for original in known.chain(self.replaced_by(copy)) {
            let is_original = || self.files.get(original).is_some_and(|it| it.copy_of != Some(key));
            if original != key && !originals.contains(&original) && is_original() {
                originals.push(original);
            }
        }
        originals
    }

    /// Files that were replaced, whose name this one has now, or had in passing, as long as nothing of it was read.
    fn replaced_by(&self, follow: &Follow) -> Vec<FileKey> {
        if !follow.is_unheard_of || follow.position() > 0 {
            return Vec::new();
        }
        if follow.place != Place::Listed {
            return self.kin.waits_for(follow.key()).into_iter().collect();
        }
        let is_replaced = |key: &FileKey| {
            let there = self.files.get(*key).and_then(|it| it.handle().ok());
            there.is_some_and(|there| dir::is_replaced(&there, &follow.path).unwrap_or(false))
        };
        // An editor may have set it aside under a name of the source.
        let set_aside = self.files.named(&kin::set_aside(&follow.path));
        self.files.displaced_from(&follow.path).into_iter().chain(set_aside).filter(is_replaced).collect()
    }

    fn compare_with(&mut self, original: FileKey, key: FileKey, clock: Instant) -> io::Result<Leap> {
        loop {
            let Some((copy, first)) = self.files.get(key).zip(self.files.get(original)) else {
                return Ok(Leap::NoCopy);
            };
            let (file, position) = (copy.handle()?, copy.position());
            let size = file.metadata()?.size();
            if size <= position {
                return Ok(Leap::UpTo(size));
            }
            let there = first.handle()?;
            let appended = appended(copy, (&file, size), (first, &there))?;
            let is_appended = appended.is_some();
            let (likeness, read) = appended.map_or_else(|| likeness(&file, size, first, &there), Ok)?;
            let is_being_made = match likeness {
                Likeness::FormerBeginning(_) => true,
                Likeness::Beginning(_) => is_appended,
                _ => false,
            };
            // One that has no whole line yet may be a copy still when both have other names.
            let may_be_copy = matches!(likeness, Likeness::Nothing).then_some(original);
            match judge(likeness, read, COPY_PAUSE) {
                Verdict::Stranger => {
                    let is_known = |copy: &&mut Follow| copy.copy_of.is_none_or(|known| known == original);
                    if let Some(copy) = self.files.get_mut(key).filter(is_known) {
                        copy.copy_of = may_be_copy;
                    }
                    return Ok(Leap::UpTo(size));
                }
                // What stands before has been read, and is reported first.
                Verdict::Heir(_) if is_appended && copy.is_behind() => return Ok(Leap::UpTo(position)),
                Verdict::Heir(before) => {
                    if is_appended {
                        self.flush(key, clock);
                    }
                    self.leap(key, &before, &file, clock)?;
                    // All of the original stands in a copy that is whole.
                    let is_part = is_being_made && before.proof.at < size;
                    let waited = is_part.then(|| self.kin.wait(key, original, size, clock));
                    let waits = waited.is_some_and(|(_, quiet)| quiet < COPY_PAUSE);
                    return Ok(if waits { Leap::Wait } else { Leap::UpTo(size) });
                }
                Verdict::Later if !needs_turn(first)? => {
                    self.kin.wait(key, original, size, clock);
                    return Ok(Leap::Wait);
                }
                Verdict::Later if self.pending.is_full() || self.room() < RESERVE => return Ok(Leap::NoRoom),
                Verdict::Later => {
                    let before = (first.position(), first.generation());
                    if let Some(original) = self.files.get_mut(original) {
                        original.look_again();
                    }
                    self.turn(original, clock);
                    if self.files.get(original).is_some_and(|it| (it.position(), it.generation()) == before) {
                        // It may be a copy itself, and wait for its own original.
                        if self.kin.waits_for(original).is_some_and(|first| first != key) {
                            self.kin.wait(key, original, size, clock);
                            return Ok(Leap::Wait);
                        }
                        return Ok(Leap::UpTo(size));
                    }
                }
            }
        }
    }

    /// Goes on where `before` says, if that is further than it was read.
    fn leap(&mut self, key: FileKey, before: &FileState, file: &File, clock: Instant) -> io::Result<()> {
        let Some(copy) = self.files.get_mut(key).filter(|copy| is_further(before, copy)) else {
            return Ok(());
        };
        // It may have been made anew meanwhile; then the next look tells.
        if let Ok(tail) = Tail::resume(key, copy.generation(), file, &before.proof)? {
            copy.leap(tail, before.checkpoint.clone(), clock);
            // A copy beside the source goes by the name of its original.
            let is_in_its_place = copy.place == Place::Listed && before.path == copy.path;
            copy.copy_of = (!is_in_its_place).then_some(before.key);
            self.inherited((key, file.metadata()?.size()), before, clock);
        }
        Ok(())
    }

    /// A new file that holds what was read of another beside it, whatever both are called: a mirror of logs that are rotated at their
    /// origin has each content in a new file under the next name. As long as the other has its name, it is not read for a moment.
    fn compare_with_twin(&mut self, key: FileKey, originals: &[FileKey], clock: Instant) -> io::Result<Leap> {
        let Some(follow) = self.files.get(key) else { return Ok(Leap::NoCopy) };
        // It may have the other name already, before that was told.
        if !follow.is_unheard_of || follow.position() > 0 {
            return Ok(Leap::NoCopy);
        }
        let file = follow.handle()?;
        let size = file.metadata()?.size();
        let Some(twin) = self.twin_of(follow, &file, size)? else { return Ok(Leap::UpTo(size)) };
        if originals.contains(&twin) || self.files.get(twin).is_some_and(|twin| !twin.has_its_name()) {
            return self.compare_with(twin, key, clock);
        }
        let (waited, quiet) = self.kin.wait(key, twin, size, clock);
        let waits = quiet < RENAME_PAUSE && waited < MAX_RENAME_PAUSE;
        Ok(if waits { Leap::Wait } else { Leap::UpTo(size) })
    }

    /// The file in the same directory of which this one holds what was read, or a beginning of that; of several the one that was read
    /// furthest, as the others are what that one took the place of.
    fn twin_of(&self, follow: &Follow, file: &File, size: u64) -> io::Result<Option<FileKey>> {
        let mut head = Head::of(file)?;
        let dir = follow.path.parent();
        let mut twin: Option<&Follow> = None;
        for other in self.files.iter().filter(|other| other.key() != follow.key() && other.position() > 0) {
            let proof = other.proof();
            if other.path.parent() != dir || !head.is_that_of(proof) {
                continue;
            }
            let is_twin = match size >= proof.at {
                true => kin::holds(file, proof)?,
                false => matches!(kin::lines((file, 0..size), &other.handle()?, 1)?, Lines::Beginning(_)),
            };
            if is_twin && twin.is_none_or(|twin| progress(&twin.to_store()) < progress(&other.to_store())) {
                twin = Some(other);
            }
        }
        Ok(twin.map(Follow::key))
    }
}

/// The first bytes of a file, to be compared with those of many others.
pub(super) struct Head {
    bytes: Vec<u8>,
    /// By length.
    digests: HashMap<u64, Digest>,
}

impl Head {
    /// # Errors
    /// It cannot be read.
    pub fn of(file: &File) -> io::Result<Head> {
        Ok(Head { bytes: tail::read_range(file, 0, HEAD_MAX)?, digests: HashMap::new() })
    }

    pub fn is_that_of(&mut self, proof: &Proof) -> bool {
        let len = proof.head_len;
        let Some(bytes) = self.bytes.get(..len as usize).filter(|bytes| !bytes.is_empty()) else { return false };
        *self.digests.entry(len).or_insert_with(|| digest(bytes)) == proof.head
    }
}

impl Follow {
    /// False where its name is gone or leads elsewhere, whether that was told yet or not.
    pub(super) fn has_its_name(&self) -> bool {
        dir::leads_to(&self.path, self.key())
    }

    /// Passes over what an earlier run read of the file that this is a copy of, as far as that stands in both, if the original is
    /// gone: one that is there is compared with. True if that is so, and this one has all of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn leap_over_left_behind(&mut self, before: &FileState, clock: Instant) -> io::Result<bool> {
        let file = self.handle()?;
        if !kin::holds(&file, &before.proof)? || dir::is_in_directory(before.key, &before.path) {
            return Ok(false);
        }
        if is_further(before, self)
            && let Ok(tail) = Tail::resume(self.key(), self.generation(), &file, &before.proof)?
        {
            self.leap(tail, before.checkpoint.clone(), clock);
        }
        Ok(true)
    }
}

/// True if going on there passes something over, and repeats nothing: of what was truncated before its turn, nothing was
/// reported.
fn is_further(before: &FileState, copy: &Follow) -> bool {
    copy.position() < before.proof.at && copy.to_store().checkpoint.offset <= before.checkpoint.offset
}
