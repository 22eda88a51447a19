//! Rows of the outbox for tests, in both languages.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Lang};

/// Everything that a log line or a file name might try.
pub const HOSTILE: &str = "<!channel> <@U123> <@all> @all @13800000000 <at user_id=\"all\">x</at> [x](https://evil.example) \
    ![i](http://evil.example/i.png) <https://evil.example|click> **b** *i* _u_ ~s~ `c` <font color=\"info\">f</font> \
    &lt;at&gt; www.evil.example \"}]} \\ \n# h\n> q\n\u{202e}\u{200b}\u{1b}[31m {{ 7*7 }} |a|b|";

pub fn event(lang: Lang) -> Value {
    let (title, cause, step) = match lang {
        Lang::En => (
            "The payment system had an error",
            "The provider failed; the outcome is unknown.",
            "Query the order with alipay.trade.query.",
        ),
        Lang::Zh => ("支付系统异常", "支付平台内部异常，支付结果未知。", "先调用 alipay.trade.query 查询订单。"),
    };
    json!({
        "schema": "paytriage.event/1", "id": "4f0c8e0b1f5a4f0f9d3a6a1d2b7c8e90",
        "time": "2026-11-22T19:10:04.250Z", "observed_time": "2026-11-22T19:10:05Z",
        "code": "ACQ.SYSTEM_ERROR", "kind": "code", "entry": "alipay.acq.system-error", "provider": "alipay",
        "title": title, "category": "system", "severity": "error", "act": "merchant", "advice": "query_first",
        "retry": "after_query", "cause": cause, "remediation": { "operator": [step], "payer": [step] },
        "docs": ["https://opendocs.alipay.com/open/02ekfg?scene=common"],
        "confidence": "high", "matched": "ACQ.SYSTEM_ERROR", "encoding": "utf-8",
        "source": { "name": "shop", "path": "/var/log/shop/app.log", "line": 4711, "offset": 99, "record_first_line": 4711,
            "record_last_line": 4711, "host": "pay-1", "labels": { "env": "prod", "app.kubernetes.io/name": "checkout" } },
        "ids": { "out_trade_no": "T20261122001", "trade_no": "2026112222001" },
        "excerpt": "ERROR pay failed out_trade_no=T20261122001 sub_code=ACQ.SYSTEM_ERROR", "redactions": 0,
    })
}

pub fn notice(status: &str, lang: Lang) -> Value {
    let event = event(lang);
    let (scope, related, steps) = match lang {
        Lang::En => (
            "Many orders of several merchants are affected: look at the provider and the network first.",
            "The signature is wrong",
            [
                "Query each order before anything else.",
                "Do not pay again under a new number.",
                "Look at the provider's status page.",
                "Call support.",
            ],
        ),
        Lang::Zh => (
            "多个商户的许多订单都受影响：先检查支付平台和网络。",
            "签名错误",
            ["逐笔查询订单，再做其他处理。", "不要换新订单号重新扣款。", "查看支付平台的公告。", "联系客服。"],
        ),
    };
    let reason = match status {
        "opened" => "threshold",
        "ongoing" => "interval",
        _ => "quiet",
    };
    let sample = |n: u64| {
        json!({ "event": format!("{n:032x}"), "time": "2026-11-22T19:10:04Z", "path": "/var/log/shop/app.log", "line": 4710 + n,
            "ids": { "out_trade_no": format!("T2026112200{n}") }, "excerpt": event["excerpt"] })
    };
    let mut notice = json!({
        "schema": "paytriage.incident/1", "id": "000102030405060708090a0b0c0d0e0f", "incident": "f0e0d0c0b0a090807060504030201000",
        "status": status, "reason": reason, "time": "2026-11-22T19:22:30Z", "opened_at": "2026-11-22T19:11:00Z",
        "first_seen": "2026-11-22T19:10:04Z", "last_seen": "2026-11-22T19:22:01Z", "count": 1234, "new": 56, "rate_per_minute": 4.67,
        "orders": { "distinct": 310, "exact": false, "samples": ["T20261122001", "T20261122002", "T20261122009", "T20261122010"] },
        "scope": "widespread", "scope_text": scope, "sources": [
            { "name": "shop", "host": "pay-1", "labels": event["source"]["labels"], "count": 1200 },
            { "name": "shop", "host": "pay-2", "labels": event["source"]["labels"], "count": 34 },
        ],
        "merchants": [{ "mch_id": "1900000109", "count": 1200 }],
        "related": [{ "incident": "aa", "entry": "alipay.sign", "code": "isv.invalid-signature", "title": related, "shared_orders": 12 }],
        "samples": [sample(1), sample(2)],
    });
    for key in [
        "code", "kind", "entry", "provider", "title", "category", "severity", "act", "advice", "retry", "cause", "docs",
    ] {
        notice[key] = event[key].clone();
    }
    notice["remediation"] = json!({ "operator": steps });
    if status == "resolved" {
        notice["resolved_at"] = "2026-11-22T19:32:01Z".into();
    }
    notice
}

