//! inotify(7): one instance, the thread that reads it, and the table of what is watched.
//!
//! The system watches inodes, not names. A directory that several names lead to (links, or a rename that nobody has
//! looked at yet) is one watch: it tells its changes under each name and ends with the last one. Only changes are
//! asked for: being opened and read is none, so reading wakes nobody.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::Change;

const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Room for some hundred events per read.
const BUFFER: usize = 16 * 1024;

/// An instance; dropping it ends its thread and all its watches.
#[derive(Debug)]
pub struct Inotify {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// The thread waits at the other end and sees it closed.
    _stop: PipeWriter,
}

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    table: Mutex<Table>,
}

/// Which names lead to which watch.
#[derive(Debug, Default)]
struct Table {
    watches: HashMap<PathBuf, i32>,
    names: HashMap<i32, Vec<PathBuf>>,
}

impl Inotify {
    /// `on_change` is called on the instance's own thread and must return at once.
    ///
    /// # Errors
    /// No instance, descriptor or thread is left for us.
    pub fn new(on_change: impl Fn(Change) + Send + 'static) -> io::Result<Inotify> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { fd, table: Mutex::default() });
        let (stop, _stop) = io::pipe()?;
        let reading = Arc::clone(&shared);
        let thread = thread::Builder::new().name("watch".into()).spawn(move || reading.read(&stop, &on_change))?;
        Ok(Inotify { shared, thread, _stop })
    }

    /// True if nothing will be told any more.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Watches the directory that this name leads to now.
    ///
    /// # Errors
    /// No watch is left for us, or it is no directory that we may read.
    pub fn add(&self, dir: &Path) -> io::Result<()> {
        // The lock is held meanwhile: the first events of a new watch have to find its name.
        let mut table = self.shared.table();
        let watch = inotify::add_watch(&self.shared.fd, dir, CHANGES);
        let before = table.watches.get(dir).copied();
        if watch.ok() != before {
            self.shared.end(table.forget(dir));
        }
        table.add(dir, watch?);
        Ok(())
    }

    /// A name leads nowhere any more. Returns true if it was watched.
    pub fn forget(&self, dir: &Path) -> bool {
        let mut table = self.shared.table();
        let known = table.watches.contains_key(dir);
        self.shared.end(table.forget(dir));
        known
    }

    /// Stops watching by all names that `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&Path) -> bool) {
        let mut table = self.shared.table();
        let unwanted: Vec<_> = table.watches.keys().filter(|dir| !keep(dir)).cloned().collect();
        for dir in unwanted {
            self.shared.end(table.forget(&dir));
        }
    }
}

impl Table {
    fn add(&mut self, dir: &Path, watch: i32) {
        if self.watches.insert(dir.to_path_buf(), watch) != Some(watch) {
            self.names.entry(watch).or_default().push(dir.to_path_buf());
        }
    }

    /// Returns the watch that has no name left by this.
    fn forget(&mut self, dir: &Path) -> Option<i32> {
        let watch = self.watches.remove(dir)?;
        let names = self.names.get_mut(&watch)?;
        names.retain(|name| name != dir);
        if !names.is_empty() {
            return None;
        }
        self.names.remove(&watch);
        Some(watch)
    }

    /// The system has ended a watch: its directory is gone.
    fn ended(&mut self, watch: i32) {
        for name in self.names.remove(&watch).unwrap_or_default() {
            self.watches.remove(&name);
        }
    }

    /// Every path that something in a watched directory is known by; the directory itself without a name.
    fn paths(&self, watch: i32, name: Option<&OsStr>) -> Vec<PathBuf> {
        let dirs = self.names.get(&watch).map_or(&[][..], Vec::as_slice);
        dirs.iter().map(|dir| name.map_or_else(|| dir.clone(), |name| dir.join(name))).collect()
    }
}

/// The first half of a rename, until the second arrives.
type Moved = Option<(u32, Vec<PathBuf>)>;

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, watch: Option<i32>) {
        if let Some(watch) = watch {
            // The system drops the watch of a directory that is gone; then there is nothing to take back.
            let _ = inotify::remove_watch(&self.fd, watch);
        }
    }

    fn read(&self, stop: &PipeReader, on_change: &dyn Fn(Change)) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut events = Reader::new(&self.fd, &mut buffer);
        let mut moved = None;
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    let what = (event.events(), event.cookie());
                    self.changes(event.wd(), name, what, &mut moved).into_iter().for_each(on_change);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut wait = [PollFd::new(&self.fd, PollFlags::IN), PollFd::new(stop, PollFlags::empty())];
                    // A failure to wait is a signal that came in between.
                    let _ = poll(&mut wait, None);
                    if !wait[1].revents().is_empty() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read change notifications any more");
                    return on_change(Change::Lost);
                }
            }
        }
    }

    fn changes(
        &self,
        watch: i32,
        name: Option<&OsStr>,
        (flags, cookie): (ReadFlags, u32),
        moved: &mut Moved,
    ) -> Vec<Change> {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return vec![Change::Lost];
        }
        let mut table = self.table();
        let paths = table.paths(watch, name);
        if flags.contains(ReadFlags::IGNORED) {
            table.ended(watch);
        }
        drop(table);
        let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) && !flags.contains(ReadFlags::ISDIR);
        let change = if appeared { Change::Appeared } else { Change::At };
        let mut changes: Vec<_> = paths.iter().cloned().map(change).collect();
        if flags.contains(ReadFlags::MOVED_FROM) {
            *moved = Some((cookie, paths));
        } else if flags.contains(ReadFlags::MOVED_TO)
            && let Some((_, froms)) = moved.take_if(|(from, _)| *from == cookie)
        {
            let pairs = froms.iter().flat_map(|from| paths.iter().map(move |to| (from.clone(), to.clone())));
            changes.extend(pairs.map(|(from, to)| Change::Renamed { from, to }));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_with_its_last_name() {
        let (old, new) = (Path::new("/old/sub"), Path::new("/new/sub"));
        let mut table = Table::default();
        table.add(old, 1);
        table.add(new, 1);
        table.add(new, 1);
        assert_eq!(table.paths(1, Some(OsStr::new("x"))), [old.join("x"), new.join("x")]);
        assert_eq!(table.forget(old), None);
        assert_eq!(table.paths(1, None), [new]);
        assert_eq!(table.forget(new), Some(1));
        assert_eq!((table.forget(new), table.paths(1, None).len()), (None, 0));
    }

    #[test]
    fn a_watch_that_the_system_ended_has_no_names() {
        let mut table = Table::default();
        table.add(Path::new("/a"), 1);
        table.add(Path::new("/b"), 2);
        table.ended(1);
        assert!(table.paths(1, None).is_empty() && table.forget(Path::new("/a")).is_none());
        assert_eq!(table.forget(Path::new("/b")), Some(2));
    }
}
