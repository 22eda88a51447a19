//! `scan` and input that is missing, broken, huge or not text: told once, and the rest is done.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::cli_env::{Env, Run, calm, failure, gzip, zstd};

fn scan(env: &Env, paths: &[&str]) -> Run {
    env.run(&[&["scan", "--format", "json", "-j", "2"], paths].concat())
}

#[test]
fn what_cannot_be_opened_is_told_and_the_rest_is_scanned() {
    let env = Env::new();
    env.write("a.log", failure(1)).write("b.log", failure(2));
    let run = scan(&env, &["a.log", "gone.log", "a.log/x", "*.txt", "[z", "b.log"]).code(3);
    assert_eq!(run.places(), ["a.log:1", "b.log:1"]);
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(told[0], "paytriage: gone.log: No such file or directory");
    assert_eq!(told[1], "paytriage: a.log/x: Not a directory");
    assert_eq!(told[2], "paytriage: *.txt: no file matches this pattern");
    assert!(told[3].starts_with("paytriage: [z: not a valid glob: "), "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_read_is_told() {
    let env = Env::new();
    env.write("a.log", failure(1));
    // Opens for everyone, and fails at the first read.
    let run = scan(&env, &["/proc/self/mem", "a.log"]).code(3);
    assert_eq!(run.places(), ["a.log:1"]);
    assert_eq!(run.stderr, "paytriage: /proc/self/mem: Input/output error\n");
}

#[test]
fn a_directory_is_scanned_whatever_else_it_holds() {
    let env = Env::new();
    env.write("logs/a.log", failure(1))
        .write("logs/.hidden.log", failure(2))
        .write("logs/sub/b.log.gz", gzip(failure(3).as_bytes()));
    env.write("logs/core", [&b"\x7fELF\x02\x01\0\0"[..], failure(4).as_bytes()].concat());
    env.pipe("logs/pipe");
    let _socket = UnixListener::bind(env.path("logs/socket")).unwrap();
    let run = scan(&env, &["logs"]).code(0);
    assert_eq!(run.places(), ["logs/.hidden.log:1", "logs/a.log:1", "logs/sub/b.log.gz:1"]);
    let told = "paytriage: note: 1 file was skipped: not text. A file that is named is read whatever it is\n";
    assert_eq!(run.stderr, told);
    let pretty = env.run(&["scan", "logs"]).code(0).quiet().stdout;
    assert!(pretty.contains("3 files skipped: not text."), "{pretty}");
    assert_eq!(scan(&env, &["logs/core"]).code(0).quiet().events().len(), 1);
}

#[test]
fn a_log_with_nuls_in_it_is_scanned_in_a_directory_as_by_its_name() {
    let env = Env::new();
    let (zeros, lines) = (vec![0; 100_000], failure(1) + &failure(2));
    env.write("logs/a.log", failure(1).replace('\n', "\0") + &failure(2));
    env.write("logs/hole.log", [&zeros[..3000], lines.as_bytes()].concat());
    env.write("logs/large.log", [&zeros[..], lines.as_bytes()].concat());
    env.write("logs/torn.log", [&failure(1).as_bytes()[..30], &zeros, lines.as_bytes()].concat());
    let places = ["logs/a.log:1", "logs/hole.log:1", "logs/hole.log:2", "logs/large.log:1", "logs/large.log:2"];
    let run = scan(&env, &["logs"]).code(0).quiet();
    assert_eq!(run.places()[..5], places);
    assert_eq!(run.places()[5..], ["logs/torn.log:1", "logs/torn.log:2"]);
    let files = ["logs/a.log", "logs/hole.log", "logs/large.log", "logs/torn.log"];
    let ids = |run: &Run| run.events().iter().map(|event| event["id"].to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&scan(&env, &files).code(0).quiet()), ids(&run));
}

#[test]
fn a_link_that_leads_back_costs_a_message_and_nothing_else() {
    let env = Env::new();
    env.write("logs/a.log", failure(1)).write("logs/z.log", failure(2));
    symlink(".", env.path("logs/self")).unwrap();
    symlink("a.log", env.path("logs/current.log")).unwrap();
    let run = scan(&env, &["logs"]).code(3);
    assert_eq!(run.places(), ["logs/a.log:1", "logs/z.log:1"]);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains("logs/self: this link leads back to logs"), "{run:?}");
}

