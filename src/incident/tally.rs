//! What is counted of one incident: how many events, of which orders and merchants, from where, and a few samples.
//!
//! Everything is bounded; an event after the first few allocates nothing that stays.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notice::{self, Merchant, Sample, Source};
use super::orders::Orders;
use crate::event::{Event, EventId, Ids, Missed};

pub(super) const MAX_SAMPLES: usize = 3;
/// Bytes of an excerpt in a sample.
const MAX_EXCERPT: usize = 512;
const MAX_HOSTS: usize = 10;
/// Merchants that are told apart, and those that are shown.
const MAX_MERCHANTS: usize = 64;
const SHOWN_MERCHANTS: usize = 5;

/// What counts of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'a> {
    /// When it came.
    pub ms: i64,
    /// So many milliseconds after it was written, as far as its line says.
    pub late_ms: i64,
    pub time: Timestamp,
    pub order: Option<&'a str>,
    pub merchant: Option<&'a str>,
    pub host: Option<&'a str>,
    pub lost: Missed,
}

/// An event of which nothing was said yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Early {
    pub ms: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    late_ms: i64,
    pub event: EventId,
    time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merchant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default)]
    lost: Missed,
    /// Only of the first few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
}

/// The counts since an incident opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub count: u64,
    /// Since the last notice.
    pub new: u64,
    #[serde(default)]
    pub lost: Missed,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub last_ms: i64,
    pub orders: Orders,
    /// Events that name an order.
    ordered: u64,
    /// The first that were seen, also where none is named.
    hosts: Vec<(Option<String>, u64)>,
    /// The first that were seen.
    merchants: BTreeMap<String, u64>,
    /// Of the events since the last notice, or of earlier ones where there are none.
    samples: Vec<Sample>,
    /// Those of `samples` that are from after the last notice.
    n_fresh: usize,
}

impl<'a> Sighting<'a> {
    pub fn of(event: &'a Event, now_ms: i64) -> Sighting<'a> {
        let Ids { out_trade_no, trade_no, transaction_id, mch_id, .. } = &event.ids;
        let present = |id: &'a Option<String>| id.as_deref().filter(|id| !id.is_empty());
        // A record's time that is yet to come was misread.
        let time = event.time.map_or(event.observed, |time| time.min(event.observed));
        Sighting {
            ms: now_ms,
            late_ms: event.observed.as_millisecond() - time.as_millisecond(),
            time,
            order: present(out_trade_no).or(present(trade_no)).or(present(transaction_id)),
            merchant: present(mch_id),
            host: event.host(),
            lost: event.lost,
        }
    }
}

impl Sighting<'_> {
    /// When it was written, by the clock that says when it came.
    pub fn written_ms(&self) -> i64 {
        self.ms.saturating_sub(self.late_ms)
    }
}

impl Early {
    pub fn new(seen: &Sighting<'_>, event: &Event, with_sample: bool) -> Early {
        Early {
            ms: seen.ms,
            late_ms: seen.late_ms,
            event: event.id,
            time: seen.time,
            order: seen.order.map(str::to_owned),
            merchant: seen.merchant.map(str::to_owned),
            host: seen.host.map(str::to_owned),
            lost: seen.lost,
            sample: with_sample.then(|| sample(event)),
        }
    }

    pub fn sighting(&self) -> Sighting<'_> {
        Sighting {
            ms: self.ms,
            late_ms: self.late_ms,
            time: self.time,
            order: self.order.as_deref(),
            merchant: self.merchant.as_deref(),
            host: self.host.as_deref(),
            lost: self.lost,
        }
    }
}

impl Tally {
    /// Nothing yet, of an incident that begins with `first`.
    pub fn new(first: &Sighting<'_>) -> Tally {
        Tally {
            count: 0,
            new: 0,
            lost: Missed::default(),
            first_seen: first.time,
            last_seen: first.time,
            last_ms: first.ms,
            orders: Orders::default(),
            ordered: 0,
            hosts: Vec::new(),
            merchants: BTreeMap::new(),
            samples: Vec::new(),
            n_fresh: 0,
        }
    }

