//! `paytriage catalog`: look into the catalogue, or check files of one's own.

mod draft;
mod list;
mod show;
mod stats;
mod trial;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::CatalogError;
use super::setup::{Setup, catalog_of};
use crate::catalog::{Catalog, Entry, Lang, Problem};
use crate::cli::CatalogCommand;
use crate::config::CatalogConfig;
use crate::exit::Exit;
use crate::incident;
use crate::wire::entry::{self, EntryJson};

/// What stands for the provider of an entry that leaves it open.
const ANY_PROVIDER: &str = "any";

/// Runs the command. The answer goes to `out`, what a check finds wrong to `err`.
///
/// # Errors
/// Wrong usage, a catalogue file that cannot be read or has problems, or a failure to write.
pub fn run(command: &CatalogCommand, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        CatalogCommand::List { provider, view } => {
            list::list(&catalog_of(&CatalogConfig::default(), &view.catalog)?, provider.as_deref(), view, out)?
        }
        CatalogCommand::Show { id, view } => {
            show::show(&catalog_of(&CatalogConfig::default(), &view.catalog)?, id, view, out)?
        }
        CatalogCommand::Check { files } => return check(files, out, err),
        CatalogCommand::Draft { paths, config } => {
            return draft::draft(&Setup::load(config.as_deref(), &[])?, paths, out, err);
        }
        CatalogCommand::Stats { view } => {
            stats::stats(&catalog_of(&CatalogConfig::default(), &view.catalog)?, view.format, out)?
        }
    }
    Ok(Exit::Done)
}

/// Reports every problem of every file, also when one of them cannot be read.
fn check(files: &[PathBuf], out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut texts = Vec::new();
    let mut exit = Exit::Done;
    for file in files {
        match std::fs::read_to_string(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(error) => {
                writeln!(err, "{}", CatalogError::Unreadable { file: file.clone(), error })?;
                exit = Exit::Unreadable;
            }
        }
    }
    if texts.is_empty() && !files.is_empty() {
        return Ok(exit);
    }
    match checked(&texts) {
        Ok(catalog) => writeln!(out, "{}", verdict(&catalog, &texts))?,
        Err(problems) => {
            let n = problems.len();
            writeln!(err, "{}\n{n} {}", lines(&problems), plural(n, "problem"))?;
            exit = exit.max(Exit::Usage);
        }
    }
    Ok(exit)
}

/// The catalogue with these files in force, if it loads, reads well, and finds what it says.
fn checked(files: &[(String, String)]) -> Result<Arc<Catalog>, Vec<Problem>> {
    let catalog = Arc::new(Catalog::from_sources().with_files(files)?);
    let problems: Vec<Problem> = catalog.check().into_iter().chain(trial::problems(&catalog)).collect();
    if problems.is_empty() { Ok(catalog) } else { Err(problems) }
}

/// Says what was found to be in order: the entries of `files`, or of the whole catalogue.
fn verdict(catalog: &Catalog, files: &[(String, String)]) -> String {
    let is_asked_for = |entry: &&Arc<Entry>| {
        let place = catalog.place(&entry.id);
        files.is_empty() || place.is_some_and(|place| files.iter().any(|(name, _)| **name == *place.file))
    };
    let entries: Vec<_> = catalog.all().filter(is_asked_for).collect();
    let n_lines: usize = entries.iter().map(|entry| entry.examples.len() + entry.near_misses.len()).sum();
    let (entry, line) = (if entries.len() == 1 { "entry" } else { "entries" }, plural(n_lines, "test line"));
    format!("no problems: {} {entry}, {n_lines} {line}", entries.len())
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

/// An entry as JSON, in one language.
pub fn entry_json<'a>(catalog: &'a Catalog, entry: &'a Entry, lang: Lang) -> EntryJson<'a> {
    entry::entry(catalog, entry, incident::threshold_of(entry), lang)
}

fn provider_of(entry: &Entry) -> &str {
    entry.provider.as_ref().map_or(ANY_PROVIDER, |provider| provider.as_str())
}

fn plural(n: usize, noun: &str) -> String {
    if n == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests;
