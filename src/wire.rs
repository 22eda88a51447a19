//! The event as the world sees it: JSON, version 1.
//!
//! A contract, apart from [`Event`] so that the inside can change without it: `data/schema/event.v1.json` is
//! its JSON Schema, and every event written here validates. The structs borrow; values that are absent are left
//! out, never null or empty; the order of keys is the order of the fields. All text is UTF-8: bytes of a log
//! that were not are escaped before they get here. Characters that a terminal could obey, or that hide or
//! reorder text, are written as `\u` escapes: the value is the same, and the line can be shown anywhere.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::catalog::{Catalog, EntryId, Lang};
use crate::event::{Event, EventId, Ids};
use crate::visible::is_hidden;

/// Value of the key `schema`.
pub const EVENT_SCHEMA: &str = "paytriage.event/1";

/// The JSON Schema that every written event validates against.
pub const EVENT_JSON_SCHEMA: &str = include_str!("../data/schema/event.v1.json");

/// Writes events as JSON in one language.
#[derive(Debug, Clone)]
pub struct EventWriter {
    lang: Lang,
    /// Titles of the guides that exist, by id.
    guides: HashMap<String, String>,
}

impl EventWriter {
    pub fn new(catalog: &Catalog, lang: Lang) -> EventWriter {
        let title = |guide: &crate::catalog::Guide| (guide.id.clone(), guide.title.get(lang).to_owned());
        EventWriter { lang, guides: catalog.guides().iter().map(title).collect() }
    }

    /// Appends one JSON object to `out`, without a newline before or after it.
    pub fn write(&self, event: &Event, out: &mut Vec<u8>) {
        append(&self.event(event), out);
    }

    fn event<'a>(&'a self, event: &'a Event) -> EventV1<'a> {
        let entry = &*event.entry;
        EventV1 {
            schema: EVENT_SCHEMA,
            id: event.id,
            time: event.time,
            observed_time: event.observed,
            code: &event.code,
            kind: event.kind.as_str(),
            entry: &entry.id.0,
            provider: event.provider.as_ref().map(|provider| provider.as_str()),
            title: entry.title.get(self.lang),
            category: entry.category.as_str(),
            severity: entry.severity.as_str(),
            act: entry.act.as_str(),
            advice: entry.advice.as_str(),
            retry: entry.retry.as_str(),
            cause: entry.cause.get(self.lang),
            remediation: RemediationV1 { operator: entry.operator.get(self.lang), payer: entry.payer.get(self.lang) },
            guides: GuidesV1 { ids: &entry.guides, titles: &self.guides },
            docs: &entry.docs,
            confidence: event.confidence.as_str(),
            alternatives: AlternativesV1(&event.alternatives),
            matched: event.matched.as_str(),
            encoding: event.encoding.as_str(),
            source: SourceV1 {
                name: &event.origin.name,
                path: &event.origin.path,
                line: event.position.line,
                offset: event.position.offset,
                record_first_line: event.position.record_first_line,
                record_last_line: event.position.record_last_line,
                host: event.origin.host.as_deref(),
                labels: &event.origin.labels,
            },
            ids: IdsV1::from(&event.ids),
            level: event.level.map(|level| level.as_str()),
            excerpt: event.excerpt.as_str(),
            redactions: event.redactions,
        }
    }
}

/// One JSON object without line breaks, and with hidden characters escaped: how everything that leaves is written.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    append(value, &mut out);
    out
}

fn append(value: &impl Serialize, out: &mut Vec<u8>) {
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(out, Visible));
    // Only a failing writer or a map with odd keys could make this fail; a `Vec` and strings cannot.
    debug_assert!(written.is_ok());
}

#[derive(Serialize)]
struct EventV1<'a> {
    schema: &'static str,
    #[serde(serialize_with = "text")]
    id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    observed_time: Timestamp,
    code: &'a str,
    kind: &'static str,
    entry: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    title: &'a str,
    category: &'static str,
    severity: &'static str,
    act: &'static str,
    advice: &'static str,
    retry: &'static str,
    cause: &'a str,
    #[serde(skip_serializing_if = "RemediationV1::is_empty")]
    remediation: RemediationV1<'a>,
    #[serde(skip_serializing_if = "GuidesV1::is_empty")]
    guides: GuidesV1<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    docs: &'a [String],
    confidence: &'static str,
    #[serde(skip_serializing_if = "AlternativesV1::is_empty")]
    alternatives: AlternativesV1<'a>,
    matched: &'a str,
    encoding: &'static str,
    source: SourceV1<'a>,
    #[serde(skip_serializing_if = "IdsV1::is_empty")]
    ids: IdsV1<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    excerpt: &'a str,
    redactions: u32,
}

