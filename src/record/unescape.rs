//! Undoes the escaping that loggers, serializers, proxies and shippers wrap around text.
//!
//! After it, a record reads the same however often it was put into JSON, URLs, XML or a terminal: one form for
//! everything that looks for codes, fields, messages and secrets. Structure is not interpreted; that quotes which
//! were escaped now look like all others is intended. Works on one line; never fails; output is at most as long
//! as the input.

use super::charset::{self, Encoding};
use super::text::n_beyond_ascii;
use crate::block;

/// How much non-ASCII text was found in each form, in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [usize; Encoding::COUNT],
}

impl Tally {
    pub fn add(&mut self, encoding: Encoding, characters: usize) {
        self.counts[encoding as usize] += characters;
    }

    /// The form that most of the text had; UTF-8 if all was ASCII.
    pub fn main(&self) -> Encoding {
        let mut best = Encoding::Utf8;
        for encoding in Encoding::ALL {
            if self.counts[encoding as usize] > self.counts[best as usize] {
                best = encoding;
            }
        }
        best
    }
}

/// JSON in JSON in a URL in JSON: deeper nesting than this is left as it is.
const MAX_DEPTH: usize = 5;

/// Appends `line` without its escapes to `out`.
pub fn unescape(line: &str, out: &mut String, tally: &mut Tally) {
    let Some(first) = next_lead(line.as_bytes()) else {
        out.push_str(line);
        return;
    };
    let start = out.len();
    let mut changed = pass(line, first, out, tally);
    for _ in 1..MAX_DEPTH {
        let Some(first) = next_lead(&out.as_bytes()[start..]).filter(|_| changed) else { break };
        let text = out.split_off(start);
        changed = pass(&text, first, out, tally);
    }
}

/// Where the next byte stands with which an escape may begin.
fn next_lead(text: &[u8]) -> Option<usize> {
    block::find(text, *b"\\%&#[\x1b")
}

/// One level of escapes, the first of which may stand at `first`. True if there was any.
fn pass(text: &str, first: usize, out: &mut String, tally: &mut Tally) -> bool {
    let mut rest = text;
    let mut changed = false;
    let mut lead = Some(first);
    while let Some(at) = lead {
        let (plain, behind) = rest.split_at(at);
        out.push_str(plain);
        rest = behind;
        let byte = rest.as_bytes()[0];
        let used = match byte {
            b'\\' => backslash(rest, out, tally),
            b'%' => escaped_bytes(rest, Encoding::Percent, percent_byte, out, tally),
            b'&' => reference(rest, out, tally),
            b'#' => octal(rest, out),
            b'[' => bare_colour(rest),
            _ => terminal_sequence(rest),
        };
        changed |= used.is_some();
        let used = used.unwrap_or_else(|| {
            let plain = if byte == b'\\' { backslashes(rest) } else { 1 };
            out.push_str(&rest[..plain]);
            plain
        });
        rest = &rest[used..];
        // Escapes often stand beside each other.
        lead = if rest.starts_with('\\') { Some(0) } else { next_lead(rest.as_bytes()) };
    }
    out.push_str(rest);
    changed
}

fn backslashes(text: &str) -> usize {
    text.bytes().take_while(|&b| b == b'\\').count()
}

/// `\n`, `\"`, `\/`, `\uXXXX`, `\xXX` behind any number of backslashes. These handlers give the length they used,
/// or nothing if the text is no escape of theirs.
fn backslash(text: &str, out: &mut String, tally: &mut Tally) -> Option<usize> {
    let slashes = backslashes(text);
    match text.as_bytes().get(slashes)? {
        b'n' | b'r' => out.push('\n'),
        b't' => out.push('\t'),
        &quote @ (b'"' | b'\'' | b'/') => out.push(quote as char),
        b'u' | b'U' => return unicode(text, out, tally),
        b'x' => return escaped_bytes(text, Encoding::HexEscape, hex_byte, out, tally),
        _ => return None,
    }
    Some(slashes + 1)
}

/// `\uXXXX` (`\UXXXX` as NSLog writes it), or a surrogate pair of them.
fn unicode(text: &str, out: &mut String, tally: &mut Tally) -> Option<usize> {
    let (unit, used) = unicode_unit(text)?;
    let (c, used) = match unit {
        0xD800..=0xDBFF => {
            let (low, more) = unicode_unit(&text[used..])?;
            (char::decode_utf16([unit, low]).next()?.ok()?, used + more)
        }
        _ => (char::from_u32(u32::from(unit))?, used),
    };
    tally.add(Encoding::UnicodeEscape, usize::from(!c.is_ascii()));
    out.push(c);
    Some(used)
}

fn unicode_unit(text: &str) -> Option<(u16, usize)> {
    let slashes = backslashes(text);
    let [b'u' | b'U', digits @ ..] = &text.as_bytes()[slashes..] else { return None };
    let unit = digits.first_chunk::<4>()?.iter().try_fold(0, |unit, &digit| Some(unit << 4 | hex_value(digit)?))?;
    (slashes > 0).then_some((unit, slashes + 5))
}

/// A run of escaped bytes, as `next` reads one of them, decoded together.
fn escaped_bytes(
    text: &str,
    form: Encoding,
    next: fn(&str) -> Option<(u8, usize)>,
    out: &mut String,
    tally: &mut Tally,
) -> Option<usize> {
    let mut bytes = Vec::new();
    let mut used = 0;
    loop {
        if let Some((byte, len)) = next(&text[used..]) {
            bytes.push(byte);
            used += len;
        } else if let Some(&half) =
            text.as_bytes().get(used).filter(|b| b.is_ascii_alphanumeric() && wants_half(&bytes))
        {
            bytes.push(half);
            used += 1;
        } else {
            break;
        }
    }
    if bytes.is_empty() {
        return None;
    }
    let decoded = charset::decode_escaped(&bytes);
    tally.add(form, n_beyond_ascii(&decoded));
    out.push_str(&decoded);
    Some(used)
}

