//! The JSON of messages. Each notice names its schema, also within a digest.

use serde::Serialize;

use super::notice::{Digest, Notice, Unheard};
use crate::wire;

#[derive(Serialize)]
#[serde(tag = "schema")]
enum Row<'a> {
    #[serde(rename = "paytriage.incident/1")]
    Incident(&'a Notice),
    #[serde(rename = "paytriage.digest/1")]
    Digest(Listed<'a>),
}

/// A [`Digest`] whose notices name their schema.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    time: &'a str,
    incidents: Vec<Row<'a>>,
    more: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unheard: &'a [Unheard],
    opened: u64,
    ongoing: u64,
    resolved: u64,
    unfollowed: u64,
    count: u64,
}

pub(super) fn notice(notice: &Notice) -> Vec<u8> {
    wire::json(&Row::Incident(notice))
}

pub(super) fn digest(digest: &Digest) -> Vec<u8> {
    let Digest { id, time, incidents, more, unheard, opened, ongoing, resolved, unfollowed, count } = digest;
    let listed = Listed {
        id,
        time,
        incidents: incidents.iter().map(Row::Incident).collect(),
        more: *more,
        unheard,
        opened: *opened,
        ongoing: *ongoing,
        resolved: *resolved,
        unfollowed: *unfollowed,
        count: *count,
    };
    wire::json(&Row::Digest(listed))
}
