//! Which incidents the receiver of each sink was told of, so that what it knows of each ends true.
//!
//! A sink that was told of an incident is told how it goes on, and nothing of it that is older than what it has accepted: an opening
//! that was refused at first does not come after the end. A sink is told once a request is made, since that is sent from then on,
//! also after a crash, whatever its filter says by then.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction, params};

use super::{Delivery, StateError, Store};

/// Incidents that a request speaks of, and whether it says that they are over.
pub type Incidents = BTreeMap<String, bool>;

/// Incidents that a sink was told of and that are not over for it.
pub type Heard = BTreeSet<String>;

/// Incidents of one sink at most: far more than are followed at a time. More of them push out those of which it heard last.
const MAX_HEARD: i64 = 10_000;

impl Store {
    /// What a sink was told of.
    pub fn heard(&self, sink: &str) -> Result<Heard, StateError> {
        self.lock().with(|connection| of(connection, sink))
    }

    /// Those incidents of a request of which its sink has accepted something later.
    pub fn superseded(&self, sink: &str, delivery: &Delivery) -> Result<Vec<String>, StateError> {
        let select = "SELECT heard.incident FROM batch, json_each(batch.incidents) AS it \
                      JOIN heard ON heard.sink = batch.sink AND heard.incident = it.key \
                      WHERE batch.sink = ?1 AND batch.id = ?2 AND heard.accepted > batch.position";
        self.lock().with(|connection| {
            connection.prepare_cached(select)?.query_map([sink, &delivery.id], |row| row.get(0))?.collect()
        })
    }
}

pub fn of(connection: &Connection, sink: &str) -> rusqlite::Result<Heard> {
    let select = "SELECT incident FROM heard WHERE sink = ?1 AND NOT is_over";
    connection.prepare_cached(select)?.query_map([sink], |row| row.get(0))?.collect()
}

/// Requests were made.
pub fn made(transaction: &Transaction, sink: &str, deliveries: &[Delivery]) -> rusqlite::Result<()> {
    let put = "INSERT INTO heard (sink, incident, made, accepted, is_over) VALUES (?1, ?2, ?3, 0, 0) \
               ON CONFLICT DO UPDATE SET made = excluded.made, is_over = 0";
    let mut put = transaction.prepare_cached(put)?;
    let mut is_new = false;
    for delivery in deliveries {
        for (incident, _) in delivery.incidents.iter().filter(|(_, is_over)| !**is_over) {
            put.execute(params![sink, incident, delivery.members.first()])?;
            is_new = true;
        }
    }
    if !is_new {
        return Ok(());
    }
    let oldest = "DELETE FROM heard WHERE sink = ?1 AND incident IN \
                  (SELECT incident FROM heard WHERE sink = ?1 ORDER BY is_over, made DESC, accepted DESC LIMIT -1 OFFSET ?2)";
    transaction.prepare_cached(oldest)?.execute(params![sink, MAX_HEARD]).map(drop)
}

