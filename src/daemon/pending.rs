//! What waits for the next transaction, and when that is due.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::event::EventId;
use crate::identity::FileKey;
use crate::source::step::Place;
use crate::store::{FileState, OutboxEvent};

/// Under load, events are stored at least this often …
const MAX_AGE: Duration = Duration::from_millis(100);
/// … or when so many are waiting …
const MAX_EVENTS: usize = 1000;
/// … or when they take so much memory.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Positions without an event are stored this often: reading lines again that matched nothing costs little and
/// reports nothing.
const POSITIONS: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub struct Pending {
    pub events: Vec<OutboxEvent>,
    /// What is to be said of incidents.
    pub notices: Vec<OutboxEvent>,
    /// What is known of them, by name; `None` of those that are over.
    pub incidents: HashMap<String, Option<Vec<u8>>>,
    bytes: usize,
    /// Files that were read on.
    pub dirty: HashSet<FileKey>,
    /// Journals were.
    pub journals: bool,
    /// Files that are no longer followed.
    pub finished: Vec<FileState>,
    /// Files that no longer exist.
    pub deleted: Vec<FileKey>,
    /// Written paths that have been looked at for the first time.
    pub watched: Option<Vec<String>>,
    /// Where symbolic links lead, if that has changed.
    pub links: Option<Vec<(PathBuf, PathBuf)>>,
    /// Names of damaged databases whose loss the events report.
    pub told: Vec<String>,
    /// Ids of the losses that the events report.
    pub losses: Vec<String>,
    /// Sinks that the events say are down, and since when (milliseconds since 1970); or up again.
    pub down: BTreeMap<String, Option<i64>>,
    first_event: Option<Instant>,
    first_dirty: Option<Instant>,
}

/// Is there more to read right now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    Quiet,
    Busy,
}

impl Pending {
    pub fn event(&mut self, id: EventId, body: Vec<u8>, clock: Instant) {
        self.bytes += body.len();
        self.events.push(OutboxEvent { id, body });
        self.first_event.get_or_insert(clock);
    }

    pub fn notice(&mut self, notice: OutboxEvent, clock: Instant) {
        self.bytes += notice.body.len();
        self.notices.push(notice);
        self.first_event.get_or_insert(clock);
    }

    /// A sink is down since then, or up again.
    pub fn down(&mut self, sink: &str, since_ms: Option<i64>, clock: Instant) {
        self.down.insert(sink.to_owned(), since_ms);
        self.first_event.get_or_insert(clock);
    }

    pub fn touched(&mut self, key: FileKey, clock: Instant) {
        self.dirty.insert(key);
        self.first_dirty.get_or_insert(clock);
    }

    /// A journal was read on.
    pub fn read_on(&mut self, clock: Instant) {
        self.journals = true;
        self.first_dirty.get_or_insert(clock);
    }

    /// Where reading begins is known: that is stored at once.
    pub fn begun(&mut self, clock: Instant) {
        self.read_on(clock);
        self.first_event.get_or_insert(clock);
    }

    /// Symbolic links lead elsewhere than before.
    pub fn linked(&mut self, links: Vec<(PathBuf, PathBuf)>, clock: Instant) {
        self.links = Some(links);
        self.first_dirty.get_or_insert(clock);
    }

    /// What is known of a file may be known of nobody any more if the process ends: it is stored at once.
    pub fn urgent(&mut self, key: FileKey, clock: Instant) {
        self.touched(key, clock);
        self.first_event.get_or_insert(clock);
    }

    /// A file is no longer followed.
    pub fn over(&mut self, state: FileState, place: Place, clock: Instant) {
        self.dirty.remove(&state.key);
        self.first_dirty.get_or_insert(clock);
        match place {
            Place::Deleted => self.deleted.push(state.key),
            Place::Listed | Place::Moved | Place::Unmounted => self.finished.push(state),
        }
    }

    /// Bytes of the events.
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// True if no more should be read before a commit.
    pub fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }

    /// When the next commit is due; `None` if there is nothing to store.
    pub fn due(&self, load: Load, clock: Instant) -> Option<Instant> {
        let events = self.first_event.map(|since| match load {
            Load::Quiet => clock,
            Load::Busy if self.is_full() => clock,
            Load::Busy => since + MAX_AGE,
        });
        let positions = self.first_dirty.map(|since| since + POSITIONS);
        [events, positions].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(n_events: usize, size: usize, at: Instant) -> Pending {
        let mut pending = Pending::default();
        pending.touched(FileKey { device: 1, inode: 1, birth: 1 }, at);
        for n in 0..n_events {
            pending.event(EventId([n as u8; 16]), vec![0; size], at);
        }
        pending
    }

    #[test]
    fn at_once_when_quiet_in_groups_under_load_positions_seldom() {
        let start = Instant::now();
        let later = start + Duration::from_millis(1);
        for (n, size, load, expected) in [
            (1, 1, Load::Quiet, later),
            (1, 1, Load::Busy, start + MAX_AGE),
            (MAX_EVENTS, 1, Load::Busy, later),
            (2, MAX_BYTES, Load::Busy, later),
            (0, 0, Load::Quiet, start + POSITIONS),
            (0, 0, Load::Busy, start + POSITIONS),
        ] {
            assert_eq!(pending(n, size, start).due(load, later), Some(expected), "{n} {load:?}");
        }
        assert_eq!(Pending::default().due(Load::Quiet, start), None);
        let mut heir = Pending::default();
        heir.urgent(FileKey { device: 1, inode: 1, birth: 1 }, start);
        assert_eq!(heir.due(Load::Quiet, later), Some(later));
    }
}
