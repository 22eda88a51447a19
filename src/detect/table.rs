//! Where literals begin, seen from a gram of theirs.

use super::gram::{Key, LEN};
use super::plan::{Around, Begin, Placed, Start};

/// Keys of grams, by hash with open addressing.
#[derive(Debug)]
pub struct Table {
    /// 1 + index of an entry; 0 where there is none.
    slots: Vec<u32>,
    bits: u32,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    around: Around,
    begins: Vec<Begin>,
}

impl Table {
    pub fn new(grams: &[Placed]) -> Table {
        // At most an eighth of the slots is taken, so that what is not there is soon known not to be.
        let bits = (grams.len().max(256) * 8).next_power_of_two().ilog2();
        let mut table = Table { slots: vec![0; 1 << bits], bits, entries: Vec::new() };
        for placed in grams {
            let slot = table.slot(placed.gram.key());
            if table.slots[slot] == 0 {
                table.entries.push(Entry { key: placed.gram.key(), around: placed.around, begins: Vec::new() });
                table.slots[slot] = table.entries.len() as u32;
            }
            let entry = &mut table.entries[table.slots[slot] as usize - 1];
            entry.around = entry.around.or(placed.around);
            for begin in &placed.begins {
                if !entry.begins.contains(begin) {
                    entry.begins.push(*begin);
                }
            }
        }
        table
    }

    /// Where literals with the gram at `at` would begin.
    pub fn starts<'t>(&'t self, buffer: &[u8], at: usize) -> impl Iterator<Item = Start> + use<'t> {
        let found = self.slots[self.slot(key_at(buffer, at))];
        let entry = found.checked_sub(1).map(|index| &self.entries[index as usize]);
        let fits = entry.filter(|entry| entry.around.fits(buffer, at..at + LEN));
        let begins = fits.map_or(&[][..], |entry| &entry.begins);
        begins.iter().filter_map(move |begin| {
            let start = at.checked_sub(usize::from(begin.before))?;
            Some(Start { at: start, is_escaped: begin.is_escaped })
        })
    }

    /// Where `key` is, or would be.
    fn slot(&self, key: Key) -> usize {
        let mut slot = key.hash(self.bits);
        while self.slots[slot] != 0 && self.entries[self.slots[slot] as usize - 1].key != key {
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
