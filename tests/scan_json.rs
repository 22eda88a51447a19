//! `scan --format json`: the events, their order, and how they get out.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::cli_env::{Env, Run, calm, failure, gzip, zstd};

const JSON: [&str; 3] = ["scan", "--format", "json"];
/// Long enough for a loaded machine; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

fn json<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&JSON[..], more].concat()
}

#[test]
fn every_event_is_one_line_and_validates() {
    let env = Env::new();
    env.write("a.log", calm(3) + &failure(1) + &calm(2) + &failure(2));
    let run = env.run(&json(&["a.log"])).code(0).quiet();
    assert_eq!(run.places(), ["a.log:4", "a.log:7"]);
    let schema: Value = serde_json::from_str(paytriage::wire::EVENT_JSON_SCHEMA).unwrap();
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    for event in run.events() {
        let errors: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{event:#}\n{errors:#?}");
        assert_eq!(event["code"], "ILLEGAL_EXTERIOR_USER_SCENE");
        assert!(event["ids"]["out_trade_no"].as_str().unwrap().starts_with('T'));
    }
}

#[test]
fn the_same_bytes_give_the_same_ids() {
    let env = Env::new();
    env.write("a.log", failure(1) + &failure(2));
    let ids = || env.run(&json(&["a.log"])).code(0).events().into_iter().map(|event| event["id"].clone());
    let (first, second): (Vec<_>, Vec<_>) = (ids().collect(), ids().collect());
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
}

#[test]
fn events_come_in_the_order_of_the_files_whatever_the_threads() {
    let env = Env::new();
    for file in 0..30u32 {
        // The first files are the longest: those after them end before their turn.
        let text: String = (0..10).map(|n| calm((30 - file) * 40) + &failure(file * 10 + n)).collect();
        env.write(&format!("logs/{file:02}.log"), text);
    }
    let without_clock = |threads| {
        let run = env.run(&json(&["logs", "-j", threads])).code(0).quiet();
        let mut events = run.events();
        for event in &mut events {
            event.as_object_mut().unwrap().remove("observed_time").unwrap();
        }
        events
    };
    let one = without_clock("1");
    assert_eq!(one.len(), 300);
    assert_eq!(one, without_clock("4"));
}

#[test]
fn one_large_file_is_the_same_with_any_number_of_threads() {
    let env = Env::new();
    // Records everywhere, also across the borders of what is read at once; a last line without its end.
    let mut text: String = (0..1200).map(|n| calm(70) + &failure(n) + "\tat shop.Pay.pay(Pay.java:3)\n").collect();
    text += failure(1200).trim_end();
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let with_hole = [text.as_bytes(), &[0; 300_000], text.as_bytes()].concat();
    for bytes in [text.into_bytes(), utf16, with_hole] {
        assert!(bytes.len() > 4 * 1024 * 1024, "{} bytes are not many", bytes.len());
        env.write("a.log", &bytes);
        let without_clock = |threads| {
            let run = env.run(&json(&["a.log", "-j", threads])).code(0).quiet();
            let events = run.events().into_iter().map(|mut event| {
                event["observed_time"].take();
                event
            });
            events.collect::<Vec<_>>()
        };
        let alone = without_clock("1");
        assert!(alone.len() >= 1201, "{}", alone.len());
        assert!(["2", "5"].into_iter().all(|threads| without_clock(threads) == alone));
    }
}

#[test]
fn archives_are_known_by_content_not_by_name() {
    let env = Env::new();
    let text = calm(100) + &failure(1) + &calm(100) + &failure(2);
    let (start, end) = text.as_bytes().split_at(text.len() / 2);
    env.write("plain.gz", &text).write("gzip.log", gzip(text.as_bytes())).write("zstd.log", zstd(text.as_bytes()));
    env.write("members.log", [gzip(start), gzip(end)].concat());
    let run = env.run(&json(&["plain.gz", "gzip.log", "zstd.log", "members.log"])).code(0).quiet();
    let expected = ["plain.gz", "gzip.log", "zstd.log", "members.log"];
    assert_eq!(run.places(), expected.map(|file| [format!("{file}:101"), format!("{file}:202")]).concat());
    let offsets: Vec<_> = run.events().iter().map(|event| event["source"]["offset"].clone()).collect();
    assert_eq!(offsets[..2], offsets[2..4]);
}

#[test]
fn standard_input_is_read_to_its_end_even_in_the_middle_of_a_line() {
    let env = Env::new();
    let text = failure(1) + failure(2).trim_end();
    let run = env.run_with_input(&json(&["-"]), text.as_bytes()).code(0).quiet();
    assert_eq!(run.places(), ["-:1", "-:2"]);
    let packed = env.run_with_input(&json(&["-"]), &gzip(text.as_bytes())).code(0).quiet();
    assert_eq!(packed.places(), ["-:1", "-:2"]);
    assert_eq!(env.run(&json(&["-"])).code(0).quiet().stdout, "");
}

#[test]
fn a_pipe_that_was_named_is_read_and_the_first_file_does_not_wait_for_it() {
    let env = Env::new();
    env.write("a.log", failure(1));
    let pipe = env.pipe("pipe");
    let mut child = env.command(&json(&["a.log", "pipe"])).stdout(Stdio::piped()).spawn().unwrap();
    let (send, lines) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = thread::spawn(move || stdout.lines().for_each(|line| send.send(line.unwrap()).unwrap()));
    let first = lines.recv_timeout(DEADLINE).expect("the first file's event, before the second file has begun");
    assert!(first.contains("a.log"));
    let mut writer = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
    writer.write_all(failure(2).as_bytes()).unwrap();
    drop(writer);
    assert!(lines.recv_timeout(DEADLINE).unwrap().contains("\"path\":\"pipe\""));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
}

#[test]
fn a_closed_pipe_ends_the_scan_quietly() {
    let env = Env::new();
    let text: String = (0..20_000).map(failure).collect();
    env.write("a.log", &text).write("b.log", &text);
    for threads in ["1", "4"] {
        let mut command = env.command(&json(&["a.log", "b.log", "-j", threads]));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"schema\""), "{line}");
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let env = Env::new();
    env.write("a.log", failure(1));
    for format in ["json", "pretty"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = env.command(&["scan", "a.log", "--format", format]);
        let run = Run::from(command.stdout(full).output().unwrap()).code(2);
        assert!(run.stderr.starts_with("paytriage: standard output: No space left on device"), "{run:?}");
    }
}

