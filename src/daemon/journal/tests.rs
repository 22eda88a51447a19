//! Entries of journals as they come from services, and restarts anywhere between them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::config::{self, Config, Source};
use crate::daemon::plan::Setup;

const BEGAN: i64 = 1_700_000_000_000_000;

fn plan(units: &[&[&str]]) -> Plan {
    let mut config = Config::new(&|_| None);
    for (n, units) in units.iter().enumerate() {
        let units = units.iter().map(|&unit| unit.to_owned()).collect();
        let journal = Some(config::Journal { units, directory: None });
        let source = Source::from_paths(&["x".into()], &[]).unwrap();
        config.sources.push(Source { name: format!("s{n}"), paths: Vec::new(), journal, ..source });
    }
    let catalog = Arc::new(Catalog::builtin());
    let engine = Arc::new(Engine::new(Arc::clone(&catalog), Default::default()));
    let setup = Setup { config, catalog, engine, host: None, stdin: None, webhooks: Vec::new(), token: None };
    Plan::new(setup, "/".into()).unwrap()
}

fn journal(plan: &Plan) -> Journal {
    Journal::all(plan, Some("watch.service")).remove(0)
}

/// The entry of this number; its text is a line of a process, or a record without one.
fn entry(number: usize, stream: Option<usize>, message: &str) -> Entry {
    let micros = BEGAN + number as i64 * 1000;
    Entry {
        cursor: Cursor(format!("s=a;i={number:x};b=b;m={number:x};t={micros:x};x=0")),
        time: Timestamp::from_microsecond(micros).unwrap(),
        message: message.into(),
        is_cut: false,
        is_partial: false,
        unit: Some("shop.service".into()),
        identifier: None,
        stream: stream.map(|stream| format!("{stream}/1")),
        host: None,
        priority: None,
        command: None,
    }
}

fn failure(order: usize) -> String {
    format!(
        "ERROR alipay.trade.pay failed: {{\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"N{order:06}\"}}"
    )
}

/// A reader of a journal, and what came of it.
struct Run {
    engine: Arc<Engine>,
    journal: Journal,
    clock: Instant,
    events: Vec<Event>,
    cuts: Vec<About>,
}

impl Run {
    fn new(plan: &Plan) -> Run {
        let engine = Arc::clone(&plan.setup.engine);
        Run { engine, journal: journal(plan), clock: Instant::now(), events: Vec::new(), cuts: Vec::new() }
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Journal, &mut With) -> T) -> T {
        let Run { engine, journal, clock, events, cuts } = self;
        let now = Timestamp::from_microsecond(BEGAN).unwrap();
        work(journal, &mut With { engine, events, cuts, now, clock: *clock })
    }

    fn take(&mut self, entry: &Entry) {
        self.with(|journal, with| journal.take(entry.clone(), with));
    }

    fn settle(&mut self, pause: Duration) {
        self.clock += pause;
        self.with(|journal, with| journal.settle(with));
    }

    fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for event in &self.events {
            *ids.entry(event.id.to_string()).or_default() += 1;
        }
        ids
    }

    /// The process is killed; another goes on with what is stored, and gets what follows there.
    fn restart(&mut self, plan: &Plan, entries: &[Entry]) -> usize {
        let state = self.journal.state();
        self.journal = journal(plan);
        let Some(JournalState { at, .. }) = state else { return 0 };
        let position = |cursor: &str| entries.iter().position(|entry| entry.cursor.0 == cursor).unwrap();
        let next = match at.streams.first() {
            Some(oldest) => position(&oldest.from),
            None => position(&at.read) + 1,
        };
        self.journal.resume(at);
        next
    }
}

fn orders(run: &Run) -> Vec<String> {
    let mut orders: Vec<_> = run.events.iter().filter_map(|event| event.ids.out_trade_no.clone()).collect();
    orders.sort();
    orders
}

