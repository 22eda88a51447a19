//! All groups: events go in, messages come out, and what changed is given back to be stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::crowd::{Crowd, Happened};
use super::digest::{Due, unheard};
use super::group::{About, Change, Group, Open, Patience, Standing, State, Stored, Terms, hex};
use super::hush::Hush;
use super::notice::{Notice, Reason, Status, Unheard};
use super::own::{is_own, is_up, lasts};
use super::related::Index;
use super::scope::Seen;
use super::tally::Sighting;
use super::threshold::millis;
use super::write::{Decision, notice};
use super::{Clock, Outgoing, Settings, Sight, key};
use crate::catalog::Severity;
use crate::config::Silence;
use crate::event::Event;
use crate::notice::SINK;
use crate::provider::Provider;

/// Groups that are known at a time.
const MAX_GROUPS: usize = 1000;
/// The row of what belongs to no group; all others are named by 32 hex digits.
const REST: &str = "rest";

/// What is grouped, counted, and to be said.
#[derive(Debug, Clone)]
pub struct Incidents {
    settings: Settings,
    sight: Sight,
    /// By key.
    groups: BTreeMap<String, Group>,
    /// What there is no room for among them.
    crowd: Crowd,
    rest: Rest,
    rest_change: Change,
    /// Rows of groups that are no more.
    gone: Vec<String>,
    unsaid: u64,
    /// The key in the making; kept for its room.
    scratch: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Rest {
    /// When the last message went out.
    last_ms: Option<i64>,
    seen: Seen,
    /// Of incidents that had to make room, since the last message.
    crowded_out: Due,
}

/// How important a group is where there are too many: the least goes. It is one that is not open if there is any, of the least
/// severity, that nobody has heard of; of those that has been quiet for longest. So a storm does not close what it has just opened. What
/// lasts stays, since its end is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    lasts: bool,
    is_open: bool,
    severity: Severity,
    is_told: bool,
}

impl Rank {
    /// Of an incident that begins.
    fn newcomer(severity: Severity) -> Rank {
        Rank { lasts: false, is_open: true, severity, is_told: false }
    }
}

/// An incident that goes on, for metrics and lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known<'a> {
    pub state: State,
    /// 32 hex digits.
    pub incident: &'a str,
    pub entry: &'a str,
    pub code: &'a str,
    pub source: &'a str,
    pub severity: Severity,
    pub opened_at: Timestamp,
    pub last_seen: Timestamp,
    /// Events since it opened.
    pub count: u64,
}

/// An incident for who asks, also after it is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub standing: Standing,
    pub opened_at: Timestamp,
    pub notice: Notice,
}

impl Incidents {
    /// Goes on from stored rows. Gives also how many of them could not be read; they are left out, and deleted by the next changes.
    pub fn restore(settings: Settings, rows: Vec<(String, Vec<u8>)>) -> (Incidents, usize) {
        let mut incidents = Incidents {
            settings,
            sight: Sight::Whole,
            groups: BTreeMap::new(),
            crowd: Crowd::default(),
            rest: Rest::default(),
            rest_change: Change::None,
            gone: Vec::new(),
            unsaid: 0,
            scratch: String::new(),
        };
        for (name, row) in rows {
            if incidents.crowd.restore(&name, &row).is_none() && incidents.read(&name, &row).is_err() {
                incidents.gone.push(name);
            }
        }
        let n_unread = incidents.gone.len();
        incidents.regroup();
        (incidents, n_unread)
    }

    fn read(&mut self, name: &str, row: &[u8]) -> serde_json::Result<()> {
        if name == REST {
            self.rest = serde_json::from_slice(row)?;
        } else {
            let stored: Stored = serde_json::from_slice(row)?;
            self.groups.insert(stored.key.clone(), Group::restore(stored, &self.settings));
        }
        Ok(())
    }

