//! The connection behind the lock: closed when it cannot be trusted any more, and what is known of the commits
//! whose outcome is open.

use std::fs;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::watch;

use super::home::{Home, Reopened};
use super::rows::Stored;
use super::{Backlog, Batch, Forgotten, Heard, Row, StateDir, StateError, loss, recent, rows, schema};
use crate::config::{Durability, Notify};

#[derive(Debug)]
pub(super) struct Db {
    /// Absent after an I/O error, until the next use.
    connection: Option<Connection>,
    home: Option<Home>,
    /// Nothing more will be committed.
    pub closed: bool,
    /// The number of the last batch. One that failed keeps its number for itself.
    batch: i64,
    unsure: Vec<Unsure>,
    sinks: Vec<(String, Notify)>,
    /// Events are kept for those who ask what happened of late.
    pub keeps_recent: bool,
    /// The highest number of a row that a sink may have seen.
    seq: i64,
    /// The database was lost, or another one set aside, while it was in use, and the reader does not know of it yet.
    begun_anew: bool,
    /// A word about the database that should have been there.
    missing: Option<String>,
    /// SQLite's `data_version` at the last look: it changes with what others write.
    data_version: i64,
    /// Who has to do with what others write, and with what is lost.
    pub written_elsewhere: watch::Sender<()>,
}

/// Batches whose commit reported an error, and how many rows each had. If one of them turns out to be the last batch that is
/// stored, that many rows of the batch that is tried again are.
#[derive(Debug)]
struct Unsure {
    numbers: RangeInclusive<i64>,
    rows: Stored,
}

impl Db {
    pub fn in_memory() -> Result<Db, StateError> {
        Db::new(schema::in_memory()?, None)
    }

    pub fn open(dir: &StateDir, durability: Durability) -> Result<Db, StateError> {
        let (home, connection) = Home::open(dir, durability)?;
        Db::new(connection, Some(home))
    }

    fn new(connection: Connection, home: Option<Home>) -> Result<Db, StateError> {
        let mut db = Db {
            connection: Some(connection),
            home,
            closed: false,
            batch: 0,
            unsure: Vec::new(),
            sinks: Vec::new(),
            keeps_recent: false,
            seq: 0,
            begun_anew: false,
            missing: None,
            data_version: 0,
            written_elsewhere: watch::channel(()).0,
        };
        db.batch = db.with(|connection| rows::last_batch(connection))?;
        // Requests of an earlier run speak of rows that nobody has taken in this one.
        db.seq = db.with(|connection| rows::last_seq(connection))?;
        Ok(db)
    }

    /// The database was deleted since the last run.
    pub fn note_missing(&mut self) {
        self.missing = Some(missing());
    }

    pub fn is_in_memory(&self) -> bool {
        self.home.is_none()
    }

