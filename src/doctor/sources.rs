//! The sources as this user sees them: their paths, directories, links and files.

mod files;
mod paths;

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::access::{self, Need, Place};
use super::clock::{self, Written};
use super::finding::Finding;
use super::limits::Needs;
use super::tail::{self, Sample};
use super::user::Me;
use super::{Depth, Subject};
use crate::config::{self, Watch};
use crate::event::Origin;
use crate::identity::FileKey;
use crate::pipeline::FileContext;
use crate::source::pattern::{Pattern, why_no_text};
use crate::source::selection::{BadGlob, Own, Selection, Source};
use crate::source::walk::{Found, Outcome, Problem, Walk};
use crate::store::{FileState, FileSystem};

/// Files of one source whose last part is read: those that were written last.
const SAMPLES: usize = 5;
/// The same of all sources.
const SAMPLES_IN_ALL: usize = 200;
/// Entries of a directory that are looked at for a name like the one that is missing.
const NAMES: usize = 10_000;

/// What was seen, of each source in the order of the configuration.
#[derive(Debug, Default)]
pub struct Seen {
    pub needs: Needs,
    sources: Vec<SourceSeen>,
}

#[derive(Debug, Default)]
struct SourceSeen {
    name: String,
    paths: Vec<PathSeen>,
    /// Directories below its paths that cannot be listed or entered.
    shut: Vec<Place>,
    /// Links that lead nowhere, and why.
    links: Vec<(PathBuf, Place)>,
    /// What else the walk came upon.
    problems: Vec<Problem>,
    files: Vec<FileSeen>,
}

/// One of the written paths.
#[derive(Debug)]
struct PathSeen {
    written: String,
    /// The path itself, or where its wildcards begin.
    root: PathBuf,
    is_glob: bool,
    is_link: bool,
    place: Place,
    need: Need,
    /// Files that it means, that are there.
    matched: usize,
    /// Those of them that belong to this source.
    own: usize,
    /// What would be meant if it were not compressed, or not excluded.
    compressed: usize,
    excluded: usize,
    /// The network file system that it is on.
    network: Option<&'static str>,
    /// Of the directory where something is missing.
    names: Vec<String>,
}

#[derive(Debug)]
struct FileSeen {
    path: PathBuf,
    bytes: u64,
    written: Option<Timestamp>,
    born: Option<Timestamp>,
    /// Why it cannot be read.
    denied: Option<Place>,
    /// Bytes read, as the state knows it.
    read: Option<u64>,
    /// The last part, or why that could not be read.
    sample: Option<Result<Sample, String>>,
}

impl Seen {
    /// Where each source looks.
    pub fn roots(&self) -> Vec<(String, PathBuf)> {
        let of = |source: &SourceSeen| -> Vec<_> {
            source.paths.iter().map(|path| (source.name.clone(), path.root.clone())).collect()
        };
        self.sources.iter().flat_map(of).collect()
    }

    /// The file that was written last.
    pub fn newest(&self) -> Option<(&Path, Timestamp)> {
        let files = self.sources.iter().flat_map(|source| &source.files);
        files.filter_map(|file| Some((file.path.as_path(), file.written?))).max_by_key(|&(_, at)| at)
    }

    /// Source and path of each file whose last line has a time.
    pub fn written(&self) -> impl Iterator<Item = (&str, &Path, Written)> {
        let files = self.sources.iter().flat_map(|source| source.files.iter().map(move |file| (source, file)));
        files.filter_map(|(source, file)| {
            let in_line = file.sample.as_ref()?.as_ref().ok()?.last_time?;
            Some((source.name.as_str(), file.path.as_path(), Written { on_disk: file.written?, in_line }))
        })
    }
}

/// Walks the sources once, as the daemon does, and reads the last part of some files. `known` is what the state says of files.
///
/// # Errors
/// A glob of a source that cannot be read.
pub fn look(subject: &Subject, depth: Depth, known: &[FileState]) -> Result<Seen, BadGlob> {
    let selection = subject.selection()?;
    let own = Own::new(subject.state);
    let mut entered: HashSet<PathBuf> = HashSet::new();
    let mut compressed: Vec<PathBuf> = Vec::new();
    let mut enter = |dir: &Path| {
        entered.insert(dir.to_path_buf());
    };
    let mut is_known = |path: &Path, _: &fs::DirEntry, _: u64| {
        if why_no_text(path).is_some() {
            compressed.push(path.to_path_buf());
        }
        false
    };
    let Outcome { mut files, mut dangling, problems } = Walk::new(&selection, &own, &mut enter, &mut is_known).all();
    // Where paths overlap, a file comes as often; they are in order.
    files.dedup_by(|one, other| one.path == other.path);
    dangling.sort();
    dangling.dedup();
    let mut seen = Seen::default();
    seen.needs.watches = entered.iter().filter(|dir| selection.wants_watch(dir)).count() as u64;
    seen.needs.files = files.len() as u64;
    for source in &selection.sources {
        let meant = |(written, pattern): (&str, &Pattern)| path(written, pattern, &files, &compressed);
        let paths = source.patterns().map(meant).collect();
        seen.sources.push(SourceSeen { name: source.config.name.clone(), paths, ..SourceSeen::default() });
    }
    see_found(&mut seen, &selection, files, (known, depth));
    see_links(&mut seen, &selection, dangling);
    let mut entered: Vec<PathBuf> = entered.into_iter().collect();
    entered.sort();
    see_shut(&mut seen, &selection, entered, problems);
    see_excluded(&mut seen, subject, &own)?;
    see_files(&mut seen, subject, depth);
    Ok(seen)
}

