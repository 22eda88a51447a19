//! What paytriage reports of itself: bytes it could not read, lines it cut, state it lost, events it dropped.
//!
//! Each is an event like any other, with an entry of the catalogue (`paytriage.…`) and a stable id, and goes the same
//! way to the same sinks: who watches the events learns of what is missing in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::event::{Confidence, Event, Kind, Missed, Origin, Position};
use crate::pipeline::event_id;
use crate::provider::Provider;
use crate::record::Encoding;
use crate::redact::Redactor;

/// The provider of all notices.
pub const PROVIDER: &str = "paytriage";
/// The label that names the sink which a notice is about: such notices are told apart, routed and silenced by it.
pub const SINK: &str = "sink";
/// The entry of what lasts until [`SINK_UP`].
pub const SINK_DOWN: &str = "paytriage.sink-down";
pub const SINK_UP: &str = "paytriage.sink-up";

/// Why bytes of a file were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The file was cut off, or its content replaced, before it was read to its end. A copy that is followed may
    /// hold what is missing.
    Truncated,
    /// The file was deleted, and too much disk was held by files like it.
    Deleted,
    /// The file lost its name while it could not be kept open, or could not be read until it was gone.
    Unreachable,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Truncated => "truncated",
            Reason::Deleted => "deleted",
            Reason::Unreachable => "unreachable",
        }
    }
}

/// Why what waited for a sink was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// They have waited for longer than the sink's `max_age`.
    Expired,
    /// They kept the outbox full although another sink had taken everything.
    Full,
    /// The sink is no longer configured, cannot be written any more, or takes something else now.
    Removed,
    /// `outbox drop`.
    Asked,
    /// Messages that were refused, of incidents of which something later was accepted.
    Superseded,
}

impl Why {
    const ALL: [Why; 5] = [Why::Expired, Why::Full, Why::Removed, Why::Asked, Why::Superseded];

    pub fn as_str(self) -> &'static str {
        match self {
            Why::Expired => "expired",
            Why::Full => "full",
            Why::Removed => "removed",
            Why::Asked => "asked",
            Why::Superseded => "superseded",
        }
    }

    /// The one of this name. Without one, somebody has asked for it: nothing else drops anything.
    pub fn named(name: &str) -> Why {
        Why::ALL.into_iter().find(|why| why.as_str() == name).unwrap_or(Why::Asked)
    }
}

/// One thing to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The bytes `from..to` of a file were not read.
    Gap { reason: Reason, from: u64, to: u64 },
    /// Entries of a journal between these moments were not read; up to now where it has no later one.
    Vacuumed { after: Option<Timestamp>, until: Option<Timestamp> },
    /// Of the line that begins at `offset` only the first part was searched.
    LineCut { offset: u64 },
    /// A damaged database is kept under this name.
    StateLost { kept_as: String },
    /// What waited for delivery to a sink was dropped.
    Dropped { sink: String, why: Why, lost: Missed, bytes: u64, oldest: Option<Timestamp>, last_seq: i64 },
    /// A sink has accepted nothing since then, or wants nothing any more.
    SinkDown { sink: String, since: Timestamp, reason: String },
    /// It accepts again what it had not accepted since then.
    SinkUp { sink: String, since: Timestamp },
    /// A row was refused by a sink for too long.
    DeadLetter { sink: String, id: String, reason: String },
}

/// Whom or what a notice is about.
#[derive(Debug, Clone)]
pub struct About {
    pub origin: Arc<Origin>,
    /// Goes into the id: identity of the file, or a name of our own.
    pub identity: Vec<u8>,
    /// 1-based, as far as it is known.
    pub line: u64,
}

impl About {
    /// Something that belongs to no log file.
    pub fn ourselves(path: String, host: Option<String>) -> About {
        let origin = Origin { name: PROVIDER.into(), path, host, labels: BTreeMap::new() };
        About { identity: b"paytriage".to_vec(), origin: Arc::new(origin), line: 1 }
    }
}

