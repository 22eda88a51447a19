//! What the detector looks for: each literal, and what must stand around it.
//!
//! The confirmation works on raw bytes and is generous: whatever could be a code or a message once it is decoded is a
//! candidate. It is there so that ordinary words and numbers do not cost a look at their record.

use std::collections::BTreeSet;

use super::anchor::{self, Frequencies, anchor};
use super::encode;
use super::gram::{Gram, LEN};
use super::value::{code_value_follows, is_request_id};

/// Prefixes of codes that only Alipay's gateway uses.
pub const FAMILIES: [&str; 5] = ["ACQ.", "AQC.", "isv.", "isp.", "aop."];

/// How the codes at the end of a failed request's id begin, at WeChat Pay.
pub const REQUEST_ID_CODES: [&str; 2] = ["26", "27"];

/// Words for "error code" in Chinese prose and pages.
const CODE_WORDS_ZH: [&str; 3] = ["错误码", "错误代码", "返回码"];

/// The key of error fields in all their spellings: `sub_code`, `errCode`, `"code"`, `Error code:`.
const CODE_KEY: &str = "code";

/// Numbers of Alipay's gateway as some SDKs write them before the text: `40004 - …`.
const GATEWAY_NUMBERS: [&str; 7] = ["40001 - ", "40002 - ", "40003 - ", "40004 - ", "40006 - ", "20000 - ", "20001 - "];

/// Keys of fields that hold numbers of providers and card schemes, and do not end in `code`.
const NUMBER_KEYS: [&str; 5] = ["resultStatus", "processor_response", "DE39", "F39", "field39"];

/// Lines that a Kubernetes runtime cut: the rest follows in the next line.
const PARTIAL: [&str; 2] = [" stdout P ", " stderr P "];

/// Shortest word by which a message is looked for, where it has a longer one.
const MIN_WORD: usize = LEN;

/// A byte string in the automaton.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Literal {
    pub text: Vec<u8>,
    pub sense: Sense,
    /// The text is a code point's escape, or several.
    pub is_escaped: bool,
}

/// What a literal is, and so what makes its occurrence a candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sense {
    /// A code: as it is written, and not the beginning of a longer word.
    Code,
    /// A family of codes, or a mark: as it is written.
    Mark,
    /// A word of a message whose longest word is ASCII: whole, beside its neighbour in the message.
    Word(Neighbour),
    /// A part of a message in any other script.
    Part,
    /// `code`: of interest only when a code-like value follows.
    Key,
    /// A field for numbers: of interest only when one follows, or a word in capitals.
    NumberKey,
    /// How the end of a failed request's id begins: of interest only when the rest follows.
    RequestId,
}

/// The word that stands next in a message, in lower case: behind the literal, or before it where it is the last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Neighbour {
    After(Vec<u8>),
    Before(Vec<u8>),
}

/// Literals of which any one will do: the words of a message.
pub type Alternatives = Vec<Literal>;

