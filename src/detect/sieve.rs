//! Picks the positions of a buffer at which a gram may stand that some literal is looked for by.
//!
//! All such positions pass, and few others. Three filters, one behind the other: which bytes the grams of a bucket have at each of
//! their four places (with AVX-512, 64 positions at once; with AVX2, 32, and by half bytes: the idea is that of Teddy and FDR in
//! Hyperscan), then one bit for the hash of all four bytes, then the byte on either side. Processors without vectors begin with the second.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::gram::{Key, LEN};
use super::plan::{BUCKETS, Begin, FOREIGN, Placed, class};

/// Positions that are sifted at a time: those that pass stay in the nearest cache.
const BLOCK: usize = 2 * 1024;

/// Buckets that one byte has bits for, and how many bytes that makes.
const GROUP: usize = 8;
const GROUPS: usize = BUCKETS / GROUP;
/// The last group is that of grams that do not begin with ASCII.
const _: () = assert!(GROUPS == 3 && FOREIGN.start as usize == BUCKETS - GROUP);

/// Of the hash of the second filter: 16 KiB of bits, of which the built-in catalogue sets one in a hundred.
const N_BITS: u32 = 17;
/// Of the hash of the third: 128 KiB.
const N_BESIDE_BITS: u32 = 13;

#[derive(Debug)]
pub struct Sieve {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only vectors are looked up in them"))]
    masks: Masks,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only vectors are looked up in them"))]
    bytes: Box<Bytes>,
    bits: Box<[u64; 1 << (N_BITS - 6)]>,
    /// The classes of bytes that may stand right before and right behind one of the grams with that hash.
    beside: Box<[[u64; 2]]>,
    level: Level,
}

/// What the processor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// For each group of eight buckets and each byte of a gram: which buckets have one with that lower, that upper half.
#[derive(Debug, Default)]
struct Masks([[Halves; LEN]; GROUPS]);

#[derive(Debug, Default, Clone, Copy)]
struct Halves {
    lower: [u8; 16],
    upper: [u8; 16],
}

/// For each group and each byte of a gram: which buckets have one with that byte, but for its highest bit.
#[derive(Debug)]
struct Bytes([[[u8; 128]; LEN]; GROUPS]);

/// Positions that passed, in their order, counted from where their block begins.
#[derive(Debug)]
pub struct Passed {
    /// As many as a block has, and room for those that are written in advance.
    slots: [u16; BLOCK + AHEAD],
    n: usize,
}

/// Slots behind the last position that may be written in advance.
const AHEAD: usize = 64;
/// Slots that are written at once, whether there are so many positions or not.
const AT_ONCE: usize = 4;

impl Default for Passed {
    fn default() -> Passed {
        Passed { slots: [0; BLOCK + AHEAD], n: 0 }
    }
}

impl Passed {
    pub fn positions(&self) -> &[u16] {
        &self.slots[..self.n]
    }

    /// Appends `base` plus the place of each bit that is set. Mostly there are few: that many are written without asking how
    /// many there are.
    #[inline(always)]
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only vectors have masks"))]
    fn extend(&mut self, base: u16, mut hits: u64) {
        let n_hits = hits.count_ones() as usize;
        let slots = &mut self.slots[self.n..self.n + AHEAD];
        for some in slots.chunks_exact_mut(AT_ONCE) {
            for slot in some {
                *slot = base + hits.trailing_zeros() as u16;
                hits &= hits.wrapping_sub(1);
            }
            if hits == 0 {
                break;
            }
        }
        self.n += n_hits;
    }

    /// Keeps those that pass. Which do cannot be foreseen, so there is no branch on it.
    #[inline(always)]
    fn keep(&mut self, passes: impl Fn(usize) -> bool) {
        let mut n_kept = 0;
        for at in 0..self.n {
            let position = self.slots[at];
            self.slots[n_kept] = position;
            n_kept += usize::from(passes(usize::from(position)));
        }
        self.n = n_kept;
    }
}

