//! What stands in the tables: how files, events and sinks are written and read. The caller has the transaction.

use std::path::PathBuf;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};

use super::delivery::{self, UnderWay, json};
use super::expire::Sink;
use super::heard::{self, Heard};
use super::{Backlog, Batch, Dropped, FileState, Forgotten, OutboxEvent, Row, journal, loss};
use crate::config::Notify;
use crate::event::EventId;
use crate::identity::FileKey;
use crate::notice::Why;
use crate::source::proof::Proof;

const FILE_COLUMNS: &str =
    "device, inode, birth, generation, path, checkpoint, proof_at, head_len, head, tail_from, tail, unread_to";

/// SQLite has no unsigned numbers; the bits are what counts.
fn signed(n: u64) -> i64 {
    n.cast_signed()
}

/// How a kind of rows, and the sinks that take it, stand in the tables.
pub fn kind(notify: Notify) -> i64 {
    match notify {
        Notify::Event => 0,
        Notify::Incident => 1,
    }
}

/// The reverse; a number that nobody wrote is damage.
pub fn notify(kind: i64) -> rusqlite::Result<Notify> {
    [Notify::Event, Notify::Incident]
        .into_iter()
        .find(|&notify| self::kind(notify) == kind)
        .ok_or(Error::IntegralValueOutOfRange(0, kind))
}

/// How many rows of a batch are in the outbox already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    pub events: usize,
    pub notices: usize,
}

impl Stored {
    pub fn all_of(batch: &Batch) -> Stored {
        Stored { events: batch.events.len(), notices: batch.notices.len() }
    }
}

/// Number of the last batch that was stored.
pub fn last_batch(connection: &Connection) -> rusqlite::Result<i64> {
    let number = connection.prepare_cached("SELECT batch FROM seen")?.query_row([], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

/// Writes a batch under its number, but for the first rows, which are `stored`; returns what came to the outbox.
pub fn write(transaction: &Transaction, batch: &Batch, number: i64, stored: Stored) -> rusqlite::Result<Backlog> {
    write_files(transaction, batch)?;
    journal::write(transaction, &batch.journals)?;
    let mut added = Backlog::default();
    let events = batch.events.iter().skip(stored.events).map(|event| (Notify::Event, event));
    let notices = batch.notices.iter().skip(stored.notices).map(|notice| (Notify::Incident, notice));
    for (kind, row) in events.chain(notices) {
        if insert(transaction, kind, row)? > 0 {
            added.rows += 1;
            added.bytes += row.body.len() as u64;
        }
    }
    write_incidents(transaction, batch)?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO seen (id, until_ms, batch) VALUES (0, ?1, ?2)")?
        .execute([batch.seen_until_ms, number])?;
    let mut tell = transaction.prepare_cached("INSERT OR IGNORE INTO told (name) VALUES (?1)")?;
    for name in &batch.told {
        tell.execute([name])?;
    }
    loss::told(transaction, &batch.losses)?;
    let mut set_down = transaction.prepare_cached("UPDATE sink SET down_ms = ?2 WHERE name = ?1")?;
    for (sink, down_ms) in &batch.down {
        set_down.execute(params![sink, down_ms])?;
    }
    if let Some(watched) = &batch.watched {
        transaction.execute("DELETE FROM watched", [])?;
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO watched (path) VALUES (?1)")?;
        for path in watched {
            insert.execute([path])?;
        }
    }
    if let Some(links) = &batch.links {
        transaction.execute("DELETE FROM link", [])?;
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO link (place, link) VALUES (?1, ?2)")?;
        for (place, link) in links {
            insert.execute([place, link].map(|path| path.as_os_str().as_encoded_bytes()))?;
        }
    }
    Ok(added)
}

/// Puts a row into the outbox, unless it waits there already. Where no sink takes its kind it is not stored: nobody would
/// ever take it out.
pub fn insert(transaction: &Transaction, notify: Notify, row: &OutboxEvent) -> rusqlite::Result<usize> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO outbox (event_id, body, kind, stored_ms) \
         SELECT ?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER) \
         WHERE EXISTS (SELECT 1 FROM sink WHERE notify = ?3)",
    )?;
    insert.execute(params![row.id.0, row.body, kind(notify)])
}

