//! Tells by its first bytes what a file is; names and extensions are not asked.

/// How many bytes at the start of a file decide whether it is text.
const HEAD_BYTES: usize = 8 * 1024;

/// Bytes needed to tell every [`Format`]: bzip2 has the longest mark.
pub const MARK_BYTES: usize = 10;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    Gzip,
    Zstd,
    /// Compressed in a way that is not read here; the name is that of the program that unpacks it.
    Foreign(&'static str),
}

impl Format {
    pub fn of(head: &[u8]) -> Format {
        match head {
            // 8 is deflate, the only method there is; the next byte's upper bits are reserved.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Format::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
            // A skippable frame, as pzstd and seekable zstd write before the first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Foreign("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Format::Foreign("bzip2"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Format::Foreign("lz4"),
            _ => Format::Plain,
        }
    }
}

/// Beside NULs, one control character in so many bytes is still text …
const MAX_CONTROL_SHARE: usize = 100;
/// … with so many runs of NULs a line.
const MAX_RUNS: usize = 4;

/// Programs, pictures, archives and databases, some of which start with text.
const BINARY_MARKS: &[&[u8]] = &[
    b"\x7fELF",
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF-",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\0asm",
    b"SQLite format 3\0",
    b"LPKSHHRH",
    b"!<arch>\n",
    b"\x1f\x9d",
];

/// Where a tar archive says what it is.
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");

/// False for what cannot be a log: a known mark, or NUL bytes between what is no text either.
pub fn is_text(start: &[u8]) -> bool {
    let head = &start[..start.len().min(HEAD_BYTES)];
    let is_tar = head.get(TAR_MARK.0..).is_some_and(|at| at.starts_with(TAR_MARK.1));
    if is_tar || BINARY_MARKS.iter().any(|mark| head.starts_with(mark)) {
        return false;
    }
    memchr::memchr(0, head).is_none() || is_utf16(head) || is_text_with_nuls(head)
}

/// NULs as truncations, crashes and careless loggers leave them: few in a line, and beside them hardly a control character, which
/// programs and databases are full of.
fn is_text_with_nuls(head: &[u8]) -> bool {
    let is_control = |byte: &&u8| matches!(byte, 1..=8 | 11 | 14..=26 | 28..=31 | 127);
    let n_bytes = head.iter().filter(|&&byte| byte != 0).count();
    let n_control = head.iter().filter(is_control).count();
    let n_runs = head.chunk_by(|a, b| (*a == 0) == (*b == 0)).filter(|run| run[0] == 0).count();
    let n_lines = memchr::memchr_iter(b'\n', head).count();
    n_control * MAX_CONTROL_SHARE <= n_bytes && n_runs <= MAX_RUNS * (n_lines + 1)
}

/// A byte order mark; or NULs on one side of the pairs only, as ASCII characters have them, and many of them.
fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return true;
    }
    let (even, odd) = memchr::memchr_iter(0, head).fold((0, 0), |(even, odd), at| match at % 2 {
        0 => (even + 1, odd),
        _ => (even, odd + 1),
    });
    even.min(odd) == 0 && even.max(odd) * 8 >= head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn packing_is_told_by_content() {
        assert_eq!(Format::of(b"\x1f\x8b\x08\x00abc"), Format::Gzip);
        assert_eq!(Format::of(b"\x28\xb5\x2f\xfdabc"), Format::Zstd);
        assert_eq!(Format::of(b"\xfd7zXZ\0abc"), Format::Foreign("xz"));
        assert_eq!(Format::of(b"BZh91AY&SYabc"), Format::Foreign("bzip2"));
        for plain in [&b""[..], b"\x1f", b"\x1f\x8b\x07\x00", b"BZh9 is a log line", b"2026-03-01 ok"] {
            assert_eq!(Format::of(plain), Format::Plain, "{plain:?}");
        }
    }

    #[test]
    fn logs_are_text_in_any_encoding() {
        let mut hole = vec![0; HEAD_BYTES];
        hole.extend(b"2026-03-01 pay failed\n");
        for text in [
            b"".to_vec(),
            b"pay failed\n".to_vec(),
            b"\xd6\xa7\xb8\xb6\xca\xa7\xb0\xdc\n".to_vec(),
            b"\x1b[31mERROR\x1b[0m\n".to_vec(),
            utf16le("\u{feff}支付失败\0"),
            utf16le("2026-03-01 pay failed 支付失败\n"),
            hole,
            // A field's end in C, a hole after a truncation, a write torn by a crash, a line end of C in each line.
            b"line\0line".to_vec(),
            [&[0; 5000][..], b"2026-03-01 pay failed \xd6\xa7\xb8\xb6\n"].concat(),
            [b"2026-03-01 pay fai".as_slice(), &[0; 3000], b"2026-03-01 \x1b[31mstarted\x1b[0m\n"].concat(),
            b"2026-03-01 pay failed\0\n".repeat(300),
        ] {
            assert!(is_text(&text), "{text:?}");
        }
    }

    #[test]
    fn programs_archives_and_records_are_not() {
        let mut tar = b"app.log".to_vec();
        tar.resize(257, 0);
        tar.extend(b"ustar\x0000");
        tar.resize(512, 0);
        tar.extend(b"2026-03-01 pay failed\n".repeat(200));
        // A record of wtmp, and what only has the shape of records.
        let wtmp =
            [b"\x07\0\0\0\x43\x05\0\0tty1".as_slice(), &[0; 28], b"tty1root", &[0; 28], b"\x9c\x1f\x01\0"].concat();
        let records = b"abc\0\0\0\0\0def\0\0\0\0\0".repeat(20);
        // Little-endian numbers, as databases and indexes hold them.
        let numbers: Vec<u8> = (0..2000_u32).flat_map(u32::to_le_bytes).collect();
        for binary in [b"\x7fELF\x02\x01\x01".to_vec(), b"%PDF-1.7\n".to_vec(), tar, wtmp, records, numbers] {
            assert!(!is_text(&binary), "{binary:?}");
        }
    }
}
