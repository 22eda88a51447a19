//! One journal that is read: its entries in, events out, and the place from where another run goes on without loss or repeat.
//!
//! An entry that a program has made as a whole is a record by itself. What a program writes to its standard output is an entry for each line;
//! the lines of one process are read as one stream, so that a stack trace is one record also where many programs write at once. Streams that have been quiet
//! are let go. The place goes back to the oldest entry that a stream still needs; each stream is gone on with from there, and everything else is passed over up to the last entry that was read.
//! No I/O.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::plan::Plan;
use super::settle::settle_after;
use crate::config;
use crate::event::{Event, Origin};
use crate::identity;
use crate::notice::About;
use crate::pipeline::{Checkpoint, Engine, FileContext, Pending, Piece, Stream};
use crate::record::Level;
use crate::source::journal::{Cursor, Entry, Units};
use crate::store::{JournalPlace, JournalState, StreamPlace};

/// A stream without a new line for so long is let go; lines that come later begin a record.
const QUIET: Duration = Duration::from_secs(10);
/// The lines of one write reach the journal, and come out of it, one by one.
const COMPANY: Duration = Duration::from_millis(50);
/// So many streams are kept; the one that was quiet longest makes room.
const MAX_STREAMS: usize = 64;
/// A stream that goes back further is let go, so that little is read again after a restart.
const MAX_SPAN: u64 = 10_000;

pub struct Journal {
    directory: Option<PathBuf>,
    sources: Vec<Arc<Means>>,
    host: Option<String>,
    /// The unit that this process runs in.
    own_unit: Option<String>,
    lanes: HashMap<String, Lane>,
    /// The last entry that was read.
    read: Option<Cursor>,
    /// While entries up to that one come again: the streams that have not begun again.
    again: Option<Vec<StreamPlace>>,
    /// Of entries.
    number: u64,
}

/// A source, and the units that it means.
struct Means {
    units: Units,
    source: config::Source,
}

/// The lines of one process.
struct Lane {
    stream: Stream,
    origin: Arc<Origin>,
    /// When its last line was written, and when it was read.
    written: Timestamp,
    read: Instant,
    /// When what is complete is to be reported.
    settles: Option<Instant>,
}

/// What it takes to read an entry.
pub struct With<'a> {
    pub engine: &'a Arc<Engine>,
    pub events: &'a mut Vec<Event>,
    /// Places where only the beginning of a line was searched.
    pub cuts: &'a mut Vec<About>,
    pub now: Timestamp,
    pub clock: Instant,
}

impl Journal {
    /// The journals of a plan, each with its sources.
    pub fn all(plan: &Plan, own_unit: Option<&str>) -> Vec<Journal> {
        let mut journals: Vec<Journal> = Vec::new();
        for source in &plan.setup.config.sources {
            let Some(journal) = &source.journal else { continue };
            // A glob that cannot be read is none of a checked configuration.
            let Ok(units) = Units::new(journal) else { continue };
            let means = Arc::new(Means { units, source: source.clone() });
            match journals.iter_mut().find(|other| other.directory == journal.directory) {
                Some(other) => other.sources.push(means),
                None => journals.push(Journal {
                    directory: journal.directory.clone(),
                    sources: vec![means],
                    host: plan.setup.host.clone(),
                    own_unit: own_unit.map(str::to_owned),
                    lanes: HashMap::new(),
                    read: None,
                    again: None,
                    number: 0,
                }),
            }
        }
        journals
    }

    pub fn directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    pub fn start_at(&self) -> config::StartAt {
        self.sources.first().map_or(config::StartAt::End, |first| first.source.start_at)
    }

    /// Names of the only units that are meant; empty where others may be as well.
    pub fn only_units(&self) -> Vec<String> {
        let units = |means: &Arc<Means>| means.source.journal.clone().unwrap_or_default().units;
        let all: Vec<Vec<String>> = self.sources.iter().map(units).collect();
        let is_name = |unit: &String| !unit.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
        if all.iter().any(|units| units.is_empty() || !units.iter().all(is_name)) {
            return Vec::new();
        }
        let mut only = all.concat();
        only.sort();
        only.dedup();
        only
    }

    /// Goes on where another run, or this one by another plan, has been.
    pub fn resume(&mut self, place: JournalPlace) {
        self.read = Some(Cursor(place.read));
        self.again = Some(place.streams).filter(|streams| !streams.is_empty());
    }

    /// Nothing up to this entry is to be read, where nothing was read yet.
    pub fn begins_behind(&mut self, cursor: Cursor) {
        self.read.get_or_insert(cursor);
    }

