//! Reads the times that people write after `--since` and `--until`, and in `?since=`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Which end of a span is meant; a date alone stands for its whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Since,
    Until,
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time; write 2026-03-01T08:00:00Z, 2026-03-01, \"2026-03-01 08:00\", or how long ago: 2h, 3d")]
pub struct NotATime(String);

/// Reads RFC 3339, a date or a date and time in `zone`, or how long before `now` (`90s`, `15m`, `2h`, `3d`, `1w`).
///
/// # Errors
/// Anything else.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone, edge: Edge) -> Result<Timestamp, NotATime> {
    let text = text.trim();
    let local = |time: DateTime| time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let date = |date: Date| match edge {
        Edge::Since => local(date.to_datetime(jiff::civil::Time::midnight())),
        Edge::Until => local(date.to_datetime(jiff::civil::Time::MAX)),
    };
    let is_date = text.len() == "2026-03-01".len();
    let parsed = match text.parse::<Timestamp>() {
        Ok(time) => Some(time),
        Err(_) if is_date && text.contains('-') => text.parse().ok().and_then(date),
        Err(_) => ago(text, now).or_else(|| text.parse().ok().and_then(local)),
    };
    parsed.ok_or_else(|| NotATime(text.to_owned()))
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.strip_suffix("ago").unwrap_or(text).trim_end();
    let unit = text.chars().last()?;
    let n: i64 = text.strip_suffix(unit)?.trim_end().parse().ok().filter(|n| *n >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return None,
    };
    now.checked_sub(SignedDuration::from_secs(n.checked_mul(seconds)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, edge: Edge) -> Option<String> {
        let now = "2026-03-10T12:00:00Z".parse().unwrap();
        let shanghai = TimeZone::fixed(jiff::tz::offset(8));
        parse(text, now, &shanghai, edge).ok().map(|time| time.to_string())
    }

    #[test]
    fn every_way_to_write_a_time() {
        for (text, time) in [
            ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
            ("2026-03-01T08:00:00.5+08:00", "2026-03-01T00:00:00.5Z"),
            ("2026-03-01", "2026-02-28T16:00:00Z"),
            ("2026-03-01 08:00", "2026-03-01T00:00:00Z"),
            ("2026-03-01T08:00:30", "2026-03-01T00:00:30Z"),
            ("90s", "2026-03-10T11:58:30Z"),
            ("15m", "2026-03-10T11:45:00Z"),
            ("2h ago", "2026-03-10T10:00:00Z"),
            ("3d", "2026-03-07T12:00:00Z"),
            (" 1w ", "2026-03-03T12:00:00Z"),
        ] {
            assert_eq!(read(text, Edge::Since).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn a_date_is_a_whole_day() {
        assert_eq!(read("2026-03-01", Edge::Until).as_deref(), Some("2026-03-01T15:59:59.999999999Z"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "h", "yesterday", "-2h", "2y", "2026-02-30", "99999999999999d", "2026-03-01 25:00", "日"] {
            assert_eq!(read(text, Edge::Since), None, "{text}");
        }
    }
}
