//! From TOML text to entries.
//!
//! A file is read into drafts, whose fields may all be absent. A draft is laid over the entry of the same id,
//! field by field, if there is one; what results has to be complete. All problems of all files are reported
//! together.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::DeValue;

use super::draft::{Draft, Gaps};
use super::problem::{Place, Problem, Wrong};
use super::read::{Found, Reader, Table};
use super::{Entries, Entry, EntryId};

/// An entry as one file left it, and where that file defines it.
pub(super) struct Loaded {
    pub entry: Entry,
    pub place: Place,
}

/// Reads one file, over the entries `known` so far.
///
/// Problems are appended to `problems`; an entry that has any is left out. What is not TOML is reported alone:
/// what the rest of such a file means is a guess.
pub(super) fn file(name: &str, text: &str, known: &Entries, problems: &mut Vec<Problem>) -> Vec<Loaded> {
    let mut reader = Reader::new(name, text);
    let mut loaded = Vec::new();
    if let Some(mut top) = reader.parse() {
        let tables = reader.array(&mut top, "entry").unwrap_or_default();
        let mut first_lines = HashMap::new();
        loaded.extend(tables.into_iter().filter_map(|table| entry(&mut reader, table, known, &mut first_lines)));
        reader.entry = None;
        reader.close(top);
    }
    reader.problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems.append(&mut reader.problems);
    loaded
}

fn entry<'i>(
    reader: &mut Reader<'i>,
    value: Spanned<DeValue<'i>>,
    known: &Entries,
    first_lines: &mut HashMap<EntryId, usize>,
) -> Option<Loaded> {
    reader.entry = None;
    let n_before = reader.problems.len();
    let mut table = reader.as_table(value, String::new())?;
    let span = table.span.clone();
    let id = id(reader, &mut table, first_lines);
    reader.entry = id.clone();
    let draft = Draft::read(reader, &mut table);
    reader.close(table);
    let id = id?;
    let draft = match known.get(&id) {
        Some(entry) => draft.over(Draft::of(entry)),
        None => draft,
    };
    let Some(entry) = draft.build(id.clone(), Gaps { reader, span: &span, n_before }) else {
        if let (None, Some(nearest)) = (known.get(&id), known.nearest(&id)) {
            reader.report(span, "id", Wrong::NewEntry { nearest });
        }
        return None;
    };
    let place = reader.place(&span);
    (reader.problems.len() == n_before).then_some(Loaded { entry, place })
}

fn id<'i>(
    reader: &mut Reader<'i>,
    table: &mut Table<'i>,
    first_lines: &mut HashMap<EntryId, usize>,
) -> Option<EntryId> {
    let n_before = reader.problems.len();
    let Some(Found { value, span }) = reader.string(table, "id") else {
        if reader.problems.len() == n_before {
            reader.report(table.span.clone(), "id", Wrong::Missing);
        }
        return None;
    };
    if !is_id(&value) {
        reader.report(span, "id", Wrong::BadId(value));
        return None;
    }
    let id = EntryId(value.into());
    reader.entry = Some(id.clone());
    let line = reader.place(&table.span).line;
    if let Some(&first_line) = first_lines.get(&id) {
        reader.report(span, "id", Wrong::DuplicateId { first_line });
        return None;
    }
    first_lines.insert(id.clone(), line);
    Some(id)
}

fn is_id(id: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    id.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.bytes().all(ok))
}
