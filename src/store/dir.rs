//! The state directory: made with tight permissions, and used by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the state cannot be used. Every message names the path and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("state directory {path}: {error}; choose another one with --state or [state] dir")]
    Io { path: String, error: io::Error },
    #[error("state directory {path} is in use by another paytriage{holder}; give each instance its own --state")]
    InUse { path: String, holder: String },
    #[error("state directory {path} is on a network file system, where SQLite cannot keep it safe; choose a local one")]
    Network { path: String },
    #[error("{path} was written by a newer paytriage (version {found}, this one knows {known}); it was left untouched")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path}: {error}")]
    Sqlite { path: String, error: rusqlite::Error },
}

impl StateError {
    pub(super) fn io(path: &Path, error: io::Error) -> StateError {
        StateError::Io { path: path.display().to_string(), error }
    }

    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> StateError {
        StateError::Sqlite { path: path.display().to_string(), error }
    }
}

/// A state directory that is ours as long as this value lives. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// # Errors
    /// The directory cannot be made or written, is on a network file system, or belongs to a running instance.
    pub fn lock(path: &Path) -> Result<StateDir, StateError> {
        let failed = |error| StateError::io(path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        if is_network(path) {
            return Err(StateError::Network { path: path.display().to_string() });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse { path: path.display().to_string(), holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let pid = std::process::id();
        let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{pid}"));
        written.map_err(failed)?;
        Ok(StateDir { path: path.to_path_buf(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("paytriage.db")
    }
}

/// " (process 123)", if the lock file says so.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(pid) => format!(" (process {pid})"),
        None => String::new(),
    }
}

/// NFS, SMB, CIFS, Ceph and 9P by the magic numbers of `statfs(2)`.
#[cfg(target_os = "linux")]
fn is_network(path: &Path) -> bool {
    const MAGIC: [u32; 5] = [0x6969, 0x517b, 0xff53_4d42, 0x00c3_6400, 0x0102_1997];
    rustix::fs::statfs(path).is_ok_and(|fs| MAGIC.contains(&(fs.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_network(_path: &Path) -> bool {
    false
}
