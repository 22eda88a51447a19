//! Each rule by its name.

use std::time::Duration;

use jiff::civil::time;
use jiff::tz::TimeZone;

use super::*;
use crate::catalog::{Actor, Severity, Threshold};
use crate::config::{Matcher, Mute, ThresholdRule};

use Reason::*;
use Status::*;

#[test]
fn the_first_event_of_what_somebody_has_to_repair_is_told_at_once() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("refused"), "shop", "A"));
    assert_eq!(driver.story(), [(0, Opened, Reason::Threshold, 1)]);
    let notice = driver.notices()[0];
    assert_eq!((notice.count, notice.rate_per_minute, notice.orders.distinct), (1, 1.0, 1));
}

#[test]
fn below_its_threshold_nothing_is_said_and_it_is_forgotten() {
    let mut driver = Driver::new();
    // Four within every minute.
    for minute in 0..30 {
        for i in 0..4 {
            driver.run_until(minute * MINUTE + i * 15 * SECOND);
            driver.observe(event(&busy("busy"), "shop", "A"));
        }
    }
    driver.run_until(HOUR);
    assert_eq!(driver.story(), []);
    assert_eq!(driver.incidents.unsaid(), 120);
    assert_eq!(driver.rows.keys().filter(|name| *name != "rest").count(), 0);
}

#[test]
fn the_events_that_lead_to_an_incident_are_counted_and_older_ones_are_not() {
    let mut driver = Driver::new();
    driver.observe(event(&busy("busy"), "shop", "old"));
    driver.run_until(MINUTE);
    for i in 0..5 {
        driver.run_until(MINUTE + i * SECOND);
        driver.observe(event(&busy("busy"), "shop", &format!("{i}")));
    }
    assert_eq!(driver.story(), [(MINUTE + 4 * SECOND, Opened, Reason::Threshold, 5)]);
    let notice = driver.notices()[0];
    assert_eq!((notice.orders.distinct, notice.samples.len(), driver.incidents.unsaid()), (5, 3, 1));
    assert_eq!(notice.first_seen, "2026-03-01T08:01:00Z");
}

/// Two hours of logs, read in one moment.
fn backlog(driver: &mut Driver, written_ms: impl IntoIterator<Item = i64>) {
    driver.run_until(2 * HOUR);
    written_ms.into_iter().for_each(|ms| driver.observe(written(ms, &event(&busy("busy"), "shop", "A"))));
}

#[test]
fn what_was_written_hours_apart_is_no_incident_however_soon_it_is_read() {
    let mut driver = Driver::new();
    backlog(&mut driver, (0..100).map(|n| n * 20 * MINUTE - 34 * HOUR));
    driver.run_until(3 * HOUR);
    assert_eq!((driver.story(), driver.incidents.unsaid()), (Vec::new(), 100));
}

#[test]
fn what_was_written_within_a_minute_is_one_however_old_it_is() {
    let mut driver = Driver::new();
    let burst = (0..5).map(|n| HOUR + n * 14 * SECOND);
    backlog(&mut driver, [0, 20 * MINUTE, 40 * MINUTE].into_iter().chain(burst));
    assert_eq!(driver.story(), [(2 * HOUR, Opened, Reason::Threshold, 5)]);
    let notice = driver.notices()[0];
    assert_eq!((&*notice.first_seen, &*notice.last_seen), ("2026-03-01T09:00:00Z", "2026-03-01T09:00:56Z"));
    assert!(!notice.samples.is_empty() && notice.samples.iter().all(|sample| sample.time >= notice.first_seen));
    assert_eq!(driver.incidents.unsaid(), 3);
}

#[test]
fn what_was_written_together_is_found_also_where_it_is_not_read_together() {
    // Two files, one after the other, and a third between their lines.
    let mut driver = Driver::new();
    let of = |first: i64, n: i64| (0..n).map(move |n| first + n * 10 * SECOND);
    let others = (0..).map(|n| n * 5 * MINUTE);
    let burst = of(90 * MINUTE, 3).chain(of(90 * MINUTE + 5 * SECOND, 2));
    backlog(&mut driver, burst.zip(others).flat_map(|(burst, other)| [burst, other]));
    assert_eq!(driver.story(), [(2 * HOUR, Opened, Reason::Threshold, 5)]);
}

