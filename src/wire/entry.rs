//! An entry of the catalogue as JSON, in one language, with the words of the event format.

use serde::Serialize;

use crate::catalog::{Catalog, Code, Entry, Guide, Lang, Threshold, write_duration};

/// An entry in one language, with the words of the event format.
#[derive(Serialize)]
pub struct EntryJson<'a> {
    entry: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    codes: Vec<CodeJson<'a>>,
    messages: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_code: Option<&'a str>,
    title: &'a str,
    category: &'static str,
    severity: &'static str,
    act: &'static str,
    advice: &'static str,
    retry: &'static str,
    cause: &'a str,
    remediation: Remediation<'a>,
    guides: Vec<GuideRef<'a>>,
    docs: &'a [String],
    /// Unless the configuration says otherwise.
    threshold: ThresholdJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    defined_in: Option<&'a str>,
}

#[derive(Serialize)]
struct ThresholdJson {
    count: u32,
    within: String,
}

#[derive(Serialize)]
struct CodeJson<'a> {
    code: &'a str,
    specificity: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [String],
}

#[derive(Serialize)]
struct Remediation<'a> {
    operator: &'a [String],
    payer: &'a [String],
}

#[derive(Serialize)]
struct GuideRef<'a> {
    id: &'a str,
    title: &'a str,
}

/// An entry as JSON, in one language. `threshold` is what holds for it unless the configuration says otherwise.
pub fn entry<'a>(catalog: &'a Catalog, entry: &'a Entry, threshold: Threshold, lang: Lang) -> EntryJson<'a> {
    let codes = entry.codes.iter();
    EntryJson {
        entry: &entry.id.0,
        provider: entry.provider.as_ref().map(|provider| provider.as_str()),
        codes: codes.map(code_json).collect(),
        messages: entry.messages.iter().map(|message| message.text.as_str()).collect(),
        message_code: entry.message_code.as_deref(),
        title: entry.title.get(lang),
        category: entry.category.as_str(),
        severity: entry.severity.as_str(),
        act: entry.act.as_str(),
        advice: entry.advice.as_str(),
        retry: entry.retry.as_str(),
        cause: entry.cause.get(lang),
        remediation: Remediation { operator: entry.operator.get(lang), payer: entry.payer.get(lang) },
        guides: guides(catalog, entry).map(|g| GuideRef { id: &g.id, title: g.title.get(lang) }).collect(),
        docs: &entry.docs,
        threshold: ThresholdJson { count: threshold.count, within: write_duration(threshold.within) },
        defined_in: catalog.place(&entry.id).map(|place| &*place.file),
    }
}

fn code_json(code: &Code) -> CodeJson<'_> {
    CodeJson { code: &code.text, specificity: code.specificity.as_str(), fields: &code.fields }
}

fn guides<'a>(catalog: &'a Catalog, entry: &'a Entry) -> impl Iterator<Item = &'a Guide> {
    entry.guides.iter().filter_map(|id| catalog.guide(id))
}
