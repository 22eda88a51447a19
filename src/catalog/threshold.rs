//! How many events within which time are worth telling a person, and how such a time is written.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Wrong;
use super::read::{Found, Reader, Table};

/// The most events a threshold can wait for: each of them is remembered until it is reached.
pub const MAX_COUNT: u32 = 1000;

/// How many events within which time make an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// 1 to [`MAX_COUNT`].
    pub count: u32,
    pub within: Duration,
}

/// Units of a duration, longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `30s`, `5m` or `500ms`; `None` for anything else and for times that cannot be counted.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let &(_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(ms).map(Duration::from_millis)
}

/// Writes what [`parse_duration`] reads, in the longest unit that is exact to the millisecond.
pub fn write_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, size) = UNITS.into_iter().find(|(_, size)| ms % size == 0).unwrap_or(("ms", 1));
    format!("{}{unit}", ms / size)
}

/// `threshold = { count = 5, within = "1m" }`
pub(super) fn threshold<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Option<Threshold> {
    let mut inside = reader.table(table, "threshold")?;
    let span = inside.span.clone();
    let n_before = reader.problems.len();
    let count = reader.integer(&mut inside, "count");
    let within = reader.string(&mut inside, "within");
    reader.close(inside);
    for (key, is_missing) in [("threshold.count", count.is_none()), ("threshold.within", within.is_none())] {
        if is_missing && reader.problems[n_before..].iter().all(|problem| problem.key != key) {
            reader.report(span.clone(), key, Wrong::Missing);
        }
    }
    let count = count.and_then(|Found { value, span }| {
        let count = u32::try_from(value).ok().filter(|count| (1..=MAX_COUNT).contains(count));
        if count.is_none() {
            reader.report(span, "threshold.count", Wrong::BadCount(value));
        }
        count
    });
    let within = within.and_then(|Found { value, span }| {
        let within = parse_duration(&value).filter(|within| !within.is_zero());
        if within.is_none() {
            reader.report(span, "threshold.within", Wrong::BadDuration(value));
        }
        within
    });
    Some(Threshold { count: count?, within: within? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["1ms", "1500ms", "30s", "5m", "2h", "7d"] {
            assert_eq!(parse_duration(text).map(write_duration).as_deref(), Some(text));
        }
        for text in ["", "5", "m", "5 m", "5min", "-5m", "1.5h", "99999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
