//! The store as a whole: what is committed together, what comes back, what is refused.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::notice::Why;

pub(super) fn event(n: u8) -> OutboxEvent {
    OutboxEvent { id: EventId([n; 16]), body: format!("{{\"n\":{n}}}").into_bytes() }
}

pub(super) fn file(inode: u64, offset: u64) -> FileState {
    FileState {
        key: FileKey { device: u64::MAX, inode, birth: 3 },
        generation: 2,
        path: "/var/log/a.log".into(),
        checkpoint: Checkpoint { offset, line: 7, reported: vec![EventId([1; 16])], ..Checkpoint::default() },
        proof: Proof { at: offset + 9, head_len: 5, head: [4; 16], tail_from: offset, tail: [5; 16] },
        unread_to: None,
    }
}

pub(super) fn open(dir: &StateDir) -> Store {
    Store::open(dir, Durability::Full).unwrap()
}

pub(super) fn batch(files: Vec<FileState>, events: &[u8]) -> Batch {
    Batch { files, events: events.iter().map(|&n| event(n)).collect(), ..Batch::default() }
}

fn rows(store: &Store, after: i64) -> Vec<Vec<u8>> {
    match store.take(Notify::Event, after, 100, Some(Instant::now())).unwrap() {
        Waiting::Rows(rows) => rows.into_iter().map(|row| row.body).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn offsets_and_events_survive_together() {
    let tmp = tempfile::tempdir().unwrap();
    let state = tmp.path().join("state");
    {
        let dir = StateDir::lock(&state).unwrap();
        let store = open(&dir);
        store.set_sinks(&[("stdout", Notify::Event)]).unwrap();
        let watched = Some(vec!["/var/log".to_owned()]);
        store.commit(&Batch { watched, ..batch(vec![file(1, 10), file(2, 20)], &[1, 2]) }).unwrap();
        store.commit(&Batch { seen_until_ms: 78, ..batch(vec![file(1, 30)], &[3]) }).unwrap();
    }
    let store = open(&StateDir::lock(&state).unwrap());
    let mut files = store.files().unwrap();
    files.sort_by_key(|file| file.key);
    assert_eq!(files, [file(1, 30), file(2, 20)]);
    assert_eq!(store.watched().unwrap(), ["/var/log"]);
    assert_eq!(store.seen_until_ms().unwrap(), Some(78));
    assert_eq!(store.waiting().rows, 3);
    assert_eq!(rows(&store, 0).len(), 3);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join("paytriage.db"))), (0o700, 0o600));
}

#[test]
fn a_deleted_file_is_forgotten() {
    let store = Store::in_memory().unwrap();
    store.commit(&batch(vec![file(1, 10), file(2, 20)], &[])).unwrap();
    store.commit(&Batch { deleted: vec![file(1, 10).key], ..Batch::default() }).unwrap();
    assert_eq!(store.files().unwrap(), [file(2, 20)]);
}

#[test]
fn an_event_is_stored_once_and_leaves_when_all_sinks_have_it() {
    let store = Store::in_memory().unwrap();
    store.set_sinks(&[("stdout", Notify::Event), ("other", Notify::Event)]).unwrap();
    store.commit(&batch(vec![], &[1, 2])).unwrap();
    store.commit(&batch(vec![], &[2, 3])).unwrap();
    assert_eq!(store.waiting().rows, 3);
    let Waiting::Rows(all) = store.take(Notify::Event, 0, 100, None).unwrap() else { panic!("rows wait") };
    store.acknowledge("stdout", Notify::Event, all[2].seq).unwrap();
    assert_eq!(store.waiting().rows, 3);
    store.acknowledge("other", Notify::Event, all[0].seq).unwrap();
    assert_eq!(store.waiting().rows, 2);
    // A sink never goes back, and what a removed sink did not deliver holds up nobody.
    store.acknowledge("stdout", Notify::Event, all[0].seq).unwrap();
    assert_eq!(store.delivered("stdout").unwrap(), all[2].seq);
    store.set_sinks(&[("stdout", Notify::Event)]).unwrap();
    assert_eq!(store.waiting().rows, 0);
    store.commit(&batch(vec![], &[4])).unwrap();
    assert_eq!(rows(&store, all[2].seq), [event(4).body]);
}

