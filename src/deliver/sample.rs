//! Messages of every kind, to try a template with before anything depends on it: with everything that one can have, and with no
//! more than each has. One of them, marked as a test, is what `webhook test` sends: what a template can be used for reaches its
//! receiver.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::catalog::Lang;
use crate::config::Notify;
use crate::event::EventId;
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
const OPTIONAL: [&str; 16] = [
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
    "unheard",
];

/// As logs are: with quotes and backslashes, which no template may take for granted that there are none.
const EXCERPT: &str =
    r#"ERROR pay {"out_trade_no":"T20261122001","sub_code":"ACQ.SYSTEM_ERROR","sub_msg":"系统繁忙 \"1\""}"#;

const OWN: &str = "a word about paytriage itself";
/// The facts of a sink that is down.
const DOWN: &str = "sink=oncall since=2026-11-22T19:10:04Z reason=\"HTTP 503: \\\"busy\\\"\"";
/// The facts of one that lost something.
const DROPPED: &str = "sink=oncall up_to_events=3 up_to_bytes=999 oldest=2026-11-22T18:00:00Z reason=removed";

/// One of each kind of message that a sink takes; `labels`: those that sources have.
pub fn samples(notify: Notify, extent: Extent, labels: &BTreeMap<String, String>) -> Vec<Sample> {
    let labels = if extent == Extent::All { as_json(labels) } else { Map::new() };
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
            let counts = Sample { what: "a digest that only counts incidents", row: digest(Vec::new(), &labels) };
            let digest = Sample { what: "a digest of several incidents", row: digest(rows, &labels) };
            notices.into_iter().chain([digest, counts]).collect()
        }
    };
    match extent {
        Extent::All => all,
        Extent::Least => all.into_iter().map(|sample| Sample { row: least(sample.row), ..sample }).collect(),
    }
}

fn as_json(labels: &BTreeMap<String, String>) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

/// What a test says beside its words.
#[derive(Debug)]
pub struct Test<'a> {
    /// A template may need what would only puzzle people: that it comes and goes, and where to read on.
    pub is_for_template: bool,
    pub id: EventId,
    pub now: Timestamp,
    pub lang: Lang,
    pub host: Option<&'a str>,
    /// The sink that is tested.
    pub sink: &'a str,
    /// Those that sources have.
    pub labels: &'a BTreeMap<String, String>,
}

/// An event or an incident with everything that one can have, which says that it is none.
pub fn test(notify: Notify, test: &Test<'_>) -> Value {
    let Words { title, cause, step, scope } = words(test.lang);
    let (id, now) = (test.id.to_string(), test.now.to_string());
    let mut labels = as_json(test.labels);
    labels.insert(SINK.to_owned(), test.sink.into());
    let mut ids: Map<String, Value> = ids().into_iter().map(|(name, _)| (name, "TEST".into())).collect();
    // The code that ISO 4217 has for tests.
    ids.extend([("amount".to_owned(), "0.00".into()), ("currency".to_owned(), "XTS".into())]);
    let about = json!({
        "id": id, "code": "PT.TEST", "entry": "paytriage.test", "provider": PROVIDER, "title": title, "category": "other",
        "severity": "info", "advice": "none", "retry": "safe", "cause": cause,
        "remediation": { "operator": [step], "payer": [step] }, "docs": [DOCS],
    });
    let rest = match notify {
        Notify::Event => json!({
            "time": now, "observed_time": now, "matched": "PT.TEST", "ids": ids, "level": "INFO", "excerpt": title,
            "guides": [{ "id": "test", "title": title, "url": DOCS }], "alternatives": ["paytriage.test"], "redactions": 0,
        }),
        Notify::Incident => json!({
            "incident": id, "time": now, "opened_at": now, "first_seen": now, "last_seen": now, "count": 1, "new": 1,
            "rate_per_minute": 1.0, "orders": { "distinct": 1, "exact": true, "samples": ["TEST"] },
            "scope": "paytriage", "scope_text": scope, "merchants": [{ "mch_id": "TEST", "count": 1 }],
            "related": [{ "incident": id, "entry": "paytriage.test", "code": "PT.TEST", "title": title, "shared_orders": 1 }],
            "samples": [{ "event": id, "time": now, "path": PATH, "line": 1, "ids": ids, "excerpt": title }],
        }),
    };
    let sample = match notify {
        Notify::Event => event(&labels),
        Notify::Incident => notice("opened", "threshold", &labels),
    };
    let mut row = merged(sample, merged(about, rest));
    if !test.is_for_template
        && let Some(row) = row.as_object_mut()
    {
        row.retain(|name, _| name != "flapping" && name != "docs");
    }
    let source = match notify {
        Notify::Event => &mut row["source"],
        Notify::Incident => &mut row["sources"][0],
    };
    source["name"] = PROVIDER.into();
    match notify {
        Notify::Event => {
            source["path"] = PATH.into();
            for (key, value) in [("line", 1), ("offset", 0), ("record_first_line", 1), ("record_last_line", 1)] {
                source[key] = value.into();
            }
        }
        Notify::Incident => source["count"] = 1.into(),
    }
    match (test.host, source.as_object_mut()) {
        (Some(host), _) => source["host"] = host.into(),
        (None, source) => drop(source.map(|source| source.remove("host"))),
    }
    row
}

