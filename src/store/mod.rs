//! What must survive a crash: how far each file was read, and the events that are still to be delivered.
//!
//! One SQLite database, one connection, one transaction for offsets and the events they account for: killing the
//! process at any instruction neither loses an event nor stores it twice. Nobody holds the connection while
//! waiting for the outside world; delivery copies rows out, writes them without the lock, and comes back.
//!
//! A database that is deleted or replaced under the running process is brought back from what is still open (`home`).
//! After an I/O error nothing that the connection remembers is trusted: it is closed, and the next use opens the
//! file again. Whether a commit that reported an error was stored all the same is then read from the file, so
//! that trying again stores nothing twice.
//!
//! What would be lost without a trace is on the disk when its transaction returns. What a power failure may take back,
//! because it is only done again then (that a request was accepted or failed), is there with the next of those;
//! the end of the process takes back neither.

mod db;
mod delivery;
mod dir;
mod expire;
mod heard;
mod home;
mod journal;
mod loss;
mod operator;
mod outbox;
mod progress;
pub mod recent;
mod rows;
mod schema;
mod silence;
mod spent;
mod steady;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;

use db::Db;
pub use delivery::{Delivery, Request, Standing, Tries};
pub use dir::{FileSystem, StateDir, StateError};
pub use heard::{Heard, Incidents};
pub use journal::{JournalPlace, JournalState, StreamPlace};
pub use loss::{Loss, Lost};
pub use operator::{Operator, Retried};
pub use outbox::{DeadLetter, Dropped, Outbox, SinkBacklog};
use progress::Move;
pub use progress::Progress;
pub use schema::VERSION as FORMAT;
pub use silence::Silence;
use steady::Steady;
use tokio::sync::watch;

use crate::config::{Durability, Notify};
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
    /// Where the file ends, if it has no listed name and was not read to there: what is in between the next run may not find.
    pub unread_to: Option<u64>,
}

/// An event, or a notice, on its way out.
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
    /// How far journals were read.
    pub journals: Vec<JournalState>,
    pub events: Vec<OutboxEvent>,
    /// What is said of incidents.
    pub notices: Vec<OutboxEvent>,
    /// Keys of incidents, and their states; those without one are over.
    pub incidents: Vec<(String, Option<Vec<u8>>)>,
    /// Files that no longer exist.
    pub deleted: Vec<FileKey>,
    /// Everything that happened to the files until then was looked at; milliseconds since 1970.
    pub seen_until_ms: i64,
    /// Written paths of the sources in force, once they have been watched.
    pub watched: Option<Vec<String>>,
    /// Where symbolic links lead, as pairs of a place and a link, if that has changed.
    pub links: Option<Vec<(PathBuf, PathBuf)>>,
    /// Names of damaged databases whose loss the events report.
    pub told: Vec<String>,
    /// Ids of the losses that the events report.
    pub losses: Vec<String>,
    /// Sinks that the events say are down, and since when (milliseconds since 1970); or up again.
    pub down: Vec<(String, Option<i64>)>,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub seq: i64,
    pub id: EventId,
    pub body: Vec<u8>,
}

/// How much waits for delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    pub rows: u64,
    /// Of the events as JSON.
    pub bytes: u64,
    /// When the oldest of them was stored, milliseconds since 1970, where that was asked for.
    pub oldest_ms: Option<i64>,
}

/// A sink that is no longer there, and what went with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    pub sink: String,
    /// Rows for it that it had not delivered; at most so many where its filter is not known.
    pub waiting: Backlog,
    /// Its dead letters.
    pub dead: u64,
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
    /// The same for those who wait for more than rows.
    arrivals: watch::Sender<()>,
    /// What waits for a sink; readable without the lock.
    n_rows: AtomicU64,
    n_bytes: AtomicU64,
    steady: Mutex<Steady>,
}

impl Store {
    /// A store that is forgotten when the process ends.
    ///
    /// # Errors
    /// SQLite cannot be set up at all.
    pub fn in_memory() -> Result<Store, StateError> {
        Store::new(Db::in_memory()?)
    }

    /// Opens the database of a state directory, or makes it. A damaged one is set aside.
    ///
    /// # Errors
    /// The database was written by a newer version, or the directory does not let us write.
    pub fn open(dir: &StateDir, durability: Durability) -> Result<Store, StateError> {
        // An empty file has nothing of it either.
        let missing = dir.had_database() && fs::metadata(dir.database()).map_or(true, |file| file.len() == 0);
        let mut db = Db::open(dir, durability)?;
        dir.has_database()?;
        if missing {
            db.note_missing();
        }
        Store::new(db)
    }