#[test]
fn a_waiting_sink_wakes_for_rows_and_for_the_end() {
    let store = Arc::new(Store::in_memory().unwrap());
    store.set_sinks(&[("stdout", Notify::Event)]).unwrap();
    let sink = Arc::clone(&store);
    let waiting = std::thread::spawn(move || {
        (sink.take(Notify::Event, 0, 10, None).unwrap(), sink.take(Notify::Event, 1, 10, None).unwrap())
    });
    store.commit(&batch(vec![], &[1])).unwrap();
    store.close();
    let (first, second) = waiting.join().unwrap();
    assert!(matches!(first, Waiting::Rows(rows) if rows.len() == 1));
    assert_eq!(second, Waiting::Closed);
}

#[test]
fn a_second_instance_is_told_who_holds_the_state() {
    let tmp = tempfile::tempdir().unwrap();
    let _first = StateDir::lock(tmp.path()).unwrap();
    let error = StateDir::lock(tmp.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn a_newer_database_is_left_untouched() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::lock(tmp.path()).unwrap();
    drop(open(&dir));
    let connection = Connection::open(dir.database()).unwrap();
    connection.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    let before = std::fs::read(dir.database()).unwrap();
    assert!(matches!(Store::open(&dir, Durability::Full).unwrap_err(), StateError::Newer { found: 99, .. }));
    assert_eq!(std::fs::read(dir.database()).unwrap(), before);
}

#[test]
fn a_database_that_is_gone_is_a_loss_and_a_first_start_is_none() {
    let tmp = tempfile::tempdir().unwrap();
    let start = || {
        let dir = StateDir::lock(tmp.path()).unwrap();
        let untold = open(&dir).untold_damage().unwrap();
        (untold, dir.database())
    };
    assert!(start().0.is_empty());
    let (untold, database) = start();
    assert!(untold.is_empty());
    std::fs::remove_file(database).unwrap();
    let (untold, _) = start();
    assert!(untold.len() == 1 && untold[0].starts_with("nothing"), "{untold:?}");
    assert!(start().0.is_empty());
}

#[test]
fn a_damaged_database_is_set_aside() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::lock(tmp.path()).unwrap();
    std::fs::write(dir.database(), "this is no database, and long enough to look like one".repeat(100)).unwrap();
    let store = open(&dir);
    assert!(store.files().unwrap().is_empty());
    let names = std::fs::read_dir(tmp.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_string_lossy().contains(".db.bad-"));
    assert_eq!(aside.count(), 1);
}

pub(super) const BOTH: [(&str, Notify); 2] = [("events", Notify::Event), ("people", Notify::Incident)];

pub(super) fn delivery(id: &str, members: &[i64]) -> Delivery {
    let request = Request { content_type: "text/plain".into(), headers: Vec::new(), body: id.as_bytes().to_vec() };
    Delivery {
        id: id.to_owned(),
        members: members.to_vec(),
        part: 0,
        through: members[members.len() - 1],
        format: "json".into(),
        request: Some(request),
        tries: Tries::default(),
        row: None,
        incidents: Default::default(),
    }
}

pub(super) fn seqs(store: &Store, notify: Notify) -> Vec<i64> {
    store.rows_after(notify, 0, 100).unwrap().iter().map(|row| row.seq).collect()
}

