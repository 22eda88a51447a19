//! Makes the invisible visible, so that text from outside can only ever be text.
//!
//! A path or a log line may hold terminal escapes, or characters that reorder or hide what stands around them
//! (CVE-2021-42574). Each such character is shown as its escape.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with control, bidirectional and zero-width characters written as `\x1b` or `\u{202e}`.
/// Line feeds and tabs are control characters too: one call shows one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    let Some((first, _)) = next_hidden_or(text, 0, [0x7f; 2]) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '\t' => shown.push_str("\\t"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            c if !is_hidden(c) => shown.push(c),
            // Writing to a `String` cannot fail.
            c if c.is_ascii() => drop(write!(shown, "\\x{:02x}", u32::from(c))),
            c => drop(write!(shown, "\\u{{{:04x}}}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

/// The first character from `from` on that is hidden, or one of two of ASCII. Passes over ordinary text eight bytes at a
/// time: all text that leaves goes through here, some of it twice.
pub fn next_hidden_or(text: &str, from: usize, wanted: [u8; 2]) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += ordinary(&bytes[at..], wanted);
        let lead = *bytes.get(at)?;
        if lead.is_ascii() {
            return Some((at, char::from(lead)));
        }
        // Nearly all Chinese characters begin with one of these, and none that is hidden.
        if matches!(lead, 0xE4..=0xE9) {
            at += 3;
            while matches!(bytes.get(at), Some(0xE4..=0xE9)) {
                at += 3;
            }
            continue;
        }
        let c = text[at..].chars().next()?;
        if is_hidden(c) {
            return Some((at, c));
        }
        at += c.len_utf8();
    }
}

/// How many bytes at the start are of ASCII, can be seen, and are not wanted.
fn ordinary(bytes: &[u8], wanted: [u8; 2]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES * 0x80;
    // Sets the top bit of bytes that are zero; of others only above one that is, so the lowest is right.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let wanted_words = wanted.map(|b| ONES * u64::from(b));
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let delete = zero(word ^ (ONES * 0x7f));
        let found = control | delete | word & TOPS | zero(word ^ wanted_words[0]) | zero(word ^ wanted_words[1]);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&b| matches!(b, b' '..=b'~') && !wanted.contains(&b)).count()
}

/// True for characters that act on what stands around them, or cannot be seen.
pub fn is_hidden(c: char) -> bool {
    // Nearly all text is one of these.
    if matches!(c, ' '..='~' | '\u{3001}'..='\u{3163}' | '\u{3400}'..='\u{9fff}') {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "/var/log/shop/app.log", "交易已支付 — ok", "naïve ▁▂▃"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn escapes_and_tricks_are_shown() {
        for (text, shown) in [
            ("a\x1b[31mb", "a\\x1b[31mb"),
            ("a\r\n\tb\0", "a\\r\\n\\tb\\x00"),
            ("\u{9b}31m", "\\u{009b}31m"),
            ("log.\u{202e}gol", "log.\\u{202e}gol"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{e0041}", "\\u{e0041}"),
            ("\x7f", "\\x7f"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_hidden_is_found_wherever_it_stands(text in "([ -~]{0,20}|[余，。é]|.|[\\x00-\\x1f\u{7f}-\u{a0}\u{200b}]){0,6}", from in 0usize..20) {
            let from = (0..=from.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let wanted = |c: char| is_hidden(c) || c == 'a' || c == '"';
            let plain = text[from..].char_indices().map(|(at, c)| (from + at, c)).find(|&(_, c)| wanted(c));
            prop_assert_eq!(next_hidden_or(&text, from, *b"a\""), plain);
        }

        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).contains(is_hidden));
        }
    }
}
