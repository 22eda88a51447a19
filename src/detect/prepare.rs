//! What the build works out for the built-in catalogue: how rare grams are, which few of them to look for, and which
//! go into a bucket together.
//!
//! All of it decides speed and nothing else. The search for good buckets takes too long for a program's start.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::anchor::Frequencies;
use super::gram::{Gram, LEN, Rarity, STEPS, index};
use super::literal::{Alternatives, is_joint};
use super::plan::{FOREIGN, JOINTS, Prepared, SHARED, choices, cost, shared_by};

/// Places of ordinary text at which buckets are tried.
const SAMPLE: usize = 8192;
/// Pairs of bytes that all texts together count as.
const PAIRS: f64 = 100_000.0;
/// Weight of what the bytes in general say, where the first of a pair was seen seldom.
const PRIOR: f64 = 20.0;
/// Rounds in which each gram may move to a better bucket.
const SWEEPS: usize = 3;

/// What it costs to compare one of those that share a gram where this is met, beside what it costs that it is met.
const COMPARED: f64 = 1.0;

/// A text that stands for what logs hold, and its weight.
pub type Training = (Vec<u8>, u32);

/// How often characters that are not ASCII stand side by side in `training`.
pub fn frequencies(training: &[Training]) -> Frequencies {
    let mut counts = HashMap::new();
    for (text, weight) in training {
        let text = String::from_utf8_lossy(text);
        for two in text.chars().zip(text.chars().skip(1)).filter(|(a, b)| !a.is_ascii() && !b.is_ascii()) {
            *counts.entry(two.into()).or_default() += weight;
        }
    }
    Frequencies(counts)
}

/// The grams for what is wanted with these frequencies.
pub fn prepare(wanted: &[Alternatives], frequencies: Frequencies, training: &[Training]) -> Prepared {
    let rates = Rates::of(training);
    let chosen = choose(wanted, &rates);
    let (joints, shared): (Vec<Gram>, Vec<Gram>) = chosen.into_iter().partition(is_joint);
    let mut buckets: HashMap<Gram, u8> = joints.into_iter().map(|gram| (gram, JOINTS)).collect();
    let sample = Sample::of(training);
    for range in [SHARED, FOREIGN] {
        let grams: Vec<Gram> = shared.iter().filter(|gram| shared_by(gram) == range).copied().collect();
        for (bucket, grams) in range.clone().zip(share(&grams, range.len(), &rates, &sample)) {
            buckets.extend(grams.into_iter().map(|gram| (gram, bucket)));
        }
    }
    Prepared { rarity: rates.rarity, frequencies, buckets }
}

/// How often grams are met: as their pairs of bytes suggest, and as they were counted.
struct Rates {
    rarity: Rarity,
    as_written: HashMap<[u8; LEN], f64>,
    lower: HashMap<[u8; LEN], f64>,
}

impl Rates {
    fn of(training: &[Training]) -> Rates {
        let (mut as_written, mut lower) = (HashMap::new(), HashMap::new());
        let total: u32 = training.iter().map(|(_, weight)| weight).sum();
        for (text, weight) in training {
            let each = f64::from(*weight) / f64::from(total) / text.len().max(1) as f64;
            for place in text.windows(LEN) {
                *as_written.entry(Gram::at(place, false).bytes).or_default() += each;
                *lower.entry(Gram::at(place, true).bytes).or_default() += each;
            }
        }
        Rates { rarity: train(training), as_written, lower }
    }

    fn probability(&self, gram: Gram) -> f64 {
        let counted = if gram.any_case { &self.lower } else { &self.as_written };
        self.rarity.probability(gram) / 2.0 + counted.get(&gram.bytes).copied().unwrap_or_default()
    }

    /// What it costs that so many are looked for by a gram.
    fn price(&self, gram: Gram, n: usize) -> f64 {
        self.probability(gram) * (1.0 + COMPARED * n as f64) + cost(gram)
    }
}

/// Counts pairs of bytes, those of each text as often as its weight says.
fn train(training: &[Training]) -> Rarity {
    let (mut single, mut pair) = (vec![0.5; 256], vec![0.0; 256 * 256]);
    for (text, weight) in training {
        // However long a text is, its weight is what counts.
        let each = f64::from(*weight) / text.len().max(1) as f64 * PAIRS;
        for two in text.windows(2) {
            single[usize::from(two[0])] += each;
            pair[index(two[0], two[1])] += each;
        }
    }
    let total: f64 = single.iter().sum();
    let steps = |probability: f64| (-probability.log2() * STEPS).clamp(0.0, 255.0) as u8;
    let mut next = Vec::with_capacity(pair.len());
    for a in 0..256 {
        for b in 0..256 {
            let general = single[b] / total;
            next.push(steps((pair[a * 256 + b] + PRIOR * general) / (single[a] + PRIOR)));
        }
    }
    Rarity { first: single.iter().map(|n| steps(n / total)).collect(), next }
}

