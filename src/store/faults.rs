//! Faults in the commit path: whatever fails, and wherever, nothing is lost and nothing is stored twice.
//!
//! SQLite's own hooks are the seam: its progress handler interrupts any statement between any two instructions, the
//! commit hook turns a commit into a rollback, the WAL hook reports an error after the commit is done, and
//! `max_page_count` fills the disk. The store under test is the one that runs.

mod requests;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::tests::{BOTH, batch, event, file, open};
use super::*;

const SINK: &str = "stdout";

/// A store on disk, and a sink that takes out of it.
struct Case {
    dir: tempfile::TempDir,
    store: Option<(Store, StateDir)>,
    /// Ids of the events that the sink got, in order.
    delivered: Vec<Vec<u8>>,
    cursor: i64,
}

impl Case {
    fn new() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let mut case = Case { dir, store: None, delivered: Vec::new(), cursor: 0 };
        case.start();
        case
    }

    fn start(&mut self) {
        self.store = None;
        let state = StateDir::lock(self.dir.path()).unwrap();
        let store = open(&state);
        store.set_sinks(&[(SINK, Notify::Event)]).unwrap();
        store.keep_recent(true).unwrap();
        self.cursor = store.delivered(SINK).unwrap();
        self.store = Some((store, state));
    }

    fn store(&self) -> &Store {
        &self.store.as_ref().expect("it runs").0
    }

    fn hook(&self, set: impl FnOnce(&mut Connection)) {
        set(self.store().lock().bare());
    }

    /// Delivers and acknowledges all there is.
    fn drain(&mut self) {
        while let Waiting::Rows(rows) = self.store().take(Notify::Event, self.cursor, 2, Some(Instant::now())).unwrap()
        {
            for row in rows {
                self.cursor = row.seq;
                self.delivered.push(row.body);
            }
            self.store().acknowledge(SINK, Notify::Event, self.cursor).unwrap();
        }
        assert_eq!(self.store().waiting(), Backlog::default());
    }

    #[track_caller]
    fn expect(&self, events: &[u8]) {
        let wanted: Vec<_> = events.iter().map(|&n| event(n).body).collect();
        assert_eq!(self.delivered, wanted);
    }

    /// Rows in the outbox, counted.
    fn stored(&self) -> u64 {
        self.store().lock().backlog().unwrap().rows
    }

    fn offset(&self) -> u64 {
        self.store().files().unwrap().first().map_or(0, |file| file.checkpoint.offset)
    }
}

/// Interrupts the connection once, after so many instructions.
fn interrupt_after(connection: &mut Connection, n: u32) {
    let ran = AtomicU32::new(0);
    connection.progress_handler(1, Some(move || ran.fetch_add(1, Ordering::Relaxed) == n)).unwrap();
}

#[test]
fn a_rollback_that_fails_does_not_stop_what_follows() {
    use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
    let mut case = Case::new();
    let deny = |context: AuthContext<'_>| match context.action {
        AuthAction::Insert { table_name: "told" } => Authorization::Deny,
        AuthAction::Transaction { operation: TransactionOperation::Rollback } => Authorization::Deny,
        _ => Authorization::Allow,
    };
    case.hook(|connection| connection.authorizer(Some(deny)).unwrap());
    case.store().commit(&batch(vec![file(1, 20)], &[1, 2, 3])).unwrap_err();
    case.store().commit(&batch(vec![file(1, 20)], &[1, 2, 3])).unwrap();
    case.drain();
    case.expect(&[1, 2, 3]);
}

#[test]
fn a_commit_that_is_interrupted_between_any_two_instructions_is_stored_whole_or_not_at_all() {
    let mut case = Case::new();
    case.store().commit(&batch(vec![file(1, 10)], &[1])).unwrap();
    let mut failures = 0;
    // The files come before the events, so there is a moment in which one is written and the other is not.
    case.store().set_sinks(&[(SINK, Notify::Event), BOTH[1]]).unwrap();
    let wanted = Batch {
        watched: Some(vec!["/a".into()]),
        notices: vec![event(100), event(101)],
        incidents: vec![("key".into(), Some(b"state".to_vec()))],
        journals: vec![JournalState {
            directory: None,
            at: JournalPlace { read: "s=a;i=1".into(), streams: Vec::new() },
        }],
        ..batch(vec![file(1, 20)], &[2, 3, 4])
    };
    for n in 0..10_000 {
        case.hook(|connection| interrupt_after(connection, n));
        let committed = case.store().commit(&wanted);
        case.hook(|connection| connection.progress_handler(0, None::<fn() -> bool>).unwrap());
        if committed.is_ok() {
            break;
        }
        failures += 1;
        let (incidents, journals) = (case.store().incidents().unwrap(), case.store().journals().unwrap());
        let state = (case.offset(), case.stored(), incidents.len(), journals.len());
        if state == (20, 6, 1, 1) {
            // The very last instructions: it is stored, and only the reader does not know.
            case.store().commit(&wanted).unwrap();
            break;
        }
        assert_eq!(state, (10, 1, 0, 0), "after {n} instructions");
    }
    assert!(failures > 100, "{failures} places to fail are too few to be all");
    assert_eq!((case.offset(), case.store().watched().unwrap()), (20, vec!["/a".to_owned()]));
    assert_eq!(case.store().journals().unwrap(), wanted.journals);
    assert_eq!(case.store().rows_after(Notify::Incident, 0, 9).unwrap().len(), 2);
    case.store().acknowledge("people", Notify::Incident, i64::MAX).unwrap();
    case.drain();
    case.expect(&[1, 2, 3, 4]);
}

