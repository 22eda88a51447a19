//! Who else can look for literals in a log: ripgrep, the aho-corasick crate by itself, and, as the limit, a program that reads
//! the file and counts its lines.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use aho_corasick::{AhoCorasickBuilder, MatchKind};

use crate::inputs;

const CHUNK: usize = 256 * 1024;

/// What this program does as its own child.
pub fn act(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["limit", log] => println!("{}", chunks(log, |chunk| memchr::memchr_iter(b'\n', chunk).count())),
        ["automaton", literals, log] => {
            let literals = inputs::read_literals(Path::new(literals));
            let automaton = AhoCorasickBuilder::new()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .build(literals)
                .expect("literals that paytriage has an automaton of");
            println!("{}", chunks(log, |chunk| automaton.find_iter(chunk).count()));
        }
        ["inputs", directory, bytes] => inputs::write(Path::new(directory), bytes.parse().expect("a number")),
        _ => panic!("not something to do: {arguments:?}"),
    }
}

fn chunks(log: &str, count: impl Fn(&[u8]) -> usize) -> usize {
    let mut file = File::open(log).expect("the log was written");
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match file.read(&mut buffer).expect("the log can be read") {
            0 => return total,
            n => total += count(&buffer[..n]),
        }
    }
}

/// This program as a child that does one of the things above.
pub fn own(what: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the system knows"));
    command.args(["as", what]).args(arguments);
    command
}

/// ripgrep on one thread, with literals from a file. They are searched for as bytes, and the log is text whatever is in it.
pub fn ripgrep(rg: &Path, options: &[&str], literals: &Path, log: &Path) -> Command {
    let mut command = Command::new(rg);
    command.args(["--no-config", "-j1", "-a", "-F"]).args(options).arg("-f").arg(literals).arg("--").arg(log);
    command
}

/// What ripgrep says it is; nothing, and a word about it, where there is none.
pub fn version_of(rg: &Path) -> Option<String> {
    let output = Command::new(rg).arg("--version").stderr(Stdio::null()).output();
    let version =
        output.ok().and_then(|output| Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned()));
    if version.is_none() {
        println!("{} does not run here: everything that compares with ripgrep is left out.", rg.display());
    }
    version
}
