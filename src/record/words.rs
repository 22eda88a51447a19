//! Cuts the text of a record into words, and reads the value that stands behind a key.
//!
//! Works the same on JSON, XML, query strings, logfmt and prose, also on halves of them: what matters is only which
//! word stands before which, and what separates them.

use std::borrow::Cow;
use std::ops::Range;

use super::key::{NameTable, WEIGHTS, normal_key};
use crate::block;

/// A text with its words, cut once for all who look at them.
#[derive(Debug)]
pub struct Worded<'t> {
    pub text: &'t str,
    words: Cow<'t, [Word]>,
}

/// One of the words of a text, as [`words`] cuts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    pub start: usize,
    pub end: usize,
    /// Where its last dotted part begins: `name` in `user.name`.
    pub last: usize,
    /// Sums of the whole and of that part, as keys.
    sum: u32,
    last_sum: u32,
    /// Which kinds of bytes are in it.
    kinds: u8,
}

const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 4;
/// `_`, `.` or `-`.
const SEAM: u8 = 8;
/// Either of the last two.
const JOINT: u8 = 16;

/// Stands in words without further ado.
const CORE: u64 = 1 << 63;
/// Where the kind of a byte is in what it adds to its word.
const KIND: u32 = 32;

/// What each byte adds to its word: its weight in the lower half, its kind above that, which separators do not have, and
/// whether it is [`CORE`].
static TRAITS: [u64; 256] = {
    let mut traits = [0; 256];
    let mut b = 0;
    while b < 256 {
        let (kind, core) = match b as u8 {
            b'a'..=b'z' => (LOWER, CORE),
            b'A'..=b'Z' => (UPPER, CORE),
            b'0'..=b'9' => (DIGIT, CORE),
            b'_' => (SEAM, CORE),
            b'.' | b'-' => (SEAM | JOINT, 0),
            _ => (0, 0),
        };
        traits[b] = core | (kind as u64) << KIND | WEIGHTS[b] as u64;
        b += 1;
    }
    traits
};

impl<'t> Worded<'t> {
    pub fn new(text: &'t str) -> Worded<'t> {
        let bytes = text.as_bytes();
        // A word and what separates it from the next are seldom shorter.
        let mut words = Vec::with_capacity(bytes.len() / 6 + 1);
        let mut at = 0;
        while let Some(&b) = bytes.get(at) {
            if is_core(b) {
                let word = cut(bytes, at);
                at = word.end;
                words.push(word);
            } else {
                at += 1;
            }
        }
        Worded { text, words: words.into() }
    }

    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The words in a part of the text that cuts none in two.
    pub fn within(&self, part: &Range<usize>) -> &[Word] {
        let first = self.words.partition_point(|word| word.start < part.start);
        let n_words = self.words[first..].partition_point(|word| word.end <= part.end);
        &self.words[first..first + n_words]
    }

    /// The same text up to `end`, which cuts no word in two.
    pub fn up_to(&self, end: usize) -> Worded<'_> {
        Worded { text: &self.text[..end], words: self.within(&(0..end)).into() }
    }

    /// What a table of keys knows of a word.
    pub fn key<'k, T>(&self, keys: &'k NameTable<T>, word: &Word) -> Option<&'k T> {
        keys.find(word.sum, |key| normal_key(&self.text[word.range()]).as_bytes() == key.as_bytes())
    }

    /// What a table of keys knows of the last dotted part of a word.
    pub fn last_key<'k, T>(&self, keys: &'k NameTable<T>, word: &Word) -> Option<&'k T> {
        keys.find(word.last_sum, |key| normal_key(&self.text[word.last..word.end]).as_bytes() == key.as_bytes())
    }

    /// What a table of words knows of a word as it stands.
    pub fn exact<'k, T>(&self, names: &'k NameTable<T>, word: &Word) -> Option<&'k T> {
        names.find(word.sum, |name| &self.text[word.range()] == name)
    }
}

/// The word that begins at `start`.
fn cut(bytes: &[u8], start: usize) -> Word {
    let (mut at, mut sum, mut all) = (start, 0u32, 0);
    // Where its last dotted part begins, and the sum before that.
    let (mut last, mut before) = (start, 0);
    loop {
        let core = &bytes[at..];
        let mut len = core.len();
        for (n, &b) in core.iter().enumerate() {
            let added = TRAITS[usize::from(b)];
            if added & CORE == 0 {
                len = n;
                break;
            }
            all |= added;
            sum = sum.wrapping_add(added as u32);
        }
        at += len;
        // Joints are in the word if it goes on behind them.
        let is_jointed = bytes.get(at).is_some_and(|&b| is_joint(b));
        let joints = if is_jointed { bytes[at..].iter().take_while(|&&b| is_joint(b)).count() } else { 0 };
        if !is_jointed || !bytes.get(at + joints).is_some_and(|&b| is_core(b)) {
            return Word { start, end: at, last, sum, last_sum: sum.wrapping_sub(before), kinds: (all >> KIND) as u8 };
        }
        if let Some(dot) = bytes[at..at + joints].iter().rposition(|&b| b == b'.') {
            (last, before) = (at + dot + 1, sum);
        }
        all |= u64::from(SEAM | JOINT) << KIND;
        at += joints;
    }
}

