//! `run --state`: what a restart, also a violent one, must neither lose nor repeat.

use std::collections::HashMap;
use std::time::Duration;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, exactly_once, failure, number, rename, run, tally};

const ARGS: &[&str] = &["logs/*.log", "--state", "state"];

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());

    append(&env, "logs/app.log", &failure(2));
    append(&env, "logs/born-meanwhile.log", &failure(3));
    let mut daemon = run(&env, ARGS);
    let mut seen = daemon.numbers(2);
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
    append(&env, "logs/app.log", &failure(4));
    let event = daemon.event();
    assert_eq!((number(&event), event["source"]["line"].as_u64()), (4, Some(4)));
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn changes_while_it_was_down_are_told_apart() {
    let env = Env::new();
    for name in ["renamed", "truncated", "regrown", "untouched"] {
        env.write(&format!("logs/{name}.log"), "");
    }
    let mut daemon = run(&env, ARGS);
    for (n, name) in ["renamed", "truncated", "regrown", "untouched"].iter().enumerate() {
        append(&env, &format!("logs/{name}.log"), &[failure(n), failure(n + 10)].concat());
    }
    daemon.numbers(8);
    assert!(daemon.stop().success());

    append(&env, "logs/renamed.log", &failure(20));
    rename(&env, "logs/renamed.log", "logs/renamed.log.1");
    append(&env, "logs/renamed.log", &failure(21));
    env.write("logs/truncated.log", failure(22));
    env.write("logs/regrown.log", [failure(23), failure(24), failure(25)].concat());
    let mut daemon = run(&env, ARGS);
    let mut seen = daemon.numbers(6);
    seen.sort_unstable();
    assert_eq!(seen, [20, 21, 22, 23, 24, 25]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn two_rotations_while_it_was_down_lose_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    env.write("logs/app.log.5", failure(90));
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    // Only a backup that is clearly older than the end of the watch is known to be none of ours.
    let backup = env.path("logs/app.log.5").metadata().unwrap().created().unwrap();
    eventually("the old backup is old", || backup.elapsed().is_ok_and(|age| age > Duration::from_millis(500)));
    append(&env, "logs/app.log", &failure(10));
    assert_eq!(daemon.numbers(1), [10]);
    assert!(daemon.stop().success());

    append(&env, "logs/app.log", &failure(2));
    rename(&env, "logs/app.log", "logs/app.log.2");
    append(&env, "logs/app.log.1", &failure(3));
    append(&env, "logs/app.log", &failure(4));
    append(&env, "logs/unrelated.txt", &failure(91));
    let mut daemon = run(&env, ARGS);
    let mut seen = daemon.numbers(3);
    seen.sort_unstable();
    assert_eq!(seen, [2, 3, 4]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn copytruncate_while_it_was_down_repeats_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());

    append(&env, "logs/app.log", &failure(2));
    std::fs::copy(env.path("logs/app.log"), env.path("logs/app.log.1")).unwrap();
    env.write("logs/app.log", failure(3));
    let mut daemon = run(&env, ARGS);
    let mut seen = daemon.numbers(2);
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_copy_that_was_made_while_it_was_down_repeats_nothing() {
    for (glob, copy) in [
        ("logs/*.log", "app.log.1"),
        ("logs/*", "app.log.1"),
        ("logs/*.log", "app-20260701.log"),
        ("logs/app.log", "app-20260701.log"),
    ] {
        let env = Env::new();
        let args = [glob, "--state", "state"];
        env.write("logs/app.log", "");
        let mut daemon = run(&env, &args);
        append(&env, "logs/app.log", &failure(1));
        assert_eq!(daemon.numbers(1), [1]);
        assert!(daemon.stop().success());

        append(&env, "logs/app.log", &(2..500).map(failure).collect::<String>());
        std::fs::copy(env.path("logs/app.log"), env.path("logs").join(copy)).unwrap();
        append(&env, "logs/app.log", &failure(500));
        let daemon = run(&env, &args);
        exactly_once(daemon, 2..501);
        let daemon = run(&env, &args);
        append(&env, "logs/app.log", &failure(501));
        exactly_once(daemon, [501]);
    }
}

#[test]
fn a_dated_file_that_began_and_ended_while_it_was_down_is_read() {
    let env = Env::new();
    let args = ["logs/app.log", "--state", "state"];
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &args);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());

    append(&env, "logs/app.log", &failure(2));
    rename(&env, "logs/app.log", "logs/app-20260701.log");
    append(&env, "logs/app.log", &failure(3));
    rename(&env, "logs/app.log", "logs/app-20260702.log");
    append(&env, "logs/app.log", &failure(4));
    // Its name says that it is another log.
    append(&env, "logs/app-error.log", &failure(90));
    exactly_once(run(&env, &args), 2..5);
}

#[test]
fn after_sigkill_nothing_is_lost_and_repeats_have_the_same_id() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut ids: HashMap<usize, String> = HashMap::new();
    let mut take = |event: &serde_json::Value| {
        let id = event["id"].as_str().unwrap().to_owned();
        let before = ids.insert(number(event), id.clone());
        assert!(before.is_none_or(|before| before == id), "{event}");
        ids.len()
    };
    let mut n = 0;
    for round in 0..6 {
        let mut daemon = run(&env, ARGS);
        for _ in 0..50 {
            append(&env, "logs/app.log", &failure(n));
            n += 1;
        }
        for _ in 0..round * 7 {
            take(&daemon.event());
        }
        daemon.signal("KILL");
        daemon.wait();
        for event in daemon.rest() {
            take(&event);
        }
    }
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(n));
    while take(&daemon.event()) <= n {}
    assert!(daemon.stop().success());
}

#[test]
fn a_second_instance_is_refused_and_told_why() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let first = run(&env, ARGS);
    let second = command(&env, ARGS).output().unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("in use by another paytriage (process {})", first.pid())), "{stderr}");
}

#[test]
fn waiting_events_are_delivered_after_a_restart() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let many: String = (0..3000).map(failure).collect();
    let mut command = command(&env, ARGS);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(&env, "logs/app.log", &many);
    // Nobody reads: the pipe fills up, and it must end all the same.
    assert!(daemon.stop().success());
    let delivered = std::io::BufRead::lines(std::io::BufReader::new(reader));
    let first: Vec<_> = delivered.map_while(|line| serde_json::from_str(&line.unwrap()).ok()).collect();
    let mut seen = tally(first.iter().map(number));
    let mut daemon = run(&env, ARGS);
    while seen.len() < 3000 {
        *seen.entry(number(&daemon.event())).or_default() += 1;
    }
    assert!(daemon.stop().success());
}
