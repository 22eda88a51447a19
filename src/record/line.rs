//! What one physical line is: its content inside a container runtime's wrapping, and whether a record begins
//! with it.
//!
//! Only lines near a hit are looked at, so these tests may cost something.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// What is looked at of a line, in bytes.
const HEAD: usize = 160;

/// A physical line without its line end and its wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub content: &'a [u8],
    /// What wrapped it.
    pub wrapping: Wrapping,
    /// The time that the wrapping carries (RFC 3339).
    pub stamp: Option<&'a [u8]>,
}

/// How a container runtime wrapped a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    None,
    /// Kubernetes (CRI): `TIME stdout F content`; `partial` when the runtime cut it (`P`).
    Cri {
        partial: bool,
    },
    /// Docker's json-file: `{"log":"content\n","stream":"stderr","time":"…"}`; `partial` when the content does
    /// not end in a newline.
    Docker {
        partial: bool,
    },
    /// A supervisor wrote time and program before every line: syslog, the journal, pm2. What follows may be part of a
    /// record of several lines, or a record without any mark of its own.
    Prefixed,
}

impl Wrapping {
    /// True if the next physical line goes on where this one stopped.
    pub fn is_partial(self) -> bool {
        matches!(self, Wrapping::Cri { partial: true } | Wrapping::Docker { partial: true })
    }
}

/// True for a line that only opens an object. Below one that only closes another it begins a record.
pub fn opens_object(content: &[u8]) -> bool {
    matches!(content, b"{" | b", {")
}

/// True for a line that only closes an object.
pub fn closes_object(content: &[u8]) -> bool {
    matches!(content, b"}" | b"},")
}

/// How a line relates to the record before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Begins with a time, a level, or is a JSON object: surely a new record.
    Start,
    /// Indented, a bracket, a stack frame: belongs to what is above.
    Continuation,
    /// The head of a traceback; continues what is above and claims the exception below.
    Traceback,
    /// Reads like an exception or a header (`PayError: …`, `Message: …`): belongs to a dated record or a traceback
    /// above, else stands for itself.
    Heading,
    /// Unindented text without any mark: belongs to a dated record close above, else stands for itself.
    Plain,
    /// The same behind a supervisor's prefix, which is a mark: stands for itself.
    Single,
}

/// What a supervisor writes before every line: `Nov 23 09:30:01 web1 shop[12]: ` (syslog, the journal),
/// `2026-11-23T09:30:01+08:00 web1 shop[12]: ` (rsyslog), `<14>1 2026-11-23T09:30:01Z web1 shop 12 - - ` (RFC 5424),
/// `2026-11-23 09:30:01 +08:00: ` and `2026-11-23T09:30:01: ` (pm2), `2026-11-23T09:30:01.123456789Z ` (kubectl, docker),
/// `11-23 09:30:01.123  4711  4711 E Shop : ` (logcat).
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)^(?:(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} [\w.:-]+ [\w./@-]{1,64}(?:\[\d+\])?: ",
        r"|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2}) [\w.:-]+ [\w./@-]{1,64}(?:\[\d+\])?: ",
        r"|<\d{1,3}>1 \d{4}-\d{2}-\d{2}T\S+ \S+ \S+ \S+ \S+ - ",
        r"|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:: |\.\d{9}Z )",
        r"|\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} +\d+ +\d+ [VDIWEF] [^:]{1,64}: ",
        r"|\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})? ?[+-]\d{2}:\d{2}: ",
        r")"
    ))
    .expect("literal")
});

/// The host in a prefix of syslog, rsyslog, the journal, or of RFC 5424.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)^(?:",
        r"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}",
        r"|<\d{1,3}>1 \d{4}-\d{2}-\d{2}T[\w:.+-]+",
        r"|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})",
        r") ([A-Za-z0-9][\w.:-]{0,254}) [^:]",
    ))
    .expect("literal")
});

