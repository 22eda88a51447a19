//! `run` with webhooks whose receivers misbehave: nothing is lost, nothing comes twice, and nobody waits for another.
//!
//! Pauses between attempts grow to minutes. Where a test is about what comes after many of them, it changes the time that
//! is stored with the waiting request, as an operator does who wants it tried now.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::authority::{Authority, Clients, Validity};
use crate::cli_env::Env;
use crate::daemon::{Daemon, append, command, eventually, failure, number, run};
use crate::hooks::{
    ARGS, arrive, config, dead, events, fails_with, id, kept, meanwhile, once_and_in_order, received, sink, text,
};
use crate::receiver::{Receiver, Reply, Request, Step};
use crate::shim;

const KEYS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

fn write(env: &Env, numbers: std::ops::Range<usize>) {
    append(env, "logs/app.log", &numbers.map(failure).collect::<String>());
}

/// Attempts of the request that was tried first.
fn first_tries(receiver: &Receiver) -> Vec<Request> {
    let requests = receiver.requests();
    let first = id(&requests[0]);
    requests.into_iter().filter(|request| id(request) == first).collect()
}

/// The next event that is about paytriage itself.
fn about_itself(daemon: &mut Daemon) -> serde_json::Value {
    loop {
        let event = daemon.event();
        if event["provider"] == "paytriage" {
            return event;
        }
    }
}

#[test]
fn whatever_a_receiver_does_each_event_arrives_once_and_in_order() {
    let (env, mut receiver, elsewhere) = (Env::new(), Receiver::start(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), "timeout = \"1s\"\nmax_batch = 10")]);
    receiver.refuse();
    write(&env, 0..60);
    append(&env, "logs/other.log", &(1000..1060).map(failure).collect::<String>());
    let mut daemon = run(&env, ARGS);
    fails_with(&env, "own", "Connection refused");
    let there = Reply { status: 307, headers: vec![("Location", elsewhere.url("/hook"))], body: Vec::new() };
    for step in [
        Step::Hang,
        Step::Reset,
        Step::Close,
        Step::Garbage,
        Step::Drip(Duration::from_millis(100)),
        Step::status(500),
        Step::status(404),
        Step::body(503, "<html>\x1b[2J maintenance"),
        Step::Answer(there),
    ] {
        receiver.then([step, Step::status(200)]);
    }
    receiver.resume();
    arrive(&mut daemon, 120, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order((0..60).chain(1000..1060), &[&receiver]);
    assert_eq!(elsewhere.requests().len(), 0, "no redirect is followed");
    let (all, kept) = (receiver.requests().len(), kept(&[&receiver]).len());
    assert_eq!(all, kept + 9, "each failed attempt was made up for by one more");
}

#[test]
fn a_receiver_that_asks_for_time_is_given_it() {
    let (env, receiver) = (Env::new(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), "")]);
    let asked = AtomicUsize::new(0);
    receiver.otherwise(move |_| match asked.fetch_add(1, Relaxed) {
        0 => Step::header(429, "Retry-After", "2"),
        1 => {
            // As a date has no fractions of a second, this is at least two.
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
            Step::header(503, "Retry-After", &date)
        }
        _ => Step::status(200),
    });
    write(&env, 0..1);
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, 1, &[&receiver]);
    eventually("it is accepted", || receiver.requests().len() == 3);
    let at: Vec<_> = first_tries(&receiver).iter().map(|request| request.at).collect();
    for (n, tries) in at.windows(2).enumerate() {
        // The daemon counts in whole milliseconds.
        let pause = tries[1].duration_since(tries[0]) + Duration::from_millis(1);
        assert!(pause >= Duration::from_secs(2), "attempt {} came after {pause:?}", n + 2);
    }
    write(&env, 1..2);
    arrive(&mut daemon, 2, &[&receiver]);
    once_and_in_order(0..2, &[&receiver]);
}

