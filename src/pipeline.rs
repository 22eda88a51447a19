//! Wires the pure stages: bytes of one file and a clock value in, events out.
//!
//! An [`Engine`] is built once from the catalogue and shared; a [`Stream`] holds the state of one file. Any
//! chunking of the same bytes gives the same events, and a [`Checkpoint`] taken at any time lets a later
//! stream go on as if nothing had happened. No I/O, no clock.

mod ahead;
mod excerpt;
mod nuls;
mod piece;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

pub use ahead::Searched;
use excerpt::excerpt;
pub use piece::Piece;
use piece::Pieces;

use crate::catalog::Catalog;
use crate::detect::Detector;
use crate::diagnose::{Diagnoser, Finding, Hints, Providers};
use crate::event::{Event, EventId, Missed, Origin, Position};
use crate::provider::Provider;
use crate::record::frame::{self, Frame};
use crate::record::utf16::Transcoder;
use crate::record::words::Worded;
use crate::record::{self, Charset, Text};
use crate::redact::Redactor;

/// Longest line that is looked at as a whole. Of a longer one the first part is; the rest, up to its line end, is
/// skipped and counted in [`Stream::cut_lines`].
pub const MAX_LINE: usize = 1024 * 1024;

/// How every line begins that paytriage itself has written.
const OWN: &str = "{\"schema\":\"paytriage.";

/// What turns bytes into events, shared by all files.
#[derive(Debug)]
pub struct Engine {
    detector: Detector,
    diagnoser: Diagnoser,
    redactor: Redactor,
}

/// What is fixed for one file as long as it is read.
#[derive(Debug, Clone)]
pub struct FileContext {
    pub origin: Arc<Origin>,
    /// Identity of the file (device, inode, birth time, generation), as bytes; goes into event ids.
    pub identity: Vec<u8>,
    /// The configured provider, a hint where generic codes need context.
    pub provider: Option<Provider>,
    /// For times in the log that name no zone.
    pub timezone: TimeZone,
    pub charset: Charset,
}

/// From where a stream can go on. All of it is stored with the events it accounts for.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// The first byte to feed after a restart: far enough back to frame what follows.
    pub offset: u64,
    /// Number, from 0, of the line that begins at `offset`.
    pub line: u64,
    /// Records that ended at or before this offset have been reported.
    pub done: u64,
    /// What was reported of the record that was still open and must not come again: the ids of its events, but of no
    /// file, so that they mean the same in every copy of it, and in a copy of that.
    pub reported: Vec<EventId>,
    /// What the beginning of the file showed it to be written in.
    pub charset: Charset,
    /// What begins at `offset`.
    #[serde(default)]
    pub at: At,
    /// Records of this file have several lines.
    #[serde(default)]
    pub is_tall: bool,
}

/// Where in a line a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum At {
    /// A line begins.
    #[default]
    LineStart,
    /// The rest of a line of which the first [`MAX_LINE`] bytes were looked at: up to its end nothing of it is.
    Cut,
}

/// What is found but not reported, because its record may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    Nothing,
    /// A record that could be over.
    Record,
    /// A record that is in the middle of something, of JSON, of its next line or of a stack trace, or that stands where records
    /// have several lines.
    Growing,
}

/// A line of which only the first [`MAX_LINE`] bytes were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Of its first byte.
    pub offset: u64,
    /// 1-based.
    pub line: u64,
}

/// The state of one file.
#[derive(Debug)]
pub struct Stream {
    engine: Arc<Engine>,
    file: FileContext,
    /// Those that the file's path names.
    of_path: Providers,
    /// Whole lines that later decisions need, then the last, still incomplete line. UTF-8 where the file is UTF-16.
    buffer: Vec<u8>,
    /// NULs that came behind all that, and are not looked at until it is known what they are.
    nuls: u64,
    /// Offset in the file, and line number (from 0), of `buffer[0]`.
    offset: u64,
    line: u64,
    /// Bytes of `buffer` in which candidates were already looked for; ends behind a line end.
    searched: usize,
    /// Candidates whose record is not yet surely over.
    waiting: Vec<usize>,
    done: u64,
    reported: Vec<EventId>,
    /// [`At::Cut`] while the rest of an over-long line is being skipped.
    at: At,
    /// A record of this file had several lines: the next one may have too.
    is_tall: bool,
    /// None but in a journal.
    pieces: Pieces,
    cut_lines: u64,
    cuts: Vec<Cut>,
    transcoder: Transcoder,
}