/// Colours, also escaped ones.
static COLOUR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)(?:\x1b|\\u001[bB]|#033)\[[0-9;]*m").expect("literal"));

static START: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)^(?:",
        r"[^\w\s]{0,3}\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T :,_]|$)", // 2026-11-23T… [2026/11/23 …
        r"|[^\w\s]{0,2}\d{1,2}[-/.](?:\d{1,2}|[A-Z][a-z]{2})[-/.]\d{4}[\] :T,]", // 23/Nov/2026: [11/23/2026]
        r"|[^\w\s]{0,2}\d{2}:\d{2}:\d{2}(?:[.,]\d+)?[\s\]|]",      // 01:10:18.716
        r"|(?:<\d{1,3}>)?(?:1 \d{4}-|[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2})", // syslog
        r"|(?:[A-Z][a-z]{2}|(?:\d|一|二|三|四|五|六|七|八|九|十)+月) \d{1,2}, \d{4} ", // JUL
        r"|\s?[^\w\s]{0,2}(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE)\b[\]:|\s]",
        r"|[^\w\s]{0,2}(?:trace|trce|debug|dbug|info|notice|warn|warning|error|fail|fatal|critical|crit)(?:\]|: )",
        r"|\[[^\]\s]{1,64}\] (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ", // slf4j-simple
        r"|==> |\[GIN\] \d{4}/|\[Nest\] \d+ +- |<(?:record|log4j:event|Event)[ >]",
        r"|\[\d{1,6}\] [\w.*-]{1,128}: \[\[?\d{10}", // Fluent Bit's stdout
        r"|[IWEF]\d{4} \d{2}:\d{2}:\d{2}",           // glog
        r"|(?:ts|time|timestamp|level|lvl|t|datetime)=\S", // logfmt
        r"|\S+ \S+ \S+ \[\d{2}/[A-Z][a-z]{2}/\d{4}", // access log
        r"|\d{10}(?:\d{3})?(?:\.\d+)?\s",            // epoch
        r"|\W{0,2}[A-Z][a-z]{2},? [A-Z]?[a-z]{0,2} ?\d{1,2} [A-Z][a-z]{2} \d{4}|\W{0,2}[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}", // Mon Nov 23 …
        r")"
    ))
    .expect("literal")
});

static CONTINUATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?-u)^(?:\s|$|[{}\])(<"'^]|\[(?:\s|$|[\[\]{}"'\d]|stacktrace\])|\\t|\\n|"#,
        r"at |Caused by|Suppressed:|\.\.\. |During handling|The above exception|> File |#\d+ |--- |--> ",
        r"|goroutine \d|exit status",
        r")"
    ))
    .expect("literal")
});

static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)^(?:[A-Za-z_][\w$]*(?:\.[\w$]+)+(?::|$)", // com.shop.PayException: …
        r"|[A-Za-z_$][\w$]*(?:Exception|Error|Failure|Fault)\b(?::|$| \()",
        r"|[A-Z][A-Za-z-]{1,30}: |[A-Z][A-Za-z-]{1,30}:$", // Message: …
        r"|[A-Za-z]{1,30}[\[{(]",                          // httpResponseBody[{…
        r")"
    ))
    .expect("literal")
});

/// True if the next physical line goes on where this one stopped.
pub fn is_partial(line: &[u8]) -> bool {
    of_runtime(trim_end(trim_padding(line))).is_some_and(|line| line.wrapping.is_partial())
}

/// Takes a line (without its LF) out of its wrapping.
pub fn unwrap(line: &[u8]) -> Line<'_> {
    let line = trim_end(trim_padding(line));
    of_runtime(line).unwrap_or_else(|| without_prefix(line))
}

/// The content of a line that a container runtime has wrapped.
fn of_runtime(line: &[u8]) -> Option<Line<'_>> {
    cri(line).or_else(|| docker(line))
}

