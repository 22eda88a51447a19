//! Which entries a code may belong to, by where it stands.
//!
//! Some codes mean what they mean in certain fields only: `ABNORMAL` as a refund's status, `03` as a merchant advice code. The
//! catalogue names the fields of such codes; elsewhere they are other codes, or none.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::keys;
use crate::catalog::{Entry, Specificity};
use crate::record::key::{NameTable, normal_key};
use crate::record::words::{Word, Worded};

/// An entry that has a code.
#[derive(Debug)]
pub struct Candidate {
    /// Its place among the catalogue's entries.
    pub entry: usize,
    pub specificity: Specificity,
    /// In normal spelling.
    fields: Vec<String>,
}

impl Candidate {
    /// True if it tells nothing outside of a field and brackets.
    pub fn needs_place(&self) -> bool {
        matches!(self.specificity, Specificity::Field | Specificity::Named)
    }
}

/// All codes of a catalogue.
#[derive(Debug)]
pub struct Index(NameTable<Candidates>);

/// Everything that has one code, wherever it stands.
#[derive(Debug)]
pub struct Candidates(Vec<Candidate>);

/// What a code may be, where it stands.
#[derive(Debug)]
pub enum Claim<'i> {
    /// These entries name the field in which it stands.
    Named(SmallVec<[&'i Candidate; 2]>),
    /// These entries have it; the surroundings decide.
    Open(SmallVec<[&'i Candidate; 2]>),
}

impl Index {
    pub fn new<'e>(entries: impl Iterator<Item = &'e Arc<Entry>>) -> Index {
        let mut codes: HashMap<String, Vec<Candidate>> = HashMap::new();
        for (entry, code) in entries.enumerate().flat_map(|(at, entry)| entry.codes.iter().map(move |code| (at, code)))
        {
            let fields = code.fields.iter().map(|field| normal_key(field).as_str().to_owned()).collect();
            let candidate = Candidate { entry, specificity: code.specificity, fields };
            codes.entry(code.text.clone()).or_default().push(candidate);
        }
        Index(NameTable::new(codes.into_iter().map(|(code, candidates)| (code, Candidates(candidates)))))
    }

    pub fn get(&self, code: &str) -> Option<&Candidates> {
        self.0.of_word(code)
    }

    pub fn get_word(&self, record: &Worded<'_>, word: &Word) -> Option<&Candidates> {
        record.exact(&self.0, word)
    }
}

impl Candidates {
    pub fn all(&self) -> &[Candidate] {
        &self.0
    }

    /// What the code may be as the value of the field `key` (in normal spelling; empty outside of any field). `None` if no
    /// entry has it there.
    pub fn claim(&self, key: &str) -> Option<Claim<'_>> {
        let named: SmallVec<[&Candidate; 2]> =
            self.0.iter().filter(|c| c.fields.iter().any(|field| field == key)).collect();
        if !named.is_empty() {
            return Some(Claim::Named(named));
        }
        let open: SmallVec<[&Candidate; 2]> = self.0.iter().filter(|c| c.specificity != Specificity::Named).collect();
        (!open.is_empty() && !keys::has_own_codes(key)).then_some(Claim::Open(open))
    }
}

impl<'i> Claim<'i> {
    pub fn candidates(&self) -> &[&'i Candidate] {
        match self {
            Claim::Named(candidates) | Claim::Open(candidates) => candidates,
        }
    }
}
