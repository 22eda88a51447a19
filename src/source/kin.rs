//! Tells copies of a log, and files put in its place, from files that are new.
//!
//! An inode nobody has seen is a new file and read from byte 0: rather twice than never. The exceptions are copies
//! that log rotation makes (`copytruncate`) and files that an editor or a restore puts in the place of another. They
//! are known by name and content together, and go on where the original was read up to.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::proof::{Content, HEAD_MAX, Proof, TAIL_MAX, TAIL_MIN, is_telling};
use super::tail::read_range;

/// A copy that has not grown for this long is complete.
pub const COPY_PAUSE: Duration = Duration::from_secs(5);

/// What is left to read of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    Unread,
    Read,
}

/// What a newcomer holds, compared with one original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// What was read of the original before it was last truncated, and perhaps more.
    Former,
    /// What has been read of the original, and perhaps more.
    Current,
    /// A beginning of what the original holds, or nothing yet.
    Beginning,
    /// Fewer bytes than were read of the original before it was truncated; when seen before that, a beginning of them.
    FormerBeginning,
    None,
}

/// What to do with a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A file of its own.
    Stranger,
    /// Goes on where the original was when it was truncated.
    HeirOfFormer,
    /// Goes on where the original is.
    HeirOfCurrent,
    /// All of it was read in the original.
    AllRead,
    /// Look again: the original comes first, or a copy is being made.
    Later,
}

/// Decides what a newcomer is. `size` and `quiet` are its own: its bytes, and the time since they became more.
pub fn judge(likeness: Likeness, original: Original, size: u64, quiet: Duration) -> Verdict {
    match (likeness, original) {
        (Likeness::Former, _) => Verdict::HeirOfFormer,
        (Likeness::Current, Original::Read) => Verdict::HeirOfCurrent,
        (Likeness::FormerBeginning, _) => Verdict::AllRead,
        (Likeness::Current, Original::Unread) => Verdict::Later,
        (Likeness::Beginning, Original::Unread) if size > 0 => Verdict::Later,
        (Likeness::Beginning, _) if quiet < COPY_PAUSE => Verdict::Later,
        (Likeness::Beginning, _) if size > 0 => Verdict::AllRead,
        (Likeness::Beginning | Likeness::None, _) => Verdict::Stranger,
    }
}

/// The names that a file of this name may be a copy of, nearest first: `app.log` for `app.log.1`,
/// `app.log-20260701` and `app-20260701.log`. The name itself comes first.
pub fn original_names(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().map(OsStr::as_bytes) else { return Vec::new() };
    let extension = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let mut names = vec![path.to_path_buf()];
    for len in (1..name.len()).rev() {
        names.push(path.with_file_name(OsStr::from_bytes(&name[..len])));
        if let Some(dot) = extension.filter(|&dot| len < dot) {
            let name = [&name[..len], &name[dot..]].concat();
            names.push(path.with_file_name(OsStr::from_bytes(&name)));
        }
    }
    names
}

/// The names that log rotation may have made this one of, longest first: `app.log` for `app.log.1`, `app.log-20260701`
/// and `app-20260701.log`, but not for `app-error.log`.
pub fn written_as(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().map(OsStr::as_bytes) else { return Vec::new() };
    let is_separator = |byte: u8| b".-_~".contains(&byte);
    let is_count = |part: &[u8]| part.iter().all(|&byte| byte.is_ascii_digit() || is_separator(byte));
    let extension = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let mut names = Vec::new();
    for len in (1..name.len()).rev().filter(|&len| is_separator(name[len])) {
        names.push(path.with_file_name(OsStr::from_bytes(&name[..len])));
        if let Some(dot) = extension.filter(|&dot| len + 1 < dot && is_count(&name[len..dot])) {
            let name = [&name[..len], &name[dot..]].concat();
            names.push(path.with_file_name(OsStr::from_bytes(&name)));
        }
    }
    names
}

/// True if the file holds what a proof was made of, and that is not likely to stand in another file.
pub fn holds(file: &File, proof: &Proof) -> io::Result<bool> {
    if proof.at == 0 {
        return Ok(false);
    }
    let head = read_range(file, 0, proof.head_len as usize)?;
    let tail = read_range(file, proof.tail_from, (proof.at - proof.tail_from) as usize)?;
    // Lines begin alike; only whole ones tell files apart.
    let is_line = |bytes: &[u8]| bytes.contains(&b'\n') && is_telling(bytes);
    // Nobody reads so much of one line by chance.
    let is_long = || tail.len() >= TAIL_MAX && is_telling(&head);
    Ok(proof.check(&head, &tail) == Content::Same && (is_line(&tail) || is_line(&head) || is_long()))
}

