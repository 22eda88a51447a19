//! Zeros wherever they may be: a file that is followed while it is written gives what one look at all of it gives.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::config;
use crate::event::EventId;
use crate::record::Charset;
use crate::source::selection::Selection;

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Arc::new(Catalog::builtin()), Default::default())));

/// More turns than any look needs.
const MAX_TURNS: usize = 3000;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// Lines, in two writes with a look between them at this part of the first; in place where there is room.
    Lines {
        n: u8,
        percent: u8,
    },
    /// Goes on so much further, as a writer does whose file was truncated.
    Skip(u64),
    /// Zeros that are written, as a disk has them after a crash; then it goes on behind them.
    Zeros(usize),
    /// Room for so much more.
    Room(u64),
    Look,
    /// A second passes, and more.
    Wait,
    /// What was not stored is forgotten; all was.
    Restart,
}

struct Writer {
    file: File,
    at: u64,
    n_lines: usize,
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.at).unwrap();
        self.at += bytes.len() as u64;
    }

    fn line(&mut self) -> String {
        self.n_lines += 1;
        let n = self.n_lines;
        format!(
            "2026-07-01 12:00:00 ERROR pay failed: {{\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"N{n}\"}}\n"
        )
    }
}

struct Follower {
    follow: Follow,
    buffer: Buffer,
    budget: usize,
    clock: Instant,
    found: Vec<(EventId, u64)>,
}

impl Follower {
    fn new(path: &Path, budget: usize) -> Follower {
        let (file, metadata) = tail::open(path).unwrap();
        let tail = Tail::beginning(FileKey::of(&metadata), 0);
        let met = Met { tail, checkpoint: Checkpoint::default(), file, path: path.into(), place: Place::Listed };
        let clock = Instant::now();
        let follow = Follow::new(met, source(path), origin(), clock);
        Follower { follow, buffer: Buffer::default(), budget, clock, found: Vec::new() }
    }

    /// Turns until there is nothing more to read, each of which gets on.
    fn look(&mut self) {
        for _ in 0..MAX_TURNS {
            let mut events = Vec::new();
            let turned = self.follow.turn(&mut Turn {
                engine: &ENGINE,
                buffer: &mut self.buffer,
                events: &mut events,
                now: Timestamp::UNIX_EPOCH,
                clock: self.clock,
                budget: self.budget,
            });
            let turned = turned.unwrap();
            if turned == Turned::Drained {
                self.follow.flush(Timestamp::UNIX_EPOCH, &mut events);
            }
            self.found.extend(events.iter().map(|event| (event.id, event.position.offset)));
            match turned {
                Turned::More => {}
                Turned::Drained => return,
                other => panic!("{other:?}"),
            }
        }
        panic!("it does not come to an end");
    }

    fn wait(&mut self) {
        self.clock += ROOM_PAUSE * 2;
        self.look();
    }

    fn restart(&mut self) {
        let FileState { key, generation, path, proof, checkpoint, .. } = self.follow.to_store();
        let (file, _) = tail::open(&path).unwrap();
        let tail = Tail::resume(key, generation, &file, &proof).unwrap().unwrap();
        let met = Met { tail, checkpoint, file, path: path.clone(), place: Place::Listed };
        self.follow = Follow::new(met, source(&path), origin(), self.clock);
    }
}

fn source(path: &Path) -> Arc<Source> {
    let mut config = config::Source::from_paths(&[path.display().to_string()], &[]).unwrap();
    config.timezone = TimeZone::UTC;
    Arc::clone(&Selection::new(&[config], "/".into()).unwrap().sources[0])
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin { name: "a".into(), path: "a.log".into(), host: None, labels: Default::default() })
}

/// What `scan` finds.
fn scanned(path: &Path) -> Vec<(EventId, u64)> {
    let identity = Tail::beginning(FileKey::of(&fs::metadata(path).unwrap()), 0).identity();
    let (timezone, charset) = (TimeZone::UTC, Charset::Auto);
    let context = FileContext { origin: origin(), identity, provider: None, timezone, charset };
    let (mut stream, mut events) = (Stream::new(Arc::clone(&ENGINE), context, Checkpoint::default()), Vec::new());
    for chunk in fs::read(path).unwrap().chunks(256 * 1024) {
        stream.push(chunk, Timestamp::UNIX_EPOCH, &mut events);
    }
    stream.finish(Timestamp::UNIX_EPOCH, &mut events);
    events.iter().map(|event| (event.id, event.position.offset)).collect()
}

fn check(ops: &[Op], budget: usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let (mut writer, mut follower) = (Writer { file, at: 0, n_lines: 0 }, Follower::new(&path, budget));
    for op in ops {
        match *op {
            Op::Lines { n, percent } => {
                let text: String = (0..n).map(|_| writer.line()).collect();
                let (one, other) = text.split_at(text.len() * usize::from(percent) / 100);
                writer.write(one.as_bytes());
                if percent % 2 == 0 {
                    follower.look();
                }
                writer.write(other.as_bytes());
            }
            Op::Skip(len) => writer.at += len,
            Op::Zeros(len) => writer.write(&vec![0; len]),
            Op::Room(len) => {
                let size = writer.file.metadata().unwrap().len();
                writer.file.set_len(size.max(writer.at + len)).unwrap();
            }
            Op::Look => follower.look(),
            Op::Wait => follower.wait(),
            Op::Restart => {
                follower.look();
                follower.restart();
            }
        }
    }
    follower.look();
    // What was written behind room while that was being filled shows when its writer pauses.
    follower.wait();
    assert_eq!(follower.found.len(), writer.n_lines);
    assert_eq!(follower.found, scanned(&path));
}

fn op() -> impl Strategy<Value = Op> {
    let zeros = || {
        prop_oneof![
            1 => 1..3_usize,
            2 => 3..5000_usize,
            2 => 4090..4100_usize,
            3 => 65_530..65_540_usize,
            3 => 65_536..262_144_usize,
            2 => 262_100..262_200_usize,
            3 => 262_144..1_048_577_usize,
        ]
    };
    prop_oneof![
        5 => (1..4_u8, 0..=100_u8).prop_map(|(n, percent)| Op::Lines { n, percent }),
        2 => zeros().prop_map(|len| Op::Skip(len as u64)),
        2 => zeros().prop_map(Op::Zeros),
        2 => zeros().prop_map(|len| Op::Room(len as u64)),
        3 => Just(Op::Look),
        1 => Just(Op::Wait),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_behind_zeros_is_found_once(
        ops in proptest::collection::vec(op(), 1..14),
        budget in prop_oneof![Just(4096_usize), Just(65_536), Just(262_144), Just(PER_TURN), 4096..PER_TURN],
    ) {
        check(&ops, budget);
    }
}

/// `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48)
}

#[test]
fn zeros_that_are_filled_within_a_tick_of_the_look_that_saw_them() {
    for _ in 0..20 {
        check(&[Op::Zeros(262_144), Op::Room(1), Op::Look, Op::Lines { n: 1, percent: 0 }], 4096);
    }
}
