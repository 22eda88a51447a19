//! Where a followed file is, and the descriptor that is kept of it: where descriptors are scarce it is given back, and the file
//! opened again by its name when it changes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Follow;
use crate::identity::FileKey;
use crate::source::step::Place;
use crate::source::tail;

impl Follow {
    /// A handle of one's own.
    ///
    /// # Errors
    /// It is closed and no longer found under its name.
    pub fn handle(&self) -> io::Result<File> {
        self.file.as_ref().map_or_else(|| self.open_by_name(), File::try_clone)
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// The file, where it is open.
    pub fn descriptor(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Gives the descriptor back; the file is opened again by its name when it changes.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// It was renamed and stands here now.
    pub fn seen_at(&mut self, path: &Path) {
        self.moved_to = Some(path.to_path_buf());
    }

    /// True if it can be opened again although its descriptor is given back.
    pub fn can_be_reopened(&self) -> bool {
        self.place == Place::Listed || (self.place == Place::Moved && self.moved_to.is_some())
    }

    pub(super) fn opened(&mut self) -> io::Result<File> {
        self.file.take().map_or_else(|| self.open_by_name(), Ok)
    }

    fn open_by_name(&self) -> io::Result<File> {
        let moved_to = self.moved_to.as_deref().filter(|_| self.place != Place::Listed);
        let (file, metadata) = tail::open(moved_to.unwrap_or(&self.path))?;
        if FileKey::of(&metadata) == self.tail.key {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"))
    }

    pub(super) fn notice_place(&mut self, metadata: &Metadata) {
        if self.place == Place::Listed {
            return;
        }
        let is_elsewhere = || device_of_directory(&self.path).is_some_and(|device| device != metadata.dev());
        self.place = if metadata.nlink() == 0 {
            Place::Deleted
        } else if self.is_at_home && is_elsewhere() {
            Place::Unmounted
        } else {
            Place::Moved
        };
    }
}

pub(super) fn device_of_directory(path: &Path) -> Option<u64> {
    path.parent()?.metadata().ok().map(|dir| dir.dev())
}
