//! An outage: many failures of many kinds at once, then silence.

use super::*;
use crate::catalog::Severity;

#[test]
fn a_hundred_thousand_failures_make_few_messages_and_every_one_is_counted() {
    let entries: Vec<Arc<Entry>> =
        (0..12).map(|i| if i % 3 == 0 { busy(&format!("busy-{i}")) } else { entry(&format!("refused-{i}")) }).collect();
    let sources = ["shop", "kiosk", "app"];
    let kinds: Vec<Event> = entries.iter().flat_map(|entry| sources.map(|source| event(entry, source, ""))).collect();
    let mut driver = Driver::new();
    let n = 100_000;
    for i in 0..n {
        driver.run_until(i * MINUTE / n);
        // Every kind comes with every order sooner or later: 36 and 40,000 have no common divisor but 4.
        let mut event = kinds[i as usize % kinds.len()].clone();
        event.ids.out_trade_no = Some(format!("SO{}", i * 7 % 40_000));
        driver.observe(event);
    }
    driver.run_until(6 * HOUR);

    assert!(driver.said.len() <= 5, "{:?}", driver.said.iter().map(|told| told.at_ms).collect::<Vec<_>>());
    assert!(driver.said[0].at_ms <= SECOND && driver.notices()[0].status == Status::Opened);
    let opened: u64 = driver.said.iter().map(|told| of(told, Status::Opened)).sum();
    let resolved: u64 = driver.said.iter().map(|told| of(told, Status::Resolved)).sum();
    assert_eq!((opened, resolved), (36, 36));
    let last = driver.said.last().and_then(|told| told.digest.as_ref()).expect("all are over together");
    assert_eq!((last.incidents.len(), last.resolved, last.more, last.count), (36, 36, 0, n as u64));
    assert!(last.incidents.iter().all(|notice| notice.status == Status::Resolved));
    for notice in &last.incidents {
        assert!(notice.count.abs_diff(n as u64 / 36) <= 1, "{}", notice.count);
        assert!(!notice.orders.exact && notice.orders.distinct.abs_diff(2777) < 84, "{:?}", notice.orders);
    }
    assert!(driver.rows.len() <= 1, "nothing stays of it: {:?}", driver.rows.keys());
}

fn of(told: &Told, status: Status) -> u64 {
    match &told.digest {
        None => told.notices.iter().filter(|notice| notice.status == status).count() as u64,
        Some(digest) => match status {
            Status::Opened => digest.opened,
            Status::Ongoing => digest.ongoing,
            Status::Resolved => digest.resolved,
        },
    }
}

#[test]
fn a_flood_of_kinds_stays_bounded_and_the_least_important_make_room() {
    let mut driver = Driver::new();
    driver.observe(event(&of_severity("worst", Severity::Critical), "shop", "A"));
    for i in 0..3000 {
        driver.observe(event(&entry(&format!("kind-{i}")), "shop", "A"));
    }
    driver.run_until(MINUTE);
    let known: Vec<Known> = driver.incidents.open().collect();
    assert_eq!(known.len(), 1000);
    assert!(known.iter().any(|known| known.entry == "worst"), "it is more important than what came later");
    let digests: Vec<&Digest> = driver.said[1..].iter().map(|told| told.digest.as_ref().unwrap()).collect();
    let sum = |of: fn(&Digest) -> u64| digests.iter().map(|digest| of(digest)).sum::<u64>();
    assert!(!driver.notices().iter().any(|notice| notice.is_unfollowed()), "nobody has heard of them");
    let unheard = digests.iter().flat_map(|digest| &digest.unheard);
    assert!(unheard.clone().all(|it| it.severity == "error" && it.source == "shop" && it.count == 1));
    assert_eq!(unheard.count(), 20);
    assert_eq!((sum(|it| it.opened), sum(|it| it.resolved), sum(|it| it.unfollowed)), (999, 0, 2001), "none is over");
    assert_eq!((sum(|it| it.more), sum(|it| it.count)), (2001, 3000));
    assert!(digests.len() <= 20, "{} digests", digests.len());
    assert!(driver.rows.len() <= 1001 + 2001);
    driver.run_until(5 * HOUR);
    assert!(driver.rows.len() <= 1, "nothing stays of it");
}

