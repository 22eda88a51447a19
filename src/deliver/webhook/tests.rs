//! The worker against receivers that misbehave: nothing is lost, nothing is told in another order, and what is told again has the
//! same id and the same bytes.

pub mod case;
mod gone;
mod incidents;
mod measure;
mod receiver;
mod refused;
mod robot;
mod template;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use self::case::*;
use self::receiver::*;
use super::worker::Worker;
use super::*;
use crate::config::{self, Notify, Secret};
use crate::event::EventId;
use crate::store::{Batch, OutboxEvent, Tries};

#[test]
fn everything_is_delivered_once_and_in_order() {
    let receiver = Receiver::new(|_, _| Reply::Status(204));
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..250));
    let running = case.run(&up);
    wait_for("the first are delivered", || is_empty(&up));
    commit(&up, events(250..260));
    wait_for("the rest is delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    assert_eq!(got.iter().flat_map(Got::events).collect::<Vec<_>>(), (0..260).collect::<Vec<_>>());
    assert_eq!(got.iter().map(|it| it.events().len()).collect::<Vec<_>>(), [100, 100, 50, 10]);
    let ids: std::collections::HashSet<_> = got.iter().map(|it| &it.id).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| id.len() == 36 && id.starts_with("msg_")), "{ids:?}");
    assert_eq!(up.store.waiting(), Default::default());
}

#[test]
fn each_attempt_of_a_request_has_the_same_id_and_the_same_bytes() {
    let receiver = Receiver::new(|n, _| match n {
        0 => Reply::Reset,
        1 => Reply::Status(500),
        2 => Reply::Full(429, "retry-after: 0", "slowly"),
        3 => Reply::Half,
        4 => Reply::Garbage,
        5 => Reply::Full(302, "location: http://127.0.0.1:1/", ""),
        6 => Reply::Status(404),
        7 => Reply::Hang,
        _ => Reply::Status(200),
    });
    let mut case = Case::new(receiver.at);
    case.config.timeout = Duration::from_millis(500);
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    wait_for("it is delivered", || is_empty(&up));
    let told = running.told();
    running.stop();
    let got = receiver.got();
    assert_eq!(got.len(), 9);
    assert!(got.iter().all(|it| *it == got[0]), "{got:#?}");
    assert_eq!(told.len(), 9, "{told:#?}");
    assert_eq!(told[8], SinkState::Accepted { rows: 3 });
    assert_eq!(told[1], SinkState::Failed { reason: "HTTP 500".into() });
}

#[test]
fn a_receiver_that_is_not_there_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let case = Case::new(at);
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    wait_for("attempts fail", || running.told().len() > 3);
    let receiver = Receiver::on(TcpListener::bind(at).unwrap(), |_, _| Reply::Status(200));
    wait_for("it is delivered", || is_empty(&up));
    running.stop();
    assert_eq!(receiver.got().len(), 1);
}

#[test]
fn what_a_receiver_asks_for_is_waited_for() {
    let receiver =
        Receiver::new(|n, _| if n == 0 { Reply::Full(503, "retry-after: 1", "") } else { Reply::Status(200) });
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..1));
    let running = case.run(&up);
    wait_for("it is refused", || !running.told().is_empty());
    let began = Instant::now();
    wait_for("it is delivered", || is_empty(&up));
    // Times are stored in milliseconds.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    running.stop();
}