#[test]
fn a_commit_that_is_rolled_back_is_tried_again() {
    let mut case = Case::new();
    for _ in 0..3 {
        // With the connection that failed goes its hook.
        case.hook(|connection| connection.commit_hook(Some(|| true)).unwrap());
        case.store().commit(&batch(vec![file(1, 20)], &[1, 2])).unwrap_err();
        assert_eq!((case.offset(), case.store().waiting().rows), (0, 0));
    }
    case.store().commit(&batch(vec![file(1, 20)], &[1, 2, 3])).unwrap();
    case.drain();
    case.expect(&[1, 2, 3]);
}

/// The next commit is stored, and reports that it was not.
fn fail_after_commit(connection: &mut Connection) {
    let error = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC), None);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, _| Err(error()))).unwrap();
}

#[test]
fn a_commit_that_was_stored_and_reported_an_error_is_not_stored_again() {
    for sink_is_quick in [true, false] {
        let mut case = Case::new();
        case.store().commit(&batch(vec![file(1, 10)], &[1])).unwrap();
        for (already, more) in [(2, 3), (4, 5)] {
            case.hook(fail_after_commit);
            case.store().commit(&batch(vec![file(1, 20)], &[already])).unwrap_err();
            // The error closed the connection, and with it went the hook. What was stored is delivered before the
            // reader tries again, and is no longer in the outbox then.
            if sink_is_quick {
                case.drain();
            }
            case.store().commit(&batch(vec![file(1, 30)], &[already, more])).unwrap();
        }
        case.drain();
        case.expect(&[1, 2, 3, 4, 5]);
    }
}

#[test]
fn notices_of_a_commit_that_was_stored_and_reported_an_error_are_not_stored_again() {
    let case = Case::new();
    case.store().set_sinks(&BOTH).unwrap();
    let with = |events: &[u8], notices: &[u8]| Batch {
        notices: notices.iter().map(|&n| event(n)).collect(),
        ..batch(vec![], events)
    };
    let mut told = Vec::new();
    let mut take = || {
        for row in case.store().rows_after(Notify::Incident, 0, 9).unwrap() {
            case.store().acknowledge("people", Notify::Incident, row.seq).unwrap();
            told.push(row.body);
        }
    };
    case.hook(fail_after_commit);
    case.store().commit(&with(&[1], &[100, 101])).unwrap_err();
    // They are delivered before the reader tries again.
    take();
    case.store().commit(&with(&[1, 2], &[100, 101, 102])).unwrap();
    take();
    assert_eq!(told, [event(100).body, event(101).body, event(102).body]);
}

#[test]
fn of_several_failed_commits_only_the_stored_one_counts() {
    let mut case = Case::new();
    for events in [&[1][..], &[1], &[1, 2]] {
        case.hook(|connection| connection.commit_hook(Some(|| true)).unwrap());
        case.store().commit(&batch(vec![], events)).unwrap_err();
    }
    case.hook(fail_after_commit);
    case.store().commit(&batch(vec![], &[1, 2, 3])).unwrap_err();
    case.drain();
    case.store().commit(&batch(vec![], &[1, 2, 3, 4])).unwrap();
    case.drain();
    case.expect(&[1, 2, 3, 4]);
}

#[test]
fn a_full_disk_loses_nothing_and_recovers() {
    let mut case = Case::new();
    case.store().commit(&batch(vec![file(1, 1)], &[])).unwrap();
    case.hook(|connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + 1).unwrap();
    });
    let large = |n: u8| OutboxEvent { body: vec![b'x'; 3000], ..event(n) };
    let mut n = 0;
    let full = loop {
        let events: Vec<_> = (n..n + 5).map(large).collect();
        let wanted = Batch { events, ..batch(vec![file(1, u64::from(n) + 2)], &[]) };
        match case.store().commit(&wanted) {
            Ok(()) => n += 5,
            Err(error) => {
                assert!(error.to_string().contains("full"), "{error}");
                break wanted;
            }
        }
    };
    let before = (case.offset(), case.store().waiting().rows);
    assert_eq!(before, (u64::from(n.saturating_sub(5)) + if n > 0 { 2 } else { 1 }, u64::from(n)));
    case.store().commit(&full).unwrap_err();
    assert_eq!((case.offset(), case.store().waiting().rows), before);
    case.hook(|connection| connection.pragma_update(None, "max_page_count", 1 << 30).unwrap());
    case.store().commit(&full).unwrap();
    case.drain();
    assert_eq!(case.delivered.len(), usize::from(n) + 5);
}