fn docker(line: &[u8]) -> Option<Line<'_>> {
    let content = line.strip_prefix(b"{\"log\":\"")?;
    let (content, rest) = content.split_at(memchr::memmem::rfind(content, b"\",\"stream\":\"std")?);
    let stamp = memchr::memmem::find(rest, b"\"time\":\"").and_then(|at| rest[at + 8..].split(|&b| b == b'"').next());
    let partial = !content.ends_with(b"\\n");
    let content = content.strip_suffix(b"\\n").unwrap_or(content);
    Some(Line { content, wrapping: Wrapping::Docker { partial }, stamp })
}

fn without_prefix(line: &[u8]) -> Line<'_> {
    let content = &line[compose_prefix(line)..];
    let head = &content[..content.len().min(HEAD)];
    if may_be_prefixed(head)
        && let Some(prefix) = PREFIX.find(head)
    {
        return Line { content: &content[prefix.end()..], wrapping: Wrapping::Prefixed, stamp: None };
    }
    Line { content, wrapping: Wrapping::None, stamp: None }
}

/// The host that a supervisor names before a line, as in syslog. Letters, digits, `_`, `.`, `:` and `-`.
pub fn host(line: &[u8]) -> Option<&str> {
    let line = trim_padding(line);
    let found = HOST.captures(&line[..line.len().min(HEAD * 2)])?.get(1)?;
    std::str::from_utf8(found.as_bytes()).ok()
}

/// Length of what `docker compose logs` and `pm2 logs` write before a line: a number and a bar perhaps, the service's name
/// and a bar, and colours around them.
fn compose_prefix(line: &[u8]) -> usize {
    if memchr::memchr(b'|', &line[..line.len().min(HEAD)]).is_none() {
        return 0;
    }
    let start = colours(line);
    let line = &line[start..];
    let number = line.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    let numbered = (number > 0 && line.get(number) == Some(&b'|')).then_some(number + 1);
    let named = |at: usize| service(&line[at..]).map(|len| at + len);
    let bar = numbered.and_then(named).or_else(|| named(0));
    bar.map_or(0, |bar| start + bar + colours(&line[bar..]))
}

/// `checkout-1  | `.
fn service(text: &[u8]) -> Option<usize> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    if !text.first()?.is_ascii_alphanumeric() {
        return None;
    }
    let name = 1 + text[1..].iter().take(62).take_while(|&b| is_name(b)).count();
    let blanks = text[name..].iter().take(32).take_while(|b| b" \t\n\r\x0b\x0c".contains(b)).count();
    text[name + blanks..].starts_with(b"| ").then_some(name + blanks + 2)
}

/// Length of the colours that a text begins with.
fn colours(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(parameters) = text[at..].strip_prefix(b"\x1b[") {
        let len = parameters.iter().take_while(|&&b| b.is_ascii_digit() || b == b';').count();
        if parameters.get(len) != Some(&b'm') {
            break;
        }
        at += 2 + len + 1;
    }
    at
}

/// False for nearly every line that [`PREFIX`] does not match: those that begin with neither a capital nor a time, and those
/// whose time is followed by what no supervisor writes there.
fn may_be_prefixed(head: &[u8]) -> bool {
    match head {
        [b'<', ..] => true,
        [b'A'..=b'Z', _, _, b' ', ..] => true,
        // 11-23 09:30:01.123
        [_, _, b'-', _, _, b' ', ..] => true,
        // 2026-11-23T09:30:01
        [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => true,
        // 2026-11-23 09:30:01.123 +08:00: x
        [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', _, _, b':', _, _, rest @ ..] => {
            let fraction = rest.strip_prefix(b".").unwrap_or(rest);
            let zone = fraction.trim_ascii_start();
            let zone = &zone[zone.iter().take_while(|b| b.is_ascii_digit()).count()..];
            matches!(zone.trim_ascii_start(), [b'+' | b'-', ..])
        }
        _ => false,
    }
}

/// `TIME stdout F content`, `TIME stderr P part` (Kubernetes CRI logging format).
fn cri(line: &[u8]) -> Option<Line<'_>> {
    if !matches!(line, [b'0'..=b'9', _, _, _, b'-', _, _, _, _, _, b'T', ..]) {
        return None;
    }
    let stamp_len = memchr::memchr(b' ', &line[..line.len().min(48)]).filter(|&len| len >= 20)?;
    let (stamp, rest) = line.split_at(stamp_len);
    let rest = rest.strip_prefix(b" stdout ").or_else(|| rest.strip_prefix(b" stderr "))?;
    let tag_len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let (tag, content) = rest.split_at(tag_len);
    let partial = match tag.first()? {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    let content = content.strip_prefix(b" ").unwrap_or(content);
    Some(Line { content, wrapping: Wrapping::Cri { partial }, stamp: Some(stamp) })
}

/// A byte-order mark, or the zeros of a hole that a truncated file was left with.
fn trim_padding(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|&&b| b == 0).count();
    let line = &line[zeros..];
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}

fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Line<'_> {
    /// Tells how the line relates to the record before it.
    pub fn shape(&self) -> Shape {
        match (shape(self.content), self.wrapping) {
            (Shape::Plain, Wrapping::Prefixed) => Shape::Single,
            (shape, _) => shape,
        }
    }
}

fn shape(content: &[u8]) -> Shape {
    let head = &content[..content.len().min(HEAD)];
    let is_object = is_json_object(content);
    // Nearly all that begin a record show it at their very beginning, where no colour is.
    if is_dated(head) || is_object && is_log_record(content) {
        return Shape::Start;
    }
    let bare = is_coloured(head).then(|| COLOUR.replace_all(head, b""));
    let head = bare.as_deref().unwrap_or(head);
    if is_dated(head) || START.is_match(head) {
        Shape::Start
    } else if is_object {
        Shape::Plain
    } else if CONTINUATION.is_match(head) {
        Shape::Continuation
    } else if head.starts_with(b"Traceback (most recent") {
        Shape::Traceback
    } else if HEADING.is_match(head) {
        Shape::Heading
    } else {
        Shape::Plain
    }
}

/// False for every text that [`COLOUR`] finds nothing in.
fn is_coloured(head: &[u8]) -> bool {
    memchr::memchr3_iter(0x1b, b'#', b'\\', head).any(|at| {
        let rest = &head[at..];
        [&b"\x1b["[..], b"#033[", b"\\u001b[", b"\\u001B["].iter().any(|start| rest.starts_with(start))
    })
}

/// Whether a line begins as most do: the first alternative of [`START`].
fn is_dated(head: &[u8]) -> bool {
    fn digits(head: &[u8], most: usize) -> usize {
        head.iter().take(most).take_while(|b| b.is_ascii_digit()).count()
    }
    let is_mark = |b: &u8| !b.is_ascii_alphanumeric() && *b != b'_' && !b" \t\n\r\x0b\x0c".contains(b);
    let head = &head[head.iter().take(3).take_while(|&b| is_mark(b)).count()..];
    let part = |head: &[u8], n_digits: usize| match head.get(n_digits) {
        Some(b'-' | b'/' | b'.') if n_digits > 0 => Some(n_digits + 1),
        _ => None,
    };
    let day = || {
        let month = part(head, Some(digits(head, 4)).filter(|&n| n == 4)?)?;
        let day = month + part(&head[month..], digits(&head[month..], 2))?;
        let end = day + Some(digits(&head[day..], 2)).filter(|&n| n > 0)?;
        matches!(head.get(end), None | Some(b'T' | b' ' | b':' | b',' | b'_')).then_some(())
    };
    day().is_some()
}

/// An object of a structured logger says when or how bad; the body of an answer does not.
fn is_log_record(object: &[u8]) -> bool {
    // Some write the time last.
    let (head, tail) = (object.len().min(512), object.len().saturating_sub(256));
    has_log_key(&object[..head]) || has_log_key(&object[tail..])
}