/// A record of which events are made.
struct Record<'r> {
    start: Place,
    bytes: &'r [u8],
    /// Offset in the file of its first byte that is not NUL.
    offset: u64,
    /// The piece in which it begins, and the offset of that; none but in a journal.
    piece: Option<(&'r Piece, u64)>,
    text: &'r Text,
    words: &'r Worded<'r>,
}

/// A place in the buffer, with its offset in the file and the number, from 0, of its line.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    offset: u64,
    line: u64,
}

impl Place {
    /// A place that is not before this one. Records come in order: each counts from the one before.
    fn forward(self, at: usize, buffer: &[u8], transcoder: &Transcoder) -> Place {
        let passed = &buffer[self.at..at];
        let n_lines = memchr::memchr_iter(b'\n', passed).count() as u64;
        Place { at, offset: self.offset + transcoder.raw_len(passed), line: self.line + n_lines }
    }
}

/// Why bytes are looked at now, and so what counts as the end of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// More bytes came: a record ends where the next begins.
    Fed,
    /// Nothing more came for a moment: a record ends where the complete lines end.
    Quiet,
    /// The file is over: its last line needs no line end.
    Over,
}

impl Engine {
    /// Builds the automaton and the lookup tables. The only costly step; matching cannot fail afterwards.
    pub fn new(catalog: Arc<Catalog>, redactor: Redactor) -> Engine {
        let detector = Detector::new(catalog.codes(), catalog.code_fields(), catalog.messages());
        Engine { detector, diagnoser: Diagnoser::new(catalog), redactor }
    }

    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    pub fn diagnoser(&self) -> &Diagnoser {
        &self.diagnoser
    }
}

impl Checkpoint {
    /// The fewest bytes that a character has in the file.
    pub fn unit(&self) -> u64 {
        if matches!(self.charset, Charset::Utf16Le | Charset::Utf16Be) { 2 } else { 1 }
    }
}

impl Stream {
    /// Starts or resumes a file. The next byte to push is the one at `from.offset`.
    pub fn new(engine: Arc<Engine>, file: FileContext, from: Checkpoint) -> Stream {
        let known = if from.charset == Charset::Auto { file.charset } else { from.charset };
        Stream {
            engine,
            of_path: Providers::named_in(&file.origin.path),
            file,
            buffer: Vec::new(),
            nuls: 0,
            offset: from.offset,
            line: from.line,
            searched: 0,
            waiting: Vec::new(),
            done: from.done,
            reported: from.reported,
            at: from.at,
            is_tall: from.is_tall,
            pieces: Pieces::default(),
            cut_lines: 0,
            cuts: Vec::new(),
            transcoder: Transcoder::new(known, from.offset),
        }
    }

    /// The file has been quiet for a moment: records whose lines are complete are reported as they stand. Bytes
    /// may still follow; a continuation of the last record is then read with it, and nothing is reported
    /// twice. A last line without its newline is left for later.
    pub fn flush(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        self.work(Moment::Quiet, now, events);
    }

    /// The file ends here for good: also a last line without its newline is reported.
    pub fn finish(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        self.transcoder.finish(&mut self.buffer);
        self.skip_rest_of_line();
        self.work(Moment::Over, now, events);
    }

    /// What is pushed from now on is looked at by another engine.
    pub fn go_over_to(&mut self, engine: Arc<Engine>) {
        self.engine = engine;
    }

    /// What waits for the end of its record, so that `flush` would report it.
    pub fn pending(&self) -> Pending {
        if self.waiting.is_empty() {
            return Pending::Nothing;
        }
        let Frame { range, .. } = frame::frame(&self.buffer[..self.searched], self.waiting[0]);
        let is_growing = self.is_tall || self.buffer.len() > self.searched || record::will_go_on(&self.buffer[range]);
        if is_growing { Pending::Growing } else { Pending::Record }
    }

