//! `run` with an outbox that stays full: it waits for its sinks, and gives up what waits for one of them only for the sake of others.

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number};
use crate::hooks::{ARGS, config, kept, meanwhile, received, sink, state};
use crate::process;
use crate::receiver::{Receiver, Request};
use crate::run_control::{free_address, request};
use crate::shim;

/// Lines that fill an outbox of one MiB several times.
const MANY: usize = 2000;

/// A daemon whose outbox is full, since `away` takes nothing. Its monotonic clock is two minutes late until [`two_minutes_later`].
fn full(env: &Env, away: &mut [&mut Receiver], tables: &[&str]) -> (Daemon, SocketAddr) {
    let address = free_address();
    config(env, &[tables, &[&format!("[http]\nlisten = \"{address}\"\n")]].concat());
    let file = fs::read_to_string(env.path("p.toml")).unwrap();
    env.write("p.toml", file.replace("[state]\n", "[state]\nmax_outbox = \"1MiB\"\n")).write("late", "");
    away.iter_mut().for_each(|away| away.refuse());
    let mut command = command(env, ARGS);
    shim::preload(env, shim::LATE, &mut command);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(env, "logs/app.log", &(0..MANY).map(failure).collect::<String>());
    daemon.wait_for_log("the outbox is full");
    (daemon, address)
}

fn two_minutes_later(env: &Env) {
    fs::remove_file(env.path("late")).unwrap();
}

/// Waits until a sink has everything that is stored.
fn has_all(env: &Env, sink: &str) {
    let is_behind = "SELECT EXISTS (SELECT 1 FROM outbox, sink WHERE name = ?1 AND kind = notify AND seq > delivered) \
                     OR NOT EXISTS (SELECT 1 FROM outbox)";
    eventually("it has everything", || !state(env).query_row(is_behind, [sink], |row| row.get::<_, bool>(0)).unwrap());
}

/// What the reader says when it sees that others are behind.
const BEHIND: &str = "another sink has taken everything";

fn some_rounds(daemon: &Daemon) {
    let rounds = || process::wakeups(daemon.pid()).into_iter().find(|(thread, _)| thread == "reader").unwrap().1;
    let before = rounds();
    eventually("it looks at its sinks", || rounds() >= before + 10);
}

const NO_STDOUT: &str = "[sink.stdout]\nenabled = false\n";

fn numbers(events: &[Value]) -> Vec<usize> {
    events.iter().map(number).collect()
}

#[test]
fn a_dead_sink_loses_its_oldest_rows_to_one_that_takes_them() {
    let (env, mut away) = (Env::new(), Receiver::start());
    let tables = [&*sink("away", &away.url("/"), "")];
    let (mut daemon, address) = full(&env, &mut [&mut away], &tables);
    daemon.wait_for_log(BEHIND);
    two_minutes_later(&env);
    let dropped = || {
        let metrics = request(address, "GET", "/metrics");
        let n = metrics.lines().find_map(|line| line.strip_prefix("paytriage_dropped_events_total "));
        n.unwrap_or_else(|| panic!("{metrics}")).parse::<usize>().unwrap()
    };
    let (mut came, mut n_dropped, mut n_told) = (Vec::new(), 0, 0);
    let began = Instant::now();
    let n_of = |event: &Value| {
        let n = event["excerpt"].as_str().and_then(|facts| facts.strip_prefix("sink=away events="));
        let n = n.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{event}"));
        n.parse::<usize>().unwrap()
    };
    while came.len() < MANY || n_dropped < dropped() {
        let event = daemon.event();
        if event["code"] != "PT.DROPPED" {
            came.push(number(&event));
            continue;
        }
        n_told += 1;
        n_dropped += n_of(&event);
    }
    assert_eq!(came, (0..MANY).collect::<Vec<_>>(), "the other sink gets everything");
    assert!(n_dropped > 0);
    assert!(n_told <= 2 + began.elapsed().as_secs() / 20, "a few times a minute, not {n_told} times");
    assert!(daemon.drain_log().contains("gave up the oldest of what waits for this one"));
    // What is left for when it comes back are the newest, without a gap.
    away.resume();
    let newest = || numbers(&received(&[&away]));
    eventually("the rest arrives", || newest().last() == Some(&(MANY - 1)));
    let newest = newest();
    assert_eq!(newest, (MANY - newest.len()..MANY).collect::<Vec<_>>());
    assert!(newest.len() < MANY);
    assert!(daemon.stop().success());
    // What is given up is told in sums, and the last of them when it ends.
    n_dropped += daemon.rest().iter().map(n_of).sum::<usize>();
    assert_eq!(n_dropped, MANY - newest.len(), "each is delivered, or told to be dropped");
}

