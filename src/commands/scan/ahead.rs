//! Workers that have no file any more search what comes next in the large files of others.
//!
//! Pieces are read and searched by whoever has time; the worker that has the file takes them in their order, and works on those that
//! nobody has begun. So what comes out is the same as if it had been alone. Few pieces are ahead at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::input::BUFFER_BYTES;
use crate::pipeline::{Engine, Searched};

/// Pieces of a file that are there or in the making.
const MAX_PIECES: u64 = 12;

/// Files that others can help with.
#[derive(Default)]
pub struct Helpers {
    state: Mutex<Open>,
    changed: Condvar,
}

#[derive(Default)]
struct Open {
    files: Vec<Arc<Ahead>>,
    /// Workers that may still open one.
    n_busy: usize,
}

/// A worker that has inputs to read. Dropping it says that it has none any more.
pub struct Busy<'h>(&'h Helpers);

/// A file that is read ahead.
pub struct Ahead {
    file: File,
    engine: Arc<Engine>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first piece that nobody has begun.
    next: u64,
    /// The first that was not taken.
    first: u64,
    ready: BTreeMap<u64, io::Result<Piece>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    is_over: bool,
}

/// The pieces of a file, in order. Dropping it ends the help.
pub struct Pieces<'h> {
    helpers: &'h Helpers,
    ahead: Arc<Ahead>,
}

/// A piece that was searched. Only the last of a file is shorter than [`BUFFER_BYTES`].
pub struct Piece {
    pub bytes: Vec<u8>,
    pub searched: Searched,
}

impl Helpers {
    pub fn busy(&self) -> Busy<'_> {
        lock(&self.state).n_busy += 1;
        Busy(self)
    }

    /// Helps until no worker has a file any more.
    pub fn help(&self) {
        let mut open = lock(&self.state);
        loop {
            if let Some(ahead) = open.files.first().map(Arc::clone) {
                drop(open);
                ahead.help();
                open = lock(&self.state);
                continue;
            }
            if open.n_busy == 0 {
                return;
            }
            open = self.changed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The pieces of a file, from its start on.
    pub fn pieces(&self, file: File, engine: Arc<Engine>) -> Pieces<'_> {
        let ahead = Arc::new(Ahead { file, engine, state: Mutex::default(), changed: Condvar::new() });
        lock(&self.state).files.push(Arc::clone(&ahead));
        self.changed.notify_all();
        Pieces { helpers: self, ahead }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).n_busy -= 1;
        self.0.changed.notify_all();
    }
}

impl Pieces<'_> {
    /// # Errors
    /// The piece cannot be read.
    pub fn next(&mut self) -> io::Result<Piece> {
        let mut state = lock(&self.ahead.state);
        loop {
            let first = state.first;
            if let Some(piece) = state.ready.remove(&first) {
                state.first += 1;
                self.ahead.changed.notify_all();
                return piece;
            }
            state = match self.ahead.work(state) {
                Ok(state) => state,
                Err(state) => self.ahead.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Takes back the buffer of a piece.
    pub fn give_back(&self, buffer: Vec<u8>) {
        lock(&self.ahead.state).spare.push(buffer);
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        lock(&self.helpers.state).files.retain(|ahead| !Arc::ptr_eq(ahead, &self.ahead));
        lock(&self.ahead.state).is_over = true;
        self.ahead.changed.notify_all();
    }
}

impl Ahead {
    fn help(&self) {
        let mut state = lock(&self.state);
        while !state.is_over {
            state = match self.work(state) {
                Ok(state) => state,
                Err(state) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Makes the next piece ready, without holding the lock; gives the lock back as it is if enough of them are under way.
    fn work<'s>(&'s self, mut state: MutexGuard<'s, State>) -> Result<MutexGuard<'s, State>, MutexGuard<'s, State>> {
        if state.next - state.first >= MAX_PIECES {
            return Err(state);
        }
        let index = state.next;
        state.next += 1;
        let buffer = state.spare.pop().unwrap_or_default();
        drop(state);
        let piece = self.read(index * BUFFER_BYTES as u64, buffer);
        let mut state = lock(&self.state);
        state.ready.insert(index, piece);
        self.changed.notify_all();
        Ok(state)
    }

    fn read(&self, offset: u64, mut bytes: Vec<u8>) -> io::Result<Piece> {
        bytes.resize(BUFFER_BYTES, 0);
        let mut filled = 0;
        while filled < BUFFER_BYTES {
            match self.file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What came before it is a piece; the error comes again with what follows.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        let searched = self.engine.search(&bytes);
        Ok(Piece { bytes, searched })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::catalog::Catalog;
    use crate::redact::Redactor;

    #[test]
    fn pieces_come_in_order_whoever_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text: Vec<u8> = (0..400_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        std::fs::write(&path, &text).unwrap();
        let engine = Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::disabled()));
        for n_helpers in [0, 1, 4] {
            let helpers = Helpers::default();
            let busy = helpers.busy();
            thread::scope(|scope| {
                (0..n_helpers).for_each(|_| drop(scope.spawn(|| helpers.help())));
                let mut pieces = helpers.pieces(File::open(&path).unwrap(), Arc::clone(&engine));
                let mut got = Vec::new();
                loop {
                    let piece = pieces.next().unwrap();
                    got.extend_from_slice(&piece.bytes);
                    if piece.bytes.len() < BUFFER_BYTES {
                        break;
                    }
                    pieces.give_back(piece.bytes);
                }
                assert!(got == text, "{n_helpers} helpers");
                drop(pieces);
                drop(busy);
            });
        }
    }
}
