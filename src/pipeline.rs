//! Wires the pure stages: bytes of one file and a clock value in, events out.
//!
//! An [`Engine`] is built once from the catalogue and shared; a [`Stream`] holds the state of one file. Any
//! chunking of the same bytes gives the same events, and a [`Checkpoint`] taken at any time lets a later
//! stream go on as if nothing had happened. No I/O, no clock.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::Catalog;
use crate::event::{Event, EventId, Origin};
use crate::provider::Provider;
use crate::record::Charset;
use crate::redact::Redactor;

/// What turns bytes into events, shared by all files.
#[derive(Debug)]
pub struct Engine {}

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Start of the oldest unfinished record: the first byte to feed after a restart.
    pub offset: u64,
    /// 1-based number of the line that begins at `offset`; 0 is taken as 1.
    pub line: u64,
    /// Events of that record which were handed out already and must not come again.
    pub reported: Vec<EventId>,
}

/// The state of one file.
#[derive(Debug)]
pub struct Stream {}

impl Engine {
    /// Builds the automaton and the lookup tables. The only costly step; matching cannot fail afterwards.
    pub fn new(_catalog: Arc<Catalog>, _redactor: Redactor) -> Engine {
        todo!()
    }
}

impl Stream {
    /// Starts or resumes a file. The next byte to push is the one at `from.offset`.
    pub fn new(_engine: Arc<Engine>, _file: FileContext, _from: Checkpoint) -> Stream {
        todo!()
    }

    /// Takes the next bytes of the file and appends the events of records that ended within them.
    pub fn push(&mut self, _bytes: &[u8], _now: Timestamp, _events: &mut Vec<Event>) {
        todo!()
    }

    /// The file has been quiet for a moment: records whose lines are complete are reported as they stand. Bytes
    /// may still follow; a continuation of the last record is then read with it, and nothing is reported
    /// twice. A last line without its newline is left for later.
    pub fn flush(&mut self, _now: Timestamp, _events: &mut Vec<Event>) {
        todo!()
    }

    /// The file ends here for good: also a last line without its newline is reported.
    pub fn finish(&mut self, _now: Timestamp, _events: &mut Vec<Event>) {
        todo!()
    }

    /// True while something found in complete lines waits for the end of its record, so that `flush` would
    /// report it.
    pub fn is_pending(&self) -> bool {
        todo!()
    }

    /// Where to go on after a restart, given that all events handed out so far are kept. A new stream made from
    /// it is fed from `Checkpoint::offset` on. Between wake-ups an idle file needs no more than this.
    pub fn checkpoint(&self) -> Checkpoint {
        todo!()
    }

    /// Offset of the next byte to push.
    pub fn position(&self) -> u64 {
        todo!()
    }
}
