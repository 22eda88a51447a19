//! The outbox as an operator sees it: read beside the daemon that works with it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Backlog, FileState, Row, StateError, delivery, dir, rows, schema};
use crate::config::Notify;

/// A look at a state directory. It never writes, and holds nothing up: each question is a short read of its own.
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    connection: Connection,
}

/// What waits for one sink, and how its requests fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBacklog {
    pub name: String,
    pub notify: Notify,
    /// Rows that it has not delivered.
    pub waiting: Backlog,
    /// Requests that are made and not accepted.
    pub batches: u64,
    /// Those of them whose only row was refused so often that the others go first.
    pub apart: u64,
    /// Of the request that is next.
    pub attempts: u32,
    /// When it is tried again, milliseconds since 1970.
    pub next_ms: Option<i64>,
    /// Why it was not accepted so far.
    pub last_error: Option<String>,
    /// What it said when it wanted nothing any more: it is not tried for now.
    pub stopped: Option<String>,
    pub dead: u64,
}

/// A row that its receiver has refused for so long that it was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub sink: String,
    /// The webhook-id of its request.
    pub id: String,
    pub seq: i64,
    pub reason: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The row: one JSON object, without a newline.
    pub body: Vec<u8>,
}

/// What was dropped, of what was for its sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    pub waiting: Backlog,
    /// The number of the last row.
    pub last_seq: i64,
    /// Not all of it need have been for the sink: its filter is not known.
    pub at_most: bool,
    /// Rows of it in requests that may be under way: those that arrive all the same are no loss.
    pub under_way: u64,
}

impl Dropped {
    /// Both together.
    pub fn add(&mut self, other: Dropped) {
        let Backlog { rows, bytes, oldest_ms } = other.waiting;
        self.waiting.rows += rows;
        self.waiting.bytes += bytes;
        self.waiting.oldest_ms = self.waiting.oldest_ms.into_iter().chain(oldest_ms).min();
        self.last_seq = self.last_seq.max(other.last_seq);
        self.at_most |= other.at_most;
        self.under_way += other.under_way;
    }
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
        schema::check_version(&connection, &path)?;
        Ok(Some(Outbox { path, connection }))
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
        self.read(sinks)
    }

    /// What was given up, the oldest first; of one sink or of all.
    pub fn dead_letters(&self, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>, StateError> {
        self.read(|connection| delivery::dead_letters(connection, sink, limit))
    }

    /// Everything that waits for some sink.
    pub fn waiting(&self) -> Result<Backlog, StateError> {
        self.read(rows::backlog)
    }

    /// The oldest rows after `seq`, of both kinds.
    pub fn rows_after(&self, seq: i64, limit: usize) -> Result<Vec<Row>, StateError> {
        self.read(|connection| rows::outbox_after(connection, seq, limit))
    }

    /// The oldest rows after `seq` that a sink has before it, but for those that were put apart.
    pub fn rows_for(&self, sink: &str, seq: i64, limit: usize) -> Result<Vec<Row>, StateError> {
        self.read(|connection| match rows::sink(connection, sink)? {
            Some((notify, delivered)) => rows::kind_after(connection, notify, seq.max(delivered), limit),
            None => Ok(Vec::new()),
        })
    }

    /// Rows of a sink that were refused and put apart, the oldest first.
    pub fn apart(&self, sink: &str, limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        self.read(|connection| delivery::apart_rows(connection, sink, limit))
    }

    /// Key and state of each incident, as of the last commit.
    pub fn incidents(&self) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.read(rows::incidents)
    }

    /// How far each file was read, as of the last commit.
    pub fn files(&self) -> Result<Vec<FileState>, StateError> {
        self.read(rows::files)
    }

    /// True if the tables are sound, false if that could not be said in time.
    ///
    /// # Errors
    /// They are damaged, or cannot be read.
    pub fn is_sound(&self, within: Duration) -> Result<bool, StateError> {
        let interrupt = self.connection.get_interrupt_handle();
        let checked = thread::scope(|scope| {
            let (done, waits) = mpsc::channel::<()>();
            scope.spawn(move || {
                if waits.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
                    interrupt.interrupt();
                }
            });
            let checked = schema::check(&self.connection);
            drop(done);
            checked
        });
        match checked {
            Ok(()) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
            Err(error) => Err(StateError::sqlite(&self.path, error)),
        }
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        work(&self.connection).map_err(|error| StateError::sqlite(&self.path, error))
    }
}

pub(super) fn sinks(connection: &Connection) -> rusqlite::Result<Vec<SinkBacklog>> {
    let sinks = rows::sinks(connection)?.into_iter();
    sinks.map(|(name, notify, delivered)| sink(connection, name, (notify, delivered))).collect()
}

fn sink(connection: &Connection, name: String, (notify, delivered): (Notify, i64)) -> rusqlite::Result<SinkBacklog> {
    let apart = delivery::apart(connection, &name)?;
    let rows = rows::backlog_of(connection, notify, delivered, i64::MAX)?;
    let waiting = Backlog { rows: rows.rows + apart.rows, bytes: rows.bytes + apart.bytes, ..rows };
    let count = |table| -> rusqlite::Result<u64> {
        let count = format!("SELECT count(*) FROM {table} WHERE sink = ?1");
        connection.prepare_cached(&count)?.query_row([&name], |row| row.get(0)).map(i64::cast_unsigned)
    };
    let (batches, dead) = (count("batch")?, count("dead")?);
    let next = delivery::next(connection, &name)?;
    let tries = next.map(|next| next.tries).unwrap_or_default();
    let rows::Receiver { stopped, paused_ms, .. } = rows::receiver(connection, &name)?;
    Ok(SinkBacklog {
        waiting,
        batches,
        apart: apart.rows,
        attempts: tries.attempts,
        next_ms: (batches > apart.rows && stopped.is_none()).then_some(tries.next_ms.max(paused_ms)),
        stopped,
        last_error: tries.last_error,
        dead,
        name,
        notify,
    })
}
