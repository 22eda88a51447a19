//! What is a candidate, and that the sieve lets all of them pass.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;

fn found(text: &str) -> bool {
    let detector = Detector::new(
        ["SYSTEM_BUSY", "51"].into_iter(),
        ["refund_status"].into_iter(),
        ["余额不足", "Risk Detected"].into_iter(),
    );
    detector.candidates(text.as_bytes(), 0).next().is_some()
}

#[test]
fn codes_messages_families_and_fields_are_candidates() {
    for line in [
        "error SYSTEM_BUSY on order 1",
        "risk  detected",
        "sub_msg=%E4%BD%99%E9%A2%9D%E4%B8%8D%E8%B6%B3",
        "x ACQ.NEW_CODE y",
        r#"{"code":"NEW_CODE","message":"m"}"#,
        r#"{\"err_code\": \"NEW_CODE\"}"#,
        "%22subCode%22%3A%20%22NEW_CODE%22",
        "<err_code><![CDATA[NEW_CODE]]></err_code>",
        "respCode=34&respMsg=x",
        "declineCode=R3 order=1",
        "respCode=6P&respMsg=x",
        "{\"ccAuthReply_merchantAdviceCode\":\"1\"}",
        "Pay Error code: NEW_CODE, message",
        "2026-11-23T01:42:30.15Z stdout P half a line",
        r#"{"log":"half a line","stream":"stdout","time":"2026-11-23T01:42:30.15Z"}"#,
        "错误码：NEW_CODE",
        "resultStatus={6001};memo={x}",
        r#"{"refundStatus":"CLOSED"}"#,
        "Request-ID: [08F78BB5BF0610930218A5CDD4F90520CF05-268435462]",
    ] {
        assert!(found(line), "{line}");
    }
}

#[test]
fn ordinary_lines_are_not() {
    for line in [
        "GET /cart HTTP/1.1 200",
        "decoded 12 frames",
        r#"{"log":"a line\n","stream":"stdout","time":"2026-11-23T01:42:30.15Z"}"#,
        "barcode scanned: ok",
        r#"{"code":null}"#,
        "exit code: none",
        "exitCode=A1",
        "has Detected Risky behaviour, SYSTEM_BUSYNESS, system_busy",
        "alipay ok code=10000 msg=Success",
        "StatusCode: 200, result_code=SUCCESS",
        "encoded as utf-8",
        "refund_status=SUCCESS",
        "Request-ID: [08F78BB5BF0610930218A5CDD4F90520CF05-0]",
    ] {
        assert!(!found(line), "{line}");
    }
}

#[test]
fn every_code_and_message_is_found_in_every_form() {
    let catalog = Catalog::builtin();
    let is_found = |form: &[u8]| {
        let line = [b"x: ", form, b" y\n"].concat();
        BUILTIN.candidates(&line, 0).next().is_some()
    };
    let missed =
        |text: &str, form: &[u8]| (!is_found(form)).then(|| (text.to_owned(), form.escape_ascii().to_string()));
    let of_message = |message: &str| {
        // Of what is found by ASCII no escapes are known.
        let escaped = if message[anchor(message)].is_ascii() { Vec::new() } else { encode::escaped(message) };
        let forms = [encode::plain(message), escaped].concat();
        let blanks = [message.replace(' ', "  "), message.replace(' ', "+"), message.replace(' ', "%20")];
        let forms = forms.into_iter().chain(blanks.map(String::into_bytes));
        forms.filter_map(|form| missed(message, &form)).collect::<Vec<_>>()
    };
    let messages: Vec<_> = catalog.messages().flat_map(of_message).collect();
    assert!(messages.is_empty(), "{} of messages: {messages:#?}", messages.len());
    // Numbers and short codes are found by their field.
    let is_long = |code: &&str| code.len() >= 4 && !code.bytes().all(|b| b.is_ascii_digit());
    let codes: Vec<_> = catalog.codes().filter(is_long).filter_map(|code| missed(code, code.as_bytes())).collect();
    assert!(codes.is_empty(), "{codes:#?}");
}

#[test]
fn the_build_has_planned_what_a_start_would_plan() {
    let catalog = Catalog::builtin();
    let texts = stored::texts(catalog.codes(), catalog.code_fields(), catalog.messages());
    let (plan, escaped) = planned(catalog.codes(), catalog.code_fields(), catalog.messages());
    assert!(store::to_bytes(&texts, &plan, &escaped) == super::BUILTIN, "in bytes");
    assert!(stored::from_bytes(&texts, super::BUILTIN) == Some((plan, escaped)), "as it is read");
    let others = stored::texts(catalog.codes().skip(1), catalog.code_fields(), catalog.messages());
    assert!(stored::from_bytes(&others, super::BUILTIN).is_none());
}

static BUILTIN: LazyLock<Detector> = LazyLock::new(builtin);

/// As on each kind of processor that this one can be.
static LEVELS: LazyLock<Vec<Detector>> = LazyLock::new(|| {
    let at = |level| {
        let detector = builtin();
        Detector { sieve: detector.sieve.at(level), ..detector }
    };
    sieve::Level::all().into_iter().map(at).collect()
});

fn builtin() -> Detector {
    let catalog = Catalog::builtin();
    Detector::new(catalog.codes(), catalog.code_fields(), catalog.messages())
}

/// Lines that hold a candidate, found without sieve and table: each literal is tried at each place.
fn lines_by_hand(detector: &Detector, buffer: &[u8]) -> BTreeSet<usize> {
    (0..buffer.len()).filter(|&at| detector.begins_at(buffer, at)).map(|at| line_of(buffer, at)).collect()
}

fn line_of(buffer: &[u8], at: usize) -> usize {
    buffer[..at].iter().filter(|&&byte| byte == b'\n').count()
}

fn lines(detector: &Detector, buffer: &[u8]) -> BTreeSet<usize> {
    detector.candidates(buffer, 0).map(|at| line_of(buffer, at)).collect()
}

/// Literals in whole and in parts, in either case, between words, lines and bytes of any kind.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let literals: Vec<Vec<u8>> = BUILTIN.literals().collect();
    let literal = (proptest::sample::select(literals), 0..12_usize, any::<bool>()).prop_map(|(literal, cut, upper)| {
        let kept = &literal[..literal.len() - cut.saturating_sub(8).min(literal.len())];
        if upper { kept.to_ascii_uppercase() } else { kept.to_vec() }
    });
    let words =
        ["code", "\":\"", "=", " ", "\n", "ERROR", "R3", "-268435462", "08F78BB5BF061093", "F39: ", "金额", "%E4%BD"];
    let word = proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let piece = prop_oneof![3 => literal, 4 => word, 2 => proptest::collection::vec(any::<u8>(), 0..9)];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_sieve_lets_every_candidate_pass(buffer in pieces()) {
        let expected = lines_by_hand(&BUILTIN, &buffer);
        for detector in LEVELS.iter() {
            prop_assert_eq!(&lines(detector, &buffer), &expected);
        }
    }
}
