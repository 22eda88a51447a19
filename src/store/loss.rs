//! What was given up and no event has told of yet.
//!
//! The transaction that gives something up stores the loss, and the one that stores its event takes it out again: a crash in
//! between neither hides a loss nor tells it twice.

use rusqlite::{Connection, Row as SqlRow, Transaction, params};

use super::{Backlog, Dropped, rows};
use crate::config::Notify;
use crate::notice::Why;

/// Something that a sink will not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Told from all others, also from those of another database.
    pub id: String,
    pub sink: String,
    pub lost: Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Rows of this kind that waited for it.
    Rows(Why, Notify, Dropped),
    /// A row that it refused for too long; it is a dead letter, whose request had this webhook-id.
    Letter { id: String, reason: String },
}

/// Notes that rows are gone; nothing, where there are none.
pub fn of_rows(
    transaction: &Transaction,
    sink: &str,
    why: Why,
    kind: Notify,
    dropped: &Dropped,
) -> rusqlite::Result<()> {
    let Dropped { waiting: Backlog { rows, bytes, oldest_ms }, last_seq, at_most } = *dropped;
    if rows == 0 {
        return Ok(());
    }
    let insert = "INSERT INTO loss (sink, reason, kind, rows, bytes, oldest_ms, last_seq, at_most) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (kind, rows, bytes) = (rows::kind(kind), rows.cast_signed(), bytes.cast_signed());
    let mut insert = transaction.prepare_cached(insert)?;
    insert.execute(params![sink, why.as_str(), kind, rows, bytes, oldest_ms, last_seq, at_most])?;
    Ok(())
}

/// Notes that a row is a dead letter now.
pub fn of_letter(transaction: &Transaction, sink: &str, id: &str, reason: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO loss (sink, letter, reason) VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(insert)?.execute([sink, id, reason])?;
    Ok(())
}

/// All that no event has told of, the oldest first.
pub fn untold(connection: &Connection) -> rusqlite::Result<Vec<Loss>> {
    let select =
        "SELECT id, sink, letter, reason, kind, rows, bytes, oldest_ms, last_seq, at_most FROM loss ORDER BY rowid";
    connection.prepare_cached(select)?.query_map([], from_row)?.collect()
}

/// Events tell of these.
pub fn told(transaction: &Transaction, ids: &[String]) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM loss WHERE id = ?1")?;
    ids.iter().try_for_each(|id| delete.execute([id]).map(drop))
}

fn from_row(row: &SqlRow) -> rusqlite::Result<Loss> {
    let reason: String = row.get(3)?;
    let lost = match row.get(2)? {
        Some(id) => Lost::Letter { id, reason },
        None => {
            let (kind, rows, bytes): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
            let waiting = Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: row.get(7)? };
            let dropped = Dropped { waiting, last_seq: row.get(8)?, at_most: row.get(9)? };
            Lost::Rows(Why::named(&reason), rows::notify(kind)?, dropped)
        }
    };
    Ok(Loss { id: row.get(0)?, sink: row.get(1)?, lost })
}