#[test]
fn where_the_only_sink_is_dead_reading_waits_and_nothing_is_dropped() {
    let (env, mut away) = (Env::new(), Receiver::start());
    let tables = [&*sink("away", &away.url("/"), ""), NO_STDOUT];
    let (mut daemon, _) = full(&env, &mut [&mut away], &tables);
    two_minutes_later(&env);
    some_rounds(&daemon);
    away.resume();
    eventually("all arrive", || received(&[&away]).len() == MANY);
    assert_eq!(numbers(&received(&[&away])), (0..MANY).collect::<Vec<_>>());
    assert!(daemon.stop().success());
    assert!(!daemon.drain_log().contains("gave up"));
}

#[test]
fn after_an_outage_of_all_sinks_the_first_that_is_back_costs_the_others_nothing() {
    let (env, mut first, mut second) = (Env::new(), Receiver::start(), Receiver::start());
    let rare = Receiver::start();
    let tables = [
        &*sink("first", &first.url("/"), ""),
        &sink("second", &second.url("/"), ""),
        // It works, but nothing is for it.
        &sink("rare", &rare.url("/"), "codes = [\"NOTHING.*\"]"),
        NO_STDOUT,
    ];
    let (mut daemon, _) = full(&env, &mut [&mut first, &mut second], &tables);
    has_all(&env, "rare");
    two_minutes_later(&env);
    some_rounds(&daemon);
    first.resume();
    meanwhile(&env, "next_ms = 0 WHERE sink = 'first'");
    has_all(&env, "first");
    daemon.wait_for_log(BEHIND);
    some_rounds(&daemon);
    // Nobody hastens this one but the reader.
    meanwhile(&env, "next_ms = next_ms + 3600000 WHERE sink = 'second'");
    second.resume();
    for receiver in [&first, &second] {
        eventually("all arrive", || received(&[receiver]).len() == MANY);
        assert_eq!(numbers(&received(&[receiver])), (0..MANY).collect::<Vec<_>>());
    }
    assert!(daemon.stop().success());
    assert!(!daemon.drain_log().contains("gave up"), "{}", daemon.drain_log());
}

#[test]
fn what_is_not_read_because_the_outbox_is_full_is_not_taken_for_quiet() {
    let (env, mut events, mut people) = (Env::new(), Receiver::start(), Receiver::start());
    let tables = [
        &*sink("events", &events.url("/"), ""),
        &sink("people", &people.url("/"), "").replace("\"event\"", "\"incident\""),
        NO_STDOUT,
        "[incident]\nresolve_after = \"3s\"\nbatch_wait = \"1s\"\n",
    ];
    let (mut daemon, _) = full(&env, &mut [&mut events, &mut people], &tables);
    // For two minutes nothing is read.
    two_minutes_later(&env);
    some_rounds(&daemon);
    events.resume();
    people.resume();
    meanwhile(&env, "next_ms = 0");
    eventually("all arrive", || received(&[&events]).len() == MANY);
    let of_log = |it: &Value| it["code"] == "ACQ.TRADE_HAS_SUCCESS";
    let said = || kept(&[&people]).iter().flat_map(incidents).filter(of_log).collect::<Vec<_>>();
    eventually("it is over", || said().iter().any(|it| it["status"] == "resolved"));
    let said = said();
    let n_of = |status: &str| said.iter().filter(|it| it["status"] == status).count();
    assert_eq!((n_of("opened"), n_of("resolved")), (1, 1), "{said:#?}");
    assert_eq!((&said[0]["status"], &said.last().unwrap()["count"]), (&"opened".into(), &MANY.into()));
    assert!(daemon.stop().success());
}

/// What is said of incidents in a request.
fn incidents(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let messages = body["data"]["notices"].as_array().cloned().unwrap_or_else(|| vec![body["data"].clone()]);
    messages.into_iter().flat_map(|it| it["incidents"].as_array().cloned().unwrap_or_else(|| vec![it])).collect()
}
