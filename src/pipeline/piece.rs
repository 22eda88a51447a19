//! Text that comes in pieces which have a name, a time and a host of their own: the entries of a journal.
//!
//! A program's lines are an entry each, and several of them in a row are one record where they would be in a file. What is found in a record
//! is named after the piece in which the record begins, so that it has the same id wherever reading began; its lines and bytes are counted from there.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::{Place, Stream, frame};
use crate::event::Event;
use crate::record::Level;

/// What is known of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Names it among all; goes into event ids and holds no log text.
    pub identity: Vec<u8>,
    /// What whoever reads finds it again by.
    pub cursor: String,
    /// Pieces are numbered in the order in which they are read.
    pub number: u64,
    /// For records that say no time, host or level themselves.
    pub time: Timestamp,
    pub host: Option<String>,
    pub level: Option<Level>,
}

/// The pieces that later decisions need, each with the offset where it begins.
#[derive(Debug, Default)]
pub(super) struct Pieces(VecDeque<(u64, Piece)>);

impl Pieces {
    /// The piece of this offset, and where it begins.
    pub fn at(&self, offset: u64) -> Option<(&Piece, u64)> {
        self.0.iter().rev().find(|(begins, _)| *begins <= offset).map(|(begins, piece)| (piece, *begins))
    }

    fn forget_before(&mut self, offset: u64) {
        while self.0.get(1).is_some_and(|(begins, _)| *begins <= offset) {
            self.0.pop_front();
        }
    }
}

impl Stream {
    /// What is pushed from here on belongs to this piece.
    pub fn begin(&mut self, piece: Piece) {
        self.pieces.forget_before(self.offset);
        let position = self.position();
        self.pieces.0.push_back((position, piece));
    }

    /// The first piece that has to be pushed again to a stream that goes on from the checkpoint; `None` if that is the next one.
    pub fn oldest(&self) -> Option<&Piece> {
        if self.position() == self.offset {
            return None;
        }
        self.pieces.at(self.offset).map(|(piece, _)| piece)
    }

    /// A piece that is a record by itself, whatever its lines look like, and has a candidate in it. Nothing else was or will be pushed.
    pub fn push_record(&mut self, piece: Piece, bytes: &[u8], now: Timestamp, events: &mut Vec<Event>) {
        self.begin(piece);
        if bytes.len() > frame::MAX_RECORD {
            self.push(bytes, now, events);
            return self.finish(now, events);
        }
        self.diagnose(Place { at: 0, offset: 0, line: 0 }, bytes, false, now, events);
    }
}
