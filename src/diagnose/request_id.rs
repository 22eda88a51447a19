//! The code at the end of WeChat Pay's request ids.
//!
//! An answer of WeChat Pay's v3 API carries `Request-ID: <hexadecimal>-<code>`; the nine digits name the cause more finely than
//! the code of the body. Source: WeChat Pay's troubleshooting handbook (排障手册).

use std::ops::Range;

use crate::detect::REQUEST_ID_CODES;

/// The field, as written and in normal spelling.
pub const FIELD: &str = "Request-ID";
pub const KEY: &str = "requestid";

/// Digits of the code, and of the shortest id before it.
const CODE: usize = 9;
const MIN_ID: usize = 16;

/// The code in the word at `range`, if that word is the id of a failed request.
pub fn code(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    if range.len() < MIN_ID + 1 + CODE || text.as_bytes()[range.end - CODE - 1] != b'-' {
        return None;
    }
    let (id, code) = text[range.clone()].rsplit_once('-')?;
    let is_code = code.len() == CODE
        && REQUEST_ID_CODES.iter().any(|start| code.starts_with(start))
        && code.bytes().all(|b| b.is_ascii_digit());
    let is_id = id.len() >= MIN_ID && id.bytes().all(|b| b.is_ascii_hexdigit());
    (is_code && is_id).then(|| range.end - CODE..range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        code(text, &(0..text.len())).map(|range| &text[range])
    }

    #[test]
    fn only_the_id_of_a_failed_request_has_a_code() {
        assert_eq!(found("08F78BB5BF0610930218A5CDD4F90520CF05-268435462"), Some("268435462"));
        for text in
            ["08F78BB5BF0610930218A5CDD4F90520CF05-0", "7f3a-268435462", "shop-order-2026-1123-268435462", "268435462"]
        {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
