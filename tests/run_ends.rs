//! `run` with pagers: what each knows of an incident ends true, whatever it refuses and however its filter is changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{append, eventually, run};
use crate::hooks::{ARGS, config, text};
use crate::receiver::{Receiver, Request, Step};

const FIRST: &str = "ACQ.ACCESS_FORBIDDEN";
const SECOND: &str = "ACQ.INVALID_PARAMETER";

fn pager(name: &str, receiver: &Receiver, more: &str) -> String {
    let url = receiver.url("/");
    format!(
        "[[sink.webhook]]\nname = \"{name}\"\nformat = \"pagerduty\"\nsecret_file = \"key\"\nurl = \"{url}\"\n{more}\n"
    )
}

fn rules(resolve_after: &str) -> String {
    format!("[incident]\nresolve_after = \"{resolve_after}\"\nbatch_wait = \"1s\"\n")
}

/// Enough failures for an incident.
fn fail(env: &Env, code: &str) {
    let line = |order| {
        format!(
            "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {{\"code\":\"40004\",\"sub_code\":\"{code}\",\
             \"out_trade_no\":\"N{order:06}\"}}\n"
        )
    };
    append(env, "logs/app.log", &(0..100).map(line).collect::<String>());
}

fn page(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// What a pager has of each incident that is not about paytriage itself, by its key.
fn pages(receiver: &Receiver) -> BTreeMap<String, Vec<String>> {
    let value = |page: &Value, key: &str| page[key].as_str().unwrap().to_owned();
    let all: Vec<_> = receiver.taken().iter().map(page).collect();
    // An end names only its key.
    let own: Vec<_> = all.iter().filter(|it| it.to_string().contains("PT.")).map(|it| value(it, "dedup_key")).collect();
    let mut pages = BTreeMap::<_, Vec<String>>::new();
    for page in all.iter().filter(|it| !own.contains(&value(it, "dedup_key"))) {
        pages.entry(value(page, "dedup_key")).or_default().push(value(page, "event_action"));
    }
    pages
}

fn is_over(pages: &[String]) -> bool {
    pages.last().is_some_and(|last| last == "resolve")
}

#[test]
fn an_opening_that_a_pager_refuses_does_not_come_after_the_end() {
    let (env, receiver) = (Env::new(), Receiver::start());
    env.write("key", "0123456789abcdef0123456789abcdef");
    let bad = Arc::new(AtomicBool::new(true));
    let is_bad = Arc::clone(&bad);
    receiver.otherwise(move |request| {
        let refused = page(request)["event_action"] == "trigger" && text(request).contains(FIRST);
        Step::status(if refused && is_bad.load(Relaxed) { 413 } else { 202 })
    });
    config(&env, &[&rules("2s"), &pager("pager", &receiver, "")]);
    let mut daemon = run(&env, ARGS);
    fail(&env, FIRST);
    eventually("its end is told", || pages(&receiver).values().any(|pages| is_over(pages)));
    let dropped = loop {
        let event = daemon.event();
        if event["code"] == "PT.DROPPED" {
            break event;
        }
    };
    let facts = dropped["excerpt"].as_str().unwrap();
    assert!(facts.starts_with("sink=pager messages=1 ") && facts.ends_with(" reason=superseded"), "{facts}");
    // Neither a start, which tries again what stands apart, nor an operator who does brings it back.
    daemon.signal("KILL");
    daemon.wait();
    bad.store(false, Relaxed);
    let mut daemon = run(&env, ARGS);
    env.run(&["outbox", "retry", "--config", "p.toml"]).code(0);
    fail(&env, SECOND);
    eventually("the next one is told to its end", || {
        pages(&receiver).len() == 2 && pages(&receiver).values().all(|it| is_over(it))
    });
    assert!(daemon.stop().success());
    let mut told: Vec<_> = pages(&receiver).into_values().collect();
    told.sort_by_key(Vec::len);
    assert_eq!(told[0], ["resolve"]);
    assert_eq!(told[1].first().map(String::as_str), Some("trigger"));
}

#[test]
fn who_was_told_of_a_beginning_is_told_of_the_end_whatever_its_filter_has_become() {
    const NARROW: [&str; 4] = [
        "min_severity = \"critical\"",
        "providers = [\"unionpay\"]",
        "codes = [\"ACQ.NOTHING\"]",
        "labels = { env = \"prod\" }",
    ];
    for signal in ["HUP", "KILL"] {
        let (env, receivers, all) = (Env::new(), NARROW.map(|_| Receiver::start()), Receiver::start());
        env.write("key", "0123456789abcdef0123456789abcdef");
        let pagers = |filters: [&str; 4]| {
            let pagers = receivers.iter().zip(filters).enumerate();
            let pagers = pagers.map(|(n, (receiver, filter))| {
                receiver.otherwise(|_| Step::status(202));
                pager(&format!("pager{n}"), receiver, filter)
            });
            pagers.chain([pager("all", &all, "")]).collect::<String>()
        };
        all.otherwise(|_| Step::status(202));
        config(&env, &[&rules("1h"), &pagers([""; 4])]);
        let mut daemon = run(&env, ARGS);
        fail(&env, FIRST);
        let are_told = || receivers.iter().all(|receiver| pages(receiver).len() == 1);
        eventually("all are told of the beginning", are_told);
        config(&env, &[&rules("2s"), &pagers(NARROW)]);
        daemon.signal(signal);
        if signal == "KILL" {
            daemon.wait();
            daemon = run(&env, ARGS);
        } else {
            daemon.wait_for_log("reloaded");
        }
        let are_over = || receivers.iter().all(|receiver| pages(receiver).values().all(|pages| is_over(pages)));
        eventually("all are told of the end", are_over);
        fail(&env, SECOND);
        let is_told = || pages(&all).len() == 2 && pages(&all).values().all(|pages| is_over(pages));
        eventually("what opens from then on is told who wants it", is_told);
        assert!(daemon.stop().success());
        for receiver in &receivers {
            assert_eq!(pages(receiver).len(), 1, "{signal}: {:?}", pages(receiver));
        }
    }
}