/// True if the bytes end in the first half of a GBK character whose second half, a letter, was left as it was.
fn wants_half(bytes: &[u8]) -> bool {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        return false;
    }
    let mut halves = bytes.iter();
    while let Some(byte) = halves.next() {
        if !byte.is_ascii() && halves.next().is_none() {
            return true;
        }
    }
    false
}

fn percent_byte(text: &str) -> Option<(u8, usize)> {
    two_digits(text.strip_prefix('%')?).map(|byte| (byte, 3))
}

fn hex_byte(text: &str) -> Option<(u8, usize)> {
    let slashes = backslashes(text);
    let byte = two_digits(text[slashes..].strip_prefix('x')?)?;
    (slashes > 0).then_some((byte, slashes + 3))
}

fn two_digits(text: &str) -> Option<u8> {
    let &[high, low] = text.as_bytes().first_chunk()?;
    Some((hex_value(high)? << 4 | hex_value(low)?) as u8)
}

fn hex_value(digit: u8) -> Option<u16> {
    char::from(digit).to_digit(16).map(|value| value as u16)
}

/// `&#20132;`, `&#x4EA4;` and the five names of XML.
fn reference(text: &str, out: &mut String, tally: &mut Tally) -> Option<usize> {
    let end = text.bytes().take(10).position(|b| b == b';')?;
    let name = &text[1..end];
    let c = match name {
        "quot" => '"',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let hex = digits.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| digits.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?;
            let c = char::from_u32(code)?;
            tally.add(Encoding::Entity, usize::from(!c.is_ascii()));
            c
        }
    };
    out.push(c);
    Some(end + 1)
}

/// rsyslog's `#012`: control characters in octal. Only the ones that loggers write, and not within a number.
fn octal(text: &str, out: &mut String) -> Option<usize> {
    let c = match text.get(..4)? {
        "#012" | "#015" => '\n',
        "#011" => '\t',
        "#033" => '\x1b',
        _ => return None,
    };
    if text.as_bytes().get(4).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    out.push(c);
    Some(4)
}

/// A colour or cursor sequence of a terminal (ECMA-48 CSI): dropped.
fn terminal_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.bytes().position(|b| (0x40..=0x7E).contains(&b))?;
    parameters[..end].bytes().all(|b| (0x20..0x40).contains(&b)).then_some(2 + end + 1)
}

/// A colour whose escape character was lost on the way: `[35mBANK_ERROR`, `[0m`.
fn bare_colour(text: &str) -> Option<usize> {
    let len = text.bytes().skip(1).take(8).position(|b| !b.is_ascii_digit() && b != b';')? + 1;
    let next = text[len..].strip_prefix('m')?.chars().next();
    let reset = &text[..len] == "[0";
    (len > 1 && (reset || next.is_some_and(|c| c.is_ascii_uppercase() || c == '[' || !c.is_ascii()))).then_some(len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> (String, Encoding) {
        let (mut out, mut tally) = (String::new(), Tally::default());
        unescape(text, &mut out, &mut tally);
        (out, tally.main())
    }

    #[test]
    fn every_form_reads_the_same() {
        for (escaped, form) in [
            (r"\u4f59\u989d", Encoding::UnicodeEscape),
            (r"\\u4F59\\u989D", Encoding::UnicodeEscape),
            (r"\xe4\xbd\x99\xE9\xA2\x9D", Encoding::HexEscape),
            ("%E4%BD%99%E9%A2%9D", Encoding::Percent),
            ("%25E4%25BD%2599%25E9%25A2%259D", Encoding::Percent),
            ("%D3%E0%B6%EE", Encoding::Percent),
            ("&#20313;&#39069;", Encoding::Entity),
            ("&amp;#x4f59;&amp;#x989d;", Encoding::Entity),
        ] {
            assert_eq!(plain(escaped), ("余额".to_owned(), form), "{escaped}");
        }
    }

    #[test]
    fn quotes_and_line_ends() {
        assert_eq!(plain(r#"{\"a\":\\\"b\\\"}"#).0, r#"{"a":"b"}"#);
        assert_eq!(plain(r"one\ntwo\\nthree\tx").0, "one\ntwo\nthree\tx");
        assert_eq!(plain("a#012b#0123 \x1b[31mred\x1b[0m").0, "a\nb#0123 red");
        assert_eq!(plain("[35m[1mBANK_ERROR[0m took [35ms] [3m").0, "BANK_ERROR took [35ms] [3m");
        assert_eq!(plain(r"https:\/\/x").0, "https://x");
    }

    #[test]
    fn half_characters() {
        // 81 5A is a character of GBK whose second byte is the letter Z.
        assert_eq!(plain("%81Z!").0, "乑!");
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in ["73%", "100% of", r"C:\Users", "a & b", "#1", r"\uZZZZ", "%zz", "\\", "&;", r"\ud800x"] {
            assert_eq!(plain(text).0, text);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_longer_and_never_fails(text in r"[\\%&#;ux0-9a-fA-F\x1b\[一-鿿]{0,60}") {
            let (out, _) = plain(&text);
            proptest::prop_assert!(out.chars().count() <= text.chars().count());
        }
    }
}
