//! The reader: one thread that finds, reads and commits.
//!
//! It sleeps until something is notified, asked or due; then it looks at what changed, reads files in turns, and
//! commits positions and events together. Nothing it waits for is outside this host's disk.

mod appended;
mod incidents;
mod journals;
mod kin;
mod leap;
mod look;
#[cfg(test)]
mod model;
mod report;
mod room;
mod stdin;
mod strays;
mod truncated;
mod work;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use journals::Journals;
use kin::Kin;
use leap::MAX_RENAME_PAUSE;
use room::Fullness;
use work::Stall;

use super::files::Files;
use super::follow::Follow;
use super::footprint;
use super::links::Links;
use super::meet::Newcomers;
use super::pending::{Load, Pending};
use super::plan::Plan;
use super::problems::Problems;
use super::unknown::Unknown;
use crate::config::Watch;
use crate::identity::FileKey;
use crate::notice::Notice;
use crate::pipeline;
use crate::source::lineage::Lineage;
use crate::source::selection::Own;
use crate::source::step::{DELETED_GRACE, Place};
use crate::source::tail::{self, Buffer};
use crate::source::wake::{Mail, Wake};
use crate::source::watch::{Change, Watcher};
use crate::store::{StateError, Store};
use crate::telemetry::Metrics;
use crate::telemetry::file::File;
use crate::wire::EventWriter;

const BLOCKED_INTERVAL: Duration = Duration::from_millis(100);
/// Who has nothing to do for so long can do with less memory …
const QUIET: Duration = Duration::from_secs(1);
/// … which is given back no more often than this.
const LEAN: Duration = Duration::from_secs(60);

/// What others can ask of the reader.
#[derive(Debug)]
pub enum Request {
    /// Go on by another plan.
    Reload(Box<Plan>),
    /// What the worker of a sink says of it: it is down, or up again.
    Tell(Notice),
    /// Report what was given up.
    Losses,
    /// The sink of this name has accepted something, for the first time since it was set up.
    Accepts(String),
    /// Say how far each file is read.
    Files(oneshot::Sender<Vec<File>>),
    /// Store what is complete, and end.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

pub struct Reader {
    plan: Plan,
    writer: EventWriter,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    wake: Arc<Wake<Request>>,
    watcher: Watcher,
    own: Own,
    files: Files,
    journals: Journals,
    /// It was said that all of this is watched.
    is_announced: bool,
    /// Absent without standard input, and once that has ended.
    input: Option<stdin::Input>,
    newcomers: Newcomers,
    lineage: Lineage,
    kin: Kin,
    problems: Problems,
    unknown: Unknown,
    /// Absent where no sink wants to know of incidents.
    watch: Option<incidents::Watch>,
    pending: Pending,
    buffer: Buffer,
    /// Files that wait to be flushed, and when.
    settling: HashMap<FileKey, Instant>,
    links: Links,
    next_walk: Instant,
    /// What the last look at everything took of the processor.
    walk_cost: Duration,
    next_displaced: Option<Instant>,
    stalled: Option<Stall>,
    /// Since then nothing is read, because too much waits for delivery.
    blocked: Option<Instant>,
    fullness: Fullness,
    /// Something that was written before the start, or during a pause, is yet to be read.
    is_behind: bool,
    /// What a full outbox gave up is not told before.
    next_full: Option<Instant>,
    /// When files are looked at although nothing is read.
    next_paused_look: Instant,
    max_outbox: u64,
    /// Milliseconds since 1970.
    round_began_ms: i64,
    /// The monotonic clock.
    now: fn() -> Instant,
}

impl Reader {
    /// # Errors
    /// The store cannot be read.
    pub fn new(plan: Plan, store: Arc<Store>, metrics: Arc<Metrics>, own: Own) -> Result<Reader, StateError> {
        let wake = Arc::<Wake<Request>>::default();
        let clock = Instant::now();
        let mut reader = Reader {
            max_outbox: room::max_outbox(&plan, &store),
            writer: EventWriter::new(&plan.setup.catalog, plan.setup.config.lang),
            watcher: watcher(&plan, &wake),
            newcomers: Newcomers::load(&store)?,
            watch: incidents::Watch::begin(&plan, &store, clock)?,
            links: Links::load(store.links()?),
            journals: Journals::begin(&plan, &store, &wake)?,
            is_announced: false,
            input: None,
            plan,
            store,
            metrics,
            wake,
            own,
            files: Files::default(),
            lineage: Lineage::default(),
            kin: Kin::default(),
            problems: Problems::default(),
            unknown: Unknown::default(),
            pending: Pending::default(),
            buffer: Buffer::default(),
            settling: HashMap::new(),
            next_walk: clock,
            walk_cost: Duration::ZERO,
            next_displaced: None,
            stalled: None,
            blocked: None,
            fullness: Fullness::default(),
            is_behind: true,
            next_full: None,
            next_paused_look: clock,
            round_began_ms: Timestamp::now().as_millisecond(),
            now: Instant::now,
        };
        reader.report_damage(clock)?;
        reader.report_losses(clock);
        Ok(reader)
    }

