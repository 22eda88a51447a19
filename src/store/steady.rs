//! For how long the wall clock has gone on as time does. A clock that is set on by a year makes nothing a year older: no row has
//! waited for longer than that, whatever the times say that are stored with it.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::Store;
use super::spent::uptime_ms;

/// What is less between two looks is corrected, and not set.
const LEAP_MS: i64 = 60_000;

/// Both clocks at the last look, in milliseconds; and the other one when the wall clock was last set on.
#[derive(Debug)]
pub struct Steady {
    wall_ms: i64,
    uptime_ms: i64,
    leapt_ms: Option<i64>,
}

impl Steady {
    pub fn new() -> Steady {
        Steady { wall_ms: wall_ms(), uptime_ms: uptime_ms(), leapt_ms: None }
    }

    fn look(&mut self, wall_ms: i64, uptime_ms: i64) -> Duration {
        let passed = uptime_ms.saturating_sub(self.uptime_ms);
        if wall_ms.saturating_sub(self.wall_ms).saturating_sub(passed) > LEAP_MS {
            self.leapt_ms = Some(uptime_ms);
        }
        (self.wall_ms, self.uptime_ms) = (wall_ms, uptime_ms);
        let since = |leapt: i64| Duration::from_millis(uptime_ms.saturating_sub(leapt).max(0).cast_unsigned());
        self.leapt_ms.map_or(Duration::MAX, since)
    }
}

impl Store {
    /// For how long the wall clock was not set on, as far as it was looked at since the store was opened.
    pub fn steady_for(&self) -> Duration {
        self.steady.lock().unwrap_or_else(PoisonError::into_inner).look(wall_ms(), uptime_ms())
    }
}

fn wall_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_on_has_not_been_steady_before() {
        let mut steady = Steady { wall_ms: 0, uptime_ms: 500, leapt_ms: None };
        // Time passes, is corrected, and is set back.
        for (wall_ms, uptime_ms) in [(3_600_000, 3_600_500), (3_650_000, 3_600_500), (1_000, 3_600_600)] {
            assert_eq!(steady.look(wall_ms, uptime_ms), Duration::MAX);
        }
        assert_eq!(steady.look(86_400_000, 3_600_700), Duration::ZERO);
        assert_eq!(steady.look(86_405_000, 3_605_700), Duration::from_secs(5));
        assert_eq!(steady.look(0, 3_606_700), Duration::from_secs(6));
        assert_eq!(steady.look(86_400_000, 3_606_700), Duration::ZERO);
    }
}
