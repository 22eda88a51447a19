//! What holds whatever happens when.

use proptest::prelude::*;

use super::*;

/// What happens, and how long after what was before.
#[derive(Debug, Clone)]
enum Step {
    /// So many events of one kind.
    Events {
        kind: usize,
        n: i64,
        order: u16,
    },
    Nothing,
}

fn any_steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let pause = prop_oneof![0..SECOND, 0..MINUTE, 0..20 * MINUTE, 0..3 * HOUR];
    let events = (0..8usize, prop_oneof![1..3i64, 1..30i64], 0..20u16);
    let step =
        prop_oneof![9 => events.prop_map(|(kind, n, order)| Step::Events { kind, n, order }), 1 => Just(Step::Nothing)];
    proptest::collection::vec((pause, step), 1..60)
}

fn kinds() -> Vec<Event> {
    // A restart finds the entries in the catalogue again.
    let entries = [
        "alipay.acq.seller-blocked",
        "alipay.fund.single-limit",
        "wechatpay.v3.rate-limit",
        "wechatpay.v2.coupon-frequency",
    ]
    .map(|id| Arc::clone(CATALOG.get(id).expect("an entry")));
    entries.iter().flat_map(|entry| ["shop", "kiosk"].map(|source| event(entry, source, ""))).collect()
}

/// Plays the steps, then lets everything come to rest. `between` is called before each step and each event, with a number.
fn play(driver: &mut Driver, steps: &[(i64, Step)], mut between: impl FnMut(usize, &mut Driver)) {
    let kinds = kinds();
    for (at, (pause, step)) in steps.iter().enumerate() {
        let next = driver.now_ms + pause;
        driver.run_until(next);
        between(at, driver);
        if let Step::Events { kind, n, order } = step {
            let mut event = kinds[*kind].clone();
            event.ids.out_trade_no = Some(format!("SO{order}"));
            for i in 0..*n {
                between(at + i as usize, driver);
                driver.observe(event.clone());
            }
        }
    }
    let rest = driver.now_ms + 12 * HOUR;
    driver.run_until(rest);
}

/// What was decided, without what is only shown of the wall clock.
fn decisions(driver: &Driver) -> Vec<(i64, String, Status, Reason, u64, u64)> {
    let of = |told: &Told| {
        let at = told.at_ms;
        let notice = move |n: &Notice| (at, n.id.clone(), n.status, n.reason, n.count, n.new);
        told.notices.iter().map(notice).collect::<Vec<_>>()
    };
    driver.said.iter().flat_map(of).collect()
}

/// A case is a day of work; `PROPTEST_CASES` asks for more of them.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.div_ceil(4), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_event_is_told_or_counted_as_unsaid_and_messages_keep_their_distance(steps in any_steps()) {
        let mut driver = Driver::new();
        play(&mut driver, &steps, |_, _| {});
        let told: u64 = driver.notices().iter().map(|notice| notice.new).sum();
        prop_assert_eq!(told + driver.incidents.unsaid(), driver.n_events);
        for pair in driver.said.windows(2) {
            prop_assert!(pair[1].at_ms - pair[0].at_ms >= 30 * SECOND);
        }
        let mut open: BTreeMap<&str, u64> = BTreeMap::new();
        for notice in driver.notices() {
            let told = match notice.status {
                Status::Opened => {
                    prop_assert!(!open.contains_key(notice.incident.as_str()), "opened twice");
                    open.entry(&notice.incident).or_default()
                }
                _ => open.get_mut(notice.incident.as_str()).expect("it was opened"),
            };
            *told += notice.new;
            prop_assert_eq!(*told, notice.count);
            if notice.status == Status::Resolved {
                open.remove(notice.incident.as_str());
            }
        }
        prop_assert!(open.is_empty(), "all are resolved in the end");
        prop_assert!(driver.rows.len() <= 1, "and nothing stays");
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(steps in any_steps(), points in any::<u64>(), silent in any::<bool>()) {
        let [mut through, mut restarted] = [Driver::new(), Driver::new()];
        for driver in [&mut through, &mut restarted] {
            let until = driver.clock().wall + SignedDuration::from_hours(2);
            let silence = Silence { matcher: config::Matcher::default(), until, comment: String::new() };
            driver.silences = Vec::from_iter(silent.then_some(silence));
        }
        play(&mut through, &steps, |_, _| {});
        play(&mut restarted, &steps, |at, driver| if points >> (at % 64) & 1 == 1 { driver.restart() });
        prop_assert_eq!(&through.said, &restarted.said);
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_no_decision(steps in any_steps(), jumps in proptest::collection::vec(-1..=1i64, 60)) {
        let [mut steady, mut jumping] = [Driver::new(), Driver::new()];
        play(&mut steady, &steps, |_, _| {});
        play(&mut jumping, &steps, |at, driver| driver.wall_off = SignedDuration::from_hours(jumps[at % 60]));
        prop_assert_eq!(decisions(&steady), decisions(&jumping));
    }

    #[test]
    fn old_lines_open_an_incident_if_they_would_have_opened_one_when_they_were_written(
        pauses in proptest::collection::vec(0..40 * SECOND, 1..200),
        restarts in any::<bool>(),
    ) {
        let [mut live, mut late] = [Driver::new(), Driver::new()];
        let event = event(&busy("system-busy"), "shop", "A");
        let mut now_ms = 0;
        for pause in &pauses {
            now_ms += pause;
            live.run_until(now_ms);
            live.observe(written(now_ms, &event));
        }
        late.run_until(now_ms);
        let mut written_ms = 0;
        for pause in &pauses {
            written_ms += pause;
            late.observe(written(written_ms, &event));
            if restarts {
                late.restart();
            }
        }
        prop_assert_eq!(live.story().is_empty(), late.story().is_empty());
    }

    #[test]
    fn a_silence_over_all_of_it_says_nothing_and_then_that_it_opened_once(steps in any_steps()) {
        let mut driver = Driver::new();
        let until = driver.clock().wall + SignedDuration::from_hours(1000);
        driver.silences = vec![Silence { matcher: config::Matcher::default(), until, comment: String::new() }];
        play(&mut driver, &steps, |_, _| {});
        prop_assert_eq!(driver.story(), []);
        let event = event(&entry("a"), "shop", "A");
        let end = driver.now_ms + 30 * MINUTE;
        driver.observe_until(end, 30, &event);
        driver.silences.clear();
        let last = driver.now_ms + 5 * MINUTE;
        driver.observe_until(last, 5, &event);
        prop_assert_eq!(driver.reasons(), [(Status::Opened, Reason::SilenceEnded)]);
    }
}
