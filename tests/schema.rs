//! The JSON Schemas refuse what is not an event, a notice or a digest. That they take all that is written is checked beside the
//! writers, and with the built binary in `scan_json`.

use serde_json::{Value, json};

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(paytriage::wire::EVENT_JSON_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

fn event() -> Value {
    json!({
        "schema": "paytriage.event/1", "id": "000102030405060708090a0b0c0d0e0f",
        "time": "2026-03-01T08:00:00Z", "observed_time": "2026-03-01T16:00:01.5+08:00",
        "code": "ACQ.TRADE_HAS_SUCCESS", "kind": "code", "entry": "alipay.acq.trade-has-success",
        "provider": "alipay", "title": "Already paid", "category": "order", "severity": "info",
        "act": "merchant", "advice": "query_first", "retry": "never", "cause": "The order was paid before.",
        "remediation": { "operator": ["Query the order."], "payer": ["Do not pay again."] },
        "guides": [{ "id": "troubleshooting", "title": "Troubleshooting" }],
        "docs": ["https://example.com/codes"], "confidence": "high", "alternatives": ["risk-control"],
        "matched": "ACQ.TRADE_HAS_SUCCESS", "encoding": "utf-8",
        "source": { "name": "app", "path": "app.log", "line": 1, "offset": 0, "record_first_line": 1,
                    "record_last_line": 1, "host": "pay-1", "labels": { "env": "prod" } },
        "ids": { "out_trade_no": "T1", "currency": "CNY" }, "level": "ERROR",
        "excerpt": "sub_code=ACQ.TRADE_HAS_SUCCESS", "redactions": 0
    })
}

#[test]
fn takes_an_event_with_and_without_its_optional_keys() {
    let schema = schema();
    let mut event = event();
    assert!(schema.is_valid(&event));
    for key in ["time", "provider", "remediation", "guides", "docs", "alternatives", "ids", "level"] {
        event.as_object_mut().unwrap().remove(key).unwrap();
        assert!(schema.is_valid(&event), "without {key}");
    }
}

#[test]
fn refuses_an_event_without_a_required_key() {
    let (schema, event) = (schema(), event());
    for key in [
        "schema",
        "id",
        "observed_time",
        "code",
        "kind",
        "entry",
        "title",
        "category",
        "severity",
        "act",
        "advice",
        "retry",
        "cause",
        "confidence",
        "matched",
        "encoding",
        "source",
        "excerpt",
        "redactions",
    ] {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(key).unwrap();
        assert!(!schema.is_valid(&event), "without {key}");
    }
}

#[test]
fn refuses_wrong_values() {
    let schema = schema();
    for (pointer, value) in [
        ("/schema", json!("paytriage.event/2")),
        ("/id", json!("0001020304050607")),
        ("/id", json!("000102030405060708090A0B0C0D0E0F")),
        ("/time", json!("2026-03-01 08:00:00")),
        ("/time", json!("2026-02-30T08:00:00Z")),
        ("/time", Value::Null),
        ("/observed_time", json!("2026-03-01T08:00:00")),
        ("/code", json!("")),
        ("/code", json!("<script>")),
        ("/code", json!("A".repeat(129))),
        ("/kind", json!("guess")),
        ("/entry", json!("Alipay.ACQ")),
        ("/provider", json!("")),
        ("/title", json!("")),
        ("/category", json!("misc")),
        ("/severity", json!("fatal")),
        ("/act", json!("nobody")),
        ("/advice", json!("retry")),
        ("/retry", json!("maybe")),
        ("/cause", json!("")),
        ("/remediation", json!({})),
        ("/remediation", json!({ "operator": [] })),
        ("/remediation", json!({ "customer": ["x"] })),
        ("/guides", json!([])),
        ("/guides", json!([{ "id": "troubleshooting" }])),
        ("/guides", json!([{ "id": "troubleshooting", "title": "x", "url": null }])),
        ("/docs", json!(["javascript:alert(1)"])),
        ("/confidence", json!("sure")),
        ("/alternatives", json!([])),
        ("/alternatives", json!(["a", "a"])),
        ("/matched", json!("")),
        ("/encoding", json!("latin-1")),
        ("/source/line", json!(0)),
        ("/source/offset", json!(-1)),
        ("/source/host", json!("")),
        ("/source/labels", json!({})),
        ("/source/labels", json!({ "env": 1 })),
        ("/ids", json!({})),
        ("/ids", json!({ "card_no": "6222" })),
        ("/ids/out_trade_no", json!("")),
        ("/ids/currency", json!("yuan")),
        ("/level", json!("error")),
        ("/excerpt", json!("x".repeat(2049))),
        ("/redactions", json!(-1)),
        ("/redactions", json!("0")),
    ] {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&event), "{pointer}: {}", event.pointer(pointer).unwrap());
    }
}