impl Notice {
    fn code(&self) -> &'static str {
        match self {
            Notice::Gap { .. } | Notice::Vacuumed { .. } => "PT.GAP",
            Notice::LineCut { .. } => "PT.LINE_CUT",
            Notice::StateLost { .. } => "PT.STATE_LOST",
            Notice::Dropped { .. } => "PT.DROPPED",
            Notice::SinkDown { .. } => "PT.SINK_DOWN",
            Notice::SinkUp { .. } => "PT.SINK_UP",
            Notice::DeadLetter { .. } => "PT.DEAD_LETTER",
        }
    }

    fn entry(&self) -> &'static str {
        match self {
            Notice::Gap { .. } | Notice::Vacuumed { .. } => "paytriage.gap",
            Notice::LineCut { .. } => "paytriage.line-cut",
            Notice::StateLost { .. } => "paytriage.state-lost",
            Notice::Dropped { .. } => "paytriage.dropped",
            Notice::SinkDown { .. } => SINK_DOWN,
            Notice::SinkUp { .. } => SINK_UP,
            Notice::DeadLetter { .. } => "paytriage.dead-letter",
        }
    }

    /// The sink that it is about, if it is about one.
    fn sink(&self) -> Option<&str> {
        match self {
            Notice::Gap { .. } | Notice::Vacuumed { .. } | Notice::LineCut { .. } | Notice::StateLost { .. } => None,
            Notice::Dropped { sink, .. }
            | Notice::SinkDown { sink, .. }
            | Notice::SinkUp { sink, .. }
            | Notice::DeadLetter { sink, .. } => Some(sink),
        }
    }

    /// What is lost with it, as far as it is known.
    fn lost(&self) -> Missed {
        match self {
            Notice::Dropped { lost, .. } => *lost,
            _ => Missed::default(),
        }
    }

    /// When it began, where that is not now.
    fn since(&self) -> Option<Timestamp> {
        match self {
            Notice::SinkDown { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// The facts, in no language.
    fn facts(&self) -> String {
        match self {
            Notice::Gap { reason, from, to } => {
                format!("reason={} from={from} to={to} bytes={}", reason.as_str(), to.saturating_sub(*from))
            }
            Notice::Vacuumed { after, until } => {
                let part =
                    |name: &str, at: &Option<Timestamp>| at.map(|at| format!(" {name}={at}")).unwrap_or_default();
                format!("reason=vacuumed{}{}", part("after", after), part("until", until))
            }
            Notice::LineCut { offset } => format!("from={offset} searched={}", crate::pipeline::MAX_LINE),
            Notice::StateLost { kept_as } => format!("kept_as={kept_as}"),
            Notice::Dropped { sink, why, lost: Missed { events, messages, at_most }, bytes, oldest, .. } => {
                let up_to = if *at_most { "up_to_" } else { "" };
                let kinds = [("events", events), ("messages", messages)].into_iter().filter(|(_, n)| **n > 0);
                let rows: String = kinds.map(|(kind, n)| format!(" {up_to}{kind}={n}")).collect();
                let oldest = oldest.map(|oldest| format!(" oldest={oldest:.0}")).unwrap_or_default();
                format!("sink={sink}{rows} {up_to}bytes={bytes}{oldest} reason={}", why.as_str())
            }
            Notice::SinkDown { sink, since, reason } => format!("sink={sink} since={since:.0} reason={reason:?}"),
            Notice::SinkUp { sink, since } => format!("sink={sink} down_since={since:.0}"),
            Notice::DeadLetter { sink, id, reason } => format!("sink={sink} row={id} reason={reason:?}"),
        }
    }

    fn offset(&self) -> u64 {
        match self {
            Notice::Gap { from: offset, .. } | Notice::LineCut { offset } => *offset,
            Notice::Vacuumed { .. }
            | Notice::StateLost { .. }
            | Notice::Dropped { .. }
            | Notice::SinkDown { .. }
            | Notice::SinkUp { .. }
            | Notice::DeadLetter { .. } => 0,
        }
    }

    /// The event. Reporting the same thing again gives the same id. `None` only if the catalogue has no such entry.
    pub fn event(&self, about: &About, catalog: &Catalog, now: Timestamp) -> Option<Event> {
        let entry = Arc::clone(catalog.get(self.entry())?);
        let redactor = Redactor::new(&[], &[]).unwrap_or_else(|_| Redactor::disabled());
        let mut identity = about.identity.clone();
        match self {
            Notice::Gap { .. } | Notice::Vacuumed { .. } | Notice::LineCut { .. } => {}
            Notice::StateLost { kept_as } => identity.extend_from_slice(kept_as.as_bytes()),
            // What two sinks lose at once are two things, and so are parts of what waited together that are told apart.
            Notice::Dropped { oldest, last_seq, .. } => {
                identity.extend_from_slice(format!("{} {last_seq} {oldest:?}", self.facts()).as_bytes());
            }
            Notice::SinkDown { sink, since, .. } | Notice::SinkUp { sink, since } => {
                identity.extend_from_slice(format!("{sink} {since}").as_bytes());
            }
            Notice::DeadLetter { sink, id, .. } => identity.extend_from_slice(format!("{sink} {id}").as_bytes()),
        }
        let mut origin = Arc::clone(&about.origin);
        if let Some(sink) = self.sink() {
            Arc::make_mut(&mut origin).labels.insert(SINK.to_owned(), sink.to_owned());
        }
        let (excerpt, redactions) = redactor.redact(&self.facts(), &[]);
        Some(Event {
            id: event_id(&identity, self.offset(), self.code(), 0),
            time: self.since(),
            observed: now,
            code: self.code().to_owned(),
            kind: Kind::Code,
            provider: Some(Provider::Custom(PROVIDER.into())),
            entry,
            confidence: Confidence::High,
            alternatives: Vec::new(),
            matched: redactor.redact(self.code(), &[]).0,
            encoding: Encoding::Utf8,
            origin,
            host: None,
            position: Position {
                line: about.line,
                offset: self.offset(),
                record_first_line: about.line,
                record_last_line: about.line,
            },
            ids: Default::default(),
            level: None,
            excerpt,
            redactions,
            lost: self.lost(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Lang;
    use crate::wire::{EVENT_JSON_SCHEMA, EventWriter};

    fn dropped(sink: &str, lost: Missed, why: Why, oldest: Option<Timestamp>) -> Notice {
        Notice::Dropped { sink: sink.to_owned(), why, lost, bytes: 7, oldest, last_seq: 9 }
    }

    const TWO: Missed = Missed { events: 2, messages: 0, at_most: false };

    #[test]
    fn reasons_are_read_as_they_are_written() {
        for why in Why::ALL {
            assert_eq!(Why::named(why.as_str()), why);
        }
    }

    #[test]
    fn every_notice_is_a_valid_event_in_both_languages() {
        let schema = serde_json::from_str(EVENT_JSON_SCHEMA).unwrap();
        let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let catalog = Catalog::builtin();
        let about = About::ourselves("/var/lib/paytriage".into(), Some("pay-1".into()));
        let now = Timestamp::UNIX_EPOCH;
        for (notice, facts) in [
            (Notice::Gap { reason: Reason::Truncated, from: 3, to: 10 }, "reason=truncated from=3 to=10 bytes=7"),
            (Notice::Vacuumed { after: Some(now), until: None }, "reason=vacuumed after=1970-01-01T00:00:00Z"),
            (Notice::LineCut { offset: 5 }, "from=5 searched=1048576"),
            (Notice::StateLost { kept_as: "p.db.bad-1".into() }, "kept_as=p.db.bad-1"),
            (
                dropped("oncall", TWO, Why::Expired, Some(now)),
                "sink=oncall events=2 bytes=7 oldest=1970-01-01T00:00:00Z reason=expired",
            ),
            (
                dropped("oncall", Missed { events: 0, messages: 2, at_most: false }, Why::Full, None),
                "sink=oncall messages=2 bytes=7 reason=full",
            ),
            (
                dropped("oncall", Missed { at_most: true, ..TWO }, Why::Removed, None),
                "sink=oncall up_to_events=2 up_to_bytes=7 reason=removed",
            ),
            (
                Notice::SinkDown { sink: "oncall".into(), since: now, reason: "HTTP 500".into() },
                "sink=oncall since=1970-01-01T00:00:00Z reason=\"HTTP 500\"",
            ),
            (Notice::SinkUp { sink: "oncall".into(), since: now }, "sink=oncall down_since=1970-01-01T00:00:00Z"),
            (
                Notice::DeadLetter { sink: "oncall".into(), id: "ab".into(), reason: "HTTP 400".into() },
                "sink=oncall row=ab reason=\"HTTP 400\"",
            ),
        ] {
            let event = notice.event(&about, &catalog, now).expect("it has an entry");
            assert_eq!(event.excerpt.as_str(), facts);
            let sink = event.origin.labels.get(SINK).map(|sink| format!("sink={sink} ")).unwrap_or_default();
            assert_eq!(facts.starts_with("sink="), !sink.is_empty(), "{facts}");
            assert!(facts.starts_with(&sink));
            let is_loss = matches!(notice, Notice::Dropped { .. });
            assert_eq!(event.lost.events + event.lost.messages, if is_loss { 2 } else { 0 });
            assert!(event.entry.codes.iter().any(|code| code.text == event.code), "{notice:?}");
            for lang in [Lang::En, Lang::Zh] {
                let mut json = Vec::new();
                EventWriter::new(&catalog, lang).write(&event, &mut json);
                let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
                assert!(schema.is_valid(&json), "{json}");
            }
        }
    }

    #[test]
    fn ids_name_the_thing_and_not_the_moment() {
        let catalog = Catalog::builtin();
        let about = About::ourselves("x".into(), None);
        let id = |notice: Notice, second| {
            let now = Timestamp::from_second(second).unwrap();
            notice.event(&about, &catalog, now).expect("it has an entry").id
        };
        let gap = |from| Notice::Gap { reason: Reason::Deleted, from, to: 10 };
        let lost = |name: &str| Notice::StateLost { kept_as: name.into() };
        assert_eq!(id(gap(3), 1), id(gap(3), 2));
        assert_ne!(id(gap(3), 1), id(gap(4), 1));
        assert_ne!(id(gap(3), 1), id(Notice::LineCut { offset: 3 }, 1));
        assert_ne!(id(lost("a"), 1), id(lost("b"), 1));
        let of = |sink: &str, lost| id(dropped(sink, lost, Why::Asked, None), 1);
        assert_ne!(of("a", TWO), of("b", TWO));
        assert_ne!(of("a", TWO), of("a", Missed { events: 1, ..TWO }));
    }
}
