//! `run` and signals at bad moments: under load, with a blocked output, in the middle of a backlog, during the start.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, exactly_once, failure, number, rename, run, tally};
use crate::run_control::{CONFIGURED, config, free_address, request};

const ARGS: &[&str] = &["logs/*.log", "--from-start", "--state", "state"];

/// Everything that this daemon still prints, and that it ended well.
fn end(mut daemon: Daemon) -> Vec<usize> {
    let status = daemon.stop();
    assert_eq!(status.code(), Some(0), "{}", daemon.drain_log());
    daemon.rest().iter().map(number).collect()
}

fn each_once(seen: impl IntoIterator<Item = usize>, n: usize) {
    let seen = tally(seen);
    let wrong: Vec<_> = (0..n).filter(|number| seen.get(number) != Some(&1)).collect();
    assert!(wrong.is_empty() && seen.len() == n, "lost or repeated: {wrong:?}");
}

/// Appends failures to a file until told to stop.
fn write_on(env: &Env, name: &str, written: &AtomicUsize, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        append(env, name, &failure(written.fetch_add(1, Relaxed)));
        // Faster than the daemon in a debug build, the backlog would grow without end.
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn asked_to_end_under_load_it_goes_on_exactly_there() {
    let env = Env::new();
    env.write("logs/a.log", "").write("logs/b.log", "");
    let (written, stop, mut seen) = (AtomicUsize::new(0), AtomicBool::new(false), Vec::new());
    thread::scope(|scope| {
        for name in ["logs/a.log", "logs/b.log"] {
            let (env, written, stop) = (&env, &written, &stop);
            scope.spawn(move || write_on(env, name, written, stop));
        }
        for signal in ["TERM", "INT", "TERM", "INT"] {
            let mut daemon = run(&env, ARGS);
            seen.extend(daemon.numbers(300));
            daemon.signal(signal);
            assert_eq!(daemon.wait().code(), Some(0), "{signal}");
            seen.extend(daemon.rest().iter().map(number));
        }
        stop.store(true, Relaxed);
    });
    let mut daemon = run(&env, ARGS);
    let written = written.load(Relaxed);
    seen.extend(daemon.numbers(written - seen.len()));
    seen.extend(end(daemon));
    each_once(seen, written);
}

#[test]
fn asked_to_end_with_a_full_outbox_and_a_blocked_output() {
    const N: usize = 3000;
    let env = Env::new();
    let logs = env.path("logs");
    let source = format!("[[source]]\npaths = [\"{}\"]\nstart_at = \"beginning\"\n", logs.display());
    env.write("logs/a.log", "").write("p.toml", source + "[state]\nmax_outbox = \"1MiB\"\n");
    let args = &["--config", "p.toml", "--state", "state"];
    let mut command = command(&env, args);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(&env, "logs/a.log", &(0..N).map(failure).collect::<String>());
    daemon.wait_for_log("reading pauses");
    assert_eq!(daemon.stop().code(), Some(0));
    // What is in the pipe was written, but nobody knows whether it was read: it may come again, with the same id.
    let printed = BufReader::new(reader).lines();
    let mut ids = HashMap::new();
    let mut take = |event: &serde_json::Value| {
        let before = ids.insert(number(event), event["id"].clone());
        assert!(before.is_none_or(|before| before == event["id"]), "{event}");
        ids.len()
    };
    printed.map_while(|line| serde_json::from_str(&line.unwrap()).ok()).for_each(|event| {
        take(&event);
    });
    let mut daemon = run(&env, args);
    while take(&daemon.event()) < N {}
    end(daemon);
}

#[test]
fn asked_to_end_in_the_middle_of_a_huge_backlog() {
    let env = Env::new();
    let calm = "2026-07-01 12:00:00 INFO paid, out_trade_no=C000001, nothing to see in this line\n".repeat(1000);
    std::fs::create_dir_all(env.path("logs")).unwrap();
    let mut file = OpenOptions::new().append(true).create(true).open(env.path("logs/a.log")).unwrap();
    const N: usize = 3000;
    for n in 0..N {
        file.write_all((failure(n) + &calm).as_bytes()).unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut daemon = run(&env, ARGS);
        seen.extend(daemon.numbers(20));
        seen.extend(end(daemon));
    }
    assert!(seen.len() < N, "it ended in the middle");
    let mut daemon = run(&env, ARGS);
    seen.extend(daemon.numbers(N - seen.len()));
    seen.extend(end(daemon));
    each_once(seen, N);
}

#[test]
fn reloads_under_load_lose_and_repeat_nothing() {
    let env = Env::new();
    env.write("a/app.log", "").write("b/app.log", "");
    config(&env, &["a"], "");
    let mut daemon = run(&env, CONFIGURED);
    let (written, stop, mut seen) = (AtomicUsize::new(0), AtomicBool::new(false), Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| write_on(&env, "a/app.log", &written, &stop));
        for (sources, more, answer) in [
            (&["a"][..], "lang = 1\n", "the old one stays in force"),
            (&["b", "a"], "", "configuration reloaded"),
            (&["a"], "", "configuration reloaded"),
            (&["nothing", "a"], "[[source]]\npaths = []\n", "the old one stays in force"),
            (&["a"], "", "configuration reloaded"),
        ] {
            seen.extend(daemon.numbers(100));
            config(&env, sources, more);
            daemon.signal("HUP");
            daemon.wait_for_log(answer);
        }
        stop.store(true, Relaxed);
    });
    let written = written.load(Relaxed);
    seen.extend(daemon.numbers(written - seen.len()));
    seen.extend(end(daemon));
    each_once(seen, written);
}

