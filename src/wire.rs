//! The event as the world sees it: JSON, version 1.
//!
//! A contract, apart from [`Event`] so that the inside can change without it: `data/schema/event.v1.json` is
//! its JSON Schema, and every event written here validates. Values that are absent are left out, never null or empty; the
//! order of keys is that of the design. All text is UTF-8: bytes of a log that were not are escaped before they get
//! here. Characters that a terminal could obey, or that hide or reorder text, are written as `\u` escapes: the value is
//! the same, and the line can be shown anywhere.
//!
//! What an entry says is the same in every event of it. It is written once, when its first event is, and copied from then
//! on: most of an event's bytes are these.

pub mod entry;
mod put;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::catalog::{Catalog, Entry, Lang};
use crate::event::{Event, Ids};
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
    /// What entries say, by their addresses, which are theirs alone as long as they are held here.
    annotations: HashMap<usize, Annotation>,
}

#[derive(Debug, Clone)]
struct Annotation {
    _entry: Arc<Entry>,
    json: OnceLock<Box<[u8]>>,
}

impl EventWriter {
    pub fn new(catalog: &Catalog, lang: Lang) -> EventWriter {
        let title = |guide: &crate::catalog::Guide| (guide.id.clone(), guide.title.get(lang).to_owned());
        let entries = catalog.entries().iter().chain(catalog.own()).chain([catalog.fallback()]);
        let annotation =
            |entry: &Arc<Entry>| (address(entry), Annotation { _entry: Arc::clone(entry), json: OnceLock::new() });
        EventWriter {
            lang,
            guides: catalog.guides().iter().map(title).collect(),
            annotations: entries.map(annotation).collect(),
        }
    }

