//! Tells copies of a log, and files put in its place, from files that are new.
//!
//! An inode nobody has seen is a new file and read from byte 0: rather twice than never. The exceptions are copies
//! that log rotation makes (`copytruncate`) and files that an editor or a restore puts in the place of another. They
//! are known by name and content together, and go on where the original was read up to.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::blank;
use super::proof::{Content, HEAD_MAX, Proof, Prover, TAIL_MAX, is_telling};
use super::tail::read_range;

/// A copy that has not grown for this long is complete.
pub const COPY_PAUSE: Duration = Duration::from_secs(5);

/// So far back the end of the last whole line is looked for.
const LAST_LINE: u64 = 2 * 1024 * 1024;

/// What is left to read of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    Unread,
    Read,
}

/// What a file holds, compared with one original. `B` is what it goes on with: up to where its bytes are known to be the
/// ones that were read there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Likeness<B> {
    /// All that was read of the original before it was truncated, and perhaps more.
    Former(B),
    /// A beginning of that.
    FormerBeginning(B),
    /// All that has been read of the original, and perhaps more.
    Current(B),
    /// A beginning of that.
    Beginning(B),
    /// No whole line yet to tell it by from any other file.
    Nothing,
    /// The original is not what was read any more, and has to be looked at first.
    Unclear,
    None,
}

/// What to do with a file that may be a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<B> {
    /// A file of its own.
    Stranger,
    /// It goes on there.
    Heir(B),
    /// Look again: the original comes first, or a copy is being made.
    Later,
}

/// Decides what a file is. `quiet` is the time since its bytes became more.
pub fn judge<B>(likeness: Likeness<B>, original: Original, quiet: Duration) -> Verdict<B> {
    match (likeness, original) {
        (Likeness::Former(before) | Likeness::FormerBeginning(before), _) => Verdict::Heir(before),
        (Likeness::Current(before), Original::Read) => Verdict::Heir(before),
        (Likeness::Beginning(before), Original::Read) if quiet >= COPY_PAUSE => Verdict::Heir(before),
        (Likeness::Nothing, _) if quiet >= COPY_PAUSE => Verdict::Stranger,
        (Likeness::Current(_) | Likeness::Beginning(_) | Likeness::Nothing | Likeness::Unclear, _) => Verdict::Later,
        (Likeness::None, _) => Verdict::Stranger,
    }
}

/// The names that a file of this name may be a copy of, nearest first. The name itself comes first, then those of which log rotation
/// may have made it.
pub fn original_names(path: &Path) -> Vec<PathBuf> {
    let mut names = vec![path.to_path_buf()];
    names.extend(written_as(path));
    names
}

/// The names that log rotation may have made this one of, longest first: `app.log` for `app.log.1`, `app.log20260701`
/// and `app-20260701.log`, but neither for `app-error.log` nor for `app2.log`: these are logs of their own, and may begin alike.
pub fn written_as(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().map(OsStr::as_bytes) else { return Vec::new() };
    let is_separator = |byte: u8| b".-_~".contains(&byte);
    let is_count = |part: &[u8]| part.iter().all(|&byte| byte.is_ascii_digit() || is_separator(byte));
    // A date, which some put right behind the name.
    let is_date = |part: &[u8]| part.len() >= N_DATE && part.iter().all(u8::is_ascii_digit);
    let extension = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let mut names = Vec::new();
    for len in (1..name.len()).rev() {
        let (original, added) = name.split_at(len);
        let goes_on = original.last().is_some_and(u8::is_ascii_digit);
        if is_separator(added[0]) || !goes_on && is_date(added) {
            names.push(path.with_file_name(OsStr::from_bytes(original)));
        }
        let Some(dot) = extension.filter(|&dot| len < dot) else { continue };
        let added = &name[len..dot];
        if added.len() > 1 && is_separator(added[0]) && is_count(added) || !goes_on && is_date(added) {
            let name = [original, &name[dot..]].concat();
            names.push(path.with_file_name(OsStr::from_bytes(&name)));
        }
    }
    names
}

/// Digits of the shortest date.
const N_DATE: usize = 6;

/// The name that an editor gives to a file before it writes another of its name.
pub fn set_aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("~");
    PathBuf::from(name)
}

