//! What a careful reader objects to in a catalogue that loads: texts that would be found everywhere, codes
//! that two entries claim, references that lead nowhere, and words that must not reach a customer.

use std::collections::{HashMap, HashSet};

use super::problem::{Place, Problem, Wrong, nearest};
use super::{Catalog, Code, Entry, EntryId, Specificity};
use crate::provider::Provider;

/// A distinctive code is no shorter; shorter words occur by chance.
const MIN_DISTINCTIVE: usize = 6;

/// What a message must weigh: a letter counts 1, a Chinese character 3.
const MIN_MESSAGE_WEIGHT: usize = 10;

/// Words that ordinary programs write in capitals.
const COMMON_WORDS: &[&str] = &[
    "ABNORMAL",
    "ACCEPTED",
    "APPROVED",
    "CANCELED",
    "CANCELLED",
    "CHANGE",
    "CLOSED",
    "COMPLETED",
    "CREATED",
    "DECLINED",
    "DELETED",
    "DENIED",
    "DISABLED",
    "DUPLICATE",
    "EXCEPTION",
    "EXPIRED",
    "FAILED",
    "FAILURE",
    "FINISHED",
    "FORBIDDEN",
    "INVALID",
    "NOTFOUND",
    "OVERDUE",
    "PENDING",
    "POLICY",
    "PROCESSING",
    "REFUND",
    "REFUNDED",
    "REJECTED",
    "REVOKED",
    "REVERSED",
    "SUCCESS",
    "TIMEOUT",
    "UNKNOWN",
];

/// Words in which customers hear an accusation, in lower case.
const BLAME: &[&str] = &[
    "your fault",
    "your mistake",
    "you failed",
    "you should have",
    "you forgot",
    "illegal",
    "violat",
    "suspicious",
    "fraud",
    "blacklist",
    "abuse",
    "您的错",
    "你的错",
    "您违反",
    "违规",
    "违法",
    "非法",
    "可疑",
    "欺诈",
    "盗刷",
    "黑名单",
];

/// Technical words that mean nothing to a customer, in lower case.
const JARGON: &[&str] = &["api", "http", "server", "request", "parameter"];

/// The same in Chinese, where words have no borders.
const JARGON_ZH: &[&str] = &["接口", "参数", "服务器", "错误码"];

/// All findings, entry by entry.
pub(super) fn catalog(catalog: &Catalog) -> Vec<Problem> {
    let mut check = Check { catalog, owners: HashMap::new(), problems: Vec::new() };
    catalog.entries().iter().for_each(|entry| check.entry(entry));
    for entry in catalog.own().iter().chain([catalog.fallback()]) {
        check.texts(entry);
        check.references(entry);
    }
    check.problems
}

struct Check<'c> {
    catalog: &'c Catalog,
    /// Who has a code, by provider.
    owners: HashMap<(Option<&'c Provider>, &'c str, &'c [String]), &'c EntryId>,
    problems: Vec<Problem>,
}

impl<'c> Check<'c> {
    fn entry(&mut self, entry: &'c Entry) {
        self.provider(entry);
        self.codes(entry);
        self.messages(entry);
        self.test_lines(entry);
        self.texts(entry);
        self.references(entry);
    }

    fn report(&mut self, entry: &Entry, key: &str, wrong: Wrong) {
        let unknown = || Place { file: "".into(), line: 0, column: 0 };
        let place = self.catalog.place(&entry.id).cloned().unwrap_or_else(unknown);
        self.problems.push(Problem { place, entry: Some(entry.id.clone()), key: key.to_owned(), wrong });
    }

    /// A name close to a built-in provider's is a slip, not a provider of the user's own.
    fn provider(&mut self, entry: &Entry) {
        let Some(Provider::Custom(name)) = &entry.provider else { return };
        let near = Provider::KNOWN.iter().find(|known| strsim::osa_distance(known.as_str(), name) <= 2);
        if let Some(known) = near {
            let wrong = Wrong::MisspelledProvider { name: name.to_string(), nearest: known.to_string() };
            self.report(entry, "provider", wrong);
        }
    }

