//! Chooses the part of a message that is looked for.
//!
//! A message may stand with any run of white space between its words, and with quotes or slashes escaped. Its anchor is a
//! part that always looks the same: no white space, no character that escaping changes. Only a few rare
//! characters of it are looked for (`fragment`): every form of every message in full would take much memory, and what is found
//! is confirmed anyway.

use std::collections::HashMap;
use std::ops::Range;

/// The two ways to write the first character of "account", which providers mix: messages match with either.
pub fn is_account(c: char) -> bool {
    matches!(c, '账' | '帐')
}

/// Where the anchor of `message` stands in it: its longest stretch (in bytes) of letters and digits. The whole
/// message where it has none.
pub fn anchor(message: &str) -> Range<usize> {
    let mut best = 0..0;
    let mut start = 0;
    for (at, c) in message.char_indices().chain([(message.len(), ' ')]) {
        if !c.is_alphanumeric() || is_account(c) {
            if at - start > best.len() {
                best = start..at;
            }
            start = at + c.len_utf8();
        }
    }
    if best.is_empty() { 0..message.len() } else { best }
}

/// How often two characters that are not ASCII stand side by side in ordinary text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frequencies(pub HashMap<[char; 2], u32>);

/// Characters of a fragment that is not ASCII, as it stands in UTF-8 or GBK, and in escapes, where what follows is read too.
const PLAIN: usize = 4;
const ESCAPED: usize = 2;
/// Characters behind a fragment in escapes, by which it is confirmed.
const REST: usize = 2;

impl Frequencies {
    /// From rows of two of UTF-16's units and a number, with 16 bits each. `None` if they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frequencies> {
        let rows = bytes.chunks_exact(6).map(|row| {
            let [a, b, n] = [0, 2, 4].map(|at| u32::from(u16::from_le_bytes([row[at], row[at + 1]])));
            Some(([char::from_u32(a)?, char::from_u32(b)?], n))
        });
        rows.collect::<Option<_>>().map(Frequencies)
    }

    /// The part of an anchor that is looked for where nothing is escaped: all of it if it is ASCII, else the few characters in a row that
    /// have least ASCII among them and are rarest together.
    pub fn fragment<'a>(&self, anchor: &'a str) -> &'a str {
        if anchor.is_ascii() { anchor } else { &anchor[self.rarest(anchor, PLAIN, 0)] }
    }

    /// The part of an anchor that is looked for in escapes, and what follows it.
    pub fn fragment_and_rest<'a>(&self, anchor: &'a str) -> (&'a str, &'a str) {
        let fragment = self.rarest(anchor, ESCAPED, REST);
        (&anchor[fragment.clone()], &anchor[fragment.end..])
    }

    /// So many characters in a row: of those with least ASCII among them one that has enough behind it, if there is one, and whose rarest
    /// pair is rarest.
    fn rarest(&self, anchor: &str, n_chars: usize, n_behind: usize) -> Range<usize> {
        let starts: Vec<usize> = anchor.char_indices().map(|(at, _)| at).chain([anchor.len()]).collect();
        let common = |&first: &usize| {
            let part = &anchor[starts[first]..starts[first + n_chars]];
            let n_ascii = part.bytes().filter(u8::is_ascii).count();
            let is_late = first + n_chars + n_behind >= starts.len();
            let pairs = part.chars().zip(part.chars().skip(1));
            let n_seen = pairs.map(|(a, b)| self.0.get(&[a, b]).copied().unwrap_or_default()).min();
            (n_ascii, is_late && n_behind > 0, n_seen)
        };
        let first = (0..starts.len().saturating_sub(n_chars)).min_by_key(common);
        first.map_or(0..anchor.len(), |first| starts[first]..starts[first + n_chars])
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::frequencies;
    use super::*;

    #[test]
    fn longest_word() {
        for (message, expected) in [
            ("Unsupported Card for This Service", "Unsupported"),
            ("系统繁忙，请稍后再试", "请稍后再试"),
            ("验签出错，建议检查签名字符串或签名私钥", "建议检查签名字符串或签名私钥"),
            ("!!", "!!"),
        ] {
            assert_eq!(&message[anchor(message)], expected);
        }
    }

    #[test]
    fn rare_characters() {
        let training = [("请稍后再试，请检查后再", 2), ("检查", 1), ("检查后再试", 1)];
        let frequencies = frequencies(&training.map(|(text, weight)| (text.into(), weight)));
        assert_eq!(frequencies.fragment("请检查后再试"), "请检查后");
        assert_eq!(frequencies.fragment("Unsupported"), "Unsupported");
        assert_eq!(frequencies.fragment("余额"), "余额");
        assert_eq!(frequencies.fragment_and_rest("请检查后再试"), ("请检", "查后再试"));
        assert_eq!(frequencies.fragment_and_rest("检查后再试"), ("查后", "再试"));
        assert_eq!(frequencies.fragment_and_rest("再试"), ("再试", ""));
        assert_eq!(frequencies.fragment_and_rest("pay微信"), ("微信", ""));
    }
}