fn write_incidents(transaction: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO incident (key, state) VALUES (?1, ?2)")?;
    let mut delete = transaction.prepare_cached("DELETE FROM incident WHERE key = ?1")?;
    for (key, state) in &batch.incidents {
        match state {
            Some(state) => put.execute(params![key, state])?,
            None => delete.execute([key])?,
        };
    }
    Ok(())
}

/// Key and state of each incident.
pub fn incidents(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    connection
        .prepare("SELECT key, state FROM incident ORDER BY key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn write_files(transaction: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    // First: another file may have the number of one that is gone.
    let mut delete = transaction.prepare_cached("DELETE FROM file WHERE (device, inode, birth) = (?1, ?2, ?3)")?;
    for key in &batch.deleted {
        delete.execute([signed(key.device), signed(key.inode), signed(key.birth)])?;
    }
    let mut upsert = transaction.prepare_cached(&format!(
        "INSERT OR REPLACE INTO file ({FILE_COLUMNS}, seen_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, unixepoch())"
    ))?;
    for file in &batch.files {
        let proof = &file.proof;
        upsert.execute(params![
            signed(file.key.device),
            signed(file.key.inode),
            signed(file.key.birth),
            file.generation,
            file.path.as_os_str().as_encoded_bytes(),
            json(&file.checkpoint)?,
            signed(proof.at),
            signed(proof.head_len),
            proof.head,
            signed(proof.tail_from),
            proof.tail,
            file.unread_to.map(signed),
        ])?;
    }
    Ok(())
}

pub fn files(connection: &Connection) -> rusqlite::Result<Vec<FileState>> {
    let mut select = connection.prepare(&format!("SELECT {FILE_COLUMNS} FROM file"))?;
    select.query_map([], file_from_row)?.collect()
}

pub fn path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Places, each with a link that leads there.
pub fn links(connection: &Connection) -> rusqlite::Result<Vec<(PathBuf, PathBuf)>> {
    let mut select = connection.prepare("SELECT place, link FROM link")?;
    select.query_map([], |row| Ok((path(row.get(0)?), path(row.get(1)?))))?.collect()
}

fn file_from_row(row: &rusqlite::Row) -> rusqlite::Result<FileState> {
    let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let path = path(row.get(4)?);
    let text: String = row.get(5)?;
    let checkpoint = serde_json::from_str(&text);
    Ok(FileState {
        key: FileKey { device: unsigned(0)?, inode: unsigned(1)?, birth: unsigned(2)? },
        generation: row.get(3)?,
        path,
        checkpoint: checkpoint.map_err(|error| Error::FromSqlConversionFailure(5, Type::Text, Box::new(error)))?,
        proof: Proof {
            at: unsigned(6)?,
            head_len: unsigned(7)?,
            head: row.get(8)?,
            tail_from: unsigned(9)?,
            tail: row.get(10)?,
        },
        unread_to: row.get::<_, Option<i64>>(11)?.map(i64::cast_unsigned),
    })
}

/// One column of texts.
pub fn texts(connection: &Connection, select: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(select)?.query_map([], |row| row.get(0))?.collect()
}

/// Rows of both kinds.
pub fn outbox_after(connection: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
    let mut select =
        connection.prepare_cached("SELECT seq, event_id, body FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    select.query_map(params![after, limit as i64], row)?.collect()
}

pub fn kind_after(connection: &Connection, notify: Notify, after: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection
        .prepare_cached("SELECT seq, event_id, body FROM outbox WHERE kind = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
    select.query_map(params![kind(notify), after, limit as i64], row)?.collect()
}

/// Those of these rows that are still there.
pub fn with_seqs(connection: &Connection, seqs: &[i64]) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare_cached("SELECT seq, event_id, body FROM outbox WHERE seq = ?1")?;
    seqs.iter().filter_map(|seq| select.query_row([seq], row).optional().transpose()).collect()
}

fn row(row: &rusqlite::Row) -> rusqlite::Result<Row> {
    Ok(Row { seq: row.get(0)?, id: EventId(row.get(1)?), body: row.get(2)? })
}

/// Everything in the outbox.
pub fn backlog(connection: &Connection) -> rusqlite::Result<Backlog> {
    let all = "SELECT count(*), coalesce(sum(length(body)), 0), min(stored_ms) FROM outbox";
    connection.prepare_cached(all)?.query_row([], backlog_from_row)
}

/// The rows of one kind after `after`, up to `through`.
pub fn backlog_of(connection: &Connection, notify: Notify, after: i64, through: i64) -> rusqlite::Result<Backlog> {
    let mut select = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(length(body)), 0), min(stored_ms) FROM outbox \
         WHERE kind = ?1 AND seq > ?2 AND seq <= ?3",
    )?;
    select.query_row([kind(notify), after, through], backlog_from_row)
}

