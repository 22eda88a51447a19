//! Runs the entries' own test lines through the matcher that the scan and the daemon use.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, Entry, EntryId, Problem, Wrong};
use crate::event::Origin;
use crate::pipeline::{Checkpoint, Engine, FileContext, Stream};
use crate::record::Charset;
use crate::redact::Redactor;

/// Each test line that is not found where it must be, or is where it must not. All entries are tried: one
/// that is new may take away what another should find.
pub(super) fn problems(catalog: &Arc<Catalog>) -> Vec<Problem> {
    let engine = Arc::new(Engine::new(catalog.clone(), Redactor::disabled()));
    catalog.all().flat_map(|entry| of_entry(catalog, &engine, entry)).collect()
}

fn of_entry(catalog: &Catalog, engine: &Arc<Engine>, entry: &Entry) -> Vec<Problem> {
    let examples = entry.examples.iter().filter_map(|line| {
        let found = found(engine, line);
        let wrong = Wrong::NotFound { line: line.clone(), found: found.clone() };
        (!found.contains(&entry.id)).then_some(("match", wrong))
    });
    let near_misses = entry.near_misses.iter().filter_map(|line| {
        let wrong = Wrong::WronglyFound { line: line.clone() };
        found(engine, line).contains(&entry.id).then_some(("near_miss", wrong))
    });
    let problem = |(key, wrong): (&str, Wrong)| {
        let place = catalog.place(&entry.id)?.clone();
        Some(Problem { place, entry: Some(entry.id.clone()), key: key.to_owned(), wrong })
    };
    examples.chain(near_misses).filter_map(problem).collect()
}

/// The entries found in a file that holds only this line.
fn found(engine: &Arc<Engine>, line: &str) -> Vec<EntryId> {
    let origin = Origin { name: "test line".to_owned(), path: String::new(), host: None, labels: BTreeMap::new() };
    let file = FileContext {
        origin: Arc::new(origin),
        identity: Vec::new(),
        provider: None,
        timezone: TimeZone::UTC,
        charset: Charset::Auto,
    };
    let mut stream = Stream::new(engine.clone(), file, Checkpoint::default());
    let mut events = Vec::new();
    stream.push(format!("{line}\n").as_bytes(), Timestamp::UNIX_EPOCH, &mut events);
    stream.finish(Timestamp::UNIX_EPOCH, &mut events);
    events.into_iter().map(|event| event.entry.id.clone()).collect()
}