    fn new(mut db: Db) -> Result<Store, StateError> {
        // Of an earlier run: whatever was under way then has come to nothing that anybody knows of.
        db.release(None)?;
        let waiting = db.backlog()?;
        let store = Store {
            db: Mutex::new(db),
            arrived: Condvar::new(),
            arrivals: watch::channel(()).0,
            n_rows: 0.into(),
            n_bytes: 0.into(),
            steady: Mutex::new(Steady::new()),
        };
        store.set_waiting(waiting);
        Ok(store)
    }

    /// All files an earlier run left behind.
    pub fn files(&self) -> Result<Vec<FileState>, StateError> {
        self.lock().with(|connection| rows::files(connection))
    }

    /// How far an earlier run has read journals.
    pub fn journals(&self) -> Result<Vec<JournalState>, StateError> {
        self.lock().with(|connection| journal::all(connection))
    }

    /// The written paths that were watched before, in this run or an earlier one; none at the first start.
    pub fn watched(&self) -> Result<Vec<String>, StateError> {
        self.lock().with(|connection| rows::texts(connection, "SELECT path FROM watched"))
    }

    /// Where symbolic links led at the last commit: places, each with a link that led there.
    pub fn links(&self) -> Result<Vec<(PathBuf, PathBuf)>, StateError> {
        self.lock().with(|connection| rows::links(connection))
    }

    /// [`Batch::seen_until_ms`] of the last commit; `None` at the first start.
    pub fn seen_until_ms(&self) -> Result<Option<i64>, StateError> {
        self.lock()
            .with(|connection| connection.query_row("SELECT until_ms FROM seen", [], |row| row.get(0)).optional())
    }

    /// Names of the databases that were set aside because they were damaged, or a word about one that is gone, whose loss no batch has
    /// [`told`](Batch::told) yet. Also a crash right after the damage was found does not hide it.
    pub fn untold_damage(&self) -> Result<Vec<String>, StateError> {
        self.lock().untold_damage()
    }

    /// What was given up and no batch has [told](Batch::losses) yet, the oldest first.
    pub fn losses(&self) -> Result<Vec<Loss>, StateError> {
        self.lock().with(|connection| loss::untold(connection))
    }

    /// Stores all of a batch or nothing.
    ///
    /// # Errors
    /// The batch is as it was, to be tried again later as it is or with more events at its end: what a failed commit
    /// has stored all the same is not stored again. After [`StateError::Begun`] everything has to be stored anew, and
    /// [`Store::untold_damage`] says what was lost or set aside.
    pub fn commit(&self, batch: &Batch) -> Result<(), StateError> {
        let mut db = self.lock();
        let committed = db.commit(batch);
        if matches!(committed, Err(StateError::Begun)) {
            self.set_waiting(db.backlog().unwrap_or_default());
        }
        match committed? {
            Some(added) if !db.changed_elsewhere() => {
                self.n_rows.fetch_add(added.rows, Ordering::Relaxed);
                self.n_bytes.fetch_add(added.bytes, Ordering::Relaxed);
            }
            // It is stored: what cannot be counted now is counted with the next batch.
            _ => match db.backlog() {
                Ok(waiting) => self.set_waiting(waiting),
                Err(error) => tracing::warn!(%error, "cannot count what waits for delivery"),
            },
        }
        self.tell_arrivals();
        Ok(())
    }

