//! One file that is followed: its tail, and the stream that turns its bytes into events.
//!
//! A turn looks at the file, does what `step` decides, and reads a bounded amount, so that one huge file never
//! keeps the others waiting. Between turns an idle file needs no more than its checkpoint.

mod handle;
mod read;
mod report;
mod trail;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use handle::device_of_directory;
use read::{Read, read_into};
use trail::Trail;
pub use trail::reported_up_to;

use super::meet::Moment;
use crate::event::{Event, Origin};
use crate::identity::FileKey;
use crate::notice::About;
use crate::pipeline::{Checkpoint, Cut, Engine, FileContext, Pending, Stream};
use crate::source::proof::{Content, Proof};
use crate::source::selection::{Source, visible};
use crate::source::step::{self, Facts, Place, Step};
use crate::source::tail::{self, Buffer, Tail};
use crate::source::{blank, kin};
use crate::store::FileState;

/// Bytes per turn.
pub const PER_TURN: usize = 1024 * 1024;
/// Without a new byte for this long, a file keeps only its checkpoint in memory.
const PARK_AFTER: Duration = Duration::from_secs(60);
/// Room at the end of a file in which nothing was read for so long is looked at again, all of it.
const ROOM_PAUSE: Duration = Duration::from_secs(1);
/// A file whose first bytes were changed this often under an unchanged end has a header that its writer keeps up to date.
const HEAD_CHANGES: u8 = 3;
/// Bytes, of any encoding.
const LONGEST_CHARACTER: usize = 4;
/// Lines are counted from the start of the file where reading begins at its end, unless that is further in than
/// this: then line numbers count from there.
const MAX_COUNTED: u64 = 256 * 1024 * 1024;

/// What a turn works with; the same for all files of a round.
pub struct Turn<'a> {
    pub engine: &'a Arc<Engine>,
    pub buffer: &'a mut Buffer,
    pub events: &'a mut Vec<Event>,
    pub now: Timestamp,
    pub clock: Instant,
    /// Bytes to read at most.
    pub budget: usize,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// There is more to read at once.
    More,
    /// Read to its end, or nothing new.
    Drained,
    /// The content is another one and will be read from byte 0.
    Restarted(Step),
    /// Its first bytes keep changing and are not looked at any more; there is more to read.
    HeadGivenUp,
    /// Over for good; its last events are out.
    Gone,
}

/// What a file that is met begins with.
pub struct Met {
    pub tail: Tail,
    pub checkpoint: Checkpoint,
    pub file: File,
    pub path: PathBuf,
    pub place: Place,
}

/// How much of a file's state is in memory.
#[derive(Debug)]
enum State {
    Live(Box<Stream>),
    /// Everything up to the position was seen and reported.
    Idle(Checkpoint),
    /// What stands between the checkpoint and the position has to be seen again.
    Behind(Checkpoint),
}

#[derive(Debug)]
pub struct Follow {
    tail: Tail,
    /// `None` while idle, where descriptors are scarce.
    file: Option<File>,
    pub path: PathBuf,
    /// Where it was seen after it had lost that name.
    moved_to: Option<PathBuf>,
    source: Arc<Source>,
    origin: Arc<Origin>,
    pub place: Place,
    state: State,
    /// When it last changed its content or its place.
    changed: Instant,
    /// When something new was last read.
    last_read: Option<Instant>,
    pub queued: bool,
    /// Size when it was last looked at, without room at its end that nothing was written to.
    size: u64,
    /// Size as the file system gives it, when it was last looked at.
    full_size: u64,
    /// What the store is to know of [`Follow::unread_to`].
    pub told_unread_to: Option<u64>,
    /// Its name is on the device that it is on; not so behind a link.
    is_at_home: bool,
    head_changes: u8,
    /// Where reading has stopped before in this content, between two lines; the latest last.
    trail: Trail,
    /// What it began with before anything of it was read: should that be gone by its turn, copies of it may exist.
    unread: Option<Box<Proof>>,
    /// What was known of the content that was there before this one.
    former: Option<FileState>,
    /// Where reading had stopped in that.
    former_trail: Trail,
    /// The stream of that content: its last record may go on in a copy.
    torn: Option<Box<Stream>>,
    /// The file that this is a copy of, or may be, whatever both are called by now.
    pub copy_of: Option<FileKey>,
    /// When it was read to its end last.
    drained: Moment,
    /// Its content was another one since then, and perhaps not only once.
    unseen_since: Option<Moment>,
    /// Nobody knew this file when it appeared: it may be about to take the place of another.
    pub is_unheard_of: bool,
    cuts: Vec<Cut>,
}