/// `"level":`, `\"ts\" :`.
fn has_log_key(part: &[u8]) -> bool {
    memchr::memchr_iter(b'"', part).any(|quote| {
        let rest = &part[quote + 1..];
        let len = rest.iter().take_while(|b| b.is_ascii_lowercase() || **b == b'@').count();
        let is_key = matches!(
            &rest[..len],
            b"level"
                | b"levelname"
                | b"lvl"
                | b"severity"
                | b"timestamp"
                | b"@timestamp"
                | b"time"
                | b"ts"
                | b"asctime"
                | b"datetime"
                | b"date"
        );
        let behind = rest[len..].strip_prefix(b"\\").unwrap_or(&rest[len..]);
        is_key && behind.strip_prefix(b"\"").is_some_and(|behind| behind.trim_ascii_start().starts_with(b":"))
    })
}

/// A whole JSON object on one line.
fn is_json_object(content: &[u8]) -> bool {
    (content.starts_with(b"{\"") || content.starts_with(b"{\\\"")) && content.trim_ascii_end().ends_with(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_are_taken_off() {
        let cri = unwrap(b"2026-11-23T01:42:30.150129093+00:00 stdout F hello\r\n");
        assert_eq!((cri.content, cri.wrapping), (&b"hello"[..], Wrapping::Cri { partial: false }));
        let cut = unwrap(b"2026-11-23T01:42:30.150129093Z stderr P hel");
        assert_eq!((cut.content, cut.wrapping), (&b"hel"[..], Wrapping::Cri { partial: true }));
        let docker = unwrap(br#"{"log":"a \"b\"\n","stream":"stderr","time":"2026-11-23T01:43:06.27Z"}"#);
        assert_eq!((docker.content, docker.wrapping), (&br#"a \"b\""#[..], Wrapping::Docker { partial: false }));
        assert_eq!(unwrap(b"checkout-1  | text").content, b"text");
        assert_eq!(unwrap(b"\0\0\0text").content, b"text");
    }

    #[test]
    fn hosts() {
        for (line, expected) in [
            ("Nov 23 09:30:01 web1 shop[12]: ERROR x", Some("web1")),
            ("<14>Nov  3 09:30:01 web1.shop.example shop: ERROR x", Some("web1.shop.example")),
            ("2026-11-23T09:30:01.5+08:00 web1 shop[12]: x", Some("web1")),
            ("<14>1 2026-11-23T09:30:01.123456Z 10.0.0.7 shop 12 - - x", Some("10.0.0.7")),
            ("<14>1 2026-11-23T09:30:01Z - shop 12 - - x", None),
            ("2026-11-23T09:30:01: ERROR x", None),
            ("2026-11-23 09:30:01 ERROR x", None),
        ] {
            assert_eq!(host(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn starts() {
        for line in [
            "2026-11-23 01:38:54,744 [INFO] x",
            "[2026-11-23T09:14:55.301839+08:00] production.INFO: boot",
            "2026/11/23 01:14:10 main.go:27: x",
            "01:10:18.716 [main] INFO  x",
            "INFO:root:checkout",
            "Nov 23 01:05:06 host app[1]: x",
            "<34>1 2026-11-23T01:05:06Z host app - - x",
            "127.0.0.1 - - [23/Nov/2026:01:16:03 +0000] \"GET /",
            r#"{"level":30,"msg":"x"}"#,
            "E1123 01:05:06.123456 1 x.go:3] y",
            "level=error msg=x",
            "Mon Nov 23 01:05:06 2026 x",
            "\u{1b}[31m2026-11-23 01:05:06 x",
            "\u{1b}[32m[Nest] 18311  - \u{1b}[39m11/23/2026, 6:20:57 AM ERROR x",
            "[11/23/2026] [6:20:59 AM] [pay] › ✖  error     x",
            "11月 23, 2026 9:30:01 上午 com.shop.pay.Pay pay",
            "十一月 23, 2026 9:30:01 上午 com.shop.pay.Pay pay",
            r#"[0] cpu.local: [1795426208.000000001, {"log"=>"x"}]"#,
            "<record>",
            " INFO x",
        ] {
            assert_eq!(shape(line.as_bytes()), Shape::Start, "{line}");
        }
    }

    #[test]
    fn continuations() {
        for line in [
            "  error: '{\"code\":\"X\"}'",
            "\tat com.example.Pay.pay(Pay.java:3)",
            "Caused by: x",
            "} ",
            "{",
            "[stacktrace]",
            "#0 /x.php(8): f()",
            "",
        ] {
            assert_eq!(shape(line.as_bytes()), Shape::Continuation, "{line}");
        }
        assert_eq!(shape(b"Traceback (most recent call last):"), Shape::Traceback);
    }

    #[test]
    fn headings() {
        for line in [
            "com.wechat.pay.java.core.exception.ServiceException: Wrong HttpStatusCode[404]",
            "httpResponseBody[{\"code\":",
            "Message: x",
            "Header:",
            "pay.PayError: [alipay] ACQ.X: y",
        ] {
            assert_eq!(shape(line.as_bytes()), Shape::Heading, "{line}");
        }
    }

    #[test]
    fn plain() {
        for line in [
            r#"{"code":"SYSTEM_ERROR","message":"x"}"#,
            "pay failed PayError: x",
            ">>> ali alipay.trade.pay",
            "GET /help 200",
            "支付失败",
            "[wxpay] create order error {",
        ] {
            assert_eq!(shape(line.as_bytes()), Shape::Plain, "{line}");
        }
    }

    #[test]
    fn behind_a_prefix_a_line_is_what_it_is_without() {
        for prefix in [
            "Nov 23 09:30:01 web1 shop[12]: ",
            "2026-11-23T09:30:01.123456+08:00 web1 shop[12]: ",
            "<14>1 2026-11-23T09:30:01Z web1 shop 12 - - ",
            "2026-11-23 09:30:01 +08:00: ",
            "2026-11-23T09:30:01: ",
        ] {
            for (rest, shape) in [
                ("pay failed", Shape::Single),
                ("    at x", Shape::Continuation),
                ("2026-11-23 09:30:01 INFO x", Shape::Start),
                ("Traceback (most recent call last):", Shape::Traceback),
            ] {
                let line = format!("{prefix}{rest}");
                assert_eq!(
                    (unwrap(line.as_bytes()).content, unwrap(line.as_bytes()).shape()),
                    (rest.as_bytes(), shape),
                    "{line}"
                );
            }
        }
    }

    /// Text that is made of what the expressions look for.
    const LINES: &str = concat!(
        r#"(2026|11|[0-9]{1,3}|[-/.:T ,_+\[\]|<>({]|09:30:01|2026-11-23|\.123456789|Z|\+08:00|Nov|web-1|shop\[12\]|: |\| |#033\[1m|"#,
        "\u{1b}\\[31m|\\\\u001b\\[0m|\"level\": |\\\\\"time\\\\\":|\"ts\":|\"@timestamp\"|\"dates\":|é){0,9}"
    );

    proptest::proptest! {
        #[test]
        fn what_is_told_without_an_expression_is_what_the_expression_tells(line in LINES) {
            let line = line.as_bytes();
            let compose = Regex::new(
                r"(?-u)^(?:\x1b\[[0-9;]*m)*(?:\d{1,3}\|)?[A-Za-z0-9][\w.-]{0,62}\s{0,32}\| (?:\x1b\[[0-9;]*m)*",
            ).unwrap();
            proptest::prop_assert_eq!(compose_prefix(line), compose.find(line).map_or(0, |found| found.end()));
            proptest::prop_assert!(may_be_prefixed(line) || !PREFIX.is_match(line));
            proptest::prop_assert!(is_coloured(line) || !COLOUR.is_match(line));
            let dated = Regex::new(r"(?-u)^[^\w\s]{0,3}\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T :,_]|$)").unwrap();
            proptest::prop_assert_eq!(is_dated(line), dated.is_match(line));
            let keys = Regex::new(
                r#"\\?"(?:level|levelname|lvl|severity|@?timestamp|time|ts|asctime|datetime|date)\\?"\s*:"#,
            ).unwrap();
            proptest::prop_assert_eq!(has_log_key(line), keys.is_match(line));
        }
    }
}
