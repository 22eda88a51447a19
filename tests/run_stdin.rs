//! `run -` follows standard input until its end, and finishes its work.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, failure, number, tally};

/// A daemon, and what it reads.
fn start(mut command: Command) -> (Daemon, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdin(reader);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    (daemon, writer)
}

#[test]
fn events_come_while_it_is_written_and_the_end_of_it_is_a_good_end() {
    let env = Env::new();
    let (mut daemon, mut input) = start(command(&env, &["-"]));
    input.write_all(failure(1).as_bytes()).unwrap();
    let event = daemon.event();
    let source = &event["source"];
    assert_eq!((number(&event), &source["name"], &source["path"]), (1, &"stdin".into(), &"-".into()));
    assert_eq!((&source["line"], &source["offset"]), (&1.into(), &0.into()));
    // The last line has no end.
    input.write_all((failure(2) + failure(3).trim_end()).as_bytes()).unwrap();
    assert_eq!(daemon.numbers(1), [2]);
    drop(input);
    assert_eq!(daemon.numbers(1), [3]);
    assert!(daemon.wait().success());
    assert!(daemon.drain_log().contains("standard input has ended"));
}

#[test]
fn however_much_it_is_all_of_it_is_reported_before_the_end() {
    let env = Env::new();
    const MANY: usize = 4000;
    let mut command = command(&env, &["-"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin: ChildStdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || (0..MANY).for_each(|n| stdin.write_all(failure(n).as_bytes()).unwrap()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let events = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(tally(events.map(|event| number(&event))), tally(0..MANY));
}

#[test]
fn what_cannot_be_read_is_no_end() {
    let env = Env::new();
    let directory = std::fs::File::open(env.path(".")).unwrap();
    let output = command(&env, &["-"]).stdin(directory).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard input cannot be read any more"));
}

#[test]
fn another_run_reads_something_else() {
    let env = Env::new();
    let id = || {
        let (mut daemon, mut input) = start(command(&env, &["-", "--state", "state"]));
        input.write_all(failure(1).as_bytes()).unwrap();
        drop(input);
        let id = daemon.event()["id"].clone();
        assert!(daemon.wait().success());
        id
    };
    assert_ne!(id(), id());
}

#[test]
fn besides_files_its_end_is_not_the_end() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let (mut daemon, mut input) = start(command(&env, &["-", "logs"]));
    input.write_all(failure(1).as_bytes()).unwrap();
    assert_eq!(daemon.numbers(1), [1]);
    drop(input);
    daemon.wait_for_log("standard input has ended");
    append(&env, "logs/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    assert!(daemon.stop().success());
}

#[test]
fn what_was_read_is_reported_when_it_is_asked_to_end() {
    let env = Env::new();
    let (mut daemon, mut input) = start(command(&env, &["-"]));
    // The middle of a record, which would be waited for.
    input.write_all((failure(1) + "\tat com.shop.Pay.run(Pay.java:7)\n").as_bytes()).unwrap();
    input.write_all(failure(2).as_bytes()).unwrap();
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());
    assert_eq!(daemon.rest().iter().map(number).collect::<Vec<_>>(), [2]);
}
