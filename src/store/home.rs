//! Where the database is, and whether it is still there: somebody may delete the state directory of a running daemon, or
//! put another one in its place.
//!
//! SQLite would go on writing to files without a name, and all of it would be gone at the end. What is still open is
//! complete, so it is copied back to the path. Two processes never work at one path: the lock is taken first.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema::{self, Opened};
use super::{StateDir, StateError};
use crate::config::Durability;
use crate::source::selection::visible;

/// Device and inode of what has a name; `None` if nothing has.
type Inode = Option<(u64, u64)>;

#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    pub database: PathBuf,
    pub durability: Durability,
    lock: Inode,
    /// The lock, once it had to be taken again.
    taken_again: Option<StateDir>,
    /// The database and its side files, as they were opened.
    files: [Inode; 3],
}

/// What the database is that was opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    Same,
    /// What was there is damaged, or another database, and was set aside; this one is empty.
    SetAside,
    /// Nothing was there; this one is empty.
    Gone,
}

impl Home {
    /// Opens the database of a state directory, or makes it.
    pub fn open(dir: &StateDir, durability: Durability) -> Result<(Home, Connection), StateError> {
        let (database, lock) = (dir.database(), dir.lock_inode());
        let Opened { connection, .. } = schema::open(&database, durability)?;
        let files = inodes(&database)?;
        let home = Home { dir: dir.path().to_path_buf(), database, durability, lock, taken_again: None, files };
        Ok((home, connection))
    }

    /// True if lock, database and side files are the ones that were opened.
    ///
    /// # Errors
    /// That cannot be found out.
    pub fn is_in_place(&self) -> Result<bool, StateError> {
        Ok(self.has_lock()? && self.files == inodes(&self.database)?)
    }

    fn has_lock(&self) -> Result<bool, StateError> {
        Ok(inode(&self.dir.join("lock"))? == self.lock)
    }

    /// Sees that the path is ours.
    ///
    /// # Errors
    /// Another process has taken it since the lock was deleted, or the directory cannot be made again.
    fn hold(&mut self) -> Result<(), StateError> {
        if self.has_lock()? {
            return Ok(());
        }
        let again = StateDir::lock(&self.dir)?;
        again.has_database()?;
        tracing::warn!(path = %visible(&self.dir), "the lock of the state was deleted while it was in use; it was taken again");
        self.lock = again.lock_inode();
        self.taken_again = Some(again);
        Ok(())
    }

    /// Brings the database back to its path if it is no longer there. `Ok(None)` if it is.
    ///
    /// # Errors
    /// It is as it was, and still open.
    pub fn restore(&mut self, open: &Connection) -> Result<Option<Opened>, StateError> {
        if self.is_in_place()? {
            return Ok(None);
        }
        self.hold()?;
        if self.files == inodes(&self.database)? {
            return Ok(None);
        }
        let copy = self.database.with_extension("db.new");
        // Half a copy would only take the room that the next one needs.
        copy_to(open, &copy).inspect_err(|_| drop(fs::remove_file(&copy)))?;
        let set_aside = self.clear()?;
        let renamed = fs::rename(&copy, &self.database).and_then(|()| File::open(&self.dir)?.sync_all());
        renamed.map_err(|error| StateError::io(&self.database, error))?;
        let connection = schema::connect(&self.database, self.durability)?;
        self.files = inodes(&self.database)?;
        tracing::error!(
            path = %visible(&self.database), other_kept_as = set_aside.as_deref().map(visible),
            "the database was deleted or replaced while it was in use; it was written anew from what was still open. \
             Nothing was lost"
        );
        Ok(Some(Opened { connection, set_aside }))
    }

    /// Opens the database after it was closed.
    pub fn reopen(&mut self) -> Result<(Connection, Reopened), StateError> {
        self.hold()?;
        let is_ours = inode(&self.database)? == self.files[0];
        let other = if is_ours { None } else { self.clear()? };
        if let Some(kept_as) = &other {
            tracing::error!(
                path = %visible(&self.database), kept_as = %visible(kept_as),
                "the database was replaced while it could not be used; the other one was set aside and a new one begun. Events \
                 that waited for delivery are lost"
            );
        }
        let Opened { connection, set_aside } = schema::open(&self.database, self.durability)?;
        self.files = inodes(&self.database)?;
        let reopened = match (is_ours, set_aside.or(other)) {
            (_, Some(_)) => Reopened::SetAside,
            (true, None) => Reopened::Same,
            (false, None) => Reopened::Gone,
        };
        Ok((connection, reopened))
    }

    /// Makes the path free; a database that is not ours is set aside.
    fn clear(&self) -> Result<Option<PathBuf>, StateError> {
        let there = inode(&self.database)?;
        if there.is_some() && there != self.files[0] {
            return schema::set_aside(&self.database).map(Some);
        }
        for side in &names(&self.database)[1..] {
            match fs::remove_file(side) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StateError::io(side, error)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Writes all that the connection sees into a new file, and waits until it is on the disk.
fn copy_to(open: &Connection, path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::io(path, error);
    // A crash may have left half of it.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    let copied = open.execute("VACUUM INTO CAST(?1 AS TEXT)", [path.as_os_str().as_bytes()]);
    copied.map_err(|error| StateError::sqlite(path, error))?;
    file.sync_all().map_err(failed)
}

fn names(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn inodes(database: &Path) -> Result<[Inode; 3], StateError> {
    let [database, log, index] = names(database);
    Ok([inode(&database)?, inode(&log)?, inode(&index)?])
}

/// What cannot be looked at may well be there.
fn inode(path: &Path) -> Result<Inode, StateError> {
    match path.metadata() {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(StateError::io(path, error)),
    }
}
