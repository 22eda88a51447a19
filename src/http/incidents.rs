//! `/api/v1/incidents`: those that go on, and those that were over in the last two hours; the latest first.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Server;
use super::answer::{Failure, json};
use super::events::severities;
use super::lang::lang;
use super::page::{Page, page};
use super::query::{Query, among, shown};
use crate::catalog::Lang;
use crate::incident::notice::{INCIDENT_SCHEMA, Notice};
use crate::incident::{Clock, Incidents, Listed, Settings, Standing, fits};

const STATES: [&str; 3] = ["open", "silenced", "resolved"];

#[derive(Serialize)]
struct Found {
    incidents: Vec<Box<RawValue>>,
    /// All that were asked for, on this page or not.
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct IncidentJson {
    id: String,
    state: &'static str,
    notice: Schema,
}

/// What would be said of it now, as webhooks get it.
#[derive(Serialize)]
struct Schema {
    schema: &'static str,
    #[serde(flatten)]
    notice: Notice,
}

pub(super) async fn incidents(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let names = ["state", "severity", "provider", "code", "source", "since", "lang", "limit", "cursor"];
    let query = Query::read(&uri, &names)?;
    let (limit, cursor) = (query.limit()?, query.cursor::<Cursor>()?);
    let filter = Filter::read(&query)?;
    let lang = lang(&query, &headers, server.in_force().lang)?;
    let mut meant = server.incidents(lang).await?;
    meant.retain(|listed| filter.passes(listed));
    meant.sort_by_cached_key(Cursor::of);
    let total = meant.len();
    let Page { items, next } = page(meant, Cursor::of, cursor, limit, incident_json);
    Ok(json(&Found { incidents: items, total, next }))
}

pub(super) async fn incident(
    State(server): State<Arc<Server>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let Path(id) = id.map_err(|_| Failure::parameter("id", "not UTF-8"))?;
    let query = Query::read(&uri, &["lang"])?;
    let lang = lang(&query, &headers, server.in_force().lang)?;
    let found = server.incidents(lang).await?.into_iter().find(|listed| listed.notice.incident == id);
    let none = || Failure::not_found(format!("no incident {:?} is open or was over in the last two hours", shown(&id)));
    found.map(|listed| json(&incident_json(listed))).ok_or_else(none)
}

impl Server {
    /// As of the last commit.
    async fn incidents(&self, lang: Lang) -> Result<Vec<Listed>, Failure> {
        let in_force = self.in_force();
        self.read(move |outbox| {
            let catalog = Arc::clone(&in_force.catalog);
            let settings = Settings { config: in_force.incident.clone(), lang, catalog };
            let (incidents, _) = Incidents::restore(settings, outbox.incidents()?);
            let wall = Timestamp::now();
            let steady_ms = incidents.latest_ms().map_or(wall.as_millisecond(), |ms| ms.max(wall.as_millisecond()));
            Ok(incidents.listed(Clock { wall, steady_ms }))
        })
        .await
    }
}

fn incident_json(listed: Listed) -> IncidentJson {
    let Listed { standing, notice, .. } = listed;
    IncidentJson {
        id: notice.incident.clone(),
        state: state(standing),
        notice: Schema { schema: INCIDENT_SCHEMA, notice },
    }
}

fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Silenced => "silenced",
        Standing::Resolved => "resolved",
    }
}

/// What is asked for.
struct Filter {
    states: Vec<String>,
    severities: Vec<String>,
    providers: Vec<String>,
    codes: Vec<String>,
    sources: Vec<String>,
    since: Option<Timestamp>,
}

impl Filter {
    fn read(query: &Query) -> Result<Filter, Failure> {
        Ok(Filter {
            states: query.words("state", &STATES)?,
            severities: query.words("severity", &severities())?,
            providers: query.list("provider")?,
            codes: query.list("code")?,
            sources: query.list("source")?,
            since: query.since(Timestamp::now())?,
        })
    }

    fn passes(&self, listed: &Listed) -> bool {
        let notice = &listed.notice;
        let is_code = |pattern: &String| fits(pattern, &notice.code) || fits(pattern, &notice.entry);
        // Times that were made from moments read back as such.
        let last_seen = || notice.last_seen.parse::<Timestamp>().ok();
        among(&self.states, Some(state(listed.standing)))
            && among(&self.severities, Some(&notice.severity))
            && among(&self.providers, notice.provider.as_deref())
            && (self.codes.is_empty() || self.codes.iter().any(is_code))
            && (self.sources.is_empty() || notice.sources.iter().any(|it| among(&self.sources, Some(&it.name))))
            && self.since.is_none_or(|since| last_seen() >= Some(since))
    }
}

/// The latest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    opened_ms: std::cmp::Reverse<i64>,
    id: String,
}

impl Cursor {
    fn of(listed: &Listed) -> Cursor {
        let opened_ms = std::cmp::Reverse(listed.opened_at.as_millisecond());
        Cursor { opened_ms, id: listed.notice.incident.clone() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.opened_ms.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (opened_ms, id) = text.rsplit_once('-').ok_or(())?;
        let opened_ms = std::cmp::Reverse(opened_ms.parse().map_err(drop)?);
        Ok(Cursor { opened_ms, id: id.to_owned() })
    }
}
