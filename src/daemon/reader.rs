//! The reader: one thread that finds, reads and commits.
//!
//! It sleeps until something is notified, asked or due; then it looks at what changed, reads files in turns, and
//! commits positions and events together. Nothing it waits for is outside this host's disk.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::files::Files;
use super::follow::{Follow, Turn, Turned};
use super::meet::Newcomers;
use super::pending::{Load, Pending};
use super::plan::Plan;
use super::problems::Problems;
use crate::config::Watch;
use crate::event::Event;
use crate::identity::FileKey;
use crate::source::lineage::Lineage;
use crate::source::selection::{Own, visible};
use crate::source::step::{Place, Stamp, Step};
use crate::source::tail::Buffer;
use crate::source::wake::{Mail, Wake};
use crate::source::walk::{Found, Outcome, Walk, reason};
use crate::source::watch::{Change, Watcher};
use crate::store::{Batch, Store};
use crate::telemetry::Metrics;
use crate::wire::EventWriter;

/// Without a new byte for this long, what is complete is reported although its record might go on. One write of a
/// logger arrives at once; a person does not notice the wait.
const SETTLE: Duration = Duration::from_millis(5);
/// How often a file that was rotated away is looked at: its new name may be where nobody watches.
const DISPLACED_INTERVAL: Duration = Duration::from_secs(1);
/// Where watching is impossible, everything is looked at this often.
const DEGRADED_INTERVAL: Duration = Duration::from_secs(1);
/// Reading pauses while so many events wait for delivery. The log files are the buffer.
const MAX_WAITING: u64 = 10_000;
/// How long to wait before trying again what did not work.
const RETRY: Duration = Duration::from_secs(1);
const BLOCKED_INTERVAL: Duration = Duration::from_millis(100);

/// What others can ask of the reader.
#[derive(Debug)]
pub enum Request {
    /// Go on by another plan.
    Reload(Box<Plan>),
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
    newcomers: Newcomers,
    lineage: Lineage,
    problems: Problems,
    pending: Pending,
    buffer: Buffer,
    /// Files that wait to be flushed, and when.
    settling: HashMap<FileKey, Instant>,
    /// Where symbolic links lead.
    targets: HashSet<PathBuf>,
    next_walk: Instant,
    next_displaced: Option<Instant>,
    /// The last commit failed; nothing is read until this time.
    stalled_until: Option<Instant>,
    blocked: bool,
}

impl Reader {
    pub fn new(plan: Plan, store: Arc<Store>, metrics: Arc<Metrics>, own: Own) -> rusqlite::Result<Reader> {
        let wake = Arc::<Wake<Request>>::default();
        let clock = Instant::now();
        Ok(Reader {
            writer: EventWriter::new(&plan.setup.catalog, plan.setup.config.lang),
            watcher: watcher(&plan, &wake),
            newcomers: Newcomers::load(&store)?,
            plan,
            store,
            metrics,
            wake,
            own,
            files: Files::default(),
            lineage: Lineage::default(),
            problems: Problems::default(),
            pending: Pending::default(),
            buffer: Buffer::default(),
            settling: HashMap::new(),
            targets: HashSet::new(),
            next_walk: clock,
            next_displaced: None,
            stalled_until: None,
            blocked: false,
        })
    }

    /// Where requests go.
    pub fn wake(&self) -> Arc<Wake<Request>> {
        Arc::clone(&self.wake)
    }

    /// Reads until it is asked to stop.
    pub fn run(mut self) {
        loop {
            let deadline = self.deadline(Instant::now());
            self.metrics.reader_alive(deadline);
            let mail = self.wake.take(deadline);
            if self.round(mail) == Flow::Stop {
                break;
            }
        }
        self.end();
    }

