//! Proves by content that a stored offset still belongs to a file.
//!
//! Names, inodes and sizes can all be reused; bytes that were read are there again or they are not. A [`Proof`]
//! covers the first bytes of the file and the bytes just before the offset. Both are needed: files of one kind
//! share their first lines, and lines of one shape end alike. A [`Prover`] builds the proof only from bytes that
//! were really read, so that it can never vouch for content that took their place a moment later. Pure.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// The most bytes of the beginning that a proof covers.
pub const HEAD_MAX: usize = 1024;
/// The fewest bytes before the offset that a proof covers, where the file has as many.
pub const TAIL_MIN: usize = 256;
/// The most bytes before the offset that a proof covers; a longer last line is covered in part.
pub const TAIL_MAX: usize = 16 * 1024;

/// The first half of a SHA-256: nobody gains from a collision, so 16 bytes are plenty.
pub type Digest = [u8; 16];

/// What is kept of the content of a file that was read up to `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Bytes of the file that were read: the offset which this proof vouches for.
    pub at: u64,
    /// The head is the range `0..head_len`; at most [`HEAD_MAX`] and at most `at`.
    pub head_len: u64,
    pub head: Digest,
    /// The tail is the range `tail_from..at`; at most [`TAIL_MAX`] bytes.
    pub tail_from: u64,
    pub tail: Digest,
}

/// What a look at the content said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Neither size nor time of change moved, so nobody looked.
    Unchecked,
    Same,
    /// The bytes before the offset are the ones that were read, the first ones are not: a header that its writer
    /// keeps up to date, or another file.
    OtherHead,
    Different,
}

impl Proof {
    pub fn head_range(&self) -> Range<u64> {
        0..self.head_len
    }

    pub fn tail_range(&self) -> Range<u64> {
        self.tail_from..self.at
    }

    /// True if these bytes stood in the tail's range.
    pub fn has_tail(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.at - self.tail_from && digest(bytes) == self.tail
    }

    /// Compares what stands in both ranges now with what stood there when the proof was made.
    pub fn check(&self, head: &[u8], tail: &[u8]) -> Content {
        let same = |bytes: &[u8], len: u64, proven: Digest| bytes.len() as u64 == len && digest(bytes) == proven;
        if !self.has_tail(tail) {
            Content::Different
        } else if same(head, self.head_len, self.head) {
            Content::Same
        } else {
            Content::OtherHead
        }
    }
}

/// True if bytes hold a time of day or a long number, so that another file is not likely to hold the same. Without
/// either, two programs that start write the same lines.
pub fn is_telling(bytes: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let bytes: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != 0).collect();
    let time = |w: &[u8]| w[2] == b':' && [w[0], w[1], w[3], w[4]].iter().all(is_digit);
    bytes.windows(5).any(time) || bytes.windows(9).any(|w| w.iter().all(is_digit))
}

/// Builds the proof while a file is read.
#[derive(Debug, Clone)]
pub struct Prover {
    head: Sha256,
    proof: Proof,
}

impl Default for Prover {
    fn default() -> Prover {
        let empty = digest(b"");
        Prover { head: Sha256::new(), proof: Proof { at: 0, head_len: 0, head: empty, tail_from: 0, tail: empty } }
    }
}

impl Prover {
    /// Starts at `at` in a file whose bytes `0..head.len()` and `at - tail.len()..at` are as given. Where the
    /// head is shorter than it could be, it must reach up to `at`.
    pub fn at(at: u64, head: &[u8], tail: &[u8]) -> Prover {
        let mut hasher = Sha256::new();
        hasher.update(head);
        let tail = &tail[tail_start(tail)..];
        let proof = Proof {
            at,
            head_len: head.len() as u64,
            head: digest(head),
            tail_from: at - tail.len() as u64,
            tail: digest(tail),
        };
        Prover { head: hasher, proof }
    }

    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Takes the next bytes of the file. `window` ends with them and begins with as many of the bytes before
    /// as are known; the last `fresh` bytes are new. Returns how many bytes of the end of `window` the tail covers:
    /// they have to be in front of the next window.
    pub fn advance(&mut self, window: &[u8], fresh: usize) -> usize {
        let new = &window[window.len() - fresh..];
        self.add_to_head(new);
        let tail = &window[tail_start(window)..];
        self.proof.at += fresh as u64;
        self.proof.tail_from = self.proof.at - tail.len() as u64;
        self.proof.tail = digest(tail);
        tail.len()
    }

    /// The next `len` bytes of the file are zeros. Returns how many of them have to be in front of the next window.
    pub fn skip_zeros(&mut self, len: u64) -> usize {
        let zeros = vec![0; len.min(TAIL_MAX as u64) as usize];
        self.add_to_head(&zeros);
        self.proof.at += len;
        self.proof.tail_from = self.proof.at - zeros.len() as u64;
        self.proof.tail = digest(&zeros);
        zeros.len()
    }

    /// From now on the bytes before the offset decide alone.
    pub fn give_up_head(&mut self) {
        self.proof.head_len = 0;
        self.proof.head = digest(b"");
    }

    fn add_to_head(&mut self, new: &[u8]) {
        let given_up = self.proof.head_len == 0 && self.proof.at > 0;
        let more = &new[..new.len().min(HEAD_MAX - self.proof.head_len as usize)];
        if given_up || more.is_empty() {
            return;
        }
        self.head.update(more);
        self.proof.head_len += more.len() as u64;
        self.proof.head = half(&self.head.clone().finalize());
    }
}

