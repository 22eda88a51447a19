//! What must survive a crash: how far each file was read, and the events that are still to be delivered.
//!
//! One SQLite database, one connection, one transaction for offsets and the events they account for: killing the
//! process at any instruction neither loses an event nor stores it twice. Nobody holds the connection while
//! waiting for the outside world; delivery copies rows out, writes them without the lock, and comes back.

mod dir;
mod schema;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};

pub use dir::{StateDir, StateError};

use crate::event::EventId;
use crate::identity::FileKey;
use crate::pipeline::Checkpoint;
use crate::source::proof::Proof;

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    pub key: FileKey,
    pub generation: u32,
    /// Where it was seen last; not part of its identity.
    pub path: PathBuf,
    /// Of the bytes that were read, which may be more than the checkpoint accounts for.
    pub proof: Proof,
    pub checkpoint: Checkpoint,
}

/// An event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    pub id: EventId,
    /// One JSON object, without a newline.
    pub body: Vec<u8>,
}

/// What one transaction stores.
#[derive(Debug, Default)]
pub struct Batch {
    pub files: Vec<FileState>,
    pub events: Vec<OutboxEvent>,
    /// Files that no longer exist.
    pub deleted: Vec<FileKey>,
    /// Everything that happened to the files until then was looked at; milliseconds since 1970.
    pub seen_until_ms: i64,
    /// Written paths of the sources in force, once they have been watched.
    pub watched: Option<Vec<String>>,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub seq: i64,
    pub body: Vec<u8>,
}

/// What a sink finds when it asks for more.
#[derive(Debug, PartialEq, Eq)]
pub enum Waiting {
    Rows(Vec<Row>),
    /// Nothing arrived in time.
    Nothing,
    /// Nothing is left and nothing will follow.
    Closed,
}

/// The database. Shared by the reader, which commits, and the sinks, which take rows out.
#[derive(Debug)]
pub struct Store {
    db: Mutex<Db>,
    arrived: Condvar,
    /// Rows that wait for a sink; readable without the lock.
    n_waiting: AtomicU64,
}

#[derive(Debug)]
struct Db {
    connection: Connection,
    path: Option<PathBuf>,
    closed: bool,
}

impl Store {
    /// A store that is forgotten when the process ends.
    ///
    /// # Errors
    /// SQLite cannot be set up at all.
    pub fn in_memory() -> Result<Store, StateError> {
        Ok(Store::new(schema::in_memory()?, None, 0))
    }