#[test]
fn a_robot_that_says_no_with_status_200_is_asked_again() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let robot = sink("robot", &receiver.url("/robot/send?access_token=T0P"), "format = \"dingtalk\"\nmax_batch = 1");
    config(&env, &[&robot]);
    receiver.then([
        Step::body(200, r#"{"errcode":-1,"errmsg":"system busy"}"#),
        Step::body(200, r#"{"errcode":310000,"errmsg":"keywords not in content"}"#),
        Step::body(200, "<html>a proxy's page</html>"),
    ]);
    receiver.otherwise(|_| Step::body(200, r#"{"errcode":0,"errmsg":"ok"}"#));
    write(&env, 0..2);
    let mut daemon = run(&env, ARGS);
    let requests = receiver.wait_for(5);
    let shows = |request: &Request| (0..2).find(|n| text(request).contains(&format!("N{n:06}"))).expect("an order");
    assert_eq!(requests.iter().map(shows).collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
    assert!(requests[..4].iter().all(|request| request.body == requests[0].body));
    assert!(daemon.stop().success());
    assert_eq!(receiver.requests().len(), 5);
    assert!(!daemon.drain_log().contains("T0P"), "{}", daemon.drain_log());
}

#[test]
fn bad_certificates_get_nothing_until_a_good_one_is_there() {
    let (env, ours, strange) = (Env::new(), Authority::new("ours"), Authority::new("another"));
    env.write("ca.pem", ours.pem());
    let server = |authority: &Authority, name, validity| authority.server(name, &validity, &Clients::All);
    let mut receiver = Receiver::with_tls(server(&ours, "127.0.0.1", Validity::Expired));
    let trust = format!("tls.ca = \"{}\"", env.path("ca.pem").display());
    config(&env, &[&sink("own", &receiver.url("/hook"), &trust)]);
    write(&env, 0..20);
    let mut daemon = run(&env, ARGS);
    fails_with(&env, "own", "certificate expired on 2020-01-01");
    receiver.resume_with(server(&ours, "other.example", Validity::Now));
    fails_with(&env, "own", "certificate is for another name");
    receiver.resume_with(server(&strange, "127.0.0.1", Validity::Now));
    fails_with(&env, "own", "authority that this host does not know");
    assert_eq!(receiver.requests().len(), 0);
    receiver.resume_with(server(&ours, "127.0.0.1", Validity::Now));
    meanwhile(&env, "next_ms = 0");
    arrive(&mut daemon, 20, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order(0..20, &[&receiver]);
    assert_eq!(receiver.requests().len(), kept(&[&receiver]).len());
}

#[test]
fn signatures_hold_while_keys_are_rotated() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let files = ["new", "old"].map(|name| env.path(name));
    for (file, key) in files.iter().zip(KEYS) {
        fs::write(file, key).unwrap();
    }
    let [new, old] = files.map(|file| format!("{{ file = \"{}\" }}", file.display()));
    let with = |secrets: &str| config(&env, &[&sink("own", &receiver.url("/hook"), &format!("secrets = [{secrets}]"))]);
    with(&old);
    let mut daemon = run(&env, ARGS);
    for (n, (secrets, signed)) in
        [(old.clone(), [false, true]), (format!("{new}, {old}"), [true, true]), (new, [true, false])].iter().enumerate()
    {
        with(secrets);
        daemon.signal("HUP");
        daemon.wait_for_log("reloaded");
        // A failure before it: the signature of each attempt is good.
        receiver.then([Step::status(500)]);
        write(&env, n..n + 1);
        let requests = receiver.wait_for(2 * (n + 1));
        for request in &requests[2 * n..] {
            assert_eq!(KEYS.map(|key| request.is_signed_with(key)), *signed, "{secrets}");
        }
    }
    once_and_in_order(0..3, &[&receiver]);
}

#[test]
fn a_daemon_killed_again_and_again_while_nobody_listens_delivers_all_of_it_once() {
    const N: usize = 3000;
    let (env, mut receiver) = (Env::new(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), ""), "[sink.stdout]\nenabled = false"]);
    receiver.refuse();
    for kill in 0..5 {
        write(&env, kill * N / 5..(kill + 1) * N / 5 - 100);
        let daemon = run(&env, ARGS);
        write(&env, (kill + 1) * N / 5 - 100..(kill + 1) * N / 5);
        fails_with(&env, "own", "Connection refused");
        daemon.signal("KILL");
    }
    // Once more while it delivers, with an answer that never comes and one that is cut off.
    receiver.then([
        Step::status(200),
        Step::Reset,
        Step::status(200),
        Step::status(500),
        Step::status(200),
        Step::Hang,
    ]);
    receiver.resume();
    let daemon = run(&env, ARGS);
    meanwhile(&env, "next_ms = 0");
    receiver.wait_for(6);
    daemon.signal("KILL");
    drop(daemon);
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, N, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order(0..N, &[&receiver]);
}

#[test]
fn a_daemon_killed_while_its_receiver_fails_at_every_turn_repeats_only_what_it_must() {
    const N: usize = 400;
    let (env, receiver) = (Env::new(), Receiver::start());
    let settings = "timeout = \"1s\"\nmax_batch = 20";
    config(&env, &[&sink("own", &receiver.url("/hook"), settings), "[sink.stdout]\nenabled = false"]);
    let n_requests = AtomicUsize::new(0);
    receiver.otherwise(move |_| match n_requests.fetch_add(1, Relaxed) % 10 {
        2 => Step::Reset,
        4 => Step::status(500),
        6 => Step::Hang,
        8 => Step::Close,
        _ => Step::status(200),
    });
    for kill in 0..6 {
        write(&env, kill * N / 6..(kill + 1) * N / 6);
        let daemon = run(&env, ARGS);
        receiver.wait_for(receiver.requests().len() + 3);
        daemon.signal("KILL");
        drop(daemon);
    }
    let mut daemon = run(&env, ARGS);
    meanwhile(&env, "next_ms = 0");
    arrive(&mut daemon, N, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order(0..N, &[&receiver]);
}

#[test]
fn what_was_sent_without_an_answer_before_a_sigkill_comes_again_as_it_was() {
    let (env, receiver) = (Env::new(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), "")]);
    receiver.then([Step::Hang]);
    write(&env, 0..7);
    let daemon = run(&env, ARGS);
    receiver.wait_for(1);
    write(&env, 7..20);
    daemon.signal("KILL");
    drop(daemon);
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, 20, &[&receiver]);
    let tries = first_tries(&receiver);
    assert!(tries.len() == 2 && tries[0].body == tries[1].body, "{tries:?}");
    assert!(daemon.stop().success());
    once_and_in_order(0..20, &[&receiver]);
}

