//! When a request is tried again. Pure: how often it failed and a random number in, a time out.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Before the first retry at most; doubled with each further one.
const FIRST: Duration = Duration::from_secs(1);
/// Between any two attempts at most, unless the receiver asks for more.
const LONGEST: Duration = Duration::from_secs(300);
/// What a receiver may ask for at most.
const MAX_AFTER: Duration = Duration::from_secs(3600);

/// How long to wait after `failures` failed attempts (at least 1). `random`, from 0 to 1, spreads the attempts of many hosts over the
/// whole time ("full jitter").
pub fn pause(failures: u32, random: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    FIRST.saturating_mul(doubled).min(LONGEST).mul_f64(random.clamp(0.0, 1.0))
}

/// What a `Retry-After` header asks for, at most an hour; `None` if it says nothing or lies in the past (RFC 9110, 10.2.3).
pub fn after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(header.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(header).ok()?.duration_since(SystemTime::from(now)).ok()?
    };
    Some(wait.min(MAX_AFTER)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_are_spread_from_nothing_to_all_of_it() {
        let seconds: Vec<u64> = (1..12).map(|failures| pause(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
        assert_eq!(pause(5, 0.0), Duration::ZERO);
        assert_eq!(pause(3, 0.5), Duration::from_secs(2));
    }

    #[test]
    fn a_receiver_may_ask_for_up_to_an_hour_in_seconds_or_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let seconds = |header| after(header, now).map(|wait| wait.as_secs());
        for (header, expected) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3600)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(header), expected, "{header:?}");
        }
    }
}
