//! The catalogue: what each code or message means and what to do.
//!
//! Built once from the embedded files and the user's own; read-only afterwards. Loading may fail, with file,
//! line and key; looking up cannot. Pure: the caller reads the user's files.

mod builtin;
mod check;
mod draft;
mod entry;
mod load;
mod prepared;
mod problem;
mod read;
mod threshold;

use std::collections::HashMap;
use std::sync::Arc;

pub use entry::{
    Actor, Advice, Category, Code, Entry, EntryId, Guide, Lang, Message, Retry, Severity, Specificity, Steps, Text,
};
pub(crate) use problem::nearest;
pub use problem::{DisableError, Place, Problem, Wrong};
pub use threshold::{MAX_COUNT, Threshold, parse_duration, write_duration};

/// All entries in force, and the guides they point to.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<EntryId, usize>,
    /// Where the last file that speaks of an entry does so.
    places: HashMap<EntryId, Place>,
    guides: Vec<Guide>,
    fallback: Arc<Entry>,
    own: Vec<Arc<Entry>>,
}

/// Id of the entry that annotates a code nobody knows.
pub const FALLBACK_ID: &str = "unknown-code";

/// Entries whose ids begin like this annotate what paytriage reports of itself. They have codes, but are never
/// searched for: no log line can make one up.
const OWN_PREFIX: &str = "paytriage.";

impl Catalog {
    /// The catalogue that is part of the program, read from its TOML and Markdown. The build does this once; the program
    /// starts from what [`Catalog::builtin`] has prepared.
    ///
    /// # Panics
    /// If the files have a problem; then the build fails.
    pub fn from_sources() -> Catalog {
        let mut entries = Entries::default();
        let mut problems = Vec::new();
        for (name, text) in builtin::FILES {
            entries.read(name, text, &mut problems);
        }
        assert!(problems.is_empty(), "the built-in catalogue is broken: {problems:#?}");
        entries.into_catalog(builtin::guides())
    }

    /// Adds the entries of a user's own files (path and text, in the order to apply them). An entry whose id
    /// is known already changes only the fields it gives.
    ///
    /// # Errors
    /// Every problem of every file, by file and line.
    pub fn with_files<S: AsRef<str>>(self, files: &[(S, S)]) -> Result<Catalog, Vec<Problem>> {
        let mut problems = Vec::new();
        let (mut entries, guides) = Entries::from_catalog(self);
        for (path, text) in files {
            entries.read(path.as_ref(), text.as_ref(), &mut problems);
        }
        if problems.is_empty() { Ok(entries.into_catalog(guides)) } else { Err(problems) }
    }

    /// Leaves out entries that are never to fire.
    ///
    /// # Errors
    /// Each id that no entry has, and the fallback's.
    pub fn without(self, ids: &[EntryId]) -> Result<Catalog, Vec<DisableError>> {
        let errors: Vec<DisableError> = ids.iter().filter_map(|id| self.cannot_disable(id)).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let (mut entries, guides) = Entries::from_catalog(self);
        entries.list.retain(|entry| !ids.contains(&entry.id));
        Ok(entries.into_catalog(guides))
    }

    /// The entries that are searched for, in the order of their files.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The codes that are looked for as they are.
    pub fn codes(&self) -> impl Iterator<Item = &str> + Clone {
        let codes = self.entries.iter().flat_map(|entry| &entry.codes);
        codes.filter(|code| !code.is_found_by_field()).map(|code| &code.text[..])
    }

    /// The fields by which all other codes are looked for.
    pub fn code_fields(&self) -> impl Iterator<Item = &str> + Clone {
        let codes = self.entries.iter().flat_map(|entry| &entry.codes);
        codes.filter(|code| code.is_found_by_field()).flat_map(|code| code.fields.iter().map(String::as_str))
    }

    /// The texts of all messages.
    pub fn messages(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().flat_map(|entry| entry.messages.iter().map(|message| &message.text[..]))
    }

