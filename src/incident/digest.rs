//! One message of what is due together: a notice where it is only one, else a digest of the worst of them, with the rest
//! counted.

use serde::{Deserialize, Serialize};

use super::group::hex;
use super::key::hash;
use super::notice::{Digest, Notice, Status};
use super::{Clock, Outgoing, json};
use crate::event::EventId;

/// Notices that a digest holds in full.
pub(super) const MAX_LISTED: usize = 20;

/// What is due together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// The worst, at most [`MAX_LISTED`].
    pub listed: Vec<Notice>,
    pub rest: Rest,
}

/// Those that there is no room for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Rest {
    /// A hash over all of their ids.
    ids: String,
    more: u64,
    opened: u64,
    ongoing: u64,
    resolved: u64,
    count: u64,
}

impl Rest {
    pub fn add(&mut self, id: &str, status: Status, count: u64) {
        self.ids = hex(&hash(&[self.ids.as_bytes(), id.as_bytes()]));
        self.more += 1;
        self.count += count;
        match status {
            Status::Opened => self.opened += 1,
            Status::Ongoing => self.ongoing += 1,
            Status::Resolved => self.resolved += 1,
        }
    }
}

impl Due {
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.rest.more == 0
    }

    /// Adds a notice in full where there is room, else its number.
    pub fn add(&mut self, notice: Notice) {
        if self.listed.len() < MAX_LISTED {
            self.listed.push(notice);
        } else {
            self.rest.add(&notice.id, notice.status, notice.count);
        }
    }

    /// The message; `None` where nothing is due.
    pub fn message(self, now: Clock) -> Option<Outgoing> {
        let Due { mut listed, rest } = self;
        if listed.len() == 1 && rest.more == 0 {
            let notice = listed.pop()?;
            return Some(Outgoing { id: EventId::parse(&notice.id)?, body: json::notice(&notice) });
        }
        if listed.is_empty() && rest.more == 0 {
            return None;
        }
        let digest = digest(listed, rest, now);
        Some(Outgoing { id: EventId::parse(&digest.id)?, body: json::digest(&digest) })
    }
}

fn digest(incidents: Vec<Notice>, rest: Rest, now: Clock) -> Digest {
    let ids = incidents.iter().map(|notice| notice.id.as_bytes());
    let parts: Vec<&[u8]> = ids.chain([rest.ids.as_bytes()]).collect();
    let with = |status| incidents.iter().filter(|notice| notice.status == status).count() as u64;
    Digest {
        id: hex(&hash(&parts)),
        time: now.wall.to_string(),
        more: rest.more,
        opened: rest.opened + with(Status::Opened),
        ongoing: rest.ongoing + with(Status::Ongoing),
        resolved: rest.resolved + with(Status::Resolved),
        count: rest.count + incidents.iter().map(|notice| notice.count).sum::<u64>(),
        incidents,
    }
}
