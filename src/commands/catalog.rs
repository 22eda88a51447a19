//! `paytriage catalog`: look into the catalogue, or check files of one's own.

mod list;
mod show;
mod stats;
mod trial;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::catalog::{Catalog, Entry, FALLBACK_ID, Lang, Problem};
use crate::cli::{CatalogCommand, LangArg};
use crate::exit::Exit;

/// What stands for the provider of an entry that leaves it open.
const ANY_PROVIDER: &str = "any";

/// Runs the command and writes its answer.
///
/// # Errors
/// Wrong usage, a catalogue file that cannot be read or has problems, or a failure to write.
pub fn run(command: &CatalogCommand, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        CatalogCommand::List { provider, view } => list::list(&open(&view.catalog)?, provider.as_deref(), view, out)?,
        CatalogCommand::Show { id, view } => show::show(&open(&view.catalog)?, id, view, out)?,
        CatalogCommand::Check { files } => return check(files, out),
        CatalogCommand::Stats { view } => stats::stats(&open(&view.catalog)?, view.format, out)?,
    }
    Ok(Exit::Done)
}

/// The built-in catalogue with a user's own files applied to it.
///
/// # Errors
/// The first file that cannot be read, or every problem of all files, one on each line.
pub fn open<P: AsRef<Path>>(files: &[P]) -> anyhow::Result<Catalog> {
    let texts: Vec<(String, String)> = files.iter().map(|file| read(file.as_ref())).collect::<anyhow::Result<_>>()?;
    match Catalog::builtin().with_files(&texts) {
        Ok(catalog) => Ok(catalog),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
            bail!("{}", lines.join("\n"))
        }
    }
}

fn read(file: &Path) -> anyhow::Result<(String, String)> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the catalogue file {name}"))?;
    Ok((name, text))
}

/// Reports every problem of every file, also when one of them cannot be read.
fn check(files: &[PathBuf], out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut texts = Vec::new();
    let mut exit = Exit::Done;
    for file in files {
        match read(file) {
            Ok(text) => texts.push(text),
            Err(error) => {
                writeln!(out, "{error:#}")?;
                exit = Exit::Unreadable;
            }
        }
    }
    let (catalog, problems) = match Catalog::builtin().with_files(&texts) {
        Err(problems) => (None, problems),
        Ok(catalog) => {
            let catalog = Arc::new(catalog);
            let problems = catalog.check().into_iter().chain(trial::problems(&catalog)).collect();
            (Some(catalog), problems)
        }
    };
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    match catalog {
        Some(catalog) if problems.is_empty() => writeln!(out, "{}", verdict(&catalog, files))?,
        _ => writeln!(out, "{} {}", problems.len(), plural(problems.len(), "problem"))?,
    }
    Ok(if problems.is_empty() { exit } else { exit.max(Exit::Usage) })
}

/// Says what was found to be in order: the entries of `files`, or all.
fn verdict(catalog: &Catalog, files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let is_asked_for = |entry: &&Arc<Entry>| {
        let place = catalog.place(&entry.id);
        names.is_empty() || place.is_some_and(|place| names.iter().any(|name| **name == *place.file))
    };
    let entries: Vec<_> = all(catalog).filter(is_asked_for).collect();
    let n_lines: usize = entries.iter().map(|entry| entry.examples.len() + entry.near_misses.len()).sum();
    let (entry, line) = (if entries.len() == 1 { "entry" } else { "entries" }, plural(n_lines, "test line"));
    format!("no problems: {} {entry}, {n_lines} {line}", entries.len())
}

/// Every entry, the fallback last.
fn all(catalog: &Catalog) -> impl Iterator<Item = &Arc<Entry>> {
    catalog.entries().iter().chain(catalog.get(FALLBACK_ID))
}

fn provider_of(entry: &Entry) -> &str {
    entry.provider.as_ref().map_or(ANY_PROVIDER, |provider| provider.as_str())
}

fn plural(n: usize, noun: &str) -> String {
    if n == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn lang(arg: LangArg) -> Lang {
    match arg {
        LangArg::En => Lang::En,
        LangArg::Zh => Lang::Zh,
    }
}

#[cfg(test)]
mod tests;
