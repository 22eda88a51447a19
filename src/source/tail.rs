//! Reads one file on, and proves each time that it is still the file that was read before.
//!
//! Only the I/O is here; what an observation means is decided in `step`, what content proves in `proof`.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::blank::{self, Blank};
use super::proof::{Content, HEAD_MAX, Proof, Prover, TAIL_MAX};
use super::step::Stamp;
use crate::identity::FileKey;

/// How much one read asks for.
const CHUNK: usize = 256 * 1024;

/// File systems keep coarse time: within one tick, a change shows no other time than the one before.
const TICK: Duration = Duration::from_millis(20);

/// Room for one read and the bytes before it that its proof needs; shared by all files of a reader.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    /// The first bytes hold what stands just before the position of the file whose turn it is.
    kept: usize,
    /// How much one read asks for at most.
    want: usize,
}

impl Buffer {
    /// Makes reads smaller, or as large as they can be.
    pub fn limit(&mut self, want: usize) {
        self.want = want.clamp(1, CHUNK);
    }
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { bytes: vec![0; TAIL_MAX + CHUNK].into_boxed_slice(), kept: 0, want: CHUNK }
    }
}

impl Stamp {
    pub fn of(file: &Metadata) -> Stamp {
        Stamp { size: file.size(), modified: file.modified().ok() }
    }
}

/// What a read came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// So many bytes.
    Bytes(usize),
    /// So many zeros, with data behind them.
    Zeros(u64),
    /// There may be data behind more zeros than one read looks at.
    Searching,
    /// The end of the file, or of what was written to it so far.
    End,
    /// What stands before the position is not what was read any more: look at the file first.
    Changed,
}

/// Opens a log file for reading, and nothing else: a FIFO, socket or device that took the file's place is let go
/// at once, and opening one never waits.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

/// How far one file was read, and the proof of it.
#[derive(Debug)]
pub struct Tail {
    pub key: FileKey,
    /// How often the content was replaced under this key.
    pub generation: u32,
    prover: Prover,
    /// As seen when the content was last looked at; `None` until then, and where that can change unseen.
    seen: Option<Stamp>,
    last_byte: Option<u8>,
    search: Search,
}

/// What is known of zeros behind the position.
#[derive(Debug, Clone, Copy, Default)]
struct Search {
    /// From the position up to here, zeros were seen.
    blank_to: u64,
    /// They reach to its end.
    is_over: bool,
    /// How the file looked when they did; `None` where that can change unseen.
    seen: Option<Stamp>,
}

/// How to take zeros.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// UTF-16: one may be half of a character.
    pub pairs: bool,
    /// Nothing was read for a while: it is worth looking at all of the room again.
    pub quiet: bool,
}

impl Tail {
    /// A file of which nothing was read yet.
    pub fn beginning(key: FileKey, generation: u32) -> Tail {
        Tail { key, generation, prover: Prover::default(), seen: None, last_byte: None, search: Search::default() }
    }

    /// Goes on where an earlier run stopped; `Err` is what its proof says where it does not hold.
    pub fn resume(key: FileKey, generation: u32, file: &File, proof: &Proof) -> io::Result<Result<Tail, Content>> {
        let head = read_range(file, 0, proof.head_len as usize)?;
        let tail = read_range(file, proof.tail_from, (proof.at - proof.tail_from) as usize)?;
        Ok(match proof.check(&head, &tail) {
            Content::Same => {
                let prover = Prover::at(proof.at, &head, &tail);
                Ok(Tail::proven(key, generation, prover, &tail))
            }
            other => Err(other),
        })
    }

    /// Skips what the file holds now, but for a last line that is still being written.
    pub fn end(key: FileKey, file: &File) -> io::Result<Tail> {
        let size = blank::data_end(file, file.metadata()?.size())?;
        let from = size.saturating_sub(CHUNK as u64);
        let last = read_range(file, from, (size - from) as usize)?;
        let complete = memchr::memrchr(b'\n', &last).map_or(last.len(), |newline| newline + 1);
        let at = from + complete as u64;
        let head = read_range(file, 0, HEAD_MAX.min(at as usize))?;
        let tail = &last[complete.saturating_sub(TAIL_MAX)..complete];
        Ok(Tail::proven(key, 0, Prover::at(at, &head, tail), tail))
    }

    fn proven(key: FileKey, generation: u32, prover: Prover, tail: &[u8]) -> Tail {
        Tail { key, generation, prover, seen: None, last_byte: tail.last().copied(), search: Search::default() }
    }

