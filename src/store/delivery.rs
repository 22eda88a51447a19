//! Requests on their way to a sink: which rows are in one, its bytes, how its attempts went, and what was given up.
//!
//! A request is stored before its first attempt, so that each attempt, also after a crash, repeats its id and its bytes. Requests
//! of a sink are made and tried in the order of their rows. Only a row that its receiver keeps refusing is put apart, with
//! a copy of it, so that those behind it go on; and one that was refused for too long becomes a dead letter. What stands apart and
//! speaks of an incident of which something later was accepted is not sent any more (`heard`).

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row as SqlRow, Transaction, params};

use super::heard::{self, Incidents};
use super::progress::{self, Move};
use super::rows::Receiver;
use super::{Backlog, DeadLetter, Dropped, Row, StateError, Store, loss, rows};
use crate::config::Notify;
use crate::notice::Why;

/// Dead letters of one sink; more of them push out the oldest.
const MAX_DEAD: i64 = 1000;

const COLUMNS: &str = "id, members, through, format, content_type, headers, body, attempts, refusals, first_tried_ms, \
                       first_refused_ms, next_ms, last_error, row, part, incidents";

/// Rows of the outbox that go to a sink together, in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The webhook-id: the same in all attempts.
    pub id: String,
    /// Numbers of its rows; never empty.
    pub members: Vec<i64>,
    /// Which of the requests that its rows make, where that is more than one.
    pub part: u32,
    /// Once it is accepted, the sink has everything up to here.
    pub through: i64,
    /// Name of the format that `request` is in.
    pub format: String,
    /// `None` if it could not be rendered yet.
    pub request: Option<Request>,
    pub tries: Tries,
    /// The only row, if it was put apart.
    pub row: Option<Vec<u8>>,
    pub incidents: Incidents,
}

/// What is sent, but for what differs between attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub content_type: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How the attempts went. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries {
    pub attempts: u32,
    /// Attempts that the receiver answered with a refusal of this request.
    pub refusals: u32,
    pub first_tried_ms: Option<i64>,
    pub first_refused_ms: Option<i64>,
    pub next_ms: i64,
    pub last_error: Option<String>,
}

/// How far a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The last row that is done with.
    pub delivered: i64,
    /// The request whose turn it is; `None`: the next one is to be made of the rows after `delivered`.
    pub next: Option<Delivery>,
    /// The request that is due first of those that were put apart.
    pub apart: Option<Delivery>,
    /// How many were put apart.
    pub n_apart: u64,
    /// Its receiver wants nothing any more, see [`Store::stop_sink`].
    pub is_stopped: bool,
    /// Nothing is due before, see [`Store::pause`]; milliseconds since 1970.
    pub paused_ms: i64,
    /// Since when it is down, as others were told.
    pub down_ms: Option<i64>,
    /// The mark of the URL and keys with which it accepted something last, see [`Store::set_accepted_as`].
    pub accepted_as: Option<String>,
}

/// A request that a worker may be sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    pub request: String,
    /// What its sink has with it.
    pub rows: Backlog,
    /// The number of the last row.
    pub last_seq: i64,
}

impl UnderWay {
    /// Rows of all of them.
    pub fn rows(all: &[UnderWay]) -> u64 {
        all.iter().map(|it| it.rows.rows).sum()
    }
}

impl Store {
    /// How far a sink is, between two attempts of its worker, also where somebody else has just changed that.
    pub fn standing(&self, sink: &str) -> Result<Standing, StateError> {
        let mut db = self.lock();
        db.release(Some(sink))?;
        if db.changed_elsewhere() {
            db.settle(|_| Ok(()))?;
            self.set_waiting(db.backlog()?);
            // There may be rows for others too: nobody else tells them.
            self.tell_arrivals();
        }
        db.with(|connection| {
            let apart =
                format!("SELECT {COLUMNS} FROM batch WHERE sink = ?1 AND row IS NOT NULL ORDER BY next_ms LIMIT 1");
            let Receiver { stopped, paused_ms, down_ms, accepted_as } = rows::receiver(connection, sink)?;
            Ok(Standing {
                delivered: rows::delivered(connection, sink)?,
                next: next(connection, sink)?,
                apart: connection.prepare_cached(&apart)?.query_row([sink], from_row).optional()?,
                n_apart: self::apart(connection, sink)?.rows,
                is_stopped: stopped.is_some(),
                paused_ms,
                down_ms,
                accepted_as,
            })
        })
    }

