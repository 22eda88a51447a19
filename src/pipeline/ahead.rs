//! Candidates that are looked for before their bytes are pushed, by whoever has time for it.
//!
//! Where candidates are does not depend on what stands in other parts of a file, so that parts can be searched side by side; what
//! becomes of them is decided in order, by the stream.

use std::ops::Range;

use jiff::Timestamp;
use memchr::{memchr, memrchr};

use super::{At, Engine, Moment, Stream, nuls};
use crate::event::Event;

/// What was found in a piece of a file.
#[derive(Debug, Default)]
pub struct Searched {
    /// The lines of it that were looked at.
    lines: Range<usize>,
    candidates: Vec<usize>,
}

impl Engine {
    /// Searches a piece of a file, which may begin and end anywhere: its lines but for the first and the last, which may not be
    /// whole.
    pub fn search(&self, piece: &[u8]) -> Searched {
        let start = memchr(b'\n', piece).map_or(piece.len(), |lf| lf + 1);
        let end = memrchr(b'\n', piece).map_or(piece.len(), |lf| lf + 1);
        Searched { lines: start..end, candidates: self.detector.candidates(&piece[..end], start).collect() }
    }
}

impl Stream {
    /// The same as pushing these bytes, which were searched.
    pub fn push_searched(&mut self, bytes: &[u8], searched: &Searched, now: Timestamp, events: &mut Vec<Event>) {
        if searched.lines.is_empty() || !self.takes_as_it_is(bytes) {
            return self.push(bytes, now, events);
        }
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.search(start + searched.lines.start);
        self.waiting.extend(searched.candidates.iter().map(|at| start + at));
        self.searched = start + searched.lines.end;
        self.go_on(self.searched, Moment::Fed, now, events);
        self.cut_long_line(now, events);
    }

    /// True where nothing is done with bytes but to put them behind the others.
    fn takes_as_it_is(&self, bytes: &[u8]) -> bool {
        let is_bytes = self.transcoder.width() == 1 && !self.transcoder.needs_more();
        is_bytes && self.at == At::LineStart && self.nuls == 0 && nuls::is_text(bytes)
    }
}