    /// Offset up to which the file was read.
    pub fn position(&self) -> u64 {
        self.prover.proof().at
    }

    pub fn proof(&self) -> &Proof {
        self.prover.proof()
    }

    pub fn identity(&self) -> Vec<u8> {
        self.key.identity(self.generation)
    }

    /// True if what was read ends with a newline, or is nothing.
    pub fn ends_a_line(&self) -> bool {
        self.last_byte.is_none_or(|byte| byte == b'\n')
    }

    /// Makes the next look go to the content.
    pub fn look_again(&mut self) {
        self.seen = None;
    }

    /// True if a look at the content could tell something new.
    pub fn is_due(&self, now: Stamp) -> bool {
        self.seen != Some(now) || now.size != self.position()
    }

    /// Looks at the file, at its content too if anything about it changed, and gets `buffer` ready for
    /// [`Tail::read`].
    pub fn observe(&mut self, file: &File, buffer: &mut Buffer) -> io::Result<(Metadata, Content)> {
        let metadata = file.metadata()?;
        let stamp = Stamp::of(&metadata);
        if !self.is_due(stamp) {
            return Ok((metadata, Content::Unchecked));
        }
        let proof = self.prover.proof();
        let (head_len, tail_len) = (proof.head_len as usize, (proof.at - proof.tail_from) as usize);
        let (tail, head) = buffer.bytes.split_at_mut(tail_len);
        let head_got = read_full(file, &mut head[..head_len], 0)?;
        let tail_got = read_full(file, tail, proof.tail_from)?;
        let content = proof.check(&head[..head_got], &tail[..tail_got]);
        buffer.kept = tail_len;
        // Truncated and written to the same size within a tick, it looks as it does now.
        let is_over = |time: SystemTime| time.elapsed().is_ok_and(|age| age >= TICK);
        self.seen = Some(stamp).filter(|stamp| stamp.modified.is_none_or(is_over));
        Ok((metadata, content))
    }

    /// The content is another one: everything is unread again.
    pub fn restart(&mut self) {
        *self = Tail::beginning(self.key, self.generation.wrapping_add(1));
    }

    /// The header of this file changes while it is written: from now on the bytes before the position decide.
    pub fn give_up_head(&mut self) {
        self.prover.give_up_head();
        self.look_again();
    }

    /// Hands the next bytes to `push`. Zeros at the end of a file are room for lines that are not written yet. Comes after
    /// [`Tail::observe`] in the same turn; each call takes position or search further, or says that there is nothing to do.
    ///
    /// One read gets the bytes together with those before them that the proof covers: a file that was truncated and has
    /// grown again since it was looked at gives no bytes of the new content for those of the old.
    pub fn read(
        &mut self,
        file: &File,
        buffer: &mut Buffer,
        manner: Manner,
        push: impl FnOnce(&[u8]),
    ) -> io::Result<Got> {
        let (kept, at) = (buffer.kept, self.position());
        let proven = retried(|| file.read_at(&mut buffer.bytes[..kept + buffer.want], at - kept as u64))?;
        let Some(read) = proven.checked_sub(kept).filter(|_| self.prover.proof().has_tail(&buffer.bytes[..kept]))
        else {
            self.look_again();
            return Ok(Got::Changed);
        };
        if read == 0 {
            return Ok(Got::End);
        }
        let n = blank::written(&buffer.bytes[kept..kept + read], at, manner.pairs);
        if n == 0 {
            return self.pass_zeros(file, buffer, at + read as u64, manner.quiet);
        }
        push(&buffer.bytes[kept..kept + n]);
        self.advance(buffer, n);
        Ok(Got::Bytes(n))
    }

    /// Between the position and `from` are only zeros.
    fn pass_zeros(&mut self, file: &File, buffer: &mut Buffer, from: u64, quiet: bool) -> io::Result<Got> {
        let at = self.position();
        let is_as_seen = self.search.seen.is_some() && self.search.seen == self.seen;
        if self.search.is_over && !is_as_seen {
            if file.metadata()?.size() <= self.search.blank_to && !quiet {
                // Its writer is filling it; all of it is looked at when that pauses.
                return Ok(Got::End);
            }
            self.search.blank_to = at;
        }
        let from = from.max(self.search.blank_to);
        match blank::next_data(file, &mut buffer.bytes[buffer.kept..], from)? {
            Blank::UpTo(data) => {
                self.search = Search::default();
                self.advance_over_zeros(buffer, data - at);
                Ok(Got::Zeros(data - at))
            }
            Blank::AtLeast(end) => {
                self.search = Search { blank_to: end, is_over: false, seen: None };
                Ok(Got::Searching)
            }
            Blank::ToTheEnd(end) => {
                self.search = Search { blank_to: end, is_over: true, seen: self.seen };
                Ok(Got::End)
            }
        }
    }

