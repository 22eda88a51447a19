//! Whatever journalctl writes is read in bounded memory, and the same however it arrives.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use paytriage::source::journal::Entry;
use paytriage::source::journal::export::read;

const MAX_MESSAGE: usize = 1024 * 1024;

fn entries(bytes: &[u8], chunk: usize) -> Vec<Entry> {
    let mut from = BufReader::with_capacity(chunk, bytes);
    std::iter::from_fn(|| read(&mut from).ok().flatten()).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let whole = entries(bytes, bytes.len().max(1));
    assert!(whole.iter().all(|entry| entry.message.len() <= MAX_MESSAGE));
    assert_eq!(whole, entries(bytes, 3));
});
