//! What the detector looks for: each literal, and what must stand around it.
//!
//! The confirmation works on raw bytes and is generous: whatever could be a code or a message once it is decoded is a
//! candidate. It is there so that ordinary words and numbers do not cost a look at their record.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::anchor::{Frequencies, anchor};
use super::context::{last_letter, last_letter_of, may_follow, may_precede, next_letter};
use super::encode;
use super::gram::{Gram, LEN};
use super::value::{code_value_follows, is_request_id};

/// Prefixes of codes that only Alipay's gateway uses.
pub const FAMILIES: [&str; 5] = ["ACQ.", "AQC.", "isv.", "isp.", "aop."];

/// How the codes at the end of a failed request's id begin, at WeChat Pay, and what else they are made of.
pub const REQUEST_ID_CODES: [&str; 2] = ["26", "27"];
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

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

/// What docker writes behind the text of a line, and how a text ends that it did not cut.
const DOCKER: &str = "\",\"stream\":\"";
const WHOLE: &[u8] = b"\\n";

/// Shortest word by which a message is looked for, where it has a longer one.
const MIN_WORD: usize = LEN;

/// Those of the built-in catalogue are part of the program.
pub type Bytes = Cow<'static, [u8]>;

/// A byte string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Literal {
    pub text: Bytes,
    pub sense: Sense,
}

/// What a literal is, and so what makes its occurrence a candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sense {
    /// A code: as it is written, and not the beginning of a longer word.
    Code,
    /// A family of codes, or a mark: as it is written.
    Mark,
    /// What stands behind a line's text: of interest only where the text was cut.
    Behind,
    /// A word of a message whose longest word is ASCII, the whole of which is here in lower case: of interest only among its
    /// other words, the next of which begins with that letter, and the one before ends with that.
    Word { message: Bytes, at: usize, next: Option<u8>, previous: Option<u8> },
    /// A part of a message in any other script.
    Part,
    /// `code`: of interest only when a code-like value follows.
    Key,
    /// A field for numbers: of interest only when one follows, or a word in capitals.
    NumberKey,
    /// How the end of a failed request's id begins: of interest only when the rest follows.
    RequestId,
}

/// Literals of which any one will do: the words of a message.
pub type Alternatives = Vec<Literal>;

/// All that is looked for.
pub struct Wanted<'a> {
    pub literals: Vec<Alternatives>,
    /// Two characters of messages, to be looked for in escapes, each with what follows them in some.
    pub escaped: Vec<(&'a str, Vec<&'a str>)>,
}

/// From a catalogue's codes, the fields in which some codes count, and messages; of these, parts that are rare by `frequencies`.
pub fn wanted<'a>(
    codes: impl Iterator<Item = &'a str>,
    fields: impl Iterator<Item = &'a str>,
    messages: impl Iterator<Item = &'a str>,
    frequencies: &Frequencies,
) -> Wanted<'a> {
    let in_family = |code: &&str| !FAMILIES.iter().any(|family| code.contains(family));
    let codes: BTreeSet<&str> = codes.filter(|code| is_literal(code)).filter(in_family).collect();
    let marks = FAMILIES.iter().chain(&PARTIAL).chain(&GATEWAY_NUMBERS);
    let keys: BTreeSet<String> = NUMBER_KEYS.into_iter().map(str::to_owned).chain(fields.flat_map(spellings)).collect();
    // With a digit more they are as long as a gram.
    let request_ids = REQUEST_ID_CODES.iter().flat_map(|code| DIGITS.map(|digit| ["-", code, digit].concat()));
    let mut all: Vec<Alternatives> = codes.into_iter().map(|code| plain(code, Sense::Code)).collect();
    all.extend(marks.map(|mark| plain(mark, Sense::Mark)));
    all.push(plain(DOCKER, Sense::Behind));
    all.push(plain(CODE_KEY, Sense::Key));
    all.extend(keys.iter().map(|key| plain(key, Sense::NumberKey)));
    all.extend(request_ids.map(|start| plain(&start, Sense::RequestId)));
    let (of_words, other): (BTreeSet<&str>, BTreeSet<&str>) =
        messages.chain(CODE_WORDS_ZH).partition(|message| message[anchor(message)].is_ascii());
    all.extend(of_words.into_iter().map(words));
    let anchors: Vec<&str> = other.into_iter().map(|message| &message[anchor(message)]).collect();
    let parts: BTreeSet<&str> = anchors.iter().map(|anchor| frequencies.fragment(anchor)).collect();
    let forms: BTreeSet<Vec<u8>> = parts.into_iter().flat_map(encode::plain).collect();
    all.extend(forms.into_iter().map(|text| vec![Literal { text: Cow::Owned(text), sense: Sense::Part }]));
    Wanted { literals: all, escaped: escaped(&anchors, frequencies) }
}