impl Follow {
    pub fn new(met: Met, source: Arc<Source>, origin: Arc<Origin>, clock: Instant) -> Follow {
        let Met { tail, checkpoint, file, path, place } = met;
        // What cannot be read now shows at its turn.
        let unread = if tail.position() == 0 { kin::first_bytes(&file).ok().flatten() } else { None };
        let size = unread.as_ref().map_or(tail.position(), |first| first.at);
        let state =
            if checkpoint.offset < tail.position() { State::Behind(checkpoint) } else { State::Idle(checkpoint) };
        let file = Some(file);
        let is_at_home = device_of_directory(&path) == Some(tail.key.device);
        Follow {
            tail,
            file,
            path,
            moved_to: None,
            source,
            origin,
            place,
            state,
            changed: clock,
            last_read: None,
            queued: false,
            size,
            full_size: size,
            told_unread_to: None,
            is_at_home,
            head_changes: 0,
            trail: Trail::default(),
            unread: unread.map(Box::new),
            former: None,
            former_trail: Trail::default(),
            torn: None,
            copy_of: None,
            drained: Moment::now(),
            unseen_since: None,
            is_unheard_of: false,
            cuts: Vec::new(),
        }
    }

    /// What the store has to know.
    pub fn to_store(&self) -> FileState {
        FileState {
            key: self.tail.key,
            generation: self.tail.generation,
            path: self.path.clone(),
            proof: self.tail.proof().clone(),
            checkpoint: self.state.checkpoint(),
            unread_to: self.unread_to(),
        }
    }

    /// Where it ends, if it has no listed name and was not read to there.
    pub fn unread_to(&self) -> Option<u64> {
        Some(self.size).filter(|_| self.place != Place::Listed && self.lag() > 0)
    }

    /// What an earlier run, or this one, knew of the content that was there before; copies of it may exist.
    pub fn former(&self) -> Option<&FileState> {
        self.former.as_ref()
    }

    pub fn with_former(mut self, former: Option<FileState>) -> Follow {
        self.former = former;
        self
    }

    /// The furthest place where reading once stopped in the content that was there before this one, and for which
    /// `is_proven`.
    ///
    /// # Errors
    /// As `is_proven`.
    pub fn formerly_at(&self, is_proven: impl Fn(&Proof) -> io::Result<bool>) -> io::Result<Option<FileState>> {
        let Some(former) = &self.former else { return Ok(None) };
        Ok(self.former_trail.furthest(is_proven)?.map(|proof| reported_up_to(proof.clone(), former)))
    }

