//! What makes events one incident: the entry (and the code, where no entry knows it), the source, and the labels chosen in
//! `incident.group_by`; of what paytriage says of itself, all labels: one sink is not another.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::group::About;
use super::own;
use crate::event::{Event, Kind};
use crate::provider::Provider;

/// Writes the group of `event` into `out`. Parts are preceded by their length, so that no two groups read the same.
pub(super) fn write(event: &Event, group_by: &[String], out: &mut String) {
    let code = if event.kind == Kind::UnknownCode { &*event.code } else { "" };
    let is_own = own::is_own(event.provider.as_ref().map(Provider::as_str));
    let labels = Labels { all: &event.origin.labels, chosen: (!is_own).then_some(group_by) };
    write_parts([&event.entry.id.0, code, &event.origin.name], &labels, out);
}

/// The group of events that have this in common.
pub(super) fn of(about: &About, group_by: &[String]) -> String {
    let code = if about.kind == Kind::UnknownCode.as_str() { &*about.code } else { "" };
    let is_own = own::is_own(about.provider.as_deref());
    let labels = Labels { all: &about.labels, chosen: (!is_own).then_some(group_by) };
    let mut key = String::new();
    write_parts([&about.entry, code, &about.source], &labels, &mut key);
    key
}

struct Labels<'a> {
    all: &'a BTreeMap<String, String>,
    /// `None`: all of them.
    chosen: Option<&'a [String]>,
}

fn write_parts(parts: [&str; 3], labels: &Labels<'_>, out: &mut String) {
    out.clear();
    let mut part = |text: &str| {
        // Writing to a string does not fail.
        let _ = write!(out, "{}:{text}", text.len());
    };
    parts.into_iter().for_each(&mut part);
    match labels.chosen {
        None => labels.all.iter().for_each(|(label, value)| [label, value].into_iter().for_each(|text| part(text))),
        Some(chosen) => {
            for label in chosen {
                part(label);
                part(labels.all.get(label).map_or("", String::as_str));
            }
        }
    }
}

/// 16 bytes that name the parts; the same in every process.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::samples;

    fn key(event: &Event, group_by: &[&str]) -> String {
        let group_by: Vec<String> = group_by.iter().map(|label| label.to_string()).collect();
        let mut key = String::new();
        write(event, &group_by, &mut key);
        key
    }

    #[test]
    fn entry_source_and_chosen_labels_keep_groups_apart_and_nothing_else() {
        let event = samples::full();
        let mut other = event.clone();
        other.code = "C6-1011".into();
        other.ids = Default::default();
        Arc::make_mut(&mut other.origin).labels.insert("env".into(), "test".into());
        assert_eq!(key(&event, &[]), key(&other, &[]));
        assert_ne!(key(&event, &["env"]), key(&other, &["env"]));
        for group_by in [vec![], vec!["env".to_owned()]] {
            let names: Vec<&str> = group_by.iter().map(String::as_str).collect();
            assert_eq!(of(&About::of(&other), &group_by), key(&other, &names), "a group has the key of its events");
        }
        Arc::make_mut(&mut other.origin).name = "kiosk".into();
        assert_ne!(key(&event, &[]), key(&other, &[]));
    }

    #[test]
    fn what_paytriage_says_of_two_sinks_are_two_groups() {
        let mut event = samples::full();
        event.provider = Some(Provider::Custom(crate::notice::PROVIDER.into()));
        let mut other = event.clone();
        Arc::make_mut(&mut other.origin).labels.insert(crate::notice::SINK.into(), "oncall".into());
        assert_ne!(key(&event, &[]), key(&other, &[]));
        assert_eq!(of(&About::of(&other), &[]), key(&other, &[]));
    }

    #[test]
    fn codes_that_nobody_knows_are_groups_of_their_own() {
        let mut event = samples::full();
        event.kind = Kind::UnknownCode;
        let mut other = event.clone();
        other.code = "OTHER".into();
        assert_eq!(of(&About::of(&other), &[]), key(&other, &[]));
        assert_ne!(key(&event, &[]), key(&other, &[]));
    }

    #[test]
    fn no_text_reads_as_two_parts() {
        let mut event = samples::full();
        let labels = |a: &str, b: &str| [("a".to_owned(), a.to_owned()), ("b".to_owned(), b.to_owned())].into();
        Arc::make_mut(&mut event.origin).labels = labels("x1:b1:y", "");
        let mut other = event.clone();
        Arc::make_mut(&mut other.origin).labels = labels("x", "y");
        assert_ne!(key(&event, &["a", "b"]), key(&other, &["a", "b"]));
    }
}
