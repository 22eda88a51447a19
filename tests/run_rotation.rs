//! Rotation by the loggers people really use, while `run` is watching. Needs python3.

use std::process::{Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, run, tally};

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
    let mut seen = tally(daemon.numbers(n));
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