#[test]
fn what_was_written_after_its_first_line_is_of_it_also_where_it_is_read_before_it_opens() {
    let mut driver = Driver::new();
    let burst = (0..5).map(|n| HOUR + n * 10 * SECOND);
    let (before, after) = ([30 * MINUTE], [HOUR + 10 * MINUTE, HOUR + 20 * MINUTE]);
    backlog(&mut driver, before.into_iter().chain(after).chain(burst));
    assert_eq!(driver.story(), [(2 * HOUR, Opened, Reason::Threshold, 7)]);
    assert_eq!((&*driver.notices()[0].last_seen, driver.incidents.unsaid()), ("2026-03-01T09:20:00Z", 1));
}

#[test]
fn a_line_whose_time_is_yet_to_come_counts_when_it_is_read() {
    let mut driver = Driver::new();
    backlog(&mut driver, (3..8).map(|n| n * HOUR));
    assert_eq!(driver.story(), [(2 * HOUR, Opened, Reason::Threshold, 5)]);
}

#[test]
fn the_general_rules_go_by_the_kind_of_trouble() {
    let with = |change: fn(&mut Entry)| {
        let mut entry = Arc::unwrap_or_clone(entry("x"));
        change(&mut entry);
        entry
    };
    let cases = [
        (with(|_| {}), 1),
        (with(|e| e.advice = Advice::RetryLater), 5),
        (with(|e| e.act = Actor::Payer), 10),
        (with(|e| e.act = Actor::Issuer), 10),
        (with(|e| e.severity = Severity::Info), 20),
        (with(|e| e.threshold = Some(Threshold { count: 3, within: Duration::from_secs(60) })), 3),
    ];
    for (entry, count) in cases {
        let entry = Arc::new(entry);
        let mut driver = Driver::new();
        for _ in 1..count {
            driver.observe(event(&entry, "shop", "A"));
        }
        assert_eq!(driver.story(), [], "{count}");
        driver.observe(event(&entry, "shop", "A"));
        assert_eq!(driver.reasons(), [(Opened, Reason::Threshold)], "{count}");
    }
}

#[test]
fn the_first_rule_of_the_configuration_that_matches_decides() {
    let rule = |source: &str, count| ThresholdRule {
        matcher: Matcher { sources: vec![source.into()], ..Matcher::default() },
        threshold: Threshold { count, within: Duration::from_secs(60) },
    };
    let mut settings = settings();
    settings.config.thresholds = vec![rule("kiosk", 3), rule("shop", 2), rule("shop", 9)];
    let mut driver = Driver::with(settings);
    driver.observe(event(&entry("x"), "shop", "A"));
    assert_eq!(driver.story(), []);
    driver.observe(event(&entry("x"), "shop", "A"));
    assert_eq!(driver.story().len(), 1);
}

#[test]
fn while_it_goes_on_it_is_told_at_growing_intervals() {
    let mut driver = Driver::new();
    driver.observe_until(10 * HOUR, 10 * 60, &event(&entry("x"), "shop", "A"));
    let minutes: Vec<i64> = driver.story().iter().map(|(at, ..)| at / MINUTE).collect();
    // Each waits half a minute for company.
    assert_eq!(minutes, [0, 5, 21, 51, 112, 232, 473]);
    assert!(driver.reasons()[1..].iter().all(|reason| *reason == (Ongoing, Interval)));
}

#[test]
fn an_interval_without_anything_new_says_nothing() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.run_until(8 * MINUTE);
    assert_eq!(driver.story().len(), 1);
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.run_until(9 * MINUTE);
    assert_eq!(driver.story()[1..], [(8 * MINUTE, Ongoing, Interval, 1)]);
}

