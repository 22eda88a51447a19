//! An entry whose fields may all be absent, as one file gives it.
//!
//! A draft laid over another fills its gaps from it; an entry is built from one that has no gaps left.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::problem::{Problem, Wrong};
use super::read::{Found, Reader, Table};
use super::threshold::threshold;
use super::{
    Actor, Advice, Category, Code, Entry, EntryId, FALLBACK_ID, Message, Retry, Severity, Specificity, Steps, Text,
    Threshold,
};
use crate::provider::Provider;

/// Longest code an event can carry.
const MAX_CODE_BYTES: usize = 128;

/// An entry whose fields may be absent.
pub(super) struct Draft {
    provider: Option<Provider>,
    /// Of the codes that have none of their own.
    specificity: Option<Specificity>,
    codes: Option<Vec<CodeDraft>>,
    messages: Option<Vec<Message>>,
    message_code: Option<String>,
    general: Option<bool>,
    title: Both<String>,
    category: Option<Category>,
    severity: Option<Severity>,
    act: Option<Actor>,
    advice: Option<Advice>,
    retry: Option<Retry>,
    threshold: Option<Threshold>,
    cause: Both<String>,
    operator: Both<Vec<String>>,
    payer: Both<Vec<String>>,
    guides: Option<Vec<String>>,
    docs: Option<Vec<String>>,
    examples: Option<Vec<String>>,
    near_misses: Option<Vec<String>>,
}

/// Something in two languages, either of which may be absent.
struct Both<T> {
    en: Option<T>,
    zh: Option<T>,
}

/// A code and, where it differs from the entry's, its own specificity; with the fields to which it is bound.
struct CodeDraft {
    text: String,
    specificity: Option<Specificity>,
    fields: Vec<String>,
}

impl Draft {
    pub fn read<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Draft {
        Draft {
            provider: provider(reader, table),
            specificity: reader.word(table, "specificity", Specificity::ALL),
            codes: codes(reader, table),
            messages: messages(reader, table),
            message_code: message_code(reader, table),
            general: reader.flag(table, "general"),
            title: both(reader, table, "title", Reader::text),
            category: reader.word(table, "category", Category::ALL),
            severity: reader.word(table, "severity", Severity::ALL),
            act: reader.word(table, "act", Actor::ALL),
            advice: reader.word(table, "advice", Advice::ALL),
            retry: reader.word(table, "retry", Retry::ALL),
            threshold: threshold(reader, table),
            cause: both(reader, table, "cause", Reader::text),
            operator: both(reader, table, "operator", Reader::texts),
            payer: both(reader, table, "payer", Reader::texts),
            guides: reader.strings(table, "guides"),
            docs: reader.strings(table, "docs"),
            examples: reader.strings(table, "match"),
            near_misses: reader.strings(table, "near_miss"),
        }
    }

    /// The draft that gives this entry again.
    pub fn of(entry: &Entry) -> Draft {
        let specificity = entry.codes.first().map(|code| code.specificity);
        let code = |code: &Code| CodeDraft {
            text: code.text.clone(),
            specificity: Some(code.specificity).filter(|own| Some(*own) != specificity),
            fields: code.fields.clone(),
        };
        Draft {
            provider: entry.provider.clone(),
            specificity,
            codes: Some(entry.codes.iter().map(code).collect()),
            messages: Some(entry.messages.clone()),
            message_code: entry.message_code.clone(),
            general: Some(entry.general),
            title: Both::of(&entry.title.en, &entry.title.zh),
            category: Some(entry.category),
            severity: Some(entry.severity),
            act: Some(entry.act),
            advice: Some(entry.advice),
            retry: Some(entry.retry),
            threshold: entry.threshold,
            cause: Both::of(&entry.cause.en, &entry.cause.zh),
            operator: Both::of(&entry.operator.en, &entry.operator.zh),
            payer: Both::of(&entry.payer.en, &entry.payer.zh),
            guides: Some(entry.guides.clone()),
            docs: Some(entry.docs.clone()),
            examples: Some(entry.examples.clone()),
            near_misses: Some(entry.near_misses.clone()),
        }
    }

