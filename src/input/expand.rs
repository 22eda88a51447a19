//! Turns PATH arguments into the list of what to read.
//!
//! The order is that of the arguments; what a directory or glob holds comes sorted by name. A file that is
//! reached twice, by whatever names, is read once.

use std::collections::HashMap;
use std::collections::hash_map;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::{DisplayPath, Input};

/// What the arguments stand for.
#[derive(Debug, Default)]
pub struct Expansion {
    pub inputs: Vec<Input>,
    /// What could not be looked at.
    pub problems: Vec<PathProblem>,
    /// Sum of the sizes of the regular files, in bytes.
    pub total_bytes: u64,
    /// Pipes, devices and sockets that directories held, and our own output.
    pub n_special: u64,
    /// Device and inode of the files that standard output and error go to: to read these would never end.
    own: Vec<(u64, u64)>,
    /// Where in `inputs` each file is, by device and inode.
    seen: HashMap<(u64, u64), usize>,
}

/// Why a path stands for nothing, or for less than it should.
#[derive(Debug, thiserror::Error)]
pub enum PathProblem {
    #[error("{0}: no file matches this pattern")]
    NoMatch(String),
    #[error("{pattern}: not a valid glob: {error}")]
    BadGlob { pattern: String, error: globset::ErrorKind },
    #[error("{}: this link leads back to {}, so it is not followed", DisplayPath(.path), DisplayPath(.ancestor))]
    Loop { path: PathBuf, ancestor: PathBuf },
    #[error("{}: is also the output", DisplayPath(.0))]
    Output(PathBuf),
    #[error("{}: {}", DisplayPath(.path), reason(.error))]
    Io { path: PathBuf, error: io::Error },
}

/// Expands files, directories (recursive), globs, and `-` for standard input. A glob is one only if no file has
/// that very name.
pub fn expand(paths: &[String]) -> Expansion {
    let mut expansion = Expansion { own: own_files(), ..Expansion::default() };
    for path in paths {
        expansion.argument(path);
    }
    expansion
}

impl Expansion {
    fn argument(&mut self, argument: &str) {
        if argument == "-" {
            if !self.inputs.contains(&Input::Stdin) {
                self.inputs.push(Input::Stdin);
            }
            return;
        }
        let path = Path::new(argument);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path),
            Ok(metadata) => self.add(Input::Named(path.to_owned()), &metadata),
            Err(_) if argument.contains(['*', '?', '[', '{']) => self.glob(argument),
            Err(error) => self.problems.push(PathProblem::Io { path: path.to_owned(), error }),
        }
    }

    fn directory(&mut self, directory: &Path) {
        for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name() {
            match entry {
                Ok(entry) => self.found(entry.path(), &entry),
                Err(error) => self.walk_problem(directory, error),
            }
        }
    }

    fn glob(&mut self, pattern: &str) {
        let matcher = match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                let (pattern, error) = (pattern.to_owned(), error.kind().clone());
                return self.problems.push(PathProblem::BadGlob { pattern, error });
            }
        };
        let n_problems = self.problems.len();
        if self.matches(pattern, &matcher) == 0 && self.problems.len() == n_problems {
            self.problems.push(PathProblem::NoMatch(pattern.to_owned()));
        }
    }

    /// Walks the fixed part of the pattern; a directory that matches stands for all it holds. Returns how many
    /// paths matched.
    fn matches(&mut self, pattern: &str, matcher: &GlobMatcher) -> u64 {
        let root = fixed_part(pattern);
        let depth = if pattern.contains("**") { usize::MAX } else { depth_below(pattern, &root) };
        let shown = if root.as_os_str().is_empty() { Path::new(".") } else { root.as_path() };
        let mut walk =
            WalkDir::new(shown).follow_links(true).sort_by_file_name().min_depth(1).max_depth(depth).into_iter();
        let mut n_matches = 0;
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.walk_problem(shown, error);
                    continue;
                }
            };
            let path = if root.as_os_str().is_empty() { relative(entry.path()) } else { entry.path() };
            if !matcher.is_match(path) {
                continue;
            }
            n_matches += 1;
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
                self.directory(path);
            } else {
                self.found(path, &entry);
            }
        }
        n_matches
    }

    fn found(&mut self, path: &Path, entry: &DirEntry) {
        let kind = entry.file_type();
        if kind.is_file() {
            match entry.metadata() {
                Ok(metadata) => self.add(Input::Found(path.to_owned()), &metadata),
                Err(error) => self.walk_problem(path, error),
            }
        } else if !kind.is_dir() {
            self.n_special += 1;
        }
    }

    fn add(&mut self, input: Input, metadata: &Metadata) {
        if !metadata.is_file() {
            return self.inputs.push(input);
        }
        let file = (metadata.dev(), metadata.ino());
        if self.own.contains(&file) {
            match input {
                Input::Named(path) => self.problems.push(PathProblem::Output(path)),
                Input::Found(_) | Input::Stdin => self.n_special += 1,
            }
            return;
        }
        match self.seen.entry(file) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(self.inputs.len());
                self.total_bytes += metadata.len();
                self.inputs.push(input);
            }
            // Named after it was found: its place stays, but it is read whatever it holds.
            hash_map::Entry::Occupied(at) if matches!(input, Input::Named(_)) => self.inputs[*at.get()] = input,
            hash_map::Entry::Occupied(_) => {}
        }
    }

    fn walk_problem(&mut self, walked: &Path, error: walkdir::Error) {
        let path = error.path().unwrap_or(walked).to_owned();
        self.problems.push(match error.loop_ancestor() {
            Some(ancestor) => PathProblem::Loop { path, ancestor: ancestor.to_owned() },
            None => PathProblem::Io { path, error: error.into() },
        });
    }
}