/// Those rows after the first and up to the second number of which `is_lost` is true.
pub fn lost(
    connection: &Connection,
    notify: Notify,
    (after, through): (i64, i64),
    is_lost: impl Fn(&[u8]) -> bool,
) -> rusqlite::Result<Backlog> {
    let mut select = connection.prepare_cached(
        "SELECT body, nullif(stored_ms, 0) FROM outbox WHERE kind = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq",
    )?;
    let (mut found, mut lost) = (select.query([kind(notify), after, through])?, Backlog::default());
    while let Some(row) = found.next()? {
        let body = row.get_ref(0)?.as_bytes()?;
        if is_lost(body) {
            lost.rows += 1;
            lost.bytes += body.len() as u64;
            lost.oldest_ms = [lost.oldest_ms, row.get(1)?].into_iter().flatten().min();
        }
    }
    Ok(lost)
}

fn backlog_from_row(row: &rusqlite::Row) -> rusqlite::Result<Backlog> {
    let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: row.get(2)? })
}

/// The last row that a sink has acknowledged.
pub fn delivered(connection: &Connection, sink: &str) -> rusqlite::Result<i64> {
    let row = connection.query_row("SELECT delivered FROM sink WHERE name = ?1", [sink], |row| row.get(0));
    Ok(row.optional()?.unwrap_or(0))
}

/// What is known of a sink's receiver. Times are milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Receiver {
    /// Why it is not tried any more.
    pub stopped: Option<String>,
    /// It is not tried before.
    pub paused_ms: i64,
    /// Since when it is down, as others were told.
    pub down_ms: Option<i64>,
    /// As what it accepted something last.
    pub accepted_as: Option<String>,
}

pub fn receiver(connection: &Connection, sink: &str) -> rusqlite::Result<Receiver> {
    let mut select =
        connection.prepare_cached("SELECT stopped, paused_ms, down_ms, accepted_as FROM sink WHERE name = ?1")?;
    let receiver = |row: &rusqlite::Row| {
        Ok(Receiver { stopped: row.get(0)?, paused_ms: row.get(1)?, down_ms: row.get(2)?, accepted_as: row.get(3)? })
    };
    Ok(select.query_row([sink], receiver).optional()?.unwrap_or_default())
}

/// A sink, or all of them, is tried again, and at once.
pub fn resume(transaction: &Transaction, sink: Option<&str>) -> rusqlite::Result<()> {
    let resume = "UPDATE sink SET stopped = NULL, paused_ms = 0 WHERE ?1 IS NULL OR name = ?1";
    transaction.prepare_cached(resume)?.execute([sink]).map(drop)
}

/// Name of each sink, what it takes, and the last row that it has acknowledged.
pub fn sinks(connection: &Connection) -> rusqlite::Result<Vec<(String, Notify, i64)>> {
    let mut select = connection.prepare_cached("SELECT name, notify, delivered FROM sink ORDER BY name")?;
    select.query_map([], |row| Ok((row.get(0)?, notify(row.get(1)?)?, row.get(2)?)))?.collect()
}

/// What one sink takes, and the last row that it has acknowledged.
pub fn sink(connection: &Connection, name: &str) -> rusqlite::Result<Option<(Notify, i64)>> {
    let mut select = connection.prepare_cached("SELECT notify, delivered FROM sink WHERE name = ?1")?;
    select.query_row([name], |row| Ok((notify(row.get(0)?)?, row.get(1)?))).optional()
}

/// Which of its rows a sink misses that never gets them; `None` where its filter is not known.
pub type IsLost<'a> = Option<&'a dyn Fn(&[u8], &Heard) -> bool>;