#[test]
fn after_a_crash_during_an_attempt_it_is_repeated_with_the_same_id_and_bytes() {
    let receiver = Receiver::new(|n, _| if n < 3 { Reply::Hang } else { Reply::Status(200) });
    let case = Case::new(receiver.at);
    commit(&case.up(), events(0..3));
    for n in 0..3 {
        let up = case.up();
        let (sink, (_stop, asked)) = (case.sink(), watch::channel(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // More arrives between the crashes, and changes nothing of what was tried.
        commit(&up, events(3 + n..4 + n));
        runtime.block_on(async {
            let worker = Worker::new(&sink, &up.store, asked, |_| {});
            let arrived = async {
                while receiver.got().len() as u64 <= n {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = worker.run() => panic!("it was not asked to stop"),
                () = arrived => {}
            }
        });
    }
    let up = case.up();
    let running = case.run(&up);
    wait_for("it is delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    assert!(got[..4].iter().all(|it| *it == got[0]), "{got:#?}");
    assert_eq!(got[3..].iter().flat_map(Got::events).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn no_attempt_begins_after_it_was_asked_to_stop_and_a_running_one_counts() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let receiver = Receiver::new(move |_, _| {
        begun.send(()).unwrap();
        may_go_on.recv().unwrap();
        Reply::Status(200)
    });
    let mut case = Case::new(receiver.at);
    case.config.max_batch = 2;
    let up = case.up();
    commit(&up, events(0..6));
    let running = case.run(&up);
    has_begun.recv().unwrap();
    running.stop.send_replace(true);
    go_on.send(()).unwrap();
    running.stop();
    assert_eq!((receiver.got().len(), up.store.waiting().rows), (1, 4));
}

#[test]
fn a_dead_sink_holds_up_no_other() {
    let (good, bad) = (Receiver::new(|_, _| Reply::Status(200)), Receiver::new(|_, _| Reply::Status(500)));
    let case = Case::new(good.at);
    let mut other = Case::new(bad.at);
    other.config.name = "dead".into();
    let up = case.up_with(&[(NAME, Notify::Event), ("dead", Notify::Event)]);
    let (first, second) = (case.run(&up), other.run(&up));
    for n in 0..5 {
        commit(&up, events(10 * n..10 * n + 10));
    }
    wait_for("the good one has all", || good.got().iter().flat_map(Got::events).count() == 50);
    wait_for("it is recorded", || up.store.sinks().unwrap().iter().any(|it| it.name == NAME && it.waiting.rows == 0));
    let dead = || up.store.sinks().unwrap().into_iter().find(|it| it.name == "dead").unwrap();
    wait_for("the dead one has failed", || dead().last_error.is_some());
    let waiting = dead();
    assert_eq!((waiting.waiting.rows, up.store.waiting().rows), (50, 50));
    assert_eq!(waiting.last_error.as_deref(), Some("HTTP 500"));
    first.stop();
    second.stop();
    let got = bad.got();
    assert!(got.len() > 1 && got.iter().all(|it| *it == got[0]));
}

#[test]
fn a_sink_is_told_of_its_kind_and_of_what_passes_its_filter() {
    let receiver = Receiver::new(|_, _| Reply::Status(200));
    let mut case = Case::new(receiver.at);
    case.config.filter.min_severity = crate::catalog::Severity::Error;
    let up = case.up_with(&[(NAME, Notify::Event), ("people", Notify::Incident)]);
    let notices = vec![OutboxEvent { id: EventId([9; 16]), body: b"{}".to_vec() }];
    up.store.commit(&Batch { notices, events: events(0..7).collect(), ..Batch::default() }).unwrap();
    let running = case.run(&up);
    wait_for("all but the notice is done with", || up.store.waiting().rows == 1);
    // Nothing of this passes.
    commit(&up, [event(7, ""), event(9, "")]);
    wait_for("it is passed over", || up.store.waiting().rows == 1);
    running.stop();
    assert_eq!(receiver.got().iter().flat_map(Got::events).collect::<Vec<_>>(), [0, 2, 4, 6]);
}

#[test]
fn an_operator_gives_up_what_waits_beside_the_worker() {
    let receiver = Receiver::new(|_, _| Reply::Full(503, "retry-after: 3000", ""));
    let case = Case::new(receiver.at);
    let up = case.up_with(&[(NAME, Notify::Event), ("stdout", Notify::Event)]);
    commit(&up, events(0..5));
    up.store.acknowledge("stdout", Notify::Event, 5).unwrap();
    let running = case.run(&up);
    wait_for("it is tried", || !running.told().is_empty());
    let dropped = case.operator().drop_waiting(NAME, None).unwrap();
    assert_eq!((dropped.waiting.rows, dropped.last_seq), (5, 5));
    // The worker sees it, and counts. The receiver has asked for a pause; somebody wants it tried all the same.
    wait_for("nothing is left", || up.store.waiting().rows == 0);
    case.operator().retry(Some(NAME)).unwrap();
    commit(&up, [event(99, "")]);
    wait_for("it goes on", || receiver.got().len() == 2);
    running.stop();
    assert_eq!(receiver.got()[1].events(), [99]);
}

#[test]
fn what_waited_for_too_long_expires_only_while_the_receiver_fails() {
    let receiver = Receiver::new(|n, _| Reply::Status(if n == 0 { 200 } else { 500 }));
    let mut case = Case::new(receiver.at);
    case.config.max_age = Duration::from_millis(1);
    case.config.max_batch = 2;
    let up = case.up();
    commit(&up, events(0..5));
    let running = case.run(&up);
    let expired =
        || running.told().into_iter().find_map(|it| if let SinkState::Expired(it) = it { Some(it) } else { None });
    wait_for("it expires", || expired().is_some());
    let dropped = expired().unwrap();
    assert_eq!((dropped.waiting.rows, dropped.last_seq, up.store.waiting().rows), (3, 5, 0));
    running.stop();
}

#[test]
fn a_sink_that_fails_for_long_is_spoken_of_once_and_when_it_is_over() {
    let healthy = Arc::new(Mutex::new(false));
    let is_healthy = Arc::clone(&healthy);
    let receiver = Receiver::new(move |_, _| Reply::Status(if *is_healthy.lock().unwrap() { 200 } else { 500 }));
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    wait_for("it fails", || running.told().len() > 2);
    assert!(running.told().iter().all(|it| matches!(it, SinkState::Failed { .. })), "five minutes are not over");
    running.stop();
    // Ten minutes ago.
    let next = up.store.standing(NAME).unwrap().next.expect("it waits");
    let since = now_ms() - 600_000;
    up.store.set_tries(NAME, &next.id, &Tries { first_tried_ms: Some(since), ..next.tries }).unwrap();
    let running = case.run(&up);
    let since = Timestamp::from_millisecond(since).unwrap();
    wait_for("it is said", || running.told().len() > 5);
    *healthy.lock().unwrap() = true;
    wait_for("it is over", || running.told().contains(&SinkState::Recovered { since }));
    let told = running.told();
    running.stop();
    let failing = SinkState::Failing { since, reason: "HTTP 500".into() };
    assert_eq!(told.iter().filter(|it| matches!(it, SinkState::Failing { .. })).collect::<Vec<_>>(), [&failing]);
}

#[test]
fn a_sink_that_begins_to_fail_is_spoken_of_once_when_its_time_is_over() {
    let healthy = Arc::new(AtomicBool::new(false));
    let is_healthy = Arc::clone(&healthy);
    let receiver = Receiver::new(move |_, _| Reply::Status(if is_healthy.load(Relaxed) { 200 } else { 500 }));
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..3));
    let sink = Sink { failing_after: Duration::from_millis(200), ..case.sink() };
    let (stop, asked) = watch::channel(false);
    let (mut told, mut n_after) = (Vec::new(), 0);
    run(&sink, &up.store, asked, |state| {
        n_after += u32::from(told.iter().any(|it| matches!(it, SinkState::Failing { .. })));
        // Some more failures are no news.
        if n_after == 3 {
            healthy.store(true, Relaxed);
        }
        stop.send_replace(matches!(state, SinkState::Recovered { .. }));
        told.push(state);
    })
    .unwrap();
    let failing: Vec<_> = told.iter().filter(|it| matches!(it, SinkState::Failing { .. })).collect();
    let [SinkState::Failing { since, .. }] = failing[..] else { panic!("{told:#?}") };
    assert!(matches!(told[0], SinkState::Failed { .. }), "{told:#?}");
    assert_eq!(told.last(), Some(&SinkState::Recovered { since: *since }));
}

#[test]
fn another_format_is_told_under_another_id() {
    let receiver = Receiver::new(|n, _| Reply::Status(if n == 0 { 500 } else { 200 }));
    let mut case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..3));
    let sink = Sink { chance: || 1.0, ..case.sink() };
    let (stop, asked) = watch::channel(false);
    run(&sink, &up.store, asked, |_| _ = stop.send_replace(true)).unwrap();
    case.config.format = config::Format::CloudEvents;
    let running = case.run(&up);
    wait_for("it is delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_ne!(got[0].id, got[1].id);
}

#[test]
fn a_digest_without_anything_for_the_target_is_passed_over() {
    let receiver = Receiver::new(|_, _| Reply::Status(200));
    let mut case = Case::new(receiver.at);
    (case.config.format, case.config.notify) = (config::Format::Alertmanager, Notify::Incident);
    let up = case.up();
    let digest = json!({
        "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 3, "opened": 0, "ongoing": 0, "resolved": 0, "unfollowed": 3,
        "count": 3, "incidents": [],
    });
    let notices = vec![OutboxEvent { id: EventId([7; 16]), body: digest.to_string().into_bytes() }];
    up.store.commit(&Batch { notices, ..Batch::default() }).unwrap();
    let running = case.run(&up);
    wait_for("it is passed over", || is_empty(&up));
    running.stop();
    assert!(receiver.got().is_empty());
}

#[test]
fn a_digest_for_a_target_that_takes_one_incident_is_several_requests() {
    let receiver = Receiver::new(|n, _| Reply::Status(if n == 1 { 500 } else { 202 }));
    let mut case = Case::new(receiver.at);
    (case.config.format, case.config.notify) = (config::Format::PagerDuty, Notify::Incident);
    let key = case.dir.path().join("routing-key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    case.config.secrets = vec![Secret::File(key)];
    let up = case.up();
    tell(&up, &digest(["a", "b", "c"].map(|id| notice(id, "opened"))));
    let running = case.run(&up);
    wait_for("all are delivered", || is_empty(&up));
    running.stop();
    // Who gets no webhook-id tells them apart by what is in them.
    let got: Vec<_> = receiver.got().into_iter().map(|it| (it.id, it.body)).collect();
    assert_eq!(got.len(), 4);
    assert_eq!(got[1], got[2]);
    assert_eq!(got.iter().collect::<std::collections::HashSet<_>>().len(), 3);
}

/// What the receiver says at random, and what it accepted: events, in the order of their first acceptance.
fn moody(seed: u64, accepted: &Arc<Mutex<Vec<u64>>>, healthy: &Arc<Mutex<bool>>) -> Receiver {
    let (mut random, accepted, healthy) = (fastrand::Rng::with_seed(seed), Arc::clone(accepted), Arc::clone(healthy));
    Receiver::new(move |_, got| {
        let is_healthy = *healthy.lock().unwrap();
        if got.body.contains("poison") && (is_healthy || random.bool()) {
            return Reply::Status(422);
        }
        let poison = got.body.contains("poison");
        match random.u8(..12) {
            0..5 if !poison && !is_healthy => {}
            _ if !poison && is_healthy => {}
            5 => return Reply::Reset,
            6 => return Reply::Half,
            // What was too large once is too large the next time.
            7 if got.events().len() > 1 => return Reply::Status(413),
            8 => return Reply::Status(429),
            9 => return Reply::Hang,
            _ => return Reply::Status(503),
        }
        let mut accepted = accepted.lock().unwrap();
        for event in got.events() {
            if !accepted.contains(&event) {
                accepted.push(event);
            }
        }
        Reply::Status(200)
    })
}

#[test]
fn whatever_a_receiver_answers_and_whenever_the_worker_dies_all_is_delivered_in_order() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (accepted, healthy) = (Arc::default(), Arc::new(Mutex::new(false)));
        let receiver = moody(seed, &accepted, &healthy);
        let mut case = Case::new(receiver.at);
        case.config.timeout = Duration::from_millis(100);
        let (mut n, mut poison) = (0, Vec::new());
        for _ in 0..8 {
            case.config.max_batch = random.usize(1..12);
            let up = case.up();
            let more: Vec<_> = (n..n + random.u64(..15))
                .map(|n| {
                    let is_poison = random.u8(..10) == 0;
                    poison.extend(is_poison.then_some(n));
                    event(n, if is_poison { "poison " } else { "" })
                })
                .collect();
            n += more.len() as u64;
            commit(&up, more);
            let (sink, (_stop, asked)) = (case.sink(), watch::channel(false));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let life = Duration::from_millis(random.u64(1..150));
            let worker = Worker::new(&sink, &up.store, asked, |_| {});
            assert!(runtime.block_on(async { tokio::time::timeout(life, worker.run()).await }).is_err());
        }
        *healthy.lock().unwrap() = true;
        let up = case.up();
        let running = case.run(&up);
        wait_for("all is delivered", || is_empty(&up));
        running.stop();
        let good: Vec<u64> = (0..n).filter(|n| !poison.contains(n)).collect();
        assert_eq!(*accepted.lock().unwrap(), good, "seed {seed}");
        assert_eq!(case.outbox().sinks().unwrap()[0].apart, poison.len() as u64, "seed {seed}");
        let mut bodies = std::collections::HashMap::new();
        for got in receiver.got() {
            assert_eq!(*bodies.entry(got.id.clone()).or_insert_with(|| got.body.clone()), got.body, "seed {seed}");
        }
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
