//! Reading words, fields, codes and ids of any text never fails, and what is found stands in the text.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use paytriage::catalog::Catalog;
use paytriage::diagnose::{Diagnoser, Hints, Providers};
use paytriage::record::words::{self, Worded};

static DIAGNOSER: LazyLock<Diagnoser> = LazyLock::new(|| Diagnoser::new(Arc::new(Catalog::builtin())));

fuzz_target!(|text: &str| {
    for word in words::words(text) {
        assert!(text.get(word.clone()).is_some());
        if let Some(value) = words::value_after(text, word.end) {
            assert!(value.start >= word.end && text.get(value).is_some());
        }
    }
    let record = Worded::new(text);
    assert!(record.words().iter().map(words::Word::range).eq(words::words(text)));
    let hints = Hints { provider: None, of_path: Providers::named_in("wxpay.log") };
    for occurrence in DIAGNOSER.examine(&record, hints) {
        assert!(text.get(occurrence.range).is_some());
        assert!(occurrence.code.len() <= 128 && !occurrence.code.is_empty());
    }
    for finding in DIAGNOSER.diagnose(&record, hints) {
        assert!(finding.occurrence.verdict.is_ok());
        assert!(finding.ids.out_trade_no.is_none_or(|order| text.contains(&order)));
    }
});