#[test]
fn ten_times_the_rate_is_told_at_once_but_not_within_five_minutes() {
    let mut driver = Driver::new();
    let event = event(&entry("x"), "shop", "A");
    driver.observe_until(30 * MINUTE, 30, &event);
    assert_eq!(driver.reasons().last(), Some(&(Ongoing, Interval)));
    let before = driver.said.len();
    driver.observe_until(31 * MINUTE, 100, &event);
    assert_eq!(driver.reasons()[before..], [(Ongoing, Worse)]);
    let worse_ms = driver.said[before].at_ms;
    assert!((30 * MINUTE..30 * MINUTE + 6 * SECOND).contains(&worse_ms), "{worse_ms}");
    // A hundred times worse again, two minutes later.
    driver.observe_until(33 * MINUTE, 2, &event);
    driver.observe_until(34 * MINUTE, 10_000, &event);
    assert_eq!(driver.said.len(), before + 1);
    driver.observe_until(36 * MINUTE, 20_000, &event);
    assert_eq!(driver.reasons()[before..], [(Ongoing, Worse), (Ongoing, Worse)]);
    assert!(driver.said.last().unwrap().at_ms >= worse_ms + 5 * MINUTE);
}

#[test]
fn quiet_resolves_it() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.run_until(HOUR);
    assert_eq!(driver.story(), [(0, Opened, Reason::Threshold, 1), (10 * MINUTE + 30 * SECOND, Resolved, Quiet, 0)]);
    let [opened, resolved] = driver.notices()[..] else { panic!() };
    assert_eq!(opened.incident, resolved.incident);
    assert_ne!(opened.id, resolved.id);
    assert_eq!(resolved.samples, opened.samples, "what happened is still shown");
    assert!(opened.resolved_at.is_none() && resolved.resolved_at.is_some());
}

#[test]
fn what_comes_and_goes_is_told_less_and_less() {
    let mut driver = Driver::new();
    let event = event(&entry("x"), "shop", "A");
    // An event every 25 minutes, for a day.
    driver.observe_until(24 * HOUR, 24 * 60 / 25, &event);
    let story = driver.story();
    let first: Vec<_> = story.iter().take(5).map(|(at, status, ..)| (at / MINUTE, *status)).collect();
    // Resolved after 10 minutes, then after 20, then 40 are asked for.
    assert_eq!(first, [(0, Opened), (10, Resolved), (25, Opened), (45, Resolved), (50, Opened)]);
    let incidents: Vec<&str> = driver.notices().iter().map(|notice| notice.incident.as_str()).collect();
    assert!(incidents.iter().all(|incident| *incident == incidents[0]));
    let flapping: Vec<bool> = driver.notices().iter().map(|notice| notice.flapping).collect();
    assert_eq!(flapping[..4], [false, false, true, true]);
    assert!(story.len() < 16, "{}", story.len());
}

#[test]
fn two_hours_after_it_was_resolved_it_is_another_incident() {
    let mut driver = Driver::new();
    let event = event(&entry("x"), "shop", "A");
    driver.observe(event.clone());
    driver.run_until(2 * HOUR + 11 * MINUTE);
    driver.observe(event);
    let [first, _, second] = driver.notices()[..] else { panic!("{:?}", driver.story()) };
    assert_ne!(first.incident, second.incident);
    assert!(!second.flapping);
}

#[test]
fn what_is_due_soon_after_a_message_goes_out_together() {
    let mut driver = Driver::new();
    for i in 0..5 {
        driver.run_until(i * SECOND);
        driver.observe(event(&entry(&format!("x{i}")), "shop", "A"));
    }
    driver.run_until(MINUTE);
    assert_eq!(driver.said.iter().map(|told| told.at_ms).collect::<Vec<_>>(), [0, 30 * SECOND]);
    let digest = driver.said[1].digest.as_ref().unwrap();
    assert_eq!((digest.opened, digest.more, digest.count, digest.incidents.len()), (4, 0, 4, 4));
}

