//! Faults while requests are stored, tried and done with: each change is stored as a whole or not at all.

use super::super::tests::{BOTH, delivery};
use super::*;

/// A store with a sink of each kind, four rows for the first and one for the second.
fn with_requests() -> Case {
    let case = Case::new();
    case.store().set_sinks(&BOTH).unwrap();
    case.store().commit(&Batch { notices: vec![event(100)], ..batch(vec![], &[1, 2, 3, 4]) }).unwrap();
    case.store()
        .put_deliveries("events", Notify::Event, &[delivery("msg_1", &[1, 2]), delivery("msg_2", &[3])])
        .unwrap();
    case
}

/// Interrupts a change between any two instructions, again and again: each time all of it is stored or nothing.
fn interrupted_anywhere(case: Case, change: impl Fn(&Store) -> Result<(), StateError>) -> Case {
    let look = || {
        let store = case.store();
        (store.standing("events").unwrap(), case.stored(), store.sinks().unwrap(), store.incidents().unwrap())
    };
    let before = look();
    let mut seen = Vec::new();
    for n in 0.. {
        case.hook(|connection| interrupt_after(connection, n));
        let changed = change(case.store());
        case.hook(|connection| connection.progress_handler(0, None::<fn() -> bool>).unwrap());
        if changed.is_ok() {
            break;
        }
        seen.push(look());
    }
    let after = look();
    assert_ne!(before, after);
    assert!(seen.len() > 30, "{} places to fail are too few to be all", seen.len());
    for (n, state) in seen.iter().enumerate() {
        assert!(*state == before || *state == after, "after {n} instructions: {state:#?}");
    }
    case
}

#[test]
fn an_accepted_request_and_what_it_delivered_are_recorded_together() {
    let case =
        interrupted_anywhere(with_requests(), |store| store.accept_delivery("events", &delivery("msg_1", &[1, 2])));
    let standing = case.store().standing("events").unwrap();
    assert_eq!((standing.delivered, standing.next.unwrap().id, case.stored()), (2, "msg_2".into(), 3));
    assert_eq!(case.store().waiting().rows, 3);
}

#[test]
fn a_request_is_halved_or_whole() {
    let halves = [delivery("msg_3", &[1]), delivery("msg_4", &[2])];
    let case = interrupted_anywhere(with_requests(), |store| store.replace_delivery("events", "msg_1", &halves));
    assert_eq!(case.store().standing("events").unwrap().next.unwrap().id, "msg_3");
    assert_eq!(case.store().sinks().unwrap()[0].batches, 3);
}

#[test]
fn a_row_that_steps_aside_is_in_the_outbox_or_apart() {
    case_with_msg_1_accepted(|store| {
        store.put_apart("events", &delivery("msg_2", &[3]), &Tries { refusals: 8, ..Tries::default() })
    });
}

#[test]
fn a_row_that_is_given_up_is_waiting_or_dead() {
    case_with_msg_1_accepted(|store| store.bury("events", &delivery("msg_2", &[3]), "no", 7));
}

/// Changes the second request, after the first was accepted; in the end its row is kept elsewhere.
fn case_with_msg_1_accepted(change: impl Fn(&Store) -> Result<(), StateError>) {
    let case = with_requests();
    case.store().accept_delivery("events", &delivery("msg_1", &[1, 2])).unwrap();
    let case = interrupted_anywhere(case, change);
    let sink = case.store().sinks().unwrap().remove(0);
    assert_eq!((sink.apart + sink.dead, case.store().standing("events").unwrap().delivered), (1, 3));
    let dead = case.store().lock().with(|connection| delivery::dead_letters(connection, None, 9)).unwrap();
    let kept = case.store().standing("events").unwrap().apart.and_then(|apart| apart.row);
    assert_eq!(kept.or(dead.into_iter().next().map(|it| it.body)), Some(event(3).body));
}

#[test]
fn what_expires_goes_whole_or_not_at_all() {
    let case =
        interrupted_anywhere(with_requests(), |store| store.expire_before("events", i64::MAX, |_, _| true).map(drop));
    assert_eq!((case.store().standing("events").unwrap().next, case.stored()), (None, 1));
    let losses = case.store().losses().unwrap();
    assert_eq!(losses.len(), 1, "what goes is told, and told once: {losses:?}");
}

#[test]
fn a_request_that_was_recorded_as_accepted_with_an_error_is_recorded_again_without_harm() {
    let case = with_requests();
    case.hook(fail_after_commit);
    case.store().accept_delivery("events", &delivery("msg_1", &[1, 2])).unwrap_err();
    case.hook(|connection| {
        connection.wal_hook(None::<fn(&mut rusqlite::hooks::Wal, i32) -> rusqlite::Result<()>>).unwrap()
    });
    case.store().accept_delivery("events", &delivery("msg_1", &[1, 2])).unwrap();
    assert_eq!(case.store().standing("events").unwrap().next.unwrap().id, "msg_2");
    assert_eq!(case.stored(), 3);
    case.store().commit(&batch(vec![], &[5])).unwrap();
    assert_eq!(case.store().waiting().rows, 4);
}

#[test]
fn requests_of_a_database_that_is_gone_do_not_come_back() {
    let mut case = with_requests();
    // Another run than the one that made them.
    case.store = None;
    let state = StateDir::lock(case.dir.path()).unwrap();
    case.store = Some((open(&state), state));
    case.store().set_sinks(&BOTH).unwrap();
    let standing = case.store().standing("events").unwrap();
    let held = standing.next.unwrap();
    case.hook(fail_after_commit);
    case.store().commit(&batch(vec![], &[5])).unwrap_err();
    fs::remove_file(case.dir.path().join("paytriage.db")).unwrap();
    // The worker does not know yet, and was answered.
    case.store().set_tries("events", &held.id, &Tries::default()).unwrap();
    case.store().accept_delivery("events", &held).unwrap();
    assert!(matches!(case.store().commit(&batch(vec![], &[5])), Err(StateError::Begun)));
    case.store().commit(&Batch { notices: vec![event(101)], ..batch(vec![], &[6]) }).unwrap();
    let standing = case.store().standing("events").unwrap();
    assert_eq!(standing.next, None);
    let after = |notify, seq| case.store().rows_after(notify, seq, 9).unwrap().len();
    assert_eq!((after(Notify::Event, standing.delivered), after(Notify::Incident, 0)), (1, 1));
}
