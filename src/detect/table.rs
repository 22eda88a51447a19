//! Which literals have a gram and where they begin, seen from there; and whether one of them is there.

use std::collections::BTreeSet;

use super::gram::{Key, LEN};
use super::literal::{Literal, Occurrence};
use super::plan::Plan;

/// Grams by the hash of their keys, with open addressing. Those that share a key are one.
#[derive(Debug)]
pub struct Table {
    /// 1 + index of a gram; 0 where there is none.
    slots: Vec<u32>,
    bits: u32,
    plan: Plan,
}

/// A position where literals may begin.
#[derive(Debug, Clone, Copy)]
pub struct Start<'t> {
    pub at: usize,
    pub is_escaped: bool,
    /// Which these are, in their order; none if they are escaped.
    members: &'t [u32],
}

impl Table {
    pub fn new(plan: Plan) -> Table {
        // At most an eighth of the slots is taken, so that what is not there is soon known not to be.
        let bits = (plan.grams.len().max(256) * 8).next_power_of_two().ilog2();
        let mut table = Table { slots: vec![0; 1 << bits], bits, plan };
        for at in 0..table.plan.grams.len() {
            let slot = table.slot(table.plan.grams[at].gram.key());
            table.slots[slot] = at as u32 + 1;
        }
        table
    }

    /// Where literals with the gram at `at` would begin.
    pub fn starts<'t>(&'t self, buffer: &[u8], at: usize) -> impl Iterator<Item = Start<'t>> {
        let found = self.slots[self.slot(key_at(buffer, at))].checked_sub(1);
        let begins = found.map_or(&[][..], |index| {
            let range = &self.plan.grams[index as usize].begins;
            &self.plan.begins[range.start as usize..range.end as usize]
        });
        begins.iter().filter(move |begin| begin.fits(buffer, at)).filter_map(move |begin| {
            let start = at.checked_sub(usize::from(begin.before))?;
            let members = &self.plan.members[begin.members.start as usize..begin.members.end as usize];
            Some(Start { at: start, is_escaped: begin.is_escaped, members })
        })
    }

    /// True if one of these literals is there, and has around it what makes it a candidate.
    pub fn is_candidate(&self, buffer: &[u8], start: Start<'_>) -> bool {
        // Those that read as the buffer so far. They are in order: where the first and the last go on alike, all do.
        let mut members = start.members;
        for (depth, byte) in buffer[start.at..].iter().map(u8::to_ascii_lowercase).enumerate() {
            let (first, last) = match members {
                [] => return false,
                [only] => return self.literal(*only).is_at(buffer, start.at),
                [first, .., last] => (first, last),
            };
            let letter = |member: &u32| self.literal(*member).text[depth].to_ascii_lowercase();
            if letter(first) != letter(last) {
                members = &members[members.partition_point(|member| letter(member) < byte)..];
                members = &members[..members.partition_point(|member| letter(member) == byte)];
            } else if letter(first) != byte {
                return false;
            }
            // The shortest come first.
            let is_whole = |member: &u32| self.literal(*member).text.len() == depth + 1;
            if members.first().is_some_and(is_whole) {
                let (whole, longer) = members.split_at(members.partition_point(is_whole));
                let occurrence = Occurrence::new(buffer, start.at, start.at + depth + 1);
                if whole.iter().any(|member| self.literal(*member).is_confirmed(&occurrence)) {
                    return true;
                }
                members = longer;
            }
        }
        false
    }

    /// True if any literal makes a candidate of what begins at `at`.
    pub fn begins_at(&self, buffer: &[u8], at: usize) -> bool {
        let first = |literal: &Literal| literal.text.first().map(u8::to_ascii_lowercase);
        let wanted = buffer.get(at).map(u8::to_ascii_lowercase);
        let literals = &self.plan.literals[..];
        let same = &literals[literals.partition_point(|literal| first(literal) < wanted)..];
        same.iter().take_while(|literal| first(literal) == wanted).any(|literal| literal.is_at(buffer, at))
    }

    /// Each once.
    pub fn literals(&self) -> impl Iterator<Item = &[u8]> {
        let texts: BTreeSet<&[u8]> = self.plan.literals.iter().map(|literal| &literal.text[..]).collect();
        texts.into_iter()
    }

    fn literal(&self, number: u32) -> &Literal {
        &self.plan.literals[number as usize]
    }

    /// Where `key` is, or would be.
    fn slot(&self, key: Key) -> usize {
        let mut slot = key.hash(self.bits);
        while self.slots[slot] != 0 && self.plan.grams[self.slots[slot] as usize - 1].gram.key() != key {
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
