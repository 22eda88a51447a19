//! What is due together as messages: a notice where it is only one, else a digest of all of them, the worst first.
//!
//! Nothing is left out of which anybody has heard: who was told that something began, and works by its id, is told that it is over.
//! How many of them to show is for each format to decide.

use serde::{Deserialize, Serialize};

use super::group::hex;
use super::key::hash;
use super::notice::{Digest, Notice, Status};
use super::{Clock, Outgoing, json};
use crate::event::EventId;

/// Of the notices in one message. What is more goes into another one, so that each fits into a request of every target.
const MAX_BYTES: usize = 256 * 1024;
/// Incidents that had to make room are told in full as long as there are no more than these; what somebody has heard of, always.
const MAX_UNHEARD: usize = 20;

/// What is due together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// The worst first.
    pub listed: Vec<Notice>,
    unheard: Unheard,
}

/// Incidents that are only counted: they had to make room before anything was said of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Unheard {
    /// A hash over all of their ids.
    ids: String,
    more: u64,
    count: u64,
}

impl Due {
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Adds an incident that had to make room.
    pub fn crowd_out(&mut self, notice: Notice, was_told: bool) {
        if was_told || self.listed.len() < MAX_UNHEARD {
            self.listed.push(notice);
        } else {
            let Unheard { ids, more, count } = &mut self.unheard;
            *ids = hex(&hash(&[ids.as_bytes(), notice.id.as_bytes()]));
            *more += 1;
            *count += notice.count;
        }
    }

    /// As few messages as it fits in; none where nothing is due.
    pub fn messages(self, now: Clock) -> Vec<Outgoing> {
        let Due { listed, unheard } = self;
        let mut parts = parts(listed);
        let last = parts.pop().map(|part| message(part, unheard, now));
        let first = parts.into_iter().map(|part| message(part, Unheard::default(), now));
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

fn message(notices: Vec<Notice>, unheard: Unheard, now: Clock) -> Option<Outgoing> {
    if let ([notice], 0) = (notices.as_slice(), unheard.more) {
        return Some(Outgoing { id: EventId::parse(&notice.id)?, body: json::notice(notice) });
    }
    let digest = digest(notices, unheard, now);
    Some(Outgoing { id: EventId::parse(&digest.id)?, body: json::digest(&digest) })
}

fn digest(incidents: Vec<Notice>, unheard: Unheard, now: Clock) -> Digest {
    let ids = incidents.iter().map(|notice| notice.id.as_bytes());
    let parts: Vec<&[u8]> = ids.chain([unheard.ids.as_bytes()]).collect();
    let with = |status| {
        let of = |notice: &&Notice| notice.status == status && !notice.is_unfollowed();
        incidents.iter().filter(of).count() as u64
    };
    Digest {
        id: hex(&hash(&parts)),
        time: now.wall.to_string(),
        more: unheard.more,
        opened: with(Status::Opened),
        ongoing: with(Status::Ongoing),
        resolved: with(Status::Resolved),
        unfollowed: incidents.iter().filter(|notice| notice.is_unfollowed()).count() as u64 + unheard.more,
        count: unheard.count + incidents.iter().map(|notice| notice.count).sum::<u64>(),
        incidents,
    }
}
