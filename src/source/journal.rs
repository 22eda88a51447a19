//! The systemd journal as a source, read through `journalctl`: its export format is a stable interface, its files are not.
//!
//! A journal is a directory, and is read once for all sources that mean it (`follow`). What is read are entries in the order of the journal, each with
//! its cursor; whoever goes on from a cursor gets every later entry, once, or is told that the journal does not reach back so far any more.

pub mod export;
pub mod follow;
mod journalctl;

use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::Timestamp;

use crate::config;
pub use journalctl::{Journalctl, Refused};

/// Where in a journal an entry is, as the journal itself writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// What is taken of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub cursor: Cursor,
    /// When the journal got it.
    pub time: Timestamp,
    pub message: Vec<u8>,
    /// Of a longer message, `message` is the beginning.
    pub is_cut: bool,
    /// Its line goes on in the next entry of the stream.
    pub is_partial: bool,
    /// The unit that wrote it: the user's where it is one of theirs.
    pub unit: Option<String>,
    pub identifier: Option<String>,
    /// The stream and process, or the container, of lines that a program wrote to its standard output; an entry without is a record by itself.
    pub stream: Option<String>,
    pub host: Option<String>,
    /// As syslog counts, of those that said one.
    pub priority: Option<u8>,
    pub command: Option<String>,
}

/// The units of one source.
#[derive(Debug, Clone)]
pub struct Units {
    globs: Option<GlobSet>,
}

impl Cursor {
    /// Every entry is behind it.
    pub fn beginning() -> Cursor {
        Cursor(String::new())
    }

    pub fn is_beginning(&self) -> bool {
        self.0.is_empty()
    }

    /// One of its parts: `i` is the number in the sequence `s`, `b` the boot, `m` and `t` the time since then and by the clock.
    fn part(&self, name: &str) -> Option<&str> {
        self.0.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    fn number(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.part(name)?, 16).ok()
    }

    /// When the journal got the entry.
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(i64::try_from(self.number("t")?).ok()?).ok()
    }

    /// True if it is the same entry, also where it was moved to another file: sequences differ then.
    pub fn is_same(&self, other: &Cursor) -> bool {
        let moment = |cursor: &Cursor| Some((cursor.part("b")?.to_owned(), cursor.number("m")?, cursor.number("t")?));
        self == other || self.part("s") != other.part("s") && moment(self).is_some() && moment(self) == moment(other)
    }

    /// True if it stands behind `other` in the journal; of what was written in the same moment nobody can tell where the sequences differ.
    pub fn is_behind(&self, other: &Cursor) -> bool {
        if self.part("s").is_some() && self.part("s") == other.part("s") {
            return self.number("i") > other.number("i");
        }
        self.number("t") > other.number("t")
    }

    /// True if nothing can have been between it and `next`.
    fn is_just_before(&self, next: &Cursor) -> bool {
        self.part("s").is_some()
            && self.part("s") == next.part("s")
            && self.number("i").map(|i| i + 1) == next.number("i")
    }
}

impl Entry {
    /// How paytriage calls the place where it stands: `journal:shop.service`.
    pub fn path(&self) -> String {
        let name = self.unit.as_ref().or(self.identifier.as_ref()).map_or("kernel", String::as_str);
        format!("journal:{}", name.replace(char::is_control, "_"))
    }

    /// True if it is what some paytriage wrote: reading one's own output would never end. `own_unit` is the unit that this one runs in.
    pub fn is_own(&self, own_unit: Option<&str>) -> bool {
        let is_paytriage = |name: &Option<String>| name.as_deref() == Some(env!("CARGO_PKG_NAME"));
        is_paytriage(&self.command)
            || is_paytriage(&self.identifier)
            || own_unit.is_some() && self.unit.as_deref() == own_unit
    }
}

impl Units {
    /// # Errors
    /// A glob that cannot be read.
    pub fn new(journal: &config::Journal) -> Result<Units, globset::Error> {
        if journal.units.is_empty() {
            return Ok(Units { globs: None });
        }
        let mut globs = GlobSetBuilder::new();
        for unit in &journal.units {
            globs.add(Glob::new(unit)?);
        }
        Ok(Units { globs: Some(globs.build()?) })
    }

    /// Are entries of this unit meant?
    pub fn mean(&self, unit: Option<&str>) -> bool {
        self.globs.as_ref().is_none_or(|globs| unit.is_some_and(|unit| globs.is_match(unit)))
    }
}

/// The unit that this process runs in, where it is a service. A session has more in it than this process.
pub fn own_unit() -> Option<String> {
    unit_of(&std::fs::read_to_string("/proc/self/cgroup").ok()?)
}

fn unit_of(cgroup: &str) -> Option<String> {
    let unit = cgroup.trim_end().rsplit('/').next()?;
    unit.ends_with(".service").then(|| unit.to_owned())
}

/// How long to wait before journalctl is started again, after so many failures in a row.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(s: &str, i: u64, m: u64) -> Cursor {
        Cursor(format!("s={s};i={i:x};b=b0;m={m:x};t={:x};x=77", 1_700_000_000_000_000 + m))
    }

    #[test]
    fn cursors_are_compared_by_what_they_name() {
        assert!(cursor("a", 1, 5).is_same(&cursor("a", 1, 5)));
        // Written by the same batch of lines, in the same microsecond.
        assert!(!cursor("a", 1, 5).is_same(&cursor("a", 2, 5)));
        // Moved from /run to /var.
        assert!(cursor("a", 1, 5).is_same(&cursor("b", 9, 5)));
        assert!(!Cursor("x".into()).is_same(&Cursor("y".into())));
        assert!(cursor("a", 2, 5).is_behind(&cursor("a", 1, 5)) && !cursor("a", 1, 9).is_behind(&cursor("a", 1, 5)));
        assert!(cursor("b", 1, 6).is_behind(&cursor("a", 9, 5)) && !cursor("b", 9, 5).is_behind(&cursor("a", 1, 5)));
        assert!(cursor("a", 1, 5).is_behind(&Cursor::beginning()) && !Cursor::beginning().is_same(&cursor("a", 1, 5)));
        assert!(cursor("a", 1, 5).is_just_before(&cursor("a", 2, 6)));
        assert!(!cursor("a", 1, 5).is_just_before(&cursor("a", 3, 6)));
        assert!(!cursor("a", 1, 5).is_just_before(&cursor("b", 2, 6)));
        assert_eq!(cursor("a", 1, 5).time(), Timestamp::from_microsecond(1_700_000_000_000_005).ok());
    }

    #[test]
    fn units_are_globs_and_none_are_all() {
        let units = |list: &[&str]| {
            let units = list.iter().map(|&unit| unit.to_owned()).collect();
            Units::new(&config::Journal { units, directory: None }).unwrap()
        };
        let some = units(&["shop.service", "till@*.service"]);
        assert!(some.mean(Some("shop.service")) && some.mean(Some("till@7.service")));
        assert!(!some.mean(Some("shop-2.service")) && !some.mean(None));
        assert!(units(&[]).mean(None) && units(&[]).mean(Some("any.scope")));
    }

    #[test]
    fn a_service_knows_its_unit() {
        assert_eq!(unit_of("0::/system.slice/shop-watch.service\n").as_deref(), Some("shop-watch.service"));
        assert_eq!(unit_of("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(unit_of("0::/\n"), None);
    }

    #[test]
    fn pauses_grow_to_half_a_minute() {
        assert_eq!([1, 2, 5, 6, 60].map(|failures| pause(failures).as_secs()), [1, 2, 16, 32, 32]);
    }
}
