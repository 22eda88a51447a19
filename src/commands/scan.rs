//! `paytriage scan`: the payment errors in existing logs.
//!
//! Files are read side by side, one worker per file at a time, with the help of those that have none. JSON lines come out in the order of the files and
//! as soon as that order allows; reports are counted by each worker and merged at the end. Memory is bounded
//! however much is read. What cannot be read is told on standard error and costs nothing else.

mod ahead;
mod console;
mod filter;
mod in_order;
mod worker;

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::setup::{Setup, terminal_width};
use crate::catalog::{Lang, Severity};
use crate::cli::{LangArg, ScanArgs, ScanFormat, SeverityArg};
use crate::exit::Exit;
use crate::input::{self, Expansion};
use crate::render::{self, View};
use crate::wire::EventWriter;

use ahead::Helpers;
use console::Console;
use filter::Filter;
use in_order::InOrder;
use worker::{Output, Part, Scan};

/// What failed, when writing did.
const OUTPUT: &str = "standard output";

/// Scans what the arguments name and prints what was found.
///
/// # Errors
/// Wrong arguments or configuration, before anything is read; standard output that cannot be written.
pub fn run(args: &ScanArgs) -> Result<Exit> {
    // The process is over when this is: its memory goes back as a whole.
    let setup = ManuallyDrop::new(Setup::load(args.config.as_deref(), &args.catalog)?);
    let lang = args.lang.map_or(setup.lang, Lang::from);
    let filter = Filter::new(args, &setup.catalog, Timestamp::now())?;
    let expansion = input::expand(&args.paths);
    let console = Console::new(args, expansion.total_bytes);
    expansion.problems.iter().for_each(|problem| console.tell(&problem.to_string()));
    let lines = InOrder::new(io::stdout());
    let output = match args.format {
        ScanFormat::Json => Output::Lines(EventWriter::new(&setup.catalog, lang), &lines),
        ScanFormat::Pretty | ScanFormat::Summary => Output::Report,
    };
    let n_workers = n_workers(args, &expansion);
    let scan = Scan {
        inputs: &expansion.inputs,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        helpers: Helpers::default(),
        is_alone: n_workers == 1,
        setup: &setup,
        filter: &filter,
        fail_on: args.fail_on.map(Severity::from),
        output,
        console: &console,
    };
    let mut part = read_all(&scan, n_workers).context(OUTPUT)?;
    console.finish();
    tell_skipped(args, &console, part.totals.n_skipped);
    part.totals.n_skipped += expansion.n_special;
    report(args, &part, &View::new(&setup.catalog, lang, terminal_width())).context(OUTPUT)?;
    tell_untimed(&console, part.n_untimed);
    Ok(exit(&part, &expansion))
}

fn n_workers(args: &ScanArgs, expansion: &Expansion) -> usize {
    let wanted = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
    // What one has no file for helps with the large ones of others.
    let is_large = expansion.total_bytes >= input::LARGE_BYTES;
    if is_large { wanted } else { wanted.min(expansion.inputs.len()) }
}

/// Runs the workers and merges what they counted.
fn read_all(scan: &Scan<'_>, n_workers: usize) -> io::Result<Part> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..n_workers)
            .map(|_| {
                let busy = scan.helpers.busy();
                scope.spawn(move || scan.work(busy))
            })
            .collect();
        let mut whole = Part::default();
        for worker in workers {
            whole.merge(worker.join().unwrap_or_else(|fault| panic::resume_unwind(fault))?);
        }
        Ok(whole)
    })
}

fn report(args: &ScanArgs, part: &Part, view: &View) -> io::Result<()> {
    let text = match args.format {
        ScanFormat::Json => return io::stdout().flush(),
        ScanFormat::Pretty => render::pretty(&part.tally, &part.totals, view),
        ScanFormat::Summary => render::summary(&part.tally, &part.totals, view),
    };
    // Strips styles where they are not wanted: NO_COLOR, CLICOLOR_FORCE, TERM=dumb, a pipe.
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn tell_untimed(console: &Console, n_untimed: u64) {
    match n_untimed {
        0 => {}
        1 => console.tell("note: 1 event has no time and was kept, whatever --since and --until say"),
        n => console.tell(&format!("note: {n} events have no time and were kept, whatever --since and --until say")),
    }
}

/// The pretty report says it by itself.
fn tell_skipped(args: &ScanArgs, console: &Console, n_skipped: u64) {
    match (args.format, n_skipped) {
        (ScanFormat::Pretty, _) | (_, 0) => {}
        (_, 1) => console.tell("note: 1 file was skipped: not text. A file that is named is read whatever it is"),
        (_, n) => console
            .tell(&format!("note: {n} files were skipped: not text. A file that is named is read whatever it is")),
    }
}

fn exit(part: &Part, expansion: &Expansion) -> Exit {
    if part.is_fail_on_met {
        Exit::Found
    } else if part.n_unreadable > 0 || !expansion.problems.is_empty() {
        Exit::Unreadable
    } else {
        Exit::Done
    }
}

impl From<LangArg> for Lang {
    fn from(lang: LangArg) -> Lang {
        match lang {
            LangArg::En => Lang::En,
            LangArg::Zh => Lang::Zh,
        }
    }
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Severity {
        match severity {
            SeverityArg::Info => Severity::Info,
            SeverityArg::Warning => Severity::Warning,
            SeverityArg::Error => Severity::Error,
            SeverityArg::Critical => Severity::Critical,
        }
    }
}
