//! Receivers that block who asks too often.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::case::*;
use super::receiver::*;
use crate::config::{Format, Notify};

#[test]
fn sinks_of_one_robot_share_what_it_takes_and_neither_a_reload_nor_a_restart_forgets_it() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let came = Arc::clone(&times);
    let receiver = Receiver::new(move |_, _| {
        came.lock().unwrap().push(Instant::now());
        Reply::Full(200, "x: y", r#"{"errcode":0}"#)
    });
    let mut case = Case::new(receiver.at);
    (case.config.format, case.config.max_batch) = (Format::DingTalk, 1);
    let names = ["first", "second"];
    for round in 0..3 {
        let up = case.up_with(&names.map(|name| (name, Notify::Event)));
        if round == 0 {
            commit(&up, events(0..100));
        }
        // The second time within one run, as after a reload.
        for _ in 0..2 {
            let running = names.map(|name| {
                case.config.name = name.into();
                case.run(&up)
            });
            wait_for("it takes as many as it may", || times.lock().unwrap().len() >= 18);
            // Long enough for more of them, if they did not wait.
            std::thread::sleep(Duration::from_millis(200));
            running.into_iter().for_each(Running::stop);
        }
    }
    let times = times.lock().unwrap();
    for (n, first) in times.iter().enumerate() {
        let within = times[n..].iter().filter(|at| at.duration_since(*first) < Duration::from_secs(60)).count();
        assert!(within <= 18, "{within} requests within a minute");
    }
}
