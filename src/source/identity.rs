//! What makes a file this file: device, inode and birth time, never its name.
//!
//! Together with a generation number, which counts how often the content was replaced under the same inode, this
//! is the identity that goes into event ids and into the store.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// Names a file for as long as it exists, through every rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    pub device: u64,
    pub inode: u64,
    /// Nanoseconds since 1970, wrapping; 0 where the file system does not know it.
    pub birth: u64,
}

impl FileKey {
    pub fn of(file: &Metadata) -> FileKey {
        FileKey { device: file.dev(), inode: file.ino(), birth: birth_nanos(file) }
    }

    /// The identity as bytes: device, inode, birth (8 bytes each), generation (4 bytes), little-endian.
    pub fn identity(self, generation: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(28);
        for part in [self.device, self.inode, self.birth] {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes
    }
}

fn birth_nanos(file: &Metadata) -> u64 {
    let Ok(birth) = file.created() else { return 0 };
    let nanos = match birth.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    nanos as u64
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_rename_keeps_the_key_and_a_successor_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (log, rotated) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
        fs::write(&log, "x").unwrap();
        let key = FileKey::of(&fs::metadata(&log).unwrap());
        fs::rename(&log, &rotated).unwrap();
        fs::write(&log, "x").unwrap();
        assert_eq!(FileKey::of(&fs::metadata(&rotated).unwrap()), key);
        assert_ne!(FileKey::of(&fs::metadata(&log).unwrap()), key);
    }

    #[test]
    fn the_generation_is_part_of_the_identity() {
        let key = FileKey { device: 1, inode: 2, birth: 3 };
        assert_eq!(key.identity(7).len(), 28);
        assert_ne!(key.identity(0), key.identity(1));
    }
}
