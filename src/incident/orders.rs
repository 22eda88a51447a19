//! How many different orders an incident has: exactly up to 256, beyond that an estimate with a standard error of 0.9 %.
//!
//! It is a HyperLogLog of 8192 registers (Flajolet et al. 2007) that is counted as it grows (Ting 2014): each register that
//! changes adds how many orders it took on average until one did. Nothing else is as exact for one stream in 4 KiB, and registers of 4
//! bits do: one that is full can change no more, and is reckoned so.
//!
//! Orders are held as 8 bytes of their SHA-256, so that memory is bounded and nobody can steer the estimate. The last 256 of them stay
//! known, to find the incidents that share some.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::notice;

/// So many orders are counted exactly, and so many of the last are known.
const EXACT: usize = 256;
const REGISTERS: usize = 8192;
/// The most that 4 bits hold.
const FULL: u8 = 15;
/// See [`chance`].
const CERTAIN: u32 = (REGISTERS as u32) << FULL;
/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();
const SAMPLES: usize = 5;

/// The orders of one incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Orders {
    /// All of them up to [`EXACT`], then the last ones, in a ring.
    #[serde(serialize_with = "write_hashes", deserialize_with = "read_hashes")]
    recent: Vec<u64>,
    /// Where the ring goes on.
    next: usize,
    /// From the first order on that `recent` has no room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sketch: Option<Sketch>,
    /// The first few, as written.
    samples: Vec<String>,
}

/// Per register the longest run of zeros that was seen, plus one.
#[derive(Debug, Clone, PartialEq)]
struct Sketch {
    /// Two in each byte, the first in its lower half.
    registers: Box<[u8; REGISTERS / 2]>,
    /// How many orders there were.
    estimate: f64,
    /// That an order nobody has seen changes a register: the sum of [`chance`] of each.
    chance: u32,
}

impl Orders {
    pub fn add(&mut self, order: &str) {
        let hash = hash(order);
        if self.recent.contains(&hash) {
            return;
        }
        if self.recent.len() < EXACT {
            self.recent.push(hash);
            if self.samples.len() < SAMPLES {
                self.samples.push(order.to_owned());
            }
            return;
        }
        let sketch = self.sketch.get_or_insert_with(|| Sketch::of(&self.recent));
        sketch.add(hash);
        self.recent[self.next % EXACT] = hash;
        self.next = (self.next + 1) % EXACT;
    }

    pub fn distinct(&self) -> u64 {
        match &self.sketch {
            None => self.recent.len() as u64,
            Some(sketch) => (sketch.estimate.round() as u64).max(EXACT as u64 + 1),
        }
    }

    /// Hashes of at most the last 256.
    pub fn recent(&self) -> &[u64] {
        &self.recent
    }

    /// Of so many events that name one.
    pub fn shown(&self, n_events: u64) -> notice::Orders {
        let exact = self.sketch.is_none();
        notice::Orders { distinct: self.distinct().min(n_events), exact, samples: self.samples.clone() }
    }
}

fn hash(order: &str) -> u64 {
    let digest = Sha256::digest(order.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

impl Sketch {
    /// Begins where counting exactly ends.
    fn of(hashes: &[u64]) -> Sketch {
        let mut sketch = Sketch { registers: Box::new([0; REGISTERS / 2]), estimate: 0.0, chance: CERTAIN };
        hashes.iter().for_each(|&hash| sketch.add(hash));
        Sketch { estimate: hashes.len() as f64, ..sketch }
    }

    fn read(registers: Box<[u8; REGISTERS / 2]>, estimate: f64) -> Sketch {
        let chances = registers.iter().map(|byte| chance(byte & FULL) + chance(byte >> 4));
        Sketch { chance: chances.sum(), registers, estimate }
    }

    fn add(&mut self, hash: u64) {
        let index = (hash >> (64 - INDEX_BITS)) as usize;
        // The bit that is set ends the run where all the rest is zeros.
        let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
        let zeros = (rest.leading_zeros() as u8 + 1).min(FULL);
        let before = self.register(index);
        if zeros > before {
            self.estimate += f64::from(CERTAIN) / f64::from(self.chance);
            self.chance = self.chance - chance(before) + chance(zeros);
            let (byte, shift) = (&mut self.registers[index / 2], index % 2 * 4);
            *byte = *byte & !(FULL << shift) | zeros << shift;
        }
    }

    fn register(&self, index: usize) -> u8 {
        self.registers[index / 2] >> (index % 2 * 4) & FULL
    }
}

/// How likely it is that an order nobody has seen changes a register that says so; of [`CERTAIN`].
fn chance(zeros: u8) -> u32 {
    if zeros < FULL { 1 << (FULL - zeros) } else { 0 }
}

/// The estimate's bits, then the registers.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = [&self.estimate.to_le_bytes(), self.registers.as_slice()].concat();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sketch, D::Error> {
        let bytes = bytes(deserializer)?;
        let sketch = bytes.split_first_chunk::<8>().and_then(|(estimate, registers)| {
            let registers: Box<[u8]> = registers.into();
            Some(Sketch::read(registers.try_into().ok()?, f64::from_le_bytes(*estimate)))
        });
        sketch.ok_or_else(|| serde::de::Error::custom("a sketch has 8192 registers"))
    }
}

