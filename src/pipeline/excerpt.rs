//! What of a record's text goes into an event: all of a short one, of a longer one what surrounds the match. Masked, always.

use crate::record::words::Worded;
use crate::redact::{Redacted, Redactor};

/// Longest excerpt of an event, in bytes of UTF-8.
const MAX_EXCERPT: usize = 2048;

/// How far a cut is moved so that no word (and no number that must be masked as a whole) is cut in two.
const WORD: usize = 256;

/// The record if it is short; else the part around the match, with the record's beginning before it.
pub fn excerpt(redactor: &Redactor, record: &Worded<'_>, at: usize, ids: &[&str]) -> (Redacted, u32) {
    let text = record.text.trim_end();
    if text.len() <= MAX_EXCERPT {
        let (redacted, n_masks) = redactor.redact_worded(&record.up_to(text.len()), ids);
        return (redacted.cut(MAX_EXCERPT), n_masks);
    }
    let from = word_start(text, at.min(text.len()).saturating_sub(MAX_EXCERPT / 4));
    let to = word_end(text, (from + MAX_EXCERPT).min(text.len()));
    let head = &text[..word_end(text, from.min(MAX_EXCERPT / 4))];
    let part = if from > head.len() { format!("{head} … {}", &text[from..to]) } else { text[..to].to_owned() };
    let (redacted, n_masks) = redactor.redact(&part, ids);
    (redacted.cut(MAX_EXCERPT), n_masks)
}

fn word_start(text: &str, at: usize) -> usize {
    let from = (at.saturating_sub(WORD)..=at)
        .rev()
        .find(|&i| text.is_char_boundary(i) && text[..i].ends_with([' ', '\n', ',', '&']));
    from.unwrap_or_else(|| (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0))
}

fn word_end(text: &str, at: usize) -> usize {
    let to = (at..text.len().min(at + WORD))
        .find(|&i| text.is_char_boundary(i) && text[i..].starts_with([' ', '\n', ',', '&']));
    to.unwrap_or_else(|| (at..=text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(text.len()))
}
