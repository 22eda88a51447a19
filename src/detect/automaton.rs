//! The automaton: which literals begin at a position.
//!
//! It is walked from positions that the sieve has picked, and only as far as some literal goes. There is one for each byte that
//! literals begin with, built when it is first asked: most logs need few of them, and a small one stays in the cache.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::{Builder, NFA};
use aho_corasick::{Anchored, MatchKind};

use super::literal::{Literal, Occurrence};

/// Literals, and their automaton in parts.
#[derive(Debug)]
pub struct Automaton {
    /// Sorted by their texts in lower case.
    literals: Vec<Literal>,
    /// By the byte that they begin with, in lower case.
    parts: Vec<Part>,
}

/// Of the literals that begin with one byte.
#[derive(Debug, Default)]
struct Part {
    range: Range<usize>,
    built: OnceLock<Built>,
}

/// The patterns are the texts of the literals in lower case, each once.
#[derive(Debug)]
struct Built {
    nfa: NFA,
    /// Where in the literals those of each pattern end.
    ends: Vec<usize>,
}

impl Automaton {
    /// Of literals in the order of their texts in lower case, as a plan has them.
    pub fn new(literals: Vec<Literal>) -> Automaton {
        let mut parts: Vec<Part> = (0..=u8::MAX).map(|_| Part::default()).collect();
        let mut from = 0;
        for same in literals.chunk_by(|one, other| first(one) == first(other)) {
            let range = from..from + same.len();
            from = range.end;
            if let Some(first) = first(&same[0]) {
                parts[usize::from(first)].range = range;
            }
        }
        Automaton { literals, parts }
    }

    /// True if a literal begins at `start` and has around it what makes it a candidate.
    ///
    /// # Panics
    /// If those that begin with one byte need more states than an automaton can have (beyond 100 MiB of them).
    pub fn is_candidate(&self, buffer: &[u8], start: usize) -> bool {
        let Some(first) = buffer.get(start).map(u8::to_ascii_lowercase) else { return false };
        let part = &self.parts[usize::from(first)];
        if part.range.is_empty() {
            return false;
        }
        let Built { nfa, ends } = part.built.get_or_init(|| Built::new(&self.literals, part.range.clone()));
        let Ok(mut state) = nfa.start_state(Anchored::Yes) else { return false };
        for (end, byte) in (start + 1..).zip(&buffer[start..]) {
            state = nfa.next_state(Anchored::Yes, state, byte.to_ascii_lowercase());
            if nfa.is_dead(state) {
                return false;
            }
            if !nfa.is_match(state) {
                continue;
            }
            // Of the patterns that end here, those count that begin at `start`.
            let patterns = (0..nfa.match_len(state)).map(|at| nfa.match_pattern(state, at));
            let mut whole = patterns.filter(|pattern| nfa.pattern_len(*pattern) == end - start);
            let occurrence = Occurrence::new(buffer, start, end);
            if whole.any(|pattern| {
                let first = pattern.as_usize().checked_sub(1).map_or(part.range.start, |before| ends[before]);
                let same = &self.literals[first..ends[pattern.as_usize()]];
                same.iter().any(|literal| literal.is_confirmed(&occurrence))
            }) {
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
}

impl Built {
    fn new(literals: &[Literal], range: Range<usize>) -> Built {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut ends = Vec::new();
        for at in range {
            let text = literals[at].text.to_ascii_lowercase();
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
        Built { nfa, ends }
    }
}

fn first(literal: &Literal) -> Option<u8> {
    literal.text.first().map(u8::to_ascii_lowercase)
}
