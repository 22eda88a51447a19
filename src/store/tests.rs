//! The store as a whole: what is committed together, what comes back, what is refused.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rusqlite::Connection;

use super::*;

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
    store.acknowledge("stdout", all[2].seq).unwrap();
    assert_eq!(store.waiting().rows, 3);
    store.acknowledge("other", all[0].seq).unwrap();
    assert_eq!(store.waiting().rows, 2);
    // A sink never goes back, and what a removed sink did not deliver holds up nobody.
    store.acknowledge("stdout", all[0].seq).unwrap();
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
