//! The state directory: made with tight permissions, and used by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and after which pauses, the lock is tried.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the state cannot be used. Every message names the path and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("state directory {path}: {error}; choose another one with --state or [state] dir")]
    Io { path: String, error: io::Error },
    #[error("state directory {path} is in use by another paytriage{holder}; give each instance its own --state")]
    InUse { path: String, holder: String },
    #[error(
        "state directory {path} is on {kind}: SQLite's write-ahead log needs memory that all its users share, which \
         network file systems do not give; choose a local directory with --state or [state] dir"
    )]
    Network { path: String, kind: &'static str },
    #[error("{path} was written by a newer paytriage (version {found}, this one knows {known}); it was left untouched")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path} was written by an older paytriage; start `paytriage run` once, which brings it up to date")]
    Older { path: PathBuf },
    #[error("the state was lost while it was in use, and a new one begun")]
    Begun,
    #[error("{path}: {error}")]
    Sqlite { path: String, error: rusqlite::Error },
}

impl StateError {
    pub(super) fn io(path: &Path, error: io::Error) -> StateError {
        StateError::Io { path: path.display().to_string(), error }
    }

    /// True if the database does not hold what was written to it.
    pub fn is_damage(&self) -> bool {
        matches!(self, StateError::Sqlite { error, .. } if super::schema::is_damage(error))
    }

    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> StateError {
        StateError::Sqlite { path: path.display().to_string(), error }
    }
}

/// A state directory that is ours as long as this value lives. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    lock: File,
    had_database: bool,
}

impl StateDir {
    /// # Errors
    /// The directory cannot be made or written, is on a network file system, or belongs to a running instance.
    pub fn lock(path: &Path) -> Result<StateDir, StateError> {
        let failed = |error| StateError::io(path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        if let FileSystem::Network(kind) = FileSystem::of(path) {
            return Err(StateError::Network { path: path.display().to_string(), kind });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path.join("lock")).map_err(failed)?;
        let mut tries = 1;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // Somebody who only looks at the state lets go at once.
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => tries += 1,
                Err(TryLockError::WouldBlock) => {
                    return Err(StateError::InUse { path: path.display().to_string(), holder: holder(&mut lock) });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let had_database = said(&mut lock).lines().any(|line| line == DATABASE);
        let pid = std::process::id();
        let text = if had_database { format!("{pid}\n{DATABASE}\n") } else { format!("{pid}\n") };
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(text.as_bytes()));
        written.map_err(failed)?;
        Ok(StateDir { path: path.to_path_buf(), lock, had_database })
    }

    /// True if an earlier run has had a database here.
    pub fn had_database(&self) -> bool {
        self.had_database
    }

    /// From now on, a database that is missing was lost.
    pub(super) fn has_database(&self) -> Result<(), StateError> {
        if self.had_database {
            return Ok(());
        }
        writeln!(&self.lock, "{DATABASE}").map_err(|error| StateError::io(&self.path, error))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the lock file.
    pub(super) fn lock_inode(&self) -> Option<(u64, u64)> {
        self.lock.metadata().ok().map(|lock| (lock.dev(), lock.ino()))
    }

    pub fn database(&self) -> PathBuf {
        database(&self.path)
    }
}

/// Where a state directory has its database.
pub fn database(dir: &Path) -> PathBuf {
    dir.join("paytriage.db")
}

/// Says in the lock file, below the process, that there is a database.
const DATABASE: &str = "database";

/// What the lock file says; nothing if it cannot be read.
fn said(lock: &mut File) -> String {
    let mut text = String::new();
    drop(lock.take(100).read_to_string(&mut text));
    text
}

/// " (process 123)", if the lock file says so.
fn holder(lock: &mut File) -> String {
    match said(lock).lines().next().and_then(|pid| pid.parse::<u32>().ok()) {
        Some(pid) => format!(" (process {pid})"),
        None => String::new(),
    }
}

/// What a directory is on, with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    Local,
    /// Gone after a reboot.
    Memory(&'static str),
    Network(&'static str),
}

impl FileSystem {
    /// By the magic numbers of `statfs(2)`; what cannot be asked counts as local.
    #[cfg(target_os = "linux")]
    pub fn of(path: &Path) -> FileSystem {
        rustix::fs::statfs(path).map_or(FileSystem::Local, |system| FileSystem::by_magic(system.f_type as u32))
    }

    #[cfg(not(target_os = "linux"))]
    pub fn of(_path: &Path) -> FileSystem {
        FileSystem::Local
    }

    /// Magic numbers from linux/magic.h and the sources of the file systems.
    #[cfg(target_os = "linux")]
    fn by_magic(magic: u32) -> FileSystem {
        FileSystem::Network(match magic {
            0x0102_1994 => return FileSystem::Memory("tmpfs"),
            0x8584_58f6 => return FileSystem::Memory("ramfs"),
            0x6969 => "NFS",
            0x517b => "SMB",
            0xff53_4d42 | 0xfe53_4d42 => "CIFS (SMB)",
            0x00c3_6400 => "Ceph",
            0x0102_1997 => "9P",
            0x5346_414f | 0x6b41_4653 => "AFS",
            0x7375_7245 => "Coda",
            0x564c => "NCP",
            0x0bd0_0bd0 => "Lustre",
            0x4750_4653 => "GPFS",
            _ => return FileSystem::Local,
        })
    }
}

/// The process that works with a state directory, if there is one. Does not take the lock.
///
/// # Errors
/// The lock file is there and cannot be read.
pub fn user_of(dir: &Path) -> Result<Option<String>, StateError> {
    let path = dir.join("lock");
    let mut lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::io(&path, error)),
    };
    Ok(match lock.try_lock_shared() {
        // Let go at once, with the file.
        Ok(()) => None,
        Err(_) => Some(holder(&mut lock)),
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_name() {
        assert_eq!(FileSystem::by_magic(0x6969), FileSystem::Network("NFS"));
        assert_eq!(FileSystem::by_magic(0xfe53_4d42), FileSystem::Network("CIFS (SMB)"));
        assert_eq!(FileSystem::by_magic(0x0102_1994), FileSystem::Memory("tmpfs"));
        // ext4, xfs, overlay, btrfs.
        for local in [0xef53, 0x5846_5342, 0x794c_7630, 0x9123_683e] {
            assert_eq!(FileSystem::by_magic(local), FileSystem::Local, "{local:#x}");
        }
        let error = StateError::Network { path: "/srv".into(), kind: "NFS" }.to_string();
        assert!(error.contains("/srv is on NFS") && error.contains("choose a local directory"), "{error}");
    }
}