    fn codes(&mut self, entry: &'c Entry) {
        for code in &entry.codes {
            let named = code.specificity == Specificity::Named;
            let fields: &[String] = if named { &code.fields } else { &[] };
            if named && fields.is_empty() {
                self.report(entry, "codes", Wrong::NoFields(code.text.clone()));
            }
            match self.owners.insert((entry.provider.as_ref(), &code.text, fields), &entry.id) {
                Some(other) if *other == entry.id => self.report(entry, "codes", Wrong::Repeated(code.text.clone())),
                Some(other) => {
                    self.report(entry, "codes", Wrong::CodeTwice { code: code.text.clone(), other: other.clone() })
                }
                None => {}
            }
            if is_weak(code) {
                self.report(entry, "codes", Wrong::WeakCode(code.text.clone()));
            }
        }
    }

    fn messages(&mut self, entry: &Entry) {
        let mut seen = HashSet::new();
        for message in &entry.messages {
            let text = &message.text;
            if !seen.insert(text) {
                self.report(entry, "messages", Wrong::Repeated(text.clone()));
            }
            if is_weak_message(text) {
                self.report(entry, "messages", Wrong::WeakMessage(text.clone()));
            }
            if let Some(code) = message.code.as_ref().filter(|code| entry.codes.iter().all(|own| own.text != **code)) {
                self.report(entry, "messages", Wrong::ForeignCode { message: text.clone(), code: code.clone() });
            }
        }
    }

    fn test_lines(&mut self, entry: &Entry) {
        if entry.examples.is_empty() {
            self.report(entry, "match", Wrong::NoExample);
        }
        if entry.near_misses.is_empty() {
            self.report(entry, "near_miss", Wrong::NoNearMiss);
        }
    }

    fn texts(&mut self, entry: &Entry) {
        for (key, list) in [("payer.en", &entry.payer.en), ("payer.zh", &entry.payer.zh)] {
            for step in list {
                if let Some(word) = jargon(step, entry) {
                    self.report(entry, key, Wrong::JargonForPayer(word));
                }
                if let Some(word) = contained(step, BLAME) {
                    self.report(entry, key, Wrong::BlameForPayer(word));
                }
            }
        }
    }

    fn references(&mut self, entry: &Entry) {
        for id in entry.guides.iter().filter(|id| self.catalog.guide(id).is_none()) {
            let nearest = nearest(id, self.catalog.guides().iter().map(|guide| guide.id.as_str()));
            self.report(entry, "guides", Wrong::UnknownGuide { id: id.clone(), nearest });
        }
        for address in entry.docs.iter().filter(|address| !is_https(address)) {
            self.report(entry, "docs", Wrong::BadDocs(address.clone()));
        }
    }
}

fn is_weak(code: &Code) -> bool {
    let is_common = || COMMON_WORDS.contains(&code.text.to_ascii_uppercase().as_str());
    code.specificity == Specificity::Distinctive && (code.text.len() < MIN_DISTINCTIVE || is_common())
}

fn is_weak_message(message: &str) -> bool {
    let weight: usize = message.chars().filter(|c| c.is_alphanumeric()).map(|c| if c.is_ascii() { 1 } else { 3 }).sum();
    let is_one_word = message.is_ascii() && message.split_whitespace().count() < 2 && !message.contains(':');
    weight < MIN_MESSAGE_WEIGHT || is_one_word
}

/// A code of the entry, anything that looks like a code, or a technical word.
fn jargon(step: &str, entry: &Entry) -> Option<String> {
    let is_jargon = |word: &&str| {
        word.contains('_')
            || entry.codes.iter().any(|code| code.text == **word)
            || JARGON.contains(&word.to_lowercase().as_str())
    };
    let word = step.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).find(is_jargon);
    word.map(str::to_owned).or_else(|| contained(step, JARGON_ZH))
}

fn contained(text: &str, words: &[&str]) -> Option<String> {
    let text = text.to_lowercase();
    words.iter().find(|word| text.contains(**word)).map(|word| word.to_string())
}

fn is_https(address: &str) -> bool {
    address.strip_prefix("https://").is_some_and(|rest| rest.contains('.') && !rest.contains(char::is_whitespace))
}
