//! `silence`: what is typed is stored for the daemon, listed, and removed, whether one runs or not.

use jiff::Timestamp;
use paytriage::catalog::Severity;
use paytriage::config::Durability;
use paytriage::store::{StateDir, Store};
use serde_json::Value;

use crate::cli_env::{Env, Run, failure};
use crate::daemon;
use crate::receiver::Receiver;

const STATE: &[&str] = &["--state", "state"];

fn prepared() -> Env {
    let env = Env::new();
    let dir = StateDir::lock(&env.path("state")).unwrap();
    Store::open(&dir, Durability::Normal).unwrap();
    env
}

fn silence(env: &Env, arguments: &[&str]) -> Run {
    env.run(&[&["silence"], arguments, STATE].concat())
}

fn listed(env: &Env, arguments: &[&str]) -> Vec<Value> {
    silence(env, &[&["list", "--format", "json"], arguments].concat()).code(0).quiet().events()
}

/// The word behind `silence` in the first line.
fn id(run: &Run) -> String {
    let id = run.stdout.strip_prefix("silence ").and_then(|rest| rest.split_once(':')).expect(&run.stdout).0;
    assert_eq!(id.len(), 8, "{run:#?}");
    id.to_owned()
}

#[test]
fn what_is_added_is_what_the_daemon_finds() {
    let env = prepared();
    let matchers =
        ["code=ACQ.*", "code=USERPAYING", "provider=alipay", "source=shop", "label.env=prod", "max_severity=error"];
    let run = silence(&env, &[&["add"], &matchers[..], &["--for", "2h", "--comment", "their maintenance"]].concat());
    let run = run.code(0).quiet();
    assert!(run.stdout.contains(&matchers.join(" ")) && run.stdout.contains("once `paytriage run` does"), "{run:#?}");

    assert_eq!(listed(&env, &[])[0]["matchers"], serde_json::json!(matchers));

    let dir = StateDir::lock(&env.path("state")).unwrap();
    let stored = Store::open(&dir, Durability::Normal).unwrap().silences().unwrap();
    let [stored] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((&stored.id, stored.comment.as_str()), (&id(&run), "their maintenance"));
    assert_eq!(stored.matcher.codes, ["ACQ.*", "USERPAYING"]);
    assert_eq!(
        (&stored.matcher.providers[..], &stored.matcher.sources[..]),
        (&["alipay".into()][..], &["shop".into()][..])
    );
    assert_eq!(
        (stored.matcher.labels.get("env"), stored.matcher.max_severity),
        (Some(&"prod".into()), Severity::Error)
    );
    assert_eq!(stored.until.as_second() - stored.created.as_second(), 2 * 3600);
    assert!(!stored.by.is_empty() && stored.created <= Timestamp::now(), "{stored:?}");
}

#[test]
fn beside_a_running_daemon_it_is_added_listed_and_removed() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = daemon::run(&env, &["logs", "--state", "state"]);
    let added =
        silence(&env, &["add", "--all", "--for", "30m", "--comment", "moving the data\u{1b}[2Jbase"]).code(0).quiet();
    assert!(added.stdout.contains(": all incidents until ") && !added.stdout.contains("once"), "{added:#?}");
    let id = id(&added);
    let all = listed(&env, &[]);
    assert_eq!((all.len(), &all[0]["id"], &all[0]["active"]), (1, &id.as_str().into(), &true.into()));
    let people = silence(&env, &["list"]).code(0).quiet().stdout;
    assert!(people.starts_with(&format!("{id}  all incidents  until 20")), "{people}");
    assert!(people.contains("\n          moving the data\\x1b[2Jbase (by "), "{people}");
    assert!(silence(&env, &["remove", &id]).code(0).quiet().stdout.starts_with(&format!("silence {id} has ended")));
    assert!(listed(&env, &["--over"]).is_empty());
    assert!(daemon.stop().success());
}

