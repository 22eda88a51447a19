//! How many requests a receiver takes within a second and a minute, so that it never has to say that it was too many.
//!
//! Counts the requests of any second and any minute, not of those that a clock begins: some targets block a robot for ten minutes
//! that was too quick once. When the last ones went out is known to the store: for all sinks that send to one receiver
//! together, and over reloads, restarts and crashes.

use std::time::Duration;

use crate::deliver::format::Limits;

/// With what requests may come closer together on their way.
const SECOND: Duration = Duration::from_millis(1_000 + 100);
const MINUTE: Duration = Duration::from_millis(60_000 + 500);

/// Pure: times are arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    windows: Vec<Window>,
}

/// At most so many requests within so long.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    length: Duration,
    limit: usize,
}

impl Budget {
    /// A limit of 0 would be the end of all requests, and is 1.
    pub fn of(limits: &Limits) -> Budget {
        let window = |(length, limit): (Duration, Option<u32>)| Some(Window { length, limit: limit?.max(1) as usize });
        Budget {
            windows: [(SECOND, limits.per_second), (MINUTE, limits.per_minute)]
                .into_iter()
                .filter_map(window)
                .collect(),
        }
    }

    /// False: it takes as many as there are.
    pub fn is_limited(&self) -> bool {
        !self.windows.is_empty()
    }

    /// How long the next request has to wait, given how long ago the last ones went out, the latest first.
    pub fn pause(&self, ages: &[Duration]) -> Duration {
        // There is room again when the oldest one of a full window leaves it.
        let pause = |window: &Window| {
            ages.get(window.limit - 1).map_or(Duration::ZERO, |age| window.length.saturating_sub(*age))
        };
        self.windows.iter().map(pause).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_second: Option<u32>, per_minute: Option<u32>) -> Budget {
        Budget::of(&Limits { max_bytes: 1, max_batch: 1, per_minute, per_second })
    }

    #[test]
    fn no_second_and_no_minute_has_more_than_its_limit() {
        let budget = budget(Some(4), Some(18));
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        for _ in 0..100 {
            let ages: Vec<_> = sent.iter().rev().map(|at| now - *at).collect();
            now += budget.pause(&ages);
            sent.push(now);
        }
        for (n, first) in sent.iter().enumerate() {
            let within = |length| sent[n..].iter().filter(|at| **at - *first < length).count();
            assert!(within(SECOND) <= 4 && within(MINUTE) <= 18, "after {first:?}");
        }
        // As fast as it may: five minutes and a few seconds for 5 · 18 + 10.
        assert_eq!(now.as_secs(), 304);
    }

    #[test]
    fn without_limits_everything_goes_at_once() {
        let budget = budget(None, None);
        assert!(!budget.is_limited());
        assert_eq!(budget.pause(&[Duration::ZERO; 1000]), Duration::ZERO);
    }
}