    /// When the first attempt was of what stands apart; milliseconds since 1970.
    pub fn apart_since(&self, sink: &str) -> Result<Option<i64>, StateError> {
        let since = "SELECT min(first_tried_ms) FROM batch WHERE sink = ?1 AND row IS NOT NULL";
        self.lock().with(|connection| connection.prepare_cached(since)?.query_row([sink], |row| row.get(0)))
    }

    /// The rows of a request.
    pub fn rows_of(&self, delivery: &Delivery) -> Result<Vec<Row>, StateError> {
        let seqs = &delivery.members;
        if let (Some(body), Some(&seq)) = (&delivery.row, seqs.first()) {
            return Ok(vec![Row { seq, id: crate::event::EventId([0; 16]), body: body.clone() }]);
        }
        self.lock().with(|connection| rows::with_seqs(connection, seqs))
    }

    /// Stores requests of rows of one kind that are to be tried, all or none. One that is there already stays as it is. False if the
    /// sink is not there any more, takes something else by now, or has one of the rows.
    pub fn put_deliveries(&self, sink: &str, kind: Notify, deliveries: &[Delivery]) -> Result<bool, StateError> {
        let first = deliveries.iter().filter_map(|delivery| delivery.members.first()).min();
        self.lock().transact(|transaction| {
            let wants = |(notify, delivered)| notify == kind && first.is_none_or(|&first| delivered < first);
            if !rows::sink(transaction, sink)?.is_some_and(wants) {
                return Ok(false);
            }
            for delivery in deliveries {
                insert(transaction, sink, delivery)?;
            }
            heard::made(transaction, sink, deliveries)?;
            Ok(true)
        })
    }

    /// Puts others in the place of a request, in one transaction; does nothing if it is no longer there.
    pub fn replace_delivery(&self, sink: &str, id: &str, others: &[Delivery]) -> Result<(), StateError> {
        self.lock().transact(|transaction| {
            if delete(transaction, sink, id)? > 0 {
                others.iter().try_for_each(|other| insert(transaction, sink, other))?;
            }
            Ok(())
        })
    }

    /// Stores what a request looks like that could not be rendered before.
    pub fn set_request(&self, sink: &str, delivery: &Delivery) -> Result<(), StateError> {
        self.lock().transact(|transaction| {
            let update =
                "UPDATE batch SET format = ?3, content_type = ?4, headers = ?5, body = ?6 WHERE sink = ?1 AND id = ?2";
            let (content_type, headers, body) = columns(delivery.request.as_ref())?;
            transaction.prepare_cached(update)?.execute(params![
                sink,
                delivery.id,
                delivery.format,
                content_type,
                headers,
                body
            ])?;
            Ok(())
        })
    }

    /// Stores how an attempt went.
    pub fn set_tries(&self, sink: &str, id: &str, tries: &Tries) -> Result<(), StateError> {
        self.lock().transact_soon(|transaction| update_tries(transaction, sink, id, tries))
    }

    /// Stores how an attempt went, and that no request of the sink is due before a moment, also none that is yet to be made. That
    /// holds until then, or until an operator wants it tried.
    pub fn pause(&self, sink: &str, id: &str, tries: &Tries, until_ms: i64) -> Result<(), StateError> {
        self.lock().transact_soon(|transaction| {
            let pause = "UPDATE sink SET paused_ms = ?2 WHERE name = ?1";
            transaction.prepare_cached(pause)?.execute(params![sink, until_ms])?;
            update_tries(transaction, sink, id, tries)
        })
    }

