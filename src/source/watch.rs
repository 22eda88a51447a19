//! Notifications of the operating system. They only make reading prompt; nothing depends on them.
//!
//! Directories are watched one by one, each before it is listed. Where watching is impossible, the reader falls
//! back to looking more often, and that is said once.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Something happened to this path.
    At(PathBuf),
    /// A file was made here, or given this name.
    Appeared(PathBuf),
    /// A file was renamed; both names are notified by themselves too.
    Renamed { from: PathBuf, to: PathBuf },
    /// Notifications were lost.
    Lost,
}

/// The directories that are watched.
#[derive(Debug)]
pub struct Watcher {
    inner: Option<RecommendedWatcher>,
    /// With device and inode: a directory that was removed and made again has to be watched again.
    watched: HashMap<PathBuf, (u64, u64)>,
    degraded: bool,
}

impl Watcher {
    /// `on_change` is called on the watcher's own thread and must return at once.
    pub fn new(on_change: impl Fn(Change) + Send + 'static) -> Watcher {
        let handler = move |event: notify::Result<notify::Event>| translate(event).into_iter().for_each(&on_change);
        let mut watcher = Watcher { inner: None, watched: HashMap::new(), degraded: false };
        match notify::recommended_watcher(handler) {
            Ok(inner) => watcher.inner = Some(inner),
            Err(error) => watcher.degrade(&error),
        }
        watcher
    }

    /// For sources that want no notifications.
    pub fn off() -> Watcher {
        Watcher { inner: None, watched: HashMap::new(), degraded: false }
    }

    /// True once something could not be watched, so that only looking often keeps reading prompt.
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// Watches a directory, if it is not watched yet.
    pub fn add(&mut self, dir: &Path, metadata: &Metadata) {
        let inode = (metadata.dev(), metadata.ino());
        let Some(inner) = &mut self.inner else { return };
        match self.watched.get(dir) {
            Some(known) if *known == inode => return,
            Some(_) => drop(inner.unwatch(dir)),
            None => {}
        }
        match inner.watch(dir, RecursiveMode::NonRecursive) {
            Ok(()) => drop(self.watched.insert(dir.to_path_buf(), inode)),
            Err(error) => {
                self.watched.remove(dir);
                // One that is gone, or may not be read, is reported where it is listed.
                if is_limit(&error) {
                    self.degrade(&error);
                }
            }
        }
    }

    /// Forgets a directory that was removed or renamed. Returns true if it was watched.
    pub fn forget(&mut self, dir: &Path) -> bool {
        let known = self.watched.remove(dir).is_some();
        if known {
            self.unwatch(dir);
        }
        known
    }

    /// Stops watching all directories but these.
    pub fn retain(&mut self, wanted: &HashSet<PathBuf>) {
        let unwanted: Vec<_> = self.watched.keys().filter(|dir| !wanted.contains(*dir)).cloned().collect();
        for dir in unwanted {
            self.forget(&dir);
        }
    }

    fn unwatch(&mut self, dir: &Path) {
        if let Some(inner) = &mut self.inner {
            // The system drops the watch of a directory that is gone; then there is nothing to take back.
            drop(inner.unwatch(dir));
        }
    }

    fn degrade(&mut self, error: &notify::Error) {
        if !self.degraded {
            self.degraded = true;
            tracing::warn!(
                %error,
                "cannot watch for changes, looking every second instead; raise fs.inotify.max_user_instances and \
                 fs.inotify.max_user_watches"
            );
        }
    }
}

fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        notify::ErrorKind::Io(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}

/// Lost notifications come first: they arrive without a path. Being opened and closed is no change, and answering
/// it would wake the reader by its own reading.
fn translate(event: notify::Result<notify::Event>) -> Vec<Change> {
    let Ok(event) = event else { return vec![Change::Lost] };
    if event.need_rescan() {
        return vec![Change::Lost];
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return Vec::new(),
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            let Ok([from, to]) = <[PathBuf; 2]>::try_from(event.paths) else { return Vec::new() };
            return vec![Change::Renamed { from, to }];
        }
        EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
            return event.paths.into_iter().map(Change::Appeared).collect();
        }
        _ => {}
    }
    event.paths.into_iter().map(Change::At).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

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
        assert_eq!(at(EventKind::Access(AccessKind::Open(AccessMode::Any))), []);
        assert_eq!(at(EventKind::Access(AccessKind::Close(AccessMode::Read))), []);
    }

    #[test]
    fn a_directory_made_again_is_watched_again() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("logs");
        let (tx, rx) = mpsc::channel();
        let mut watcher = Watcher::new(move |change| drop(tx.send(change)));
        for _ in 0..2 {
            std::fs::create_dir(&dir).unwrap();
            watcher.add(&dir, &dir.metadata().unwrap());
            std::fs::write(dir.join("x"), "").unwrap();
            let seen = || rx.recv_timeout(Duration::from_secs(10)).unwrap();
            while seen() != Change::Appeared(dir.join("x")) {}
            std::fs::remove_dir_all(&dir).unwrap();
            while seen() != Change::At(dir.clone()) {}
            watcher.forget(&dir);
        }
        assert!(!watcher.is_degraded());
    }
}
