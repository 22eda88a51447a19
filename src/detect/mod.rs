//! Finds the places of a buffer that may hold a payment error.
//!
//! What is looked for (`literal`): the catalogue's codes, a word or a rare part of each message in every encoding, the families
//! of codes that providers reserve (`ACQ.`), the word `code` where a code-like value follows, and the marks of lines
//! that a container runtime cut in two. A candidate only says that its record is worth a look: what is a detection is
//! decided on the decoded record.
//!
//! No work per line, and none per byte but in `sieve`: it picks the few positions where one of the literals' grams may stand
//! (`gram`), `table` knows which literals begin how far before each, and the Aho-Corasick automaton, walked from there, says
//! which are there. The sieve decides speed and nothing else: without it the same candidates are found.

mod anchor;
mod automaton;
mod encode;
mod gram;
mod literal;
mod plan;
#[cfg(test)]
mod prepare;
mod sieve;
mod table;
mod value;

use std::sync::OnceLock;

use automaton::Automaton;
use plan::{Plan, Prepared};
use sieve::{Passed, Sieve};
use table::Table;

pub use anchor::{anchor, is_account};
pub use literal::{FAMILIES, REQUEST_ID_CODES};

/// Finds candidates.
#[derive(Debug)]
pub struct Detector {
    sieve: Sieve,
    table: Table,
    automaton: Automaton,
}

impl Detector {
    /// Prepares the search for a catalogue's codes, the fields in which some codes count, and messages.
    ///
    /// # Panics
    /// If the literals need more states than an automaton can have (beyond 100 MiB of them).
    pub fn new<'a>(
        codes: impl Iterator<Item = &'a str>,
        fields: impl Iterator<Item = &'a str>,
        messages: impl Iterator<Item = &'a str> + Clone,
    ) -> Detector {
        let plan = Plan::of(literal::wanted(codes, fields, messages), prepared());
        Detector {
            sieve: Sieve::new(&plan.grams),
            table: Table::new(&plan.grams),
            automaton: Automaton::new(plan.literals),
        }
    }

    /// Offsets of candidates in `buffer`, the first of each line. `buffer` holds whole lines.
    pub fn candidates<'b>(&self, buffer: &'b [u8]) -> impl Iterator<Item = usize> + use<'_, 'b> {
        // Of the block between `from` and `done`, the positions that passed; before `next` they were looked at.
        let (mut from, mut done) = (0, 0);
        let (mut passed, mut next) = (Passed::default(), 0);
        // Up to here nothing is of interest any more: the line is a candidate already.
        let mut line_end = 0;
        std::iter::from_fn(move || {
            loop {
                while let Some(&position) = passed.positions().get(next) {
                    next += 1;
                    let at = from + usize::from(position);
                    if at < line_end {
                        continue;
                    }
                    let mut starts = self.table.starts(buffer, at);
                    if let Some(hit) = starts.find(|&start| self.automaton.is_candidate(buffer, start)) {
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

    /// The byte strings that are looked for.
    pub fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.automaton.literals()
    }
}

/// What the build has prepared for the built-in catalogue.
fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/sieve.bin"));
        Prepared::from_bytes(bytes).expect("the build wrote it")
    })
}

#[cfg(test)]
mod tests;
