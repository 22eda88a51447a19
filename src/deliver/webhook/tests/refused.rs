//! What a receiver does not take is halved, steps aside and is given up in the end; what it does not take now waits.

use super::*;

#[test]
fn what_is_too_large_goes_in_halves_with_ids_of_their_own() {
    let receiver = Receiver::new(|_, got| Reply::Status(if got.events().len() > 2 { 413 } else { 200 }));
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..9));
    let running = case.run(&up);
    wait_for("it is delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    let ids: std::collections::HashSet<_> = got.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), got.len());
    let accepted: Vec<_> = got.iter().map(Got::events).filter(|events| events.len() <= 2).flatten().collect();
    assert_eq!(accepted, (0..9).collect::<Vec<_>>());
}

/// A sink and a receiver to which every event that says "poison" is too large.
fn small() -> (Case, Receiver) {
    let receiver = Receiver::new(|_, got| Reply::Status(if got.body.contains("poison") { 413 } else { 200 }));
    (Case::new(receiver.at), receiver)
}

#[test]
fn one_row_that_is_too_large_holds_up_nobody() {
    let (case, receiver) = small();
    let up = case.up();
    commit(&up, (0..30).map(|n| event(n, if n == 13 { "poison " } else { "" })));
    let running = case.run(&up);
    wait_for("the others are delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    let accepted: Vec<u64> = got.iter().filter(|it| !it.body.contains("poison")).flat_map(Got::events).collect();
    assert_eq!(accepted, (0..30).filter(|n| *n != 13).collect::<Vec<_>>());
    // No request was repeated on the way there, but for the one that nobody waits for.
    let others: Vec<_> = got.iter().filter(|it| it.events() != [13]).map(|it| &it.id).collect();
    assert_eq!(others.iter().collect::<std::collections::HashSet<_>>().len(), others.len());
    assert_eq!((case.outbox().sinks().unwrap()[0].apart, up.store.waiting().rows), (1, 0));
}

#[test]
fn a_row_that_is_too_large_is_no_failure_of_its_receiver_but_two_and_nothing_else_are() {
    let (mut case, _receiver) = small();
    case.config.max_batch = 2;
    let up = case.up();
    commit(&up, [event(0, "poison "), event(1, ""), event(2, "poison "), event(3, "")]);
    commit(&up, [event(4, "poison "), event(5, "poison ")]);
    let sink = Sink { failing_after: Duration::ZERO, ..case.sink() };
    up.store.set_accepted_as(NAME, sink.client.setup()).unwrap();
    let (stop, asked) = watch::channel(false);
    let mut n_accepted = 0;
    run(&sink, &up.store, asked, |state| match state {
        SinkState::Accepted { .. } => n_accepted += 1,
        SinkState::Failing { .. } => _ = stop.send_replace(true),
        SinkState::Failed { .. } => {}
        other => panic!("{other:?}"),
    })
    .unwrap();
    assert_eq!((n_accepted, case.outbox().sinks().unwrap()[0].apart, up.store.waiting().rows), (2, 4, 0));
}

/// Runs until others are told, and gives the reason.
fn told_failing(sink: Sink, up: &Up) -> String {
    let sink = Sink { failing_after: Duration::from_millis(100), ..sink };
    let (stop, asked) = watch::channel(false);
    let said = Mutex::new(None);
    let tell = |state| {
        if let SinkState::Failing { reason, .. } = state {
            *said.lock().unwrap() = Some(reason);
            stop.send_replace(true);
        }
    };
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| run(&sink, &up.store, asked, tell).unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while !worker.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.send_replace(true);
    });
    said.into_inner().unwrap().expect("it is told")
}

#[test]
fn a_receiver_that_refuses_the_only_row_and_never_accepted_anything_is_spoken_of() {
    for status in [400, 401, 404, 413] {
        let receiver = Receiver::new(move |_, _| Reply::Status(status));
        let case = Case::new(receiver.at);
        let up = case.up();
        commit(&up, events(0..1));
        assert_eq!(told_failing(case.sink(), &up), format!("HTTP {status}"));
        assert_eq!(case.outbox().sinks().unwrap()[0].apart, 1, "it stands apart all the same");
    }
}

