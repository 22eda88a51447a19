//! Finds the files of the sources by walking their directories.
//!
//! Each directory is announced before it is listed, so that a watch can be in place first: what appears
//! in between is then seen twice rather than never. Links are followed; loops end by themselves.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::pattern::why_no_text;
use super::selection::{Own, Selection};
use super::step::Stamp;
use crate::identity::FileKey;

/// Links can make a finite tree look endless; no real log tree is this deep.
const MAX_DEPTH: usize = 64;

/// A regular file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub key: FileKey,
    pub stamp: Stamp,
    /// The path is a symbolic link; what happens to the file shows where the link leads.
    pub is_link: bool,
}

/// Why a path could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    pub reason: String,
}

/// What a walk came upon.
#[derive(Debug, Default)]
pub struct Outcome {
    pub files: Vec<Found>,
    /// Links of a source that lead nowhere yet.
    pub dangling: Vec<PathBuf>,
    pub problems: Vec<Problem>,
}

/// One walk over directories.
pub struct Walk<'a> {
    selection: &'a Selection,
    own: &'a Own,
    /// Told each directory before it is listed.
    enter: &'a mut dyn FnMut(&Path),
    /// Asked whether nothing about a regular file in a directory on this device is new.
    is_known: &'a mut dyn FnMut(&Path, &fs::DirEntry, u64) -> bool,
    /// Directories that were reached through a link; walked through links only once.
    linked: HashSet<(u64, u64)>,
    out: Outcome,
}

impl<'a> Walk<'a> {
    /// `enter` is told each directory before it is listed. Files of which `is_known` says that nothing about them is new are passed
    /// over: of many thousand, most are idle.
    pub fn new(
        selection: &'a Selection,
        own: &'a Own,
        enter: &'a mut dyn FnMut(&Path),
        is_known: &'a mut dyn FnMut(&Path, &fs::DirEntry, u64) -> bool,
    ) -> Walk<'a> {
        Walk { selection, own, enter, is_known, linked: HashSet::new(), out: Outcome::default() }
    }

    /// Looks at everything the sources mean. Files come in the order of their paths: an original before its copies.
    pub fn all(mut self) -> Outcome {
        let roots: Vec<PathBuf> = self.selection.roots().map(Path::to_path_buf).collect();
        for root in roots {
            self.root(&root);
        }
        self.out.files.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
        self.out
    }

    /// Looks at one path that was notified: a file, or a new directory with what is below it.
    pub fn one(mut self, path: &Path) -> Outcome {
        if let Ok(metadata) = fs::metadata(path) {
            self.visit(path.to_path_buf(), &metadata, is_link(path), 0);
        }
        self.out
    }

    /// What the user named himself is reported when it is missing or of no use, and the directory it is in is
    /// entered, because that is where its coming and going shows.
    fn root(&mut self, root: &Path) {
        if let Some(dir) = root.ancestors().skip(1).find(|dir| dir.is_dir()) {
            (self.enter)(dir);
        }
        // Where a link on the way is switched.
        for dir in root.ancestors().filter(|path| is_link(path)).filter_map(Path::parent) {
            (self.enter)(dir);
        }
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_file() || metadata.is_dir() => match why_no_text(root) {
                Some(reason) if metadata.is_file() => self.problem(root, reason.into()),
                _ => self.visit(root.to_path_buf(), &metadata, is_link(root), 0),
            },
            Ok(_) => self.problem(root, "not a regular file or directory".into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.problem(root, "nothing there yet; it is read as soon as it appears".into());
            }
            Err(error) => self.problem(root, reason(&error)),
        }
    }

    fn visit(&mut self, path: PathBuf, metadata: &Metadata, is_link: bool, depth: usize) {
        if self.own.contains(metadata) {
            return;
        }
        if metadata.is_dir() {
            if self.selection.reaches(&path) && depth < MAX_DEPTH {
                self.list(&path, metadata.dev(), depth);
            }
        } else if metadata.is_file() && self.selection.source_of(&path).is_some() {
            self.out.files.push(Found { path, key: FileKey::of(metadata), stamp: Stamp::of(metadata), is_link });
        }
    }

    fn list(&mut self, dir: &Path, device: u64, depth: usize) {
        (self.enter)(dir);
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.problem(dir, reason(&error)),
        };
        let mut path = dir.to_path_buf();
        for entry in entries.flatten() {
            path.push(entry.file_name());
            self.entry((&entry, device), &path, depth);
            path.pop();
        }
    }

    fn entry(&mut self, (entry, device): (&fs::DirEntry, u64), path: &Path, depth: usize) {
        let Ok(kind) = entry.file_type() else { return };
        // A file that is gone again is as good as not there.
        if kind.is_symlink() {
            let Ok(metadata) = fs::metadata(path) else {
                if self.selection.source_of(path).is_some() {
                    self.out.dangling.push(path.to_path_buf());
                }
                return;
            };
            if !metadata.is_dir() || self.linked.insert((metadata.dev(), metadata.ino())) {
                self.visit(path.to_path_buf(), &metadata, true, depth + 1);
            }
        } else if kind.is_file() || kind.is_dir() {
            let mut is_meant = || !(self.is_known)(path, entry, device) && self.selection.source_of(path).is_some();
            if kind.is_file() && !is_meant() {
                return;
            }
            let Ok(metadata) = entry.metadata() else { return };
            self.visit(path.to_path_buf(), &metadata, false, depth + 1);
        }
    }

    fn problem(&mut self, path: &Path, reason: String) {
        self.out.problems.push(Problem { path: path.to_path_buf(), reason });
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|link| link.is_symlink())
}

