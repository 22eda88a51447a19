//! What stands in the tables: how files, events and sinks are written and read. The caller has the transaction.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};

use super::{Backlog, Batch, FileState, OutboxEvent, Row};
use crate::identity::FileKey;
use crate::pipeline::Checkpoint;
use crate::source::proof::Proof;

const FILE_COLUMNS: &str =
    "device, inode, birth, generation, path, checkpoint, proof_at, head_len, head, tail_from, tail";

/// SQLite has no unsigned numbers; the bits are what counts.
fn signed(n: u64) -> i64 {
    n.cast_signed()
}

fn json(checkpoint: &Checkpoint) -> rusqlite::Result<String> {
    serde_json::to_string(checkpoint).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

/// Number of the last batch that was stored.
pub fn last_batch(connection: &Connection) -> rusqlite::Result<i64> {
    let number = connection.prepare_cached("SELECT batch FROM seen")?.query_row([], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

/// Writes a batch under its number, but for the first `n_stored` of its events; returns what came to the outbox.
pub fn write(transaction: &Transaction, batch: &Batch, number: i64, n_stored: usize) -> rusqlite::Result<Backlog> {
    write_files(transaction, batch)?;
    let mut added = Backlog::default();
    for event in batch.events.iter().skip(n_stored) {
        if insert(transaction, event)? > 0 {
            added.rows += 1;
            added.bytes += event.body.len() as u64;
        }
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO seen (id, until_ms, batch) VALUES (0, ?1, ?2)")?
        .execute([batch.seen_until_ms, number])?;
    let mut tell = transaction.prepare_cached("INSERT OR IGNORE INTO told (name) VALUES (?1)")?;
    for name in &batch.told {
        tell.execute([name])?;
    }
    if let Some(watched) = &batch.watched {
        transaction.execute("DELETE FROM watched", [])?;
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO watched (path) VALUES (?1)")?;
        for path in watched {
            insert.execute([path])?;
        }
    }
    Ok(added)
}

/// Puts an event into the outbox, unless it waits there already. Where there is no sink it is not stored: nobody would
/// ever take it out.
pub fn insert(transaction: &Transaction, event: &OutboxEvent) -> rusqlite::Result<usize> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO outbox (event_id, body, stored_ms) \
         SELECT ?1, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE EXISTS (SELECT 1 FROM sink)",
    )?;
    insert.execute(params![event.id.0, event.body])
}

fn write_files(transaction: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(&format!(
        "INSERT OR REPLACE INTO file ({FILE_COLUMNS}, seen_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, unixepoch())"
    ))?;
    for file in &batch.files {
        let proof = &file.proof;
        upsert.execute(params![
            signed(file.key.device),
            signed(file.key.inode),
            signed(file.key.birth),
            file.generation,
            file.path.as_os_str().as_encoded_bytes(),
            json(&file.checkpoint)?,
            signed(proof.at),
            signed(proof.head_len),
            proof.head,
            signed(proof.tail_from),
            proof.tail,
        ])?;
    }
    let mut delete = transaction.prepare_cached("DELETE FROM file WHERE (device, inode, birth) = (?1, ?2, ?3)")?;
    for key in &batch.deleted {
        delete.execute([signed(key.device), signed(key.inode), signed(key.birth)])?;
    }
    Ok(())
}

pub fn files(connection: &Connection) -> rusqlite::Result<Vec<FileState>> {
    let mut select = connection.prepare(&format!("SELECT {FILE_COLUMNS} FROM file"))?;
    select.query_map([], file_from_row)?.collect()
}

fn file_from_row(row: &rusqlite::Row) -> rusqlite::Result<FileState> {
    use std::os::unix::ffi::OsStringExt;
    let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let path = std::ffi::OsString::from_vec(row.get(4)?);
    let text: String = row.get(5)?;
    let checkpoint = serde_json::from_str(&text);
    Ok(FileState {
        key: FileKey { device: unsigned(0)?, inode: unsigned(1)?, birth: unsigned(2)? },
        generation: row.get(3)?,
        path: path.into(),
        checkpoint: checkpoint.map_err(|error| Error::FromSqlConversionFailure(5, Type::Text, Box::new(error)))?,
        proof: Proof {
            at: unsigned(6)?,
            head_len: unsigned(7)?,
            head: row.get(8)?,
            tail_from: unsigned(9)?,
            tail: row.get(10)?,
        },
    })
}

/// One column of texts.
pub fn texts(connection: &Connection, select: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(select)?.query_map([], |row| row.get(0))?.collect()
}

pub fn outbox_after(connection: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare_cached("SELECT seq, body FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = select.query_map(params![after, limit as i64], |row| Ok(Row { seq: row.get(0)?, body: row.get(1)? }))?;
    rows.collect()
}

/// What waits for a sink that has everything up to `delivered`.
pub fn backlog_after(connection: &Connection, delivered: i64) -> rusqlite::Result<Backlog> {
    let mut select = connection
        .prepare_cached("SELECT count(*), coalesce(sum(length(body)), 0), min(stored_ms) FROM outbox WHERE seq > ?1")?;
    select.query_row([delivered], |row| {
        let oldest_ms: Option<i64> = row.get(2)?;
        let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms })
    })
}

/// The last row that a sink has acknowledged.
pub fn delivered(connection: &Connection, sink: &str) -> rusqlite::Result<i64> {
    let row = connection.query_row("SELECT delivered FROM sink WHERE name = ?1", [sink], |row| row.get(0));
    Ok(row.optional()?.unwrap_or(0))
}

/// Makes these the sinks. A new one gets what is stored from now on.
pub fn set_sinks(transaction: &Transaction, names: &[String]) -> rusqlite::Result<()> {
    for gone in texts(transaction, "SELECT name FROM sink")?.iter().filter(|name| !names.contains(name)) {
        transaction.execute("DELETE FROM sink WHERE name = ?1", [gone])?;
    }
    for name in names {
        transaction.execute(
            "INSERT INTO sink (name, delivered) \
             VALUES (?1, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox')) \
             ON CONFLICT DO NOTHING",
            [name],
        )?;
    }
    Ok(())
}

/// The next row gets a number above `seq`.
pub fn count_from(transaction: &Transaction, seq: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'", [])?;
    transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?1)", [seq])?;
    Ok(())
}

/// Deletes what every sink has, and says how much that was. Without a sink nobody waits for anything.
pub fn prune(transaction: &Transaction) -> rusqlite::Result<Backlog> {
    const DONE: &str = "seq <= (SELECT coalesce(min(delivered), 9223372036854775807) FROM sink)";
    let count = format!("SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox WHERE {DONE}");
    let gone = transaction.prepare_cached(&count)?.query_row([], |row| {
        let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: None })
    })?;
    transaction.prepare_cached(&format!("DELETE FROM outbox WHERE {DONE}"))?.execute([])?;
    Ok(gone)
}