    /// What streams still need is gone with the entries behind which there is a gap.
    pub fn has_gap(&mut self) {
        if let Some(streams) = &mut self.again {
            streams.clear();
        }
    }

    /// From where another run goes on; `None` before anything was read.
    pub fn state(&self) -> Option<JournalState> {
        let read = self.read.clone()?.0;
        let mut lanes: Vec<_> =
            self.lanes.iter().filter_map(|(name, lane)| Some((name, lane, lane.stream.oldest()?))).collect();
        lanes.sort_by_key(|(.., oldest)| oldest.number);
        let live = lanes.into_iter().map(|(name, lane, oldest)| StreamPlace {
            stream: name.clone(),
            from: oldest.cursor.clone(),
            checkpoint: lane.stream.checkpoint(),
        });
        let streams = live.chain(self.again.iter().flatten().cloned()).collect();
        Some(JournalState { directory: self.directory.clone(), at: JournalPlace { read, streams } })
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: Entry, with: &mut With) {
        self.number += 1;
        let begun = self.begun_again(&entry);
        if let Some(Again::PassOver) = begun {
            return;
        }
        if begun.is_none() {
            self.read = Some(entry.cursor.clone());
        }
        let means = self.sources.iter().find(|means| means.units.mean(entry.unit.as_deref()));
        let Some(means) = means.cloned().filter(|_| !entry.is_own(self.own_unit.as_deref())) else { return };
        if entry.is_cut {
            with.cuts.push(self.about(&means, &entry.path(), &entry.cursor));
        }
        match &entry.stream {
            Some(name) => {
                let from = if let Some(Again::From(checkpoint)) = begun { Some(checkpoint) } else { None };
                self.take_line(&means, name, &entry, from, with);
            }
            // Most have nothing in them.
            None if with.engine.detector().candidates(&entry.message, 0).next().is_none() => {}
            None => {
                let context = context(&means, &entry, self.host.clone());
                let mut stream = Stream::new(Arc::clone(with.engine), context, Checkpoint::default());
                stream.push_record(piece(&entry, self.number), &entry.message, with.now, with.events);
            }
        }
    }

    /// Takes a line of a stream, which may begin with it, or begin again from a checkpoint.
    fn take_line(&mut self, means: &Means, name: &str, entry: &Entry, from: Option<Checkpoint>, with: &mut With) {
        let is_over = |lane: &Lane| entry.time.duration_since(lane.written).unsigned_abs() >= QUIET;
        if self.lanes.get(name).is_some_and(is_over) {
            self.let_go(name, with);
        }
        self.make_room(name, with);
        let piece = piece(entry, self.number);
        let lane = || Lane::new(means, entry, (self.host.clone(), from.unwrap_or_default()), with);
        self.lanes.entry(name.to_owned()).or_insert_with(lane).push(entry, piece, with);
    }

    /// Whether this entry comes again, and what of it is still wanted.
    fn begun_again(&mut self, entry: &Entry) -> Option<Again> {
        let streams = self.again.as_mut()?;
        let read = self.read.as_ref()?;
        if entry.cursor.is_behind(read) {
            self.again = None;
            return None;
        }
        let at = |name: &String| streams.iter().position(|place| place.stream == *name && place.from == entry.cursor.0);
        let wanted = match &entry.stream {
            Some(name) => match at(name) {
                Some(at) => Again::From(streams.remove(at).checkpoint),
                None if self.lanes.contains_key(name) => Again::On,
                None => Again::PassOver,
            },
            None => Again::PassOver,
        };
        if entry.cursor.is_same(read) {
            self.again = None;
        }
        Some(wanted)
    }

    /// A stream that is not there yet may need the place of another. While entries come again, each is still needed.
    fn make_room(&mut self, name: &str, with: &mut With) {
        if self.again.is_some() {
            return;
        }
        let goes_back = |lane: &Lane| lane.stream.oldest().map_or(u64::MAX, |piece| piece.number);
        let far = |lane: &Lane| goes_back(lane).saturating_add(MAX_SPAN) < self.number;
        let mut over: Vec<String> =
            self.lanes.iter().filter(|(_, lane)| far(lane)).map(|(name, _)| name.clone()).collect();
        if self.lanes.len() - over.len() >= MAX_STREAMS && !self.lanes.contains_key(name) {
            let quietest = self.lanes.iter().min_by_key(|(_, lane)| lane.read);
            over.extend(quietest.map(|(name, _)| name.clone()));
        }
        over.iter().for_each(|name| self.let_go(name, with));
    }

    fn let_go(&mut self, name: &str, with: &mut With) {
        if let Some(mut lane) = self.lanes.remove(name) {
            lane.stream.finish(with.now, with.events);
        }
    }

