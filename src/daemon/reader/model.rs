//! The reader against a model: random scripts of writing, rotating, deleting, crashing and starting again, with real
//! files and a real database, and without threads or waiting: rounds are called, and time is told.
//!
//! The model is a list: which numbers must have been reported by now. A line must be, if it was complete when the
//! reader looked and its file was still to be found then; what was destroyed before may be. None may come twice, except where
//! nobody could tell: of a copy that was in the making when the process ended, and whose original grew and was destroyed since,
//! or was renamed before anything of it was stored.

mod disk;
mod regressions;
mod script;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::{Connection, OpenFlags};

use super::{Reader, Request};
use crate::catalog::Catalog;
use crate::config::{Config, Durability, Notify, Source, StartAt, Watch};
use crate::daemon::plan::{Plan, Setup};
use crate::pipeline::Engine;
use crate::source::selection::Own;
use crate::source::wake::Mail;
use crate::store::{StateDir, Store, Waiting};
use crate::telemetry::Metrics;
use disk::Disk;
use script::{News, Op, script};

const SINK: &str = "model";
/// More rounds than any look needs to come to rest.
const MAX_ROUNDS: usize = 1000;

/// Files are born by the real clock, and what was born just before a look counts as unseen.
fn be_seen() {
    std::thread::sleep(Duration::from_millis(120));
}

