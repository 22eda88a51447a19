//! What to do next with a file, decided from what was observed of it. Pure: no file is touched here.
//!
//! The order of the rules is the safety: content that is not the content that was read is never skipped, and a
//! file is let go only when nothing of it is left unread and nobody has written to it for a while.

use std::time::{Duration, SystemTime};

use super::proof::Content;
use crate::config::StartAt;

/// How long a deleted file must be quiet before it is let go, and one whose file system is no longer mounted. Until then
/// their space is not freed.
pub const DELETED_GRACE: Duration = Duration::from_secs(10);
/// How long a file that was renamed out of the sources must be quiet before it is let go. Programs that keep
/// writing into the rotated file until their next restart are common, and waiting costs one descriptor.
pub const MOVED_GRACE: Duration = Duration::from_secs(300);

/// What the file system says about a file's content without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    /// `None` where the file system keeps no time.
    pub modified: Option<SystemTime>,
}

/// Where a file that we hold is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Under a name that a source lists.
    Listed,
    /// It has a name, but no source lists it: rotated away.
    Moved,
    /// Its file system is no longer mounted where it was.
    Unmounted,
    /// It has no name left.
    Deleted,
}

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Offset up to which the file was read.
    pub position: u64,
    pub size: u64,
    pub content: Content,
    pub place: Place,
    /// Time since the file last changed its content or its place.
    pub quiet: Duration,
}

/// What to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read on from the position.
    Read,
    /// It became shorter than what was read: a new generation, from byte 0.
    Truncated,
    /// It holds something else than what was read: a new generation, from byte 0.
    Replaced,
    /// Over for good: read to its end, out of all sources, and quiet.
    Gone,
    Wait,
}

/// Decides the next step.
pub fn next(facts: &Facts) -> Step {
    if facts.size < facts.position {
        return Step::Truncated;
    }
    if matches!(facts.content, Content::Different | Content::OtherHead) {
        return Step::Replaced;
    }
    if facts.size > facts.position {
        return Step::Read;
    }
    match facts.place {
        Place::Deleted | Place::Unmounted if facts.quiet >= DELETED_GRACE => Step::Gone,
        Place::Moved if facts.quiet >= MOVED_GRACE => Step::Gone,
        Place::Listed | Place::Moved | Place::Unmounted | Place::Deleted => Step::Wait,
    }
}

/// When a file that is met for the first time in this run came into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appeared {
    /// It was there when its source was watched for the first time ever.
    BeforeFirstStart(StartAt),
    /// Its source was watched before, in this run or an earlier one.
    Later,
}

/// Where to begin with a file that is met for the first time in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Go on from the stored checkpoint.
    Resume,
    /// From byte 0, as this generation.
    Beginning { generation: u32 },
    /// What it holds now is of no interest.
    End,
}

/// Decides where to begin. `stored` is the generation an earlier run left behind and what its proof says now.
pub fn start(stored: Option<(u32, Content)>, appeared: Appeared) -> Start {
    match (stored, appeared) {
        (Some((_, Content::Same)), _) => Start::Resume,
        (Some((generation, _)), _) => Start::Beginning { generation: generation.wrapping_add(1) },
        (None, Appeared::BeforeFirstStart(StartAt::End)) => Start::End,
        (None, _) => Start::Beginning { generation: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        use Content::{Different, Same, Unchecked};
        use Place::{Deleted, Listed, Moved, Unmounted};
        let (now, long) = (Duration::ZERO, MOVED_GRACE);
        for (position, size, content, place, quiet, expected) in [
            (10, 10, Unchecked, Listed, now, Step::Wait),
            (10, 10, Unchecked, Listed, long, Step::Wait),
            (10, 20, Same, Listed, now, Step::Read),
            (10, 9, Unchecked, Listed, now, Step::Truncated),
            (10, 0, Different, Listed, now, Step::Truncated),
            // Regrown to the old size, or past it, between two looks.
            (10, 10, Different, Listed, now, Step::Replaced),
            (10, 99, Different, Listed, now, Step::Replaced),
            (10, 99, Content::OtherHead, Listed, now, Step::Replaced),
            // A rotated file is read to its end first, however long that takes.
            (10, 20, Same, Moved, long, Step::Read),
            (10, 20, Same, Deleted, long, Step::Read),
            (10, 10, Same, Moved, now, Step::Wait),
            (10, 10, Same, Moved, DELETED_GRACE, Step::Wait),
            (10, 10, Unchecked, Moved, long, Step::Gone),
            (10, 10, Same, Deleted, now, Step::Wait),
            (10, 10, Unchecked, Deleted, DELETED_GRACE, Step::Gone),
            (0, 0, Unchecked, Deleted, DELETED_GRACE, Step::Gone),
            (10, 5, Same, Deleted, long, Step::Truncated),
            (10, 20, Same, Unmounted, long, Step::Read),
            (10, 10, Same, Unmounted, now, Step::Wait),
            (10, 10, Same, Unmounted, DELETED_GRACE, Step::Gone),
        ] {
            let facts = Facts { position, size, content, place, quiet };
            assert_eq!(next(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn starts() {
        use Appeared::{BeforeFirstStart, Later};
        for (stored, appeared, expected) in [
            (None, BeforeFirstStart(StartAt::End), Start::End),
            (None, BeforeFirstStart(StartAt::Beginning), Start::Beginning { generation: 0 }),
            (None, Later, Start::Beginning { generation: 0 }),
            (Some((3, Content::Same)), Later, Start::Resume),
            (Some((3, Content::Same)), BeforeFirstStart(StartAt::End), Start::Resume),
            (Some((3, Content::Different)), Later, Start::Beginning { generation: 4 }),
            // Content that took the place of what was read is unread, whatever `start_at` says.
            (Some((3, Content::Different)), BeforeFirstStart(StartAt::End), Start::Beginning { generation: 4 }),
        ] {
            assert_eq!(start(stored, appeared), expected, "{stored:?} {appeared:?}");
        }
    }
}
