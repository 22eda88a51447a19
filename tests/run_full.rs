//! `run` with an outbox that stays full: it waits for its sinks, and gives up what waits for one of them only for the sake of others.

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number};
use crate::hooks::{ARGS, config, received, sink};
use crate::process;
use crate::receiver::Receiver;
use crate::run_control::{free_address, request};
use crate::shim;

/// Lines that fill an outbox of one MiB several times.
const MANY: usize = 2000;

/// A daemon with a full outbox, one of whose sinks takes nothing. Its clock is late at first, and set right when the outbox is full: so
/// it has been for two minutes.
fn full_for_two_minutes(env: &Env, away: &mut Receiver, stdout: &str) -> (Daemon, SocketAddr) {
    let address = free_address();
    config(env, &[&sink("away", &away.url("/"), ""), stdout, &format!("[http]\nlisten = \"{address}\"\n")]);
    let file = fs::read_to_string(env.path("p.toml")).unwrap();
    env.write("p.toml", file.replace("[state]\n", "[state]\nmax_outbox = \"1MiB\"\n")).write("late", "");
    away.refuse();
    let mut command = command(env, ARGS);
    shim::preload(env, shim::LATE, &mut command);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(env, "logs/app.log", &(0..MANY).map(failure).collect::<String>());
    daemon.wait_for_log("the outbox is full");
    fs::remove_file(env.path("late")).unwrap();
    (daemon, address)
}

fn numbers(events: &[Value]) -> Vec<usize> {
    events.iter().map(number).collect()
}

#[test]
fn a_dead_sink_loses_its_oldest_rows_to_one_that_takes_them() {
    let (env, mut away) = (Env::new(), Receiver::start());
    let (mut daemon, address) = full_for_two_minutes(&env, &mut away, "");
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
    let (mut daemon, _) = full_for_two_minutes(&env, &mut away, "[sink.stdout]\nenabled = false\n");
    let rounds = || process::wakeups(daemon.pid()).into_iter().find(|(thread, _)| thread == "reader").unwrap().1;
    let before = rounds();
    eventually("it goes on waiting", || rounds() >= before + 10);
    away.resume();
    eventually("all arrive", || received(&[&away]).len() == MANY);
    assert_eq!(numbers(&received(&[&away])), (0..MANY).collect::<Vec<_>>());
    assert!(daemon.stop().success());
    assert!(!daemon.drain_log().contains("gave up"));
}
