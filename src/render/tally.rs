//! Counts events by entry, in bounded memory, so that a scan of any size can be shown at its end.
//!
//! Tallies merge: counting parts in any order and on any thread gives the same tally as counting the whole.
//! Samples are the first of each entry in the order of the inputs, whoever met them first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use jiff::Timestamp;

use super::distinct::Distinct;
use super::timeline::Timeline;
use crate::catalog::Entry;
use crate::event::{Event, Ids, Kind, Origin};

/// How many samples a group shows.
const N_SAMPLES: usize = 3;
/// Distinct unknown codes that get a group of their own; the last by name are counted together.
const N_UNKNOWN: usize = 500;
/// Bytes of an excerpt that a sample keeps around the match.
const SAMPLE_BYTES: usize = 600;

/// All events of a scan, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// By the id of the entry.
    known: BTreeMap<Arc<str>, Group>,
    /// By the code that no entry knows.
    unknown: BTreeMap<String, Group>,
    /// Unknown codes beyond [`N_UNKNOWN`].
    more_unknown: Option<Group>,
    orders: Distinct,
    span: Option<(Timestamp, Timestamp)>,
    /// Inputs that had any event, by index.
    inputs: BTreeSet<usize>,
    pub n_events: u64,
}

/// The events of one entry.
#[derive(Debug)]
pub struct Group {
    pub entry: Arc<Entry>,
    pub n_events: u64,
    /// How often each code was found: those of the entry, so a few.
    codes: BTreeMap<String, u64>,
    pub orders: Distinct,
    /// First and last time; events without one do not count here.
    pub span: Option<(Timestamp, Timestamp)>,
    pub timeline: Timeline,
    pub samples: Vec<Sample>,
}

/// An event as it is shown to explain its group.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Index of the input and offset of the line: the order of samples.
    place: (usize, u64),
    pub origin: Arc<Origin>,
    pub line: u64,
    pub ids: Ids,
    /// What stands around the match, redacted.
    pub excerpt: String,
    /// The matched text, to be kept in sight when the excerpt is shortened.
    pub matched: String,
}

impl Tally {
    /// Counts one event of the input with this index.
    pub fn add(&mut self, event: &Event, input: usize) {
        self.n_events += 1;
        self.inputs.insert(input);
        widen(&mut self.span, event.time.map(|time| (time, time)));
        let order = order(&event.ids);
        if let Some(order) = order {
            self.orders.add(order);
        }
        let new = || Group::new(event.entry.clone());
        let group = match event.kind {
            Kind::UnknownCode => self.unknown.entry(event.code.clone()).or_insert_with(new),
            Kind::Code | Kind::Message => self.known.entry(event.entry.id.0.clone()).or_insert_with(new),
        };
        group.add(event, order, input);
        self.limit();
    }

    /// Takes over what another tally counted.
    pub fn merge(&mut self, other: Tally) {
        self.n_events += other.n_events;
        self.inputs.extend(other.inputs);
        widen(&mut self.span, other.span);
        self.orders.merge(other.orders);
        merge_groups(&mut self.known, other.known);
        merge_groups(&mut self.unknown, other.unknown);
        if let Some(group) = other.more_unknown {
            self.add_to_more_unknown(group);
        }
        self.limit();
    }

    /// The worst first, then the most frequent.
    pub fn groups(&self) -> Vec<&Group> {
        let unknown = self.unknown.values().chain(&self.more_unknown);
        let mut groups: Vec<&Group> = self.known.values().chain(unknown).collect();
        groups.sort_by_key(|group| (Reverse(group.entry.severity), Reverse(group.n_events)));
        groups
    }

    /// Distinct orders of all groups.
    pub fn orders(&self) -> &Distinct {
        &self.orders
    }

    /// How many inputs had any event.
    pub fn n_inputs(&self) -> u64 {
        self.inputs.len() as u64
    }

    /// First and last time of all events that have one.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span
    }

    /// Keeps the codes that come first by name: which ones these are does not depend on who counted what.
    fn limit(&mut self) {
        while self.unknown.len() > N_UNKNOWN {
            let Some((_, group)) = self.unknown.pop_last() else { return };
            self.add_to_more_unknown(group);
        }
    }

    fn add_to_more_unknown(&mut self, mut group: Group) {
        group.codes.clear();
        match &mut self.more_unknown {
            Some(known) => known.merge(group),
            none => *none = Some(group),
        }
    }
}

fn merge_groups<K: Ord>(into: &mut BTreeMap<K, Group>, from: BTreeMap<K, Group>) {
    for (key, group) in from {
        match into.entry(key) {
            btree_map::Entry::Occupied(mut known) => known.get_mut().merge(group),
            btree_map::Entry::Vacant(vacant) => drop(vacant.insert(group)),
        }
    }
}

impl Group {
    fn new(entry: Arc<Entry>) -> Group {
        Group {
            entry,
            n_events: 0,
            codes: BTreeMap::new(),
            orders: Distinct::default(),
            span: None,
            timeline: Timeline::default(),
            samples: Vec::new(),
        }
    }

    fn add(&mut self, event: &Event, order: Option<&str>, input: usize) {
        self.n_events += 1;
        match self.codes.get_mut(&event.code) {
            Some(count) => *count += 1,
            None => drop(self.codes.insert(event.code.clone(), 1)),
        }
        if let Some(order) = order {
            self.orders.add(order);
        }
        if let Some(time) = event.time {
            widen(&mut self.span, Some((time, time)));
            self.timeline.add(time);
        }
        let place = (input, event.position.offset);
        if self.samples.len() < N_SAMPLES || self.samples.last().is_some_and(|last| place < last.place) {
            self.keep(Sample::of(event, place));
        }
    }