/// Where a test comes from.
const PATH: &str = "paytriage webhook test";
/// Leads nowhere.
const DOCS: &str = "https://example.com/";

struct Words {
    title: &'static str,
    cause: &'static str,
    step: &'static str,
    scope: &'static str,
}

fn words(lang: Lang) -> Words {
    match lang {
        Lang::En => Words {
            title: "TEST, nothing has failed",
            cause: "Somebody ran \"paytriage webhook test\" to see whether messages arrive here.",
            step: "Nothing has to be done.",
            scope: "This is a test: there is nothing to look at.",
        },
        Lang::Zh => Words {
            title: "测试消息，没有支付失败",
            cause: "有人运行了 \"paytriage webhook test\"，以确认消息能否送达这里。",
            step: "无需处理。",
            scope: "这是一条测试消息，无需排查。",
        },
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

fn ids() -> Map<String, Value> {
    let ids = [
        ("out_trade_no", "T20261122001"),
        ("trade_no", "2026112222001"),
        ("transaction_id", "4200001"),
        ("request_id", "r1"),
        ("trace_id", "t1"),
        ("mch_id", "1900000109"),
        ("app_id", "2021001"),
        ("amount", "12.80"),
        ("currency", "CNY"),
    ];
    ids.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect()
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

fn digest(incidents: Vec<Value>, labels: &Map<String, Value>) -> Value {
    let unheard = json!({
        "code": "ACQ.NEW_CODE", "entry": "paytriage.unknown-code", "provider": "alipay", "title": "A code that nobody knows",
        "severity": "warning", "source": "shop", "labels": labels, "count": 3,
    });
    json!({
        "schema": "paytriage.digest/1", "id": "101112131415161718191a1b1c1d1e1f", "time": "2026-11-22T19:23:00Z",
        "incidents": incidents, "more": 4, "unheard": [unheard], "opened": 1, "ongoing": 2, "resolved": 2, "unfollowed": 5, "count": 5000,
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
    fn a_test_has_all_that_a_message_can_have() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        for (notify, lang, host) in [Notify::Event, Notify::Incident]
            .into_iter()
            .flat_map(|notify| [(notify, Lang::En, Some("pay-1")), (notify, Lang::Zh, None)])
        {
            let schema = schema(notify);
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let about = Test {
                is_for_template: true,
                id: EventId([7; 16]),
                now: Timestamp::UNIX_EPOCH,
                lang,
                host,
                sink: "oncall",
                labels: &labels,
            };
            let row = test(notify, &about);
            let checked = options.build(&schema).unwrap();
            assert_eq!(checked.validate(&row).map_err(|error| error.to_string()), Ok(()), "{notify:?}");
            let all = samples(notify, Extent::All, &labels).swap_remove(0);
            let names = |row: &Value| names(&[Sample { what: "", row: row.clone() }]);
            let missing: BTreeSet<_> = names(&all.row).difference(&names(&row)).cloned().collect();
            assert!(missing.iter().all(|name| name == "host" && host.is_none()), "{notify:?} {missing:?}");
            let is_said = |word: &str| row.to_string().contains(word);
            assert!(is_said("TEST") && !is_said("ACQ.") && !is_said("T2026"), "{row}");
        }
    }

    #[test]
    fn they_are_what_the_schemas_say_with_everything_and_with_the_least() {
        for notify in [Notify::Event, Notify::Incident] {
            let schema = schema(notify);
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let checked = options.build(&schema).unwrap();
            let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
            let [all, least] = [Extent::All, Extent::Least].map(|extent| samples(notify, extent, &labels));
            for Sample { what, row } in all.iter().chain(&least) {
                assert_eq!(checked.validate(row).map_err(|error| error.to_string()), Ok(()), "{what}");
            }
            let mut named: BTreeSet<_> = labels.keys().cloned().chain([SINK.to_owned()]).collect();
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
