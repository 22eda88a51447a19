//! `run` finds files, notices what is written to them, and leaves alone what is not for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number, rename, run};

#[test]
fn appended_lines_become_events_and_older_ones_do_not() {
    let env = Env::new();
    env.write("logs/app.log", ["nothing here\n".to_owned(), failure(1)].concat());
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(2));
    let event = daemon.event();
    assert_eq!(number(&event), 2);
    assert_eq!(event["code"], "ACQ.TRADE_HAS_SUCCESS");
    assert_eq!(event["source"]["path"], "logs/app.log");
    assert_eq!(event["source"]["line"], 3);
    assert_eq!(event["source"]["offset"], 13 + failure(1).len());
    append(&env, "logs/app.log", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
}

#[test]
fn from_start_reads_what_is_there() {
    let env = Env::new();
    env.write("logs/app.log", failure(1));
    assert_eq!(run(&env, &["--from-start", "logs/*.log"]).numbers(1), [1]);
}

#[test]
fn new_files_and_directories_are_read_from_their_first_byte() {
    let env = Env::new();
    env.write("logs/old.log", failure(0));
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/new.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    append(&env, "logs/a/b/deep.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    append(&env, "logs/a/b/deep.log", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
}

#[test]
fn a_path_that_is_missing_is_said_once_and_read_when_it_appears() {
    let env = Env::new();
    let mut daemon = run(&env, &["later/app.log"]);
    append(&env, "later/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    daemon.stop();
    let log = daemon.drain_log();
    assert_eq!(log.matches("nothing there yet").count(), 1, "{log}");
}

#[test]
fn a_line_in_pieces_is_one_event() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    let line = failure(1);
    append(&env, "logs/app.log", &line[..20]);
    append(&env, "logs/app.log", &line[20..90]);
    append(&env, "logs/app.log", &line[90..]);
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(2), [1, 2]);
}

#[test]
fn after_a_rename_the_old_file_is_read_to_its_end() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs/*.log"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    rename(&env, "logs/app.log", "logs/app.log.1");
    append(&env, "logs/app.log", &failure(2));
    append(&env, "logs/app.log.1", &failure(3));
    let mut seen = daemon.numbers(2);
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
    fs::create_dir(env.path("elsewhere")).unwrap();
    rename(&env, "logs/app.log.1", "elsewhere/app.log.2");
    append(&env, "elsewhere/app.log.2", &failure(4));
    assert_eq!(daemon.numbers(1), [4]);
}

#[test]
fn a_rename_inside_the_source_reads_nothing_again() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    rename(&env, "logs/app.log", "logs/app.log.1");
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    append(&env, "logs/app.log.1", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_deleted_file_is_read_to_its_end_through_the_open_handle() {
    use std::io::Write;
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    let mut writer = fs::OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    fs::remove_file(env.path("logs/app.log")).unwrap();
    writer.write_all(failure(1).as_bytes()).unwrap();
    assert_eq!(daemon.numbers(1), [1]);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(2), [1, 2]);
    env.write("logs/app.log", failure(3));
    let event = daemon.event();
    assert_eq!((number(&event), event["source"]["line"].as_u64()), (3, Some(1)));
}

#[test]
fn a_file_replaced_by_a_longer_one_in_place_is_read_from_its_beginning() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    let longer: String = (2..7).map(failure).collect();
    env.write("logs/app.log", longer);
    assert_eq!(daemon.numbers(5), [2, 3, 4, 5, 6]);
}

#[test]
fn what_is_no_regular_file_is_left_alone() {
    let env = Env::new();
    env.write("logs/app.log", "");
    env.pipe("logs/pipe.log");
    std::os::unix::fs::symlink(env.path("logs"), env.path("logs/loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(env.path("logs/socket.log")).unwrap();
    env.write("logs/app.log.2.gz", failure(9));
    let mut daemon = run(&env, &["--from-start", "logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn its_own_output_is_not_read() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let out = fs::File::create(env.path("logs/out.jsonl")).unwrap();
    let mut command = command(&env, &["--from-start", "logs", "--state", "logs/state"]);
    command.stdout(out);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(&env, "logs/app.log", &failure(1));
    let lines = || fs::read_to_string(env.path("logs/out.jsonl")).unwrap().lines().count();
    eventually("the event is written", || lines() == 1);
    append(&env, "logs/app.log", &failure(2));
    eventually("the next one is", || lines() >= 2);
    assert!(daemon.stop().success());
    assert_eq!(lines(), 2);
}

/// Whoever may read everything (root) runs the daemon as somebody who may not.
#[test]
fn a_file_that_becomes_readable_is_read() {
    let env = Env::new();
    env.write("logs/app.log", "");
    fs::set_permissions(env.path("logs"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(env.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = command(&env, &["logs"]);
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        command.uid(65534).gid(65534);
    }
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    env.write("secret.log", failure(1));
    fs::set_permissions(env.path("secret.log"), fs::Permissions::from_mode(0o000)).unwrap();
    rename(&env, "secret.log", "logs/secret.log");
    daemon.wait_for_log("cannot read");
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    fs::set_permissions(env.path("logs/secret.log"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(daemon.numbers(1), [1]);
    daemon.stop();
    let log = daemon.drain_log();
    assert_eq!(log.matches("cannot read").count(), 1, "{log}");
}

#[test]
fn more_files_than_descriptors_are_all_read() {
    let env = Env::new();
    for n in 0..150 {
        env.write(&format!("logs/{n}.log"), "");
    }
    let daemon = env!("CARGO_BIN_EXE_paytriage");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("ulimit -n 64 && exec {daemon} run logs")]).current_dir(env.path("."));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    for n in 0..150 {
        append(&env, &format!("logs/{n}.log"), &failure(n));
    }
    let mut seen = daemon.numbers(150);
    seen.sort_unstable();
    assert_eq!(seen, (0..150).collect::<Vec<_>>());
    rename(&env, "logs/7.log", "logs/7.old");
    append(&env, "logs/7.old", &failure(200));
    append(&env, "logs/7.log", &failure(201));
    let mut seen = daemon.numbers(2);
    seen.sort_unstable();
    assert_eq!(seen, [200, 201]);
}
