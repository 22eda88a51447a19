//! What a receiver knows of an incident ends true, whatever it refuses and however its filter changes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::case::*;
use super::receiver::*;
use crate::config::{Format, Notify};
use crate::deliver::webhook::SinkState;
use crate::notice::Why;
use crate::store::Lost;

/// A sink that tells of incidents one row at a time, and a receiver that refuses openings of `a` as long as it is `bad`.
struct Picky {
    case: Case,
    bad: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Got>>>,
}

impl Picky {
    fn new() -> Picky {
        let (bad, took) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (is_bad, all) = (Arc::clone(&bad), Arc::clone(&took));
        let receiver = Receiver::new(move |_, got| {
            if is_bad.load(Relaxed) && got.body.contains(r#""id":"a opened""#) {
                return Reply::Status(413);
            }
            all.lock().unwrap().push(got.clone());
            Reply::Status(200)
        });
        let mut case = Case::new(receiver.at);
        (case.config.notify, case.config.max_batch) = (Notify::Incident, 1);
        Picky { case, bad, took }
    }

    fn took(&self) -> Vec<Got> {
        self.took.lock().unwrap().clone()
    }

    fn said(&self) -> Vec<Vec<(String, String)>> {
        self.took().iter().map(said).collect()
    }
}

/// Incidents in a request, and what is said of each.
fn said(got: &Got) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(&got.body).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let data = &body["data"];
    let notices = data["incidents"].as_array().map_or_else(|| vec![data], |all| all.iter().collect());
    notices.into_iter().map(|it| (text(&it["incident"]), text(&it["status"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(incident, status)| ((*incident).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn an_opening_that_was_refused_does_not_come_after_the_end() {
    let picky = Picky::new();
    let up = picky.case.up();
    tell(&up, &notice("a", "opened"));
    tell(&up, &notice("a", "resolved"));
    tell(&up, &notice("b", "opened"));
    let running = picky.case.run(&up);
    wait_for("the others are told", || picky.took().len() == 2);
    wait_for("it is given up", || running.told().iter().any(|it| matches!(it, SinkState::Superseded { .. })));
    picky.bad.store(false, Relaxed);
    picky.case.operator().retry(None).unwrap();
    tell(&up, &notice("b", "resolved"));
    wait_for("it goes on", || picky.took().len() == 3);
    wait_for("and all is done with", || is_empty(&up));
    running.stop();
    assert_eq!(picky.said().concat(), pairs(&[("a", "resolved"), ("b", "opened"), ("b", "resolved")]));
    let losses: Vec<_> = up.store.losses().unwrap().into_iter().map(|loss| loss.lost).collect();
    let [Lost::Rows(Why::Superseded, Notify::Incident, dropped)] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!(dropped.waiting.rows, 1);
    assert!(up.store.heard(NAME).unwrap().is_empty());
}

#[test]
fn an_opening_that_was_refused_comes_once_it_is_taken_if_nothing_came_after_it() {
    let picky = Picky::new();
    let up = picky.case.up();
    tell(&up, &notice("a", "opened"));
    tell(&up, &notice("b", "opened"));
    let running = picky.case.run(&up);
    wait_for("the other is told", || picky.took().len() == 1);
    picky.bad.store(false, Relaxed);
    picky.case.operator().retry(None).unwrap();
    wait_for("it is told", || picky.took().len() == 2);
    tell(&up, &notice("a", "resolved"));
    wait_for("its end is told", || picky.took().len() == 3);
    running.stop();
    assert_eq!(picky.said().concat(), pairs(&[("b", "opened"), ("a", "opened"), ("a", "resolved")]));
    assert_eq!(up.store.losses().unwrap(), []);
}

#[test]
fn of_a_digest_that_was_refused_the_rest_is_told_and_so_is_the_end_whatever_the_filter() {
    let mut picky = Picky::new();
    picky.case.config.filter.codes = vec!["C".into()];
    let up = picky.case.up();
    tell(&up, &digest(["a", "b"].map(|id| notice(id, "opened"))));
    let running = picky.case.run(&up);
    wait_for("it is refused", || up.store.standing(NAME).unwrap().n_apart == 1);
    let refused = up.store.standing(NAME).unwrap().apart.unwrap().id;
    tell(&up, &notice("a", "ongoing"));
    // The rest holds nothing that is refused.
    wait_for("the rest is told", || picky.took().len() == 2);
    wait_for("it is accepted", || up.store.standing(NAME).unwrap().n_apart == 0);
    running.stop();
    assert_eq!(picky.said(), [pairs(&[("a", "ongoing")]), pairs(&[("b", "opened")])]);
    assert_ne!(picky.took()[1].id, refused);
    let losses: Vec<_> = up.store.losses().unwrap().into_iter().map(|loss| loss.lost).collect();
    let [Lost::Rows(Why::Superseded, Notify::Incident, dropped)] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!(dropped.waiting.rows, 1, "what it said of the other is a loss");
    // From now on none of it is for the sink; what it was told of is told on, after a restart too.
    drop(up);
    picky.case.config.filter.codes = vec!["D".into()];
    let up = picky.case.up();
    tell(&up, &digest(["a", "b", "c"].map(|id| notice(id, "resolved"))));
    let running = picky.case.run(&up);
    wait_for("both ends are told", || picky.took().len() == 3);
    tell(&up, &notice("b", "ongoing"));
    wait_for("what is over is over", || is_empty(&up));
    running.stop();
    assert_eq!(picky.said()[2..], [pairs(&[("a", "resolved"), ("b", "resolved")])]);
}

#[test]
fn another_format_that_tells_of_incidents_one_by_one_tells_of_each() {
    let mut picky = Picky::new();
    let up = picky.case.up();
    tell(&up, &digest(["a", "b"].map(|id| notice(id, "opened"))));
    let running = picky.case.run(&up);
    wait_for("it is refused", || up.store.standing(NAME).unwrap().n_apart == 1);
    running.stop();
    picky.case.config.format = Format::CloudEvents;
    picky.bad.store(false, Relaxed);
    picky.case.operator().retry(None).unwrap();
    let running = picky.case.run(&up);
    wait_for("all is accepted", || up.store.standing(NAME).unwrap().n_apart == 0);
    running.stop();
    assert_eq!(picky.took().len(), 2);
}

#[test]
fn a_pager_is_sent_no_end_of_what_it_was_not_sent_the_beginning_of() {
    let all = Arc::<Mutex<Vec<Got>>>::default();
    let took = Arc::clone(&all);
    let receiver = Receiver::new(move |_, got| {
        took.lock().unwrap().push(got.clone());
        Reply::Status(202)
    });
    let mut case = Case::new(receiver.at);
    (case.config.notify, case.config.format) = (Notify::Incident, Format::PagerDuty);
    case.config.secrets = vec![crate::config::Secret::Plain("R".repeat(32))];
    let up = case.up();
    for message in [notice("a", "resolved"), notice("b", "opened"), notice("b", "resolved"), notice("c", "ongoing")] {
        tell(&up, &message);
    }
    let running = case.run(&up);
    wait_for("all is done with", || is_empty(&up));
    tell(&up, &notice("b", "resolved"));
    tell(&up, &notice("c", "resolved"));
    wait_for("all is done with again", || is_empty(&up));
    running.stop();
    let said = |got: &Got| {
        let body: Value = serde_json::from_str(&got.body).expect("JSON");
        let text = |key: &str| body[key].as_str().expect("a text").to_owned();
        (text("event_action"), text("dedup_key"))
    };
    let said: Vec<_> = all.lock().unwrap().iter().map(said).collect();
    let actions: Vec<&str> = said.iter().map(|(action, _)| &**action).collect();
    assert_eq!(actions, ["trigger", "resolve", "trigger", "resolve"]);
    assert!(said[0].1 == said[1].1 && said[2].1 == said[3].1 && said[0].1 != said[2].1, "{said:?}");
}