#[derive(Serialize)]
struct RemediationV1<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    operator: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    payer: &'a [String],
}

impl RemediationV1<'_> {
    fn is_empty(&self) -> bool {
        self.operator.is_empty() && self.payer.is_empty()
    }
}

/// `url` is part of the format but no guide has an address of its own yet.
#[derive(Serialize)]
struct GuideV1<'a> {
    id: &'a str,
    title: &'a str,
}

/// Looks the titles up while it is written, so that an event costs no list.
struct GuidesV1<'a> {
    ids: &'a [String],
    titles: &'a HashMap<String, String>,
}

impl<'a> GuidesV1<'a> {
    fn known(&self) -> impl Iterator<Item = GuideV1<'a>> {
        let titles = self.titles;
        self.ids.iter().filter_map(move |id| Some(GuideV1 { id, title: titles.get(id)? }))
    }

    fn is_empty(&self) -> bool {
        self.known().next().is_none()
    }
}

impl Serialize for GuidesV1<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.known())
    }
}

struct AlternativesV1<'a>(&'a [EntryId]);

impl AlternativesV1<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AlternativesV1<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|id| &*id.0))
    }
}

#[derive(Serialize)]
struct SourceV1<'a> {
    name: &'a str,
    path: &'a str,
    line: u64,
    offset: u64,
    record_first_line: u64,
    record_last_line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize, PartialEq, Default)]
struct IdsV1<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    out_trade_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trade_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mch_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
}

impl IdsV1<'_> {
    fn is_empty(&self) -> bool {
        *self == IdsV1::default()
    }
}

impl<'a> From<&'a Ids> for IdsV1<'a> {
    fn from(ids: &'a Ids) -> IdsV1<'a> {
        /// An id that is there but empty says as much as none.
        fn present(id: &Option<String>) -> Option<&str> {
            id.as_deref().filter(|id| !id.is_empty())
        }
        IdsV1 {
            out_trade_no: present(&ids.out_trade_no),
            trade_no: present(&ids.trade_no),
            transaction_id: present(&ids.transaction_id),
            request_id: present(&ids.request_id),
            trace_id: present(&ids.trace_id),
            mch_id: present(&ids.mch_id),
            app_id: present(&ids.app_id),
            amount: present(&ids.amount),
            currency: present(&ids.currency),
        }
    }
}