fn plain(text: &str, sense: Sense) -> Alternatives {
    vec![Literal { text: Cow::Owned(text.into()), sense }]
}

fn escaped<'a>(anchors: &[&'a str], frequencies: &Frequencies) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut parts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for anchor in anchors {
        let (part, rest) = frequencies.fragment_and_rest(anchor);
        parts.entry(part).or_default().insert(rest);
    }
    parts.into_iter().map(|(part, rests)| (part, rests.into_iter().collect())).collect()
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

/// The words of a message; the whole message where it has one only.
fn words(message: &str) -> Alternatives {
    let lower = message.to_ascii_lowercase().into_bytes();
    let words: Vec<&[u8]> = lower.split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let longest = words.iter().map(|word| word.len()).max().unwrap_or_default();
    if words.len() < 2 || longest < LEN - 1 {
        return plain(message, Sense::Part);
    }
    let literal = |word: &[u8]| {
        let at = word.as_ptr().addr() - lower.as_ptr().addr();
        let next = next_letter(&lower[at + word.len()..]);
        let previous = last_letter_of(&lower[..at]);
        let message = Cow::Owned(lower.clone());
        Literal { text: Cow::Owned(word.to_vec()), sense: Sense::Word { message, at, next, previous } }
    };
    words.into_iter().filter(|word| word.len() >= MIN_WORD.min(longest)).map(literal).collect()
}

impl Literal {
    /// True if it is shorter than a gram.
    pub fn is_short(&self) -> bool {
        self.text.len() < LEN
    }

    /// True if no letter or digit may follow.
    pub fn is_whole(&self) -> bool {
        matches!(self.sense, Sense::Code | Sense::Word { .. })
    }

    /// The grams by which it can be looked for, and where they are in it. None if it is shorter than a gram.
    pub fn grams(&self) -> Vec<(Gram, usize)> {
        let any_case = !matches!(self.sense, Sense::Code | Sense::Mark | Sense::Behind);
        let at = |offset: usize| (Gram::at(&self.text[offset..], any_case), offset);
        let Some(last) = self.text.len().checked_sub(LEN) else { return Vec::new() };
        // Of what is not ASCII, bytes that ordinary text does not have come first.
        let is_foreign = |at: &usize| !self.text[*at].is_ascii();
        let has_foreign = (0..=last).any(|at| is_foreign(&at));
        let all = || (0..=last).filter(|at| !has_foreign || is_foreign(at)).map(at);
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
        let Occurrence { before, found, rest, .. } = *occurrence;
        match &self.sense {
            Sense::Part => true,
            Sense::Mark => self.text == found,
            Sense::Behind => self.text == found && !before.ends_with(WHOLE),
            Sense::Code => self.text == found && !rest.first().copied().is_some_and(is_word),
            // One letter on either side tells nearly all messages that share a word apart.
            Sense::Word { message, at, next, previous } => {
                next.is_none_or(|wanted| occurrence.next().is_none_or(|found| found == wanted))
                    && previous.is_none_or(|wanted| occurrence.previous().is_none_or(|found| found == wanted))
                    && may_follow(rest, &message[at + found.len()..])
                    && may_precede(before, &message[..*at])
            }
            Sense::Key => code_value_follows(before, rest),
            // What stands before `code` decides whether a number may; this key needs nothing before it.
            Sense::NumberKey => code_value_follows(b"_", rest),
            Sense::RequestId => is_request_id(before, rest),
        }
    }
}

/// The text of a literal in a buffer, in some case, and what is around it.
#[derive(Debug)]
pub struct Occurrence<'b> {
    before: &'b [u8],
    found: &'b [u8],
    rest: &'b [u8],
    next: OnceCell<Option<u8>>,
    previous: OnceCell<Option<u8>>,
}

impl Occurrence<'_> {
    pub fn new(buffer: &[u8], start: usize, end: usize) -> Occurrence<'_> {
        let (next, previous) = Default::default();
        Occurrence { before: &buffer[..start], found: &buffer[start..end], rest: &buffer[end..], next, previous }
    }

    /// The first letter of the next word.
    fn next(&self) -> Option<u8> {
        *self.next.get_or_init(|| next_letter(self.rest))
    }

    /// The last letter of the word before.
    fn previous(&self) -> Option<u8> {
        *self.previous.get_or_init(|| last_letter(self.before))
    }
}

/// Two words of a code in capitals, and the `_` between them: nearly every code has one, and little else in a log.
pub fn is_joint(gram: &Gram) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let [a, b, c, d] = gram.bytes;
    !gram.any_case && capital(a) && b == b'_' && capital(c) && (capital(d) || d == b'_')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