impl Sieve {
    pub fn new(grams: &[Placed], begins: &[Begin]) -> Sieve {
        let mut masks = Masks::default();
        let mut bytes = Box::new(Bytes([[[0; 128]; LEN]; GROUPS]));
        for placed in grams {
            masks.add(placed);
            bytes.add(placed);
        }
        let mut bits = Box::new([0; 1 << (N_BITS - 6)]);
        let mut beside = vec![[0; 2]; 1 << N_BESIDE_BITS].into_boxed_slice();
        for placed in grams {
            let key = placed.gram.key();
            let hash = key.hash(N_BITS);
            bits[hash / 64] |= 1 << (hash % 64);
            let [before, behind] = &mut beside[key.hash(N_BESIDE_BITS)];
            for begin in &begins[placed.begins.start as usize..placed.begins.end as usize] {
                let new = begin.beside();
                *before |= new[0];
                *behind |= new[1];
            }
        }
        Sieve { masks, bytes, bits, beside, level: Level::best() }
    }

    #[cfg(test)]
    pub fn at(self, level: Level) -> Sieve {
        Sieve { level, ..self }
    }

    /// Puts the positions from `from` on that pass into `passed`, and returns up to where it has looked.
    pub fn sift(&self, buffer: &[u8], from: usize, passed: &mut Passed) -> usize {
        let end = buffer.len().min(from + BLOCK);
        passed.n = 0;
        // SAFETY: the processor has what they were compiled for; see `Level::all`.
        let at = match self.level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::sift(&self.bytes, buffer, from..end, passed) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::sift(&self.masks, buffer, from..end, passed) },
            Level::Portable => from,
        };
        // All of them, or the last few of a buffer.
        for position in at - from..end - from {
            passed.slots[passed.n] = position as u16;
            passed.n += 1;
        }
        // What has too few bytes around it to be judged passes, here and below.
        let bytes_at = |at: usize| buffer.get(at..at + LEN)?.try_into().ok();
        passed.keep(|position| bytes_at(from + position).is_none_or(|bytes| self.has(Key::of(bytes))));
        let window_at = |at: usize| buffer.get(at.checked_sub(1)?..at + LEN + 1)?.try_into().ok();
        passed.keep(|position| window_at(from + position).is_none_or(|window| self.fits(window)));
        end
    }

    fn has(&self, key: Key) -> bool {
        let hash = key.hash(N_BITS);
        self.bits[hash / 64] >> (hash % 64) & 1 == 1
    }

    fn fits(&self, [first, a, b, c, d, last]: [u8; LEN + 2]) -> bool {
        let [before, behind] = self.beside[Key::of([a, b, c, d]).hash(N_BESIDE_BITS)];
        before >> class(first) & behind >> class(last) & 1 == 1
    }
}

impl Masks {
    fn add(&mut self, placed: &Placed) {
        let (group, bit) = group_and_bit(placed);
        for (halves, byte) in self.0[group].iter_mut().zip(placed.gram.bytes) {
            for byte in cases(placed, byte) {
                halves.lower[usize::from(byte & 15)] |= bit;
                halves.upper[usize::from(byte >> 4)] |= bit;
            }
        }
    }
}

impl Bytes {
    fn add(&mut self, placed: &Placed) {
        let (group, bit) = group_and_bit(placed);
        for (table, byte) in self.0[group].iter_mut().zip(placed.gram.bytes) {
            for byte in cases(placed, byte) {
                table[usize::from(byte & 127)] |= bit;
            }
        }
    }
}

fn group_and_bit(placed: &Placed) -> (usize, u8) {
    let bucket = usize::from(placed.bucket);
    (bucket / GROUP, 1 << (bucket % GROUP))
}

fn cases(placed: &Placed, byte: u8) -> [u8; 2] {
    [byte, if placed.gram.any_case { byte.to_ascii_uppercase() } else { byte }]
}

impl Level {
    /// What this processor can do, the best first.
    pub fn all() -> Vec<Level> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let counts_bits = has!("bmi1") && has!("popcnt");
            if counts_bits && has!("avx512f") && has!("avx512bw") && has!("avx512vbmi") {
                levels.push(Level::Avx512);
            }
            if counts_bits && has!("avx2") {
                levels.push(Level::Avx2);
            }
        }
        levels.push(Level::Portable);
        levels
    }

    fn best() -> Level {
        Level::all()[0]
    }
}
