//! `catalog stats`: how many entries and codes there are, by provider, category and severity.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::provider_of;
use crate::catalog::{Catalog, Entry};
use crate::cli::ExplainFormat;

/// The fallback is not counted: it stands for what is not in the catalogue.
#[derive(Serialize)]
struct Stats<'a> {
    entries: usize,
    codes: usize,
    messages: usize,
    guides: usize,
    providers: BTreeMap<&'a str, Count>,
    categories: BTreeMap<&'a str, Count>,
    severities: BTreeMap<&'a str, Count>,
}

#[derive(Serialize, Default, Clone, Copy)]
struct Count {
    entries: usize,
    codes: usize,
}

pub(super) fn stats(catalog: &Catalog, format: ExplainFormat, out: &mut dyn Write) -> anyhow::Result<()> {
    let stats = Stats::of(catalog);
    match format {
        ExplainFormat::Json => writeln!(out, "{}", serde_json::to_string(&stats)?)?,
        ExplainFormat::Pretty => stats.pretty(out)?,
    }
    Ok(())
}

impl<'a> Stats<'a> {
    fn of(catalog: &'a Catalog) -> Stats<'a> {
        let entries = catalog.entries();
        Stats {
            entries: entries.len(),
            codes: entries.iter().map(|entry| entry.codes.len()).sum(),
            messages: entries.iter().map(|entry| entry.messages.len()).sum(),
            guides: catalog.guides().len(),
            providers: count(catalog, provider_of),
            categories: count(catalog, |entry| entry.category.as_str()),
            severities: count(catalog, |entry| entry.severity.as_str()),
        }
    }

    fn pretty(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Stats { entries, codes, messages, guides, .. } = self;
        writeln!(out, "{entries} entries, {codes} codes, {messages} messages, {guides} guides")?;
        let tables = [("provider", &self.providers), ("category", &self.categories), ("severity", &self.severities)];
        for (name, counts) in tables {
            let width = counts.keys().map(|key| key.len()).chain([name.len()]).max().unwrap_or(0);
            writeln!(out, "\n{name:width$}  entries  codes")?;
            for (key, Count { entries, codes }) in counts {
                writeln!(out, "{key:width$}  {entries:>7}  {codes:>5}")?;
            }
        }
        Ok(())
    }
}

fn count<'a>(catalog: &'a Catalog, key: impl Fn(&'a Entry) -> &'a str) -> BTreeMap<&'a str, Count> {
    let mut counts = BTreeMap::<&str, Count>::new();
    for entry in catalog.entries() {
        let count = counts.entry(key(entry)).or_default();
        count.entries += 1;
        count.codes += entry.codes.len();
    }
    counts
}
