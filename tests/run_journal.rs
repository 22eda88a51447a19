//! The systemd journal as a source: its entries become events, each once, whoever is killed, and what was vacuumed is told.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, command, eventually, exactly_once, failure, number, run, tally};
use crate::journal::{Journal, line, record};

const CONFIGURED: &[&str] = &["--config", "p.toml", "--state", "state"];
const FROM_START: &[&str] = &["--config", "p.toml", "--state", "state", "--from-start"];
const UNITS: &str = "[\"shop.service\", \"till@*.service\"]";

fn write_failures(journal: &mut Journal, numbers: std::ops::Range<usize>) {
    let texts: Vec<String> = numbers.map(failure).collect();
    let entries: Vec<_> = texts.iter().map(|text| line("shop.service", "7", text)).collect();
    journal.write_all(&entries.iter().map(|entry| entry.as_slice()).collect::<Vec<_>>());
}

fn children(pid: u32) -> Vec<u32> {
    let pids = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut all: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    // The thread that starts a child is its parent.
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let pids = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(pids.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn entries_of_its_units_become_events_and_no_others() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "labels = { env = \"prod\" }\n");
    journal.write(&line("shop.service", "7", &failure(1)));
    let mut daemon = run(&env, CONFIGURED);
    journal.write(&line("web.service", "8", &failure(2)));
    journal.write(&[
        ("SYSLOG_IDENTIFIER", b"paytriage".as_slice()),
        ("_SYSTEMD_UNIT", b"shop.service"),
        ("MESSAGE", failure(3).as_bytes()),
    ]);
    journal.write(&[
        ("_COMM", b"paytriage".as_slice()),
        ("_SYSTEMD_UNIT", b"shop.service"),
        ("MESSAGE", failure(4).as_bytes()),
    ]);
    journal.write(&line("till@3.service", "9", &failure(5)));
    let event = daemon.event();
    assert_eq!(number(&event), 5);
    let source = &event["source"];
    assert_eq!((&source["name"], &source["path"]), (&"shop".into(), &"journal:till@3.service".into()));
    assert_eq!((&source["line"], &source["offset"], &source["host"]), (&1.into(), &0.into(), &"till-7".into()));
    assert_eq!((&source["labels"]["env"], &event["time"]), (&"prod".into(), &"2026-07-01T12:00:00Z".into()));
    exactly_once(daemon, []);
}

#[test]
fn the_same_entries_give_the_same_ids_and_a_time_where_they_have_none() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    journal.write(&record("shop.service", b"alipay refused: sub_code=ACQ.TRADE_HAS_SUCCESS out_trade_no=N000001"));
    let ids = |state: &str| {
        let mut daemon = run(&env, &["--config", "p.toml", "--state", state, "--from-start"]);
        let event = daemon.event();
        assert_eq!(event["time"], "2026-05-28T20:26:40.001Z");
        event["id"].clone()
    };
    assert_eq!(ids("one"), ids("two"));
}

#[test]
fn a_message_of_several_lines_and_any_bytes_is_one_record() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let (gbk, ..) = encoding_rs::GBK.encode(
        "ERROR 支付失败\nalipay 2026-07-01 12:00:00\nsub_code=ACQ.TRADE_HAS_SUCCESS\nout_trade_no=N000001 \u{1}",
    );
    journal.write(&record("shop.service", &gbk));
    let mut daemon = run(&env, FROM_START);
    let event = daemon.event();
    assert_eq!((number(&event), &event["encoding"]), (1, &"gbk".into()));
    let source = &event["source"];
    assert_eq!(
        (&source["line"], &source["record_first_line"], &source["record_last_line"]),
        (&3.into(), &1.into(), &4.into())
    );
}

#[test]
fn stack_traces_of_processes_that_write_at_once_are_told_apart() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let mut daemon = run(&env, CONFIGURED);
    let order = |n| format!("com.alipay.api.AlipayApiException: ACQ.TRADE_HAS_SUCCESS out_trade_no=N{n:06}");
    let orders = [order(1), order(2)];
    let text = |process: usize, line: usize| match line {
        0 => "2026-07-01 12:00:00 ERROR alipay.trade.pay failed",
        1 => orders[process].as_str(),
        _ => "\tat com.shop.Pay.run(Pay.java:7)",
    };
    let lines: Vec<_> = (0..10).map(|n| line("shop.service", ["7", "8"][n % 2], text(n % 2, n / 2))).collect();
    journal.write_all(&lines.iter().map(|line| line.as_slice()).collect::<Vec<_>>());
    let events = [daemon.event(), daemon.event()];
    assert_eq!(tally(events.iter().map(number)), tally([1, 2]));
    for event in events {
        assert_eq!((&event["source"]["line"], &event["level"]), (&2.into(), &"ERROR".into()), "{event}");
    }
}

