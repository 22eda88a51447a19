//! Rotation by the loggers people really use, while `run` is watching. Needs python3.

use std::process::{Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, failure, rename, run, tally};

/// Writes `n` numbered failures through a handler, in bursts, so that several files are rotated per burst.
const LOGGER: &str = r#"
import logging, logging.handlers, sys, time
kind, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "size":
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=20000, backupCount=50)
else:
    handler = logging.handlers.WatchedFileHandler(path)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
log = logging.getLogger("pay")
log.addHandler(handler)
for i in range(n):
    if kind == "moved" and i % 100 == 99:
        import os
        os.rename(path, "%s.%d" % (path, i))
    log.error('alipay.trade.pay failed: {"code":"40004","sub_code":"ACQ.TRADE_HAS_SUCCESS","out_trade_no":"N%06d"}', i)
    if i % 250 == 249:
        time.sleep(0.05)
"#;

fn log_with_python(env: &Env, kind: &str, n: usize) {
    let python = Command::new("python3")
        .args(["-c", LOGGER, kind])
        .arg(env.path("logs/app.log"))
        .arg(n.to_string())
        .stdin(Stdio::null())
        .status();
    let status = python.expect("these tests need python3: install it and put it on the PATH");
    assert!(status.success());
}

fn each_exactly_once(daemon: &mut Daemon, n: usize) {
    let seen = daemon.numbers(n);
    nothing_more(daemon, seen, n);
}

/// With these each of `n` numbers came, and none comes again.
fn nothing_more(daemon: &mut Daemon, seen: Vec<usize>, n: usize) {
    let mut seen = tally(seen);
    assert!(daemon.stop().success());
    for event in daemon.rest() {
        *seen.entry(crate::daemon::number(&event)).or_default() += 1;
    }
    let wrong: Vec<_> = (0..n).filter(|number| seen.get(number) != Some(&1)).collect();
    assert!(wrong.is_empty(), "lost or repeated: {wrong:?}");
}

#[test]
fn python_rotating_file_handler_with_the_backups_in_the_source() {
    let env = Env::new();
    env.write("logs/other.log", "");
    let mut daemon = run(&env, &["logs"]);
    log_with_python(&env, "size", 3000);
    each_exactly_once(&mut daemon, 3000);
}

#[test]
fn python_rotating_file_handler_with_the_backups_outside_the_glob() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs/*.log", "--state", "state"]);
    log_with_python(&env, "size", 3000);
    each_exactly_once(&mut daemon, 3000);
}

#[test]
fn python_watched_file_handler_and_somebody_who_moves_its_file() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs/app.log"]);
    log_with_python(&env, "moved", 1500);
    each_exactly_once(&mut daemon, 1500);
}

/// Brings a file of the mirror up to date, as rsync does it: a new file, under a name of its own until it is whole.
fn mirror(env: &Env, name: &str, bytes: &str) {
    let unfinished = format!("logs/.{name}.Zk3x9Q");
    for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
        append(env, &unfinished, half);
    }
    rename(env, &unfinished, &format!("logs/{name}"));
}

/// Each content goes from name to name in a new file each time, and may have grown on the way.
fn a_mirror_of_logs_that_are_rotated_at_their_origin(source: &str, stands_still: bool) {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &[source]);
    // The contents at the origin, the newest first.
    let mut origin: Vec<String> = Vec::new();
    let mut n = 0;
    let mut more = |len: usize| {
        n += len;
        (n - len..n).map(failure).collect::<String>()
    };
    let mut seen = Vec::new();
    for _ in 0..5 {
        origin.insert(0, more(3));
        mirror(&env, "app.log", &origin[0]);
        seen.extend(daemon.numbers(3));
        // Written and rotated before the mirror had it.
        origin[0].push_str(&more(2));
        if stands_still {
            daemon.freeze();
        }
        mirror(&env, "app.log", &more(1));
        for (i, bytes) in origin.iter().enumerate() {
            mirror(&env, &format!("app.log.{}", i + 1), bytes);
        }
        if stands_still {
            daemon.thaw();
        }
        seen.extend(daemon.numbers(3));
    }
    nothing_more(&mut daemon, seen, n);
}

#[test]
fn a_mirror_with_its_unfinished_files_in_the_source() {
    for stands_still in [false, true] {
        a_mirror_of_logs_that_are_rotated_at_their_origin("logs", stands_still);
    }
}

#[test]
fn a_mirror_with_its_unfinished_files_outside_the_glob() {
    for stands_still in [false, true] {
        a_mirror_of_logs_that_are_rotated_at_their_origin("logs/app.log*", stands_still);
    }
}