    /// Where requests go.
    pub fn wake(&self) -> Arc<Wake<Request>> {
        Arc::clone(&self.wake)
    }

    /// Reads until it is asked to stop.
    pub fn run(mut self) {
        let mut lean_at = None;
        loop {
            let clock = (self.now)();
            let deadline = self.deadline(clock);
            let is_lean = lean_at.is_some_and(|at| clock < at + LEAN);
            if !is_lean && !self.newcomers.is_first_walk() && deadline >= clock + QUIET {
                footprint::give_back();
                lean_at = Some(clock);
            }
            self.metrics.reader_alive(deadline);
            let mail = self.wake.take(deadline);
            // However long the sleep may be, being stuck at work shows soon.
            self.metrics.reader_alive(Instant::now());
            if self.round(mail) == Flow::Stop {
                break;
            }
        }
        self.end();
    }

    fn round(&mut self, mail: Mail<Request>) -> Flow {
        let clock = (self.now)();
        let began_ms = Timestamp::now().as_millisecond();
        for request in mail.requests {
            match request {
                Request::Reload(plan) => self.reload(*plan, clock),
                Request::Tell(notice) => self.sink_tells(&notice, clock),
                Request::Losses => self.report_losses(clock),
                Request::Accepts(sink) => self.sink_accepts(&sink, clock),
                // Who asked may have lost patience.
                Request::Files(answer) => drop(answer.send(self.report_files(clock))),
                // What else was in the mail is not looked at, and the next run is not told that it was.
                Request::Stop => {
                    let is_all = mail.appeared.is_empty() && mail.renames.is_empty() && mail.paths.is_empty();
                    if is_all && !mail.rescan && self.is_notified() {
                        self.round_began_ms = began_ms;
                    }
                    return Flow::Stop;
                }
            }
        }
        if mail.rescan {
            self.metrics.watch_overflows.fetch_add(1, Relaxed);
            tracing::info!("change notifications were lost; looking at everything");
            self.next_walk = clock;
        }
        // What earlier runs have read is met first: what was notified may be a copy of it.
        if self.newcomers.is_first_walk() {
            self.walk(clock);
        }
        for (path, file) in mail.appeared {
            self.appeared(path, file, clock);
        }
        for (from, to) in mail.renames {
            self.renamed(&from, &to, clock);
        }
        for path in mail.paths {
            self.notice(&path, clock);
        }
        self.round_began_ms = began_ms;
        if clock >= self.next_walk {
            self.walk(clock);
            if self.stalled.is_none() && !self.store.is_in_place() {
                self.commit(clock);
            }
        }
        if self.next_displaced.is_some_and(|at| clock >= at) {
            self.look_at_displaced(clock);
        }
        self.report_full(clock);
        let may_read = self.may_read(clock);
        self.read_journals(may_read, clock);
        if may_read {
            self.read_round(clock);
            self.read_input(clock);
            self.settle(clock);
            self.settle_journals(clock);
            self.look_for_copies(clock);
        } else {
            self.make_room(clock);
            self.look_while_paused(clock);
        }
        self.see(may_read);
        self.tell_incidents((self.now)());
        self.keep_links((self.now)());
        self.commit_if_due((self.now)());
        self.measure();
        Flow::Continue
    }

    /// True if whatever happens is notified.
    fn is_notified(&self) -> bool {
        let sources = &self.plan.setup.config.sources;
        !self.newcomers.is_first_walk()
            && !self.watcher.is_degraded()
            && sources.iter().all(|source| source.watch != Watch::Poll)
    }

    /// When there is something to do although nothing was notified.
    fn deadline(&self, clock: Instant) -> Instant {
        let mut deadline = self.next_walk;
        let mut at = |due: Option<Instant>| deadline = due.map_or(deadline, |due| deadline.min(due));
        at(self.next_displaced);
        at(self.next_full);
        at(self.incidents_due().filter(|_| self.stalled.is_none()));
        if let Some(stall) = self.stalled {
            at(Some(stall.until));
        } else if self.blocked.is_some() {
            at(Some(clock + BLOCKED_INTERVAL));
            at(self.pending.due(Load::Quiet, clock));
        } else {
            at(self.settling.values().min().copied());
            at(self.journals.due());
            at(self.input.as_ref().and_then(|input| input.due(clock)));
            at(self.journals.have_news().then_some(clock));
            at((self.files.n_queued() > 0).then_some(clock));
            at(self.pending.due(Load::Quiet, clock));
        }
        deadline
    }

    fn report_files(&self, clock: Instant) -> Vec<File> {
        let now = Timestamp::now();
        self.files.iter().map(|follow| follow.report(clock, now)).collect()
    }

    fn measure(&mut self) {
        if let Some(unread) = self.problems.news() {
            self.metrics.unread(unread);
        }
        let waiting = self.store.waiting();
        self.metrics.files_open.store(self.files.len() as u64, Relaxed);
        self.metrics.file_lag_bytes.store(self.files.lag(), Relaxed);
        self.metrics.outbox_events.store(waiting.rows, Relaxed);
        self.metrics.outbox_bytes.store(waiting.bytes, Relaxed);
        self.metrics.watch_degraded.store(self.watcher.is_degraded(), Relaxed);
    }

