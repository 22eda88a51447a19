//! Reads one input to its end: plain reads into a buffer that the caller keeps, gzip and zstd unpacked on the
//! way.
//!
//! What could be read before an error has been handed on when the error is returned. Unpacking needs bounded
//! memory, and stops at what unpacks like a bomb.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use flate2::bufread::MultiGzDecoder;
use rustix::fs::OFlags;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::Input;
use super::expand::reason;
use super::format::{Format, MARK_BYTES, is_text};
use crate::identity;

/// Size of the buffer that each reader keeps.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// From this size on it is worth while to read a file with several threads.
pub const LARGE_BYTES: u64 = 4 * 1024 * 1024;

/// Below this size nothing is a bomb: a line repeated for a whole day packs better than any ratio.
const BOMB_FLOOR_BYTES: u64 = 64 * 1024 * 1024;
/// Unpacked bytes per packed byte above which it is one. Deflate ends at 1032.
const BOMB_RATIO: u64 = 1000;

const PACKED_BUFFER_BYTES: usize = 64 * 1024;

/// Why an input was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    #[error("the {0} data ends too early; what could be unpacked was scanned")]
    Truncated(&'static str),
    #[error("the {0} data is damaged ({1}); what could be unpacked was scanned")]
    Damaged(&'static str, String),
    #[error("packed with {0}, which is not read here; try `{0} -dc FILE | paytriage scan -`")]
    Foreign(&'static str),
    #[error("unpacks to more than {BOMB_RATIO} times its size; stopped after {} MiB", .0 / (1024 * 1024))]
    Bomb(u64),
}

/// How reading ended when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the input.
    Complete,
    /// The receiver wanted no more.
    Stopped,
    /// A found file that is not text; nothing was handed on.
    Binary,
}

/// An input that was opened.
#[derive(Debug)]
pub struct Reading {
    file: File,
    /// What makes this input itself; goes into event ids.
    pub identity: Vec<u8>,
    binary: Binary,
}

/// What to do with bytes that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Skip,
    Read,
}

