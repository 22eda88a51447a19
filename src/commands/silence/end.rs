//! When a silence ends: `--for 2h`, `--until 18:00`.

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Time;
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::cli::SilenceEnd;
use crate::when::{self, Edge};

/// The end, which is after `now`; times without a zone are of that of `now`.
///
/// # Errors
/// It is no time, or over.
pub fn of(end: &SilenceEnd, now: &Zoned) -> Result<Timestamp> {
    match (&end.lasts, &end.until) {
        (Some(lasts), _) => after(lasts, now),
        (None, Some(until)) => until_time(until, now),
        (None, None) => bail!("give --for or --until"),
    }
}

fn after(text: &str, now: &Zoned) -> Result<Timestamp> {
    let span: Option<Span> = text.trim().parse().ok().filter(|span: &Span| span.is_positive());
    let span = span.ok_or_else(|| anyhow!("--for: {text:?} is not a time span; write 30m, 2h, 1h30m or 3d"))?;
    let end = now.checked_add(span).with_context(|| format!("--for: {text:?} is too long"))?;
    Ok(end.timestamp())
}

fn until_time(text: &str, now: &Zoned) -> Result<Timestamp> {
    let of_day =
        text.trim().parse::<Time>().ok().filter(|_| text.trim().len() <= "18:00:00".len() && text.contains(':'));
    let end = match of_day {
        Some(time) => next(time, now).with_context(|| format!("--until: {text:?}"))?,
        None => when::parse(text, now.timestamp(), now.time_zone(), Edge::Until).map_err(|_| {
            anyhow!(
                "--until: {text:?} is not a time; write 18:00, \"2026-03-01 08:00\", 2026-03-01 or 2026-03-01T08:00:00Z"
            )
        })?,
    };
    if end <= now.timestamp() {
        bail!("--until: {text:?} is over; for a time from now on write --for 2h");
    }
    Ok(end)
}

/// The next time that clocks show this.
fn next(time: Time, now: &Zoned) -> Result<Timestamp, jiff::Error> {
    let date = if time > now.time() { now.date() } else { now.date().checked_add(1.day())? };
    Ok(date.to_datetime(time).to_zoned(now.time_zone().clone())?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(lasts: Option<&str>, until: Option<&str>) -> Result<String, String> {
        let now: Zoned = "2026-03-10T12:00:00+08:00[Asia/Shanghai]".parse().unwrap();
        let end = SilenceEnd { lasts: lasts.map(str::to_owned), until: until.map(str::to_owned) };
        of(&end, &now).map(|end| end.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_way_to_write_an_end() {
        for (text, expected) in [
            ("30m", "2026-03-10T04:30:00Z"),
            ("2h", "2026-03-10T06:00:00Z"),
            ("1h30m", "2026-03-10T05:30:00Z"),
            ("3d", "2026-03-13T04:00:00Z"),
        ] {
            assert_eq!(end(Some(text), None).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("18:00", "2026-03-10T10:00:00Z"),
            ("08:30", "2026-03-11T00:30:00Z"),
            ("12:00", "2026-03-11T04:00:00Z"),
            ("2026-03-11 08:00", "2026-03-11T00:00:00Z"),
            ("2026-03-10", "2026-03-10T15:59:59.999999999Z"),
            ("2026-03-10T08:00:00Z", "2026-03-10T08:00:00Z"),
        ] {
            assert_eq!(end(None, Some(text)).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_over_is_refused() {
        for text in ["", "2", "-2h", "0m", "2h ago", "soon", "99999999999d"] {
            assert!(end(Some(text), None).is_err_and(|error| error.starts_with("--for: ")), "{text}");
        }
        for (text, expected) in [
            ("tomorrow", "is not a time"),
            ("25:00", "is not a time"),
            ("2h", "is over; for a time from now on write --for"),
            ("2026-03-09", "is over"),
            ("2026-03-10T04:00:00Z", "is over"),
        ] {
            assert!(end(None, Some(text)).is_err_and(|error| error.contains(expected)), "{text}");
        }
    }
}
