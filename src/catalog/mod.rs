//! The catalogue: what each code or message means and what to do.
//!
//! Built once from the embedded files and the user's own; read-only afterwards. Loading may fail, with file,
//! line and key; looking up cannot.

mod entry;

use std::collections::HashMap;
use std::sync::Arc;

pub use entry::{Actor, Advice, Category, Entry, EntryId, Guide, Lang, Retry, Severity, Specificity, Steps, Text};

/// All entries in force, and the guides they point to.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<EntryId, usize>,
    guides: Vec<Guide>,
    fallback: Arc<Entry>,
}

/// Id of the entry that annotates a code nobody knows.
pub const FALLBACK_ID: &str = "unknown-code";

impl Catalog {
    /// The entries, in the order of their files, without the fallback.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(&EntryId(id.into())).map(|&at| &self.entries[at])
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
}
