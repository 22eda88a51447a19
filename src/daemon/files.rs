//! The files that are followed, the names they are known by, and whose turn it is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::follow::Follow;
use crate::identity::FileKey;
use crate::source::step::Place;

/// Where a listed name leads.
#[derive(Debug, Clone, Copy)]
struct Name {
    key: FileKey,
    /// The last look at everything that found it so.
    seen: u64,
}

#[derive(Debug, Default)]
pub struct Files {
    /// Boxed: a table that grows has a good part of its places empty.
    follows: HashMap<FileKey, Box<Follow>>,
    /// Names that a source lists. Several can lead to one file (hard links, symbolic links). By their bytes, which are hashed faster
    /// than their components: each look at everything asks for all of them.
    names: HashMap<OsString, Name>,
    /// Counts looks at everything.
    looks: u64,
    /// Files that have no listed name, by the last one that they had.
    displaced: HashMap<PathBuf, HashSet<FileKey>>,
    queue: VecDeque<FileKey>,
}

impl Files {
    pub fn get(&self, key: FileKey) -> Option<&Follow> {
        self.follows.get(&key).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, key: FileKey) -> Option<&mut Follow> {
        self.follows.get_mut(&key).map(Box::as_mut)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Follow> {
        self.follows.values().map(Box::as_ref)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Follow> {
        self.follows.values_mut().map(Box::as_mut)
    }

    pub fn insert(&mut self, follow: Follow) {
        let key = follow.key();
        if follow.place == Place::Listed {
            self.names.insert(follow.path.clone().into(), Name { key, seen: self.looks });
        } else {
            self.displaced.entry(follow.path.clone()).or_default().insert(key);
        }
        self.follows.insert(key, Box::new(follow));
        self.queue(key);
    }

    pub fn remove(&mut self, key: FileKey) -> Option<Follow> {
        let follow = self.follows.remove(&key)?;
        self.names.retain(|_, named| named.key != key);
        self.displaced_no_more(&follow.path, key);
        Some(*follow)
    }

    /// The file that a listed name led to when it was last looked at.
    pub fn named(&self, path: &Path) -> Option<FileKey> {
        self.names.get(path.as_os_str()).map(|named| named.key)
    }

    /// All listed names, and the files that they lead to.
    pub fn names(&self) -> impl Iterator<Item = (&Path, FileKey)> {
        self.names.iter().map(|(name, named)| (Path::new(name), named.key))
    }

    /// A listed name leads to this file, which is followed.
    pub fn name(&mut self, path: &Path, key: FileKey, clock: Instant) {
        if self.named(path) != Some(key) {
            self.names.insert(path.into(), Name { key, seen: self.looks });
        }
        let displaced = |follow: &&mut Box<Follow>| follow.place != Place::Listed;
        if let Some(follow) = self.follows.get_mut(&key).filter(displaced) {
            follow.moved(Place::Listed, clock);
            let before = std::mem::replace(&mut follow.path, path.to_path_buf());
            self.displaced_no_more(&before, key);
        }
    }

    fn displaced_no_more(&mut self, before: &Path, key: FileKey) {
        if let Some(same) = self.displaced.get_mut(before) {
            same.remove(&key);
            if same.is_empty() {
                self.displaced.remove(before);
            }
        }
    }

    /// A name leads nowhere any more, or elsewhere. Returns the file that has no listed name left by this.
    pub fn unname(&mut self, path: &Path, clock: Instant) -> Option<FileKey> {
        let key = self.names.remove(path.as_os_str())?.key;
        let other = self.names.iter().find(|(_, named)| named.key == key).map(|(name, _)| name.clone());
        let follow = self.follows.get_mut(&key)?;
        match other {
            Some(name) => {
                follow.path = name.into();
                None
            }
            None => {
                follow.moved(Place::Moved, clock);
                self.displaced.entry(follow.path.clone()).or_default().insert(key);
                Some(key)
            }
        }
    }

    /// All names are looked at; [`Files::seen`] is told what there is.
    pub fn look_begins(&mut self) {
        self.looks += 1;
    }

    /// A look found that this name leads to this file. False if it did not before.
    pub fn seen(&mut self, path: &Path, key: FileKey) -> bool {
        let named = self.names.get_mut(path.as_os_str()).filter(|named| named.key == key);
        named.map(|named| named.seen = self.looks).is_some()
    }

    /// Names that the look has not found, or leading elsewhere.
    pub fn unseen(&self) -> Vec<PathBuf> {
        let stale = self.names.iter().filter(|(_, named)| named.seen != self.looks);
        stale.map(|(name, _)| name.into()).collect()
    }

    pub fn queue(&mut self, key: FileKey) {
        if let Some(follow) = self.follows.get_mut(&key).filter(|follow| !follow.queued) {
            follow.queued = true;
            self.queue.push_back(key);
        }
    }

    /// Takes the file whose turn it is.
    pub fn next(&mut self) -> Option<FileKey> {
        loop {
            let key = self.queue.pop_front()?;
            // One that is gone by now has left its place in the queue behind.
            if let Some(follow) = self.follows.get_mut(&key) {
                follow.queued = false;
                return Some(key);
            }
        }
    }

    /// Those whose turn is to come.
    pub fn queued(&self) -> impl Iterator<Item = FileKey> {
        self.queue.iter().copied()
    }

    pub fn n_queued(&self) -> usize {
        self.queue.len()
    }

    /// Files that have no listed name: read to their end before they are let go.
    pub fn displaced(&self) -> Vec<FileKey> {
        self.displaced.values().flatten().copied().collect()
    }

    /// The same, of those that had this name.
    pub fn displaced_from(&self, name: &Path) -> Vec<FileKey> {
        self.displaced.get(name).into_iter().flatten().copied().collect()
    }

    pub fn keys(&self) -> Vec<FileKey> {
        self.follows.keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.follows.len()
    }

    /// Bytes known to be written to files whose turn has not come.
    pub fn lag(&self) -> u64 {
        self.queue.iter().filter_map(|key| self.follows.get(key)).map(|follow| follow.lag()).sum()
    }
}
