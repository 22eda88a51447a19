//! What makes a file this file: device, inode, birth time and a generation number, never its name; and an entry of the journal this entry.
//!
//! The bytes go into event ids, so `scan` and the daemon must build them alike: the same bytes read by either get
//! the same ids.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// Identity of standard input, which has no file to speak of.
pub const STDIN: &[u8] = b"stdin";

/// Identity of standard input that is followed from this moment on: another run reads something else.
pub fn of_stdin(began: i128) -> Vec<u8> {
    [STDIN, &began.to_le_bytes()].concat()
}

/// Identity of an entry of the systemd journal: its cursor, but for the part that is a hash of its text.
pub fn of_entry(cursor: &str) -> Vec<u8> {
    let parts = cursor.split(';').filter(|part| !part.starts_with("x="));
    parts.fold(b"journal".to_vec(), |identity, part| [&identity, b";".as_slice(), part.as_bytes()].concat())
}

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

    /// The identity as bytes: device, inode and birth, each 8 bytes, then 4 bytes of generation; all little-endian.
    ///
    /// `generation` counts how often the content was replaced under the same inode; 0 for a file just met.
    pub fn identity(self, generation: u32) -> Vec<u8> {
        let mut identity = Vec::with_capacity(28);
        for part in [self.device, self.inode, self.birth] {
            identity.extend_from_slice(&part.to_le_bytes());
        }
        identity.extend_from_slice(&generation.to_le_bytes());
        identity
    }
}

/// The identity of a file just met, as bytes.
pub fn identity_of(file: &Metadata, generation: u32) -> Vec<u8> {
    FileKey::of(file).identity(generation)
}

/// Wraps around before 1970 and after 2554: it only has to be the same each time.
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
    fn of_an_entry_the_hash_of_its_text_is_left_out() {
        assert_eq!(of_entry("s=ab;i=1f;b=cd;m=2;t=3;x=4"), b"journal;s=ab;i=1f;b=cd;m=2;t=3");
    }

    #[test]
    fn survives_a_rename_and_tells_files_and_generations_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "x").unwrap();
        let before = identity_of(&fs::metadata(&a).unwrap(), 0);
        fs::rename(&a, &b).unwrap();
        fs::write(&a, "x").unwrap();
        let (renamed, new) = (fs::metadata(&b).unwrap(), fs::metadata(&a).unwrap());
        assert_eq!(before.len(), 28);
        assert_eq!(identity_of(&renamed, 0), before);
        assert_ne!(identity_of(&renamed, 1), before);
        assert_ne!(identity_of(&new, 0), before);
    }
}
