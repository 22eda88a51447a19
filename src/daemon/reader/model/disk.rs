//! The files of a script, and what the model knows of each: what was written since the reader looked, and whether it
//! can be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::script::{Op, Text};
use crate::daemon::reader::Request;
use crate::source::wake::Mail;

pub struct Disk {
    dir: TempDir,
    logs: PathBuf,
    inodes: Vec<Inode>,
    /// Names that exist, each with the inode it leads to.
    names: BTreeMap<PathBuf, usize>,
    /// The file that was rotated out last.
    rotated: Option<PathBuf>,
    /// Copies that the reader has not looked at since they are whole.
    in_making: Vec<Copy>,
    /// What may be reported twice: it is known of a copy only as long as its original is there.
    pub may_repeat: BTreeSet<u64>,
    news: Mail<Request>,
    next: u64,
    journal: Vec<String>,
}

#[derive(Debug)]
struct Copy {
    path: PathBuf,
    original: usize,
    /// The name it was copied by.
    name: PathBuf,
    /// Of the original, when the copy was made.
    size: u64,
}

#[derive(Debug, Default)]
struct Inode {
    /// Complete lines that the reader has not looked at yet.
    unread: Vec<u64>,
    /// A line that is still being written: its number and what is missing.
    open_line: Option<(u64, String)>,
    /// The reader had it in front of it, and has it open.
    held: bool,
    /// It holds a whole line with a time in it, by which copies of it can be known.
    telling: bool,
    /// The reader has seen it since it was so.
    known: bool,
    /// The reader has not looked since it held what the reader knows: that it holds something else will be noticed.
    changed: bool,
    /// It left the source before the reader could know of it.
    stray: bool,
    /// It is a copy, by this name, of a content that the reader has never seen: found by it if that still leads to this original when it
    /// looks.
    beside: Option<(PathBuf, usize)>,
}

impl Inode {
    fn truncated(&mut self) {
        self.changed |= self.known;
        (self.open_line, self.telling, self.known) = (None, false, false);
    }
}

/// The number of an event; `None` if its line was cut short in it.
pub fn number(event: &Value) -> Option<u64> {
    let order = event["ids"]["out_trade_no"].as_str()?.strip_prefix('N')?;
    (order.len() == 8).then(|| order.parse().ok()).flatten()
}

fn failure(n: u64) -> String {
    format!("2026-07-01 12:00:00 ERROR sub_code=ACQ.TRADE_HAS_SUCCESS out_trade_no=N{n:08} end of line\n")
}

