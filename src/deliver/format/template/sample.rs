//! Messages of every kind, to try a template with before anything depends on it: with everything that one can have, and with no
//! more than each has.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::config::Notify;
use crate::notice::{PROVIDER, SINK, SINK_DOWN};

/// A message and what it is, for people.
pub struct Sample {
    pub what: &'static str,
    pub row: Value,
}

/// How much of what a message can have is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    All,
    Least,
}

/// What a message may be without, wherever it stands.
const OPTIONAL: [&str; 15] = [
    "lost",
    "lost_messages",
    "lost_at_most",
    "flapping",
    "provider",
    "remediation",
    "docs",
    "host",
    "labels",
    "merchants",
    "related",
    "ids",
    "guides",
    "alternatives",
    "level",
];

/// As logs are: with quotes and backslashes, which no template may take for granted that there are none.
const EXCERPT: &str =
    r#"ERROR pay {"out_trade_no":"T20261122001","sub_code":"ACQ.SYSTEM_ERROR","sub_msg":"系统繁忙 \"1\""}"#;

const OWN: &str = "a word about paytriage itself";
/// The facts of a sink that is down.
const DOWN: &str = "sink=oncall since=2026-11-22T19:10:04Z reason=\"HTTP 503: \\\"busy\\\"\"";
/// The facts of one that lost something.
const DROPPED: &str = "sink=oncall up_to_events=3 up_to_bytes=999 oldest=2026-11-22T18:00:00Z reason=removed";

/// One of each kind of message that a sink takes; `labels`: names of those that sources have.
pub fn samples(notify: Notify, extent: Extent, labels: &BTreeSet<String>) -> Vec<Sample> {
    let labels = labels.iter().filter(|_| extent == Extent::All);
    let labels: Map<String, Value> = labels.map(|name| (name.clone(), "checkout".into())).collect();
    let all = match notify {
        Notify::Event => {
            vec![Sample { what: "an event", row: event(&labels) }, Sample { what: OWN, row: own_event(&labels) }]
        }
        Notify::Incident => {
            let notices = [
                ("opened", "threshold", "an incident that opens"),
                ("ongoing", "interval", "an incident that goes on"),
                ("ongoing", "silence_ended", "an incident whose silence ended"),
                ("resolved", "quiet", "an incident that is over"),
            ];
            let notices = notices.map(|(status, reason, what)| Sample { what, row: notice(status, reason, &labels) });
            let own = own_notices(&labels).map(|row| Sample { what: OWN, row });
            let notices: Vec<_> = notices.into_iter().chain(own).collect();
            let rows: Vec<_> = notices.iter().map(|sample| sample.row.clone()).collect();
            let digest = Sample { what: "a digest of several incidents", row: digest(rows) };
            notices.into_iter().chain([digest]).collect()
        }
    };
    match extent {
        Extent::All => all,
        Extent::Least => all.into_iter().map(|sample| Sample { row: least(sample.row), ..sample }).collect(),
    }
}