    /// The first `n` bytes behind those that were kept are read.
    fn advance(&mut self, buffer: &mut Buffer, n: usize) {
        let end = buffer.kept + n;
        self.last_byte = Some(buffer.bytes[end - 1]);
        let keep = self.prover.advance(&buffer.bytes[..end], n);
        buffer.bytes.copy_within(end - keep..end, 0);
        buffer.kept = keep;
    }

    fn advance_over_zeros(&mut self, buffer: &mut Buffer, len: u64) {
        if len <= CHUNK as u64 {
            let kept = buffer.kept;
            buffer.bytes[kept..kept + len as usize].fill(0);
            return self.advance(buffer, len as usize);
        }
        buffer.kept = self.prover.skip_zeros(len);
        buffer.bytes[..buffer.kept].fill(0);
        self.last_byte = Some(0);
    }

    /// Hands bytes before the position to `push` once more, from `from` on, and returns how many there were.
    pub fn replay(&self, file: &File, buffer: &mut Buffer, from: u64, push: impl FnOnce(&[u8])) -> io::Result<usize> {
        let want = (self.position().saturating_sub(from)).min(CHUNK as u64) as usize;
        let kept = buffer.kept;
        let n = retried(|| file.read_at(&mut buffer.bytes[kept..kept + want], from))?;
        if n > 0 {
            push(&buffer.bytes[kept..kept + n]);
        }
        Ok(n)
    }
}

/// Counts the lines of the first `end` bytes, so that line numbers are right where reading begins later.
pub fn count_lines(file: &File, buffer: &mut Buffer, end: u64) -> io::Result<u64> {
    let (mut at, mut lines) = (0, 0);
    // The front of the buffer stays: it belongs to the file whose turn it is, which is this one.
    let scratch = &mut buffer.bytes[TAIL_MAX..];
    while at < end {
        let want = (end - at).min(CHUNK as u64) as usize;
        let n = retried(|| file.read_at(&mut scratch[..want], at))?;
        if n == 0 {
            break;
        }
        lines += memchr::memchr_iter(b'\n', &scratch[..n]).count() as u64;
        at += n as u64;
    }
    Ok(lines)
}

