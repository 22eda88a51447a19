//! The structure of the source: which module may import which, and what the pure ones must not know.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import from the crate. Whatever is not listed is a way back or a short cut.
const IMPORTS: &[(&str, &[&str])] = &[
    ("provider", &[]),
    ("block", &[]),
    ("visible", &["block"]),
    ("identity", &[]),
    ("exit", &[]),
    ("about", &["store", "wire"]),
    ("cli", &["about"]),
    ("catalog", &["provider"]),
    ("detect", &[]),
    ("record", &["block"]),
    ("redact", &["record", "visible"]),
    ("event", &["catalog", "provider", "record", "redact"]),
    ("diagnose", &["catalog", "detect", "event", "provider", "record"]),
    ("pipeline", &["catalog", "detect", "diagnose", "event", "provider", "record", "redact"]),
    ("notice", &["catalog", "event", "pipeline", "provider", "record", "redact"]),
    ("wire", &["block", "catalog", "event", "record", "redact", "visible"]),
    ("config", &["catalog", "provider", "record"]),
    ("incident", &["catalog", "config", "event", "notice", "provider", "wire"]),
    ("input", &["identity"]),
    ("source", &["config", "identity", "record", "visible"]),
    ("secret", &["config"]),
    ("when", &[]),
    ("store", &["config", "event", "identity", "notice", "pipeline", "source"]),
    ("deliver", &["catalog", "config", "event", "incident", "notice", "render", "secret", "store", "visible"]),
    ("telemetry", &["about", "event", "identity", "notice", "provider", "record", "source"]),
    ("http", &["catalog", "config", "incident", "record", "secret", "source", "store", "telemetry", "when", "wire"]),
    (
        "doctor",
        &[
            "config", "deliver", "event", "http", "identity", "pipeline", "record", "render", "source", "store",
            "visible",
        ],
    ),
    ("service", &["telemetry"]),
    ("render", &["catalog", "diagnose", "event", "record", "redact", "visible"]),
    (
        "daemon",
        &[
            "catalog",
            "config",
            "deliver",
            "doctor",
            "event",
            "http",
            "identity",
            "incident",
            "notice",
            "pipeline",
            "record",
            "service",
            "source",
            "store",
            "telemetry",
            "wire",
        ],
    ),
];

/// Modules that take bytes and a clock value and nothing else.
const PURE: [&str; 7] = ["catalog", "detect", "record", "diagnose", "redact", "pipeline", "incident"];

/// What a pure module must not know, and why.
const IMPURE: [(&str, &str); 9] = [
    ("std::fs", "files"),
    ("std::io::", "streams"),
    ("std::net", "sockets"),
    ("std::thread", "threads"),
    ("std::env", "the environment"),
    ("Instant::now", "the clock"),
    ("SystemTime", "the clock"),
    ("Timestamp::now", "the clock"),
    ("tracing::", "the log"),
];

/// A long file is a table or has several ideas in it.
const MAX_LINES: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files.sort();
    files
}

/// The top-level module of a file: `record` for `src/record/line.rs` and `src/record.rs`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file without its tests and its comments.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Tests may use whatever shows what they are about.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn modules_import_only_what_stands_before_them() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let names = regex::Regex::new(r"crate::(?:\{([^}]*)\}|([a-z_]+))").unwrap();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        if matches!(own.as_str(), "lib" | "main" | "commands") || is_test(&path) {
            continue;
        }
        let may = allowed.get(own.as_str()).unwrap_or_else(|| panic!("{own} is not in the table of modules"));
        for found in names.captures_iter(&code(&text)) {
            let list = found.get(1).or(found.get(2)).map_or("", |m| m.as_str());
            for name in list.split(',').map(|item| item.trim().split("::").next().unwrap_or_default()) {
                if !name.is_empty() && name != own && !may.contains(&name) {
                    wrong.push(format!("{}: imports {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_two_modules_import_each_other() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    for (module, imports) in &allowed {
        for import in *imports {
            let back = allowed.get(import).is_some_and(|theirs| theirs.contains(module));
            assert!(!back, "{module} and {import} import each other");
        }
    }
}

#[test]
fn pure_modules_know_no_outside() {
    let mut wrong = Vec::new();
    let is_pure = |path: &Path| PURE.contains(&module(path).as_str()) && !is_test(path);
    for (path, text) in sources().into_iter().filter(|(path, _)| is_pure(path)) {
        let code = code(&text);
        wrong.extend(
            IMPURE
                .iter()
                .filter(|(name, _)| code.contains(name))
                .map(|(name, what)| format!("{}: {name} ({what})", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_has_one_idea() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with what it is for", path.display());
        let lines = code(&text).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines of code", path.display());
    }
}