#[test]
fn a_receiver_that_accepted_others_before_may_refuse_one_row_and_is_another_with_another_url_or_key() {
    let (mut case, _receiver) = small();
    let up = case.up();
    commit(&up, [event(0, "")]);
    let running = case.run(&up);
    wait_for("it is accepted", || is_empty(&up));
    running.stop();
    // The next run knows it.
    commit(&up, [event(1, "poison ")]);
    let sink = Sink { failing_after: Duration::ZERO, ..case.sink() };
    let (stop, asked) = watch::channel(false);
    let mut told = Vec::new();
    run(&sink, &up.store, asked, |state| {
        if told.is_empty() {
            // It is spoken of before this is accepted, or not at all.
            commit(&up, [event(2, "")]);
        }
        stop.send_replace(matches!(state, SinkState::Accepted { .. } | SinkState::Failing { .. }));
        told.push(state);
    })
    .unwrap();
    let (last, before) = told.split_last().expect("it is told");
    assert_eq!(*last, SinkState::Accepted { rows: 1 });
    assert!(!before.is_empty() && before.iter().all(|it| matches!(it, SinkState::Failed { .. })), "{told:?}");
    // With another key nothing was accepted yet.
    let key = case.dir.path().join("key");
    std::fs::write(&key, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    case.config.secrets = vec![config::Secret::File(key)];
    commit(&up, [event(3, "poison ")]);
    assert_eq!(told_failing(case.sink(), &up), "HTTP 413");
}

#[test]
fn what_an_earlier_run_saw_fail_is_tried_and_spoken_of_when_its_time_is_over_however_long_the_pause_is() {
    for status in [500, 400] {
        let receiver = Receiver::new(move |_, _| Reply::Status(status));
        let case = Case::new(receiver.at);
        let up = case.up();
        commit(&up, events(0..1));
        let running = case.run(&up);
        let waits = || up.store.standing(NAME).unwrap();
        let request = || if status == 500 { waits().next } else { waits().apart };
        wait_for("it is not accepted", || request().is_some_and(|it| it.tries.attempts > 0));
        running.stop();
        let (id, tries) = request().map(|it| (it.id, it.tries)).unwrap();
        up.store.set_tries(NAME, &id, &Tries { next_ms: now_ms() + 3_000_000, ..tries }).unwrap();
        let since = up.store.apart_since(NAME).unwrap();
        assert_eq!(since, request().filter(|_| status == 400).and_then(|it| it.tries.first_tried_ms));
        let n_before = receiver.got().len();
        let sink = Sink { chance: || 1.0, ..case.sink() };
        assert_eq!(told_failing(sink, &up), format!("HTTP {status}"));
        assert_eq!(receiver.got().len(), n_before + 1, "it was seen once more");
    }
}

#[test]
fn a_row_that_is_always_refused_holds_up_nobody_and_becomes_a_dead_letter_that_can_be_tried_again() {
    let mended = Arc::new(Mutex::new(false));
    let is_mended = Arc::clone(&mended);
    let receiver = Receiver::new(move |_, got| {
        let refuse = got.body.contains("poison") && !*is_mended.lock().unwrap();
        if refuse { Reply::Full(400, "x: y", "bad \x1b[31m event") } else { Reply::Status(200) }
    });
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, (0..20).map(|n| if n == 13 { event(n, "poison ") } else { event(n, "") }));
    let running = case.run(&up);
    wait_for("the others are delivered", || is_empty(&up));
    let accepted = |got: &[Got]| -> Vec<u64> {
        got.iter().filter(|it| !it.body.contains("poison")).flat_map(Got::events).collect()
    };
    assert_eq!(accepted(&receiver.got()), (0..20).filter(|n| *n != 13).collect::<Vec<_>>());
    let apart = up.store.standing(NAME).unwrap().apart.expect("it stands apart");
    let sinks = case.outbox().sinks().unwrap();
    assert_eq!((sinks[0].waiting.rows, sinks[0].batches, sinks[0].apart, sinks[0].dead), (1, 1, 1, 0));

    // A day later.
    let day = 25 * 3600 * 1000;
    let tries = Tries { first_refused_ms: Some(now_ms() - day), next_ms: now_ms() + day, ..apart.tries.clone() };
    up.store.set_tries(NAME, &apart.id, &tries).unwrap();
    assert_eq!(case.operator().retry(Some(NAME)).unwrap().due, 1);
    let dead = SinkState::Dead { id: apart.id.clone(), reason: "HTTP 400: bad \\x1b[31m event".into() };
    wait_for("it is given up", || running.told().contains(&dead));
    let letters = case.outbox().dead_letters(None, 10).unwrap();
    assert_eq!((letters.len(), &letters[0].id, &letters[0].body), (1, &apart.id, &event(13, "poison ").body));

    *mended.lock().unwrap() = true;
    assert_eq!(case.operator().retry(None).unwrap().revived, 1);
    wait_for("it is delivered", || case.outbox().sinks().unwrap()[0].batches == 0);
    running.stop();
    let last = receiver.got().pop().unwrap();
    assert_eq!((last.events(), &last.id), (vec![13], &apart.id));
    assert!(case.outbox().dead_letters(None, 10).unwrap().is_empty());
}

