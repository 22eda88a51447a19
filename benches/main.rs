//! How fast paytriage is, beside what else reads logs: `cargo bench --bench scan`.
//!
//! Everything is measured in one run, in rounds in which all take turns; ratios are taken inside a round, and the median of the
//! rounds is shown: they hold on a machine that is busy or shared, where seconds do not. `--instructions` counts instructions
//! instead and compares them with `benches/instructions.toml`.

mod child;
mod compare;
mod corpus;
mod daemon;
mod inputs;
mod instructions;
mod rivals;
mod scan;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use inputs::Inputs;

#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench scan --")]
pub struct Options {
    /// Size of the logs, in MiB
    #[arg(long, default_value = "512")]
    size: u64,
    /// 64 MiB and three rounds
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value = "5")]
    rounds: usize,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// ripgrep
    #[arg(long, default_value = "rg")]
    rg: PathBuf,
    /// Count the instructions of scanning fixed logs and compare them with benches/instructions.toml
    #[arg(long, exclusive = true)]
    instructions: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Every kind of log, beside rivals
    Scan,
    /// One and two threads, one and two files
    Threads,
    /// 300 literals, all, and 20,000
    Catalogs,
    /// Until the first event, and explain
    Start,
    /// A daemon that catches up
    Backlog,
    /// From a line to its event
    Latency,
    /// A daemon that has nothing to do
    Idle,
}

/// Measures one part and prints its table.
type Measure = fn(&Options, &Inputs);

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn n_rounds(&self) -> usize {
        if self.quick { self.rounds.min(3) } else { self.rounds }
    }

    fn bytes(&self) -> u64 {
        (if self.quick { 64 } else { self.size }) << 20
    }
}

fn main() -> ExitCode {
    // What is measured in this program itself is measured as its child.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("as", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        rivals::act(rest);
        return ExitCode::SUCCESS;
    }
    // Cargo adds it.
    let arguments = arguments.iter().filter(|argument| *argument != "--bench");
    let options = Options::parse_from(std::iter::once(&"scan".to_owned()).chain(arguments));
    if options.instructions {
        return instructions::compare();
    }
    let inputs = Inputs::make(&options);
    let parts: [(Part, Measure); 7] = [
        (Part::Scan, scan::kinds),
        (Part::Threads, scan::threads),
        (Part::Catalogs, scan::catalogs),
        (Part::Start, daemon::start),
        (Part::Backlog, daemon::backlog),
        (Part::Latency, daemon::latency),
        (Part::Idle, daemon::idle),
    ];
    for (_, measure) in parts.iter().filter(|(part, _)| options.wants(*part)) {
        measure(&options, &inputs);
    }
    println!("Not measured here: Hyperscan, rsyslog, SEC, Vector, Fluent Bit.");
    ExitCode::SUCCESS
}
