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

/// So many zeros in a row are a hole; fewer are what a logger wrote.
const HOLE_MIN: usize = 64 * 1024;
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

/// How many bytes at the start of what was read are surely written; 0 if it begins with a hole, or is all zeros. `full`
/// is the length of a read that did not reach the end of the file.
///
/// A single zero at the end is the last half of a character of a UTF-16 file.
pub fn written(bytes: &[u8], full: usize) -> usize {
    let leading = bytes.iter().take_while(|&&byte| byte == 0).count();
    if leading == bytes.len() {
        return if leading == 1 { 1 } else { 0 };
    }
    if leading >= HOLE_MIN {
        return 0;
    }
    let trailing = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    let end = if trailing == 1 && bytes.len() < full { bytes.len() } else { bytes.len() - trailing };
    hole_in(&bytes[..end]).unwrap_or(end)
}

/// Where the first hole in bytes begins. Every hole covers one of the places that are looked at.
fn hole_in(bytes: &[u8]) -> Option<usize> {
    let mut probe = HOLE_MIN - 1;
    while probe < bytes.len() {
        if bytes[probe] == 0 {
            let start = bytes[..probe].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let end = bytes[probe..].iter().position(|&byte| byte != 0).map_or(bytes.len(), |first| probe + first);
            if end - start >= HOLE_MIN && start > 0 {
                return Some(start);
            }
        }
        probe += HOLE_MIN;
    }
    None
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
    let mut chunk = vec![0; HOLE_MIN];
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
    fn zeros_at_the_end_and_holes_are_not_written() {
        let zeros = |n: usize| vec![0; n];
        for (bytes, expected) in [
            (b"a line\n".to_vec(), 7),
            ([&b"a line\n"[..], &zeros(9)].concat(), 7),
            // UTF-16, little-endian.
            (b"a\0\n\0".to_vec(), 4),
            (zeros(1), 1),
            (zeros(2), 0),
            ([&zeros(100)[..], b"behind\n"].concat(), 107),
            ([&zeros(HOLE_MIN)[..], b"behind\n"].concat(), 0),
            ([&b"before\n"[..], &zeros(HOLE_MIN), b"behind\n"].concat(), 7),
            ([&b"before\n"[..], &zeros(HOLE_MIN - 1), b"behind\n"].concat(), HOLE_MIN + 13),
        ] {
            assert_eq!(written(&bytes, 1 << 20), expected, "{} bytes", bytes.len());
        }
        assert_eq!(written(b"a\0\n\0", 4), 3, "the end of the file was not reached");
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
