//! A record as the rules read it: its text cut into words, and what was found in one pass over them.
//!
//! Every rule asks the same words again and again; what they ask is answered here once.

use std::cell::OnceCell;
use std::ops::Range;

use crate::provider::Provider;
use crate::record::words::{Word, Worded, value_after};

use super::keys::{self, Id};
use super::names::Names;
use super::phrases::{ORDER_KEYS, Phrase, Phrases};

#[derive(Debug)]
pub struct Reading<'t> {
    pub text: &'t str,
    pub record: &'t Worded<'t>,
    pub phrases: Phrases,
    pub names: Names,
    /// Words that are keys of identifiers, in the order in which they stand.
    id_keys: Vec<(Word, Id, u8)>,
    is_about_payments: OnceCell<bool>,
}

impl<'t> Reading<'t> {
    pub fn new(record: &'t Worded<'t>, phrases: Phrases) -> Reading<'t> {
        let id_key = |word: &Word| record.last_key(&keys::IDS, word).map(|&(id, rank)| (*word, id, rank));
        Reading {
            text: record.text,
            record,
            phrases,
            names: Names::new(record, phrases),
            id_keys: record.words().iter().filter_map(id_key).collect(),
            is_about_payments: OnceCell::new(),
        }
    }

    /// The words that are fields of one provider alone.
    pub fn owned_fields(&self) -> impl Iterator<Item = (&Word, &'static (Provider, u32))> {
        self.record.words().iter().filter_map(|word| Some((word, self.record.key(&keys::OWNERS, word)?)))
    }

    /// The fields in a part of the text that hold ids: which, its rank, and the place of its value. The part cuts no word in
    /// two.
    pub fn ids(&self, part: Range<usize>) -> impl Iterator<Item = (Id, u8, Range<usize>)> {
        let text = &self.text[..part.end];
        let first = self.id_keys.partition_point(|(word, ..)| word.start < part.start);
        let keys = self.id_keys[first..].iter().take_while(move |(word, ..)| word.end <= part.end);
        let keys = keys.map(|&(word, id, rank)| (word.end, id, rank));
        keys.chain(self.chinese_keys(part)).filter_map(move |(end, id, rank)| {
            let value = value_after(text, end).or_else(|| path_value(text, end))?;
            is_plausible(id, &text[value.clone()]).then_some((id, rank, value))
        })
    }

    fn chinese_keys(&self, part: Range<usize>) -> impl Iterator<Item = (usize, Id, u8)> {
        let keys: &[_] = if self.phrases.has(Phrase::OrderKey) { &ORDER_KEYS } else { &[] };
        let text = &self.text[part.clone()];
        keys.iter().flat_map(move |key| {
            text.match_indices(key).filter_map(move |(at, _)| {
                let &(id, rank) = keys::IDS.of_word(key)?;
                Some((part.start + at + key.len(), id, rank))
            })
        })
    }

    /// True if the record is about a payment: it says so, or has fields that only payments have.
    pub fn is_about_payments(&self) -> bool {
        *self.is_about_payments.get_or_init(|| {
            self.phrases.has(Phrase::Payment) || self.record.words().iter().any(|word| self.is_of_payments(word))
        })
    }

    fn is_of_payments(&self, word: &Word) -> bool {
        let id = self.record.key(&keys::IDS, word);
        if id.is_some_and(|(id, _)| matches!(id, Id::OutTradeNo | Id::Merchant)) {
            return true;
        }
        if word.is_plain() {
            return self.record.key(&keys::PAYMENT, word).is_some();
        }
        let mut parts = self.text[word.range()].split(['_', '-', '.']);
        parts.any(|part| keys::PAYMENT.of_key(&crate::record::key::normal_key(part)).is_some())
    }
}

/// `/out-trade-no/SO2026…`: the next part of a path.
fn path_value(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text[end..].strip_prefix('/')?;
    let len = rest.find(|c: char| !is_id_char(c)).unwrap_or(rest.len());
    (len > 0).then_some(end + 1..end + 1 + len)
}

/// Longest identifier that any of the providers allows, with room (UnionPay's `reqReserved` aside).
const MAX_LEN: usize = 128;

pub fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_plausible(id: Id, value: &str) -> bool {
    let fits = |ok: fn(char) -> bool| !value.is_empty() && value.len() <= MAX_LEN && value.chars().all(ok);
    match id {
        Id::Amount => fits(|c| c.is_ascii_digit() || c == '.') && value.len() <= 16,
        Id::Currency => value.len() == 3 && fits(|c| c.is_ascii_alphanumeric()),
        Id::OutTradeNo => {
            fits(|c| is_id_char(c) || matches!(c, '.' | '*' | '@' | '|'))
                && value.len() >= 4
                && value.contains(|c: char| c.is_ascii_digit())
        }
        _ => fits(|c| is_id_char(c) || matches!(c, '.' | ':' | '@')) && !matches!(value, "null" | "None" | "undefined"),
    }
}
