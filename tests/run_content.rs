//! What `run` makes of odd bytes: room that is not written yet, holes, long lines, other encodings, its own output.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, exactly_once, failure, number, run};

const ARGS: &[&str] = &["logs", "--state", "state"];

fn failures(numbers: std::ops::Range<usize>) -> String {
    numbers.map(failure).collect()
}

/// Writes into a file in place, as a logger does that reserved room for its lines.
struct InPlace {
    file: File,
    at: u64,
}

impl InPlace {
    fn new(env: &Env, name: &str, room: u64) -> InPlace {
        env.write(name, "");
        let file = OpenOptions::new().read(true).write(true).open(env.path(name)).unwrap();
        file.set_len(room).unwrap();
        InPlace { file, at: 0 }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all_at(text.as_bytes(), self.at).unwrap();
        self.at += text.len() as u64;
    }
}

#[test]
fn room_for_lines_that_are_not_written_yet_is_not_read() {
    let env = Env::new();
    let mut log = InPlace::new(&env, "logs/app.log", 1 << 20);
    log.write(&failures(0..5));
    let mut daemon = run(&env, ARGS);
    for n in 5..30 {
        let line = failure(n);
        let (one, other) = line.split_at(n * 3);
        log.write(one);
        log.write(other);
        let event = daemon.event();
        assert_eq!((number(&event), event["source"]["line"].as_u64()), (n, Some(n as u64 + 1)));
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    // Also across a restart; and where the logger cuts off the room it did not need, and makes the next file.
    log.write(&failures(30..33));
    let mut daemon = run(&env, ARGS);
    assert_eq!(daemon.numbers(3), [30, 31, 32]);
    log.write(&failure(33));
    log.file.set_len(log.at).unwrap();
    assert_eq!(daemon.numbers(1), [33]);
    fs::rename(env.path("logs/app.log"), env.path("logs/app-1.log")).unwrap();
    let mut log = InPlace::new(&env, "logs/app.log", 1 << 20);
    log.write(&failures(34..36));
    exactly_once(daemon, 34..36);
}

#[test]
fn room_that_is_filled_with_zeros_by_writing_them() {
    let env = Env::new();
    env.write("logs/other.log", "");
    let mut daemon = run(&env, ARGS);
    let mut log = InPlace::new(&env, "logs/app.log", 0);
    log.file.write_all_at(&vec![0; 1 << 20], 0).unwrap();
    for n in 0..20 {
        log.write(&failure(n));
        assert_eq!(daemon.numbers(1), [n]);
    }
    exactly_once(daemon, []);
}

/// Writes through a mapping, like log4j2's MemoryMappedFileAppender: no system call tells of it.
const MAPPED: &str = r#"
import mmap, os, sys
path, room = sys.argv[1], 1 << 20
fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, room)
with mmap.mmap(fd, room) as region:
    for line in sys.stdin:
        region.write(line.encode())
        print("written", flush=True)
    end = region.tell()
os.ftruncate(fd, end)
"#;

