//! Prepares the built-in catalogue: reads and checks its files once, so that the program does not have to at each start.

#![allow(dead_code, unused_imports)]

#[path = "src/catalog/mod.rs"]
mod catalog;
#[path = "src/provider.rs"]
mod provider;

use std::path::Path;

fn main() {
    println!("cargo::rustc-cfg=prepared");
    for path in ["data/catalog", "data/guides", "src/catalog", "src/provider.rs", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let catalog = catalog::Catalog::from_sources();
    let problems = catalog.check();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "the catalogue has problems:\n{}", lines.join("\n"));
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let bytes = catalog.prepare().expect("a catalogue can be written as JSON");
    std::fs::write(Path::new(&out).join("catalog.json"), bytes).expect("OUT_DIR can be written");
}