#[test]
fn a_digest_has_all_that_is_due_and_begins_with_the_worst() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("first"), "shop", "A"));
    for i in 0..30 {
        let mut entry = Arc::unwrap_or_clone(entry(&format!("x{i:02}")));
        entry.severity = if i == 29 { Severity::Critical } else { Severity::Warning };
        let event = event(&Arc::new(entry), "shop", "A");
        (0..=i).for_each(|_| driver.observe(event.clone()));
    }
    driver.run_until(MINUTE);
    let digest = driver.said[1].digest.as_ref().unwrap();
    let listed: Vec<&str> = digest.incidents.iter().map(|notice| notice.entry.as_str()).take(3).collect();
    assert_eq!(listed, ["x29", "x28", "x27"]);
    assert_eq!((digest.incidents.len(), digest.more, digest.opened, digest.count), (30, 0, 30, 30 * 31 / 2));
}

#[test]
fn incidents_that_share_orders_name_each_other() {
    let mut driver = Driver::new();
    for order in ["A", "B", "C"] {
        driver.observe(event(&entry("x"), "shop", order));
    }
    for order in ["B", "C", "D"] {
        driver.observe(event(&entry("y"), "shop", order));
    }
    driver.run_until(MINUTE);
    let related = &driver.notices()[1].related;
    assert_eq!((related.len(), related[0].entry.as_str(), related[0].shared_orders), (1, "x", 2));
    assert_eq!(related[0].incident, driver.notices()[0].incident);
}

#[test]
fn sources_and_chosen_labels_keep_incidents_apart() {
    let mut settings = settings();
    settings.config.group_by = vec!["env".into()];
    let mut driver = Driver::with(settings);
    let mut test = event(&entry("x"), "shop", "A");
    Arc::make_mut(&mut test.origin).labels.insert("env".into(), "test".into());
    for event in [event(&entry("x"), "shop", "A"), event(&entry("x"), "kiosk", "A"), test] {
        driver.observe(event);
    }
    assert_eq!(driver.incidents.open().count(), 3);
}

pub(super) fn silence(end_ms: i64) -> Silence {
    Silence { matcher: Matcher::default(), until: wall(end_ms), comment: String::new() }
}

#[test]
fn what_opens_in_a_silence_is_told_when_it_ends() {
    let mut driver = Driver::new();
    driver.silences = vec![silence(HOUR)];
    driver.observe_until(61 * MINUTE, 61, &event(&entry("x"), "shop", "A"));
    assert_eq!(driver.story(), [(HOUR, Opened, SilenceEnded, 60)]);
}

#[test]
fn what_ends_in_a_silence_is_never_mentioned() {
    let mut driver = Driver::new();
    driver.silences = vec![silence(HOUR)];
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.run_until(24 * HOUR);
    assert_eq!((driver.story(), driver.incidents.unsaid()), (Vec::new(), 1));
}

#[test]
fn whoever_heard_that_it_opened_hears_after_the_silence_how_it_is() {
    for (last_event, expected) in [(61, (Ongoing, SilenceEnded)), (20, (Resolved, Quiet))] {
        let mut driver = Driver::new();
        driver.observe(event(&entry("x"), "shop", "A"));
        driver.silences = vec![silence(HOUR)];
        driver.observe_until(last_event * MINUTE, last_event, &event(&entry("x"), "shop", "A"));
        driver.run_until(62 * MINUTE);
        assert_eq!(driver.reasons(), [(Opened, Reason::Threshold), expected]);
        assert!(driver.said[1].at_ms >= HOUR && driver.said[1].at_ms <= HOUR + 10 * SECOND);
    }
}

#[test]
fn a_silence_that_is_lifted_ends_within_seconds() {
    let mut driver = Driver::new();
    driver.silences = vec![silence(24 * HOUR)];
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.run_until(95 * SECOND);
    driver.silences.clear();
    driver.run_until(2 * MINUTE);
    assert_eq!(driver.story(), [(100 * SECOND, Opened, SilenceEnded, 1)]);
}

