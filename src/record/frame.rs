//! Finds the record around a hit.
//!
//! A record begins with a line that carries a time or a level, and takes in what follows it up to the next such
//! line; where lines carry neither, every unindented line is a record with its indented followers. The answer
//! depends only on the bytes around the hit, never on how they arrived: to decide about a line it is enough to
//! see the lines above it up to the nearest dated one, a few undated ones, or [`MAX_RECORD`] bytes.

use std::ops::Range;

use memchr::{memchr, memrchr};
use smallvec::SmallVec;

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

/// A line that was looked at.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: usize,
    /// Behind its line end.
    end: usize,
    shape: Shape,
    /// Its runtime cut it: the next one goes on.
    is_partial: bool,
    /// It begins another object than the one that the line above it has closed.
    opens: bool,
}

/// The record around `hit`. `buffer` begins at a line and ends behind a line end, or behind the last line of a
/// file that is over.
pub fn frame(buffer: &[u8], hit: usize) -> Frame {
    let hit_line = line_start(buffer, hit);
    let mut cursor = Cursor::over(look_up(buffer, hit_line));
    let mut start = None;
    while let Some(step) = cursor.next(buffer) {
        let begun = *start.get_or_insert(step.at);
        let begins = step.starts || step.at - begun >= MAX_RECORD;
        if step.at > hit_line && begins {
            return Frame { range: begun..step.at, closed: true };
        }
        if begins {
            start = Some(step.at);
        }
    }
    Frame { range: start.unwrap_or(hit_line)..buffer.len(), closed: false }
}

/// Start of the first line that has to be seen to frame what follows the line at `line` (itself included).
pub fn context(buffer: &[u8], line: usize) -> usize {
    look_up(buffer, line).last().map_or(line, |first| first.at)
}

/// The lines that have to be seen for that, from the one at `line` upward.
fn look_up(buffer: &[u8], line: usize) -> SmallVec<[Seen; 4]> {
    let mut seen = SmallVec::new();
    let mut at = line;
    let mut loose = 0;
    loop {
        let above = (at > 0).then(|| line_start(buffer, at - 1));
        let step = look(buffer, at, above);
        seen.push(step);
        let cut = above.is_some_and(|above| line::is_partial(&buffer[above..at]));
        match step.shape {
            Shape::Start | Shape::Single if !cut => return seen,
            Shape::Continuation if step.opens => return seen,
            Shape::Plain | Shape::Heading => loose += 1,
            _ => {}
        }
        match above {
            Some(above) if (loose <= MAX_LOOSE || cut) && line - above < MAX_RECORD => at = above,
            _ => return seen,
        }
    }
}

fn look(buffer: &[u8], at: usize, above: Option<usize>) -> Seen {
    let end = line_end(buffer, at);
    let line = line::unwrap(&buffer[at..end]);
    let opens = above.is_some_and(|above| opens_next_object(buffer, above, at, line.content));
    Seen { at, end, shape: line.shape(), is_partial: line.wrapping.is_partial(), opens }
}

/// True if the line at `at`, of this content, begins another object than the one that the line above it, at `above`, has closed.
fn opens_next_object(buffer: &[u8], above: usize, at: usize, content: &[u8]) -> bool {
    line::opens_object(content)
        && memchr::memrchr(b'{', &buffer[at..line_end(buffer, at)]).is_some_and(|brace| brace < MAX_PREFIX)
        && line::closes_object(line::unwrap(&buffer[above..at]).content)
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
    /// Lines that were seen on the way up; the next one is the last.
    seen: SmallVec<[Seen; 4]>,
    /// The next line.
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
    fn over(seen: SmallVec<[Seen; 4]>) -> Cursor {
        Cursor { seen, at: 0, loose: None, in_traceback: false, cut: false, above: None }
    }

    fn next(&mut self, buffer: &[u8]) -> Option<Step> {
        let line = match self.seen.pop() {
            // What stands above the first line does not matter any more.
            Some(seen) => Seen { opens: seen.opens && self.above.is_some(), ..seen },
            None if self.at < buffer.len() => look(buffer, self.at, self.above),
            None => return None,
        };
        self.at = line.end;
        let shape = if line.opens { Shape::Single } else { line.shape };
        let starts = !self.cut && self.starts(shape);
        self.above = Some(line.at);
        self.cut = line.is_partial;
        Some(Step { at: line.at, starts })
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