/// True if two files begin alike, as far as both reach: nothing, or something that is not likely to stand in another.
pub fn begin_alike(one: (&File, u64), other: (&File, u64)) -> io::Result<bool> {
    let len = one.1.min(other.1);
    if len == 0 {
        return Ok(one.1 == 0);
    }
    let head = (0, (HEAD_MAX as u64).min(len) as usize);
    let tail_len = (TAIL_MIN as u64).min(len);
    let tail = (len - tail_len, tail_len as usize);
    let mut telling = false;
    for (from, len) in [head, tail] {
        let bytes = read_range(one.0, from, len)?;
        if bytes.len() < len || read_range(other.0, from, len)? != bytes {
            return Ok(false);
        }
        telling |= is_telling(&bytes);
    }
    Ok(telling)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn verdicts() {
        use Likeness::{Beginning, Current, Former, FormerBeginning};
        use Original::{Read, Unread};
        let (now, long) = (Duration::ZERO, COPY_PAUSE);
        for (likeness, original, size, quiet, expected) in [
            (Likeness::None, Unread, 10, now, Verdict::Stranger),
            // The original was truncated: what was not read of it stands in the copy alone.
            (Former, Unread, 10, now, Verdict::HeirOfFormer),
            (FormerBeginning, Read, 10, now, Verdict::AllRead),
            // It was not: what stands in both is read once, in the original.
            (Current, Unread, 10, long, Verdict::Later),
            (Current, Read, 10, now, Verdict::HeirOfCurrent),
            (Beginning, Unread, 10, long, Verdict::Later),
            (Beginning, Read, 10, now, Verdict::Later),
            (Beginning, Read, 10, long, Verdict::AllRead),
            // Nothing is there to tell by yet.
            (Beginning, Unread, 0, now, Verdict::Later),
            (Beginning, Unread, 0, long, Verdict::Stranger),
        ] {
            assert_eq!(judge(likeness, original, size, quiet), expected, "{likeness:?} {original:?} {size}");
        }
    }

    #[test]
    fn copies_are_named_after_their_original() {
        let is_original = |copy: &str, original: &str| original_names(Path::new(copy)).contains(&original.into());
        for copy in ["/l/app.log.1", "/l/app.log-20260701", "/l/app-20260701.log", "/l/app.1.log", "/l/app.log"] {
            assert!(is_original(copy, "/l/app.log"), "{copy}");
        }
        assert_eq!(original_names(Path::new("/l/app.log.1"))[0], Path::new("/l/app.log.1"));
        for other in ["/l/web.log.1", "/other/app.log.1", "/l/app", "/l/1-app.log"] {
            assert!(!is_original(other, "/l/app.log"), "{other}");
        }
    }

    #[test]
    fn names_that_log_rotation_makes() {
        let is_backup = |path: &str| written_as(Path::new(path)).contains(&"/l/app.log".into());
        for backup in ["/l/app.log.1", "/l/app.log-20260701", "/l/app.log~", "/l/app-2026-07-01.2.log", "/l/app.1.log"]
        {
            assert!(is_backup(backup), "{backup}");
        }
        for other in ["/l/app.log", "/l/app-error.log", "/l/app.log2", "/l/1-app.log", "/other/app.log.1"] {
            assert!(!is_backup(other), "{other}");
        }
    }

    fn file(bytes: &[u8]) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn beginnings_count_only_where_they_tell_something() {
        let timed = b"12:00:01 first\n12:00:02 second\n".repeat(100);
        let whole = file(&timed);
        for (bytes, expected) in [
            (&b""[..], true),
            (&timed[..20], true),
            (&timed[..2000], true),
            (b"12:00:01 first\n12:00:03 other\n", false),
            (b"x", false),
        ] {
            let part = file(bytes);
            assert_eq!(begin_alike((&part.0, part.1), (&whole.0, whole.1)).unwrap(), expected, "{}", bytes.len());
        }
        let (boot, again) = (file(b"started\n"), file(b"started\nready\n"));
        assert!(!begin_alike((&boot.0, boot.1), (&again.0, again.1)).unwrap());
    }
}