#[test]
fn a_row_is_stored_for_the_sinks_of_its_kind_only() {
    let store = Store::in_memory().unwrap();
    let both = |n| Batch { notices: vec![event(n + 100)], ..batch(vec![], &[n]) };
    store.set_sinks(&BOTH[..1]).unwrap();
    store.commit(&both(1)).unwrap();
    assert_eq!((store.waiting().rows, seqs(&store, Notify::Incident)), (1, vec![]));
    store.set_sinks(&BOTH).unwrap();
    store.commit(&both(2)).unwrap();
    store.commit(&both(3)).unwrap();
    let (events, notices) = (seqs(&store, Notify::Event), seqs(&store, Notify::Incident));
    assert_eq!((events.len(), notices.len(), store.waiting().rows), (3, 2, 5));
    // Each kind leaves when its own sinks have it, whatever the others have.
    store.acknowledge("events", Notify::Event, events[2]).unwrap();
    assert_eq!((seqs(&store, Notify::Event), seqs(&store, Notify::Incident)), (vec![], notices.clone()));
    store.acknowledge("people", Notify::Incident, notices[0]).unwrap();
    assert_eq!(seqs(&store, Notify::Incident), notices[1..]);
    assert_eq!(store.waiting().bytes, event(103).body.len() as u64);
}

pub(super) fn lost(store: &Store) -> Vec<(String, Lost)> {
    store.losses().unwrap().into_iter().map(|loss| (loss.sink, loss.lost)).collect()
}

/// Rows that are lost for certain.
pub(super) fn n_lost(store: &Store) -> u64 {
    let rows = |(_, lost)| match lost {
        Lost::Rows(_, _, dropped) => dropped.waiting.rows,
        Lost::Letter { .. } => 1,
    };
    lost(store).into_iter().map(rows).sum()
}

#[test]
fn a_sink_that_takes_other_rows_than_before_begins_anew() {
    let store = Store::in_memory().unwrap();
    store.set_sinks(&BOTH).unwrap();
    store.commit(&Batch { notices: vec![event(100)], ..batch(vec![], &[1, 2]) }).unwrap();
    let first = seqs(&store, Notify::Event)[0];
    store.put_deliveries("events", Notify::Event, &[delivery("msg_1", &[first])]).unwrap();
    store.bury("events", &delivery("msg_1", &[first]), "no", 5).unwrap();
    let forgotten = store.set_sinks(&[("events", Notify::Incident), ("people", Notify::Incident)]).unwrap();
    let [Forgotten { sink, waiting, dead, .. }] = &forgotten[..] else { panic!("{forgotten:?}") };
    assert_eq!((sink.as_str(), waiting.rows, *dead), ("events", 1, 1));
    let letter = Lost::Letter { id: "msg_1".into(), reason: "no".into() };
    let [told, (_, Lost::Rows(Why::Removed, _, both))] = &lost(&store)[..] else { panic!("{:?}", lost(&store)) };
    assert_eq!((told, both.waiting.rows), (&("events".into(), letter), 2));
    // Once an event tells of them, they are told.
    let ids = store.losses().unwrap().into_iter().map(|loss| loss.id).collect();
    store.commit(&Batch { losses: ids, ..batch(vec![], &[]) }).unwrap();
    assert_eq!(lost(&store), []);
    assert_eq!(store.waiting().rows, 1);
    assert_eq!(store.sinks().unwrap()[0].waiting.rows, 0);
    // A sink that is renamed is another one, and what it had on its way goes too.
    let notice = seqs(&store, Notify::Incident)[0];
    store.put_deliveries("people", Notify::Incident, &[delivery("msg_2", &[notice])]).unwrap();
    let forgotten = store.set_sinks(&[("folk", Notify::Incident)]).unwrap();
    assert_eq!(
        forgotten.iter().map(|it| (&*it.sink, it.waiting.rows)).collect::<Vec<_>>(),
        [("events", 0), ("people", 1)]
    );
    assert_eq!(store.standing("people").unwrap(), Standing::default());
    assert_eq!(store.waiting(), Backlog::default());
    // Nor has a sink of this name something to do with what its worker made in the meantime.
    let late = [delivery("msg_3", &[notice])];
    assert!(!store.put_deliveries("people", Notify::Incident, &late).unwrap());
    store.set_sinks(&BOTH).unwrap();
    assert!(!store.put_deliveries("people", Notify::Incident, &late).unwrap());
    assert_eq!(store.standing("people").unwrap().next, None);
}

