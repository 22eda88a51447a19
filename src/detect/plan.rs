//! The plan of a search: by which gram each literal is looked for.
//!
//! The build has chosen grams for the built-in catalogue, few and rare ones, and put them into buckets so that few
//! other bytes pass (`prepare`). At start each literal takes one of them; what a user's own entries add and none of them
//! fits gets a gram of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::anchor::Frequencies;
use super::encode;
use super::escaped::gram_in;
use super::gram::{Gram, Key, LEN, Rarity};
use super::literal::{Alternatives, Literal, Wanted, is_joint};

/// Grams are sifted together in so many buckets; see `sieve`. The last of them have the grams that begin with a byte that is not
/// ASCII.
pub const BUCKETS: usize = 24;
/// Buckets of their own have the grams of codes in capitals, and those of escapes; the rest share the others.
pub const JOINTS: u8 = 0;
const BACKSLASHES: u8 = 1;
const PERCENTS: u8 = 2;
const OTHER_ESCAPES: u8 = 3;
pub const SHARED: Range<u8> = 4..FOREIGN.start;
pub const FOREIGN: Range<u8> = 16..BUCKETS as u8;

const COST_OF_SHARED: f64 = 4e-4;
const COST_OF_JOINT: f64 = 1e-6;

/// A gram that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub gram: Gram,
    pub bucket: u8,
    /// Where in [`Plan::begins`] is where the literals that have it begin. Grams that share a key share these.
    pub begins: Range<u32>,
}

/// Literals begin so many bytes before the gram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    pub before: u16,
    pub is_escaped: bool,
    pub around: Around,
}

/// Which bytes, by their classes, may stand at some places around a gram. Most occurrences of a gram by chance fail here, before
/// the automaton is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Around(pub [u64; N_PLACES]);

const N_PLACES: usize = 4;
/// The places, counted from where the gram begins: on both sides, and for escapes where the digits of the next one are.
const BESIDE: [isize; N_PLACES] = [-1, LEN as isize, -2, LEN as isize + 1];
const BEHIND: [isize; N_PLACES] = [4, 9, 10, 6];

/// 64 classes of bytes: letters in either case and digits have one each, all others share the rest.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut b = 0;
    while b < 256 {
        classes[b] = match b as u8 {
            letter @ (b'a'..=b'z' | b'A'..=b'Z') => letter.to_ascii_lowercase() - b'a',
            digit @ b'0'..=b'9' => digit - b'0' + FIRST_DIGIT,
            other => other % (64 - FIRST_OTHER) + FIRST_OTHER,
        };
        b += 1;
    }
    classes
};
const FIRST_DIGIT: u8 = 26;
const FIRST_OTHER: u8 = 36;
const NOT_ALPHANUMERIC: u64 = u64::MAX << FIRST_OTHER;

impl Around {
    /// What stands around the gram at `offset` in a text, behind which no letter or digit may stand if it is whole.
    fn of(text: &[u8], offset: usize, places: [isize; N_PLACES], is_whole: bool) -> Around {
        let set = |at: usize| match text.get(at) {
            Some(&byte) => 1 << class(byte),
            None if at == text.len() && is_whole => NOT_ALPHANUMERIC,
            None => u64::MAX,
        };
        Around(places.map(|place| offset.checked_add_signed(place).map_or(u64::MAX, set)))
    }

    fn or(self, other: Around) -> Around {
        Around(std::array::from_fn(|place| self.0[place] | other.0[place]))
    }
}

/// The class of a byte, below 64.
#[inline]
pub fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

impl Begin {
    /// The classes of bytes that may stand right before and right behind the gram.
    pub fn beside(&self) -> [u64; 2] {
        let at = |wanted: isize| {
            let place = self.places().iter().position(|&place| place == wanted);
            place.map_or(u64::MAX, |place| self.around.0[place])
        };
        [at(-1), at(LEN as isize)]
    }

    fn places(&self) -> [isize; N_PLACES] {
        if self.is_escaped { BEHIND } else { BESIDE }
    }

    /// True if what stands around the gram at `at` fits, or is not in the buffer.
    pub fn fits(&self, buffer: &[u8], at: usize) -> bool {
        self.around.0.iter().zip(self.places()).all(|(set, place)| {
            let byte = at.checked_add_signed(place).and_then(|at| buffer.get(at));
            byte.is_none_or(|&byte| set >> class(byte) & 1 == 1)
        })
    }
}

/// What is looked for, and how. All of it is in a few lists, so that a start need not put it together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub grams: Vec<Placed>,
    pub begins: Vec<Begin>,
    /// In the order of their texts in lower case.
    pub literals: Vec<Literal>,
}

/// A plan while it is made.
#[derive(Debug, Default)]
struct Planner {
    grams: Vec<(Gram, u8)>,
    begins: HashMap<Key, Vec<Begin>>,
    literals: Vec<Literal>,
    known: HashMap<Gram, usize>,
    /// Which half bytes the grams of each bucket have at each place, as [`halves`] gives them.
    halves: [[u32; LEN]; BUCKETS],
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
    pub frequencies: Frequencies,
    pub buckets: HashMap<Gram, u8>,
}