impl Reading {
    /// Opens an input. A found file is never waited for: if a pipe took its place since, that is an error.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(input: &Input) -> Result<Reading, ReadError> {
        let (file, binary) = match input {
            Input::Stdin => {
                let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
                return Ok(Reading { file, identity: identity::STDIN.to_vec(), binary: Binary::Read });
            }
            Input::Named(path) => (File::open(path)?, Binary::Read),
            Input::Found(path) => {
                let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
                (OpenOptions::new().read(true).custom_flags(flags).open(path)?, Binary::Skip)
            }
        };
        let metadata = file.metadata()?;
        if binary == Binary::Skip && !metadata.is_file() {
            return Err(io::Error::other("is no longer a regular file").into());
        }
        Ok(Reading { file, identity: identity::identity_of(&metadata, 0), binary })
    }

    /// The file, if it is a large one of plain text that can be read at any place.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn large_text(&self, head: &mut [u8]) -> Result<Option<File>, ReadError> {
        let metadata = self.file.metadata()?;
        if !metadata.is_file() || metadata.len() < LARGE_BYTES {
            return Ok(None);
        }
        let n_head = self.file.read_at(head, 0)?;
        let head = &head[..n_head];
        let is_text = n_head >= MARK_BYTES && (self.binary == Binary::Read || is_text(head));
        let is_plain = is_text && Format::of(head) == Format::Plain;
        Ok(if is_plain { Some(self.file.try_clone()?) } else { None })
    }

    /// Reads plain text from `offset` on.
    ///
    /// # Errors
    /// Why the end was not reached; what came before has been handed on.
    pub fn read_on(
        mut self,
        offset: u64,
        buffer: &mut [u8],
        progress: &dyn Fn(u64),
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Ending, ReadError> {
        self.file.seek(SeekFrom::Start(offset))?;
        let raw = Counted { inner: &mut self.file, count: &Cell::new(0), progress };
        pump(raw, buffer, |bytes| Ok(take(bytes).is_break().then_some(Ending::Stopped)))
    }

    /// Reads to the end and hands every chunk to `take`. `progress` is told the bytes read, before unpacking.
    ///
    /// # Errors
    /// Why the end was not reached; what came before has been handed on.
    pub fn read_to_end(
        mut self,
        buffer: &mut [u8],
        progress: &dyn Fn(u64),
        take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Ending, ReadError> {
        let packed_bytes = Cell::new(0);
        let mut raw = Counted { inner: &mut self.file, count: &packed_bytes, progress };
        let n_head = fill(&mut raw, buffer)?;
        let mut receiver = Receiver { binary: self.binary, take, packed_bytes: &packed_bytes, unpacked_bytes: 0 };
        let format = Format::of(&buffer[..n_head]);
        if format == Format::Plain {
            return match receiver.plain(&buffer[..n_head]) {
                Some(ending) => Ok(ending),
                None => pump(raw, buffer, |bytes| Ok(receiver.plain(bytes))),
            };
        }
        let packed = BufReader::with_capacity(PACKED_BUFFER_BYTES, Cursor::new(buffer[..n_head].to_vec()).chain(raw));
        match format {
            Format::Plain | Format::Gzip => pump(MultiGzDecoder::new(packed), buffer, |bytes| receiver.unpacked(bytes))
                .map_err(|e| e.while_unpacking("gzip")),
            Format::Zstd => pump(ZstdDecoder::with_buffer(packed)?, buffer, |bytes| receiver.unpacked(bytes))
                .map_err(|e| e.while_unpacking("zstd")),
            Format::Foreign(name) => Err(ReadError::Foreign(name)),
        }
    }
}

impl ReadError {
    /// A decoder speaks of its data in I/O errors too; only those with a number come from the operating system.
    fn while_unpacking(self, format: &'static str) -> ReadError {
        match self {
            ReadError::Io(error) if error.raw_os_error().is_some() => ReadError::Io(error),
            ReadError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ReadError::Truncated(format),
            ReadError::Io(error) => ReadError::Damaged(format, error.to_string()),
            other => other,
        }
    }
}

/// Reads until the format can be told. A pipe may give a single byte at a time.
fn fill(raw: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ReadError> {
    let mut filled = 0;
    while filled < MARK_BYTES {
        match read(raw, &mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Moves everything from `from` to `take`, until that says how it ends.
fn pump(
    mut from: impl Read,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> Result<Option<Ending>, ReadError>,
) -> Result<Ending, ReadError> {
    loop {
        let n = read(&mut from, buffer)?;
        if n == 0 {
            return Ok(Ending::Complete);
        }
        if let Some(ending) = take(&buffer[..n])? {
            return Ok(ending);
        }
    }
}

fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Looks at chunks before they are handed on.
struct Receiver<'a, F> {
    /// `Skip` until the first chunk has been looked at.
    binary: Binary,
    take: F,
    packed_bytes: &'a Cell<u64>,
    unpacked_bytes: u64,
}

impl<F: FnMut(&[u8]) -> ControlFlow<()>> Receiver<'_, F> {
    fn plain(&mut self, bytes: &[u8]) -> Option<Ending> {
        if std::mem::replace(&mut self.binary, Binary::Read) == Binary::Skip && !is_text(bytes) {
            return Some(Ending::Binary);
        }
        (self.take)(bytes).is_break().then_some(Ending::Stopped)
    }

    fn unpacked(&mut self, bytes: &[u8]) -> Result<Option<Ending>, ReadError> {
        self.unpacked_bytes += bytes.len() as u64;
        let limit = BOMB_FLOOR_BYTES.max(self.packed_bytes.get().saturating_mul(BOMB_RATIO));
        if self.unpacked_bytes > limit {
            return Err(ReadError::Bomb(self.unpacked_bytes));
        }
        Ok(self.plain(bytes))
    }
}

/// Counts what is read from the file itself.
struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
    progress: &'a dyn Fn(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.set(self.count.get() + n as u64);
        (self.progress)(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    /// What is handed on, and how it ends, for a file with these bytes.
    fn read_file(bytes: &[u8], input: impl Fn(PathBuf) -> Input) -> (Vec<u8>, Result<Ending, ReadError>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, bytes).unwrap();
        let mut got = Vec::new();
        let n_read = Cell::new(0);
        let ending = Reading::open(&input(path)).unwrap().read_to_end(
            &mut vec![0; BUFFER_BYTES],
            &|n| n_read.set(n_read.get() + n),
            |chunk| {
                got.extend_from_slice(chunk);
                ControlFlow::Continue(())
            },
        );
        if matches!(ending, Ok(Ending::Complete)) {
            assert_eq!(n_read.get(), bytes.len() as u64);
        }
        (got, ending)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn log(n_lines: usize) -> Vec<u8> {
        (0..n_lines).flat_map(|n| format!("{n} pay failed {}\n", n * 7919 % 1013).into_bytes()).collect()
    }

    #[test]
    fn every_packing_gives_the_same_bytes() {
        let text = log(50_000);
        let two_members = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
        let two_frames =
            [zstd::encode_all(&text[..1000], 3).unwrap(), zstd::encode_all(&text[1000..], 3).unwrap()].concat();
        for packed in [text.clone(), gzip(&text), two_members, zstd::encode_all(&text[..], 3).unwrap(), two_frames] {
            for input in [Input::Named, Input::Found] {
                let (got, ending) = read_file(&packed, input);
                assert!(got == text && matches!(ending, Ok(Ending::Complete)), "{ending:?}");
            }
        }
    }

    #[test]
    fn short_and_empty_files_are_read() {
        for text in [&b""[..], b"\n", b"\x1f", b"\x1f\x8b", b"short"] {
            let (got, ending) = read_file(text, Input::Found);
            assert!(got == text && matches!(ending, Ok(Ending::Complete)), "{text:?}: {ending:?}");
        }
    }

    #[test]
    fn a_truncated_archive_gives_what_it_holds_and_then_an_error() {
        let text = log(50_000);
        for (packed, name) in [(gzip(&text), "gzip"), (zstd::encode_all(&text[..], 3).unwrap(), "zstd")] {
            let (got, ending) = read_file(&packed[..packed.len() / 2], Input::Found);
            assert!(matches!(ending, Err(ReadError::Truncated(n)) if n == name), "{ending:?}");
            assert!(got.len() > text.len() / 10 && text.starts_with(&got), "{name}: {}", got.len());
        }
    }

    #[test]
    fn a_damaged_archive_is_told() {
        let text = log(50_000);
        for mut packed in [gzip(&text), zstd::encode_all(&text[..], 3).unwrap()] {
            let middle = packed.len() / 2;
            packed[middle..middle + 64].fill(0xff);
            let (got, ending) = read_file(&packed, Input::Found);
            assert!(matches!(ending, Err(ReadError::Damaged(..))), "{ending:?}");
            assert!(!got.is_empty());
        }
    }

    #[test]
    fn a_bomb_is_stopped_and_a_dull_log_is_not() {
        let zeros = vec![b'0'; 200 * 1024 * 1024];
        let (got, ending) = read_file(&zstd::encode_all(&zeros[..], 1).unwrap(), Input::Named);
        assert!(matches!(ending, Err(ReadError::Bomb(_))), "{ending:?}");
        assert!(got.len() as u64 <= BOMB_FLOOR_BYTES);
        let dull = "2026-03-01 08:00:00 heartbeat ok\n".repeat(1_000_000);
        let (got, ending) = read_file(&zstd::encode_all(dull.as_bytes(), 3).unwrap(), Input::Named);
        assert!(got.len() == dull.len() && matches!(ending, Ok(Ending::Complete)), "{ending:?}");
    }

    #[test]
    fn a_binary_file_is_read_only_when_named() {
        let bytes = b"\x7fELF\x02\x01\x01\0\0\0 ACQ.SYSTEM_ERROR";
        assert!(matches!(read_file(bytes, Input::Found), (got, Ok(Ending::Binary)) if got.is_empty()));
        assert!(matches!(read_file(bytes, Input::Named), (got, Ok(Ending::Complete)) if got == bytes));
        let packed = gzip(bytes);
        assert!(matches!(read_file(&packed, Input::Found), (got, Ok(Ending::Binary)) if got.is_empty()));
    }

    #[test]
    fn what_another_program_unpacks_is_named() {
        let (got, ending) = read_file(b"\xfd7zXZ\0\0\x04abcdef", Input::Found);
        assert!(got.is_empty());
        assert!(ending.unwrap_err().to_string().contains("xz -dc FILE"));
    }

    #[test]
    fn reading_stops_when_the_receiver_has_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, log(100_000)).unwrap();
        let mut n_chunks = 0;
        let ending = Reading::open(&Input::Named(path)).unwrap().read_to_end(&mut [0; 4096], &|_| {}, |_| {
            n_chunks += 1;
            ControlFlow::Break(())
        });
        assert!(matches!(ending, Ok(Ending::Stopped)));
        assert_eq!(n_chunks, 1);
    }

    #[test]
    fn a_pipe_that_took_the_place_of_a_found_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let error = Reading::open(&Input::Found(path)).unwrap_err();
        assert_eq!(error.to_string(), "is no longer a regular file");
    }
}
