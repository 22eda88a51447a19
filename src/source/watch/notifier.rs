//! The `notify` crate, and the table of what it watches for us.
//!
//! The system watches inodes, not names, and `notify` knows one name of each. A directory that several names lead to (links, or
//! a rename that nobody has looked at yet) is one watch here: it is told under one of them and lasts until the last one goes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Change;

/// Device and inode.
type Inode = (u64, u64);

/// One instance; dropping it ends its thread and all its watches.
#[derive(Debug)]
pub struct Notifier {
    inner: RecommendedWatcher,
    inodes: HashMap<PathBuf, Inode>,
    /// The first name is the one that is watched.
    names: HashMap<Inode, Vec<PathBuf>>,
    has_failed: Arc<AtomicBool>,
}

impl Notifier {
    /// `on_change` is called on the instance's own thread and must return at once.
    ///
    /// # Errors
    /// No instance, descriptor or thread is left for us.
    pub fn new(on_change: impl Fn(Change) + Send + 'static) -> io::Result<Notifier> {
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let handler = move |event: notify::Result<notify::Event>| {
            failed.fetch_or(event.is_err(), Ordering::Relaxed);
            translate(event).into_iter().for_each(&on_change);
        };
        let inner = notify::recommended_watcher(handler).map_err(to_io)?;
        Ok(Notifier { inner, inodes: HashMap::new(), names: HashMap::new(), has_failed })
    }

    /// True if nothing may be told any more.
    pub fn has_ended(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Watches the directory that this name leads to now.
    ///
    /// # Errors
    /// No watch is left for us, or it is no directory that we may read.
    pub fn add(&mut self, dir: &Path) -> io::Result<()> {
        let inode = inode_of(dir)?;
        match self.inodes.get(dir) {
            Some(known) if *known == inode => return Ok(()),
            Some(_) => drop(self.forget(dir)),
            None => {}
        }
        // Names that lead here no longer, because a directory above was renamed.
        let stale = |name: &&PathBuf| inode_of(name).ok() != Some(inode);
        for name in self.names.get(&inode).into_iter().flatten().filter(stale).cloned().collect::<Vec<_>>() {
            self.forget(&name);
        }
        if !self.names.contains_key(&inode) {
            self.inner.watch(dir, RecursiveMode::NonRecursive).map_err(to_io)?;
        }
        self.names.entry(inode).or_default().push(dir.to_path_buf());
        self.inodes.insert(dir.to_path_buf(), inode);
        Ok(())
    }

    /// A name leads nowhere any more. Returns true if it was watched.
    pub fn forget(&mut self, dir: &Path) -> bool {
        let Some(inode) = self.inodes.remove(dir) else { return false };
        let Some(names) = self.names.get_mut(&inode) else { return true };
        let was_told = names.first().is_some_and(|name| name == dir);
        names.retain(|name| name != dir);
        let next = names.first().cloned();
        if was_told {
            // The system drops the watch of a directory that is gone; then there is nothing to take back.
            drop(self.inner.unwatch(dir));
        }
        match next {
            None => drop(self.names.remove(&inode)),
            Some(name) if was_told && self.inner.watch(&name, RecursiveMode::NonRecursive).is_err() => {
                // The next walk tries again.
                let gone = self.names.remove(&inode).unwrap_or_default();
                self.inodes.retain(|name, _| !gone.contains(name));
            }
            Some(_) => {}
        }
        true
    }

    /// Stops watching by all names that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let unwanted: Vec<_> = self.inodes.keys().filter(|dir| !keep(dir)).cloned().collect();
        for dir in unwanted {
            self.forget(&dir);
        }
    }
}

fn inode_of(dir: &Path) -> io::Result<Inode> {
    let metadata = fs::metadata(dir)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn to_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        notify::ErrorKind::MaxFilesWatch => io::Error::new(io::ErrorKind::StorageFull, "no inotify watch is left"),
        _ => io::Error::other(error),
    }
}

/// Lost notifications come first: they arrive without a path. Being opened, read and closed is no change, and answering it
/// would wake the reader by its own reading.
fn translate(event: notify::Result<notify::Event>) -> Vec<Change> {
    let Ok(event) = event else { return vec![Change::Lost] };
    if event.need_rescan() {
        return vec![Change::Lost];
    }
    let appeared = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => return Vec::new(),
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            let Ok([from, to]) = <[PathBuf; 2]>::try_from(event.paths) else { return Vec::new() };
            return vec![Change::Renamed { from, to }];
        }
        EventKind::Create(kind) => kind != CreateKind::Folder,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => true,
        _ => false,
    };
    let told = |path| if appeared { Change::Appeared(path) } else { Change::At(path) };
    event.paths.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use notify::event::Flag;

    use super::*;

    #[test]
    fn overflow_is_seen_although_it_names_no_path() {
        let overflow = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(translate(Ok(overflow)), [Change::Lost]);
        assert_eq!(translate(Err(notify::Error::generic("read failed"))), [Change::Lost]);
    }

    #[test]
    fn only_changes_wake() {
        let at = |kind| translate(Ok(notify::Event::new(kind).add_path("/a".into())));
        assert_eq!(at(EventKind::Modify(ModifyKind::Any)), [Change::At("/a".into())]);
        assert_eq!(at(EventKind::Create(CreateKind::File)), [Change::Appeared("/a".into())]);
        assert_eq!(at(EventKind::Access(AccessKind::Open(AccessMode::Any))), []);
        assert_eq!(at(EventKind::Access(AccessKind::Close(AccessMode::Read))), []);
    }
}
