//! `run --state` when the disk is full, fails or lies, and when the state is damaged: nothing lost, nothing silent.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, exactly_once, failure, number, run, tally};
use crate::run_control::{free_address, request};
use crate::shim;

const ARGS: &[&str] = &["logs/*.log", "--from-start", "--state", "state"];

pub const HTTP_ARGS: &[&str] = &["--config", "p.toml", "--state", "state"];

/// Writes a configuration with the same source, and an address for HTTP, which is returned.
pub fn configure_http(env: &Env) -> SocketAddr {
    let address = free_address();
    let source = format!("[[source]]\npaths = [\"{}\"]\nstart_at = \"beginning\"\n", env.path("logs").display());
    env.write("p.toml", format!("{source}poll_interval = \"200ms\"\n[http]\nlisten = \"{address}\"\n"));
    address
}

fn with_http(env: &Env) -> (Daemon, SocketAddr) {
    let address = configure_http(env);
    (run(env, HTTP_ARGS), address)
}

fn code(event: &Value) -> &str {
    event["code"].as_str().unwrap()
}

/// Names in the state directory of databases that were set aside.
fn set_aside(env: &Env) -> Vec<String> {
    let names = fs::read_dir(env.path("state")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".db.bad-") && !name.ends_with("-wal") && !name.ends_with("-shm")).collect()
}

#[test]
fn state_that_is_empty_or_another_programs_at_the_start_is_reported() {
    for (other_tables, kept_as) in [("", "nothing missing_since="), ("CREATE TABLE other (x)", "paytriage.db.bad-")] {
        let env = Env::new();
        env.write("logs/app.log", failure(0));
        let mut daemon = run(&env, ARGS);
        daemon.event();
        assert!(daemon.stop().success());
        let database = env.path("state/paytriage.db");
        fs::remove_file(&database).unwrap();
        env.write("state/paytriage.db", "");
        rusqlite::Connection::open(&database).unwrap().execute_batch(other_tables).unwrap();
        let mut daemon = run(&env, ARGS);
        let excerpt = |event: Value| event["excerpt"].as_str().unwrap().to_owned();
        let told: Vec<_> = (0..2).map(|_| excerpt(daemon.event())).collect();
        assert!(told.iter().any(|excerpt| excerpt.starts_with(&format!("kept_as={kept_as}"))), "{told:?}");
        assert!(daemon.stop().success());
    }
}

#[test]
fn a_damaged_database_is_set_aside_and_reported_once_and_what_is_read_again_has_the_same_ids() {
    let env = Env::new();
    env.write("logs/app.log", [failure(0), failure(1)].concat());
    let mut daemon = run(&env, ARGS);
    let ids = |events: Vec<Value>| -> BTreeMap<usize, String> {
        events.iter().map(|event| (number(event), event["id"].as_str().unwrap().to_owned())).collect()
    };
    let before = ids(vec![daemon.event(), daemon.event()]);
    assert!(daemon.stop().success());

    let database = env.path("state/paytriage.db");
    let length = fs::metadata(&database).unwrap().len();
    fs::write(&database, vec![0x5a; length as usize]).unwrap();
    let mut daemon = Daemon::spawn(command(&env, ARGS));
    let log = daemon.wait_for_log("it was set aside");
    let aside = set_aside(&env);
    assert!(aside.len() == 1 && log.contains(&aside[0]), "{aside:?}: {log}");
    let (own, read): (Vec<_>, Vec<_>) =
        (0..3).map(|_| daemon.event()).partition(|event| code(event) == "PT.STATE_LOST");
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(
        (&own[0]["provider"], &own[0]["excerpt"]),
        (&"paytriage".into(), &format!("kept_as={}", aside[0]).into())
    );
    assert_eq!(ids(read), before);
    assert!(daemon.stop().success());

    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn what_was_given_up_just_before_a_crash_is_told_at_the_next_start_and_once() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let mut daemon = run(&env, ARGS);
    daemon.event();
    assert!(daemon.stop().success());
    // As it is where the process ended between giving something up and telling of it.
    let database = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    let losses = "INSERT INTO loss (sink, reason, kind, at_most, rows, bytes, last_seq) VALUES ('away', 'expired', 0, 0, 3, 21, 7); \
                  INSERT INTO loss (sink, letter, reason) VALUES ('away', 'msg_1', 'HTTP 400'); \
                  INSERT INTO loss (sink, reason, kind, at_most, rows, bytes, last_seq) VALUES ('away', 'expired', 0, 0, 4, 30, 11)";
    database.execute_batch(losses).unwrap();
    drop(database);

    let mut daemon = run(&env, ARGS);
    let told: Vec<_> =
        (0..2).map(|_| daemon.event()).map(|event| event["excerpt"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["sink=away events=7 bytes=51 reason=expired", "sink=away row=msg_1 reason=\"HTTP 400\""]);
    assert!(daemon.stop().success());
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());
}

