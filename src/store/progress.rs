//! How the sinks get on: what decides whose rows go when the outbox is full.
//!
//! That a sink has nothing before it does not say that its receiver works: nothing may have been for it. So it is stored how far the
//! outbox was when a sink accepted something last, by which it can be compared with the rows that wait for another one.

use rusqlite::{Connection, Transaction, params};

use super::{StateError, Store, rows};

/// How one sink gets on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub sink: String,
    /// The first of the rows that it has before it.
    pub first: Option<i64>,
    /// How often it took rows, or passed over some that are not for it.
    pub moves: i64,
    /// The last row that there was when it accepted something last.
    pub accepted_at: i64,
}

/// What a sink did with rows that it has behind it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Accepted,
    /// They were not for it.
    PassedOver,
}

impl Store {
    /// How each sink gets on, and the number of the last row.
    pub fn progress(&self) -> Result<(Vec<Progress>, i64), StateError> {
        self.lock().with(|connection| Ok((of_all(connection)?, rows::last_seq(connection)?)))
    }

    /// Lets these sinks try what waits out a pause after a failure. What their receivers asked for themselves is respected.
    pub fn hasten(&self, sinks: &[&str]) -> Result<(), StateError> {
        self.lock().transact_soon(|transaction| {
            let hasten = "UPDATE batch SET next_ms = 0 WHERE sink = ?1 AND row IS NULL AND next_ms > 0";
            let mut hasten = transaction.prepare_cached(hasten)?;
            sinks.iter().try_for_each(|sink| hasten.execute([sink]).map(drop))
        })
    }
}

fn of_all(connection: &Connection) -> rusqlite::Result<Vec<Progress>> {
    let select = "SELECT name, (SELECT min(seq) FROM outbox WHERE kind = notify AND seq > delivered), moves, accepted_at FROM sink";
    let progress = |row: &rusqlite::Row| {
        Ok(Progress { sink: row.get(0)?, first: row.get(1)?, moves: row.get(2)?, accepted_at: row.get(3)? })
    };
    connection.prepare_cached(select)?.query_map([], progress)?.collect()
}

/// Notes that a sink got on.
pub fn moved(transaction: &Transaction, sink: &str, how: Move) -> rusqlite::Result<()> {
    let last = if how == Move::Accepted { rows::last_seq(transaction)? } else { 0 };
    let update = "UPDATE sink SET moves = moves + 1, accepted_at = max(accepted_at, ?2) WHERE name = ?1";
    transaction.prepare_cached(update)?.execute(params![sink, last]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{batch, delivery, open, seqs};
    use super::super::{StateDir, Tries};
    use super::*;
    use crate::config::Notify;

    #[test]
    fn what_a_sink_accepted_is_told_from_what_was_not_for_it_also_after_a_restart() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(tmp.path()).unwrap();
        let store = open(&dir);
        store.set_sinks(&[("a", Notify::Event), ("b", Notify::Event), ("c", Notify::Incident)]).unwrap();
        store.commit(&batch(vec![], &[1, 2, 3])).unwrap();
        let seqs = seqs(&store, Notify::Event);
        let (first, last) = (seqs[0], seqs[2]);
        let head = delivery("msg_1", &seqs[..1]);
        assert!(store.put_deliveries("a", Notify::Event, std::slice::from_ref(&head)).unwrap());
        store.accept_delivery("a", &head).unwrap();
        store.pass_over("b", Notify::Event, last).unwrap();
        let of = |sink: &str, first, moves, accepted_at| Progress { sink: sink.into(), first, moves, accepted_at };
        let expected = [of("a", Some(first + 1), 1, last), of("b", None, 1, 0), of("c", None, 0, 0)];
        assert_eq!(store.progress().unwrap(), (expected.to_vec(), last));
        drop(store);
        let store = open(&dir);
        store.acknowledge("b", Notify::Event, last).unwrap();
        assert_eq!(store.progress().unwrap().0[1], of("b", None, 2, last));
    }

    #[test]
    fn a_pause_after_a_failure_is_cut_short_and_one_that_was_asked_for_is_not() {
        let store = Store::in_memory().unwrap();
        store.set_sinks(&[("a", Notify::Event), ("b", Notify::Event)]).unwrap();
        store.commit(&batch(vec![], &[1])).unwrap();
        let head = delivery("msg_1", &seqs(&store, Notify::Event));
        let later = Tries { next_ms: i64::MAX, ..Tries::default() };
        for sink in ["a", "b"] {
            assert!(store.put_deliveries(sink, Notify::Event, std::slice::from_ref(&head)).unwrap());
            store.pause(sink, "msg_1", &later, 7).unwrap();
        }
        store.hasten(&["a"]).unwrap();
        let [a, b] = ["a", "b"].map(|sink| store.standing(sink).unwrap());
        assert_eq!([a.next.unwrap().tries.next_ms, b.next.unwrap().tries.next_ms], [0, i64::MAX]);
        assert_eq!(a.paused_ms, 7);
    }
}