    /// Works with the connection, opening it again if it was closed. After an error that says the connection or the
    /// file cannot be trusted it is closed.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let result = work(self.connection()?);
        bearable(result.map_err(|error| {
            let Some(home) = &self.home else { return StateError::sqlite(":memory:".as_ref(), error) };
            // A transaction that could not even be rolled back would be in the way of all that follow.
            let stuck = self.connection.as_ref().is_some_and(|connection| !connection.is_autocommit());
            if stuck || error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) || schema::is_damage(&error) {
                self.connection = None;
            }
            StateError::sqlite(&home.database, error)
        }))
    }

    /// The connection as it is, for hooks and limits.
    #[cfg(test)]
    pub fn bare(&mut self) -> &mut Connection {
        self.connection().expect("it opens")
    }

    fn connection(&mut self) -> Result<&mut Connection, StateError> {
        let connection = match (self.connection.take(), &mut self.home) {
            (Some(connection), _) => connection,
            (None, Some(home)) => {
                let (mut connection, reopened) = bearable(home.reopen())?;
                self.begun_anew |= reopened != Reopened::Same;
                if reopened == Reopened::Gone {
                    self.missing = Some(missing());
                }
                // Also where an attempt before this one came no further than an empty database.
                if self.begun_anew {
                    self.unsure.clear();
                    begin(&mut connection, &self.sinks, self.seq)
                        .map_err(|error| StateError::sqlite(&home.database, error))?;
                }
                connection
            }
            // Only a database with a file is ever closed.
            (None, None) => schema::in_memory()?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Brings the database back if it was deleted or replaced; the connection still has all of it.
    fn stay_in_place(&mut self) -> Result<(), StateError> {
        let (Some(home), Some(open)) = (&mut self.home, &self.connection) else { return Ok(()) };
        match bearable(home.restore(open)) {
            Ok(None) => {}
            Ok(Some(restored)) => {
                self.begun_anew |= restored.set_aside.is_some();
                self.connection = Some(restored.connection);
            }
            // Then it is as if it had been damaged at its place.
            Err(StateError::Sqlite { error, .. }) if schema::is_damage(&error) => self.connection = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub fn is_in_place(&self) -> bool {
        self.home.as_ref().is_none_or(|home| home.is_in_place().unwrap_or(false))
    }

    /// What a commit came to; `None` where an earlier one turned out to be stored, so that everything has to be
    /// counted again.
    ///
    /// # Errors
    /// See [`super::Store::commit`].
    pub fn commit(&mut self, batch: &Batch) -> Result<Option<Backlog>, StateError> {
        self.stay_in_place()?;
        self.connection()?;
        if std::mem::take(&mut self.begun_anew) {
            return Err(StateError::Begun);
        }
        self.batch += 1;
        let number = self.batch;
        let unsure = std::mem::take(&mut self.unsure);
        // What fails before the commit has stored nothing.
        let mut committing = false;
        let (durability, keeps_recent) = (self.durability(), self.keeps_recent);
        let stored = self.with(|connection| {
            let transaction = begin_with(connection, durability)?;
            let last = rows::last_batch(&transaction)?;
            let known = unsure.iter().find(|unsure| unsure.numbers.contains(&last));
            let stored = known.map_or(Stored::default(), |unsure| unsure.rows);
            let added = rows::write(&transaction, batch, number, stored)?;
            if keeps_recent {
                recent::add(&transaction, batch.events.get(stored.events..).unwrap_or_default())?;
            }
            committing = true;
            transaction.commit()?;
            Ok((stored == Stored::default()).then_some(added))
        });
        if let Err(error) = &stored {
            self.unsure = unsure;
            if committing {
                self.remember(number, Stored::all_of(batch));
                self.close_unless_full(error);
            }
        }
        stored
    }

    /// A connection whose commit failed may not know what is in the file. On a full disk it could not be opened again.
    fn close_unless_full(&mut self, error: &StateError) {
        let full = matches!(error, StateError::Sqlite { error, .. }
            if error.sqlite_error_code() == Some(ErrorCode::DiskFull));
        if !full && self.home.is_some() {
            self.connection = None;
        }
    }

    fn remember(&mut self, number: i64, rows: Stored) {
        match self.unsure.last_mut() {
            // An attempt between these two that failed early has stored nothing under its number.
            Some(last) if last.rows == rows => last.numbers = *last.numbers.start()..=number,
            _ => self.unsure.push(Unsure { numbers: number..=number, rows }),
        }
    }

    pub fn take(&mut self, notify: Notify, after: i64, limit: usize) -> Result<Vec<Row>, StateError> {
        let rows = self.with(|connection| rows::kind_after(connection, notify, after, limit))?;
        self.seq = self.seq.max(rows.last().map_or(after, |row| row.seq));
        Ok(rows)
    }

    pub fn set_sinks(&mut self, sinks: &[(&str, Notify)]) -> Result<Vec<Forgotten>, StateError> {
        self.sinks = sinks.iter().map(|&(name, notify)| (name.to_owned(), notify)).collect();
        let sinks = self.sinks.clone();
        self.transact(|transaction| {
            let forgotten = rows::set_sinks(transaction, &sinks)?;
            rows::prune(transaction)?;
            Ok(forgotten)
        })
    }

    pub fn forget_sink(
        &mut self,
        name: &str,
        is_lost: &dyn Fn(&[u8], &Heard) -> bool,
    ) -> Result<Option<Forgotten>, StateError> {
        self.sinks.retain(|(sink, _)| sink != name);
        self.transact(|transaction| {
            let forgotten = rows::forget_sink(transaction, name, Some(is_lost))?;
            rows::prune(transaction)?;
            Ok(forgotten)
        })
    }

    /// Nothing is under way, to one sink or to any: what was held back of what was given up is lost.
    pub fn release(&mut self, sink: Option<&str>) -> Result<(), StateError> {
        if self.with(|connection| loss::is_held(connection, sink))? {
            self.transact_soon(|transaction| loss::release(transaction, sink))?;
            self.written_elsewhere.send_replace(());
        }
        Ok(())
    }

    /// Does all of `work` or nothing.
    pub fn transact<T>(&mut self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let durability = self.durability();
        self.transact_with(durability, work)
    }

    /// Like [`Db::transact`], for what is only done again if a power failure takes it back. It cannot be stored without what was
    /// stored before it, and is with what is stored after it.
    pub fn transact_soon<T>(
        &mut self,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.transact_with(Durability::Normal, work)
    }

    fn transact_with<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.with(|connection| {
            let transaction = begin_with(connection, durability)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    fn durability(&self) -> Durability {
        self.home.as_ref().map_or(Durability::Normal, |home| home.durability)
    }

    /// Like [`Db::transact_soon`], and deletes what all sinks have then; says how much that was. After an error that is not known, and
    /// everything is to be counted anew.
    pub fn settle(&mut self, work: impl FnOnce(&Transaction) -> rusqlite::Result<()>) -> Result<Backlog, StateError> {
        let gone = self.transact_soon(|transaction| {
            work(transaction)?;
            rows::prune(transaction)
        });
        gone.inspect_err(|_| self.data_version = -1)
    }

    /// True if somebody else has written to the database since the last look, or that cannot be known.
    pub fn changed_elsewhere(&mut self) -> bool {
        let version = self.with(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)));
        // SQLite's numbers are positive.
        let version = version.unwrap_or(-1);
        let changed = std::mem::replace(&mut self.data_version, version) != version || version < 0;
        if changed {
            self.written_elsewhere.send_replace(());
        }
        changed
    }

    /// What waits for all sinks. Where that cannot be counted, the next look is a new one.
    pub fn backlog(&mut self) -> Result<Backlog, StateError> {
        self.with(|connection| rows::backlog(connection)).inspect_err(|_| self.data_version = -1)
    }

    pub fn untold_damage(&mut self) -> Result<Vec<String>, StateError> {
        let told = self.with(|connection| rows::texts(connection, "SELECT name FROM told"))?;
        let Some(path) = self.home.as_ref().map(|home| home.database.clone()) else { return Ok(Vec::new()) };
        let (Some(dir), Some(own)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
        let bad = format!("{}{}", own.to_string_lossy(), schema::BAD);
        let names = fs::read_dir(dir).map_err(|error| StateError::io(dir, error))?.flatten();
        let mut untold: Vec<String> = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(&bad) && !name.ends_with("-wal") && !name.ends_with("-shm"))
            .chain(self.missing.clone())
            .filter(|name| !told.contains(name))
            .collect();
        untold.sort();
        Ok(untold)
    }
}

/// Ends the process where SQLite got no memory, as it ends where anything else gets none: trying again would need as much, and
/// who watches over the process can start it anew. What was committed is stored.
fn bearable<T>(result: Result<T, StateError>) -> Result<T, StateError> {
    if let Err(StateError::Sqlite { error, .. }) = &result
        && schema::is_want_of_memory(error)
    {
        tracing::error!(%error, "no memory is left; ending. What was stored is safe, and the next start goes on from there");
        std::process::abort();
    }
    result
}

/// Each transaction says itself how it is stored, so that none depends on the one before it.
fn begin_with(connection: &mut Connection, durability: Durability) -> rusqlite::Result<Transaction<'_>> {
    schema::set_durability(connection, durability)?;
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Gets a database ready that takes the place of one in use: sinks, and row numbers that none of them has seen.
fn begin(connection: &mut Connection, sinks: &[(String, Notify)], seq: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::count_from(&transaction, seq)?;
    rows::set_sinks(&transaction, sinks)?;
    transaction.commit()
}

/// The database is not where it was; a new one was begun.
fn missing() -> String {
    tracing::error!("the database is gone; a new one was begun. Events that waited for delivery are lost");
    format!("nothing missing_since={}", Timestamp::now())
}