thread_local! {
    static CLOCK: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn now() -> Instant {
    CLOCK.get().unwrap_or_else(Instant::now)
}

fn pass(time: Duration) {
    CLOCK.set(Some(now() + time));
}

static BUILT: LazyLock<(Arc<Catalog>, Arc<Engine>)> = LazyLock::new(|| {
    let catalog = Arc::new(Catalog::builtin());
    (Arc::clone(&catalog), Arc::new(Engine::new(catalog, Default::default())))
});

struct Model {
    disk: Disk,
    up: Option<Up>,
    must: BTreeSet<u64>,
    /// How often each number was reported.
    seen: HashMap<u64, u32>,
    last_seq: i64,
}

/// What ends with the process.
struct Up {
    reader: Reader,
    store: Arc<Store>,
    _dir: StateDir,
}

impl Model {
    fn new() -> Model {
        CLOCK.set(Some(Instant::now()));
        let mut model = Model { disk: Disk::new(), up: None, must: BTreeSet::new(), seen: HashMap::new(), last_seq: 0 };
        // What was there before the first start ever is another matter.
        model.start();
        model.look(News::None);
        model
    }

    fn plan(&self) -> Plan {
        let (catalog, engine) = &*BUILT;
        let mut config = Config::new(&|_| None);
        let mut source = Source::from_paths(&self.disk.paths(), &[]).unwrap();
        source.start_at = StartAt::Beginning;
        source.watch = Watch::Poll;
        source.poll_interval = Duration::from_secs(10);
        config.sources.push(source);
        let setup = Setup {
            config,
            catalog: Arc::clone(catalog),
            engine: Arc::clone(engine),
            host: None,
            stdin: None,
            webhooks: Vec::new(),
            token: None,
        };
        Plan::new(setup, "/".into()).unwrap()
    }

    fn start(&mut self) {
        if self.up.is_some() {
            return;
        }
        let dir = StateDir::lock(&self.disk.state()).unwrap();
        let store = Arc::new(Store::open(&dir, Durability::Normal).unwrap());
        store.set_sinks(&[(SINK, Notify::Event)]).unwrap();
        let own = Own::new(Some(dir.path()));
        let mut reader = Reader::new(self.plan(), Arc::clone(&store), Arc::new(Metrics::default()), own).unwrap();
        (reader.now, reader.next_walk) = (now, now());
        self.up = Some(Up { reader, store, _dir: dir });
        self.disk.forget_news();
    }

    fn round(&mut self, mail: Mail<Request>) {
        if let Some(up) = &mut self.up {
            up.reader.round(mail);
            self.disk.glanced();
        }
    }

    fn is_at_rest(&self) -> bool {
        self.up.as_ref().is_none_or(|up| {
            let reader = &up.reader;
            reader.files.n_queued() == 0
                && reader.settling.is_empty()
                && reader.pending.events.is_empty()
                && !reader.kin.is_waiting()
        })
    }

    /// Takes the news in whatever way; returns the mail of the first round.
    fn news(&mut self, news: News) -> Mail<Request> {
        match news {
            News::Notified => return self.disk.news(),
            // Files outside the source are looked at every second.
            News::Lost => pass(Duration::from_secs(1)),
            News::None => {
                pass(Duration::from_secs(11));
                be_seen();
            }
        }
        // The first walk finds also what has left the source.
        if self.up.as_ref().is_some_and(|up| up.reader.newcomers.is_first_walk()) {
            self.disk.forget_news();
        } else {
            self.disk.lose_news();
        }
        Mail { rescan: matches!(news, News::Lost), ..Mail::default() }
    }

    fn look(&mut self, news: News) {
        if self.up.is_none() {
            return;
        }
        let mail = self.news(news);
        self.round(mail);
        for _ in 0..MAX_ROUNDS {
            pass(Duration::from_millis(10));
            self.round(Mail::default());
            if self.is_at_rest() {
                self.must.extend(self.disk.looked());
                return self.check();
            }
        }
        panic!("the reader does not come to rest");
    }

    /// Takes what the outbox got, and compares.
    fn check(&mut self) {
        let Some(up) = &self.up else { return };
        while let Waiting::Rows(rows) = up.store.take(Notify::Event, self.last_seq, 500, Some(Instant::now())).unwrap()
        {
            for row in rows {
                self.last_seq = row.seq;
                let event: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
                if let Some(number) = disk::number(&event) {
                    *self.seen.entry(number).or_default() += 1;
                }
            }
        }
        let lost: Vec<_> = self.must.iter().filter(|number| !self.seen.contains_key(number)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}\n{}", self.disk.journal());
        let twice = self.seen.iter().filter(|(number, n)| **n > 1 && !self.disk.may_repeat.contains(number));
        let twice: Vec<_> = twice.collect();
        assert!(twice.is_empty(), "twice: {twice:?}\n{}", self.disk.journal());
    }

    fn step(&mut self, op: Op) {
        self.disk.note(&op);
        match op {
            Op::Look(news) => self.look(news),
            Op::Glance(news) => {
                let mail = self.news(news);
                self.round(mail);
            }
            Op::Wait(seconds) => {
                self.look(News::Notified);
                pass(Duration::from_secs(seconds.into()));
                be_seen();
                self.look(News::Notified);
                self.disk.waited(seconds);
            }
            Op::Reload => {
                let plan = self.plan();
                let mail = self.disk.news();
                self.round(Mail { requests: vec![Request::Reload(Box::new(plan))], ..mail });
            }
            Op::Crash => {
                self.up = None;
                self.disk.ended();
            }
            Op::Stop => {
                if let Some(up) = self.up.take() {
                    up.reader.end();
                    self.disk.ended();
                }
            }
            Op::Start => self.start(),
            Op::CopyIn(file) => {
                let Some((copy, rest)) = self.disk.half_copied(file) else { return };
                let mail = self.news(News::Notified);
                self.round(mail);
                self.disk.complete(&copy, &rest);
            }
            Op::Archive(file) => {
                self.look(News::Notified);
                if self.up.is_some() && self.disk.archived(file) {
                    self.look(News::Notified);
                    self.disk.step(Op::Truncate(file), true);
                }
            }
            Op::Edit(file) => {
                let Some(edited) = self.disk.edited(file) else { return };
                let mail = self.news(News::Notified);
                self.round(mail);
                self.disk.put_in_place(&edited, file, self.up.is_some());
            }
            other => self.disk.step(other, self.up.is_some()),
        }
    }

    /// In the end all that is still there has been reported, and each id was given to the outbox once. Returns how many were.
    fn finish(mut self) -> i64 {
        self.start();
        self.look(News::Notified);
        self.look(News::None);
        let db = self.disk.state().join("paytriage.db");
        let db = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let inserted = one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'");
        assert_eq!(inserted, one("SELECT count(*) FROM outbox"), "an id was given twice\n{}", self.disk.journal());
        inserted
    }
}

fn run(script: &[Op]) -> i64 {
    let mut model = Model::new();
    for op in script {
        model.step(*op);
    }
    model.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_script_loses_nothing_and_repeats_nothing(script in script()) {
        run(&script);
    }
}

/// `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48)
}