#[test]
fn whoever_is_killed_each_entry_is_an_event_once() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "[sink.stdout]\nenabled = true\n");
    let mut seen = Vec::new();
    let mut next = 0;
    let mut daemon = run(&env, CONFIGURED);
    for round in 0..8 {
        write_failures(&mut journal, next..next + 40);
        next += 40;
        match round % 4 {
            // Somewhere in between.
            0 | 2 => seen.extend((0..10).map(|_| daemon.event())),
            1 => seen.push(daemon.event()),
            _ => {}
        }
        if round == 3 {
            journal.rotate();
        }
        daemon.signal("KILL");
        daemon.wait();
        seen.extend(daemon.rest());
        daemon = run(&env, CONFIGURED);
    }
    while tally(seen.iter().map(number)).len() < next {
        seen.push(daemon.event());
    }
    assert!(daemon.stop().success());
    seen.extend(daemon.rest());
    // What was on its way when it was killed may come again with its id; it was stored once.
    let ids: std::collections::HashSet<&str> = seen.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), next);
    let db = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    let stored = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'";
    assert_eq!(db.query_row(stored, [], |row| row.get::<_, i64>(0)).unwrap(), next as i64);
}

/// The journalctl of a daemon, once it runs, and is not this one.
fn journalctl(daemon: &Daemon, former: Option<u32>) -> u32 {
    let mut found = None;
    eventually("journalctl runs", || {
        // It is another process while it looks where to begin.
        let is_it = |&pid: &u32| Some(pid) != former && is_following(pid);
        found = children(daemon.pid()).into_iter().find(is_it);
        found.is_some()
    });
    found.unwrap()
}

fn is_following(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| arguments.contains("--follow"))
}

#[test]
fn journalctl_is_started_again_and_ends_with_the_daemon() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let mut daemon = run(&env, CONFIGURED);
    write_failures(&mut journal, 0..5);
    assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    let first = journalctl(&daemon, None);
    assert!(Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap().success());
    write_failures(&mut journal, 5..9);
    daemon.wait_for_log("journalctl ended");
    daemon.wait_for_log("can be read now");
    assert_eq!(daemon.numbers(4), [5, 6, 7, 8]);
    let second = journalctl(&daemon, Some(first));
    daemon.signal("KILL");
    daemon.wait();
    eventually("journalctl is gone", || !is_following(second));
    daemon = run(&env, CONFIGURED);
    let third = journalctl(&daemon, None);
    assert!(daemon.stop().success());
    eventually("journalctl is gone", || !is_following(third));
}

#[test]
fn entries_that_were_vacuumed_unread_are_a_gap() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let mut daemon = run(&env, CONFIGURED);
    write_failures(&mut journal, 0..3);
    assert_eq!(daemon.numbers(3), [0, 1, 2]);
    assert!(daemon.stop().success());
    // Nobody was there to read these.
    write_failures(&mut journal, 3..6);
    journal.rotate();
    write_failures(&mut journal, 6..9);
    journal.vacuum();
    let mut daemon = run(&env, CONFIGURED);
    let gap = daemon.event();
    assert_eq!(gap["code"], "PT.GAP");
    let excerpt = gap["excerpt"].as_str().unwrap();
    assert!(
        excerpt.starts_with("reason=vacuumed after=2026-05-28T20:26:40.003Z until=2026-05-28T20:26:40.007Z"),
        "{excerpt}"
    );
    assert_eq!(daemon.numbers(3), [6, 7, 8]);
    assert!(daemon.stop().success());
    daemon = run(&env, CONFIGURED);
    write_failures(&mut journal, 9..10);
    exactly_once(daemon, [9]);
}

#[test]
fn a_journal_that_is_only_rotated_has_no_gap() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let mut daemon = run(&env, CONFIGURED);
    write_failures(&mut journal, 0..3);
    journal.rotate();
    write_failures(&mut journal, 3..6);
    assert_eq!(daemon.numbers(6), [0, 1, 2, 3, 4, 5]);
    assert!(daemon.stop().success());
    write_failures(&mut journal, 6..8);
    exactly_once(run(&env, CONFIGURED), [6, 7]);
}