    /// Fills what is absent here from `below`.
    pub fn over(self, below: Draft) -> Draft {
        Draft {
            provider: self.provider.or(below.provider),
            specificity: self.specificity.or(below.specificity),
            codes: self.codes.or(below.codes),
            messages: self.messages.or(below.messages),
            message_code: self.message_code.or(below.message_code),
            general: self.general.or(below.general),
            title: self.title.over(below.title),
            category: self.category.or(below.category),
            severity: self.severity.or(below.severity),
            act: self.act.or(below.act),
            advice: self.advice.or(below.advice),
            retry: self.retry.or(below.retry),
            threshold: self.threshold.or(below.threshold),
            cause: self.cause.over(below.cause),
            operator: self.operator.over(below.operator),
            payer: self.payer.over(below.payer),
            guides: self.guides.or(below.guides),
            docs: self.docs.or(below.docs),
            examples: self.examples.or(below.examples),
            near_misses: self.near_misses.or(below.near_misses),
        }
    }

    /// The entry, if nothing is missing.
    pub fn build(self, id: EntryId, mut gaps: Gaps<'_, '_>) -> Option<Entry> {
        let specificity = self.specificity.unwrap_or(Specificity::Generic);
        let code = |code: CodeDraft| Code {
            text: code.text,
            specificity: code.specificity.unwrap_or(specificity),
            fields: code.fields,
        };
        let codes: Vec<Code> = self.codes.unwrap_or_default().into_iter().map(code).collect();
        let messages = self.messages.unwrap_or_default();
        gaps.searched(&id, &codes, &messages);
        let title = gaps.both("title", self.title);
        let category = gaps.one("category", self.category);
        let severity = gaps.one("severity", self.severity);
        let act = gaps.one("act", self.act);
        let advice = gaps.one("advice", self.advice);
        let retry = gaps.one("retry", self.retry);
        let cause = gaps.both("cause", self.cause);
        let operator = gaps.both("operator", self.operator);
        let payer = gaps.both("payer", self.payer);
        Some(Entry {
            id,
            provider: self.provider,
            codes,
            messages,
            message_code: self.message_code,
            general: self.general.unwrap_or_default(),
            title: title.map(|(en, zh)| Text { en, zh })?,
            category: category?,
            severity: severity?,
            act: act?,
            advice: advice?,
            retry: retry?,
            threshold: self.threshold,
            cause: cause.map(|(en, zh)| Text { en, zh })?,
            operator: operator.map(|(en, zh)| Steps { en, zh })?,
            payer: payer.map(|(en, zh)| Steps { en, zh })?,
            guides: self.guides.unwrap_or_default(),
            docs: self.docs.unwrap_or_default(),
            examples: self.examples.unwrap_or_default(),
            near_misses: self.near_misses.unwrap_or_default(),
        })
    }
}

/// Reports what an entry lacks, at the place where it begins.
pub(super) struct Gaps<'r, 'i> {
    pub reader: &'r mut Reader<'i>,
    pub span: &'r Range<usize>,
    /// Number of problems before this entry.
    pub n_before: usize,
}

impl Gaps<'_, '_> {
    fn one<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.is_reported(key) {
            self.reader.report(self.span.clone(), key, Wrong::Missing);
        }
        value
    }

    /// A key that was given but is wrong has been reported already and is not missing as well.
    fn is_reported(&self, key: &str) -> bool {
        let is_about = |problem: &Problem| {
            let rest = problem.key.strip_prefix(key);
            let is_known = !matches!(problem.wrong, Wrong::UnknownKey { .. });
            is_known && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.reader.problems[self.n_before..].iter().any(is_about)
    }

    /// One language is enough; it then stands for the other, too.
    fn both<T: Clone>(&mut self, key: &str, both: Both<T>) -> Option<(T, T)> {
        let pair = match (both.en, both.zh) {
            (Some(en), Some(zh)) => Some((en, zh)),
            (Some(only), None) | (None, Some(only)) => Some((only.clone(), only)),
            (None, None) => None,
        };
        self.one(key, pair)
    }

    /// The fallback is never searched for; every other entry has to be.
    fn searched(&mut self, id: &EntryId, codes: &[Code], messages: &[Message]) {
        let is_searched = !codes.is_empty() || !messages.is_empty();
        let wrong = match (&*id.0 == FALLBACK_ID, is_searched) {
            (true, true) => Wrong::FallbackSearched,
            (false, false) if !self.is_reported("codes") && !self.is_reported("messages") => Wrong::NothingToFind,
            _ => return,
        };
        self.reader.report(self.span.clone(), "codes", wrong);
    }
}

