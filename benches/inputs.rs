//! The files that a run needs: logs, literals, catalogues and configurations. They are made in a directory that is removed at
//! the end, by a child of this program: a child's peak of memory counts from that of its parent, which must stay small.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use paytriage::catalog::Catalog;
use paytriage::pipeline::Engine;
use paytriage::redact::Redactor;
use tempfile::TempDir;

use crate::corpus::{self, Kind, words};
use crate::{Options, child, rivals};

/// What a user's catalogue has grown to, and what a small one has.
const MANY: usize = 20_000;
const FEW: usize = 300;

/// Of a log, for who is too slow for all of it.
const PART: u64 = 8 << 20;

pub struct Inputs {
    directory: TempDir,
    pub rg: Option<PathBuf>,
}

impl Inputs {
    pub fn make(options: &Options) -> Inputs {
        let directory = tempfile::tempdir().expect("a directory for logs");
        let rg = rivals::version_of(&options.rg);
        let bytes = options.bytes().to_string();
        child::cost(&mut rivals::own("inputs", &[directory.path(), Path::new(&bytes)]));
        let inputs = Inputs { directory, rg: rg.as_ref().map(|_| options.rg.clone()) };
        println!(
            "{} MiB each log, {} rounds; {} literals, of which {} are UTF-8 and so can be given to {}",
            options.bytes() >> 20,
            options.n_rounds(),
            inputs.n_literals("full"),
            read_literals(&inputs.path("full.utf8")).len(),
            rg.as_deref().unwrap_or("ripgrep"),
        );
        inputs
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    pub fn n_literals(&self, name: &str) -> usize {
        read_literals(&self.path(&format!("{name}.literals"))).len()
    }

    /// An empty directory, or one to be made.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if path.exists() {
            fs::remove_dir_all(&path).expect("our own directory");
        }
        path
    }
}

pub fn size_of(path: &Path) -> u64 {
    fs::metadata(path).expect("the file was written").len()
}

/// One literal a line: none has a line end in it.
pub fn read_literals(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("literals were written");
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Writes everything.
pub fn write(directory: &Path, bytes: u64) {
    let catalog = Catalog::builtin();
    let full = literals_of(catalog.clone());
    write_literals(directory, "full", &full);
    write_few(directory, &catalog);
    write_many(directory, catalog.clone(), full.len());

    let unseen = words::unseen();
    let known = known_words(&catalog, &full);
    let logs = [
        ("mixed", Kind::Mixed, bytes),
        ("half-1", Kind::Mixed, bytes / 2),
        ("half-2", Kind::Mixed, bytes / 2),
        ("clean", Kind::Clean, bytes),
        ("storm", Kind::Storm, bytes / 4),
        ("short", Kind::Storm, 8 << 10),
        ("snake", Kind::Snake(&unseen), bytes),
        ("snake-known", Kind::Snake(&known), bytes),
    ];
    for (name, kind, bytes) in logs {
        write_log(&directory.join(format!("{name}.log")), kind, bytes);
        write_log(&directory.join(format!("{name}-part.log")), kind, bytes.min(PART));
    }
}

/// Writes one log to the disk, so that nobody has to while others are measured; it stays in the page cache.
pub fn write_log(path: &Path, kind: Kind<'_>, bytes: u64) {
    let mut out = BufWriter::new(File::create(path).expect("a log can be made"));
    corpus::write(kind, bytes, &mut out).expect("the disk has room");
    let file = out.into_inner().expect("the disk has room");
    file.sync_all().expect("the disk takes it");
}

fn literals_of(catalog: Catalog) -> Vec<Vec<u8>> {
    let engine = Engine::new(Arc::new(catalog), Redactor::disabled());
    let literals: BTreeSet<Vec<u8>> = engine.detector().literals().collect();
    literals.into_iter().collect()
}

fn write_literals(directory: &Path, name: &str, literals: &[Vec<u8>]) {
    let join =
        |literals: &[&[u8]]| literals.iter().flat_map(|literal| [literal, &b"\n"[..]].concat()).collect::<Vec<_>>();
    let all: Vec<&[u8]> = literals.iter().map(Vec::as_slice).collect();
    let utf8: Vec<&[u8]> = all.iter().copied().filter(|literal| std::str::from_utf8(literal).is_ok()).collect();
    fs::write(directory.join(format!("{name}.literals")), join(&all)).expect("the disk has room");
    fs::write(directory.join(format!("{name}.utf8")), join(&utf8)).expect("the disk has room");
}

/// A configuration that leaves about [`FEW`] literals.
fn write_few(directory: &Path, catalog: &Catalog) {
    let ids: Vec<_> = catalog.entries().iter().map(|entry| entry.id.clone()).collect();
    let with_first = |n: usize| literals_of(catalog.clone().without(&ids[n..]).expect("entries of the catalogue"));
    let sizes: Vec<usize> = (0..ids.len()).collect();
    let n = sizes.partition_point(|&n| with_first(n).len() < FEW);
    write_literals(directory, "few", &with_first(n));
    let disabled: Vec<String> = ids[n..].iter().map(|id| format!("\"{}\"", id.0)).collect();
    let config = format!("[catalog]\ndisable = [{}]\n", disabled.join(", "));
    fs::write(directory.join("few.toml"), config).expect("the disk has room");
}

/// A user's catalogue with which there are [`MANY`] literals: codes of words that nobody writes.
fn write_many(directory: &Path, catalog: Catalog, n_own: usize) {
    let syllables =
        ["KO", "VA", "RU", "PE", "LI", "TO", "MAZ", "DEN", "SIK", "BOR", "FUL", "GAW", "HYN", "JOX", "QUE", "ZIP"];
    let code = |n: usize| {
        let digit = |place: u32| syllables[n * 7919 / 16_usize.pow(place) % 16];
        format!("{}{}{}_{}{}", digit(0), digit(1), digit(2), digit(3), digit(4))
    };
    let codes: Vec<String> = (0..MANY - n_own).map(|n| format!("\"{}\"", code(n))).collect();
    let mut text = String::new();
    for (n, codes) in codes.chunks(20).enumerate() {
        text += &format!(
            "[[entry]]\nid = \"own.{n}\"\nprovider = \"alipay\"\ncodes = [{}]\nspecificity = \"distinctive\"\n\
             category = \"system\"\nseverity = \"error\"\nact = \"provider\"\nadvice = \"retry_later\"\nretry = \"later\"\n\
             title.en = \"Own {n}\"\ncause.en = \"One of our own.\"\noperator.en = [\"Look at our own pages.\"]\n\
             payer.en = [\"Please try again later.\"]\n\n",
            codes.join(", ")
        );
    }
    let path = directory.join("many.toml");
    fs::write(&path, &text).expect("the disk has room");
    let catalog = catalog.with_files(&[("many.toml", text.as_str())]);
    let catalog = catalog.unwrap_or_else(|problems| panic!("{}", problems[0]));
    write_literals(directory, "many", &literals_of(catalog));
}

/// Identifiers of the words of codes that hold no literal themselves.
fn known_words(catalog: &Catalog, literals: &[Vec<u8>]) -> Vec<String> {
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(literals).expect("a small automaton");
    let codes = catalog.entries().iter().flat_map(|entry| &entry.codes).map(|code| code.text.as_str());
    let parts = codes.flat_map(|code| code.split(|c: char| !c.is_ascii_alphabetic()));
    let words = parts.filter(|part| part.len() > 2).map(str::to_ascii_lowercase).collect();
    words::identifiers(&words, |name| !automaton.is_match(name))
}
