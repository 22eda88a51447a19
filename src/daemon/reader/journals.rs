//! The journals among the sources: their entries are read between files, as far as there is room, and stored like those.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use jiff::Timestamp;

use super::room::RESERVE;
use super::work::MAX_ROUND;
use super::{Reader, Request};
use crate::config::StartAt;
use crate::daemon::journal::{Journal, With};
use crate::daemon::plan::Plan;
use crate::notice::{About, Notice};
use crate::source::journal::follow::{Follower, News, Start};
use crate::source::journal::{Cursor, Journalctl, own_unit};
use crate::source::wake::Wake;
use crate::store::{JournalState, StateError, Store};

/// What cannot be read is called so, besides its directory.
const NAME: &str = "journal";

/// All journals, each with who reads it.
#[derive(Default)]
pub(super) struct Journals(Vec<Reading>);

struct Reading {
    journal: Journal,
    follower: Option<Follower>,
    /// It is known whether it can be read.
    has_begun: bool,
    is_open: bool,
}

impl Journals {
    /// Begins to read those of a plan, where earlier runs have been.
    ///
    /// # Errors
    /// The store cannot say where that is.
    pub fn begin(plan: &Plan, store: &Store, wake: &Arc<Wake<Request>>) -> Result<Journals, StateError> {
        Ok(Journals::of(plan, store.journals()?, wake))
    }

    fn of(plan: &Plan, places: Vec<JournalState>, wake: &Arc<Wake<Request>>) -> Journals {
        let all = Journal::all(plan, own_unit().as_deref());
        Journals(all.into_iter().map(|journal| Reading::new(journal, &places, wake)).collect())
    }

    /// False until it is known of each whether it can be read, and where it begins.
    pub fn have_begun(&self) -> bool {
        self.0.iter().all(|read| read.has_begun)
    }

    pub fn have_news(&self) -> bool {
        self.0.iter().filter_map(|read| read.follower.as_ref()).any(|follower| !follower.is_empty())
    }

    pub fn open(&self) -> u64 {
        self.0.iter().filter(|read| read.is_open).count() as u64
    }

    pub fn due(&self) -> Option<Instant> {
        self.0.iter().filter_map(|read| read.journal.due()).min()
    }

    pub fn states(&self) -> Vec<JournalState> {
        self.0.iter().filter_map(|read| read.journal.state()).collect()
    }

    /// Is this how one of them is called?
    pub fn are_called(&self, name: &Path) -> bool {
        self.0.iter().any(|read| name_of(&read.journal) == name)
    }
}

impl Reading {
    fn new(mut journal: Journal, places: &[JournalState], wake: &Arc<Wake<Request>>) -> Reading {
        let known = places.iter().find(|place| place.directory.as_ref() == journal.directory());
        let from = match known.map(|known| &known.at) {
            Some(at) => match at.streams.first() {
                Some(oldest) => Start::At(Cursor(oldest.from.clone())),
                None => Some(Cursor(at.read.clone()))
                    .filter(|read| !read.is_beginning())
                    .map_or(Start::Beginning, Start::After),
            },
            None if journal.start_at() == StartAt::Beginning => Start::Beginning,
            None => Start::End,
        };
        if let Some(known) = known {
            journal.resume(known.at.clone());
        }
        let journalctl = Journalctl { directory: journal.directory().cloned(), units: journal.only_units() };
        let wake = Arc::clone(wake);
        let follower = Follower::start(journalctl, from, move || wake.news());
        if let Err(error) = &follower {
            tracing::error!(%error, "cannot start the thread that reads the journal");
        }
        let follower = follower.ok();
        Reading { journal, has_begun: follower.is_none(), follower, is_open: false }
    }
}

fn name_of(journal: &Journal) -> PathBuf {
    journal.directory().cloned().unwrap_or_else(|| NAME.into())
}

impl Reader {
    /// Takes in what has arrived; entries only while more may be read, and for a round's time.
    pub(super) fn read_journals(&mut self, may_read: bool, clock: Instant) {
        let began = (self.now)();
        let mut journals = std::mem::take(&mut self.journals);
        for read in &mut journals.0 {
            loop {
                let has_room = !self.pending.is_full() && self.room() >= RESERVE && (self.now)() < began + MAX_ROUND;
                let news = read.follower.as_ref().and_then(|follower| follower.take(may_read && has_room));
                let Some(news) = news else { break };
                self.journal_tells(read, news, clock);
            }
            self.metrics.reader_alive(Instant::now());
        }
        if !journals.0.is_empty() {
            // Another one is first in the next round.
            journals.0.rotate_left(1);
        }
        self.journals = journals;
        self.metrics.journals_open.store(self.journals.open(), Relaxed);
        self.announce();
    }

