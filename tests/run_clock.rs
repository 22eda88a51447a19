//! `run` while somebody sets the clock, or minutes pass. Needs libfaketime, which lies to the daemon about the time of day.

use std::path::PathBuf;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number, rename};
use crate::hooks::{self, once_and_in_order, sink};
use crate::receiver::Receiver;

/// The library, for programs with threads.
fn faketime() -> Option<PathBuf> {
    let dirs = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|arch| format!("/usr/lib/{arch}/faketime"));
    let found = dirs.iter().map(|dir| PathBuf::from(dir).join("libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        eprintln!("NOT RUN: this test needs libfaketime: install the package of that name");
    }
    found
}

const FILES: &[&str] = &["logs/*.log", "--state", "state"];

struct Clock<'a> {
    env: &'a Env,
    library: PathBuf,
}

impl Clock<'_> {
    /// How far the daemon's clock is off from now on.
    fn set(&self, offset: &str) {
        // A file that is being written must not be read half.
        self.env.write("clock.new", format!("{offset}\n"));
        rename(self.env, "clock.new", "clock");
    }

    fn run(&self, arguments: &[&str]) -> Daemon {
        let mut command = command(self.env, arguments);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.env.path("clock"));
        // Read anew each time; timers and the times of files are left alone, as on a real machine.
        command.envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
        let mut daemon = Daemon::spawn(command);
        daemon.wait_for_log("watching");
        daemon
    }
}

/// The hour of the day, by the daemon's clock.
fn hour(event: &serde_json::Value) -> u32 {
    event["observed_time"].as_str().unwrap()[11..13].parse().unwrap()
}

#[test]
fn a_clock_that_is_set_an_hour_on_or_back_neither_loses_nor_repeats() {
    let Some(library) = faketime() else { return };
    let env = Env::new();
    env.write("logs/app.log", "");
    let clock = Clock { env: &env, library };
    let mut n = 0;
    for offsets in [["+0", "+1h", "-1h"], ["+1h", "+0", "+1h"], ["-1h", "+1h", "-1h"]] {
        clock.set(offsets[0]);
        let mut daemon = clock.run(FILES);
        let mut hours = Vec::new();
        for offset in offsets {
            clock.set(offset);
            append(&env, "logs/app.log", &failure(n));
            let event = daemon.event();
            assert_eq!(number(&event), n);
            hours.push(hour(&event));
            rename(&env, "logs/app.log", &format!("logs/app.log.{n}"));
            append(&env, &format!("logs/app.log.{n}"), &failure(n + 1));
            append(&env, "logs/app.log", &failure(n + 2));
            let mut seen = daemon.numbers(2);
            seen.sort_unstable();
            assert_eq!(seen, [n + 1, n + 2]);
            // In place: shorter than before.
            env.write("logs/app.log", "\n");
            n += 3;
        }
        assert!(hours[0] != hours[1] && hours[1] != hours[2], "the clock is not set at all: {hours:?}");
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
        // Read by the next run, whatever its clock says.
        append(&env, "logs/app.log", &failure(n));
        clock.set(if offsets[2] == "-1h" { "+1h" } else { "-1h" });
        let mut daemon = clock.run(FILES);
        assert_eq!(daemon.numbers(1), [n]);
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
        n += 1;
    }
}

#[test]
fn a_sink_that_fails_for_five_minutes_is_announced_once_and_so_is_its_return() {
    let Some(library) = faketime() else { return };
    let (env, mut away, here) = (Env::new(), Receiver::start(), Receiver::start());
    hooks::config(&env, &[&sink("away", &away.url("/"), ""), &sink("here", &here.url("/"), "")]);
    let clock = Clock { env: &env, library };
    away.refuse();
    // Four minutes are not enough, also if the daemon is started anew meanwhile.
    for (n, offset) in ["+0", "+240"].into_iter().enumerate() {
        clock.set(offset);
        append(&env, "logs/app.log", &failure(n));
        let mut daemon = clock.run(hooks::ARGS);
        assert_eq!(number(&daemon.event()), n);
        daemon.wait_for_log("delivery failed");
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
    }
    clock.set("+310");
    let mut daemon = clock.run(hooks::ARGS);
    let down = daemon.event();
    let facts = |event: &serde_json::Value| event["excerpt"].as_str().unwrap().to_owned();
    assert_eq!((&down["code"], &down["severity"]), (&"PT.SINK_DOWN".into(), &"error".into()));
    assert!(facts(&down).starts_with("sink=away since=") && facts(&down).contains(" reason="), "{down}");
    // More failures are no news.
    hooks::meanwhile(&env, "next_ms = 0");
    daemon.wait_for_log("delivery failed");
    away.resume();
    hooks::meanwhile(&env, "next_ms = 0");
    let up = daemon.event();
    assert_eq!(up["code"], "PT.SINK_UP");
    assert!(facts(&up).starts_with("sink=away down_since="), "{up}");
    let own = |receiver| {
        let events = hooks::kept(&[receiver]).iter().flat_map(hooks::events).collect::<Vec<_>>();
        events.iter().filter(|event| event["provider"] == "paytriage").count()
    };
    eventually("the other one is told of both", || own(&here) == 2);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    once_and_in_order(0..2, &[&away]);
    once_and_in_order(0..2, &[&here]);
}

#[test]
fn a_clock_that_is_set_on_makes_nothing_older_that_waits() {
    let Some(library) = faketime() else { return };
    let (env, mut away) = (Env::new(), Receiver::start());
    hooks::config(&env, &[&sink("away", &away.url("/"), "max_age = \"1h\"")]);
    let clock = Clock { env: &env, library };
    away.refuse();
    clock.set("+0");
    let mut daemon = clock.run(hooks::ARGS);
    append(&env, "logs/app.log", &failure(0));
    assert_eq!(number(&daemon.event()), 0);
    daemon.wait_for_log("delivery failed");
    clock.set("+30d");
    // A look later it is tried once more: it is still there.
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_secs(3));
        hooks::meanwhile(&env, "next_ms = 0");
        daemon.wait_for_log("delivery failed");
    }
    away.resume();
    hooks::meanwhile(&env, "next_ms = 0");
    eventually("it is delivered", || !hooks::kept(&[&away]).is_empty());
    assert!(daemon.stop().success());
    once_and_in_order(0..1, &[&away]);
}
