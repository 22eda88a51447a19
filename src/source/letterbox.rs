//! A bounded letter box between a thread that reads and whoever works in rounds: while nobody takes anything out, the thread waits, and
//! what it reads from is the buffer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Letterbox<T> {
    inside: Mutex<Inside<T>>,
    changed: Condvar,
    most: Most,
}

/// It is full with so many letters, or so many bytes in them.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub letters: usize,
    pub bytes: usize,
}

#[derive(Debug)]
struct Inside<T> {
    /// Each with its bytes.
    letters: VecDeque<(T, usize)>,
    bytes: usize,
    is_closed: bool,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in a box that was empty.
    First,
    Behind,
    /// Nobody wants it any more.
    Unwanted,
}

impl<T> Letterbox<T> {
    pub fn new(most: Most) -> Letterbox<T> {
        let inside = Inside { letters: VecDeque::new(), bytes: 0, is_closed: false };
        Letterbox { inside: Mutex::new(inside), changed: Condvar::new(), most }
    }

    /// Puts it in as soon as there is room.
    pub fn put(&self, letter: T, bytes: usize) -> Put {
        let mut inside = self.inside();
        while self.is_full(&inside) && !inside.is_closed {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        if inside.is_closed {
            return Put::Unwanted;
        }
        let put = if inside.letters.is_empty() { Put::First } else { Put::Behind };
        inside.bytes += bytes;
        inside.letters.push_back((letter, bytes));
        put
    }

    pub fn take(&self) -> Option<T> {
        self.take_if(|_| true)
    }

    /// Takes the first one, if that is wanted.
    pub fn take_if(&self, is_wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut inside = self.inside();
        if !inside.letters.front().is_some_and(|(letter, _)| is_wanted(letter)) {
            return None;
        }
        let (letter, bytes) = inside.letters.pop_front()?;
        inside.bytes -= bytes;
        // Whoever waits for room gets more of it than for one letter.
        if inside.letters.is_empty() || inside.letters.len() == self.most.letters / 2 {
            self.changed.notify_all();
        }
        Some(letter)
    }

    pub fn len(&self) -> usize {
        self.inside().letters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on nothing is put in, and nobody waits.
    pub fn close(&self) {
        self.inside().is_closed = true;
        self.changed.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.inside().is_closed
    }

    /// Waits for so long, or until it is closed.
    pub fn wait_closed(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut inside = self.inside();
        while !inside.is_closed && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            inside = self.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_full(&self, inside: &Inside<T>) -> bool {
        inside.bytes >= self.most.bytes || inside.letters.len() >= self.most.letters
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_fills_it_waits_for_room_by_number_and_by_bytes() {
        for bytes in [0, 50] {
            let letters = Arc::new(Letterbox::new(Most { letters: 4, bytes: 100 }));
            let filled = Arc::clone(&letters);
            let filling = thread::spawn(move || (0..100).for_each(|n| _ = filled.put(n, bytes)));
            let most = if bytes == 0 { 4 } else { 2 };
            let mut taken = Vec::new();
            while taken.len() < 100 {
                assert!(letters.len() <= most);
                taken.extend(letters.take());
            }
            filling.join().unwrap();
            assert_eq!(taken, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_not_wanted_stays_and_a_closed_one_takes_nothing() {
        let letters = Letterbox::new(Most { letters: 4, bytes: 100 });
        assert_eq!([letters.put(1, 0), letters.put(2, 0)], [Put::First, Put::Behind]);
        assert_eq!((letters.take_if(|&letter| letter > 1), letters.take()), (None, Some(1)));
        letters.close();
        assert_eq!((letters.put(3, 0), letters.is_closed(), letters.len()), (Put::Unwanted, true, 1));
        letters.wait_closed(Duration::from_secs(3600));
    }
}