    fn journal_tells(&mut self, read: &mut Reading, news: News, clock: Instant) {
        let name = name_of(&read.journal);
        match news {
            News::Open(begins) => {
                (read.has_begun, read.is_open) = (true, true);
                self.problems.readable(&name);
                if let Some(cursor) = begins {
                    read.journal.begins_behind(cursor);
                    self.pending.begun(clock);
                }
            }
            News::Refused(why) => {
                (read.has_begun, read.is_open) = (true, false);
                if self.problems.unreadable(&name, why.to_string()) {
                    self.metrics.read_errors.fetch_add(1, Relaxed);
                }
            }
            News::Gap { after, first } => {
                read.journal.has_gap();
                if let Some(about) = read.journal.about_gap(&after) {
                    self.report_vacuumed((after.time(), first), &about, clock);
                }
            }
            News::Entry(entry) => {
                self.metrics.read_bytes.fetch_add(entry.message.len() as u64, Relaxed);
                self.metrics.journal_entries.fetch_add(1, Relaxed);
                self.pending.read_on(clock);
                self.with_journal(&mut read.journal, clock, |journal, with| journal.take(*entry, with));
            }
        }
    }

    /// Lets a journal do something, and takes what comes of it.
    fn with_journal<T>(
        &mut self,
        journal: &mut Journal,
        clock: Instant,
        work: impl FnOnce(&mut Journal, &mut With) -> T,
    ) -> T {
        let (mut events, mut cuts) = (Vec::new(), Vec::new());
        let engine = Arc::clone(&self.plan.setup.engine);
        let now = Timestamp::now();
        let done = work(journal, &mut With { engine: &engine, events: &mut events, cuts: &mut cuts, now, clock });
        self.take(events, clock);
        for about in cuts {
            self.report_cut_entry(&about, clock);
        }
        done
    }

    /// Reports what is complete in streams that have been quiet for a moment.
    pub(super) fn settle_journals(&mut self, clock: Instant) {
        if self.journals.due().is_none_or(|due| due > clock) {
            return;
        }
        let mut journals = std::mem::take(&mut self.journals);
        for read in &mut journals.0 {
            if self.with_journal(&mut read.journal, clock, Journal::settle) {
                self.pending.read_on(clock);
            }
        }
        self.journals = journals;
    }

    /// Goes over to another plan. What was read last is gone on with by the new one.
    pub(super) fn reload_journals(&mut self, clock: Instant) {
        self.end_journals(clock);
        let mut places = self.journals.states();
        let is_known = |state: &JournalState| places.iter().any(|place| place.directory == state.directory);
        // Those that an earlier plan has read.
        match self.store.journals() {
            Ok(stored) => {
                let stored: Vec<_> = stored.into_iter().filter(|state| !is_known(state)).collect();
                places.extend(stored);
            }
            Err(error) => tracing::warn!(%error, "cannot look up how far other journals were read"),
        }
        self.journals = Journals::default();
        self.journals = Journals::of(&self.plan, places, &self.wake);
        self.pending.read_on(clock);
    }

    /// Reports what is complete; without a state to go on from, everything.
    pub(super) fn end_journals(&mut self, clock: Instant) {
        let is_last = self.store.is_in_memory();
        let mut journals = std::mem::take(&mut self.journals);
        for read in &mut journals.0 {
            self.with_journal(&mut read.journal, clock, |journal, with| journal.end(is_last, with));
        }
        self.journals = journals;
    }

    fn report_vacuumed(
        &mut self,
        (after, until): (Option<Timestamp>, Option<Timestamp>),
        about: &About,
        clock: Instant,
    ) {
        let shown = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        tracing::error!(
            path = %about.origin.path, after = shown(after), until = shown(until),
            "the journal was vacuumed before it was read; entries may be missing"
        );
        self.metrics.journal_gaps.fetch_add(1, Relaxed);
        self.report(&Notice::Vacuumed { after, until }, about, clock);
    }

    fn report_cut_entry(&mut self, about: &About, clock: Instant) {
        self.metrics.cut_lines.fetch_add(1, Relaxed);
        tracing::warn!(path = %about.origin.path, "an entry of the journal is longer than 1 MiB; only its beginning was searched");
        self.report(&Notice::LineCut { offset: 0 }, about, clock);
    }
}
