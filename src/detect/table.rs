//! Where literals begin, seen from a gram of theirs.

use super::gram::{Key, LEN};
use super::plan::{Begin, Placed};

/// Grams by the hash of their keys, with open addressing. Those that share a key are one.
#[derive(Debug)]
pub struct Table {
    /// 1 + index of a gram; 0 where there is none.
    slots: Vec<u32>,
    bits: u32,
    grams: Vec<Placed>,
    begins: Vec<Begin>,
}

/// A position where literals may begin.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub at: usize,
    pub is_escaped: bool,
}

impl Table {
    pub fn new(grams: Vec<Placed>, begins: Vec<Begin>) -> Table {
        // At most an eighth of the slots is taken, so that what is not there is soon known not to be.
        let bits = (grams.len().max(256) * 8).next_power_of_two().ilog2();
        let mut table = Table { slots: vec![0; 1 << bits], bits, grams, begins };
        for at in 0..table.grams.len() {
            let slot = table.slot(table.grams[at].gram.key());
            table.slots[slot] = at as u32 + 1;
        }
        table
    }

    /// Where literals with the gram at `at` would begin.
    pub fn starts(&self, buffer: &[u8], at: usize) -> impl Iterator<Item = Start> {
        let found = self.slots[self.slot(key_at(buffer, at))].checked_sub(1);
        let begins = found.map_or(&[][..], |index| {
            let range = &self.grams[index as usize].begins;
            &self.begins[range.start as usize..range.end as usize]
        });
        begins.iter().filter(move |begin| begin.fits(buffer, at)).filter_map(move |begin| {
            Some(Start { at: at.checked_sub(usize::from(begin.before))?, is_escaped: begin.is_escaped })
        })
    }

    /// Where `key` is, or would be.
    fn slot(&self, key: Key) -> usize {
        let mut slot = key.hash(self.bits);
        while self.slots[slot] != 0 && self.grams[self.slots[slot] as usize - 1].gram.key() != key {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }
}

/// The key at `at`; zeros stand behind the end of the buffer.
fn key_at(buffer: &[u8], at: usize) -> Key {
    let rest = &buffer[at..];
    let mut bytes = [0; LEN];
    let len = rest.len().min(LEN);
    bytes[..len].copy_from_slice(&rest[..len]);
    Key::of(bytes)
}
