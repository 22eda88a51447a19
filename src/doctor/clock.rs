//! Whether the clock can be right, and whether logs and system agree on the time zone.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::sources::Seen;

/// No host had this program before.
const FIRST_RELEASE: &str = "2026-11-01T00:00:00Z";
/// A file that was written so much later than now tells of a clock that was set back.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Packages are built and unpacked in other zones.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Zones differ by multiples of this,
const STEP: i64 = 30 * 60;
/// and lines are written to disk so soon after they were made.
const TOLERANCE: i64 = 20;
/// No two zones differ by more.
const FARTHEST: i64 = 26 * 3600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    pub now: Timestamp,
    /// When this program's file was written.
    pub program: Option<Timestamp>,
}

/// When a file was written last, and the time in its last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub on_disk: Timestamp,
    pub in_line: Timestamp,
}

pub fn look(now: Timestamp) -> Clock {
    let program = std::env::current_exe().and_then(std::fs::metadata).and_then(|file| file.modified());
    Clock { now, program: program.ok().and_then(timestamp) }
}

pub fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

pub fn judge(clock: &Clock, seen: &Seen) -> Vec<Finding> {
    let Clock { now, program } = clock;
    let mut findings = Vec::new();
    let release = FIRST_RELEASE.parse().ok();
    if let Some(earliest) = program.map(|at| at - DAY).into_iter().chain(release).max()
        && *now < earliest
    {
        let text =
            format!("the clock says {now:.0}, which is before this program was made: certificates and signatures fail");
        findings.push(synchronised(Finding::fault("clock.past", text)));
    } else if let Some((newest, at)) = seen.newest()
        && now.duration_since(at) < -AHEAD
    {
        let text = format!("was written at {at:.0}, and the clock says {now:.0}: one of them is wrong");
        findings.push(synchronised(Finding::warning("clock.behind_files", text).path(newest)));
    }
    for (source, path, written) in seen.written() {
        if let Some(hours) = zone_apart(written) {
            let side = if hours > 0.0 { "ahead of" } else { "behind" };
            let text = format!(
                "the time in its last line is {} h {side} when that was written: its times may be of another zone than source.timezone",
                hours.abs()
            );
            let finding = Finding::warning("clock.zone", text).source(source).path(path);
            findings.push(finding.remedy(
                "timedatectl",
                "shows this host's zone; then set timezone = \"Asia/Shanghai\" or the like in the [[source]]",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("clock.ok", format!("the clock says {now:.0}, and nothing speaks against it")));
    }
    findings
}

fn synchronised(finding: Finding) -> Finding {
    finding.remedy("timedatectl set-ntp true", "lets the clock be set from the network; `timedatectl` shows it")
}

/// By how many hours a line is ahead of the moment at which it was written, if that looks like another zone.
fn zone_apart(Written { on_disk, in_line }: Written) -> Option<f64> {
    let apart = in_line.duration_since(on_disk).as_secs();
    let steps = (apart + apart.signum() * STEP / 2) / STEP;
    let is_zone = steps != 0 && (apart - steps * STEP).abs() <= TOLERANCE && apart.abs() <= FARTHEST;
    is_zone.then(|| steps as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_before_the_program_is_wrong() {
        let clock = |now: &str, program: Option<&str>| Clock { now: at(now), program: program.map(at) };
        for (clock, expected) in [
            (clock("1970-01-01T00:01:00Z", None), "clock.past"),
            (clock("2027-01-01T00:00:00Z", Some("2027-02-01T00:00:00Z")), "clock.past"),
            (clock("2027-01-01T00:00:00Z", Some("2027-01-01T08:00:00Z")), "clock.ok"),
            (clock("2027-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")), "clock.ok"),
        ] {
            assert_eq!(judge(&clock, &Seen::default())[0].id, expected, "{clock:?}");
        }
    }

    #[test]
    fn only_whole_zones_apart_look_like_another_zone() {
        let apart = |seconds: i64| {
            let on_disk = at("2027-01-01T00:00:00Z");
            zone_apart(Written { on_disk, in_line: on_disk + SignedDuration::from_secs(seconds) })
        };
        assert_eq!(apart(8 * 3600 - 3), Some(8.0));
        assert_eq!(apart(-8 * 3600 - 15), Some(-8.0));
        assert_eq!(apart(-5 * 3600 - 1800), Some(-5.5));
        for same in [0, -10, 300, -7 * 60, 8 * 3600 + 300, -27 * 3600] {
            assert_eq!(apart(same), None, "{same}");
        }
    }
}
