//! Finds many literals in the text of a record at once, whatever the case of their ASCII letters.
//!
//! Looks at every second place of the text only. A literal gives the four bytes at two places in a row of its own, the
//! rarest it has, so one of the two is looked at wherever it stands; a bit says of four bytes that they are no literal's.
//! A literal of four bytes gives its last three with every byte that may follow. Still shorter ones, which a catalogue
//! seldom has, are left to an automaton.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// Every how many bytes the text is looked at, and how many bytes are looked at there.
const STRIDE: usize = 2;
const WINDOW: usize = 4;
/// Shortest literal whose places can be listed.
const MIN: usize = WINDOW;

/// Bits of the filter, as a power of two: what fits beside the text into the fastest cache.
const FILTER: u32 = 16;

#[derive(Debug)]
pub struct Finder {
    /// In lower case.
    literals: Vec<Box<[u8]>>,
    filter: Box<[u64]>,
    /// Where each window stands in which literal, in the order of their bits.
    windows: Vec<Window>,
    /// Where the windows of each word of the filter begin; and the end.
    starts: Vec<u32>,
    short: Option<AhoCorasick>,
    /// The literals that `short` knows.
    is_short: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    bytes: u32,
    literal: u32,
    offset: u32,
}

impl Finder {
    /// # Panics
    /// If the short literals are more than an automaton can hold (beyond 100 MiB of them).
    pub fn new<'l>(literals: impl Iterator<Item = &'l str>) -> Finder {
        let literals: Vec<Box<[u8]>> =
            literals.map(|literal| literal.to_ascii_lowercase().into_bytes().into()).collect();
        let mut frequencies: HashMap<u32, usize> = HashMap::new();
        let all = literals.iter().flat_map(|literal| literal.windows(WINDOW));
        all.for_each(|window| *frequencies.entry(folded(window)).or_default() += 1);
        let mut finder = Finder {
            filter: vec![0; (1 << FILTER) / 64].into_boxed_slice(),
            windows: Vec::new(),
            starts: Vec::new(),
            short: None,
            is_short: (0..literals.len()).filter(|&n| literals[n].len() < MIN).collect(),
            literals,
        };
        for (n, literal) in finder.literals.iter().enumerate().filter(|(_, literal)| literal.len() >= MIN) {
            let cost = |&at: &usize| (at..at + STRIDE).map(|at| frequencies[&folded(&literal[at..])]).sum::<usize>();
            let starts = 0..=literal.len().saturating_sub(WINDOW + STRIDE - 1);
            let start = if literal.len() > WINDOW { starts.min_by_key(cost).unwrap_or_default() } else { 0 };
            let mut list = |offset: usize, bytes: u32| {
                finder.windows.push(Window { bytes, literal: n as u32, offset: offset as u32 });
                let bit = bit(bytes);
                finder.filter[bit / 64] |= 1 << (bit % 64);
            };
            list(start, folded(&literal[start..]));
            if literal.len() > WINDOW {
                list(start + 1, folded(&literal[start + 1..]));
            } else {
                let any = (0..=u8::MAX).filter(|next| next & 0x20 != 0);
                any.for_each(|next| list(1, folded(&[literal[1], literal[2], literal[3], next])));
            }
        }
        finder.windows.sort_unstable_by_key(|window| bit(window.bytes));
        let start = |word| finder.windows.partition_point(|window| bit(window.bytes) / 64 < word) as u32;
        finder.starts = (0..=finder.filter.len()).map(start).collect();
        if !finder.is_short.is_empty() {
            let short = finder.is_short.iter().map(|&n| &finder.literals[n]);
            let automaton = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(short);
            finder.short = Some(automaton.expect("a catalogue of less than 100 MiB"));
        }
        finder
    }

    /// Tells the start and the number of each literal in `text`, in no order.
    pub fn find(&self, text: &str, mut found: impl FnMut(usize, usize)) {
        let bytes = text.as_bytes();
        let mut look = |at: usize, window: u32| {
            let bit = bit(window);
            if self.filter[bit / 64] >> (bit % 64) & 1 != 0 {
                self.confirm(bytes, at, window, &mut found);
            }
        };
        for (n, window) in bytes.windows(WINDOW).step_by(STRIDE).enumerate() {
            look(n * STRIDE, folded(window));
        }
        // Three bytes at the end may be the last of a literal.
        if let (1, Some(&[a, b, c])) = (bytes.len() % STRIDE, bytes.last_chunk()) {
            look(bytes.len() - 3, folded(&[a, b, c, 0]));
        }
        if let Some(short) = &self.short {
            short
                .find_overlapping_iter(text)
                .for_each(|hit| found(hit.start(), self.is_short[hit.pattern().as_usize()]));
        }
    }

    #[inline(never)]
    fn confirm(&self, text: &[u8], at: usize, window: u32, found: &mut impl FnMut(usize, usize)) {
        let word = bit(window) / 64;
        let known = &self.windows[self.starts[word] as usize..self.starts[word + 1] as usize];
        for known in known.iter().filter(|known| known.bytes == window) {
            let literal = &self.literals[known.literal as usize];
            let Some(start) = at.checked_sub(known.offset as usize) else { continue };
            let reads_alike =
                |part: &[u8]| part.iter().zip(literal).all(|(byte, known)| byte.to_ascii_lowercase() == *known);
            if text.get(start..start + literal.len()).is_some_and(reads_alike) {
                found(start, known.literal as usize);
            }
        }
    }
}

/// Four bytes, letters in one case; some other bytes fall together.
#[inline]
fn folded(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) | 0x2020_2020
}

#[inline]
fn bit(window: u32) -> usize {
    (window.wrapping_mul(0x9E37_79B1) >> (u32::BITS - FILTER)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn finds_what_an_automaton_finds(
            literals in proptest::collection::vec("[abA]{1,9}|[余额不足]{1,4}", 1..12),
            text in "([abAB]{0,12}|[余额不足]{0,6}){0,8}",
        ) {
            let finder = Finder::new(literals.iter().map(String::as_str));
            let mut found = Vec::new();
            finder.find(&text, |start, literal| found.push((start, literal)));
            found.sort_unstable();
            let automaton = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(&literals).unwrap();
            let mut expected: Vec<_> =
                automaton.find_overlapping_iter(&text).map(|hit| (hit.start(), hit.pattern().as_usize())).collect();
            expected.sort_unstable();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