/// A daemon whose outbox is full, because nobody reads its events, and those.
fn run_into_full_pipe(env: &Env) -> (Daemon, impl Iterator<Item = Value> + use<>) {
    let mut command = command(env, CONFIGURED);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("the outbox is full");
    (daemon, BufReader::new(reader).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()))
}

#[test]
fn a_full_outbox_makes_the_journal_wait() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "start_at = \"beginning\"\n[state]\nmax_outbox = \"1MiB\"\n");
    const MANY: usize = 3000;
    write_failures(&mut journal, 0..MANY);
    let (mut daemon, events) = run_into_full_pipe(&env);
    let status = || -> Value {
        let run = env.run(&["outbox", "status", "--format", "json", "--state", "state"]).code(0);
        serde_json::from_str(&run.stdout).unwrap()
    };
    eventually("what was read is stored", || status()["bytes"].as_u64().unwrap() >= 448 << 10);
    assert!(status()["bytes"].as_u64().unwrap() <= 1 << 20);
    let numbers: Vec<usize> = events.take(MANY).map(|event| number(&event)).collect();
    assert_eq!(numbers, (0..MANY).collect::<Vec<_>>());
    assert!(daemon.stop().success());
}

#[test]
fn what_is_vacuumed_while_reading_pauses_is_a_gap_too() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "start_at = \"beginning\"\n[state]\nmax_outbox = \"1MiB\"\n");
    const MANY: usize = 8000;
    write_failures(&mut journal, 0..MANY);
    let (mut daemon, events) = run_into_full_pipe(&env);
    journal.rotate();
    write_failures(&mut journal, MANY..MANY + 1);
    journal.vacuum();
    // So long that it asks whether anything was lost.
    std::thread::sleep(std::time::Duration::from_secs(7));
    let (mut gaps, mut numbers) = (Vec::new(), Vec::new());
    for event in events {
        match event["code"] == "PT.GAP" {
            true => gaps.push(event),
            false => numbers.push(number(&event)),
        }
        if numbers.last() == Some(&MANY) {
            break;
        }
    }
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0]["excerpt"].as_str().unwrap().starts_with("reason=vacuumed after="));
    assert!(numbers.is_sorted_by(|one, next| one < next) && numbers.len() < MANY, "{}", numbers.len());
    assert!(daemon.stop().success());
}

#[test]
fn one_that_is_empty_at_the_first_start_is_read_from_its_beginning_by_the_next() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, UNITS, "");
    let mut daemon = run(&env, CONFIGURED);
    daemon.signal("KILL");
    daemon.wait();
    write_failures(&mut journal, 0..2);
    exactly_once(run(&env, CONFIGURED), [0, 1]);
}

#[test]
fn another_plan_goes_on_where_the_journal_was_read() {
    let env = Env::new();
    let mut journal = Journal::new(&env);
    journal.config(&env, "[\"shop.service\"]", "");
    let mut daemon = run(&env, CONFIGURED);
    write_failures(&mut journal, 0..2);
    assert_eq!(daemon.numbers(2), [0, 1]);
    // Another name, and one unit more.
    let config = fs::read_to_string(env.path("p.toml")).unwrap();
    env.write(
        "p.toml",
        config.replace("name = \"shop\"", "name = \"till\"").replace("[\"shop", "[\"till@*.service\", \"shop"),
    );
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    journal.write(&line("till@1.service", "9", &failure(2)));
    let event = daemon.event();
    assert_eq!((number(&event), &event["source"]["name"]), (2, &"till".into()));
    exactly_once(daemon, []);
}

#[test]
fn a_journal_that_cannot_be_read_is_said_and_keeps_nothing_up() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let files = format!("[[source]]\npaths = [\"{}\"]\n", env.path("logs").display());
    env.write("p.toml", format!("[[source]]\njournal = {{ directory = \"{}\" }}\n{files}", env.path("none").display()));
    let mut daemon = run(&env, CONFIGURED);
    let log = daemon.drain_log();
    assert!(log.contains("No such file or directory"), "{log}");
    crate::daemon::append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    // Without journalctl.
    drop(daemon);
    let mut command = command(&env, CONFIGURED);
    command.env("PATH", env.path("bin"));
    let mut daemon = Daemon::spawn(command);
    let line = daemon.wait_for_log("journalctl was not found");
    assert!(line.contains("it comes with systemd"), "{line}");
    daemon.wait_for_log("watching");
    assert!(daemon.stop().success());
}
