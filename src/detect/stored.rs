//! The search for the built-in catalogue as the build has planned it, in bytes: reading them takes a hundredth of making the plan.
//!
//! They hold the texts that the search is for as well, and are used for these only: with a user's entries, or without some of the
//! catalogue's, the search is planned at start.

use std::borrow::Cow;
use std::ops::Range;

use super::escaped::{Escaped, Part};
use super::gram::{Gram, LEN};
use super::literal::{Bytes, Literal, Sense};
use super::plan::{Around, Begin, Placed, Plan};

/// What a search is for, so that no two catalogues read alike.
pub fn texts<'a>(
    codes: impl Iterator<Item = &'a str>,
    fields: impl Iterator<Item = &'a str>,
    messages: impl Iterator<Item = &'a str>,
) -> Vec<u8> {
    let mut texts = Vec::new();
    let mut put = |kind: u8, text: &str| {
        texts.push(kind);
        texts.extend((text.len() as u32).to_le_bytes());
        texts.extend_from_slice(text.as_bytes());
    };
    codes.for_each(|code| put(b'c', code));
    fields.for_each(|field| put(b'f', field));
    messages.for_each(|message| put(b'm', message));
    texts
}

/// `None` if `bytes` are a search for other texts than these.
pub fn from_bytes(texts: &[u8], bytes: &'static [u8]) -> Option<(Plan, Escaped)> {
    let mut from = Reader(bytes);
    if *from.bytes()? != *texts {
        return None;
    }
    let plan = Plan {
        grams: from.list(|from| {
            let bytes = from.array::<LEN>()?;
            let [any_case, bucket] = from.array()?;
            Some(Placed { gram: Gram { bytes, any_case: any_case == 1 }, bucket, begins: from.range()? })
        })?,
        begins: from.list(|from| {
            let before = u16::from_le_bytes(from.array()?);
            let [is_escaped] = from.array()?;
            let mut around = Around::default();
            for set in &mut around.0 {
                *set = u64::from_le_bytes(from.array()?);
            }
            Some(Begin { before, is_escaped: is_escaped == 1, around })
        })?,
        literals: from.list(literal)?,
    };
    let escaped = Escaped {
        symbols: from.list(|from| Some(u16::from_le_bytes(from.array()?)))?,
        parts: from.list(|from| Some(Part { symbols: from.range()?, rests: from.range()? }))?,
        rests: from.list(Reader::range)?,
        texts: from.list(|from| Some(Cow::Borrowed(std::str::from_utf8(from.take_counted()?).ok()?)))?,
    };
    Some((plan, escaped))
}

/// In place of a letter of the next word, or of the one before, where there is none.
pub const NO_LETTER: u8 = 0;

fn literal(from: &mut Reader) -> Option<Literal> {
    let text = from.bytes()?;
    let sense = match from.array()? {
        [0] => Sense::Code,
        [1] => Sense::Mark,
        [2] => Sense::Behind,
        [3] => {
            let message = from.bytes()?;
            let at = from.number()? as usize;
            let [next, previous] = from.array()?.map(|letter| Some(letter).filter(|letter| *letter != NO_LETTER));
            Sense::Word { message, at, next, previous }
        }
        [4] => Sense::Part,
        [5] => Sense::Key,
        [6] => Sense::NumberKey,
        [7] => Sense::RequestId,
        _ => return None,
    };
    Some(Literal { text, sense })
}

/// What is left to read.
struct Reader(&'static [u8]);

impl Reader {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn range(&mut self) -> Option<Range<u32>> {
        Some(self.number()?..self.number()?)
    }

    fn take_counted(&mut self) -> Option<&'static [u8]> {
        let n = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(bytes)
    }

    fn bytes(&mut self) -> Option<Bytes> {
        self.take_counted().map(Cow::Borrowed)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Reader) -> Option<T>) -> Option<Vec<T>> {
        let n = self.number()? as usize;
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(read(self)?);
        }
        Some(items)
    }
}
