//! A receiver that answers 410 wants nothing any more, until somebody says so.

use super::case::*;
use super::receiver::*;
use crate::deliver::webhook::SinkState;

/// Gone at its first and third request.
fn gone() -> Receiver {
    Receiver::new(|n, _| Reply::Status(if n == 0 || n == 2 { 410 } else { 200 }))
}

fn stopped(case: &Case) -> (Option<String>, Option<i64>) {
    let sink = case.outbox().sinks().unwrap().swap_remove(0);
    (sink.stopped, sink.next_ms)
}

#[test]
fn it_is_asked_no_more_until_the_next_start() {
    let (receiver, reason) = (gone(), "HTTP 410".to_owned());
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    wait_for("it is said", || matches!(&running.told()[..], [SinkState::Stopped { .. }]));
    let SinkState::Stopped { since, .. } = running.told().remove(0) else { panic!("it is said") };
    commit(&up, events(3..5));
    running.stop();
    assert_eq!((receiver.got().len(), up.store.waiting().rows), (1, 5));
    assert_eq!(stopped(&case), (Some(reason.clone()), None), "also once its worker has ended");
    let running = case.run(&up);
    let again = [SinkState::Accepted { rows: 3 }, SinkState::Recovered { since }];
    wait_for(
        "it is asked, takes something and is gone again",
        || matches!(&running.told()[..], [over @ .., SinkState::Stopped { .. }] if over == again),
    );
    running.stop();
    let running = case.run(&up);
    wait_for("it is delivered", || is_empty(&up));
    assert_eq!(stopped(&case).0, None);
    wait_for("others hear of it", || matches!(running.told().last(), Some(SinkState::Recovered { .. })));
    running.stop();
    let got = receiver.got();
    assert_eq!(got[0], got[1]);
    let accepted = [&got[1..2], &got[3..]].concat();
    assert_eq!(accepted.iter().flat_map(Got::events).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn an_operator_has_it_asked_again_at_once() {
    let receiver = gone();
    let case = Case::new(receiver.at);
    let up = case.up();
    commit(&up, events(0..3));
    let running = case.run(&up);
    wait_for("it is gone", || stopped(&case).0.is_some());
    case.operator().retry(None).unwrap();
    wait_for("it is delivered", || is_empty(&up));
    let told = running.told();
    running.stop();
    assert_eq!(stopped(&case).0, None);
    assert!(
        matches!(&told[..], [SinkState::Stopped { .. }, SinkState::Accepted { rows: 3 }, SinkState::Recovered { .. }]),
        "{told:?}"
    );
}
