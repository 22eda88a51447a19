//! Makes the invisible visible, so that text from outside can only ever be text.
//!
//! A path or an argument may hold terminal escapes, or characters that reorder or hide what stands around them
//! (CVE-2021-42574). Each is shown as its escape, as it is in text from logs.

use std::borrow::Cow;

use crate::redact::{is_deceptive, push_visible};

/// `text` with control, bidirectional and zero-width characters written as `\u001b`. Line feeds and tabs are control
/// characters too: one call shows one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    push_visible(text, &mut shown);
    Cow::Owned(shown)
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
            ("a\x1b[31mb", "a\\u001b[31mb"),
            ("a\r\n\tb\0", "a\\r\\n\\tb\\u0000"),
            ("\u{9b}31m", "\\u009b31m"),
            ("log.\u{202e}gol", "log.\\u202egol"),
            ("a\u{200b}b\u{feff}", "a\\u200bb\\ufeff"),
            ("\u{e0041}", "\\ue0041"),
            ("\x7f", "\\u007f"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).contains(is_deceptive));
        }
    }
}