/// What stands there, as far as the file reaches.
pub fn read_range(file: &File, from: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let got = read_full(file, &mut bytes, from)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// Fills `bytes` as far as the file reaches.
fn read_full(file: &File, bytes: &mut [u8], from: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match retried(|| file.read_at(&mut bytes[got..], from + got as u64))? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

pub(super) fn retried(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    struct Case {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
        buffer: Buffer,
    }

    const MANNER: Manner = Manner { pairs: false, quiet: true };

    impl Case {
        fn new(content: &[u8]) -> Case {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("app.log");
            fs::write(&path, content).unwrap();
            Case { _dir: dir, path, buffer: Buffer::default() }
        }

        fn tail(&self) -> Tail {
            Tail::beginning(FileKey::of(&fs::metadata(&self.path).unwrap()), 0)
        }

        /// One turn: what the content proved, and all that could be read.
        fn turn(&mut self, tail: &mut Tail) -> (Content, Vec<u8>) {
            let (file, _) = open(&self.path).unwrap();
            let (_, content) = tail.observe(&file, &mut self.buffer).unwrap();
            let mut got = Vec::new();
            if content == Content::Same {
                let mut push = |bytes: &[u8]| got.extend_from_slice(bytes);
                while tail.read(&file, &mut self.buffer, MANNER, &mut push).unwrap() != Got::End {}
            }
            (content, got)
        }

        fn changed_at(&self, time: SystemTime) {
            fs::OpenOptions::new().append(true).open(&self.path).unwrap().set_modified(time).unwrap();
        }

        fn append(&self, bytes: &[u8]) {
            fs::OpenOptions::new().append(true).open(&self.path).unwrap().write_all(bytes).unwrap();
        }
    }

    #[test]
    fn reads_on_and_looks_only_when_something_changed() {
        let mut case = Case::new(b"one\n");
        let mut tail = case.tail();
        case.changed_at(SystemTime::now() - TICK);
        assert_eq!(case.turn(&mut tail), (Content::Same, b"one\n".to_vec()));
        assert_eq!(case.turn(&mut tail).0, Content::Unchecked);
        let long = vec![b'x'; CHUNK * 2 + 77];
        case.append(&long);
        assert_eq!(case.turn(&mut tail), (Content::Same, long));
    }

    #[test]
    fn truncated_and_written_to_the_same_size_within_one_tick() {
        // The tick lasts until the test is over.
        let tick = SystemTime::now() + Duration::from_secs(3600);
        let mut case = Case::new(b"12:00:01 one\n");
        case.changed_at(tick);
        let mut tail = case.tail();
        case.turn(&mut tail);
        fs::write(&case.path, b"12:00:01 two\n").unwrap();
        case.changed_at(tick);
        assert!(tail.is_due(Stamp::of(&fs::metadata(&case.path).unwrap())));
        assert_eq!(case.turn(&mut tail).0, Content::Different);
    }

    #[test]
    fn truncated_and_grown_again_between_two_reads_of_a_turn() {
        let mut case = Case::new(&b"a line of a log\n".repeat(50));
        let mut tail = case.tail();
        let (file, _) = open(&case.path).unwrap();
        tail.observe(&file, &mut case.buffer).unwrap();
        assert_eq!(tail.read(&file, &mut case.buffer, MANNER, |_| ()).unwrap(), Got::Bytes(800));
        for other in [&b"another line here\n".repeat(90)[..], b"short\n"] {
            fs::write(&case.path, other).unwrap();
            assert_eq!(tail.read(&file, &mut case.buffer, MANNER, |_| panic!("no byte of it")).unwrap(), Got::Changed);
        }
        assert_eq!(tail.observe(&file, &mut case.buffer).unwrap().1, Content::Different);
    }

    #[test]
    fn a_proof_holds_across_runs_until_the_content_is_another() {
        let mut case = Case::new(&b"a line of a log\n".repeat(500));
        let mut tail = case.tail();
        case.turn(&mut tail);
        let (proof, key) = (tail.proof().clone(), tail.key);
        case.append(b"more\n");
        let (file, _) = open(&case.path).unwrap();
        let mut resumed = Tail::resume(key, 0, &file, &proof).unwrap().unwrap();
        assert_eq!(case.turn(&mut resumed), (Content::Same, b"more\n".to_vec()));
        fs::write(&case.path, b"another line here\n".repeat(900)).unwrap();
        assert_eq!(Tail::resume(key, 0, &file, &proof).unwrap().unwrap_err(), Content::Different);
        assert_eq!(case.turn(&mut resumed).0, Content::Different);
    }

    #[test]
    fn the_end_is_the_start_of_a_line() {
        let mut case = Case::new(b"old\nstill being wri");
        let (file, metadata) = open(&case.path).unwrap();
        let mut tail = Tail::end(FileKey::of(&metadata), &file).unwrap();
        assert_eq!(tail.position(), 4);
        case.append(b"tten\n");
        assert_eq!(case.turn(&mut tail), (Content::Same, b"still being written\n".to_vec()));
        assert_eq!(count_lines(&file, &mut case.buffer, 4).unwrap(), 1);
    }

    #[test]
    fn zeros_at_the_end_are_not_written_yet() {
        let room = 3 * CHUNK;
        let mut case = Case::new(&[&b"old\n"[..], &vec![0; room]].concat());
        let (file, metadata) = open(&case.path).unwrap();
        let mut tail = Tail::end(FileKey::of(&metadata), &file).unwrap();
        assert_eq!(tail.position(), 4);
        let writer = fs::OpenOptions::new().write(true).open(&case.path).unwrap();
        let mut at = 4;
        for text in [&b"new\n"[..], b"in two", b" pieces\n", &vec![b'x'; CHUNK], b"\n", b"last\n"] {
            writer.write_all_at(text, at).unwrap();
            at += text.len() as u64;
            assert_eq!(case.turn(&mut tail), (Content::Same, text.to_vec()));
        }
        assert!(at < room as u64);
    }

    #[test]
    fn a_hole_is_skipped_and_what_follows_is_read() {
        let hole = 100 << 30;
        let mut case = Case::new(b"before\n");
        let mut tail = case.tail();
        let writer = fs::OpenOptions::new().write(true).open(&case.path).unwrap();
        writer.write_all_at(b"behind\n", hole).unwrap();
        assert_eq!(case.turn(&mut tail), (Content::Same, b"before\nbehind\n".to_vec()));
        assert_eq!(tail.position(), hole + 7);
        writer.write_all_at(b"more\n", hole + 7).unwrap();
        assert_eq!(case.turn(&mut tail), (Content::Same, b"more\n".to_vec()));
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
