//! `run` with sinks that want incidents: few messages, the right numbers in them, and one story across restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use paytriage::catalog::Catalog;
use paytriage::incident::threshold_of;
use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, PATIENCE, append, eventually, run};
use crate::hooks::{ARGS, config, events, kept};
use crate::receiver::{Receiver, Request, Step};

/// What every notice and digest must be.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(paytriage::incident::INCIDENT_JSON_SCHEMA).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

const ON_STDOUT: &str = "[sink.stdout]\nnotify = \"incident\"\nformat = \"json\"\n";

fn sink(receiver: &Receiver) -> String {
    format!("[[sink.webhook]]\nname = \"oncall\"\nurl = \"{}\"\n", receiver.url("/"))
}

fn line(code: &str, order: usize) -> String {
    format!(
        "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {{\"code\":\"40004\",\"sub_code\":\"{code}\",\
         \"out_trade_no\":\"N{order:06}\"}}\n"
    )
}

fn write(env: &Env, code: &str, orders: std::ops::Range<usize>) {
    append(env, "logs/app.log", &orders.map(|order| line(code, order)).collect::<String>());
}

/// The notices in a message; those of a digest one by one.
fn notices(message: &Value) -> Vec<Value> {
    assert!(SCHEMA.is_valid(message), "no valid message: {message}");
    match message["schema"].as_str() {
        Some("paytriage.digest/1") => message["incidents"].as_array().unwrap().clone(),
        _ => vec![message.clone()],
    }
}

/// The messages of a request.
fn messages(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    match body["type"].as_str() {
        Some("paytriage.notices") => body["data"]["notices"].as_array().unwrap().clone(),
        _ => vec![body["data"].clone()],
    }
}

fn told(receiver: &Receiver) -> Vec<Value> {
    kept(&[receiver]).iter().flat_map(messages).flat_map(|message| notices(&message)).collect()
}

/// Waits until a receiver was told all of it.
#[track_caller]
fn wait_until(daemon: &mut Daemon, receiver: &Receiver, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = told(receiver);
        if enough(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "only this was told: {told:#?}\n{}", daemon.drain_log());
        thread::sleep(Duration::from_millis(50));
    }
}

fn has(told: &[Value], code: &str, status: &str) -> bool {
    told.iter().any(|notice| notice["code"] == code && notice["status"] == status)
}

