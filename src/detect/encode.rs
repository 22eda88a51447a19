//! The forms in which one text can stand in a log.
//!
//! Each form that is not escaped becomes a literal; of the others it is only of interest where they begin. Hexadecimal
//! digits may be of either case.

use encoding_rs::GBK;

/// The forms that a text has where nothing escapes it: UTF-8 and GBK. Pure ASCII has one.
pub fn plain(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.as_bytes().to_vec()];
    forms.extend(gbk(text).filter(|_| !text.is_ascii()));
    forms
}

/// What escapes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbols {
    /// UTF-16's units.
    Units,
    Utf8,
    Gbk,
}

impl Symbols {
    pub const ALL: [Symbols; 3] = [Symbols::Units, Symbols::Utf8, Symbols::Gbk];

    /// Those of a text, as far as it can be written in them, in lower case.
    pub fn of(self, text: &str) -> Box<[u16]> {
        let text = &text.to_ascii_lowercase();
        let bytes = |bytes: &[u8]| bytes.iter().map(|byte| byte.to_ascii_lowercase().into()).collect();
        match self {
            Symbols::Units => text.encode_utf16().collect(),
            Symbols::Utf8 => bytes(text.as_bytes()),
            Symbols::Gbk => bytes(&gbk(text).unwrap_or_default()),
        }
    }
}

/// The forms that escaping gives a text: `\uXXXX` with one, two or four backslashes (JSON in JSON); `\xXX` of UTF-8, with
/// one or two backslashes, and of GBK with one; percent-encoding of UTF-8, once and twice, and of GBK once; decimal and hexadecimal
/// character references, once and twice escaped. Pure ASCII has none of its own.
pub fn escaped(text: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    if text.is_ascii() {
        return forms;
    }
    let gbk = gbk(text);
    for backslashes in ["\\", "\\\\", "\\\\\\\\"] {
        forms.push(unicode_escape(text, backslashes));
    }
    for prefix in ["\\x", "\\\\x", "%", "%25"] {
        forms.push(hex_escape(text.as_bytes(), prefix, u8::is_ascii_alphanumeric));
        if let Some(gbk) = gbk.as_ref().filter(|_| matches!(prefix, "\\x" | "%")) {
            // A letter may be the second half of a GBK character: some encoders escape it, some do not.
            forms.push(hex_escape(gbk, prefix, u8::is_ascii_alphanumeric));
            forms.push(hex_escape(gbk, prefix, |_| false));
        }
    }
    for (open, radix) in [("&#", 10), ("&#x", 16), ("&amp;#", 10), ("&amp;#x", 16)] {
        forms.push(character_references(text, open, radix));
    }
    forms
}

/// `None` where GBK cannot write the text.
fn gbk(text: &str) -> Option<Vec<u8>> {
    let (bytes, _, unmappable) = GBK.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

fn unicode_escape(text: &str, backslashes: &str) -> Vec<u8> {
    map_non_ascii(text, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.extend_from_slice(backslashes.as_bytes());
            out.push(b'u');
            out.extend([12, 8, 4, 0].map(|shift| hex_digit(*unit as u32 >> shift)));
        }
    })
}

fn character_references(text: &str, open: &str, radix: u32) -> Vec<u8> {
    map_non_ascii(text, |c, out| {
        let code = c as u32;
        let number = if radix == 16 { format!("{code:x};") } else { format!("{code};") };
        out.extend_from_slice(open.as_bytes());
        out.extend_from_slice(number.as_bytes());
    })
}

fn map_non_ascii(text: &str, mut write: impl FnMut(char, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 4);
    for c in text.chars() {
        if c.is_ascii() { out.push(c as u8) } else { write(c, &mut out) }
    }
    out
}

fn hex_escape(bytes: &[u8], prefix: &str, stays: fn(&u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * (prefix.len() + 2));
    for byte in bytes {
        if stays(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(prefix.as_bytes());
            out.extend([hex_digit(u32::from(byte >> 4)), hex_digit(u32::from(*byte))]);
        }
    }
    out
}

/// The last four bits as a lower-case digit.
fn hex_digit(value: u32) -> u8 {
    b"0123456789abcdef"[(value & 15) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, form: &str) -> bool {
        let mut forms = plain(text).into_iter().chain(escaped(text));
        forms.any(|f| f.eq_ignore_ascii_case(form.as_bytes()))
    }

    #[test]
    fn ascii_has_one_form() {
        assert_eq!(plain("Risk"), vec![b"Risk".to_vec()]);
        assert!(escaped("Risk").is_empty());
    }

    #[test]
    fn chinese_has_every_form() {
        for form in [
            "余额",
            "\\u4f59\\u989d",
            "\\\\u4f59\\\\u989d",
            "\\xE4\\xBD\\x99\\xE9\\xA2\\x9D",
            "%E4%BD%99%E9%A2%9D",
            "%25E4%25BD%2599%25E9%25A2%259D",
            "%D3%E0%B6%EE",
            "&#20313;&#39069;",
            "&#x4f59;&#x989d;",
        ] {
            assert!(has("余额", form), "{form}");
        }
        assert!(plain("余额").contains(&vec![0xD3, 0xE0, 0xB6, 0xEE]));
    }

    #[test]
    fn ascii_inside_chinese_stays() {
        assert!(has("额A", "%E9%A2%9DA"));
    }
}
