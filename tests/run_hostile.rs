//! `run` among things that are no log files, that may not be read, and whose names are meant to do harm.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, failure, number, rename, run};
use crate::process;

fn set_mode(env: &Env, name: &str, mode: u32) {
    fs::set_permissions(env.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// The daemon as somebody who may not read everything, also where the test may.
fn unprivileged(env: &Env, args: &[&str]) -> Daemon {
    let mut command = command(env, args);
    if rustix::process::geteuid().is_root() {
        set_mode(env, ".", 0o755);
        command.uid(65534).gid(65534);
    }
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    daemon
}

fn write(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn names_that_are_meant_to_do_harm() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let long = [b"l".repeat(246), b".log".to_vec()].concat();
    let names: [&[u8]; 6] = [
        b"line\nERROR forged.log",
        b"esc\x1b[2J\x1b]0;owned\x07.log",
        b"latin\xe9\xff.log",
        &long,
        "\u{202e}gol.\u{200b}log".as_bytes(),
        b" -rf * $(id) `id` \"'.log",
    ];
    let mut daemon = run(&env, &["logs"]);
    for (n, name) in names.iter().enumerate() {
        let path = env.path("logs").join(OsStr::from_bytes(name));
        write(&path, &[failure(n), failure(n + 10)].concat());
        let mut seen = daemon.numbers(2);
        seen.sort_unstable();
        assert_eq!(seen, [n, n + 10], "{}", path.display());
        // Said in the log, with the name.
        fs::write(&path, failure(n + 20)).unwrap();
        let event = daemon.event();
        assert_eq!(number(&event), n + 20);
        let shown = event["source"]["path"].as_str().unwrap();
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{200b}'), "{shown:?}");
        daemon.wait_for_log("file was truncated");
    }
    assert!(daemon.stop().success());
    let log = daemon.drain_log();
    for line in log.lines() {
        assert!(line.starts_with("20") && !line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn pipes_sockets_and_devices_hold_up_nobody() {
    let env = Env::new();
    env.write("logs/app.log", "");
    env.pipe("logs/pipe.log");
    let _socket = UnixListener::bind(env.path("logs/socket.log")).unwrap();
    for device in ["zero", "full", "random", "stdin", "tty"] {
        symlink(format!("/dev/{device}"), env.path(&format!("logs/{device}.log"))).unwrap();
    }
    symlink(env.path("logs/pipe.log"), env.path("logs/link-to-pipe.log")).unwrap();
    let mut daemon = run(&env, &["--from-start", "logs", "logs/pipe.log", "/dev/zero"]);
    for n in 0..3 {
        append(&env, "logs/app.log", &failure(n));
        assert_eq!(daemon.numbers(1), [n]);
        // What comes later is left alone as well.
        env.pipe(&format!("logs/pipe-{n}.log"));
    }
    let open = process::descriptors(daemon.pid());
    assert!(!open.iter().any(|fd| fd.contains("pipe.log") || fd.contains("/dev/zero")), "{open:?}");
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    let log = daemon.drain_log();
    assert_eq!(log.matches("not a regular file or directory").count(), 2, "{log}");
}

/// Between looking and opening, a file can become anything.
#[test]
fn a_file_that_keeps_turning_into_a_pipe() {
    let env = Env::new();
    env.write("logs/odd.log", "").write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    for n in 0..150 {
        env.pipe("pipe");
        rename(&env, "pipe", "logs/odd.log");
        env.write("file", format!("{n}\n"));
        rename(&env, "file", "logs/odd.log");
        if n % 10 == 0 {
            append(&env, "logs/app.log", &failure(n));
            assert_eq!(daemon.numbers(1), [n]);
        }
    }
    append(&env, "logs/odd.log", &failure(500));
    assert_eq!(daemon.numbers(1), [500]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_directory_that_may_not_be_read_until_later() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/closed/app.log", "");
    set_mode(&env, "logs/closed", 0o000);
    let mut daemon = unprivileged(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    set_mode(&env, "logs/closed", 0o755);
    append(&env, "logs/closed/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    append(&env, "logs/closed/app.log", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
    // Taken away again: what is open stays open, what is new waits.
    set_mode(&env, "logs/closed", 0o000);
    append(&env, "logs/app.log", &failure(4));
    assert_eq!(daemon.numbers(1), [4]);
    assert!(daemon.stop().success());
    let log = daemon.drain_log();
    assert!(log.contains("permission denied"), "{log}");
}

#[test]
fn a_file_that_may_no_longer_be_read_is_read_on_through_its_descriptor() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = unprivileged(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    // Opened by its owner before, as a logger has it.
    use std::io::Write;
    let mut logger = fs::OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    set_mode(&env, "logs/app.log", 0o000);
    logger.write_all(failure(2).as_bytes()).unwrap();
    assert_eq!(daemon.numbers(1), [2]);
}

/// logrotate makes the new file for root alone and gives it away a moment later.
#[test]
fn a_new_file_that_is_given_away_a_moment_later() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = unprivileged(&env, &["logs/*.log"]);
    for n in 0..5 {
        rename(&env, "logs/app.log", &format!("logs/app.log.{n}"));
        env.write("logs/app.log", "");
        set_mode(&env, "logs/app.log", 0o000);
        append(&env, &format!("logs/app.log.{n}"), &failure(2 * n));
        assert_eq!(daemon.numbers(1), [2 * n]);
        set_mode(&env, "logs/app.log", 0o644);
        append(&env, "logs/app.log", &failure(2 * n + 1));
        assert_eq!(daemon.numbers(1), [2 * n + 1]);
    }
}