/// 1,100 kinds with four events each, in rounds; the first 1,000 of them may have been told of before the others come.
fn too_many(after_a_message: bool, restarts: bool) -> Driver {
    let kinds: Vec<Event> = (0..1100).map(|i| event(&entry(&format!("kind-{i}")), "shop", "A")).collect();
    let mut driver = Driver::new();
    for round in 0..4 {
        for kind in &kinds {
            if after_a_message && round == 0 && &*kind.entry.id.0 == "kind-1000" {
                driver.run_until(MINUTE);
            }
            driver.observe(kind.clone());
        }
        if restarts {
            driver.restart();
        }
        let next = driver.now_ms + SECOND;
        driver.run_until(next);
    }
    let rest = driver.now_ms + 5 * HOUR;
    driver.run_until(rest);
    driver
}

/// Events of which a message has told, by a notice or by a number.
fn told_events(driver: &Driver) -> u64 {
    let of = |told: &Told| {
        let by_notices: u64 = told.notices.iter().map(|notice| notice.new).sum();
        let all: u64 = told.notices.iter().map(|notice| notice.count).sum();
        by_notices + told.digest.as_ref().map_or(0, |digest| digest.count - all)
    };
    driver.said.iter().map(of).sum()
}

#[test]
fn what_is_not_followed_is_one_incident_however_often_it_happens_and_all_its_events_are_told() {
    for after_a_message in [false, true] {
        let driver = too_many(after_a_message, false);
        let digests: Vec<&Digest> = driver.said.iter().filter_map(|told| told.digest.as_ref()).collect();
        let most = digests.iter().map(|digest| digest.unfollowed).max();
        assert!(most >= Some(99) && most <= Some(101), "{most:?}");
        assert_eq!(told_events(&driver) + driver.incidents.unsaid(), 4_400);
        let counted: u64 = digests.iter().map(|digest| digest.unfollowed).sum();
        assert!(counted <= 101, "each is told once: {counted}");
        let named: Vec<_> = digests.iter().flat_map(|digest| &digest.unheard).map(|it| it.count).collect();
        assert_eq!(named, [4; 20], "with all its events");
        assert!(driver.rows.len() <= 1, "nothing stays of it");
    }
}

#[test]
fn a_restart_forgets_nothing_of_what_is_not_followed() {
    let sums = |restarts| {
        let driver = too_many(true, restarts);
        let digests = driver.said.iter().filter_map(|told| told.digest.as_ref());
        let sum = |of: fn(&Digest) -> u64| digests.clone().map(of).sum::<u64>();
        (sum(|it| it.opened), sum(|it| it.unfollowed), sum(|it| it.more), told_events(&driver))
    };
    assert_eq!(sums(true), sums(false));
}

/// One that goes on is in the next message again, with what is new, and makes none.
#[test]
fn how_it_goes_on_with_what_is_not_followed_waits_for_another_message() {
    let mut driver = Driver::new();
    let of = |i| event(&entry(&format!("kind-{i}")), "shop", "A");
    (0..1001).for_each(|i| driver.observe(of(i)));
    driver.run_until(MINUTE);
    let n_said = driver.said.len();
    (0..7).for_each(|_| driver.observe(of(1)));
    driver.run_until(4 * MINUTE);
    assert_eq!(driver.said.len(), n_said);
    driver.run_until(5 * HOUR);
    let unheard: Vec<_> =
        driver.said.iter().filter_map(|told| told.digest.as_ref()).flat_map(|it| &it.unheard).collect();
    assert_eq!(unheard.iter().map(|it| (&*it.entry, it.count)).collect::<Vec<_>>(), [("kind-1", 1), ("kind-1", 7)]);
    assert_eq!(told_events(&driver), 1008);
}

#[test]
fn what_is_not_followed_is_followed_once_there_is_room() {
    let mut driver = Driver::new();
    let of = |i| event(&entry(&format!("kind-{i}")), "shop", "A");
    (0..1001).for_each(|i| driver.observe(of(i)));
    driver.run_until(MINUTE);
    driver.observe(of(1));
    assert!(!driver.incidents.open().any(|known| known.entry == "kind-1"), "it had to make room");
    driver.run_until(HOUR);
    driver.observe(of(1));
    assert!(driver.incidents.open().any(|known| known.entry == "kind-1"));
    driver.run_until(5 * HOUR);
    assert_eq!(told_events(&driver), 1003);
}

