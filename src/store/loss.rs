//! What was given up and no event has told of yet.
//!
//! The transaction that gives something up stores the loss, and the one that stores its event takes it out again: a crash in
//! between neither hides a loss nor tells it twice.
//!
//! What is given up beside a worker may be in a request that its receiver is just taking. Such a loss is held back under the id of the
//! request until the worker, or the next start, knows better: nothing is counted both as delivered and as dropped.

use rusqlite::{Connection, Row as SqlRow, Transaction, params};

use super::delivery::UnderWay;
use super::{Backlog, Dropped, rows};
use crate::config::Notify;
use crate::notice::Why;

/// Something that a sink will not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Told from all others, also from those of another database.
    pub id: String,
    pub sink: String,
    pub lost: Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Rows of this kind that waited for it.
    Rows(Why, Notify, Dropped),
    /// A row that it refused for too long; it is a dead letter, whose request had this webhook-id.
    Letter { id: String, reason: String },
}

/// Notes that rows are gone; nothing, where there are none. Those in requests that may be `under_way` are held back.
pub fn of_rows(
    transaction: &Transaction,
    (sink, kind): (&str, Notify),
    why: Why,
    dropped: &Dropped,
    under_way: &[UnderWay],
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO loss (sink, reason, kind, rows, bytes, oldest_ms, last_seq, at_most, request) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut insert = transaction.prepare_cached(insert)?;
    let Dropped { waiting, last_seq, at_most, .. } = *dropped;
    let (mut sure, oldest_ms) = (waiting, waiting.oldest_ms);
    let mut note = |Backlog { rows, bytes, .. }: Backlog, last_seq: i64, request: Option<&str>| {
        if rows == 0 {
            return Ok(());
        }
        let (kind, rows, bytes) = (rows::kind(kind), rows.cast_signed(), bytes.cast_signed());
        insert.execute(params![sink, why.as_str(), kind, rows, bytes, oldest_ms, last_seq, at_most, request]).map(drop)
    };
    for UnderWay { request, rows, last_seq } in under_way {
        note(*rows, *last_seq, Some(request))?;
        sure.rows = sure.rows.saturating_sub(rows.rows);
        sure.bytes = sure.bytes.saturating_sub(rows.bytes);
    }
    note(sure, last_seq, None)
}

/// A request has delivered what was given up meanwhile.
pub fn is_none(transaction: &Transaction, sink: &str, request: &str) -> rusqlite::Result<()> {
    let delete = "DELETE FROM loss WHERE sink = ?1 AND request = ?2";
    transaction.prepare_cached(delete)?.execute([sink, request]).map(drop)
}

/// Whether something is held back, of one sink or of all.
pub fn is_held(connection: &Connection, sink: Option<&str>) -> rusqlite::Result<bool> {
    let held = "SELECT EXISTS (SELECT 1 FROM loss WHERE request IS NOT NULL AND (?1 IS NULL OR sink = ?1))";
    connection.prepare_cached(held)?.query_row([sink], |row| row.get(0))
}

/// No request is under way, of one sink or of all: what was held back is lost.
pub fn release(transaction: &Transaction, sink: Option<&str>) -> rusqlite::Result<()> {
    let release = "UPDATE loss SET request = NULL WHERE request IS NOT NULL AND (?1 IS NULL OR sink = ?1)";
    transaction.prepare_cached(release)?.execute([sink]).map(drop)
}

/// Notes that a row is a dead letter now.
pub fn of_letter(transaction: &Transaction, sink: &str, id: &str, reason: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO loss (sink, letter, reason) VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(insert)?.execute([sink, id, reason])?;
    Ok(())
}

/// All that is lost and that no event has told of, the oldest first.
pub fn untold(connection: &Connection) -> rusqlite::Result<Vec<Loss>> {
    let select = "SELECT id, sink, letter, reason, kind, rows, bytes, oldest_ms, last_seq, at_most FROM loss \
         WHERE request IS NULL ORDER BY rowid";
    connection.prepare_cached(select)?.query_map([], from_row)?.collect()
}

/// Events tell of these.
pub fn told(transaction: &Transaction, ids: &[String]) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM loss WHERE id = ?1")?;
    ids.iter().try_for_each(|id| delete.execute([id]).map(drop))
}

