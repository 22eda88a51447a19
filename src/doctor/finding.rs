//! What the doctor says: one finding each, with an id that programs can rely on, and what mends it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::source::selection::visible;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Good to know.
    Note,
    /// Works, and may not do what is meant.
    Warning,
    /// Something that is configured does not work.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Stable: programs go by it.
    pub id: &'static str,
    pub level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// With nothing in it that could act on a terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub text: String,
    /// The best first; any one of them is enough, unless they say otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFacts>,
}

/// A command to run, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    pub command: String,
    pub why: String,
}

/// What is known of one log file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileFacts {
    pub bytes: u64,
    pub written: Timestamp,
    /// As its last part is written; `ascii` fits all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Rate>,
    /// In its last part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_match: Option<LastMatch>,
    /// Bytes that were read and accounted for, as the state knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<u64>,
}

/// How many lines are written, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    pub per_minute: f64,
    pub by: RateBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateBy {
    /// The times in the lines of its last part.
    Times,
    /// Its size, the length of its last lines, and how long it was written to: an average.
    Age,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastMatch {
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

impl Remedy {
    pub fn new(command: impl Into<String>, why: impl Into<String>) -> Remedy {
        Remedy { command: command.into(), why: why.into() }
    }
}

impl Finding {
    fn new(id: &'static str, level: Level, text: impl Into<String>) -> Finding {
        let text = text.into();
        Finding { id, level, source: None, sink: None, path: None, text, remedies: Vec::new(), file: None }
    }

    pub fn ok(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Level::Ok, text)
    }

    pub fn note(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Level::Note, text)
    }

    pub fn warning(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Level::Warning, text)
    }

    pub fn fault(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Level::Fault, text)
    }

    pub fn source(self, name: &str) -> Finding {
        Finding { source: Some(name.to_owned()), ..self }
    }

    pub fn sink(self, name: &str) -> Finding {
        Finding { sink: Some(name.to_owned()), ..self }
    }

    pub fn path(self, path: &Path) -> Finding {
        Finding { path: Some(visible(path)), ..self }
    }

    pub fn file(self, facts: FileFacts) -> Finding {
        Finding { file: Some(facts), ..self }
    }

    pub fn remedy(mut self, command: impl Into<String>, why: impl Into<String>) -> Finding {
        self.remedies.push(Remedy::new(command, why));
        self
    }

    pub fn remedies(mut self, remedies: impl IntoIterator<Item = Remedy>) -> Finding {
        self.remedies.extend(remedies);
        self
    }

    /// What it is about, before the text: `shop: /var/log/shop/app.log`.
    pub fn about(&self) -> String {
        let name = self.source.as_ref().or(self.sink.as_ref());
        let parts: Vec<&str> = name.map(String::as_str).into_iter().chain(self.path.as_deref()).collect();
        parts.join(": ")
    }
}

/// How many of them are faults.
pub fn faults(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.level == Level::Fault).count()
}

/// Of warnings and faults of one kind about one thing the first few, then how many more there are.
pub(super) fn bounded(findings: Vec<Finding>, at_most: usize) -> Vec<Finding> {
    type Kind = (&'static str, Level, Option<String>, Option<String>);
    let kind =
        |finding: &Finding| -> Kind { (finding.id, finding.level, finding.source.clone(), finding.sink.clone()) };
    let mut seen: HashMap<Kind, usize> = HashMap::new();
    let (mut kept, mut over): (Vec<Finding>, Vec<Kind>) = (Vec::new(), Vec::new());
    for finding in findings {
        let kind = kind(&finding);
        let count = seen.entry(kind.clone()).or_default();
        *count += 1;
        if *count <= at_most || finding.level < Level::Warning {
            kept.push(finding);
        } else if *count == at_most + 1 {
            over.push(kind);
        }
    }
    for over in over {
        let last = kept.iter().rposition(|finding| kind(finding) == over);
        let more = seen.get(&over).map_or(0, |count| count - at_most);
        let (id, level, source, sink) = over;
        let told = Finding::new(id, level, format!("and {more} more of this kind"));
        let told =
            Finding { source, sink, ..told }.remedy("paytriage doctor", "names the next ones when these are mended");
        kept.insert(last.map_or(kept.len(), |last| last + 1), told);
    }
    kept
}

/// `5 min`, from the one to the other; nothing lies before.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The directory that a path is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_counted() {
        let findings = (0..12).map(|n| Finding::fault("file.unreadable", n.to_string()).source("shop"));
        let findings = findings.chain([Finding::ok("clock.ok", "fine")]).collect();
        let texts: Vec<_> = bounded(findings, 2).into_iter().map(|finding| finding.text).collect();
        assert_eq!(texts, ["0", "1", "and 10 more of this kind", "fine"]);
    }

    #[test]
    fn times_are_made_for_reading() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let texts = [-5, 119, 120, 7200, 172_800].map(|seconds| since(at(0), at(seconds)));
        assert_eq!(texts, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }

    #[test]
    fn what_it_is_about_stands_first() {
        let finding = Finding::fault("x", "y").source("shop").path(Path::new("/a\n/b"));
        assert_eq!(finding.about(), "shop: /a\\n/b");
    }
}