/// What works by ids, as pagers do, keeps open what it is not told the end of.
#[test]
fn who_is_told_of_a_beginning_is_told_of_the_end_whatever_has_to_make_room() {
    let mut driver = Driver::new();
    for i in 0..300 {
        driver.observe(event(&entry(&format!("early-{i}")), if i % 3 == 0 { "kiosk" } else { "shop" }, "A"));
    }
    driver.run_until(MINUTE);
    let until = driver.clock().wall + SignedDuration::from_hours(1);
    let matcher = config::Matcher { sources: vec!["kiosk".into()], ..Default::default() };
    driver.silences = vec![Silence { matcher, until, comment: String::new() }];
    driver.run_until(2 * MINUTE);
    (0..300).step_by(3).for_each(|i| driver.observe(event(&entry(&format!("early-{i}")), "kiosk", "A")));
    driver.run_until(6 * MINUTE);
    assert_eq!(driver.incidents.open().filter(|known| known.state == State::Hushed).count(), 100);
    for i in 0..1500 {
        driver.observe(event(&of_severity(&format!("late-{i}"), Severity::Critical), "shop", "A"));
    }
    driver.run_until(10 * HOUR);
    let of = |is_meant: fn(&Notice) -> bool| {
        let of = driver.notices().into_iter().filter(|notice| is_meant(notice));
        of.map(|notice| notice.incident.clone()).collect::<Vec<_>>()
    };
    let (mut opened, mut resolved) = (of(|it| it.status == Status::Opened), of(|it| it.status == Status::Resolved));
    assert_eq!(of(Notice::is_unfollowed).len(), 300);
    // The first of the late ones is told at once, and stays.
    assert_eq!(opened.len(), 300 + 1000);
    opened.sort_unstable();
    resolved.sort_unstable();
    assert_eq!(opened, resolved, "once each");
}

#[test]
fn of_what_nobody_has_heard_of_the_worst_is_named() {
    let mut driver = Driver::new();
    for i in 0..1000 {
        driver.observe(event(&of_severity(&format!("early-{i}"), Severity::Critical), "shop", "A"));
    }
    driver.run_until(MINUTE);
    for i in 0..100 {
        let severity = if i % 10 == 7 { Severity::Critical } else { Severity::Warning };
        driver.observe(event(&of_severity(&format!("late-{i}"), severity), "shop", "A"));
    }
    driver.run_until(10 * MINUTE);
    let digests = driver.said.iter().filter_map(|told| told.digest.as_ref());
    let with_unheard: Vec<_> = digests.filter(|digest| digest.more > 0).collect();
    let [digest] = with_unheard.as_slice() else { panic!("{} of them", with_unheard.len()) };
    let named: Vec<_> = digest.unheard.iter().map(|it| &*it.severity).collect();
    assert_eq!((digest.more, named), (98, [["critical"; 10], ["warning"; 10]].concat()));
}

#[test]
fn what_nobody_has_heard_of_is_counted_also_where_there_is_nothing_else_to_say() {
    let mut driver = Driver::new();
    for i in 0..998 {
        driver.observe(event(&of_severity(&format!("early-{i}"), Severity::Critical), "shop", "A"));
    }
    driver.run_until(MINUTE);
    for (id, severity) in [("told", Severity::Critical), ("counted", Severity::Error), ("silenced", Severity::Error)] {
        driver.observe(event(&of_severity(id, severity), "shop", "A"));
    }
    let until = driver.clock().wall + SignedDuration::from_hours(1);
    driver.silences = vec![Silence { matcher: config::Matcher::default(), until, comment: String::new() }];
    driver.run_until(2 * MINUTE);
    let last = driver.said.last().and_then(|told| told.digest.as_ref()).expect("a digest");
    assert_eq!((last.incidents.len(), last.more, last.unfollowed, last.count), (0, 1, 1, 1));
    assert_eq!(last.unheard[0].entry, "counted");
}

