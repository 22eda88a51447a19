//! The JSON Schema of events refuses what is not an event. That it takes every event written is checked beside
//! the writer, and with the built binary in `scan_json`.

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
