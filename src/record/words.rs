//! Cuts the text of a record into words, and reads the value that stands behind a key.
//!
//! Works the same on JSON, XML, query strings, logfmt and prose, also on halves of them: what matters is only which
//! word stands before which, and what separates them.

use std::ops::Range;

/// The words of `text`: runs of ASCII letters, digits and `_`, with `.` and `-` inside (`ACQ.TRADE_HAS_SUCCESS`,
/// `isv.invalid-signature`, `out-trade-no`).
pub fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += bytes[at..].iter().position(|&b| is_core(b))?;
        let start = at;
        let mut end = at;
        while at < bytes.len() && (is_core(bytes[at]) || is_joint(bytes[at])) {
            at += 1;
            if is_core(bytes[at - 1]) {
                end = at;
            }
        }
        at = end;
        Some(start..end)
    })
}

pub fn is_core(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_joint(b: u8) -> bool {
    b == b'.' || b == b'-'
}

/// The word that ends at `end`, if one does.
pub fn word_before(text: &str, end: usize) -> Option<Range<usize>> {
    let bytes = &text.as_bytes()[..end];
    if !bytes.last().is_some_and(|&b| is_core(b)) {
        return None;
    }
    let mut start = end;
    while start > 0 && (is_core(bytes[start - 1]) || is_joint(bytes[start - 1])) {
        start -= 1;
    }
    while !is_core(bytes[start]) {
        start += 1;
    }
    Some(start..end)
}

/// The line of `text` around `at`, without its line end.
pub fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |lf| lf + 1);
    let end = text[at..].find('\n').map_or(text.len(), |lf| at + lf);
    start..end
}

/// A key in one spelling: lower case, without `_`, `-` and `.` (`out_trade_no`, `outTradeNo` and `Out-Trade-No` are
/// one key). Every word of a record is looked at this way, so it is kept on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; MAX_KEY],
    len: usize,
}

/// Longest key that means anything to anybody here, in bytes.
const MAX_KEY: usize = 32;

impl Key {
    /// The key in normal spelling; empty if it is longer than any known one.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// Brings a key to its normal spelling.
pub fn normal_key(key: &str) -> Key {
    let mut normal = Key { bytes: [0; MAX_KEY], len: 0 };
    for byte in key.bytes().filter(|b| !matches!(b, b'_' | b'-' | b'.' | b' ')) {
        if normal.len == MAX_KEY {
            normal.len = 0;
            break;
        }
        normal.bytes[normal.len] = byte.to_ascii_lowercase();
        normal.len += 1;
    }
    normal
}

/// The value of the key that ends at `end`: what stands behind `:`, `=`, `=>`, `：` or a tag's `>`, without its quotes
/// and brackets. `None` if no separator follows, or nothing behind it.
pub fn value_after(text: &str, end: usize) -> Option<Range<usize>> {
    let mut rest = text[end..].trim_start_matches(['"', '\'', '`', ']']);
    let in_tag = rest.starts_with('>');
    rest = rest.trim_start_matches([' ', '\t']);
    rest = ["=>", ":", "=", "：", ">"].iter().find_map(|separator| rest.strip_prefix(separator))?;
    rest = rest.trim_start_matches([' ', '\t']);
    rest = rest.strip_prefix("<![CDATA[").unwrap_or(rest);
    let opened = rest.trim_start_matches(['"', '\'', '`', '[', '(']);
    let quoted = opened.len() < rest.len();
    let start = text.len() - opened.len();
    let stop: fn(char) -> bool = match (in_tag, quoted) {
        (true, _) => |c| matches!(c, '<' | ']' | '\n'),
        (_, true) => |c| matches!(c, '"' | '\'' | '`' | ']' | ')' | '\n' | '，' | '。'),
        _ => |c| {
            c.is_whitespace()
                || matches!(c, ',' | '&' | ';' | '"' | '\'' | '}' | ']' | ')' | '<' | '|' | '，' | '；' | '）' | '。')
        },
    };
    let len = opened.find(stop).unwrap_or(opened.len());
    (len > 0).then(|| start..start + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
        value_after(text, text.find(key)? + key.len()).map(|range| &text[range])
    }

    #[test]
    fn words_keep_their_joints() {
        let text = "x sub_code=ACQ.TRADE_HAS_SUCCESS. (isv.invalid-signature) -a-";
        let found: Vec<&str> = words(text).map(|w| &text[w]).collect();
        assert_eq!(found, ["x", "sub_code", "ACQ.TRADE_HAS_SUCCESS", "isv.invalid-signature", "a"]);
    }

    #[test]
    fn values_in_every_notation() {
        for text in [
            r#"{"key": "v1", "b": 2}"#,
            "{'key': 'v1'}",
            "key=v1&b=2",
            "key=v1 b=2",
            "key: v1, b",
            "<key><![CDATA[v1]]></key>",
            "<key>v1</key>",
            "[key] => v1\n",
            "'key' => 'v1',",
            "key=[v1]",
            "map[key:v1 b:2]",
            "key：v1，b",
        ] {
            assert_eq!(value(text, "key"), Some("v1"), "{text}");
        }
    }

    #[test]
    fn no_value() {
        for text in ["key", "key is v", "key:", "key=\n", "key = ,"] {
            assert_eq!(value(text, "key"), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_fails(text in r"[a-z_.:=>'\x22\[\] 余：\n]{0,40}") {
            for word in words(&text) {
                if let Some(range) = value_after(&text, word.end) {
                    proptest::prop_assert!(text.get(range).is_some());
                }
                proptest::prop_assert!(word_before(&text, word.end).is_some_and(|w| w.end == word.end));
            }
        }
    }
}
