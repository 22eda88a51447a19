//! Finds the record around a hit.
//!
//! A record begins with a line that carries a time or a level, and takes in what follows it up to the next such
//! line; where lines carry neither, every unindented line is a record with its indented followers. The answer
//! depends only on the bytes around the hit, never on how they arrived: to decide about a line it is enough to
//! see the lines above it up to the nearest dated one, a few undated ones, or [`MAX_RECORD`] bytes.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::line::{self, Shape};

/// The longest record of several lines, in bytes; what is longer is cut. One line may be longer.
pub const MAX_RECORD: usize = 64 * 1024;

/// Unindented undated lines that still belong to the dated line above them.
const MAX_LOOSE: usize = 6;

/// Longest that stands before a lone brace: a supervisor's prefix.
const MAX_PREFIX: usize = 256;

/// A record found in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, whole lines, the last line end included.
    pub range: Range<usize>,
    /// False if the buffer ended before the record surely did.
    pub closed: bool,
}

/// The record around `hit`. `buffer` begins at a line and ends behind a line end, or behind the last line of a
/// file that is over.
pub fn frame(buffer: &[u8], hit: usize) -> Frame {
    let hit_line = line_start(buffer, hit);
    let mut cursor = Cursor::at(context(buffer, hit_line));
    let mut start = cursor.at;
    while let Some(step) = cursor.next(buffer) {
        let past_hit = step.at > hit_line;
        if past_hit && (step.starts || step.at - start >= MAX_RECORD) {
            return Frame { range: start..step.at, closed: true };
        }
        if step.starts || step.at - start >= MAX_RECORD {
            start = step.at;
        }
    }
    Frame { range: start..buffer.len(), closed: false }
}

/// Start of the first line that has to be seen to frame what follows the line at `line` (itself included).
pub fn context(buffer: &[u8], line: usize) -> usize {
    let mut at = line;
    let mut loose = 0;
    loop {
        let shape = line::unwrap(&buffer[at..line_end(buffer, at)]).shape();
        let above = (at > 0).then(|| line_start(buffer, at - 1));
        let cut = above.is_some_and(|above| line::unwrap(&buffer[above..at]).wrapping.is_partial());
        let opens = || above.is_some_and(|above| opens_next_object(buffer, above, at));
        match shape {
            Shape::Start | Shape::Single if !cut => return at,
            Shape::Continuation if opens() => return at,
            Shape::Plain | Shape::Heading => loose += 1,
            _ => {}
        }
        match above {
            Some(above) if (loose <= MAX_LOOSE || cut) && line - above < MAX_RECORD => at = above,
            _ => return at,
        }
    }
}

/// True if the line at `at` begins another object than the one that the line above it, at `above`, has closed.
fn opens_next_object(buffer: &[u8], above: usize, at: usize) -> bool {
    let content = |at: usize| line::unwrap(&buffer[at..line_end(buffer, at)]).content;
    let may_open = memchr::memrchr(b'{', &buffer[at..line_end(buffer, at)]).is_some_and(|brace| brace < MAX_PREFIX);
    may_open && line::opens_object(content(at)) && line::closes_object(content(above))
}

/// Start of the line that holds `at`.
pub fn line_start(buffer: &[u8], at: usize) -> usize {
    memrchr(b'\n', &buffer[..at]).map_or(0, |lf| lf + 1)
}

/// The byte behind the line end of the line that holds `at`.
pub fn line_end(buffer: &[u8], at: usize) -> usize {
    memchr(b'\n', &buffer[at..]).map_or(buffer.len(), |lf| at + lf + 1)
}

/// Walks downward over lines and says which of them begin a record.
struct Cursor {
    at: usize,
    /// Undated lines since the last dated one; `None` when none is near.
    loose: Option<usize>,
    /// A traceback's head was seen, and no unindented line since.
    in_traceback: bool,
    /// The line before was cut by its runtime.
    cut: bool,
    /// Start of the line before.
    above: Option<usize>,
}

struct Step {
    at: usize,
    starts: bool,
}

impl Cursor {
    fn at(at: usize) -> Cursor {
        Cursor { at, loose: None, in_traceback: false, cut: false, above: None }
    }

    fn next(&mut self, buffer: &[u8]) -> Option<Step> {
        let at = self.at;
        if at >= buffer.len() {
            return None;
        }
        self.at = line_end(buffer, at);
        let line = line::unwrap(&buffer[at..self.at]);
        let opens = self.above.is_some_and(|above| opens_next_object(buffer, above, at));
        let shape = if opens { Shape::Single } else { line.shape() };
        let starts = !self.cut && self.starts(shape);
        self.above = Some(at);
        self.cut = line.wrapping.is_partial();
        Some(Step { at, starts })
    }