    /// Goes over to another plan, between two rounds. Files that it still means go on where they are.
    fn reload(&mut self, plan: Plan, clock: Instant) {
        let is_removed = |it: &&Follow| plan.selection.source_of(&it.path).is_none();
        let removed: Vec<_> = self.files.iter().filter(is_removed).map(Follow::key).collect();
        if self.may_read(clock) && !self.pending.is_full() {
            // What was written just before its source was removed is still wanted, also where only a copy has it by now.
            removed.iter().for_each(|&key| self.turn(key, clock));
            self.look_for_copies(clock);
        }
        removed.into_iter().for_each(|key| self.flush(key, clock));
        for key in self.files.keys() {
            let Some(follow) = self.files.get_mut(key) else { continue };
            let source = plan.selection.source_of(&follow.path);
            match (follow.place, source) {
                (Place::Listed, None) => self.gone(key, clock),
                (_, Some(source)) => {
                    let origin = super::meet::origin(&plan, source, &follow.path);
                    follow.assign(Arc::clone(source), origin);
                    self.files.queue(key);
                }
                (_, None) => follow.unload(),
            }
        }
        for key in self.plan.needs_restart(&plan.setup) {
            tracing::warn!(key, "changed in the configuration; takes effect at the next start");
        }
        self.writer = EventWriter::new(&plan.setup.catalog, plan.setup.config.lang);
        self.watcher = watcher(&plan, &self.wake);
        self.plan = plan;
        self.commit(clock);
        if let Err(error) = self.newcomers.new_plan(&self.plan, &self.store) {
            tracing::warn!(%error, "cannot look for files that were rotated away while they were not watched");
        }
        self.reload_incidents(clock);
        self.reload_journals(clock);
        if let Some(input) = &mut self.input {
            input.go_over_to(&self.plan);
        }
        self.report_losses(clock);
        self.next_walk = clock;
        tracing::info!("configuration reloaded");
    }

    /// The last round: what is complete is reported and stored.
    fn end(mut self) {
        let clock = (self.now)();
        self.look_at_held(clock);
        // Some may have lost their names since anybody looked.
        for key in self.files.queued().collect::<Vec<_>>() {
            if let Some(path) = self.files.get(key).filter(|it| !it.has_its_name()).map(|it| it.path.clone()) {
                self.unname(&path, clock);
            }
        }
        if self.may_read(clock) {
            // What waited for a better name has to do with the one it has.
            for key in self.kin.waiting() {
                self.turn(key, clock + MAX_RENAME_PAUSE);
                // That was up to where it was compared; this one sees that it ends there.
                self.turn(key, clock + MAX_RENAME_PAUSE);
            }
            // Nobody is notified of what is written to a file whose name is gone.
            for key in self.files.displaced() {
                self.turn(key, clock);
                if self.files.get(key).is_some_and(|it| it.place == Place::Deleted && it.lag() == 0) {
                    // Nobody goes on from its last line.
                    self.turn(key, clock + DELETED_GRACE);
                }
                self.spare_descriptor(key);
            }
            self.look_for_copies(clock);
        }
        // Who goes on from the state sees a record that is in the middle of something again, with the rest of it.
        let is_over = |key: &FileKey| {
            let follow = self.files.get(*key);
            let may_go_on =
                |follow: &Follow| follow.pending() == pipeline::Pending::Growing && follow.place != Place::Deleted;
            self.store.is_in_memory() || !follow.is_some_and(may_go_on)
        };
        let over: Vec<_> = self.settling.keys().copied().filter(is_over).collect();
        over.into_iter().for_each(|key| self.flush(key, clock));
        self.end_journals(clock);
        self.end_input(clock);
        self.leave_unread(clock);
        self.next_full = None;
        self.report_losses(clock);
        self.tell_incidents(clock);
        self.keep_links(clock);
        // Also when nothing is pending: the next run has to know until when somebody watched.
        self.commit(clock);
        if self.stalled.is_some() {
            // If it has only now shown to be damaged, all goes into a new one.
            self.commit(clock);
        }
        if self.stalled.is_some() {
            tracing::error!("ended without storing the last positions; they are read again at the next start");
        }
    }
}

fn watcher(plan: &Plan, wake: &Arc<Wake<Request>>) -> Watcher {
    if plan.setup.config.sources.iter().all(|source| source.watch == Watch::Poll) {
        return Watcher::off();
    }
    let (wake, selection) = (Arc::clone(wake), plan.selection.clone());
    let open = move |path: &Path| {
        let is_meant = selection.source_of(path).is_some() && path.is_file();
        is_meant.then(|| tail::open(path).ok()).flatten().map(|(file, _)| file)
    };
    Watcher::new(move |change| match change {
        Change::At(path) => wake.changed(path),
        Change::Appeared(path) => wake.appeared(path, &open),
        Change::Renamed { from, to } => wake.renamed(from, to),
        Change::Lost => wake.rescan(),
    })
}
