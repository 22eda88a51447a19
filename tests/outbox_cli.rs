//! `outbox` where there are webhooks: what waits for each and why, what was given up, trying again, dropping.

use std::path::Path;

use paytriage::config::{Durability, Notify};
use paytriage::event::EventId;
use paytriage::store::{Batch, Delivery, OutboxEvent, Request, StateDir, Store, Tries};
use serde_json::{Value, json};

use crate::cli_env::{Env, Run};
use crate::daemon;
use crate::receiver::{Receiver, Step};

const HOUR_MS: i64 = 3_600_000;

fn row(n: u8) -> OutboxEvent {
    let body = json!({
        "schema": "paytriage.event/1", "id": format!("{n:032x}"), "observed_time": "2026-01-01T00:00:00Z", "code": format!("C{n}"),
        "kind": "code", "entry": "e", "category": "system", "act": "merchant", "advice": "none", "retry": "safe", "cause": "c",
        "severity": "error", "title": "t", "source": {"name": "shop", "path": "/a", "line": 1, "offset": 0}, "excerpt": "x",
    });
    OutboxEvent { id: EventId([n; 16]), body: body.to_string().into_bytes() }
}

fn delivery(seq: i64, tries: Tries) -> Delivery {
    let request = Request { content_type: "application/json".into(), headers: Vec::new(), body: b"{}".to_vec() };
    Delivery {
        id: format!("msg_{seq}"),
        members: vec![seq],
        part: 0,
        through: seq,
        format: "slack".into(),
        request: Some(request),
        tries,
        row: None,
        incidents: Default::default(),
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Everything that can become of a row: `oncall` has given up 1, put 2 apart, tries 3, and 4 waits; `log` waits for notices.
fn prepared() -> Env {
    let env = Env::new();
    let dir = StateDir::lock(&env.path("state")).unwrap();
    let store = Store::open(&dir, Durability::Normal).unwrap();
    store.set_sinks(&[("oncall", Notify::Event), ("log", Notify::Incident)]).unwrap();
    let (events, notices) = ((1..=4).map(row).collect(), vec![row(9)]);
    store.commit(&Batch { events, notices, ..Batch::default() }).unwrap();
    let later = now_ms() + HOUR_MS;
    let tries = |last_error: &str| Tries {
        attempts: 3,
        refusals: 3,
        next_ms: later,
        last_error: Some(last_error.into()),
        ..Tries::default()
    };
    let deliveries = [1, 2, 3].map(|seq| delivery(seq, tries("HTTP 503: a\u{1b}[2Jb")));
    store.put_deliveries("oncall", Notify::Event, &deliveries).unwrap();
    store.bury("oncall", &deliveries[0], "HTTP 400: bad\u{1b}[2J", now_ms()).unwrap();
    store.put_apart("oncall", &deliveries[1], &tries("HTTP 422")).unwrap();
    env
}

fn outbox(env: &Env, arguments: &[&str]) -> Run {
    env.run(&[&["outbox"], arguments, &["--state", "state"]].concat())
}

fn status(env: &Env) -> Value {
    serde_json::from_str(&outbox(env, &["status", "--format", "json"]).code(0).quiet().stdout).unwrap()
}

fn codes(env: &Env, arguments: &[&str]) -> Vec<String> {
    let listed = outbox(env, &[&["list", "--format", "json"], arguments].concat()).code(0);
    listed.events().iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect()
}

fn sink<'s>(status: &'s Value, name: &str) -> &'s Value {
    status["sinks"].as_array().unwrap().iter().find(|sink| sink["name"] == name).unwrap()
}

