//! The outbox as an operator sees it: read beside the daemon that works with it, and emptied when none does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Backlog, FileState, OutboxEvent, Row, StateError, dir, rows, schema};

/// A look at a state directory. It never writes, and holds nothing up: each question is a short read of its own.
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    connection: Connection,
}

/// What waits for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBacklog {
    pub name: String,
    pub waiting: Backlog,
}

/// What was, or would be, dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    pub waiting: Backlog,
    /// The number of the last row.
    pub last_seq: i64,
}

impl Outbox {
    /// `None` if nothing was ever stored there.
    ///
    /// # Errors
    /// It cannot be read, or its version is another one.
    pub fn open(dir: &Path) -> Result<Option<Outbox>, StateError> {
        let path = dir::database(dir);
        if !path.try_exists().map_err(|error| StateError::io(&path, error))? {
            return Ok(None);
        }
        let failed = |error| StateError::sqlite(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        match schema::version(&connection).map_err(failed)? {
            schema::VERSION => Ok(Some(Outbox { path, connection })),
            found if found > schema::VERSION => Err(StateError::Newer { path, found, known: schema::VERSION }),
            _ => Err(StateError::Older { path }),
        }
    }

    /// Who works with a state directory right now: " (process 123)", or nothing known of it.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn user_of(dir: &Path) -> Result<Option<String>, StateError> {
        dir::user_of(dir)
    }

    /// What waits for each sink.
    pub fn sinks(&self) -> Result<Vec<SinkBacklog>, StateError> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT name, delivered FROM sink ORDER BY name")?;
            let sinks = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            sinks
                .map(|sink| {
                    let (name, delivered) = sink?;
                    Ok(SinkBacklog { name, waiting: rows::backlog_after(connection, delivered)? })
                })
                .collect()
        })
    }

    /// Everything that waits for some sink.
    pub fn waiting(&self) -> Result<Backlog, StateError> {
        self.read(|connection| rows::backlog_after(connection, 0))
    }

    /// The oldest rows after `seq`.
    pub fn rows_after(&self, seq: i64, limit: usize) -> Result<Vec<Row>, StateError> {
        self.read(|connection| rows::outbox_after(connection, seq, limit))
    }

    /// How far each file was read, as of the last commit.
    pub fn files(&self) -> Result<Vec<FileState>, StateError> {
        self.read(rows::files)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        work(&self.connection).map_err(|error| StateError::sqlite(&self.path, error))
    }
}

/// Drops what waits, and stores `notice` of it in the same transaction. Does nothing where nothing waits.
pub(super) fn drop_waiting(
    connection: &mut Connection,
    notice: impl FnOnce(Dropped) -> Option<OutboxEvent>,
) -> rusqlite::Result<Dropped> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let waiting = rows::backlog_after(&transaction, 0)?;
    let last_seq = transaction.query_row("SELECT coalesce(max(seq), 0) FROM outbox", [], |row| row.get(0))?;
    let dropped = Dropped { waiting, last_seq };
    if waiting.rows > 0 {
        transaction.execute("UPDATE sink SET delivered = ?1 WHERE delivered < ?1", [last_seq])?;
        rows::prune(&transaction)?;
        if let Some(event) = notice(dropped) {
            rows::insert(&transaction, &event)?;
        }
    }
    transaction.commit()?;
    Ok(dropped)
}
