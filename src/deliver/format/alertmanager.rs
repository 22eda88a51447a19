//! What Alertmanager sends to its webhook receivers, version 4, so that whatever takes alerts from it takes ours.
//!
//! A receiver takes the status of a group for that of all that was ever sent under its key. So a group is one incident, for as long as
//! that lasts, each of its notices a request; of events, which nothing ends, those of one code and place.
//!
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::message::{Item, Message};
use super::subject::{Place, Subject, order, subjects};
use super::{Context, RenderError, Rendered, cut, text, words};
use crate::incident::notice::Notice;
use crate::render::words::events;
use crate::visible::visible;

/// Of a cause, a step, a title.
const MAX_TEXT: usize = 1000;
/// Of a label's value.
const MAX_VALUE: usize = 256;
/// The label that names an incident. An Alertmanager itself does not get it: who silences an alert there means also the next one.
const INCIDENT: &str = "incident";
/// Labels that a group of one incident has; none of them changes while that lasts.
const OF_INCIDENT: [&str; 4] = ["alertname", "entry", INCIDENT, "source"];
/// Those of a group of events.
const OF_EVENTS: [&str; 4] = ["alertname", "entry", "host", "source"];
/// What Alertmanager writes for "not yet".
const NEVER: &str = "0001-01-01T00:00:00Z";

pub type Labels = BTreeMap<String, String>;
pub type Annotations = BTreeMap<&'static str, String>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Annotations,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: &'a [Alert<'a>],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: Labels,
    annotations: Annotations,
    starts_at: &'a str,
    ends_at: &'a str,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
    #[serde(skip)]
    is_incident: bool,
}

/// Whether they are events of one code and place.
pub fn are_a_group(messages: &[Message<'_>]) -> bool {
    let group = |message: &Message<'_>| match &message.item {
        Item::Event(event) => {
            let source = &event.source;
            Some(
                [Some(&event.code), Some(&event.entry), Some(&source.name), source.host.as_ref()]
                    .map(Option::<&String>::cloned),
            )
        }
        Item::Incident(_) | Item::Digest(_) => None,
    };
    let first = messages.first().and_then(group);
    first.is_some() && messages.iter().all(|message| group(message) == first)
}

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let all = subjects(messages);
    let alerts: Vec<_> = all.list.iter().map(|&subject| alert(subject, context)).collect();
    // Whole or not at all: who was sent an alert is sent its end.
    context.request("application/json", serde_json::to_vec(&body(&alerts, context))?)
}

fn body<'a>(alerts: &'a [Alert<'a>], context: &Context<'a>) -> Body<'a> {
    let common_labels = common(alerts.iter().map(|alert| &alert.labels));
    let names = if alerts.iter().any(|alert| alert.is_incident) { OF_INCIDENT } else { OF_EVENTS };
    let group_labels: Labels =
        names.iter().filter_map(|&name| Some((name.to_owned(), common_labels.get(name)?.clone()))).collect();
    let group: Vec<_> = group_labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    Body {
        version: "4",
        group_key: format!("{{}}/{{sink={:?}}}:{{{}}}", context.sink, group.join(", ")),
        truncated_alerts: 0,
        status: if alerts.iter().all(|alert| alert.status == "resolved") { "resolved" } else { "firing" },
        receiver: context.sink,
        group_labels,
        common_labels,
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: "",
        alerts,
    }
}

fn alert<'a>(subject: Subject<'a>, context: &Context<'_>) -> Alert<'a> {
    let mut labels = labels(subject, context);
    if let Subject::Incident(notice) = subject {
        let theirs = labels.insert(INCIDENT.to_owned(), notice.incident.clone());
        labels.extend(theirs.map(|theirs| (format!("exported_{INCIDENT}"), theirs)));
    }
    let (status, ends_at) = match subject {
        Subject::Incident(notice) if subject.is_closed() => {
            ("resolved", notice.resolved_at.as_deref().unwrap_or(&notice.time))
        }
        Subject::Event(_) | Subject::Incident(_) => ("firing", NEVER),
    };
    Alert {
        status,
        fingerprint: fingerprint(&labels),
        labels,
        annotations: annotations(subject, context),
        starts_at: starts_at(subject),
        ends_at,
        generator_url: "",
        is_incident: matches!(subject, Subject::Incident(_)),
    }
}

pub fn starts_at(subject: Subject<'_>) -> &str {
    match subject {
        Subject::Event(event) => &event.observed_time,
        Subject::Incident(notice) => &notice.opened_at,
    }
}

