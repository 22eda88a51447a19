//! Turns UTF-16 files into UTF-8 before lines are looked for, and keeps count of the bytes they had.
//!
//! Everything behind it works on UTF-8 (or GBK) bytes; offsets are translated back on the few occasions they are needed.
//! Files of other charsets pass through unchanged.

use super::{Charset, Encoding};

/// Decides by a file's first bytes, then transcodes or passes through.
#[derive(Debug)]
pub struct Transcoder {
    mode: Mode,
    /// Bytes that wait for their other half; in `Undecided`, the file's first bytes.
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Undecided,
    Bytes,
    Little,
    Big,
}

/// Bytes by which UTF-16 without a mark is told: two ASCII characters.
const ENOUGH: usize = 4;

impl Transcoder {
    /// For a file that is read from `offset` on. `charset` is what is known of it; [`Charset::Auto`] is decided by the bytes
    /// at offset 0, and means "not UTF-16" anywhere else.
    pub fn new(charset: Charset, offset: u64) -> Transcoder {
        let mode = match charset {
            Charset::Utf16Le => Mode::Little,
            Charset::Utf16Be => Mode::Big,
            Charset::Auto if offset == 0 => Mode::Undecided,
            _ => Mode::Bytes,
        };
        Transcoder { mode, held: Vec::new() }
    }

    /// Appends `bytes`, transcoded, to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.mode {
            Mode::Bytes => out.extend_from_slice(bytes),
            Mode::Undecided => {
                self.held.extend_from_slice(bytes);
                // `a\0\n` waits for its last half.
                let is_line = self.held.contains(&b'\n') && !self.held.contains(&0);
                if self.held.len() >= ENOUGH || is_line {
                    self.decide(out);
                }
            }
            Mode::Little | Mode::Big => {
                self.held.extend_from_slice(bytes);
                let held = std::mem::take(&mut self.held);
                self.held = self.transcode(&held, out).to_vec();
            }
        }
    }

    /// The file is over: what waits is taken as it is.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.mode == Mode::Undecided {
            self.decide(out);
        }
    }

    /// What the file turned out to be; [`Charset::Auto`] if it is not UTF-16.
    pub fn charset(&self) -> Charset {
        match self.mode {
            Mode::Little => Charset::Utf16Le,
            Mode::Big => Charset::Utf16Be,
            Mode::Undecided | Mode::Bytes => Charset::Auto,
        }
    }

    pub fn encoding(&self) -> Option<Encoding> {
        match self.mode {
            Mode::Little => Some(Encoding::Utf16Le),
            Mode::Big => Some(Encoding::Utf16Be),
            Mode::Undecided | Mode::Bytes => None,
        }
    }

    /// How many bytes of the file `transcoded` stands for.
    pub fn raw_len(&self, transcoded: &[u8]) -> u64 {
        match self.mode {
            Mode::Undecided | Mode::Bytes => transcoded.len() as u64,
            // A sequence of four bytes is a surrogate pair; every other lead byte is one unit.
            Mode::Little | Mode::Big => transcoded
                .iter()
                .map(|&b| {
                    if b >= 0xF0 {
                        4
                    } else if (0x80..0xC0).contains(&b) {
                        0
                    } else {
                        2
                    }
                })
                .sum(),
        }
    }

    /// Bytes taken that have not come out yet.
    pub fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// True if the next byte belongs to those that are held: it ends a unit, or what the file is written in is not known yet.
    pub fn needs_more(&self) -> bool {
        match self.mode {
            Mode::Bytes => false,
            Mode::Undecided => true,
            Mode::Little | Mode::Big => self.held.len() % 2 == 1,
        }
    }

    /// Bytes of a unit.
    pub fn width(&self) -> u64 {
        if self.encoding().is_some() { 2 } else { 1 }
    }

    /// What waits for its other half never gets it. Returns how many bytes these were.
    pub fn give_up_held(&mut self) -> u64 {
        let n = self.held();
        self.held.clear();
        n
    }

    fn decide(&mut self, out: &mut Vec<u8>) {
        let ascii = |b: u8| b != 0 && b < 0x80;
        self.mode = match self.held[..] {
            [0xFF, 0xFE, ..] => Mode::Little,
            [0xFE, 0xFF, ..] => Mode::Big,
            [a, 0, b, 0, ..] if ascii(a) && ascii(b) => Mode::Little,
            [0, a, 0, b, ..] if ascii(a) && ascii(b) => Mode::Big,
            _ => Mode::Bytes,
        };
        let held = std::mem::take(&mut self.held);
        self.feed(&held, out);
    }

    /// Transcodes what is complete; gives back what is not.
    fn transcode<'b>(&self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let unit = |pair: &[u8]| match self.mode {
            Mode::Big => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut end = bytes.len() & !1;
        if end >= 2 && (0xD800..0xDC00).contains(&unit(&bytes[end - 2..end])) {
            end -= 2;
        }
        let mut utf8 = [0; 4];
        for c in char::decode_utf16(bytes[..end].chunks_exact(2).map(unit)) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
        &bytes[end..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn any_chunking_gives_the_same_text_and_offsets() {
        let text = "\u{feff}ERROR 余额不足 😀\nnext";
        let bytes = le(text);
        for size in 1..=bytes.len() {
            let (mut transcoder, mut out) = (Transcoder::new(Charset::Auto, 0), Vec::new());
            for chunk in bytes.chunks(size) {
                transcoder.feed(chunk, &mut out);
            }
            assert_eq!(String::from_utf8(out.clone()).expect("utf-8"), text);
            assert_eq!(transcoder.raw_len(&out) + transcoder.held(), bytes.len() as u64);
            assert_eq!(transcoder.charset(), Charset::Utf16Le);
        }
    }

    #[test]
    fn without_a_mark_and_not_utf16() {
        for (bytes, charset) in
            [(le("ab"), Charset::Utf16Le), (b"abcd".to_vec(), Charset::Auto), (b"\0\0\0\0".to_vec(), Charset::Auto)]
        {
            let (mut transcoder, mut out) = (Transcoder::new(Charset::Auto, 0), Vec::new());
            transcoder.feed(&bytes, &mut out);
            assert_eq!(transcoder.charset(), charset);
        }
    }
}