#[test]
fn lines_written_through_a_mapping_are_seen_when_the_file_is_looked_at() {
    use std::io::{BufRead, BufReader, Write};
    let env = Env::new();
    env.write("logs/other.log", "");
    let source = format!("[[source]]\npaths = [\"{}\"]\npoll_interval = \"100ms\"\n", env.path("logs").display());
    env.write("p.toml", source);
    let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
    let mut logger = Command::new("python3")
        .args(["-c", MAPPED])
        .arg(env.path("logs/app.log"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need python3: install it and put it on the PATH");
    let mut written = BufReader::new(logger.stdout.take().unwrap()).lines();
    let mut to = logger.stdin.take().unwrap();
    for n in 0..10 {
        to.write_all(failure(n).as_bytes()).unwrap();
        assert_eq!(written.next().unwrap().unwrap(), "written");
        assert_eq!(daemon.numbers(1), [n]);
    }
    // What a copy holds too is read in the original, although nothing has told of it yet.
    to.write_all(failure(10).as_bytes()).unwrap();
    assert_eq!(written.next().unwrap().unwrap(), "written");
    fs::copy(env.path("logs/app.log"), env.path("logs/app.log.1")).unwrap();
    assert_eq!(daemon.numbers(1), [10]);
    drop(to);
    assert!(logger.wait().unwrap().success());
    append(&env, "logs/app.log", &failure(11));
    exactly_once(daemon, [11]);
}

#[test]
fn a_hole_of_a_hundred_gibibytes_is_not_scanned() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let file = OpenOptions::new().write(true).open(env.path("logs/app.log")).unwrap();
    let behind = 100 << 30;
    if let Err(error) = file.set_len(behind) {
        panic!("this test needs a file system with sparse files in {}: {error}", env.path("").display());
    }
    append(&env, "logs/app.log", &failures(1..3));
    let mut daemon = run(&env, &["--from-start", "logs", "--state", "state"]);
    assert_eq!(daemon.numbers(1), [0]);
    let event = daemon.event();
    assert_eq!((number(&event), event["source"]["offset"].as_u64()), (1, Some(behind)));
    assert_eq!(daemon.numbers(1), [2]);
    assert!(daemon.stop().success());
    append(&env, "logs/app.log", &failure(3));
    exactly_once(run(&env, ARGS), [3]);
}

#[test]
fn a_file_truncated_under_a_writer_that_keeps_its_offset() {
    let env = Env::new();
    let mut log = InPlace::new(&env, "logs/app.log", 0);
    let mut daemon = run(&env, ARGS);
    log.write(&failures(0..3));
    assert_eq!(daemon.numbers(3), [0, 1, 2]);
    // A few zeros, then as many as many megabytes.
    for (n, room) in [(3, 0), (4, 4 << 20)] {
        log.at += room;
        log.file.set_len(0).unwrap();
        log.write(&failure(n));
        let event = daemon.event();
        assert_eq!(number(&event), n);
        log.write(&failure(n + 10));
        assert_eq!(daemon.numbers(1), [n + 10]);
    }
    exactly_once(daemon, []);
}

#[test]
fn lines_behind_zeros_of_any_number_are_found_with_the_ids_that_scan_gives() {
    const SIZES: [usize; 9] = [1, 5000, 65_430, 65_536, 100_000, 200_000, 262_000, 262_300, 1 << 20];
    let env = Env::new();
    env.write("logs/other.log", "");
    let ids = |events: &[serde_json::Value]| {
        let mut ids: Vec<_> = events.iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids
    };
    let mut daemon = run(&env, ARGS);
    let mut events = Vec::new();
    for (n, size) in SIZES.into_iter().enumerate() {
        // From the beginning, behind lines, and left by a writer that goes on at its offset after the file was truncated.
        env.write(&format!("logs/written-{size}.log"), [vec![0; size], failure(n).into_bytes()].concat());
        env.write(
            &format!("logs/behind-{size}.log"),
            [failure(n).into_bytes(), vec![0; size], failure(n + 50).into_bytes()].concat(),
        );
        let mut hole = InPlace::new(&env, &format!("logs/hole-{size}.log"), 0);
        hole.at = size as u64;
        hole.write(&failure(n));
        hole.write(&failure(n + 50));
        events.extend((0..5).map(|_| daemon.event()));
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    let scanned = env.run(&["scan", "--format", "json", "logs"]).code(0).quiet().events();
    assert_eq!(ids(&events), ids(&scanned));
    // Behind a few zeros a line goes on; the record is found all the same.
    assert!(events.iter().all(|event| event["code"] == "ACQ.TRADE_HAS_SUCCESS"));
    exactly_once(run(&env, ARGS), []);
}

#[test]
fn utf16_is_read_to_its_last_character_and_goes_on_after_a_restart() {
    let env = Env::new();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    env.write("logs/app.log", utf16("\u{feff}2026-07-01 12:00:00 INFO started\n"));
    let write = |n| {
        use std::io::Write;
        let mut file = OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
        file.write_all(&utf16(&failure(n))).unwrap();
    };
    let mut daemon = run(&env, &["--from-start", "logs", "--state", "state"]);
    for n in 0..5 {
        write(n);
        let event = daemon.event();
        assert_eq!((number(&event), event["source"]["line"].as_u64()), (n, Some(n as u64 + 2)));
    }
    assert!(daemon.stop().success());
    write(5);
    exactly_once(run(&env, ARGS), [5]);
}

#[test]
fn lines_that_end_with_a_carriage_return_alone_are_one_line() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    let one_line = [failure(1).trim_end(), "\r", "2026-07-01 12:00:01 INFO paid\r", "\n"].concat();
    append(&env, "logs/app.log", &one_line);
    append(&env, "logs/app.log", &failure(2));
    let lines: Vec<_> = [daemon.event(), daemon.event()]
        .iter()
        .map(|event| (number(event), event["source"]["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(lines, [(1, 1), (2, 2)]);
}

#[test]
fn a_hundred_megabyte_line_is_cut_and_what_follows_is_read() {
    use std::io::Write;
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    let mut file = OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    file.write_all(failure(1).trim_end().as_bytes()).unwrap();
    for _ in 0..100 {
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    // Behind the length that is looked at: not reported.
    file.write_all(failure(2).as_bytes()).unwrap();
    file.write_all(failure(3).as_bytes()).unwrap();
    let events: Vec<_> = (0..3).map(|_| daemon.event()).collect();
    let (notices, found): (Vec<_>, Vec<_>) = events.iter().partition(|event| event["code"] == "PT.LINE_CUT");
    let [cut, next] = found[..] else { panic!("{events:?}") };
    assert_eq!((number(cut), number(next), &notices[0]["source"]["line"]), (1, 3, &1.into()));
    assert_eq!((cut["source"]["line"].as_u64(), next["source"]["line"].as_u64()), (Some(1), Some(2)));
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100 * 1024, "{peak} KiB for a line of 100 MiB");
    exactly_once(daemon, []);
}

#[test]
fn a_line_that_is_cut_stays_cut_across_restarts_in_its_middle() {
    use std::io::Write;
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut file = OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    let mut events = Vec::new();
    let status = || env.command(&["outbox", "status", "--state", "state"]).output().unwrap().stdout;
    let all_stored = || String::from_utf8(status()).unwrap().contains("files   1 known, 0 bytes not read");
    let mut begin = 1;
    for signal in ["KILL", "TERM", "HUP"] {
        let mut daemon = run(&env, ARGS);
        for n in [begin].into_iter().chain([2; 33]) {
            // But for the first these are behind the length that is looked at.
            file.write_all(failure(n).trim_end().as_bytes()).unwrap();
            file.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        begin = 2;
        eventually("it is stored how far all was read", all_stored);
        daemon.signal(signal);
        if signal == "HUP" {
            daemon.wait_for_log("configuration reloaded");
            file.write_all(failure(2).trim_end().as_bytes()).unwrap();
            daemon.stop();
        }
        daemon.wait();
        events.extend(daemon.rest());
    }
    let mut daemon = run(&env, ARGS);
    file.write_all([failure(2), failure(3), failure(4)].concat().as_bytes()).unwrap();
    while events.last().is_none_or(|last: &serde_json::Value| last["source"]["line"] != 3) {
        events.push(daemon.event());
    }
    let (notices, found): (Vec<_>, Vec<_>) = events.iter().partition(|event| event["code"] == "PT.LINE_CUT");
    let found: Vec<_> = found.into_iter().map(|event| (number(event), event["source"]["line"].as_u64())).collect();
    assert_eq!(found, [(1, Some(1)), (3, Some(2)), (4, Some(3))]);
    assert_eq!(notices.len(), 1, "{notices:?}");
    exactly_once(daemon, []);
}

#[test]
fn line_ends_marks_and_charsets_of_all_kinds_in_one_directory() {
    use std::io::Write;
    let env = Env::new();
    let names = ["crlf.log", "bom.log", "gbk.log", "invalid.log"];
    for name in names {
        env.write(&format!("logs/{name}"), "");
    }
    let mut daemon = run(&env, ARGS);
    let line = |n: usize| failure(n).trim_end().as_bytes().to_vec();
    let gbk = b" \xd3\xc3\xbb\xa7\xd2\xd1\xd6\xa7\xb8\xb6\n".to_vec();
    let texts = [
        [line(0), b"\r\n".to_vec()].concat(),
        [b"\xef\xbb\xbf".to_vec(), line(1), b"\n".to_vec()].concat(),
        [line(2), gbk].concat(),
        [line(3), b" \xff\xfe\xc3\x28\n".to_vec()].concat(),
    ];
    for (n, (name, text)) in names.iter().zip(texts).enumerate() {
        let mut file = OpenOptions::new().append(true).open(env.path("logs").join(name)).unwrap();
        file.write_all(&text).unwrap();
        let event = daemon.event();
        assert_eq!((number(&event), event["source"]["line"].as_u64()), (n, Some(1)), "{name}");
    }
    exactly_once(daemon, []);
}

#[test]
fn a_last_line_without_its_end_waits_for_it() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/other.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", failure(1).trim_end());
    // What comes first is what was written later: the open line is not reported.
    append(&env, "logs/other.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    append(&env, "logs/app.log", "\n");
    exactly_once(daemon, [1]);
}

#[test]
fn secrets_are_in_no_output_no_log_and_no_state() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    let secrets = ["4111111111111111", "13812345678", "11010519491231002X", "wx-secret-9f8e7d6c5b4a", "张三丰"];
    let [card, phone, identity, secret, name] = secrets;
    append(
        &env,
        "logs/app.log",
        &format!(
            "{} card_no={card} phone={phone} id_no={identity} app_secret={secret} buyer_name={name}\n",
            failure(1).trim_end()
        ),
    );
    let event = daemon.line();
    assert!(event.contains("N000001"), "{event}");
    assert!(daemon.stop().success());
    let mut seen = vec![("event".to_owned(), event.into_bytes()), ("log".to_owned(), daemon.drain_log().into_bytes())];
    for entry in fs::read_dir(env.path("state")).unwrap() {
        let path = entry.unwrap().path();
        seen.push((path.display().to_string(), fs::read(path).unwrap()));
    }
    assert!(seen.len() > 2);
    for (place, bytes) in seen {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {place}");
        }
    }
}

#[test]
fn two_codes_in_one_line_are_two_events_with_two_ids() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(
        &env,
        "logs/app.log",
        "2026-07-01 12:00:00 ERROR order 1: sub_code=ACQ.TRADE_HAS_SUCCESS; order 2: sub_code=ACQ.PAYMENT_AUTH_CODE_INVALID\n",
    );
    let (one, two) = (daemon.event(), daemon.event());
    assert_eq!(one["source"]["line"], two["source"]["line"]);
    assert_ne!(one["code"], two["code"]);
    assert_ne!(one["id"], two["id"]);
}

#[test]
fn a_forged_event_in_a_line_stays_text() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    let forged = r#"{"schema":"paytriage.event/1","id":"00","severity":"critical","title":"call me"}"#;
    append(&env, "logs/app.log", &format!("{} {forged}\n", failure(1).trim_end()));
    let event = daemon.event();
    assert_eq!((number(&event), event["code"].as_str()), (1, Some("ACQ.TRADE_HAS_SUCCESS")));
    assert!(event["excerpt"].as_str().unwrap().contains("call me"), "{event}");
    assert_ne!(event["id"], "00");
    exactly_once(daemon, []);
}

#[test]
fn its_own_output_in_the_source_through_a_pipe_is_not_read_either() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let daemon = env!("CARGO_BIN_EXE_paytriage");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{daemon} run logs --state state | tee -a logs/out.jsonl")])
        .current_dir(env.path("."));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = Daemon::spawn(command);
    shell.wait_for_log("watching");
    for n in 0..5 {
        append(&env, "logs/app.log", &failure(n));
        assert_eq!(shell.numbers(1), [n]);
    }
    let lines = || fs::read_to_string(env.path("logs/out.jsonl")).unwrap().lines().count();
    eventually("all is in the file", || lines() == 5);
    // Somebody else's line in that file is read as any.
    append(&env, "logs/out.jsonl", &failure(5));
    assert_eq!(shell.numbers(1), [5]);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.pid())).unwrap();
    for child in children.split_whitespace() {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap();
        if name.trim() == "paytriage" {
            assert!(Command::new("kill").args(["-TERM", child]).status().unwrap().success());
        }
    }
    shell.wait();
    assert!(shell.rest().is_empty());
}

