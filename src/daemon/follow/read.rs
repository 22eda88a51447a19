//! What one turn reads: bytes of the file into its stream, what has to be seen again first.

use std::fs::File;
use std::io;

use super::Turn;
use crate::pipeline::Stream;
use crate::source::tail::{Got, Manner, Tail};

/// With so many events a turn ends early.
const EVENTS_PER_TURN: usize = 1000;

/// How much of a file a turn has read.
pub enum Read {
    More,
    All,
}

pub fn read_into(
    stream: &mut Stream,
    tail: &mut Tail,
    (file, quiet): (&File, bool),
    with: &mut Turn,
) -> io::Result<Read> {
    let (now, events) = (with.now, &mut *with.events);
    while stream.position() < tail.position() {
        let from = stream.position();
        if tail.replay(file, with.buffer, from, |bytes| stream.push(bytes, now, events))? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "became shorter while it was read"));
        }
    }
    let mut left = with.budget;
    while left > 0 && events.len() < EVENTS_PER_TURN {
        with.buffer.limit(left);
        let manner = Manner { pairs: stream.is_of_pairs(), quiet };
        match tail.read(file, with.buffer, manner, |bytes| stream.push(bytes, now, events))? {
            Got::Bytes(n) => left = left.saturating_sub(n),
            Got::Zeros(len) => {
                stream.push_nuls(len, now, events);
                left = left.saturating_sub(usize::try_from(len).unwrap_or(left));
            }
            Got::Searching | Got::Changed => return Ok(Read::More),
            Got::End => return Ok(Read::All),
        }
    }
    Ok(Read::More)
}
