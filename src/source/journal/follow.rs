//! Follows a journal: a thread reads what journalctl writes and puts it into a bounded letter box. While nobody takes anything out, the pipe fills,
//! journalctl waits, and the journal is the buffer.
//!
//! However journalctl ends, it is started again behind the last entry that was read, after a pause that grows. Before each start
//! it is asked whether the journal still has that entry: one that it has not is a gap. journalctl ends with the follower; if this process is killed, at its next entry.

use std::io::{BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::letterbox::{Letterbox, Most, Put};
use super::journalctl::looked;
use super::{Cursor, Entry, Journalctl, Refused, export, pause};

/// The letter box is full with so many entries, or so many bytes of their messages.
const MOST: Most = Most { letters: 2000, bytes: 1024 * 1024 };
/// After so long a wait for room, the journal may have lost what journalctl had not read.
const LONG: Duration = Duration::from_secs(5);

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Beginning,
    /// Behind the last entry that there is.
    End,
    /// With this entry.
    At(Cursor),
    /// Behind this one.
    After(Cursor),
}

/// What there is to know of a journal.
#[derive(Debug)]
pub enum News {
    /// It can be read, and is from now on: behind this cursor, where nobody has said from where.
    Open(Option<Cursor>),
    Entry(Box<Entry>),
    /// Entries behind `after` may be gone: the first one that the journal has now is of `first`.
    Gap {
        after: Cursor,
        first: Option<Timestamp>,
    },
    /// It cannot be read, and is tried again.
    Refused(Refused),
}

/// The thread, and the box that it fills.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    inbox: Letterbox<News>,
    /// The one that runs.
    child: Mutex<Option<Child>>,
}

impl Follower {
    /// `arrived` is called when there is something in a box that was empty.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(
        journalctl: Journalctl,
        from: Start,
        arrived: impl Fn() + Send + 'static,
    ) -> std::io::Result<Follower> {
        let shared = Arc::new(Shared { inbox: Letterbox::new(MOST), child: Mutex::new(None) });
        let worker = Worker { shared: Arc::clone(&shared), journalctl, from, told: None, arrived: Box::new(arrived) };
        let thread = thread::Builder::new().name("journal".into()).spawn(move || worker.run())?;
        Ok(Follower { shared, thread: Some(thread) })
    }

    /// The next of what has arrived; of entries only if there is room for them.
    pub fn take(&self, may_read: bool) -> Option<News> {
        self.shared.inbox.take_if(|news| may_read || !matches!(news, News::Entry(_)))
    }

    pub fn is_empty(&self) -> bool {
        self.shared.inbox.is_empty()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.inbox.close();
        self.shared.kill();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        if let Some(child) = &mut *self.child() {
            // It may have ended by itself.
            drop(child.kill());
        }
    }

    /// Makes this the child that is killed at the end; whoever has ended meanwhile kills it here.
    fn runs(&self, mut child: Child) -> Option<(ChildStdout, ChildStderr)> {
        let pipes = child.stdout.take().zip(child.stderr.take());
        *self.child() = Some(child);
        if self.inbox.is_closed() || pipes.is_none() {
            self.kill();
        }
        pipes
    }

    /// Waits for the end of the one that runs.
    fn ended(&self) -> Option<ExitStatus> {
        let mut child = self.child().take()?;
        child.wait().ok()
    }
}

/// What the thread knows.
struct Worker {
    shared: Arc<Shared>,
    journalctl: Journalctl,
    from: Start,
    /// The entry behind which a gap was told.
    told: Option<Cursor>,
    arrived: Box<dyn Fn() + Send>,
}

/// Why one journalctl is over.
enum Over {
    /// Nobody wants to know more.
    Asked,
    /// The box was full for long; it goes on with a look whether anything was lost.
    Waited,
    Refused(Refused),
}

