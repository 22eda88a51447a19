//! The sink that is a pipe, a file or a terminal: one line per event.
//!
//! At least once: a row is acknowledged after its line was written and flushed, so a crash in between repeats
//! lines (with the same event id) and loses none. Acknowledging has a thread of its own, so that also what was
//! written before somebody stopped reading is not written again. A reader that does not read holds up these
//! two threads only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::format::Voice;
use super::pretty;
use crate::config::Notify;
use crate::store::{Row, StateError, Store, Waiting};

/// Name of the sink in the store.
pub const NAME: &str = "stdout";

/// What Linux writes to a pipe in one piece, see pipe(7).
const PIPE_BUF: usize = 4096;
/// Rows per look into the store.
const BATCH: usize = 500;
/// Acknowledgements are this far apart, so that many events do not cost a sync each. What was written in between comes
/// again after a SIGKILL.
const ACK_INTERVAL: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_secs(1);
const NONBLOCKING: Duration = Duration::from_millis(10);

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub enum Style<'v> {
    Json,
    /// For people.
    Pretty(Voice<'v>),
}

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

/// Delivers until the store is closed or the output ends.
pub fn run(store: &Store, notify: Notify, style: Style<'_>, out: &mut impl Write) -> End {
    let start = store.delivered(NAME).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot read how far stdout was delivered; waiting events are written again");
        0
    });
    let progress = Progress::new(start);
    thread::scope(|scope| {
        scope.spawn(|| progress.acknowledge(store, notify, start));
        let end = deliver(&progress, &|after| store.take(notify, after, BATCH, None), style, out);
        progress.end();
        end
    })
}

fn deliver(
    progress: &Progress,
    take: &impl Fn(i64) -> Result<Waiting, StateError>,
    style: Style<'_>,
    out: &mut impl Write,
) -> End {
    loop {
        match take(progress.written()) {
            Ok(Waiting::Rows(rows)) => {
                if let Err(error) = write(&rows, style, out, |seq| progress.reached(seq)) {
                    return if error.kind() == io::ErrorKind::BrokenPipe { End::Closed } else { End::Failed(error) };
                }
            }
            Ok(Waiting::Nothing) => {}
            Ok(Waiting::Closed) => return End::Drained,
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox; trying again");
                thread::sleep(RETRY);
            }
        }
    }
}

/// How far this run has come; ahead of the store by what is not acknowledged yet.
struct Progress {
    reached: Mutex<Reached>,
    moved: Condvar,
}

#[derive(Clone, Copy)]
struct Reached {
    written: i64,
    ended: bool,
}

impl Progress {
    fn new(written: i64) -> Progress {
        Progress { reached: Mutex::new(Reached { written, ended: false }), moved: Condvar::new() }
    }

    fn written(&self) -> i64 {
        self.lock().written
    }

    fn reached(&self, seq: i64) {
        self.lock().written = seq;
        self.moved.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.moved.notify_all();
    }