#[test]
fn a_crash_after_any_commit_or_acknowledgement_leaves_what_was_stored() {
    let mut case = Case::new();
    for n in 0..6 {
        case.store().commit(&batch(vec![file(1, u64::from(n))], &[2 * n, 2 * n + 1])).unwrap();
        if n % 2 == 0 {
            case.drain();
        }
        // What a SIGKILL leaves: the files as they are, without the connection's last words.
        let copy = tempfile::tempdir().unwrap();
        for name in ["paytriage.db", "paytriage.db-wal"] {
            fs::copy(case.dir.path().join(name), copy.path().join(name)).unwrap();
        }
        let mut after = Case { dir: copy, store: None, delivered: case.delivered.clone(), cursor: 0 };
        after.start();
        assert_eq!(after.offset(), u64::from(n));
        after.drain();
        after.expect(&(0..2 * n + 2).collect::<Vec<_>>());
    }
}

/// Overwrites the middle of the database while it is in use.
fn damage(dir: &Path) {
    let mut database = OpenOptions::new().write(true).open(dir.join("paytriage.db")).unwrap();
    let length = database.metadata().unwrap().len();
    database.seek(SeekFrom::Start(0)).unwrap();
    database.write_all(&vec![0xa5; length as usize]).unwrap();
}

#[test]
fn damage_while_it_is_in_use_begins_anew_and_goes_on() {
    let mut case = Case::new();
    case.store().commit(&batch(vec![file(1, 10)], &[1])).unwrap();
    case.drain();
    case.store().commit(&batch(vec![file(1, 20)], &[2])).unwrap();
    case.hook(|connection| {
        // What is only in the log is moved to the database, and nothing of it stays in memory.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        connection.execute_batch("PRAGMA shrink_memory").unwrap();
    });
    damage(case.dir.path());
    let wanted = batch(vec![file(1, 30)], &[3]);
    let mut errors = Vec::new();
    while let Err(error) = case.store().commit(&wanted) {
        errors.push(error.to_string());
        assert!(errors.len() < 5, "{errors:#?}");
    }
    assert!(errors.iter().any(|error| error.contains("a new one begun")), "{errors:#?}");
    let untold = case.store().untold_damage().unwrap();
    assert_eq!(untold.len(), 1);
    case.store().commit(&Batch { told: untold, ..batch(vec![file(1, 40)], &[4]) }).unwrap();
    assert!(case.store().untold_damage().unwrap().is_empty());
    // The sink goes on from its own memory: row numbers do not start again below it.
    case.drain();
    case.expect(&[1, 3, 4]);
    case.start();
    assert!(case.store().untold_damage().unwrap().is_empty());
    assert_eq!(case.offset(), 40);
}

#[test]
fn a_database_that_is_gone_when_it_is_opened_again_begins_anew_with_its_sinks() {
    for other in [None, Some("another database, or whatever this is".repeat(100))] {
        let mut case = Case::new();
        case.store().commit(&batch(vec![file(1, 10)], &[1])).unwrap();
        case.drain();
        // The connection goes with the error; nothing of the database is open any more.
        case.hook(fail_after_commit);
        case.store().commit(&batch(vec![file(1, 20)], &[2])).unwrap_err();
        fs::remove_file(case.dir.path().join("paytriage.db")).unwrap();
        if let Some(other) = &other {
            fs::write(case.dir.path().join("paytriage.db"), other).unwrap();
        }
        let wanted = batch(vec![file(1, 30)], &[2, 3]);
        assert!(matches!(case.store().commit(&wanted), Err(StateError::Begun)));
        let untold = case.store().untold_damage().unwrap();
        let expected = if other.is_some() { "paytriage.db.bad-" } else { "nothing missing_since=" };
        assert!(untold.len() == 1 && untold[0].starts_with(expected), "{untold:?}");
        case.store().commit(&Batch { told: untold, ..wanted }).unwrap();
        assert!(case.store().untold_damage().unwrap().is_empty());
        case.drain();
        case.expect(&[1, 2, 3]);
        case.start();
        assert_eq!(case.offset(), 30);
    }
}

