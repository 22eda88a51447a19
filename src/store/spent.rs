//! When requests went to receivers that take only so many of them.
//!
//! Each is noted before it goes out, under a mark of its receiver that does not give the URL away: so all sinks that send to one
//! receiver share what it takes, and neither a reload nor the end of the process makes anybody forget. Times are those since
//! the machine was started, which nobody sets. What was noted before that counts as if it had been noted at the start at the
//! earliest: that may cost a minute, and never one request too many.

use std::time::Duration;

use rusqlite::{Connection, Transaction, params};
use rustix::time::{ClockId, clock_gettime};

use super::{Operator, StateError, Store};

/// For so long a request is remembered: a minute, and as much more as anybody wants to be on the safe side.
const KEPT_MS: i64 = 70_000;

/// How long ago a request was, at the time ?1.
const AGE: &str = "CASE WHEN at_ms > ?1 THEN ?1 ELSE ?1 - at_ms END";

impl Store {
    /// Notes that a request goes out to a receiver, unless `pause` wants it to wait: given how long ago the last ones were,
    /// the latest first, it says for how long. Zero: it is noted.
    pub fn spend(&self, receiver: &str, pause: impl FnOnce(&[Duration]) -> Duration) -> Result<Duration, StateError> {
        self.lock().transact(|transaction| spend(transaction, receiver, uptime_ms(), pause))
    }
}

impl Operator {
    /// Notes that a request goes out to a receiver beside the daemon's.
    pub fn spend(&mut self, receiver: &str) -> Result<(), StateError> {
        self.transact(|transaction| spend(transaction, receiver, uptime_ms(), |_| Duration::ZERO)).map(drop)
    }
}

fn spend(
    transaction: &Transaction,
    receiver: &str,
    now_ms: i64,
    pause: impl FnOnce(&[Duration]) -> Duration,
) -> rusqlite::Result<Duration> {
    let delete = format!("DELETE FROM spent WHERE {AGE} >= ?2");
    transaction.prepare_cached(&delete)?.execute([now_ms, KEPT_MS])?;
    let pause = pause(&ages(transaction, receiver, now_ms)?);
    if pause.is_zero() {
        let insert = "INSERT INTO spent (receiver, at_ms) VALUES (?1, ?2)";
        transaction.prepare_cached(insert)?.execute(params![receiver, now_ms])?;
    }
    Ok(pause)
}

fn ages(connection: &Connection, receiver: &str, now_ms: i64) -> rusqlite::Result<Vec<Duration>> {
    let select = format!("SELECT {AGE} AS age FROM spent WHERE receiver = ?2 ORDER BY age");
    let age = |row: &rusqlite::Row| Ok(Duration::from_millis(row.get::<_, i64>(0)?.max(0).cast_unsigned()));
    connection.prepare_cached(&select)?.query_map(params![now_ms, receiver], age)?.collect()
}

/// Milliseconds since the machine was started, also those that it slept.
pub(super) fn uptime_ms() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// Ages in milliseconds, as they were when a request was to go out.
    fn seen(connection: &mut Connection, receiver: &str, now_ms: i64, pause: Duration) -> Vec<u128> {
        let mut seen = Vec::new();
        let transaction = connection.transaction().unwrap();
        let spent = spend(&transaction, receiver, now_ms, |ages| {
            seen = ages.iter().map(Duration::as_millis).collect();
            pause
        });
        assert_eq!(spent.unwrap(), pause);
        transaction.commit().unwrap();
        seen
    }

    #[test]
    fn what_went_out_counts_for_its_receiver_and_is_forgotten_in_time_and_what_waited_does_not() {
        let mut db = schema::in_memory().unwrap();
        assert!(seen(&mut db, "a", 1_000_000, Duration::ZERO).is_empty());
        assert_eq!(seen(&mut db, "a", 1_000_400, Duration::from_secs(1)), [400]);
        assert_eq!(seen(&mut db, "a", 1_000_500, Duration::ZERO), [500]);
        assert!(seen(&mut db, "b", 1_000_600, Duration::ZERO).is_empty());
        assert_eq!(seen(&mut db, "a", 1_069_999, Duration::ZERO), [69_499, 69_999]);
        assert_eq!(seen(&mut db, "a", 1_070_600, Duration::ZERO), [601]);
        let left: i64 = db.query_row("SELECT count(*) FROM spent", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 2, "what is old is forgotten");
    }

    #[test]
    fn after_the_machine_was_started_anew_nothing_is_older_than_that() {
        let mut db = schema::in_memory().unwrap();
        for now_ms in [900_000, 900_100] {
            seen(&mut db, "a", now_ms, Duration::ZERO);
        }
        assert_eq!(seen(&mut db, "a", 5_000, Duration::ZERO), [5_000, 5_000]);
        assert_eq!(seen(&mut db, "a", 20_000, Duration::from_secs(1)), [15_000, 20_000, 20_000]);
        assert_eq!(seen(&mut db, "a", 69_999, Duration::from_secs(1)), [64_999, 69_999, 69_999]);
        assert!(seen(&mut db, "a", 75_000, Duration::ZERO).is_empty());
    }
}