    /// Stores how an attempt went whose answer was that the receiver wants nothing any more. That holds until the sink is
    /// [resumed](Store::resume_sink), by its worker or an operator.
    pub fn stop_sink(&self, sink: &str, id: &str, tries: &Tries) -> Result<(), StateError> {
        self.lock().transact_soon(|transaction| {
            update_tries(transaction, sink, id, tries)?;
            let stop = "UPDATE sink SET stopped = ?2 WHERE name = ?1";
            transaction
                .prepare_cached(stop)?
                .execute(params![sink, tries.last_error.as_deref().unwrap_or_default()])?;
            Ok(())
        })
    }

    /// Something was accepted by the receiver that a sink's URL and keys, whose mark this is, lead to.
    pub fn set_accepted_as(&self, sink: &str, setup: &str) -> Result<(), StateError> {
        self.lock().transact_soon(|transaction| {
            let update = "UPDATE sink SET accepted_as = ?2 WHERE name = ?1";
            transaction.prepare_cached(update)?.execute([sink, setup]).map(drop)
        })
    }

    /// A receiver that wanted nothing any more is to be tried again.
    pub fn resume_sink(&self, sink: &str) -> Result<(), StateError> {
        let mut db = self.lock();
        if db.with(|connection| rows::receiver(connection, sink))?.stopped.is_some() {
            db.transact_soon(|transaction| rows::resume(transaction, Some(sink)))?;
        }
        Ok(())
    }

    /// A request was accepted: its rows are delivered, and it is forgotten, in one transaction. Nothing happens if it is no longer
    /// there, since its sink was given up, or takes something else by now, and its rows are nobody's; but if they were given up
    /// during this attempt, they are no loss.
    pub fn accept_delivery(&self, sink: &str, delivery: &Delivery) -> Result<(), StateError> {
        self.settle(|transaction| {
            progress::moved(transaction, sink, Move::Accepted)?;
            heard::accepted(transaction, sink, delivery)?;
            if delete(transaction, sink, &delivery.id)? == 0 {
                return loss::is_none(transaction, sink, &delivery.id);
            }
            rows::delivered_up_to(transaction, sink, delivery.through).map(drop)
        })
    }

    /// Gives up a request that stands apart: something later of its incidents was accepted. It goes on as the `rest`, which speaks of
    /// other incidents. So many bytes of it are `lost`, where that is a loss: as of a message of their own.
    pub fn supersede(
        &self,
        sink: &str,
        delivery: &Delivery,
        rest: &[Delivery],
        lost: Option<u64>,
    ) -> Result<(), StateError> {
        self.settle(|transaction| {
            if delete(transaction, sink, &delivery.id)? == 0 {
                return Ok(());
            }
            rest.iter().try_for_each(|other| insert(transaction, sink, other))?;
            let Some(bytes) = lost else { return Ok(()) };
            let waiting = Backlog { rows: 1, bytes, oldest_ms: delivery.tries.first_tried_ms };
            let last_seq = delivery.members.last().copied().unwrap_or_default();
            let dropped = Dropped { waiting, last_seq, ..Dropped::default() };
            loss::of_rows(transaction, (sink, Notify::Incident), Why::Superseded, &dropped, &[])
        })
    }

    /// The worker of a sink has ended: nothing is under way to it.
    pub fn at_rest(&self, sink: &str) -> Result<(), StateError> {
        self.lock().release(Some(sink))
    }

    /// Lets the rows behind a request of one row go first. It keeps a copy of its row, so the outbox need not.
    pub fn put_apart(&self, sink: &str, delivery: &Delivery, tries: &Tries) -> Result<(), StateError> {
        self.settle(|transaction| {
            let copy =
                "UPDATE batch SET row = coalesce(row, (SELECT body FROM outbox WHERE seq = position)) WHERE sink = ?1 AND id = ?2";
            if transaction.prepare_cached(copy)?.execute([sink, &delivery.id])? > 0 {
                update_tries(transaction, sink, &delivery.id, tries)?;
                rows::delivered_up_to(transaction, sink, delivery.through)?;
            }
            Ok(())
        })
    }

