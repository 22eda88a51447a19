//! Copies that are known as files already, and grow or are made anew: what their original has too is passed over.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Instant;

use super::Reader;
use super::room::RESERVE;
use crate::daemon::follow::Follow;
use crate::daemon::meet;
use crate::identity::FileKey;
use crate::pipeline::Checkpoint;
use crate::source::kin::{self, Original};
use crate::source::tail::Tail;
use crate::store::FileState;

/// What came of comparing a file that has grown with the one that it may be a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leap {
    /// There is none.
    NoCopy,
    /// Up to here it may be read on.
    UpTo(u64),
    /// The original has to be read first, and there is no room for that now.
    Later,
}

impl Reader {
    /// A copy may be made anew over an older one, as `cp app.log app.log.bak` does each night. What the original has too is
    /// read there, and not again.
    ///
    /// # Errors
    /// One of the two cannot be read.
    pub(super) fn leap_over_copied(&mut self, key: FileKey, clock: Instant) -> io::Result<Leap> {
        let Some(copy) = self.files.get(key) else { return Ok(Leap::NoCopy) };
        let original = |name: &PathBuf| self.files.named(name).filter(|&it| it != key);
        let Some(original) = kin::written_as(&copy.path).iter().find_map(original) else { return Ok(Leap::NoCopy) };
        let file = copy.handle()?;
        let size = file.metadata()?.size();
        if size <= copy.position() {
            return Ok(Leap::UpTo(size));
        }
        let known = match self.is_being_made(original, key, (&file, size), clock)? {
            true => Some(meet::end(key, &file)?),
            false => self.former_in(original, key, &file)?,
        };
        let before = match known {
            Some(known) => Some(known),
            None => match self.read_first(original, (&file, size), clock)? {
                Original::Unread => return Ok(Leap::Later),
                Original::Read => self.current_in(original, key, (&file, size))?,
            },
        };
        let content = self.files.get(original).map(|original| (original.key(), original.generation()));
        let Some(copy) = self.files.get_mut(key) else { return Ok(Leap::NoCopy) };
        match before {
            Some((mut tail, checkpoint)) if tail.position() > copy.position() => {
                tail.generation = copy.generation();
                copy.leap(tail, checkpoint, clock);
                copy.copy_of = content;
                self.pending.touched(key, clock);
            }
            _ => {}
        }
        Ok(Leap::UpTo(size))
    }

    /// True for a copy that is still being made of a content all of which was read, and which may be gone by now.
    fn is_being_made(
        &self,
        original: FileKey,
        key: FileKey,
        (file, size): (&File, u64),
        clock: Instant,
    ) -> io::Result<bool> {
        let (Some(original), Some(copy)) = (self.files.get(original), self.files.get(key)) else { return Ok(false) };
        let read = |before: &FileState| copy.copy_of == Some((before.key, before.generation)) && size < before.proof.at;
        let is_known = read(&original.to_store()) || original.former().is_some_and(read);
        let is_recent = clock.saturating_duration_since(copy.changed()) < kin::COPY_PAUSE;
        Ok(is_known && is_recent && Tail::resume(key, 0, file, &copy.to_store().proof)?.is_ok())
    }

    /// Where to go on in a copy of what the original held before it was truncated.
    fn former_in(&self, original: FileKey, key: FileKey, file: &File) -> io::Result<Option<(Tail, Checkpoint)>> {
        let former = self.files.get(original).and_then(Follow::former);
        former.map_or(Ok(None), |former| behind(former, key, file))
    }

    /// The same for a copy of what it holds now, all of which was read.
    fn current_in(
        &self,
        original: FileKey,
        key: FileKey,
        (file, size): (&File, u64),
    ) -> io::Result<Option<(Tail, Checkpoint)>> {
        let Some(original) = self.files.get(original) else { return Ok(None) };
        let before = original.to_store();
        // What was read of it proves more than what it holds by now.
        if let Some(heir) = behind(&before, key, file)? {
            return Ok(Some(heir));
        }
        let whole = original.handle()?;
        let len = whole.metadata()?.size();
        let is_beginning = before.proof.at >= size && kin::begin_alike((file, size), (&whole, len))?;
        is_beginning.then(|| meet::end(key, file)).transpose()
    }

    /// Reads an original before what looks like its copy, as far as there is room for what that gives.
    fn read_first(&mut self, original: FileKey, copy: (&File, u64), clock: Instant) -> io::Result<Original> {
        loop {
            let Some(follow) = self.files.get(original) else { return Ok(Original::Read) };
            let (whole, at) = (follow.handle()?, follow.position());
            let len = whole.metadata()?.size();
            if at >= len || !kin::begin_alike(copy, (&whole, len))? {
                return Ok(Original::Read);
            }
            if self.pending.is_full() || self.room() < RESERVE {
                return Ok(Original::Unread);
            }
            self.turn(original, clock);
            if self.files.get(original).is_none_or(|follow| follow.position() <= at) {
                return Ok(Original::Read);
            }
        }
    }
}

/// Where a file goes on that holds what was read of `before`.
fn behind(before: &FileState, key: FileKey, file: &File) -> io::Result<Option<(Tail, Checkpoint)>> {
    if !kin::holds(file, &before.proof)? {
        return Ok(None);
    }
    let tail = Tail::resume(key, 0, file, &before.proof)?;
    Ok(tail.ok().map(|tail| (tail, meet::goes_on_as(before, key))))
}