#[test]
fn silences_of_the_configuration_are_listed_too() {
    let env = prepared();
    let silence_until =
        |time: &str| format!("[[incident.silence]]\ncodes = [\"A\"]\nuntil = {time}\ncomment = \"c\"\n");
    env.write("p.toml", silence_until("2020-01-01T00:00:00Z") + &silence_until("2999-01-01T00:00:00Z"));
    let active = listed(&env, &["--config", "p.toml"]);
    assert_eq!((active.len(), &active[0]["by"], &active[0]["id"]), (1, &"the configuration".into(), &Value::Null));
    let all = silence(&env, &["list", "--over", "--config", "p.toml"]).code(0).quiet().stdout;
    assert!(all.starts_with("-         code=A  over since 2020-01-01 00:00:00+00:00\n"), "{all}");
}

#[test]
fn what_would_not_do_what_was_meant_is_refused() {
    let env = prepared();
    let comment = ["--comment", "c"];
    for (arguments, expected) in [
        (&["--for", "2h"][..], "MATCHER"),
        (&["--all"], "--for <TIME>"),
        (&["--all", "--for", "2h", "--until", "18:00"], "cannot be used with"),
        (&["--all", "code=A", "--for", "2h"], "cannot be used with"),
        (&["code=A", "--for", "soon"], "--for: \"soon\" is not a time span; write 30m"),
        (&["code=A", "--until", "2020-01-01"], "is over"),
        (&["A", "--for", "2h"], "\"A\" is no matcher; write KEY=VALUE"),
        (&["provider=paypal", "--for", "2h"], "no provider is called \"paypal\"; there are: alipay"),
    ] {
        let refused = silence(&env, &[&["add"], arguments, &comment[..]].concat()).code(2).stderr;
        assert!(refused.contains(expected), "{arguments:?}: {refused}");
    }
    assert!(silence(&env, &["add", "--all", "--for", "2h"]).code(2).stderr.contains("--comment"));
    assert!(silence(&env, &["add", "--all", "--for", "2h", "--comment", " "]).code(2).stderr.contains("is empty"));
    assert!(listed(&env, &["--over"]).is_empty());
    assert!(silence(&env, &["remove", "x"]).code(2).stderr.contains("no silence has the id \"x\": none is in force"));
    let over = silence(&env, &["add", "--all", "--for", "1s", "--comment", "c"]).code(0);
    let run = silence(&env, &["add", "--all", "--for", "2h", "--comment", "c"]).code(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(!silence(&env, &["remove", "x"]).code(2).stderr.contains(&id(&over)));
    assert!(silence(&env, &["remove", "x"]).code(2).stderr.contains(&format!("in force are: {}\n", id(&run))));
}

#[test]
fn a_state_that_is_not_there_is_not_made() {
    let env = Env::new();
    let refused = silence(&env, &["add", "--all", "--for", "2h", "--comment", "c"]).code(2).stderr;
    assert!(refused.contains("no such state directory"), "{refused}");
    assert!(listed(&env, &[]).is_empty() && !env.path("state").exists());
}

#[test]
fn what_is_silenced_is_said_when_the_silence_is_removed() {
    let env = prepared();
    let receiver = Receiver::start();
    let (logs, url) = (env.path("logs"), receiver.url("/hook"));
    env.write(
        "p.toml",
        format!(
            "[[source]]\npaths = [\"{}\"]\nstart_at = \"beginning\"\n[sink.stdout]\nenabled = false\n\
             [[sink.webhook]]\nname = \"own\"\nurl = \"{url}\"\n[incident]\nbatch_wait = \"1s\"\n\
             [[incident.threshold]]\ncount = 1\nwithin = \"1m\"\n",
            logs.display()
        ),
    );
    let quiet = ["code=ACQ.*", "--for", "1h", "--comment", "c", "--config", "p.toml"];
    let id = id(&silence(&env, &[&["add"], &quiet[..]].concat()).code(0));
    env.write("logs/app.log", daemon::failure(1) + &failure(2));
    let mut daemon = daemon::run(&env, &["--config", "p.toml", "--state", "state"]);
    let said = |n: usize| String::from_utf8(receiver.wait_for(n).swap_remove(n - 1).body).unwrap();
    let first = said(1);
    assert!(first.contains("ILLEGAL_EXTERIOR_USER_SCENE") && !first.contains("ACQ.TRADE_HAS_SUCCESS"), "{first}");
    silence(&env, &["remove", &id]).code(0);
    let second = said(2);
    assert!(second.contains("ACQ.TRADE_HAS_SUCCESS") && second.contains("silence_ended"), "{second}");
    assert!(daemon.stop().success());
}
