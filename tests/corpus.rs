//! The logs that benches measure with are what they say: the same each time, and with exactly the errors they promise.

#[path = "../benches/corpus/mod.rs"]
mod logs;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::cli_env::Env;
use logs::{Contents, Kind, words};

/// Enough for every form of line, and quick without optimisation.
const PART: u64 = 1 << 20;

fn made(kind: Kind<'_>, size: u64) -> (Vec<u8>, Contents) {
    let mut bytes = Vec::new();
    let contents = logs::write(kind, size, &mut bytes).unwrap();
    (bytes, contents)
}

/// Lines of the log, by number, and how many events each has.
fn events(bytes: &[u8]) -> BTreeMap<u64, usize> {
    let env = Env::new();
    env.write("shop.log", bytes);
    let mut lines = BTreeMap::new();
    for event in env.run(&["scan", "--format", "json", "shop.log"]).code(0).events() {
        *lines.entry(event["source"]["line"].as_u64().unwrap()).or_default() += 1;
    }
    lines
}

#[test]
fn logs_are_the_same_everywhere() {
    let unseen = words::unseen();
    let kinds =
        [("mixed", Kind::Mixed), ("clean", Kind::Clean), ("storm", Kind::Storm), ("snake", Kind::Snake(&unseen))];
    let hashes = kinds.map(|(name, kind)| {
        let (bytes, contents) = made(kind, PART);
        assert_eq!(contents.bytes, bytes.len() as u64);
        assert_eq!(contents.lines, bytes.iter().filter(|&&byte| byte == b'\n').count() as u64);
        let hash = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{name} {hash}")
    });
    let expected =
        ["mixed 922545b111dd10fc", "clean 0282bd3d65d31723", "storm 569d270c082141b0", "snake 734f4dd0a40f3e7d"];
    assert_eq!(hashes, expected);
}

#[test]
fn every_fifth_line_of_a_storm_is_an_event() {
    let (bytes, contents) = made(Kind::Storm, PART);
    let expected: BTreeMap<u64, usize> = (1..=contents.lines / 5).map(|n| (n * 5, 1)).collect();
    assert_eq!(contents.errors, contents.lines / 5);
    assert_eq!(events(&bytes), expected);
}

#[test]
fn one_line_in_a_thousand_of_a_mixed_log_is_an_event() {
    let (bytes, contents) = made(Kind::Mixed, PART);
    let found = events(&bytes);
    assert_eq!(found.len() as u64, contents.errors);
    assert!(found.values().all(|&n| n == 1), "{found:?}");
    let share = contents.errors as f64 / contents.lines as f64;
    assert!((0.0005..0.002).contains(&share), "{contents:?}");
}

#[test]
fn clean_logs_and_identifiers_hold_no_event() {
    let unseen = words::unseen();
    assert_eq!(events(&made(Kind::Clean, PART).0), BTreeMap::new());
    assert_eq!(events(&made(Kind::Snake(&unseen), PART).0), BTreeMap::new());
}
