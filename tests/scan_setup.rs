//! `scan` with a catalogue and a configuration of one's own.

use super::cli_env::{Env, failure};

pub const ACME: &str = r#"
[[entry]]
id = "acme.no-funds"
provider = "acme"
codes = ["ACME-NO-FUNDS-77"]
specificity = "distinctive"
category = "limit"
severity = "critical"
act = "payer"
advice = "other_method"
retry = "never"
title.en = "No funds at Acme"
title.zh = "Acme 余额不足"
cause.en = "The Acme wallet is empty."
cause.zh = "Acme 钱包里没有余额。"
operator.en = ["Offer another method."]
operator.zh = ["请顾客换一种付款方式。"]
payer.en = ["Please choose another way to pay."]
payer.zh = ["请换一种方式付款。"]
match = ["2026-03-01 08:00:00 ERROR acme said error_code=ACME-NO-FUNDS-77"]
near_miss = ["2026-03-01 08:00:00 INFO ACME-NO-FUNDS-7 items"]
"#;

fn env() -> Env {
    let env = Env::new();
    env.write("acme.toml", ACME);
    env.write("logs/a.log", failure(1) + "2026-03-01 08:00:00 ERROR acme said error_code=ACME-NO-FUNDS-77\n");
    env
}

#[test]
fn a_catalogue_of_ones_own_adds_entries_and_providers() {
    let env = env();
    let run = env.run(&["scan", "logs", "--format", "json", "--catalog", "acme.toml"]).code(0).quiet();
    assert_eq!(run.events()[1]["title"], "No funds at Acme");
    let only = ["scan", "logs", "--format", "json", "--catalog", "acme.toml", "--provider", "acme"];
    assert_eq!(env.run(&only).code(0).quiet().places(), ["logs/a.log:2"]);
    env.run(&["scan", "logs", "--catalog", "acme.toml", "--fail-on", "critical"]).code(1);
}

#[test]
fn a_broken_catalogue_is_told_with_its_places_and_nothing_is_scanned() {
    let env = env();
    env.write("bad.toml", ACME.replace("\"critical\"", "\"awful\"").replace("\"payer\"", "\"nobody\""));
    let run = env.run(&["scan", "logs", "--catalog", "bad.toml"]).code(2);
    assert_eq!(run.stdout, "");
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("paytriage: bad.toml:8:") && told[1].starts_with("bad.toml:9:"), "{told:#?}");
}

#[test]
fn a_configuration_lends_its_catalogue_language_redaction_and_what_it_says_of_sources() {
    let env = env();
    let config = r#"
        lang = "zh"
        [catalog]
        extra = ["acme.toml"]
        disable = ["illegal-exterior-user-scene"]
        [redact]
        extra = ["acme said"]
        [[source]]
        name = "shop"
        paths = ["logs/*.log"]
        timezone = "Asia/Shanghai"
        labels = { env = "prod" }
    "#;
    env.write("p.toml", config);
    let text = std::fs::read_to_string(env.path("logs/a.log")).unwrap();
    env.write("logs/a.log.1", &text).write("elsewhere/b.log", &text);
    let run = env.run(&["scan", "logs", "elsewhere", "--format", "json", "--config", "p.toml"]).code(0).quiet();
    let events: Vec<_> = run.events().into_iter().filter(|event| event["kind"] != "unknown_code").collect();
    assert_eq!(events.len(), 3, "{}", run.stdout);
    for event in &events[..2] {
        assert_eq!(event["title"], "Acme 余额不足");
        assert_eq!(event["time"], "2026-03-01T00:00:00Z");
        assert_eq!(event["source"]["name"], "shop");
        assert_eq!(event["source"]["labels"]["env"], "prod");
        assert!(!event["excerpt"].as_str().unwrap().contains("acme said"));
    }
    assert_eq!(events[2]["time"], "2026-03-01T08:00:00Z");
    assert_eq!(events[2]["source"]["name"], "b");
    let english = env.run(&["scan", "logs", "--format", "json", "--config", "p.toml", "--lang", "en"]).code(0);
    assert!(english.stdout.contains("No funds at Acme"));
}

#[test]
fn a_broken_configuration_is_told_with_all_its_places() {
    let env = env();
    env.write("p.toml", "langg = 1\n[http]\nlisten = 2\n");
    let run = env.run(&["scan", "logs", "--config", "p.toml"]).code(2);
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("paytriage: p.toml:1:1: ") && told[1].starts_with("p.toml:3:10: "), "{told:#?}");
}
