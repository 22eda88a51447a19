//! What files held that were truncated: log rotation may have copied it before (`copytruncate`), and what was not read then is read in the copy.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use jiff::Timestamp;

use super::Reader;
use super::kin::Kin;
use super::strays::TICK;
use crate::daemon::dir;
use crate::daemon::follow::Follow;
use crate::daemon::meet::{Moment, Newcomer};
use crate::notice::{About, Reason};
use crate::pipeline::Stream;
use crate::source::kin;
use crate::store::FileState;

/// What is known of a content that is not there any more.
#[derive(Debug)]
pub(super) struct Truncated {
    pub former: FileState,
    pub about: About,
    /// What was known to be there but not read.
    pub unread: Range<u64>,
    /// With a record that may be cut off: a copy may hold the whole of it.
    pub torn: Option<Box<Stream>>,
    /// Since then a copy of it may have been made, if nothing of it was reported: then one is read from its beginning, whatever it
    /// is, and an open line that it begins with is enough to know it by.
    pub unreported_since: Option<SystemTime>,
}

impl Kin {
    /// The former content of this file is gone, `unread` of it without having been read.
    pub fn truncated(&mut self, follow: &mut Follow, about: About, unread: Range<u64>) {
        let (former, torn) = (follow.former().cloned(), follow.take_torn());
        self.truncated.extend(former.map(|former| {
            let is_unreported = (former.checkpoint.done, former.checkpoint.reported.len()) == (0, 0);
            let unreported_since = is_unreported.then(|| follow.drained().earliest(Moment::now()) - TICK);
            Truncated { former, about, unread, torn, unreported_since }
        }));
    }
}

impl Truncated {
    /// # Errors
    /// The file cannot be read.
    fn stands_in(&self, file: &File) -> io::Result<bool> {
        let is_whole = kin::holds(file, &self.former.proof)?;
        let Some(since) = self.unreported_since.filter(|_| !is_whole) else { return Ok(is_whole) };
        Ok(file.metadata()?.created()? >= since && kin::holds_open_line(file, &self.former.proof)?)
    }
}

impl Reader {
    /// Looks for copies of what truncated files held, with what was not read of it; what no copy holds is reported.
    pub(super) fn look_for_copies(&mut self, clock: Instant) {
        self.look_for_copies_of_truncated(clock);
        self.look_for_unseen(clock);
    }

    fn look_for_copies_of_truncated(&mut self, clock: Instant) {
        if self.kin.truncated.is_empty() {
            return;
        }
        self.look_at_held(clock);
        let truncated = std::mem::take(&mut self.kin.truncated);
        let by_name = self.by_name(&truncated);
        let mut found = HashSet::new();
        // One listing serves all that were truncated in a directory.
        let dirs: HashSet<_> = by_name.keys().filter_map(|path| path.parent()).collect();
        for path in dirs.into_iter().flat_map(dir::names_in) {
            let names = kin::original_names(&path);
            for index in names.iter().skip(1).filter_map(|name| by_name.get(name)).flatten() {
                if self.is_copy_of(&truncated[*index], &path, clock) {
                    found.insert(*index);
                }
            }
        }
        for (index, Truncated { about, unread, torn, .. }) in truncated.into_iter().enumerate() {
            if found.contains(&index) {
                continue;
            }
            let mut events = Vec::new();
            if let Some(mut stream) = torn {
                stream.finish(Timestamp::now(), &mut events);
            }
            self.take(events, clock);
            self.report_gap(&about, Reason::Truncated, unread, clock);
        }
    }

    /// A copy is named after a name that its original had then; there may have been several.
    fn by_name(&self, truncated: &[Truncated]) -> HashMap<PathBuf, HashSet<usize>> {
        let mut by_name: HashMap<_, HashSet<_>> = HashMap::new();
        let mut by_key: HashMap<_, Vec<_>> = HashMap::new();
        for (index, Truncated { former, .. }) in truncated.iter().enumerate() {
            by_name.entry(former.path.clone()).or_default().insert(index);
            by_key.entry(former.key).or_default().push(index);
        }
        let before = self.kin.before.iter().map(|(name, &key)| (name.as_path(), key));
        for (name, key) in self.files.names().chain(before) {
            if let Some(indices) = by_key.get(&key) {
                by_name.entry(name.to_path_buf()).or_default().extend(indices);
            }
        }
        by_name
    }

    /// True if this file holds what was read before it was truncated; then it is read on.
    fn is_copy_of(&mut self, truncated: &Truncated, path: &Path, clock: Instant) -> bool {
        let former = &truncated.former;
        let is_listed = self.plan.selection.source_of(path).is_some();
        if !is_listed && !self.is_meant_as_backup(path, &former.path) {
            return false;
        }
        // Who is gone by now, or is not allowed to be read, cannot be read as a copy.
        let Ok(newcomer) = Newcomer::open(path) else { return false };
        let Ok(metadata) = newcomer.file.metadata() else { return false };
        if !truncated.stands_in(&newcomer.file).unwrap_or(false) {
            return false;
        }
        match (is_listed, self.is_unmet(&metadata)) {
            (true, true) => self.notice(path, clock),
            (false, true) if metadata.size() > former.checkpoint.offset => {
                drop(self.newcomer(newcomer.moved_from(&former.path), path, clock));
            }
            // All of it was reported.
            (false, true) => {}
            (_, false) => self.files.queue(newcomer.key),
        }
        true
    }

    fn is_meant_as_backup(&self, path: &Path, listed: &Path) -> bool {
        self.plan.selection.source_of(listed).is_some_and(|source| !source.excludes(path))
    }
}