fn from_row(row: &SqlRow) -> rusqlite::Result<Loss> {
    let reason: String = row.get(3)?;
    let lost = match row.get(2)? {
        Some(id) => Lost::Letter { id, reason },
        None => {
            let (kind, rows, bytes): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
            let waiting = Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: row.get(7)? };
            let dropped = Dropped { waiting, last_seq: row.get(8)?, at_most: row.get(9)?, under_way: 0 };
            Lost::Rows(Why::named(&reason), rows::notify(kind)?, dropped)
        }
    };
    Ok(Loss { id: row.get(0)?, sink: row.get(1)?, lost })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{batch, delivery, n_lost, open, seqs};
    use super::super::{Batch, Delivery, Forgotten, Operator, StateDir, Tries};
    use super::*;

    #[test]
    fn what_a_request_under_way_delivers_after_all_is_no_loss() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(tmp.path()).unwrap();
        let store = open(&dir);
        let sinks = [("events", Notify::Event), ("other", Notify::Event)];
        store.set_sinks(&sinks).unwrap();
        let first = delivery("msg_1", &[1]);
        let drops: [&dyn Fn() -> Dropped; 3] = [
            &|| Operator::open(tmp.path()).unwrap().unwrap().drop_waiting("events", Some(&|_, _| true)).unwrap(),
            &|| {
                store.acknowledge("other", Notify::Event, i64::MAX / 2).unwrap();
                store.make_room(9, 9, &["events"], |_, _, _| true).unwrap().unwrap().1
            },
            &|| {
                let Forgotten { waiting, .. } = store.forget_sink("events", |_, _| true).unwrap().unwrap();
                Dropped { waiting, under_way: 2, ..Dropped::default() }
            },
        ];
        for (n, drop) in drops.iter().enumerate() {
            let begin = || {
                store.set_sinks(&[]).unwrap();
                store.at_rest("events").unwrap();
                let told = store.losses().unwrap().into_iter().map(|loss| loss.id).collect();
                store.commit(&Batch { losses: told, ..Batch::default() }).unwrap();
                store.set_sinks(&sinks).unwrap();
                store.commit(&batch(vec![], &[1, 2, 3, 4])).unwrap();
                let seqs = seqs(&store, Notify::Event);
                // One stands apart, one is under way, and two wait behind it.
                let apart = Delivery { members: vec![seqs[0]], through: seqs[0], ..first.clone() };
                let head = Delivery { id: "msg_2".into(), members: vec![seqs[1]], through: seqs[1], ..first.clone() };
                assert!(store.put_deliveries("events", Notify::Event, &[apart.clone(), head.clone()]).unwrap());
                store.put_apart("events", &apart, &Tries::default()).unwrap();
                store.standing("events").unwrap();
                (apart, head)
            };
            // Whether what is dropped goes with what stands apart, too.
            let is_room = n == 1;
            let (apart, head) = begin();
            let dropped = drop();
            let (all, under_way) = if is_room { (3, 1) } else { (4, 2) };
            assert_eq!((dropped.waiting.rows, dropped.under_way), (all, under_way), "{n}");
            assert_eq!(n_lost(&store), all - under_way);
            store.accept_delivery("events", &head).unwrap();
            store.accept_delivery("events", &apart).unwrap();
            store.standing("events").unwrap();
            assert_eq!(n_lost(&store), all - under_way, "{n}: it is not counted twice");
            // Whatever else comes of it, it is lost, and that is told once it is known.
            let (_, head) = begin();
            drop();
            let mut written = store.written_elsewhere();
            written.mark_unchanged();
            store.set_tries("events", &head.id, &Tries::default()).unwrap();
            store.at_rest("events").unwrap();
            assert!(written.has_changed().unwrap());
            store.accept_delivery("events", &head).unwrap();
            assert_eq!(n_lost(&store), all, "{n}: what is told is told");
        }
        // Of an attempt that ended with the process nothing is known.
        let begun = n_lost(&store);
        store.set_sinks(&sinks).unwrap();
        store.commit(&batch(vec![], &[7])).unwrap();
        let seq = *seqs(&store, Notify::Event).last().unwrap();
        assert!(store.put_deliveries("events", Notify::Event, &[delivery("msg_7", &[seq])]).unwrap());
        store.forget_sink("events", |_, _| true).unwrap();
        assert_eq!(n_lost(&store), begun);
        std::mem::drop(store);
        assert_eq!(n_lost(&open(&dir)), begun + 1);
    }
}