    /// Records what was written, until the sink ends. What cannot be recorded now is remembered here, so a full disk
    /// does not cause repeats.
    fn acknowledge(&self, store: &Store, notify: Notify, start: i64) {
        let mut acknowledged = start;
        loop {
            let Reached { written, ended } = self.wait(acknowledged);
            let mut pause = ACK_INTERVAL;
            if written > acknowledged {
                match store.acknowledge(NAME, notify, written) {
                    Ok(()) => acknowledged = written,
                    Err(error) => {
                        tracing::warn!(%error, "cannot record what was delivered to stdout; trying again");
                        pause = RETRY;
                    }
                }
            }
            if ended {
                return;
            }
            let ended = |reached: &mut Reached| !reached.ended;
            drop(self.moved.wait_timeout_while(self.lock(), pause, ended).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits until there is something to acknowledge, or the end.
    fn wait(&self, acknowledged: i64) -> Reached {
        let nothing = |reached: &mut Reached| reached.written <= acknowledged && !reached.ended;
        *self.moved.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole lines go out in one write as far as the system keeps such a write in one piece: whoever reads the pipe
/// then never gets half a line, whenever the process ends. `reached` learns of each row that is out.
fn write(rows: &[Row], style: Style<'_>, out: &mut impl Write, mut reached: impl FnMut(i64)) -> io::Result<()> {
    let mut lines = Vec::with_capacity(2 * PIPE_BUF);
    let mut whole = None;
    for row in rows {
        let start = lines.len();
        match style {
            Style::Json => lines.extend_from_slice(&row.body),
            Style::Pretty(voice) => lines.extend_from_slice(pretty::lines(&row.body, voice).as_bytes()),
        }
        lines.push(b'\n');
        if lines.len() > PIPE_BUF {
            out.write_all(&lines[..start])?;
            out.flush()?;
            whole.map(&mut reached);
            lines.drain(..start);
        }
        whole = Some(row.seq);
    }
    out.write_all(&lines)?;
    out.flush()?;
    whole.map(reached);
    Ok(())
}

/// An output that waits for room, as a disk that is full is not for long. Each byte is written once.
#[derive(Debug)]
pub struct Patient<W> {
    inner: W,
    is_waiting: bool,
}

impl Patient<File> {
    /// Standard output without the library's buffer: what an attempt has written before it failed is known.
    ///
    /// # Errors
    /// The system gives no descriptor for it.
    pub fn stdout() -> io::Result<Patient<File>> {
        Ok(Patient::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }
}

impl<W: Write> Patient<W> {
    fn new(inner: W) -> Patient<W> {
        Patient { inner, is_waiting: false }
    }
}

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use io::ErrorKind::{QuotaExceeded, StorageFull, WouldBlock};
        loop {
            let pause = match self.inner.write(bytes) {
                Err(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => {
                    if !std::mem::replace(&mut self.is_waiting, true) {
                        tracing::error!(%error, "cannot write to standard output; what is reported waits until there is room");
                    }
                    RETRY
                }
                // Whoever shares it with us does not want to wait.
                Err(error) if error.kind() == WouldBlock => NONBLOCKING,
                written => {
                    if written.is_ok() && std::mem::take(&mut self.is_waiting) {
                        tracing::info!("standard output can be written again");
                    }
                    return written;
                }
            };
            thread::sleep(pause);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Ends a line that a crash has left unfinished in the file that standard output is: no event is glued to it.
pub fn end_torn_line(out: &mut impl Write) -> io::Result<()> {
    let Ok(file) = File::open("/proc/self/fd/1") else { return Ok(()) };
    match is_torn(&file) {
        Ok(true) => out.write_all(b"\n").and_then(|()| out.flush()),
        // A pipe, a terminal, or nothing that can be read.
        Ok(false) | Err(_) => Ok(()),
    }
}

fn is_torn(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.read_exact_at(&mut last, metadata.len() - 1)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::store::{Batch, OutboxEvent};

    fn store(n: u8) -> Store {
        let store = Store::in_memory().unwrap();
        store.set_sinks(&[(NAME, Notify::Event)]).unwrap();
        let events = (0..n).map(|n| OutboxEvent { id: EventId([n; 16]), body: n.to_string().into_bytes() });
        store.commit(&Batch { events: events.collect(), ..Batch::default() }).unwrap();
        store.close();
        store
    }

    #[test]
    fn a_disk_that_is_full_for_a_while_costs_and_repeats_nothing() {
        /// Takes some bytes, then is full, and so on.
        struct Full(Vec<u8>, u32);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1 == 2 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let n = bytes.len().min(3);
                self.0.extend_from_slice(&bytes[..n]);
                Ok(n)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (store, mut out) = (store(12), Patient::new(Full(Vec::new(), 0)));
        assert!(matches!(run(&store, Notify::Event, Style::Json, &mut out), End::Drained));
        assert_eq!(out.inner.0, b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n");
        assert_eq!(store.waiting().rows, 0);
    }

    #[test]
    fn writes_whole_lines_in_order_and_acknowledges_them() {
        let (store, mut out) = (store(3), Vec::new());
        assert!(matches!(run(&store, Notify::Event, Style::Json, &mut out), End::Drained));
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
        let row = |seq, len| Row { seq, id: EventId([0; 16]), body: vec![b'x'; len] };
        let rows = [row(1, 3000), row(2, 1000), row(3, 200), row(4, 9000), row(5, 1)];
        let mut out = Writes::default();
        let mut reached = Vec::new();
        write(&rows, Style::Json, &mut out, |seq| reached.push(seq)).unwrap();
        assert_eq!(reached, [2, 3, 4, 5]);
        let sizes: Vec<_> = out.0.iter().map(Vec::len).filter(|&len| len > 0).collect();
        assert_eq!(sizes, [4002, 201, 9001, 2]);
        assert!(out.0.iter().all(|write| write.last().is_none_or(|&byte| byte == b'\n')));
    }

    /// Takes so many writes, and then none until the gate opens.
    struct Blocked {
        writes: usize,
        gate: std::sync::mpsc::Receiver<()>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.writes == 0 {
                self.gate.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
            self.writes -= 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_written_before_somebody_stopped_reading_is_acknowledged() {
        let store = Store::in_memory().unwrap();
        store.set_sinks(&[(NAME, Notify::Event)]).unwrap();
        let events = (0..9).map(|n| OutboxEvent { id: EventId([n; 16]), body: vec![b'x'; 3000] });
        store.commit(&Batch { events: events.collect(), ..Batch::default() }).unwrap();
        store.close();
        let (open, gate) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let sink = scope.spawn(|| run(&store, Notify::Event, Style::Json, &mut Blocked { writes: 4, gate }));
            // Each line is a write of its own.
            while store.waiting().rows > 5 {
                thread::yield_now();
            }
            assert_eq!(store.waiting().rows, 5);
            drop(open);
            assert!(matches!(sink.join().unwrap(), End::Closed));
        });
        assert_eq!(store.waiting().rows, 5);
    }

    #[test]
    fn a_file_that_ends_within_a_line_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        for (content, torn) in [("", false), ("{}\n", false), ("{}\n{\"sch", true)] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(is_torn(&File::open(&path).unwrap()).unwrap(), torn, "{content:?}");
        }
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
        assert!(matches!(run(&store, Notify::Event, Style::Json, &mut Closed), End::Closed));
        assert_eq!(store.waiting().rows, 3);
    }
}