#[test]
fn what_a_removed_source_had_is_still_delivered() {
    const N: usize = 3000;
    let env = Env::new();
    env.write("a/app.log", "").write("b/app.log", "");
    let address = free_address();
    let http = format!("[http]\nlisten = \"{address}\"\n");
    config(&env, &["a", "b"], &http);
    let mut command = command(&env, CONFIGURED);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(&env, "a/app.log", &(0..N - 1).map(failure).collect::<String>());
    let read = format!("\npaytriage_read_bytes_total {}\n", failure(0).len() * (N - 1));
    eventually("it is read", || request(address, "GET", "/metrics").contains(&read));
    config(&env, &["b"], &http);
    // Also what was written just before.
    append(&env, "a/app.log", &failure(N - 1));
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    append(&env, "a/app.log", &failure(N + 1));
    append(&env, "b/app.log", &failure(N));
    let mut lines = BufReader::new(reader).lines();
    let mut event = || serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let seen: Vec<_> = (0..=N).map(|_| number(&event())).collect();
    each_once(seen, N + 1);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(lines.count(), 0);
}

/// A source that comes back is known: also what was rotated away, or copied and truncated, while no configuration meant it.
#[test]
fn a_source_that_was_removed_goes_on_where_it_was() {
    for (glob, watch) in [("logs/*.log", ""), ("logs", "watch = \"poll\"\npoll_interval = \"1s\"\n")] {
        let env = Env::new();
        env.write("logs/app.log", "").write("other/app.log", "");
        let sources = |names: &[&str]| {
            let source = |name: &&str| format!("[[source]]\npaths = [\"{}\"]\n{watch}", env.path(name).display());
            env.write("p.toml", names.iter().map(source).collect::<String>());
        };
        sources(&[glob, "other"]);
        let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
        let reload = |daemon: &mut Daemon, names: &[&str]| {
            sources(names);
            daemon.signal("HUP");
            daemon.wait_for_log("configuration reloaded");
            daemon.wait_for_log("watching");
        };
        append(&env, "logs/app.log", &failure(1));
        assert_eq!(daemon.numbers(1), [1]);
        reload(&mut daemon, &["other"]);
        append(&env, "logs/app.log", &failure(2));
        rename(&env, "logs/app.log", "logs/app.log.1");
        env.write("logs/app.log", "");
        reload(&mut daemon, &[glob, "other"]);
        append(&env, "logs/app.log", &failure(3));
        let mut seen = daemon.numbers(2);
        seen.sort_unstable();
        assert_eq!(seen, [2, 3], "{glob}");
        // Nobody may have noticed before the source is removed.
        std::fs::copy(env.path("logs/app.log"), env.path("logs/app.log.2")).unwrap();
        env.write("logs/app.log", "");
        reload(&mut daemon, &["other"]);
        reload(&mut daemon, &[glob, "other"]);
        append(&env, "logs/app.log", &failure(4));
        exactly_once(daemon, [4]);
    }
}

/// A file of the catalogue comes through a pipe, so that the test decides how long the start takes.
#[test]
fn signals_during_the_start_are_answered_after_it() {
    for (signals, ends) in [(&["HUP"][..], false), (&["TERM"], true), (&["HUP", "INT"], true)] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let pipe = env.pipe("extra.toml");
        config(&env, &["logs"], &format!("[catalog]\nextra = [\"{}\"]\n", pipe.display()));
        // Opens as soon as somebody wants to read.
        let open = || OpenOptions::new().write(true).open(&pipe).unwrap();
        let mut daemon = Daemon::spawn(command(&env, CONFIGURED));
        let mut extra = open();
        signals.iter().for_each(|signal| daemon.signal(signal));
        extra.write_all(b"# nothing to add\n").unwrap();
        drop(extra);
        if ends {
            assert_eq!(daemon.wait().code(), Some(0), "{signals:?} {}", daemon.drain_log());
        } else {
            daemon.wait_for_log("watching");
            open().write_all(b"# still nothing\n").unwrap();
            daemon.wait_for_log("configuration reloaded");
            append(&env, "logs/app.log", &failure(1));
            assert_eq!(daemon.numbers(1), [1]);
        }
    }
}

/// The configuration comes through a pipe: it is the first thing that is read.
#[test]
fn signals_are_caught_before_anything_is_read() {
    let env = Env::new();
    env.write("logs/app.log", "");
    config(&env, &["logs"], "");
    let pipe = env.pipe("pipe.toml");
    let mut daemon = Daemon::spawn(command(&env, &["--config", "pipe.toml"]));
    let mut first = OpenOptions::new().write(true).open(&pipe).unwrap();
    daemon.signal("HUP");
    daemon.signal("TERM");
    // It is read once for the place of the state, and once for all.
    let text = std::fs::read(env.path("p.toml")).unwrap();
    std::fs::rename(env.path("p.toml"), &pipe).unwrap();
    first.write_all(&text).unwrap();
    drop(first);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.drain_log());
}