    fn round(&mut self, mail: Mail<Request>) -> Flow {
        let clock = Instant::now();
        for request in mail.requests {
            match request {
                Request::Reload(plan) => self.reload(*plan, clock),
                Request::Stop => return Flow::Stop,
            }
        }
        if mail.rescan {
            self.metrics.watch_overflows.fetch_add(1, Relaxed);
            self.next_walk = clock;
        }
        for (from, to) in mail.renames {
            self.renamed(&from, &to, clock);
        }
        for path in mail.paths {
            self.notice(&path, clock);
        }
        if clock >= self.next_walk {
            self.walk(clock);
        }
        if self.next_displaced.is_some_and(|at| clock >= at) {
            self.look_at_displaced(clock);
        }
        if self.may_read(clock) {
            self.read_round(clock);
            self.settle(clock);
        }
        self.commit_if_due(Instant::now());
        self.measure();
        Flow::Continue
    }

    /// When there is something to do although nothing was notified.
    fn deadline(&self, clock: Instant) -> Instant {
        let mut deadline = self.next_walk;
        let mut at = |due: Option<Instant>| deadline = due.map_or(deadline, |due| deadline.min(due));
        at(self.next_displaced);
        if let Some(stalled) = self.stalled_until {
            at(Some(stalled));
        } else if self.blocked {
            at(Some(clock + BLOCKED_INTERVAL));
            at(self.pending.due(Load::Quiet, clock));
        } else {
            at(self.settling.values().min().copied());
            at((self.files.n_queued() > 0).then_some(clock));
            at(self.pending.due(Load::Quiet, clock));
        }
        deadline
    }

    /// Looks at one notified path.
    fn notice(&mut self, path: &Path, clock: Instant) {
        let concerns = self.files.named(path).is_some()
            || self.plan.selection.reaches(path)
            || self.plan.selection.source_of(path).is_some()
            || self.targets.contains(path)
            || self.next_displaced.is_some();
        if !concerns {
            return;
        }
        let Ok(metadata) = fs::metadata(path) else {
            if self.watcher.forget(path) {
                // With a directory go all names in it.
                self.next_walk = clock;
            }
            return self.unname(path, clock);
        };
        if self.own.contains(&metadata) {
            return;
        }
        let key = FileKey::of(&metadata);
        if self.files.named(path).is_some_and(|before| before != key) {
            self.unname(path, clock);
        }
        if metadata.is_file() && self.files.get(key).is_some() {
            if self.plan.selection.source_of(path).is_some() {
                self.files.name(path, key, clock);
            }
            if self.files.get(key).is_some_and(|follow| follow.is_due(Stamp::of(&metadata))) {
                self.files.queue(key);
            }
            return;
        }
        let (outcome, _) = self.search(|walk| walk.one(path));
        for found in outcome.files {
            self.found(&found, clock);
        }
    }

    /// A file may have left its source before it was ever seen there.
    fn renamed(&mut self, from: &Path, to: &Path, clock: Instant) {
        let selection = &self.plan.selection;
        let Some(listed) = self.lineage.renamed(from, to, |path| selection.source_of(path).is_some()) else { return };
        let Ok(metadata) = fs::metadata(to) else { return };
        let unseen = self.files.get(FileKey::of(&metadata)).is_none() && self.newcomers.is_born_since(&metadata);
        if !unseen || !metadata.is_file() || self.own.contains(&metadata) {
            return;
        }
        match self.newcomers.meet_moved(&listed, to, &self.plan, clock) {
            Ok(Some(follow)) if self.files.get(follow.key()).is_none() => {
                self.metrics.rotations.fetch_add(1, Relaxed);
                self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
                self.add(follow, clock);
            }
            // It was renamed once more, and that is notified too.
            Ok(_) | Err(_) => {}
        }
    }

    fn unname(&mut self, path: &Path, clock: Instant) {
        if let Some(key) = self.files.unname(path, clock) {
            self.metrics.rotations.fetch_add(1, Relaxed);
            self.displaced(key, clock);
        }
    }

