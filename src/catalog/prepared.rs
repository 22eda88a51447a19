//! The built-in catalogue as the build has prepared it: checked, and quick to load.
//!
//! Reading a megabyte of TOML takes longer than everything else a short command does. `build.rs` compiles this module
//! too, reads the files once and writes what `prepare` gives.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, Entry, Guide, Place};

/// Entries with their places, our own and the fallback last.
#[derive(Serialize, Deserialize)]
struct Prepared {
    entries: Vec<(Entry, Place)>,
    guides: Vec<Guide>,
}

impl Catalog {
    /// The catalogue in the form that [`Catalog::builtin`] reads.
    ///
    /// # Errors
    /// None that data of this kind can have.
    pub fn prepare(&self) -> serde_json::Result<Vec<u8>> {
        let all = self.entries.iter().chain(&self.own).chain([&self.fallback]);
        let placed = all.filter_map(|entry| Some((Entry::clone(entry), self.place(&entry.id)?.clone())));
        serde_json::to_vec(&Prepared { entries: placed.collect(), guides: self.guides.clone() })
    }

    fn from_prepared(bytes: &[u8]) -> serde_json::Result<Catalog> {
        let Prepared { entries, guides } = serde_json::from_slice(bytes)?;
        let places: HashMap<_, _> = entries.iter().map(|(entry, place)| (entry.id.clone(), place.clone())).collect();
        let list = entries.into_iter().map(|(entry, _)| Arc::new(entry)).collect();
        Ok(super::Entries { list, by_id: HashMap::new(), places }.into_catalog(guides))
    }
}

/// The build script compiles this file before there is anything prepared.
#[cfg(prepared)]
impl Catalog {
    /// The catalogue that is part of the program.
    ///
    /// # Panics
    /// Never: the build wrote it, and a test reads it.
    pub fn builtin() -> Catalog {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.json"));
        Catalog::from_prepared(bytes).expect("the build wrote it")
    }
}
