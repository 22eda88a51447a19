//! `[incident]`: when an incident begins, how often it is spoken of, and when nobody wants to hear of it.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::super::kind;
use super::super::table::Table;
use super::super::{CatalogConfig, Incident, Matcher, Mute, Silence, Source, ThresholdRule};
use crate::catalog::{Severity, Threshold};

pub(in super::super) const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("error", Severity::Error),
    ("critical", Severity::Critical),
];
pub(in super::super) const DAYS: &[(&str, Weekday)] = &[
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A table of each sort, with what has no default.
pub(super) const ONE_OF_EACH: &str = "[[incident.threshold]]\ncount = 1\nwithin = \"1m\"\n\
    [[incident.silence]]\nuntil = 1970-01-01T00:00:00Z\n\
    [[incident.mute]]\nfrom = 00:00\nto = 01:00\n";

/// What the rest of the configuration has, for names to be checked against.
pub(super) struct Known<'a> {
    pub catalog: &'a CatalogConfig,
    pub sources: &'a [Source],
}

impl Known<'_> {
    fn sources(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }
}

pub(super) fn incident(table: &mut Table<'_>, known: &Known<'_>) -> Incident {
    let Incident { group_by, repeat, resolve_after, batch_wait, .. } = Incident::default();
    let help = "Labels whose values keep incidents apart, besides entry and source";
    let group_by = table.or("group_by", &kind::list(kind::label_name(known.sources)), group_by, help);
    let help = "Times between notices while an incident goes on; the last one is repeated";
    let repeat = table.or("repeat", &kind::some(kind::list(kind::duration()), "duration"), repeat, help);
    let help = "Without an event for so long, an incident is over";
    let resolve_after = table.or("resolve_after", &kind::duration(), resolve_after, help);
    let help = "What is due within this time after a message goes out together with the next one";
    let batch_wait = table.or("batch_wait", &kind::duration(), batch_wait, help);
    let thresholds = table.tables("threshold", |table| threshold(table, known)).into_iter().flatten().collect();
    let silences = table.tables("silence", |table| silence(table, known)).into_iter().flatten().collect();
    let mutes = table.tables("mute", |table| mute(table, known)).into_iter().flatten().collect();
    Incident { group_by, thresholds, repeat, resolve_after, batch_wait, silences, mutes }
}

fn threshold(table: &mut Table<'_>, known: &Known<'_>) -> Option<ThresholdRule> {
    let matcher = matcher(table, known);
    let count = table.required("count", &kind::count(), "So many events of one group are an incident");
    let within = table.required(
        "within",
        &kind::duration(),
        "If they were written within this time, by the times of their lines",
    );
    Some(ThresholdRule { matcher, threshold: Threshold { count: count?, within: within? } })
}

fn silence(table: &mut Table<'_>, known: &Known<'_>) -> Option<Silence> {
    let matcher = matcher(table, known);
    let until = table.required("until", &kind::moment(), "What is still open then is told then");
    let comment = table.or("comment", &kind::text(), String::new(), "Why, for those who read this later");
    Some(Silence { matcher, until: until?, comment })
}

fn mute(table: &mut Table<'_>, known: &Known<'_>) -> Option<Mute> {
    let matcher = matcher(table, known);
    let days = table.optional("days", &kind::list(kind::word(DAYS)), "every day", "Days on which it begins");
    let from = table.required("from", &kind::time_of_day(), "When it begins");
    let to = table.required("to", &kind::time_of_day(), "When it ends; where that is not later, on the next day");
    let timezone = table.optional("timezone", &kind::timezone(), "\"local\"", "Zone of these times");
    let timezone = timezone.unwrap_or_else(TimeZone::system);
    Some(Mute { matcher, days: days.unwrap_or_default(), from: from?, to: to?, timezone })
}

fn matcher(table: &mut Table<'_>, known: &Known<'_>) -> Matcher {
    let Matcher { codes, providers, sources, labels, max_severity } = Matcher::default();
    let help = "Codes or entry ids; `*` at the end stands for anything";
    Matcher {
        codes: table.or("codes", &kind::list(kind::code_pattern()), codes, help),
        providers: table.or(
            "providers",
            &kind::list(kind::provider_name(&known.catalog.extra)),
            providers,
            "Providers",
        ),
        sources: table.or("sources", &kind::list(kind::source_name(known.sources())), sources, "Names of sources"),
        labels: table.or("labels", &kind::labels(), labels, "Labels that the source has"),
        max_severity: table.or("max_severity", &kind::word(SEVERITIES), max_severity, "Only what is no worse"),
    }
}