    /// A file has no listed name any more: it is read to its end first.
    fn displaced(&mut self, key: FileKey, clock: Instant) {
        if let Some(follow) = self.files.get_mut(key) {
            super::meet::find_again(follow);
        }
        self.files.queue(key);
        self.next_displaced.get_or_insert(clock + DISPLACED_INTERVAL);
    }

    fn look_at_displaced(&mut self, clock: Instant) {
        let displaced = self.files.displaced();
        self.next_displaced = (!displaced.is_empty()).then(|| clock + DISPLACED_INTERVAL);
        displaced.into_iter().for_each(|key| self.files.queue(key));
    }

    /// Walks with the watcher in place; returns also the directories that were entered.
    fn search(&mut self, look: impl FnOnce(Walk) -> Outcome) -> (Outcome, HashSet<PathBuf>) {
        let (watcher, mut entered) = (&mut self.watcher, HashSet::new());
        let mut enter = |dir: &Path, metadata: &fs::Metadata| {
            watcher.add(dir, metadata);
            entered.insert(dir.to_path_buf());
        };
        let outcome = look(Walk::new(&self.plan.selection, &self.own, &mut enter));
        (outcome, entered)
    }

    /// Looks at everything: what notifications have missed shows here.
    fn walk(&mut self, clock: Instant) {
        let (outcome, mut entered) = self.search(|walk| walk.all());
        self.problems.missing(outcome.problems);
        self.targets.clear();
        let mut names = HashMap::new();
        for found in &outcome.files {
            names.insert(found.path.clone(), found.key);
        }
        for stale in self.files.names_not_in(&names) {
            self.unname(&stale, clock);
        }
        for found in &outcome.files {
            self.found(found, clock);
        }
        entered.extend(self.targets.iter().filter_map(|target| target.parent()).map(Path::to_path_buf));
        self.watcher.retain(&entered);
        for follow in self.files.iter_mut() {
            follow.park_if_idle(clock);
        }
        self.first_walk_done(clock);
        self.next_walk = clock + self.walk_interval();
    }

    /// The first walk by a plan decides what is new; the store must know before anything is read.
    fn first_walk_done(&mut self, clock: Instant) {
        if !self.newcomers.is_first_walk() {
            return;
        }
        for follow in self.newcomers.adopt(&self.plan, clock) {
            self.next_displaced.get_or_insert(clock);
            self.add(follow, clock);
        }
        let watched = self.plan.selection.written();
        self.newcomers.walked(watched.clone());
        self.commit(Some(watched), clock);
        if let Err(error) = self.newcomers.forget_old(&self.store) {
            tracing::warn!(%error, "cannot forget files that were not seen for a month");
        }
        self.metrics.sources_opened();
        tracing::info!(files = self.files.len(), "watching");
    }

    fn walk_interval(&self) -> Duration {
        let wanted = self.plan.setup.config.sources.iter().map(|source| source.poll_interval).min();
        let wanted = wanted.unwrap_or(Duration::from_secs(10));
        if self.watcher.is_degraded() { wanted.min(DEGRADED_INTERVAL) } else { wanted }
    }

