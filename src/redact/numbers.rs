//! Numbers that are secrets by their form: cards, resident ids, mobile phones.

use std::ops::Range;

use crate::record::key::normal_key;
use crate::record::words::{Worded, word_before};

use super::{Mask, Masks};

pub(super) fn add_masks(record: &Worded<'_>, masks: &mut Masks) {
    let (text, bytes) = (record.text, record.text.as_bytes());
    let mut masked = 0;
    // Digits stand in words only, and those of a number that stands alone at the beginning of a part of one.
    for word in record.words().iter().filter(|word| word.has_digits()) {
        let mut part = Some(word.start);
        while let Some(start) = part {
            let run = start..start + digits(&bytes[start..]);
            if start >= masked && may_be_secret(bytes, &run) {
                let mask = secret(text, &run);
                masked = mask.as_ref().map_or(masked, |mask| mask.range.end);
                masks.extend(mask);
            }
            let rest = &bytes[run.end.min(word.end)..word.end];
            let joint = if word.is_jointed() { memchr::memchr2(b'.', b'-', rest) } else { None };
            part = joint.map(|joint| run.end + joint + 1);
        }
    }
}

/// Cards have 13 digits and more, or groups that begin with four; resident ids 17 or 18; mobile numbers 11 or 13.
fn may_be_secret(bytes: &[u8], run: &Range<usize>) -> bool {
    match run.len() {
        4 => matches!(bytes.get(run.end), Some(b' ' | b'-')),
        11 | 13..=19 => true,
        _ => false,
    }
}

fn secret(text: &str, run: &Range<usize>) -> Option<Mask> {
    let bytes = text.as_bytes();
    if !stands_alone(bytes, run) || is_kept_field(text, run.start) {
        return None;
    }
    let grouped = groups(bytes, run.start);
    let card = [grouped, run.clone()].into_iter().find(|digits| is_card(&bytes[digits.clone()]));
    if let Some(card) = card {
        return Some(mask_card(text, card));
    }
    resident(bytes, run)
        .map(|range| Mask { text: format!("{}************", &text[run.start..run.start + 6]).into(), range })
        .or_else(|| mobile(text, run))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// No letter, digit or `_` before or behind it; nor a decimal point.
fn stands_alone(bytes: &[u8], run: &Range<usize>) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let before = run.start.checked_sub(1).map(|at| bytes[at]);
    let behind = bytes.get(run.end);
    !before.as_ref().is_some_and(|b| word(b) || *b == b'.')
        && !behind.is_some_and(|b| word(b) && !matches!(b, b'X' | b'x'))
}

/// `4111 1111 1111 1111`, `4111-1111-…`: groups of four (or the 4-6-5 of American Express) behind `start`.
fn groups(bytes: &[u8], start: usize) -> Range<usize> {
    let mut end = start + digits(&bytes[start..]);
    let separator = bytes.get(end).copied();
    if end - start != 4 || !matches!(separator, Some(b' ' | b'-')) {
        return start..end;
    }
    while bytes.get(end).copied() == separator {
        let len = digits(&bytes[end + 1..]);
        if !(1..=7).contains(&len) {
            break;
        }
        end += 1 + len;
        if len != 4 && len != 6 {
            break;
        }
    }
    start..end
}

/// 13 to 19 digits with an issuer's prefix and the check digit of ISO/IEC 7812-1 (Luhn).
fn is_card(written: &[u8]) -> bool {
    let mut digits = [0; 19];
    let mut n_digits = 0;
    for &digit in written.iter().filter(|b| b.is_ascii_digit()) {
        let Some(place) = digits.get_mut(n_digits) else { return false };
        *place = digit;
        n_digits += 1;
    }
    if n_digits < 13 {
        return false;
    }
    let number = &digits[..n_digits];
    let prefix = |len: usize| number[..len].iter().fold(0u32, |sum, b| sum * 10 + u32::from(b - b'0'));
    let issued = match prefix(2) {
        40..=49 => matches!(number.len(), 13 | 16 | 19),
        51..=55 => number.len() == 16,
        22..=27 => number.len() == 16 && (2221..=2720).contains(&prefix(4)),
        34 | 37 => number.len() == 15,
        35 => (16..=19).contains(&number.len()),
        62 | 81 => (16..=19).contains(&number.len()),
        30 | 36 | 38 | 39 => number.len() == 14,
        60 | 64 | 65 => (16..=19).contains(&number.len()),
        _ => false,
    };
    issued && luhn(number)
}

pub(super) fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(n, b)| match (n % 2, u32::from(b - b'0')) {
            (0, d) => d,
            (_, d) if d * 2 > 9 => d * 2 - 9,
            (_, d) => d * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// First six and last four digits may be shown (PCI DSS 3.4.1).
fn mask_card(text: &str, range: Range<usize>) -> Mask {
    let number: String = text[range.clone()].chars().filter(char::is_ascii_digit).collect();
    Mask { text: format!("{}******{}", &number[..6], &number[number.len() - 4..]).into(), range }
}

/// A resident identity number of GB 11643: region, date of birth, serial, check character.
fn resident(bytes: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let end = match (run.len(), bytes.get(run.end)) {
        (18, _) => run.end,
        (17, Some(b'X' | b'x')) => run.end + 1,
        _ => return None,
    };
    if bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let number = &bytes[run.start..end];
    let value = |range: Range<usize>| number[range].iter().fold(0u32, |sum, b| sum * 10 + u32::from(b - b'0'));
    let plausible =
        (1900..=2100).contains(&value(6..10)) && (1..=12).contains(&value(10..12)) && (1..=31).contains(&value(12..14));
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = WEIGHTS.iter().zip(number).map(|(w, b)| w * u32::from(b - b'0')).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    (plausible && number[17].to_ascii_uppercase() == check).then_some(run.start..end)
}

/// A mobile number of mainland China, with or without its country code.
fn mobile(text: &str, run: &Range<usize>) -> Option<Mask> {
    let number = &text[run.clone()];
    let local = match number.len() {
        11 => number,
        13 => number.strip_prefix("86")?,
        _ => return None,
    };
    let mobile = local.starts_with('1') && matches!(local.as_bytes()[1], b'3'..=b'9');
    let named = text[..run.start].ends_with(['=', '_']) && number.len() == 11 && !phone_field(&text[..run.start]);
    (mobile && !named).then(|| Mask { range: run.end - 8..run.end - 4, text: "****".into() })
}

/// A number behind `=` is a phone number only if its field says so: amounts and counters are written the same way.
fn phone_field(before: &str) -> bool {
    let before = before.trim_end_matches('=').to_ascii_lowercase();
    ["phone", "mobile", "tel", "msisdn", "account", "logon_id"].iter().any(|key| before.ends_with(key))
}

/// True for the value of a field that holds an order number: those may look like cards, one in ten even with a right check
/// digit.
fn is_kept_field(text: &str, at: usize) -> bool {
    let left = text[..at].trim_end_matches(['"', '\'', ' ', '[', ':', '=', '>', '：']);
    let separated = left.len() < at;
    separated
        && word_before(text, left.len()).is_some_and(|word| {
            let key = normal_key(&text[word]);
            let key = key.as_str();
            key.ends_with("tradeno")
                || key.ends_with("orderid")
                || key.ends_with("orderno")
                || key.ends_with("transactionid")
                || key.ends_with("requestid")
                || key.ends_with("refundno")
                || key.ends_with("paymentid")
                || key.ends_with("refundid")
        })
}