/// Where the last [`TAIL_MIN`] bytes or the last whole line begin, whichever is longer.
fn tail_start(window: &[u8]) -> usize {
    let end = window.len();
    let before_last_byte = &window[..end.saturating_sub(1)];
    let line = memchr::memrchr(b'\n', before_last_byte).map_or(0, |newline| newline + 1);
    line.min(end.saturating_sub(TAIL_MIN)).max(end.saturating_sub(TAIL_MAX))
}

pub fn digest(bytes: &[u8]) -> Digest {
    half(&Sha256::digest(bytes))
}

fn half(hash: &[u8]) -> Digest {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `file` in steps of `chunk` bytes, as the tail does.
    fn prove(file: &[u8], chunk: usize) -> Proof {
        let mut prover = Prover::default();
        let mut window = Vec::new();
        for new in file.chunks(chunk) {
            window.extend_from_slice(new);
            let keep = prover.advance(&window, new.len());
            window.drain(..window.len() - keep);
        }
        prover.proof().clone()
    }

    fn check(proof: &Proof, file: &[u8]) -> Content {
        let part = |range: Range<u64>| {
            let end = (range.end as usize).min(file.len());
            &file[(range.start as usize).min(end)..end]
        };
        proof.check(part(proof.head_range()), part(proof.tail_range()))
    }

    fn lines(n: usize, shape: &str) -> Vec<u8> {
        (0..n).flat_map(|i| format!("{i:06} {shape}\n").into_bytes()).collect()
    }

    #[test]
    fn any_chunking_gives_the_same_proof() {
        for file in [lines(3, "short"), lines(400, "some more text"), vec![b'x'; 40_000], Vec::new()] {
            let whole = prove(&file, file.len().max(1));
            for chunk in [7, 255, 256, 1024, 4096] {
                assert_eq!(prove(&file, chunk), whole, "chunks of {chunk}");
            }
            assert_eq!(check(&whole, &file), Content::Same);
        }
    }

    #[test]
    fn growth_keeps_the_proof_and_every_replacement_breaks_it() {
        let old = lines(100, "the same words in each line");
        let proof = prove(&old, 512);
        let mut grown = old.clone();
        grown.extend_from_slice(b"and more\n");
        let mut other_head = old.clone();
        other_head[3] = b'9';
        let mut other_tail = old.clone();
        let last = other_tail.len() - 200;
        other_tail[last] = b'#';
        let same_ends_shorter = [&old[..1024], &old[2048..]].concat();
        for (file, expected) in [
            (&grown, Content::Same),
            (&other_head, Content::OtherHead),
            (&other_tail, Content::Different),
            (&same_ends_shorter, Content::Different),
            (&Vec::new(), Content::Different),
        ] {
            assert_eq!(check(&proof, file), expected);
        }
    }

    #[test]
    fn without_its_head_the_tail_decides_and_goes_on() {
        let file = lines(100, "the same words in each line");
        let mut prover = Prover::at(600, &file[..600], &file[300..600]);
        prover.give_up_head();
        prover.advance(&file[..900], 300);
        let mut other_head = file.clone();
        other_head[3] = b'9';
        assert_eq!(check(prover.proof(), &other_head), Content::Same);
        other_head[800] = b'#';
        assert_eq!(check(prover.proof(), &other_head), Content::Different);
    }

    #[test]
    fn skipped_zeros_are_proven_like_read_ones() {
        for (before, zeros) in [(0, 100_000), (100, 100_000), (3000, 100_000)] {
            let file = [&lines(200, "the same words")[..before], &vec![0; zeros]].concat();
            let mut skipped = Prover::default();
            skipped.advance(&file[..before], before);
            assert_eq!(skipped.skip_zeros(zeros as u64), TAIL_MAX);
            assert_eq!(check(skipped.proof(), &file), Content::Same);
            skipped.advance(&[&file[..], b"more\n"].concat(), 5);
            assert_eq!(check(skipped.proof(), &[&file[..], b"more\n"].concat()), Content::Same);
        }
    }

    #[test]
    fn a_time_or_a_long_number_is_telling() {
        for (bytes, expected) in [
            (&b"2026-07-01 12:00:00 ERROR x"[..], true),
            (b"out_trade_no=202607010001", true),
            (b"1\x002\x00:\x000\x009\x00", true),
            (b"payment service started, version 3.11.2\n", false),
            (b"", false),
        ] {
            assert_eq!(is_telling(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_tail_covers_256_bytes_or_a_whole_line_up_to_its_bound() {
        let tail_len = |file: &[u8]| {
            let proof = prove(file, 4096);
            (proof.at - proof.tail_from) as usize
        };
        assert_eq!(tail_len(b"one\n"), 4);
        assert_eq!(tail_len(&lines(100, "x")), TAIL_MIN);
        let long_line = [b"short\n".as_slice(), &[b'y'; 5000], b"\n"].concat();
        assert_eq!(tail_len(&long_line), 5001);
        assert_eq!(tail_len(&vec![b'z'; 50_000]), TAIL_MAX);
    }

    #[test]
    fn a_prover_that_starts_late_goes_on_like_one_that_read_everything() {
        let file = lines(300, "a line");
        for at in [0, 5, 900, 1500, 4000] {
            let mut late = Prover::at(at as u64, &file[..at.min(HEAD_MAX)], &file[at.saturating_sub(TAIL_MAX)..at]);
            late.advance(&file, file.len() - at);
            assert_eq!(late.proof(), &prove(&file, file.len()), "from {at}");
        }
    }
}
