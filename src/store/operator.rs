//! What an operator does to the outbox beside a running daemon: try again now, give up, silence.
//!
//! Each thing is a short transaction of its own. The daemon sees that somebody else has written at its next look, within
//! seconds, and counts anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::outbox::Dropped;
use super::rows::IsLost;
use super::{Silence, StateError, dir, expire, loss, rows, schema, silence};
use crate::notice::Why;

/// A state directory that is worked with beside its daemon.
#[derive(Debug)]
pub struct Operator {
    path: PathBuf,
    connection: Connection,
}

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// Requests that are due now.
    pub due: u64,
    /// Dead letters that are requests again.
    pub revived: u64,
}

impl Operator {
    /// `None` if nothing was ever stored there.
    ///
    /// # Errors
    /// It cannot be written, or its version is another one.
    pub fn open(dir: &Path) -> Result<Option<Operator>, StateError> {
        let path = dir::database(dir);
        if !path.try_exists().map_err(|error| StateError::io(&path, error))? {
            return Ok(None);
        }
        let failed = |error| StateError::sqlite(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        schema::check_version(&connection, &path)?;
        Ok(Some(Operator { path, connection }))
    }

    /// Makes what waits for a receiver due now, also if it wanted nothing any more, and its dead letters requests again, under their old ids; of one sink or of all.
    pub fn retry(&mut self, sink: Option<&str>) -> Result<Retried, StateError> {
        self.transact(|transaction| {
            rows::resume(transaction, sink)?;
            let due = transaction.execute("UPDATE batch SET next_ms = 0 WHERE ?1 IS NULL OR sink = ?1", [sink])?;
            let revive = "INSERT OR IGNORE INTO batch (sink, id, position, part, through, members, format, row, incidents) \
                          SELECT sink, id, seq, part, 0, json_array(seq), '', body, incidents FROM dead \
                          WHERE (?1 IS NULL OR sink = ?1) AND sink IN (SELECT name FROM sink)";
            let revived = transaction.execute(revive, [sink])?;
            transaction.execute("DELETE FROM dead WHERE ?1 IS NULL OR sink = ?1", [sink])?;
            Ok(Retried { due: due as u64, revived: revived as u64 })
        })
    }

    /// Gives up all that waits for one sink, but for its dead letters. Counted is what `is_lost` says of the rows; it becomes a
    /// loss, which the daemon tells, now or when it is started, unless a request that is under way delivers it.
    ///
    /// # Errors
    /// Nothing was given up.
    pub fn drop_waiting(&mut self, sink: &str, is_lost: IsLost) -> Result<Dropped, StateError> {
        self.transact(|transaction| {
            let Some((notify, delivered)) = rows::sink(transaction, sink)? else { return Ok(Dropped::default()) };
            let last = expire::last(transaction, notify)?;
            let (dropped, under_way) = rows::all_lost(transaction, (sink, notify, delivered), last, is_lost)?;
            expire::drop_through(transaction, sink, last)?;
            transaction.execute("DELETE FROM batch WHERE sink = ?1", [sink])?;
            loss::of_rows(transaction, (sink, notify), Why::Asked, &dropped, &under_way)?;
            // A daemon that sees this counts anew.
            rows::prune(transaction)?;
            Ok(dropped)
        })
    }

    /// Forgets the dead letters of a sink; how many there were.
    pub fn drop_dead(&mut self, sink: &str) -> Result<u64, StateError> {
        self.transact(|transaction| Ok(transaction.execute("DELETE FROM dead WHERE sink = ?1", [sink])? as u64))
    }

    /// Names of the sinks, as the daemon has set them last.
    pub fn sinks(&mut self) -> Result<Vec<String>, StateError> {
        self.transact(|transaction| rows::texts(transaction, "SELECT name FROM sink ORDER BY name"))
    }

    pub fn silences(&mut self) -> Result<Vec<Silence>, StateError> {
        self.transact(|transaction| silence::all(transaction))
    }

    /// A silence of the same id is replaced.
    pub fn add_silence(&mut self, silence: &Silence) -> Result<(), StateError> {
        self.transact(|transaction| silence::put(transaction, silence))
    }

    /// False if there was none.
    pub fn remove_silence(&mut self, id: &str) -> Result<bool, StateError> {
        self.transact(|transaction| Ok(transaction.execute("DELETE FROM silence WHERE id = ?1", params![id])? > 0))
    }

    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let Operator { path, connection } = self;
        let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|error| StateError::sqlite(path, error))
    }
}