/// True if the file holds what a proof was made of, and that is not likely to stand in another file.
pub fn holds(file: &File, proof: &Proof) -> io::Result<bool> {
    let parts = Parts::read(file, 0, proof)?;
    Ok(proof.at > 0 && parts.are_those_of(proof))
}

/// The same where one open line is all that the proof was made of: another file may well begin with it.
pub fn holds_open_line(file: &File, proof: &Proof) -> io::Result<bool> {
    let parts = Parts::read(file, 0, proof)?;
    Ok(is_telling(&parts.head) && proof.check(&parts.head, &parts.tail) == Content::Same)
}

/// The proof of a file up to the last whole line of what `added` was made of, if that stands in it behind what was read of it.
/// `None` also where there is no such line.
pub fn joined(file: &File, read: &Proof, added: &Proof) -> io::Result<Option<Proof>> {
    let parts = Parts::read(file, read.at, added)?;
    if added.at == 0 || !parts.are_those_of(added) {
        return Ok(None);
    }
    let Some(newline) = memchr::memrchr(b'\n', &parts.tail) else { return Ok(None) };
    let tail = &parts.tail[..=newline];
    let at = read.at + added.tail_from + tail.len() as u64;
    let head = read_range(file, 0, HEAD_MAX.min(at as usize))?;
    Ok(Some(Prover::at(at, &head, tail).proof().clone()))
}

/// What stands in a file where a proof was made of the same bytes.
struct Parts {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Parts {
    fn read(file: &File, from: u64, proof: &Proof) -> io::Result<Parts> {
        let part = |range: Range<u64>| read_range(file, from + range.start, (range.end - range.start) as usize);
        Ok(Parts { head: part(proof.head_range())?, tail: part(proof.tail_range())? })
    }

    fn are_those_of(&self, proof: &Proof) -> bool {
        let Parts { head, tail } = self;
        // Lines begin alike; only whole ones tell files apart.
        let is_line = |bytes: &[u8]| bytes.contains(&b'\n') && is_telling(bytes);
        // Nobody reads so much of one line by chance.
        let is_long = || tail.len() >= TAIL_MAX && is_telling(head);
        proof.check(head, tail) == Content::Same && (is_line(tail) || is_line(head) || is_long())
    }
}

/// What the whole lines of one file are to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lines {
    /// A beginning of what it holds, and not likely to stand in a third one. The proof is made of the bytes that were compared.
    Beginning(Proof),
    /// There are none yet, or such as stand in any file.
    Nothing,
    Others,
}

/// Compares the whole lines that `copy` holds in this range with what `original` begins with. A character has at least `unit` bytes.
pub fn lines((copy, range): (&File, Range<u64>), original: &File, unit: u64) -> io::Result<Lines> {
    let at = whole_lines(copy, range.end)?.saturating_sub(range.start).next_multiple_of(unit);
    let head = (0, (HEAD_MAX as u64).min(at));
    let tail_from = at.saturating_sub(TAIL_MAX as u64);
    let mut compared = Vec::new();
    for (from, len) in [head, (tail_from, at - tail_from)] {
        let bytes = read_range(copy, range.start + from, len as usize)?;
        if (bytes.len() as u64) < len || read_range(original, from, len as usize)? != bytes {
            return Ok(Lines::Others);
        }
        compared.push(bytes);
    }
    if !compared.iter().any(|bytes| is_telling(bytes)) {
        return Ok(Lines::Nothing);
    }
    Ok(Lines::Beginning(Prover::at(at, &compared[0], &compared[1]).proof().clone()))
}

/// The proof of what a file begins with, where that tells it from others. Nothing of it counts as read by that.
pub fn first_bytes(file: &File) -> io::Result<Option<Proof>> {
    let bytes = read_range(file, 0, TAIL_MAX)?;
    let bytes = &bytes[..blank::written(&bytes, 0, false)];
    let head = &bytes[..bytes.len().min(HEAD_MAX)];
    Ok(is_telling(bytes).then(|| Prover::at(bytes.len() as u64, head, bytes).proof().clone()))
}