/// What [`Prepared::from_bytes`] reads.
pub fn to_bytes(prepared: &Prepared) -> Vec<u8> {
    let mut rows: Vec<(Gram, u8)> = prepared.buckets.iter().map(|(&gram, &bucket)| (gram, bucket)).collect();
    rows.sort_unstable();
    let rows = rows.into_iter().flat_map(|(gram, bucket)| gram.bytes.into_iter().chain([gram.any_case.into(), bucket]));
    let Rarity { first, next } = &prepared.rarity;
    let frequencies = frequencies_to_bytes(&prepared.frequencies);
    let n_bytes = (frequencies.len() as u32).to_le_bytes();
    first.iter().chain(next).copied().chain(n_bytes).chain(frequencies).chain(rows).collect()
}

/// What [`Frequencies::from_bytes`] reads: all pairs but of those characters that UTF-16 writes as two units.
fn frequencies_to_bytes(Frequencies(counts): &Frequencies) -> Vec<u8> {
    let unit = |c: char| u16::try_from(u32::from(c)).ok();
    let row = |(&[a, b], &n): (&[char; 2], &u32)| Some([unit(a)?, unit(b)?, u16::try_from(n).unwrap_or(u16::MAX)]);
    let mut rows: Vec<[u16; 3]> = counts.iter().filter_map(row).collect();
    rows.sort_unstable();
    rows.into_iter().flatten().flat_map(u16::to_le_bytes).collect()
}

/// The grams that cover all that is wanted: each in turn the one that covers most for its price.
fn choose(wanted: &[Alternatives], rates: &Rates) -> Vec<Gram> {
    let free = |item: &&Alternatives| !item.iter().any(|literal| literal.is_short());
    let mut users: BTreeMap<Gram, Vec<usize>> = BTreeMap::new();
    let wanted: Vec<&Alternatives> = wanted.iter().filter(free).collect();
    for (item, alternatives) in wanted.iter().enumerate() {
        for choice in choices(alternatives) {
            let users = users.entry(choice.gram).or_default();
            if users.last() != Some(&item) {
                users.push(item);
            }
        }
    }
    // Of positive numbers the bits have the same order.
    let worth = |gram: Gram, n: usize| (n as f64 / rates.price(gram, n)).to_bits();
    let mut heap: BinaryHeap<(u64, Gram)> =
        users.iter().map(|(&gram, users)| (worth(gram, users.len()), gram)).collect();
    let mut is_covered = vec![false; wanted.len()];
    let mut chosen = Vec::new();
    while let Some((before, gram)) = heap.pop() {
        let left: Vec<usize> = users[&gram].iter().copied().filter(|&item| !is_covered[item]).collect();
        if left.is_empty() {
            continue;
        }
        let now = worth(gram, left.len());
        if now < before && heap.peek().is_some_and(|(next, _)| *next > now) {
            heap.push((now, gram));
            continue;
        }
        left.into_iter().for_each(|item| is_covered[item] = true);
        chosen.push(gram);
    }
    chosen
}

/// Puts grams into buckets so that few places of the sample pass: first each where it does least harm, then each moves
/// while that helps.
fn share(grams: &[Gram], n_buckets: usize, rates: &Rates, sample: &Sample) -> Vec<Vec<Gram>> {
    let mut buckets: Vec<Vec<Gram>> = vec![Vec::new(); n_buckets];
    let mut passing = vec![0; n_buckets];
    let mut order = grams.to_vec();
    order.sort_by(|a, b| rates.probability(*b).total_cmp(&rates.probability(*a)));
    let with = |bucket: &[Gram], gram: Gram| sample.passing(bucket.iter().copied().chain([gram]));
    for &gram in &order {
        let harm = |at: &usize| (with(&buckets[*at], gram) - passing[*at], buckets[*at].len());
        let best = (0..n_buckets).min_by_key(harm).unwrap_or_default();
        passing[best] = with(&buckets[best], gram);
        buckets[best].push(gram);
    }
    for _ in 0..SWEEPS {
        for &gram in &order {
            let from = buckets.iter().position(|bucket| bucket.contains(&gram)).unwrap_or_default();
            let without = sample.passing(buckets[from].iter().copied().filter(|&other| other != gram));
            let gain = passing[from] - without;
            let others = (0..n_buckets).filter(|&to| to != from && gain > 0);
            let Some((now, to)) =
                others.map(|to| (with(&buckets[to], gram), to)).min_by_key(|(now, to)| now - passing[*to])
            else {
                continue;
            };
            if now - passing[to] < gain {
                buckets[from].retain(|&other| other != gram);
                buckets[to].push(gram);
                (passing[from], passing[to]) = (without, now);
            }
        }
    }
    buckets
}