#[test]
fn silences_of_the_configuration_and_mutes_hush_only_what_they_mean() {
    let only = |source: &str| Matcher { sources: vec![source.into()], ..Matcher::default() };
    let mut settings = settings();
    settings.config.silences = vec![Silence { matcher: only("shop"), ..silence(HOUR) }];
    settings.config.mutes = vec![Mute {
        matcher: only("kiosk"),
        days: Vec::new(),
        from: time(7, 0, 0, 0),
        to: time(8, 5, 0, 0),
        timezone: TimeZone::UTC,
    }];
    let mut driver = Driver::with(settings);
    for source in ["shop", "kiosk", "app"] {
        driver.observe(event(&entry("x"), source, "A"));
    }
    driver.run_until(6 * MINUTE);
    let sources: Vec<_> =
        driver.notices().iter().map(|notice| (notice.sources[0].name.as_str(), notice.reason)).collect();
    assert_eq!(sources, [("app", Reason::Threshold), ("kiosk", SilenceEnded)]);
    assert_eq!(driver.said[1].at_ms, 5 * MINUTE);
}

/// Receivers know an alert by these.
#[test]
fn a_reload_changes_neither_severity_nor_labels_of_an_incident_that_goes_on() {
    let mut driver = Driver::new();
    let mut severe = Entry::clone(CATALOG.get("alipay.gateway.invalid-signature").unwrap());
    let other = if severe.severity == Severity::Critical { Severity::Error } else { Severity::Critical };
    severe.severity = other;
    let mut labelled = event(&Arc::new(severe), "shop", "A");
    Arc::make_mut(&mut labelled.origin).labels = [("env".to_owned(), "test".to_owned())].into();
    driver.observe(labelled.clone());
    driver.incidents.set(settings());
    Arc::make_mut(&mut labelled.origin).labels = [("env".to_owned(), "prod".to_owned())].into();
    driver.observe_until(10 * MINUTE, 100, &labelled);
    driver.run_until(HOUR);
    let told: Vec<_> =
        driver.notices().iter().map(|it| (it.severity.clone(), it.sources[0].labels["env"].clone())).collect();
    assert!(told.len() > 2 && told.iter().all(|told| *told == (other.to_string(), "test".to_owned())), "{told:?}");
    // When it opens the next time, it is as things are then.
    driver.run_until(4 * HOUR);
    driver.observe(labelled);
    let last = *driver.notices().last().unwrap();
    assert_eq!((last.status, last.sources[0].labels["env"].as_str()), (Opened, "prod"));
}

#[test]
fn other_settings_hold_from_the_next_decision_on() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("system-busy"), "shop", "A"));
    let mut changed = settings();
    changed.lang = Lang::Zh;
    changed.config.resolve_after = Duration::from_secs(60);
    driver.incidents.set(changed);
    driver.run_until(2 * MINUTE);
    assert_eq!(driver.story()[1], (90 * SECOND, Resolved, Quiet, 0));
    let title = CATALOG.get("system-busy").unwrap().title.zh.as_str();
    assert_eq!(driver.notices()[1].title, title);
}

#[test]
fn an_entry_that_is_gone_is_described_in_general_terms() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("no-such-entry"), "shop", "A"));
    driver.restart();
    driver.run_until(HOUR);
    let [_, resolved] = driver.notices()[..] else { panic!() };
    assert_eq!((resolved.status, resolved.entry.as_str()), (Resolved, "no-such-entry"));
    assert_eq!(resolved.title, CATALOG.fallback().title.en);
}

#[test]
fn rows_that_cannot_be_read_are_left_out_and_counted() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.observe(event(&entry("y"), "shop", "A"));
    driver.store();
    let mut rows: Vec<_> = driver.rows.clone().into_iter().collect();
    assert_eq!(rows.len(), 3);
    rows[0].1.truncate(20);
    rows.push(("rest".into(), b"\xff".to_vec()));
    rows.push(("other".into(), b"{}".to_vec()));
    let (mut incidents, n_unread) = Incidents::restore(settings(), rows.clone());
    assert_eq!((incidents.open().count(), n_unread), (1, 3));
    let gone = [&rows[0].0, "rest", "other"].map(|name| (name.to_owned(), None));
    assert_eq!(incidents.take_changes(), gone, "nothing of them is left to be read again");
}

