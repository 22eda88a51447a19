//! What a directory says of the files that are, or were, in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::identity::FileKey;
use crate::source::kin;

/// The names in a directory, as paths.
pub fn names_in(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// True if a name leads to this file.
pub fn leads_to(path: &Path, key: FileKey) -> bool {
    fs::metadata(path).is_ok_and(|there| FileKey::of(&there) == key)
}

/// True if the file is in the directory of this name, under whatever name.
pub fn is_in_directory(key: FileKey, name: &Path) -> bool {
    let metadata = name.parent().map(names_in).into_iter().flatten().filter_map(|path| fs::symlink_metadata(path).ok());
    metadata.into_iter().any(|metadata| FileKey::of(&metadata) == key)
}

/// True if what has this name now was put in the place of the file, which had it before: that is deleted, or set aside as an editor
/// does it. Log rotation leaves the old file under another name.
pub fn is_replaced(file: &File, name: &Path) -> io::Result<bool> {
    let there = file.metadata()?;
    Ok(there.nlink() == 0 || is_set_aside(FileKey::of(&there), name))
}

/// The same for a file that nobody holds open.
pub fn was_replaced(key: FileKey, name: &Path) -> bool {
    is_set_aside(key, name) || !is_in_directory(key, name)
}

fn is_set_aside(key: FileKey, name: &Path) -> bool {
    leads_to(&kin::set_aside(name), key)
}
