//! Reads the level that a logger gave a record.

use std::sync::LazyLock;

use super::key::{NameTable, normal_key};
use super::words::{self, Worded};

/// The level a logger wrote, brought to one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
        }
    }
}

/// How far into the first line a level is looked for, in words.
const WORDS: usize = 40;

/// Fields that hold a level.
static FIELDS: LazyLock<NameTable<()>> =
    LazyLock::new(|| NameTable::new(["level", "levelname", "severity", "lvl", "loglevel"].map(|key| (key, ()))));

/// The level of a record, from its head: a word of its own in capitals, a word in brackets or before a
/// colon, or a field (`"level":50`, `levelname`, `severity`).
pub fn level(record: &Worded<'_>) -> Option<Level> {
    let head = super::text::head(record.text);
    let is_cut = record.text.as_bytes().get(head.len()).is_some_and(|&next| next != b'\n');
    let of_head = if is_cut { Worded::new(head) } else { record.up_to(head.len()) };
    written(&of_head).or_else(|| java_util_logging(record.text))
}

fn written(head: &Worded<'_>) -> Option<Level> {
    let line = head.text;
    for (n, word) in head.words().iter().take(WORDS).enumerate() {
        if head.key(&FIELDS, word).is_some()
            && let Some(value) = words::value_after(line, word.end)
            && let Some(level) = named(&line[value.clone()]).or_else(|| numbered(&line[value]))
        {
            return Some(level);
        }
        let Some(&(name, level)) = head.last_key(&NAMES, word) else { continue };
        let last = &line[word.last..word.end];
        let capitals = last.bytes().all(|b| b.is_ascii_uppercase()) && n < 12;
        if (capitals || is_tag(line, &word.range())) && is_spelled(last, name) {
            return Some(level);
        }
    }
    None
}

/// The second line of a record of java.util.logging begins with the level, in the language of its user.
fn java_util_logging(text: &str) -> Option<Level> {
    let (level, _) = text.split('\n').nth(1)?.split_once(": ")?;
    Some(match level {
        "SEVERE" | "严重" => Level::Error,
        "WARNING" | "警告" => Level::Warn,
        "INFO" | "信息" | "CONFIG" | "配置" => Level::Info,
        "FINE" | "FINER" | "FINEST" | "详细" | "较详细" | "非常详细" => Level::Debug,
        _ => return None,
    })
}

/// `[error]`, `error:`, `| ERROR |`, `error     `: lower case counts only as a tag or a column, near the start of the line.
fn is_tag(line: &str, word: &std::ops::Range<usize>) -> bool {
    let after = line[word.end..].chars().next();
    let before = line[..word.start].chars().next_back();
    word.start < 64
        && (matches!((before, after), (Some('['), Some(']' | ':')))
            || after == Some(':')
            || before == Some(' ') && line[word.end..].starts_with("   "))
        && before.is_none_or(|c| matches!(c, ' ' | '[' | '\t'))
}

/// What loggers call the levels; the name again tells `W_ARN` from `WARN`.
static NAMES: LazyLock<NameTable<(&str, Level)>> = LazyLock::new(|| {
    let names: [(Level, &[&str]); 6] = [
        (Level::Trace, &["trace", "trce", "finest", "finer"]),
        (Level::Debug, &["debug", "fine", "dbg", "dbug"]),
        (Level::Info, &["info", "notice", "information"]),
        (Level::Warn, &["warn", "warning"]),
        (Level::Error, &["error", "err", "severe", "fail"]),
        (Level::Fatal, &["fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"]),
    ];
    NameTable::new(names.into_iter().flat_map(|(level, names)| names.iter().map(move |&name| (name, (name, level)))))
});

fn named(word: &str) -> Option<Level> {
    let &(name, level) = NAMES.of_key(&normal_key(word))?;
    is_spelled(word, name).then_some(level)
}

/// In any case; but `FAIL` is what failed, and only `fail` a level.
fn is_spelled(word: &str, name: &str) -> bool {
    word.eq_ignore_ascii_case(name) && (name != "fail" || word == "fail")
}

/// The numbers of pino and bunyan.
fn numbered(value: &str) -> Option<Level> {
    Some(match value.trim_matches(['"', ' ']) {
        "10" => Level::Trace,
        "20" => Level::Debug,
        "30" => Level::Info,
        "40" => Level::Warn,
        "50" => Level::Error,
        "60" => Level::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_real_loggers() {
        for (line, expected) in [
            ("2026-11-23 01:38:54,744 [ERROR] x", Some(Level::Error)),
            ("INFO:root:failed", Some(Level::Info)),
            ("01:10:18.716 [main] WARN  com.example.App - x", Some(Level::Warn)),
            (r#"{"level":50,"time":1795396024011,"msg":"x"}"#, Some(Level::Error)),
            (r#"{"asctime": "2026", "levelname": "ERROR", "message": "INFO"}"#, Some(Level::Error)),
            ("[2026-11-23T09:14:55.301839+08:00] production.ERROR: x", Some(Level::Error)),
            ("2026-11-23 01:38:50.562 | INFO     | __main__:drive:69 - x", Some(Level::Info)),
            ("2026-11-23T01:07:05.672Z error: pay failed", Some(Level::Error)),
            ("[2026-11-23 01:05:06,852] ERROR in flask_app: x", Some(Level::Error)),
            ("127.0.0.1 - - [23/Nov/2026:01:16:03 +0000] \"GET /x HTTP/1.1\" 200", None),
            ("pay failed PayError: x", None),
        ] {
            assert_eq!(level(&Worded::new(line)), expected, "{line}");
        }
    }
}