/// A good sink and four that hold up their deliveries in different ways.
#[test]
fn sinks_that_do_not_work_hold_up_nobody_else() {
    let env = Env::new();
    let (good, mut dead, hanging, failing) =
        (Receiver::start(), Receiver::start(), Receiver::start(), Receiver::start());
    let (ours, strange) = (Authority::new("ours"), Authority::new("another"));
    let server = |authority: &Authority| authority.server("127.0.0.1", &Validity::Now, &Clients::All);
    let mut untrusted = Receiver::with_tls(server(&strange));
    env.write("ca.pem", ours.pem());
    dead.refuse();
    hanging.then([Step::Hang]);
    failing.otherwise(|_| Step::status(500));
    let trust = format!("tls.ca = \"{}\"", env.path("ca.pem").display());
    config(
        &env,
        &[
            &sink("dead", &dead.url("/"), ""),
            &sink("untrusted", &untrusted.url("/"), &trust),
            &sink("hanging", &hanging.url("/"), "timeout = \"60s\""),
            &sink("failing", &failing.url("/"), ""),
            &sink("good", &good.url("/"), ""),
        ],
    );
    let mut daemon = run(&env, ARGS);
    for n in 0..20 {
        write(&env, n..n + 1);
        assert_eq!(number(&daemon.event()), n, "standard output goes on");
        arrive(&mut daemon, n + 1, &[&good]);
    }
    hanging.wait_for(1);
    fails_with(&env, "dead", "Connection refused");
    fails_with(&env, "untrusted", "authority");
    fails_with(&env, "failing", "HTTP 500");
    let asked = std::time::Instant::now();
    assert!(daemon.stop().success(), "{}", daemon.drain_log());
    // Ten seconds are promised; the attempt that hangs would have lasted for sixty.
    assert!(asked.elapsed() < Duration::from_secs(30), "it ended after {:?}", asked.elapsed());
    dead.resume();
    untrusted.resume_with(server(&ours));
    failing.otherwise(|_| Step::status(200));
    let mut daemon = run(&env, ARGS);
    meanwhile(&env, "next_ms = 0");
    for receiver in [&good, &dead, &untrusted, &hanging] {
        arrive(&mut daemon, 20, &[receiver]);
        once_and_in_order(0..20, &[receiver]);
    }
    eventually("the failing one has all", || failing.taken().iter().flat_map(events).count() == 20);
    assert!(daemon.stop().success());
}