impl Worker {
    fn run(mut self) {
        let mut failures = 0;
        loop {
            let before = self.from.clone();
            match self.follow() {
                Over::Asked => return,
                Over::Waited => failures = 0,
                Over::Refused(why) => {
                    failures = if self.from == before { failures + 1 } else { 1 };
                    if !self.tell(News::Refused(why)) {
                        return;
                    }
                    self.shared.inbox.wait_closed(pause(failures));
                }
            }
        }
    }

    fn follow(&mut self) -> Over {
        let begins = match self.begin() {
            Ok(begins) => begins,
            Err(why) => return Over::Refused(why),
        };
        if !self.tell(News::Open(begins)) {
            return Over::Asked;
        }
        let (from, mut passed_over) = match &self.from {
            Start::At(cursor) => (Some(cursor), None),
            Start::After(cursor) => (Some(cursor), Some(cursor.clone())),
            Start::Beginning | Start::End => (None, None),
        };
        let pipes = match self.journalctl.follow(from) {
            Ok(child) => self.shared.runs(child),
            Err(why) => return Over::Refused(why),
        };
        let Some((stdout, stderr)) = pipes else { return Over::Asked };
        let said = thread::spawn(move || last_words(stderr));
        let mut stdout = BufReader::with_capacity(64 * 1024, stdout);
        let over = loop {
            match export::read(&mut stdout) {
                Ok(Some(entry)) => {
                    if passed_over.take().is_some_and(|last| last.is_same(&entry.cursor)) {
                        continue;
                    }
                    let cursor = entry.cursor.clone();
                    let began = Instant::now();
                    if !self.tell(News::Entry(Box::new(entry))) {
                        break Some(Over::Asked);
                    }
                    self.from = Start::After(cursor);
                    if began.elapsed() >= LONG {
                        break Some(Over::Waited);
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(Over::Refused(Refused::stream(&error))),
            }
        };
        self.shared.kill();
        let status = self.shared.ended();
        let said = said.join().unwrap_or_default();
        over.unwrap_or_else(|| {
            if self.shared.inbox.is_closed() { Over::Asked } else { Over::Refused(Refused::end(&said, status)) }
        })
    }

    /// Sees that the journal can be read and still has what was read last; where reading is to begin at the end, says where that is.
    fn begin(&mut self) -> Result<Option<Cursor>, Refused> {
        let (Start::At(last) | Start::After(last)) = self.from.clone() else {
            let newest = self.look(None)?.map(|entry| entry.cursor);
            let begins = newest.filter(|_| self.from == Start::End);
            self.from = begins.clone().map_or(Start::Beginning, Start::After);
            return Ok(Some(begins.unwrap_or_else(Cursor::beginning)));
        };
        let first = self.look(Some(&last))?;
        let cursor = first.as_ref().map(|entry| &entry.cursor);
        let is_there = cursor.is_some_and(|cursor| cursor.is_same(&last));
        let is_all_there =
            matches!(self.from, Start::After(_)) && cursor.is_some_and(|cursor| last.is_just_before(cursor));
        if !is_there && !is_all_there && self.told.as_ref() != Some(&last) {
            self.told = Some(last.clone());
            self.tell(News::Gap { after: last, first: first.map(|entry| entry.time) });
        }
        Ok(None)
    }

    fn look(&self, at: Option<&Cursor>) -> Result<Option<Entry>, Refused> {
        match self.shared.runs(self.journalctl.look(at)?) {
            Some(pipes) => looked(pipes, || self.shared.ended()),
            None => Ok(None),
        }
    }

    /// Puts it into the box as soon as there is room; false when nobody wants it any more.
    fn tell(&self, news: News) -> bool {
        let bytes = if let News::Entry(entry) = &news { entry.message.len() } else { 0 };
        let put = self.shared.inbox.put(news, bytes);
        if put == Put::First {
            (self.arrived)();
        }
        put != Put::Unwanted
    }
}

/// The end of what is written there.
fn last_words(mut from: ChildStderr) -> Vec<u8> {
    let (mut last, mut chunk) = (Vec::new(), [0; 1024]);
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        last.extend_from_slice(&chunk[..n]);
        let over = last.len().saturating_sub(chunk.len());
        last.drain(..over);
    }
    last
}