pub fn digest(lang: Lang) -> Value {
    let statuses = ["opened", "ongoing", "resolved"];
    let mut incidents: Vec<_> = statuses.map(|status| notice(status, lang)).into();
    for (n, incident) in incidents.iter_mut().enumerate() {
        incident["id"] = format!("{n:032x}").into();
        incident["incident"] = format!("{:032x}", 16 + n).into();
        incident["source"] = format!("shop-{n}").into();
    }
    incidents[0]["severity"] = "critical".into();
    incidents[0]["flapping"] = true.into();
    json!({ "schema": "paytriage.digest/1", "id": "dddddddddddddddddddddddddddddddd", "time": "2026-11-22T19:23:00Z", "incidents": incidents,
        "more": 4, "unheard": [unheard("warning", lang), unheard("info", lang)], "opened": 1, "ongoing": 1, "resolved": 1,
        "unfollowed": 4, "count": 5000 })
}

/// A digest of what nobody can be told the end of.
fn counted(lang: Lang) -> Value {
    let unheard: Vec<_> = (0..20).map(|n| unheard(if n < 2 { "error" } else { "warning" }, lang)).collect();
    json!({ "schema": "paytriage.digest/1", "id": "dddddddddddddddddddddddddddddddd", "time": "2026-11-22T19:23:00Z", "incidents": [],
        "more": 1500, "unheard": unheard, "opened": 0, "ongoing": 0, "resolved": 0, "unfollowed": 1500, "count": 1731 })
}

fn unheard(severity: &str, lang: Lang) -> Value {
    let event = event(lang);
    json!({ "code": event["code"], "entry": event["entry"], "provider": "alipay", "title": event["title"], "severity": severity,
        "source": "shop", "labels": { "env": "prod" }, "count": 3 })
}

/// A digest of 30 incidents, the second half of them over.
pub fn storm(lang: Lang) -> Value {
    let mut incidents: Vec<_> = (0..30).map(|n| notice(if n < 15 { "opened" } else { "resolved" }, lang)).collect();
    for (n, incident) in incidents.iter_mut().enumerate() {
        incident["id"] = format!("{n:032x}").into();
        incident["incident"] = format!("{:032x}", 100 + n).into();
        incident["code"] = format!("ACQ.N{n}").into();
    }
    json!({ "schema": "paytriage.digest/1", "id": "dddddddddddddddddddddddddddddddd", "time": "2026-11-22T19:23:00Z", "incidents": incidents,
        "more": 0, "opened": 15, "ongoing": 0, "resolved": 15, "unfollowed": 0, "count": 30 * 1234 })
}

/// What paytriage says of itself, as its notices are.
pub fn own(code: &str, status: &str, facts: &str, lang: Lang) -> Value {
    let catalog = Catalog::builtin();
    let id = format!("paytriage.{}", code.trim_start_matches("PT.").to_lowercase().replace('_', "-"));
    let entry = catalog.get(&id).expect("an entry");
    let mut notice = notice(status, lang);
    let place = match code {
        "PT.GAP" => json!({ "name": "shop", "host": "pay-1", "count": 1 }),
        _ => json!({ "name": "paytriage", "host": "pay-1", "labels": { "sink": "finance-team" }, "count": 1 }),
    };
    let path = if code == "PT.GAP" { "/var/log/shop/app.log" } else { "sink" };
    let changes = json!({
        "code": code, "entry": entry.id.to_string(), "provider": "paytriage", "title": entry.title.get(lang), "category": "other",
        "severity": entry.severity.to_string(), "act": "merchant", "advice": entry.advice.to_string(), "retry": "after_query",
        "cause": entry.cause.get(lang), "remediation": { "operator": entry.operator.get(lang) }, "docs": [], "count": 1,
        "new": if status == "opened" { 1 } else { 0 }, "rate_per_minute": 1.0, "orders": { "distinct": 0, "exact": true, "samples": [] },
        "scope": "paytriage", "scope_text": "s", "sources": [place], "merchants": [], "related": [],
        "first_seen": "2026-11-22T19:10:04Z", "last_seen": "2026-11-22T19:10:04Z", "opened_at": "2026-11-22T19:15:04Z",
        "samples": [{ "event": format!("{:032x}", 1), "time": "2026-11-22T19:10:04Z", "path": path, "line": 1, "excerpt": facts }],
    });
    changes.as_object().into_iter().flatten().for_each(|(key, value)| notice[key] = value.clone());
    if code == "PT.SINK_DOWN" && status == "resolved" {
        notice["reason"] = "recovered".into();
    }
    notice
}

fn sink_down(status: &str, lang: Lang) -> Value {
    own(
        "PT.SINK_DOWN",
        status,
        "sink=finance-team since=2026-11-22T19:10:04Z reason=\"HTTP 410: <gone> [x](https://evil.example)\"",
        lang,
    )
}

fn dropped(lang: Lang) -> Value {
    let facts = "sink=finance-team events=12000 bytes=9000000 oldest=2026-11-22T18:00:00Z reason=full";
    let mut dropped = own("PT.DROPPED", "ongoing", facts, lang);
    (dropped["count"], dropped["lost"], dropped["last_seen"]) =
        (3.into(), 36_000.into(), "2026-11-22T19:20:04Z".into());
    dropped
}