#[test]
fn lines_of_processes_that_write_at_once_are_records_of_their_own() {
    let plan = plan(&[&["shop.service"]]);
    let mut run = Run::new(&plan);
    let trace = |n: usize, line: usize| match line {
        0 => "2026-07-01 12:00:00 ERROR pay failed".to_owned(),
        1 => format!("com.alipay.api.AlipayApiException: sub_code=ACQ.TRADE_HAS_SUCCESS out_trade_no=N{n:06}"),
        line => format!("\tat com.shop.Pay.run(Pay.java:{line})"),
    };
    for line in 0..6 {
        for stream in 0..3 {
            run.take(&entry(line * 3 + stream, Some(stream), &trace(stream, line)));
        }
    }
    run.settle(Duration::from_secs(2));
    assert_eq!(orders(&run), ["N000000", "N000001", "N000002"]);
    for event in &run.events {
        let place = event.position;
        assert_eq!((place.line, place.record_first_line, place.record_last_line), (2, 1, 6), "{event:?}");
        assert_eq!(place.offset, "2026-07-01 12:00:00 ERROR pay failed\n".len() as u64);
        assert_eq!((event.origin.name.as_str(), event.origin.path.as_str()), ("s0", "journal:shop.service"));
    }
}

#[test]
fn an_entry_that_was_made_as_a_whole_is_one_record() {
    let plan = plan(&[&[]]);
    let mut run = Run::new(&plan);
    let message =
        "2026-07-01 12:00:00 ERROR one\n2026-07-01 12:00:01 ERROR sub_code=ACQ.TRADE_HAS_SUCCESS\nout_trade_no=N000007";
    run.take(&Entry { priority: Some(2), host: Some("till-7".into()), ..entry(1, None, message) });
    // It says neither time nor level.
    run.take(&Entry {
        priority: Some(4),
        ..entry(2, None, "alipay sub_code=ACQ.TRADE_HAS_SUCCESS out_trade_no=N000008")
    });
    assert_eq!(orders(&run), ["N000007", "N000008"]);
    assert_eq!((run.events[0].position.record_last_line, run.events[0].host()), (3, Some("till-7")));
    assert_eq!(run.events[0].level, Some(Level::Error));
    assert_eq!((run.events[1].time, run.events[1].level), (Some(entry(2, None, "").time), Some(Level::Warn)));
}

#[test]
fn units_have_sources_and_paytriage_itself_has_none() {
    let plan = plan(&[&["shop.service"], &["till@*.service"]]);
    let mut run = Run::new(&plan);
    let of = |number, unit: &str| Entry { unit: Some(unit.into()), ..entry(number, None, &failure(number)) };
    let entries = [
        of(1, "shop.service"),
        of(2, "till@7.service"),
        of(3, "web.service"),
        Entry { command: Some("paytriage".into()), ..of(4, "shop.service") },
        Entry { identifier: Some("paytriage".into()), ..of(5, "shop.service") },
        Entry { unit: None, ..of(6, "") },
    ];
    entries.iter().for_each(|entry| run.take(entry));
    let seen: Vec<_> =
        run.events.iter().map(|event| (event.origin.name.as_str(), event.origin.path.as_str())).collect();
    assert_eq!(seen, [("s0", "journal:shop.service"), ("s1", "journal:till@7.service")]);
    assert!(run.journal.only_units().is_empty());
    let everything = self::plan(&[&[]]);
    let mut run = Run::new(&everything);
    run.take(&of(7, "watch.service"));
    assert!(run.events.is_empty());
}

#[test]
fn a_line_that_the_journal_has_cut_is_one_line() {
    let plan = plan(&[&[]]);
    let mut run = Run::new(&plan);
    let line = failure(7);
    let (one, two) = line.split_at(line.len() / 2);
    run.take(&Entry { is_partial: true, ..entry(1, Some(1), one) });
    run.take(&entry(2, Some(1), two));
    run.settle(Duration::from_secs(2));
    assert_eq!(orders(&run), ["N000007"]);
    run.take(&Entry { is_cut: true, ..entry(3, None, "x") });
    assert_eq!(run.cuts.len(), 1);
}

