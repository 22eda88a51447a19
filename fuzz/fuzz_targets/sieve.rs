//! The sieve finds the lines with candidates that are found by trying each place, and all of them piece by piece too.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use paytriage::catalog::Catalog;
use paytriage::detect::Detector;

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let catalog = Catalog::builtin();
    Detector::new(catalog.codes(), catalog.code_fields(), catalog.messages())
});
static LITERALS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| DETECTOR.literals().collect());

/// Bytes, in which a `$` and the two behind it stand for one of the literals: these are too long to be met by chance.
fn with_literals(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'$', high, low, behind @ ..] => {
                let number = usize::from(u16::from_be_bytes([*high, *low]));
                text.extend_from_slice(&LITERALS[number % LITERALS.len()]);
                behind
            }
            [byte, behind @ ..] => {
                text.push(*byte);
                behind
            }
            [] => return text,
        }
    }
}

fn line_of(buffer: &[u8], at: usize) -> usize {
    buffer[..at].iter().filter(|&&byte| byte == b'\n').count()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let buffer = with_literals(bytes);
    let expected: BTreeSet<usize> =
        (0..buffer.len()).filter(|&at| DETECTOR.begins_at(&buffer, at)).map(|at| line_of(&buffer, at)).collect();
    let found: Vec<usize> = DETECTOR.candidates(&buffer, 0).map(|at| line_of(&buffer, at)).collect();
    assert_eq!(found, expected.iter().copied().collect::<Vec<_>>());
    let mut in_pieces = BTreeSet::new();
    let mut start = 0;
    while start < buffer.len() {
        let from = (start + usize::from(size)).min(buffer.len() - 1);
        let end = buffer[from..].iter().position(|&byte| byte == b'\n').map_or(buffer.len(), |lf| from + lf + 1);
        in_pieces.extend(DETECTOR.candidates(&buffer[..end], start).map(|at| line_of(&buffer, at)));
        start = end;
    }
    assert!(in_pieces.is_superset(&expected));
});
