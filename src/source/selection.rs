//! The sources in force, ready to be asked about paths.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pattern::{Exclude, Pattern, absolute, why_no_text};
use crate::config::{self, Watch};

/// One configured source with its patterns.
#[derive(Debug)]
pub struct Source {
    pub config: config::Source,
    patterns: Vec<Pattern>,
    exclude: Exclude,
}

/// All sources. A file that several of them mean belongs to the first.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub sources: Vec<Arc<Source>>,
    /// Relative patterns are meant from here, and their files are shown relative to it.
    cwd: PathBuf,
}

/// A glob of a source that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("source {name}: {error}")]
pub struct BadGlob {
    name: String,
    error: globset::Error,
}

/// What must never be read although a source may list it: reading one's own output would never end.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Device and inode.
    inodes: Vec<(u64, u64)>,
    /// The state directory, which may be deleted and made again.
    state: Option<PathBuf>,
}

impl Selection {
    /// # Errors
    /// The first glob that cannot be read.
    pub fn new(sources: &[config::Source], cwd: PathBuf) -> Result<Selection, BadGlob> {
        let compile = |config: &config::Source| {
            let bad = |error| BadGlob { name: config.name.clone(), error };
            let patterns = config.paths.iter().map(|path| Pattern::new(path, &cwd, Path::exists));
            Ok(Arc::new(Source {
                patterns: patterns.collect::<Result<_, _>>().map_err(bad)?,
                exclude: Exclude::new(&config.exclude, &cwd).map_err(bad)?,
                config: config.clone(),
            }))
        };
        Ok(Selection { sources: sources.iter().map(compile).collect::<Result<_, _>>()?, cwd })
    }

    /// The source that a file of this path belongs to.
    pub fn source_of(&self, file: &Path) -> Option<&Arc<Source>> {
        if why_no_text(file).is_some() {
            return None;
        }
        self.sources.iter().find(|source| source.matches(file))
    }

    /// Can a file of any source lie below this directory?
    pub fn reaches(&self, dir: &Path) -> bool {
        self.sources
            .iter()
            .any(|source| source.patterns.iter().any(|pattern| pattern.reaches(dir)) && !source.exclude.matches(dir))
    }

    /// Do changes in this directory, or of this file, matter to a source that wants to be notified?
    pub fn wants_watch(&self, path: &Path) -> bool {
        let watching = self.sources.iter().filter(|source| source.config.watch == Watch::Auto);
        watching.flat_map(|source| &source.patterns).any(|pattern| pattern.reaches(path) || pattern.matches(path))
    }

    /// Where to look: a source's directories and files as written.
    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().flat_map(|source| source.patterns.iter().map(Pattern::root))
    }

    /// The written paths of all sources, made absolute: what "watched before" is told by.
    pub fn written(&self) -> Vec<String> {
        let written = self.sources.iter().flat_map(|source| &source.config.paths);
        written.map(|path| absolute(Path::new(path), &self.cwd).to_string_lossy().into_owned()).collect()
    }

    /// True if one of `known`, paths as [`Selection::written`] gives them, means this file.
    pub fn is_known(&self, file: &Path, known: &[String]) -> bool {
        let patterns = self.sources.iter().flat_map(|source| source.config.paths.iter().zip(&source.patterns));
        let mut meant = patterns.filter(|(_, pattern)| pattern.matches(file));
        meant.any(|(written, _)| {
            let written = absolute(Path::new(written), &self.cwd);
            known.iter().any(|known| Path::new(known) == written)
        })
    }

    /// The path as the user would type it: relative where the pattern was. Control characters are escaped.
    pub fn shown(&self, source: &Source, file: &Path) -> String {
        let relative = source
            .config
            .paths
            .iter()
            .zip(&source.patterns)
            .any(|(written, pattern)| Path::new(written).is_relative() && pattern.matches(file));
        let path = if relative { file.strip_prefix(&self.cwd).unwrap_or(file) } else { file };
        visible(path)
    }
}

impl Source {
    pub fn excludes(&self, file: &Path) -> bool {
        why_no_text(file).is_some() || self.exclude.matches(file)
    }

    /// Its paths as written, and what they mean.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, &Pattern)> {
        self.config.paths.iter().map(String::as_str).zip(&self.patterns)
    }

    fn matches(&self, file: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(file)) && !self.exclude.matches(file)
    }
}

impl Own {
    /// The state directory and what standard output and error are connected to.
    pub fn new(state: Option<&Path>) -> Own {
        let outputs = [rustix::fs::fstat(std::io::stdout()), rustix::fs::fstat(std::io::stderr())];
        // The width of these fields differs between platforms.
        #[allow(clippy::unnecessary_cast)]
        let mut inodes: Vec<_> =
            outputs.iter().flatten().map(|stat| (stat.st_dev as u64, stat.st_ino as u64)).collect();
        inodes.extend(state.and_then(inode));
        Own { inodes, state: state.map(Path::to_path_buf) }
    }

    pub fn contains(&self, file: &Metadata) -> bool {
        let this = (file.dev(), file.ino());
        self.inodes.contains(&this) || (file.is_dir() && self.state.as_deref().and_then(inode) == Some(this))
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A path as text that cannot act on a terminal; bytes that are not UTF-8 show as U+FFFD.
pub fn visible(path: &Path) -> String {
    crate::visible::visible(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::StartAt;
    use crate::record::Charset;

    fn source(paths: &[&str]) -> config::Source {
        config::Source {
            name: "shop".into(),
            paths: paths.iter().map(|&path| path.into()).collect(),
            journal: None,
            exclude: vec!["*.tmp".into(), "cache".into()],
            start_at: StartAt::End,
            provider: None,
            encoding: Charset::Auto,
            timezone: TimeZone::UTC,
            labels: BTreeMap::new(),
            watch: Watch::Auto,
            poll_interval: Duration::from_secs(10),
        }
    }

    fn selection(paths: &[&str]) -> Selection {
        Selection::new(&[source(paths)], "/home/me".into()).unwrap()
    }

    #[test]
    fn excluded_and_compressed_files_belong_to_no_source() {
        let selection = selection(&["/logs"]);
        assert!(selection.source_of(Path::new("/logs/a/b.log")).is_some());
        assert!(selection.source_of(Path::new("/logs/b.tmp")).is_none());
        assert!(selection.source_of(Path::new("/logs/b.log.2.gz")).is_none());
        assert!(selection.reaches(Path::new("/logs/a")));
        assert!(!selection.reaches(Path::new("/logs/cache")));
    }

    #[test]
    fn paths_are_shown_as_they_were_typed() {
        let selection = selection(&["logs", "/var/*.log"]);
        let shown = |path: &str| selection.shown(&selection.sources[0], Path::new(path));
        assert_eq!(shown("/home/me/logs/a.log"), "logs/a.log");
        assert_eq!(shown("/var/b.log"), "/var/b.log");
        assert_eq!(shown("/var/\u{1b}[2J\u{202e}.log"), "/var/\\x1b[2J\\u{202e}.log");
        assert_eq!(shown("/var/订单.log"), "/var/订单.log");
    }

    #[test]
    fn a_path_is_known_by_what_was_written_not_by_its_source() {
        let (before, now) = (selection(&["logs"]), selection(&["/new", "/home/me/logs"]));
        let known = before.written();
        assert!(now.is_known(Path::new("/home/me/logs/a.log"), &known));
        assert!(!now.is_known(Path::new("/new/a.log"), &known));
    }
}
