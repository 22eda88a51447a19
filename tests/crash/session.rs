//! One directory: four writers, one daemon after another, and at the end a quiet one that reads what is left.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::daemon::Daemon;
use crate::ledger::Ledger;
use crate::rng::Rng;
use crate::verdict::Verdict;
use crate::writer::{CONFIG, STYLES, Style, Writer};

const N_WRITERS: usize = 4;
/// Without any news for this long, what has not come will not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest time without a daemon.
const DOWN: Duration = Duration::from_millis(300);

/// When a life ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// So long after it was started, whatever it does then: the first walk, the first reads.
    Early(Duration),
    /// So long after it began to watch.
    Watching(Duration),
    /// When the database is written to for the first time after so long, and a moment.
    AtCommit(Duration, Duration),
    /// By SIGTERM, after so long.
    Asked(Duration),
}

impl End {
    fn choose(rng: &mut Rng, life: Duration) -> End {
        match rng.below(0..12) {
            0 => End::Early(rng.up_to(Duration::from_millis(20))),
            1..4 => End::Early(rng.up_to(Duration::from_millis(400))),
            4 => End::Watching(rng.up_to(Duration::from_millis(20))),
            5..8 => End::Watching(rng.up_to(life)),
            8..11 => End::AtCommit(rng.up_to(life / 2), rng.up_to(Duration::from_millis(8))),
            _ => End::Asked(rng.up_to(life)),
        }
    }
}

/// Runs and checks.
pub fn run(seed: u64, lives: usize, life: Duration) -> Verdict {
    let tmp = tempfile::tempdir().unwrap();
    let dir = fs::canonicalize(tmp.path()).unwrap();
    fs::write(dir.join("paytriage.toml"), CONFIG).unwrap();
    let ledger = Arc::new(Ledger::new());
    let mut rng = Rng::new(seed);
    let mut styles = STYLES;
    rng.shuffle(&mut styles);
    let writer = |i: usize| {
        let writer = Writer::new(styles[i], i as u64 + 1, &dir, rng.fork(), Arc::clone(&ledger));
        (styles[i], writer)
    };
    let writers: Vec<_> = (0..N_WRITERS).map(writer).collect();
    // What was rotated away before the first start ever is nobody's business.
    one_life(End::Watching(Duration::ZERO), &dir, &ledger);
    let start = |(style, writer): (Style, Writer)| thread::spawn(move || writer.run(style));
    let writers: Vec<_> = writers.into_iter().map(start).collect();
    let mut verdict = Verdict::default();
    for _ in 0..lives {
        let end = End::choose(&mut rng, life);
        one_life(end, &dir, &ledger);
        verdict.runs += 1;
        if !matches!(end, End::Asked(_)) {
            verdict.kills += 1;
        }
        thread::sleep(rng.up_to(DOWN));
    }
    ledger.end();
    for writer in writers {
        writer.join().unwrap();
    }
    drain(&dir, &ledger);
    verdict.check(&dir, &ledger);
    if verdict.has_failed() {
        let kept = tmp.keep();
        fs::write(kept.join("journal.txt"), ledger.journal()).unwrap();
        eprintln!("kept: {}, with journal.txt", kept.display());
    }
    verdict
}

fn one_life(end: End, dir: &Path, ledger: &Arc<Ledger>) {
    let held = ledger.life.write().unwrap();
    ledger.note(format_args!("-- starts, to end {end:?}"));
    let mut daemon = Daemon::start(dir, ledger);
    ledger.pid.store(daemon.pid(), Ordering::Relaxed);
    drop(held);
    match end {
        End::Early(after) => thread::sleep(after),
        End::Watching(after) | End::Asked(after) => {
            daemon.wait_until_watching();
            thread::sleep(after);
        }
        End::AtCommit(after, moment) => {
            daemon.wait_until_watching();
            thread::sleep(after);
            wait_for_commit(dir);
            thread::sleep(moment);
        }
    }
    let held = ledger.life.write().unwrap();
    ledger.note(format_args!("-- ends"));
    match end {
        End::Asked(_) => {
            let status = daemon.stop();
            assert!(status.success(), "asked to end, it ended with {status}");
        }
        _ => daemon.kill(),
    }
    ledger.pid.store(0, Ordering::Relaxed);
    drop(held);
}

/// Returns as soon as the write-ahead log changes, or after a second in which nothing was stored.
fn wait_for_commit(dir: &Path) {
    let wal = dir.join("state/paytriage.db-wal");
    let stamp = || -> Option<(u64, SystemTime)> {
        let metadata = fs::metadata(&wal).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    let (before, deadline) = (stamp(), Instant::now() + Duration::from_secs(1));
    while stamp() == before && Instant::now() < deadline {
        thread::sleep(Duration::from_micros(200));
    }
}

/// Nobody writes any more, nobody kills: everything that is left comes.
fn drain(dir: &Path, ledger: &Arc<Ledger>) {
    ledger.note(format_args!("-- drains"));
    let daemon = Daemon::start(dir, ledger);
    let (mut left, mut since) = (usize::MAX, Instant::now());
    while left > 0 && since.elapsed() < PATIENCE {
        let now = ledger.missing().len();
        if now != left {
            (left, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let status = daemon.stop();
    assert!(status.success(), "the last daemon ended with {status}");
}