#[test]
fn streams_are_bounded_and_quiet_ones_are_let_go() {
    let plan = plan(&[&[]]);
    let mut run = Run::new(&plan);
    for stream in 0..MAX_STREAMS * 2 {
        run.take(&entry(stream, Some(stream), &failure(stream)));
    }
    assert_eq!(run.journal.lanes.len(), MAX_STREAMS);
    assert_eq!(run.events.len(), MAX_STREAMS);
    run.settle(COMPANY);
    assert_eq!(run.events.len(), MAX_STREAMS * 2);
    run.settle(QUIET);
    assert!(run.journal.lanes.is_empty() && run.journal.due().is_none());
    assert!(run.journal.state().unwrap().at.streams.is_empty());
    // One that goes on, and one that has said something long ago.
    run.take(&entry(1000, Some(1), "2026-07-01 12:00:00 INFO begun"));
    for number in 1001..1002 + MAX_SPAN as usize {
        run.take(&entry(number, Some(2), "2026-07-01 12:00:00 INFO at work"));
    }
    assert!(run.journal.lanes.contains_key("2/1") && !run.journal.lanes.contains_key("1/1"));
}

#[test]
fn a_stream_that_comes_again_is_kept_until_all_of_it_has_come() {
    let plan = plan(&[&[]]);
    let lines = ["2026-07-01 12:00:00 ERROR pay failed", "\tat com.shop.Pay.run(Pay.java:7)"];
    let cause = "Caused by: com.alipay.api.AlipayApiException: sub_code=ACQ.TRADE_HAS_SUCCESS out_trade_no=N000001";
    let entries: Vec<_> =
        lines.into_iter().chain([cause]).enumerate().map(|(n, text)| entry(n, Some(1), text)).collect();
    let mut run = Run::new(&plan);
    entries.iter().for_each(|entry| run.take(entry));
    assert!(run.events.is_empty());
    assert_eq!(run.restart(&plan, &entries), 0);
    run.take(&entries[0]);
    run.take(&entries[1]);
    // Reading pauses in the middle of it.
    run.settle(QUIET * 2);
    assert_eq!(run.journal.due(), None);
    run.take(&entries[2]);
    run.settle(Duration::from_secs(2));
    assert_eq!(orders(&run), ["N000001"]);
    assert_eq!(run.events[0].position.record_last_line, 3);
}

/// What a program may write: (which process, or none; what; does a restart follow, does time pass).
fn script() -> impl Strategy<Value = Vec<(Option<usize>, usize, u8)>> {
    proptest::collection::vec((proptest::option::weighted(0.8, 0..3usize), 0..5usize, 0..12u8), 1..60)
}

fn text(number: usize, what: usize) -> String {
    match what {
        0 => failure(number),
        1 => format!("2026-07-01 12:00:00 {}", failure(number)),
        2 => format!("\tCaused by: AlipayApiException: sub_code=ACQ.SYSTEM_ERROR out_trade_no=N{number:06}"),
        3 => "2026-07-01 12:00:00 INFO all is well".to_owned(),
        _ => "\tat com.shop.Pay.run(Pay.java:7)".to_owned(),
    }
}

proptest! {
    /// Wherever it is killed, what another run makes of the rest is what would have come.
    #[test]
    fn a_restart_anywhere_loses_nothing_and_repeats_nothing(script in script()) {
        let plan = plan(&[&[]]);
        let entries: Vec<_> = script.iter().enumerate().map(|(n, &(stream, what, _))| entry(n, stream, &text(n, what))).collect();
        let (mut straight, mut killed) = (Run::new(&plan), Run::new(&plan));
        for (n, &(.., after)) in script.iter().enumerate() {
            straight.take(&entries[n]);
            killed.take(&entries[n]);
            match after {
                0 | 1 => {
                    let from = killed.restart(&plan, &entries);
                    // It may be killed again before it has caught up.
                    if after == 1 && from < n {
                        entries[from..n].iter().for_each(|entry| killed.take(entry));
                        let from = killed.restart(&plan, &entries);
                        entries[from..=n].iter().for_each(|entry| killed.take(entry));
                    } else {
                        entries[from..=n].iter().for_each(|entry| killed.take(entry));
                    }
                }
                2 => {
                    straight.settle(COMPANY);
                    killed.settle(COMPANY);
                }
                3 => {
                    straight.settle(Duration::from_secs(1));
                    killed.settle(Duration::from_secs(1));
                }
                _ => {}
            }
        }
        straight.with(|journal, with| journal.end(true, with));
        killed.with(|journal, with| journal.end(true, with));
        prop_assert_eq!(straight.ids(), killed.ids());
        prop_assert!(killed.ids().values().all(|&times| times == 1));
    }
}