/// Places of ordinary text: for each byte of a gram there, and each value of its lower and upper half, a set of them.
struct Sample {
    /// One bit a place.
    sets: Vec<Vec<u64>>,
}

const WORDS: usize = SAMPLE / 64;

impl Sample {
    fn of(training: &[Training]) -> Sample {
        let mut sets = vec![vec![0; WORDS]; LEN * 2 * 16];
        let total: u32 = training.iter().map(|(_, weight)| weight).sum();
        let mut place = 0;
        for (text, weight) in training {
            let n = SAMPLE * *weight as usize / total as usize;
            let last = text.len().saturating_sub(LEN).max(1);
            for k in 0..n {
                // Evenly spread, at odd distances so that no column of a table is hit again and again.
                let at = (k * (last / n.max(1)).max(1) + k * 7) % last;
                let Some(bytes) = text.get(at..at + LEN) else { continue };
                for (position, byte) in bytes.iter().enumerate() {
                    for half in [byte & 15, 16 + (byte >> 4)] {
                        sets[position * 32 + usize::from(half)][place / 64] |= 1 << (place % 64);
                    }
                }
                place += 1;
            }
        }
        Sample { sets }
    }

    /// How many places pass a bucket of these grams.
    fn passing(&self, grams: impl Iterator<Item = Gram>) -> u32 {
        let mut halves = [0_u32; LEN];
        for gram in grams {
            for (halves, byte) in halves.iter_mut().zip(gram.bytes) {
                let other = if gram.any_case { byte.to_ascii_uppercase() } else { byte };
                for byte in [byte, other] {
                    *halves |= 1 << (byte & 15) | 1 << (16 + (byte >> 4));
                }
            }
        }
        let mut passing = vec![u64::MAX; WORDS];
        for (position, halves) in halves.into_iter().enumerate() {
            for group in [0..16, 16..32] {
                let mut any = vec![0; WORDS];
                for half in group.filter(|half| halves >> half & 1 == 1) {
                    any.iter_mut().zip(&self.sets[position * 32 + half]).for_each(|(any, set)| *any |= set);
                }
                passing.iter_mut().zip(any).for_each(|(passing, any)| *passing &= any);
            }
        }
        passing.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::literal::wanted;
    use super::*;

    fn prepared(texts: &[&str], codes: &[&str]) -> Prepared {
        let training: Vec<Training> = texts.iter().map(|text| (text.repeat(9).into_bytes(), 1)).collect();
        let frequencies = frequencies(&training);
        let wanted = wanted(codes.iter().copied(), [].into_iter(), [].into_iter(), &frequencies);
        prepare(&wanted.literals, frequencies, &training)
    }

    #[test]
    fn common_grams_are_more_probable_than_rare_ones() {
        let Prepared { rarity, .. } =
            prepared(&["request failed: order not found, request id 42, retry the request"], &[]);
        let probability = |bytes: &[u8]| rarity.probability(Gram::at(bytes, true));
        assert!(probability(b"requ") > 100.0 * probability(b"rqqu"));
        assert!(probability(b"4711") > probability(b"zqxj"));
    }

    #[test]
    fn what_was_prepared_is_read_as_it_was() {
        let prepared = prepared(&["order not found", "订单不存在"], &["ORDER_CLOSED", "USERPAYING", "invalid-app"]);
        let bytes = to_bytes(&prepared);
        let again = Prepared::from_bytes(&bytes).unwrap();
        assert_eq!(again.buckets, prepared.buckets);
        assert_eq!(again.frequencies, prepared.frequencies);
        assert_eq!(again.frequencies.0[&['订', '单']], 9);
        assert_eq!(to_bytes(&again), bytes);
        assert!(Prepared::from_bytes(b"too short").is_none());
    }

    #[test]
    fn few_grams_cover_many_codes() {
        let codes = ["TRADE_NOT_EXIST", "ORDER_NOT_EXIST", "REFUND_NOT_EXIST", "USERPAYING", "NOTUSERPAYING"];
        let alone = prepared(&["some ordinary text"], &[]).buckets.len();
        assert_eq!(prepared(&["some ordinary text"], &codes).buckets.len(), alone + 2);
    }
}
