//! Picks the positions of a buffer at which a gram may stand that some literal is looked for by.
//!
//! All such positions pass, and few others. Two filters, one behind the other: which half bytes the grams of a bucket have at
//! each of their four places (with AVX2, 32 positions at once: the idea is that of Teddy and FDR in Hyperscan), then one bit
//! for the hash of all four bytes. Processors without AVX2 have the second only, and the same positions pass.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::gram::{Key, LEN};
use super::plan::{BUCKETS, Placed};
use super::table::key_at;

/// Positions that are sifted at a time: those that pass stay in the nearest cache.
const BLOCK: usize = 8 * 1024;

/// Buckets that one byte has bits for.
const GROUP: usize = 8;

#[derive(Debug)]
pub struct Sieve {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX2 has a use for them"))]
    masks: Masks,
    bits: Vec<u64>,
    /// Of the hash that `bits` is indexed by.
    n_bits: u32,
    has_avx2: bool,
}

/// For each group of eight buckets and each byte of a gram: which buckets have one with that lower, that upper half.
#[derive(Debug, Default)]
struct Masks([[Halves; LEN]; BUCKETS / GROUP]);

#[derive(Debug, Default, Clone, Copy)]
struct Halves {
    lower: [u8; 16],
    upper: [u8; 16],
}

/// Positions that passed, in their order, counted from where their block begins.
#[derive(Debug)]
pub struct Passed {
    /// As many as a block has, and room for those that are written in advance.
    slots: Box<[u32; BLOCK + AHEAD]>,
    n: usize,
}

/// Slots that are written at once, whether there are so many positions or not.
const AHEAD: usize = 32;

impl Default for Passed {
    fn default() -> Passed {
        Passed { slots: Box::new([0; BLOCK + AHEAD]), n: 0 }
    }
}

impl Passed {
    pub fn positions(&self) -> &[u32] {
        &self.slots[..self.n]
    }
}

impl Sieve {
    pub fn new(grams: &[Placed]) -> Sieve {
        let mut masks = Masks::default();
        for placed in grams {
            if let Some(bucket) = placed.bucket {
                masks.add(placed, usize::from(bucket));
            }
        }
        // One bit in 32 is set, or fewer.
        let n_bits = (grams.len() * 32).next_power_of_two().ilog2().max(16);
        let mut bits = vec![0; 1 << (n_bits - 6)];
        for placed in grams {
            let hash = placed.gram.key().hash(n_bits);
            bits[hash / 64] |= 1 << (hash % 64);
        }
        Sieve { masks, bits, n_bits, has_avx2: has_avx2() }
    }

    #[cfg(test)]
    pub fn portable(self) -> Sieve {
        Sieve { has_avx2: false, ..self }
    }

    /// Puts the positions from `from` on that pass into `passed`, and returns up to where it has looked.
    pub fn sift(&self, buffer: &[u8], from: usize, passed: &mut Passed) -> usize {
        let end = buffer.len().min(from + BLOCK);
        let mut at = from;
        passed.n = 0;
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 {
            // SAFETY: the processor has what it was compiled for.
            at = unsafe { avx2::sift(&self.masks, buffer, from..end, passed) };
        }
        // Without AVX2 all of them, with it the last few of a buffer.
        for position in at - from..end - from {
            passed.slots[passed.n] = position as u32;
            passed.n += 1;
        }
        self.keep_known(&buffer[from..], passed);
        end
    }

    /// Which of them pass cannot be foreseen, so there is no branch on it.
    fn keep_known(&self, block: &[u8], passed: &mut Passed) {
        let mut n_kept = 0;
        for at in 0..passed.n {
            let position = passed.slots[at];
            passed.slots[n_kept] = position;
            n_kept += usize::from(self.has(key_at(block, position as usize)));
        }
        passed.n = n_kept;
    }

    fn has(&self, key: Key) -> bool {
        let hash = key.hash(self.n_bits);
        self.bits[hash / 64] >> (hash % 64) & 1 == 1
    }
}

impl Masks {
    fn add(&mut self, placed: &Placed, bucket: usize) {
        let bit = 1 << (bucket % GROUP);
        for (halves, byte) in self.0[bucket / GROUP].iter_mut().zip(placed.gram.bytes) {
            let other = if placed.gram.any_case { byte.to_ascii_uppercase() } else { byte };
            for byte in [byte, other] {
                halves.lower[usize::from(byte & 15)] |= bit;
                halves.upper[usize::from(byte >> 4)] |= bit;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("bmi1") && has!("popcnt")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}