#[test]
fn a_worker_that_does_not_know_yet_that_its_sink_takes_something_else_changes_nothing() {
    let store = Store::in_memory().unwrap();
    let both = |n| Batch { notices: vec![event(n + 100)], ..batch(vec![], &[n]) };
    store.set_sinks(&[("own", Notify::Event)]).unwrap();
    store.commit(&both(1)).unwrap();
    let under_way = delivery("msg_1", &seqs(&store, Notify::Event));
    assert!(store.put_deliveries("own", Notify::Event, std::slice::from_ref(&under_way)).unwrap());
    // A reload, and what is stored until the worker hears of it.
    store.set_sinks(&[("own", Notify::Incident), ("events", Notify::Event)]).unwrap();
    store.commit(&both(2)).unwrap();
    store.commit(&both(3)).unwrap();
    let look = || (store.standing("own").unwrap(), store.sinks().unwrap(), seqs(&store, Notify::Incident));
    let before = look();
    assert_eq!((before.1[1].waiting.rows, before.2.len()), (2, 2));
    let new = seqs(&store, Notify::Event);
    let last = *new.last().unwrap();
    assert!(!store.put_deliveries("own", Notify::Event, &[delivery("msg_2", &new)]).unwrap());
    store.acknowledge("own", Notify::Event, last + 1).unwrap();
    let through = Delivery { through: last + 1, ..under_way };
    store.accept_delivery("own", &through).unwrap();
    store.put_apart("own", &through, &Tries::default()).unwrap();
    store.bury("own", &through, "no", 5).unwrap();
    store.set_tries("own", "msg_1", &Tries::default()).unwrap();
    assert_eq!(look(), before);
}

#[test]
fn what_must_be_on_the_disk_and_what_may_follow_is_said_by_each_transaction() {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(&StateDir::lock(tmp.path()).unwrap(), Durability::Full).unwrap();
    store.set_sinks(&BOTH).unwrap();
    // 1: NORMAL, 2: FULL.
    let level = || store.lock().with(|db| db.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))).unwrap();
    let mut levels = vec![level()];
    let request = delivery("msg_1", &[1]);
    let steps: [&dyn Fn(); 5] = [
        &|| store.commit(&batch(vec![], &[1, 2])).unwrap(),
        &|| assert!(store.put_deliveries("events", Notify::Event, std::slice::from_ref(&request)).unwrap()),
        &|| store.set_tries("events", "msg_1", &Tries::default()).unwrap(),
        &|| store.replace_delivery("events", "msg_1", std::slice::from_ref(&request)).unwrap(),
        &|| store.accept_delivery("events", &request).unwrap(),
    ];
    for step in steps {
        step();
        levels.push(level());
    }
    assert_eq!(levels, [2, 2, 2, 1, 2, 1]);
}

#[test]
fn incidents_are_stored_with_what_is_said_of_them() {
    let store = Store::in_memory().unwrap();
    let changes = |changes: &[(&str, Option<&[u8]>)]| Batch {
        incidents: changes.iter().map(|(key, state)| ((*key).to_owned(), state.map(<[u8]>::to_vec))).collect(),
        ..Batch::default()
    };
    store.commit(&changes(&[("a", Some(b"1")), ("b", Some(b"2"))])).unwrap();
    store.commit(&changes(&[("a", None), ("b", Some(b"3")), ("c", None)])).unwrap();
    assert_eq!(store.incidents().unwrap(), [("b".to_owned(), b"3".to_vec())]);
}

