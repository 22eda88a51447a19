//! Grams: four bytes in a row, by which a literal is looked for before it is compared.
//!
//! A literal is found through one gram of it, the one that is rarest in ordinary text. How rare a gram is comes from a small
//! model of text (`Rarity`): the build trains it on the samples and texts of this repository (`prepare`); it decides speed, never
//! what is found.

/// Bytes of a gram.
pub const LEN: usize = 4;

/// The bit in which the two cases of an ASCII letter differ, in each byte.
const CASE: u32 = 0x2020_2020;

/// Four bytes, and whether letters among them may be of either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gram {
    pub bytes: [u8; LEN],
    pub any_case: bool,
}

/// What grams are looked up by: their bytes with the case bit set in each. Grams that differ in it share a key, which costs a
/// comparison and no hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

impl Gram {
    /// The gram at the start of `bytes`, which are at least four.
    pub fn at(bytes: &[u8], any_case: bool) -> Gram {
        let mut gram = [0; LEN];
        gram.copy_from_slice(&bytes[..LEN]);
        if any_case {
            gram.make_ascii_lowercase();
        }
        Gram { bytes: gram, any_case }
    }

    pub fn key(self) -> Key {
        Key::of(self.bytes)
    }
}

impl Key {
    #[inline]
    pub fn of(bytes: [u8; LEN]) -> Key {
        Key(u32::from_le_bytes(bytes) | CASE)
    }

    /// `bits` well-mixed bits.
    #[inline]
    pub fn hash(self, bits: u32) -> usize {
        (self.0.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
    }
}

/// How rare pairs of bytes are, as costs: the more common, the higher. A gram's cost is that of its pairs.
#[derive(Debug, Clone)]
pub struct Rarity {
    /// −log2 of the probability of a byte, and of the second of a pair behind the first, in steps of 1/[`STEPS`].
    pub first: Vec<u8>,
    pub next: Vec<u8>,
}

pub const STEPS: f64 = 12.0;

impl Rarity {
    pub const N_BYTES: usize = 256 + 256 * 256;

    /// `None` unless there are [`Rarity::N_BYTES`] of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Rarity> {
        let (first, next) = bytes.split_at_checked(256)?;
        (bytes.len() == Rarity::N_BYTES).then(|| Rarity { first: first.to_vec(), next: next.to_vec() })
    }

    /// Probability of a gram at any place of ordinary text.
    pub fn probability(&self, gram: Gram) -> f64 {
        let as_written = self.of_bytes(gram.bytes);
        if !gram.any_case {
            return as_written;
        }
        let mut capitals = gram.bytes;
        capitals.make_ascii_uppercase();
        if capitals == gram.bytes { as_written } else { as_written + self.of_bytes(capitals) }
    }

    fn of_bytes(&self, bytes: [u8; LEN]) -> f64 {
        let pairs = bytes.windows(2).map(|two| u32::from(self.next[index(two[0], two[1])])).sum::<u32>();
        let steps = u32::from(self.first[usize::from(bytes[0])]) + pairs;
        (-f64::from(steps) / STEPS).exp2() + self.of_numbers(bytes)
    }

    /// Order numbers, times, hashes: any digits are as likely as others, whatever the samples hold.
    fn of_numbers(&self, bytes: [u8; LEN]) -> f64 {
        let all = |test: fn(&u8) -> bool| bytes.iter().all(test);
        match () {
            () if all(u8::is_ascii_digit) => 1e-5,
            () if all(u8::is_ascii_hexdigit) => 1e-6,
            () => 0.0,
        }
    }
}

/// Where in [`Rarity::next`] a pair stands.
pub fn index(a: u8, b: u8) -> usize {
    usize::from(a) << 8 | usize::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_for_both_cases() {
        assert_eq!(Gram::at(b"CARD", false).key(), Gram::at(b"card", true).key());
        assert_ne!(Gram::at(b"CARD", false), Gram::at(b"card", true));
    }
}
