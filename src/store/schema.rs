//! The tables, and how a database file is opened, checked and, when it is damaged, set aside.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::StateError;

/// Written to `user_version`; raised with each change of the tables.
const VERSION: i64 = 1;

/// `outbox.seq` is never used again, also not after its row is deleted: sinks remember how far they are by it.
const TABLES: &str = "
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
";

pub fn in_memory() -> Result<Connection, StateError> {
    let path = Path::new(":memory:");
    let connection = Connection::open_in_memory().map_err(|error| StateError::sqlite(path, error))?;
    prepare(&connection, path)?;
    Ok(connection)
}

/// Opens or makes the database; one that is damaged is moved out of the way and a new one begun.
pub fn open(path: &Path) -> Result<Connection, StateError> {
    match reopen(path) {
        Err(StateError::Sqlite { error, .. }) if is_damage(&error) => {
            let aside = set_aside(path)?;
            tracing::error!(
                path = %crate::source::selection::visible(path), kept_as = %crate::source::selection::visible(&aside), %error,
                "the state is damaged; it was set aside and a new one begun. Events that waited for delivery are in \
                 the old file; logs are read as at a first start"
            );
            reopen(path)
        }
        other => other,
    }
}

pub fn reopen(path: &Path) -> Result<Connection, StateError> {
    // SQLite gives its side files the mode of the database, so this one decides for all.
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(|error| StateError::io(path, error))?;
    let connection = Connection::open(path).map_err(|error| StateError::sqlite(path, error))?;
    prepare(&connection, path)?;
    Ok(connection)
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let sqlite = |error| StateError::sqlite(path, error);
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
    if version > VERSION {
        return Err(StateError::Newer { path: path.to_path_buf(), found: version, known: VERSION });
    }
    connection.busy_timeout(Duration::from_secs(5)).map_err(sqlite)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")
        .map_err(sqlite)?;
    if version == 0 {
        let create = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
        return connection.execute_batch(&create).map_err(sqlite);
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if verdict == "ok" {
        return Ok(());
    }
    let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(sqlite(rusqlite::Error::SqliteFailure(damaged, Some(verdict))))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames the database and its side files, so that nobody takes one for part of the new database.
fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let renamed = |suffix: &str, bad: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{bad}{suffix}"));
        PathBuf::from(name)
    };
    let bad = format!(".bad-{now}");
    for side in ["-wal", "-shm"] {
        // They do not always exist.
        drop(fs::rename(renamed(side, ""), renamed(side, &bad)));
    }
    let aside = renamed("", &bad);
    fs::rename(path, &aside).map_err(|error| StateError::io(path, error))?;
    Ok(aside)
}
