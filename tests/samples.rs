//! The labelled sample logs: what must be found is, and nothing else, however the bytes arrive.
//!
//! `cargo test --test integration samples -- --nocapture` prints the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use paytriage::catalog::{Catalog, Lang};
use paytriage::event::{Event, Kind, Origin};
use paytriage::pipeline::{Checkpoint, Engine, FileContext, Stream};
use paytriage::redact::Redactor;
use paytriage::wire::EventWriter;
use serde::Deserialize;

/// What a file is expected to yield, as described in `data/samples/README.md`.
#[derive(Debug, Deserialize)]
struct Label {
    line: u64,
    last_line: u64,
    code: String,
    #[serde(default)]
    accept: Vec<String>,
    #[serde(default)]
    any_code: bool,
    #[serde(default)]
    optional: bool,
    out_trade_no: Option<String>,
}

/// Events of a file against its labels.
#[derive(Debug, Default)]
struct Score {
    labels: usize,
    hits: usize,
    missed: Vec<(u64, String)>,
    false_events: Vec<(u64, String)>,
    orders: usize,
    right_orders: usize,
}

impl Label {
    fn holds(&self, event: &Event) -> bool {
        (self.line..=self.last_line).contains(&event.position.line)
    }

    fn names(&self, event: &Event) -> bool {
        self.code == event.code
            || self.accept.contains(&event.code)
            || (self.any_code && event.kind != Kind::UnknownCode)
    }
}

fn samples() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end != "md"));
    files.sort();
    assert!(files.len() > 15, "the samples are missing");
    files
}

fn labels(sample: &Path) -> Vec<Label> {
    let name = format!("{}.labels.jsonl", sample.file_name().unwrap().to_str().unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labels").join(name);
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default()))
}

fn file(path: &Path) -> FileContext {
    let path = path.file_name().unwrap().to_str().unwrap().to_owned();
    let origin = Origin { name: "samples".into(), path, host: None, labels: Default::default() };
    FileContext {
        origin: Arc::new(origin),
        identity: vec![1],
        provider: None,
        timezone: jiff::tz::TimeZone::UTC,
        charset: Default::default(),
    }
}

fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

/// The events of bytes that arrive in pieces of `size`.
fn events(engine: &Arc<Engine>, context: &FileContext, bytes: &[u8], size: usize) -> Vec<Event> {
    let mut stream = Stream::new(engine.clone(), context.clone(), Checkpoint::default());
    let mut events = Vec::new();
    for chunk in bytes.chunks(size) {
        stream.push(chunk, now(), &mut events);
    }
    stream.finish(now(), &mut events);
    events
}

fn score(events: &[Event], labels: &[Label]) -> Score {
    let required = labels.iter().filter(|label| !label.optional);
    let mut score = Score { labels: required.clone().count(), ..Score::default() };
    let mut met = vec![false; labels.len()];
    for event in events {
        let free = |(n, label): &(usize, &Label)| !met[*n] && label.holds(event) && label.names(event);
        let order = |label: &Label| label.out_trade_no == event.ids.out_trade_no;
        let fits: Vec<(usize, &Label)> = labels.iter().enumerate().filter(free).collect();
        match fits.iter().find(|(_, label)| order(label)).or(fits.first()) {
            Some(&(n, label)) => {
                met[n] = true;
                score.hits += usize::from(!label.optional);
                score.orders += usize::from(label.out_trade_no.is_some());
                score.right_orders += usize::from(label.out_trade_no.is_some() && order(label));
            }
            None => score.false_events.push((event.position.line, event.code.clone())),
        }
    }
    let missed = labels.iter().zip(&met).filter(|(label, met)| !label.optional && !**met);
    score.missed = missed.map(|(label, _)| (label.line, label.code.clone())).collect();
    score
}

