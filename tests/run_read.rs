//! `run` when a log file cannot be read for a while: it costs nothing else, and the file is read on where it was.

use std::fs;
use std::net::SocketAddr;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, exactly_once, failure, number, rename, run};
use crate::run_control::request;
use crate::run_damage::{HTTP_ARGS, configure_http};
use crate::shim;

/// Numbers of `errno`, and what is said of them.
const EIO: (i32, &str) = (5, "input/output error");
const ESTALE: (i32, &str) = (116, "stale");

fn failures(numbers: std::ops::Range<usize>) -> String {
    numbers.map(failure).collect()
}

/// Watches two empty files, `logs/bad.log`, whose reads can be made to fail, and `logs/good.log`; looks at everything often.
fn start(env: &Env) -> (Daemon, SocketAddr) {
    env.write("logs/bad.log", "").write("logs/good.log", "");
    let address = configure_http(env);
    let mut daemon = spawn(env);
    daemon.wait_for_log("watching");
    (daemon, address)
}

fn spawn(env: &Env) -> Daemon {
    let mut command = command(env, HTTP_ARGS);
    shim::preload(env, shim::READ, &mut command);
    Daemon::spawn(command)
}

fn mend(env: &Env) {
    fs::remove_file(env.path("broken")).unwrap();
}

#[test]
fn a_read_that_fails_costs_no_other_file_anything_and_is_made_good() {
    for (error, words) in [EIO, ESTALE] {
        let env = Env::new();
        let (mut daemon, _) = start(&env);
        append(&env, "logs/bad.log", &failures(0..3));
        assert_eq!(daemon.numbers(3), [0, 1, 2]);
        env.write("broken", format!("{error} 0"));
        append(&env, "logs/bad.log", &failures(3..6));
        let log = daemon.wait_for_log("cannot read");
        assert!(log.contains("bad.log") && log.to_lowercase().contains(words), "{log}");
        append(&env, "logs/good.log", &failure(100));
        assert_eq!(daemon.numbers(1), [100]);
        // Nothing is written any more: it is found by looking again.
        mend(&env);
        assert_eq!(daemon.numbers(3), [3, 4, 5]);
        daemon.wait_for_log("can be read now");
        append(&env, "logs/bad.log", &failure(6));
        exactly_once(daemon, [6]);
        append(&env, "logs/bad.log", &failure(7));
        exactly_once(run(&env, HTTP_ARGS), [7]);
    }
}

#[test]
fn a_read_that_fails_in_the_middle_of_a_file_goes_on_there() {
    for (error, _) in [EIO, ESTALE] {
        let env = Env::new();
        let (mut daemon, _) = start(&env);
        env.write("broken", format!("{error} {}", 600 * 1024));
        let many = 12_000;
        append(&env, "logs/bad.log", &failures(0..many));
        daemon.wait_for_log("cannot read");
        // A restart that cannot read it either loses nothing.
        assert!(daemon.stop().success());
        let read: Vec<_> = daemon.rest().iter().map(number).collect();
        assert!(
            (1..many).contains(&read.len()) && read == (0..read.len()).collect::<Vec<_>>(),
            "{} of {many}",
            read.len()
        );
        let mut daemon = spawn(&env);
        daemon.wait_for_log("cannot read");
        mend(&env);
        exactly_once(daemon, read.len()..many);
    }
}

#[test]
fn a_read_that_fails_while_the_file_is_rotated_away_is_made_good() {
    for (error, _) in [EIO, ESTALE] {
        let env = Env::new();
        let (mut daemon, _) = start(&env);
        append(&env, "logs/bad.log", &failure(0));
        assert_eq!(daemon.numbers(1), [0]);
        env.write("broken", format!("{error} 0"));
        append(&env, "logs/bad.log", &failures(1..3));
        daemon.wait_for_log("cannot read");
        rename(&env, "logs/bad.log", "logs/bad.log.1");
        append(&env, "logs/bad.log.1", &failure(3));
        append(&env, "logs/good.log", &failure(100));
        assert_eq!(daemon.numbers(1), [100]);
        mend(&env);
        exactly_once(daemon, 1..4);
    }
}

#[test]
fn a_read_that_hangs_is_said_by_healthz_and_loses_nothing() {
    let env = Env::new();
    let (mut daemon, address) = start(&env);
    env.write("broken", "0 0");
    append(&env, "logs/bad.log", &failures(0..2));
    append(&env, "logs/good.log", &failure(100));
    eventually("it counts as stuck", || {
        let answer = request(address, "GET", "/healthz");
        answer.starts_with("HTTP/1.1 503") && answer.contains("the reader is stuck")
    });
    mend(&env);
    eventually("it goes on", || request(address, "GET", "/healthz").starts_with("HTTP/1.1 200"));
    let mut seen = daemon.numbers(3);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 100]);
    // Also where it is asked to end meanwhile.
    env.write("broken", "0 0");
    append(&env, "logs/bad.log", &failure(2));
    append(&env, "logs/good.log", &failure(101));
    assert!(daemon.stop().success());
    let early = daemon.rest();
    mend(&env);
    let early: Vec<_> = early.iter().map(number).collect();
    exactly_once(run(&env, HTTP_ARGS), [2, 101].into_iter().filter(|n| !early.contains(n)));
}