/// JSON without line breaks and without a single hidden character.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_hidden(c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::event::{Confidence, Kind, samples};

    fn writer(lang: Lang) -> EventWriter {
        EventWriter { lang, guides: [("issuer-declined".to_owned(), "Issuer declined".to_owned())].into() }
    }

    fn written(event: &Event, lang: Lang) -> String {
        let mut out = Vec::new();
        writer(lang).write(event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn assert_valid(json: &str) {
        let schema: Value = serde_json::from_str(EVENT_JSON_SCHEMA).unwrap();
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let event: Value = serde_json::from_str(json).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&event).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{json}\n{errors:#?}");
    }

    #[test]
    fn a_full_event_has_every_key_in_the_order_of_the_design() {
        let json = written(&samples::full(), Lang::En);
        let expected = concat!(
            r#"{"schema":"paytriage.event/1","id":"000102030405060708090a0b0c0d0e0f","time":"2026-03-01T08:00:00.25Z","#,
            r#""observed_time":"2026-03-01T08:00:01Z","code":"ISSUER_DECLINED","kind":"code","entry":"issuer-declined","#,
            r#""provider":"issuer","title":"The card issuer declined","category":"card","severity":"error","act":"issuer","#,
            r#""advice":"contact_issuer","retry":"after_fix","cause":"The payer's bank refused the charge.","#,
            r#""remediation":{"operator":["Do not retry by yourself.","Offer another method."],"#,
            r#""payer":["Call the number on your card."]},"#,
            r#""guides":[{"id":"issuer-declined","title":"Issuer declined"}],"docs":["https://example.com/codes"],"#,
            r#""confidence":"high","alternatives":["risk-control"],"matched":"ISSUER_DECLINED","encoding":"utf-8","#,
            r#""source":{"name":"shop","path":"/var/log/shop/app.log","line":12,"offset":3456,"record_first_line":11,"#,
            r#""record_last_line":14,"host":"pay-1","labels":{"env":"prod"}},"#,
            r#""ids":{"out_trade_no":"T1","trade_no":"T2","transaction_id":"T3","request_id":"T4","trace_id":"T5","#,
            r#""mch_id":"T6","app_id":"T7","amount":"8.88","currency":"CNY"},"level":"ERROR","#,
            r#""excerpt":"code=ISSUER_DECLINED card=***1234","redactions":1}"#,
        );
        assert_eq!(json, expected);
        assert_valid(&json);
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let json = written(&samples::bare(), Lang::En);
        let event: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
        for key in ["time", "provider", "guides", "docs", "alternatives", "ids", "level"] {
            assert!(!event.contains_key(key), "{key} in {json}");
        }
        assert!(event["remediation"].get("payer").is_none());
        assert!(event["source"].get("host").is_none() && event["source"].get("labels").is_none());
        assert!(!json.contains("null") && !json.contains("\"\""), "{json}");
        assert_valid(&json);
    }

    #[test]
    fn text_comes_in_the_language_asked_for() {
        let json = written(&samples::full(), Lang::Zh);
        assert!(json.contains("发卡行拒绝") && !json.contains("The card issuer"), "{json}");
        assert_valid(&json);
    }

    #[test]
    fn every_word_of_the_closed_sets_validates() {
        use crate::catalog::{Actor, Advice, Category, Retry, Severity};
        use crate::record::{Encoding, Level};
        fn each<T: Copy>(values: &[T], set: impl Fn(&mut Event, T)) {
            for &value in values {
                let mut event = samples::full();
                set(&mut event, value);
                assert_valid(&written(&event, Lang::En));
            }
        }
        let entry = |event: &mut Event, change: &dyn Fn(&mut crate::catalog::Entry)| {
            change(std::sync::Arc::make_mut(&mut event.entry));
        };
        each(Actor::ALL, |event, v| entry(event, &|e| e.act = v));
        each(Advice::ALL, |event, v| entry(event, &|e| e.advice = v));
        each(Category::ALL, |event, v| entry(event, &|e| e.category = v));
        each(Retry::ALL, |event, v| entry(event, &|e| e.retry = v));
        each(Severity::ALL, |event, v| entry(event, &|e| e.severity = v));
        each(&[Kind::Code, Kind::Message, Kind::UnknownCode], |event, v| event.kind = v);
        each(&[Confidence::Low, Confidence::Medium, Confidence::High], |event, v| event.confidence = v);
        each(&Encoding::ALL, |event, v| event.encoding = v);
        each(&[Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal], |event, v| {
            event.level = Some(v);
        });
    }

    #[test]
    fn hidden_characters_are_escaped_and_come_back_the_same() {
        let hostile = "\u{9b}31m\u{202e}\x7f\x1b\u{e0041}\u{feff} 支付";
        let mut event = samples::full();
        event.excerpt = crate::redact::Redacted::sample(hostile);
        let json = written(&event, Lang::En);
        assert!(!json.contains(is_hidden), "{json:?}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["excerpt"], hostile);
    }

    #[test]
    fn a_guide_that_does_not_exist_is_left_out() {
        let mut event = samples::full();
        std::sync::Arc::make_mut(&mut event.entry).guides = vec!["no-such-guide".to_owned()];
        assert!(!written(&event, Lang::En).contains("guides"));
    }

    #[test]
    fn events_are_appended_without_newlines() {
        let mut out = b"x".to_vec();
        writer(Lang::En).write(&samples::full(), &mut out);
        assert!(out.starts_with(b"x{") && out.ends_with(b"}") && !out.contains(&b'\n'));
    }
}