#[test]
fn where_everything_is_refused_a_few_rows_step_aside_and_the_rest_waits() {
    let receiver = Receiver::new(|_, _| Reply::Status(401));
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..14));
    let running = case.run(&up);
    wait_for("some step aside", || case.outbox().sinks().unwrap()[0].apart == 10);
    let n_before = receiver.got().len();
    wait_for("the next is tried often", || receiver.got().len() > n_before + 40);
    running.stop();
    let sink = case.outbox().sinks().unwrap().remove(0);
    assert_eq!((sink.apart, sink.dead, up.store.waiting().rows), (10, 0, 4));
}

#[test]
fn a_robot_that_was_asked_too_often_gets_the_same_again_after_its_pause() {
    const LIMITED: &str = r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#;
    const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
    let receiver = Receiver::new(|n, _| Reply::Full(200, "x: y", if n < 2 { LIMITED } else { OK }));
    let mut case = Case::new(receiver.at);
    case.config.format = config::Format::WeCom;
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    let tries = || up.store.standing(NAME).unwrap().next.map(|next| next.tries).unwrap_or_default();
    for n in 1..3 {
        wait_for("it is limited", || tries().attempts == n);
        let Tries { refusals, next_ms, .. } = tries();
        assert!(refusals == 0 && next_ms > now_ms() + 30_000, "{next_ms}");
        assert_eq!(case.operator().retry(Some(NAME)).unwrap().due, 1);
    }
    wait_for("it is delivered", || is_empty(&up));
    running.stop();
    let got = receiver.got();
    assert!(got.len() == 3 && got.iter().all(|it| *it == got[0]), "{got:#?}");
}

#[test]
fn what_stands_apart_keeps_the_pause_too() {
    let receiver = Receiver::new(|_, got| match got.body.contains("poison") {
        true => Reply::Status(413),
        false => Reply::Full(429, "retry-after: 3000", ""),
    });
    let mut case = Case::new(receiver.at);
    case.config.max_batch = 1;
    let up = case.up();
    commit(&up, [event(0, "poison "), event(1, "")]);
    let running = case.run(&up);
    let standing = || up.store.standing(NAME).unwrap();
    wait_for("it is asked to wait", || standing().next.is_some_and(|next| next.tries.attempts == 1));
    assert!(standing().apart.is_some() && standing().paused_ms > now_ms() + 2_900_000, "{:?}", standing());
    // An operator need not wait.
    let n_before = receiver.got().len();
    assert_eq!(case.operator().retry(Some(NAME)).unwrap().due, 2);
    wait_for("both are tried", || receiver.got().len() == n_before + 2);
    running.stop();
}

/// So many rows that were refused before.
const MANY: u64 = 120;

/// Rows that stand apart, as after `outbox retry` of so many dead letters.
fn put_apart(up: &Up) {
    commit(up, (0..MANY).map(|n| event(n, "poison ")));
    for row in up.store.rows_after(Notify::Event, 0, MANY as usize).unwrap() {
        let later = Tries { next_ms: now_ms() + 600_000, first_refused_ms: Some(now_ms()), ..Tries::default() };
        let delivery = crate::store::Delivery {
            id: format!("msg_{}", row.seq),
            members: vec![row.seq],
            part: 0,
            through: row.seq,
            format: String::new(),
            request: None,
            tries: later.clone(),
            row: None,
            incidents: Default::default(),
        };
        assert!(up.store.put_deliveries(NAME, Notify::Event, std::slice::from_ref(&delivery)).unwrap());
        up.store.put_apart(NAME, &delivery, &later).unwrap();
    }
}

#[test]
fn however_many_stand_apart_a_receiver_that_refuses_everything_costs_no_row() {
    for status in [404, 400] {
        let receiver = Receiver::new(move |_, _| Reply::Status(status));
        let mut case = Case::new(receiver.at);
        case.config.max_batch = 1;
        let up = case.up();
        put_apart(&up);
        commit(&up, events(MANY..MANY + 5));
        let running = case.run(&up);
        wait_for("the next is tried often", || receiver.got().len() > 40);
        let told = running.told();
        running.stop();
        let sink = case.outbox().sinks().unwrap().remove(0);
        assert_eq!((sink.apart, sink.dead, up.store.waiting().rows), (MANY, 0, 5));
        assert!(told.iter().all(|it| matches!(it, SinkState::Failed { .. })), "{told:?}");
    }
}