#[test]
fn requests_are_tried_in_the_order_of_their_rows_and_keep_what_they_are() {
    let store = Store::in_memory().unwrap();
    store.set_sinks(&BOTH).unwrap();
    store.commit(&batch(vec![], &[1, 2, 3, 4])).unwrap();
    let whole = delivery("msg_a", &[1, 2, 3, 4]);
    store.put_deliveries("events", Notify::Event, std::slice::from_ref(&whole)).unwrap();
    // Once stored it is as it is.
    store.put_deliveries("events", Notify::Event, &[Delivery { request: None, ..whole.clone() }]).unwrap();
    assert_eq!(store.standing("events").unwrap().next, Some(whole.clone()));
    let tries = Tries { attempts: 3, next_ms: 70, last_error: Some("HTTP 413".into()), ..Tries::default() };
    store.set_tries("events", "msg_a", &tries).unwrap();
    assert_eq!(store.standing("events").unwrap().next.unwrap().tries, tries);
    let halves = [delivery("msg_y", &[3, 4]), delivery("msg_x", &[1, 2])];
    store.replace_delivery("events", "msg_a", &halves).unwrap();
    // It is gone, so nothing takes its place again.
    store.replace_delivery("events", "msg_a", &[delivery("msg_z", &[1])]).unwrap();
    assert_eq!(store.standing("events").unwrap().next, Some(halves[1].clone()));
    store.accept_delivery("events", &halves[1]).unwrap();
    let standing = store.standing("events").unwrap();
    assert_eq!((standing.delivered, standing.next), (2, Some(halves[0].clone())));
    assert_eq!(store.waiting().rows, 2);
}

#[test]
fn what_expires_is_the_oldest_and_whole_requests() {
    let store = Store::in_memory().unwrap();
    store.set_sinks(&[("events", Notify::Event), ("other", Notify::Event)]).unwrap();
    store.commit(&batch(vec![], &[1, 2, 3, 4, 5, 6])).unwrap();
    let age = |store: &Store, seq: i64, ms: i64| {
        let update = format!("UPDATE outbox SET stored_ms = {ms} WHERE seq <= {seq}");
        store.lock().with(|connection| connection.execute_batch(&update)).unwrap();
    };
    age(&store, 3, 1000);
    store.put_deliveries("events", Notify::Event, &[delivery("msg_1", &[1, 2]), delivery("msg_2", &[3, 4])]).unwrap();
    assert_eq!(store.expire_before("events", 1000, |_, _| true).unwrap(), Dropped::default());
    // The second request has a row that is young enough.
    let dropped = store.expire_before("events", 1001, |_, _| true).unwrap();
    assert_eq!((dropped.waiting.rows, dropped.waiting.oldest_ms, dropped.last_seq), (2, Some(1000), 2));
    assert_eq!(store.standing("events").unwrap().next.unwrap().id, "msg_2");
    assert_eq!(lost(&store), [("events".to_owned(), Lost::Rows(Why::Expired, Notify::Event, dropped))]);
    assert_eq!(store.expire_before("nobody", i64::MAX, |_, _| true).unwrap(), Dropped::default());
}

#[test]
fn room_is_made_at_the_cost_of_the_sink_that_has_most_waiting_if_it_stands_still() {
    let store = Store::in_memory().unwrap();
    store.set_sinks(&[("dead", Notify::Event), ("good", Notify::Event), ("slow", Notify::Event)]).unwrap();
    store.commit(&batch(vec![], &[1, 2, 3, 4, 5, 6])).unwrap();
    store.put_deliveries("dead", Notify::Event, &[delivery("msg_1", &[1, 2]), delivery("msg_2", &[3, 4])]).unwrap();
    let make_room = |rows, bytes, still: &[&str]| store.make_room(rows, bytes, still, |_, _, _| true).unwrap();
    store.acknowledge("good", Notify::Event, 6).unwrap();
    store.acknowledge("slow", Notify::Event, 5).unwrap();
    // One byte costs a whole request.
    let (sink, dropped) = make_room(0, 1, &["dead", "slow"]).unwrap();
    assert_eq!((&*sink, dropped.waiting.rows, dropped.last_seq, dropped.under_way), ("dead", 2, 2, 2));
    assert_eq!(store.standing("dead").unwrap().next.unwrap().id, "msg_2");
    let dropped = Dropped { under_way: 0, ..dropped };
    assert_eq!(lost(&store), [("dead".to_owned(), Lost::Rows(Why::Full, Notify::Event, dropped))]);
    assert_eq!(make_room(3, 0, &["slow"]), None, "what slow has before it is not what fills the outbox");
    let (sink, dropped) = make_room(3, 0, &["dead"]).unwrap();
    assert_eq!((&*sink, dropped.waiting.rows, dropped.last_seq), ("dead", 3, 5));
    assert_eq!(store.standing("dead").unwrap().next, None);
    // What others wait for stays until they have it, or are the ones in the way.
    assert_eq!((store.waiting().rows, store.delivered("slow").unwrap()), (1, 5));
    assert_eq!(make_room(9, 9, &["good"]), None, "it is not behind");
    // Of two with the same, one that is at work loses nothing.
    for name in ["slow", "dead"] {
        let (sink, dropped) = make_room(9, 9, &[name]).unwrap();
        assert_eq!((&*sink, dropped.waiting.rows), (name, 1));
    }
    assert_eq!((store.waiting().rows, make_room(9, 9, &["dead", "good", "slow"])), (0, None));
}

