//! What is due together as messages: a notice where it is only one, else a digest of all of them, the worst first.
//!
//! Nothing is left out of which anybody has heard: who was told that something began, and works by its id, is told that no more of
//! it follows. What nobody has heard of has no end to be told: it is counted, and the worst of it is named (`crowd`). How many incidents to
//! show is for each format to decide.

use serde::{Deserialize, Serialize};

use super::crowd::Counted;
use super::group::hex;
use super::key::hash;
use super::notice::{Digest, Notice, Totals, Unheard};
use super::{Clock, Outgoing, json};
use crate::event::EventId;

/// Of the notices in one message. What is more goes into another one, so that each fits into a request of every target.
const MAX_BYTES: usize = 256 * 1024;

/// What is due together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// The worst first.
    pub listed: Vec<Notice>,
    pub counted: Counted,
}

impl Due {
    /// When a message has to tell of it, if anything is to be told.
    pub fn due(&self, quiet_ms: i64) -> Option<i64> {
        if self.listed.is_empty() { self.counted.due(quiet_ms) } else { Some(i64::MIN) }
    }

    /// What the messages now tell of; what happens from here on is for the next ones.
    pub fn take(&mut self) -> Due {
        Due { listed: std::mem::take(&mut self.listed), counted: self.counted.take() }
    }

    /// As few messages as it fits in; none where nothing is due.
    pub fn messages(self, now: Clock) -> Vec<Outgoing> {
        let Due { listed, counted } = self;
        let mut parts = parts(listed);
        let last = parts.pop().or_else(|| (counted.count > 0).then(Vec::new)).map(|part| message(part, counted, now));
        let first = parts.into_iter().map(|part| message(part, Counted::default(), now));
        first.chain(last).flatten().collect()
    }
}

/// As few as possible of at most [`MAX_BYTES`] each.
fn parts(notices: Vec<Notice>) -> Vec<Vec<Notice>> {
    let (mut parts, mut n_bytes) = (Vec::<Vec<Notice>>::new(), 0);
    for notice in notices {
        let size = json::notice(&notice).len();
        n_bytes += size;
        match parts.last_mut() {
            Some(part) if n_bytes <= MAX_BYTES => part.push(notice),
            _ => {
                n_bytes = size;
                parts.push(vec![notice]);
            }
        }
    }
    parts
}

/// What an incident was that had to make room before anything was said of it.
pub(super) fn unheard(notice: Notice) -> Unheard {
    let Notice { code, entry, provider, title, severity, count, sources, .. } = notice;
    let (source, labels) = sources.into_iter().next().map(|it| (it.name, it.labels)).unwrap_or_default();
    Unheard { code, entry, provider, title, severity, source, labels, count }
}

fn message(notices: Vec<Notice>, counted: Counted, now: Clock) -> Option<Outgoing> {
    if let ([notice], 0) = (notices.as_slice(), counted.count) {
        return Some(Outgoing { id: EventId::parse(&notice.id)?, body: json::notice(notice) });
    }
    let digest = digest(notices, counted, now);
    Some(Outgoing { id: EventId::parse(&digest.id)?, body: json::digest(&digest) })
}

fn digest(incidents: Vec<Notice>, counted: Counted, now: Clock) -> Digest {
    let ids = incidents.iter().map(|notice| notice.id.as_bytes());
    let parts: Vec<&[u8]> = ids.chain([counted.ids.as_bytes()]).collect();
    let mut totals = Totals::default();
    incidents.iter().for_each(|notice| totals.count(notice));
    let Totals { opened, ongoing, resolved, unfollowed, events } = totals;
    Digest {
        id: hex(&hash(&parts)),
        time: now.wall.to_string(),
        more: counted.more,
        opened,
        ongoing,
        resolved,
        unfollowed: unfollowed + counted.more,
        count: events + counted.count,
        unheard: counted.named(),
        incidents,
    }
}
