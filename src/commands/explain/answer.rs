//! What a text means: a code, a message, part of one, or a whole log line.

use std::sync::Arc;

use crate::catalog::{Catalog, Entry, Lang};
use crate::diagnose::{Diagnoser, Hints, Occurrence, Providers};
use crate::record::words::Worded;
use crate::record::{Charset, Text};

/// What is known of a text.
#[derive(Debug)]
pub enum Answer {
    /// It is the code, id or message of these entries.
    Known(Vec<Arc<Entry>>),
    /// It is a log line (or several), in which these stand.
    Line(Vec<Occurrence>),
    /// It is part of the messages or titles of these entries.
    Partial(Vec<Arc<Entry>>),
    /// Nothing is known of it; these are near.
    Unknown(Vec<String>),
}

/// Shortest part of a message that is looked for, in characters.
const MIN_PART: usize = 2;
/// How like a code must be to be suggested (Jaro-Winkler), and how many are.
const ALIKE: f64 = 0.86;
const MAX_NEAR: usize = 3;
/// Entries that a part of a message may stand for.
const MAX_PARTIAL: usize = 5;

pub fn answer(text: &str, catalog: &Catalog, diagnoser: &Diagnoser) -> Answer {
    let asked = text.trim().trim_matches(['"', '\'', '(', ')', '“', '”', '（', '）', '[', ']', '`']).trim();
    let known = bearing(asked, catalog);
    if !known.is_empty() {
        return Answer::Known(known);
    }
    let decoded = Text::decode(text.as_bytes(), Charset::Auto);
    let words = Worded::new(&decoded.text);
    let hints = Hints { provider: None, of_path: Providers::default() };
    let occurrences = diagnoser.examine(&words, hints);
    match &occurrences[..] {
        [] => {}
        [only] if decoded.text[only.range.clone()].trim().len() == asked.len() => {
            return Answer::Known(vec![only.entry.clone()]);
        }
        _ => return Answer::Line(occurrences),
    }
    let partial = containing(asked, catalog);
    if partial.is_empty() { Answer::Unknown(near(asked, catalog)) } else { Answer::Partial(partial) }
}

/// The entries that have `name` as id or code; capitals matter only where that decides.
fn bearing(name: &str, catalog: &Catalog) -> Vec<Arc<Entry>> {
    let names = |entry: &Entry| -> Vec<String> {
        let codes = entry.codes.iter().map(|code| code.text.clone());
        codes.chain(entry.message_code.clone()).chain([entry.id.0.to_string()]).collect()
    };
    let found = |same: &dyn Fn(&str) -> bool| -> Vec<Arc<Entry>> {
        catalog
            .entries()
            .iter()
            .chain(catalog.own())
            .filter(|entry| names(entry).iter().any(|n| same(n)))
            .cloned()
            .collect()
    };
    let exact = found(&|n| n == name);
    if exact.is_empty() { found(&|n| n.eq_ignore_ascii_case(name)) } else { exact }
}

fn containing(part: &str, catalog: &Catalog) -> Vec<Arc<Entry>> {
    let part = folded(part);
    if part.chars().count() < MIN_PART || part.is_ascii() && part.len() < MIN_PART * 2 {
        return Vec::new();
    }
    let texts = |entry: &Entry| {
        let titles = [Lang::En, Lang::Zh].map(|lang| folded(entry.title.get(lang)));
        entry.messages.iter().map(|m| folded(&m.text)).chain(titles).any(|text| text.contains(&part))
    };
    catalog.entries().iter().filter(|entry| texts(entry)).take(MAX_PARTIAL).cloned().collect()
}

/// Lower case, single blanks.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn near(asked: &str, catalog: &Catalog) -> Vec<String> {
    let wanted = asked.to_lowercase();
    let codes = catalog.entries().iter().flat_map(|entry| entry.codes.iter().map(|code| code.text.clone()));
    let messages = catalog.entries().iter().flat_map(|entry| entry.messages.iter().map(|message| message.text.clone()));
    let mut alike: Vec<(f64, String)> = codes
        .chain(messages)
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    alike.dedup_by(|one, other| one.1 == other.1);
    alike.into_iter().take(MAX_NEAR).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> (&'static str, Vec<String>) {
        let catalog = Arc::new(Catalog::builtin());
        let diagnoser = Diagnoser::new(catalog.clone());
        let names = |entries: Vec<Arc<Entry>>| entries.iter().map(|e| e.id.0.to_string()).collect();
        match answer(text, &catalog, &diagnoser) {
            Answer::Known(entries) => ("known", names(entries)),
            Answer::Line(occurrences) => ("line", occurrences.iter().map(|o| o.entry.id.0.to_string()).collect()),
            Answer::Partial(entries) => ("partial", names(entries)),
            Answer::Unknown(near) => ("unknown", near),
        }
    }

    #[test]
    fn codes_and_messages_in_any_dress() {
        for text in ["ISSUER_DECLINED", "issuer_declined", "(C6-1011)", "C6-1011", "issuer-declined"] {
            assert_eq!(ids(text), ("known", vec!["issuer-declined".to_owned()]), "{text}");
        }
        for text in ["Unsupported Card for This Service", "\"unsupported card  for this service\""] {
            assert_eq!(ids(text), ("known", vec!["unsupported-card".to_owned()]), "{text}");
        }
    }

    #[test]
    fn lines_parts_and_misspellings() {
        let line = "2026-11-23 01:41:47 ERROR kiosk: card payment declined: ISSUER_DECLINED order=shop7-2828466648";
        assert_eq!(ids(line), ("line", vec!["issuer-declined".to_owned()]));
        assert_eq!(ids("Unsupported Card"), ("partial", vec!["unsupported-card".to_owned()]));
        assert_eq!(ids("ISUER_DECLINED"), ("unknown", vec!["ISSUER_DECLINED".to_owned()]));
        assert_eq!(ids("qqqqqq"), ("unknown", vec![]));
    }
}