#[test]
fn what_is_too_large_is_sent_in_parts_and_what_is_too_large_alone_steps_aside() {
    const LARGE: usize = 50;
    let (env, receiver) = (Env::new(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), "")]);
    let large = format!("N{LARGE:06}");
    let takes = move |request: &Request| request.body.len() <= 20_000 && !text(request).contains(&large);
    let is_taken = takes.clone();
    receiver.otherwise(move |request| Step::status(if is_taken(request) { 200 } else { 413 }));
    write(&env, 0..90);
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, 89, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order((0..90).filter(|&n| n != LARGE), &[&receiver]);
    let refused: Vec<_> = receiver.requests().into_iter().filter(|request| !takes(request)).collect();
    let kept = kept(&[&receiver]);
    assert!(!refused.is_empty() && kept.iter().all(|part| refused.iter().all(|whole| id(part) != id(whole))));
    // Each was sent once, but for that one.
    let several: Vec<_> = refused.iter().filter(|request| events(request).len() > 1).map(id).collect();
    assert_eq!(several.iter().collect::<HashSet<_>>().len(), several.len());
}

#[test]
fn one_event_that_nobody_wants_steps_aside_and_becomes_a_dead_letter() {
    const POISON: usize = 13;
    let (env, receiver) = (Env::new(), Receiver::start());
    config(&env, &[&sink("own", &receiver.url("/hook"), "")]);
    let poison = format!("N{POISON:06}");
    receiver.otherwise(move |request| Step::status(if text(request).contains(&poison) { 400 } else { 200 }));
    write(&env, 0..30);
    let mut daemon = run(&env, ARGS);
    let others = || (0..30).filter(|&n| n != POISON);
    arrive(&mut daemon, 29, &[&receiver]);
    once_and_in_order(others(), &[&receiver]);
    write(&env, 30..40);
    arrive(&mut daemon, 39, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order(others().chain(30..40), &[&receiver]);

    // While nobody tries it: what an attempt comes to is stored over what is written meanwhile.
    assert_eq!((meanwhile(&env, "first_refused_ms = 1, next_ms = 0"), dead(&env, "own")), (1, 0));
    let mut daemon = run(&env, ARGS);
    let event = about_itself(&mut daemon);
    assert_eq!((&event["code"], dead(&env, "own")), (&"PT.DEAD_LETTER".into(), 1));
    assert!(event["excerpt"].as_str().unwrap().contains("sink=own"), "{event}");
    assert!(daemon.stop().success());
}

#[test]
fn a_receiver_that_is_gone_is_left_alone_until_the_next_start() {
    let (env, gone, other) = (Env::new(), Receiver::start(), Receiver::start());
    config(&env, &[&sink("gone", &gone.url("/"), ""), &sink("other", &other.url("/"), "")]);
    gone.then([Step::status(410)]);
    write(&env, 0..1);
    let mut daemon = run(&env, ARGS);
    let event = about_itself(&mut daemon);
    assert_eq!(event["code"], "PT.SINK_DOWN", "{event}");
    let facts = event["excerpt"].as_str().unwrap();
    assert!(facts.contains("sink=gone") && facts.contains("410"), "{facts}");
    let announced = || kept(&[&other]).iter().flat_map(events).any(|event| event["code"] == "PT.SINK_DOWN");
    eventually("the other sink is told", announced);
    write(&env, 1..20);
    arrive(&mut daemon, 20, &[&other]);
    assert_eq!(gone.requests().len(), 1, "it wants nothing any more");
    let status = env.run(&["outbox", "status", "--config", "p.toml"]).code(0).stdout;
    let said = "          stopped: answered HTTP 410; tried again after a reload, a restart or `outbox retry`\n";
    assert!(status.contains(said) && !status.contains("due now"), "{status}");
    gone.then([Step::status(410)]);
    daemon.signal("HUP");
    gone.wait_for(2);
    assert!(daemon.stop().success());
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, 20, &[&gone]);
    assert!(daemon.stop().success());
    for receiver in [&gone, &other] {
        once_and_in_order(0..20, &[receiver]);
    }
}

