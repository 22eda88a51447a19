//! What is wrong with a configuration, and where.
//!
//! Reading never stops at the first fault: a [`Report`] collects them all and gives them back in file order.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// One fault. Prints as `paytriage.toml:12:3: source[0].pahts: unknown key; did you mean "paths"?`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters; a tab is one.
    pub column: usize,
    /// Path of the key at fault (`source[0].paths[1]`); empty where the text is no TOML.
    pub key: String,
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What a reader finds wrong with a value, before anyone has said where the value stands.
#[derive(Debug)]
pub(super) struct Fault {
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }

    /// Suggests the candidate that `word` is most likely a slip of, if any is near.
    pub fn nearest<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Fault {
        match nearest(word, candidates) {
            Some(near) => self.hint(format!("did you mean {near:?}?")),
            None => self,
        }
    }

    pub fn has_hint(&self) -> bool {
        self.hint.is_some()
    }
}

/// Collects the problems of one file. Places are byte offsets until here.
pub(super) struct Report<'a> {
    file: &'a Path,
    text: &'a [u8],
    /// Where the text stops being TOML: what seems to stand behind it is a guess, and not judged.
    readable_to: Option<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a Path, text: &'a [u8]) -> Report<'a> {
        Report { file, text, readable_to: None, problems: RefCell::default() }
    }

    /// Adds a problem at a byte offset.
    pub fn add(&self, at: usize, key: impl Into<String>, fault: Fault) {
        if self.readable_to.is_none_or(|end| at < end) {
            self.push(at, key.into(), fault);
        }
    }

    /// Adds a key that is missing in the table at `at`; where the text breaks off, it may well be there.
    pub fn add_missing(&self, at: usize, key: String, hint: &str) {
        if self.readable_to.is_none() {
            self.push(at, key, Fault::new("missing").hint(hint));
        }
    }

    /// Adds what the parser found wrong. A key that is there twice is no obstacle to judging the rest.
    pub fn add_syntax(&mut self, errors: &[toml::de::Error]) {
        let (repeated, broken): (Vec<_>, Vec<_>) = errors.iter().partition(|error| error.message() == "duplicate key");
        for error in repeated {
            let name = error.span().and_then(|span| self.text.get(span)).unwrap_or_default();
            self.push(start(error), String::from_utf8_lossy(name).into(), Fault::new("the key is there twice"));
        }
        self.add_broken(&broken);
        let first = broken.into_iter().map(start).min();
        self.readable_to = first.map(|at| memchr::memrchr(b'\n', &self.text[..at]).map_or(0, |newline| newline + 1));
    }

    /// One slip on a line often makes the parser find several, and an open bracket makes it misread all that
    /// follows: only the first of them is told.
    fn add_broken(&self, errors: &[&toml::de::Error]) {
        let is_open = |error: &&toml::de::Error| {
            ["unclosed array", "unclosed inline table"].iter().any(|open| error.message().starts_with(open))
        };
        let open_bracket = errors.iter().any(is_open);
        let mut told = 0;
        for error in errors {
            let (line, _) = position(self.text, start(error));
            if told == line || (told > 0 && open_bracket) {
                continue;
            }
            told = line;
            let fault = Fault::new(format!("not valid TOML: {}", error.message()));
            let hint = "is a bracket left open here or above?";
            self.push(start(error), String::new(), if open_bracket { fault.hint(hint) } else { fault });
        }
    }

    fn push(&self, at: usize, key: String, fault: Fault) {
        let (line, column) = position(self.text, at);
        let Fault { message, hint } = fault;
        let file = self.file.to_owned();
        self.problems.borrow_mut().push(Problem { file, line, column, key, message, hint });
    }

    /// The value that was read, or all that is wrong with it, in file order.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Problem>> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }
}

fn start(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// 1-based line and column (in characters) of a byte offset. Bytes that are no UTF-8 count like `�`.
fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (line, column)
}

/// The candidate within one slip per four characters (at most two in all) of `word`, case aside.
fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 4).clamp(1, 2);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_the_last_newline() {
        let text = "a\r\n\t支付 = x".as_bytes();
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 3), (2, 1));
        assert_eq!(position(text, text.len() - 1), (2, 7));
        assert_eq!(position(text, text.len() + 9), (2, 8));
        assert_eq!(position(b"ab\n\xff\xffc", 5), (2, 3));
    }

    #[test]
    fn only_slips_are_taken_for_a_word() {
        let keys = ["paths", "name", "lang", "exclude"];
        for (slip, meant) in
            [("pahts", Some("paths")), ("path", Some("paths")), ("Lang", Some("lang")), ("excludes", Some("exclude"))]
        {
            assert_eq!(nearest(slip, keys), meant, "{slip}");
        }
        for other in ["log", "colour", "", "nm"] {
            assert_eq!(nearest(other, keys), None, "{other}");
        }
    }
}
