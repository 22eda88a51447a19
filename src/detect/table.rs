//! Where literals begin, seen from a gram of theirs.

use super::gram::{Key, LEN};
use super::plan::{Placed, Start};

/// Grams by the hash of their keys, with open addressing. Those that share a key are one.
#[derive(Debug)]
pub struct Table {
    /// 1 + index of a gram; 0 where there is none.
    slots: Vec<u32>,
    bits: u32,
    grams: Vec<Placed>,
}

impl Table {
    pub fn new(grams: Vec<Placed>) -> Table {
        // At most an eighth of the slots is taken, so that what is not there is soon known not to be.
        let bits = (grams.len().max(256) * 8).next_power_of_two().ilog2();
        let mut table = Table { slots: vec![0; 1 << bits], bits, grams: Vec::with_capacity(grams.len()) };
        for placed in grams {
            let slot = table.slot(placed.gram.key());
            match table.slots[slot].checked_sub(1) {
                Some(known) => placed.begins.into_iter().for_each(|begin| table.grams[known as usize].add(begin)),
                None => {
                    table.grams.push(placed);
                    table.slots[slot] = table.grams.len() as u32;
                }
            }
        }
        table
    }

    /// Where literals with the gram at `at` would begin.
    pub fn starts<'b>(&self, buffer: &'b [u8], at: usize) -> impl Iterator<Item = Start> + use<'_, 'b> {
        let found = self.slots[self.slot(key_at(buffer, at))];
        let begins = found.checked_sub(1).map_or(&[][..], |index| &self.grams[index as usize].begins);
        begins.iter().filter(move |begin| begin.fits(buffer, at)).filter_map(move |begin| {
            let start = at.checked_sub(usize::from(begin.before))?;
            Some(Start { at: start, is_escaped: begin.is_escaped })
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
