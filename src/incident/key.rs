//! What makes events one incident: the entry (and the code, where no entry knows it), the source, and the labels chosen in
//! `incident.group_by`; of what paytriage says of itself, all labels: one sink is not another.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::own;
use crate::event::{Event, Kind};
use crate::provider::Provider;

/// Writes the group of `event` into `out`. Parts are preceded by their length, so that no two groups read the same.
pub(super) fn write(event: &Event, group_by: &[String], out: &mut String) {
    out.clear();
    let mut part = |text: &str| {
        // Writing to a string does not fail.
        let _ = write!(out, "{}:{text}", text.len());
    };
    part(&event.entry.id.0);
    part(if event.kind == Kind::UnknownCode { &event.code } else { "" });
    part(&event.origin.name);
    if own::is_own(event.provider.as_ref().map(Provider::as_str)) {
        event.origin.labels.iter().for_each(|(label, value)| [label, value].into_iter().for_each(|text| part(text)));
        return;
    }
    for label in group_by {
        part(label);
        part(event.origin.labels.get(label).map_or("", String::as_str));
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
    }

    #[test]
    fn codes_that_nobody_knows_are_groups_of_their_own() {
        let mut event = samples::full();
        event.kind = Kind::UnknownCode;
        let mut other = event.clone();
        other.code = "OTHER".into();
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
