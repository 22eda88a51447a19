//! A record as text: unwrapped, joined, decoded and unescaped.

use jiff::Timestamp;
use smallvec::SmallVec;

use super::charset::{self, Charset, Encoding};
use super::line::{self, Wrapping};
use super::unescape::{self, Tally};

/// The text of one record, with the way back to its physical lines.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// Lines are separated by `\n`, also those that an escape (`\n` in JSON) stood for.
    pub text: String,
    /// Start in `text` and number (from 0) of each physical line that begins a line of text.
    lines: SmallVec<[(usize, usize); 4]>,
    /// Physical lines in the record.
    pub n_lines: usize,
    pub encoding: Encoding,
    /// When the container runtime wrote the first line.
    pub stamped: Option<Timestamp>,
    /// The host that wrote it, as syslog names it.
    pub host: Option<String>,
}

impl Text {
    /// Decodes the lines of a record. Parts that a container runtime cut are joined first, so that an escape or a
    /// code that was cut in two is whole again.
    pub fn decode(record: &[u8], charset: Charset) -> Text {
        let mut text = Text { text: String::with_capacity(record.len()), ..Text::default() };
        let mut tally = Tally::default();
        let mut parts: Vec<u8> = Vec::new();
        let mut rest = record;
        while !rest.is_empty() {
            let (physical, behind) = rest.split_at(memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1));
            rest = behind;
            let number = text.n_lines;
            text.n_lines += 1;
            let mut line = line::unwrap(physical);
            if number == 0 && line.wrapping == Wrapping::Prefixed {
                // The prefix of the first line tells when and where.
                line.content = physical.trim_ascii_end();
                text.host = line::host(physical).map(str::to_owned);
            }
            if number == 0 {
                text.stamped = line.stamp.and_then(|stamp| std::str::from_utf8(stamp).ok()?.parse().ok());
            }
            if parts.is_empty() {
                text.lines.push((text.text.len(), number));
            }
            if line.wrapping.is_partial() {
                parts.extend_from_slice(line.content);
                continue;
            }
            if parts.is_empty() {
                text.append(line.content, charset, &mut tally);
            } else {
                parts.extend_from_slice(line.content);
                text.append(&std::mem::take(&mut parts), charset, &mut tally);
            }
        }
        if !parts.is_empty() {
            text.append(&parts, charset, &mut tally);
        }
        text.encoding = tally.main();
        text
    }

    fn append(&mut self, line: &[u8], charset: Charset, tally: &mut Tally) {
        let (decoded, encoding) = charset::decode(line, charset);
        tally.add(encoding, n_beyond_ascii(&decoded));
        unescape::unescape(&decoded, &mut self.text, tally);
        self.text.push('\n');
    }

    /// Number, from 0, of the physical line that the byte at `at` came from (of the first part if it was cut).
    pub fn line_of(&self, at: usize) -> usize {
        let next = self.lines.partition_point(|&(start, _)| start <= at);
        self.lines.get(next.saturating_sub(1)).map_or(0, |&(_, number)| number)
    }
}

/// Characters that are not of ASCII: as many as there are first bytes of such.
pub(super) fn n_beyond_ascii(text: &str) -> usize {
    // In parts whose sum fits into a byte: so many bytes are compared and added at once.
    let parts = text.as_bytes().chunks(u8::MAX.into());
    parts.map(|part| usize::from(part.iter().map(|&b| u8::from(b >= 0xC0)).sum::<u8>())).sum()
}

/// Where a logger writes time and level: the first line, or the first lines of an object or element that is spread over many.
pub(super) fn head(text: &str) -> &str {
    let line = &text[..memchr::memchr(b'\n', text.as_bytes()).unwrap_or(text.len())];
    let spread = matches!(line.trim_end(), "{" | ", {" | "<record>");
    let mut end = if spread { text.len().min(SPREAD) } else { line.len() };
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How much of a spread record is its head, in bytes.
const SPREAD: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_lines_are_joined_before_they_are_decoded() {
        let record = b"2026-11-23T01:00:00.1Z stdout P ERROR sub_code=ACQ.SYS\n\
                       2026-11-23T01:00:00.2Z stdout F TEM_ERROR \\u4f59\n\
                       2026-11-23T01:00:00.2Z stdout F second\n";
        let text = Text::decode(record, Charset::Auto);
        assert_eq!(text.text, "ERROR sub_code=ACQ.SYSTEM_ERROR 余\nsecond\n");
        assert_eq!(text.encoding, Encoding::UnicodeEscape);
        assert_eq!(text.line_of(text.text.find("second").unwrap()), 2);
        assert_eq!((text.line_of(8), text.n_lines), (0, 3));
    }
}