/// All that is looked for, from a catalogue's codes, the fields in which some codes count, and messages.
pub fn wanted<'a>(
    codes: impl Iterator<Item = &'a str>,
    fields: impl Iterator<Item = &'a str>,
    messages: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Alternatives> {
    let in_family = |code: &&str| !FAMILIES.iter().any(|family| code.contains(family));
    let codes: BTreeSet<&str> = codes.filter(|code| is_literal(code)).filter(in_family).collect();
    let marks = FAMILIES.iter().chain(&PARTIAL).chain(&GATEWAY_NUMBERS);
    let keys: BTreeSet<String> = NUMBER_KEYS.into_iter().map(str::to_owned).chain(fields.flat_map(spellings)).collect();
    let request_ids = REQUEST_ID_CODES.map(|code| ["-", code].concat());
    let mut all: Vec<Alternatives> = codes.into_iter().map(|code| plain(code, Sense::Code)).collect();
    all.extend(marks.map(|mark| plain(mark, Sense::Mark)));
    all.push(plain(CODE_KEY, Sense::Key));
    all.extend(keys.iter().map(|key| plain(key, Sense::NumberKey)));
    all.extend(request_ids.iter().map(|start| plain(start, Sense::RequestId)));
    let frequencies = Frequencies::of(messages.clone());
    let (of_words, other): (BTreeSet<&str>, BTreeSet<&str>) =
        messages.chain(CODE_WORDS_ZH).partition(|message| message[anchor(message)].is_ascii());
    all.extend(of_words.into_iter().map(words));
    let anchors: Vec<&str> = other.into_iter().map(|message| &message[anchor(message)]).collect();
    for (n_chars, is_escaped) in [(anchor::PLAIN, false), (anchor::ESCAPED, true)] {
        let parts: BTreeSet<&str> = anchors.iter().map(|anchor| frequencies.fragment(anchor, n_chars)).collect();
        let forms = parts.into_iter().flat_map(if is_escaped { encode::escaped } else { encode::plain });
        let forms: BTreeSet<Vec<u8>> = forms.collect();
        all.extend(forms.into_iter().map(|text| vec![Literal { text, sense: Sense::Part, is_escaped }]));
    }
    all
}

fn plain(text: &str, sense: Sense) -> Alternatives {
    vec![Literal { text: text.into(), sense, is_escaped: false }]
}

/// Numbers and short codes are found by their field alone: as literals they would be everywhere.
fn is_literal(code: &str) -> bool {
    code.len() >= 4 && !code.bytes().all(|b| b.is_ascii_digit())
}

/// `refund_status` and `refundStatus`. Keys that end in `code` are looked for anyway.
fn spellings(field: &str) -> Vec<String> {
    if field.to_ascii_lowercase().ends_with(CODE_KEY) {
        return Vec::new();
    }
    vec![field.to_ascii_lowercase(), field.replace(['_', '-'], "").to_ascii_lowercase()]
}

/// The words of a message, each with its neighbour; the whole message where it has one only.
fn words(message: &str) -> Alternatives {
    let lower = message.to_ascii_lowercase();
    let words: Vec<&[u8]> =
        lower.as_bytes().split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let longest = words.iter().map(|word| word.len()).max().unwrap_or_default();
    if words.len() < 2 || longest < LEN - 1 {
        return plain(message, Sense::Part);
    }
    let literal = |at: usize| {
        let neighbour = match words.get(at + 1) {
            Some(next) => Neighbour::After(next.to_vec()),
            None => Neighbour::Before(words[at - 1].to_vec()),
        };
        Literal { text: words[at].to_vec(), sense: Sense::Word(neighbour), is_escaped: false }
    };
    (0..words.len()).filter(|&at| words[at].len() >= MIN_WORD.min(longest)).map(literal).collect()
}

impl Literal {
    /// True if there is no choice of grams: it is escaped, not ASCII, or shorter than one.
    pub fn is_bound(&self) -> bool {
        self.is_escaped || !self.text.is_ascii() || self.text.len() < LEN
    }

    /// True if no letter or digit may follow.
    pub fn is_whole(&self) -> bool {
        matches!(self.sense, Sense::Code | Sense::Word(_))
    }

    /// The grams by which it can be looked for, and where they are in it. None if it is shorter than a gram.
    pub fn grams(&self) -> Vec<(Gram, usize)> {
        let any_case = !matches!(self.sense, Sense::Code | Sense::Mark);
        let at = |offset: usize| (Gram::at(&self.text[offset..], any_case), offset);
        let Some(last) = self.text.len().checked_sub(LEN) else { return Vec::new() };
        if self.is_escaped {
            return vec![at(escape(&self.text).min(last))];
        }
        if let Some(first) = self.text.iter().position(|b| !b.is_ascii()) {
            return vec![at(first.min(last))];
        }
        let all = || (0..=last).map(at);
        let joints: Vec<(Gram, usize)> = all().filter(|(gram, _)| is_joint(gram)).collect();
        if !joints.is_empty() {
            return joints;
        }
        // What has this gram anyway must not be looked for wherever it stands.
        let key = Gram::at(CODE_KEY.as_bytes(), true);
        let is_free = |gram: &Gram| self.sense == Sense::Key || gram.key() != key.key();
        let exact = all().filter(|(gram, _)| is_free(gram));
        let either = all().filter(|_| !any_case).map(|(gram, at)| (Gram::at(&gram.bytes, true), at));
        exact.chain(either.filter(|(gram, _)| is_free(gram))).collect()
    }