    /// Gives up a request of one row: it becomes a dead letter, and a loss.
    pub fn bury(&self, sink: &str, delivery: &Delivery, reason: &str, at_ms: i64) -> Result<(), StateError> {
        self.settle(|transaction| {
            let bury = "INSERT OR REPLACE INTO dead (sink, id, seq, part, reason, at_ms, body, incidents) \
                        SELECT sink, id, position, part, ?3, ?4, coalesce(row, (SELECT body FROM outbox WHERE seq = position), x''), \
                        incidents FROM batch WHERE sink = ?1 AND id = ?2";
            transaction.prepare_cached(bury)?.execute(params![sink, delivery.id, reason, at_ms])?;
            let oldest = "DELETE FROM dead WHERE sink = ?1 AND id NOT IN \
                          (SELECT id FROM dead WHERE sink = ?1 ORDER BY at_ms DESC, seq DESC LIMIT ?2)";
            transaction.prepare_cached(oldest)?.execute(params![sink, MAX_DEAD])?;
            if delete(transaction, sink, &delivery.id)? > 0 {
                rows::delivered_up_to(transaction, sink, delivery.through)?;
                loss::of_letter(transaction, sink, &delivery.id, reason)?;
            }
            Ok(())
        })
    }

    pub(super) fn settle(&self, work: impl FnOnce(&Transaction) -> rusqlite::Result<()>) -> Result<(), StateError> {
        let mut db = self.lock();
        let gone = db.settle(work)?;
        self.gone(gone);
        Ok(())
    }
}

/// The request whose turn it is.
pub fn next(connection: &Connection, sink: &str) -> rusqlite::Result<Option<Delivery>> {
    let next = format!("SELECT {COLUMNS} FROM batch WHERE sink = ?1 AND row IS NULL ORDER BY position, part LIMIT 1");
    connection.prepare_cached(&next)?.query_row([sink], from_row).optional()
}

/// What a worker may be sending of what waits in order up to a row: the rows that its sink has once the first request is accepted.
pub fn head_under_way(
    connection: &Connection,
    sink: &str,
    through: i64,
    is_lost: impl Fn(&[u8]) -> bool,
) -> rusqlite::Result<Option<UnderWay>> {
    let Some(head) = next(connection, sink)? else { return Ok(None) };
    // Of a row that makes several requests the last one completes it.
    let is_whole = head.members.last().is_some_and(|last| (*last..=through).contains(&head.through));
    let mut rows = Backlog::default();
    for row in rows::with_seqs(connection, if is_whole { &head.members } else { &[] })? {
        if is_lost(&row.body) {
            rows.rows += 1;
            rows.bytes += row.body.len() as u64;
        }
    }
    Ok((rows.rows > 0).then_some(UnderWay { request: head.id, rows, last_seq: head.through }))
}

/// What a worker may be sending of what stands apart.
pub fn apart_under_way(connection: &Connection, sink: &str) -> rusqlite::Result<Vec<UnderWay>> {
    let apart = "SELECT id, length(row), position FROM batch WHERE sink = ?1 AND row IS NOT NULL";
    let under_way = |row: &SqlRow| {
        let rows = Backlog { rows: 1, bytes: row.get::<_, i64>(1)?.cast_unsigned(), oldest_ms: None };
        Ok(UnderWay { request: row.get(0)?, rows, last_seq: row.get(2)? })
    };
    connection.prepare_cached(apart)?.query_map([sink], under_way)?.collect()
}

/// Rows that were put apart.
pub fn apart(connection: &Connection, sink: &str) -> rusqlite::Result<Backlog> {
    let apart = "SELECT count(*), coalesce(sum(length(row)), 0) FROM batch WHERE sink = ?1 AND row IS NOT NULL";
    connection.prepare_cached(apart)?.query_row([sink], |row| {
        let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Backlog { rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest_ms: None })
    })
}

