//! Counts distinct values in bounded memory: exactly while they are few, then by estimate.
//!
//! Keeps the smallest hashes only (bottom-k sketch): how dense they lie says how many values there are. The same
//! set of values gives the same count, in whatever order and parts it was met.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Values that are counted exactly; beyond, the relative error is about `1 / sqrt(K)`, 1.6 %.
const K: usize = 4096;

#[derive(Debug, Clone, Default)]
pub struct Distinct {
    smallest: BTreeSet<u64>,
}

/// How many distinct values there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exactly(u64),
    About(u64),
}

impl Distinct {
    pub fn add(&mut self, value: &str) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        self.add_hash(hasher.finish());
    }

    pub fn merge(&mut self, other: Distinct) {
        other.smallest.into_iter().for_each(|hash| self.add_hash(hash));
    }

    pub fn count(&self) -> Count {
        match self.smallest.last() {
            Some(&largest) if self.smallest.len() > K => {
                let share = largest as f64 / u64::MAX as f64;
                Count::About((K as f64 / share).round() as u64)
            }
            _ => Count::Exactly(self.smallest.len() as u64),
        }
    }

    /// One more than `K` is kept, to know that there are more than `K`.
    fn add_hash(&mut self, hash: u64) {
        let is_full = self.smallest.len() > K;
        if is_full && self.smallest.last().is_some_and(|&largest| hash >= largest) {
            return;
        }
        if self.smallest.insert(hash) && is_full {
            self.smallest.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u32>) -> Distinct {
        let mut distinct = Distinct::default();
        values.for_each(|value| distinct.add(&value.to_string()));
        distinct
    }

    #[test]
    fn few_values_are_counted_exactly_and_repeats_do_not_count() {
        assert_eq!(of(0..0).count(), Count::Exactly(0));
        assert_eq!(of((0..4096).chain(0..4096)).count(), Count::Exactly(4096));
    }

    #[test]
    fn many_values_are_estimated_well() {
        let Count::About(n) = of(0..100_000).count() else { panic!("exact") };
        assert!((93_000..107_000).contains(&n), "{n}");
    }

    #[test]
    fn parts_in_any_order_give_the_count_of_the_whole() {
        let mut merged = of((5_000..20_000).rev());
        merged.merge(of(0..10_000));
        assert_eq!(merged.count(), of(0..20_000).count());
    }
}
