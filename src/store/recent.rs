//! The events of late, for those who ask what happened: kept after they were delivered, and over restarts.
//!
//! They are stored with the positions that account for them, in the same transaction. The newest are kept, as many as
//! fit; nobody waits for them, and nothing is ever decided by them.

use rusqlite::{Connection, Transaction, params};

use super::{Db, Outbox, OutboxEvent, StateError, Store};

/// So many are kept at most …
pub const MAX_EVENTS: i64 = 10_000;
/// … and so many bytes of them: 32 MiB.
pub const MAX_BYTES: i64 = 32 << 20;

/// Which are looked at, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// Only those that came before the one of this number.
    pub before: Option<i64>,
    /// Only those that came at this time (milliseconds since 1970) or later.
    pub since_ms: Option<i64>,
    /// So many are given at most …
    pub limit: usize,
    /// … and no more once they have so many bytes.
    pub max_bytes: usize,
}

/// What was found, the newest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Each one JSON object.
    pub bodies: Vec<Vec<u8>>,
    /// Goes on from here, as [`Span::before`]; absent where nothing more is there.
    pub next: Option<i64>,
}

impl Store {
    /// Events are kept from now on, or not: then those that were are deleted.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep_recent(&self, wanted: bool) -> Result<(), StateError> {
        self.lock().keep_recent(wanted)
    }
}

impl Db {
    fn keep_recent(&mut self, wanted: bool) -> Result<(), StateError> {
        self.keeps_recent = wanted;
        if wanted {
            return Ok(());
        }
        self.transact_soon(|transaction| transaction.execute("DELETE FROM recent", []).map(drop))
    }
}

impl Outbox {
    /// Recent events that are `wanted`.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn recent(&self, span: Span, wanted: impl Fn(&[u8]) -> bool) -> Result<Page, StateError> {
        self.read(|connection| page(connection, span, &wanted))
    }
}

/// Adds events, and deletes the oldest that do not fit any more. Reading a log again adds nothing.
pub(super) fn add(transaction: &Transaction, events: &[OutboxEvent]) -> rusqlite::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    // `total` counts all bytes that were ever written, so that what is too old is known without adding anything up.
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO recent (event_id, stored_ms, total, body) \
         SELECT ?1, CAST(unixepoch('subsec') * 1000 AS INTEGER), \
                coalesce((SELECT total FROM recent ORDER BY seq DESC LIMIT 1), 0) + length(?2), ?2",
    )?;
    for event in events {
        insert.execute(params![event.id.0, event.body])?;
    }
    let trim = "DELETE FROM recent WHERE seq < ( \
                    SELECT seq FROM recent, (SELECT seq AS last, total AS all_bytes FROM recent ORDER BY seq DESC LIMIT 1) \
                    WHERE seq = last OR (seq > last - ?1 AND total > all_bytes - ?2) ORDER BY seq LIMIT 1)";
    transaction.prepare_cached(trim)?.execute([MAX_EVENTS, MAX_BYTES]).map(drop)
}

fn page(connection: &Connection, span: Span, wanted: &dyn Fn(&[u8]) -> bool) -> rusqlite::Result<Page> {
    let mut select =
        connection.prepare("SELECT seq, body FROM recent WHERE seq < ?1 AND stored_ms >= ?2 ORDER BY seq DESC")?;
    let mut rows = select.query([span.before.unwrap_or(i64::MAX), span.since_ms.unwrap_or(i64::MIN)])?;
    let (mut page, mut last, mut bytes) = (Page::default(), None, 0);
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_bytes()?;
        if !wanted(body) {
            continue;
        }
        if page.bodies.len() >= span.limit || bytes >= span.max_bytes {
            page.next = last;
            break;
        }
        bytes += body.len();
        page.bodies.push(body.to_vec());
        last = Some(row.get(0)?);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Durability, Notify};
    use crate::event::EventId;
    use crate::store::{Batch, StateDir};

    fn event(n: u64, size: usize) -> OutboxEvent {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let mut body = format!("{n:08}").into_bytes();
        body.resize(size, b' ');
        OutboxEvent { id: EventId(id), body }
    }

    struct Kept {
        dir: tempfile::TempDir,
        store: Store,
    }

    impl Kept {
        fn new() -> Kept {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&StateDir::lock(dir.path()).unwrap(), Durability::Normal).unwrap();
            store.keep_recent(true).unwrap();
            Kept { dir, store }
        }

        fn commit(&self, events: impl Iterator<Item = OutboxEvent>) {
            self.store.commit(&Batch { events: events.collect(), ..Batch::default() }).unwrap();
        }

        fn page(&self, span: Span, wanted: impl Fn(&[u8]) -> bool) -> (Vec<u64>, Option<i64>) {
            let page = Outbox::open(self.dir.path()).unwrap().unwrap().recent(span, wanted).unwrap();
            let number = |body: &Vec<u8>| std::str::from_utf8(&body[..8]).unwrap().parse().unwrap();
            (page.bodies.iter().map(number).collect(), page.next)
        }
    }

    const ALL: Span = Span { before: None, since_ms: None, limit: usize::MAX, max_bytes: usize::MAX };

    #[test]
    fn the_newest_are_kept_whatever_becomes_of_them_in_the_outbox() {
        let kept = Kept::new();
        kept.store.set_sinks(&[("a", Notify::Event)]).unwrap();
        kept.commit((0..12_000).map(|n| event(n, 8)));
        kept.store.acknowledge("a", Notify::Event, i64::MAX).unwrap();
        let (numbers, next) = kept.page(ALL, |_| true);
        assert_eq!((numbers.len(), numbers[0], numbers[9_999], next), (10_000, 11_999, 2_000, None));
        // Read again.
        kept.commit((11_000..12_000).map(|n| event(n, 8)));
        assert_eq!(kept.page(ALL, |_| true), (numbers, None));
    }

    #[test]
    fn bytes_are_bounded_and_the_last_stays_whatever_its_size() {
        let kept = Kept::new();
        for n in 0..40 {
            kept.commit(std::iter::once(event(n, 1 << 20)));
        }
        assert_eq!(kept.page(ALL, |_| true).0, (8..40).rev().collect::<Vec<_>>());
        kept.commit(std::iter::once(event(40, 33 << 20)));
        assert_eq!(kept.page(ALL, |_| true).0, [40]);
    }

    #[test]
    fn pages_have_each_once_and_say_whether_there_are_more() {
        let kept = Kept::new();
        kept.commit((0..100).map(|n| event(n, 8)));
        let is_even = |body: &[u8]| body[7].is_multiple_of(2);
        let mut span = Span { limit: 20, ..ALL };
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let (numbers, next) = kept.page(span, is_even);
            seen.extend(numbers);
            pages += 1;
            // What comes meanwhile changes no page.
            kept.commit(std::iter::once(event(1000 + pages, 8)));
            span.before = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((pages, seen), (3, (0..100).rev().filter(|n| n % 2 == 0).collect()));
        let few = Span { max_bytes: 20, ..ALL };
        assert_eq!(kept.page(few, |_| true).0.len(), 3);
    }

    #[test]
    fn who_keeps_none_has_none() {
        let kept = Kept::new();
        kept.commit((0..3).map(|n| event(n, 8)));
        kept.store.keep_recent(false).unwrap();
        kept.commit((3..6).map(|n| event(n, 8)));
        assert_eq!(kept.page(ALL, |_| true), (vec![], None));
    }
}