    /// Where to go on after a restart, given that all events handed out so far are kept. A new stream made from
    /// it is fed from `Checkpoint::offset` on. Between wake-ups an idle file needs no more than this.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            offset: self.offset,
            line: self.line,
            done: self.done,
            reported: self.reported.clone(),
            charset: self.transcoder.charset(),
            at: self.at,
            is_tall: self.is_tall,
        }
    }

    /// Offset of the next byte to push.
    pub fn position(&self) -> u64 {
        self.offset + self.transcoder.raw_len(&self.buffer) + self.transcoder.held() + self.nuls
    }

    /// Lines so far of which only the first [`MAX_LINE`] bytes were looked at.
    pub fn cut_lines(&self) -> u64 {
        self.cut_lines
    }

    /// The lines that were cut since this was asked last.
    pub fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    fn work(&mut self, moment: Moment, now: Timestamp, events: &mut Vec<Event>) {
        let complete = match moment {
            Moment::Over => self.buffer.len(),
            _ => memchr::memrchr(b'\n', &self.buffer).map_or(0, |lf| lf + 1),
        };
        let is_fresh = complete > self.searched;
        if is_fresh {
            self.search(complete);
        }
        // A line that is still being written changes nothing for the records above it.
        if is_fresh || moment != Moment::Fed {
            self.go_on(complete, moment, now, events);
        }
        self.cut_long_line(now, events);
    }

    /// Looks for candidates in the lines up to `end` that were not searched yet.
    fn search(&mut self, end: usize) {
        self.waiting.extend(self.engine.detector.candidates(&self.buffer[..end], self.searched));
        self.searched = end;
    }

    fn go_on(&mut self, complete: usize, moment: Moment, now: Timestamp, events: &mut Vec<Event>) {
        self.report(complete, moment, now, events);
        self.forget(complete);
    }

    /// Reports the records of waiting candidates, as far as they are over.
    fn report(&mut self, complete: usize, moment: Moment, now: Timestamp, events: &mut Vec<Event>) {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        let mut reach = 0;
        let mut start = Place { at: 0, offset: self.offset, line: self.line };
        while let Some(hit) = waiting.next() {
            if hit < reach {
                continue;
            }
            let Frame { range, closed } = frame::frame(&self.buffer[..complete], hit);
            if !closed && moment == Moment::Fed {
                // It reaches to the end of what is there, and takes in all hits that follow.
                self.waiting.push(hit);
                self.waiting.extend(waiting);
                break;
            }
            reach = range.end;
            start = start.forward(range.start, &self.buffer, &self.transcoder);
            let end = start.offset + self.transcoder.raw_len(&self.buffer[range.clone()]);
            if end <= self.done {
                continue;
            }
            let is_remembered = !closed || !self.reported.is_empty();
            let fresh = self.diagnose(start, &self.buffer[range.clone()], is_remembered, now, events);
            self.is_tall = self.is_tall || memchr::memchr_iter(b'\n', &self.buffer[range]).nth(1).is_some();
            if closed {
                self.reported.clear();
                self.done = end;
            } else {
                // It may grow and be looked at again.
                self.reported.extend(fresh);
            }
        }
    }

    /// Returns the marks of what it reports, if they are to be remembered.
    fn diagnose(
        &self,
        start: Place,
        bytes: &[u8],
        is_remembered: bool,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Vec<EventId> {
        let mut text = Text::decode(bytes, self.file.charset);
        if text.text.starts_with(OWN) {
            // Its output may end up in a directory that it watches, and each event would give birth to another.
            return Vec::new();
        }
        if let Some(encoding) = self.transcoder.encoding() {
            text.encoding = encoding;
        }
        let words = Worded::new(&text.text);
        let offset = self.behind_nuls(start.offset, bytes, 0);
        let record = Record { start, bytes, offset, piece: self.pieces.at(offset), text: &text, words: &words };
        let hints = Hints { provider: self.file.provider.as_ref(), of_path: self.of_path };
        let mut fresh = Vec::new();
        for finding in self.engine.diagnoser.diagnose(&words, hints) {
            let id_in = |identity: &[u8], offset| event_id(identity, offset, &finding.occurrence.code, finding.ordinal);
            // The same in every copy of the file.
            let mark = is_remembered.then(|| id_in(&[], offset));
            if !mark.is_some_and(|mark| self.reported.contains(&mark)) {
                let id = match record.piece {
                    Some((piece, begins)) => id_in(&piece.identity, offset - begins),
                    None => id_in(&self.file.identity, offset),
                };
                events.push(self.event(id, &record, finding, now));
                fresh.extend(mark);
            }
        }
        fresh
    }

    /// Offset in the file of what begins here in a record.
    fn offset_in(&self, record: &Record<'_>, at: usize) -> u64 {
        self.behind_nuls(record.start.offset, record.bytes, at)
    }

    /// Offset in the file of the first byte from `at` on that is not NUL, where `bytes` begin at `offset`.
    fn behind_nuls(&self, offset: u64, bytes: &[u8], at: usize) -> u64 {
        let nuls = bytes[at..].iter().take_while(|&&byte| byte == 0).count();
        offset + self.transcoder.raw_len(&bytes[..at + nuls])
    }

    fn event(&self, id: EventId, record: &Record<'_>, finding: Finding, now: Timestamp) -> Event {
        let Finding { occurrence, ids, level, .. } = finding;
        let text = record.text;
        let redactor = &self.engine.redactor;
        let known: Vec<&str> = [
            &ids.out_trade_no,
            &ids.trade_no,
            &ids.transaction_id,
            &ids.request_id,
            &ids.trace_id,
            &ids.mch_id,
            &ids.app_id,
        ]
        .into_iter()
        .filter_map(|id| id.as_deref())
        .collect();
        let (excerpt, redactions) = excerpt(&self.engine.redactor, record.words, occurrence.range.start, &known);
        let piece = record.piece.map(|(piece, _)| piece);
        Event {
            id,
            time: record::time(text, &self.file.timezone, now).or(piece.map(|piece| piece.time)),
            observed: now,
            matched: redactor.redact(&text.text[occurrence.range.clone()], &known).0.cut(256),
            code: occurrence.code,
            kind: occurrence.kind,
            entry: occurrence.entry,
            provider: occurrence.provider,
            confidence: occurrence.confidence,
            alternatives: occurrence.alternatives,
            encoding: text.encoding,
            origin: self.file.origin.clone(),
            host: text.host.clone().or_else(|| piece?.host.clone()),
            position: self.position_of(record, occurrence.range.start),
            level: level.or_else(|| piece?.level),
            ids,
            excerpt,
            redactions,
            lost: Missed::default(),
        }
    }

    fn position_of(&self, record: &Record<'_>, at: usize) -> Position {
        let &Record { start, bytes, text, .. } = record;
        // A journal has no lines and bytes to be counted from its beginning.
        let (first, from) = if record.piece.is_none() { (start.line + 1, 0) } else { (1, record.offset) };
        let within = text.line_of(at);
        let line_start = match within {
            0 => 0,
            n => memchr::memchr_iter(b'\n', bytes).nth(n - 1).map_or(0, |lf| lf + 1),
        };
        Position {
            line: first + within as u64,
            offset: self.offset_in(record, line_start).saturating_sub(from),
            record_first_line: first,
            record_last_line: first + (text.n_lines.max(1) - 1) as u64,
        }
    }

    /// Lets go of the lines that nothing later can need.
    fn forget(&mut self, complete: usize) {
        if complete == 0 {
            return;
        }
        let last = frame::line_start(&self.buffer, complete - 1);
        let mut keep = frame::context(&self.buffer[..complete], last);
        if let Some(&first) = self.waiting.first() {
            let line = frame::line_start(&self.buffer, first);
            keep = keep.min(frame::context(&self.buffer[..complete], line));
        }
        self.drop_front(keep);
    }

    fn drop_front(&mut self, n_bytes: usize) {
        if n_bytes == 0 {
            return;
        }
        let gone = &self.buffer[..n_bytes];
        self.line += memchr::memchr_iter(b'\n', gone).count() as u64;
        self.offset += self.transcoder.raw_len(gone);
        self.buffer.drain(..n_bytes);
        self.searched = self.searched.saturating_sub(n_bytes);
        self.waiting.iter_mut().for_each(|hit| *hit -= n_bytes);
    }

    /// Ends a line that grew too long: what is there is looked at as if the line ended, and the rest skipped.
    fn cut_long_line(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        if self.buffer.len() - self.searched <= MAX_LINE {
            return;
        }
        self.cut_lines += 1;
        let above = memchr::memchr_iter(b'\n', &self.buffer[..self.searched]).count() as u64;
        let offset = self.behind_nuls(self.offset, &self.buffer, self.searched);
        self.cuts.push(Cut { offset, line: self.line + above + 1 });
        self.at = At::Cut;
        let cut = self.searched + MAX_LINE;
        self.waiting.extend(self.engine.detector.candidates(&self.buffer[..cut], self.searched));
        self.report(cut, Moment::Quiet, now, events);
        self.drop_front(self.buffer.len());
        self.searched = 0;
        self.waiting.clear();
    }

    /// Drops what belongs to a line that was cut, up to its line end.
    fn skip_rest_of_line(&mut self) {
        if self.at == At::LineStart {
            return;
        }
        match memchr::memchr(b'\n', &self.buffer) {
            Some(lf) => {
                self.at = At::LineStart;
                self.drop_front(lf + 1);
            }
            None => self.drop_front(self.buffer.len()),
        }
    }
}

/// A hash of what identifies an event: the file, the record's place in it, the code. No log text goes into it.
pub fn event_id(identity: &[u8], record_offset: u64, code: &str, ordinal: u32) -> EventId {
    let mut hash = Sha256::new();
    hash.update((identity.len() as u64).to_le_bytes());
    hash.update(identity);
    hash.update(record_offset.to_le_bytes());
    hash.update(ordinal.to_le_bytes());
    hash.update(code.as_bytes());
    let digest = hash.finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    EventId(id)
}

#[cfg(test)]
mod tests;
