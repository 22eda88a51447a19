//! Which paths a source means: files, globs and directories, less what it excludes. Pure path arithmetic.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Left behind by log rotation: not text, and read before it was compressed.
const COMPRESSED: [&str; 6] = ["gz", "zst", "bz2", "xz", "lz4", "zip"];
/// The files of journald, which are written to in their middle; what it sets aside ends with `~`.
const JOURNAL: [&str; 2] = ["journal", "journal~"];
/// Tables of logins that stand beside logs, whatever rotation appends to their names: utmp(5), lastlog(8), faillog(5).
const LOGINS: [&str; 4] = ["wtmp", "btmp", "lastlog", "faillog"];

/// One of a source's `paths`.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// A file, or a directory with everything below it.
    Path(PathBuf),
    /// A glob: a fixed directory, and a matcher for each component below it. `None` stands for `**`.
    Glob { base: PathBuf, below: Vec<Option<GlobMatcher>> },
}

/// Globs of what to leave out: without a slash they are held against names, with one against whole paths.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    names: Vec<GlobMatcher>,
    paths: Vec<GlobMatcher>,
}

impl Pattern {
    /// `written` is taken as it stands if such a path exists, whatever signs it holds; `exists` says so.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn new(written: &str, cwd: &Path, exists: impl Fn(&Path) -> bool) -> Result<Pattern, globset::Error> {
        let path = absolute(Path::new(written), cwd);
        if !written.contains(['*', '?', '[', '{']) || exists(&path) {
            return Ok(Pattern::Path(path));
        }
        let is_glob = |component: &Component| {
            component.as_os_str().to_str().is_some_and(|name| name.contains(['*', '?', '[', '{']))
        };
        let fixed = path.components().take_while(|component| !is_glob(component)).count();
        let base = path.components().take(fixed).collect();
        let below = path.components().skip(fixed).map(component_matcher).collect::<Result<_, _>>()?;
        Ok(Pattern::Glob { base, below })
    }

    /// Where a search for matches begins.
    pub fn root(&self) -> &Path {
        match self {
            Pattern::Path(path) => path,
            Pattern::Glob { base, .. } => base,
        }
    }

    /// Is a file of this path meant?
    pub fn matches(&self, file: &Path) -> bool {
        match self {
            Pattern::Path(path) => file.starts_with(path),
            Pattern::Glob { base, below } => {
                file.strip_prefix(base).is_ok_and(|rest| fits(&names(rest), below, Whole::Yes))
            }
        }
    }

    /// Can a file that is meant lie below this directory?
    pub fn reaches(&self, dir: &Path) -> bool {
        if self.root().starts_with(dir) {
            return true;
        }
        match self {
            Pattern::Path(path) => dir.starts_with(path),
            Pattern::Glob { base, below } => {
                dir.strip_prefix(base).is_ok_and(|rest| fits(&names(rest), below, Whole::Prefix))
            }
        }
    }
}

impl Exclude {
    /// # Errors
    /// The first glob that cannot be read.
    pub fn new(globs: &[String], cwd: &Path) -> Result<Exclude, globset::Error> {
        let mut exclude = Exclude::default();
        for glob in globs {
            if glob.contains('/') {
                let path = absolute(Path::new(glob), cwd);
                exclude.paths.push(matcher(&path.to_string_lossy())?);
            } else {
                exclude.names.push(matcher(glob)?);
            }
        }
        Ok(exclude)
    }

    pub fn matches(&self, path: &Path) -> bool {
        let name = path.file_name().map(Path::new);
        name.is_some_and(|name| self.names.iter().any(|glob| glob.is_match(name)))
            || self.paths.iter().any(|glob| glob.is_match(path))
    }
}

/// Why a file of this name is passed over, although it stands where logs are; `None` if it may be a text log.
pub fn why_no_text(path: &Path) -> Option<&'static str> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let has_extension = |known: &[&str]| known.iter().any(|known| extension.eq_ignore_ascii_case(known));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_named =
        |known: &&str| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
    if has_extension(&COMPRESSED) {
        Some("compressed; `paytriage scan` reads such files, `run` does not")
    } else if has_extension(&JOURNAL) {
        Some("a file of journald, not text; `journalctl` shows what is in it")
    } else if LOGINS.iter().any(is_named) {
        Some("a table of logins, not text")
    } else {
        None
    }
}

