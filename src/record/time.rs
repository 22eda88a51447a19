//! Reads the time that a logger gave a record.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use regex::Regex;

use super::Text;
use super::iso::{self, Written, month};

/// How far into the first line a time is looked for, in bytes.
const REACH: usize = 512;

static SYSLOG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[<\[({|]{0,2}(?:<[0-9]+>)?([A-Z][a-z]{2}) +([0-9][0-9]?) ([0-9][0-9]):([0-9][0-9]):([0-9][0-9])")
        .expect("literal")
});
static EPOCH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:^|"(?:time|ts|timestamp|@timestamp)": ?"?)([0-9]{10})(?:([0-9]{3})(?-u:\b)|\.([0-9]{1,9}))?"#)
        .expect("literal")
});

/// The time of a record, to at best a nanosecond. A zone in the record wins; else the container runtime's stamp, which
/// always has one; else `zone`. `now` gives the year where the log has none.
pub fn time(text: &Text, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let line = super::text::head(&text.text);
    let mut end = line.len().min(REACH);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    match written(&line[..end], zone, now) {
        Some((time, true)) => Some(time),
        local => text.stamped.or(local.map(|(time, _)| time)),
    }
}

/// The first time in `head`, and whether it named its zone.
fn written(head: &str, zone: &TimeZone, now: Timestamp) -> Option<(Timestamp, bool)> {
    if let Some(Written { numbers, fraction, zone: written }) = iso::find(head).or_else(|| iso::find_named(head)) {
        let [year, month, day, hour, minute, second] = numbers;
        let date =
            DateTime::new(year as i16, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()?;
        return Some((with_fraction(in_zone(date, written, zone)?, fraction)?, written.is_some()));
    }
    if let Some(found) = EPOCH.captures(head) {
        let time = Timestamp::from_second(found[1].parse().ok()?).ok()?;
        let fraction = found.get(2).or(found.get(3)).map_or("", |m| m.as_str());
        return Some((with_fraction(time, fraction)?, true));
    }
    SYSLOG.captures(head).and_then(|found| {
        let [day, hour, minute, second] = [2, 3, 4, 5].map(|n| number(&found[n]));
        without_year(month(&found[1]), [day, hour, minute, second], zone, now).map(|time| (time, false))
    })
}

/// The latest such moment that is not more than a day ahead of `now`.
fn without_year(month: i32, rest: [i32; 4], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let [day, hour, minute, second] = rest.map(|n| n as i8);
    let this_year = now.to_zoned(zone.clone()).year();
    [this_year + 1, this_year, this_year - 1].into_iter().find_map(|year| {
        let time = in_zone(DateTime::new(year, month as i8, day, hour, minute, second, 0).ok()?, None, zone)?;
        (time <= now.saturating_add(24.hours()).ok()?).then_some(time)
    })
}

fn in_zone(date: DateTime, written: Option<&str>, zone: &TimeZone) -> Option<Timestamp> {
    match written {
        None => zone.to_timestamp(date).ok(),
        Some("Z") => TimeZone::UTC.to_timestamp(date).ok(),
        Some(offset) => {
            let seconds = number(&offset[1..3]) * 3600 + number(&offset[offset.len() - 2..]) * 60;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            Offset::from_seconds(sign * seconds).ok()?.to_timestamp(date).ok()
        }
    }
}

fn with_fraction(time: Timestamp, digits: &str) -> Option<Timestamp> {
    let nanos = i64::from(number(digits)) * 10i64.pow(9u32.saturating_sub(digits.len() as u32));
    time.checked_add(nanos.nanoseconds()).ok()
}

/// Digits that an expression has already found to be digits, at most nine.
fn number(digits: &str) -> i32 {
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Charset;

    fn read(line: &str) -> Option<String> {
        let zone = TimeZone::get("Asia/Shanghai").expect("zone");
        let now = "2026-11-23T06:00:00Z".parse().expect("time");
        time(&Text::decode(line.as_bytes(), Charset::Auto), &zone, now).map(|t| t.to_string())
    }

    #[test]
    fn times_of_real_loggers() {
        for (line, expected) in [
            ("2026-11-23 01:38:54,744 [ERROR] x", "2026-11-22T17:38:54.744Z"),
            ("2026-11-23T01:07:05.672Z error: x", "2026-11-23T01:07:05.672Z"),
            ("[2026-11-23T09:14:55.301839+08:00] x", "2026-11-23T01:14:55.301839Z"),
            ("2026/11/23 01:14:10 main.go:27: x", "2026-11-22T17:14:10Z"),
            ("127.0.0.1 - - [23/Nov/2026:01:16:03 +0000] \"GET /\"", "2026-11-23T01:16:03Z"),
            ("127.0.0.1 - - [23/Nov/2026 01:05:06] \"POST /\"", "2026-11-22T17:05:06Z"),
            (r#"{"level":50,"time":1795396024011,"msg":"x"}"#, "2026-11-23T01:07:04.011Z"),
            ("Nov 23 09:05:06 host app: x", "2026-11-23T01:05:06Z"),
            ("Dec 31 09:05:06 host app: x", "2025-12-31T01:05:06Z"),
            (
                "2026-11-23T01:42:30.150129093+00:00 stdout F 2026-11-23 01:42:30,146 INFO x",
                "2026-11-23T01:42:30.150129093Z",
            ),
        ] {
            assert_eq!(read(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(read("01:10:18.716 [main] x"), None);
        assert_eq!(read("9999-99-99 99:99:99 x"), None);
    }
}