    /// The entry of this id; the fallback and our own too have one.
    pub fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        if id == FALLBACK_ID {
            return Some(&self.fallback);
        }
        let own = || self.own.iter().find(|entry| *entry.id.0 == *id);
        self.by_id.get(&EntryId(id.into())).map(|&at| &self.entries[at]).or_else(own)
    }

    /// What annotates the things that paytriage reports of itself; see [`Catalog::entries`] for all others.
    pub fn own(&self) -> &[Arc<Entry>] {
        &self.own
    }

    /// Every entry, our own and the fallback last.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().chain(&self.own).chain([&self.fallback])
    }

    /// The general steps, for a code that no entry knows.
    pub fn fallback(&self) -> &Arc<Entry> {
        &self.fallback
    }

    pub fn guide(&self, id: &str) -> Option<&Guide> {
        self.guides.iter().find(|guide| guide.id == id)
    }

    pub fn guides(&self) -> &[Guide] {
        &self.guides
    }

    /// Where the last file that speaks of an entry does so.
    pub fn place(&self, id: &EntryId) -> Option<&Place> {
        self.places.get(id)
    }

    /// What a careful reader would object to, beyond what loading refuses, in the order of the entries.
    pub fn check(&self) -> Vec<Problem> {
        check::catalog(self)
    }

    fn cannot_disable(&self, id: &EntryId) -> Option<DisableError> {
        if &*id.0 == FALLBACK_ID {
            return Some(DisableError::Fallback(id.clone()));
        }
        let unknown = !self.by_id.contains_key(id);
        unknown.then(|| DisableError::Unknown {
            id: id.clone(),
            nearest: nearest(&id.0, self.entries.iter().map(|entry| &*entry.id.0)),
        })
    }
}

/// A catalogue in the making: the fallback and our own are among the entries.
#[derive(Default)]
struct Entries {
    list: Vec<Arc<Entry>>,
    by_id: HashMap<EntryId, usize>,
    places: HashMap<EntryId, Place>,
}

impl Entries {
    fn from_catalog(catalog: Catalog) -> (Entries, Vec<Guide>) {
        let mut list = catalog.entries;
        let mut by_id = catalog.by_id;
        for entry in catalog.own.into_iter().chain([catalog.fallback]) {
            by_id.insert(entry.id.clone(), list.len());
            list.push(entry);
        }
        (Entries { list, by_id, places: catalog.places }, catalog.guides)
    }

    fn get(&self, id: &EntryId) -> Option<&Entry> {
        self.by_id.get(id).map(|&at| &*self.list[at])
    }

    fn nearest(&self, id: &EntryId) -> Option<String> {
        nearest(&id.0, self.list.iter().map(|entry| &*entry.id.0))
    }

    fn read(&mut self, name: &str, text: &str, problems: &mut Vec<Problem>) {
        for load::Loaded { entry, place } in load::file(name, text, self, problems) {
            self.places.insert(entry.id.clone(), place);
            match self.by_id.get(&entry.id) {
                Some(&at) => self.list[at] = Arc::new(entry),
                None => {
                    self.by_id.insert(entry.id.clone(), self.list.len());
                    self.list.push(Arc::new(entry));
                }
            }
        }
    }

    /// # Panics
    /// If there is no fallback; the built-in files define it, and it cannot be disabled.
    fn into_catalog(mut self, guides: Vec<Guide>) -> Catalog {
        let at = self.list.iter().position(|entry| &*entry.id.0 == FALLBACK_ID);
        let fallback = self.list.remove(at.expect("the built-in catalogue defines the fallback"));
        let (own, entries): (Vec<_>, Vec<_>) =
            self.list.into_iter().partition(|entry| entry.id.0.starts_with(OWN_PREFIX));
        let by_id = entries.iter().enumerate().map(|(at, entry)| (entry.id.clone(), at)).collect();
        Catalog { entries, by_id, places: self.places, guides, fallback, own }
    }
}

#[cfg(test)]
mod tests;