    /// Counts one event; `sample` is asked for only where one is wanted.
    pub fn add(&mut self, seen: &Sighting<'_>, sample: impl FnOnce() -> Option<Sample>) {
        self.count += 1;
        self.new += 1;
        self.lost.add(seen.lost);
        self.first_seen = self.first_seen.min(seen.time);
        self.last_seen = self.last_seen.max(seen.time);
        self.last_ms = self.last_ms.max(seen.ms);
        if let Some(order) = seen.order {
            self.ordered += 1;
            self.orders.add(order);
        }
        self.add_merchant(seen.merchant);
        self.add_host(seen.host);
        if self.n_fresh < MAX_SAMPLES
            && let Some(sample) = sample()
        {
            self.samples.truncate(self.n_fresh);
            self.samples.push(sample);
            self.n_fresh += 1;
        }
    }

    fn add_merchant(&mut self, merchant: Option<&str>) {
        let Some(merchant) = merchant else { return };
        if let Some(count) = self.merchants.get_mut(merchant) {
            *count += 1;
        } else if self.merchants.len() < MAX_MERCHANTS {
            self.merchants.insert(merchant.to_owned(), 1);
        }
    }

    fn add_host(&mut self, host: Option<&str>) {
        if let Some((_, count)) = self.hosts.iter_mut().find(|(known, _)| known.as_deref() == host) {
            *count += 1;
        } else if self.hosts.len() < MAX_HOSTS {
            self.hosts.push((host.map(str::to_owned), 1));
        }
    }

    /// What comes from now on is new.
    pub fn told(&mut self) {
        self.new = 0;
        self.n_fresh = 0;
    }

    pub fn orders(&self) -> notice::Orders {
        self.orders.shown(self.ordered)
    }

    /// True where every event is about the same order.
    pub fn is_one_order(&self) -> bool {
        self.ordered == self.count && self.orders.distinct() == 1
    }

    /// The merchant, where most events name it and none names another.
    pub fn only_merchant(&self) -> Option<&str> {
        let (merchant, count) = self.merchants.first_key_value()?;
        (self.merchants.len() == 1 && count * 2 > self.count).then_some(merchant)
    }

    /// The host, where all events come from it.
    pub fn only_host(&self) -> Option<&str> {
        let [(host, _)] = self.hosts.as_slice() else { return None };
        host.as_deref()
    }

    /// The source of this name and labels on each host, the most frequent first.
    pub fn sources(&self, name: &str, labels: &BTreeMap<String, String>) -> Vec<Source> {
        let source = |(host, count): &(Option<String>, u64)| Source {
            name: name.to_owned(),
            host: host.clone(),
            labels: labels.clone(),
            count: *count,
        };
        let mut sources: Vec<Source> = self.hosts.iter().map(source).collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.count));
        sources
    }

    /// The most frequent first.
    pub fn merchants(&self) -> Vec<Merchant> {
        let merchant = |(mch_id, &count): (&String, &u64)| Merchant { mch_id: mch_id.clone(), count };
        let mut merchants: Vec<Merchant> = self.merchants.iter().map(merchant).collect();
        merchants.sort_by_key(|merchant| std::cmp::Reverse(merchant.count));
        merchants.truncate(SHOWN_MERCHANTS);
        merchants
    }

    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

fn is_zero(ms: &i64) -> bool {
    *ms == 0
}

/// What is shown of one event.
pub(super) fn sample(event: &Event) -> Sample {
    Sample {
        event: event.id.to_string(),
        time: event.time.unwrap_or(event.observed).to_string(),
        path: event.origin.path.clone(),
        line: event.position.line,
        ids: shown_ids(&event.ids),
        excerpt: event.excerpt.clone().cut(MAX_EXCERPT).as_str().to_owned(),
    }
}

