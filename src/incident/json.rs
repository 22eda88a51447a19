//! The JSON of messages. Each notice names its schema, also within a digest.

use serde::Serialize;

use super::notice::{Digest, Notice, Unheard};
use crate::wire;

#[derive(Serialize)]
#[serde(tag = "schema")]
enum Named<'a> {
    #[serde(rename = "paytriage.incident/1")]
    Incident(&'a Notice),
}

/// A [`Digest`] whose notices name their schema.
#[derive(Serialize)]
#[serde(tag = "schema", rename = "paytriage.digest/1")]
struct Listed<'a, N> {
    id: &'a str,
    time: &'a str,
    incidents: Vec<N>,
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
    wire::json(&Named::Incident(notice))
}

pub(super) fn digest(digest: &Digest) -> Vec<u8> {
    digest_of(digest, digest.incidents.iter().map(Named::Incident).collect())
}

/// A digest with these in the place of its notices: the same ones, as they were written.
pub fn digest_of<N: Serialize>(digest: &Digest, incidents: Vec<N>) -> Vec<u8> {
    let Digest { id, time, incidents: _, more, unheard, opened, ongoing, resolved, unfollowed, count } = digest;
    let (more, opened, ongoing, resolved) = (*more, *opened, *ongoing, *resolved);
    let (unfollowed, count) = (*unfollowed, *count);
    wire::json(&Listed { id, time, incidents, more, unheard, opened, ongoing, resolved, unfollowed, count })
}