    /// Appends one JSON object to `out`, without a newline before or after it.
    pub fn write(&self, event: &Event, out: &mut Vec<u8>) {
        put::raw(out, r#"{"schema":"#);
        put::text(out, EVENT_SCHEMA);
        put::raw(out, r#","id":"#);
        put::hex(out, &event.id.0);
        if let Some(time) = event.time {
            put::raw(out, r#","time":"#);
            put::time(out, time);
        }
        put::raw(out, r#","observed_time":"#);
        put::time(out, event.observed);
        put::member(out, r#","code":"#, &event.code);
        put::member(out, r#","kind":"#, event.kind.as_str());
        put::member(out, r#","entry":"#, &event.entry.id.0);
        if let Some(provider) = &event.provider {
            put::member(out, r#","provider":"#, provider.as_str());
        }
        match self.annotations.get(&address(&event.entry)) {
            Some(known) => out.extend_from_slice(known.json.get_or_init(|| {
                let mut json = Vec::new();
                self.annotate(&event.entry, &mut json);
                json.into_boxed_slice()
            })),
            None => self.annotate(&event.entry, out),
        }
        put::member(out, r#","confidence":"#, event.confidence.as_str());
        put::list(out, r#","alternatives":"#, event.alternatives.iter().map(|id| &*id.0));
        put::member(out, r#","matched":"#, event.matched.as_str());
        put::member(out, r#","encoding":"#, event.encoding.as_str());
        source(event, out);
        ids(&event.ids, out);
        if let Some(level) = event.level {
            put::member(out, r#","level":"#, level.as_str());
        }
        put::member(out, r#","excerpt":"#, event.excerpt.as_str());
        put::number(out, r#","redactions":"#, event.redactions.into());
        out.push(b'}');
    }

    /// Appends what the entry of an event says.
    fn annotate(&self, entry: &Entry, out: &mut Vec<u8>) {
        put::member(out, r#","title":"#, entry.title.get(self.lang));
        put::member(out, r#","category":"#, entry.category.as_str());
        put::member(out, r#","severity":"#, entry.severity.as_str());
        put::member(out, r#","act":"#, entry.act.as_str());
        put::member(out, r#","advice":"#, entry.advice.as_str());
        put::member(out, r#","retry":"#, entry.retry.as_str());
        put::member(out, r#","cause":"#, entry.cause.get(self.lang));
        put::object(out, r#","remediation":"#, |out| {
            put::list(out, r#","operator":"#, entry.operator.get(self.lang).iter().map(String::as_str));
            put::list(out, r#","payer":"#, entry.payer.get(self.lang).iter().map(String::as_str));
        });
        self.guides(entry, out);
        put::list(out, r#","docs":"#, entry.docs.iter().map(String::as_str));
    }

    /// `url` is part of the format but no guide has an address of its own yet.
    fn guides(&self, entry: &Entry, out: &mut Vec<u8>) {
        let known = entry.guides.iter().filter_map(|id| Some((id, self.guides.get(id)?)));
        put::each(out, r#","guides":"#, known, |out, (id, title)| {
            put::object(out, "", |out| {
                put::member(out, r#","id":"#, id);
                put::member(out, r#","title":"#, title);
            });
        });
    }
}

fn address(entry: &Arc<Entry>) -> usize {
    Arc::as_ptr(entry).addr()
}

fn source(event: &Event, out: &mut Vec<u8>) {
    let (origin, position) = (&event.origin, &event.position);
    put::object(out, r#","source":"#, |out| {
        put::member(out, r#","name":"#, &origin.name);
        put::member(out, r#","path":"#, &origin.path);
        put::number(out, r#","line":"#, position.line);
        put::number(out, r#","offset":"#, position.offset);
        put::number(out, r#","record_first_line":"#, position.record_first_line);
        put::number(out, r#","record_last_line":"#, position.record_last_line);
        if let Some(host) = event.host() {
            put::member(out, r#","host":"#, host);
        }
        put::object(out, r#","labels":"#, |out| {
            for (name, value) in &origin.labels {
                out.push(b',');
                put::text(out, name);
                put::member(out, ":", value);
            }
        });
    });
}

fn ids(ids: &Ids, out: &mut Vec<u8>) {
    put::object(out, r#","ids":"#, |out| {
        for (key, id) in [
            (r#","out_trade_no":"#, &ids.out_trade_no),
            (r#","trade_no":"#, &ids.trade_no),
            (r#","transaction_id":"#, &ids.transaction_id),
            (r#","request_id":"#, &ids.request_id),
            (r#","trace_id":"#, &ids.trace_id),
            (r#","mch_id":"#, &ids.mch_id),
            (r#","app_id":"#, &ids.app_id),
            (r#","amount":"#, &ids.amount),
            (r#","currency":"#, &ids.currency),
        ] {
            // An id that is there but empty says as much as none.
            if let Some(id) = id.as_deref().filter(|id| !id.is_empty()) {
                put::member(out, key, id);
            }
        }
    });
}

/// One JSON object without line breaks, and with hidden characters escaped: how everything that leaves is written.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Visible));
    // Only a failing writer or a map with odd keys could make this fail; a `Vec` and strings cannot.
    debug_assert!(written.is_ok());
    out
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::event::{Confidence, Kind, samples};

    fn writer(lang: Lang) -> EventWriter {
        let guides = [("issuer-declined".to_owned(), "Issuer declined".to_owned())].into();
        EventWriter { lang, guides, annotations: HashMap::new() }
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
    fn what_an_entry_says_is_the_same_whether_it_was_written_before_or_not() {
        let catalog = Catalog::builtin();
        for lang in [Lang::En, Lang::Zh] {
            let remembering = EventWriter::new(&catalog, lang);
            let plain = EventWriter { annotations: HashMap::new(), ..remembering.clone() };
            for entry in catalog.entries().iter().chain([catalog.fallback()]) {
                let event = Event { entry: Arc::clone(entry), ..samples::full() };
                let [mut first, mut again, mut expected] = [const { Vec::new() }; 3];
                remembering.write(&event, &mut first);
                remembering.write(&event, &mut again);
                plain.write(&event, &mut expected);
                assert!(first == expected && again == expected, "{}", entry.id);
            }
        }
    }

    #[test]
    fn events_are_appended_without_newlines() {
        let mut out = b"x".to_vec();
        writer(Lang::En).write(&samples::full(), &mut out);
        assert!(out.starts_with(b"x{") && out.ends_with(b"}") && !out.contains(&b'\n'));
    }
}
