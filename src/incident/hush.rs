//! Times at which nobody wants to hear of an incident: silences end once and for all, mutes come back every week.

use jiff::Timestamp;
use jiff::civil::Weekday;

use super::matching::{Subject, matches};
use crate::config::{Mute, Silence};

/// What is hushed at one moment.
pub(super) struct Hush<'a> {
    /// Of the configuration, and those made at run time.
    pub silences: [&'a [Silence]; 2],
    pub mutes: &'a [Mute],
    pub wall: Timestamp,
}

impl Hush<'_> {
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        let mut silences = self.silences.iter().copied().flatten();
        silences.any(|silence| self.wall < silence.until && matches(&silence.matcher, subject))
            || self.mutes.iter().any(|mute| is_muted(mute, self.wall) && matches(&mute.matcher, subject))
    }
}

/// From `from` on and before `to`; where `to` is not later, that is of the next day, which need not be among the days.
fn is_muted(mute: &Mute, wall: Timestamp) -> bool {
    let local = mute.timezone.to_datetime(wall);
    let time = local.time();
    let is_day = |day: Weekday| mute.days.is_empty() || mute.days.contains(&day);
    let (today, yesterday) = (local.date().weekday(), local.date().weekday().previous());
    if mute.from < mute.to {
        is_day(today) && (mute.from..mute.to).contains(&time)
    } else {
        is_day(today) && time >= mute.from || is_day(yesterday) && time < mute.to
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;
    use jiff::tz::{Offset, TimeZone};

    use super::*;
    use crate::config::Matcher;

    /// 2026-11-23 is a Monday.
    fn muted(days: &[Weekday], hours: (i8, i8), local: &str) -> bool {
        let mute = Mute {
            matcher: Matcher::default(),
            days: days.to_vec(),
            from: time(hours.0, 0, 0, 0),
            to: time(hours.1, 0, 0, 0),
            timezone: TimeZone::fixed(Offset::constant(8)),
        };
        is_muted(&mute, format!("{local}:00+08:00").parse().unwrap())
    }

    #[test]
    fn a_mute_begins_and_ends_on_its_days_in_its_own_zone() {
        let monday = &[Weekday::Monday];
        for (local, expected) in [
            ("2026-11-23T08:59", false),
            ("2026-11-23T09:00", true),
            ("2026-11-23T16:59", true),
            ("2026-11-23T17:00", false),
            ("2026-11-24T09:00", false),
        ] {
            assert_eq!(muted(monday, (9, 17), local), expected, "{local}");
        }
        assert!(muted(&[], (9, 17), "2026-11-24T09:00"), "no days: every day");
    }

    #[test]
    fn a_night_goes_on_into_the_next_day() {
        let monday = &[Weekday::Monday];
        for (local, expected) in [
            ("2026-11-23T03:00", false),
            ("2026-11-23T23:00", true),
            ("2026-11-24T03:00", true),
            ("2026-11-24T06:00", false),
            ("2026-11-24T23:00", false),
        ] {
            assert_eq!(muted(monday, (22, 6), local), expected, "{local}");
        }
        assert!(muted(monday, (0, 0), "2026-11-23T12:00") && !muted(monday, (0, 0), "2026-11-24T00:00"));
    }
}