#[test]
fn status_says_how_each_sink_fares() {
    let env = prepared();
    let status = status(&env);
    let oncall = sink(&status, "oncall");
    let facts = ["kind", "notify", "events", "batches", "apart", "attempts", "dead_letters"].map(|key| &oncall[key]);
    assert_eq!(json!(facts), json!(["webhook", "event", 3, 2, 1, 3, 1]), "{oncall}");
    assert_eq!(oncall["last_error"], "HTTP 503: a\u{1b}[2Jb");
    let next: jiff::Timestamp = oncall["next_try"].as_str().unwrap().parse().unwrap();
    assert!((now_ms()..=now_ms() + HOUR_MS).contains(&next.as_millisecond()), "{oncall}");
    assert_eq!((&sink(&status, "log")["notify"], &sink(&status, "log")["events"]), (&"incident".into(), &1.into()));

    // How much may wait is its daemon's to say.
    assert_eq!(status.get("max_bytes"), None, "{status}");

    let sink = "[[sink.webhook]]\nname = \"oncall\"\nurl = \"https://a.example\"\nnotify = \"event\"\n";
    env.write("p.toml", format!("[state]\nmax_outbox = \"3MiB\"\n{sink}"));
    let people = outbox(&env, &["status", "--config", "p.toml"]).code(0).quiet().stdout;
    for text in [
        " of 3.0 MiB\n",
        "sink    oncall: 3 events, ",
        " (webhook, json)\n",
        "          2 requests, 1 of them refused and put apart, 3 attempts, next try in 59m",
        "          last error: HTTP 503: a\\x1b[2Jb\n",
        "          1 dead letter given up; see `outbox list --dead`",
        "sink    log: 1 notice, ",
    ] {
        assert!(people.contains(text), "{text:?} is not in {people}");
    }
}

#[test]
fn each_sink_has_its_own_list_and_its_own_dead() {
    let env = prepared();
    assert_eq!(codes(&env, &["--sink", "oncall"]), ["C2", "C3", "C4"]);
    assert_eq!(codes(&env, &["--sink", "oncall", "--limit", "2"]), ["C2", "C3"]);
    for (limit, more) in [("2", "there are more than these 2; --limit N lists N of them\n"), ("3", "")] {
        for format in ["json", "pretty"] {
            let run = outbox(&env, &["list", "--sink", "oncall", "--limit", limit, "--format", format]).code(0);
            assert_eq!(run.stderr, more, "{limit} {format}");
        }
    }
    assert_eq!(outbox(&env, &["list", "--dead", "--limit", "1"]).code(0).stderr, "");
    assert_eq!(codes(&env, &["--sink", "log"]), ["C9"]);
    let dead = outbox(&env, &["list", "--dead", "--format", "json"]).code(0).quiet().events();
    let [letter] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!(
        (&letter["sink"], &letter["id"], &letter["row"]["code"]),
        (&"oncall".into(), &"msg_1".into(), &"C1".into())
    );
    let people = outbox(&env, &["list", "--dead", "--sink", "oncall"]).code(0).quiet().stdout;
    assert!(people.contains("C1") && people.contains("given up by oncall at 20"), "{people}");
    assert!(people.contains("HTTP 400: bad\\x1b[2J\n"), "{people}");
    assert_eq!(outbox(&env, &["list", "--dead", "--sink", "log"]).code(0).quiet().stdout, "");
}

#[test]
fn retrying_makes_what_waits_due_and_revives_the_dead() {
    let env = prepared();
    let nothing = outbox(&env, &["retry", "--sink", "log"]).code(0).quiet().stdout;
    assert_eq!(nothing, "there is nothing to try again\n");
    let told = outbox(&env, &["retry"]).code(0).quiet().stdout;
    assert_eq!(told, "2 requests and 1 dead letter are tried again once `paytriage run` works with this state\n");
    let status = status(&env);
    let oncall = sink(&status, "oncall");
    assert_eq!((&oncall["dead_letters"], &oncall["batches"], &oncall["apart"]), (&0.into(), &3.into(), &2.into()));
    assert_eq!(oncall["next_try"], "1970-01-01T00:00:00Z");
    assert!(outbox(&env, &["status"]).stdout.contains(", due now"));
}

