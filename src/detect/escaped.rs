//! Messages in escapes: they are read through these, so that no form of any of them has to be known in advance.
//!
//! Two characters of each are looked for, in one kind of escape; what follows them must not surely be something else than one of
//! the messages has there.

use std::borrow::Cow;
use std::ops::Range;

use super::encode::{self, Symbols};

/// Parts of messages, each in UTF-16's units and in the bytes of charsets, and what follows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Escaped {
    /// Of all parts and rests.
    pub symbols: Vec<u16>,
    /// In the order of their symbols.
    pub parts: Vec<Part>,
    /// What follows parts: where in `symbols` it is.
    pub rests: Vec<Range<u32>>,
    pub texts: Vec<Cow<'static, str>>,
}

/// Where a part is in [`Escaped::symbols`], and where in [`Escaped::rests`] is what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub symbols: Range<u32>,
    pub rests: Range<u32>,
}

/// How a symbol is escaped: by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// So many backslashes, and what follows them.
    Backslashes(usize, u8),
    /// `%`, or `%25`.
    Percent(usize),
    /// Behind `&`, or `&amp;`; whether the number is hexadecimal.
    Reference(usize, bool),
}

/// A character or byte at the start of a text, in lower case where it is ASCII, and how long it is there.
struct Symbol {
    value: u16,
    len: usize,
    /// `None` for ASCII as it is.
    style: Option<Style>,
}

impl Escaped {
    pub fn new(parts: &[(&str, Vec<&str>)]) -> Escaped {
        let mut escaped = Escaped::default();
        let mut all = Vec::new();
        for (part, rests) in parts {
            for symbols in Symbols::ALL {
                let rests: Vec<_> = rests.iter().map(|rest| symbols.of(rest)).collect();
                all.push((symbols.of(part), rests));
            }
            escaped.texts.push(Cow::Owned((*part).to_owned()));
        }
        // Without symbols is what its charset cannot write.
        all.retain(|(part, _)| !part.is_empty());
        all.sort_unstable();
        for (part, rests) in all {
            let symbols = escaped.add(&part);
            let first = escaped.rests.len() as u32;
            for rest in rests {
                let rest = escaped.add(&rest);
                escaped.rests.push(rest);
            }
            escaped.parts.push(Part { symbols, rests: first..escaped.rests.len() as u32 });
        }
        escaped
    }

    fn add(&mut self, symbols: &[u16]) -> Range<u32> {
        let first = self.symbols.len() as u32;
        self.symbols.extend_from_slice(symbols);
        first..self.symbols.len() as u32
    }

    fn symbols(&self, range: &Range<u32>) -> &[u16] {
        &self.symbols[range.start as usize..range.end as usize]
    }

    /// True if a part begins at `start`, and goes on as it may.
    pub fn is_candidate(&self, buffer: &[u8], start: usize) -> bool {
        let mut rest = &buffer[start..];
        let mut style = None;
        // Those that begin as what was read.
        let mut parts = &self.parts[..];
        for depth in 0.. {
            let Some(symbol) = symbol(rest) else { return false };
            if symbol.style.is_some() && style.is_some() && symbol.style != style {
                return false;
            }
            style = style.or(symbol.style);
            rest = &rest[symbol.len..];
            let next = |part: &Part| self.symbols(&part.symbols).get(depth).copied();
            let first = parts.partition_point(|part| next(part) < Some(symbol.value));
            let n_parts = parts[first..].partition_point(|part| next(part) == Some(symbol.value));
            parts = &parts[first..first + n_parts];
            if parts.is_empty() {
                return false;
            }
            // The shortest come first.
            let mut whole = parts.iter().take_while(|part| part.symbols.len() == depth + 1);
            if style.is_some() && whole.any(|part| self.may_go_on(rest, part)) {
                return true;
            }
        }
        false
    }

    /// False where surely something else stands in `rest` than what follows `part`.
    fn may_go_on(&self, rest: &[u8], part: &Part) -> bool {
        let rests = &self.rests[part.rests.start as usize..part.rests.end as usize];
        rests.iter().any(|wanted| may_go_on(rest, self.symbols(wanted)))
    }

    /// All forms of all parts.
    pub fn forms(&self) -> impl Iterator<Item = Vec<u8>> {
        self.texts.iter().flat_map(|text| encode::escaped(text))
    }
}

