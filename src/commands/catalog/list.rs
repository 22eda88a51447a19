//! `catalog list`: one line per entry.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use unicode_width::UnicodeWidthStr;

use super::{provider_of, show};
use crate::catalog::{Catalog, Entry, Lang, nearest};
use crate::cli::{CatalogView, ExplainFormat};

/// Writes the entries of one provider, or all.
pub(super) fn list(
    catalog: &Catalog,
    provider: Option<&str>,
    view: &CatalogView,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let entries: Vec<&Arc<Entry>> =
        catalog.all().filter(|entry| provider.is_none_or(|name| provider_of(entry) == name)).collect();
    if let (Some(name), true) = (provider, entries.is_empty()) {
        bail!("no entry belongs to provider {name:?}{}", hint(catalog, name));
    }
    let lang = view.lang.into();
    match view.format {
        ExplainFormat::Json => entries.iter().try_for_each(|entry| show::json(catalog, entry, lang, out)),
        ExplainFormat::Pretty => table(&entries, lang, out),
    }
}

fn hint(catalog: &Catalog, name: &str) -> String {
    let near = nearest(name, catalog.all().map(|entry| provider_of(entry)));
    near.map_or_else(
        || "; `paytriage catalog stats` names the providers".to_owned(),
        |near| format!("; did you mean {near}?"),
    )
}

fn table(entries: &[&Arc<Entry>], lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    let row = |entry: &'_ Arc<Entry>| {
        [
            entry.id.to_string(),
            provider_of(entry).to_owned(),
            entry.severity.to_string(),
            entry.title.get(lang).to_owned(),
        ]
    };
    let rows: Vec<[String; 4]> = entries.iter().map(|entry| row(entry)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let (ids, providers, severities) = (width(0), width(1), width(2));
    for [id, provider, severity, title] in &rows {
        writeln!(out, "{id:ids$}  {provider:providers$}  {severity:severities$}  {title}")?;
    }
    Ok(())
}
