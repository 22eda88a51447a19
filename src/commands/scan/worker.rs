//! One of the threads of a scan: takes the next file, reads it to its end, and keeps or prints its events.

use std::io::{self, Stdout};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;

use super::ahead::{Busy, Helpers, Pieces};
use super::console::Console;
use super::filter::{Filter, Verdict};
use super::in_order::{InOrder, Lane};
use crate::catalog::Severity;
use crate::commands::setup::Setup;
use crate::event::Event;
use crate::input::{BUFFER_BYTES, Ending, Input, ReadError, Reading};
use crate::pipeline::{Checkpoint, MAX_LINE, Searched, Stream};
use crate::render::{Tally, Totals};
use crate::wire::EventWriter;

/// What all workers share.
pub struct Scan<'a> {
    pub inputs: &'a [Input],
    /// Index of the next input that nobody has taken.
    pub next: AtomicUsize,
    /// The output failed: nobody needs to read on.
    pub is_over: AtomicBool,
    pub helpers: Helpers,
    /// There is one worker only.
    pub is_alone: bool,
    pub setup: &'a Setup,
    pub filter: &'a Filter,
    pub fail_on: Option<Severity>,
    pub output: Output<'a>,
    pub console: &'a Console,
}

/// What becomes of events.
pub enum Output<'a> {
    /// One line of JSON each.
    Lines(EventWriter, &'a InOrder<Stdout>),
    /// Counted, and shown at the end.
    Report,
}

/// What one worker found.
#[derive(Debug, Default)]
pub struct Part {
    pub tally: Tally,
    pub totals: Totals,
    /// Events without a time that were kept though times were asked for.
    pub n_untimed: u64,
    /// Inputs that could not be read to their end.
    pub n_unreadable: u64,
    pub is_fail_on_met: bool,
}

impl Part {
    pub fn merge(&mut self, other: Part) {
        self.tally.merge(other.tally);
        self.totals.add(&other.totals);
        self.n_untimed += other.n_untimed;
        self.n_unreadable += other.n_unreadable;
        self.is_fail_on_met |= other.is_fail_on_met;
    }
}

impl Scan<'_> {
    /// Takes inputs until none is left, then helps others with theirs.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn work(&self, busy: Busy<'_>) -> io::Result<Part> {
        let part = self.read_inputs().inspect_err(|_| self.is_over.store(true, Ordering::Relaxed));
        drop(busy);
        self.helpers.help();
        part
    }

    fn read_inputs(&self) -> io::Result<Part> {
        let mut part = Part::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = self.inputs.get(index) else { return Ok(part) };
            let lane = match &self.output {
                Output::Lines(_, lines) => Some(lines.lane(index)),
                Output::Report => None,
            };
            let mut file = FileScan { scan: self, index, lane, events: Vec::new(), line: Vec::new(), part: &mut part };
            file.read(input, &mut buffer)?;
        }
    }
}

/// One input while it is read.
struct FileScan<'a> {
    scan: &'a Scan<'a>,
    index: usize,
    /// Only where events are printed.
    lane: Option<Lane<'a, Stdout>>,
    events: Vec<Event>,
    /// JSON of the events of one chunk.
    line: Vec<u8>,
    part: &'a mut Part,
}

impl FileScan<'_> {
    fn read(&mut self, input: &Input, buffer: &mut [u8]) -> io::Result<()> {
        let scan = self.scan;
        let console = scan.console;
        let reading = match Reading::open(input) {
            Ok(reading) => reading,
            Err(error) => {
                self.part.n_unreadable += 1;
                console.tell(&format!("{input}: {error}"));
                return Ok(());
            }
        };
        let setup = scan.setup;
        let context = setup.file_context(input, reading.identity.clone());
        let mut stream = Stream::new(Arc::clone(&setup.engine), context, Checkpoint::default());
        let mut written = Ok(());
        let mut take = |bytes: &[u8], searched: Option<&Searched>| {
            self.part.totals.n_bytes += bytes.len() as u64;
            match searched {
                Some(searched) => stream.push_searched(bytes, searched, Timestamp::now(), &mut self.events),
                None => stream.push(bytes, Timestamp::now(), &mut self.events),
            }
            written = self.hand_on();
            let is_over = written.is_err() || scan.is_over.load(Ordering::Relaxed);
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let progress = |n| console.advance(n);
        let large = if scan.is_alone { Ok(None) } else { reading.large_text(buffer) };
        let ending = match large {
            Ok(Some(file)) => {
                let mut pieces = scan.helpers.pieces(file, Arc::clone(&setup.engine));
                read_pieces(&mut pieces, reading, buffer, &progress, &mut take)
            }
            // What is wrong with it is told by whoever reads it.
            Ok(None) | Err(_) => reading.read_to_end(buffer, &progress, |bytes| take(bytes, None)),
        };
        written?;
        match ending {
            Ok(Ending::Binary) => {
                self.part.totals.n_skipped += 1;
                return Ok(());
            }
            Ok(Ending::Stopped) => return Ok(()),
            Ok(Ending::Complete) | Err(_) => {}
        }
        self.part.totals.n_files += 1;
        stream.finish(Timestamp::now(), &mut self.events);
        self.hand_on()?;
        match stream.cut_lines() {
            0 => {}
            1 => console.tell(&format!("note: {input}: 1 line was too long and scanned only up to {MAX_LINE} bytes")),
            n => console
                .tell(&format!("note: {input}: {n} lines were too long and scanned only up to {MAX_LINE} bytes each")),
        }
        if let Err(error) = ending {
            self.part.n_unreadable += 1;
            console.tell(&format!("{input}: {error}"));
        }
        Ok(())
    }

    /// Prints or counts the events that are there.
    fn hand_on(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match self.scan.filter.judge(&event) {
                Verdict::Keep => {}
                Verdict::KeepUntimed => self.part.n_untimed += 1,
                Verdict::LeaveOut => {
                    self.part.totals.n_left_out += 1;
                    continue;
                }
            }
            self.part.is_fail_on_met |= self.scan.fail_on.is_some_and(|severity| event.entry.severity >= severity);
            match &self.scan.output {
                Output::Lines(writer, _) => {
                    writer.write(&event, &mut self.line);
                    self.line.push(b'\n');
                }
                Output::Report => self.part.tally.add(&event, self.index),
            }
        }
        self.events = events;
        let Some(lane) = self.lane.as_mut().filter(|_| !self.line.is_empty()) else { return Ok(()) };
        let written = lane.write(&self.line);
        self.line.clear();
        written
    }
}

/// Takes a file in pieces, and what is behind the last whole one as it comes.
fn read_pieces(
    pieces: &mut Pieces<'_>,
    reading: Reading,
    buffer: &mut [u8],
    progress: &dyn Fn(u64),
    mut take: impl FnMut(&[u8], Option<&Searched>) -> ControlFlow<()>,
) -> Result<Ending, ReadError> {
    let mut offset = 0;
    loop {
        let piece = pieces.next()?;
        if piece.bytes.len() < BUFFER_BYTES {
            return reading.read_on(offset, buffer, progress, |bytes| take(bytes, None));
        }
        offset += piece.bytes.len() as u64;
        progress(piece.bytes.len() as u64);
        if take(&piece.bytes, Some(&piece.searched)).is_break() {
            return Ok(Ending::Stopped);
        }
        pieces.give_back(piece.bytes);
    }
}
