//! How events spread over time, in bounded memory and without knowing the span beforehand.
//!
//! Counts go into bins whose width doubles when there are too many. Bins are aligned to the epoch, so that
//! timelines merge exactly.

use std::collections::BTreeMap;

use jiff::Timestamp;

const MAX_BINS: usize = 1024;

#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// The width of a bin is two to the power of this, in seconds.
    width_log2: u32,
    bins: BTreeMap<i64, u64>,
}

impl Timeline {
    pub fn add(&mut self, time: Timestamp) {
        *self.bins.entry(time.as_second() >> self.width_log2).or_default() += 1;
        self.shrink();
    }

    pub fn merge(&mut self, mut other: Timeline) {
        while self.width_log2 < other.width_log2 {
            self.double();
        }
        while other.width_log2 < self.width_log2 {
            other.double();
        }
        for (bin, count) in other.bins {
            *self.bins.entry(bin).or_default() += count;
        }
        self.shrink();
    }

    /// The counts of `n_columns` equal parts of a span.
    pub fn columns(&self, (first, last): (Timestamp, Timestamp), n_columns: usize) -> Vec<u64> {
        let mut columns = vec![0; n_columns];
        let (start, end) = (first.as_second(), last.as_second());
        let length = (i128::from(end) - i128::from(start) + 1).max(1);
        for (bin, count) in &self.bins {
            let second = (bin << self.width_log2).clamp(start, end);
            let at = (i128::from(second) - i128::from(start)) * n_columns as i128 / length;
            if let Some(column) = usize::try_from(at).ok().and_then(|at| columns.get_mut(at)) {
                *column += count;
            }
        }
        columns
    }

    fn shrink(&mut self) {
        while self.bins.len() > MAX_BINS {
            self.double();
        }
    }

    fn double(&mut self) {
        self.width_log2 += 1;
        let mut wider = BTreeMap::new();
        for (bin, count) in &self.bins {
            *wider.entry(bin >> 1).or_default() += count;
        }
        self.bins = wider;
    }
}

/// One character per column; a column with anything in it is never blank.
pub fn bars(columns: &[u64], levels: &[char]) -> String {
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let level = |&count: &u64| match count {
        0 => ' ',
        count => {
            let at = (u128::from(count) * levels.len() as u128).div_ceil(u128::from(most)) as usize;
            levels[at.clamp(1, levels.len()) - 1]
        }
    };
    columns.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(seconds: impl Iterator<Item = i64>) -> Timeline {
        let mut timeline = Timeline::default();
        seconds.for_each(|second| timeline.add(at(second)));
        timeline
    }

    #[test]
    fn columns_add_up_and_sit_where_the_events_are() {
        let timeline = of([0, 1, 50, 99].into_iter());
        assert_eq!(timeline.columns((at(0), at(99)), 10), [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(of([7].into_iter()).columns((at(7), at(7)), 3), [1, 0, 0]);
    }

    #[test]
    fn a_long_span_stays_bounded_and_loses_no_event() {
        let timeline = of((0..100_000).map(|n| n * 97));
        assert!(timeline.bins.len() <= MAX_BINS);
        assert_eq!(timeline.columns((at(0), at(97 * 99_999)), 40).iter().sum::<u64>(), 100_000);
    }

    #[test]
    fn parts_in_any_order_make_the_whole() {
        let mut merged = of((3000..9000).rev().map(|n| n * 7));
        merged.merge(of(0..3));
        merged.merge(of((1..3000).map(|n| n * 7)));
        let whole = of((0..3).chain((1..9000).map(|n| n * 7)));
        assert_eq!((merged.width_log2, merged.bins), (whole.width_log2, whole.bins));
    }

    #[test]
    fn bars_show_every_column_that_has_something() {
        assert_eq!(bars(&[0, 1, 50, 100], &['.', ':', '|']), " .:|");
        assert_eq!(bars(&[0, 0], &['.']), "  ");
    }
}
