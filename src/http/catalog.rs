//! `/api/v1/catalog`: what codes and messages mean, in English or Chinese.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Failure, lasting};
use super::events::severities;
use super::lang::lang;
use super::page::{Page, page};
use super::query::{Query, among, shown};
use super::{InForce, Server};
use crate::catalog::{Entry, Lang, nearest};
use crate::incident;
use crate::wire::entry::{self, EntryJson};

/// Bytes of what is searched for.
const MAX_SEARCH: usize = 200;

#[derive(Serialize)]
struct Found {
    entries: Vec<Box<RawValue>>,
    /// All that were found, on this page or not.
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Entries in which all words of `q` occur: in id, codes, messages or title.
pub(super) async fn search(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = Query::read(&uri, &["q", "provider", "severity", "lang", "limit", "cursor"])?;
    let in_force = server.in_force();
    let lang = lang(&query, &headers, in_force.lang)?;
    let (providers, severities) = (query.list("provider")?, query.words("severity", &severities())?);
    let (limit, cursor) = (query.limit()?, query.cursor::<usize>()?);
    let text = query.text("q").unwrap_or_default().to_lowercase();
    if text.len() > MAX_SEARCH {
        return Err(Failure::parameter("q", format!("longer than {MAX_SEARCH} bytes")));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_meant = |entry: &Entry| {
        among(&providers, entry.provider.as_ref().map(|provider| provider.as_str()))
            && among(&severities, Some(entry.severity.as_str()))
            && has(entry, &words)
    };
    let meant: Vec<_> = in_force.catalog.all().filter(|entry| is_meant(entry)).enumerate().collect();
    let total = meant.len();
    let Page { items, next } = page(meant, |(at, _)| *at, cursor, limit, |(_, entry)| in_force.entry_json(entry, lang));
    Ok(in_language(lasting(&headers, &Found { entries: items, total, next }), lang))
}

/// The entry of this id.
pub(super) async fn entry(
    State(server): State<Arc<Server>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let Path(id) = id.map_err(|_| Failure::parameter("id", "not UTF-8"))?;
    let query = Query::read(&uri, &["lang"])?;
    let in_force = server.in_force();
    let lang = lang(&query, &headers, in_force.lang)?;
    let Some(entry) = in_force.catalog.get(&id) else {
        let near = nearest(&id, in_force.catalog.all().map(|entry| &*entry.id.0));
        let hint = near.map_or("search for a code with ?q=".to_owned(), |near| format!("did you mean {near}?"));
        return Err(Failure::not_found(format!("no entry has the id {:?}; {hint}", shown(&id))));
    };
    Ok(in_language(lasting(&headers, &in_force.entry_json(entry, lang)), lang))
}

impl InForce {
    fn entry_json<'a>(&'a self, entry: &'a Entry, lang: Lang) -> EntryJson<'a> {
        entry::entry(&self.catalog, entry, incident::threshold_of(entry), lang)
    }
}

fn has(entry: &Entry, words: &[&str]) -> bool {
    if words.is_empty() {
        return true;
    }
    let codes = entry.codes.iter().map(|code| code.text.as_str()).chain(entry.message_code.as_deref());
    let messages = entry.messages.iter().map(|message| message.text.as_str());
    let titles = [entry.title.get(Lang::En), entry.title.get(Lang::Zh)];
    let all = [&*entry.id.0].into_iter().chain(codes).chain(messages).chain(titles);
    let text = all.collect::<Vec<_>>().join("\n").to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn in_language(mut response: Response, lang: Lang) -> Response {
    response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(lang.as_str()));
    response
}