#[test]
fn changes_are_given_once_and_only_of_what_changed() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("x"), "shop", "A"));
    driver.observe(event(&entry("y"), "shop", "A"));
    driver.store();
    assert_eq!(driver.incidents.take_changes(), []);
    driver.incidents.observe(&event(&entry("y"), "shop", "A"), driver.clock());
    let changes = driver.incidents.take_changes();
    assert_eq!(changes.len(), 1);
    assert!(driver.rows.contains_key(&changes[0].0) && changes[0].0.len() == 32);
}

#[test]
fn an_incident_goes_on_where_other_labels_keep_groups_apart() {
    let with = |group_by: &[&str]| {
        let mut settings = settings();
        settings.config.group_by = group_by.iter().map(|label| label.to_string()).collect();
        settings
    };
    for (before, after) in
        [(with(&[]), with(&["env"])), (with(&["env"]), with(&["env", "zone"])), (with(&["env"]), with(&[]))]
    {
        for restarts in [false, true] {
            let mut event = event(&entry("a"), "shop", "A");
            Arc::make_mut(&mut event.origin).labels = [("env".to_owned(), "prod".to_owned())].into();
            let mut driver = Driver::with(before.clone());
            driver.observe_until(MINUTE, 10, &event);
            driver.settings = after.clone();
            if restarts {
                driver.restart();
            } else {
                driver.incidents.set(after.clone());
            }
            assert_eq!(driver.incidents.open().count(), 1);
            driver.observe_until(2 * MINUTE, 10, &event);
            assert_eq!(driver.incidents.open().map(|known| known.count).collect::<Vec<_>>(), [20]);
            let mut other = event.clone();
            Arc::make_mut(&mut other.origin).labels.insert("env".into(), "test".into());
            driver.observe(other);
            let n_groups = if after.config.group_by.is_empty() { 1 } else { 2 };
            assert_eq!(driver.incidents.open().count(), n_groups);
            driver.run_until(5 * HOUR);
            let ends = driver.notices().iter().filter(|notice| notice.status == Resolved).count();
            assert_eq!(ends, n_groups);
            assert!(driver.rows.len() <= 1, "{:?}", driver.rows.keys());
        }
    }
}

#[test]
fn what_is_not_read_is_not_taken_for_quiet() {
    let mut driver = Driver::new();
    let event = event(&entry("a"), "shop", "1");
    driver.observe(event.clone());
    driver.observe(own::down("oncall"));
    driver.run_until(MINUTE);
    // Nothing is read for an hour: nobody knows how it goes on. Of what does not depend on reading that is said.
    driver.incidents.see(Sight::None);
    driver.observe(event.clone());
    driver.run_until(HOUR);
    let told = |driver: &Driver, code: &str| driver.notices().iter().filter(|it| it.code == code).count();
    assert_eq!((told(&driver, &event.code), told(&driver, "PT.SINK_DOWN")), (1, 4));
    // It is read again, but not to the end. That it goes on is known.
    driver.incidents.see(Sight::Part);
    driver.run_until(HOUR + MINUTE);
    assert_eq!(driver.reasons().last(), Some(&(Ongoing, Interval)));
    driver.run_until(2 * HOUR);
    assert!(!driver.reasons().contains(&(Resolved, Quiet)));
    driver.observe(event.clone());
    driver.incidents.see(Sight::Whole);
    driver.run_until(2 * HOUR + 10 * MINUTE - 1);
    assert!(!driver.reasons().contains(&(Resolved, Quiet)));
    driver.run_until(2 * HOUR + 11 * MINUTE);
    assert_eq!(driver.reasons().iter().filter(|it| **it == (Resolved, Quiet)).count(), 1);
}

#[test]
fn what_was_read_to_its_end_and_had_nothing_was_quiet() {
    let mut driver = Driver::new();
    driver.observe(event(&entry("a"), "shop", "1"));
    driver.incidents.see(Sight::None);
    driver.run_until(HOUR);
    driver.incidents.see(Sight::Whole);
    driver.run_until(HOUR);
    assert_eq!(driver.reasons(), [(Opened, Threshold), (Resolved, Quiet)]);
}