/// An I/O error in the words of the system, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::{DirEntryExt, symlink};
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::{self, StartAt, Watch};
    use crate::record::Charset;

    fn selection(paths: &[&Path]) -> Selection {
        let source = config::Source {
            name: "s".into(),
            paths: paths.iter().map(|path| path.to_str().unwrap().into()).collect(),
            journal: None,
            exclude: vec![],
            start_at: StartAt::End,
            provider: None,
            encoding: Charset::Auto,
            timezone: TimeZone::UTC,
            labels: BTreeMap::new(),
            watch: Watch::Auto,
            poll_interval: Duration::from_secs(10),
        };
        Selection::new(&[source], "/".into()).unwrap()
    }

    fn walk(paths: &[&Path], own: &Own) -> (Vec<PathBuf>, Vec<Problem>, Vec<PathBuf>) {
        let (selection, mut entered) = (selection(paths), Vec::new());
        let mut enter = |dir: &Path| entered.push(dir.to_path_buf());
        let outcome = Walk::new(&selection, own, &mut enter, &mut |_, _, _| false).all();
        let mut files: Vec<_> = outcome.files.into_iter().map(|found| found.path).collect();
        files.sort();
        (files, outcome.problems, entered)
    }

    #[test]
    fn finds_files_through_links_and_is_not_caught_in_loops() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("logs");
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/b/x.log"), "").unwrap();
        fs::write(dir.join("y.log.gz"), "").unwrap();
        symlink(&dir, dir.join("a/loop")).unwrap();
        symlink(dir.join("nowhere"), dir.join("dangling")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let (files, problems, entered) = walk(&[&dir], &Own::default());
        assert!(files.contains(&dir.join("a/b/x.log")), "{files:?}");
        assert!(files.iter().all(|file| file.ends_with("x.log")) && files.len() < 5, "{files:?}");
        assert!(problems.is_empty());
        assert!(entered.contains(&dir.join("a/b")));
    }

    #[test]
    fn what_is_known_is_passed_over_unless_a_link_leads_to_it() {
        let tmp = tempfile::tempdir().unwrap();
        for name in ["known.log", "new.log"] {
            fs::write(tmp.path().join(name), name).unwrap();
        }
        symlink("known.log", tmp.path().join("link.log")).unwrap();
        let selection = selection(&[tmp.path()]);
        let known = FileKey::of(&fs::metadata(tmp.path().join("known.log")).unwrap());
        let mut is_known = |path: &Path, entry: &fs::DirEntry, device| {
            assert_eq!((path, device), (entry.path().as_path(), known.device));
            entry.ino() == known.inode
        };
        let outcome = Walk::new(&selection, &Own::default(), &mut |_| (), &mut is_known).all();
        let files: Vec<_> = outcome.files.iter().map(|found| found.path.file_name().unwrap()).collect();
        assert_eq!(files, ["link.log", "new.log"]);
    }

    #[test]
    fn a_missing_root_is_a_problem_and_its_nearest_directory_is_entered() {
        let tmp = tempfile::tempdir().unwrap();
        let missing = tmp.path().join("not/yet/app.log");
        let (files, problems, entered) = walk(&[&missing], &Own::default());
        assert!(files.is_empty());
        assert_eq!(problems[0].path, missing);
        assert_eq!(entered, [tmp.path()]);
    }

    #[test]
    fn the_state_directory_is_not_entered() {
        let tmp = tempfile::tempdir().unwrap();
        let state = tmp.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("paytriage.db"), "").unwrap();
        assert!(walk(&[tmp.path()], &Own::new(Some(&state))).0.is_empty());
        assert_eq!(walk(&[tmp.path()], &Own::default()).0.len(), 1);
    }
}