impl Disk {
    pub fn new() -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().canonicalize().unwrap().join("logs");
        fs::create_dir(&logs).unwrap();
        Disk {
            dir,
            logs,
            inodes: Vec::new(),
            names: BTreeMap::new(),
            rotated: None,
            in_making: Vec::new(),
            may_repeat: BTreeSet::new(),
            news: Mail::default(),
            next: 1,
            journal: Vec::new(),
        }
    }

    pub fn paths(&self) -> [String; 2] {
        [self.logs.join("*.log"), self.logs.join("*/*.log")].map(|path| path.display().to_string())
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn note(&mut self, what: &dyn fmt::Debug) {
        self.journal.push(format!("{what:?} (next number {})", self.next));
    }

    pub fn journal(&self) -> String {
        self.journal.join("\n")
    }

    /// What was notified since the last time.
    pub fn news(&mut self) -> Mail<Request> {
        std::mem::take(&mut self.news)
    }

    /// Nobody is told: what has left the source unseen is beyond anybody's reach.
    pub fn lose_news(&mut self) {
        self.news = Mail::default();
        for (i, inode) in self.inodes.iter_mut().enumerate() {
            let listed = self.names.iter().any(|(name, led)| *led == i && is_listed(name));
            inode.stray |= !inode.held && !listed && inode.beside.is_none();
        }
    }

    pub fn forget_news(&mut self) {
        self.news = Mail::default();
    }

    /// The reader had a round: it has open what it could find.
    pub fn glanced(&mut self) {
        for i in 0..self.inodes.len() {
            let named = self.names.values().any(|led| *led == i);
            let inode = &mut self.inodes[i];
            inode.held |= named && !inode.stray && inode.beside.is_none();
            inode.changed &= !inode.held;
            inode.known |= inode.held && inode.telling;
        }
    }

    /// The reader has read everything that it holds; returns the numbers.
    pub fn looked(&mut self) -> Vec<u64> {
        self.in_making.clear();
        for i in 0..self.inodes.len() {
            if let Some((name, original)) = self.inodes[i].beside.take() {
                let is_found = self.names.get(&name) == Some(&original);
                self.inodes[i].held = is_found;
                if !is_found {
                    self.goes_astray(i);
                }
            }
        }
        let held = self.inodes.iter_mut().filter(|inode| inode.held);
        held.flat_map(|inode| std::mem::take(&mut inode.unread)).collect()
    }

    /// Nobody can be sure to find it.
    fn goes_astray(&mut self, i: usize) {
        self.inodes[i].stray = true;
        self.may_repeat.extend(self.inodes[i].unread.iter());
    }

    /// Files outside the source are let go after a while.
    pub fn waited(&mut self, seconds: u16) {
        if seconds > 300 {
            self.rotated = None;
        }
    }

    /// The process is gone, and with it what only it could reach.
    pub fn ended(&mut self) {
        // The next run knows a copy by its name and by what is stored of its original, which may be nothing yet.
        let is_by_name = |copy: &&Copy| self.names.get(&copy.name) == Some(&copy.original);
        let strange = self.in_making.iter().filter(|copy| !is_by_name(copy));
        self.may_repeat.extend(strange.flat_map(|copy| numbers_in(&copy.path)));
        for i in 0..self.inodes.len() {
            if self.inodes[i].beside.take().is_some() {
                self.goes_astray(i);
            }
            let named = self.names.values().any(|led| *led == i);
            let inode = &mut self.inodes[i];
            inode.held = false;
            if !named {
                inode.unread.clear();
            }
        }
        self.forget_news();
    }

    /// `watched` says whether a reader runs.
    pub fn step(&mut self, op: Op, watched: bool) {
        match op {
            Op::Write(file, text) => self.write(&self.name(file), text),
            Op::WriteLate => {
                if let Some(path) = self.rotated.clone() {
                    self.write(&path, Text::Lines(1));
                }
            }
            Op::RotateOut(file) => self.rotate(file, "log."),
            Op::RotateIn(file) => self.rotate(file, "in.log"),
            Op::CopyTruncate(file) => self.copy_truncate(file, watched),
            Op::Truncate(file) => {
                if let Some(i) = self.inode(file) {
                    self.goes(&self.name(file), watched);
                    fs::write(self.name(file), "").unwrap();
                    self.inodes[i].unread.clear();
                    self.inodes[i].truncated();
                    self.news.paths.insert(self.name(file));
                }
            }
            Op::Delete(file) => {
                if self.inode(file).is_some() {
                    self.goes(&self.name(file), watched);
                    fs::remove_file(self.name(file)).unwrap();
                    self.unname(&self.name(file), watched);
                    self.news.paths.insert(self.name(file));
                }
            }
            Op::Replace(file) => self.replace(file, watched),
            Op::Restore(file) => self.restore(file, watched),
            Op::HardLink(file) => {
                if let Some(i) = self.inode(file) {
                    let link = self.fresh("link.log");
                    fs::hard_link(self.name(file), &link).unwrap();
                    self.names.insert(link.clone(), i);
                    self.news.paths.insert(link);
                }
            }
            Op::NewFile => {
                let dir = self.fresh("dir");
                fs::create_dir(&dir).unwrap();
                self.write(&dir.join("new.log"), Text::Lines(1));
                self.news.paths.insert(dir);
            }
            other => unreachable!("{other:?} is the reader's"),
        }
    }

    fn name(&self, file: u8) -> PathBuf {
        self.logs.join(format!("{file}.log"))
    }

    fn inode(&self, file: u8) -> Option<usize> {
        self.names.get(&self.name(file)).copied()
    }

    /// A name that was never used.
    fn fresh(&mut self, ending: &str) -> PathBuf {
        self.next += 1;
        self.logs.join(format!("{}.{ending}", self.next))
    }

    fn write(&mut self, path: &Path, text: Text) {
        let i = *self.names.entry(path.to_path_buf()).or_insert_with(|| {
            self.inodes.push(Inode::default());
            self.inodes.len() - 1
        });
        let mut bytes = Vec::new();
        if let Some((number, rest)) = self.inodes[i].open_line.take() {
            bytes.extend_from_slice(rest.as_bytes());
            self.inodes[i].unread.push(number);
        }
        self.text(i, text, &mut bytes);
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(&bytes).unwrap();
        self.news.paths.insert(path.to_path_buf());
    }

    fn text(&mut self, i: usize, text: Text, bytes: &mut Vec<u8>) {
        let n = self.next;
        self.next += 1;
        let inode = &mut self.inodes[i];
        inode.unread.push(n);
        inode.telling |= !matches!(text, Text::Piece(_) | Text::Continuation);
        match text {
            Text::Lines(count) => {
                bytes.extend(failure(n).bytes());
                for _ in 1..count {
                    inode.unread.push(self.next);
                    bytes.extend(failure(self.next).bytes());
                    self.next += 1;
                }
            }
            Text::Crlf => bytes.extend(failure(n).replace('\n', "\r\n").bytes()),
            Text::Piece(percent) => {
                inode.unread.pop();
                let mut line = failure(n);
                let rest = line.split_off(line.len() * usize::from(percent) / 100);
                bytes.extend(line.bytes());
                inode.open_line = Some((n, rest));
            }
            Text::Calm | Text::Continuation => {
                inode.unread.pop();
                let start = if matches!(text, Text::Calm) { "2026-07-01 12:00:00 INFO paid" } else { "\tat shop.Pay" };
                bytes.extend(format!("{start} {n}\n").bytes());
            }
            // What it ends with tells a copy of it from another file.
            Text::Long => {
                let rest = format!("{} 2026-07-01 12:00:00 request 20260701{n:012}\n", "x".repeat(1_200_000));
                bytes.extend(failure(n).replace('\n', &rest).bytes());
            }
            Text::Zeros => {
                bytes.extend([0; 700]);
                bytes.extend(failure(n).bytes());
            }
            Text::Garbage => {
                bytes.extend(failure(n).trim_end().bytes());
                bytes.extend(b" \xff\xfe\x1b[31m\n");
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        fs::rename(from, to).unwrap();
        let i = self.names.remove(from).unwrap();
        self.names.insert(to.to_path_buf(), i);
        self.news.renames.push((from.to_path_buf(), to.to_path_buf()));
        self.news.paths.extend([from.to_path_buf(), to.to_path_buf()]);
    }

    fn rotate(&mut self, file: u8, ending: &str) {
        if self.inode(file).is_none() {
            return;
        }
        self.next += 1;
        let (from, n) = (self.name(file), self.next);
        let to = if ending == "log." { format!("{file}.log.{n}") } else { format!("{file}-{n}.{ending}") };
        let to = self.logs.join(to);
        self.rename(&from, &to);
        if !is_listed(&to) {
            self.rotated = Some(to);
        }
    }

    /// The copy has what nobody has read. If the reader has seen nothing of it before by which to tell it, it finds it only if it
    /// knew what the file held before.
    fn copy_truncate(&mut self, file: u8, watched: bool) {
        let Some(i) = self.inode(file) else { return };
        self.next += 1;
        let copy = self.logs.join(format!("{file}.log.{}", self.next));
        fs::copy(self.name(file), &copy).unwrap();
        self.goes(&self.name(file), watched);
        fs::write(self.name(file), "").unwrap();
        let name = self.name(file);
        let original = &mut self.inodes[i];
        let unread = std::mem::take(&mut original.unread);
        let is_unseen = watched && !original.known;
        let beside = (is_unseen && original.changed).then(|| (name.clone(), i));
        let is_stray = is_unseen && beside.is_none();
        original.truncated();
        self.news.paths.extend([name, copy.clone()]);
        self.names.insert(copy, self.inodes.len());
        self.inodes.push(Inode { unread, beside, ..Inode::default() });
        if is_stray {
            self.goes_astray(self.inodes.len() - 1);
        }
    }

    fn replace(&mut self, file: u8, watched: bool) {
        if self.inode(file).is_none() {
            return;
        }
        let new = self.fresh("tmp");
        self.write(&new, Text::Lines(2));
        self.goes(&self.name(file), watched);
        self.unname(&self.name(file), watched);
        self.rename(&new, &self.name(file));
    }

    /// The same bytes in a new file.
    fn restore(&mut self, file: u8, watched: bool) {
        let copy = self.fresh("tmp");
        if self.copy(file, &copy) {
            self.put_in_place(&copy, file, watched);
        }
    }

    /// The same, under a name of the source.
    pub fn edited(&mut self, file: u8) -> Option<PathBuf> {
        let copy = self.fresh("sed.log");
        self.copy(file, &copy).then_some(copy)
    }

    /// Appends all of it, which was read, to what was kept of it before. False if it does not end with a line, or has none by which
    /// it can be known.
    pub fn archived(&mut self, file: u8) -> bool {
        let is_whole = |inode: &Inode| inode.known && inode.open_line.is_none();
        if !self.inode(file).is_some_and(|i| is_whole(&self.inodes[i])) {
            return false;
        }
        let archive = self.logs.join(format!("{file}.log.archive.log"));
        let bytes = fs::read(self.name(file)).unwrap();
        let mut kept = OpenOptions::new().append(true).create(true).open(&archive).unwrap();
        kept.write_all(&bytes).unwrap();
        self.news.paths.insert(archive.clone());
        if !self.names.contains_key(&archive) {
            self.names.insert(archive, self.inodes.len());
            self.inodes.push(Inode { telling: true, ..Inode::default() });
        }
        true
    }

    /// Half of a copy, under a name of the source; returns also the other half.
    pub fn half_copied(&mut self, file: u8) -> Option<(PathBuf, Vec<u8>)> {
        self.next += 1;
        let copy = self.logs.join(format!("{file}-{}.log", self.next));
        if !self.copy(file, &copy) {
            return None;
        }
        let mut bytes = fs::read(&copy).unwrap();
        let (path, name, size) = (copy.clone(), self.name(file), bytes.len() as u64);
        self.in_making.push(Copy { path, original: self.inode(file)?, name, size });
        let rest = bytes.split_off(bytes.len() / 2);
        fs::write(&copy, bytes).unwrap();
        Some((copy, rest))
    }

    pub fn complete(&mut self, copy: &Path, rest: &[u8]) {
        OpenOptions::new().append(true).open(copy).unwrap().write_all(rest).unwrap();
        self.news.paths.insert(copy.to_path_buf());
    }

    /// A copy with all that is left to read. If the reader has seen nothing of its lines before, it cannot know them. Who
    /// has another name is there still, beside its copy.
    fn copy(&mut self, file: u8, to: &Path) -> bool {
        let Some(i) = self.inode(file).filter(|&i| self.inodes[i].known) else { return false };
        if self.names.values().filter(|&&led| led == i).count() > 1 {
            return false;
        }
        fs::copy(self.name(file), to).unwrap();
        let original = &self.inodes[i];
        let (unread, open_line) = (original.unread.clone(), original.open_line.clone());
        self.names.insert(to.to_path_buf(), self.inodes.len());
        self.inodes.push(Inode { unread, open_line, telling: true, ..Inode::default() });
        self.news.paths.insert(to.to_path_buf());
        true
    }

    pub fn put_in_place(&mut self, copy: &Path, file: u8, watched: bool) {
        self.goes(&self.name(file), watched);
        self.unname(&self.name(file), watched);
        self.rename(copy, &self.name(file));
    }

    /// What this name leads to is about to be destroyed. If it has grown since it was copied, what is stored of it proves nothing
    /// about the copy; only a reader that runs still knows.
    fn goes(&mut self, path: &Path, watched: bool) {
        let (Some(&i), Ok(metadata)) = (self.names.get(path), fs::metadata(path)) else { return };
        if watched {
            return;
        }
        let copies = self.in_making.iter().filter(|copy| copy.original == i && metadata.len() > copy.size);
        self.may_repeat.extend(copies.flat_map(|copy| numbers_in(&copy.path)));
    }

    /// What nobody holds open is gone with its last name.
    fn unname(&mut self, path: &Path, watched: bool) {
        let Some(i) = self.names.remove(path) else { return };
        let gone = !self.names.values().any(|led| *led == i);
        let inode = &mut self.inodes[i];
        if gone && !(watched && inode.held) {
            inode.unread.clear();
        }
    }
}

fn numbers_in(path: &Path) -> Vec<u64> {
    let text = fs::read(path).unwrap_or_default();
    let orders = String::from_utf8_lossy(&text);
    let orders = orders.split("out_trade_no=N").skip(1);
    orders.filter_map(|order| order.get(..8)?.parse().ok()).collect()
}

fn is_listed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}
