//! What was given up and no event has told of yet.
//!
//! The transaction that gives something up stores the loss, and the one that stores its event takes it out again: a crash in
//! between neither hides a loss nor tells it twice.

use rusqlite::{Connection, Row as SqlRow, Transaction, params};

use super::{Backlog, Dropped};
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
    /// Rows that waited for it.
    Rows(Why, Dropped),
    /// A row that it refused for too long; it is a dead letter, whose request had this webhook-id.
    Letter { id: String, reason: String },
}

/// Notes that rows are gone; nothing, where there are none.
pub fn of_rows(transaction: &Transaction, sink: &str, why: Why, dropped: &Dropped) -> rusqlite::Result<()> {
    let Dropped { waiting: Backlog { rows, bytes, oldest_ms }, last_seq } = *dropped;
    if rows == 0 {
        return Ok(());
    }
    let insert = "INSERT INTO loss (sink, reason, rows, bytes, oldest_ms, last_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (rows, bytes) = (rows.cast_signed(), bytes.cast_signed());
    transaction.prepare_cached(insert)?.execute(params![sink, why.as_str(), rows, bytes, oldest_ms, last_seq])?;
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
    let select = "SELECT id, sink, letter, reason, rows, bytes, oldest_ms, last_seq FROM loss ORDER BY rowid";
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
            let (rows, bytes): (i64, i64) = (row.get(4)?, row.get(5)?);
            let waiting = Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: row.get(6)? };
            Lost::Rows(Why::named(&reason), Dropped { waiting, last_seq: row.get(7)? })
        }
    };
    Ok(Loss { id: row.get(0)?, sink: row.get(1)?, lost })
}