    /// True if what stands around the occurrence makes it a candidate.
    pub fn is_confirmed(&self, occurrence: &Occurrence) -> bool {
        let Occurrence { before, found, rest, next } = *occurrence;
        match &self.sense {
            Sense::Part => true,
            Sense::Mark => found == self.text,
            Sense::Code => found == self.text && !rest.first().copied().is_some_and(is_word),
            Sense::Word(Neighbour::After(word)) => match next {
                Next::Word(next) => next.eq_ignore_ascii_case(word),
                Next::Unreadable => true,
                Next::Joined => false,
            },
            Sense::Word(Neighbour::Before(word)) => next != Next::Joined && may_end_with(before, word),
            Sense::Key => code_value_follows(before, rest),
            // What stands before `code` decides whether a number may; this key needs nothing before it.
            Sense::NumberKey => code_value_follows(b"_", rest),
            Sense::RequestId => is_request_id(before, rest),
        }
    }
}

/// The text of a literal in a buffer, in some case, and what is around it.
#[derive(Debug, Clone, Copy)]
pub struct Occurrence<'b> {
    before: &'b [u8],
    found: &'b [u8],
    rest: &'b [u8],
    next: Next<'b>,
}

/// What follows a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next<'b> {
    Word(&'b [u8]),
    /// The word goes on.
    Joined,
    /// An escape, another script.
    Unreadable,
}

impl Occurrence<'_> {
    pub fn new(buffer: &[u8], start: usize, end: usize) -> Occurrence<'_> {
        let rest = &buffer[end..];
        Occurrence { before: &buffer[..start], found: &buffer[start..end], rest, next: next(rest) }
    }
}

fn next(rest: &[u8]) -> Next<'_> {
    if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
        return Next::Joined;
    }
    let gap = rest.iter().take_while(|&&b| is_plain_gap(b)).count();
    let word = &rest[gap..];
    match word.iter().take_while(|b| b.is_ascii_alphanumeric()).count() {
        0 => Next::Unreadable,
        len => Next::Word(&word[..len]),
    }
}

/// False only where surely another word stands at the end.
fn may_end_with(before: &[u8], word: &[u8]) -> bool {
    let gap = before.iter().rev().take_while(|&&b| is_plain_gap(b)).count();
    let previous = &before[..before.len() - gap];
    let len = previous.iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
    // The end of an escape may stand before it: `\nUnsupported Card`.
    len == 0 || len >= word.len() && previous[previous.len() - word.len()..].eq_ignore_ascii_case(word)
}

/// Two words of a code in capitals, and the `_` between them: nearly every code has one, and little else in a log.
pub fn is_joint(gram: &Gram) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let [a, b, c, d] = gram.bytes;
    !gram.any_case && capital(a) && b == b'_' && capital(c) && (capital(d) || d == b'_')
}

/// Where in an escaped text the last sign of an escape's beginning stands: behind repeated backslashes, behind `&amp;`.
fn escape(text: &[u8]) -> usize {
    let Some(at) = text.iter().position(|b| matches!(b, b'\\' | b'%' | b'&')) else { return 0 };
    let rest = &text[at..];
    let skip = match rest[0] {
        b'\\' => rest.iter().take_while(|&&b| b == b'\\').count() - 1,
        b'%' if rest.starts_with(b"%25") => 1,
        b'&' if rest.starts_with(b"&amp;") => 2,
        _ => 0,
    };
    at + skip
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What stands between words where nothing is escaped: an escape begins with one of the others.
fn is_plain_gap(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_punctuation() && !matches!(byte, b'\\' | b'%' | b'&' | b'+' | b'#')
}