/// Ends a writer, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn reloads_that_move_add_and_remove_sinks_lose_and_repeat_nothing() {
    let env = Env::new();
    let [always, here, there, passing] = [(); 4].map(|()| Receiver::start());
    let small = |name: &str, receiver: &Receiver| sink(name, &receiver.url("/"), "max_batch = 3");
    let more = |receiver: &Receiver| {
        let n = receiver.requests().len() + 5;
        eventually("requests come", || receiver.requests().len() >= n);
    };
    let stays = small("always", &always);
    config(&env, &[&stays, &small("moves", &here)]);
    let (written, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut daemon = run(&env, ARGS);
    thread::scope(|scope| {
        let stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.0.load(Relaxed) {
                let n = written.fetch_add(1, Relaxed);
                write(&env, n..n + 1);
                thread::sleep(Duration::from_millis(10));
            }
        });
        more(&here);
        for (moved, passes) in [(&there, true), (&here, false), (&there, false)] {
            let passes = if passes { small("passes", &passing) } else { String::new() };
            config(&env, &[&stays, &passes, &small("moves", moved)]);
            daemon.signal("HUP");
            daemon.wait_for_log("reloaded");
            more(moved);
            if !passes.is_empty() {
                more(&passing);
            }
        }
        drop(stop);
    });
    let n = written.load(Relaxed);
    for receivers in [&[&always][..], &[&here, &there]] {
        arrive(&mut daemon, n, receivers);
    }
    assert!(daemon.stop().success());
    for receivers in [&[&always][..], &[&here, &there]] {
        once_and_in_order(0..n, receivers);
    }
    // The one that came and went has all of a time.
    let numbers: Vec<_> = received(&[&passing]).iter().map(number).collect();
    once_and_in_order(numbers[0]..numbers[0] + numbers.len(), &[&passing]);
}

#[test]
fn a_sink_that_is_removed_while_it_hangs_and_comes_back_begins_anew() {
    let (env, stays, returns) = (Env::new(), Receiver::start(), Receiver::start());
    let stays_on = sink("stays", &stays.url("/"), "");
    let tables = |returns: &Receiver| [stays_on.clone(), sink("returns", &returns.url("/"), "timeout = \"3s\"")];
    let [first, second] = tables(&returns);
    config(&env, &[&first, &second]);
    returns.then([Step::Hang]);
    let mut daemon = run(&env, ARGS);
    write(&env, 0..5);
    returns.wait_for(1);
    // Those that come while it is away are not for it.
    for (range, tables) in [(5..10, vec![&*first]), (10..15, vec![&*first, &*second])] {
        config(&env, &tables);
        daemon.signal("HUP");
        daemon.wait_for_log("reloaded");
        let n = range.end;
        write(&env, range);
        arrive(&mut daemon, n, &[&stays]);
    }
    let sent_again = || {
        let events = kept(&[&returns]).into_iter().skip(1).flat_map(|request| events(&request));
        // What it did not get may be told after that.
        events.filter(|event| event["provider"] != "paytriage").map(|event| number(&event)).collect()
    };
    eventually("it is told what is new", || Vec::len(&sent_again()) == 5);
    assert!(daemon.stop().success());
    assert_eq!(sent_again(), [10, 11, 12, 13, 14]);
    once_and_in_order(0..15, &[&stays]);
}

#[test]
fn what_waits_for_too_long_is_dropped_for_its_sink_only_and_reported() {
    let (env, mut away, here) = (Env::new(), Receiver::start(), Receiver::start());
    config(&env, &[&sink("away", &away.url("/"), "max_age = \"1s\""), &sink("here", &here.url("/"), "")]);
    away.refuse();
    write(&env, 0..5);
    let mut daemon = run(&env, ARGS);
    // In one piece or in several, as they were committed.
    let mut n_dropped = 0;
    while n_dropped < 5 {
        let event = about_itself(&mut daemon);
        assert_eq!(event["code"], "PT.DROPPED", "{event}");
        let facts = event["excerpt"].as_str().unwrap().strip_prefix("sink=away events=").unwrap_or_default();
        n_dropped += facts.split(' ').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or_else(|| panic!("{event}"));
    }
    arrive(&mut daemon, 5, &[&here]);
    let words = || kept(&[&here]).iter().flat_map(events).filter(|event| event["code"] == "PT.DROPPED").count();
    let waiting = || {
        let status = env.run(&["outbox", "status", "--format", "json", "--state", "state"]).code(0).stdout;
        serde_json::from_str::<Value>(&status).unwrap()["events"].clone()
    };
    // The words about it expire as well, without another word.
    eventually("nothing waits", || waiting() == 0);
    let n_words = words();
    write(&env, 10..11);
    about_itself(&mut daemon);
    eventually("nothing waits", || waiting() == 0);
    assert_eq!(words(), n_words + 1);
    away.resume();
    write(&env, 5..10);
    arrive(&mut daemon, 5, &[&away]);
    arrive(&mut daemon, 11, &[&here]);
    assert!(daemon.stop().success());
    once_and_in_order(5..10, &[&away]);
    let came: Vec<_> = received(&[&here]).iter().map(number).collect();
    assert_eq!(came, [0, 1, 2, 3, 4, 10, 5, 6, 7, 8, 9]);
}

