//! The sink that is a pipe, a file or a terminal: one line per event.
//!
//! At least once: a row is acknowledged after its line was written and flushed, so a crash in between repeats
//! lines (with the same event id) and loses none. A reader that does not read holds up this thread only.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::pretty;
use crate::config::StdoutFormat;
use crate::store::{Row, Store, Waiting};

/// Name of the sink in the store.
pub const NAME: &str = "stdout";

/// What Linux writes to a pipe in one piece, see pipe(7).
const PIPE_BUF: usize = 4096;
/// Rows per look into the store.
const BATCH: usize = 500;
/// How long acknowledgements are collected, so that a trickle of events does not cost a sync each.
const ACK_DELAY: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(1);

/// Why the sink ended.
#[derive(Debug)]
pub enum End {
    /// The store is closed and everything was delivered.
    Drained,
    /// Nobody reads any more.
    Closed,
    /// It could not be written for another reason.
    Failed(io::Error),
}

/// How far this run has come; ahead of the store by what is not acknowledged yet.
struct Cursor {
    written: i64,
    acknowledged: i64,
    ack_at: Instant,
}

/// Delivers until the store is closed or the output ends.
pub fn run(store: &Store, format: StdoutFormat, out: &mut impl Write) -> End {
    let start = store.delivered(NAME).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot read how far stdout was delivered; waiting events are written again");
        0
    });
    let mut cursor = Cursor { written: start, acknowledged: start, ack_at: Instant::now() };
    loop {
        let deadline = (cursor.written > cursor.acknowledged).then_some(cursor.ack_at);
        let waiting = store.take(cursor.written, BATCH, deadline);
        match waiting {
            Ok(Waiting::Rows(rows)) => {
                if let Err(error) = write(&rows, format, out) {
                    cursor.acknowledge(store);
                    return if error.kind() == io::ErrorKind::BrokenPipe { End::Closed } else { End::Failed(error) };
                }
                cursor.advance(&rows);
            }
            Ok(Waiting::Nothing) => {}
            Ok(Waiting::Closed) => {
                cursor.acknowledge(store);
                return End::Drained;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox; trying again");
                std::thread::sleep(RETRY);
            }
        }
        if cursor.written > cursor.acknowledged && Instant::now() >= cursor.ack_at {
            cursor.acknowledge(store);
        }
    }
}

impl Cursor {
    fn advance(&mut self, rows: &[Row]) {
        if self.written == self.acknowledged {
            self.ack_at = Instant::now() + ACK_DELAY;
        }
        self.written = rows.last().map_or(self.written, |row| row.seq);
    }

    /// What cannot be acknowledged now is remembered here, so a full disk does not cause repeats.
    fn acknowledge(&mut self, store: &Store) {
        match store.acknowledge(NAME, self.written) {
            Ok(()) => self.acknowledged = self.written,
            Err(error) => {
                tracing::warn!(%error, "cannot record what was delivered to stdout; trying again");
                self.ack_at = Instant::now() + RETRY;
            }
        }
    }
}

/// Whole lines go out in one write as far as the system keeps such a write in one piece: whoever reads the pipe
/// then never gets half a line, whenever the process ends.
fn write(rows: &[Row], format: StdoutFormat, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::with_capacity(2 * PIPE_BUF);
    for row in rows {
        let start = lines.len();
        match format {
            StdoutFormat::Json => lines.extend_from_slice(&row.body),
            StdoutFormat::Pretty => lines.extend_from_slice(pretty::line(&row.body).as_bytes()),
        }
        lines.push(b'\n');
        if lines.len() > PIPE_BUF {
            out.write_all(&lines[..start])?;
            lines.drain(..start);
        }
    }
    out.write_all(&lines)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::store::{Batch, OutboxEvent};

    fn store(n: u8) -> Store {
        let store = Store::in_memory().unwrap();
        store.set_sinks(&[NAME]).unwrap();
        let events = (0..n).map(|n| OutboxEvent { id: EventId([n; 16]), body: n.to_string().into_bytes() });
        store.commit(&Batch { events: events.collect(), ..Batch::default() }).unwrap();
        store.close();
        store
    }

    #[test]
    fn writes_whole_lines_in_order_and_acknowledges_them() {
        let (store, mut out) = (store(3), Vec::new());
        assert!(matches!(run(&store, StdoutFormat::Json, &mut out), End::Drained));
        assert_eq!(out, b"0\n1\n2\n");
        assert_eq!(store.waiting().rows, 0);
    }

    #[test]
    fn each_write_is_whole_lines_and_small_enough_to_stay_whole() {
        #[derive(Default)]
        struct Writes(Vec<Vec<u8>>);
        impl Write for Writes {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let row = |seq, len| Row { seq, body: vec![b'x'; len] };
        let rows = [row(1, 3000), row(2, 1000), row(3, 200), row(4, 9000), row(5, 1)];
        let mut out = Writes::default();
        write(&rows, StdoutFormat::Json, &mut out).unwrap();
        let sizes: Vec<_> = out.0.iter().map(Vec::len).filter(|&len| len > 0).collect();
        assert_eq!(sizes, [4002, 201, 9001, 2]);
        assert!(out.0.iter().all(|write| write.last().is_none_or(|&byte| byte == b'\n')));
    }

    #[test]
    fn a_closed_pipe_ends_it_and_keeps_what_was_not_written() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let store = store(3);
        assert!(matches!(run(&store, StdoutFormat::Json, &mut Closed), End::Closed));
        assert_eq!(store.waiting().rows, 3);
    }
}
