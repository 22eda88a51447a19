//! What follows a key: something that looks like an error code, in raw bytes and through any escape.

use super::literal::FAMILIES;

/// Hexadecimal digits before the mark, six more digits behind it.
pub fn is_request_id(before: &[u8], rest: &[u8]) -> bool {
    let id = &before[before.len().saturating_sub(16)..];
    id.len() == 16
        && id.iter().all(u8::is_ascii_hexdigit)
        && rest.len() >= 6
        && rest[..6].iter().all(u8::is_ascii_digit)
}

/// True if `rest`, the bytes behind a key, goes on with a separator and then something that looks like an error
/// code. Escapes of quotes and separators count.
pub fn code_value_follows(before: &[u8], rest: &[u8]) -> bool {
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
    let ends_behind = |len: usize| value.get(len).is_none_or(|b| !b.is_ascii_alphanumeric());
    if two(u8::is_ascii_digit) {
        let success = value.starts_with(b"00") || value.starts_with(b"10000");
        return says_more(before) && !success || value.starts_with(b"4000") || value.starts_with(b"2000");
    }
    // Adyen numbers its reasons from 1, card schemes their advice to merchants.
    if value.first().is_some_and(|b| matches!(b, b'1'..=b'9')) && ends_behind(1) {
        return [&b"Reason"[..], b"reason_", b"Advice", b"advice_"].iter().any(|end| before.ends_with(end));
    }
    if two(u8::is_ascii_uppercase) {
        return !is_success(value);
    }
    // Issuers and UnionPay: `R3`, `6P`, `A0`.
    let is_pair = two(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) && ends_behind(2);
    is_pair && says_more(before) || FAMILIES.iter().any(|family| value.starts_with(family.as_bytes()))
}

/// True for `respCode`, `sub_code` and the like; not for `code` alone, nor for the codes of HTTP and of processes.
fn says_more(before: &[u8]) -> bool {
    let others = [&b"tatus"[..], b"tatus_", b"http", b"http_", b"exit", b"exit_"];
    before.last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !others.iter().any(|end| before.ends_with(end))
}

/// The answer of most calls.
fn is_success(value: &[u8]) -> bool {
    value.starts_with(b"SUCCESS") && !value.get(7).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        || value.starts_with(b"OK") && !value.get(2).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}
