//! What has waited for one sink for too long, or takes too much room, goes: the oldest first, and never what others wait for.
//!
//! A request goes as a whole or not at all, so that no attempt of it is about rows that are partly given up.

use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox::Dropped;
use super::{StateError, Store, rows};
use crate::config::Notify;

impl Store {
    /// Gives up what was stored before `cutoff_ms` (milliseconds since 1970) and still waits for a sink. Counted is what `is_lost` says
    /// of the rows, since not all of them are for the sink.
    pub fn expire_before(
        &self,
        sink: &str,
        cutoff_ms: i64,
        is_lost: impl Fn(&[u8]) -> bool,
    ) -> Result<Dropped, StateError> {
        let find =
            |transaction: &Transaction, notify, delivered| before(transaction, (sink, notify, delivered), cutoff_ms);
        self.expire(sink, find, is_lost)
    }

    /// Gives up the oldest rows that wait for a sink, at least so many bytes of them.
    pub fn expire_bytes(&self, sink: &str, bytes: u64) -> Result<Dropped, StateError> {
        self.expire(
            sink,
            |transaction, notify, delivered| oldest(transaction, (sink, notify, delivered), bytes),
            |_| true,
        )
    }

    /// Gives up everything up to the row that `find` says.
    fn expire(
        &self,
        sink: &str,
        find: impl FnOnce(&Transaction, Notify, i64) -> rusqlite::Result<i64>,
        is_lost: impl Fn(&[u8]) -> bool,
    ) -> Result<Dropped, StateError> {
        let mut expired = Dropped::default();
        self.settle(|transaction| {
            let Some((notify, delivered)) = rows::sink(transaction, sink)? else { return Ok(()) };
            let through = find(transaction, notify, delivered)?;
            if through > delivered {
                expired.waiting = rows::lost(transaction, notify, (delivered, through), is_lost)?;
                expired.last_seq = through;
                drop_through(transaction, sink, through)?;
            }
            Ok(())
        })?;
        Ok(expired)
    }
}

/// Takes everything up to a row from a sink that waits in order.
pub fn drop_through(transaction: &Transaction, sink: &str, through: i64) -> rusqlite::Result<()> {
    transaction
        .execute("DELETE FROM batch WHERE sink = ?1 AND row IS NULL AND position <= ?2", params![sink, through])?;
    rows::delivered_up_to(transaction, sink, through).map(drop)
}

/// The last of the rows that are all too old; of a request that is only partly so, none. Rows of an old version have no time.
fn before(transaction: &Transaction, sink: (&str, Notify, i64), cutoff_ms: i64) -> rusqlite::Result<i64> {
    let (name, notify, delivered) = sink;
    let young = "SELECT seq FROM outbox WHERE kind = ?1 AND seq > ?2 AND (stored_ms >= ?3 OR stored_ms = 0) ORDER BY seq LIMIT 1";
    let young: Option<i64> = transaction
        .prepare_cached(young)?
        .query_row(params![rows::kind(notify), delivered, cutoff_ms], |row| row.get(0))
        .optional()?;
    let through = match young {
        Some(seq) => seq - 1,
        None => last(transaction, notify)?,
    };
    let whole =
        "SELECT min(position) - 1 FROM batch WHERE sink = ?1 AND row IS NULL AND position <= ?2 AND through > ?2";
    let whole: Option<i64> = transaction.prepare_cached(whole)?.query_row(params![name, through], |row| row.get(0))?;
    Ok(whole.map_or(through, |whole| whole.min(through)))
}

/// The row up to which there are so many bytes, or the end of the request that it is in.
fn oldest(transaction: &Transaction, sink: (&str, Notify, i64), bytes: u64) -> rusqlite::Result<i64> {
    let (name, notify, delivered) = sink;
    let mut select =
        transaction.prepare_cached("SELECT seq, length(body) FROM outbox WHERE kind = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut found = select.query(params![rows::kind(notify), delivered])?;
    let (mut through, mut sum) = (delivered, 0);
    while sum < bytes
        && let Some(row) = found.next()?
    {
        through = row.get(0)?;
        sum += row.get::<_, i64>(1)?.cast_unsigned();
    }
    let whole = "SELECT max(through) FROM batch WHERE sink = ?1 AND row IS NULL AND position <= ?2";
    let whole: Option<i64> = transaction.prepare_cached(whole)?.query_row(params![name, through], |row| row.get(0))?;
    Ok(whole.map_or(through, |whole| whole.max(through)))
}

/// The last row of a kind.
pub fn last(transaction: &Transaction, notify: Notify) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM outbox WHERE kind = ?1")?
        .query_row([rows::kind(notify)], |row| row.get(0))
}