impl<T> Both<T> {
    fn of(en: &T, zh: &T) -> Both<T>
    where
        T: Clone,
    {
        Both { en: Some(en.clone()), zh: Some(zh.clone()) }
    }

    fn over(self, below: Both<T>) -> Both<T> {
        Both { en: self.en.or(below.en), zh: self.zh.or(below.zh) }
    }
}

fn both<'i, T>(
    reader: &mut Reader<'i>,
    table: &mut Table<'i>,
    key: &'static str,
    read: fn(&mut Reader<'i>, &mut Table<'i>, &'static str) -> Option<T>,
) -> Both<T> {
    let Some(mut languages) = reader.table(table, key) else { return Both { en: None, zh: None } };
    let both = Both { en: read(reader, &mut languages, "en"), zh: read(reader, &mut languages, "zh") };
    reader.close(languages);
    both
}

fn provider<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Option<Provider> {
    let Found { value, span } = reader.string(table, "provider")?;
    let provider = Provider::parse(&value);
    if provider.is_none() {
        reader.report(span, "provider", Wrong::BadProvider(value));
    }
    provider
}

fn message_code<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Option<String> {
    let found = reader.string(table, "message_code")?;
    code_text(reader, found, "message_code")
}

/// A code is a string, or `{ code = "C6-1011", specificity = "field" }` where it differs from the others, or
/// `{ code = "PAYERROR", fields = ["trade_state"] }` where a field that is no error field holds it.
fn codes<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Option<Vec<CodeDraft>> {
    let items = reader.array(table, "codes")?;
    Some(items.into_iter().filter_map(|item| code(reader, item)).collect())
}

fn code<'i>(reader: &mut Reader<'i>, item: Spanned<DeValue<'i>>) -> Option<CodeDraft> {
    if let DeValue::String(_) = item.get_ref() {
        let found = reader.as_string(item, "codes".to_owned())?;
        return Some(CodeDraft { text: code_text(reader, found, "codes")?, specificity: None, fields: Vec::new() });
    }
    let mut table = reader.as_table(item, "codes".to_owned())?;
    let span = table.span.clone();
    let text = reader.string(&mut table, "code");
    let specificity = reader.word(&mut table, "specificity", Specificity::ALL);
    let fields = reader.strings(&mut table, "fields").unwrap_or_default();
    reader.close(table);
    if text.is_none() {
        reader.report(span, "codes.code", Wrong::Missing);
    }
    Some(CodeDraft { text: code_text(reader, text?, "codes.code")?, specificity, fields })
}

/// A message is a string, or `{ message = "…", code = "…", needs_provider = true }`.
fn messages<'i>(reader: &mut Reader<'i>, table: &mut Table<'i>) -> Option<Vec<Message>> {
    let items = reader.array(table, "messages")?;
    Some(items.into_iter().filter_map(|item| message(reader, item)).collect())
}

fn message<'i>(reader: &mut Reader<'i>, item: Spanned<DeValue<'i>>) -> Option<Message> {
    if let DeValue::String(_) = item.get_ref() {
        let text = reader.as_string(item, "messages".to_owned())?.value;
        return Some(Message { text, code: None, needs_provider: false });
    }
    let mut table = reader.as_table(item, "messages".to_owned())?;
    let span = table.span.clone();
    let text = reader.string(&mut table, "message");
    let code = reader.string(&mut table, "code").and_then(|found| code_text(reader, found, "messages.code"));
    let needs_provider = reader.flag(&mut table, "needs_provider").unwrap_or_default();
    reader.close(table);
    if text.is_none() {
        reader.report(span, "messages.message", Wrong::Missing);
    }
    Some(Message { text: text?.value, code, needs_provider })
}

fn code_text(reader: &mut Reader<'_>, found: Found<String>, key: &str) -> Option<String> {
    if is_code(&found.value) {
        return Some(found.value);
    }
    reader.report(found.span, key, Wrong::BadCode(found.value));
    None
}

fn is_code(code: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    code.len() <= MAX_CODE_BYTES && code.bytes().all(ok)
}