#[test]
fn what_waits_for_one_webhook_is_dropped_alone_and_reported() {
    let env = prepared();
    // As a daemon does.
    let _lock = StateDir::lock(&env.path("state")).unwrap();
    let asked = outbox(&env, &["drop", "--sink", "oncall"]).code(2).stderr;
    assert!(asked.starts_with("3 events (") && asked.contains("nothing was dropped. Give --yes"), "{asked}");
    assert_eq!(sink(&status(&env), "oncall")["events"], 3);
    // Of those in order only C4 is for it; what stands apart is.
    let webhook = "name = \"oncall\"\nurl = \"https://a.example\"\nnotify = \"event\"\ncodes = [\"C4\"]";
    env.write("p.toml", format!("[[sink.webhook]]\n{webhook}\n"));
    let told = outbox(&env, &["drop", "--sink", "oncall", "--yes", "--config", "p.toml"]).code(0).quiet().stdout;
    assert!(told.starts_with("2 events (") && told.contains("were dropped; 1 of them may be under way"), "{told}");
    let after = status(&env);
    let oncall = sink(&after, "oncall");
    assert_eq!((&oncall["events"], &oncall["batches"], &oncall["dead_letters"]), (&0.into(), &0.into(), &1.into()));
    assert_eq!(codes(&env, &["--sink", "log"]), ["C9"]);
    // Nobody says what was for this one.
    let told = outbox(&env, &["drop", "--sink", "log", "--yes"]).code(0).quiet().stdout;
    assert!(told.starts_with("up to 1 notice ("), "{told}");
    assert_eq!(losses(&env), ["asked oncall event 1", "asked oncall event 1", "asked log incident 1 at most"]);
}

