//! What has waited for one sink for too long, or takes too much room, goes: the oldest first, never what others wait for, and not
//! in silence.
//!
//! A request goes as a whole or not at all, so that no attempt of it is about rows that are partly given up.

use rusqlite::{OptionalExtension, Transaction, params};

use super::delivery::{self, UnderWay};
use super::heard::{self, Heard};
use super::outbox::Dropped;
use super::{StateError, Store, loss, rows};
use crate::config::Notify;
use crate::notice::Why;

impl Store {
    /// Gives up what was stored before `cutoff_ms` (milliseconds since 1970) and still waits for a sink. Counted is what `is_lost` says
    /// of the rows, since not all of them are for the sink; it becomes a loss.
    pub fn expire_before(
        &self,
        sink: &str,
        cutoff_ms: i64,
        is_lost: impl Fn(&[u8], &Heard) -> bool,
    ) -> Result<Dropped, StateError> {
        let mut expired = Dropped::default();
        self.settle(|transaction| {
            if let Some((notify, delivered)) = rows::sink(transaction, sink)? {
                let sink = (sink, notify, delivered);
                expired = give_up(transaction, sink, before(transaction, sink, cutoff_ms)?, Why::Expired, &is_lost)?;
            }
            Ok(())
        })?;
        Ok(expired)
    }

    /// Gives up the oldest rows of the sink that has most waiting, at least so many and so many bytes of them, if it is one of those
    /// that stand `still`. Where one that is at work has most, nothing goes. Counted is what `is_lost` says of the sink and a row; it
    /// becomes a loss.
    ///
    /// # Errors
    /// Nothing was given up.
    pub fn make_room(
        &self,
        rows: u64,
        bytes: u64,
        still: &[&str],
        is_lost: impl Fn(&str, &[u8], &Heard) -> bool,
    ) -> Result<Option<(String, Dropped)>, StateError> {
        let (mut expired, mut in_the_way) = (Dropped::default(), None);
        self.settle(|transaction| {
            in_the_way = self::in_the_way(transaction, still)?;
            if let Some((name, notify, delivered)) = &in_the_way {
                let sink = (name.as_str(), *notify, *delivered);
                let through = oldest(transaction, sink, (rows, bytes))?;
                expired = give_up(transaction, sink, through, Why::Full, |row, heard| is_lost(name, row, heard))?;
            }
            Ok(())
        })?;
        Ok(in_the_way.map(|(name, ..)| (name, expired)))
    }
}

/// A sink: its name, what it takes, and the last row that it has.
pub type Sink<'a> = (&'a str, Notify, i64);

/// Gives up everything up to a row, counts what of it `is_lost`, and notes that as a loss.
fn give_up(
    transaction: &Transaction,
    sink: Sink,
    through: i64,
    why: Why,
    is_lost: impl Fn(&[u8], &Heard) -> bool,
) -> rusqlite::Result<Dropped> {
    let (name, notify, delivered) = sink;
    if through <= delivered {
        return Ok(Dropped::default());
    }
    let heard = heard::of(transaction, name)?;
    let is_lost = |row: &[u8]| is_lost(row, &heard);
    let waiting = rows::lost(transaction, notify, (delivered, through), is_lost)?;
    let under_way: Vec<_> = match why {
        // Its own worker gives that up, between two attempts.
        Why::Expired => Vec::new(),
        _ => delivery::head_under_way(transaction, name, through, is_lost)?.into_iter().collect(),
    };
    drop_through(transaction, name, through)?;
    let dropped = Dropped { waiting, last_seq: through, at_most: false, under_way: UnderWay::rows(&under_way) };
    loss::of_rows(transaction, (name, notify), why, &dropped, &under_way)?;
    Ok(dropped)
}

/// The sink that has most waiting, if it stands `still`.
fn in_the_way(transaction: &Transaction, still: &[&str]) -> rusqlite::Result<Option<(String, Notify, i64)>> {
    let mut most = None;
    for (name, notify, delivered) in rows::sinks(transaction)? {
        let bytes = rows::backlog_of(transaction, notify, delivered, i64::MAX)?.bytes;
        let rank = (bytes, still.contains(&&*name));
        if bytes > 0 && most.as_ref().is_none_or(|(more, _)| rank > *more) {
            most = Some((rank, (name, notify, delivered)));
        }
    }
    Ok(most.and_then(|((_, is_still), sink)| is_still.then_some(sink)))
}

/// Takes everything up to a row from a sink that waits in order.
pub fn drop_through(transaction: &Transaction, sink: &str, through: i64) -> rusqlite::Result<()> {
    transaction
        .execute("DELETE FROM batch WHERE sink = ?1 AND row IS NULL AND position <= ?2", params![sink, through])?;
    rows::delivered_up_to(transaction, sink, through).map(drop)
}

/// The last of the rows that are all too old; of a request that is only partly so, none. Rows of an old version have no time.
fn before(transaction: &Transaction, sink: Sink, cutoff_ms: i64) -> rusqlite::Result<i64> {
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

/// The row up to which there are so many and so many bytes of them, or the end of the request that it is in.
fn oldest(transaction: &Transaction, sink: Sink, (n_rows, n_bytes): (u64, u64)) -> rusqlite::Result<i64> {
    let (name, notify, delivered) = sink;
    let mut select =
        transaction.prepare_cached("SELECT seq, length(body) FROM outbox WHERE kind = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut found = select.query(params![rows::kind(notify), delivered])?;
    let (mut through, mut rows, mut bytes) = (delivered, 0, 0);
    while (rows < n_rows || bytes < n_bytes)
        && let Some(row) = found.next()?
    {
        through = row.get(0)?;
        rows += 1;
        bytes += row.get::<_, i64>(1)?.cast_unsigned();
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