    /// A file of a source was seen under this name.
    fn found(&mut self, found: &Found, clock: Instant) {
        if found.is_link {
            self.watch_target(&found.path);
        }
        if self.files.named(&found.path).is_some_and(|before| before != found.key) {
            self.unname(&found.path, clock);
        }
        if let Some(follow) = self.files.get(found.key) {
            let due = follow.is_due(found.stamp);
            self.files.name(&found.path, found.key, clock);
            if due {
                self.files.queue(found.key);
            }
            return;
        }
        match self.newcomers.meet(&found.path, &self.plan, clock) {
            Ok(Some(follow)) if self.files.get(follow.key()).is_none() => {
                self.problems.readable(&found.path);
                self.add(follow, clock);
            }
            Ok(_) => {}
            Err(error) => {
                if self.problems.unreadable(&found.path, reason(&error)) {
                    self.metrics.read_errors.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn add(&mut self, mut follow: Follow, clock: Instant) {
        if self.files.len() >= self.newcomers.max_open {
            follow.close();
        }
        self.pending.touched(follow.key(), clock);
        self.files.insert(follow);
    }

    fn watch_target(&mut self, link: &Path) {
        let Ok(target) = fs::canonicalize(link) else { return };
        if let Some((dir, metadata)) = target.parent().and_then(|dir| Some((dir, fs::metadata(dir).ok()?))) {
            self.watcher.add(dir, &metadata);
        }
        self.targets.insert(target);
    }

    /// False while nothing more may be taken in: a commit failed, or too much waits for delivery.
    fn may_read(&mut self, clock: Instant) -> bool {
        if self.stalled_until.is_some_and(|until| clock < until) {
            return false;
        }
        let blocked = self.store.n_waiting() >= MAX_WAITING;
        if blocked && !self.blocked {
            self.metrics.backpressure.fetch_add(1, Relaxed);
            tracing::warn!(waiting = self.store.n_waiting(), "too many events wait for delivery; reading pauses");
        }
        self.blocked = blocked;
        !blocked && self.stalled_until.is_none()
    }

    /// Gives each file that is waiting one turn.
    fn read_round(&mut self, clock: Instant) {
        for _ in 0..self.files.n_queued() {
            if self.pending.is_full() {
                return;
            }
            let Some(key) = self.files.next() else { return };
            self.turn(key, clock);
        }
    }

    fn turn(&mut self, key: FileKey, clock: Instant) {
        let mut events = Vec::new();
        let Some(follow) = self.files.get_mut(key) else { return };
        let before = follow.position();
        let turned = follow.turn(&mut Turn {
            engine: &self.plan.setup.engine,
            buffer: &mut self.buffer,
            events: &mut events,
            now: Timestamp::now(),
            clock,
        });
        let (read, pending) = (follow.position().saturating_sub(before), follow.is_pending());
        let path = follow.path.clone();
        self.metrics.read_bytes.fetch_add(read, Relaxed);
        if read > 0 || !events.is_empty() {
            self.pending.touched(key, clock);
        }
        self.take(events, clock);
        match turned {
            Ok(Turned::More) => self.files.queue(key),
            Ok(Turned::Drained) => {
                self.problems.readable(&path);
                self.drained(key, pending);
            }
            Ok(Turned::Restarted(step)) => {
                self.metrics.truncations.fetch_add(1, Relaxed);
                let what = if step == Step::Truncated { "truncated" } else { "replaced in place" };
                tracing::info!(path = %visible(&path), "file was {what}; reading it from its beginning");
                self.pending.touched(key, clock);
                self.files.queue(key);
            }
            Ok(Turned::Gone) => self.gone(key, clock),
            Err(error) => {
                if self.problems.unreadable(&path, reason(&error)) {
                    self.metrics.read_errors.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn drained(&mut self, key: FileKey, pending: bool) {
        if pending {
            self.settling.insert(key, Instant::now() + SETTLE);
        } else {
            self.settling.remove(&key);
        }
        let many = self.files.len() > self.newcomers.max_open;
        if let Some(follow) = self.files.get_mut(key).filter(|follow| many && follow.place == Place::Listed) {
            follow.close();
        }
    }

    fn gone(&mut self, key: FileKey, clock: Instant) {
        let Some(follow) = self.files.remove(key) else { return };
        self.settling.remove(&key);
        tracing::debug!(path = %visible(&follow.path), "file is over, letting it go");
        self.pending.over(follow.to_store(), follow.place, clock);
    }

    /// Reports what is complete in files that have been quiet for a moment.
    fn settle(&mut self, clock: Instant) {
        let due: Vec<_> = self.settling.iter().filter(|(_, at)| **at <= clock).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| self.flush(key, clock));
    }

    fn flush(&mut self, key: FileKey, clock: Instant) {
        self.settling.remove(&key);
        let mut events = Vec::new();
        let Some(follow) = self.files.get_mut(key) else { return };
        follow.flush(Timestamp::now(), &mut events);
        if !events.is_empty() {
            self.pending.touched(key, clock);
        }
        self.take(events, clock);
    }

    fn take(&mut self, events: Vec<Event>, clock: Instant) {
        for event in events {
            self.metrics.count_event(&event);
            let mut body = Vec::new();
            self.writer.write(&event, &mut body);
            self.pending.event(event.id, body, clock);
        }
    }

    fn commit_if_due(&mut self, clock: Instant) {
        if self.stalled_until.is_some_and(|until| clock < until) {
            return;
        }
        let load = if self.files.n_queued() > 0 && !self.blocked { Load::Busy } else { Load::Quiet };
        let due = self.pending.due(load, clock);
        if self.stalled_until.is_some() || due.is_some_and(|at| at <= clock) {
            self.commit(None, clock);
        }
    }

    /// Stores everything that is pending, or keeps it and stops reading for a while.
    fn commit(&mut self, watched: Option<Vec<String>>, clock: Instant) {
        let files = &self.files;
        let live = self.pending.dirty.iter().filter_map(|key| files.get(*key)).map(Follow::to_store);
        let states = self.pending.finished.iter().cloned().chain(live).collect();
        let (events, deleted) = (std::mem::take(&mut self.pending.events), self.pending.deleted.clone());
        let batch = Batch { files: states, events, deleted, watched };
        match self.store.commit(&batch) {
            Ok(()) => {
                self.pending = Pending::default();
                if self.stalled_until.take().is_some() {
                    tracing::info!("state can be written again; nothing was lost");
                }
                self.metrics.state_writable(true);
            }
            Err(error) => {
                self.pending.events = batch.events;
                self.commit_failed(&error, clock);
            }
        }
        self.metrics.outbox_events.store(self.store.n_waiting(), Relaxed);
    }

    fn commit_failed(&mut self, error: &rusqlite::Error, clock: Instant) {
        self.metrics.commit_errors.fetch_add(1, Relaxed);
        self.metrics.state_writable(false);
        if self.stalled_until.is_none() {
            tracing::error!(%error, "cannot write the state; reading pauses until it can be written. Nothing is lost");
        }
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure) {
            if let Err(error) = self.store.reopen() {
                tracing::error!(%error, "cannot open the state again");
            }
        }
        self.stalled_until = Some(clock + RETRY);
    }

    fn measure(&self) {
        self.metrics.files_open.store(self.files.len() as u64, Relaxed);
        self.metrics.file_lag_bytes.store(self.files.lag(), Relaxed);
        self.metrics.outbox_events.store(self.store.n_waiting(), Relaxed);
    }

    /// Goes over to another plan, between two rounds. Files that it still means go on where they are.
    fn reload(&mut self, plan: Plan, clock: Instant) {
        for key in self.files.keys() {
            self.flush(key, clock);
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
        self.newcomers.new_plan();
        self.next_walk = clock;
        tracing::info!("configuration reloaded");
    }

    /// The last round: what is complete is reported and stored.
    fn end(mut self) {
        let clock = Instant::now();
        for key in self.settling.keys().copied().collect::<Vec<_>>() {
            self.flush(key, clock);
        }
        if !self.pending.is_empty() {
            self.commit(None, clock);
        }
        if self.stalled_until.is_some() {
            tracing::error!("ended without storing the last positions; they are read again at the next start");
        }
    }
}

fn watcher(plan: &Plan, wake: &Arc<Wake<Request>>) -> Watcher {
    if plan.setup.config.sources.iter().all(|source| source.watch == Watch::Poll) {
        return Watcher::off();
    }
    let wake = Arc::clone(wake);
    Watcher::new(move |change| match change {
        Change::At(path) => wake.changed(path),
        Change::Renamed { from, to } => wake.renamed(from, to),
        Change::Lost => wake.rescan(),
    })
}
