//! What can be wrong with a catalogue, and where.
//!
//! Every problem names its place, and its text says what to do about it.

use std::fmt;
use std::sync::Arc;

use super::EntryId;

/// A position in a catalogue file; line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub file: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One problem of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    pub place: Place,
    /// The entry at fault, where it is known.
    pub entry: Option<EntryId>,
    /// The key at fault (`payer.en`); empty where the file as a whole is.
    pub key: String,
    pub wrong: Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(id) = &self.entry {
            write!(f, "entry {id}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.wrong)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("not valid TOML: {0}")]
    Syntax(String),
    #[error("unknown key{}", did_you_mean(.nearest))]
    UnknownKey { nearest: Option<String> },
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: &'static str },
    #[error("missing; a new entry needs it")]
    Missing,
    #[error("{0} is not a number of events from 1 to {max}", max = super::MAX_COUNT)]
    BadCount(i64),
    #[error("{0:?} is not a duration such as \"30s\" or \"5m\"")]
    BadDuration(String),
    #[error("empty; write something or leave the key out")]
    Empty,
    #[error("holds a control character; remove it")]
    ControlCharacter,
    #[error("{word:?} is not one of {allowed}{}", did_you_mean(.nearest))]
    UnknownWord { word: String, allowed: String, nearest: Option<String> },
    #[error("{0:?} is not an id; use lower-case letters, digits and '-', with '.' between the parts")]
    BadId(String),
    #[error(
        "{0:?} is not a code; use letters, digits, '.', '_' and '-' only, at most 128 of them; put text into messages"
    )]
    BadCode(String),
    #[error("{0:?} is not a provider's name; use lower-case letters, digits, '-' and '_'")]
    BadProvider(String),
    #[error("is already the id of the entry in line {first_line} of this file; merge the two or choose another id")]
    DuplicateId { first_line: usize },
    #[error("no entry had this id so far, so this is a new one; to change {nearest}, use its id")]
    NewEntry { nearest: String },
    #[error("nothing to find; give codes or messages")]
    NothingToFind,
    #[error("the fallback stands for codes that nobody knows and is never searched for; remove this key")]
    FallbackSearched,

    #[error("{code} also belongs to entry {other} of the same provider; one of them has to go")]
    CodeTwice { code: String, other: EntryId },
    #[error("{0} stands here twice")]
    Repeated(String),
    #[error(
        "{0} is bound to fields, but names none; give {{ code = \"{0}\", specificity = \"named\", fields = [\"…\"] }}"
    )]
    NoFields(String),
    #[error("{message:?} is said to go with {code}, which is not among the codes of this entry")]
    ForeignCode { message: String, code: String },
    #[error("{0} is too short or too common to be distinctive; make it generic or field")]
    WeakCode(String),
    #[error(
        "{0:?} would be found in ordinary text; give a longer message (two words and ten letters, or four Chinese characters)"
    )]
    WeakMessage(String),
    #[error("no guide is called {id:?}{}", did_you_mean(.nearest))]
    UnknownGuide { id: String, nearest: Option<String> },
    #[error("{0:?} is not an https:// address")]
    BadDocs(String),
    #[error("no built-in provider is called {name:?}; did you mean {nearest}?")]
    MisspelledProvider { name: String, nearest: String },
    #[error("give at least one log line in which the entry must be found")]
    NoExample,
    #[error("give at least one log line that looks alike and in which it must not be found")]
    NoNearMiss,
    #[error("{0:?} is a code or a technical word; say it in the customer's words")]
    JargonForPayer(String),
    #[error("{0:?} blames the customer or sounds as if it did; say it kindly")]
    BlameForPayer(String),
    #[error("not found in {line:?}{}", instead(.found))]
    NotFound { line: String, found: Vec<EntryId> },
    #[error("found in {line:?}, where it must not be")]
    WronglyFound { line: String },
}

/// Why an entry cannot be disabled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisableError {
    #[error("no entry is called \"{id}\"{}", did_you_mean(.nearest))]
    Unknown { id: EntryId, nearest: Option<String> },
    #[error("\"{0}\" annotates codes that nobody knows and cannot be disabled")]
    Fallback(EntryId),
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let similarity = |candidate: &str| strsim::jaro_winkler(word, candidate);
    let best = candidates.into_iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) > 0.8).then(|| best.to_owned())
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

fn instead(found: &[EntryId]) -> String {
    match found {
        [] => String::new(),
        found => {
            let ids: Vec<_> = found.iter().map(|id| &*id.0).collect();
            format!("; found instead: {}", ids.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_silent_about_strangers() {
        assert_eq!(nearest("severty", ["severity", "title"]).as_deref(), Some("severity"));
        assert_eq!(nearest("zzz", ["severity", "title"]), None);
    }
}
