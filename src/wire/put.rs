//! Appends JSON to a buffer, piece by piece.
//!
//! Keys come as they stand in the output, with the comma before and the colon behind them; an object's brace takes the
//! place of its first comma. So nothing is asked while writing, and what is absent is left out by not calling.

use std::io::Write;

use jiff::Timestamp;

use crate::block;
use crate::visible::is_hidden;

pub fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

pub fn member(out: &mut Vec<u8>, key: &str, value: &str) {
    raw(out, key);
    text(out, value);
}

pub fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    raw(out, key);
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), value);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// An array of strings, if there are any.
pub fn list<'v>(out: &mut Vec<u8>, key: &str, values: impl Iterator<Item = &'v str>) {
    each(out, key, values, text);
}

/// An array of what `write` appends for each value, if there are any.
pub fn each<T>(out: &mut Vec<u8>, key: &str, values: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return;
    }
    raw(out, key);
    for (n, value) in values.enumerate() {
        out.push(if n == 0 { b'[' } else { b',' });
        write(out, value);
    }
    out.push(b']');
}

/// An object of the members that `write` appends, if there are any.
pub fn object(out: &mut Vec<u8>, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let before = out.len();
    raw(out, key);
    let brace = out.len();
    write(out);
    if out.len() == brace {
        out.truncate(before);
    } else {
        out[brace] = b'{';
        out.push(b'}');
    }
}

/// A string, with every hidden character escaped.
pub fn text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // Up to `from` all is written, up to `at` all was looked at.
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let start = at;
        let mut marks = of_note(&bytes[at..]);
        at += block::LEN;
        while marks != 0 {
            let place = start + marks.trailing_zeros() as usize;
            let end = character(out, text, &mut from, place);
            // A character may reach into the next block.
            at = at.max(end);
            marks &= u32::MAX.checked_shl((end - start) as u32).unwrap_or_default();
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Marks the bytes of the next block that may not stand as they are.
#[inline]
fn of_note(bytes: &[u8]) -> u32 {
    let of_block = |block: &[u8; block::LEN]| block::beyond_print(block) | block::among(block, *b"\"\\\x7f");
    bytes.first_chunk().map_or_else(
        || {
            let mut last = [b' '; block::LEN];
            last[..bytes.len()].copy_from_slice(bytes);
            of_block(&last)
        },
        of_block,
    )
}

/// Looks at the character at a place and returns where the next one begins. What cannot stand as it is is written as its
/// escape, behind what is not written yet: all from `from` on.
#[inline]
fn character(out: &mut Vec<u8>, text: &str, from: &mut usize, place: usize) -> usize {
    let bytes = text.as_bytes();
    match bytes[place] {
        // The escape of these two is a backslash before them.
        b'"' | b'\\' => {
            out.extend_from_slice(&bytes[*from..place]);
            out.push(b'\\');
            *from = place;
            return place + 1;
        }
        b' '..=b'~' => return place + 1,
        // Nearly all Chinese characters begin with one of these, and none that is hidden.
        0xE4..=0xE9 => {
            let n_chinese = bytes[place..].iter().step_by(3).take_while(|lead| matches!(lead, 0xE4..=0xE9)).count();
            return place + n_chinese * 3;
        }
        _ => {}
    }
    let c = text[place..].chars().next().unwrap_or_default();
    let end = place + c.len_utf8();
    if is_hidden(c) {
        out.extend_from_slice(&bytes[*from..place]);
        *from = end;
        match c {
            '\n' => raw(out, "\\n"),
            '\r' => raw(out, "\\r"),
            '\t' => raw(out, "\\t"),
            '\u{8}' => raw(out, "\\b"),
            '\u{c}' => raw(out, "\\f"),
            // Writing to a `Vec` cannot fail.
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| drop(write!(out, "\\u{unit:04x}"))),
        }
    }
    end
}

pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.extend(bytes.iter().flat_map(|&b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]));
    out.push(b'"');
}

/// RFC 3339 in UTC, with as many digits of the second's fraction as it has.
pub fn time(out: &mut Vec<u8>, time: Timestamp) {
    out.push(b'"');
    match four_digit_years(time) {
        Some(written) => out.extend_from_slice(written.trim_ascii_end()),
        None => drop(write!(out, "{time}")),
    }
    out.push(b'"');
}

/// A time of the years 1970 to 9999, padded with blanks behind it.
fn four_digit_years(time: Timestamp) -> Option<[u8; 30]> {
    let seconds = u64::try_from(time.as_second()).ok()?;
    let nanos = u32::try_from(time.subsec_nanosecond()).ok()?;
    let (year, month, day) = date(seconds / 86_400);
    let second = (seconds % 86_400) as u32;
    let mut written = *b"0000-00-00T00:00:00.000000000Z";
    digits(&mut written[..4], year);
    digits(&mut written[5..7], month);
    digits(&mut written[8..10], day);
    digits(&mut written[11..13], second / 3600);
    digits(&mut written[14..16], second / 60 % 60);
    digits(&mut written[17..19], second % 60);
    digits(&mut written[20..29], nanos);
    let n_zeros = written[20..29].iter().rev().take_while(|&&digit| digit == b'0').count();
    let end = if n_zeros == 9 { 19 } else { 29 - n_zeros };
    written[end] = b'Z';
    written[end + 1..].fill(b' ');
    Some(written)
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: u64) -> (u32, u32, u32) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

/// Fills `place` with the last digits of `number`.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_has_nothing_in_it_is_left_out() {
        assert_eq!(written(|out| object(out, r#","a":"#, |_| {})), "");
        assert_eq!(written(|out| list(out, r#","a":"#, [].into_iter())), "");
        assert_eq!(written(|out| object(out, r#","a":"#, |out| member(out, r#","b":"#, "c"))), r#","a":{"b":"c"}"#);
    }

    proptest! {
        #[test]
        fn text_is_what_serde_writes(value in "([a-z\"\\\\]{0,12}|.|[\\x00-\\x20\u{7f}-\u{a0}\u{2000}-\u{2070}\u{e0001}余，。]){0,8}") {
            prop_assert_eq!(written(|out| text(out, &value)).into_bytes(), super::super::json(&value));
        }

        #[test]
        fn numbers_and_times_are_what_others_write(value: u64, second in -377_705_023_201i64..=253_402_207_200, nanos in 0..1_000_000_000, fraction in 0u32..10) {
            prop_assert_eq!(written(|out| number(out, "", value)), value.to_string());
            let nanos = nanos / 10i32.pow(fraction.min(9)) * 10i32.pow(fraction.min(9));
            let moment = Timestamp::new(second, nanos).unwrap();
            prop_assert_eq!(written(|out| time(out, moment)), format!("\"{moment}\""));
            let near = Timestamp::new(second.rem_euclid(4_000_000_000), nanos).unwrap();
            prop_assert_eq!(written(|out| time(out, near)), format!("\"{near}\""));
        }
    }
}
