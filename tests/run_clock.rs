//! `run` while somebody sets the clock. Needs libfaketime, which lies to the daemon about the time of day.

use std::path::PathBuf;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, failure, number, rename};

/// The library, for programs with threads.
fn faketime() -> Option<PathBuf> {
    let dirs = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|arch| format!("/usr/lib/{arch}/faketime"));
    let found = dirs.iter().map(|dir| PathBuf::from(dir).join("libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        eprintln!("NOT RUN: this test needs libfaketime: install the package of that name");
    }
    found
}

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

    fn run(&self) -> Daemon {
        let mut command = command(self.env, &["logs/*.log", "--state", "state"]);
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
        let mut daemon = clock.run();
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
        let mut daemon = clock.run();
        assert_eq!(daemon.numbers(1), [n]);
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
        n += 1;
    }
}