#[test]
fn filters_keep_what_was_asked_for() {
    let env = Env::new();
    env.write("a.log", (0..10).map(failure).collect::<String>());
    let count = |more: &[&str]| env.run(&json(&[&["a.log"], more].concat())).code(0).quiet().events().len();
    assert_eq!(count(&["--since", "2026-03-01T08:00:05Z"]), 5);
    assert_eq!(count(&["--until", "2026-03-01 08:00:04"]), 5);
    assert_eq!(count(&["--since", "2026-03-01", "--until", "2026-03-01"]), 10);
    assert_eq!(count(&["--since", "1h"]), 0);
    assert_eq!(count(&["--min-severity", "critical"]), 0);
    assert_eq!(count(&["--min-severity", "info"]), 10);
    assert_eq!(count(&["--provider", "unionpay"]), 0);
}

#[test]
fn events_without_a_time_are_kept_and_said_to_be() {
    let env = Env::new();
    env.write("a.log", "error_code=ILLEGAL_EXTERIOR_USER_SCENE\n");
    let run = env.run(&json(&["a.log", "--since", "1h"])).code(0);
    assert_eq!(run.places(), ["a.log:1"]);
    assert_eq!(run.stderr, "paytriage: note: 1 event has no time and was kept, whatever --since and --until say\n");
}

#[test]
fn fail_on_decides_the_exit_code() {
    let env = Env::new();
    env.write("bad.log", failure(1)).write("good.log", calm(3));
    env.run(&json(&["bad.log"])).code(0);
    env.run(&json(&["bad.log", "--fail-on", "info"])).code(1);
    env.run(&json(&["bad.log", "--fail-on", "critical"])).code(0);
    env.run(&json(&["good.log", "--fail-on", "info"])).code(0);
    env.run(&json(&["bad.log", "gone.log", "--fail-on", "info"])).code(1);
    env.run(&json(&["good.log", "gone.log", "--fail-on", "info"])).code(3);
    env.run(&json(&["bad.log", "--fail-on", "info", "--min-severity", "critical"])).code(0);
}
