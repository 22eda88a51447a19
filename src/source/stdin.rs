//! Standard input as a source: a thread reads it and puts the pieces into a bounded box. While nobody takes them out, whoever writes waits.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use super::letterbox::{Letterbox, Most, Put};

/// The events of a piece find room wherever anything may be read.
const PIECE: usize = 4096;
const MAX_PIECES: usize = 64;

/// What came of a read.
#[derive(Debug)]
pub enum Arrival {
    Bytes(Vec<u8>),
    /// Nothing more will come: it has ended, or cannot be read any more.
    End(Option<io::Error>),
}

/// The box.
#[derive(Debug)]
pub struct Stdin(Arc<Letterbox<Arrival>>);

impl Stdin {
    /// Reads to the end, on a thread that nobody waits for. `arrived` is called when there is something in a box that was empty.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn read(mut from: impl Read + Send + 'static, arrived: impl Fn() + Send + 'static) -> io::Result<Stdin> {
        let letters = Arc::new(Letterbox::new(Most { letters: MAX_PIECES, bytes: usize::MAX }));
        let stdin = Stdin(Arc::clone(&letters));
        thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut buffer = [0; PIECE];
            loop {
                let arrival = match from.read(&mut buffer) {
                    Ok(0) => Arrival::End(None),
                    Ok(n) => Arrival::Bytes(buffer[..n].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Arrival::End(Some(error)),
                };
                let is_end = matches!(arrival, Arrival::End(_));
                if letters.put(arrival, PIECE) == Put::First {
                    arrived();
                }
                if is_end {
                    return;
                }
            }
        })?;
        Ok(stdin)
    }

    pub fn take(&self) -> Option<Arrival> {
        self.0.take()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
            assert!(stdin.0.len() <= MAX_PIECES);
            match stdin.take() {
                Some(Arrival::Bytes(piece)) => read.extend(piece),
                Some(Arrival::End(error)) => break assert!(error.is_none()),
                None => arrived.recv().unwrap(),
            }
        }
        assert_eq!(read, bytes);
        assert!(stdin.is_empty());
    }
}
