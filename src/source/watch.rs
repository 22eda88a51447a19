//! Notifications of the operating system. They only make reading prompt; nothing depends on them.
//!
//! Directories are watched one by one, each before it is listed. Where watching is impossible, the reader falls
//! back to looking more often, and that is said once; each walk tries again, and when nothing is left unwatched, that
//! is said too.

mod notifier;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notifier::Notifier;

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

type OnChange = Arc<dyn Fn(Change) + Send + Sync>;

/// The directories that are watched.
pub struct Watcher {
    /// `None` for sources that want no notifications.
    on_change: Option<OnChange>,
    inner: Option<Notifier>,
    coverage: Coverage,
    /// Something could not be watched since the last walk began.
    failed: bool,
}

/// How much of what should be watched is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coverage {
    Full,
    /// Only looking often keeps reading prompt.
    Degraded,
}

impl Watcher {
    /// `on_change` is called on the watcher's own thread and must return at once.
    pub fn new(on_change: impl Fn(Change) + Send + Sync + 'static) -> Watcher {
        let mut watcher = Watcher { on_change: Some(Arc::new(on_change)), ..Watcher::off() };
        watcher.open();
        watcher
    }

    /// For sources that want no notifications: asks the system for nothing.
    pub fn off() -> Watcher {
        Watcher { on_change: None, inner: None, coverage: Coverage::Full, failed: false }
    }

    /// True while something cannot be watched, so that only looking often keeps reading prompt.
    pub fn is_degraded(&self) -> bool {
        self.coverage == Coverage::Degraded
    }

    /// A walk over everything begins: what could not be watched is tried again.
    pub fn walk_begins(&mut self) {
        self.failed = false;
        self.open();
    }

    /// The walk is over; directories that it did not enter are watched no longer.
    pub fn walk_ends(&mut self, entered: &HashSet<PathBuf>) {
        if let Some(inner) = &mut self.inner {
            inner.retain(|dir| entered.contains(dir));
        }
        if self.is_degraded() && !self.failed {
            self.coverage = Coverage::Full;
            tracing::info!("changes can be watched for again");
        }
    }

    /// Watches a directory, if it is not watched yet.
    pub fn add(&mut self, dir: &Path) {
        if let Some(inner) = &mut self.inner
            && let Err(error) = inner.add(dir)
            && is_limit(&error)
        {
            self.degrade(&error);
        }
    }

    /// Forgets a directory that was removed or renamed. Returns true if it was watched.
    pub fn forget(&mut self, dir: &Path) -> bool {
        self.inner.as_mut().is_some_and(|inner| inner.forget(dir))
    }

    fn open(&mut self) {
        if self.inner.as_ref().is_some_and(|inner| !inner.has_ended()) {
            return;
        }
        self.inner = None;
        let Some(on_change) = self.on_change.clone() else { return };
        match Notifier::new(move |change| on_change(change)) {
            Ok(inner) => self.inner = Some(inner),
            Err(error) => self.degrade(&error),
        }
    }

    fn degrade(&mut self, error: &io::Error) {
        self.failed = true;
        if !self.is_degraded() {
            self.coverage = Coverage::Degraded;
            tracing::warn!(
                %error,
                "cannot watch for changes, looking every second instead; raise fs.inotify.max_user_instances and \
                 fs.inotify.max_user_watches"
            );
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Watcher { on_change: _, inner, coverage, failed } = self;
        f.debug_struct("Watcher").field("inner", inner).field("coverage", coverage).field("failed", failed).finish()
    }
}

/// A directory that is gone, or may not be read, is reported where it is listed.
fn is_limit(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    !matches!(error.kind(), NotFound | PermissionDenied | NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    struct Case {
        _tmp: tempfile::TempDir,
        dir: PathBuf,
        watcher: Watcher,
        changes: Receiver<Change>,
    }

    impl Case {
        fn new() -> Case {
            let tmp = tempfile::tempdir().unwrap();
            let dir = tmp.path().join("logs");
            fs::create_dir(&dir).unwrap();
            let (tx, changes) = channel();
            let watcher = Watcher::new(move |change| drop(tx.send(change)));
            Case { _tmp: tmp, dir, watcher, changes }
        }

        /// Waits for this change and returns what came before.
        fn until(&self, wanted: &Change) -> Vec<Change> {
            let mut before = Vec::new();
            loop {
                let change = self.changes.recv_timeout(Duration::from_secs(10)).expect("the change is notified");
                if change == *wanted {
                    return before;
                }
                before.push(change);
            }
        }
    }

    #[test]
    fn changes_are_told_and_looking_is_none() {
        let mut case = Case::new();
        case.watcher.add(&case.dir);
        fs::write(case.dir.join("a"), "x").unwrap();
        case.until(&Change::At(case.dir.join("a")));
        fs::read(case.dir.join("a")).unwrap();
        fs::read_dir(&case.dir).unwrap().count();
        fs::write(case.dir.join("b"), "").unwrap();
        let before = case.until(&Change::Appeared(case.dir.join("b")));
        assert!(
            before.len() <= 2 && before.iter().all(|change| *change == Change::At(case.dir.join("a"))),
            "{before:?}"
        );
    }

    #[test]
    fn a_rename_is_told_with_both_names_and_each_by_itself() {
        let mut case = Case::new();
        let (from, to) = (case.dir.join("a"), case.dir.join("b"));
        fs::write(&from, "").unwrap();
        case.watcher.add(&case.dir);
        fs::rename(&from, &to).unwrap();
        let before = case.until(&Change::Renamed { from: from.clone(), to: to.clone() });
        assert_eq!(before, [Change::At(from), Change::Appeared(to)]);
    }

    #[test]
    fn a_directory_made_again_is_watched_again() {
        let mut case = Case::new();
        for _ in 0..2 {
            case.watcher.add(&case.dir);
            fs::write(case.dir.join("x"), "").unwrap();
            case.until(&Change::At(case.dir.join("x")));
            fs::remove_dir_all(&case.dir).unwrap();
            case.until(&Change::At(case.dir.clone()));
            case.watcher.forget(&case.dir);
            fs::create_dir(&case.dir).unwrap();
        }
        assert!(!case.watcher.is_degraded());
    }

    #[test]
    fn a_directory_below_a_renamed_one_stays_watched_under_its_new_name() {
        let mut case = Case::new();
        let (old, new) = (case.dir.join("old"), case.dir.join("new"));
        fs::create_dir_all(old.join("sub")).unwrap();
        case.watcher.add(&old.join("sub"));
        fs::rename(&old, &new).unwrap();
        case.watcher.walk_begins();
        case.watcher.add(&new.join("sub"));
        case.watcher.walk_ends(&[new.join("sub")].into());
        fs::write(new.join("sub/x"), "").unwrap();
        assert!(case.until(&Change::Appeared(new.join("sub/x"))).is_empty());
    }

    #[test]
    fn what_cannot_be_watched_for_want_of_a_directory_is_no_limit() {
        let mut case = Case::new();
        case.watcher.add(&case.dir.join("missing"));
        assert!(!case.watcher.is_degraded());
    }
}