#[test]
fn a_database_that_is_deleted_while_a_commit_is_open_is_stored_once() {
    let mut case = Case::new();
    case.store().commit(&batch(vec![file(1, 10)], &[1])).unwrap();
    // Undone, and not known to be: the number of the batch is what tells.
    case.hook(|connection| connection.commit_hook(Some(|| true)).unwrap());
    case.store().commit(&batch(vec![file(1, 20)], &[2])).unwrap_err();
    case.store().take(Notify::Event, 0, 1, Some(Instant::now())).unwrap();
    for name in ["paytriage.db", "paytriage.db-wal", "paytriage.db-shm", "lock"] {
        fs::remove_file(case.dir.path().join(name)).unwrap();
    }
    assert!(!case.store().is_in_place());
    case.store().commit(&batch(vec![file(1, 30)], &[2, 3])).unwrap();
    assert!(case.store().is_in_place());
    case.drain();
    case.expect(&[1, 2, 3]);
    case.start();
    assert_eq!((case.offset(), case.stored()), (30, 0));
}

#[test]
fn a_migration_is_done_or_not_done() {
    let tables = |connection: &Connection| {
        let version = schema::version(connection).unwrap();
        let columns = "SELECT count(*) FROM pragma_table_info('outbox')";
        (version, connection.query_row(columns, [], |row| row.get::<_, i64>(0)).unwrap())
    };
    let case = Case::new();
    case.store().commit(&batch(vec![file(1, 10)], &[1, 2])).unwrap();
    let copies = Arc::new(Mutex::new(Vec::new()));
    case.hook(|connection| {
        schema::undo_last_steps(connection);
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // Before each instruction of the migration, what a SIGKILL would leave is put aside.
        let (from, to) = (case.dir.path().to_path_buf(), Arc::clone(&copies));
        let copy = move || {
            let dir = tempfile::tempdir().unwrap();
            for name in ["paytriage.db", "paytriage.db-wal"] {
                fs::copy(from.join(name), dir.path().join(name)).unwrap();
            }
            to.lock().unwrap().push(dir);
            false
        };
        connection.progress_handler(1, Some(copy)).unwrap();
        schema::migrate(connection).unwrap();
        connection.progress_handler(0, None::<fn() -> bool>).unwrap();
        assert_eq!(tables(connection), (schema::VERSION, 5));
    });
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    assert!(copies.len() > 20, "{} instructions", copies.len());
    let mut found = HashSet::new();
    for copy in copies {
        let connection = Connection::open(copy.path().join("paytriage.db")).unwrap();
        found.insert(tables(&connection));
        drop(connection);
        let mut after = Case { dir: copy, store: None, delivered: Vec::new(), cursor: 0 };
        after.start();
        assert_eq!(after.offset(), 10);
        after.drain();
        after.expect(&[1, 2]);
    }
    // As the steps that were undone leave it, and as it is with them.
    let [before, after] = [(2, 4), (schema::VERSION, 5)];
    assert!(found.contains(&before));
    assert!(found.iter().all(|it| [before, after].contains(it)), "{found:?}");
}

/// `cargo test --release --lib events_per_second -- --ignored --nocapture` prints what the disk of the temporary directory
/// gives; `TMPDIR` chooses another.
#[test]
#[ignore = "measures and proves nothing"]
fn events_per_second_through_the_store() {
    for durability in [Durability::Full, Durability::Normal] {
        for n_events in [1, 10, 100, 1000] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&StateDir::lock(dir.path()).unwrap(), durability).unwrap();
            store.set_sinks(&[(SINK, Notify::Event)]).unwrap();
            let (began, mut commits) = (Instant::now(), 0_u32);
            while began.elapsed() < Duration::from_secs(2) {
                let id = |n: u32| {
                    let mut id = [0; 16];
                    id[..8].copy_from_slice(&(u64::from(commits) << 32 | u64::from(n)).to_le_bytes());
                    EventId(id)
                };
                let events = (0..n_events).map(|n| OutboxEvent { id: id(n), body: vec![b'x'; 2000] });
                let wanted = Batch { events: events.collect(), ..batch(vec![file(1, u64::from(commits))], &[]) };
                store.commit(&wanted).unwrap();
                commits += 1;
                let Waiting::Rows(rows) = store.take(Notify::Event, 0, 2000, None).unwrap() else {
                    panic!("rows wait")
                };
                store.acknowledge(SINK, Notify::Event, rows[rows.len() - 1].seq).unwrap();
            }
            let per_second = f64::from(commits) / began.elapsed().as_secs_f64();
            println!(
                "{durability:?}: {n_events:4} events a commit: {per_second:6.0} commits/s, {:8.0} events/s",
                per_second * f64::from(n_events)
            );
        }
    }
}