/// The next notices on standard output.
fn printed(daemon: &mut Daemon) -> Vec<Value> {
    let line = daemon.line();
    notices(&serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

fn number(notice: &Value, pointer: &str) -> u64 {
    notice.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer}: {notice}"))
}

#[test]
fn where_logs_of_several_hosts_come_together_it_is_said_that_one_of_them_is_affected() {
    let env = Env::new();
    config(&env, &["[incident]\nbatch_wait = \"1s\"\n", ON_STDOUT]);
    let mut daemon = run(&env, ARGS);
    let from = |host: &str, code: &str, orders: std::ops::Range<usize>| {
        let line = |order| format!("Jul  1 12:00:00 {host} shop[7]: {}", line(code, order));
        append(&env, "logs/app.log", &orders.map(line).collect::<String>());
    };
    from("web-1", "isv.invalid-signature", 0..1);
    let first = printed(&mut daemon).remove(0);
    assert_eq!((&first["scope"], &first["sources"][0]["host"]), (&"isolated".into(), &"web-1".into()));
    from("web-2", "ACQ.SYSTEM_ERROR", 1..20);
    let second = printed(&mut daemon).remove(0);
    assert_eq!((&second["code"], &second["scope"]), (&"ACQ.SYSTEM_ERROR".into(), &"one_host".into()), "{second}");
    assert_eq!(second["sources"][0]["host"], "web-2");
}

#[test]
fn a_backlog_is_judged_by_the_times_of_its_lines() {
    let env = Env::new();
    let rule = "[[incident.threshold]]\ncodes = [\"ACQ.*\"]\ncount = 5\nwithin = \"1m\"\n";
    config(&env, &["[incident]\nbatch_wait = \"1s\"\n", rule, ON_STDOUT]);
    let now = Timestamp::now();
    // So many seconds ago.
    let ago = |seconds: i64, code: &str| {
        let time = now - SignedDuration::from_secs(seconds);
        line(code, 0).replace("2026-07-01 12:00:00", &time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    // One every twenty minutes is no incident, five in a minute were one.
    let calm: String = (1..=8).rev().map(|n| ago(n * 1200, "ACQ.SYSTEM_ERROR")).collect();
    let busy: String = (0..5).map(|n| ago(5000 - 10 * n, "ACQ.PAYMENT_FAIL")).collect();
    env.write("logs/app.log", calm + &busy);
    let mut daemon = run(&env, ARGS);
    let told = printed(&mut daemon);
    let said: Vec<_> = told.iter().map(|it| (it["code"].as_str().unwrap(), number(it, "/count"))).collect();
    assert_eq!(said, [("ACQ.PAYMENT_FAIL", 5)]);
    // All of it was read before this.
    append(&env, "logs/app.log", &ago(0, "isv.invalid-signature"));
    let told = printed(&mut daemon);
    assert!(told.len() == 1 && told[0]["code"] == "isv.invalid-signature", "{told:#?}");
    assert!(daemon.stop().success());
}

/// Six kinds of failures, and how many different orders of each.
const OUTAGE: [(&str, usize); 6] = [
    ("isv.invalid-signature", 2000),
    ("ACQ.INVALID_PARAMETER", 1000),
    ("ACQ.ACCESS_FORBIDDEN", 100),
    ("ACQ.SYSTEM_ERROR", 256),
    ("ACQ.CONTEXT_INCONSISTENT", 1),
    ("ACQ.TRADE_HAS_SUCCESS", 257),
];

#[test]
fn an_outage_is_a_few_messages_with_the_right_numbers() {
    const OF_EACH: usize = 2000;
    let (env, receiver) = (Env::new(), Receiver::start());
    let rules = "[incident]\nresolve_after = \"5s\"\nbatch_wait = \"2s\"\n";
    config(&env, &[rules, ON_STDOUT, &sink(&receiver)]);
    let lines = |n: usize| OUTAGE.map(|(code, orders)| line(code, n % orders)).concat();
    env.write("logs/app.log", (0..OF_EACH).map(lines).collect::<String>());
    let mut daemon = run(&env, ARGS);
    let all = |told: &[Value]| OUTAGE.iter().all(|(code, _)| has(told, code, "resolved"));
    let told = wait_until(&mut daemon, &receiver, all);
    assert!(daemon.stop().success());
    let of = |code: &str, status: &str| {
        let of: Vec<_> = told.iter().filter(|it| it["code"] == code && it["status"] == status).collect();
        assert_eq!(of.len(), 1, "{code} {status}: {told:#?}");
        of[0].clone()
    };
    for (code, orders) in OUTAGE {
        let (opened, resolved) = (of(code, "opened"), of(code, "resolved"));
        assert_eq!(opened["incident"], resolved["incident"]);
        assert_eq!(number(&resolved, "/count"), OF_EACH as u64, "{code}");
        let (distinct, exact) = (number(&resolved, "/orders/distinct") as usize, orders <= 256);
        assert_eq!(resolved["orders"]["exact"], exact, "{code}");
        // The estimate's standard error is 0.9 %.
        let off = if exact { 0 } else { (orders / 30).max(1) };
        assert!(distinct.abs_diff(orders) <= off, "{code}: {distinct} orders instead of {orders}");
    }
    let messages: Vec<_> = kept(&[&receiver]).iter().flat_map(messages).collect();
    assert!(messages.len() <= 5, "{} messages: {messages:#?}", messages.len());
    // Standard output says the same.
    assert_eq!(daemon.rest(), messages);
}

#[test]
fn the_first_failure_is_told_at_once_and_its_end_too() {
    let (env, receiver) = (Env::new(), Receiver::start());
    // Only what comes after a message may have to wait.
    let rules = "[incident]\nresolve_after = \"2s\"\nbatch_wait = \"1s\"\nrepeat = [\"1h\"]\n";
    config(&env, &[rules, ON_STDOUT, &sink(&receiver)]);
    let mut daemon = run(&env, ARGS);
    write(&env, "isv.invalid-signature", 7..8);
    let opened = printed(&mut daemon).remove(0);
    let time = |key: &str| -> Timestamp { opened[key].as_str().unwrap().parse().unwrap() };
    let waited = time("time").duration_since(time("opened_at"));
    assert!(waited.as_secs() < 2, "it was told {waited:?} after it opened");
    let facts = |notice: &Value| {
        let fact = |key: &str| notice[key].as_str().unwrap().to_owned();
        (fact("code"), fact("status"), fact("reason"), number(notice, "/count"))
    };
    let expected = |status: &str, reason: &str| ("isv.invalid-signature".into(), status.into(), reason.into(), 1);
    assert_eq!(facts(&opened), expected("opened", "threshold"));
    assert_eq!(opened["orders"]["samples"][0], "N000007");
    let resolved = printed(&mut daemon).remove(0);
    assert_eq!(facts(&resolved), expected("resolved", "quiet"));
    assert_eq!(resolved["incident"], opened["incident"]);
    let told = wait_until(&mut daemon, &receiver, |told| told.len() == 2);
    assert_eq!(told, [opened, resolved]);
}

#[test]
fn every_pager_is_told_the_end_of_each_of_many_incidents_and_chats_get_few_messages() {
    const N: usize = 30;
    let catalog = Catalog::builtin();
    let codes = catalog.entries().iter().filter(|entry| threshold_of(entry).count == 1);
    let codes = codes.filter_map(|entry| entry.codes.iter().find(|code| code.text.starts_with("ACQ.")));
    let lines: String = codes.take(N).enumerate().map(|(n, code)| line(&code.text, n)).collect();
    assert_eq!(lines.lines().count(), N);
    let (env, [pager, alerts, hook, chat]) = (Env::new(), [(); 4].map(|()| Receiver::start()));
    pager.otherwise(|_| Step::status(202));
    chat.otherwise(|_| Step::body(200, "ok"));
    env.write("key", "0123456789abcdef0123456789abcdef");
    let sinks = [("pagerduty", &pager), ("alertmanager-alerts", &alerts), ("alertmanager", &hook), ("slack", &chat)];
    let sinks = sinks.map(|(format, receiver)| {
        let key = if format == "pagerduty" { "secret_file = \"key\"\n" } else { "" };
        let url = receiver.url("/");
        format!("[[sink.webhook]]\nname = \"{format}\"\nformat = \"{format}\"\nurl = \"{url}\"\n{key}")
    });
    let rules = "[incident]\nresolve_after = \"5s\"\nbatch_wait = \"2s\"\n[sink.stdout]\nenabled = false\n";
    config(&env, &[rules, &sinks.concat()]);
    append(&env, "logs/app.log", &lines);
    let mut daemon = run(&env, ARGS);
    // By its key: was it begun, and is it over after the last that was said of it?
    let states = |receiver: &Receiver, of: fn(&Value) -> Vec<(String, bool)>| {
        let said =
            receiver.taken().iter().flat_map(|it| of(&serde_json::from_slice(&it.body).unwrap())).collect::<Vec<_>>();
        let begun: BTreeSet<_> = said.iter().filter(|(_, over)| !over).map(|(key, _)| key.clone()).collect();
        let last: BTreeMap<_, _> = said.into_iter().collect();
        assert!(last.keys().all(|key| begun.contains(key)), "what is over was never begun: {last:?}");
        last
    };
    let all_are_over = || {
        [states(&pager, page), states(&alerts, pushed), states(&hook, sent)]
            .iter()
            .all(|last| last.len() == N && last.values().all(|over| *over))
    };
    eventually("all are over everywhere", all_are_over);
    assert!(daemon.stop().success());
    assert!(chat.taken().len() <= 5, "{} messages", chat.taken().len());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn page(body: &Value) -> Vec<(String, bool)> {
    vec![(text(&body["dedup_key"]), body["event_action"] == "resolve")]
}

fn pushed(body: &Value) -> Vec<(String, bool)> {
    let ends = |alert: &Value| text(&alert["endsAt"]).parse::<Timestamp>().unwrap();
    let alerts = body.as_array().unwrap().iter();
    alerts.map(|alert| (alert["labels"].to_string(), ends(alert) <= Timestamp::now())).collect()
}

fn sent(body: &Value) -> Vec<(String, bool)> {
    let alerts = body["alerts"].as_array().unwrap().iter();
    alerts.map(|alert| (text(&alert["fingerprint"]), alert["status"] == "resolved")).collect()
}

#[test]
fn people_read_one_line_for_each_turn() {
    let env = Env::new();
    let rules = "[incident]\nresolve_after = \"1s\"\nbatch_wait = \"1s\"\n";
    for (lang, told) in
        [("en", ["New · CRITICAL · ", "Resolved · CRITICAL · "]), ("zh", ["新发生 · 严重 · ", "已恢复 · 严重 · "])]
    {
        let language = format!("lang = \"{lang}\"\ntimezone = \"Asia/Shanghai\"\n");
        config(&env, &[rules, "[sink.stdout]\nnotify = \"incident\"\nformat = \"pretty\"\n"]);
        let tables = std::fs::read_to_string(env.path("p.toml")).unwrap();
        env.write("p.toml", language + &tables);
        let mut daemon = run(&env, ARGS);
        write(&env, "isv.invalid-signature", 0..1);
        for told in told {
            let line = daemon.line();
            let (time, rest) = line.split_once("  ").unwrap_or_else(|| panic!("{line}"));
            assert!(time.len() == "2026-07-01 12:00:00 +08:00".len() && time.ends_with(" +08:00"), "{line}");
            assert!(
                rest.starts_with(told) && rest.contains("isv.invalid-signature") && rest.contains(" · shop"),
                "{line}"
            );
        }
        assert!(daemon.stop().success());
    }
}

/// The notices of a dead sink: its name, and what is said of it.
fn of_sinks(receiver: &Receiver) -> Vec<(String, String, String)> {
    let own = told(receiver).into_iter().filter(|notice| notice["code"] == "PT.SINK_DOWN");
    own.map(|it| (text(&it["sources"][0]["labels"]["sink"]), text(&it["status"]), text(&it["reason"]))).collect()
}

#[test]
fn a_dead_sink_is_told_by_its_name_until_it_takes_messages_or_is_gone() {
    let (env, oncall, log, gone) = (Env::new(), Receiver::start(), Receiver::start(), Receiver::start());
    let rules = "[incident]\nresolve_after = \"1s\"\nbatch_wait = \"1s\"\nrepeat = [\"2s\"]\n";
    let sinks = |with_gone: bool| {
        let event_sink = |name: &str, receiver: &Receiver| {
            format!("[[sink.webhook]]\nname = \"{name}\"\nurl = \"{}\"\nnotify = \"event\"\n", receiver.url("/"))
        };
        let more = if with_gone { event_sink("gone", &gone) } else { String::new() };
        config(&env, &[rules, &sink(&oncall), &event_sink("log", &log), &more, "[sink.stdout]\nenabled = false\n"]);
    };
    log.then([Step::status(410)]);
    gone.then([Step::status(410)]);
    sinks(true);
    let mut daemon = run(&env, ARGS);
    write(&env, "isv.invalid-signature", 0..1);
    let count = |sink: &str, status: &str| {
        of_sinks(&oncall).iter().filter(|(name, is, _)| name == sink && is == status).count()
    };
    eventually("both go on, each by itself", || ["log", "gone"].iter().all(|sink| count(sink, "ongoing") >= 2));
    assert!(has(&told(&oncall), "isv.invalid-signature", "resolved"), "what is quiet is over");
    assert!(of_sinks(&oncall).iter().all(|(_, status, _)| status != "resolved"), "and what lasts is not");
    // It takes messages again, and the other one is not wanted any more.
    sinks(false);
    daemon.signal("HUP");
    eventually("both are over", || ["log", "gone"].iter().all(|sink| count(sink, "resolved") == 1));
    let mut ends = of_sinks(&oncall);
    ends.retain(|(_, status, _)| status == "resolved");
    ends.sort();
    let end = |sink: &str, reason: &str| (sink.to_owned(), "resolved".to_owned(), reason.to_owned());
    assert_eq!(ends, [end("gone", "removed"), end("log", "recovered")]);
    assert!(daemon.stop().success());
    let requests = kept(&[&log]);
    let of_itself = requests.iter().flat_map(events).filter(|event| event["source"]["labels"]["sink"] == "log");
    assert_eq!(of_itself.map(|event| text(&event["code"])).collect::<Vec<_>>(), [""; 0], "it is not told of itself");
}

#[test]
fn an_incident_goes_on_as_itself_after_a_stop_and_after_a_sigkill() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let code = "isv.invalid-signature";
    let with = |resolve: &str| {
        let rules = format!("[incident]\nresolve_after = \"{resolve}\"\nbatch_wait = \"1s\"\nrepeat = [\"1s\"]\n");
        config(&env, &[&rules, &sink(&receiver), "[sink.stdout]\nenabled = false\n"]);
    };
    with("1h");
    let mut expected = 0;
    for signal in ["TERM", "KILL", "KILL"] {
        let mut daemon = run(&env, ARGS);
        write(&env, code, expected..expected + 100);
        expected += 100;
        let counted = |told: &[Value]| told.iter().any(|notice| number(notice, "/count") == expected as u64);
        wait_until(&mut daemon, &receiver, counted);
        daemon.signal(signal);
        daemon.wait();
    }
    with("1s");
    let mut daemon = run(&env, ARGS);
    let told = wait_until(&mut daemon, &receiver, |told| has(told, code, "resolved"));
    let ids: BTreeSet<_> = told.iter().map(|notice| notice["incident"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{told:#?}");
    let statuses: Vec<_> = told.iter().map(|notice| notice["status"].as_str().unwrap()).collect();
    let turns = |status: &str| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((turns("opened"), turns("resolved")), (1, 1), "{statuses:?}");
    assert!(statuses[0] == "opened" && statuses.last() == Some(&"resolved"), "{statuses:?}");
    let last = told.last().unwrap();
    let distinct = number(last, "/orders/distinct");
    assert!(number(last, "/count") == 300 && (294..=306).contains(&distinct), "{last}");
    assert!(daemon.stop().success());
}

#[test]
fn what_is_silenced_is_told_when_the_silence_is_over_and_not_before() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let until = |seconds| Timestamp::try_from(SystemTime::now() + Duration::from_secs(seconds)).unwrap();
    let silence =
        |code: &str, seconds| format!("[[incident.silence]]\ncodes = [\"{code}\"]\nuntil = {}\n", until(seconds));
    let rules = "[incident]\nresolve_after = \"1h\"\nbatch_wait = \"1s\"\n";
    let silences = [silence("ACQ.ACCESS_FORBIDDEN", 3600), silence("ACQ.INVALID_*", 5)];
    config(&env, &[rules, &silences[0], &silences[1], &sink(&receiver)]);
    let mut daemon = run(&env, ARGS);
    for code in ["ACQ.ACCESS_FORBIDDEN", "ACQ.INVALID_PARAMETER", "isv.invalid-signature"] {
        write(&env, code, 0..3);
    }
    let told = wait_until(&mut daemon, &receiver, |told| has(told, "ACQ.INVALID_PARAMETER", "opened"));
    let turns: Vec<_> = told.iter().map(|it| (it["code"].as_str().unwrap(), it["reason"].as_str().unwrap())).collect();
    assert_eq!(turns, [("isv.invalid-signature", "threshold"), ("ACQ.INVALID_PARAMETER", "silence_ended")]);
    assert_eq!(number(&told[1], "/count"), 3);
}

#[test]
fn a_sink_for_events_and_one_for_incidents_have_nothing_of_each_other() {
    let (env, events, incidents) = (Env::new(), Receiver::start(), Receiver::start());
    let of_events = crate::hooks::sink("events", &events.url("/"), "");
    config(&env, &[&of_events, &sink(&incidents), "[sink.stdout]\nenabled = false\n"]);
    write(&env, "isv.invalid-signature", 0..50);
    let mut daemon = run(&env, ARGS);
    crate::hooks::arrive(&mut daemon, 50, &[&events]);
    wait_until(&mut daemon, &incidents, |told| !told.is_empty());
    assert!(daemon.stop().success());
    crate::hooks::once_and_in_order(0..50, &[&events]);
    let kinds: BTreeMap<_, _> = told(&incidents).iter().map(|it| (it["schema"].to_string(), ())).collect();
    assert_eq!(kinds.into_keys().collect::<Vec<_>>(), ["\"paytriage.incident/1\""]);
    eventually("nothing waits", || {
        let status = env.run(&["outbox", "status", "--format", "json", "--state", "state"]).code(0);
        serde_json::from_str::<Value>(&status.stdout).unwrap()["events"] == 0
    });
}
