//! Finds the places of a buffer that may hold a payment error.
//!
//! One Aho-Corasick automaton over whole buffers; no work per line. Its literals are the catalogue's codes, a
//! rare fragment of each message in every encoding, the families of codes that providers reserve (`ACQ.`), the word
//! `code` where a code-like value follows, and the marks of lines that a container runtime cut in two. A
//! candidate only says that its record is worth a look: what is a detection is decided on the decoded record.

mod anchor;
mod encode;

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use anchor::Frequencies;
pub use anchor::{anchor, is_account};

/// Prefixes of codes that only Alipay's gateway uses.
pub const FAMILIES: [&str; 5] = ["ACQ.", "AQC.", "isv.", "isp.", "aop."];

/// How the codes at the end of a failed request's id begin, at WeChat Pay.
pub const REQUEST_ID_CODES: [&str; 2] = ["26", "27"];

/// Words for "error code" in Chinese prose and pages.
const CODE_WORDS_ZH: [&str; 3] = ["错误码", "错误代码", "返回码"];

/// The key of error fields in all their spellings: `sub_code`, `errCode`, `"code"`, `Error code:`.
const CODE_KEY: &str = "code";

/// Numbers of Alipay's gateway as some SDKs write them before the text: `40004 - …`.
const GATEWAY_NUMBERS: [&str; 7] = ["40001 - ", "40002 - ", "40003 - ", "40004 - ", "40006 - ", "20000 - ", "20001 - "];

/// Keys of fields that hold numbers of providers and card schemes, and do not end in `code`.
const NUMBER_KEYS: [&str; 5] = ["resultStatus", "processor_response", "DE39", "F39", "field39"];

/// Lines that a Kubernetes runtime cut: the rest follows in the next line.
const PARTIAL: [&str; 2] = [" stdout P ", " stderr P "];

/// What the automaton looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    /// A code, the anchor of a message, or a mark.
    Text,
    /// `code`: of interest only when a code-like value follows.
    Key,
    /// A field for numbers: of interest only when one follows, or a word in capitals.
    NumberKey,
    /// How the end of a failed request's id begins: of interest only when the rest follows.
    RequestId,
}

/// Finds candidates.
#[derive(Debug)]
pub struct Detector {
    automaton: AhoCorasick,
    literals: Vec<Literal>,
    texts: Vec<Vec<u8>>,
}

impl Detector {
    /// Builds the automaton from a catalogue's codes, the fields in which some codes count, and messages.
    ///
    /// # Panics
    /// If the literals need more states than an automaton can have (beyond 100 MiB of them).
    pub fn new<'a>(
        codes: impl Iterator<Item = &'a str>,
        fields: impl Iterator<Item = &'a str>,
        messages: impl Iterator<Item = &'a str> + Clone,
    ) -> Detector {
        let frequencies = Frequencies::of(messages.clone());
        let mut texts: Vec<Vec<u8>> = codes.filter(|code| is_literal(code)).map(|c| c.as_bytes().to_vec()).collect();
        texts.extend(FAMILIES.iter().chain(&PARTIAL).chain(&GATEWAY_NUMBERS).map(|text| text.as_bytes().to_vec()));
        let anchors: Vec<&str> = messages.map(|message| &message[anchor(message)]).chain(CODE_WORDS_ZH).collect();
        for (n_chars, forms) in [(anchor::PLAIN, encode::plain as fn(&str) -> _), (anchor::ESCAPED, encode::escaped)] {
            let fragments: BTreeSet<&str> =
                anchors.iter().map(|anchor| frequencies.fragment(anchor, n_chars)).collect();
            texts.extend(fragments.into_iter().flat_map(forms));
        }
        texts.sort();
        texts.dedup();
        let mut literals = vec![Literal::Text; texts.len()];
        texts.push(CODE_KEY.into());
        literals.push(Literal::Key);
        let keys = NUMBER_KEYS.into_iter().map(str::to_owned).chain(fields.flat_map(spellings));
        texts.extend(keys.collect::<BTreeSet<String>>().into_iter().map(String::into_bytes));
        literals.resize(texts.len(), Literal::NumberKey);
        texts.extend(REQUEST_ID_CODES.map(|code| [b"-", code.as_bytes()].concat()));
        literals.resize(texts.len(), Literal::RequestId);
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .expect("a catalogue of less than 100 MiB");
        Detector { automaton, literals, texts }
    }

    /// What it looks for, whatever the case of ASCII letters.
    pub fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(Vec::as_slice)
    }

    /// Offsets of candidates in `buffer`, in the order of their ends. `buffer` holds whole lines.
    pub fn candidates<'b>(&self, buffer: &'b [u8]) -> impl Iterator<Item = usize> + use<'_, 'b> {
        self.automaton.find_overlapping_iter(buffer).filter_map(move |hit| {
            let keep = match self.literals[hit.pattern().as_usize()] {
                Literal::Text => true,
                Literal::Key => code_value_follows(&buffer[..hit.start()], &buffer[hit.end()..]),
                // What stands before `code` decides whether a number may; this key needs nothing before it.
                Literal::NumberKey => code_value_follows(b"_", &buffer[hit.end()..]),
                Literal::RequestId => is_request_id(&buffer[..hit.start()], &buffer[hit.end()..]),
            };
            keep.then(|| hit.start())
        })
    }
}

