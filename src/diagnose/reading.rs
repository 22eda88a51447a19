//! A record as the rules read it: its text cut into words, and what was found in one pass over them.
//!
//! Every rule asks the same words again and again; what they ask is answered here once.

use std::cell::OnceCell;
use std::ops::Range;

use smallvec::SmallVec;

use crate::provider::Provider;
use crate::record::words::{Word, Worded, value_after};

use super::keys::{self, Id};
use super::names::Names;
use super::phrases::{Phrase, Phrases, Placed};

#[derive(Debug)]
pub struct Reading<'t> {
    pub text: &'t str,
    pub record: &'t Worded<'t>,
    pub phrases: Phrases,
    pub names: Names,
    /// Fields that hold identifiers: those that are words in the order in which they stand, then those in Chinese.
    id_fields: SmallVec<[IdField; 4]>,
    /// Where its lines end, but for the last.
    line_ends: SmallVec<[usize; 4]>,
    is_about_payments: OnceCell<bool>,
}

/// A field that holds an identifier.
#[derive(Debug)]
struct IdField {
    key: Range<usize>,
    id: Id,
    /// Among the fields for this identifier.
    rank: u8,
    value: Range<usize>,
    /// The value looks like one.
    is_plausible: bool,
}

impl<'t> Reading<'t> {
    pub fn new(record: &'t Worded<'t>, phrases: Phrases) -> Reading<'t> {
        Reading {
            text: record.text,
            record,
            names: Names::new(record, &phrases),
            id_fields: id_fields(record, &phrases),
            phrases,
            line_ends: memchr::memchr_iter(b'\n', record.text.as_bytes()).collect(),
            is_about_payments: OnceCell::new(),
        }
    }

    /// The line around `at`, without its line end.
    pub fn line_around(&self, at: usize) -> Range<usize> {
        let n_above = self.line_ends.partition_point(|&end| end < at);
        let start = n_above.checked_sub(1).map_or(0, |above| self.line_ends[above] + 1);
        start..self.line_ends.get(n_above).copied().unwrap_or(self.text.len())
    }

    /// The words that are fields of one provider alone.
    pub fn owned_fields(&self) -> impl Iterator<Item = (&Word, &'static (Provider, u32))> {
        self.record.words().iter().filter_map(|word| Some((word, self.record.key(&keys::OWNERS, word)?)))
    }

    /// The fields in a part of the text that hold ids: which, its rank, and the place of its value, of which nothing behind
    /// the part counts. The part cuts no word in two.
    pub fn ids(&self, part: Range<usize>) -> impl Iterator<Item = (Id, u8, Range<usize>)> {
        let is_inside = move |field: &&IdField| part.start <= field.key.start && field.key.end <= part.end;
        self.id_fields.iter().filter(is_inside).filter_map(move |field| {
            let value = field.value.start..field.value.end.min(part.end);
            let is_plausible = match value == field.value {
                true => field.is_plausible,
                false => is_plausible(field.id, self.text.get(value.clone())?),
            };
            is_plausible.then_some((field.id, field.rank, value))
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

fn id_fields(record: &Worded<'_>, phrases: &Phrases) -> SmallVec<[IdField; 4]> {
    let text = record.text;
    let field = |key: Range<usize>, &(id, rank): &(Id, u8)| {
        let value = value_after(text, key.end).or_else(|| path_value(text, key.end))?;
        Some(IdField { key, id, rank, is_plausible: is_plausible(id, &text[value.clone()]), value })
    };
    let of_word = |word: &Word| field(word.range(), record.last_key(&keys::IDS, word)?);
    let mut fields: SmallVec<[IdField; 4]> = record.words().iter().filter_map(of_word).collect();
    let n_words = fields.len();
    let of_key = |placed: &Placed| field(placed.at..placed.at + placed.phrase.len(), keys::IDS.of_word(placed.phrase)?);
    fields.extend(phrases.of(Phrase::OrderKey).filter_map(of_key));
    fields[n_words..].sort_unstable_by_key(|field| field.key.start);
    fields
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
    if value.is_empty() || value.len() > MAX_LEN {
        return false;
    }
    let mut bytes = value.bytes();
    let is_id_byte = |b: u8| is_id_char(char::from(b));
    match id {
        Id::Amount => value.len() <= 16 && bytes.all(|b| b.is_ascii_digit() || b == b'.'),
        Id::Currency => value.len() == 3 && bytes.all(|b| b.is_ascii_alphanumeric()),
        Id::OutTradeNo => {
            value.len() >= 4
                && bytes.all(|b| is_id_byte(b) || matches!(b, b'.' | b'*' | b'@' | b'|'))
                && value.bytes().any(|b| b.is_ascii_digit())
        }
        _ => {
            bytes.all(|b| is_id_byte(b) || matches!(b, b'.' | b':' | b'@'))
                && !matches!(value, "null" | "None" | "undefined")
        }
    }
}
