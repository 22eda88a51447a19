//! The plan of a search: by which gram each literal is looked for.
//!
//! The build has chosen grams for the built-in catalogue, few and rare ones, and put them into buckets so that few
//! other bytes pass (`prepare`). At start each literal takes one of them; what a user's own entries add and none of them
//! fits gets a gram of its own.

use std::collections::HashMap;
use std::ops::Range;

use super::gram::{Gram, LEN, Rarity};
use super::literal::{Alternatives, Literal, is_joint};

/// Grams are sifted together in so many buckets; see `sieve`.
pub const BUCKETS: usize = 24;
/// Buckets of their own have the grams of codes in capitals, and the beginnings of escapes; the rest share the others.
pub const JOINTS: u8 = 0;
const BACKSLASHES: u8 = 1;
const PERCENTS: u8 = 2;
const REFERENCES_AND_SHORT: u8 = 3;
pub const FIRST_SHARED: u8 = 4;

const COST_OF_SHARED: f64 = 3e-5;
const COST_OF_JOINT: f64 = 1e-6;

/// A gram that is looked for, and where the literals that have it begin.
#[derive(Debug, Clone)]
pub struct Placed {
    pub gram: Gram,
    /// `None` where it begins with a byte that is not ASCII: all of these pass the sieve.
    pub bucket: Option<u8>,
    pub around: Around,
    pub begins: Vec<Begin>,
}

/// Which ASCII characters may stand before and behind a gram; all others always may. Most occurrences of a gram by chance fail
/// here, before the automaton is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    before: u128,
    behind: u128,
}

impl Around {
    const ANYTHING: Around = Around { before: u128::MAX, behind: u128::MAX };

    fn of(literal: &Literal, gram: Gram, offset: usize) -> Around {
        let is = |byte: &u8| {
            let other = if gram.any_case { byte.to_ascii_uppercase() } else { *byte };
            let bit = |byte: u8| if byte.is_ascii() { 1 << byte } else { 0 };
            bit(byte.to_ascii_lowercase()) | bit(*byte) | bit(other)
        };
        let before = offset.checked_sub(1).and_then(|at| literal.text.get(at));
        let behind = literal.text.get(offset + LEN);
        Around {
            before: before.map_or(u128::MAX, is),
            behind: behind.map_or(if literal.is_whole() { !alphanumeric() } else { u128::MAX }, is),
        }
    }

    pub fn or(self, other: Around) -> Around {
        Around { before: self.before | other.before, behind: self.behind | other.behind }
    }

    pub fn fits(self, buffer: &[u8], gram: Range<usize>) -> bool {
        let has = |set: u128, byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii() || set >> byte & 1 == 1);
        has(self.behind, buffer.get(gram.end)) && has(self.before, buffer[..gram.start].last())
    }
}

fn alphanumeric() -> u128 {
    (0..128_u8).filter(u8::is_ascii_alphanumeric).fold(0, |set, byte| set | 1 << byte)
}

/// A literal begins so many bytes before the gram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    pub before: u16,
    pub is_escaped: bool,
}

/// A position where a literal may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub at: usize,
    pub is_escaped: bool,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub grams: Vec<Placed>,
    pub literals: Vec<Literal>,
    known: HashMap<Gram, usize>,
}

/// A way to look for one of several literals.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    pub gram: Gram,
    pub offset: usize,
    /// Of the literal among its alternatives.
    pub literal: usize,
}

/// Grams that the build has chosen.
#[derive(Debug)]
pub struct Prepared {
    pub rarity: Rarity,
    pub buckets: HashMap<Gram, u8>,
}

impl Plan {
    pub fn of(wanted: Vec<Alternatives>, prepared: &Prepared) -> Plan {
        let mut plan = Plan::default();
        let mut rest = Vec::new();
        for alternatives in wanted {
            if let [literal] = &alternatives[..]
                && literal.is_bound()
            {
                plan.take_bound(literal);
                plan.literals.extend(alternatives);
                continue;
            }
            let choices = choices(&alternatives);
            let known = choices.iter().filter(|choice| prepared.buckets.contains_key(&choice.gram));
            match rarest(known, &prepared.rarity) {
                Some(choice) => plan.take(choice, alternatives, Some(prepared.buckets[&choice.gram])),
                None => rest.push((alternatives, choices)),
            }
        }
        plan.take_rest(rest, prepared);
        plan
    }

