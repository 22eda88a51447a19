//! Turns the bytes of a line into text, whatever they were written in.
//!
//! Nothing is lost: what no rule can read becomes U+FFFD and the rest stays.

use std::borrow::Cow;

use encoding_rs::GB18030;

/// How a source's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// UTF-8, GBK and UTF-16 are told apart by their bytes.
    #[default]
    Auto,
    Utf8,
    Gbk,
    Utf16Le,
    Utf16Be,
}

/// How the non-ASCII text of the record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    #[default]
    Utf8,
    Gbk,
    Utf16Le,
    Utf16Be,
    UnicodeEscape,
    HexEscape,
    Percent,
    Entity,
}

impl Encoding {
    pub const ALL: [Encoding; Encoding::COUNT] = [
        Encoding::Utf8,
        Encoding::Gbk,
        Encoding::Utf16Le,
        Encoding::Utf16Be,
        Encoding::UnicodeEscape,
        Encoding::HexEscape,
        Encoding::Percent,
        Encoding::Entity,
    ];
    pub const COUNT: usize = 8;

    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Gbk => "gbk",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::UnicodeEscape => "unicode-escape",
            Encoding::HexEscape => "hex-escape",
            Encoding::Percent => "percent",
            Encoding::Entity => "entity",
        }
    }
}

/// Decodes one line. With [`Charset::Auto`], valid UTF-8 is UTF-8; else what GB18030 (the superset of GBK and
/// GB2312) reads without a fault is that; else each character is taken as whichever of the two it can be.
pub fn decode(line: &[u8], charset: Charset) -> (Cow<'_, str>, Encoding) {
    match charset {
        Charset::Utf8 => (String::from_utf8_lossy(line), Encoding::Utf8),
        Charset::Gbk => (GB18030.decode_without_bom_handling(line).0, Encoding::Gbk),
        // UTF-16 has become UTF-8 before lines were looked for.
        Charset::Auto | Charset::Utf16Le | Charset::Utf16Be => match simdutf8::basic::from_utf8(line) {
            Ok(text) => (Cow::Borrowed(text), Encoding::Utf8),
            Err(_) => match GB18030.decode_without_bom_handling_and_without_replacement(line) {
                Some(text) => (text, Encoding::Gbk),
                None => mixed(line),
            },
        },
    }
}

/// Bytes from an escape (`\xE4…`, `%C4%E3`): UTF-8, else GBK, else each on its own.
pub fn decode_escaped(bytes: &[u8]) -> Cow<'_, str> {
    decode(bytes, Charset::Auto).0
}

fn mixed(line: &[u8]) -> (Cow<'_, str>, Encoding) {
    let mut text = String::with_capacity(line.len());
    let (mut utf8, mut gbk) = (0, 0);
    let mut rest = line;
    while !rest.is_empty() {
        let ascii = rest.iter().take_while(|b| b.is_ascii()).count();
        text.push_str(std::str::from_utf8(&rest[..ascii]).unwrap_or_default());
        rest = &rest[ascii..];
        let Some(&lead) = rest.first() else { break };
        if let Some(c) = utf8_char(rest, lead) {
            utf8 += 1;
            text.push_str(c);
            rest = &rest[c.len()..];
        } else if let Some(c) =
            rest.get(..2).and_then(|pair| GB18030.decode_without_bom_handling_and_without_replacement(pair))
        {
            gbk += 1;
            text.push_str(&c);
            rest = &rest[2..];
        } else {
            text.push(char::REPLACEMENT_CHARACTER);
            rest = &rest[1..];
        }
    }
    (Cow::Owned(text), if gbk > utf8 { Encoding::Gbk } else { Encoding::Utf8 })
}

/// The character at the start of `bytes` if it is one of UTF-8. Two-byte sequences are left to GBK: Chinese text
/// has them only there.
fn utf8_char(bytes: &[u8], lead: u8) -> Option<&str> {
    let len = match lead {
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    std::str::from_utf8(bytes.get(..len)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_them_apart() {
        assert_eq!(decode("余额".as_bytes(), Charset::Auto), ("余额".into(), Encoding::Utf8));
        let (gbk, _, _) = GB18030.encode("支付失败：交易不存在");
        assert_eq!(decode(&gbk, Charset::Auto), ("支付失败：交易不存在".into(), Encoding::Gbk));
    }

    #[test]
    fn both_in_one_line() {
        let mut line = GB18030.encode("失败").0.into_owned();
        line.extend_from_slice(" 余额 \u{fffd}".as_bytes());
        line.push(0xFF);
        let (text, _) = decode(&line, Charset::Auto);
        assert!(text.contains("失败") && text.contains("余额"), "{text}");
    }
}