/// Gives each file to its source.
fn see_found(seen: &mut Seen, selection: &Selection, files: Vec<Found>, (known, depth): (&[FileState], Depth)) {
    let read: HashMap<FileKey, u64> = known.iter().map(|file| (file.key, file.proof.at)).collect();
    // Where it stands in the files of each source.
    let mut latest: Vec<Option<usize>> = vec![None; seen.sources.len()];
    for found in files {
        let Some((at, owner)) = owner(selection, &found.path) else { continue };
        let read = (!known.is_empty()).then(|| read.get(&found.key).copied().unwrap_or(0));
        let source = &mut seen.sources[at];
        for (path, (_, pattern)) in source.paths.iter_mut().zip(owner.patterns()) {
            path.own += usize::from(pattern.matches(&found.path));
        }
        let file = file(found.path, read);
        // Of those that will not be looked into, the last one that was written stands for all that can be read.
        let stands_for_all = depth == Depth::Surface && file.denied.is_none();
        match latest[at].filter(|_| stands_for_all).map(|place| &mut source.files[place]) {
            Some(other) if other.written < file.written => *other = file,
            Some(_) => {}
            None => {
                latest[at] = latest[at].or(stands_for_all.then_some(source.files.len()));
                source.files.push(file);
            }
        }
    }
}

fn see_links(seen: &mut Seen, selection: &Selection, dangling: Vec<PathBuf>) {
    for link in dangling {
        if let Some((at, _)) = owner(selection, &link) {
            let place = access::place(&link, Need::Read);
            seen.sources[at].links.push((link, place));
        }
    }
}

/// Directories that cannot be listed, and what else could not be looked at.
fn see_shut(seen: &mut Seen, selection: &Selection, entered: Vec<PathBuf>, problems: Vec<Problem>) {
    let at = |dir: &Path| {
        let is_meant = |source: &Arc<Source>| source.patterns().any(|(_, pattern)| is_below(dir, pattern));
        selection.sources.iter().position(is_meant)
    };
    for dir in entered.into_iter().filter(|dir| !access::is_listable(dir)) {
        let Some(source) = at(&dir).map(|at| &mut seen.sources[at]) else { continue };
        let place = access::place(&dir, Need::List);
        if matches!(place, Place::Denied(_)) && source.paths.iter().all(|path| path.root != dir) {
            source.shut.push(place);
        }
    }
    let roots: HashSet<PathBuf> = seen.roots().into_iter().map(|(_, root)| root).collect();
    for problem in problems.into_iter().filter(|problem| !roots.contains(&problem.path)) {
        let Some(source) = at(&problem.path).map(|at| &mut seen.sources[at]) else { continue };
        let is_it = |shut: &Place| matches!(shut, Place::Denied(node) if node.path == problem.path);
        if !source.shut.iter().any(is_it) {
            source.problems.push(problem);
        }
    }
}

/// The source that a file belongs to, and its place among them.
fn owner<'s>(selection: &'s Selection, file: &Path) -> Option<(usize, &'s Arc<Source>)> {
    let owner = selection.source_of(file)?;
    Some((selection.sources.iter().position(|source| Arc::ptr_eq(source, owner))?, owner))
}

fn is_below(dir: &Path, pattern: &Pattern) -> bool {
    dir.starts_with(pattern.root()) && pattern.reaches(dir) || dir == pattern.root()
}

