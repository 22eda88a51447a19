//! `webhook test`: what is sent, what is printed, and what never is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use paytriage::config::{self, Durability};
use paytriage::deliver::webhook::client::Client;
use paytriage::store::{StateDir, Store};
use serde_json::Value;

use crate::authority::Authority;
use crate::cli_env::{Env, Run};
use crate::receiver::{Receiver, Step};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A configuration with the webhooks `own` and `other`; `keys` are of the first.
fn configured(receiver: &Receiver, keys: &str) -> Env {
    let env = Env::new();
    for (name, text) in [("key", KEY), ("url", &receiver.url("/hook/T0PSECRET?access_token=T0KEN"))] {
        env.write(name, text);
        fs::set_permissions(env.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let dir = env.path("");
    let keys = keys.replace("DIR/", dir.to_str().unwrap());
    let url = receiver.url("/hook");
    env.write(
        "p.toml",
        format!(
            "[[sink.webhook]]\nname = \"own\"\n{keys}\n\
             [[sink.webhook]]\nname = \"other\"\nurl = \"{url}\"\nnotify = \"event\"\nmin_severity = \"critical\"\n"
        ),
    );
    env
}

fn test(env: &Env, name: &str) -> Run {
    env.run(&["webhook", "test", name, "--config", "p.toml"])
}

fn body(receiver: &Receiver) -> Value {
    serde_json::from_slice(&receiver.wait_for(1).pop().unwrap().body).unwrap()
}

#[test]
fn a_signed_incident_is_sent_and_the_answer_printed() {
    let receiver = Receiver::start();
    receiver.then([Step::body(200, "thank\u{1b}[2Jyou\n")]);
    let env = configured(&receiver, "url_file = \"DIR/url\"\nsecret_file = \"DIR/key\"");
    let run = test(&env, "own").code(0).quiet();
    let request = receiver.wait_for(1).pop().unwrap();
    assert!(request.is_signed_with(KEY));
    let id = request.header("webhook-id").unwrap();
    assert!(id.starts_with("msg_test_7e57"), "{id}");
    let sent = body(&receiver).to_string();
    assert!(sent.contains("paytriage.incident/1") && sent.contains("TEST, nothing has failed"), "{sent}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let shown = receiver.url("");
    assert_eq!(lines[0], format!("webhook  own (json) at {shown}"));
    assert!(lines[1].starts_with("sent     an incident marked as a test: ") && lines[1].contains(id), "{run:#?}");
    assert!(lines[1].ends_with(", signed") && lines[2].starts_with("answer   HTTP 200 after "), "{run:#?}");
    assert_eq!(lines[3..], ["         thank\\x1b[2Jyou", "verdict  accepted"], "{run:#?}");
}

#[test]
fn an_event_goes_out_whatever_the_filters_and_in_the_language() {
    let receiver = Receiver::start();
    let env = configured(&receiver, "url_file = \"DIR/url\"");
    env.write("p.toml", format!("lang = \"zh\"\n{}", fs::read_to_string(env.path("p.toml")).unwrap()));
    let run = test(&env, "other").code(0).quiet();
    let sent = body(&receiver).to_string();
    assert!(sent.contains("paytriage.event/1") && sent.contains("测试消息，没有支付失败"), "{sent}");
    assert!(run.stdout.contains("sent     an event") && run.stdout.contains(", not signed"), "{run:#?}");
}

#[test]
fn a_test_counts_as_one_of_the_requests_that_a_robot_takes_within_a_minute() {
    let receiver = Receiver::start();
    receiver.then([Step::body(200, "{\"errcode\":0}")]);
    receiver.then([Step::body(200, "{\"errcode\":0}")]);
    let env = Env::new();
    let (state, url) = (env.path("state"), receiver.url("/robot"));
    let sink = format!("[[sink.webhook]]\nname = \"own\"\nformat = \"dingtalk\"\nurl = \"{url}\"\n");
    env.write("p.toml", format!("[state]\ndir = {state:?}\n{sink}"));
    env.write("elsewhere.toml", format!("[state]\ndir = \"elsewhere\"\n{sink}"));
    fs::create_dir(&state).unwrap();
    let dir = StateDir::lock(&state).unwrap();
    let store = Store::open(&dir, Durability::Normal).unwrap();
    let config = config::load(&env.path("p.toml"), &|_| None).unwrap();
    let client = Client::new(&config.webhooks[0]).unwrap();
    let known = || {
        let mut known = 0;
        let wait = |ages: &[Duration]| {
            known = ages.len();
            Duration::from_secs(1)
        };
        store.spend(client.receiver(), wait).unwrap();
        known
    };
    test(&env, "own").code(0).quiet();
    assert_eq!(known(), 1);
    // A daemon may have its state elsewhere than its configuration says.
    let state = state.to_str().unwrap();
    env.run(&["webhook", "test", "own", "--config", "elsewhere.toml", "--state", state]).code(0).quiet();
    assert_eq!(known(), 2);
}

/// Not every message has order numbers or labels, but the daemon delivers those that do.
#[test]
fn a_template_is_tested_with_what_it_can_be_used_for() {
    let receiver = Receiver::start();
    receiver.then([Step::status(200), Step::status(200)]);
    let env = Env::new();
    for (notify, template) in [
        (
            "event",
            "[{% for m in messages %}{{ m.source.labels.env|json }}, {{ m.ids.out_trade_no|json }},{% endfor %} 0]",
        ),
        (
            "incident",
            "[{% for m in messages %}{% for it in m.incidents|default([m]) %}{{ it.sources[0].labels.env|json }}, {{ it.docs[0]|json }}, \
             {{ it.flapping|json }},{% endfor %}{% endfor %} 0]",
        ),
    ] {
        env.write("t.jinja", template);
        let (file, url) = (env.path("t.jinja"), receiver.url("/hook"));
        env.write(
            "p.toml",
            format!(
                "[[source]]\nname = \"shop\"\npaths = [\"/var/log/*.log\"]\nlabels = {{ env = \"prod\" }}\n\
                 [[sink.webhook]]\nname = \"own\"\nformat = \"template\"\ntemplate = {file:?}\nnotify = \"{notify}\"\nurl = \"{url}\"\n"
            ),
        );
        test(&env, "own").code(0).quiet();
    }
    let bodies = receiver.wait_for(2).into_iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap());
    assert_eq!(
        bodies.collect::<Vec<_>>(),
        ["[\"prod\", \"TEST\", 0]", "[\"prod\", \"https://example.com/\", true, 0]"]
    );
}

#[test]
fn two_tests_are_two_messages() {
    let receiver = Receiver::start();
    let env = configured(&receiver, "url_file = \"DIR/url\"");
    (0..2).for_each(|_| drop(test(&env, "own").code(0)));
    let requests = receiver.wait_for(2);
    assert_ne!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
}

#[test]
fn whoever_says_no_is_told_with_what_to_do() {
    for (step, verdict) in [
        (Step::status(401), "refused: check the secret, "),
        (Step::status(404), "refused: check the path of the url"),
        (Step::body(400, "bad"), "refused: check that format is what this receiver takes"),
        (Step::status(410), "refused for good; the daemon would stop this sink: get a new URL"),
        (Step::status(413), "refused as too large: let the receiver take larger requests"),
        (
            Step::header(302, "location", "/else"),
            "not accepted; the daemon would try again: redirects are not followed",
        ),
        (
            Step::header(429, "retry-after", "7"),
            "not accepted now; the daemon would try again after 7 s: the receiver is busy",
        ),
        (Step::status(503), "not accepted; the daemon would try again: the fault is at the receiver"),
        (Step::Close, "failed: http://127.0.0.1:"),
        (Step::Garbage, "failed: http://127.0.0.1:"),
    ] {
        let receiver = Receiver::start();
        receiver.then([step.clone()]);
        let env = configured(&receiver, "url_file = \"DIR/url\"");
        let run = test(&env, "own").code(1).quiet();
        let last = run.stdout.lines().last().unwrap();
        assert!(last.starts_with(&format!("verdict  {verdict}")), "{step:?}: {run:#?}");
        assert_eq!(receiver.requests().len(), 1, "it is tried once");
    }
}

#[test]
fn a_robot_that_answers_200_and_says_no_has_refused() {
    let receiver = Receiver::start();
    receiver.then([Step::body(200, r#"{"errcode":310000,"errmsg":"sign not match"}"#)]);
    let env = configured(&receiver, "url_file = \"DIR/url\"\nformat = \"dingtalk\"");
    let run = test(&env, "own").code(1).quiet();
    assert!(run.stdout.contains("sign not match") && run.stdout.contains("refused: the answer says why"), "{run:#?}");
}

#[test]
fn nobody_who_answers_is_a_failure_that_names_the_host_only() {
    let mut receiver = Receiver::start();
    receiver.refuse();
    let env = configured(&receiver, "url_file = \"DIR/url\"\nsecret_file = \"DIR/key\"");
    let run = test(&env, "own").code(1).quiet();
    assert!(
        run.stdout.contains("verdict  failed: http://127.0.0.1:") && run.stdout.contains("see that the receiver runs"),
        "{run:#?}"
    );
    assert!(run.stdout.contains("\nanswer   none\n"), "{run:#?}");
    assert!(!run.stdout.contains("T0PSECRET") && !run.stdout.contains("T0KEN"), "{run:#?}");
}

#[test]
fn a_proxy_of_the_environment_is_said_to_be_unused_and_can_be_named() {
    let proxy = Receiver::start();
    proxy.then([Step::status(502)]);
    let env = Env::new();
    env.write("ca.pem", Authority::new("ours").pem());
    let ca = env.path("ca.pem");
    let configure = |keys: &str| {
        let url = "https://receiver.invalid/hook";
        env.write("p.toml", format!("[[sink.webhook]]\nname = \"own\"\nurl = \"{url}\"\ntls.ca = {ca:?}\n{keys}\n"));
    };
    let variable = format!("http://me:T0PSECRET@{}", proxy.address());
    let arguments = ["webhook", "test", "own", "--config", "p.toml"];
    let test =
        || Run::from(env.command(&arguments).env("HTTPS_PROXY", &variable).output().unwrap()).code(1).quiet().stdout;
    configure("");
    let unused = test();
    let note =
        "note     HTTPS_PROXY is set, and not used; to use it, set proxy = { env = \"HTTPS_PROXY\" } in this sink\n";
    assert!(unused.ends_with(note) && proxy.requests().is_empty(), "{unused}");
    configure("proxy = { env = \"HTTPS_PROXY\" }");
    let used = test();
    assert!(used.contains("no connection through the proxy http://127.0.0.1:") && !used.contains("note  "), "{used}");
    assert!(!unused.contains("T0PSECRET") && !used.contains("T0PSECRET"), "{unused}{used}");
}

#[test]
fn secrets_are_not_printed_even_if_they_come_back() {
    let echo = format!(
        r#"{{"url":"http:\/\/x\/hook\/T0PSECRET?access_token=T0KEN","auth":"Bearer T0PAUTH","key":"{KEY}","path":"/hook/T0PSECRET"}}"#
    );
    for status in [200, 403] {
        let receiver = Receiver::start();
        receiver.then([Step::body(status, &echo)]);
        let keys = "url_file = \"DIR/url\"\nsecret_file = \"DIR/key\"\n\
                    secret_headers = { Authorization = { file = \"DIR/auth\" } }";
        let env = configured(&receiver, keys);
        env.write("auth", "Bearer T0PAUTH\n");
        let run = test(&env, "own").code(i32::from(status != 200));
        let printed = format!("{}{}", run.stdout, run.stderr);
        assert!(printed.contains("(hidden)"), "{printed}");
        for secret in ["T0PSECRET", "T0KEN", "T0PAUTH", "MfKQ9r8G"] {
            assert!(!printed.contains(secret), "{secret}: {printed}");
        }
    }
}

#[test]
fn a_template_with_a_typing_error_sends_nothing_and_starts_nothing() {
    let receiver = Receiver::start();
    let env = configured(&receiver, "url_file = \"DIR/url\"\nformat = \"template\"\ntemplate = \"DIR/t.jinja\"");
    env.write("t.jinja", "{\"text\": {{ messages[0].titel|json }}}");
    let expected = "t.jinja:1: `messages[0].titel` is undefined; did you mean `title`?";
    for arguments in [&["webhook", "test", "own", "--config"][..], &["config", "check"], &["run", "logs", "--config"]] {
        let said = env.run(&[arguments, &["p.toml"]].concat()).code(2).stderr;
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert!(receiver.requests().is_empty());
}

#[test]
fn what_cannot_be_sent_is_wrong_usage() {
    let receiver = Receiver::start();
    let env = configured(&receiver, "url_file = \"DIR/url\"\nsecret_file = \"DIR/none\"");
    let unknown = test(&env, "onw").code(2).stderr;
    assert_eq!(unknown, "paytriage: no webhook is called \"onw\"; there are: own, other\n");
    let secret = test(&env, "own").code(2).stderr;
    assert!(secret.starts_with("paytriage: sink \"own\": secret_file: ") && secret.contains("write the secret to it"));
    let none = env.run(&["webhook", "test", "own"]).code(2).stderr;
    assert!(none.contains("give --config FILE"), "{none}");
    env.write("p.toml", "lang = \"en\"\n");
    assert!(test(&env, "own").code(2).stderr.contains("has no [[sink.webhook]]"));
    assert!(receiver.requests().is_empty());
}
