//! PagerDuty's Events API v2: one incident a request; it is triggered, triggered again with news, and resolved under one key.
//!
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>. The routing key is added when it is sent.

use serde::{Serialize, Serializer};

use super::super::message::Message;
use super::card::{Card, Line, card};
use super::subject::{Subject, subjects};
use super::{Context, RenderError, Rendered, cut};
use crate::catalog::Severity;
use crate::render::words as report;
use crate::visible::visible;

/// Of a summary, in characters; bytes are no fewer.
const MAX_SUMMARY: usize = 1024;
const MAX_NAME: usize = 255;

#[derive(Serialize)]
struct Request<'a> {
    event_action: &'static str,
    dedup_key: &'a str,
    client: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link<'a>>,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Link<'a> {
    href: &'a str,
    text: &'static str,
}

#[derive(Serialize)]
struct Payload<'a> {
    summary: String,
    /// What is affected.
    source: String,
    severity: &'static str,
    timestamp: &'a str,
    component: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    class: String,
    custom_details: Details,
}

/// What the card says, by its labels, in its order.
struct Details(Vec<(&'static str, String)>);

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, text)| (label, text)))
    }
}

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let all = subjects(messages);
    let ([subject], 0) = (all.list.as_slice(), all.more) else { return Err(RenderError::NotAlone) };
    let dedup_key = match *subject {
        Subject::Event(event) => event.id.as_str(),
        Subject::Incident(notice) => notice.incident.as_str(),
    };
    let card = card(messages, context);
    let text = report::words(context.lang).docs;
    let request = Request {
        event_action: if subject.is_closed() { "resolve" } else { "trigger" },
        dedup_key,
        client: "paytriage",
        links: card.links.iter().map(|&href| Link { href, text }).collect(),
        // A resolution needs none; the page's history says with it how it ended.
        payload: payload(*subject, &card, context),
    };
    context.request("application/json", serde_json::to_vec(&request)?)
}

fn payload<'a>(subject: Subject<'a>, card: &Card<'_>, context: &Context<'_>) -> Payload<'a> {
    let (about, place) = (subject.annotation(), subject.place());
    let name = |text: &str| visible(&cut::start(text, MAX_NAME)).into_owned();
    Payload {
        summary: cut::start(&card.title, MAX_SUMMARY).into_owned(),
        source: name(place.host.or(context.host).unwrap_or(place.source)),
        severity: Severity::parse(about.severity).unwrap_or(Severity::Error).as_str(),
        timestamp: subject.time(),
        component: name(place.source),
        group: about.provider.map(name),
        class: name(about.code),
        custom_details: details(&card.lines),
    }
}

/// Lines without a label go on with the one before.
fn details(lines: &[Line]) -> Details {
    let mut details: Vec<(&'static str, String)> = Vec::new();
    for line in lines {
        match (line.label, details.last_mut()) {
            (None, Some((_, text))) => {
                text.push('\n');
                text.push_str(&line.text);
            }
            (label, _) => details.push((label.unwrap_or_default(), line.text.clone())),
        }
    }
    Details(details)
}