/// Makes a path absolute and takes `.` and `..` out by their names; symbolic links stay as they are.
pub fn absolute(path: &Path, cwd: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

fn component_matcher(component: Component) -> Result<Option<GlobMatcher>, globset::Error> {
    match component.as_os_str().to_string_lossy().as_ref() {
        "**" => Ok(None),
        name => matcher(name).map(Some),
    }
}

fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(glob).literal_separator(true).build()?.compile_matcher())
}

fn names(path: &Path) -> Vec<&Path> {
    path.components().map(|component| Path::new(component.as_os_str())).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Whole {
    /// The names must use up all matchers.
    Yes,
    /// At least one more name must be able to follow.
    Prefix,
}

fn fits(names: &[&Path], globs: &[Option<GlobMatcher>], whole: Whole) -> bool {
    match (names, globs) {
        ([], []) => whole == Whole::Yes,
        ([], [None, rest @ ..]) => whole == Whole::Prefix || fits(names, rest, whole),
        ([], _) => whole == Whole::Prefix,
        (_, []) => false,
        // `a/**` means everything below `a`.
        (_, [None]) => true,
        ([_, fewer @ ..], [None, rest @ ..]) => fits(names, rest, whole) || fits(fewer, globs, whole),
        ([name, names @ ..], [Some(glob), rest @ ..]) => glob.is_match(name) && fits(names, rest, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(written: &str) -> Pattern {
        Pattern::new(written, Path::new("/work/dir"), |_| false).unwrap()
    }

    #[test]
    fn which_files_and_directories_a_pattern_means() {
        for (written, files, others, dirs, other_dirs) in [
            (
                "/a/b",
                &["/a/b", "/a/b/c", "/a/b/c/d"][..],
                &["/a/bc", "/a"][..],
                &["/", "/a", "/a/b/c"][..],
                &["/b"][..],
            ),
            ("/a/*.log", &["/a/x.log"], &["/a/x.txt", "/a/b/x.log", "/a"], &["/a", "/"], &["/a/b", "/b"]),
            ("/a/*/c.log", &["/a/b/c.log"], &["/a/c.log", "/a/b/b/c.log"], &["/a", "/a/b"], &["/a/b/c"]),
            ("/a/**/*.log", &["/a/x.log", "/a/b/c/x.log"], &["/a/b/x"], &["/a/b/c/d"], &["/b"]),
            ("/a/**", &["/a/b", "/a/b/c"], &["/b"], &["/a/b/c"], &["/b"]),
            ("logs", &["/work/dir/logs/x"], &["/logs/x"], &["/work/dir/logs/y"], &["/logs"]),
            ("../x/./*.log", &["/work/x/a.log"], &["/work/dir/x/a.log"], &["/work/x"], &["/work/dir"]),
        ] {
            let pattern = pattern(written);
            files.iter().for_each(|file| assert!(pattern.matches(Path::new(file)), "{written} means {file}"));
            others.iter().for_each(|file| assert!(!pattern.matches(Path::new(file)), "{written} not {file}"));
            dirs.iter().for_each(|dir| assert!(pattern.reaches(Path::new(dir)), "{written} reaches {dir}"));
            other_dirs.iter().for_each(|dir| assert!(!pattern.reaches(Path::new(dir)), "{written} not {dir}"));
        }
    }

    #[test]
    fn a_path_that_exists_is_no_glob() {
        let odd = Pattern::new("/a/[1].log", Path::new("/"), |_| true).unwrap();
        assert!(odd.matches(Path::new("/a/[1].log")));
        assert!(!odd.matches(Path::new("/a/1.log")));
    }

    #[test]
    fn excludes_by_name_or_by_path() {
        let exclude = Exclude::new(&["*.tmp".into(), "/a/old/**".into()], Path::new("/")).unwrap();
        assert!(exclude.matches(Path::new("/x/y.tmp")));
        assert!(exclude.matches(Path::new("/a/old/z")));
        assert!(!exclude.matches(Path::new("/a/new/z")));
    }

    #[test]
    fn what_is_no_text_is_known_by_its_name() {
        for name in
            ["app.log.2.gz", "system.journal", "user-1000@0006.journal~", "wtmp", "btmp.1", "lastlog", "wtmp-20260701"]
        {
            assert!(why_no_text(&Path::new("/var/log").join(name)).is_some(), "{name}");
        }
        for name in ["app.log.2", "journal.log", "btmpfs.log", "app.journal.log", "lastlog_import.log"] {
            assert_eq!(why_no_text(&Path::new("/var/log").join(name)), None, "{name}");
        }
    }
}
