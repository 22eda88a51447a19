//! How many requests a target takes within a second and a minute, so that it never has to say that it was too many.
//!
//! Counts the requests of any second and any minute, not of those that a clock begins: some targets block a robot for ten minutes
//! that was too quick once. Nothing of it outlives the process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Pure: the time is an argument, and never goes back.
#[derive(Debug)]
pub struct Budget {
    windows: Vec<Window>,
}

/// At most so many requests within so long.
#[derive(Debug)]
struct Window {
    length: Duration,
    limit: usize,
    /// When the last ones went out, at most `limit`.
    spent: VecDeque<Instant>,
}

impl Budget {
    /// `None`: as many as there are. A limit of 0 would be the end of all requests, and is 1.
    pub fn new(per_second: Option<u32>, per_minute: Option<u32>) -> Budget {
        let window = |(length, limit): (Duration, Option<u32>)| {
            let limit = limit?.max(1) as usize;
            Some(Window { length, limit, spent: VecDeque::with_capacity(limit) })
        };
        Budget { windows: [(SECOND, per_second), (MINUTE, per_minute)].into_iter().filter_map(window).collect() }
    }

    pub fn is_limited(&self) -> bool {
        !self.windows.is_empty()
    }

    /// When the next request may go out: now, or later.
    pub fn next(&self, now: Instant) -> Instant {
        let free = |window: &Window| match window.spent.front() {
            Some(&oldest) if window.spent.len() >= window.limit => oldest + window.length,
            _ => now,
        };
        self.windows.iter().map(free).fold(now, Instant::max)
    }

    /// A request goes out.
    pub fn spend(&mut self, now: Instant) {
        for window in &mut self.windows {
            if window.spent.len() >= window.limit {
                window.spent.pop_front();
            }
            window.spent.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_and_no_minute_has_more_than_its_limit() {
        let mut budget = Budget::new(Some(4), Some(18));
        let began = Instant::now();
        let (mut now, mut sent) = (began, Vec::new());
        for _ in 0..100 {
            now = budget.next(now);
            budget.spend(now);
            sent.push(now);
        }
        for (n, first) in sent.iter().enumerate() {
            let within = |length| sent[n..].iter().filter(|it| it.duration_since(*first) < length).count();
            assert!(within(SECOND) <= 4 && within(MINUTE) <= 18, "after {:?}", first.duration_since(began));
        }
        // As fast as it may: five minutes and a few seconds for 5 · 18 + 10.
        assert_eq!(now.duration_since(began).as_secs(), 302);
    }

    #[test]
    fn without_limits_everything_goes_at_once() {
        let (mut budget, now) = (Budget::new(None, None), Instant::now());
        for _ in 0..1000 {
            assert_eq!(budget.next(now), now);
            budget.spend(now);
        }
    }
}
