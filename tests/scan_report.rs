//! `scan --format pretty` and `summary`: what people see, and what never reaches their terminal.

use super::cli_env::{Env, calm, failure};

const HOSTILE: &str = "\x1b]0;pwned\x07\u{9b}31m\x1b[2J\u{202e}";

fn logs() -> Env {
    let env = Env::new();
    env.write("logs/a.log", calm(5) + &failure(1) + &failure(2)).write("logs/b.log", calm(5));
    env
}

#[test]
fn pretty_says_what_happened_and_what_to_do() {
    let run = logs().run(&["scan", "logs"]).code(0).quiet();
    for text in [
        "2 events, 2 orders, in 1 of 2 files",
        "2026-03-01 08:00:01 – 08:00:02\n(UTC+00:00)",
        "ILLEGAL_EXTERIOR_USER_SCENE",
        "Cause",
        "Who acts",
        "Retry?",
        "logs/a.log:6",
        "out_trade_no=T000001",
    ] {
        assert!(run.stdout.contains(text), "{text}\n{}", run.stdout);
    }
}

#[test]
fn pretty_speaks_chinese() {
    let run = logs().run(&["scan", "logs", "--lang", "zh"]).code(0).quiet();
    for text in ["共发现 2 次，涉及 2 笔订单，出现在 2 个文件中的 1 个", "原因", "由谁处理", "能否重试"]
    {
        assert!(run.stdout.contains(text), "{text}\n{}", run.stdout);
    }
}

#[test]
fn summary_is_one_line_per_entry_and_a_total() {
    let run = logs().run(&["scan", "logs", "--format", "summary"]).code(0).quiet();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.stdout);
    assert!(lines[0].starts_with("SEVERITY"));
    assert!(lines[1].contains("2026-03-01 08:00:01  2026-03-01 08:00:02  ILLEGAL_EXTERIOR_USER_SCENE"));
    assert!(lines[2].starts_with("total"));
}

#[test]
fn nothing_found_is_one_calm_line() {
    let env = logs();
    for format in ["pretty", "summary"] {
        let run = env.run(&["scan", "logs/b.log", "--format", format]).code(0).quiet();
        assert_eq!(run.stdout, "No payment errors found in 1 file (260 B).\n");
    }
    let run = env.run(&["scan", "gone.log"]).code(3);
    assert_eq!(run.stdout, "Nothing was read.\n");
    let run = env.run(&["scan", "logs", "--provider", "unionpay"]).code(0).quiet();
    assert!(run.stdout.starts_with("No payment errors found in 2 files"), "{}", run.stdout);
    assert!(run.stdout.ends_with("2 events left out by your filters.\n"), "{}", run.stdout);
}

#[test]
fn reports_do_not_depend_on_the_number_of_threads() {
    let env = Env::new();
    for file in 0..20u32 {
        env.write(&format!("logs/{file:02}.log"), (0..50).map(|n| failure(file * 50 + n)).collect::<String>());
    }
    for format in ["pretty", "summary"] {
        let report = |threads| env.run(&["scan", "logs", "--format", format, "-j", threads]).code(0).quiet().stdout;
        assert_eq!(report("1"), report("4"));
    }
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let env = logs();
    let styled = |variables: &[(&str, &str)]| {
        let mut command = env.command(&["scan", "logs"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!styled(&[]));
    assert!(!styled(&[("NO_COLOR", "1"), ("TERM", "xterm-256color")]));
    assert!(styled(&[("CLICOLOR_FORCE", "1"), ("TERM", "xterm-256color")]));
}

#[test]
fn nothing_a_log_holds_acts_on_the_terminal() {
    let env = Env::new();
    let line = failure(1).replace("pay failed", &format!("pay failed {HOSTILE}"));
    env.write(&format!("logs/{HOSTILE}.log"), line);
    for format in ["pretty", "summary", "json"] {
        let run = env.run(&["scan", "logs", "--format", format]).code(0).quiet();
        assert!(run.stdout.contains("ILLEGAL_EXTERIOR_USER_SCENE"), "{}", run.stdout);
        let is_hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!run.stdout.contains(is_hostile), "{:?}", run.stdout);
    }
}

#[test]
fn without_a_utf8_locale_the_timeline_is_ascii() {
    let env = logs();
    let report = |locale| {
        let output = env.command(&["scan", "logs"]).env("LC_ALL", locale).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(report("C").contains("  |#"), "{}", report("C"));
    assert!(report("C.UTF-8").contains("  ▕▇"), "{}", report("C.UTF-8"));
}