    /// True if its file holds what was read of it, as far as that goes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_as_read(&self, file: &File) -> io::Result<bool> {
        Ok(Tail::resume(self.tail.key, self.tail.generation, file, self.tail.proof())?.is_ok())
    }

    /// Makes its next turn look at its content.
    pub fn look_again(&mut self) {
        self.tail.look_again();
    }

    /// True if its file was read to its end, and all that was found in it reported.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn has_read_all(&self, file: &File) -> io::Result<bool> {
        let is_reported = self.lag() == 0 && !self.is_behind() && self.pending() == Pending::Nothing;
        Ok(is_reported && file.metadata()?.size() == self.full_size && self.is_at_end(file)?)
    }

    /// True if some of what was read has to be seen again before it is known what to report.
    pub fn is_behind(&self) -> bool {
        matches!(self.state, State::Behind(_))
    }

    /// True if reading has stopped between two lines.
    pub fn ends_a_line(&self) -> bool {
        self.tail.ends_a_line()
    }

    /// True if nothing was written where reading has stopped. Zeros there are room for what is to come: written into them,
    /// it makes nothing longer.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_at_end(&self, file: &File) -> io::Result<bool> {
        let (size, position) = (file.metadata()?.size(), self.tail.position());
        let next = || Ok(tail::read_range(file, position, LONGEST_CHARACTER)?.iter().all(|&byte| byte == 0));
        if size > position { next() } else { Ok(size == position) }
    }

    /// True if a look at the file could tell something new.
    pub fn is_due(&self, stamp: step::Stamp) -> bool {
        self.tail.is_due(stamp)
    }

    /// What notices about it say.
    pub fn about(&self) -> About {
        let line = self.state.checkpoint().line + 1;
        About { origin: Arc::clone(&self.origin), identity: self.tail.identity(), line }
    }

    /// What was in the making in the content that was there before this one.
    pub fn take_torn(&mut self) -> Option<Box<Stream>> {
        self.torn.take()
    }

    /// When it was last known what it holds, if it was truncated or replaced since, and is read to its end again. Contents may have
    /// come and gone between, of which copies are all that is left.
    pub fn take_unseen_since(&mut self) -> Option<Moment> {
        self.unseen_since.take()
    }

    /// When it was read to its end last.
    pub fn drained(&self) -> Moment {
        self.drained
    }

    /// The lines that were cut since this was asked last.
    pub fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// When it last changed its content or its place.
    pub fn changed(&self) -> Instant {
        self.changed
    }

    /// Disk that a deleted file keeps because it is open here. `None` for one that has a name, or is not open.
    pub fn pinned(&mut self) -> Option<u64> {
        let metadata = self.file.as_ref()?.metadata().ok()?;
        self.notice_place(&metadata);
        if self.place != Place::Deleted {
            return None;
        }
        if metadata.size() != self.full_size {
            (self.size, self.full_size) = (metadata.size(), metadata.size());
        }
        Some(metadata.blocks() * 512)
    }

    /// Bytes known to be there but not read.
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.tail.position())
    }

    /// What is known to be there but not read.
    pub fn unread(&self) -> std::ops::Range<u64> {
        self.tail.position()..self.size
    }

    /// Room at its end that nothing was written to is nothing unread.
    pub fn forget_room(&mut self) {
        let end = self.file.as_ref().and_then(|file| blank::data_end(file, self.size).ok());
        self.size = end.map_or(self.size, |end| end.max(self.tail.position()));
    }

    /// True if it is open, and shorter than what was read of it.
    pub fn has_shrunk(&self) -> bool {
        let size = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.size());
        size.is_some_and(|size| size < self.tail.position())
    }

    /// What was found in it and is not reported, because its record may go on.
    pub fn pending(&self) -> Pending {
        match &self.state {
            State::Live(stream) => stream.pending(),
            State::Idle(_) | State::Behind(_) => Pending::Nothing,
        }
    }

    /// It lost its name, or got one back.
    pub fn moved(&mut self, place: Place, clock: Instant) {
        self.place = place;
        self.changed = clock;
    }

    /// Does what there is to do now.
    ///
    /// # Errors
    /// The file could not be read this time; what was read so far is accounted for.
    pub fn turn(&mut self, with: &mut Turn) -> io::Result<Turned> {
        let file = self.opened()?;
        let result = self.turn_with(&file, with);
        self.file = Some(file);
        if self.tail.position() > 0 {
            self.unread = None;
        }
        result
    }

    fn turn_with(&mut self, file: &File, with: &mut Turn) -> io::Result<Turned> {
        if self.tail.position() == 0 && self.tail.generation > 0 {
            // Of an empty file nothing proves that it was empty all the time.
            self.unseen_since.get_or_insert(self.drained);
        }
        let (metadata, content) = self.tail.observe(file, with.buffer)?;
        self.size = metadata.size();
        self.full_size = self.size;
        self.notice_place(&metadata);
        if content == Content::OtherHead {
            self.head_changes += 1;
            if self.head_changes >= HEAD_CHANGES {
                self.tail.give_up_head();
                return Ok(Turned::HeadGivenUp);
            }
        }
        let content = if self.is_gone_unread(file)? { Content::Different } else { content };
        let step = self.next_step(content, with.clock);
        match step {
            Step::Wait | Step::Gone if self.is_behind() => self.read(file, with),
            Step::Wait => {
                self.drained = Moment::now();
                Ok(Turned::Drained)
            }
            Step::Read => self.read_on(file, content, with),
            Step::Truncated | Step::Replaced => {
                self.former = self.seen();
                self.unseen_since.get_or_insert(self.drained);
                self.former_trail = std::mem::take(&mut self.trail);
                self.tail.restart();
                self.unread = kin::first_bytes(file)?.map(Box::new);
                let before = std::mem::replace(&mut self.state, State::Idle(Checkpoint::default()));
                self.torn = if let State::Live(stream) = before { Some(stream) } else { None };
                self.changed = with.clock;
                Ok(Turned::Restarted(step))
            }
            Step::Gone => {
                self.finish(with);
                Ok(Turned::Gone)
            }
        }
    }

    /// True if what it began with before anything of it was read is not there any more.
    fn is_gone_unread(&self, file: &File) -> io::Result<bool> {
        let unread = self.unread.as_deref().filter(|_| self.tail.position() == 0);
        let is_there = |first| Ok(Tail::resume(self.tail.key, self.tail.generation, file, first)?.is_ok());
        unread.map_or(Ok(false), |first| is_there(first).map(|there: bool| !there))
    }

    /// What its copies are known by, and how far it was reported.
    fn seen(&self) -> Option<FileState> {
        let proof = if self.tail.position() > 0 { Some(self.tail.proof()) } else { self.unread.as_deref() };
        proof.map(|proof| FileState { proof: proof.clone(), ..self.to_store() })
    }

    fn next_step(&self, content: Content, clock: Instant) -> Step {
        step::next(&Facts {
            position: self.tail.position(),
            size: self.size,
            content,
            place: self.place,
            quiet: clock.saturating_duration_since(self.changed),
        })
    }

    fn read_on(&mut self, file: &File, content: Content, with: &mut Turn) -> io::Result<Turned> {
        let before = self.tail.proof().clone();
        let is_between_lines = before.at > 0 && self.tail.ends_a_line();
        let turned = self.read(file, with)?;
        let has_advanced = self.tail.position() > before.at;
        if has_advanced {
            self.changed = with.clock;
            self.last_read = Some(with.clock);
            if is_between_lines {
                self.trail.stopped(before);
            }
        }
        if turned == Turned::Drained {
            self.drained = Moment::now();
            // What is there beyond the position is room that nothing was written to.
            self.size = self.tail.position();
            if !has_advanced && self.next_step(content, with.clock) == Step::Gone {
                self.finish(with);
                return Ok(Turned::Gone);
            }
        }
        Ok(turned)
    }

    /// Goes on there, because what stands before it was read elsewhere.
    pub fn leap(&mut self, tail: Tail, checkpoint: Checkpoint, clock: Instant) {
        self.changed = clock;
        self.trail = Trail::default();
        let behind = checkpoint.offset < tail.position();
        self.state = if behind { State::Behind(checkpoint) } else { State::Idle(checkpoint) };
        self.tail = tail;
    }

    /// What is left of it to report is reported elsewhere, unless it is written on.
    pub fn hand_over(&mut self) {
        self.state = State::Idle(self.state.checkpoint());
    }

    /// Reports what is complete in a file that has been quiet for a moment.
    pub fn flush(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        if let State::Live(stream) = &mut self.state {
            stream.flush(now, events);
        }
    }

    /// Lets go of the stream, and of the engine it was made with. Another one sees unfinished records again.
    pub fn unload(&mut self) {
        if let State::Live(stream) = &self.state {
            self.state = State::Behind(stream.checkpoint());
            self.tail.look_again();
        }
    }

    /// Keeps only the checkpoint of a file that nobody has written to for a while. One whose last line is open
    /// keeps its stream: the line could not be read again if the file were truncated.
    pub fn park_if_idle(&mut self, clock: Instant) {
        let State::Live(stream) = &self.state else { return };
        let quiet = clock.saturating_duration_since(self.changed) >= PARK_AFTER;
        if quiet && !self.queued && stream.pending() == Pending::Nothing && self.tail.ends_a_line() {
            self.state = State::Idle(stream.checkpoint());
            (self.trail, self.former_trail) = Default::default();
        }
    }

    /// Belongs to this source from now on.
    pub fn assign(&mut self, source: Arc<Source>, origin: Arc<Origin>) {
        self.unload();
        (self.source, self.origin) = (source, origin);
    }

    pub fn position(&self) -> u64 {
        self.tail.position()
    }

    /// Of what was read.
    pub fn proof(&self) -> &Proof {
        self.tail.proof()
    }

    pub fn generation(&self) -> u32 {
        self.tail.generation
    }

    pub fn key(&self) -> FileKey {
        self.tail.key
    }

    fn read(&mut self, file: &File, with: &mut Turn) -> io::Result<Turned> {
        let mut stream = match std::mem::replace(&mut self.state, State::Idle(Checkpoint::default())) {
            State::Live(stream) => stream,
            State::Idle(checkpoint) | State::Behind(checkpoint) => {
                self.state = State::Behind(checkpoint.clone());
                self.start(checkpoint, file, with)?
            }
        };
        let quiet = with.clock.saturating_duration_since(self.changed) >= ROOM_PAUSE;
        let read = read_into(&mut stream, &mut self.tail, (file, quiet), with);
        self.cuts.append(&mut stream.take_cuts());
        match read {
            Ok(Read::More) => {
                self.state = State::Live(stream);
                Ok(Turned::More)
            }
            Ok(Read::All) => {
                self.state = State::Live(stream);
                Ok(Turned::Drained)
            }
            Err(error) => {
                // What is not read on in order must not be pushed: begin again from the checkpoint.
                self.state = State::Behind(stream.checkpoint());
                self.tail.look_again();
                Err(error)
            }
        }
    }

    fn start(&self, mut from: Checkpoint, file: &File, with: &mut Turn) -> io::Result<Box<Stream>> {
        let offset = from.offset;
        if from.line == 0 && offset > 0 {
            if offset <= MAX_COUNTED {
                from.line = tail::count_lines(file, with.buffer, offset)?;
            } else {
                tracing::info!(path = %visible(&self.path), offset, "large file: line numbers count from this offset");
            }
        }
        let config = &self.source.config;
        let context = FileContext {
            origin: Arc::clone(&self.origin),
            identity: self.tail.identity(),
            provider: config.provider.clone(),
            timezone: config.timezone.clone(),
            charset: config.encoding,
        };
        Ok(Box::new(Stream::new(Arc::clone(with.engine), context, from)))
    }

    /// Reports everything that is left, also a last line that never ended.
    fn finish(&mut self, with: &mut Turn) {
        if let State::Live(stream) = &mut self.state {
            stream.finish(with.now, with.events);
            self.cuts.append(&mut stream.take_cuts());
            self.state = State::Idle(stream.checkpoint());
        }
    }
}

impl State {
    fn checkpoint(&self) -> Checkpoint {
        match self {
            State::Live(stream) => stream.checkpoint(),
            State::Idle(checkpoint) | State::Behind(checkpoint) => checkpoint.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