impl Plan {
    pub fn of(wanted: Wanted<'_>, prepared: &Prepared) -> Plan {
        let mut planner = Planner::default();
        for (part, _) in &wanted.escaped {
            encode::escaped(part).iter().for_each(|form| planner.take_form(form));
        }
        let mut rest = Vec::new();
        for alternatives in wanted.literals {
            if let [literal] = &alternatives[..]
                && literal.is_short()
            {
                planner.take_short(literal);
                planner.literals.extend(alternatives);
                continue;
            }
            let choices = choices(&alternatives);
            let known = choices.iter().filter(|choice| prepared.buckets.contains_key(&choice.gram));
            match rarest(known, &prepared.rarity) {
                Some(choice) => planner.take(choice, alternatives, prepared.buckets[&choice.gram]),
                None => rest.push((alternatives, choices)),
            }
        }
        planner.take_rest(rest, prepared);
        planner.finish()
    }
}

impl Planner {
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
                Some(&at) => self.grams[at].1,
                None => self.bucket_for(choice.gram),
            };
            self.take(choice, alternatives, bucket);
        }
    }

    fn take(&mut self, choice: Choice, mut alternatives: Alternatives, bucket: u8) {
        let literal = alternatives.swap_remove(choice.literal);
        self.place(choice.gram, choice.offset, &literal, bucket);
        self.literals.push(literal);
    }

    /// A part of a message in escapes.
    fn take_form(&mut self, form: &[u8]) {
        let Some(last) = form.len().checked_sub(LEN) else { return };
        let offset = gram_in(form).min(last);
        let gram = Gram::at(&form[offset..], true);
        let bucket = match gram.bytes {
            [b'\\' | b'u', ..] => BACKSLASHES,
            [_, b'%', ..] => PERCENTS,
            _ => OTHER_ESCAPES,
        };
        let around = Around::of(form, offset, BEHIND, false);
        self.add(gram, bucket, Begin { before: offset as u16, is_escaped: true, around });
    }

    /// Shorter than a gram: any bytes may follow.
    fn take_short(&mut self, literal: &Literal) {
        let mut texts = vec![literal.text.to_vec()];
        for _ in literal.text.len()..LEN {
            texts = texts.iter().flat_map(|text| (0..=u8::MAX).map(|next| [&text[..], &[next]].concat())).collect();
        }
        for text in texts {
            let bucket = if text[0].is_ascii() { OTHER_ESCAPES } else { FOREIGN.start };
            self.place(Gram::at(&text, true), 0, literal, bucket);
        }
    }

    /// Looks for `literal` by `gram`.
    fn place(&mut self, gram: Gram, offset: usize, literal: &Literal, bucket: u8) {
        let around = Around::of(&literal.text, offset, BESIDE, literal.is_whole());
        self.add(gram, bucket, Begin { before: offset as u16, is_escaped: false, around });
    }

    fn add(&mut self, gram: Gram, bucket: u8, new: Begin) {
        if let Entry::Vacant(vacant) = self.known.entry(gram) {
            vacant.insert(self.grams.len());
            self.grams.push((gram, bucket));
            let sets = &mut self.halves[usize::from(bucket)];
            sets.iter_mut().zip(halves(gram)).for_each(|(set, halves)| *set |= halves);
        }
        let begins = self.begins.entry(gram.key()).or_default();
        match begins.iter_mut().find(|there| (there.before, there.is_escaped) == (new.before, new.is_escaped)) {
            Some(there) => there.around = there.around.or(new.around),
            None => begins.push(new),
        }
    }

    fn finish(self) -> Plan {
        let Planner { grams, begins: mut by_key, mut literals, .. } = self;
        literals.sort_by_cached_key(|literal| (literal.text.to_ascii_lowercase(), literal.clone()));
        let mut plan = Plan { literals, ..Plan::default() };
        let mut ranges: HashMap<Key, Range<u32>> = HashMap::new();
        for (gram, bucket) in grams {
            let n_before = plan.begins.len() as u32;
            plan.begins.append(&mut by_key.remove(&gram.key()).unwrap_or_default());
            let begins = ranges.entry(gram.key()).or_insert(n_before..plan.begins.len() as u32).clone();
            plan.grams.push(Placed { gram, bucket, begins });
        }
        plan
    }

    /// The shared bucket in which it lets the fewest other bytes pass: the one that has most of its half bytes.
    fn bucket_for(&self, gram: Gram) -> u8 {
        if is_joint(&gram) {
            return JOINTS;
        }
        let added = |bucket: u8| {
            let there = &self.halves[usize::from(bucket)];
            there.iter().zip(halves(gram)).map(|(set, halves)| (halves & !set).count_ones()).sum::<u32>()
        };
        shared_by(&gram).min_by_key(|&bucket| added(bucket)).unwrap_or(SHARED.start)
    }
}

/// Two bits for each byte: of its lower and of its upper half.
fn halves(gram: Gram) -> [u32; LEN] {
    gram.bytes.map(|byte| 1 << (byte & 15) | 1 << (16 + (byte >> 4)))
}

/// The buckets of which it may be in any.
pub fn shared_by(gram: &Gram) -> Range<u8> {
    if gram.bytes[0].is_ascii() { SHARED } else { FOREIGN }
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
    /// From the bytes that the build wrote: the rarity, then frequencies behind the number of their bytes, then each gram, whether it is of any
    /// case, and its bucket. `None` if they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Prepared> {
        let (rarity, rest) = bytes.split_at_checked(Rarity::N_BYTES)?;
        let (&n_bytes, rest) = rest.split_first_chunk()?;
        let (frequencies, grams) = rest.split_at_checked(u32::from_le_bytes(n_bytes) as usize)?;
        let buckets = grams.chunks_exact(LEN + 2).map(|row| (Gram::at(row, row[LEN] == 1), row[LEN + 1])).collect();
        let frequencies = Frequencies::from_bytes(frequencies)?;
        Some(Prepared { rarity: Rarity::from_bytes(rarity)?, frequencies, buckets })
    }
}