    /// Other settings from now on. Incidents that go on are judged and described by them; they keep the severity and the labels
    /// that they opened with, and go on where other labels keep groups apart.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.groups.values_mut().for_each(|group| group.set(&self.settings));
        self.regroup();
    }

    /// Events are told apart by other labels than before: groups go on with those that are like the ones they opened with. Else a
    /// second incident would begin with the same labels, and the end of the first would end its alert. Where several groups become
    /// one, the first goes on, and the others are over when they are quiet.
    fn regroup(&mut self) {
        let group_by = &self.settings.config.group_by;
        let is_moved = |key: &str, group: &Group| key::of(group.about(), group_by) != key;
        let moved: Vec<String> =
            self.groups.iter().filter(|(key, group)| is_moved(key, group)).map(|(key, _)| key.clone()).collect();
        for old in moved {
            let Some(new) = self.groups.get(&old).map(|group| key::of(group.about(), group_by)) else { continue };
            if self.groups.contains_key(&new) {
                continue;
            }
            if let Some(mut group) = self.groups.remove(&old) {
                group.rename(new.clone());
                self.groups.insert(new, group);
                self.gone.push(row_name(&old));
            }
        }
    }

    /// How much of the logs is read from now on.
    pub fn see(&mut self, sight: Sight) {
        self.sight = sight;
    }

    /// Counts an event. What it leads to is said by the next [`Incidents::tick`], if [`Incidents::due`] says so.
    pub fn observe(&mut self, event: &Event, now: Clock) {
        if let Some(sink) = is_up(event) {
            self.unsaid += u64::from(!self.end(|it| it == sink, Reason::Recovered, now));
            return;
        }
        let seen = Sighting::of(event, now.steady_ms);
        let is_own = is_own(event.provider.as_ref().map(Provider::as_str));
        if !is_own && self.rest.seen.add(seen.merchant, seen.host) {
            self.rest_change = Change::ToStore;
        }
        let mut key = std::mem::take(&mut self.scratch);
        key::write(event, &self.settings.config.group_by, &mut key);
        match self.groups.get_mut(key.as_str()) {
            Some(group) => self.unsaid += group.observe(event, now),
            None => self.observe_other(&key, event, now),
        }
        self.scratch = key;
    }

    /// An event of no group that is known: it begins one, where there is room or something less important makes some. What had to
    /// make room itself does not begin anew at the cost of its like: it is counted.
    fn observe_other(&mut self, key: &str, event: &Event, now: Clock) {
        if let Some((least, rank)) = self.least() {
            let hash = key::hash(&[key.as_bytes()]);
            let severity = self.crowd.severity(&hash, self.quiet_ms(), now.steady_ms);
            if let Some(severity) = severity.filter(|severity| rank >= Rank::newcomer(*severity)) {
                let happened = Happened { hash, severity, last_ms: now.steady_ms, count: 1, id: &event.id.0 };
                let lang = self.settings.lang;
                let unheard = || {
                    let About { entry, code, provider, source, labels, .. } = About::of(event);
                    let (title, severity) = (event.entry.title.get(lang).to_owned(), severity.to_string());
                    Unheard { code, entry, provider, title, severity, source, labels, count: 1 }
                };
                self.crowd.count(&mut self.rest.crowded_out.counted, happened, unheard);
                self.rest_change = Change::ToStore;
                return;
            }
            self.crowd_out(&least, now);
        }
        let mut group = Group::new(key, event, &self.settings);
        self.unsaid += group.observe(event, now);
        self.groups.insert(key.to_owned(), group);
    }

    /// A sink accepts something: if it was down, that is over, whether or not an event has said so.
    pub fn sink_accepts(&mut self, sink: &str, now: Clock) {
        self.end(|it| it == sink, Reason::Recovered, now);
    }

    /// There are only these sinks: nobody will say that another one is up again.
    pub fn keep_sinks(&mut self, sinks: &[&str], now: Clock) {
        self.end(|it| !sinks.contains(&it), Reason::Removed, now);
    }

    /// Ends what lasts of some sinks; false if nothing does.
    fn end(&mut self, is_meant: impl Fn(&str) -> bool, reason: Reason, now: Clock) -> bool {
        let mut ended = false;
        for group in self.groups.values_mut() {
            let About { entry, labels, .. } = group.about();
            if lasts(entry) && labels.get(SINK).is_some_and(|sink| is_meant(sink)) {
                ended |= group.end(reason, now.steady_ms);
            }
        }
        ended
    }

    /// The time (`steady_ms`) from which on [`Incidents::tick`] has something to do; `None` while nothing is known.
    pub fn due(&self) -> Option<i64> {
        let terms = self.terms();
        let groups = self.groups.values().filter_map(|group| group.due(terms, Patience::BatchWait));
        let crowded_out = self.rest.crowded_out.due(self.quiet_ms());
        groups.chain(crowded_out).chain(self.crowd.ends(self.quiet_ms())).min().map(|due| due.max(self.gate_ms()))
    }

    /// Says what is due, in as few messages as it fits in, and forgets what is over. `silences` are those that the configuration does not have.
    pub fn tick(&mut self, now: Clock, silences: &[Silence]) -> Vec<Outgoing> {
        if now.steady_ms < self.gate_ms() {
            return Vec::new();
        }
        let decided = self.decide(now, silences);
        let messages = self.messages(&decided, now);
        for (key, decision) in decided {
            if let Some(group) = self.groups.get_mut(&key) {
                group.told(decision.status, now);
            }
        }
        self.sweep(now.steady_ms);
        if !messages.is_empty() {
            self.rest.last_ms = Some(now.steady_ms);
            self.rest_change = Change::ToStore;
        }
        messages
    }

    /// Rows to put, or to delete (`None`), since the last call.
    pub fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut changes: Vec<_> = self.gone.drain(..).map(|name| (name, None)).collect();
        for group in self.groups.values_mut().filter(|group| group.change == Change::ToStore) {
            changes.push((row_name(&group.stored().key), row(group.stored())));
            group.change = Change::None;
        }
        if std::mem::replace(&mut self.rest_change, Change::None) == Change::ToStore {
            changes.push((REST.to_owned(), row(&self.rest)));
        }
        changes.extend(self.crowd.take_changes().map(|(name, member)| (name, member.and_then(|member| row(&member)))));
        changes
    }

    /// Everything counts as changed: the rows are not stored any more.
    pub fn store_anew(&mut self) {
        self.groups.values_mut().for_each(|group| group.change = Change::ToStore);
        self.crowd.store_anew();
        self.rest_change = Change::ToStore;
    }

    /// The latest `steady_ms` that is remembered, which the clock must not fall behind.
    pub fn latest_ms(&self) -> Option<i64> {
        self.groups.values().map(Group::latest_ms).chain(self.rest.last_ms).chain(self.crowd.latest_ms()).max()
    }

    /// The incidents that go on.
    pub fn open(&self) -> impl Iterator<Item = Known<'_>> {
        self.groups.values().filter_map(|group| {
            let (about, open) = (group.about(), group.open()?);
            Some(Known {
                state: open.state(),
                incident: &open.incident,
                entry: &about.entry,
                code: &about.code,
                source: &about.source,
                severity: group.severity(),
                opened_at: open.opened_at,
                last_seen: open.tally.last_seen,
                count: open.tally.count,
            })
        })
    }

    /// The incidents that go on, and those that were over in the last two hours, each with what would be said of it now.
    pub fn listed(&self, now: Clock) -> Vec<Listed> {
        let index = Index::of(self.groups.values());
        let listed = |group: &Group| {
            let (standing, open, decision) = group.standing(now)?;
            let related = index.related(group, self.settings.lang);
            let notice = notice(group, open, decision, (&self.settings, &self.rest.seen, related));
            Some(Listed { standing, opened_at: open.opened_at, notice })
        };
        self.groups.values().filter_map(listed).collect()
    }

    /// Events since the start of the process of which nothing was ever said: too few of their kind, or silenced until it was over.
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }

    fn terms(&self) -> Terms<'_> {
        Terms { config: &self.settings.config, sight: self.sight }
    }

    /// Before this moment nothing is said.
    fn gate_ms(&self) -> i64 {
        let wait = millis(self.settings.config.batch_wait);
        self.rest.last_ms.map_or(i64::MIN, |last| last.saturating_add(wait))
    }

    /// What is not followed is over when it has been quiet for so long.
    fn quiet_ms(&self) -> i64 {
        millis(self.settings.config.resolve_after)
    }

    /// Whether there is something to say of what had to make room.
    fn is_crowd_due(&self, now_ms: i64) -> bool {
        self.rest.crowded_out.due(self.quiet_ms()).is_some_and(|due| due <= now_ms)
    }

    /// What there is to say of which group, the worst first. Empty while nothing is urgent enough for a message.
    fn decide(&mut self, now: Clock, silences: &[Silence]) -> Vec<(String, Decision)> {
        let config = &self.settings.config;
        let terms = Terms { config, sight: self.sight };
        let hush = Hush { silences: [&config.silences, silences], mutes: &config.mutes, wall: now.wall };
        let mut is_urgent = self.is_crowd_due(now.steady_ms);
        let mut decided = Vec::new();
        for (key, group) in &mut self.groups {
            let is_due = |group: &Group, patience| group.due(terms, patience).is_some_and(|due| due <= now.steady_ms);
            if group.open().is_none() || !is_due(group, Patience::None) || group.is_unscheduled(now.steady_ms) {
                continue;
            }
            if hush.covers(&group.about().subject(group.severity())) {
                self.unsaid += group.hush(terms, now);
                continue;
            }
            match group.decide(terms, now.steady_ms) {
                None => self.unsaid += group.wake(now),
                Some((status, reason)) => {
                    is_urgent |= is_due(group, Patience::BatchWait);
                    let count = group.open().map_or(0, |open| open.tally.count);
                    let rank = (group.severity(), std::cmp::Reverse(status as u8), count);
                    decided.push((rank, key.clone(), Decision { status, reason, now }));
                }
            }
        }
        decided.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
        let decided = decided.into_iter().map(|(_, key, decision)| (key, decision));
        if is_urgent { decided.collect() } else { Vec::new() }
    }

    fn messages(&mut self, decided: &[(String, Decision)], now: Clock) -> Vec<Outgoing> {
        if decided.is_empty() && !self.is_crowd_due(now.steady_ms) {
            return Vec::new();
        }
        let mut due = self.rest.crowded_out.take();
        let index = Index::of(self.groups.values());
        let notice = |(key, decision): &(String, Decision)| {
            let group = self.groups.get(key)?;
            let context = (&self.settings, &self.rest.seen, index.related(group, self.settings.lang));
            Some(notice(group, group.open()?, *decision, context))
        };
        due.listed.splice(0..0, decided.iter().filter_map(notice));
        due.messages(now)
    }

    fn sweep(&mut self, now_ms: i64) {
        for group in self.groups.values_mut() {
            self.unsaid += group.expire(now_ms);
        }
        self.groups.retain(|key, group| {
            let is_over = group.is_over();
            self.gone.extend(is_over.then(|| row_name(key)));
            !is_over
        });
        let quiet_ms = self.quiet_ms();
        self.crowd.sweep(&self.rest.crowded_out.counted, quiet_ms, now_ms);
    }

    /// The group to let go if there are too many, and how important it is.
    fn least(&self) -> Option<(String, Rank)> {
        if self.groups.len() < MAX_GROUPS {
            return None;
        }
        let terms = self.terms();
        let ranked = self.groups.iter().map(|(key, group)| {
            let open = group.open();
            let rank = Rank {
                lasts: open.is_some() && lasts(&group.about().entry),
                is_open: open.is_some(),
                severity: group.severity(),
                is_told: open.is_some_and(Open::is_told),
            };
            let last_ms = open.map(|open| open.tally.last_ms).or(group.due(terms, Patience::None));
            (rank, last_ms, key)
        });
        ranked.min_by_key(|(rank, last_ms, _)| (*rank, *last_ms)).map(|(rank, _, key)| (key.clone(), rank))
    }

    /// Lets a group go.
    fn crowd_out(&mut self, key: &str, now: Clock) {
        let Some(mut group) = self.groups.remove(key) else { return };
        match group.open() {
            // Who heard of it hears that no more follows, also where it is silenced by now.
            Some(open) if open.is_told() || open.state() == State::Open => {
                let decision = Decision { status: Status::Resolved, reason: Reason::CrowdedOut, now };
                let notice = notice(&group, open, decision, (&self.settings, &self.rest.seen, Vec::new()));
                let (hash, last_ms) = (key::hash(&[key.as_bytes()]), open.tally.last_ms);
                let id = notice.id.clone();
                let (severity, count, id) = (open.severity, notice.count, id.as_bytes());
                let happened = Happened { hash, severity, last_ms, count, id };
                let Due { listed, counted } = &mut self.rest.crowded_out;
                if open.is_told() {
                    self.crowd.list(counted, happened);
                    listed.push(notice);
                } else {
                    self.crowd.count(counted, happened, || unheard(notice));
                }
                self.rest_change = Change::ToStore;
            }
            _ => self.unsaid += group.forget(now),
        }
        self.gone.push(row_name(key));
    }
}

fn row_name(key: &str) -> String {
    hex(&key::hash(&[key.as_bytes()]))
}

/// A row to put. What is stored has nothing that JSON has no form for.
fn row(value: &impl Serialize) -> Option<Vec<u8>> {
    let row = serde_json::to_vec(value);
    debug_assert!(row.is_ok());
    Some(row.unwrap_or_default())
}
