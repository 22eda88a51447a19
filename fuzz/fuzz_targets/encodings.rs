//! Decoding a record never fails, never grows without bound, and keeps its lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paytriage::record::words::Worded;
use paytriage::record::{Charset, Text, level, time};

fuzz_target!(|record: &[u8]| {
    for charset in [Charset::Auto, Charset::Utf8, Charset::Gbk] {
        let text = Text::decode(record, charset);
        // A byte becomes at most one character of three bytes (U+FFFD), or one of GB18030's.
        assert!(text.text.len() <= record.len() * 3 + 2);
        let n_lines = record.split_inclusive(|&b| b == b'\n').count();
        assert_eq!(text.n_lines, n_lines);
        for at in [0, text.text.len() / 2, text.text.len()] {
            assert!(text.line_of(at) < n_lines.max(1));
        }
        level(&Worded::new(&text.text));
        time(&text, &jiff::tz::TimeZone::UTC, jiff::Timestamp::UNIX_EPOCH);
    }
});