#[test]
fn recall_and_precision() {
    let engine = engine();
    let mut total = Score::default();
    println!("{:32} {:>6} {:>6} {:>6} {:>6}  missed", "file", "labels", "hits", "false", "orders");
    for path in samples() {
        let found = events(&engine, &file(&path), &fs::read(&path).unwrap(), 65536);
        let score = score(&found, &labels(&path));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let orders = format!("{}/{}", score.right_orders, score.orders);
        println!(
            "{name:32} {:6} {:6} {:6} {orders:>6}  {:?}",
            score.labels,
            score.hits,
            score.false_events.len(),
            score.missed
        );
        assert!(score.false_events.is_empty(), "{name}: {:?}", score.false_events);
        total.labels += score.labels;
        total.hits += score.hits;
        total.orders += score.orders;
        total.right_orders += score.right_orders;
    }
    println!("recall {}/{}, orders {}/{}", total.hits, total.labels, total.right_orders, total.orders);
    assert!(total.hits * 100 >= total.labels * 99);
    assert!(total.right_orders * 100 >= total.orders * 98);
}

#[test]
fn any_chunking_gives_the_same_events() {
    let engine = engine();
    let writer = EventWriter::new(&Catalog::builtin(), Lang::En);
    let written = |events: &[Event]| {
        let mut out = Vec::new();
        for event in events {
            writer.write(event, &mut out);
            out.push(b'\n');
        }
        String::from_utf8(out).unwrap()
    };
    for path in samples() {
        let bytes = fs::read(&path).unwrap();
        // Small pieces take long: the beginning of each file is enough.
        for (size, part) in [(1, 2048), (7, 4096), (61, 12_000), (4096, bytes.len())] {
            let part = &bytes[..part.min(bytes.len())];
            let whole = written(&events(&engine, &file(&path), part, part.len()));
            let pieces = written(&events(&engine, &file(&path), part, size));
            assert_eq!(pieces, whole, "{} in pieces of {size}", path.display());
        }
    }
}

#[test]
fn every_event_validates() {
    let engine = engine();
    let schema: serde_json::Value = serde_json::from_str(paytriage::wire::EVENT_JSON_SCHEMA).unwrap();
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    let writers = [Lang::En, Lang::Zh].map(|lang| EventWriter::new(&Catalog::builtin(), lang));
    let mut n_events = 0;
    for path in samples() {
        for event in events(&engine, &file(&path), &fs::read(&path).unwrap(), 65536) {
            for writer in &writers {
                let mut line = Vec::new();
                writer.write(&event, &mut line);
                let value = serde_json::from_slice(&line).unwrap();
                let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
                n_events += 1;
            }
        }
    }
    assert!(n_events > 300);
}

#[test]
fn a_checkpoint_at_any_point_goes_on_without_loss_or_repeat() {
    let engine = engine();
    for path in samples() {
        let bytes = fs::read(&path).unwrap();
        let ids = |events: &[Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        let whole = ids(&events(&engine, &file(&path), &bytes, 4096));
        for cut in (0..bytes.len()).step_by(bytes.len() / 11 + 1) {
            let mut found = Vec::new();
            let mut first = Stream::new(engine.clone(), file(&path), Checkpoint::default());
            first.push(&bytes[..cut], now(), &mut found);
            assert_eq!(first.position(), cut as u64);
            let from = first.checkpoint();
            let rest = &bytes[from.offset as usize..];
            let mut second = Stream::new(engine.clone(), file(&path), from);
            second.push(rest, now(), &mut found);
            second.finish(now(), &mut found);
            assert_eq!(ids(&found), whole, "{} cut at {cut}", path.display());
        }
    }
}

#[test]
fn a_quiet_moment_reports_early_and_nothing_twice() {
    let engine = engine();
    for path in samples() {
        let bytes = fs::read(&path).unwrap();
        let mut stream = Stream::new(engine.clone(), file(&path), Checkpoint::default());
        let mut found = Vec::new();
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            stream.push(line, now(), &mut found);
            stream.flush(now(), &mut found);
            assert!(stream.pending() == paytriage::pipeline::Pending::Nothing);
        }
        stream.finish(now(), &mut found);
        let mut ids: Vec<_> = found.iter().map(|event| event.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), found.len(), "{}: an event came twice", path.display());
    }
}
