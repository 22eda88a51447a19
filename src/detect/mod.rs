//! Finds the places of a buffer that may hold a payment error.
//!
//! What is looked for (`literal`): the catalogue's codes, a word or a rare part of each message in every encoding, the families
//! of codes that providers reserve (`ACQ.`), the word `code` where a code-like value follows, and the marks of lines
//! that a container runtime cut in two. A candidate only says that its record is worth a look: what is a detection is
//! decided on the decoded record.
//!
//! No work per line, and none per byte but in `sieve`: it picks the few positions where one of the literals' grams may stand
//! (`gram`), `table` knows how far before each the literals begin, and the Aho-Corasick automaton, walked from there, says
//! which are there. Sieve and table decide speed and nothing else: the automaton, tried at every place, finds the same candidates.

mod anchor;
mod automaton;
mod context;
mod encode;
mod escaped;
mod gram;
mod literal;
mod plan;
#[cfg(test)]
mod prepare;
mod sieve;
#[cfg(test)]
mod store;
mod stored;
mod table;
mod value;

use automaton::Automaton;
use escaped::Escaped;
use plan::{Plan, Prepared};
use sieve::{Passed, Sieve};
use table::{Start, Table};

pub use anchor::{anchor, is_account};
pub use literal::{FAMILIES, REQUEST_ID_CODES};

/// Finds candidates.
#[derive(Debug)]
pub struct Detector {
    sieve: Sieve,
    table: Table,
    automaton: Automaton,
    escaped: Escaped,
}

impl Detector {
    /// Prepares the search for a catalogue's codes, the fields in which some codes count, and messages.
    pub fn new<'a>(
        codes: impl Iterator<Item = &'a str> + Clone,
        fields: impl Iterator<Item = &'a str> + Clone,
        messages: impl Iterator<Item = &'a str> + Clone,
    ) -> Detector {
        let texts = stored::texts(codes.clone(), fields.clone(), messages.clone());
        let (plan, escaped) = stored::from_bytes(&texts, BUILTIN).unwrap_or_else(|| planned(codes, fields, messages));
        Detector {
            sieve: Sieve::new(&plan.grams, &plan.begins),
            table: Table::new(plan.grams, plan.begins),
            automaton: Automaton::new(plan.literals),
            escaped,
        }
    }

    /// Offsets of candidates in `buffer` from the line on that begins at `start`, the first of each line. `buffer` holds whole lines;
    /// of those before, which may have the beginning of a message, the last should be among them.
    pub fn candidates<'b>(&self, buffer: &'b [u8], start: usize) -> impl Iterator<Item = usize> + use<'_, 'b> {
        // Of the block between `from` and `done`, the positions that passed; before `next` they were looked at.
        let (mut from, mut done) = (start, start);
        let (mut passed, mut next) = (Passed::default(), 0);
        // Up to here nothing is of interest any more: the line is a candidate already.
        let mut line_end = start;
        std::iter::from_fn(move || {
            loop {
                while let Some(&position) = passed.positions().get(next) {
                    next += 1;
                    let at = from + usize::from(position);
                    if at < line_end {
                        continue;
                    }
                    // Another literal may be met by chance where one with this gram would begin, in a line that is done.
                    let mut starts = self.table.starts(buffer, at).filter(|start| start.at >= line_end);
                    if let Some(hit) = starts.find(|&start| self.is_candidate(buffer, start)) {
                        line_end = memchr::memchr(b'\n', &buffer[hit.at..]).map_or(buffer.len(), |lf| hit.at + lf);
                        return Some(hit.at);
                    }
                }
                if done >= buffer.len() {
                    return None;
                }
                (next, from, done) = (0, done, self.sieve.sift(buffer, done, &mut passed));
            }
        })
    }

    /// True if a candidate begins at `at`. Slow: this is what sieve and table are tested against.
    pub fn begins_at(&self, buffer: &[u8], at: usize) -> bool {
        [false, true].into_iter().any(|is_escaped| self.is_candidate(buffer, Start { at, is_escaped }))
    }

    fn is_candidate(&self, buffer: &[u8], start: Start) -> bool {
        if start.is_escaped {
            self.escaped.is_candidate(buffer, start.at)
        } else {
            self.automaton.is_candidate(buffer, start.at)
        }
    }

    /// The byte strings that are looked for.
    pub fn literals(&self) -> impl Iterator<Item = Vec<u8>> {
        self.automaton.literals().map(<[u8]>::to_vec).chain(self.escaped.forms())
    }
}

/// The search for the built-in catalogue.
const BUILTIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/search.bin"));

/// The search for any other.
fn planned<'a>(
    codes: impl Iterator<Item = &'a str>,
    fields: impl Iterator<Item = &'a str>,
    messages: impl Iterator<Item = &'a str>,
) -> (Plan, Escaped) {
    let grams = Prepared::from_bytes(include_bytes!(concat!(env!("OUT_DIR"), "/grams.bin")));
    let grams = grams.expect("the build wrote it");
    let wanted = literal::wanted(codes, fields, messages, &grams.frequencies);
    let escaped = Escaped::new(&wanted.escaped);
    (Plan::of(wanted, &grams), escaped)
}

#[cfg(test)]
mod tests;
