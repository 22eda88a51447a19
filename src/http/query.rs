//! The parameters of a question: each is known, given once, and within its bounds, or is named in the failure.

use std::borrow::Cow;
use std::str::FromStr;

use axum::http::Uri;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::form_urlencoded;

use super::answer::Failure;
use crate::catalog::nearest;
use crate::when::{self, Edge};

const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Alternatives of one parameter.
const MAX_WORDS: usize = 50;

/// What stands behind the question mark.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads it; there may be nothing but these names.
    pub fn read(uri: &Uri, names: &[&str]) -> Result<Query, Failure> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !names.contains(&&*name) {
                let near = nearest(&name, names.iter().copied());
                let hint = near.map_or_else(|| listed(names), |near| format!("did you mean {near}?"));
                return Err(Failure::parameter(shown(&name).into_owned(), format!("unknown parameter; {hint}")));
            }
            if given.iter().any(|(known, _)| *known == name) {
                let how = "given twice; alternatives are separated by commas";
                return Err(Failure::parameter(name.into_owned(), how));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(given))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| &**value)
    }

    /// Alternatives; without any, everything is meant.
    pub fn list(&self, name: &'static str) -> Result<Vec<String>, Failure> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        let words: Vec<String> = text.split(',').map(str::trim).map(str::to_owned).collect();
        if words.len() > MAX_WORDS {
            return Err(Failure::parameter(name, format!("more than {MAX_WORDS} alternatives")));
        }
        if words.iter().any(String::is_empty) {
            return Err(Failure::parameter(name, "it is empty"));
        }
        Ok(words)
    }

    /// Alternatives out of a few words.
    pub fn words(&self, name: &'static str, known: &[&'static str]) -> Result<Vec<String>, Failure> {
        let words = self.list(name)?;
        match words.iter().find(|word| !known.contains(&word.as_str())) {
            Some(wrong) => Err(Failure::parameter(name, format!("{:?} is none of {}", shown(wrong), known.join(", ")))),
            None => Ok(words),
        }
    }

    pub fn since(&self, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let read = |text| when::parse(text, now, &TimeZone::UTC, Edge::Since);
        let read = |text| read(text).map_err(|error| Failure::parameter("since", error.to_string()));
        self.text("since").map(read).transpose()
    }

    pub fn limit(&self) -> Result<usize, Failure> {
        let Some(text) = self.text("limit") else { return Ok(LIMIT) };
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| Failure::parameter("limit", format!("not a number from 1 to {MAX_LIMIT}")))
    }

    /// Where to go on, as an earlier answer said in `next`.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, Failure> {
        let read = |text: &str| text.parse().map_err(|_| Query::no_cursor());
        self.text("cursor").map(read).transpose()
    }

    fn no_cursor() -> Failure {
        Failure::parameter("cursor", "not what an answer to this question said in next")
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "there are none here".into(),
        _ => format!("there are {}", names.join(", ")),
    }
}

/// True if nothing is asked for, or this is.
pub(super) fn among(words: &[String], word: Option<&str>) -> bool {
    words.is_empty() || word.is_some_and(|word| words.iter().any(|asked| asked == word))
}

/// What was asked for, no longer than a failure should be.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