/// Where the last whole line of a file ends; 0 where none does within reach.
pub fn whole_lines(file: &File, size: u64) -> io::Result<u64> {
    let mut to = size;
    while to > size.saturating_sub(LAST_LINE) {
        let from = to.saturating_sub(TAIL_MAX as u64);
        let bytes = read_range(file, from, (to - from) as usize)?;
        if let Some(newline) = memchr::memrchr(b'\n', &bytes) {
            return Ok(from + newline as u64 + 1);
        }
        to = from;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn verdicts() {
        use Likeness::{Beginning, Current, Former, FormerBeginning, Nothing, Unclear};
        use Original::{Read, Unread};
        let (now, long) = (Duration::ZERO, COPY_PAUSE);
        for (likeness, original, quiet, expected) in [
            (Likeness::None, Unread, now, Verdict::Stranger),
            // The original was truncated: what was not read of it stands in the copy alone.
            (Former(1), Unread, now, Verdict::Heir(1)),
            (FormerBeginning(1), Read, now, Verdict::Heir(1)),
            // It was not: what stands in both is read once, in the original.
            (Current(1), Unread, long, Verdict::Later),
            (Current(1), Read, now, Verdict::Heir(1)),
            (Beginning(1), Unread, long, Verdict::Later),
            (Beginning(1), Read, now, Verdict::Later),
            (Beginning(1), Read, long, Verdict::Heir(1)),
            // There is nothing to tell by yet.
            (Nothing, Unread, now, Verdict::Later),
            (Nothing, Unread, long, Verdict::Stranger),
            (Unclear, Read, long, Verdict::Later),
        ] {
            assert_eq!(judge(likeness.clone(), original, quiet), expected, "{likeness:?} {original:?}");
        }
    }

    #[test]
    fn copies_are_named_after_their_original() {
        let is_original = |copy: &str, original: &str| original_names(Path::new(copy)).contains(&original.into());
        for copy in ["/l/app.log.1", "/l/app.log-20260701", "/l/app-20260701.log", "/l/app.1.log", "/l/app.log"] {
            assert!(is_original(copy, "/l/app.log"), "{copy}");
        }
        assert_eq!(original_names(Path::new("/l/app.log.1"))[0], Path::new("/l/app.log.1"));
        for other in ["/l/web.log.1", "/other/app.log.1", "/l/app", "/l/1-app.log", "/l/app-refund.log", "/l/apple.log"]
        {
            assert!(!is_original(other, "/l/app.log"), "{other}");
        }
        assert!(!is_original("/l/worker10.log", "/l/worker1.log"));
    }

    #[test]
    fn names_that_log_rotation_makes() {
        let is_backup = |path: &str| written_as(Path::new(path)).contains(&"/l/app.log".into());
        for backup in [
            "/l/app.log.1",
            "/l/app.log-20260701",
            "/l/app.log~",
            "/l/app-2026-07-01.2.log",
            "/l/app.1.log",
            "/l/app.log20260701",
            "/l/app20260701.log",
        ] {
            assert!(is_backup(backup), "{backup}");
        }
        for other in
            ["/l/app.log", "/l/app-error.log", "/l/app.log2", "/l/app2.log", "/l/1-app.log", "/other/app.log.1"]
        {
            assert!(!is_backup(other), "{other}");
        }
    }

    fn file(bytes: &[u8]) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn beginnings_count_only_where_they_tell_something_up_to_the_last_whole_line() {
        let timed = b"12:00:01 first\n12:00:02 second\n".repeat(2000);
        let (whole, _) = file(&timed);
        for (bytes, expected) in [
            (&b""[..], Ok(None)),
            (&timed[..10], Ok(None)),
            (&timed[..20], Ok(Some(15))),
            (&timed[..31], Ok(Some(31))),
            (&timed[..60_010], Ok(Some(60_000))),
            (b"12:00:01 first\n12:00:03 other\n", Err(())),
            (b"x\n", Err(())),
        ] {
            let part = file(bytes);
            let found = lines((&part.0, 0..part.1), &whole, 1).unwrap();
            let at = match &found {
                Lines::Beginning(proof) => Ok(Some(proof.at)),
                Lines::Nothing => Ok(None),
                Lines::Others => Err(()),
            };
            assert_eq!(at, expected, "{}", bytes.len());
            if let Lines::Beginning(proof) = found {
                assert!(holds(&part.0, &proof).unwrap() && holds(&whole, &proof).unwrap());
            }
        }
        let (boot, again) = (file(b"started\n"), file(b"started\nready\n"));
        assert_eq!(lines((&boot.0, 0..boot.1), &again.0, 1).unwrap(), Lines::Nothing);
    }
}
