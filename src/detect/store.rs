//! Writes what `stored` reads: for the build.

use std::ops::Range;

use super::escaped::{Escaped, Part};
use super::literal::{Literal, Sense};
use super::plan::{Begin, Placed, Plan};
use super::stored::NO_LETTER;

pub fn to_bytes(texts: &[u8], plan: &Plan, escaped: &Escaped) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.bytes(texts);
    out.list(&plan.grams, |out, Placed { gram, bucket, begins }| {
        out.0.extend_from_slice(&gram.bytes);
        out.0.extend([gram.any_case.into(), *bucket]);
        out.range(begins);
    });
    out.list(&plan.begins, |out, Begin { before, is_escaped, around }| {
        out.0.extend(before.to_le_bytes());
        out.0.push((*is_escaped).into());
        around.0.iter().for_each(|set| out.0.extend(set.to_le_bytes()));
    });
    out.list(&plan.literals, |out, Literal { text, sense }| {
        out.bytes(text);
        out.0.push(tag(sense));
        if let Sense::Word { message, at, next, previous } = sense {
            out.bytes(message);
            out.number(*at as u32);
            out.0.extend([next, previous].map(|letter| letter.unwrap_or(NO_LETTER)));
        }
    });
    out.list(&escaped.symbols, |out, symbol| out.0.extend(symbol.to_le_bytes()));
    out.list(&escaped.parts, |out, Part { symbols, rests }| {
        out.range(symbols);
        out.range(rests);
    });
    out.list(&escaped.rests, Writer::range);
    out.list(&escaped.texts, |out, text| out.bytes(text.as_bytes()));
    out.0
}

fn tag(sense: &Sense) -> u8 {
    match sense {
        Sense::Code => 0,
        Sense::Mark => 1,
        Sense::Behind => 2,
        Sense::Word { .. } => 3,
        Sense::Part => 4,
        Sense::Key => 5,
        Sense::NumberKey => 6,
        Sense::RequestId => 7,
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn range(&mut self, range: &Range<u32>) {
        self.number(range.start);
        self.number(range.end);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Writer, &T)) {
        self.number(items.len() as u32);
        items.iter().for_each(|item| write(self, item));
    }
}
