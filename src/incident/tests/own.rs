//! What paytriage says of itself: a sink that is down is a state, and what is lost is added up.

use super::*;
use crate::event::Missed;
use crate::notice as notice_of;

use Reason::*;
use Status::*;

/// What paytriage says of one of its sinks.
fn of_sink(notice: notice_of::Notice) -> Event {
    let about = notice_of::About::ourselves("sink".into(), Some("pay-1".into()));
    notice.event(&about, &CATALOG, Timestamp::UNIX_EPOCH).expect("an entry")
}

pub fn down(sink: &str) -> Event {
    let since = EPOCH.parse().unwrap();
    of_sink(notice_of::Notice::SinkDown { sink: sink.into(), since, reason: "HTTP 410".into() })
}

fn up(sink: &str) -> Event {
    of_sink(notice_of::Notice::SinkUp { sink: sink.into(), since: EPOCH.parse().unwrap() })
}

#[test]
fn a_sink_is_down_until_it_is_up_however_quiet_it_is() {
    let mut driver = Driver::new();
    driver.observe(down("oncall"));
    driver.run_until(5 * HOUR);
    let minutes: Vec<i64> = driver.story().iter().map(|(at, ..)| at / MINUTE).collect();
    assert_eq!(
        minutes,
        [0, 5, 21, 51, 112, 232],
        "it is told again, so that nobody forgets it and no alert ends by itself"
    );
    assert!(driver.reasons()[1..].iter().all(|reason| *reason == (Ongoing, Interval)));
    driver.restart();
    driver.observe(up("log"));
    driver.run_until(6 * HOUR);
    assert_eq!(driver.incidents.open().count(), 1, "another sink is up");
    assert_eq!(driver.incidents.unsaid(), 1);
    driver.observe(up("oncall"));
    driver.run_until(7 * HOUR);
    assert_eq!(driver.story().last(), Some(&(6 * HOUR + 30 * SECOND, Resolved, Recovered, 0)));
    let last = *driver.notices().last().unwrap();
    assert_eq!((last.count, last.code.as_str(), &*last.sources[0].labels["sink"]), (1, "PT.SINK_DOWN", "oncall"));
    assert!(driver.incidents.open().next().is_none());
}

#[test]
fn two_sinks_are_two_incidents_and_none_speaks_of_orders() {
    let mut driver = Driver::new();
    driver.observe(down("oncall"));
    driver.observe(down("log"));
    driver.run_until(MINUTE);
    driver.observe(up("log"));
    driver.run_until(3 * MINUTE);
    let told: Vec<_> =
        driver.notices().iter().map(|it| (&*it.sources[0].labels["sink"], it.status, it.scope)).collect();
    let scope = super::super::notice::Scope::Paytriage;
    assert_eq!(told, [("oncall", Opened, scope), ("log", Opened, scope), ("log", Resolved, scope)]);
    assert!(driver.notices()[0].samples[0].excerpt.starts_with("sink=oncall since="));
}

#[test]
fn a_sink_that_accepts_something_or_is_gone_is_not_down_any_more() {
    let mut driver = Driver::new();
    driver.observe(down("oncall"));
    driver.observe(down("log"));
    driver.run_until(MINUTE);
    driver.incidents.sink_accepts("oncall", driver.clock());
    driver.incidents.keep_sinks(&["oncall"], driver.clock());
    driver.run_until(HOUR);
    let mut ends: Vec<_> = driver.story().into_iter().filter(|(_, status, ..)| *status == Resolved).collect();
    ends.sort_by_key(|(.., reason, _)| *reason == Removed);
    assert_eq!(ends, [(90 * SECOND, Resolved, Recovered, 0), (90 * SECOND, Resolved, Removed, 0)]);
}

#[test]
fn a_sink_that_is_down_again_before_that_was_told_was_never_up() {
    let mut driver = Driver::new();
    driver.observe(down("oncall"));
    driver.run_until(MINUTE);
    driver.observe(up("oncall"));
    driver.run_until(MINUTE + SECOND);
    driver.observe(down("oncall"));
    driver.run_until(10 * MINUTE);
    assert_eq!(driver.reasons(), [(Opened, Reason::Threshold), (Ongoing, Interval)]);
}

#[test]
fn a_silence_over_a_sink_that_is_down_holds_all_of_it_back() {
    let mut driver = Driver::new();
    driver.silences = vec![super::rules::silence(HOUR)];
    driver.observe(down("oncall"));
    driver.observe(down("log"));
    driver.run_until(30 * MINUTE);
    driver.observe(up("log"));
    driver.run_until(2 * HOUR);
    assert_eq!(driver.story()[0], (HOUR, Opened, SilenceEnded, 1));
    assert!(driver.notices().iter().all(|notice| notice.sources[0].labels["sink"] == "oncall"));
}

#[test]
fn what_is_lost_for_a_sink_is_added_up() {
    let dropped = |lost, last_seq| {
        let why = notice_of::Why::Full;
        of_sink(notice_of::Notice::Dropped { sink: "log".into(), why, lost, bytes: 9, oldest: None, last_seq })
    };
    let mut driver = Driver::new();
    driver.observe(dropped(Missed { events: 1000, ..Missed::default() }, 1));
    driver.restart();
    driver.observe(dropped(Missed { events: 234, messages: 5, at_most: true }, 2));
    driver.run_until(HOUR);
    let told = driver.notices();
    let told: Vec<_> =
        told.iter().map(|it| (it.status, it.count, it.lost, it.lost_messages, it.lost_at_most)).collect();
    assert_eq!(told, [(Opened, 1, 1000, 0, false), (Ongoing, 2, 1234, 5, true), (Resolved, 2, 1234, 5, true)]);
}
