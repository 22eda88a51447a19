//! Finds the catalogue's message texts in a decoded record.
//!
//! Letters match without regard to ASCII case, any run of white space (or the `+` of a query string) matches any
//! other, and full-width punctuation matches its ASCII twin.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use smallvec::SmallVec;

use crate::catalog::Message;
use crate::detect::{anchor, is_account};

/// A message and the entries that have it.
#[derive(Debug)]
struct Phrase {
    text: String,
    /// Where its anchor stands in `text`.
    anchor: Range<usize>,
    entries: Vec<usize>,
    /// All of its entries want something that speaks for their provider.
    needs_provider: bool,
}

/// A message by its anchor.
#[derive(Debug)]
struct Anchored {
    phrase: usize,
    before: Beside,
    behind: Beside,
}

/// What a message has beside its anchor, as far as two bytes of a text can tell that it is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Anything,
    Blank,
    /// A blank, and then this letter or digit, in lower case.
    Letter(u8),
}

/// All messages, searchable.
#[derive(Debug)]
pub struct Messages {
    phrases: Vec<Phrase>,
    /// Each anchor in lower case, and the phrases that have it in any.
    anchors: Vec<(String, Vec<Anchored>)>,
}

/// A message found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'m> {
    pub range: Range<usize>,
    /// As the catalogue has it.
    pub written: &'m str,
    /// Indexes of the entries that have this message.
    pub entries: &'m [usize],
    pub needs_provider: bool,
}

impl Messages {
    /// Takes each message with the index of its entry.
    pub fn new<'a>(messages: impl Iterator<Item = (&'a Message, usize)>) -> Messages {
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (message, entry) in messages {
            let at = *known.entry(&message.text).or_insert(phrases.len());
            match phrases.get_mut(at) {
                Some(phrase) => {
                    phrase.entries.push(entry);
                    phrase.needs_provider &= message.needs_provider;
                }
                None => {
                    let (text, needs_provider) = (message.text.clone(), message.needs_provider);
                    phrases.push(Phrase { anchor: anchor(&text), text, entries: vec![entry], needs_provider });
                }
            }
        }
        let mut anchors: BTreeMap<String, Vec<Anchored>> = BTreeMap::new();
        for (phrase, Phrase { text, anchor, .. }) in phrases.iter().enumerate() {
            let before = Beside::of(text[..anchor.start].chars().rev());
            let behind = Beside::of(text[anchor.end..].chars());
            let anchored = Anchored { phrase, before, behind };
            anchors.entry(text[anchor.clone()].to_ascii_lowercase()).or_default().push(anchored);
        }
        Messages { phrases, anchors: anchors.into_iter().collect() }
    }

    /// What is to be looked for, in any case of ASCII letters.
    pub fn anchors(&self) -> impl ExactSizeIterator<Item = &str> {
        self.anchors.iter().map(|(anchor, _)| anchor.as_str())
    }

    /// The messages in `text`, given where which anchors stand, without those inside a longer one.
    pub fn confirm<'m>(&'m self, text: &str, anchors: &[(usize, usize)]) -> Vec<Found<'m>> {
        let mut found: SmallVec<[(usize, usize, Found<'m>); 4]> = SmallVec::new();
        for &(at, anchor) in anchors {
            let (anchor, messages) = &self.anchors[anchor];
            let (before, behind) = (Around::before(text, at), Around::behind(text, at + anchor.len()));
            for anchored in messages.iter().filter(|a| before.may_be(a.before) && behind.may_be(a.behind)) {
                let message = &self.phrases[anchored.phrase];
                let Some(range) = message.around(text, at).filter(|range| whole_words(text, range)) else { continue };
                let Phrase { text: written, entries, needs_provider, .. } = message;
                let message = Found { range, written, entries, needs_provider: *needs_provider };
                found.push((at, anchored.phrase, message));
            }
        }
        // Of those that read the same, the one whose anchor ends first counts, then the one with the longer anchor.
        found.sort_unstable_by_key(|(at, number, f)| {
            let anchor = self.phrases[*number].anchor.len();
            (f.range.start, Reverse(f.range.end), at + anchor, Reverse(anchor), *number)
        });
        let mut reach = 0;
        let longest = found.into_iter().map(|(.., found)| found).filter(|f| {
            let inside = f.range.end <= reach;
            reach = reach.max(f.range.end);
            !inside
        });
        longest.collect()
    }
}

impl Beside {
    fn of(mut chars: impl Iterator<Item = char>) -> Beside {
        if !chars.next().is_some_and(char::is_whitespace) {
            return Beside::Anything;
        }
        let letter = chars.next().filter(char::is_ascii_alphanumeric);
        letter.map_or(Beside::Blank, |letter| Beside::Letter(letter.to_ascii_lowercase() as u8))
    }
}

/// What a text has at one side of an anchor.
struct Around {
    is_blank: bool,
    /// What follows the blank, in lower case; none where one look cannot tell.
    letter: Option<u8>,
}

impl Around {
    fn before(text: &str, at: usize) -> Around {
        Around::new(text.as_bytes()[..at].iter().rev())
    }