    fn starts(&mut self, shape: Shape) -> bool {
        match shape {
            Shape::Start => {
                self.loose = Some(0);
                self.in_traceback = false;
                true
            }
            Shape::Single => {
                self.loose = None;
                self.in_traceback = false;
                true
            }
            Shape::Continuation => false,
            Shape::Traceback => {
                self.in_traceback = true;
                false
            }
            Shape::Heading | Shape::Plain => {
                let claimed = std::mem::take(&mut self.in_traceback) && shape == Shape::Heading;
                self.loose = self.loose.map(|loose| loose + 1).filter(|&loose| loose <= MAX_LOOSE);
                self.loose.is_none() && !claimed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record around the line that holds `needle`, as text.
    fn record<'a>(text: &'a str, needle: &str) -> &'a str {
        let found = frame(text.as_bytes(), text.find(needle).expect("needle"));
        &text[found.range]
    }

    #[test]
    fn dated_lines_take_in_what_follows() {
        let log = "2026-11-23 01:00:00 ERROR a\nTraceback (most recent call last):\n  File \"x\"\npay.PayError: HIT\n\
                   2026-11-23 01:00:01 INFO b\n";
        assert_eq!(
            record(log, "HIT"),
            log.split_inclusive("2026-11-23 01:00:01").next().unwrap().trim_end_matches("2026-11-23 01:00:01")
        );
        assert_eq!(record(log, "INFO b"), "2026-11-23 01:00:01 INFO b\n");
    }

    #[test]
    fn undated_lines_stand_for_themselves_with_their_followers() {
        let log = "cart { a: 1 }\npay failed Error: HIT\n    at x\n  code: 'HIT'\n}\ncart { b: 2 }\n";
        assert_eq!(record(log, "HIT"), "pay failed Error: HIT\n    at x\n  code: 'HIT'\n}\n");
        let errors = "Error: one\n    at x\nError: two\n    at y\n";
        assert_eq!(record(errors, "two"), "Error: two\n    at y\n");
    }

    #[test]
    fn a_header_line_keeps_its_pretty_body() {
        let log = ">>> ali pay\n{\n  \"sub_code\": \"HIT\"\n}\n>>> ant pay\n{\n}\n";
        assert_eq!(record(log, "HIT"), ">>> ali pay\n{\n  \"sub_code\": \"HIT\"\n}\n");
    }

    #[test]
    fn prefixed_lines_make_records_of_several_lines() {
        let at = |rest: &str| format!("Nov 23 09:30:01 web1 shop[12]: {rest}\n");
        let log: String = ["pay failed {", "  code: 'HIT'", "}", "cart saved", "mail sent"].map(at).concat();
        assert_eq!(record(&log, "HIT").lines().count(), 3);
        assert_eq!(record(&log, "cart").lines().count(), 1);
    }

    #[test]
    fn each_pretty_object_of_a_log_is_a_record() {
        let log = "{\n  \"a\": \"one\"\n}\n{\n  \"a\": \"two\"\n}\n";
        assert_eq!(record(log, "one"), "{\n  \"a\": \"one\"\n}\n");
        assert_eq!(record(log, "two"), "{\n  \"a\": \"two\"\n}\n");
    }

    #[test]
    fn one_dated_line_does_not_swallow_an_undated_log() {
        let mut log = String::from("2026-11-23 01:00:00 server started\n");
        for n in 0..20 {
            log.push_str(&format!("payment {n} failed\n"));
        }
        assert_eq!(record(&log, "payment 15"), "payment 15 failed\n");
    }

    #[test]
    fn parts_of_a_cut_line_stay_together() {
        let log = "2026-11-23T01:00:00.1Z stdout P 2026-11-23 ERROR HI\n2026-11-23T01:00:00.2Z stdout F T 2026-11-23 x\n\
                   2026-11-23T01:00:00.3Z stdout F 2026-11-23 next\n";
        assert_eq!(record(log, " F T").lines().count(), 2);
        assert_eq!(record(log, "HI").lines().count(), 2);
    }

    #[test]
    fn open_until_the_next_start() {
        let log = "2026-11-23 01:00:00 ERROR HIT\n";
        assert!(!frame(log.as_bytes(), 20).closed);
        let log = format!("{log}2026-11-23 01:00:01 x\n");
        assert!(frame(log.as_bytes(), 20).closed);
    }

    #[test]
    fn endless_continuations_are_cut() {
        let log = format!("2026-11-23 01:00:00 dump\n{}", "  row of data\n".repeat(20_000));
        let found = frame(log.as_bytes(), log.len() / 2);
        assert!(found.range.len() <= MAX_RECORD + 16 && found.closed);
    }
}
