//! What is pushed comes through here: NULs that no logger wrote are told from text.
//!
//! A file truncated under its writer, a room that was not filled and a write torn by a crash leave NULs. One rule for all of them, whatever
//! the chunks: a line begins at its first byte that is not NUL, and so many of them in a row end the line before them. NULs at
//! the end of what was pushed are only counted, so that a hole takes no memory.

use jiff::Timestamp;

use super::{At, Moment, Stream};
use crate::event::Event;

/// So many NULs in a row are a hole; fewer belong to the line that they stand in.
const HOLE_MIN: usize = 64 * 1024;

static NULS: [u8; 4096] = [0; 4096];

impl Stream {
    /// Takes the next bytes of the file and appends the events of records that ended within them.
    pub fn push(&mut self, bytes: &[u8], now: Timestamp, events: &mut Vec<Event>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let nuls = leading_nuls(rest);
            self.push_nuls(nuls as u64, now, events);
            let (text, behind) = rest[nuls..].split_at(text_end(&rest[nuls..]));
            if !text.is_empty() {
                self.push_text(text, now, events);
            }
            rest = behind;
        }
    }

    /// The same as pushing so many NULs.
    pub fn push_nuls(&mut self, len: u64, now: Timestamp, events: &mut Vec<Event>) {
        let mut len = len;
        while len > 0 && self.nuls == 0 && self.transcoder.needs_more() {
            self.push_text(&NULS[..1], now, events);
            len -= 1;
        }
        self.nuls += len;
        if self.nuls >= HOLE_MIN as u64 {
            self.end_before_hole(now, events);
        }
        if self.is_blank() {
            let whole = self.nuls - self.nuls % self.transcoder.width();
            self.offset += whole;
            self.nuls -= whole;
        }
    }

    /// True for UTF-16, where a NUL may be half of a character.
    pub fn is_of_pairs(&self) -> bool {
        self.transcoder.width() == 2
    }

    fn push_text(&mut self, text: &[u8], now: Timestamp, events: &mut Vec<Event>) {
        while self.nuls > 0 {
            let n = self.nuls.min(NULS.len() as u64);
            self.transcoder.feed(&NULS[..n as usize], &mut self.buffer);
            self.nuls -= n;
        }
        self.transcoder.feed(text, &mut self.buffer);
        self.skip_rest_of_line();
        self.work(Moment::Fed, now, events);
    }

    /// True where NULs stand before a line, with nothing before them that is still needed.
    fn is_blank(&self) -> bool {
        self.buffer.is_empty() && self.transcoder.held() == 0 && self.at == At::LineStart
    }

    /// What stands before a hole is over.
    fn end_before_hole(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        if self.is_blank() {
            return;
        }
        self.finish(now, events);
        self.drop_front(self.buffer.len());
        self.offset += self.transcoder.give_up_held();
        (self.searched, self.at, self.done) = (0, At::LineStart, self.offset);
        self.waiting.clear();
        self.reported.clear();
    }
}

/// True where there is nothing that may belong to a hole.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    leading_nuls(bytes) == 0 && text_end(bytes) == bytes.len()
}

fn leading_nuls(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| byte == 0).count()
}

/// How much of `bytes`, which do not begin with NUL, stands before a hole, or before NULs at their end, which may be one.
fn text_end(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    hole_in(&bytes[..end]).unwrap_or(end)
}

/// Where the first hole in bytes begins. Every hole covers one of the places that are looked at.
fn hole_in(bytes: &[u8]) -> Option<usize> {
    let mut probe = HOLE_MIN - 1;
    while probe < bytes.len() {
        if bytes[probe] == 0 {
            let start = bytes[..probe].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let nuls = leading_nuls(&bytes[start..]);
            if nuls >= HOLE_MIN {
                return Some(start);
            }
        }
        probe += HOLE_MIN;
    }
    None
}
