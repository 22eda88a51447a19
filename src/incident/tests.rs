//! The rules of incidents, driven as the reader drives them: `observe` for each event, `tick` only when `due` says so.

mod golden;
mod laws;
mod own;
mod rules;
mod storm;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::notice::{Digest, Notice, Reason, Status};
use super::*;
use crate::catalog::{Advice, Entry};
use crate::config::Silence;
use crate::deliver::message::{Item, Message};
use crate::event::{Event, Ids, samples};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Where the wall clock stands when the steady one is at 0. A Sunday, in UTC.
const EPOCH: &str = "2026-03-01T08:00:00Z";

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::builtin()));

/// Plays the reader.
struct Driver {
    settings: Settings,
    incidents: Incidents,
    now_ms: i64,
    /// How far the wall clock is from where it should be.
    wall_off: SignedDuration,
    silences: Vec<Silence>,
    /// As the store would have them.
    rows: BTreeMap<String, Vec<u8>>,
    said: Vec<Told>,
    n_events: u64,
}

/// A message and when it was given out.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    at_ms: i64,
    notices: Vec<Notice>,
    digest: Option<Digest>,
}

fn settings() -> Settings {
    Settings { config: config::Incident::default(), lang: Lang::En, catalog: Arc::clone(&CATALOG) }
}

/// An entry of which the first event is told.
fn entry(id: &str) -> Arc<Entry> {
    let mut entry = samples::entry();
    entry.id = crate::catalog::EntryId(id.into());
    entry.act = crate::catalog::Actor::Merchant;
    Arc::new(entry)
}

/// One of which the fifth within a minute is told.
fn busy(id: &str) -> Arc<Entry> {
    let mut entry = Arc::unwrap_or_clone(entry(id));
    entry.advice = Advice::RetryLater;
    Arc::new(entry)
}

fn event(entry: &Arc<Entry>, source: &str, order: &str) -> Event {
    let mut event = samples::full();
    event.time = None;
    event.entry = Arc::clone(entry);
    event.ids = Ids { out_trade_no: Some(order.to_owned()), ..Ids::default() };
    Arc::make_mut(&mut event.origin).name = source.to_owned();
    event
}

/// The moment when the steady clock was, or would have been, at `ms`, as long as nobody sets the wall clock.
fn wall(ms: i64) -> Timestamp {
    EPOCH.parse::<Timestamp>().unwrap() + SignedDuration::from_millis(ms)
}

/// An event whose line says when it was written.
fn written(ms: i64, event: &Event) -> Event {
    Event { time: Some(wall(ms)), ..event.clone() }
}

impl Driver {
    fn new() -> Driver {
        Driver::with(settings())
    }

    fn with(settings: Settings) -> Driver {
        let (incidents, _) = Incidents::restore(settings.clone(), Vec::new());
        let wall_off = SignedDuration::ZERO;
        Driver {
            settings,
            incidents,
            now_ms: 0,
            wall_off,
            silences: Vec::new(),
            rows: BTreeMap::new(),
            said: Vec::new(),
            n_events: 0,
        }
    }

    fn clock(&self) -> Clock {
        Clock { wall: wall(self.now_ms) + self.wall_off, steady_ms: self.now_ms }
    }

    fn observe(&mut self, mut event: Event) {
        self.n_events += 1;
        event.observed = self.clock().wall;
        event.id.0 = key::hash(&[&self.n_events.to_le_bytes()]);
        self.incidents.observe(&event, self.clock());
        self.settle();
    }

    /// `n` events, evenly over the time until `end_ms`.
    fn observe_until(&mut self, end_ms: i64, n: i64, event: &Event) {
        let (start, span) = (self.now_ms, end_ms - self.now_ms);
        for i in 0..n {
            self.run_until(start + span * i / n);
            self.observe(event.clone());
        }
        self.run_until(end_ms);
    }

    /// Lets time pass.
    fn run_until(&mut self, end_ms: i64) {
        while let Some(due) = self.incidents.due().filter(|&due| due <= end_ms) {
            self.now_ms = self.now_ms.max(due);
            self.settle();
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    /// Ticks as often as there is something to do now.
    fn settle(&mut self) {
        let mut n_ticks = 0;
        while self.incidents.due().is_some_and(|due| due <= self.now_ms) {
            n_ticks += 1;
            assert!(n_ticks < 10, "what is due does not get done");
            for message in self.incidents.tick(self.clock(), &self.silences) {
                // Room for the envelope of a request of 1 MiB, and for a few of them in one.
                assert!(message.body.len() < 300 * 1024, "{} bytes", message.body.len());
                self.said.push(told(&message, self.now_ms));
            }
            self.store();
        }
    }

    fn store(&mut self) {
        for (name, row) in self.incidents.take_changes() {
            match row {
                Some(row) => drop(self.rows.insert(name, row)),
                None => drop(self.rows.remove(&name)),
            }
        }
    }

    /// Ends the process and starts another.
    fn restart(&mut self) {
        self.store();
        let rows = std::mem::take(&mut self.rows).into_iter().collect::<Vec<_>>();
        self.rows = rows.iter().cloned().collect();
        let (incidents, n_unread) = Incidents::restore(self.settings.clone(), rows);
        assert_eq!(n_unread, 0);
        self.incidents = incidents;
    }

    fn notices(&self) -> Vec<&Notice> {
        self.said.iter().flat_map(|told| &told.notices).collect()
    }

    /// Of each notice: when, and what.
    fn story(&self) -> Vec<(i64, Status, Reason, u64)> {
        let of = |told: &Told| {
            let at = told.at_ms;
            told.notices.iter().map(move |n| (at, n.status, n.reason, n.new)).collect::<Vec<_>>()
        };
        self.said.iter().flat_map(of).collect()
    }

    fn reasons(&self) -> Vec<(Status, Reason)> {
        self.notices().iter().map(|notice| (notice.status, notice.reason)).collect()
    }
}

/// Reads a message as the formats do, and checks it against the schema.
fn told(message: &Outgoing, at_ms: i64) -> Told {
    let text = std::str::from_utf8(&message.body).unwrap();
    assert_valid(&serde_json::from_str(text).unwrap());
    let (id, told) = match Message::parse(&message.body).unwrap().item {
        Item::Incident(notice) => (notice.id.clone(), Told { at_ms, notices: vec![*notice], digest: None }),
        Item::Digest(digest) => {
            (digest.id.clone(), Told { at_ms, notices: digest.incidents.clone(), digest: Some(digest) })
        }
        Item::Event(_) => panic!("an event: {text}"),
    };
    assert_eq!(id, message.id.to_string());
    told
}

#[track_caller]
fn assert_valid(json: &Value) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(INCIDENT_JSON_SCHEMA).unwrap();
        jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
    });
    let errors: Vec<String> = SCHEMA.iter_errors(json).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{json}\n{errors:#?}");
}
