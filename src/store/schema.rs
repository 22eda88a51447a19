//! The tables, and how a database file is opened, checked, brought up to date and, when it is damaged, set aside.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::{StateError, rows};
use crate::config::Durability;

/// Each step makes the tables of the next version; `user_version` says how many were taken. A new database takes all
/// of them, an older one the rest, in one transaction: a crash leaves the old tables or the new ones.
///
/// `outbox.seq` is never used again, also not after its row is deleted: sinks remember how far they are by it.
const STEPS: [&str; 7] = [
    "
CREATE TABLE file (
    device INTEGER NOT NULL, inode INTEGER NOT NULL, birth INTEGER NOT NULL,
    generation INTEGER NOT NULL, path BLOB NOT NULL,
    checkpoint TEXT NOT NULL,
    proof_at INTEGER NOT NULL, head_len INTEGER NOT NULL, head BLOB NOT NULL,
    tail_from INTEGER NOT NULL, tail BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (device, inode, birth)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE sink (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen (id INTEGER PRIMARY KEY CHECK (id = 0), until_ms INTEGER NOT NULL) STRICT;
CREATE TABLE watched (path TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
",
    // When a row came in; the number of the last batch; names of damaged databases that were reported.
    "
ALTER TABLE outbox ADD COLUMN stored_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seen ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
CREATE TABLE told (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
",
    // Rows of two kinds (0: events, 1: notices), each taken by sinks of its own; requests on their way, and what was given up; the
    // state of incidents; silences. `batch.row` is there once its only row waits apart from the others.
    "
ALTER TABLE outbox ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_kind ON outbox (kind, seq);
ALTER TABLE sink ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;
CREATE TABLE batch (
    sink TEXT NOT NULL, id TEXT NOT NULL,
    position INTEGER NOT NULL, part INTEGER NOT NULL, through INTEGER NOT NULL, members TEXT NOT NULL,
    format TEXT NOT NULL, content_type TEXT, headers TEXT, body BLOB,
    attempts INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0,
    first_tried_ms INTEGER, first_refused_ms INTEGER, next_ms INTEGER NOT NULL DEFAULT 0, last_error TEXT,
    row BLOB,
    PRIMARY KEY (sink, id)
) STRICT;
CREATE INDEX batch_turn ON batch (sink, position, part) WHERE row IS NULL;
CREATE INDEX batch_apart ON batch (sink, next_ms) WHERE row IS NOT NULL;
CREATE TABLE dead (
    sink TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, part INTEGER NOT NULL,
    reason TEXT NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (sink, id)
) STRICT;
CREATE TABLE incident (key TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE silence (
    id TEXT PRIMARY KEY, matcher TEXT NOT NULL, until_ms INTEGER NOT NULL,
    comment TEXT NOT NULL, created_ms INTEGER NOT NULL, by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
    // What was given up and no event has told of yet: rows, or a letter that is dead. Where symbolic links led. Where a file without
    // a name ends that was not read to there. When requests went to receivers that take only so many, in milliseconds since the machine
    // was started. Why a sink is not tried any more for now; until when it is not, and since when it is down, as others were told;
    // with which URL and keys it accepted something last, as a mark.
    // Incidents that a request speaks of, and whether it says that they are over; which incidents a sink was told of: by which row
    // last, and which it has accepted. The request that may yet deliver what a loss is about.
    "
CREATE TABLE loss (
    id TEXT NOT NULL UNIQUE DEFAULT (hex(randomblob(16))),
    sink TEXT NOT NULL, letter TEXT, reason TEXT NOT NULL,
    kind INTEGER, rows INTEGER, bytes INTEGER, oldest_ms INTEGER, last_seq INTEGER, at_most INTEGER,
    request TEXT
) STRICT;
CREATE TABLE link (place BLOB NOT NULL, link BLOB NOT NULL, PRIMARY KEY (place, link)) STRICT, WITHOUT ROWID;
ALTER TABLE file ADD COLUMN unread_to INTEGER;
ALTER TABLE sink ADD COLUMN stopped TEXT;
ALTER TABLE sink ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sink ADD COLUMN down_ms INTEGER;
ALTER TABLE sink ADD COLUMN accepted_as TEXT;
CREATE TABLE spent (receiver TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
ALTER TABLE batch ADD COLUMN incidents TEXT NOT NULL DEFAULT '{}';
ALTER TABLE dead ADD COLUMN incidents TEXT NOT NULL DEFAULT '{}';
CREATE TABLE heard (
    sink TEXT NOT NULL, incident TEXT NOT NULL,
    made INTEGER NOT NULL, accepted INTEGER NOT NULL, is_over INTEGER NOT NULL,
    PRIMARY KEY (sink, incident)
) STRICT, WITHOUT ROWID;
",
    // The events of late, the last one last; `total` is the bytes of all that ever came before and of this one. The body comes last,
    // so that the rest is known without it.
    "
CREATE TABLE recent (
    seq INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE, stored_ms INTEGER NOT NULL, total INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
",
    // How far each journal was read; that of this host has no directory.
    "
CREATE TABLE journal (directory BLOB PRIMARY KEY, place TEXT NOT NULL) STRICT, WITHOUT ROWID;
",
    // How often a sink got on, and the last row that there was when it accepted something last.
    "
ALTER TABLE sink ADD COLUMN moves INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sink ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0;
",
];

/// The version of these tables.
pub const VERSION: i64 = STEPS.len() as i64;

/// What opening a database came to.
pub struct Opened {
    pub connection: Connection,
    /// Where the database is now that was damaged; the connection is to a new one.
    pub set_aside: Option<PathBuf>,
}

pub fn in_memory() -> Result<Connection, StateError> {
    let path = Path::new(":memory:");
    let connection = Connection::open_in_memory().map_err(|error| StateError::sqlite(path, error))?;
    prepare(&connection, path, Durability::Normal)?;
    Ok(connection)
}

/// Opens or makes the database; one that is damaged is moved out of the way and a new one begun.
pub fn open(path: &Path, durability: Durability) -> Result<Opened, StateError> {
    match connect(path, durability) {
        Err(StateError::Sqlite { error, .. }) if is_damage(&error) => {
            let aside = set_aside(path)?;
            tracing::error!(
                path = %crate::source::selection::visible(path), kept_as = %crate::source::selection::visible(&aside), %error,
                "the state is damaged; it was set aside and a new one begun. Events that waited for delivery are in \
                 the old file"
            );
            Ok(Opened { connection: connect(path, durability)?, set_aside: Some(aside) })
        }
        other => other.map(|connection| Opened { connection, set_aside: None }),
    }
}

/// Opens or makes the database.
pub fn connect(path: &Path, durability: Durability) -> Result<Connection, StateError> {
    // SQLite gives its side files the mode of the database, so this one decides for all.
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(|error| StateError::io(path, error))?;
    let connection = Connection::open(path).map_err(|error| StateError::sqlite(path, error))?;
    prepare(&connection, path, durability)?;
    Ok(connection)
}

fn prepare(connection: &Connection, path: &Path, durability: Durability) -> Result<(), StateError> {
    let sqlite = |error| StateError::sqlite(path, error);
    let version = version(connection).map_err(sqlite)?;
    if version > VERSION {
        return Err(StateError::Newer { path: path.to_path_buf(), found: version, known: VERSION });
    }
    connection.busy_timeout(Duration::from_secs(5)).map_err(sqlite)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216;").map_err(sqlite)?;
    set_durability(connection, durability).map_err(sqlite)?;
    if version > 0 {
        check(connection).map_err(sqlite)?;
    } else if has_tables(connection).map_err(sqlite)? {
        return Err(sqlite(damage(rusqlite::ffi::SQLITE_NOTADB, "it holds the tables of another program".to_owned())));
    }
    migrate(connection).map_err(sqlite)?;
    // What SQLite takes for sound may still be no state of ours.
    rows::files(connection).map(drop).map_err(sqlite)
}

/// How the transactions from now on are stored.
pub fn set_durability(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.execute_batch(match durability {
        Durability::Full => "PRAGMA synchronous = FULL",
        Durability::Normal => "PRAGMA synchronous = NORMAL",
    })
}

/// Takes the steps that are missing, all or none.
pub fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let taken = version(connection)?;
    let steps = STEPS.get(usize::try_from(taken).unwrap_or(0)..).unwrap_or_default().concat();
    if steps.is_empty() {
        return Ok(());
    }
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;"))
}

/// The tables as they were four versions ago.
#[cfg(test)]
pub fn undo_last_steps(connection: &Connection) {
    let undo = "BEGIN; DROP INDEX outbox_kind; ALTER TABLE outbox DROP COLUMN kind; ALTER TABLE sink DROP COLUMN notify; \
                ALTER TABLE sink DROP COLUMN stopped; ALTER TABLE sink DROP COLUMN paused_ms; ALTER TABLE sink DROP COLUMN down_ms; \
                ALTER TABLE sink DROP COLUMN accepted_as; \
                ALTER TABLE sink DROP COLUMN moves; ALTER TABLE sink DROP COLUMN accepted_at; \
                ALTER TABLE file DROP COLUMN unread_to; \
                DROP TABLE batch; DROP TABLE dead; DROP TABLE incident; DROP TABLE silence; DROP TABLE loss; DROP TABLE link; \
                DROP TABLE spent; DROP TABLE heard; DROP TABLE recent; DROP TABLE journal; \
                PRAGMA user_version = 2; COMMIT;";
    connection.execute_batch(undo).expect("the last steps are undone");
}

pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Sees that somebody beside the daemon may work with the tables.
///
/// # Errors
/// They are of another version.
pub fn check_version(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let path = path.to_path_buf();
    match version(connection).map_err(|error| StateError::sqlite(&path, error))? {
        VERSION => Ok(()),
        found if found > VERSION => Err(StateError::Newer { path, found, known: VERSION }),
        _ => Err(StateError::Older { path }),
    }
}

/// # Errors
/// The tables are damaged.
pub fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(damage(rusqlite::ffi::SQLITE_CORRUPT, verdict))
}

fn damage(code: i32, what: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(what))
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// True if the file does not hold what was written to it.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
}

/// True if SQLite got no memory, on the heap or for the index of its write-ahead log.
pub fn is_want_of_memory(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_NOMEM, SQLITE_IOERR_SHMMAP};
    let extended = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(ErrorCode::OutOfMemory)
        || matches!(extended, Some(SQLITE_IOERR_NOMEM | SQLITE_IOERR_SHMMAP))
}

/// What the names of damaged databases have between their old name and the time.
pub const BAD: &str = ".bad-";

/// Renames the database and its side files, so that nobody takes one for part of the new database.
pub fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let renamed = |suffix: &str, bad: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{bad}{suffix}"));
        PathBuf::from(name)
    };
    let bad = format!("{BAD}{now}");
    for side in ["-wal", "-shm"] {
        // They do not always exist.
        drop(fs::rename(renamed(side, ""), renamed(side, &bad)));
    }
    let aside = renamed("", &bad);
    fs::rename(path, &aside).map_err(|error| StateError::io(path, error))?;
    Ok(aside)
}
