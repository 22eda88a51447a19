//! Random choices that a seed repeats.

use std::ops::Range;
use std::time::Duration;

pub use crate::splitmix::Rng;

impl Rng {
    /// Choices of somebody else, which this one's do not disturb.
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.next())
    }

    pub fn below(&mut self, range: Range<usize>) -> usize {
        range.start + (self.next() % (range.end - range.start) as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(0..n) == 0
    }

    pub fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(0..i + 1));
        }
    }
}