#[test]
fn what_a_filter_keeps_from_a_sink_does_not_wait_for_it() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let choosy = sink("choosy", &receiver.url("/"), "codes = [\"isv.*\"]\nmax_batch = 2");
    config(&env, &[&choosy, "[sink.stdout]\nenabled = false"]);
    let lines = |n: usize| match n % 10 {
        0 => failure(n).replace("ACQ.TRADE_HAS_SUCCESS", "isv.invalid-signature"),
        _ => failure(n),
    };
    append(&env, "logs/app.log", &(0..200).map(lines).collect::<String>());
    let mut daemon = run(&env, ARGS);
    arrive(&mut daemon, 20, &[&receiver]);
    let status = || env.run(&["outbox", "status", "--format", "json", "--state", "state"]).code(0).stdout;
    let events = || serde_json::from_str::<serde_json::Value>(&status()).unwrap()["events"].as_u64();
    eventually("nothing waits", || events() == Some(0));
    assert!(daemon.stop().success());
    once_and_in_order((0..200).step_by(10), &[&receiver]);
}

#[test]
fn a_name_that_cannot_be_looked_up_for_a_while_costs_no_event() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let url = format!("http://receiver.test:{}/", receiver.address().port());
    config(&env, &[&sink("named", &url, "allow_http = true"), "[sink.stdout]\nenabled = false"]);
    let start = || {
        let mut command = command(&env, ARGS);
        shim::preload(&env, shim::LOOK_UP, &mut command);
        let mut daemon = Daemon::spawn(command);
        daemon.wait_for_log("watching");
        daemon
    };
    env.write("broken", "");
    write(&env, 0..5);
    let mut daemon = start();
    fails_with(&env, "named", "receiver.test");
    // It stays so over a restart, and is mended while the daemon runs.
    daemon.signal("KILL");
    daemon.wait();
    let mut daemon = start();
    write(&env, 5..10);
    daemon.wait_for_log("delivery failed");
    fs::remove_file(env.path("broken")).unwrap();
    arrive(&mut daemon, 10, &[&receiver]);
    assert!(daemon.stop().success());
    once_and_in_order(0..10, &[&receiver]);
}

#[test]
fn what_was_not_for_a_sink_that_a_reload_removes_is_no_loss_of_it() {
    let (env, mut away) = (Env::new(), Receiver::start());
    away.refuse();
    let narrow = sink("narrow", &away.url("/"), "codes = [\"ACQ.SYSTEM_ERROR\"]");
    config(&env, &[&narrow]);
    append(&env, "logs/app.log", &failure(0).replace("TRADE_HAS_SUCCESS", "SYSTEM_ERROR"));
    write(&env, 1..5);
    let mut daemon = run(&env, ARGS);
    (0..5).for_each(|_| drop(daemon.event()));
    daemon.wait_for_log("delivery failed");
    config(&env, &[]);
    daemon.signal("HUP");
    let told = about_itself(&mut daemon);
    let facts = told["excerpt"].as_str().unwrap();
    assert!(facts.starts_with("sink=narrow events=1 bytes=") && facts.ends_with(" reason=removed"), "{facts}");
    assert!(daemon.stop().success());
}