    /// Key and state of each incident, as of the last commit.
    pub fn incidents(&self) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.lock().with(|connection| rows::incidents(connection))
    }

    /// Takes out of the store what was not seen for a month and was not seen by this run either.
    pub fn forget_files_before(&self, seconds: i64) -> Result<usize, StateError> {
        self.lock().with(|connection| connection.execute("DELETE FROM file WHERE seen_at < ?1", [seconds]))
    }

    /// Makes these the sinks: others are forgotten with what they had not delivered, and a new one gets what is
    /// stored from now on. A sink that takes another kind of rows than before is a new one.
    pub fn set_sinks(&self, sinks: &[(&str, Notify)]) -> Result<Vec<Forgotten>, StateError> {
        let mut db = self.lock();
        let forgotten = db.set_sinks(sinks)?;
        self.set_waiting(db.backlog()?);
        Ok(forgotten)
    }

    /// One sink less, until the next time that they are set. Counted is what `is_lost` says of the rows that wait.
    pub fn forget_sink(
        &self,
        name: &str,
        is_lost: impl Fn(&[u8], &Heard) -> bool,
    ) -> Result<Option<Forgotten>, StateError> {
        let mut db = self.lock();
        let forgotten = db.forget_sink(name, &is_lost)?;
        self.set_waiting(db.backlog()?);
        Ok(forgotten)
    }

    /// What waits for each sink; counts all of it.
    pub fn sinks(&self) -> Result<Vec<SinkBacklog>, StateError> {
        self.lock().with(|connection| outbox::sinks(connection))
    }

    /// The last row that a sink has acknowledged.
    pub fn delivered(&self, sink: &str) -> Result<i64, StateError> {
        self.lock().with(|connection| rows::delivered(connection, sink))
    }

    /// Rows of one kind after `seq`, oldest first; waits until there are some or until `deadline` (for ever without one).
    pub fn take(
        &self,
        notify: Notify,
        after: i64,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Waiting, StateError> {
        let mut db = self.lock();
        loop {
            let rows = db.take(notify, after, limit)?;
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

    /// Rows of one kind after `seq`, oldest first, as many as there are now.
    pub fn rows_after(&self, notify: Notify, seq: i64, limit: usize) -> Result<Vec<Row>, StateError> {
        self.lock().take(notify, seq, limit)
    }

    /// Tells that somebody else has written to the database, as soon as anybody here has seen that; or that something turned out to be lost.
    pub fn written_elsewhere(&self) -> watch::Receiver<()> {
        self.lock().written_elsewhere.subscribe()
    }

    /// Tells of each commit, of what an operator has written, and of the end.
    pub fn arrivals(&self) -> watch::Receiver<()> {
        self.arrivals.subscribe()
    }

    /// A sink has delivered all rows of a kind up to `seq`; what all sinks have delivered is deleted. Nothing happens if it takes
    /// something else by now.
    pub fn acknowledge(&self, sink: &str, kind: Notify, seq: i64) -> Result<(), StateError> {
        self.moved(sink, kind, seq, Move::Accepted)
    }

    /// The same of rows that are not for it.
    pub fn pass_over(&self, sink: &str, kind: Notify, seq: i64) -> Result<(), StateError> {
        self.moved(sink, kind, seq, Move::PassedOver)
    }

    fn moved(&self, sink: &str, kind: Notify, seq: i64, how: Move) -> Result<(), StateError> {
        self.settle(|transaction| match rows::sink(transaction, sink)? {
            Some((notify, _)) if notify == kind => {
                progress::moved(transaction, sink, how)?;
                rows::delivered_up_to(transaction, sink, seq).map(drop)
            }
            _ => Ok(()),
        })
    }

    /// How much waits for a sink.
    pub fn waiting(&self) -> Backlog {
        let (rows, bytes) = (self.n_rows.load(Ordering::Relaxed), self.n_bytes.load(Ordering::Relaxed));
        Backlog { rows, bytes, oldest_ms: None }
    }

    /// False if somebody deleted or replaced the database since it was opened; the next commit mends that, or says why it cannot.
    pub fn is_in_place(&self) -> bool {
        self.lock().is_in_place()
    }

    /// True if what is stored ends with the process.
    pub fn is_in_memory(&self) -> bool {
        self.lock().is_in_memory()
    }

    /// Nothing more will be committed: sinks that have delivered everything may end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.tell_arrivals();
    }

    /// Whoever waits for rows looks again.
    fn tell_arrivals(&self) {
        self.arrived.notify_all();
        self.arrivals.send_replace(());
    }

    /// Under the lock, so that it fits what is stored.
    fn set_waiting(&self, waiting: Backlog) {
        self.n_rows.store(waiting.rows, Ordering::Relaxed);
        self.n_bytes.store(waiting.bytes, Ordering::Relaxed);
    }

    /// Counts what was deleted; under the lock as well.
    fn gone(&self, gone: Backlog) {
        let less = |n: &AtomicU64, by: u64| n.store(n.load(Ordering::Relaxed).saturating_sub(by), Ordering::Relaxed);
        less(&self.n_rows, gone.rows);
        less(&self.n_bytes, gone.bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Db> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
