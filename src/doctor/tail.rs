//! What the last part of a log says: how it is written, how fast it grows, and the last payment error in it.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::finding::{LastMatch, Rate, RateBy};
use crate::pipeline::{Checkpoint, Engine, FileContext, Stream};
use crate::record::utf16::Transcoder;
use crate::record::{Charset, Encoding, Text, charset, time};
use crate::source::tail;

/// How much of a file is looked at, from its end.
const TAIL: u64 = 64 * 1024;
/// By the first bytes UTF-16 is told.
const HEAD: usize = 16;
/// Lines that are looked at for a time, from either end.
const PATIENCE: usize = 100;

/// Bytes of a file.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    pub head: Vec<u8>,
    /// Offset of `bytes`; even.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// What they say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub encoding: Option<&'static str>,
    /// Bytes that no text has.
    pub is_binary: bool,
    /// By the times in the lines.
    pub lines: Option<Rate>,
    /// Bytes of a line, on average.
    pub line_bytes: Option<f64>,
    pub last_match: Option<LastMatch>,
    /// Of the last line that has one.
    pub last_time: Option<Timestamp>,
}

/// Reads the head and the last part of a file.
///
/// # Errors
/// It cannot be opened or read.
pub fn read(path: &Path) -> io::Result<Tail> {
    let (mut file, metadata) = tail::open(path)?;
    let mut head = vec![0; HEAD];
    let n = file.read_at(&mut head, 0)?;
    head.truncate(n);
    let offset = metadata.len().saturating_sub(TAIL) & !1;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(TAIL + 1).read_to_end(&mut bytes)?;
    Ok(Tail { head, offset, bytes })
}

/// Looks at the last part of a file as it would be read.
pub fn sample(tail: &Tail, engine: &Arc<Engine>, file: &FileContext, now: Timestamp) -> Sample {
    let (wide, text) = as_bytes_of_lines(tail, file.charset);
    let text = whole_lines(&text, tail.offset > 0);
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let charset = if wide.is_some() { Charset::Utf8 } else { file.charset };
    let n_nul = memchr::memchr_iter(0, text).count();
    let is_binary = n_nul * 10 > text.len() && !text.is_empty();
    let found = |line: &&[u8]| time(&Text::decode(line, charset), &file.timezone, now);
    let first = lines.iter().take(PATIENCE).enumerate().find_map(|(at, line)| Some((at, found(line)?)));
    let last = lines.iter().enumerate().rev().take(PATIENCE).find_map(|(at, line)| Some((at, found(line)?)));
    Sample {
        encoding: encoding(wide, text, &lines).filter(|_| !is_binary),
        is_binary,
        lines: first.zip(last).and_then(|(first, last)| rate(first, last)),
        line_bytes: (!lines.is_empty()).then(|| text.len() as f64 / lines.len() as f64),
        last_match: last_match(text, engine, FileContext { charset, ..file.clone() }, now),
        last_time: last.map(|(_, time)| time),
    }
}

/// UTF-16 as UTF-8, anything else as it is.
fn as_bytes_of_lines(tail: &Tail, configured: Charset) -> (Option<Encoding>, Vec<u8>) {
    let mut told = Transcoder::new(configured, 0);
    told.feed(&tail.head, &mut Vec::new());
    let mut transcoder = Transcoder::new(told.charset(), tail.offset);
    let Some(encoding) = told.encoding() else { return (None, tail.bytes.clone()) };
    let mut text = Vec::new();
    transcoder.feed(&tail.bytes, &mut text);
    transcoder.finish(&mut text);
    (Some(encoding), text)
}

/// Without the line that begins before the text does.
fn whole_lines(text: &[u8], is_cut: bool) -> &[u8] {
    match memchr::memchr(b'\n', text) {
        Some(newline) if is_cut => &text[newline + 1..],
        _ => text,
    }
}

fn encoding(wide: Option<Encoding>, text: &[u8], lines: &[&[u8]]) -> Option<&'static str> {
    if text.is_empty() {
        return None;
    }
    if let Some(wide) = wide {
        return Some(wide.as_str());
    }
    if text.is_ascii() {
        return Some("ascii");
    }
    let beyond = lines.iter().filter(|line| !line.is_ascii());
    let is_gbk = |line: &&&[u8]| charset::decode(line, Charset::Auto).1 == Encoding::Gbk;
    let (gbk, utf8): (Vec<&&[u8]>, Vec<&&[u8]>) = beyond.partition(is_gbk);
    Some(match (gbk.is_empty(), utf8.is_empty()) {
        (true, _) => Encoding::Utf8.as_str(),
        (false, true) => Encoding::Gbk.as_str(),
        (false, false) => "utf-8 and gbk",
    })
}

