//! Prepares what takes too long for each start: the built-in catalogue, read and checked, the grams by which codes and messages
//! are looked for, and the whole plan of the search for its own; and notes which build this is.

#![allow(dead_code, unused_imports)]

#[path = "src/catalog/mod.rs"]
mod catalog;
/// What of it is needed to plan a search.
#[path = "src/detect"]
mod detect {
    pub mod anchor;
    pub mod context;
    pub mod encode;
    pub mod escaped;
    pub mod gram;
    pub mod literal;
    pub mod plan;
    pub mod prepare;
    pub mod store;
    pub mod stored;
    pub mod value;
}
#[path = "src/provider.rs"]
mod provider;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use detect::escaped::Escaped;
use detect::plan::Plan;
use detect::prepare::{self, Training};
use detect::{store, stored};
use sha2::{Digest, Sha256};

/// Where the texts are that grams are judged by, and how much they count: what logs hold most first.
const TRAINING: [(&str, u32); 4] = [("data/samples", 3), ("data/training", 6), ("data/guides", 1), ("data/catalog", 1)];
/// How much made-up identifiers count beside them, and how many bytes of them there are.
const IDENTIFIERS: u32 = 3;
const IDENTIFIER_BYTES: usize = 256 * 1024;

fn main() {
    println!("cargo::rustc-cfg=prepared");
    for path in
        ["data/catalog", "data/guides", "data/training", "src/catalog", "src/detect", "src/provider.rs", "build.rs"]
    {
        println!("cargo::rerun-if-changed={path}");
    }
    let catalog = catalog::Catalog::from_sources();
    let problems = catalog.check();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "the catalogue has problems:\n{}", lines.join("\n"));
    let json = catalog.prepare().expect("a catalogue can be written as JSON");
    tell_about(&catalog, &json);
    write("catalog.json", json);
    let training = training();
    let frequencies = prepare::frequencies(&training);
    let wanted = detect::literal::wanted(catalog.codes(), catalog.code_fields(), catalog.messages(), &frequencies);
    let grams = prepare::prepare(&wanted.literals, frequencies, &training);
    write("grams.bin", prepare::to_bytes(&grams));
    let escaped = Escaped::new(&wanted.escaped);
    let texts = stored::texts(catalog.codes(), catalog.code_fields(), catalog.messages());
    write("search.bin", store::to_bytes(&texts, &Plan::of(wanted, &grams), &escaped));
}

/// What `src/about.rs` says of this build.
fn tell_about(catalog: &catalog::Catalog, json: &[u8]) {
    println!("cargo::rerun-if-env-changed=PAYTRIAGE_COMMIT");
    let commit = std::env::var("PAYTRIAGE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let rustc = Command::new(rustc).arg("--version").output().expect("rustc can be run");
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    let version: String = Sha256::digest(json).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let (entries, codes) =
        (catalog.entries().len(), catalog.entries().iter().map(|entry| entry.codes.len()).sum::<usize>());
    println!("cargo::rustc-env=PAYTRIAGE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=PAYTRIAGE_TARGET={target}");
    println!("cargo::rustc-env=PAYTRIAGE_RUSTC={}", rustc.split_whitespace().nth(1).unwrap_or("unknown"));
    println!("cargo::rustc-env=PAYTRIAGE_CATALOG={version}");
    println!("cargo::rustc-env=PAYTRIAGE_CATALOG_SIZE={entries} entries, {codes} codes");
}

fn write(name: &str, bytes: Vec<u8>) {
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join(name), bytes).expect("OUT_DIR can be written");
}

fn training() -> Vec<Training> {
    let mut texts: Vec<Training> = TRAINING.iter().map(|&(dir, weight)| (read_all(dir), weight)).collect();
    texts.push((identifiers(&texts), IDENTIFIERS));
    texts
}

/// All files of a directory, in the order of their names, so that each build gives the same.
fn read_all(dir: &str) -> Vec<u8> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{dir}: {error}"));
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().flat_map(|path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

/// Identifiers as programs have them, in both cases, at random from the words of `texts`: half of what is logged, and the worst
/// that can happen to a search for codes.
fn identifiers(texts: &[Training]) -> Vec<u8> {
    let words = texts.iter().flat_map(|(text, _)| text.split(|b| !b.is_ascii_alphabetic()));
    let words: BTreeSet<Vec<u8>> =
        words.filter(|word| (3..14).contains(&word.len())).map(<[u8]>::to_ascii_lowercase).collect();
    let words: Vec<Vec<u8>> = words.into_iter().collect();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n.max(1) as u64) as usize
    };
    let mut text = Vec::new();
    while text.len() < IDENTIFIER_BYTES && !words.is_empty() {
        let n_words = 2 + draw(4);
        let capitals = draw(2) == 0;
        for _ in 0..n_words {
            let word = &words[draw(words.len())];
            text.extend(word.iter().map(|b| if capitals { b.to_ascii_uppercase() } else { *b }));
            text.push(b'_');
        }
        text.pop();
        text.push(b" =:,"[draw(4)]);
    }
    text
}