    /// When there is something to report, or to let go, although no entry comes.
    pub fn due(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| self.due_of(lane)).min()
    }

    /// None is let go while entries come again: what of it comes again then would be passed over.
    fn due_of(&self, lane: &Lane) -> Option<Instant> {
        lane.settles.or_else(|| self.again.is_none().then(|| lane.read + QUIET))
    }

    /// Reports what is complete in streams that have been quiet for a moment, and lets go of those that were for longer. True if there were any.
    pub fn settle(&mut self, with: &mut With) -> bool {
        let is_due = |lane: &Lane| self.due_of(lane).is_some_and(|due| due <= with.clock);
        let due: Vec<String> =
            self.lanes.iter().filter(|(_, lane)| is_due(lane)).map(|(name, _)| name.clone()).collect();
        for name in &due {
            match self.lanes.get_mut(name) {
                Some(lane) if lane.settles.is_some() => lane.flush(with),
                _ => self.let_go(name, with),
            }
        }
        !due.is_empty()
    }

    /// Reports all that is complete; with `is_last` nobody goes on from here, and what is in the middle of something is reported as well.
    pub fn end(&mut self, is_last: bool, with: &mut With) {
        for lane in self.lanes.values_mut() {
            if is_last || lane.stream.pending() == Pending::Record {
                lane.flush(with);
            }
        }
    }

    /// What a notice about an entry, or about what should be behind it, says.
    pub fn about_gap(&self, cursor: &Cursor) -> Option<About> {
        let path = match &self.directory {
            Some(directory) => format!("journal:{}", crate::source::selection::visible(directory)),
            None => "journal".to_owned(),
        };
        self.sources.first().map(|means| self.about(means, &path, cursor))
    }

    fn about(&self, means: &Means, path: &str, cursor: &Cursor) -> About {
        let origin = origin(means, path.to_owned(), self.host.clone());
        About { origin, identity: identity::of_entry(&cursor.0), line: 1 }
    }
}

/// What is wanted of an entry that comes again.
enum Again {
    PassOver,
    /// Its stream goes on from here.
    From(Checkpoint),
    /// Its stream has gone on already.
    On,
}

impl Lane {
    fn new(means: &Means, entry: &Entry, (host, from): (Option<String>, Checkpoint), with: &With) -> Lane {
        let context = context(means, entry, host);
        Lane {
            origin: Arc::clone(&context.origin),
            stream: Stream::new(Arc::clone(with.engine), context, from),
            written: entry.time,
            read: with.clock,
            settles: None,
        }
    }

    fn push(&mut self, entry: &Entry, piece: Piece, with: &mut With) {
        (self.written, self.read) = (entry.time, with.clock);
        let identity = piece.identity.clone();
        self.stream.begin(piece);
        self.stream.push(&entry.message, with.now, with.events);
        if !entry.is_partial {
            self.stream.push(b"\n", with.now, with.events);
        }
        let cuts = self.stream.take_cuts().into_iter();
        with.cuts.extend(cuts.map(|_| About { origin: Arc::clone(&self.origin), identity: identity.clone(), line: 1 }));
        self.settles = settle_after(self.stream.pending()).map(|pause| with.clock + pause.max(COMPANY));
    }

    fn flush(&mut self, with: &mut With) {
        self.settles = None;
        self.stream.flush(with.now, with.events);
    }
}

fn context(means: &Means, entry: &Entry, host: Option<String>) -> FileContext {
    let config::Source { provider, timezone, encoding, .. } = &means.source;
    FileContext {
        origin: origin(means, entry.path(), host),
        // Each piece has its own.
        identity: Vec::new(),
        provider: provider.clone(),
        timezone: timezone.clone(),
        charset: *encoding,
    }
}

fn origin(means: &Means, path: String, host: Option<String>) -> Arc<Origin> {
    let config::Source { name, labels, .. } = &means.source;
    Arc::new(Origin { name: name.clone(), path, host, labels: labels.clone() })
}

fn piece(entry: &Entry, number: u64) -> Piece {
    let level = entry.priority.and_then(|priority| match priority {
        0..=2 => Some(Level::Fatal),
        3 => Some(Level::Error),
        4 => Some(Level::Warn),
        5 | 6 => Some(Level::Info),
        7 => Some(Level::Debug),
        _ => None,
    });
    Piece {
        identity: identity::of_entry(&entry.cursor.0),
        cursor: entry.cursor.0.clone(),
        number,
        time: entry.time,
        host: entry.host.clone(),
        level,
    }
}

#[cfg(test)]
mod tests;
