//! Daemons with webhooks: their configuration, what receivers have of what happened, and what waits.

use std::collections::{BTreeMap, HashMap, HashSet};

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, PATIENCE, number, rename};
use crate::receiver::{Receiver, Request};

pub const ARGS: &[&str] = &["--config", "p.toml"];

/// Everything in `logs`, and these tables.
pub fn config(env: &Env, tables: &[&str]) {
    let dir = env.path("");
    let source = format!("[[source]]\nname = \"shop\"\npaths = [\"{}logs/*.log\"]\n", dir.display());
    let state = format!("[state]\ndir = \"{}state\"\n", dir.display());
    env.write("p.new", [&[source.as_str(), "start_at = \"beginning\"\n", &state], tables].concat().join("\n"));
    rename(env, "p.new", "p.toml");
}

/// A sink for events.
pub fn sink(name: &str, url: &str, more: &str) -> String {
    format!("[[sink.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nnotify = \"event\"\n{more}\n")
}

/// What the receivers of one sink have: each webhook-id once, as the specification of Standard Webhooks asks of them.
///
/// # Panics
/// An id came with other bytes than before.
pub fn kept(receivers: &[&Receiver]) -> Vec<Request> {
    let mut bodies = HashMap::new();
    for request in receivers.iter().flat_map(|receiver| receiver.requests()) {
        let body = bodies.entry(id(&request)).or_insert_with(|| request.body.clone());
        assert!(*body == request.body, "{} came with other bytes:\n{}", id(&request), text(&request));
    }
    let mut taken: Vec<_> = receivers.iter().flat_map(|receiver| receiver.taken()).collect();
    taken.sort_by_key(|request| request.at);
    let mut ids = HashSet::new();
    taken.retain(|request| ids.insert(id(request)));
    taken
}

pub fn id(request: &Request) -> String {
    request.header("webhook-id").expect("a webhook-id").to_owned()
}

pub fn text(request: &Request) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}

/// The events of a request.
pub fn events(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_else(|error| panic!("{error}: {request:?}"));
    match body["type"].as_str() {
        Some("paytriage.event") => vec![body["data"].clone()],
        Some("paytriage.events") => body["data"]["events"].as_array().unwrap().clone(),
        _ => panic!("no events: {body}"),
    }
}

/// The events that receivers have, but for those about paytriage itself.
pub fn received(receivers: &[&Receiver]) -> Vec<Value> {
    let mut events: Vec<_> = kept(receivers).iter().flat_map(events).collect();
    events.retain(|event| event["provider"] != "paytriage");
    events
}

/// Waits until the receivers of a sink have so many events.
#[track_caller]
pub fn arrive(daemon: &mut Daemon, n: usize, receivers: &[&Receiver]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let came = received(receivers).len();
        if came >= n {
            return;
        }
        assert!(Instant::now() < deadline, "{came} of {n} events have arrived; log:\n{}", daemon.drain_log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// The receivers of a sink have these events once each, in the order of each file.
#[track_caller]
pub fn once_and_in_order(numbers: impl IntoIterator<Item = usize>, receivers: &[&Receiver]) {
    let events = received(receivers);
    let ids: HashSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "an event came twice, under different webhook-ids");
    let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for event in &events {
        files.entry(event["source"]["path"].as_str().unwrap()).or_default().push(number(event));
    }
    for (path, numbers) in &files {
        assert!(numbers.is_sorted(), "{path} came in disorder: {numbers:?}");
    }
    let mut came: Vec<_> = files.into_values().flatten().collect();
    came.sort_unstable();
    let expected: Vec<_> = numbers.into_iter().collect();
    let lost: Vec<_> = expected.iter().filter(|number| came.binary_search(number).is_err()).collect();
    let more: Vec<_> = came.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(lost.is_empty() && more.is_empty(), "lost: {lost:?}, more than once: {more:?}");
    assert_eq!(came.len(), expected.len(), "there were others: {came:?}");
}

/// The database of a daemon.
pub fn state(env: &Env) -> rusqlite::Connection {
    let state = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    state.busy_timeout(PATIENCE).unwrap();
    state
}

/// Changes the requests that wait, as time would.
pub fn meanwhile(env: &Env, set: &str) -> usize {
    state(env).execute(&format!("UPDATE batch SET {set}"), []).unwrap()
}

/// Waits until an attempt of a sink has failed with this text.
#[track_caller]
pub fn fails_with(env: &Env, sink: &str, text: &str) {
    let query = "SELECT last_error FROM batch WHERE sink = ?1 AND last_error IS NOT NULL";
    let (state, deadline) = (state(env), Instant::now() + PATIENCE);
    loop {
        let last = state.query_row(query, [sink], |row| row.get::<_, String>(0)).ok();
        if last.as_deref().is_some_and(|last| last.contains(text)) {
            return;
        }
        assert!(Instant::now() < deadline, "{sink} never failed with {text:?}, but with {last:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many requests of a sink are given up.
pub fn dead(env: &Env, sink: &str) -> u32 {
    state(env).query_row("SELECT count(*) FROM dead WHERE sink = ?1", [sink], |row| row.get(0)).unwrap()
}
