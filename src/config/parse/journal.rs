//! `journal` of a `[[source]]` from TOML: it takes the place of `paths`.

use super::super::kind;
use super::super::problem::Fault;
use super::super::table::Table;
use super::super::{Journal, Source};

/// Keys that are about files.
const OF_FILES: [&str; 4] = ["paths", "exclude", "watch", "poll_interval"];

/// `journal = {}` is all of it.
pub(super) fn journal(table: &mut Table<'_>) -> Option<Journal> {
    let is_journal = table.has("journal");
    let journal = table.table("journal", |table| {
        let help = "Instead of `paths`, with `journal = {}`: entries of the systemd journal, of these units (globs allowed), without any of all";
        let units = table.or("units", &kind::list(kind::unit()), Vec::new(), help);
        let help = "Directory of the journal's files, such as the one of a host that is mounted into a container";
        let directory = table.optional("directory", &kind::directory(), "this host's journal", help);
        Journal { units, directory }
    });
    is_journal.then_some(journal)
}

/// What is impossible beside a journal; `earlier` are the sources before this one.
pub(super) fn check(table: &Table<'_>, source: &Source, earlier: &[Source]) {
    let Some(journal) = &source.journal else { return };
    for key in OF_FILES {
        let fault = Fault::new("is for files, and this source is the journal");
        table.fault(key, fault.hint("give the files a [[source]] of their own"));
    }
    let is_same = |other: &Source| other.journal.as_ref().is_some_and(|other| other.directory == journal.directory);
    if let Some(at) = earlier.iter().position(|other| is_same(other) && other.start_at != source.start_at) {
        let fault = Fault::new(format!("source[{at}] begins elsewhere in the same journal"));
        let hint = "give both the same start_at: a journal is read once for all its sources";
        table.fault(if table.has("start_at") { "start_at" } else { "journal" }, fault.hint(hint));
    }
}