/// All names that a message can have something under.
pub fn names(rows: &[Sample]) -> BTreeSet<String> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                names.extend(map.keys().cloned());
                map.values().for_each(|value| collect(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    rows.iter().for_each(|sample| collect(&sample.row, &mut names));
    names
}

/// What events and incidents have in common.
fn annotation() -> Value {
    json!({
        "id": "000102030405060708090a0b0c0d0e0f", "code": "ACQ.SYSTEM_ERROR", "kind": "code", "entry": "alipay.acq.system-error",
        "provider": "alipay", "title": "The payment system had an error", "category": "system", "severity": "error",
        "act": "merchant", "advice": "query_first", "retry": "after_query", "cause": "The provider failed; the outcome is unknown.",
        "remediation": { "operator": ["Query the order."], "payer": ["Wait a moment."] },
        "docs": ["https://opendocs.alipay.com/open/02ekfg"],
    })
}

fn ids() -> Value {
    json!({
        "out_trade_no": "T20261122001", "trade_no": "2026112222001", "transaction_id": "4200001", "request_id": "r1",
        "trace_id": "t1", "mch_id": "1900000109", "app_id": "2021001", "amount": "12.80", "currency": "CNY",
    })
}

fn event(labels: &Map<String, Value>) -> Value {
    let rest = json!({
        "schema": "paytriage.event/1", "time": "2026-11-22T19:10:04.250Z", "observed_time": "2026-11-22T19:10:05Z",
        "guides": [{ "id": "troubleshooting", "title": "Troubleshooting", "url": "https://receiver.example/guide" }],
        "confidence": "high", "alternatives": ["wechatpay.system-error"], "matched": "ACQ.SYSTEM_ERROR", "encoding": "utf-8",
        "source": { "name": "shop", "path": "/var/log/shop/app.log", "line": 4711, "offset": 99, "record_first_line": 4711,
            "record_last_line": 4711, "host": "pay-1", "labels": labels },
        "ids": ids(), "level": "ERROR", "excerpt": EXCERPT, "redactions": 2,
    });
    merged(annotation(), rest)
}

fn notice(status: &str, reason: &str, labels: &Map<String, Value>) -> Value {
    let rest = json!({
        "schema": "paytriage.incident/1", "incident": "f0e0d0c0b0a090807060504030201000", "status": status, "reason": reason,
        "time": "2026-11-22T19:22:30Z", "opened_at": "2026-11-22T19:11:00Z", "first_seen": "2026-11-22T19:10:04Z",
        "last_seen": "2026-11-22T19:22:01Z", "count": 1234, "new": 56, "rate_per_minute": 4.67, "flapping": true,
        "orders": { "distinct": 310, "exact": false, "samples": ["T20261122001"] },
        "scope": "widespread", "scope_text": "Look at the provider and the network first.",
        "sources": [{ "name": "shop", "host": "pay-1", "labels": labels, "count": 1234 }],
        "merchants": [{ "mch_id": "1900000109", "count": 1200 }],
        "related": [{ "incident": "f0e0d0c0b0a090807060504030201001", "entry": "alipay.sign", "code": "isv.invalid-signature",
            "title": "The signature is wrong", "shared_orders": 12 }],
        "samples": [{ "event": "000102030405060708090a0b0c0d0e0e", "time": "2026-11-22T19:10:04Z",
            "path": "/var/log/shop/app.log", "line": 4711, "ids": ids(), "excerpt": EXCERPT }],
    });
    let mut notice = merged(annotation(), rest);
    if status == "resolved" {
        notice["resolved_at"] = "2026-11-22T19:32:01Z".into();
    }
    notice
}

/// A sink that is down, as [`crate::notice`] writes it. What only some messages have it has like all others here, since to need that
/// is no more than a doubt.
fn own_event(labels: &Map<String, Value>) -> Value {
    let mut own = merged(event(&of_a_sink(labels)), about_down());
    (own["matched"], own["excerpt"], own["source"]["name"]) = ("PT.SINK_DOWN".into(), DOWN.into(), PROVIDER.into());
    own
}

/// A sink that is no longer down, and one that will not get all that was meant for it, as [`crate::incident`] writes them.
fn own_notices(labels: &Map<String, Value>) -> [Value; 2] {
    let dropped = json!({
        "code": "PT.DROPPED", "entry": "paytriage.dropped", "title": "What waited for delivery was dropped", "lost": 3,
        "lost_messages": 2, "lost_at_most": true,
    });
    [("resolved", "recovered", about_down(), DOWN), ("ongoing", "interval", dropped, DROPPED)].map(
        |(status, reason, about, facts)| {
            let own = json!({
                "provider": PROVIDER, "scope": "paytriage", "scope_text": "This is about paytriage itself.",
                "orders": { "distinct": 0, "exact": true, "samples": [] },
            });
            let mut own = merged(notice(status, reason, &of_a_sink(labels)), merged(about, own));
            (own["sources"][0]["name"], own["samples"][0]["excerpt"]) = (PROVIDER.into(), facts.into());
            own
        },
    )
}

fn about_down() -> Value {
    json!({ "code": "PT.SINK_DOWN", "entry": SINK_DOWN, "provider": PROVIDER, "title": "A sink takes no messages" })
}

/// With the name of the sink that a message is about.
fn of_a_sink(labels: &Map<String, Value>) -> Map<String, Value> {
    let own = (SINK.to_owned(), "oncall".into());
    labels.clone().into_iter().chain([own]).collect()
}

fn digest(incidents: Vec<Value>) -> Value {
    json!({
        "schema": "paytriage.digest/1", "id": "101112131415161718191a1b1c1d1e1f", "time": "2026-11-22T19:23:00Z",
        "incidents": incidents, "more": 4, "opened": 1, "ongoing": 2, "resolved": 2, "unfollowed": 5, "count": 5000,
    })
}

/// Without what it may be without. What paytriage says of itself always names itself, and the sink that it is about.
fn least(mut row: Value) -> Value {
    fn is_always_there(key: &str, value: &Value) -> bool {
        !OPTIONAL.contains(&key)
            || key == "provider" && value == PROVIDER
            || key == "labels" && value.get(SINK).is_some()
    }
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, value| is_always_there(key, value));
                map.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut row);
    if let Value::Object(map) = &mut row
        && map.contains_key("observed_time")
    {
        map.remove("time");
    }
    row
}

fn merged(mut all: Value, rest: Value) -> Value {
    if let (Value::Object(all), Value::Object(rest)) = (&mut all, rest) {
        all.extend(rest);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::INCIDENT_JSON_SCHEMA;
    use crate::wire::EVENT_JSON_SCHEMA;

    fn schema(notify: Notify) -> Value {
        let text = match notify {
            Notify::Event => EVENT_JSON_SCHEMA,
            Notify::Incident => INCIDENT_JSON_SCHEMA,
        };
        serde_json::from_str(text).unwrap()
    }

    /// Keys that a schema names anywhere.
    fn keys(schema: &Value, all: &mut BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    all.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| keys(value, all));
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, all)),
            _ => {}
        }
    }

    #[test]
    fn they_are_what_the_schemas_say_with_everything_and_with_the_least() {
        for notify in [Notify::Event, Notify::Incident] {
            let schema = schema(notify);
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let checked = options.build(&schema).unwrap();
            let labels = BTreeSet::from(["env".to_owned()]);
            let [all, least] = [Extent::All, Extent::Least].map(|extent| samples(notify, extent, &labels));
            for Sample { what, row } in all.iter().chain(&least) {
                assert_eq!(checked.validate(row).map_err(|error| error.to_string()), Ok(()), "{what}");
            }
            let mut named = labels;
            named.insert(SINK.to_owned());
            keys(&schema, &mut named);
            assert_eq!(names(&all), named, "everything is there");
            // Whatever else is taken out is missed.
            for Sample { what, row } in &least {
                for key in
                    row.as_object().unwrap().keys().filter(|key| !["resolved_at", "provider"].contains(&key.as_str()))
                {
                    let mut less = row.clone();
                    less.as_object_mut().unwrap().remove(key);
                    assert!(!checked.is_valid(&less), "{what} may be without {key}");
                }
            }
        }
    }
}
