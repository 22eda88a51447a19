//! `/api/v1/events`: the events of late, the newest first, as they were sent.
//!
//! They come in the order in which they were found, which a page never changes: what is found meanwhile stands before it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Server;
use super::answer::{Failure, json};
use super::page::MAX_BYTES;
use super::query::{Query, among};
use crate::catalog::Severity;
use crate::incident::fits;
use crate::store::recent::Span;

#[derive(Serialize)]
struct Listed {
    events: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What is asked for.
struct Filter {
    codes: Vec<String>,
    providers: Vec<String>,
    severities: Vec<String>,
    sources: Vec<String>,
    orders: Vec<String>,
}

/// What of a stored event can be asked for.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    entry: Cow<'a, str>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
    #[serde(borrow)]
    source: Source<'a>,
    #[serde(borrow, default)]
    ids: Ids<'a>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
struct Ids<'a> {
    #[serde(borrow)]
    out_trade_no: Option<Cow<'a, str>>,
    #[serde(borrow)]
    trade_no: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transaction_id: Option<Cow<'a, str>>,
}

pub(super) async fn events(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Failure> {
    let names = ["code", "provider", "severity", "source", "order", "since", "limit", "cursor"];
    let query = Query::read(&uri, &names)?;
    let filter = Filter::read(&query)?;
    let span = Span {
        before: query.cursor()?,
        since_ms: query.since(Timestamp::now())?.map(Timestamp::as_millisecond),
        limit: query.limit()?,
        max_bytes: MAX_BYTES,
    };
    let page = server.read(move |outbox| outbox.recent(span, |body| filter.passes(body))).await?;
    let events = page.bodies.into_iter().map(|body| serde_json::from_slice(&body)).collect::<Result<_, _>>();
    let events = events.map_err(|_| Failure::unavailable("an event in the state cannot be read"))?;
    Ok(json(&Listed { events, next: page.next.map(|next| next.to_string()) }))
}

pub(super) fn severities() -> Vec<&'static str> {
    Severity::ALL.iter().map(|severity| severity.as_str()).collect()
}

impl Filter {
    fn read(query: &Query) -> Result<Filter, Failure> {
        Ok(Filter {
            codes: query.list("code")?,
            providers: query.list("provider")?,
            severities: query.words("severity", &severities())?,
            sources: query.list("source")?,
            orders: query.list("order")?,
        })
    }

    fn is_empty(&self) -> bool {
        let Filter { codes, providers, severities, sources, orders } = self;
        [codes, providers, severities, sources, orders].into_iter().all(Vec::is_empty)
    }

    fn passes(&self, body: &[u8]) -> bool {
        // Most who look want to see what there is.
        self.is_empty() || serde_json::from_slice(body).is_ok_and(|event| self.fits(&event))
    }

    fn fits(&self, event: &Event<'_>) -> bool {
        let is_code = |pattern: &String| fits(pattern, &event.code) || fits(pattern, &event.entry);
        let Ids { out_trade_no, trade_no, transaction_id } = &event.ids;
        let mut ids = [out_trade_no, trade_no, transaction_id].into_iter().flatten();
        (self.codes.is_empty() || self.codes.iter().any(is_code))
            && among(&self.providers, event.provider.as_deref())
            && among(&self.severities, Some(&event.severity))
            && among(&self.sources, Some(&event.source.name))
            && (self.orders.is_empty() || ids.any(|id| self.orders.iter().any(|order| order == id)))
    }
}