/// What a sink loses with all that waits for it up to a row, and stands apart; and what of that may be under way.
pub fn all_lost(
    transaction: &Transaction,
    (name, notify, delivered): Sink,
    through: i64,
    is_lost: IsLost,
) -> rusqlite::Result<(Dropped, Vec<UnderWay>)> {
    let heard = heard::of(transaction, name)?;
    let of_row = |row: &[u8]| is_lost.is_none_or(|is_lost| is_lost(row, &heard));
    let in_order = lost(transaction, notify, (delivered, through), of_row)?;
    let apart = delivery::apart(transaction, name)?;
    let waiting = Backlog { rows: in_order.rows + apart.rows, bytes: in_order.bytes + apart.bytes, ..in_order };
    let mut under_way = delivery::apart_under_way(transaction, name)?;
    under_way.extend(delivery::head_under_way(transaction, name, through, of_row)?);
    let at_most = is_lost.is_none() && in_order.rows > 0;
    Ok((Dropped { waiting, last_seq: through, at_most, under_way: UnderWay::rows(&under_way) }, under_way))
}

/// One sink less, and what it had not delivered, dead letters too, is a loss.
pub fn forget_sink(transaction: &Transaction, name: &str, is_lost: IsLost) -> rusqlite::Result<Option<Forgotten>> {
    let Some((notify, delivered)) = sink(transaction, name)? else { return Ok(None) };
    let (mut lost, under_way) = all_lost(transaction, (name, notify, delivered), last_seq(transaction)?, is_lost)?;
    let waiting = lost.waiting;
    let dead = transaction.execute("DELETE FROM dead WHERE sink = ?1", [name])? as u64;
    transaction.execute("DELETE FROM batch WHERE sink = ?1", [name])?;
    transaction.execute("DELETE FROM heard WHERE sink = ?1", [name])?;
    transaction.execute("DELETE FROM sink WHERE name = ?1", [name])?;
    lost.waiting.rows += dead;
    loss::of_rows(transaction, (name, notify), Why::Removed, &lost, &under_way)?;
    Ok(Some(Forgotten { sink: name.to_owned(), waiting, dead }))
}

/// Makes these the sinks. A new one gets what is stored from now on, and so does one that takes other rows than before.
pub fn set_sinks(transaction: &Transaction, wanted: &[(String, Notify)]) -> rusqlite::Result<Vec<Forgotten>> {
    let (mut forgotten, last) = (Vec::new(), last_seq(transaction)?);
    for (name, notify, _) in sinks(transaction)? {
        if !wanted.iter().any(|it| (&it.0, it.1) == (&name, notify)) {
            forgotten.extend(forget_sink(transaction, &name, None)?);
        }
    }
    for (name, notify) in wanted {
        let insert = "INSERT INTO sink (name, notify, delivered) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        transaction.execute(insert, params![name, kind(*notify), last])?;
    }
    Ok(forgotten)
}

/// The highest number that a row ever had.
pub fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'")?
        .query_row([], |row| row.get(0))
}

/// The next row gets a number above `seq`.
pub fn count_from(transaction: &Transaction, seq: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'", [])?;
    transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?1)", [seq])?;
    Ok(())
}

/// Notes that a sink has delivered everything up to `seq`; a sink never goes back.
pub fn delivered_up_to(transaction: &Transaction, sink: &str, seq: i64) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("UPDATE sink SET delivered = ?2 WHERE name = ?1 AND delivered < ?2")?
        .execute(params![sink, seq])
}

/// Deletes what all sinks of its kind have, and says how much that was. Where no sink takes a kind nobody waits for it.
pub fn prune(transaction: &Transaction) -> rusqlite::Result<Backlog> {
    let mut all = Backlog::default();
    for notify in [Notify::Event, Notify::Incident] {
        let through: i64 = transaction
            .prepare_cached("SELECT coalesce(min(delivered), 9223372036854775807) FROM sink WHERE notify = ?1")?
            .query_row([kind(notify)], |row| row.get(0))?;
        let gone = backlog_of(transaction, notify, 0, through)?;
        if gone.rows > 0 {
            transaction
                .prepare_cached("DELETE FROM outbox WHERE kind = ?1 AND seq <= ?2")?
                .execute([kind(notify), through])?;
        }
        all.rows += gone.rows;
        all.bytes += gone.bytes;
    }
    Ok(all)
}
