//! Sinks that do not take events, and `outbox`: the outbox is bounded, what waits can be seen, and nothing grows.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader};

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number, rename, run, tally};

const STATE: &[&str] = &["--state", "state"];
const CONFIGURED: &[&str] = &["--config", "p.toml", "--state", "state"];

fn config(env: &Env) {
    let logs = env.path("logs/*.log");
    let source = format!("[[source]]\npaths = [\"{}\"]\nstart_at = \"beginning\"\n", logs.display());
    env.write("p.toml", format!("{source}[state]\nmax_outbox = \"1MiB\"\nmax_pinned_bytes = \"64KiB\"\n"));
}

/// A daemon whose output nobody reads.
fn blocked(env: &Env, args: &[&str]) -> (Daemon, PipeReader) {
    let mut command = command(env, args);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    (daemon, reader)
}

fn status(env: &Env) -> Value {
    let run = env.run(&[&["outbox", "status", "--format", "json"], STATE].concat()).code(0).quiet();
    serde_json::from_str(&run.stdout).unwrap()
}

/// The whole lines of a pipe whose writer has ended.
fn lines(reader: PipeReader) -> Vec<Value> {
    BufReader::new(reader).lines().map_while(|line| serde_json::from_str(&line.unwrap()).ok()).collect()
}

const MANY: usize = 3000;

#[test]
fn a_full_outbox_pauses_reading_at_its_limit_and_all_is_delivered_later() {
    let env = Env::new();
    config(&env);
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    let bytes = || status(&env)["bytes"].as_u64().unwrap();
    eventually("what was read is stored", || bytes() >= 512 << 10);
    let full = status(&env);
    assert!(full["unread_bytes"].as_u64().unwrap() > 0, "{full}");
    assert_eq!(full["used_by"], format!("process {}", daemon.pid()));
    assert_eq!((&full["sinks"][0]["name"], &full["sinks"][0]["events"]), (&"stdout".into(), &full["events"]));
    append(&env, "logs/app.log", &failure(MANY));
    assert!(daemon.stop().success());
    // What stands in the pipe (64 KiB of it) may be acknowledged at any moment, also between the look and the stop.
    assert!((448 << 10..=1 << 20).contains(&bytes()), "it grew to {}", bytes());

    let mut seen = tally(lines(reader).iter().map(number));
    let first = seen.len();
    let mut daemon = run(&env, CONFIGURED);
    let mut repeated = 0;
    while seen.len() <= MANY {
        let times = seen.entry(number(&daemon.event())).or_default();
        *times += 1;
        repeated += usize::from(*times > 1);
    }
    assert!(daemon.stop().success());
    // What stood in the pipe was acknowledged although the sink was stuck behind it.
    assert!(first > 0 && repeated == 0, "{repeated} of {first} came again");
    assert!(daemon.rest().is_empty());
    assert_eq!(status(&env)["events"], 0);
}

#[test]
fn what_is_truncated_unread_while_reading_is_paused_is_reported_although_it_stops_before_reading_goes_on() {
    let env = Env::new();
    config(&env);
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    env.write("logs/app.log", failure(MANY));
    let log = daemon.wait_for_log("could not be read");
    assert!(log.contains("reason=\"truncated\"") || log.contains("reason=truncated"), "{log}");
    assert!(daemon.stop().success());
    let before = lines(reader);
    let mut daemon = run(&env, CONFIGURED);
    let is_gap = |event: &Value| event["code"] == "PT.GAP";
    while !is_gap(&daemon.event()) {}
    assert!(!before.iter().any(is_gap), "it waited behind the others");
    assert!(daemon.stop().success());
}

#[test]
fn what_was_written_is_not_written_again_after_a_sigkill_behind_a_stuck_reader() {
    let env = Env::new();
    config(&env);
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    let in_pipe = || MANY as u64 - status(&env)["events"].as_u64().unwrap();
    let mut before = in_pipe();
    // Acknowledged as far as it will be: two looks say the same.
    eventually("acknowledging comes to rest", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = in_pipe();
        std::mem::replace(&mut before, now) == now
    });
    daemon.signal("KILL");
    daemon.wait();
    let first = tally(lines(reader).iter().map(number));
    let mut daemon = run(&env, CONFIGURED);
    let next = number(&daemon.event());
    assert_eq!(first.len(), next, "the first one that is delivered now is the one after the last");
}