    /// What the build has not seen: each takes the gram that serves most others for its cost.
    fn take_rest(&mut self, rest: Vec<(Alternatives, Vec<Choice>)>, prepared: &Prepared) {
        let mut uses: HashMap<Gram, u32> = HashMap::new();
        for (_, choices) in &rest {
            choices.iter().for_each(|choice| *uses.entry(choice.gram).or_default() += 1);
        }
        for (alternatives, choices) in rest {
            let known = choices.iter().filter(|choice| self.known.contains_key(&choice.gram));
            let worth = |choice: &&Choice| {
                f64::from(uses[&choice.gram]) / (prepared.rarity.probability(choice.gram) + cost(choice.gram))
            };
            let best = || choices.iter().max_by(|a, b| worth(a).total_cmp(&worth(b))).copied();
            let Some(choice) = rarest(known, &prepared.rarity).or_else(best) else { continue };
            let bucket = match self.known.get(&choice.gram) {
                Some(&at) => self.grams[at].bucket,
                None => Some(self.bucket_for(choice.gram)),
            };
            self.take(choice, alternatives, bucket);
        }
    }

    fn take(&mut self, choice: Choice, mut alternatives: Alternatives, bucket: Option<u8>) {
        let literal = alternatives.swap_remove(choice.literal);
        self.place(choice.gram, choice.offset, &literal, bucket);
        self.literals.push(literal);
    }

    fn take_bound(&mut self, literal: &Literal) {
        if literal.text.len() < LEN {
            return self.take_short(literal, literal.text.clone());
        }
        for (gram, offset) in literal.grams() {
            let bucket = match gram.bytes[0] {
                first if !first.is_ascii() => None,
                b'\\' => Some(BACKSLASHES),
                b'%' | b'2' if literal.is_escaped => Some(PERCENTS),
                _ if literal.is_escaped => Some(REFERENCES_AND_SHORT),
                _ => Some(self.bucket_for(gram)),
            };
            self.place(gram, offset, literal, bucket);
        }
    }

    /// Shorter than a gram: any bytes may follow.
    fn take_short(&mut self, literal: &Literal, text: Vec<u8>) {
        for next in 0..=u8::MAX {
            let longer = [&text[..], &[next]].concat();
            if longer.len() < LEN {
                self.take_short(literal, longer);
            } else {
                let bucket = longer[0].is_ascii().then_some(REFERENCES_AND_SHORT);
                self.place(Gram::at(&longer, true), 0, literal, bucket);
            }
        }
    }

    fn place(&mut self, gram: Gram, offset: usize, literal: &Literal, bucket: Option<u8>) {
        let around = if literal.text.len() < LEN { Around::ANYTHING } else { Around::of(literal, gram, offset) };
        let at = *self.known.entry(gram).or_insert(self.grams.len());
        if at == self.grams.len() {
            self.grams.push(Placed { gram, bucket, around, begins: Vec::new() });
        }
        let placed = &mut self.grams[at];
        placed.around = placed.around.or(around);
        let begin = Begin { before: offset as u16, is_escaped: literal.is_escaped };
        if !placed.begins.contains(&begin) {
            placed.begins.push(begin);
        }
    }

    /// The shared bucket in which it lets the fewest other bytes pass: the one that has most of its half bytes.
    fn bucket_for(&self, gram: Gram) -> u8 {
        if is_joint(&gram) {
            return JOINTS;
        }
        let added = |bucket: u8| {
            let there = self.grams.iter().filter(|placed| placed.bucket == Some(bucket));
            (0..LEN)
                .map(|at| {
                    let has = |part: fn(u8) -> u8| {
                        there.clone().any(|placed| part(placed.gram.bytes[at]) == part(gram.bytes[at]))
                    };
                    usize::from(!has(|byte| byte >> 4)) + usize::from(!has(|byte| byte & 15))
                })
                .sum::<usize>()
        };
        (FIRST_SHARED..BUCKETS as u8).min_by_key(|&bucket| added(bucket)).unwrap_or(FIRST_SHARED)
    }
}

/// All ways to look for one of `alternatives`.
pub fn choices(alternatives: &[Literal]) -> Vec<Choice> {
    let of = |(literal, text): (usize, &Literal)| {
        text.grams().into_iter().map(move |(gram, offset)| Choice { gram, offset, literal })
    };
    alternatives.iter().enumerate().flat_map(of).collect()
}

/// What it costs to look for a gram besides what it is met by chance, as a probability: the room it takes.
pub fn cost(gram: Gram) -> f64 {
    if is_joint(&gram) { COST_OF_JOINT } else { COST_OF_SHARED }
}

fn rarest<'c>(choices: impl Iterator<Item = &'c Choice>, rarity: &Rarity) -> Option<Choice> {
    choices.copied().min_by(|a, b| rarity.probability(a.gram).total_cmp(&rarity.probability(b.gram)))
}

impl Prepared {
    /// From the bytes that the build wrote: the rarity, then each gram, whether it is of any case, and its bucket. `None` if they are
    /// something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Prepared> {
        let (rarity, grams) = bytes.split_at_checked(Rarity::N_BYTES)?;
        let buckets = grams.chunks_exact(LEN + 2).map(|row| (Gram::at(row, row[LEN] == 1), row[LEN + 1])).collect();
        Some(Prepared { rarity: Rarity::from_bytes(rarity)?, buckets })
    }
}
