//! Puts what is known of an incident into a notice, with the annotation of its catalogue entry.

use super::group::{Group, Open, hex};
use super::key::hash;
use super::notice::{Notice, Reason, Related, Remediation, Status};
use super::scope::{Seen, scope, text};
use super::{Clock, Settings};

/// What is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    pub status: Status,
    pub reason: Reason,
    pub now: Clock,
}

/// 32 hex digits: of the incident, the status and how many notices came before.
fn notice_id(open: &Open, status: Status) -> String {
    let status: &[u8] = match status {
        Status::Opened => b"opened",
        Status::Ongoing => b"ongoing",
        Status::Resolved => b"resolved",
    };
    hex(&hash(&[open.incident.as_bytes(), status, &open.notices.to_le_bytes()]))
}

pub(super) fn notice(
    group: &Group,
    open: &Open,
    decision: Decision,
    context: (&Settings, &Seen, Vec<Related>),
) -> Notice {
    let Decision { status, reason, now } = decision;
    let (settings, seen, related) = context;
    let (lang, entry, about, tally) = (settings.lang, &group.entry, group.about(), &open.tally);
    let scope = scope(about, tally, seen);
    Notice {
        id: notice_id(open, status),
        incident: open.incident.clone(),
        status,
        reason,
        time: now.wall.to_string(),
        opened_at: open.opened_at.to_string(),
        first_seen: tally.first_seen.to_string(),
        last_seen: tally.last_seen.to_string(),
        resolved_at: (status == Status::Resolved).then(|| now.wall.to_string()),
        count: tally.count,
        new: tally.new,
        lost: tally.lost.events,
        lost_messages: tally.lost.messages,
        lost_at_most: tally.lost.at_most,
        rate_per_minute: open.rate(now.steady_ms),
        orders: tally.orders(),
        scope,
        scope_text: text(scope, lang).to_owned(),
        flapping: open.is_flapping(),
        code: about.code.clone(),
        kind: about.kind.clone(),
        entry: about.entry.clone(),
        provider: about.provider.clone(),
        title: entry.title.get(lang).to_owned(),
        category: entry.category.to_string(),
        severity: open.severity.to_string(),
        act: entry.act.to_string(),
        advice: entry.advice.to_string(),
        retry: entry.retry.to_string(),
        cause: entry.cause.get(lang).to_owned(),
        remediation: Remediation { operator: entry.operator.get(lang).to_vec(), payer: entry.payer.get(lang).to_vec() },
        docs: entry.docs.clone(),
        sources: tally.sources(&about.source, &about.labels),
        merchants: tally.merchants(),
        related,
        samples: tally.samples().to_vec(),
    }
}