#[test]
fn a_copy_made_before_a_sigkill_holds_what_was_not_read_before_the_truncation() {
    let env = Env::new();
    config(&env);
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    fs::copy(env.path("logs/app.log"), env.path("logs/app.log.1")).unwrap();
    // Its birth is long seen when the daemon ends: only the truncation says that it matters.
    let birth = env.path("logs/app.log.1").metadata().unwrap().created().unwrap();
    let stored =
        || env.path("state").read_dir().unwrap().filter_map(|file| file.ok()?.metadata().ok()?.modified().ok());
    let long_ago = birth + std::time::Duration::from_secs(1);
    eventually("the copy is a second old", || std::time::SystemTime::now() > long_ago);
    append(&env, "logs/other.log", &failure(MANY));
    eventually("positions are stored after that", || stored().any(|at| at > long_ago));
    daemon.signal("KILL");
    daemon.wait();
    env.write("logs/app.log", failure(MANY + 1));

    let mut seen = tally(lines(reader).iter().map(number));
    let mut daemon = run(&env, CONFIGURED);
    while seen.len() < MANY + 2 {
        *seen.entry(number(&daemon.event())).or_default() += 1;
    }
    assert!(daemon.stop().success());
    let repeated = seen.values().filter(|&&times| times > 1).count();
    assert!(repeated == 0 && daemon.rest().is_empty(), "{repeated} came again");
}

#[test]
fn deleted_files_are_let_go_when_they_hold_too_much_and_that_is_reported() {
    let env = Env::new();
    config(&env);
    let size: usize = (0..MANY).map(|n| failure(n).len()).sum();
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    // Room that was reserved for more lines is nothing lost.
    let file = fs::OpenOptions::new().write(true).open(env.path("logs/app.log")).unwrap();
    file.set_len(size as u64 + (4 << 20)).unwrap();
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    fs::remove_file(env.path("logs/app.log")).unwrap();
    let log = daemon.wait_for_log("could not be read");
    assert!(log.contains("reason=\"deleted\"") || log.contains("reason=deleted"), "{log}");
    assert!(daemon.stop().success());
    let before = lines(reader).len();
    let mut daemon = run(&env, CONFIGURED);
    let gap = loop {
        let event = daemon.event();
        if event["code"] == "PT.GAP" {
            break event;
        }
    };
    let excerpt = gap["excerpt"].as_str().unwrap();
    assert!(
        excerpt.starts_with("reason=deleted from=") && excerpt.contains(&format!(" to={size} bytes=")),
        "{excerpt}"
    );
    assert!(gap["source"]["path"].as_str().unwrap().ends_with("logs/app.log") && before > 0, "{gap}");
    assert!(daemon.stop().success());
}

#[test]
fn what_was_not_read_of_a_deleted_file_is_reported_by_the_next_run_unless_a_copy_has_it() {
    enum Fate {
        Deleted,
        Moved,
        Copied,
    }
    use Fate::{Copied, Deleted, Moved};
    for (signal, fate) in
        [("TERM", Deleted), ("KILL", Deleted), ("TERM", Moved), ("KILL", Moved), ("TERM", Copied), ("KILL", Copied)]
    {
        let is_copied = matches!(fate, Copied);
        let env = Env::new();
        config(&env);
        let file = fs::read_to_string(env.path("p.toml")).unwrap().replace("max_pinned_bytes = \"64KiB\"\n", "");
        env.write("p.toml", file).write("logs/app.log", (0..MANY).map(failure).collect::<String>());
        let (mut daemon, reader) = blocked(&env, CONFIGURED);
        daemon.wait_for_log("the outbox is full");
        if is_copied {
            fs::copy(env.path("logs/app.log"), env.path("logs/app.log.1")).unwrap();
        }
        if matches!(fate, Moved) {
            fs::create_dir(env.path("else")).unwrap();
            rename(&env, "logs/app.log", "else/app.log");
        } else {
            fs::remove_file(env.path("logs/app.log")).unwrap();
        }
        let state = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
        let stored = "SELECT EXISTS (SELECT 1 FROM file WHERE unread_to IS NOT NULL)";
        eventually("what is unread is stored", || state.query_row(stored, [], |row| row.get(0)).unwrap());
        daemon.signal(signal);
        daemon.wait();
        let mut seen = tally(lines(reader).iter().map(number));
        let mut daemon = run(&env, CONFIGURED);
        let is_all = |seen: &std::collections::HashMap<usize, usize>| seen.len() == MANY;
        let gap = loop {
            if is_all(&seen) {
                break None;
            }
            let event = daemon.event();
            if event["code"] == "PT.GAP" {
                break Some(event["excerpt"].as_str().unwrap().to_owned());
            }
            seen.entry(number(&event)).or_default();
        };
        let size: usize = (0..MANY).map(|n| failure(n).len()).sum();
        match gap {
            None => assert!(is_copied, "{signal}: it was deleted"),
            Some(gap) => {
                assert!(!is_copied && gap.starts_with("reason=unreachable from="), "{signal}: {gap}");
                assert!(gap.contains(&format!(" to={size} bytes=")), "{gap}");
            }
        }
        assert!(daemon.stop().success());
        // It is told once.
        let mut left = daemon.rest();
        let mut daemon = run(&env, CONFIGURED);
        append(&env, "logs/other.log", &failure(MANY));
        loop {
            left.push(daemon.event());
            if left.last().is_some_and(|event| event["ids"]["out_trade_no"] == format!("N{MANY:06}")) {
                break;
            }
        }
        assert!(left.iter().all(|event| event["code"] != "PT.GAP"), "{signal} {is_copied}: {left:?}");
        assert!(daemon.stop().success());
    }
}

