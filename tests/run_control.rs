//! `run` and the world around it: signals, configuration, standard output, HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, run};

#[test]
fn ends_cleanly_when_asked() {
    let env = Env::new();
    env.write("logs/app.log", "");
    for signal in ["TERM", "INT"] {
        let mut daemon = run(&env, &["logs"]);
        daemon.signal(signal);
        assert_eq!(daemon.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_closed_standard_output_ends_it_when_there_is_no_other_sink() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs"]);
    daemon.close_stdout();
    // The pipe is closed when its reader meets the next line; then writing fails.
    append(&env, "logs/app.log", &failure(1));
    let mut n = 2;
    eventually("it ends", || {
        append(&env, "logs/app.log", &failure(n));
        n += 1;
        daemon.has_ended()
    });
    assert_eq!(daemon.wait().code(), Some(1));
    let log = daemon.wait_for_log("standard output was closed");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn nothing_to_watch_is_a_usage_error() {
    let env = Env::new();
    env.write("empty.toml", "lang = \"en\"\n");
    let output = command(&env, &["--config", "empty.toml", "--state", "state"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to watch"));
}

pub fn config(env: &Env, sources: &[&str], more: &str) {
    let logs = env.path("");
    let source = |name: &&str| format!("[[source]]\npaths = [\"{}/{name}\"]\n", logs.display());
    let text: String = sources.iter().map(source).collect();
    env.write("p.toml", format!("{text}{more}\n[state]\ndir = \"{}state\"\n", logs.display()));
}

pub const CONFIGURED: &[&str] = &["--config", "p.toml"];

#[test]
fn a_bad_configuration_keeps_the_old_one_and_a_good_one_replaces_it() {
    let env = Env::new();
    env.write("a/app.log", "");
    env.write("b/app.log", failure(0));
    config(&env, &["a"], "");
    let mut daemon = run(&env, CONFIGURED);
    append(&env, "a/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);

    config(&env, &["a"], "[htp]\nlisten = 1\n");
    daemon.signal("HUP");
    let problem = daemon.wait_for_log("htp");
    assert!(problem.contains("p.toml:3"), "{problem}");
    daemon.wait_for_log("the old one stays in force");
    append(&env, "a/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);

    config(&env, &["b", "a"], "");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    daemon.wait_for_log("watching");
    append(&env, "b/app.log", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
    append(&env, "a/app.log", &failure(4));
    assert_eq!(daemon.numbers(1), [4]);

    config(&env, &["b"], "");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    append(&env, "a/app.log", &failure(5));
    append(&env, "b/app.log", &failure(6));
    assert_eq!(daemon.numbers(1), [6]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_bad_configuration_at_the_start_names_key_and_line() {
    let env = Env::new();
    config(&env, &["a"], "[http]\nlisten = \"nowhere\"\n");
    let output = command(&env, CONFIGURED).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("p.toml:4") && stderr.contains("http.listen"), "{stderr}");
}

/// An address that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn request(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn http_says_how_it_is() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let address = free_address();
    config(&env, &["logs"], &format!("[http]\nlisten = \"{address}\"\n"));
    let mut daemon = run(&env, CONFIGURED);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = request(address, "GET", path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert!(request(address, "HEAD", "/metrics").starts_with("HTTP/1.1 200"));
    assert!(request(address, "POST", "/metrics").starts_with("HTTP/1.1 405"));
    assert!(request(address, "GET", "/else").starts_with("HTTP/1.1 404"));
    append(&env, "logs/app.log", &failure(1));
    daemon.event();
    let metrics = request(address, "GET", "/metrics");
    let read = format!("\npaytriage_read_bytes_total {}\n", failure(1).len());
    let event = "\npaytriage_events_total{provider=\"alipay\",severity=\"";
    assert!(metrics.contains(&read) && metrics.contains(event), "{metrics}");
}

#[test]
fn a_port_in_use_is_named() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    config(&env, &["logs"], &format!("[http]\nlisten = \"{address}\"\n"));
    let output = command(&env, CONFIGURED).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("[http] listen") && stderr.contains(&address.to_string()), "{stderr}");
}

#[test]
fn pretty_is_one_readable_line() {
    let env = Env::new();
    env.write("logs/app.log", "");
    config(&env, &["logs"], "[sink.stdout]\nformat = \"pretty\"\n");
    let mut daemon = run(&env, CONFIGURED);
    append(&env, "logs/app.log", &failure(7));
    let line = daemon.line();
    assert!(line.contains("ACQ.TRADE_HAS_SUCCESS") && line.contains("out_trade_no=N000007"), "{line}");
    assert!(line.ends_with("logs/app.log:1"), "{line}");
}

#[test]
fn journald_gets_priorities_and_no_times() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut command = command(&env, &["logs", "missing\u{1b}c.log"]);
    command.env("JOURNAL_STREAM", "8:1");
    let mut daemon = Daemon::spawn(command);
    let warning = daemon.wait_for_log("nothing there yet");
    assert!(warning.starts_with("<4>") && !warning.contains('\u{1b}'), "{warning:?}");
    assert!(daemon.wait_for_log("watching").starts_with("<6>watching"));
}