#[test]
fn refuses_keys_it_does_not_know() {
    let schema = schema();
    for pointer in ["", "/source", "/ids", "/remediation", "/guides/0"] {
        let mut event = event();
        event.pointer_mut(pointer).unwrap()["surplus"] = json!("x");
        assert!(!schema.is_valid(&event), "in {pointer:?}");
    }
}

fn incident_schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(paytriage::incident::INCIDENT_JSON_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

fn golden(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/incident").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn takes_every_golden_message_about_incidents() {
    let schema = incident_schema();
    for name in ["opened", "ongoing", "resolved", "digest"] {
        for lang in ["en", "zh"] {
            assert!(schema.is_valid(&golden(&format!("{name}.{lang}.json"))), "{name}.{lang}");
        }
    }
}

#[test]
fn refuses_a_notice_or_digest_without_a_required_key_or_with_a_surplus_one() {
    let schema = incident_schema();
    let optional = ["resolved_at", "flapping", "provider", "remediation", "docs", "merchants", "related"];
    for name in ["opened.en.json", "digest.en.json"] {
        let message = golden(name);
        for key in message.as_object().unwrap().keys() {
            let mut less = message.clone();
            less.as_object_mut().unwrap().remove(key);
            assert_eq!(schema.is_valid(&less), optional.contains(&key.as_str()), "without {key}");
        }
    }
    for (name, pointers) in [
        ("digest.en.json", &["", "/incidents/0", "/incidents/0/related/0"][..]),
        (
            "opened.en.json",
            &["", "/orders", "/sources/0", "/merchants/0", "/samples/0", "/samples/0/ids", "/remediation"],
        ),
    ] {
        for pointer in pointers {
            let mut more = golden(name);
            more.pointer_mut(pointer).unwrap()["surplus"] = json!("x");
            assert!(!schema.is_valid(&more), "in {name} {pointer:?}");
        }
    }
}

#[test]
fn refuses_wrong_values_in_a_notice() {
    let schema = incident_schema();
    for (pointer, value) in [
        ("/schema", json!("paytriage.digest/1")),
        ("/id", json!("abc")),
        ("/status", json!("closed")),
        ("/reason", json!("because")),
        ("/time", json!("2026-03-01 08:00:00")),
        ("/count", json!(0)),
        ("/new", json!(-1)),
        ("/rate_per_minute", json!("1")),
        ("/orders/exact", Value::Null),
        ("/orders/samples", json!([""])),
        ("/scope", json!("global")),
        ("/scope_text", json!("")),
        ("/sources", json!([])),
        ("/merchants", json!([])),
        ("/samples", json!([])),
        ("/samples/0/excerpt", json!("x".repeat(513))),
    ] {
        let mut notice = golden("opened.en.json");
        *notice.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&notice), "{pointer}");
    }
    let mut notice = golden("opened.en.json");
    notice["flapping"] = json!(false);
    assert!(!schema.is_valid(&notice), "left out if it is not so");
}
