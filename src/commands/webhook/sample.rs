//! The message of a test: an event or an incident like any, which says that it is none.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::catalog::Lang;
use crate::config::{Notify, Webhook};
use crate::event::EventId;
use crate::store::OutboxEvent;

/// Ids of tests begin like this; the rest is random, so that no receiver takes a test for the repeat of another.
const ID: u128 = 0x7e57 << 112;

struct Words {
    title: &'static str,
    cause: &'static str,
    step: &'static str,
    scope: &'static str,
}

/// The row, as the outbox would hold it.
pub fn row(webhook: &Webhook, lang: Lang, host: Option<String>) -> OutboxEvent {
    let id = EventId((ID | fastrand::u128(..) >> 16).to_be_bytes());
    let sample = match webhook.notify {
        Notify::Event => event(id, lang, host),
        Notify::Incident => incident(id, lang, host),
    };
    OutboxEvent { id, body: sample.to_string().into_bytes() }
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

/// What an event and an incident have in common.
fn annotation(id: EventId, lang: Lang) -> Value {
    let Words { title, cause, step, .. } = words(lang);
    json!({
        "id": id.to_string(), "code": "PT.TEST", "kind": "code", "entry": "paytriage.test", "provider": "paytriage",
        "title": title, "category": "other", "severity": "info", "act": "merchant", "advice": "none", "retry": "safe",
        "cause": cause, "remediation": { "operator": [step] },
    })
}

fn event(id: EventId, lang: Lang, host: Option<String>) -> Value {
    let now = Timestamp::now().to_string();
    let source = json!({
        "name": "paytriage", "path": "paytriage webhook test", "line": 1, "offset": 0, "record_first_line": 1,
        "record_last_line": 1,
    });
    let rest = json!({
        "schema": "paytriage.event/1", "time": now, "observed_time": now, "confidence": "high", "matched": "PT.TEST",
        "encoding": "utf-8", "source": on(source, host), "excerpt": words(lang).title, "redactions": 0,
    });
    merged(annotation(id, lang), rest)
}

fn incident(id: EventId, lang: Lang, host: Option<String>) -> Value {
    let now = Timestamp::now().to_string();
    let id_text = id.to_string();
    let rest = json!({
        "schema": "paytriage.incident/1", "incident": id_text, "status": "opened", "reason": "threshold", "time": now,
        "opened_at": now, "first_seen": now, "last_seen": now, "count": 1, "new": 1, "rate_per_minute": 1.0,
        "orders": { "distinct": 0, "exact": true, "samples": [] }, "scope": "isolated", "scope_text": words(lang).scope,
        "sources": [on(json!({ "name": "paytriage", "count": 1 }), host)],
        "samples": [{
            "event": id_text, "time": now, "path": "paytriage webhook test", "line": 1, "excerpt": words(lang).title,
        }],
    });
    merged(annotation(id, lang), rest)
}

fn on(mut source: Value, host: Option<String>) -> Value {
    if let Some(host) = host {
        source["host"] = host.into();
    }
    source
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

    #[test]
    fn samples_are_what_the_schemas_say() {
        let valid = |schema: &str, sample: &Value| {
            let schema = serde_json::from_str(schema).unwrap();
            let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
            schema.validate(sample).map_err(|error| error.to_string())
        };
        let id = EventId(ID.to_be_bytes());
        for (lang, host) in [(Lang::En, Some("pay-1".to_owned())), (Lang::Zh, None)] {
            assert_eq!(valid(EVENT_JSON_SCHEMA, &event(id, lang, host.clone())), Ok(()));
            assert_eq!(valid(INCIDENT_JSON_SCHEMA, &incident(id, lang, host)), Ok(()));
        }
    }
}