/// What the next daemon tells.
fn losses(env: &Env) -> Vec<String> {
    let outbox = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    let select = "SELECT reason || ' ' || sink || iif(kind, ' incident ', ' event ') || rows || iif(at_most, ' at most', '') \
                  FROM loss WHERE letter IS NULL ORDER BY rowid";
    let mut select = outbox.prepare(select).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_dead_are_dropped_only_when_asked_for() {
    let env = prepared();
    let asked = outbox(&env, &["drop", "--dead"]).code(2).stderr;
    assert_eq!(asked, "1 dead letters are kept; nothing was dropped. Give --yes to drop them\n");
    assert_eq!(
        outbox(&env, &["drop", "--dead", "--sink", "log", "--yes"]).code(0).stdout,
        "0 dead letters were dropped\n"
    );
    assert_eq!(outbox(&env, &["drop", "--dead", "--yes"]).code(0).quiet().stdout, "1 dead letters were dropped\n");
    let after = status(&env);
    assert_eq!((&sink(&after, "oncall")["dead_letters"], &sink(&after, "oncall")["events"]), (&0.into(), &3.into()));
}

#[test]
fn what_stdout_has_in_memory_is_not_dropped_behind_its_back() {
    let env = Env::new();
    let path = env.path("state");
    let lock = StateDir::lock(&path).unwrap();
    Store::open(&lock, Durability::Normal).unwrap().set_sinks(&[("stdout", Notify::Event)]).unwrap();
    let refused = outbox(&env, &["drop", "--sink", "stdout", "--yes"]).code(2).stderr;
    assert!(refused.contains("stop the daemon first (process "), "{refused}");
    assert!(outbox(&env, &["retry", "--sink", "stdout"]).code(2).stderr.contains("nothing to retry"));
    drop(lock);
    assert!(outbox(&env, &["drop", "--sink", "stdout", "--yes"]).code(0).stdout.starts_with("0 events"));
}

#[test]
fn sinks_that_are_none_are_answered_with_those_that_are() {
    let env = prepared();
    for arguments in [
        &["list", "--sink", "x"][..],
        &["list", "--dead", "--sink", "x"],
        &["retry", "--sink", "x"],
        &["drop", "--sink", "x"],
        &["drop", "--sink", "x", "--yes"],
        &["drop", "--dead", "--sink", "x", "--yes"],
    ] {
        let refused = outbox(&env, arguments).code(2).stderr;
        assert_eq!(refused, "paytriage: no sink is called \"x\"; there are: log, oncall\n", "{arguments:?}");
    }
    let env = Env::new();
    assert!(outbox(&env, &["retry"]).code(2).stderr.contains("no such state directory"));
    std::fs::create_dir(env.path("state")).unwrap();
    assert!(outbox(&env, &["retry"]).code(2).stderr.contains("nothing was ever stored here"));
    assert!(Path::new(&env.path("state")).read_dir().unwrap().next().is_none(), "asking leaves nothing behind");
}

/// A receiver that asks to be left alone for longer than any test, and a configuration with it and other sinks.
fn busy(env: &Env, sinks: &str) -> Receiver {
    let receiver = Receiver::start();
    receiver.then([Step::header(503, "retry-after", "3000")]);
    let (logs, url) = (env.path("logs"), receiver.url("/hook"));
    let source = format!("[[source]]\npaths = [\"{}\"]\nstart_at = \"beginning\"\n", logs.display());
    let own = format!("[[sink.webhook]]\nname = \"own\"\nurl = \"{url}\"\nnotify = \"event\"\n");
    env.write("p.toml", [&source, sinks, &own].concat());
    receiver
}

#[test]
fn a_sink_that_fails_is_seen_and_helped_beside_the_daemon() {
    let env = Env::new();
    let receiver = busy(&env, "[sink.stdout]\nenabled = false\n");
    env.write("logs/app.log", daemon::failure(1));
    let mut daemon = daemon::run(&env, &["--config", "p.toml", "--state", "state"]);
    daemon::eventually("the failure is known", || sink(&status(&env), "own")["last_error"] == "HTTP 503");
    assert_eq!(codes(&env, &["--sink", "own"]), ["ACQ.TRADE_HAS_SUCCESS"]);
    let told = outbox(&env, &["retry", "--sink", "own"]).code(0).quiet().stdout;
    assert_eq!(told, "1 request is tried again within seconds\n");
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    daemon::eventually("it is delivered", || status(&env)["events"] == 0);
    assert!(daemon.stop().success());
}

#[test]
fn what_is_dropped_beside_the_daemon_is_told_to_the_other_sinks_though_nothing_else_happens() {
    let env = Env::new();
    let _receiver = busy(&env, "");
    env.write("logs/app.log", daemon::failure(1));
    let mut daemon = daemon::run(&env, &["--config", "p.toml", "--state", "state"]);
    assert_eq!(daemon.numbers(1), [1]);
    daemon::eventually("the failure is known", || sink(&status(&env), "own")["last_error"] == "HTTP 503");
    outbox(&env, &["drop", "--sink", "own", "--yes", "--config", "p.toml"]).code(0);
    let notice = daemon.event();
    assert_eq!(notice["code"], "PT.DROPPED", "{notice}");
    let facts = notice["excerpt"].as_str().unwrap();
    assert!(facts.starts_with("sink=own events=1 bytes=") && facts.ends_with(" reason=asked"), "{facts}");
    assert!(daemon.stop().success());
}

#[test]
fn what_is_dropped_is_told_also_where_only_incidents_are_taken() {
    let env = Env::new();
    let people = Receiver::start();
    let sink = format!("[[sink.webhook]]\nname = \"people\"\nurl = \"{}\"\n", people.url("/"));
    let receiver = busy(
        &env,
        &format!(
            "[sink.stdout]\nenabled = false\n[incident]\nbatch_wait = \"1s\"\n[[incident.threshold]]\ncount = 1\nwithin = \"1m\"\n{sink}"
        ),
    );
    let config = std::fs::read_to_string(env.path("p.toml")).unwrap();
    env.write("p.toml", config.replace("notify = \"event\"", "notify = \"incident\""));
    env.write("logs/app.log", daemon::failure(1));
    let mut daemon = daemon::run(&env, &["--config", "p.toml", "--state", "state"]);
    receiver.wait_for(1);
    daemon::eventually("the failure is known", || sink_error(&env) == "HTTP 503");
    outbox(&env, &["drop", "--sink", "own", "--yes", "--config", "p.toml"]).code(0);
    let told = || people.requests().iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect::<String>();
    daemon::eventually("it is told", || told().contains("sink=own messages=1 bytes="));
    assert!(told().contains("\"lost_messages\":1"), "{}", told());
    assert!(daemon.stop().success());
}

fn sink_error(env: &Env) -> Value {
    sink(&status(env), "own")["last_error"].clone()
}
