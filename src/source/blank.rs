//! Zeros that nobody wrote: preallocated room at the end of a file, and holes within it.
//!
//! Loggers that map their file into memory, or reserve it, write into zeros; a file truncated under its writer begins
//! with a hole. Both may be far larger than any log, so the file system is asked where data is before bytes are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::tail::retried;

const CHUNK: usize = 64 * 1024;
/// The most zeros that one search reads. Holes that the file system knows are not read.
const SEARCH_MAX: u64 = 256 * 1024 * 1024;

/// What stands behind zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// Data, from this offset on.
    UpTo(u64),
    /// Not known yet: zeros up to this offset.
    AtLeast(u64),
    /// Nothing: zeros up to this offset, where the file ends.
    ToTheEnd(u64),
}

/// How many bytes at the start of what was read at `at` are surely written: up to the last that is not zero. With `pairs`
/// (UTF-16) the other half of its character is too.
pub fn written(bytes: &[u8], at: u64, pairs: bool) -> usize {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let is_half = pairs && (at + end as u64) % 2 == 1 && end < bytes.len();
    end + usize::from(is_half)
}

/// Looks for data from `from` on.
pub fn next_data(file: &File, scratch: &mut [u8], from: u64) -> io::Result<Blank> {
    let mut at = from;
    let mut looked_at = 0;
    while looked_at < SEARCH_MAX {
        let Some(data) = data_from(file, at)? else { return Ok(Blank::ToTheEnd(file.metadata()?.len().max(at))) };
        at = data;
        let n = retried(|| file.read_at(scratch, at))?;
        if n == 0 {
            return Ok(Blank::ToTheEnd(at));
        }
        if let Some(first) = scratch[..n].iter().position(|&byte| byte != 0) {
            return Ok(Blank::UpTo(at + first as u64));
        }
        at += n as u64;
        looked_at += n as u64;
    }
    Ok(Blank::AtLeast(at))
}

/// Where the data of a file of this size ends, not counting zeros behind it.
pub fn data_end(file: &File, size: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut extents = Vec::new();
    let mut at = 0;
    while let Some(start) = data_from(file, at)?.filter(|&start| start < size) {
        at = hole_from(file, start, size)?;
        extents.push((start, at));
    }
    let mut zeros = 0;
    for (start, end) in extents.into_iter().rev() {
        let mut end = end;
        while end > start {
            let from = end.saturating_sub(chunk.len() as u64).max(start);
            let part = &mut chunk[..(end - from) as usize];
            file.read_exact_at(part, from)?;
            if let Some(last) = part.iter().rposition(|&byte| byte != 0) {
                let data_end = from + last as u64 + 1;
                return Ok(if data_end + 1 == size { size } else { data_end });
            }
            zeros += end - from;
            if zeros >= SEARCH_MAX {
                return Ok(size);
            }
            end = from;
        }
    }
    Ok(0)
}

fn data_from(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // A file system that does not know holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

fn hole_from(file: &File, at: u64, size: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Hole(at)) {
        Ok(hole) => Ok(hole.min(size)),
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(size),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_are_not_written_but_for_half_a_character() {
        for (bytes, at, pairs, expected) in [
            (&b"a line\n"[..], 0, false, 7),
            (b"a line\n\0\0\0", 0, false, 7),
            (b"\0\0behind\n\0", 0, false, 9),
            (b"\0\0\0", 7, false, 0),
            (b"a\0\n\0", 4, false, 3),
            (b"a\0\n\0", 4, true, 4),
            (b"a\0\n\0\0\0", 4, true, 4),
            (b"\0\0\0", 7, true, 1),
            (b"\0\0\0", 8, true, 0),
            (b"a\0\n", 4, true, 3),
        ] {
            assert_eq!(written(bytes, at, pairs), expected, "{bytes:?} at {at}");
        }
    }

    #[test]
    fn data_ends_before_the_room_behind_it() {
        for (size, written, expected) in [
            (1 << 20, &b"some text\n"[..], 10),
            (10, b"some text\n", 10),
            (11, b"some text\n", 11),
            (1 << 40, b"text", 4),
            (1 << 20, b"", 0),
            (0, b"", 0),
        ] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(written, 0).unwrap();
            file.set_len(size).unwrap();
            assert_eq!(data_end(&file, size).unwrap(), expected, "{size}");
        }
    }
}