#[test]
fn a_sink_that_takes_incidents_from_now_on_is_told_of_each_and_of_no_event() {
    let (env, receiver) = (Env::new(), Receiver::start());
    let own = |notify: &str| {
        let url = receiver.url("/");
        format!("[[sink.webhook]]\nname = \"own\"\nurl = \"{url}\"\nnotify = \"{notify}\"\nmax_batch = 1\n")
    };
    let stdout = |notify: &str| format!("[sink.stdout]\nnotify = \"{notify}\"\n");
    config(&env, &[&own("event"), &stdout("event")]);
    let mut daemon = run(&env, ARGS);
    write(&env, 0..1);
    assert_eq!(daemon.numbers(1), [0]);
    receiver.wait_for(1);
    // An event is under way while the sink becomes one for incidents; standard output stays as it is until the next start.
    receiver.then([Step::Drip(Duration::from_millis(20))]);
    write(&env, 1..2);
    assert_eq!(daemon.numbers(1), [1]);
    receiver.wait_for(2);
    config(&env, &[&own("incident"), &stdout("incident"), "[incident]\nbatch_wait = \"1s\"\nresolve_after = \"1s\"\n"]);
    daemon.signal("HUP");
    daemon.wait_for_log("reloaded");
    write(&env, 2..50);
    // The event that was under way arrives all the same, and is no loss.
    assert_eq!(daemon.numbers(48), (2..50).collect::<Vec<_>>());
    let told = || {
        let bodies =
            kept(&[&receiver]).into_iter().skip(2).map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
        let notices = bodies.flat_map(|body| match &body["data"]["incidents"] {
            Value::Array(notices) => notices.clone(),
            _ => vec![body["data"].clone()],
        });
        notices.map(|notice| notice["status"].as_str().unwrap_or("an event").to_owned()).collect::<Vec<_>>()
    };
    eventually("the incident is over", || told().last().is_some_and(|last| last == "resolved"));
    assert!(told().iter().all(|status| ["opened", "ongoing", "resolved"].contains(&&**status)), "{:?}", told());
    let waiting = || {
        let status = env.run(&["outbox", "status", "--format", "json", "--state", "state"]).code(0).stdout;
        serde_json::from_str::<Value>(&status).unwrap()["events"].clone()
    };
    eventually("nothing waits", || waiting() == 0);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn what_a_receiver_sends_back_shows_no_secret_in_log_state_commands_or_notices() {
    const SECRETS: [&str; 4] = ["T0PSECRET", "T0KEN", "T0PAUTH", "MfKQ9r8G"];
    let (env, receiver, other) = (Env::new(), Receiver::start(), Receiver::start());
    env.write("url", receiver.url("/hook/T0PSECRET?access_token=T0KEN"));
    env.write("key", KEYS[0]);
    env.write("auth", "Bearer T0PAUTH");
    let at = |name: &str| env.path(name).display().to_string();
    let own = format!(
        "[[sink.webhook]]\nname = \"own\"\nurl_file = \"{}\"\nsecret_file = \"{}\"\nnotify = \"event\"\n\
         secret_headers = {{ Authorization = {{ file = \"{}\" }} }}\n",
        at("url"),
        at("key"),
        at("auth")
    );
    let echo = format!(
        "{{\"error\":\"no\",\"path\":\"\\/hook\\/T0PSECRET\",\"query\":\"access_token=T0KEN\",\"auth\":\"Bearer T0PAUTH\",\"key\":\"{}\"}}",
        KEYS[0]
    );
    receiver.then([Step::body(500, &echo), Step::body(410, &echo)]);
    config(&env, &[&own, &sink("other", &other.url("/"), "")]);
    write(&env, 0..1);
    let mut daemon = run(&env, ARGS);
    let down = about_itself(&mut daemon);
    assert!(down["code"] == "PT.SINK_DOWN" && down["excerpt"].as_str().unwrap().contains("(hidden)"), "{down}");
    eventually("the other sink is told", || kept(&[&other]).iter().flat_map(events).count() == 2);
    let show = |args: &[&str]| {
        let run = env.run(&[args, &["--config", "p.toml"]].concat());
        format!("{}{}", run.stdout, run.stderr)
    };
    let mut said = vec![show(&["outbox", "status"]), show(&["outbox", "list"]), show(&["config", "show"])];
    assert!(said[0].contains("(hidden)"), "{}", said[0]);
    assert!(daemon.stop().success());
    said.push(daemon.drain_log());
    said.push(down.to_string());
    said.push(kept(&[&other]).iter().map(text).collect());
    let database = fs::read(env.path("state/paytriage.db")).unwrap();
    said.push(String::from_utf8_lossy(&database).into_owned());
    for text in said {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}
