//! Rules about incidents: every kind of problem with its place, and any of them for the way back to TOML.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use proptest::prelude::*;

use super::*;
use crate::catalog::{Severity, Threshold};

#[test]
fn each_problem_of_an_incident_rule_is_told_with_its_place_and_remedy() {
    let rule =
        |table: &str, lines: &str| format!("{}[[incident.{table}]]\n{lines}\n", source("labels = { env = \"x\" }"));
    let in_threshold: &[(&str, &str)] = &[
        ("count = 0", "5:9: incident.threshold[0].count: 0 is not a number from 1 to 1000"),
        ("count = \"5\"", "5:9: incident.threshold[0].count: expected a number from 1 to 1000, found a string"),
        (
            "count = 5\ncodes = [\"A B\"]",
            "6:10: incident.threshold[0].codes[0]: \"A B\" is not a code or an entry id; \
             use letters, digits, \".\", \"_\" and \"-\"; \"*\" may stand at the end",
        ),
        ("count = 5\ncodes = [\"\"]", "6:10: incident.threshold[0].codes[0]: the code is empty; \"*\" stands for all"),
        (
            "count = 5\nproviders = [\"alipy\"]",
            "6:14: incident.threshold[0].providers[0]: unknown provider \"alipy\"; did you mean \"alipay\"?",
        ),
        (
            "count = 5\nsources = [\"ap\"]",
            "6:12: incident.threshold[0].sources[0]: no source is called \"ap\"; did you mean \"app\"?",
        ),
        (
            "count = 5\nmax_severity = \"eror\"",
            "6:16: incident.threshold[0].max_severity: \"eror\" is not \"info\", \"warning\", \"error\" or \"critical\"; \
             did you mean \"error\"?",
        ),
        ("count = 5\ncodez = []", "6:1: incident.threshold[0].codez: unknown key; did you mean \"codes\"?"),
        ("", "4:1: incident.threshold[0].count: missing; it has no default"),
    ];
    for (lines, expected) in in_threshold {
        assert_eq!(problems(&rule("threshold", &format!("{lines}\nwithin = \"1m\""))), [*expected], "{lines}");
    }
    let elsewhere: &[(&str, &str, &str)] = &[
        (
            "silence",
            "until = \"tomorrow\"",
            "5:9: incident.silence[0].until: \"tomorrow\" is not a time such as 2026-12-01T08:00:00+08:00",
        ),
        (
            "silence",
            "until = 2026-12-01T08:00:00",
            "5:9: incident.silence[0].until: \"2026-12-01T08:00:00\" is not a time such as 2026-12-01T08:00:00+08:00; \
             add the offset from UTC, or Z",
        ),
        ("silence", "", "4:1: incident.silence[0].until: missing; it has no default"),
        (
            "mute",
            "from = \"22h\"\nto = \"07:00\"",
            "5:8: incident.mute[0].from: \"22h\" is not a time of day such as \"22:00\"",
        ),
        ("mute", "from = \"22:00\"\nto = \"24:00\"", "6:6: incident.mute[0].to: a day ends at \"00:00\" of the next"),
        (
            "mute",
            "from = \"22:00\"\nto = 5",
            "6:6: incident.mute[0].to: expected a time of day such as \"22:00\", found an integer",
        ),
        (
            "mute",
            "from = 22:00:00\nto = \"07:00\"\ndays = [\"munday\", \"mo\"]",
            "7:9: incident.mute[0].days[0]: \"munday\" is not \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\" or \"sun\"",
        ),
    ];
    for (table, lines, expected) in elsewhere {
        assert_eq!(problems(&rule(table, lines))[0], *expected, "{lines}");
    }
    let top: &[(&str, &str)] = &[
        ("window = \"5m\"", "5:1: incident.window: unknown key"),
        ("count = 5", "5:1: incident.count: unknown key; it belongs to a [[incident.threshold]]"),
        ("repeat = []", "5:10: incident.repeat: the list is empty; give at least one duration"),
        ("group_by = [\"evn\"]", "5:13: incident.group_by[0]: no source has a label \"evn\"; did you mean \"env\"?"),
    ];
    for (lines, expected) in top {
        let text = format!("{}[incident]\n{lines}", source("labels = { envs = \"x\", env = \"y\" }"));
        assert_eq!(problems(&text), [*expected], "{lines}");
    }
}

#[test]
fn rules_about_incidents_are_taken_as_written() {
    let config = valid(
        "[[incident.silence]]\nuntil = 2026-12-01T08:00:00+08:00\n[[incident.mute]]\nfrom = 22:00:00\nto = \"07:00\"\n\
         days = [\"sat\"]\ntimezone = \"UTC\"\nproviders = [\"paytriage\"]\nmax_severity = \"warning\"\n",
    );
    let Incident { silences, mutes, .. } = config.incident;
    assert_eq!(silences[0].until.to_string(), "2026-12-01T00:00:00Z");
    let matcher =
        Matcher { providers: vec!["paytriage".into()], max_severity: Severity::Warning, ..Matcher::default() };
    let (from, to) = (Time::constant(22, 0, 0, 0), Time::constant(7, 0, 0, 0));
    assert_eq!(mutes, [Mute { matcher, days: vec![Weekday::Saturday], from, to, timezone: TimeZone::UTC }]);
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let codes = prop::sample::subsequence(vec!["*", "SYSTEM_BUSY", "alipay.*"], 0..3);
    let providers = prop::sample::subsequence(vec!["alipay", "issuer", "paytriage"], 0..3);
    let sources = prop::sample::subsequence(vec!["paytriage"], 0..2);
    let labels = proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    let severity = prop::sample::select(parse::SEVERITIES);
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
    (codes, providers, sources, labels, severity).prop_map(move |(codes, providers, sources, labels, severity)| {
        Matcher {
            codes: owned(codes),
            providers: owned(providers),
            sources: owned(sources),
            labels,
            max_severity: severity.1,
        }
    })
}

pub(super) fn any_incident() -> impl Strategy<Value = Incident> {
    let duration = || (1..u64::from(u32::MAX)).prop_map(Duration::from_millis);
    let threshold = (any_matcher(), 1..1000u32, duration())
        .prop_map(|(matcher, count, within)| ThresholdRule { matcher, threshold: Threshold { count, within } });
    let silence = (any_matcher(), 0..4_000_000_000i64, any::<String>()).prop_map(|(matcher, until, comment)| Silence {
        matcher,
        until: Timestamp::from_second(until).expect("in range"),
        comment,
    });
    let time = || (0..24i8, 0..60i8).prop_map(|(hour, minute)| Time::constant(hour, minute, 0, 0));
    let days = prop::sample::subsequence(vec![Weekday::Monday, Weekday::Wednesday, Weekday::Sunday], 0..3);
    let zone = prop::sample::select(vec![TimeZone::UTC, TimeZone::system()]);
    let mute = (any_matcher(), days, time(), time(), zone).prop_map(|(matcher, days, from, to, timezone)| Mute {
        matcher,
        days,
        from,
        to,
        timezone,
    });
    let repeat = proptest::collection::vec(duration(), 1..4);
    let rules = (
        proptest::collection::vec(threshold, 0..3),
        proptest::collection::vec(silence, 0..3),
        proptest::collection::vec(mute, 0..3),
    );
    (repeat, duration(), duration(), rules).prop_map(
        |(repeat, resolve_after, batch_wait, (thresholds, silences, mutes))| Incident {
            group_by: Vec::new(),
            thresholds,
            repeat,
            resolve_after,
            batch_wait,
            silences,
            mutes,
        },
    )
}