#[test]
fn a_truncated_archive_gives_what_it_holds_and_a_message() {
    let env = Env::new();
    let text: String = (0..5000).map(failure).collect();
    env.write("a.gz", &gzip(text.as_bytes())[..6000])
        .write("b.zst", &zstd(text.as_bytes())[..6000])
        .write("c.log", failure(1));
    let run = scan(&env, &["a.gz", "b.zst", "c.log"]).code(3);
    let n = |file: &str| run.places().iter().filter(|place| place.starts_with(file)).count();
    assert!(n("a.gz") > 100 && n("c.log") == 1, "{} {}", n("a.gz"), n("c.log"));
    let mut told: Vec<&str> = run.stderr.lines().collect();
    told.sort();
    assert_eq!(
        told,
        [
            "paytriage: a.gz: the gzip data ends too early; what could be unpacked was scanned",
            "paytriage: b.zst: the zstd data ends too early; what could be unpacked was scanned"
        ]
    );
}

#[test]
fn a_line_of_fifty_megabytes_is_no_trouble() {
    let env = Env::new();
    let mut text = failure(1).into_bytes();
    text.resize(text.len() + 50 * 1024 * 1024, b'x');
    text.push(b'\n');
    text.extend(failure(2).bytes());
    env.write("a.log", text);
    let run = scan(&env, &["a.log"]).code(0);
    assert_eq!(run.places(), ["a.log:1", "a.log:3"]);
    assert_eq!(run.stderr, "paytriage: note: a.log: 1 line was too long and scanned only up to 1048576 bytes\n");
}

#[test]
fn bytes_that_are_no_text_do_not_hide_what_is() {
    let env = Env::new();
    let noise: Vec<u8> = (1..=255u8).filter(|byte| *byte != b'\n').cycle().take(5000).collect();
    env.write("a.log", [&noise[..], b"\n", failure(1).as_bytes(), &[0, 0, 0, b'\n'], failure(2).as_bytes()].concat());
    assert_eq!(scan(&env, &["a.log"]).code(0).quiet().places(), ["a.log:2", "a.log:4"]);
}

#[test]
fn empty_files_and_directories_are_nothing_to_speak_of() {
    let env = Env::new();
    env.write("logs/a.log", "");
    std::fs::create_dir(env.path("empty")).unwrap();
    assert_eq!(scan(&env, &["logs", "empty"]).code(0).quiet().stdout, "");
}

#[test]
fn a_file_with_several_names_is_scanned_once() {
    let env = Env::new();
    env.write("logs/a.log", failure(1));
    assert_eq!(scan(&env, &["logs", "logs/a.log", "logs/*.log"]).code(0).quiet().places(), ["logs/a.log:1"]);
}

#[test]
fn a_path_cannot_act_on_the_terminal() {
    let env = Env::new();
    env.write("calm.log", calm(1));
    let run = scan(&env, &["evil\x1b]0;x\x07\u{202e}.log", "calm.log"]).code(3);
    assert_eq!(run.stderr, "paytriage: evil\\x1b]0;x\\x07\\u{202e}.log: No such file or directory\n");
}

#[test]
fn wrong_usage_is_told_before_anything_is_read() {
    let env = Env::new();
    env.write("a.log", failure(1));
    for (arguments, reason) in [
        (&["scan"][..], "PATH"),
        (&["scan", "a.log", "--since", "yesterday"], "--since: `yesterday` is not a time"),
        (&["scan", "a.log", "--since", "1h", "--until", "2h"], "no event can be in between"),
        (&["scan", "a.log", "--provider", "paypal"], "there are alipay, alipayplus, wechatpay, unionpay, issuer"),
        (&["scan", "a.log", "--min-severity", "fatal"], "critical"),
        (&["scan", "a.log", "-j", "0"], "0"),
        (&["scan", "a.log", "--catalog", "gone.toml"], "gone.toml: cannot read the catalogue: No such file"),
        (&["scan", "a.log", "--config", "gone.toml"], "gone.toml: cannot read the configuration: No such file"),
    ] {
        let run = env.run(arguments).code(2);
        assert!(run.stderr.contains(reason) && run.stdout.is_empty(), "{run:#?}");
    }
}

#[test]
fn the_output_is_not_read_again() {
    let env = Env::new();
    env.write("logs/a.log", failure(1));
    let output = || std::fs::File::create(env.path("logs/out.jsonl")).unwrap();
    let mut command = env.command(&["scan", "logs", "--format", "json", "-j", "1"]);
    assert!(command.stdout(output()).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(env.path("logs/out.jsonl")).unwrap().lines().count(), 1);
    let mut command = env.command(&["scan", "logs/out.jsonl", "logs/a.log", "--format", "json"]);
    let run = Run::from(command.stdout(output()).output().unwrap()).code(3);
    assert_eq!(run.stderr, "paytriage: logs/out.jsonl: is also the output\n");
    assert_eq!(std::fs::read_to_string(env.path("logs/out.jsonl")).unwrap().lines().count(), 1);
}