/// From the places and times of two lines.
fn rate((from, began): (usize, Timestamp), (to, ended): (usize, Timestamp)) -> Option<Rate> {
    let seconds = ended.duration_since(began).as_secs_f64();
    (seconds >= 1.0 && to > from).then(|| Rate { per_minute: (to - from) as f64 * 60.0 / seconds, by: RateBy::Times })
}

fn last_match(text: &[u8], engine: &Arc<Engine>, file: FileContext, now: Timestamp) -> Option<LastMatch> {
    // Not the beginning of a file, where UTF-16 is told.
    let from = Checkpoint { offset: 2, done: 0, ..Checkpoint::default() };
    let (mut stream, mut events) = (Stream::new(Arc::clone(engine), file, from), Vec::new());
    stream.push(text, now, &mut events);
    stream.finish(now, &mut events);
    let last = events.pop()?;
    Some(LastMatch { code: last.code, time: last.time })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::catalog::Catalog;
    use crate::event::Origin;
    use crate::redact::Redactor;

    fn sampled(tail: &Tail) -> Sample {
        let engine = Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::disabled()));
        let origin = Origin { name: "shop".into(), path: "app.log".into(), host: None, labels: BTreeMap::new() };
        let file = FileContext {
            origin: Arc::new(origin),
            identity: Vec::new(),
            provider: None,
            timezone: TimeZone::UTC,
            charset: Charset::Auto,
        };
        sample(tail, &engine, &file, "2026-03-02T00:00:00Z".parse().unwrap())
    }

    fn whole(bytes: Vec<u8>) -> Tail {
        Tail { head: bytes.iter().take(HEAD).copied().collect(), offset: 0, bytes }
    }

    const LINES: &str = "2026-03-01 08:00:00 INFO a\n2026-03-01 08:00:30 ERROR sub_code=ACQ.TRADE_HAS_SUCCESS 余额\n\
                         2026-03-01 08:01:00 INFO b\n";

    #[test]
    fn a_log_says_how_it_is_written_how_fast_and_what_failed_last() {
        let sample = sampled(&whole(LINES.into()));
        assert_eq!(sample.encoding, Some("utf-8"));
        assert_eq!(sample.lines, Some(Rate { per_minute: 2.0, by: RateBy::Times }));
        let expected =
            LastMatch { code: "ACQ.TRADE_HAS_SUCCESS".into(), time: Some("2026-03-01T08:00:30Z".parse().unwrap()) };
        assert_eq!(sample.last_match, Some(expected));
        assert_eq!(sample.last_time, Some("2026-03-01T08:01:00Z".parse().unwrap()));
    }

    #[test]
    fn encodings_are_told() {
        let gbk = encoding_rs::GB18030.encode(LINES).0.into_owned();
        let wide: Vec<u8> = LINES.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, expected) in [
            (gbk.clone(), Some("gbk")),
            ([gbk, LINES.into()].concat(), Some("utf-8 and gbk")),
            (wide.clone(), Some("utf-16le")),
            (b"plain\n".to_vec(), Some("ascii")),
            (Vec::new(), None),
        ] {
            assert_eq!(sampled(&whole(bytes)).encoding, expected);
        }
        // In the middle of a file, too.
        let cut = Tail { head: wide[..HEAD].to_vec(), offset: 20, bytes: wide[20..].to_vec() };
        let sample = sampled(&cut);
        assert_eq!(
            (sample.encoding, sample.last_match.map(|last| last.code)),
            (Some("utf-16le"), Some("ACQ.TRADE_HAS_SUCCESS".into()))
        );
    }

    #[test]
    fn what_is_no_text_is_told_and_no_line_is_cut() {
        assert!(sampled(&whole(vec![0; 100])).is_binary);
        let cut = Tail { offset: 100, ..whole(b"SUCCESS\nsub_code=ACQ.SELLER_BALANCE_NOT_ENOUGH\n".to_vec()) };
        assert_eq!(sampled(&cut).last_match.map(|last| last.code), Some("ACQ.SELLER_BALANCE_NOT_ENOUGH".into()));
    }

    #[test]
    fn times_that_do_not_grow_give_no_rate() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(rate((0, at(10)), (5, at(10))), None);
        assert_eq!(rate((0, at(10)), (5, at(5))), None);
        assert_eq!(rate((0, at(10)), (0, at(10))), None);
    }
}