fn of_severity(id: &str, severity: Severity) -> Arc<Entry> {
    Arc::new(Entry { severity, ..Arc::unwrap_or_clone(entry(id)) })
}

/// Its receivers have closed it, and would hear of an end without a beginning.
#[test]
fn what_opened_again_and_was_not_told_is_not_ended() {
    let mut driver = Driver::new();
    let again = event(&entry("again"), "shop", "A");
    driver.observe(again.clone());
    driver.run_until(HOUR);
    assert_eq!(driver.reasons(), [(Status::Opened, Reason::Threshold), (Status::Resolved, Reason::Quiet)]);
    // The gate is closed: what comes now waits for the next message.
    driver.observe(event(&entry("first"), "shop", "A"));
    driver.observe(again);
    for i in 0..1000 {
        driver.observe(event(&of_severity(&format!("late-{i}"), Severity::Critical), "shop", "A"));
    }
    driver.run_until(2 * HOUR);
    let of_again: Vec<_> = driver.notices().into_iter().filter(|it| it.entry == "again").map(|it| it.status).collect();
    assert_eq!(of_again, [Status::Opened, Status::Resolved]);
    let unheard = driver.said.iter().filter_map(|told| told.digest.as_ref()).flat_map(|digest| &digest.unheard);
    assert_eq!(unheard.filter(|it| it.entry == "again").count(), 1);
}

#[test]
fn a_storm_does_not_close_what_it_has_just_opened() {
    let mut driver = Driver::new();
    for i in 0..1000 {
        driver.observe(event(&entry(&format!("early-{i}")), "shop", "A"));
    }
    driver.run_until(MINUTE);
    for i in 0..1500 {
        driver.observe(event(&entry(&format!("late-{i}")), "shop", "A"));
    }
    driver.run_until(2 * MINUTE);
    // The first of the late ones is told at once; then there is room for one at a time.
    let digests: Vec<&Digest> =
        driver.said.iter().filter(|told| told.at_ms >= MINUTE).map(|told| told.digest.as_ref().unwrap()).collect();
    let sum = |of: fn(&Digest) -> u64| digests.iter().map(|digest| of(digest)).sum::<u64>();
    assert_eq!((sum(|it| it.opened), sum(|it| it.resolved), sum(|it| it.unfollowed)), (2, 0, 1500));
    let unfollowed: Vec<_> = driver.notices().into_iter().filter(|it| it.is_unfollowed()).collect();
    assert!(unfollowed.len() == 2 && unfollowed.iter().all(|it| it.entry.starts_with("early")), "{unfollowed:?}");
    assert_eq!(sum(|it| it.more), 1498, "who heard of nothing is told of no end");
    driver.run_until(HOUR);
    let ends =
        |reason| driver.notices().iter().filter(|it| it.status == Status::Resolved && it.reason == reason).count();
    assert_eq!(ends(Reason::Quiet), 1000, "and each is over when it is quiet");
}

/// Its end is told once: nobody would hear of it.
#[test]
fn a_sink_that_is_down_makes_no_room() {
    let mut driver = Driver::new();
    driver.observe(super::own::down("oncall"));
    driver.run_until(MINUTE);
    for i in 0..1500 {
        driver.observe(event(&entry(&format!("kind-{i}")), "shop", "A"));
    }
    driver.run_until(2 * MINUTE);
    assert!(driver.incidents.open().any(|known| known.entry == "paytriage.sink-down"));
}

/// Prints how long an event takes, at best of ten rounds: `cargo test --release --lib an_event_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn an_event_costs() {
    const N: u32 = 100_000;
    let (mut incidents, _) = Incidents::restore(settings(), Vec::new());
    let clock = Driver::new().clock();
    let mut event = event(&entry("refused"), "shop", "");
    let mut orders: Vec<_> = (0..40_000).map(|i| Some(format!("SO{i}"))).collect();
    let rounds = (0..10).map(|_| {
        let start = std::time::Instant::now();
        for i in 0..N as usize {
            let order = &mut orders[i % 40_000];
            std::mem::swap(&mut event.ids.out_trade_no, order);
            incidents.observe(&event, clock);
            std::mem::swap(&mut event.ids.out_trade_no, order);
        }
        start.elapsed() / N
    });
    println!("{:?} an event", rounds.min());
}