/// What somebody may do to the state of a running daemon: a name, and a shell command.
const DELETIONS: &[(&str, &str)] = &[
    ("everything in it", "rm -rf state/*"),
    ("the database", "rm state/paytriage.db*"),
    ("the database without its side files", "rm state/paytriage.db"),
    ("the log", "rm state/paytriage.db-wal"),
    ("the index of the log", "rm state/paytriage.db-shm"),
    ("the directory", "rm -rf state"),
    ("renamed", "mv state old"),
];

fn shell(env: &Env, command: &str) {
    assert!(
        Command::new("sh").args(["-c", command]).current_dir(env.path("")).status().unwrap().success(),
        "{command}"
    );
}

#[test]
fn state_that_is_deleted_under_it_is_written_anew_and_nothing_is_lost_or_repeated() {
    for (what, deletion) in DELETIONS {
        println!("deleted: {what}");
        let env = Env::new();
        env.write("logs/app.log", failure(0)).write("logs/idle.log", failure(1));
        let mut daemon = run(&env, ARGS);
        let mut first = daemon.numbers(2);
        first.sort_unstable();
        assert_eq!(first, [0, 1]);
        for round in 1..3 {
            shell(&env, &format!("rm -rf old; {deletion}"));
            append(&env, "logs/app.log", &[failure(2 * round), failure(2 * round + 1)].concat());
            assert_eq!(daemon.numbers(2), [2 * round, 2 * round + 1]);
            daemon.wait_for_log("it was written anew");
        }
        // What the sink has told is stored too.
        all_delivered(&env);
        let second = command(&env, ARGS).output().unwrap();
        let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(stderr.contains(&format!("in use by another paytriage (process {})", daemon.pid())), "{stderr}");
        daemon.signal("KILL");
        daemon.wait();
        assert!(daemon.rest().is_empty());

        append(&env, "logs/app.log", &failure(6));
        exactly_once(run(&env, ARGS), [6]);
        assert!(set_aside(&env).is_empty());
        assert!(!env.path("state/paytriage.db.new").exists());
    }
}

