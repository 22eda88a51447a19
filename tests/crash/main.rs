//! Kills the built daemon at random moments while four writers append to watched files and rotate them, starts it
//! again, and checks at the end that every line became an event once.
//!
//! `cargo test` runs a short mode; `cargo test --test crash -- --runs 500` the long one. `--seed S` repeats the
//! choices of a run that failed (how threads and processes interleave is the system's affair), `--seconds F` is the longest
//! life of one daemon.

mod daemon;
mod ledger;
mod lines;
mod rng;
mod session;
#[path = "../../benches/corpus/splitmix.rs"]
mod splitmix;
mod verdict;
mod writer;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rng::Rng;
use verdict::Verdict;

/// Lives of the daemon in one directory; then everything is drained and checked, and a new directory begun.
const LIVES: usize = 20;

struct Options {
    /// How often the daemon is started and killed.
    runs: usize,
    seed: u64,
    /// The longest life of one daemon.
    life: Duration,
}

fn main() -> ExitCode {
    let Some(options) = options() else { return ExitCode::SUCCESS };
    let mut seeds = Rng::new(options.seed);
    let mut total = Verdict::default();
    let mut left = options.runs;
    let mut seed = options.seed;
    println!("{}", Verdict::HEADER);
    while left > 0 {
        let lives = left.min(LIVES);
        let verdict = session::run(seed, lives, options.life);
        println!("{verdict}");
        left -= lives;
        total.add(&verdict);
        if verdict.has_failed() {
            eprintln!("{}", verdict.complaint());
            eprintln!(
                "again: cargo test --test crash -- --seed {seed} --runs {lives} --seconds {}",
                options.life.as_secs_f64()
            );
            return ExitCode::FAILURE;
        }
        seed = seeds.next();
    }
    println!("{total} (all)");
    ExitCode::SUCCESS
}

/// `None` if only other tests are asked for. What the standard harness takes and this one does not is passed over.
fn options() -> Option<Options> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
    let mut options = Options { runs: 10, seed, life: Duration::from_millis(800) };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} takes a value"));
        match argument.as_str() {
            "--runs" => options.runs = number(&value()),
            "--seed" => options.seed = number(&value()),
            "--seconds" => options.life = Duration::from_secs_f64(number(&value())),
            "--list" => {
                println!("crash: test");
                return None;
            }
            "--skip" | "--test-threads" | "--format" | "--color" => drop(value()),
            flag if flag.starts_with('-') => eprintln!("{flag} means nothing to this test"),
            filter if "crash".contains(filter) => {}
            _ => return None,
        }
    }
    Some(options)
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
