//! A sink with a store on disk, and its worker on a thread.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::catalog::Lang;
use crate::config::{Durability, Filter, Format, Notify, Secret, Webhook};
use crate::deliver::webhook::{Sender, Sink, SinkState, run};
use crate::event::EventId;
use crate::store::{Batch, Operator, Outbox, OutboxEvent, StateDir, Store};

pub const NAME: &str = "oncall";

/// A state directory, and the sink in it.
pub struct Case {
    pub dir: tempfile::TempDir,
    pub config: Webhook,
}

/// A store that is open, with its lock.
pub struct Up {
    pub store: Arc<Store>,
    _dir: StateDir,
}

/// A worker on a thread of its own.
pub struct Running {
    pub stop: watch::Sender<bool>,
    told: Arc<Mutex<Vec<SinkState>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Case {
    pub fn new(at: SocketAddr) -> Case {
        let config = Webhook {
            name: NAME.into(),
            url: Secret::Plain(format!("http://{at}/hook")),
            notify: Notify::Event,
            format: Format::Json,
            secrets: Vec::new(),
            filter: Filter::default(),
            headers: Default::default(),
            secret_headers: Default::default(),
            timeout: Duration::from_secs(10),
            max_batch: 100,
            max_age: Duration::from_secs(7 * 86400),
            tls: Default::default(),
            proxy: None,
            allow_http: false,
            allow_metadata: false,
        };
        Case { dir: tempfile::tempdir().unwrap(), config }
    }

    pub fn up(&self) -> Up {
        self.up_with(&[(NAME, self.config.notify)])
    }

    pub fn up_with(&self, sinks: &[(&str, Notify)]) -> Up {
        self.up_as(Durability::Normal, sinks)
    }

    pub fn up_as(&self, durability: Durability, sinks: &[(&str, Notify)]) -> Up {
        let dir = StateDir::lock(self.dir.path()).unwrap();
        let store = Store::open(&dir, durability).unwrap();
        store.set_sinks(sinks).unwrap();
        Up { store: Arc::new(store), _dir: dir }
    }

    /// Tries again without pauses.
    pub fn sink(&self) -> Sink {
        let longest_pause = Duration::from_secs(4 * 3600);
        let sender =
            Sender { lang: Lang::En, timezone: TimeZone::UTC, host: None, longest_pause, labels: Default::default() };
        Sink { chance: || 0.0, ..Sink::new(self.config.clone(), sender).unwrap() }
    }

    pub fn run(&self, up: &Up) -> Running {
        let (stop, asked) = watch::channel(false);
        let (sink, store, told) = (self.sink(), Arc::clone(&up.store), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&told);
        let thread = thread::spawn(move || run(&sink, &store, asked, |state| all.lock().unwrap().push(state)).unwrap());
        Running { stop, told, thread: Some(thread) }
    }

    pub fn operator(&self) -> Operator {
        Operator::open(self.dir.path()).unwrap().expect("there is a state")
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(self.dir.path()).unwrap().expect("there is a state")
    }
}

impl Running {
    pub fn told(&self) -> Vec<SinkState> {
        self.told.lock().unwrap().clone()
    }

    pub fn stop(mut self) {
        self.stop.send_replace(true);
        self.thread.take().expect("it runs").join().unwrap();
    }
}

pub fn event(n: u64, excerpt: &str) -> OutboxEvent {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_le_bytes());
    let body = json!({
        "schema": "paytriage.event/1", "id": format!("{n:032x}"), "observed_time": "2026-01-01T00:00:00Z", "code": "C",
        "kind": "code", "entry": "e", "title": "t", "category": "system", "severity": if n.is_multiple_of(2) { "error" } else { "info" },
        "act": "merchant", "advice": "query_first", "retry": "after_query", "cause": "c",
        "source": {"name": "shop", "path": "/a", "line": 1, "offset": 0}, "excerpt": format!("{excerpt}{n}"),
    });
    OutboxEvent { id: EventId(id), body: body.to_string().into_bytes() }
}

pub fn commit(up: &Up, events: impl IntoIterator<Item = OutboxEvent>) {
    up.store.commit(&Batch { events: events.into_iter().collect(), ..Batch::default() }).unwrap();
}

/// A notice of an incident of this name.
pub fn notice(incident: &str, status: &str) -> Value {
    json!({
        "schema": "paytriage.incident/1", "id": format!("{incident} {status}"), "incident": incident, "status": status,
        "reason": "threshold", "time": "t", "opened_at": "t",
        "first_seen": "t", "last_seen": "t", "count": 1, "new": 1, "rate_per_minute": 1.5,
        "orders": {"distinct": 1, "exact": true}, "scope": "isolated", "scope_text": "s", "code": "C", "kind": "code",
        "entry": "e", "title": "t", "category": "system", "severity": "error", "act": "merchant", "advice": "none",
        "retry": "never", "cause": "c", "samples": [], "sources": [],
    })
}

/// All of them together, as they are when they open.
pub fn digest(notices: impl IntoIterator<Item = Value>) -> Value {
    let incidents: Vec<_> = notices.into_iter().collect();
    json!({
        "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 0, "opened": incidents.len(), "ongoing": 0,
        "resolved": 0, "count": incidents.len(), "incidents": incidents,
    })
}

pub fn tell(up: &Up, message: &Value) {
    let body = message.to_string().into_bytes();
    let hash = Sha256::digest(&body);
    let id = EventId(std::array::from_fn(|n| hash[n]));
    up.store.commit(&Batch { notices: vec![OutboxEvent { id, body }], ..Batch::default() }).unwrap();
}

pub fn events(range: std::ops::Range<u64>) -> impl Iterator<Item = OutboxEvent> {
    range.map(|n| event(n, ""))
}

#[track_caller]
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub fn is_empty(up: &Up) -> bool {
    up.store.waiting().rows == 0
}