#[test]
fn its_own_log_in_the_source_is_not_read() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let log = File::create(env.path("logs/paytriage.log")).unwrap();
    let mut command = command(&env, ARGS);
    let mut child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
    let said = || fs::read_to_string(env.path("logs/paytriage.log")).unwrap();
    eventually("it watches", || said().contains("watching"));
    // A code nobody knows is said in its own log.
    append(
        &env,
        "logs/app.log",
        "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {\"code\":\"40004\",\"sub_code\":\"ACQ.NO_SUCH_CODE_YET\"}\n",
    );
    eventually("the unknown code is told", || said().contains("ACQ.NO_SUCH_CODE_YET"));
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert_eq!(said().matches("ACQ.NO_SUCH_CODE_YET").count(), 1, "{}", said());
}

#[test]
fn json_over_several_lines_is_one_event_also_when_it_is_written_in_pieces() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let body = "{\n  \"alipay_trade_pay_response\": {\n    \"code\": \"40004\",\n    \"sub_code\": \"ACQ.TRADE_HAS_SUCCESS\",\n    \"out_trade_no\": \"ORD-7\"\n  }\n}\n";
    let at = body.find("out_trade").unwrap();
    let args = ["logs/*.log", "--state", "state"];
    for cut in [at - 5, at, at + 20] {
        let mut daemon = run(&env, &args);
        append(&env, "logs/app.log", &body[..cut]);
        // Asked to end in the middle of it, it does not report the half that is there.
        if cut == at {
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(daemon.stop().success());
            assert!(daemon.rest().is_empty());
            daemon = run(&env, &args);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        append(&env, "logs/app.log", &body[cut..]);
        let event = daemon.event();
        assert_eq!(event["ids"]["out_trade_no"], "ORD-7", "{cut}: {event}");
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
    }
}