/// `refund_status` and `refundStatus`. Keys that end in `code` are looked for anyway.
fn spellings(field: &str) -> Vec<String> {
    if field.to_ascii_lowercase().ends_with(CODE_KEY) {
        return Vec::new();
    }
    vec![field.to_ascii_lowercase(), field.replace(['_', '-'], "").to_ascii_lowercase()]
}

/// Numbers and short codes are found by their field alone: as literals they would be everywhere.
fn is_literal(code: &str) -> bool {
    code.len() >= 4 && !code.bytes().all(|b| b.is_ascii_digit())
}

/// Hexadecimal digits before the mark, seven digits behind it.
fn is_request_id(before: &[u8], rest: &[u8]) -> bool {
    let id = &before[before.len().saturating_sub(16)..];
    id.len() == 16
        && id.iter().all(u8::is_ascii_hexdigit)
        && rest.len() >= 7
        && rest[..7].iter().all(u8::is_ascii_digit)
}

/// True if `rest`, the bytes behind a key, goes on with a separator and then something that looks like an error
/// code. Escapes of quotes and separators count.
fn code_value_follows(before: &[u8], rest: &[u8]) -> bool {
    let mut at = 0;
    let mut separated = false;
    while at < rest.len().min(48) {
        let tail = &rest[at..];
        let step = match tail[0] {
            b':' | b'=' | b'>' => {
                separated = true;
                1
            }
            b' ' | b'"' | b'\'' | b'\\' | b'[' | b'(' | b'{' | b'`' => 1,
            _ if tail.starts_with("：".as_bytes()) => {
                separated = true;
                3
            }
            b'%' => {
                let (escaped, len) = percent_escape(tail);
                separated |= matches!(escaped, b"3A" | b"3a" | b"3D" | b"3d");
                len
            }
            _ if tail.starts_with(b"<![CDATA[") => 9,
            _ if tail.starts_with(b"&quot;") => 6,
            _ if tail.starts_with(b"x22") || tail.starts_with(b"x27") => 3,
            _ if tail.starts_with(b"u0022") => 5,
            _ => return separated && is_code_like(before, tail),
        };
        if step == 0 {
            return false;
        }
        at += step;
    }
    false
}

/// The digits of a percent-encoded quote, blank, separator or bracket (once or twice encoded) and the length of the
/// whole escape; a length of 0 for anything else.
fn percent_escape(tail: &[u8]) -> (&[u8], usize) {
    let skip = if tail.starts_with(b"%25") { 3 } else { 1 };
    let digits = tail.get(skip..skip + 2).unwrap_or_default();
    match digits {
        b"22" | b"20" | b"27" | b"3A" | b"3a" | b"3D" | b"3d" | b"5B" | b"5b" => (digits, skip + 2),
        _ => (digits, 0),
    }
}

/// Two capital letters or a reserved family; digits only where the key says more than `code`, or the value is one of
/// Alipay's gateway codes: `code=10000` and `statusCode: 200` stand in every second line.
fn is_code_like(before: &[u8], value: &[u8]) -> bool {
    let two = |test: fn(&u8) -> bool| value.len() >= 2 && value[..2].iter().all(test);
    if two(u8::is_ascii_digit) {
        let compound = before.last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let status =
            [&b"tatus"[..], b"tatus_", b"http", b"http_", b"exit", b"exit_"].iter().any(|end| before.ends_with(end));
        let success = value.starts_with(b"00") || value.starts_with(b"10000");
        return compound && !status && !success || value.starts_with(b"4000") || value.starts_with(b"2000");
    }
    // Adyen numbers its reasons from 1.
    let one_digit = value.first().is_some_and(|b| matches!(b, b'1'..=b'9'))
        && value.get(1).is_none_or(|b| !b.is_ascii_alphanumeric());
    if one_digit {
        return before.ends_with(b"Reason") || before.ends_with(b"reason_");
    }
    two(u8::is_ascii_uppercase) && !is_success(value) || FAMILIES.iter().any(|f| value.starts_with(f.as_bytes()))
}

/// The answer of most calls.
fn is_success(value: &[u8]) -> bool {
    value.starts_with(b"SUCCESS") && !value.get(7).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        || value.starts_with(b"OK") && !value.get(2).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> bool {
        let detector = Detector::new(
            ["SYSTEM_BUSY", "51"].into_iter(),
            ["refund_status"].into_iter(),
            ["余额不足", "Risk Detected"].into_iter(),
        );
        detector.candidates(text.as_bytes()).next().is_some()
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
            "Pay Error code: NEW_CODE, message",
            "2026-11-23T01:42:30.15Z stdout P half a line",
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
            "barcode scanned: ok",
            r#"{"code":null}"#,
            "exit code: none",
            "alipay ok code=10000 msg=Success",
            "StatusCode: 200, result_code=SUCCESS",
            "encoded as utf-8",
            "refund_status=SUCCESS",
            "Request-ID: [08F78BB5BF0610930218A5CDD4F90520CF05-0]",
        ] {
            assert!(!found(line), "{line}");
        }
    }
}
