//! `catalog show`: everything that bears a name: entries by id or code, and the guide of that id.

use std::io::Write;

use anyhow::bail;
use serde::Serialize;

use super::super::setup::terminal_width;
use super::{entry_json, provider_of};
use crate::catalog::{Catalog, Entry, Guide, Lang, Threshold, nearest, write_duration};
use crate::cli::{CatalogView, ExplainFormat};
use crate::incident;
use crate::render::{self, View};

/// Writes all that `name` can mean.
pub(super) fn show(catalog: &Catalog, name: &str, view: &CatalogView, out: &mut dyn Write) -> anyhow::Result<()> {
    let entries: Vec<&Entry> = catalog.all().map(|entry| &**entry).filter(|entry| bears(entry, name)).collect();
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
    let ids = catalog.all().map(|entry| &*entry.id.0);
    let codes = catalog.all().flat_map(|entry| &entry.codes).map(|code| code.text.as_str());
    let guides = catalog.guides().iter().map(|guide| guide.id.as_str());
    let near = nearest(name, ids.chain(codes).chain(guides));
    near.map_or_else(|| "; `paytriage catalog list` shows all ids".to_owned(), |near| format!("; did you mean {near}?"))
}

#[derive(Serialize)]
struct GuideJson<'a> {
    guide: &'a str,
    title: &'a str,
    body: &'a str,
}

/// Writes an entry as one line of JSON.
pub(super) fn json(catalog: &Catalog, entry: &Entry, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string(&entry_json(catalog, entry, lang))?)?)
}

fn guide_json(guide: &Guide, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    let view = GuideJson { guide: &guide.id, title: guide.title.get(lang), body: guide.body.get(lang) };
    Ok(writeln!(out, "{}", serde_json::to_string(&view)?)?)
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