#[test]
fn a_stack_trace_that_is_written_line_by_line_is_one_event_with_what_its_last_lines_say() {
    let env = Env::new();
    let order = "{\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"ORD-7\"}";
    let java = [
        "2026-07-01 12:00:00 ERROR Pay - failed: com.alipay.api.AlipayApiException: ACQ.TRADE_HAS_SUCCESS",
        "\tat com.alipay.api.DefaultAlipayClient.execute(DefaultAlipayClient.java:1)",
        "\tat com.shop.Pay.pay(Pay.java:2)",
        &format!("Caused by: java.io.IOException: {order}"),
        "\tat com.shop.Http.send(Http.java:3)",
    ];
    let python = [
        "2026-07-01 12:00:00 ERROR pay failed: ACQ.TRADE_HAS_SUCCESS, shop.pay.PayError: see below",
        "Traceback (most recent call last):",
        "  File \"/shop/pay.py\", line 7, in pay",
        "    raise PayError(answer)",
        &format!("shop.pay.PayError: {order}"),
    ];
    let node = [
        "PayError: ACQ.TRADE_HAS_SUCCESS",
        "    at pay (/shop/pay.js:3:9)",
        "    at process (/shop/index.js:1:2) {",
        &format!("  body: '{order}'"),
        "}",
    ];
    let mut daemon = run(&env, &["logs", "--state", "state"]);
    for (name, trace) in [("java", java), ("python", python), ("node", node)] {
        for line in trace {
            append(&env, &format!("logs/{name}.log"), &format!("{line}\n"));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let event = daemon.event();
        assert_eq!(event["ids"]["out_trade_no"], "ORD-7", "{name}: {event}");
        assert_eq!(event["source"]["record_last_line"], 5, "{name}: {event}");
    }
    exactly_once(daemon, []);
}

#[test]
fn reading_that_begins_at_the_end_of_a_file_begins_with_a_line() {
    let env = Env::new();
    // The beginning of the last line is further back than anybody looks.
    env.write("logs/app.log", format!("{}{}", "calm\n", "x".repeat(600 << 10)));
    let mut daemon = run(&env, &["logs/*.log", "--state", "state"]);
    append(&env, "logs/app.log", &failure(90));
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    exactly_once(daemon, []);
}