    fn behind(text: &str, at: usize) -> Around {
        Around::new(text.as_bytes()[at..].iter())
    }

    /// Bytes beyond ASCII may be twins of others.
    fn new<'t>(mut bytes: impl Iterator<Item = &'t u8>) -> Around {
        let is_blank = |byte: u8| is_space(char::from(byte)) || !byte.is_ascii();
        Around {
            is_blank: bytes.next().is_some_and(|&byte| is_blank(byte)),
            letter: bytes.next().filter(|&&byte| !is_blank(byte)).map(u8::to_ascii_lowercase),
        }
    }

    /// False only where a message does not go on like this.
    fn may_be(&self, beside: Beside) -> bool {
        match beside {
            Beside::Anything => true,
            Beside::Blank => self.is_blank,
            Beside::Letter(letter) => self.is_blank && self.letter.is_none_or(|found| found == letter),
        }
    }
}

impl Phrase {
    /// Where the message stands whose anchor stands at `at`.
    fn around(&self, text: &str, at: usize) -> Option<Range<usize>> {
        let start = at - backward(&text[..at], &self.text[..self.anchor.start])?;
        // The anchor reads alike; but blanks and punctuation in one that is the whole message may match more.
        let known = if self.anchor.len() == self.text.len() { 0 } else { self.anchor.len() };
        let end = at + known + forward(&text[at + known..], &self.text[self.anchor.start + known..])?;
        Some(start..end)
    }
}

/// Length of the start of `text` that reads like `message`.
fn forward(text: &str, message: &str) -> Option<usize> {
    let mut left = text;
    // A blank may stand behind punctuation, whether the message has one or not.
    let mut after_punctuation = false;
    let mut wanted = message.chars().peekable();
    while let Some(want) = wanted.next() {
        if want.is_whitespace() {
            while wanted.next_if(|c| c.is_whitespace()).is_some() {}
            left = left.strip_prefix(is_space)?.trim_start_matches(is_space);
            continue;
        }
        if after_punctuation {
            left = left.trim_start_matches(is_space);
        }
        after_punctuation = matches!(want, '，' | '。' | '：' | '；' | '！' | ',' | '.' | ':' | ';' | '!');
        let c = left.chars().next().filter(|&c| same(c, want))?;
        left = &left[c.len_utf8()..];
    }
    Some(text.len() - left.len())
}

/// Length of the end of `text` that reads like `message`.
fn backward(text: &str, message: &str) -> Option<usize> {
    let mut left = text;
    let mut wanted = message.chars().rev().peekable();
    while let Some(want) = wanted.next() {
        if want.is_whitespace() {
            while wanted.next_if(|c| c.is_whitespace()).is_some() {}
            left = left.strip_suffix(is_space)?.trim_end_matches(is_space);
            continue;
        }
        let c = left.chars().next_back().filter(|&c| same(c, want))?;
        left = &left[..left.len() - c.len_utf8()];
    }
    Some(text.len() - left.len())
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '+'
}

fn same(found: char, wanted: char) -> bool {
    if found.is_ascii() && wanted.is_ascii() {
        return found.eq_ignore_ascii_case(&wanted);
    }
    found == wanted
        || is_account(found) && is_account(wanted)
        || half_width(found).eq_ignore_ascii_case(&half_width(wanted))
}

/// The ASCII twin of full-width punctuation and letters (U+FF01 to U+FF5E).
fn half_width(c: char) -> char {
    match c {
        '。' => '.',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

/// True if the match does not begin or end within an ASCII word.
fn whole_words(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let joined = |left: usize| {
        left > 0 && left < bytes.len() && bytes[left - 1].is_ascii_alphanumeric() && bytes[left].is_ascii_alphanumeric()
    };
    // yansongda/pay puts WeChat Pay's "OK" right before the text: `Get Wechat API Error:OKMCHID不存在`.
    let after_ok = text[..range.start].ends_with(":OK");
    (!joined(range.start) || after_ok) && !joined(range.end)
}

#[cfg(test)]
mod tests {
    use super::super::finder::Finder;
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let pairs =
            [("Risk Detected", 0), ("System is busy, please try again later", 1), ("交易不存在", 2), ("不存在", 3)];
        let message = |text: &str| Message { text: text.to_owned(), code: None, needs_provider: false };
        let pairs = pairs.map(|(text, entry)| (message(text), entry));
        let messages = Messages::new(pairs.iter().map(|(message, entry)| (message, *entry)));
        let mut anchors = Vec::new();
        Finder::new(messages.anchors()).find(text, |at, number| anchors.push((at, number)));
        messages.confirm(text, &anchors).into_iter().map(|f| &text[f.range]).collect()
    }

    #[test]
    fn case_space_and_width_do_not_matter() {
        for text in ["RISK   detected", "Risk+Detected", "system is\nbusy， please try  again later", "交易不存在"]
        {
            assert_eq!(found(text), [text]);
        }
    }

    #[test]
    fn words_are_whole_and_the_longest_wins() {
        assert!(found("Risk Detectedness, xRisk Detected").is_empty());
        assert_eq!(found("错误：交易不存在。"), ["交易不存在"]);
        assert!(found("System is busy, please wait").is_empty());
    }
}
