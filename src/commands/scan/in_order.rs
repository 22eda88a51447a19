//! Puts the output of workers that run side by side into the order of the files.
//!
//! The file whose turn it is writes through. Files ahead of it keep their output in memory, all together up to
//! a bound, and then wait; the one whose turn it is never waits, so there is always one that moves on.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Output that waits for its turn, of all files together.
const MAX_SPOOLED_BYTES: usize = 64 * 1024 * 1024;

pub struct InOrder<W> {
    state: Mutex<State<W>>,
    turn: Condvar,
    max_spooled: usize,
}

struct State<W> {
    out: W,
    /// Index of the file whose turn it is.
    next: usize,
    /// Output of files that ended before their turn.
    ended: BTreeMap<usize, Vec<u8>>,
    n_spooled: usize,
    /// Writing failed once; nobody needs to try again.
    failed: Option<io::ErrorKind>,
}

/// The output of one file. Dropping it ends the file.
pub struct Lane<'a, W: Write> {
    lines: &'a InOrder<W>,
    index: usize,
    spool: Vec<u8>,
}

impl<W: Write> InOrder<W> {
    pub fn new(out: W) -> InOrder<W> {
        InOrder::bounded(out, MAX_SPOOLED_BYTES)
    }

    fn bounded(out: W, max_spooled: usize) -> InOrder<W> {
        let state = State { out, next: 0, ended: BTreeMap::new(), n_spooled: 0, failed: None };
        InOrder { state: Mutex::new(state), turn: Condvar::new(), max_spooled }
    }

    /// The output of the file with this index. Every index from 0 on needs one, or the later ones wait for ever.
    pub fn lane(&self, index: usize) -> Lane<'_, W> {
        Lane { lines: self, index, spool: Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Lane<'_, W> {
    /// Writes whole lines, now or when it is this file's turn.
    ///
    /// # Errors
    /// The output failed, here or for another file.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lines.lock();
        while state.next != self.index
            && state.failed.is_none()
            && state.n_spooled + bytes.len() > self.lines.max_spooled
        {
            state = self.lines.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.next != self.index && state.failed.is_none() {
            state.n_spooled += bytes.len();
            self.spool.extend_from_slice(bytes);
            return Ok(());
        }
        let spool = std::mem::take(&mut self.spool);
        state.unspool(&spool)?;
        let written = state.write(bytes);
        self.lines.turn.notify_all();
        written
    }
}

impl<W: Write> Drop for Lane<'_, W> {
    fn drop(&mut self) {
        let mut state = self.lines.lock();
        state.ended.insert(self.index, std::mem::take(&mut self.spool));
        loop {
            let turn = state.next;
            let Some(spool) = state.ended.remove(&turn) else { break };
            // A failure is kept; whoever writes next is told.
            let _ = state.unspool(&spool);
            state.next += 1;
        }
        self.lines.turn.notify_all();
    }
}

impl<W: Write> State<W> {
    fn unspool(&mut self, spool: &[u8]) -> io::Result<()> {
        self.n_spooled -= spool.len();
        self.write(spool)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        self.out.write_all(bytes).inspect_err(|error| self.failed = Some(error.kind()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn out(lines: InOrder<Vec<u8>>) -> String {
        String::from_utf8(lines.state.into_inner().unwrap().out).unwrap()
    }

    #[test]
    fn a_file_ahead_of_its_turn_waits_and_the_one_whose_turn_it_is_writes_through() {
        let lines = InOrder::new(Vec::new());
        let (mut first, mut second) = (lines.lane(0), lines.lane(1));
        second.write(b"c\n").unwrap();
        first.write(b"a\n").unwrap();
        assert_eq!(lines.lock().out, b"a\n");
        drop(second);
        first.write(b"b\n").unwrap();
        drop(first);
        assert_eq!(lines.lock().n_spooled, 0);
        assert_eq!(out(lines), "a\nb\nc\n");
    }

    #[test]
    fn any_number_of_workers_and_any_bound_give_the_same_output() {
        let expected: String = (0..50).flat_map(|file| (0..20).map(move |n| format!("{file}:{n}\n"))).collect();
        for max_spooled in [0, 10, 1000, usize::MAX] {
            let lines = InOrder::bounded(Vec::new(), max_spooled);
            let next = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        loop {
                            let file = next.fetch_add(1, Ordering::Relaxed);
                            if file >= 50 {
                                return;
                            }
                            let mut lane = lines.lane(file);
                            (0..20).for_each(|n| lane.write(format!("{file}:{n}\n").as_bytes()).unwrap());
                        }
                    });
                }
            });
            assert_eq!(out(lines), expected, "{max_spooled}");
        }
    }

    #[test]
    fn a_closed_output_stops_those_that_wait() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = InOrder::bounded(Closed, 0);
        let mut first = lines.lane(0);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| lines.lane(1).write(b"b\n"));
            assert_eq!(first.write(b"a\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(waiting.join().unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }
}
