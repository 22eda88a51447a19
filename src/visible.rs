//! Makes the invisible visible, so that text from outside can only ever be text.
//!
//! A path or a log line may hold terminal escapes, or characters that reorder or hide what stands around them
//! (CVE-2021-42574). Each such character is shown as its escape.

use std::borrow::Cow;
use std::fmt::Write;

use crate::block;

/// `text` with control, bidirectional and zero-width characters written as `\x1b` or `\u{202e}`.
/// Line feeds and tabs are control characters too: one call shows one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    let Some(first) = first_hidden(text) else { return Cow::Borrowed(text) };
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

/// The first character that is hidden. Passes over ordinary text many bytes at a time: nearly all is.
fn first_hidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += ordinary(&bytes[at..]);
        // Nearly all Chinese characters begin with one of these, and none that is hidden.
        while matches!(bytes.get(at), Some(0xE4..=0xE9)) {
            at += 3;
        }
        let c = text[at..].chars().next()?;
        if is_hidden(c) {
            return Some(at);
        }
        at += c.len_utf8();
    }
}

/// How many bytes at the start are of ASCII and can be seen.
#[inline]
fn ordinary(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk() {
        let marks = block::beyond_print(block) | block::among(block, [0x7f]);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += block::LEN;
    }
    at + bytes[at..].iter().take_while(|&&b| matches!(b, b' '..=b'~')).count()
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
        fn what_is_hidden_is_found_wherever_it_stands(text in "([ -~]{0,20}|[余，。é]|.|[\\x00-\\x1f\u{7f}-\u{a0}\u{200b}]){0,6}") {
            prop_assert_eq!(first_hidden(&text), text.find(is_hidden));
        }

        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).contains(is_hidden));
        }
    }
}