#[test]
fn what_waits_can_be_listed_and_dropped_and_the_drop_is_reported() {
    let env = Env::new();
    config(&env);
    env.write("logs/app.log", (0..MANY).map(failure).collect::<String>());
    let (mut daemon, reader) = blocked(&env, CONFIGURED);
    daemon.wait_for_log("the outbox is full");
    let run_outbox = |args: &[&str]| env.run(&[&["outbox"], args, STATE].concat());
    eventually("what it has read is stored", || status(&env)["events"].as_u64() > Some(250));
    let listed = run_outbox(&["list", "--limit", "3", "--format", "json"]).code(0).events();
    assert_eq!(listed.len(), 3);
    assert_eq!(number(&listed[2]), number(&listed[0]) + 2);
    let pretty = run_outbox(&["list", "--limit", "250"]).code(0).stdout;
    assert!(pretty.lines().count() == 250 && pretty.contains("ACQ.TRADE_HAS_SUCCESS"), "{pretty}");
    let people = run_outbox(&["status", "--config", "p.toml"]).code(0).quiet().stdout;
    assert!(people.contains("of 1.0 MiB") && people.contains("sink    stdout: "), "{people}");
    let refused = run_outbox(&["drop", "--yes"]).code(2).stderr;
    assert!(refused.contains("in use by another paytriage") && refused.contains("stop the daemon"), "{refused}");
    assert!(daemon.stop().success());
    drop(reader);

    let waiting = status(&env)["events"].as_u64().unwrap();
    let asked = run_outbox(&["drop"]).code(2).stderr;
    assert!(asked.starts_with(&format!("{waiting} events (")) && asked.contains("--yes"), "{asked}");
    assert_eq!(status(&env)["events"], waiting);
    let told = run_outbox(&["drop", "--yes"]).code(0).quiet().stdout;
    assert!(told.starts_with(&format!("stdout: {waiting} events (")) && told.contains("were dropped"), "{told}");
    assert!(run_outbox(&["drop"]).code(2).stderr.starts_with("0 events"));
    // The next daemon tells it.
    let mut next = run(&env, CONFIGURED);
    let told = next.event();
    assert_eq!(told["code"], "PT.DROPPED", "{told}");
    let facts = told["excerpt"].as_str().unwrap();
    assert!(facts.starts_with(&format!("sink=stdout events={waiting} bytes=")), "{facts}");
    assert!(next.stop().success());
}

#[test]
fn a_state_that_is_not_there_or_not_named() {
    let env = Env::new();
    let nothing = env.run(&["outbox", "status", "--state", "state"]).code(0).quiet().stdout;
    assert!(nothing.contains("outbox  0 events"), "{nothing}");
    assert!(
        env.run(&["outbox", "drop", "--yes", "--state", "state"]).code(2).stderr.contains("no such state directory")
    );
}
