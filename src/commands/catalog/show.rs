//! `catalog show`: everything that bears a name: entries by id or code, and the guide of that id.

use std::io::Write;

use anyhow::bail;
use serde::Serialize;

use super::super::setup::terminal_width;
use super::{all, provider_of};
use crate::catalog::{Catalog, Code, Entry, Guide, Lang, Threshold, nearest, write_duration};
use crate::cli::{CatalogView, ExplainFormat};
use crate::incident;
use crate::render::{self, View};

/// Writes all that `name` can mean.
pub(super) fn show(catalog: &Catalog, name: &str, view: &CatalogView, out: &mut dyn Write) -> anyhow::Result<()> {
    let entries: Vec<&Entry> = all(catalog).map(|entry| &**entry).filter(|entry| bears(entry, name)).collect();
    let guide = catalog.guide(name);
    if entries.is_empty() && guide.is_none() {
        bail!("no entry, code or guide is called {name:?}{}", hint(catalog, name));
    }
    let lang = view.lang.into();
    let page = View::new(catalog, lang, terminal_width());
    for entry in entries {
        match view.format {
            ExplainFormat::Json => json(catalog, entry, lang, out)?,
            ExplainFormat::Pretty => pretty(entry, &page, out)?,
        }
    }
    match (guide, view.format) {
        (None, _) => {}
        (Some(guide), ExplainFormat::Json) => guide_json(guide, lang, out)?,
        (Some(guide), ExplainFormat::Pretty) => writeln!(out, "{}", guide.body.get(lang).trim_end())?,
    }
    Ok(())
}

fn bears(entry: &Entry, name: &str) -> bool {
    let codes = entry.codes.iter().map(|code| &code.text).chain(&entry.message_code);
    *entry.id.0 == *name || codes.into_iter().any(|code| code == name)
}

fn hint(catalog: &Catalog, name: &str) -> String {
    let ids = all(catalog).map(|entry| &*entry.id.0);
    let codes = all(catalog).flat_map(|entry| &entry.codes).map(|code| code.text.as_str());
    let guides = catalog.guides().iter().map(|guide| guide.id.as_str());
    let near = nearest(name, ids.chain(codes).chain(guides));
    near.map_or_else(|| "; `paytriage catalog list` shows all ids".to_owned(), |near| format!("; did you mean {near}?"))
}

/// An entry in one language, with the words of the event format.
#[derive(Serialize)]
struct EntryJson<'a> {
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

#[derive(Serialize)]
struct GuideJson<'a> {
    guide: &'a str,
    title: &'a str,
    body: &'a str,
}

/// Writes an entry as one line of JSON.
pub(super) fn json(catalog: &Catalog, entry: &Entry, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", entry_json(catalog, entry, lang)?)?)
}

/// An entry as JSON, in one language.
///
/// # Errors
/// None that data of this kind can have.
pub fn entry_json(catalog: &Catalog, entry: &Entry, lang: Lang) -> serde_json::Result<serde_json::Value> {
    let (codes, threshold) = (entry.codes.iter(), incident::threshold_of(entry));
    let view = EntryJson {
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
    };
    serde_json::to_value(&view)
}

fn code_json(code: &Code) -> CodeJson<'_> {
    CodeJson { code: &code.text, specificity: code.specificity.as_str(), fields: &code.fields }
}

fn guide_json(guide: &Guide, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    let view = GuideJson { guide: &guide.id, title: guide.title.get(lang), body: guide.body.get(lang) };
    Ok(writeln!(out, "{}", serde_json::to_string(&view)?)?)
}

fn guides<'a>(catalog: &'a Catalog, entry: &'a Entry) -> impl Iterator<Item = &'a Guide> {
    entry.guides.iter().filter_map(|id| catalog.guide(id))
}

/// The entry as everybody reads it, then what the matcher knows of it.
fn pretty(entry: &Entry, view: &View, out: &mut dyn Write) -> anyhow::Result<()> {
    out.write_all(render::entry(entry, &entry.id.0, view).as_bytes())?;
    writeln!(out)?;
    let facts =
        [("provider", provider_of(entry)), ("category", entry.category.as_str()), ("advice", entry.advice.as_str())];
    for (name, fact) in facts {
        writeln!(out, "  {name:10}  {fact}")?;
    }
    for code in &entry.codes {
        match code.fields.is_empty() {
            true => writeln!(out, "  {:10}  {} ({})", "code", code.text, code.specificity)?,
            false => {
                writeln!(out, "  {:10}  {} ({} in {})", "code", code.text, code.specificity, code.fields.join(", "))?
            }
        }
    }
    for message in &entry.messages {
        writeln!(out, "  {:10}  {}", "message", message.text)?;
    }
    let Threshold { count, within } = incident::threshold_of(entry);
    writeln!(out, "  {:10}  an incident from {count} events within {} on", "threshold", write_duration(within))?;
    Ok(writeln!(out)?)
}