/// The rest of the test below, in a process of its own: it is to end.
#[test]
#[ignore = "ends the process"]
fn commits_without_memory() {
    let dir = std::env::var_os("PAYTRIAGE_TEST_STATE").expect("set by the test that starts this one");
    let store = open(&StateDir::lock(dir.as_ref()).unwrap());
    store.set_sinks(&BOTH).unwrap();
    store.commit(&batch(vec![], &[1])).unwrap();
    store.lock().bare().query_row("PRAGMA hard_heap_limit = 1", [], |_| Ok(())).unwrap();
    drop(store.commit(&batch(vec![], &[2])));
}

#[test]
fn without_memory_the_process_ends_and_what_was_stored_is_there() {
    let tmp = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "store::tests::commits_without_memory"])
        .env("PAYTRIAGE_TEST_STATE", tmp.path());
    let ended = child.output().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
    // 6 is SIGABRT.
    assert_eq!(signal, Some(6), "{}", String::from_utf8_lossy(&ended.stdout));
    let store = open(&StateDir::lock(tmp.path()).unwrap());
    assert_eq!(store.rows_after(Notify::Event, 0, 9).unwrap().len(), 1);
}

#[test]
fn what_an_operator_does_beside_the_daemon_is_seen_and_counted() {
    let tmp = tempfile::tempdir().unwrap();
    assert!(Operator::open(tmp.path()).unwrap().is_none());
    let store = open(&StateDir::lock(tmp.path()).unwrap());
    store.set_sinks(&BOTH).unwrap();
    store.commit(&batch(vec![], &[1, 2, 3])).unwrap();
    store.put_deliveries("events", Notify::Event, &[delivery("msg_1", &[1])]).unwrap();
    store.put_apart("events", &delivery("msg_1", &[1]), &Tries { next_ms: i64::MAX, ..Tries::default() }).unwrap();
    let mut operator = Operator::open(tmp.path()).unwrap().unwrap();
    assert_eq!(operator.sinks().unwrap(), ["events", "people"]);
    assert_eq!(operator.retry(Some("people")).unwrap(), Retried::default());
    assert_eq!(operator.retry(None).unwrap(), Retried { due: 1, revived: 0 });
    assert_eq!(store.standing("events").unwrap().apart.unwrap().tries.next_ms, 0);
    let dropped = operator.drop_waiting("events", None).unwrap();
    assert_eq!((dropped.waiting.rows, dropped.at_most, dropped.under_way), (3, true, 1));
    assert_eq!(operator.drop_waiting("nobody", None).unwrap(), Dropped::default());
    let (mut arrivals, mut others) = (store.arrivals(), store.written_elsewhere());
    arrivals.mark_unchanged();
    others.mark_unchanged();
    assert_eq!(store.standing("events").unwrap().n_apart, 0);
    assert_eq!(store.waiting(), Backlog::default());
    assert!(arrivals.has_changed().unwrap(), "who waits for rows looks again");
    assert!(others.has_changed().unwrap(), "and who tells what is lost");
    assert_eq!(n_lost(&store), 3);
    arrivals.mark_unchanged();
    others.mark_unchanged();
    store.standing("events").unwrap();
    assert!(!arrivals.has_changed().unwrap() && !others.has_changed().unwrap(), "only where there is something new");
    // Also where only the reader looks.
    store.commit(&batch(vec![], &[4, 5])).unwrap();
    operator.drop_waiting("events", None).unwrap();
    store.commit(&batch(vec![], &[6])).unwrap();
    assert_eq!(store.waiting().rows, 1);
    assert!(others.has_changed().unwrap());
}