/// Of a sink that takes incidents, and was removed while paytriage was stopped.
fn dropped_messages(lang: Lang) -> Value {
    let facts = "sink=finance-team up_to_messages=1200 up_to_bytes=9000000 oldest=2026-11-22T18:00:00Z reason=removed";
    let mut dropped = own("PT.DROPPED", "opened", facts, lang);
    (dropped["lost_messages"], dropped["lost_at_most"]) = (1200.into(), true.into());
    dropped
}

/// A digest of everything that is told in words of its own.
fn special(lang: Lang) -> Value {
    let gap = own("PT.GAP", "resolved", "reason=truncated from=3 to=10 bytes=7", lang);
    let (mut silence_over, mut unfollowed) = (notice("opened", lang), notice("resolved", lang));
    silence_over["reason"] = "silence_ended".into();
    unfollowed["reason"] = "crowded_out".into();
    unfollowed["first_seen"] = "2026-11-21T19:10:04Z".into();
    let incidents =
        [sink_down("opened", lang), sink_down("resolved", lang), dropped(lang), gap, silence_over, unfollowed];
    json!({ "schema": "paytriage.digest/1", "id": "dddddddddddddddddddddddddddddddd", "time": "2026-11-22T19:23:00Z", "incidents": incidents,
        "more": 2, "opened": 2, "ongoing": 1, "resolved": 2, "unfollowed": 3, "count": 5000 })
}

fn unfollowed(lang: Lang) -> Value {
    let mut unfollowed = notice("resolved", lang);
    unfollowed["reason"] = "crowded_out".into();
    unfollowed
}

fn own_event(lang: Lang) -> Value {
    let notice = dropped(lang);
    let mut event = event(lang);
    for key in
        ["code", "entry", "provider", "title", "category", "severity", "act", "advice", "retry", "cause", "remediation"]
    {
        event[key] = notice[key].clone();
    }
    (event["docs"], event["ids"]) = (json!([]), json!({}));
    event["source"] = json!({ "name": "paytriage", "path": "sink", "line": 1, "offset": 0, "host": "pay-1",
        "labels": { "sink": "finance-team" } });
    event["excerpt"] = notice["samples"][0]["excerpt"].clone();
    event
}

/// `row` with each of its texts replaced, but for what keeps it a row of its kind.
pub fn with_texts(mut row: Value, text: &dyn Fn(&str) -> String) -> Value {
    const KEPT: [&str; 13] = [
        "schema",
        "status",
        "reason",
        "scope",
        "id",
        "incident",
        "event",
        "time",
        "observed_time",
        "opened_at",
        "first_seen",
        "last_seen",
        "resolved_at",
    ];
    fn replace(value: &mut Value, text: &dyn Fn(&str) -> String) {
        match value {
            Value::String(old) => *old = text(old),
            Value::Array(values) => values.iter_mut().for_each(|value| replace(value, text)),
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if !KEPT.contains(&key.as_str()) {
                        replace(value, text);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    replace(&mut row, text);
    row
}

/// Rows by the name of the case; `long` ones are longer than any chat takes.
pub fn cases(lang: Lang) -> Vec<(&'static str, Vec<Value>)> {
    let five = (1..=5).map(|n| {
        let mut event = event(lang);
        event["id"] = format!("{n:032x}").into();
        event["ids"]["out_trade_no"] = format!("T2026112200{n}").into();
        event["source"]["line"] = (4710 + n).into();
        event
    });
    let hostile = |_: &str| HOSTILE.to_owned();
    let long = |text: &str| format!("{text} ").repeat(40).chars().cycle().take(2000).collect();
    let mut long_notice = with_texts(notice("opened", lang), &long);
    long_notice["severity"] = "critical".into();
    vec![
        ("opened", vec![notice("opened", lang)]),
        ("ongoing", vec![notice("ongoing", lang)]),
        ("resolved", vec![notice("resolved", lang)]),
        ("digest", vec![digest(lang)]),
        ("event", vec![event(lang)]),
        ("events", five.collect()),
        ("sink-down", vec![sink_down("opened", lang)]),
        ("sink-up", vec![sink_down("resolved", lang)]),
        ("dropped", vec![dropped(lang)]),
        ("dropped-messages", vec![dropped_messages(lang)]),
        ("own-event", vec![own_event(lang)]),
        ("own-events", vec![own_event(lang), event(lang)]),
        ("special", vec![special(lang)]),
        ("unfollowed", vec![unfollowed(lang)]),
        ("counted", vec![counted(lang)]),
        ("hostile", vec![with_texts(notice("opened", lang), &hostile)]),
        ("hostile-event", vec![with_texts(event(lang), &hostile)]),
        ("long", vec![long_notice]),
        ("storm", vec![storm(lang)]),
        ("many", (0..60).map(|_| digest(lang)).collect()),
    ]
}