/// Those rows, the oldest first.
pub fn apart_rows(connection: &Connection, sink: &str, limit: usize) -> rusqlite::Result<Vec<Vec<u8>>> {
    let rows = "SELECT row FROM batch WHERE sink = ?1 AND row IS NOT NULL ORDER BY position, part LIMIT ?2";
    connection.prepare_cached(rows)?.query_map(params![sink, limit as i64], |row| row.get(0))?.collect()
}

pub fn dead_letters(connection: &Connection, sink: Option<&str>, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let select = "SELECT sink, id, seq, reason, at_ms, body FROM dead WHERE ?1 IS NULL OR sink = ?1 \
                  ORDER BY at_ms, sink, seq LIMIT ?2";
    let letter = |row: &SqlRow| {
        let (sink, id, seq) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(DeadLetter { sink, id, seq, reason: row.get(3)?, at_ms: row.get(4)?, body: row.get(5)? })
    };
    connection.prepare(select)?.query_map(params![sink, limit as i64], letter)?.collect()
}

fn insert(transaction: &Transaction, sink: &str, delivery: &Delivery) -> rusqlite::Result<()> {
    let Delivery { id, members, part, through, format, request, tries, row, incidents } = delivery;
    let (content_type, headers, body) = columns(request.as_ref())?;
    let (position, members, incidents) = (members.first(), json(members)?, json(incidents)?);
    let insert = "INSERT OR IGNORE INTO batch \
                  (sink, id, position, part, through, members, format, content_type, headers, body, row, incidents) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let n_inserted = transaction.prepare_cached(insert)?.execute(params![
        sink,
        id,
        position,
        part,
        through,
        members,
        format,
        content_type,
        headers,
        body,
        row,
        incidents
    ])?;
    if n_inserted == 0 { Ok(()) } else { update_tries(transaction, sink, id, tries) }
}

fn update_tries(transaction: &Transaction, sink: &str, id: &str, tries: &Tries) -> rusqlite::Result<()> {
    let update = "UPDATE batch SET attempts = ?3, refusals = ?4, first_tried_ms = ?5, first_refused_ms = ?6, next_ms = ?7, \
                  last_error = ?8 WHERE sink = ?1 AND id = ?2";
    transaction.prepare_cached(update)?.execute(params![
        sink,
        id,
        tries.attempts,
        tries.refusals,
        tries.first_tried_ms,
        tries.first_refused_ms,
        tries.next_ms,
        tries.last_error,
    ])?;
    Ok(())
}

fn delete(transaction: &Transaction, sink: &str, id: &str) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM batch WHERE sink = ?1 AND id = ?2")?.execute([sink, id])
}

/// Content type, headers and body.
type Columns<'a> = (Option<&'a str>, Option<String>, Option<&'a [u8]>);

fn columns(request: Option<&Request>) -> rusqlite::Result<Columns<'_>> {
    let Some(Request { content_type, headers, body }) = request else { return Ok((None, None, None)) };
    Ok((Some(content_type), Some(json(headers)?), Some(body)))
}

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn from_row(row: &SqlRow) -> rusqlite::Result<Delivery> {
    let request = match (row.get::<_, Option<String>>(4)?, row.get::<_, Option<String>>(5)?, row.get(6)?) {
        (Some(content_type), Some(headers), Some(body)) => {
            Some(Request { content_type, headers: from_json(5, &headers)?, body })
        }
        _ => None,
    };
    Ok(Delivery {
        id: row.get(0)?,
        members: from_json(1, &row.get::<_, String>(1)?)?,
        through: row.get(2)?,
        format: row.get(3)?,
        request,
        tries: Tries {
            attempts: row.get(7)?,
            refusals: row.get(8)?,
            first_tried_ms: row.get(9)?,
            first_refused_ms: row.get(10)?,
            next_ms: row.get(11)?,
            last_error: row.get(12)?,
        },
        row: row.get(13)?,
        part: row.get(14)?,
        incidents: from_json(15, &row.get::<_, String>(15)?)?,
    })
}
