//! Incidents that are not followed, since there are too many: how often each happened, and whether it is known already.
//!
//! An incident that had to make room stays known until it has been quiet for as long as ends any other. Until then its events are
//! counted, and it does not begin anew: a message counts each such incident once, and each of its events is counted by one message.
//! Of up to [`MAX_MEMBERS`] of them a hash and a few numbers are kept; of what is beyond that, only how many events there were.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::group::hex;
use super::key;
use super::notice::Unheard;
use crate::catalog::Severity;
use crate::event::EventId;

/// So many are told apart.
const MAX_MEMBERS: usize = 10_000;
/// So many are named.
const MAX_NAMED: usize = 20;
/// What the names of their rows begin with; those of groups do not.
const ROW: char = 'u';

/// Of the key of a group.
pub(super) type Hash = [u8; 16];

/// All that are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd {
    members: BTreeMap<Hash, Member>,
    /// When the last event of any of them came.
    latest_ms: Option<i64>,
    /// Whose rows are to be stored, or are no more.
    changed: BTreeSet<Hash>,
}

/// Incidents that the next message counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Which message that is.
    message: u64,
    /// A hash over all that was counted.
    pub ids: String,
    /// Different ones; one more for all that are beyond the limit.
    pub more: u64,
    /// Events.
    pub count: u64,
    is_beyond: bool,
    /// One of them was in no message yet.
    is_news: bool,
    since_ms: Option<i64>,
    /// The worst of them, the worst first.
    named: Vec<Named>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    severity: Severity,
    last_ms: i64,
    /// The message that the rest is about.
    message: u64,
    count: u64,
    /// It says that this one is not followed any longer.
    is_listed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    hash: Hash,
    unheard: Unheard,
}

/// What happened to an incident that is not followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened<'a> {
    pub hash: Hash,
    pub severity: Severity,
    pub last_ms: i64,
    /// So many events.
    pub count: u64,
    /// Of the event, or of the notice that was to tell of them.
    pub id: &'a [u8],
}

impl Crowd {
    /// The severity of an incident that is known and not over by now.
    pub fn severity(&self, hash: &Hash, quiet_ms: i64, now_ms: i64) -> Option<Severity> {
        let member = self.members.get(hash)?;
        (now_ms < member.last_ms.saturating_add(quiet_ms)).then_some(member.severity)
    }

    /// Counts events of which no notice will tell.
    pub fn count(&mut self, counted: &mut Counted, happened: Happened<'_>, unheard: impl FnOnce() -> Unheard) {
        counted.ids = hex(&key::hash(&[counted.ids.as_bytes(), happened.id]));
        counted.count += happened.count;
        counted.since_ms.get_or_insert(happened.last_ms);
        let Some(member) = self.member(counted, happened) else {
            counted.more += u64::from(!counted.is_beyond);
            counted.is_news |= !counted.is_beyond;
            counted.is_beyond = true;
            return;
        };
        if !member.is_listed {
            counted.more += u64::from(member.count == 0);
            member.count += happened.count;
            counted.name(happened.hash, member.severity, member.count, unheard);
        }
    }

    /// A notice tells that an incident is not followed any longer.
    pub fn list(&mut self, counted: &mut Counted, happened: Happened<'_>) {
        let is_news = counted.is_news;
        if let Some(member) = self.member(counted, happened).filter(|member| member.count == 0) {
            member.is_listed = true;
        }
        counted.is_news = is_news;
    }

    /// `None` where there is no room for another.
    fn member(&mut self, counted: &mut Counted, happened: Happened<'_>) -> Option<&mut Member> {
        let Happened { hash, severity, last_ms, .. } = happened;
        let message = counted.message;
        let fresh = Member { severity, last_ms, message, count: 0, is_listed: false };
        if !self.members.contains_key(&hash) {
            if self.members.len() >= MAX_MEMBERS {
                return None;
            }
            counted.is_news = true;
        }
        self.changed.insert(hash);
        self.latest_ms = self.latest_ms.max(Some(last_ms));
        let member = self.members.entry(hash).or_insert(fresh);
        if member.message != message {
            *member = fresh;
        }
        member.last_ms = member.last_ms.max(last_ms);
        Some(member)
    }

    /// When the last of them will be over.
    pub fn ends(&self, quiet_ms: i64) -> Option<i64> {
        self.latest_ms.map(|last| last.saturating_add(quiet_ms))
    }

    pub fn latest_ms(&self) -> Option<i64> {
        self.latest_ms
    }

