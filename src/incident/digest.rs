//! What is due together as messages: a notice where it is only one, else a digest of all of them, the worst first.
//!
//! Nothing is left out of which anybody has heard: who was told that something began, and works by its id, is told that no more of
//! it follows. What nobody has heard of has no end to be told: it is counted, and the worst of it is named. How many incidents to
//! show is for each format to decide.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::group::hex;
use super::key::hash;
use super::notice::{Digest, Notice, Status, Unheard};
use super::{Clock, Outgoing, json};
use crate::catalog::Severity;
use crate::event::EventId;

/// Of the notices in one message. What is more goes into another one, so that each fits into a request of every target.
const MAX_BYTES: usize = 256 * 1024;
/// Of what nobody has heard of, so many are named.
const MAX_UNHEARD: usize = 20;

/// What is due together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// The worst first.
    pub listed: Vec<Notice>,
    counted: Counted,
}

/// Incidents that are only counted: they had to make room before anything was said of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Counted {
    /// A hash over all of their ids.
    ids: String,
    more: u64,
    count: u64,
    /// The worst of them, the worst first.
    named: Vec<Unheard>,
}

impl Due {
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.counted.more == 0
    }

    /// Adds an incident that had to make room before anything was said of it.
    pub fn count(&mut self, notice: Notice) {
        let Counted { ids, more, count, named } = &mut self.counted;
        *ids = hex(&hash(&[ids.as_bytes(), notice.id.as_bytes()]));
        *more += 1;
        *count += notice.count;
        let rank = |it: &Unheard| Reverse((Severity::parse(&it.severity), it.count));
        let unheard = unheard(notice);
        let at = named.partition_point(|it| rank(it) <= rank(&unheard));
        named.insert(at, unheard);
        named.truncate(MAX_UNHEARD);
    }

    /// As few messages as it fits in; none where nothing is due.
    pub fn messages(self, now: Clock) -> Vec<Outgoing> {
        let Due { listed, counted } = self;
        let mut parts = parts(listed);
        let last = parts.pop().or_else(|| (counted.more > 0).then(Vec::new)).map(|part| message(part, counted, now));
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

fn unheard(notice: Notice) -> Unheard {
    let Notice { code, entry, provider, title, severity, count, sources, .. } = notice;
    let (source, labels) = sources.into_iter().next().map(|it| (it.name, it.labels)).unwrap_or_default();
    Unheard { code, entry, provider, title, severity, source, labels, count }
}

fn message(notices: Vec<Notice>, counted: Counted, now: Clock) -> Option<Outgoing> {
    if let ([notice], 0) = (notices.as_slice(), counted.more) {
        return Some(Outgoing { id: EventId::parse(&notice.id)?, body: json::notice(notice) });
    }
    let digest = digest(notices, counted, now);
    Some(Outgoing { id: EventId::parse(&digest.id)?, body: json::digest(&digest) })
}

fn digest(incidents: Vec<Notice>, counted: Counted, now: Clock) -> Digest {
    let ids = incidents.iter().map(|notice| notice.id.as_bytes());
    let parts: Vec<&[u8]> = ids.chain([counted.ids.as_bytes()]).collect();
    let with = |status| {
        let of = |notice: &&Notice| notice.status == status && !notice.is_unfollowed();
        incidents.iter().filter(of).count() as u64
    };
    Digest {
        id: hex(&hash(&parts)),
        time: now.wall.to_string(),
        more: counted.more,
        unheard: counted.named,
        opened: with(Status::Opened),
        ongoing: with(Status::Ongoing),
        resolved: with(Status::Resolved),
        unfollowed: incidents.iter().filter(|notice| notice.is_unfollowed()).count() as u64 + counted.more,
        count: counted.count + incidents.iter().map(|notice| notice.count).sum::<u64>(),
        incidents,
    }
}
