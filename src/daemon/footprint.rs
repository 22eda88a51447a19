//! Gives back memory that is needed no more: a daemon that waits keeps what waiting takes.
//!
//! Most of what is resident are pages of the program's own file, which were needed once: code that parses the
//! configuration, texts of the catalogue. They are clean, so the system could take them at any time, but it does so only under pressure, and
//! until then they are counted as this process's.

use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Takes the pages of files that are mapped, and that this process never writes to, out of its memory. Those that are needed again come
/// back from the page cache. Where the system does not say what is mapped, nothing happens.
pub fn give_back() {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in clean_file_mappings(&maps) {
        // SAFETY: the mapping is private, of a file, without the right to write, and none of its pages differs from the file
        // (`Anonymous: 0`). So dropping pages changes no byte that anybody can read: the next access maps the same
        // page of the file again. Executables and libraries that run are not written to, but replaced (`ETXTBSY`).
        let given =
            unsafe { madvise(std::ptr::with_exposed_provenance_mut(range.start), range.len(), Advice::LinuxDontNeed) };
        if let Err(error) = given {
            tracing::debug!(%error, "cannot give memory back");
        }
    }
}

/// Address ranges in `/proc/PID/smaps` (proc(5)) that are private, of a file, not writable, and have no page that differs from it.
fn clean_file_mappings(smaps: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut mapping = None;
    for line in smaps.lines() {
        if let Some(range) = header(line) {
            mapping = range.ok();
        } else if line.strip_prefix("Anonymous:").is_some_and(|size| size.trim() == "0 kB") {
            ranges.extend(mapping.take());
        }
    }
    ranges
}

/// The range of a mapping, if this line begins one; `Err` if it is of another kind.
fn header(line: &str) -> Option<Result<Range<usize>, ()>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let address = |text: &str| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let may = fields.next()?;
    let is_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    Some(if is_file && matches!(may, "r-xp" | "r--p") { Ok(range) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_file_holds_unchanged_is_given_back() {
        let smaps = "\
55d0a000-55d0b000 r--p 00000000 fd:00 42                         /usr/bin/paytriage
Rss:                   4 kB
Anonymous:             0 kB
55d0b000-55d0d000 r-xp 00001000 fd:00 42                         /usr/bin/paytriage
Anonymous:             0 kB
55d0d000-55d0e000 r--p 00003000 fd:00 42                         /usr/bin/paytriage
Anonymous:             4 kB
55d0e000-55d0f000 rw-p 00004000 fd:00 42                         /usr/bin/paytriage
Anonymous:             0 kB
7f000000-7f001000 r--s 00000000 00:05 7                          /dev/shm/other
Anonymous:             0 kB
7f100000-7f101000 r--p 00000000 00:00 0
Anonymous:             0 kB
7ffe0000-7ffe1000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
";
        assert_eq!(clean_file_mappings(smaps), [0x55d0_a000..0x55d0_b000, 0x55d0_b000..0x55d0_d000]);
        assert!(clean_file_mappings("nonsense\n- x\n").is_empty());
    }

    #[test]
    fn the_process_goes_on_as_before() {
        let before = crate::catalog::Catalog::builtin().entries().len();
        give_back();
        assert_eq!(crate::catalog::Catalog::builtin().entries().len(), before);
    }
}