fn shown_ids(ids: &Ids) -> BTreeMap<String, String> {
    let Ids { out_trade_no, trade_no, transaction_id, request_id, trace_id, mch_id, app_id, amount, currency } = ids;
    let named = [
        ("out_trade_no", out_trade_no),
        ("trade_no", trade_no),
        ("transaction_id", transaction_id),
        ("request_id", request_id),
        ("trace_id", trace_id),
        ("mch_id", mch_id),
        ("app_id", app_id),
        ("amount", amount),
        ("currency", currency),
    ];
    let present = |(name, id): (&str, &Option<String>)| {
        id.as_ref().filter(|id| !id.is_empty()).map(|id| (name.to_owned(), id.clone()))
    };
    named.into_iter().filter_map(present).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples;
    use crate::redact::Redacted;

    fn tally(events: &[Event]) -> Tally {
        let mut tally = Tally::new(&Sighting::of(&events[0], 0));
        for (ms, event) in (0..).zip(events) {
            tally.add(&Sighting::of(event, ms), || Some(sample(event)));
        }
        tally
    }

    fn event(order: &str, merchant: &str) -> Event {
        let mut event = samples::full();
        event.ids.out_trade_no = Some(order.to_owned());
        event.ids.mch_id = Some(merchant.to_owned());
        event
    }

    #[test]
    fn the_order_is_the_merchants_number_else_the_providers() {
        let mut event = samples::full();
        assert_eq!(Sighting::of(&event, 0).order, Some("T1"));
        event.ids.out_trade_no = Some(String::new());
        assert_eq!(Sighting::of(&event, 0).order, Some("T2"));
        event.ids.trade_no = None;
        assert_eq!(Sighting::of(&event, 0).order, Some("T3"));
        event.ids.transaction_id = None;
        assert_eq!(Sighting::of(&event, 0).order, None);
    }

    #[test]
    fn merchants_are_listed_by_how_often_they_are_named() {
        let events: Vec<Event> = (0..100).map(|i| event("SO", &format!("M{}", i * i % 7))).collect();
        let counts: Vec<u64> = tally(&events).merchants().iter().map(|merchant| merchant.count).collect();
        assert_eq!(counts, [29, 28, 28, 15]);
        let many: Vec<Event> = (0..100).map(|i| event("SO", &format!("M{i}"))).collect();
        let tally = tally(&many);
        assert_eq!((tally.merchants.len(), tally.merchants().len()), (MAX_MERCHANTS, SHOWN_MERCHANTS));
    }

    #[test]
    fn one_order_or_merchant_is_said_only_if_the_events_name_it() {
        let same = [event("A", "M"), event("A", "M")];
        assert!(tally(&same).is_one_order() && tally(&same).only_merchant() == Some("M"));
        let mut silent = event("A", "M");
        silent.ids = Ids::default();
        let half = [event("A", "M"), silent];
        assert!(!tally(&half).is_one_order() && tally(&half).only_merchant().is_none());
        assert!(tally(&[event("A", "M"), event("B", "N")]).only_merchant().is_none());
    }

    #[test]
    fn samples_are_of_what_is_new() {
        let mut events: Vec<Event> = (0..5).map(|i| event(&i.to_string(), "M")).collect();
        let mut tally = tally(&events);
        let lines = |tally: &Tally| tally.samples.iter().map(|s| s.ids["out_trade_no"].clone()).collect::<Vec<_>>();
        assert_eq!(lines(&tally), ["0", "1", "2"]);
        tally.told();
        assert_eq!(lines(&tally), ["0", "1", "2"], "nothing new: still these");
        let late = events.pop().unwrap();
        tally.add(&Sighting::of(&late, 9), || Some(sample(&late)));
        assert_eq!((lines(&tally), tally.new, tally.count), (vec!["4".to_owned()], 1, 6));
    }

    #[test]
    fn an_excerpt_is_cut_on_a_character() {
        let mut event = samples::full();
        event.excerpt = Redacted::sample(&"支付".repeat(200));
        let excerpt = sample(&event).excerpt;
        assert!(excerpt.len() <= MAX_EXCERPT && excerpt.len() > MAX_EXCERPT - 4 && excerpt.ends_with('…'), "{excerpt}");
    }

    #[test]
    fn no_event_is_seen_in_the_future() {
        let mut event = samples::full();
        event.time = "2026-03-01T16:00:00Z".parse().ok();
        assert_eq!(tally(std::slice::from_ref(&event)).last_seen, event.observed);
    }

    #[test]
    fn records_out_of_order_and_several_hosts_are_all_counted() {
        let mut late = samples::full();
        late.time = "2026-03-01T07:00:00Z".parse().ok();
        std::sync::Arc::make_mut(&mut late.origin).host = Some("pay-2".into());
        let tally = tally(&[samples::full(), late.clone(), late]);
        assert_eq!(tally.first_seen.to_string(), "2026-03-01T07:00:00Z");
        assert_eq!(tally.last_seen.to_string(), "2026-03-01T08:00:00.25Z");
        let sources: Vec<_> =
            tally.sources("shop", &BTreeMap::new()).into_iter().map(|source| (source.host, source.count)).collect();
        assert_eq!(sources, [(Some("pay-2".into()), 2), (Some("pay-1".into()), 1)]);
        assert_eq!(tally.only_host(), None);
    }
}
