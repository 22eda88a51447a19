//! Standard input as a source: a thread reads it and puts the pieces into a bounded box. While nobody takes them out, whoever writes waits.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The events of a piece find room wherever anything may be read.
const PIECE: usize = 4096;
const MAX_PIECES: usize = 64;

/// What came of a read.
#[derive(Debug)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// Nothing more will come: it has ended, or cannot be read any more.
    End(Option<io::Error>),
}

/// The box.
#[derive(Debug, Clone, Default)]
pub struct Stdin(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pieces: Mutex<VecDeque<Piece>>,
    taken: Condvar,
}

impl Stdin {
    /// Reads to the end, on a thread that nobody waits for. `arrived` is called when there is something in a box that was empty.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn read(mut from: impl Read + Send + 'static, arrived: impl Fn() + Send + 'static) -> io::Result<Stdin> {
        let stdin = Stdin::default();
        let own = stdin.clone();
        thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut buffer = [0; PIECE];
            loop {
                let piece = match from.read(&mut buffer) {
                    Ok(0) => Piece::End(None),
                    Ok(n) => Piece::Bytes(buffer[..n].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Piece::End(Some(error)),
                };
                let is_end = matches!(piece, Piece::End(_));
                if own.put(piece) {
                    arrived();
                }
                if is_end {
                    return;
                }
            }
        })?;
        Ok(stdin)
    }

    pub fn take(&self) -> Option<Piece> {
        let piece = self.pieces().pop_front();
        self.0.taken.notify_one();
        piece
    }

    pub fn is_empty(&self) -> bool {
        self.pieces().is_empty()
    }

    /// True if it was empty.
    fn put(&self, piece: Piece) -> bool {
        let mut pieces = self.pieces();
        while pieces.len() >= MAX_PIECES {
            pieces = self.0.taken.wait(pieces).unwrap_or_else(PoisonError::into_inner);
        }
        pieces.push_back(piece);
        pieces.len() == 1
    }

    fn pieces(&self) -> MutexGuard<'_, VecDeque<Piece>> {
        self.0.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn all_comes_in_order_and_the_box_is_bounded() {
        let bytes: Vec<u8> = (0..PIECE * MAX_PIECES * 3).map(|n| (n / 7) as u8).collect();
        let (sender, arrived) = channel();
        let stdin = Stdin::read(io::Cursor::new(bytes.clone()), move || _ = sender.send(())).unwrap();
        let mut read = Vec::new();
        loop {
            assert!(stdin.pieces().len() <= MAX_PIECES);
            match stdin.take() {
                Some(Piece::Bytes(piece)) => read.extend(piece),
                Some(Piece::End(error)) => break assert!(error.is_none()),
                None => arrived.recv().unwrap(),
            }
        }
        assert_eq!(read, bytes);
        assert!(stdin.is_empty());
    }
}