    fn merge(&mut self, other: Group) {
        self.n_events += other.n_events;
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.orders.merge(other.orders);
        widen(&mut self.span, other.span);
        self.timeline.merge(other.timeline);
        other.samples.into_iter().for_each(|sample| self.keep(sample));
    }

    /// The codes that were found, the most frequent first; empty for the unknown codes that had no room.
    pub fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<(&String, &u64)> = self.codes.iter().collect();
        codes.sort_by_key(|(_, count)| Reverse(**count));
        codes.into_iter().map(|(code, _)| code.as_str()).collect()
    }

    fn keep(&mut self, sample: Sample) {
        let at = self.samples.partition_point(|kept| kept.place <= sample.place);
        self.samples.insert(at, sample);
        self.samples.truncate(N_SAMPLES);
    }
}

impl Sample {
    fn of(event: &Event, place: (usize, u64)) -> Sample {
        let (excerpt, matched) = (event.excerpt.as_str(), event.matched.as_str());
        let at = excerpt.find(matched).unwrap_or(0);
        let start = char_boundary(excerpt, at.saturating_sub(SAMPLE_BYTES / 2));
        let end = char_boundary(excerpt, start + SAMPLE_BYTES);
        Sample {
            place,
            origin: event.origin.clone(),
            line: event.position.line,
            ids: event.ids.clone(),
            excerpt: excerpt[start..end].to_owned(),
            matched: matched.to_owned(),
        }
    }
}

/// The last place at or before `at` where a character begins or the text ends.
fn char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// What tells one order from another, as far as the record says.
fn order(ids: &Ids) -> Option<&str> {
    [&ids.out_trade_no, &ids.trade_no, &ids.transaction_id].into_iter().find_map(|id| id.as_deref())
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, other: Option<(Timestamp, Timestamp)>) {
    *span = match (*span, other) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Severity;
    use crate::event::samples;

    /// Events of several entries, codes, orders and times, spread over a few inputs.
    fn events(n: u64) -> Vec<(Event, usize)> {
        let event = |n: u64| {
            let mut event = if n.is_multiple_of(3) { samples::full() } else { samples::bare() };
            if n.is_multiple_of(2) {
                event.kind = Kind::UnknownCode;
                event.code = format!("CODE_{}", n * 31 % 1500);
            }
            event.time = Timestamp::from_second(1_772_000_000 + (n * 7919 % 100_000) as i64).ok();
            event.ids.out_trade_no = Some(format!("T{}", n % 700));
            event.position.offset = n;
            (event, (n % 4) as usize)
        };
        (0..n).map(event).collect()
    }

    fn shown(tally: &Tally) -> String {
        let groups = tally.groups().into_iter().map(|group| {
            let samples: Vec<(usize, u64)> = group.samples.iter().map(|sample| sample.place).collect();
            let timeline = group.span.map(|span| group.timeline.columns(span, 20));
            format!(
                "{} {:?} {} {:?} {:?} {:?} {timeline:?}\n",
                group.entry.id,
                group.codes(),
                group.n_events,
                group.orders.count(),
                group.span,
                samples
            )
        });
        let mut groups: Vec<String> = groups.collect();
        groups.sort();
        format!("{} {:?} {:?}\n{}", tally.n_events, tally.orders().count(), tally.span(), groups.concat())
    }

    #[test]
    fn parts_on_any_thread_make_the_whole() {
        let events = events(6000);
        let mut whole = Tally::default();
        events.iter().for_each(|(event, input)| whole.add(event, *input));
        let mut parts: Vec<Tally> = (0..3).map(|_| Tally::default()).collect();
        for (at, (event, input)) in events.iter().enumerate().rev() {
            parts[at * 7 % 3].add(event, *input);
        }
        let mut merged = Tally::default();
        parts.into_iter().for_each(|part| merged.merge(part));
        assert_eq!(shown(&merged), shown(&whole));
        assert_eq!(whole.groups().len(), 1 + N_UNKNOWN + 1);
    }

    #[test]
    fn the_worst_comes_first_then_the_most_frequent() {
        let mut tally = Tally::default();
        for (id, severity, count) in
            [("rare", Severity::Error, 1), ("often", Severity::Error, 3), ("bad", Severity::Critical, 1)]
        {
            let mut event = samples::full();
            let entry = Arc::make_mut(&mut event.entry);
            (entry.id, entry.severity) = (crate::catalog::EntryId(id.into()), severity);
            (0..count).for_each(|_| tally.add(&event, 0));
        }
        let ids: Vec<&str> = tally.groups().iter().map(|group| &*group.entry.id.0).collect();
        assert_eq!(ids, ["bad", "often", "rare"]);
    }

    #[test]
    fn a_sample_keeps_what_stands_around_the_match() {
        let mut event = samples::full();
        event.excerpt =
            crate::redact::Redacted::sample(&format!("{} ISSUER_DECLINED {}", "前".repeat(300), "后".repeat(300)));
        let sample = Sample::of(&event, (0, 0));
        assert!(sample.excerpt.len() <= SAMPLE_BYTES && sample.excerpt.contains("ISSUER_DECLINED"));
    }
}