/// Where in an escaped text the gram begins that tells most: with the `u` of `\uXXXX`, behind the first digit of `%XX%XX`, with the
/// number of a reference.
pub fn gram_in(form: &[u8]) -> usize {
    let Some(at) = form.iter().position(|b| matches!(b, b'\\' | b'%' | b'&')) else { return 0 };
    let rest = &form[at..];
    let skip = match rest[0] {
        b'\\' => {
            let n = rest.iter().take_while(|&&b| b == b'\\').count();
            if rest.get(n) == Some(&b'u') { n } else { n - 1 }
        }
        b'%' => {
            if rest.starts_with(b"%25") {
                0
            } else {
                2
            }
        }
        _ => {
            let sign = rest.iter().position(|&b| b == b'#').unwrap_or_default();
            if rest.get(sign + 1) == Some(&b'x') { sign + 1 } else { sign }
        }
    };
    at + skip
}

/// False where surely something else than `wanted`, escaped or not, stands in `rest`.
fn may_go_on(rest: &[u8], wanted: &[u16]) -> bool {
    let mut rest = rest;
    for &want in wanted {
        match symbol(rest) {
            None => return true,
            Some(found) if found.value != want => return false,
            Some(found) => rest = &rest[found.len..],
        }
    }
    true
}

/// `None` for what is not known here: other escapes, other scripts, the end of the line.
fn symbol(rest: &[u8]) -> Option<Symbol> {
    let lower = |value: u16| u8::try_from(value).map_or(value, |byte| byte.to_ascii_lowercase().into());
    let number = |skip: usize, len: usize, radix: u16| {
        let digit = |&b: &u8| char::from(b).to_digit(radix.into());
        let digits = rest.get(skip..skip + len).filter(|digits| !digits.is_empty())?;
        digits.iter().try_fold(0_u16, |number, b| number.checked_mul(radix)?.checked_add(digit(b)? as u16))
    };
    let escaped = |value: u16, len: usize, style: Style| Some(Symbol { value: lower(value), len, style: Some(style) });
    match *rest.first()? {
        b'\\' => {
            let n = rest.iter().take_while(|&&b| b == b'\\').count();
            // JSON in JSON, and that in JSON.
            let kind = rest.get(n).filter(|_| matches!(n, 1 | 2 | 4))?.to_ascii_lowercase();
            let n_digits = match kind {
                b'u' => 4,
                b'x' => 2,
                _ => return None,
            };
            escaped(number(n + 1, n_digits, 16)?, n + 1 + n_digits, Style::Backslashes(n, kind))
        }
        b'%' => {
            let skip = if rest.starts_with(b"%25") { 3 } else { 1 };
            escaped(number(skip, 2, 16)?, skip + 2, Style::Percent(skip))
        }
        b'&' => {
            let is_twice = rest.get(1..6).is_some_and(|name| name.eq_ignore_ascii_case(b"amp;#"));
            let skip = if is_twice { 6 } else { 2 };
            if !is_twice && rest.get(1) != Some(&b'#') {
                return None;
            }
            let len = rest.iter().skip(skip).take(7).position(|&b| b == b';')?;
            let is_hex = rest[skip].eq_ignore_ascii_case(&b'x');
            let value = if is_hex { number(skip + 1, len.checked_sub(1)?, 16) } else { number(skip, len, 10) }?;
            escaped(value, skip + len + 1, Style::Reference(skip, is_hex))
        }
        b'+' | b'\n' | b'\r' => None,
        byte => byte.is_ascii().then_some(Symbol { value: lower(byte.into()), len: 1, style: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_and_must_go_on() {
        let escaped = Escaped::new(&[("余额", vec!["不足", "为零"]), ("金A", vec![""])]);
        let is_candidate = |text: &[u8]| (0..text.len()).any(|at| escaped.is_candidate(text, at));
        for (text, other) in [("余额不足", "余额宝转"), ("余额为零", "余额为一"), ("金A", "金B")] {
            for (form, other) in encode::escaped(text).iter().zip(encode::escaped(other)) {
                assert!(is_candidate(form), "{}", String::from_utf8_lossy(form));
                assert!(is_candidate(&form.to_ascii_uppercase()), "{}", String::from_utf8_lossy(form));
                assert!(!is_candidate(&other), "{}", String::from_utf8_lossy(&other));
            }
        }
        for text in
            [r"\u4f59\u989d", r"\u4f59\u989d\n", r"\\u4f59\\u989d余", "%E4%BD%99%E9%A2%9D+", "&#20313;&#39069;&"]
        {
            assert!(is_candidate(text.as_bytes()), "{text}");
        }
        for text in [r"\u4f59\u989d ", r"\u4f59%E9%A2%9D", "%E4%BD%99", "余额", "&#20313;&#39069;;"] {
            assert!(!is_candidate(text.as_bytes()), "{text}");
        }
    }
}