    /// Opens the database of a state directory, or makes it. A damaged one is set aside.
    ///
    /// # Errors
    /// The database was written by a newer version, or the directory does not let us write.
    pub fn open(dir: &StateDir) -> Result<Store, StateError> {
        let path = dir.database();
        let connection = schema::open(&path)?;
        let waiting = connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0));
        let waiting = waiting.map_err(|error| StateError::sqlite(&path, error))?;
        Ok(Store::new(connection, Some(path), waiting as u64))
    }

    fn new(connection: Connection, path: Option<PathBuf>, waiting: u64) -> Store {
        let db = Mutex::new(Db { connection, path, closed: false });
        Store { db, arrived: Condvar::new(), n_waiting: AtomicU64::new(waiting) }
    }

    /// All files an earlier run left behind.
    pub fn files(&self) -> rusqlite::Result<Vec<FileState>> {
        let db = self.lock();
        let mut select = db.connection.prepare(&format!("SELECT {FILE_COLUMNS} FROM file"))?;
        let rows = select.query_map([], file_from_row)?;
        rows.collect()
    }

    /// The written paths that were watched before, in this run or an earlier one; none at the first start.
    pub fn watched(&self) -> rusqlite::Result<Vec<String>> {
        let db = self.lock();
        let mut select = db.connection.prepare("SELECT path FROM watched")?;
        let rows = select.query_map([], |row| row.get(0))?;
        rows.collect()
    }

    /// [`Batch::seen_until_ms`] of the last commit; `None` at the first start.
    pub fn seen_until_ms(&self) -> rusqlite::Result<Option<i64>> {
        self.lock().connection.query_row("SELECT until_ms FROM seen", [], |row| row.get(0)).optional()
    }

    /// Stores all of a batch or nothing.
    ///
    /// # Errors
    /// Nothing was stored, the batch is as it was: try again later.
    pub fn commit(&self, batch: &Batch) -> rusqlite::Result<()> {
        let mut db = self.lock();
        let transaction = db.connection.transaction()?;
        let added = write(&transaction, batch)?;
        transaction.commit()?;
        self.n_waiting.fetch_add(added, Ordering::Relaxed);
        if added > 0 {
            self.arrived.notify_all();
        }
        Ok(())
    }

    /// After an I/O error nothing the connection remembers can be trusted: closes it and opens the file again.
    ///
    /// # Errors
    /// The file cannot be opened; the old connection stays.
    pub fn reopen(&self) -> Result<(), StateError> {
        let mut db = self.lock();
        if let Some(path) = db.path.clone() {
            db.connection = schema::reopen(&path)?;
        }
        Ok(())
    }

    /// Takes out of the store what was not seen for a month and was not seen by this run either.
    pub fn forget_files_before(&self, seconds: i64) -> rusqlite::Result<usize> {
        self.lock().connection.execute("DELETE FROM file WHERE seen_at < ?1", [seconds])
    }

    /// Makes these the sinks: others are forgotten with what they had not delivered, and a new one gets what is
    /// stored from now on.
    pub fn set_sinks(&self, names: &[&str]) -> rusqlite::Result<()> {
        let mut db = self.lock();
        let transaction = db.connection.transaction()?;
        let known: Vec<String> = {
            let mut select = transaction.prepare("SELECT name FROM sink")?;
            select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        for gone in known.iter().filter(|name| !names.contains(&name.as_str())) {
            transaction.execute("DELETE FROM sink WHERE name = ?1", [gone])?;
        }
        for name in names {
            transaction.execute(
                "INSERT INTO sink (name, delivered) VALUES (?1, (SELECT coalesce(max(seq), 0) FROM outbox)) \
                 ON CONFLICT DO NOTHING",
                [name],
            )?;
        }
        let n_waiting = prune(&transaction)?;
        transaction.commit()?;
        self.n_waiting.store(n_waiting, Ordering::Relaxed);
        Ok(())
    }

    /// The last row that a sink has acknowledged.
    pub fn delivered(&self, sink: &str) -> rusqlite::Result<i64> {
        let db = self.lock();
        let row = db.connection.query_row("SELECT delivered FROM sink WHERE name = ?1", [sink], |row| row.get(0));
        Ok(row.optional()?.unwrap_or(0))
    }

    /// Rows after `seq`, oldest first; waits until there are some or until `deadline` (for ever without one).
    pub fn take(&self, after: i64, limit: usize, deadline: Option<Instant>) -> rusqlite::Result<Waiting> {
        let mut db = self.lock();
        loop {
            let rows = rows_after(&db.connection, after, limit)?;
            if !rows.is_empty() {
                return Ok(Waiting::Rows(rows));
            }
            if db.closed {
                return Ok(Waiting::Closed);
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(Waiting::Nothing);
            }
            let long = left.min(Duration::from_secs(3600));
            db = self.arrived.wait_timeout(db, long).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A sink has delivered everything up to `seq`; what all sinks have delivered is deleted.
    pub fn acknowledge(&self, sink: &str, seq: i64) -> rusqlite::Result<()> {
        let mut db = self.lock();
        let transaction = db.connection.transaction()?;
        transaction.execute("UPDATE sink SET delivered = ?2 WHERE name = ?1 AND delivered < ?2", params![sink, seq])?;
        let n_waiting = prune(&transaction)?;
        transaction.commit()?;
        self.n_waiting.store(n_waiting, Ordering::Relaxed);
        Ok(())
    }

    /// How many rows wait for a sink.
    pub fn n_waiting(&self) -> u64 {
        self.n_waiting.load(Ordering::Relaxed)
    }

    /// Nothing more will be committed: sinks that have delivered everything may end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Db> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FILE_COLUMNS: &str =
    "device, inode, birth, generation, path, checkpoint, proof_at, head_len, head, tail_from, tail";

/// SQLite has no unsigned numbers; the bits are what counts.
fn signed(n: u64) -> i64 {
    n.cast_signed()
}

fn json(checkpoint: &Checkpoint) -> rusqlite::Result<String> {
    serde_json::to_string(checkpoint).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

fn write(transaction: &Transaction, batch: &Batch) -> rusqlite::Result<u64> {
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
    let mut added = 0;
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO outbox (event_id, body) VALUES (?1, ?2)")?;
    for event in &batch.events {
        added += insert.execute(params![event.id.0, event.body])? as u64;
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO seen (id, until_ms) VALUES (0, ?1)")?
        .execute([batch.seen_until_ms])?;
    if let Some(watched) = &batch.watched {
        transaction.execute("DELETE FROM watched", [])?;
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO watched (path) VALUES (?1)")?;
        for path in watched {
            insert.execute([path])?;
        }
    }
    Ok(added)
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

fn rows_after(connection: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare_cached("SELECT seq, body FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = select.query_map(params![after, limit as i64], |row| Ok(Row { seq: row.get(0)?, body: row.get(1)? }))?;
    rows.collect()
}

/// Deletes what every sink has, and says how many rows are left. Without a sink nobody waits for anything.
fn prune(transaction: &Transaction) -> rusqlite::Result<u64> {
    transaction.execute(
        "DELETE FROM outbox WHERE seq <= (SELECT coalesce(min(delivered), 9223372036854775807) FROM sink)",
        [],
    )?;
    let left: i64 = transaction.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?;
    Ok(left as u64)
}

#[cfg(test)]
mod tests;