#[test]
fn what_was_not_for_a_sink_is_no_loss_of_it() {
    let tmp = tempfile::tempdir().unwrap();
    let store = open(&StateDir::lock(tmp.path()).unwrap());
    store.set_sinks(&[BOTH[0], BOTH[1], ("third", Notify::Event)]).unwrap();
    store.commit(&Batch { notices: vec![event(100), event(101)], ..batch(vec![], &[1, 2, 3]) }).unwrap();
    let is = |n: u8| move |row: &[u8], _: &Heard| row == event(n).body;
    let asked = Operator::open(tmp.path()).unwrap().unwrap().drop_waiting("people", Some(&is(101))).unwrap();
    let forgotten = store.forget_sink("events", is(2)).unwrap().unwrap();
    assert_eq!((forgotten.waiting.rows, store.forget_sink("events", is(2)).unwrap()), (1, None));
    store.forget_sink("third", |_, _| false).unwrap();
    let [(_, people), (_, Lost::Rows(Why::Removed, Notify::Event, events))] = &lost(&store)[..] else {
        panic!("{:?}", lost(&store))
    };
    assert_eq!(*people, Lost::Rows(Why::Asked, Notify::Incident, asked));
    assert_eq!((asked.waiting.rows, asked.at_most), (1, false));
    assert_eq!((events.waiting.rows, events.waiting.bytes, events.at_most), (1, event(2).body.len() as u64, false));
    // Where nobody knows any more, it is at most so many.
    store.set_sinks(&BOTH).unwrap();
    store.commit(&batch(vec![], &[4, 5])).unwrap();
    store.set_sinks(&BOTH[1..]).unwrap();
    let Some((_, Lost::Rows(Why::Removed, _, last))) = lost(&store).pop() else { panic!("{:?}", lost(&store)) };
    assert_eq!((last.waiting.rows, last.at_most), (2, true));
}

#[test]
fn a_silence_is_kept_until_it_is_removed_or_over() {
    let tmp = tempfile::tempdir().unwrap();
    let store = open(&StateDir::lock(tmp.path()).unwrap());
    let mut operator = Operator::open(tmp.path()).unwrap().unwrap();
    let silence = |id: &str, until: &str| Silence {
        id: id.to_owned(),
        matcher: crate::config::Matcher { codes: vec!["ACQ.*".into()], ..Default::default() },
        until: until.parse().unwrap(),
        comment: "migration".into(),
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        by: "root".into(),
    };
    let (first, second) = (silence("a", "2026-01-02T00:00:00Z"), silence("b", "2026-01-03T00:00:00Z"));
    operator.add_silence(&second).unwrap();
    operator.add_silence(&first).unwrap();
    assert_eq!(store.silences().unwrap(), [first.clone(), second.clone()]);
    assert!(operator.remove_silence("b").unwrap() && !operator.remove_silence("b").unwrap());
    let longer = Silence { until: second.until, ..first.clone() };
    operator.add_silence(&longer).unwrap();
    assert_eq!(operator.silences().unwrap(), [longer]);
    assert_eq!(store.forget_silences_before(first.until).unwrap(), 0);
    assert_eq!(store.forget_silences_before("2026-02-01T00:00:00Z".parse().unwrap()).unwrap(), 1);
}