impl Word {
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    pub fn n_bytes(&self) -> usize {
        self.end - self.start
    }

    pub fn has_digits(&self) -> bool {
        self.kinds & DIGIT != 0
    }

    pub fn is_number(&self) -> bool {
        self.kinds == DIGIT
    }

    /// Has `.` or `-` inside.
    pub fn is_jointed(&self) -> bool {
        self.kinds & JOINT != 0
    }

    /// Letters and digits only.
    pub fn is_plain(&self) -> bool {
        self.kinds & SEAM == 0
    }

    /// Capitals, perhaps with digits and `_`.
    pub fn is_constant(&self) -> bool {
        self.kinds & (LOWER | UPPER | JOINT) == UPPER
    }
}

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
    TRAITS[usize::from(b)] & CORE != 0
}

fn is_joint(b: u8) -> bool {
    TRAITS[usize::from(b)] & (JOINT as u64) << KIND != 0
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
    let (before, behind) = text.as_bytes().split_at(at);
    let start = memchr::memrchr(b'\n', before).map_or(0, |lf| lf + 1);
    let end = memchr::memchr(b'\n', behind).map_or(text.len(), |lf| at + lf);
    start..end
}

/// The value of the key that ends at `end`: what stands behind `:`, `=`, `=>`, `：` or a tag's `>`, without its quotes
/// and brackets. `None` if no separator follows, or nothing behind it.
pub fn value_after(text: &str, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let skip =
        |from: usize, skipped: &[u8]| from + bytes[from..].iter().take_while(|byte| skipped.contains(byte)).count();
    let mut at = skip(end, b"\"'`]");
    let in_tag = bytes.get(at) == Some(&b'>');
    at = skip(at, b" \t");
    at += match &bytes[at..] {
        [b'=', b'>', ..] => 2,
        [b':' | b'=' | b'>', ..] => 1,
        [0xEF, 0xBC, 0x9A, ..] => "：".len(),
        _ => return None,
    };
    at = skip(at, b" \t");
    if bytes[at..].starts_with(b"<![CDATA[") {
        at += b"<![CDATA[".len();
    }
    let start = skip(at, b"\"'`[(");
    let opened = &text[start..];
    let len = match (in_tag, start > at) {
        (true, _) => find(opened, *b"<]", |c| matches!(c, '<' | ']' | '\n')),
        (_, true) => find(opened, *b"\"'`])", |c| matches!(c, '"' | '\'' | '`' | ']' | ')' | '\n' | '，' | '。')),
        _ => find(opened, *b",&;\"'}])<| ", |c| {
            matches!(c, ',' | '&' | ';' | '"' | '\'' | '}' | ']' | ')' | '<' | '|' | '，' | '；' | '）' | '。')
                || c.is_whitespace()
        }),
    };
    let len = len.unwrap_or(opened.len());
    (len > 0).then(|| start..start + len)
}

/// The first place of a character that is wanted. Those of them that can be printed and are of ASCII are in `print`.
fn find<const N: usize>(text: &str, print: [u8; N], is_wanted: impl Fn(char) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if let Some(block) = bytes[at..].first_chunk() {
            let marks = block::beyond_print(block) | block::among(block, print);
            if marks == 0 {
                at += block::LEN;
                continue;
            }
            at += marks.trailing_zeros() as usize;
        }
        let c = text[at..].chars().next()?;
        if is_wanted(c) {
            return Some(at);
        }
        at += c.len_utf8();
    }
    None
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
        fn cut_at_once_they_are_the_same(text in r"([a-zA-Z0-9_.-]{1,8}|[ .:余-]){0,12}", from in 0usize..30, to in 0usize..60) {
            let worded = Worded::new(&text);
            let plain: Vec<_> = words(&text).collect();
            proptest::prop_assert_eq!(worded.words().iter().map(Word::range).collect::<Vec<_>>(), plain.clone());
            let part = from.min(to)..from.max(to);
            let inside = plain.into_iter().filter(|w| part.start <= w.start && w.end <= part.end);
            proptest::prop_assert_eq!(worded.within(&part).iter().map(Word::range).collect::<Vec<_>>(), inside.collect::<Vec<_>>());
            for word in worded.words() {
                let name = &text[word.range()];
                let last = name.rsplit('.').next().unwrap_or_default();
                proptest::prop_assert_eq!(&text[word.last..word.end], last);
                proptest::prop_assert_eq!(word.is_number(), name.bytes().all(|b| b.is_ascii_digit()));
                proptest::prop_assert_eq!(word.is_plain(), name.bytes().all(|b| b.is_ascii_alphanumeric()));
                let is_small = |c: char| c.is_ascii_lowercase() || "-.".contains(c);
                let is_constant = name.bytes().any(|b| b.is_ascii_uppercase()) && !name.contains(is_small);
                proptest::prop_assert_eq!(word.is_constant(), is_constant);
                let key_of = |name: &str| normal_key(name).as_str().to_owned();
                let table = |name: String| NameTable::new([(name, ())]);
                proptest::prop_assert!(worded.key(&table(key_of(name)), word).is_some() || key_of(name).is_empty());
                proptest::prop_assert!(worded.last_key(&table(key_of(last)), word).is_some() || key_of(last).is_empty());
                proptest::prop_assert!(worded.exact(&table(name.to_owned()), word).is_some());
            }
        }

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