fn status(env: &Env) -> String {
    let output = env.command(&["outbox", "status", "--state", "state"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until it is stored that the sink has everything.
fn all_delivered(env: &Env) {
    eventually("nothing waits", || status(env).contains("outbox  0 events"));
}

#[test]
fn events_that_wait_outlive_the_deletion_of_the_state_also_when_nothing_is_written_any_more() {
    let env = Env::new();
    env.write("logs/app.log", "");
    configure_http(&env);
    let mut command = command(&env, HTTP_ARGS);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    // More than a pipe holds that nobody reads.
    append(&env, "logs/app.log", &(0..500).map(failure).collect::<String>());
    eventually("all are stored", || status(&env).contains("files   1 known, 0 bytes not read"));
    shell(&env, "rm -rf state");
    daemon.wait_for_log("it was written anew");
    assert!(daemon.stop().success());
    drop(daemon);
    let lines = std::io::BufRead::lines(std::io::BufReader::new(reader));
    let first: Vec<Value> = lines.map_while(|line| serde_json::from_str(&line.unwrap()).ok()).collect();
    let mut seen = tally(first.iter().map(number));
    assert!(seen.len() < 500);
    let mut daemon = run(&env, ARGS);
    while seen.len() < 500 {
        *seen.entry(number(&daemon.event())).or_default() += 1;
    }
    assert!(daemon.stop().success());
}

#[test]
fn a_database_put_in_place_of_the_one_in_use_is_set_aside_and_reported() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let mut daemon = run(&env, ARGS);
    assert_eq!(daemon.numbers(1), [0]);
    assert!(daemon.stop().success());
    shell(&env, "cp state/paytriage.db backup");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    shell(&env, "rm state/paytriage.db* && cp backup state/paytriage.db");
    append(&env, "logs/app.log", &failure(2));
    let (own, read): (Vec<_>, Vec<_>) =
        [daemon.event(), daemon.event()].into_iter().partition(|event| code(event) == "PT.STATE_LOST");
    assert_eq!(read.iter().map(number).collect::<Vec<_>>(), [2]);
    let aside = set_aside(&env);
    assert!(aside.len() == 1, "{aside:?}");
    assert_eq!(own[0]["excerpt"], format!("kept_as={}", aside[0]));
    assert_eq!(fs::read(env.path("state").join(&aside[0])).unwrap(), fs::read(env.path("backup")).unwrap());
    all_delivered(&env);
    daemon.signal("KILL");
    daemon.wait();
    append(&env, "logs/app.log", &failure(3));
    exactly_once(run(&env, ARGS), [3]);
}

#[test]
fn a_state_directory_that_cannot_be_made_again_leaves_it_alive_and_not_ready_and_nothing_is_lost() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let (mut daemon, address) = with_http(&env);
    assert_eq!(daemon.numbers(1), [0]);
    shell(&env, "rm -rf state && touch state");
    append(&env, "logs/app.log", &failure(1));
    let log = daemon.wait_for_log("cannot write the state");
    assert!(log.contains("state directory") && log.contains("os error"), "{log}");
    assert!(request(address, "GET", "/readyz").contains("state cannot be written"));
    shell(&env, "rm state");
    daemon.wait_for_log("state can be written again");
    assert_eq!(daemon.numbers(1), [1]);
    eventually("it is ready again", || request(address, "GET", "/readyz").starts_with("HTTP/1.1 200"));
    exactly_once(daemon, []);
}

#[test]
fn an_instance_that_took_the_path_while_the_lock_was_deleted_is_left_alone() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let (mut first, address) = with_http(&env);
    assert_eq!(first.numbers(1), [0]);
    first.freeze();
    shell(&env, "rm -rf state/*");
    let mut second = run(&env, ARGS);
    assert_eq!(second.numbers(1), [0]);
    first.thaw();
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(second.numbers(1), [1]);
    let log = first.wait_for_log("cannot write the state");
    assert!(log.contains(&format!("in use by another paytriage (process {})", second.pid())), "{log}");
    assert!(request(address, "GET", "/readyz").contains("state cannot be written"));
    // What the second one stores is not touched.
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(second.numbers(1), [2]);
    assert!(second.stop().success());
    first.wait_for_log("it was written anew");
    let mut seen: Vec<_> = (0..3).map(|_| first.event()).collect();
    seen.retain(|event| code(event) != "PT.STATE_LOST");
    assert_eq!(seen.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(set_aside(&env).len(), 1);
    exactly_once(first, []);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_with_the_reason() {
    let env = Env::new();
    env.write("logs/app.log", "").write("file", "");
    let output = command(&env, &["logs", "--state", "file/state"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("file/state") && stderr.contains("os error 20") && stderr.contains("--state"), "{stderr}");
}

/// Runs the daemon with a small file system of its own at `state`. `None`, and a word about it, where that is not
/// possible.
fn on_tmpfs(env: &Env, options: &str, args: &[&str]) -> Option<Daemon> {
    let possible = Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: needs `unshare -Urm` (unprivileged user namespaces) for a file system of its own");
        return None;
    }
    fs::create_dir_all(env.path("state")).unwrap();
    let mount = format!("mount -t tmpfs -o {options} none state && exec \"$@\"");
    let inner = command(env, args);
    let mut outer = Command::new("unshare");
    outer.args(["-Urm", "sh", "-c", &mount, "sh"]).arg(inner.get_program()).args(inner.get_args());
    outer.current_dir(env.path("")).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(Daemon::spawn(outer))
}

#[test]
fn a_read_only_state_directory_is_named_with_the_reason() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let Some(mut daemon) = on_tmpfs(&env, "ro", ARGS) else { return };
    let log = daemon.wait_for_log("state directory");
    assert!(log.contains("Read-only file system (os error 30)") && log.contains("--state"), "{log}");
    assert_eq!(daemon.wait().code(), Some(1));
}

#[test]
fn a_full_disk_leaves_it_alive_and_not_ready_until_there_is_room() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let address = configure_http(&env);
    let Some(mut daemon) = on_tmpfs(&env, "size=2m", HTTP_ARGS) else { return };
    assert_eq!(daemon.numbers(1), [0]);
    // The file system is the daemon's alone; this is how others see it.
    let state = format!("/proc/{}/root{}", daemon.pid(), env.path("state").display());
    let filler = format!("{state}/filler");
    fs::write(&filler, vec![0; 4 << 20]).unwrap_err();
    let mut n = 1;
    while !daemon.drain_log().contains("cannot write the state") {
        append(&env, "logs/app.log", &failure(n));
        n += 1;
        // Room that SQLite has already is used up first.
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(n < 10_000, "{}", daemon.drain_log());
    }
    assert!(request(address, "GET", "/readyz").contains("state cannot be written"));
    assert!(request(address, "GET", "/healthz").starts_with("HTTP/1.1 200"));
    append(&env, "logs/app.log", &failure(n));
    fs::remove_file(filler).unwrap();
    daemon.wait_for_log("state can be written again");
    let seen = tally(daemon.numbers(n));
    assert!(seen.len() == n && seen.values().all(|times| *times == 1), "{seen:?}");
    assert!(request(address, "GET", "/readyz").starts_with("HTTP/1.1 200"));
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

fn with_sync_that_fails(env: &Env) -> (Daemon, SocketAddr) {
    let address = configure_http(env);
    let mut command = command(env, HTTP_ARGS);
    shim::preload(env, shim::SYNC, &mut command);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    (daemon, address)
}

#[test]
fn a_stop_while_the_state_cannot_be_written_tries_a_last_time() {
    for is_mended in [true, false] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let (mut daemon, address) = with_sync_that_fails(&env);
        env.write("broken", "");
        append(&env, "logs/app.log", &[failure(0), failure(1)].concat());
        let tries = || request(address, "GET", "/metrics").contains("paytriage_commit_errors_total 3\n");
        eventually("it is tried again", tries);
        if is_mended {
            fs::remove_file(env.path("broken")).unwrap();
        }
        assert!(daemon.stop().success());
        let log = daemon.drain_log();
        assert_eq!(log.matches("cannot write the state").count(), 1, "{log}");
        assert_eq!(log.contains("state can be written again"), is_mended, "{log}");
        assert_eq!(log.contains("ended without storing"), !is_mended, "{log}");
        // A commit whose sync failed may be stored all the same.
        let delivered: Vec<_> = daemon.rest().iter().map(number).collect();
        assert!(delivered == [0, 1] || (!is_mended && delivered.is_empty()), "{delivered:?}");
        append(&env, "logs/app.log", &failure(2));
        exactly_once(run(&env, HTTP_ARGS), (0..3).filter(|n| !delivered.contains(n)));
    }
}

#[test]
fn a_sync_that_fails_repeats_and_loses_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let (mut daemon, _) = with_sync_that_fails(&env);
    let mut wanted = Vec::new();
    for round in 0..3 {
        env.write("broken", "");
        append(&env, "logs/app.log", &[failure(2 * round), failure(2 * round + 1)].concat());
        daemon.wait_for_log("cannot write the state");
        fs::remove_file(env.path("broken")).unwrap();
        daemon.wait_for_log("state can be written again");
        wanted.extend([2 * round, 2 * round + 1]);
    }
    assert_eq!(daemon.numbers(wanted.len()), wanted);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_line_that_is_cut_is_reported() {
    let env = Env::new();
    env.write("logs/app.log", [failure(0), format!("x{}\n", "y".repeat(3 << 20)), failure(1)].concat());
    let mut daemon = run(&env, ARGS);
    let events: Vec<_> = (0..3).map(|_| daemon.event()).collect();
    let (own, read): (Vec<_>, Vec<_>) = events.iter().partition(|event| code(event) == "PT.LINE_CUT");
    assert_eq!(read.into_iter().map(number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!((&own[0]["source"]["line"], &own[0]["source"]["offset"]), (&2.into(), &failure(0).len().into()));
}
