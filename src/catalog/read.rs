//! Takes a TOML table apart, key by key, and remembers everything that is wrong with it.
//!
//! A key is known because somebody asked for it: what is left when a table is closed is reported as unknown.
//! A problem never stops the reading; the value is then absent.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::EntryId;
use super::problem::{Place, Problem, Wrong, nearest};

/// One file being read.
pub(super) struct Reader<'i> {
    file: Arc<str>,
    text: &'i str,
    /// Offset of each line's first byte: a large file has a place for every entry.
    line_starts: Vec<usize>,
    /// The entry being read, for the problems' sake.
    pub entry: Option<EntryId>,
    pub problems: Vec<Problem>,
}

/// A table, less the keys that were taken from it.
pub(super) struct Table<'i> {
    fields: DeTable<'i>,
    /// Where it begins.
    pub span: Range<usize>,
    /// Its key within the entry, with a dot at its end; empty for the entry itself.
    prefix: String,
    asked: Vec<&'static str>,
}

/// A value and where it stands.
pub(super) struct Found<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<'i> Reader<'i> {
    pub fn new(file: &str, text: &'i str) -> Reader<'i> {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = iter::once(0).chain(newlines).collect();
        Reader { file: file.into(), text, line_starts, entry: None, problems: Vec::new() }
    }

    /// The file's top-level table; `None` if it is not TOML, and then every place where it is not is reported.
    pub fn parse(&mut self) -> Option<Table<'i>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.report(error.span().unwrap_or(0..0), "", Wrong::Syntax(error.message().to_owned()));
        }
        errors.is_empty().then(|| Table::new(table.into_inner(), 0..0, String::new()))
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        let line = self.line_starts.partition_point(|&start| start <= span.start);
        let line_start = self.line_starts[line - 1];
        let column = self.text.get(line_start..span.start).map_or(0, |before| before.chars().count()) + 1;
        Place { file: self.file.clone(), line, column }
    }

    pub fn report(&mut self, span: Range<usize>, key: impl Into<String>, wrong: Wrong) {
        let place = self.place(&span);
        self.problems.push(Problem { place, entry: self.entry.clone(), key: key.into(), wrong });
    }

    /// A string that is not empty.
    pub fn string(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Found<String>> {
        let value = table.take(key)?;
        self.as_string(value, table.path(key))
    }

    /// A list of strings, none of them empty.
    pub fn strings(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Vec<String>> {
        let path = table.path(key);
        let items = self.array(table, key)?;
        Some(items.into_iter().filter_map(|item| self.as_string(item, path.clone())).map(|f| f.value).collect())
    }

    /// A text that people read; control characters would act on their terminal.
    pub fn text(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<String> {
        let found = self.string(table, key)?;
        self.legible(&found.value, found.span, table.path(key));
        Some(found.value)
    }

    /// A list of such texts, at least one.
    pub fn texts(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Vec<String>> {
        let path = table.path(key);
        let span = table.fields.get(key).map_or(0..0, |value| value.span());
        let items = self.array(table, key)?;
        if items.is_empty() {
            self.report(span, path.clone(), Wrong::Empty);
        }
        let found = items.into_iter().filter_map(|item| {
            let Found { value, span } = self.as_string(item, path.clone())?;
            self.legible(&value, span, path.clone());
            Some(value)
        });
        Some(found.collect())
    }

    fn legible(&mut self, text: &str, span: Range<usize>, path: String) {
        if text.contains(|c: char| c.is_control() && c != '\n') {
            self.report(span, path, Wrong::ControlCharacter);
        }
    }

    /// One word of a closed set.
    pub fn word<T: Copy + ToString>(&mut self, table: &mut Table<'i>, key: &'static str, all: &[T]) -> Option<T> {
        let word = self.string(table, key)?;
        let names: Vec<String> = all.iter().map(T::to_string).collect();
        if let Some(at) = names.iter().position(|name| *name == word.value) {
            return Some(all[at]);
        }
        let nearest = nearest(&word.value, names.iter().map(String::as_str));
        let wrong = Wrong::UnknownWord { word: word.value, allowed: names.join(", "), nearest };
        self.report(word.span, table.path(key), wrong);
        None
    }

    pub fn array(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Vec<Spanned<DeValue<'i>>>> {
        let value = table.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) => Some(items.into_iter().collect()),
            other => {
                self.wrong_type(span, table.path(key), "a list", &other);
                None
            }
        }
    }

    pub fn table(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Table<'i>> {
        let value = table.take(key)?;
        self.as_table(value, table.path(key))
    }

    /// `path` is the value's key within its entry; empty for the entry itself.
    pub fn as_table(&mut self, value: Spanned<DeValue<'i>>, path: String) -> Option<Table<'i>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(fields) => {
                let prefix = if path.is_empty() { path } else { path + "." };
                Some(Table::new(fields, span, prefix))
            }
            other => {
                self.wrong_type(span, path, "a table", &other);
                None
            }
        }
    }

    pub fn as_string(&mut self, value: Spanned<DeValue<'i>>, path: String) -> Option<Found<String>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) if text.trim().is_empty() => self.report(span, path, Wrong::Empty),
            DeValue::String(text) => return Some(Found { value: text.into_owned(), span }),
            other => self.wrong_type(span, path, "a string", &other),
        }
        None
    }

    /// `true` or `false`.
    pub fn flag(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<bool> {
        let value = table.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Boolean(flag) => return Some(flag),
            other => self.wrong_type(span, table.path(key), "true or false", &other),
        }
        None
    }

    /// A whole number.
    pub fn integer(&mut self, table: &mut Table<'i>, key: &'static str) -> Option<Found<i64>> {
        let value = table.take(key)?;
        let span = value.span();
        let path = table.path(key);
        let other = match value.into_inner() {
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(value) => return Some(Found { value, span }),
                Err(_) => DeValue::Integer(number),
            },
            other => other,
        };
        self.wrong_type(span, path, "a whole number", &other);
        None
    }

    /// Reports the keys that nobody asked for.
    pub fn close(&mut self, table: Table<'i>) {
        for (key, _) in &table.fields {
            let nearest = nearest(key.get_ref(), table.asked.iter().copied());
            let path = format!("{}{}", table.prefix, key.get_ref().escape_debug());
            self.report(key.span(), path, Wrong::UnknownKey { nearest });
        }
    }

    fn wrong_type(&mut self, span: Range<usize>, path: String, expected: &'static str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(span, path, Wrong::Type { expected, found });
    }
}

impl<'i> Table<'i> {
    fn new(fields: DeTable<'i>, span: Range<usize>, prefix: String) -> Table<'i> {
        Table { fields, span, prefix, asked: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.asked.push(key);
        self.fields.remove(key)
    }

    /// A key's full name within the entry.
    pub fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_lines_and_characters_from_one() {
        let reader = Reader::new("a.toml", "a = 1\n编码 = 2\n");
        let places = [0, 5, 6, 12, 17].map(|at| reader.place(&(at..at))).map(|at| (at.line, at.column));
        assert_eq!(places, [(1, 1), (1, 6), (2, 1), (2, 3), (3, 1)]);
    }
}
