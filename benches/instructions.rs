//! Counts the instructions of `scan` on fixed logs with callgrind: a check of speed that does not depend on the machine's load.
//!
//! More than `instructions.toml` says, by more than its tolerance, fails; much less asks for a lower figure there. Compiler and
//! processor (which vector instructions it has) do matter: the figures are of the compiler that the file names, with AVX2.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::Deserialize;

use crate::child::PAYTRIAGE;
use crate::corpus::{Kind, words};
use crate::{inputs, table};

const FIXED_SIZE: u64 = 16 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Share by which a count may differ.
    tolerance: f64,
    /// In millions, by kind of log.
    millions: BTreeMap<String, f64>,
}

/// Prints the counts and says whether they are what is expected.
pub fn compare() -> ExitCode {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
    let text = fs::read_to_string(&file).expect("benches/instructions.toml is there");
    let expected: Expected = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let directory = tempfile::tempdir().expect("a directory for logs");
    let unseen = words::unseen();
    let kinds =
        [("clean", Kind::Clean), ("mixed", Kind::Mixed), ("snake", Kind::Snake(&unseen)), ("storm", Kind::Storm)];
    let mut has_failed = false;
    let mut rows = Vec::new();
    for (name, kind) in kinds {
        let log = directory.path().join(name);
        inputs::write_log(&log, kind, FIXED_SIZE);
        let counted = count(&log) as f64 / 1e6;
        let figure = expected.millions.get(name).copied().unwrap_or(0.0);
        let change = counted / figure - 1.0;
        let verdict = if change > expected.tolerance {
            has_failed = true;
            "MORE: find out why"
        } else if change < -expected.tolerance {
            "less: lower the figure in benches/instructions.toml"
        } else {
            "as expected"
        };
        rows.push(vec![
            name.to_owned(),
            format!("{counted:.0}"),
            format!("{figure:.0}"),
            format!("{:+.1} %", change * 100.0),
            verdict.to_owned(),
        ]);
    }
    table::print("millions of instructions, 16 MiB", &["", "counted", "expected", "change", ""], &rows);
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn count(log: &Path) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", PAYTRIAGE]);
    valgrind.args(["scan", "--format", "json", "--no-progress", "-j1"]).arg(log).stdout(std::process::Stdio::null());
    let output = valgrind.output().unwrap_or_else(|error| panic!("valgrind is needed for this: {error}"));
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = report.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.filter(|_| output.status.success()).unwrap_or_else(|| panic!("callgrind gave no count: {report}"))
}