fn write_hashes<S: Serializer>(hashes: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read_hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    let (hashes, rest) = {
        let bytes = bytes(deserializer)?;
        let (hashes, rest) = bytes.as_chunks::<8>();
        (hashes.iter().map(|&hash| u64::from_le_bytes(hash)).collect::<Vec<_>>(), rest.len())
    };
    if rest > 0 || hashes.len() > EXACT {
        return Err(serde::de::Error::custom("at most 256 hashes of 8 bytes each"));
    }
    Ok(hashes)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(n: usize) -> Orders {
        let mut orders = Orders::default();
        (0..n).for_each(|i| orders.add(&format!("SO{i}")));
        orders
    }

    #[test]
    fn up_to_256_orders_are_counted_exactly() {
        for n in [0, 1, 255, 256] {
            let mut orders = orders(n);
            (0..n).for_each(|i| orders.add(&format!("SO{i}")));
            let shown = orders.shown(u64::MAX);
            assert_eq!((shown.distinct, shown.exact), (n as u64, true));
            assert_eq!(shown.samples.len(), n.min(SAMPLES));
        }
    }

    #[test]
    fn beyond_that_the_estimate_is_within_three_percent() {
        for n in [257, 300, 1000, 2500, 5000, 9000, 40_000, 300_000] {
            let shown = orders(n).shown(u64::MAX);
            let error = (shown.distinct as f64 - n as f64).abs() / n as f64;
            assert!(!shown.exact && error < 0.03, "{n}: {}", shown.distinct);
        }
    }

    #[test]
    fn the_estimate_leans_to_neither_side_and_errs_by_one_percent() {
        const RUNS: usize = 100;
        const N: u64 = 9000;
        let errors = (0..RUNS).map(|run| {
            let mut random = fastrand::Rng::with_seed(run as u64);
            let mut sketch = Sketch::of(&[]);
            (0..N).for_each(|_| sketch.add(random.u64(..)));
            sketch.estimate / N as f64 - 1.0
        });
        let errors: Vec<f64> = errors.collect();
        let mean = errors.iter().sum::<f64>() / RUNS as f64;
        let spread = (errors.iter().map(|error| error * error).sum::<f64>() / RUNS as f64).sqrt();
        assert!(mean.abs() < 0.003 && (0.006..0.011).contains(&spread), "{mean} {spread}");
    }

    #[test]
    fn registers_that_are_full_are_no_end() {
        let mut sketch = Sketch::of(&[]);
        // All zeros behind the index: each register is full at once, but for the last.
        (0..REGISTERS as u64 - 1).for_each(|index| sketch.add(index << (64 - INDEX_BITS)));
        assert_eq!((sketch.register(7), sketch.register(REGISTERS - 1)), (FULL, 0));
        let before = sketch.estimate;
        sketch.add(u64::MAX);
        assert_eq!(sketch.estimate, before + REGISTERS as f64);
        let full = Sketch::read(Box::new([0xff; REGISTERS / 2]), 1e9);
        let mut same = full.clone();
        (0..1000).for_each(|order| same.add(hash(&order.to_string())));
        assert_eq!(same, full);
    }

    #[test]
    fn there_are_no_more_orders_than_events() {
        let orders = orders(1000);
        assert_eq!(orders.shown(900).distinct, 900);
    }

    #[test]
    fn an_order_that_comes_again_counts_once_in_the_estimate_too() {
        let mut orders = orders(5000);
        let before = orders.distinct();
        (0..5000).for_each(|i| orders.add(&format!("SO{i}")));
        assert_eq!(orders.distinct(), before);
    }

    #[test]
    fn the_last_orders_stay_known() {
        let orders = orders(1000);
        assert_eq!(orders.recent().len(), EXACT);
        assert!(orders.recent().contains(&hash("SO999")) && !orders.recent().contains(&hash("SO0")));
    }

    #[test]
    fn what_is_stored_comes_back() {
        for n in [0, 3, 256, 300] {
            let orders = orders(n);
            let stored = serde_json::to_string(&orders).unwrap();
            assert_eq!(serde_json::from_str::<Orders>(&stored).unwrap(), orders);
        }
        assert!(serde_json::from_str::<Orders>(r#"{"recent":"AAAA","next":0,"samples":[]}"#).is_err());
        assert!(serde_json::from_str::<Orders>(r#"{"recent":"","next":0,"sketch":"AAAA","samples":[]}"#).is_err());
    }
}