    /// Forgets what is over, and that messages have told of.
    pub fn sweep(&mut self, counted: &Counted, quiet_ms: i64, now_ms: i64) {
        self.members.retain(|hash, member| {
            let is_told = member.message != counted.message || member.count == 0;
            let is_over = is_told && now_ms >= member.last_ms.saturating_add(quiet_ms);
            if is_over {
                self.changed.insert(*hash);
            }
            !is_over
        });
        self.latest_ms.take_if(|_| self.members.is_empty());
    }

    /// Takes a row, if it is one of these and can be read.
    pub fn restore(&mut self, name: &str, row: &[u8]) -> Option<()> {
        let hash = EventId::parse(name.strip_prefix(ROW)?)?;
        let member: Member = serde_json::from_slice(row).ok()?;
        self.latest_ms = self.latest_ms.max(Some(member.last_ms));
        self.members.insert(hash.0, member);
        Some(())
    }

    /// Names of rows, and what is to be stored there, if anything.
    pub fn take_changes(&mut self) -> impl Iterator<Item = (String, Option<impl Serialize + use<>>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|hash| (format!("{ROW}{}", hex(&hash)), self.members.get(&hash).copied()))
    }

    pub fn store_anew(&mut self) {
        self.changed.extend(self.members.keys());
    }
}

impl Counted {
    /// When a message has to tell of it: at once of what no message has told of, of the rest before it can be forgotten.
    pub fn due(&self, quiet_ms: i64) -> Option<i64> {
        let since = self.since_ms?;
        Some(if self.is_news { i64::MIN } else { since.saturating_add(quiet_ms) })
    }

    /// What a message tells of; what happens from here on is for the next one.
    pub fn take(&mut self) -> Counted {
        let next = Counted { message: self.message + 1, ..Counted::default() };
        std::mem::replace(self, next)
    }

    pub fn named(self) -> Vec<Unheard> {
        self.named.into_iter().map(|named| named.unheard).collect()
    }

    fn name(&mut self, hash: Hash, severity: Severity, count: u64, unheard: impl FnOnce() -> Unheard) {
        let rank = |it: &Named| Reverse((Severity::parse(&it.unheard.severity), it.unheard.count));
        let rank_here = Reverse((Some(severity), count));
        let mut named = match self.named.iter().position(|it| it.hash == hash) {
            Some(at) => self.named.remove(at),
            None if self.named.len() >= MAX_NAMED && self.named.last().is_some_and(|last| rank(last) <= rank_here) => {
                return;
            }
            None => Named { hash, unheard: unheard() },
        };
        named.unheard.count = count;
        let at = self.named.partition_point(|it| rank(it) <= rank_here);
        self.named.insert(at, named);
        self.named.truncate(MAX_NAMED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(crowd: &mut Crowd, counted: &mut Counted, n: u64) {
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        let happened = Happened { hash, severity: Severity::Error, last_ms: 0, count: 1, id: &[] };
        crowd.count(counted, happened, || Unheard {
            code: n.to_string(),
            entry: "entry".into(),
            provider: None,
            title: "title".into(),
            severity: Severity::Error.to_string(),
            source: "shop".into(),
            labels: BTreeMap::new(),
            count: 1,
        });
    }

    #[test]
    fn beyond_the_limit_events_are_counted_and_one_more_incident_stands_for_all() {
        let (mut crowd, mut counted) = (Crowd::default(), Counted::default());
        let n = MAX_MEMBERS as u64;
        for round in 1..=3 {
            (0..n + 7).for_each(|it| count(&mut crowd, &mut counted, it));
            assert_eq!((counted.more, counted.count), (n + 1, round * (n + 7)));
        }
        assert_eq!(crowd.members.len(), MAX_MEMBERS);
    }

    #[test]
    fn those_that_happened_most_are_named_with_all_their_events() {
        let (mut crowd, mut counted) = (Crowd::default(), Counted::default());
        (0..100).for_each(|it| count(&mut crowd, &mut counted, it));
        (0..5).for_each(|_| (60..70).for_each(|it| count(&mut crowd, &mut counted, it)));
        let told = counted.take();
        assert_eq!((told.more, told.count), (100, 150));
        let named: Vec<_> = told.named().into_iter().map(|it| (it.code, it.count)).collect();
        let most = (60..70).map(|it: u64| (it.to_string(), 6));
        assert_eq!(named, most.chain((0..10).map(|it| (it.to_string(), 1))).collect::<Vec<_>>());
        count(&mut crowd, &mut counted, 65);
        assert_eq!((counted.more, counted.count), (1, 1), "the next message counts what is new");
        assert!(counted.due(1000) == Some(1000), "and it is not urgent: this one is known");
    }
}
