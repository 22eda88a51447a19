//! Four programs that log: each appends to a file of its own and rotates it in its own way, whatever happens to the
//! daemon meanwhile.
//!
//! No writer destroys what nobody can have read: a file is deleted, or truncated without a copy beside it, only after its
//! lines came back, or while the daemon surely holds it open.

mod copies;
mod renames;
mod small;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::lines;
use crate::rng::Rng;

const PAUSE: Duration = Duration::from_millis(40);
/// Files that a writer keeps before it deletes the oldest.
const KEPT: usize = 8;

/// How a writer rotates.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// `app.log`, `app.log.1`, `app.log.2`, …; the source means `*.log`.
    Chain,
    /// `app.log` becomes `app-7.log`, which the source means too; or it leaves the source and comes back.
    Inside,
    /// A symbolic link leads to the file in another directory, and is switched to the next one.
    Link,
    /// Many small files that live for some hundred milliseconds.
    Small,
    /// The file is copied and truncated.
    Copies,
}

pub const STYLES: [Style; 5] = [Style::Chain, Style::Inside, Style::Link, Style::Small, Style::Copies];

/// What the daemon is to watch, by the directory each style works in.
pub const CONFIG: &str = "\
[state]
dir = \"state\"
[http]
listen = \"127.0.0.1:0\"
[[source]]
name = \"crash\"
paths = [\"chain/*.log\", \"inside/*.log\", \"links/*.log\", \"small\", \"copies/*.log\"]
start_at = \"beginning\"
";

pub struct Writer {
    name: &'static str,
    dir: PathBuf,
    rng: Rng,
    ledger: Arc<Ledger>,
    next: u64,
}

/// A file that is written to, and the numbers in it.
struct Log {
    file: File,
    path: PathBuf,
    numbers: Vec<u64>,
}

impl Writer {
    pub fn new(style: Style, index: u64, top: &Path, rng: Rng, ledger: Arc<Ledger>) -> Writer {
        let name = match style {
            Style::Chain => "chain",
            Style::Inside => "inside",
            Style::Link => "links",
            Style::Small => "small",
            Style::Copies => "copies",
        };
        let dir = top.join(name);
        fs::create_dir_all(&dir).unwrap();
        Writer { name, dir, rng, ledger, next: index * lines::PER_WRITER }
    }

    /// Writes until all is over.
    pub fn run(mut self, style: Style) {
        match style {
            Style::Chain => self.chain(),
            Style::Inside => self.inside(),
            Style::Link => self.links(),
            Style::Small => self.small(),
            Style::Copies => self.copies(),
        }
    }

    fn is_over(&self) -> bool {
        self.ledger.is_over()
    }

    fn pause(&mut self) {
        thread::sleep(self.rng.up_to(PAUSE));
    }

    fn note(&self, what: std::fmt::Arguments) {
        self.ledger.note(format_args!("{}: {what}", self.name));
    }

    fn open(&self, path: PathBuf) -> Log {
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        self.note(format_args!("opens {} inode {}", path.display(), file.metadata().unwrap().ino()));
        Log { file, path, numbers: Vec::new() }
    }

    /// Appends some lines, in one write or in pieces.
    fn append(&mut self, log: &mut Log) {
        let (mut text, first) = (String::new(), self.next);
        for _ in 0..self.rng.below(1..8) {
            if self.rng.once_in(3) {
                text.push_str(&lines::filler(&mut self.rng));
            } else {
                text.push_str(&lines::failure(self.next, &mut self.rng));
                self.next += 1;
            }
        }
        let mut rest = text.as_bytes();
        while self.rng.once_in(3) && rest.len() > 1 {
            let piece = self.rng.below(1..rest.len());
            log.file.write_all(&rest[..piece]).unwrap();
            rest = &rest[piece..];
            thread::sleep(self.rng.up_to(Duration::from_millis(4)));
        }
        log.file.write_all(rest).unwrap();
        let numbers: Vec<u64> = (first..self.next).collect();
        let metadata = log.file.metadata().unwrap();
        self.note(format_args!("wrote {first}..{} to inode {}, size {}", self.next, metadata.ino(), metadata.size()));
        self.ledger.wrote(&numbers);
        log.numbers.extend(numbers);
    }

    fn append_some(&mut self, log: &mut Log) {
        for _ in 0..self.rng.below(1..6) {
            self.append(log);
            self.pause();
        }
    }

    fn rename(&self, from: &Path, to: &Path) {
        fs::rename(from, to).unwrap();
        self.note(format_args!("renames {} to {}", from.display(), to.display()));
    }

    /// Removes a file whose lines all came back; false if they have not.
    fn remove_if_seen(&self, log: &Log) -> bool {
        let seen = self.ledger.all_seen(&log.numbers);
        if seen {
            fs::remove_file(&log.path).unwrap();
            self.note(format_args!("removes {}", log.path.display()));
        }
        seen
    }

    /// Removes the oldest files as long as there are many.
    fn prune(&self, old: &mut Vec<Log>) {
        while old.len() > KEPT && self.remove_if_seen(&old[0]) {
            old.remove(0);
        }
    }
}