fn own_files() -> Vec<(u64, u64)> {
    let descriptors = [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
    let metadata = descriptors.into_iter().flatten().filter_map(|descriptor| File::from(descriptor).metadata().ok());
    metadata.filter(Metadata::is_file).map(|file| (file.dev(), file.ino())).collect()
}

/// An I/O error in plain words, without the number of the operating system.
pub(super) fn reason(error: &io::Error) -> String {
    // Walking wraps what the operating system says in a sentence with the path.
    let text = match error.get_ref().and_then(|inner| inner.downcast_ref::<walkdir::Error>()) {
        Some(inner) => inner.io_error().unwrap_or(error).to_string(),
        None => error.to_string(),
    };
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The components before the first that has a glob's characters.
fn fixed_part(pattern: &str) -> PathBuf {
    let fixed =
        |component: &Component<'_>| !component.as_os_str().to_string_lossy().contains(['*', '?', '[', '{', '\\']);
    Path::new(pattern).components().take_while(fixed).collect()
}

/// How deep under `root` a path that matches can be. Braces may hold separators, so they count as any depth.
fn depth_below(pattern: &str, root: &Path) -> usize {
    if pattern.contains('{') {
        return usize::MAX;
    }
    Path::new(pattern).components().count() - root.components().count()
}

/// The path without the `./` that walking the working directory puts before it.
fn relative(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of files, each created empty.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn expanded(dir: &Path, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let arguments: Vec<String> = arguments.iter().map(|a| dir.join(a).to_str().unwrap().to_owned()).collect();
        let expansion = expand(&arguments);
        let prefix = format!("{}/", dir.display());
        let inputs = expansion.inputs.iter().map(|input| input.to_string().replace(&prefix, ""));
        let problems = expansion.problems.iter().map(|problem| problem.to_string().replace(&prefix, ""));
        (inputs.collect(), problems.collect())
    }

    #[test]
    fn arguments_keep_their_order_and_directories_are_sorted() {
        let dir = tree(&["logs/b.log", "logs/a/z.log", "logs/.hidden.log", "logs/a.log", "first.log"]);
        let (inputs, problems) = expanded(dir.path(), &["logs", "first.log"]);
        assert_eq!(inputs, ["logs/.hidden.log", "logs/a/z.log", "logs/a.log", "logs/b.log", "first.log"]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn globs_are_expanded_and_directories_that_match_are_entered() {
        let dir = tree(&["a1.log", "a2.log", "b.log", "sub/a3.log", "a-dir/x.log", "sub/deep/a4.log"]);
        assert_eq!(expanded(dir.path(), &["a*"]).0, ["a-dir/x.log", "a1.log", "a2.log"]);
        assert_eq!(expanded(dir.path(), &["*/a?.log"]).0, ["sub/a3.log"]);
        assert_eq!(expanded(dir.path(), &["**/a[0-9].log"]).0, ["a1.log", "a2.log", "sub/a3.log", "sub/deep/a4.log"]);
        assert_eq!(expanded(dir.path(), &["{b,sub/a3}.log"]).0, ["b.log", "sub/a3.log"]);
    }

    #[test]
    fn a_file_whose_name_looks_like_a_glob_is_a_file() {
        let dir = tree(&["a[1].log", "a1.log"]);
        assert_eq!(expanded(dir.path(), &["a[1].log"]).0, ["a[1].log"]);
    }

    #[test]
    fn what_does_not_exist_is_told_and_the_rest_is_kept() {
        let dir = tree(&["a.log"]);
        let (inputs, problems) = expanded(dir.path(), &["gone.log", "*.txt", "a.log/x", "a.log", "[z.log"]);
        assert_eq!(inputs, ["a.log"]);
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(problems[0], "gone.log: No such file or directory");
        assert_eq!(problems[1], "*.txt: no file matches this pattern");
        assert_eq!(problems[2], "a.log/x: Not a directory");
        assert!(problems[3].starts_with("[z.log: not a valid glob: "), "{problems:?}");
    }

    #[test]
    fn a_link_that_leads_back_is_told_and_not_followed() {
        let dir = tree(&["logs/a.log"]);
        symlink("..", dir.path().join("logs/up")).unwrap();
        let (inputs, problems) = expanded(dir.path(), &["logs"]);
        assert_eq!(inputs, ["logs/a.log"]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("leads back"), "{problems:?}");
    }

    #[test]
    fn a_file_with_several_names_is_read_once() {
        let dir = tree(&["a.log"]);
        symlink("a.log", dir.path().join("b.log")).unwrap();
        fs::hard_link(dir.path().join("a.log"), dir.path().join("c.log")).unwrap();
        assert_eq!(expanded(dir.path(), &["", "a.log", "*.log"]).0, ["a.log"]);
        let again =
            expand(&[dir.path().to_str().unwrap().to_owned(), dir.path().join("a.log").to_str().unwrap().to_owned()]);
        assert!(matches!(again.inputs[..], [Input::Named(_)]), "{:?}", again.inputs);
    }

    #[test]
    fn sockets_in_a_directory_are_left_out_and_counted() {
        let dir = tree(&["a.log"]);
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("sock")).unwrap();
        let expansion = expand(&[dir.path().to_str().unwrap().to_owned()]);
        assert_eq!((expansion.inputs.len(), expansion.n_special), (1, 1));
        assert!(expansion.problems.is_empty());
    }
}