/// A request, which is still there, was accepted. What it makes untrue of what stands apart is to be seen to at once; what is over
/// is remembered while something older may still be sent.
pub fn accepted(transaction: &Transaction, sink: &str, delivery: &Delivery) -> rusqlite::Result<()> {
    if delivery.incidents.is_empty() {
        return Ok(());
    }
    let put = "INSERT INTO heard (sink, incident, made, accepted, is_over) \
               SELECT batch.sink, it.key, batch.position, batch.position, it.value FROM batch, json_each(batch.incidents) AS it \
               WHERE batch.sink = ?1 AND batch.id = ?2 \
               ON CONFLICT DO UPDATE SET accepted = max(accepted, excluded.accepted), \
               is_over = CASE WHEN max(made, accepted) > excluded.accepted THEN is_over ELSE excluded.is_over END";
    if transaction.prepare_cached(put)?.execute([sink, &delivery.id])? == 0 {
        return Ok(());
    }
    let due = "UPDATE batch SET next_ms = 0 WHERE sink = ?1 AND row IS NOT NULL AND EXISTS \
               (SELECT 1 FROM json_each(batch.incidents) AS it JOIN heard ON heard.sink = batch.sink AND heard.incident = it.key \
               WHERE heard.accepted > batch.position)";
    transaction.prepare_cached(due)?.execute([sink])?;
    let over = "DELETE FROM heard WHERE sink = ?1 AND is_over \
                AND NOT EXISTS (SELECT 1 FROM batch WHERE sink = ?1 AND row IS NOT NULL AND id <> ?2) \
                AND NOT EXISTS (SELECT 1 FROM dead WHERE sink = ?1)";
    transaction.prepare_cached(over)?.execute([sink, &delivery.id]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BOTH, delivery, event, lost, open, seqs};
    use super::super::{Batch, Lost, Operator, StateDir, Tries};
    use super::*;
    use crate::config::Notify;
    use crate::notice::Why;

    /// One row that speaks of incidents.
    fn speaks(id: &str, seq: i64, incidents: &[(&str, bool)]) -> Delivery {
        let incidents = incidents.iter().map(|(incident, is_over)| ((*incident).to_owned(), *is_over)).collect();
        Delivery { incidents, ..delivery(id, &[seq]) }
    }

    #[test]
    fn nothing_of_an_incident_is_sent_after_something_later_was_accepted() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(tmp.path()).unwrap();
        let store = open(&dir);
        store.set_sinks(&BOTH).unwrap();
        let heard = |store: &Store| store.heard("people").unwrap().into_iter().collect::<Vec<_>>();
        let n_remembered = |store: &Store| {
            let count = "SELECT count(*) FROM heard";
            store.lock().with(|db| db.query_row(count, [], |row| row.get::<_, i64>(0))).unwrap()
        };
        store.commit(&Batch { notices: (101..=106).map(event).collect(), ..Batch::default() }).unwrap();
        let seqs = seqs(&store, Notify::Incident);
        let later = Tries { next_ms: i64::MAX, ..Tries::default() };
        let both = speaks("msg_1", seqs[0], &[("a", false), ("b", false)]);
        let only = speaks("msg_2", seqs[1], &[("c", false)]);
        let letter = speaks("msg_3", seqs[2], &[("a", false)]);
        let goes_on = speaks("msg_4", seqs[3], &[("c", false)]);
        let end = speaks("msg_5", seqs[4], &[("a", true)]);
        let again = speaks("msg_6", seqs[5], &[("a", false)]);
        let all = [&both, &only, &letter, &goes_on, &end].map(Clone::clone);
        assert!(store.put_deliveries("people", Notify::Incident, &all).unwrap());
        assert_eq!(heard(&store), ["a", "b", "c"], "from when it is sent");
        store.put_apart("people", &both, &later).unwrap();
        store.put_apart("people", &only, &later).unwrap();
        store.bury("people", &letter, "no", 5).unwrap();
        assert_eq!(store.superseded("people", &only).unwrap(), Vec::<String>::new());
        store.accept_delivery("people", &goes_on).unwrap();
        assert_eq!(store.superseded("people", &only).unwrap(), ["c"]);
        assert_eq!(store.standing("people").unwrap().apart.unwrap().id, "msg_2", "it is seen to at once");
        store.supersede("people", &only, &[], Some(7)).unwrap();
        let [.., (_, Lost::Rows(Why::Superseded, Notify::Incident, dropped))] = &lost(&store)[..] else {
            panic!("{:?}", lost(&store))
        };
        assert_eq!((dropped.waiting.rows, dropped.last_seq), (1, seqs[1]));
        store.accept_delivery("people", &end).unwrap();
        assert_eq!(heard(&store), ["b", "c"], "what is over is not told on");
        drop(store);
        // Of that a restart forgets nothing, nor does a dead letter that comes back.
        let store = open(&dir);
        let apart = store.standing("people").unwrap().apart.unwrap();
        assert_eq!((&*apart.id, apart.tries.next_ms, &apart.incidents), ("msg_1", 0, &both.incidents));
        assert_eq!(store.superseded("people", &both).unwrap(), ["a"]);
        store.replace_delivery("people", "msg_1", &[]).unwrap();
        assert_eq!(Operator::open(tmp.path()).unwrap().unwrap().retry(None).unwrap().revived, 1);
        assert_eq!(store.superseded("people", &letter).unwrap(), ["a"]);
        store.supersede("people", &letter, &[], None).unwrap();
        assert_eq!(lost(&store).len(), 2, "a loss only where it is said to be one");
        // It may open again, and what is over is forgotten once nothing older is left.
        assert!(store.put_deliveries("people", Notify::Incident, std::slice::from_ref(&again)).unwrap());
        assert_eq!(heard(&store), ["a", "b", "c"]);
        store.accept_delivery("people", &again).unwrap();
        store.commit(&Batch { notices: vec![event(107)], ..Batch::default() }).unwrap();
        let end = speaks("msg_7", seqs[5] + 1, &[("a", true), ("b", true), ("c", true), ("d", true)]);
        assert!(store.put_deliveries("people", Notify::Incident, std::slice::from_ref(&end)).unwrap());
        store.accept_delivery("people", &end).unwrap();
        assert_eq!(n_remembered(&store), 0);
    }

    #[test]
    fn what_sinks_were_told_of_is_bounded_and_goes_with_them() {
        let store = Store::in_memory().unwrap();
        store.set_sinks(&BOTH).unwrap();
        store.commit(&Batch { notices: vec![event(101), event(102)], ..Batch::default() }).unwrap();
        let seqs = seqs(&store, Notify::Incident);
        let many = (0..10_000).map(|n| (format!("{n}"), false)).collect();
        let first = Delivery { incidents: many, ..delivery("msg_1", &seqs[..1]) };
        let second = speaks("msg_2", seqs[1], &[("new", false), ("7", false)]);
        assert!(store.put_deliveries("people", Notify::Incident, &[first, second]).unwrap());
        let heard = store.heard("people").unwrap();
        assert_eq!(heard.len(), 10_000);
        assert!(heard.contains("new") && heard.contains("7"));
        store.set_sinks(&BOTH[..1]).unwrap();
        assert!(store.heard("people").unwrap().is_empty());
    }
}