fn path(written: &str, pattern: &Pattern, files: &[Found], compressed: &[PathBuf]) -> PathSeen {
    let root = pattern.root().to_path_buf();
    let (place, need) = access::place_to_read(&root);
    let is_glob = matches!(pattern, Pattern::Glob { .. });
    let is_link = fs::symlink_metadata(&root).is_ok_and(|node| node.is_symlink());
    let is_packed = !is_glob && why_no_text(&root).is_some() && matches!(&place, Place::Fine(node) if !node.is_dir);
    let matched = files.iter().filter(|found| pattern.matches(&found.path)).count();
    let names = match &place {
        Place::Missing { dir, .. } => names(dir),
        Place::Fine(node) if node.is_dir && matched == 0 => names(&node.path),
        _ => Vec::new(),
    };
    let n_compressed = compressed.iter().filter(|path| pattern.matches(path)).count();
    let compressed = if is_packed { 1 } else { n_compressed };
    let network = match FileSystem::of(&root) {
        FileSystem::Network(kind) => Some(kind),
        _ => None,
    };
    PathSeen {
        written: written.to_owned(),
        root,
        is_glob,
        is_link,
        place,
        need,
        matched,
        own: 0,
        compressed,
        excluded: 0,
        network,
        names,
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(NAMES);
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn file(path: PathBuf, read: Option<u64>) -> FileSeen {
    let metadata = fs::metadata(&path).ok();
    let time = |of: fn(&Metadata) -> std::io::Result<std::time::SystemTime>| {
        metadata.as_ref().and_then(|file| of(file).ok()).and_then(clock::timestamp)
    };
    let denied = (!access::is_readable(&path)).then(|| access::place(&path, Need::Read));
    let (written, born) = (time(Metadata::modified), time(Metadata::created));
    let bytes = metadata.as_ref().map_or(0, Metadata::len);
    // What is gone again is no finding.
    let denied = denied.filter(|place| !matches!(place, Place::Fine(_) | Place::Missing { .. }));
    FileSeen { path, bytes, written, born, denied, read, sample: None }
}

/// Looks once more, without what the sources exclude, where a path means nothing.
fn see_excluded(seen: &mut Seen, subject: &Subject, own: &Own) -> Result<(), BadGlob> {
    let is_bare = |path: &PathSeen| path.matched == 0 && matches!(path.place, Place::Fine(_));
    let bare =
        |source: &config::Source, seen: &SourceSeen| !source.exclude.is_empty() && seen.paths.iter().any(is_bare);
    for (source, seen) in
        subject.config.sources.iter().zip(&mut seen.sources).filter(|(source, seen)| bare(source, seen))
    {
        let all = config::Source { exclude: Vec::new(), ..source.clone() };
        let selection = Selection::new(&[all], subject.cwd.to_path_buf())?;
        let found = Walk::new(&selection, own, &mut |_| (), &mut |_, _, _| false).all().files;
        for (path, (_, pattern)) in seen.paths.iter_mut().zip(selection.sources.iter().flat_map(|it| it.patterns())) {
            if path.matched == 0 {
                path.excluded = found.iter().filter(|found| pattern.matches(&found.path)).count();
            }
        }
    }
    Ok(())
}

/// Reads the last part of the files that were written last.
fn see_files(seen: &mut Seen, subject: &Subject, depth: Depth) {
    let mut left = if depth == Depth::Samples { SAMPLES_IN_ALL } else { 0 };
    for (source, seen) in subject.config.sources.iter().zip(&mut seen.sources) {
        // Those first that the daemon can read.
        seen.files.sort_by_key(|file| (file.denied.is_some(), std::cmp::Reverse(file.written)));
        let readable = seen.files.iter_mut().filter(|file| file.denied.is_none());
        for file in readable.take(SAMPLES.min(left)) {
            left -= 1;
            let sampled = tail::read(&file.path).map(|tail| {
                let origin = Origin {
                    name: source.name.clone(),
                    path: crate::source::selection::visible(&file.path),
                    host: None,
                    labels: source.labels.clone(),
                };
                let context = FileContext {
                    origin: Arc::new(origin),
                    identity: Vec::new(),
                    provider: source.provider.clone(),
                    timezone: source.timezone.clone(),
                    charset: source.encoding,
                };
                tail::sample(&tail, subject.engine, &context, subject.now)
            });
            file.sample = Some(sampled.map_err(|error| crate::source::walk::reason(&error)));
        }
    }
}

/// What is wrong with it, source by source.
pub fn judge(seen: &Seen, subject: &Subject, me: &Me) -> Vec<Finding> {
    let of = |(source, config): (&SourceSeen, &config::Source)| {
        let mut findings = paths::judge(source, subject.file, me);
        if config.watch == Watch::Auto {
            findings.extend(source.paths.iter().filter_map(|path| paths::of_network(path, subject.file)));
        }
        findings.extend(files::judge(source, config, subject, me));
        findings.into_iter().map(|finding| finding.source(&source.name)).collect::<Vec<_>>()
    };
    seen.sources.iter().zip(&subject.config.sources).flat_map(of).collect()
}

/// There is nothing to watch.
pub fn none(subject: &Subject) -> Option<Finding> {
    let finding = Finding::fault("source.none", "the configuration has no [[source]]: there is nothing to watch");
    subject.config.sources.is_empty().then(|| finding.remedies(paths::edit(subject.file)))
}
