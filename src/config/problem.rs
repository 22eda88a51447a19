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
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a Path, text: &'a [u8]) -> Report<'a> {
        Report { file, text, problems: RefCell::default() }
    }

    pub fn add(&self, at: usize, key: impl Into<String>, fault: Fault) {
        let (line, column) = position(self.text, at);
        let Fault { message, hint } = fault;
        let file = self.file.to_owned();
        self.problems.borrow_mut().push(Problem { file, line, column, key: key.into(), message, hint });
    }

    /// The value that was read, or all that is wrong with it, in file order.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Problem>> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }
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
