//! Names of fields in one spelling, and tables of them.
//!
//! Every word of a record is looked up in several tables, and hardly any is in one. So each word gets a number while it is
//! cut, from which a table sees at once that it has no such name. The number is a sum over the letters: it does not see
//! what normal spelling leaves out, nor in which order the letters stand; what a table finds by it is compared.

/// A key in one spelling: lower case, without `_`, `-`, `.` and blanks (`out_trade_no`, `outTradeNo` and `Out-Trade-No` are
/// one key). Kept on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; MAX_KEY],
    len: usize,
}

/// Longest key that means anything to anybody here, in bytes.
const MAX_KEY: usize = 32;

impl Key {
    /// The key in normal spelling; empty if it is longer than any known one.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Brings a key to its normal spelling.
pub fn normal_key(key: &str) -> Key {
    let mut normal = Key { bytes: [0; MAX_KEY], len: 0 };
    for byte in key.bytes().filter(|&b| !is_left_out(b)) {
        if normal.len == MAX_KEY {
            normal.len = 0;
            break;
        }
        normal.bytes[normal.len] = byte.to_ascii_lowercase();
        normal.len += 1;
    }
    normal
}

const fn is_left_out(b: u8) -> bool {
    matches!(b, b'_' | b'-' | b'.' | b' ')
}

/// What each byte adds to the sum of its key: nothing if it is left out, the same in either case.
pub(super) const WEIGHTS: [u32; 256] = {
    let mut weights = [0; 256];
    let mut b = 0;
    while b < 256 {
        if !is_left_out(b as u8) {
            // The finishing steps of MurmurHash3 spread the bits.
            let mut mixed = ((b as u8).to_ascii_lowercase() as u32 + 1).wrapping_mul(0x9E37_79B9);
            mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85EB_CA6B);
            mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
            weights[b] = mixed ^ (mixed >> 16);
        }
        b += 1;
    }
    weights
};

fn sum(name: &[u8]) -> u32 {
    name.iter().fold(0, |sum: u32, &b| sum.wrapping_add(WEIGHTS[usize::from(b)]))
}

/// What is known of some names.
#[derive(Debug)]
pub struct NameTable<T> {
    /// Sum and place in `entries` of each name, at the slot its sum points to or the next free one behind.
    slots: Vec<Slot>,
    entries: Vec<(Box<str>, T)>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    sum: u32,
    entry: u32,
}

const FREE: u32 = u32::MAX;

impl<T> NameTable<T> {
    /// Takes different names: keys in normal spelling, or words that count as they stand.
    pub fn new<S: Into<Box<str>>>(names: impl IntoIterator<Item = (S, T)>) -> NameTable<T> {
        let entries: Vec<(Box<str>, T)> = names.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let n_slots = (entries.len() * 4).next_power_of_two().max(4);
        let mut table = NameTable { slots: vec![Slot { sum: 0, entry: FREE }; n_slots], entries };
        for (entry, (name, _)) in table.entries.iter().enumerate() {
            let sum = sum(name.as_bytes());
            let mut at = table.slot(sum);
            while table.slots[at].entry != FREE {
                at = (at + 1) & (n_slots - 1);
            }
            table.slots[at] = Slot { sum, entry: entry as u32 };
        }
        table
    }

    /// What is known of a key.
    pub fn of_key(&self, key: &Key) -> Option<&T> {
        let key = key.as_bytes();
        self.find(sum(key), |known| known.as_bytes() == key)
    }

    /// What is known of a word as it stands.
    pub fn of_word(&self, word: &str) -> Option<&T> {
        self.find(sum(word.as_bytes()), |known| known == word)
    }

    /// What is known of the first name with this sum that is the one.
    #[inline]
    pub(super) fn find(&self, sum: u32, is_it: impl Fn(&str) -> bool) -> Option<&T> {
        let mut at = self.slot(sum);
        loop {
            let slot = self.slots[at];
            if slot.entry == FREE {
                return None;
            }
            if slot.sum == sum {
                let (name, value) = &self.entries[slot.entry as usize];
                if is_it(name) {
                    return Some(value);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    fn slot(&self, sum: u32) -> usize {
        (sum.wrapping_mul(0x9E37_79B9) >> 12) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_any_spelling_and_no_other_is() {
        let names = ["outtradeno", "subcode", "code", "edoc", "错误码"];
        let table = NameTable::new(names.into_iter().zip(0..));
        for (name, value) in
            [("out_trade_no", 0), ("Out-Trade-No", 0), ("subCode", 1), ("CODE", 2), ("e.doc", 3), ("错误码", 4)]
        {
            assert_eq!(table.of_key(&normal_key(name)), Some(&value), "{name}");
        }
        for name in ["", "deco", "codes", "out_trade_nos", "out_trade_no_out_trade_no_out_trade_no", "错误"] {
            assert_eq!(table.of_key(&normal_key(name)), None, "{name}");
        }
        assert_eq!((table.of_word("subcode"), table.of_word("subCode")), (Some(&1), None));
    }
}
