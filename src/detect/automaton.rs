//! The automaton: which literals begin at a position.
//!
//! It is walked from positions that the sieve has picked, and only as far as some literal goes.

use std::collections::BTreeSet;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::{Builder, NFA};
use aho_corasick::{Anchored, MatchKind};

use super::literal::{Literal, Occurrence};

/// Literals, and their automaton: its patterns are their texts in lower case, each once.
#[derive(Debug)]
pub struct Automaton {
    nfa: NFA,
    literals: Vec<Literal>,
    /// Where in `literals`, which are sorted, those of each pattern end.
    ends: Vec<usize>,
}

impl Automaton {
    /// Of literals in the order of their texts in lower case, as a plan has them.
    ///
    /// # Panics
    /// If they need more states than an automaton can have (beyond 100 MiB of them).
    pub fn new(literals: Vec<Literal>) -> Automaton {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut ends = Vec::new();
        for (at, literal) in literals.iter().enumerate() {
            let text = literal.text.to_ascii_lowercase();
            if patterns.last() != Some(&text) {
                patterns.push(text);
                ends.push(at);
            }
            *ends.last_mut().expect("one was pushed with the first pattern") = at + 1;
        }
        let nfa = Builder::new()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(&patterns)
            .expect("a catalogue of less than 100 MiB");
        Automaton { nfa, literals, ends }
    }

    /// True if a literal begins at `start` and has around it what makes it a candidate.
    pub fn is_candidate(&self, buffer: &[u8], start: usize) -> bool {
        let Ok(mut state) = self.nfa.start_state(Anchored::Yes) else { return false };
        for (end, byte) in (start + 1..).zip(&buffer[start..]) {
            state = self.nfa.next_state(Anchored::Yes, state, byte.to_ascii_lowercase());
            if self.nfa.is_dead(state) {
                return false;
            }
            if self.nfa.is_match(state) && self.is_confirmed(state, buffer, start, end) {
                return true;
            }
        }
        false
    }

    /// Each once.
    pub fn literals(&self) -> impl Iterator<Item = &[u8]> {
        let texts: BTreeSet<&[u8]> = self.literals.iter().map(|literal| &literal.text[..]).collect();
        texts.into_iter()
    }

    /// Of the patterns that end at `end`, those count that begin at `start`.
    fn is_confirmed(&self, state: aho_corasick::automaton::StateID, buffer: &[u8], start: usize, end: usize) -> bool {
        let occurrence = Occurrence::new(buffer, start, end);
        (0..self.nfa.match_len(state)).map(|at| self.nfa.match_pattern(state, at)).any(|pattern| {
            let first = pattern.as_usize().checked_sub(1).map_or(0, |before| self.ends[before]);
            let same = &self.literals[first..self.ends[pattern.as_usize()]];
            self.nfa.pattern_len(pattern) == end - start && same.iter().any(|literal| literal.is_confirmed(&occurrence))
        })
    }
}
