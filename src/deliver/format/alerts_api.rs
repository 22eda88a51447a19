//! Alerts as `POST /api/v2/alerts` of an Alertmanager takes them; it then groups, silences and routes.
//!
//! <https://prometheus.io/docs/alerting/latest/alerts_api/>. An alert without an end is over after `resolve_timeout` (5 min) unless it is
//! sent again, so each has one: beyond the longest time between two notices for what goes on, and that of its resolution
//! once it is over. Of two states of one alert in a request, Alertmanager keeps the later end, and so would miss that it is over:
//! they go in requests of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::super::message::{Item, Message};
use super::alertmanager::{Annotations, Labels, annotations, labels, starts_at};
use super::subject::{Subject, subjects};
use super::{Context, RenderError, Rendered};

/// For the way of a notice, and for an attempt or some that fail.
const MARGIN: Duration = Duration::from_secs(3600);
/// As long as it takes an incident to be over (`incident.resolve_after`).
const EVENT_LASTS: Duration = Duration::from_secs(600);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    labels: Labels,
    annotations: Annotations,
    starts_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
}

/// Whether there is no more than one of each incident.
pub fn are_states_of_one_time(messages: &[Message<'_>]) -> bool {
    let mut seen = BTreeSet::new();
    messages.iter().all(|message| match &message.item {
        Item::Event(_) => true,
        Item::Incident(notice) => seen.insert(&notice.incident),
        Item::Digest(digest) => digest.incidents.iter().all(|notice| seen.insert(&notice.incident)),
    })
}

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let all = subjects(messages);
    let alert = |&subject: &Subject<'_>| serde_json::to_value(alert(subject, context));
    let alerts = all.list.iter().map(alert).collect::<Result<Vec<_>, _>>()?;
    context.request("application/json", serde_json::to_vec(&alerts)?)
}

fn alert<'a>(subject: Subject<'a>, context: &Context<'_>) -> Alert<'a> {
    let starts_at = starts_at(subject);
    // All of a request is refused if one of its alerts ends before it starts.
    let ends_at = ends_at(subject, context).max(starts_at.parse().ok());
    Alert { labels: labels(subject, context), annotations: annotations(subject, context), starts_at, ends_at }
}

fn ends_at(subject: Subject<'_>, context: &Context<'_>) -> Option<Timestamp> {
    let after = |time: &str, lasts: Duration| time.parse::<Timestamp>().ok()?.checked_add(lasts).ok();
    match subject {
        Subject::Event(event) => after(&event.observed_time, EVENT_LASTS),
        Subject::Incident(notice) if subject.is_closed() => {
            notice.resolved_at.as_deref().unwrap_or(&notice.time).parse().ok()
        }
        Subject::Incident(notice) => after(&notice.time, context.longest_pause.saturating_add(MARGIN)),
    }
}