/// What makes it the same alert from one message to the next, and nothing that changes while it lasts. Its name is the code:
/// routes and silences of an Alertmanager are written with what stands in logs and documents, in every language; the title is
/// the `summary`.
pub fn labels(subject: Subject<'_>, context: &Context<'_>) -> Labels {
    let (about, place) = (subject.annotation(), subject.place());
    let host = match subject {
        Subject::Event(_) => place.host.or(context.host),
        // Which host has most of its events may change.
        Subject::Incident(_) => context.host.or(place.host),
    };
    let own = [
        ("alertname", Some(about.code)),
        ("code", Some(about.code)),
        ("entry", Some(about.entry)),
        ("provider", about.provider),
        ("severity", Some(about.severity)),
        ("source", Some(place.source)),
        ("host", host),
    ];
    let value = |text: &str| visible(&cut::start(text, MAX_VALUE)).into_owned();
    let mut labels: Labels = own.into_iter().filter_map(|(name, text)| Some((name.to_owned(), value(text?)))).collect();
    for (name, text) in source_labels(place) {
        let name = legal_name(name);
        // As Prometheus names labels that would hide its own.
        let name = if labels.contains_key(&name) { format!("exported_{name}") } else { name };
        labels.insert(name, value(text));
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn source_labels(place: Place<'_>) -> impl Iterator<Item = (&str, &str)> {
    place.labels.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, without the `__` that is for Prometheus's own.
fn legal_name(name: &str) -> String {
    let name = cut::start(name, MAX_VALUE);
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(legal).collect();
    match name.trim_start_matches('_') {
        rest if rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()) => format!("label_{rest}"),
        rest => rest.to_owned(),
    }
}

/// What people read; by the names that receivers look for. It may end in any chat, so no mention, tag, address or markup survives.
pub fn annotations(subject: Subject<'_>, context: &Context<'_>) -> Annotations {
    let (about, lang) = (subject.annotation(), context.lang);
    let steps: Vec<_> =
        about.operator.iter().enumerate().map(|(n, step)| format!("{}. {}", n + 1, plain(step))).collect();
    let mut annotations = Annotations::from([
        ("summary", summary(subject, context)),
        ("description", plain(about.cause)),
        ("steps", steps.join("\n")),
    ]);
    if !subject.is_own() {
        annotations.insert("act", plain(words::actor(about.act, lang)));
        annotations.insert("retry", plain(words::retry(about.retry, lang)));
    }
    if let Some(url) = text::links(about.docs).next() {
        annotations.insert("runbook_url", url.to_owned());
    }
    match subject {
        Subject::Incident(notice) if subject.is_own() => {
            let facts = notice.samples.iter().map(|sample| plain(&words::facts(&sample.excerpt, context.timezone)));
            annotations.insert("details", facts.collect::<Vec<_>>().join("\n"));
            annotations.insert("time", words::when(notice, context.timezone, lang));
            annotations.insert("lost", words::lost(notice, lang).unwrap_or_default());
        }
        Subject::Event(event) if subject.is_own() => {
            annotations.insert("details", plain(&words::facts(&event.excerpt, context.timezone)));
        }
        Subject::Incident(notice) => {
            let count = if subject.is_closed() { words::over } else { words::count };
            annotations.insert("count", count(notice, context.timezone, lang));
            annotations.insert("scope", plain(&notice.scope_text));
            annotations.insert("orders", orders(notice));
        }
        Subject::Event(event) => {
            annotations.insert("count", events(1, lang));
            annotations.insert("orders", order(&event.ids).map_or_else(String::new, plain));
            annotations.insert("place", format!("{}:{}", plain(&event.source.path), event.source.line));
        }
    }
    if subject.is_closed() && !subject.is_over() {
        annotations.insert("note", words::unfollowed(lang).to_owned());
    }
    annotations.retain(|_, text| !text.is_empty());
    annotations
}

/// Receivers show little more than this and the status, which says of what is no longer followed that it is over.
fn summary(subject: Subject<'_>, context: &Context<'_>) -> String {
    let title = words::title(subject, context.lang);
    match subject {
        Subject::Incident(notice) if subject.is_closed() && !subject.is_over() => {
            let status = words::status(notice, context.lang);
            plain(&format!("{status}{}{title}", words::words(context.lang).colon))
        }
        Subject::Event(_) | Subject::Incident(_) => plain(&title),
    }
}

fn orders(notice: &Notice) -> String {
    notice.orders.samples.iter().map(|order| plain(order)).collect::<Vec<_>>().join(", ")
}

fn plain(text: &str) -> String {
    text::unmarked(&text::plain(text, MAX_TEXT))
}

/// What all have, with the same value.
fn common<'a, K: Ord + Clone + 'a>(mut maps: impl Iterator<Item = &'a BTreeMap<K, String>>) -> BTreeMap<K, String> {
    let mut common = maps.next().cloned().unwrap_or_default();
    for map in maps {
        common.retain(|name, value| map.get(name) == Some(value));
    }
    common
}

/// Prometheus's hash of a set of labels: FNV-1a of names and values, each ended by 0xff.
fn fingerprint(labels: &Labels) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels_are_legal() {
        for (name, legal) in [
            ("env", "env"),
            ("app.kubernetes.io/name", "app_kubernetes_io_name"),
            ("__name__", "name__"),
            ("1st", "label_1st"),
            ("支付", "label_"),
        ] {
            assert_eq!(legal_name(name), legal);
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_prometheus() {
        // The offset basis is the fingerprint of no labels.
        assert_eq!(fingerprint(&Labels::new()), "cbf29ce484222325");
        let labels = Labels::from([("a".to_owned(), "b".to_owned())]);
        assert_ne!(fingerprint(&labels), fingerprint(&Labels::from([("a".to_owned(), "c".to_owned())])));
    }
}
