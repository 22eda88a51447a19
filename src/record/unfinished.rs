//! Does a record look as if more of it is to come? Who reads a file while it is written waits a little longer for the rest of one
//! that does. A guess by its text alone: a wrong one costs a moment, or leaves the end of a record out of its event.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::line;

/// What was thrown, as loggers write it above a stack trace: at the end of the line; with its package and a message; or as the
/// first word of the line. In the middle of a sentence, or quoted in a field, it begins nothing.
static THROWN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)(?:^|\s)[\w$.\\]*[\w$](?:Exception|Error|Throwable)$",
        r"|(?:^|\s)(?:[\w$]+[.\\])+[\w$]*(?:Exception|Error|Throwable): ",
        r"|^(?:[\w$]*(?:Exception|Error)|panic): ",
        r"|^Exception in thread ",
    ))
    .expect("literal")
});

/// What is looked at of a line, from its beginning.
const HEAD: usize = 1024;

/// True for a record that opens more than it closes, ends with what something follows, has several lines already, or names
/// what was thrown.
pub fn will_go_on(record: &[u8]) -> bool {
    let text = record.trim_ascii_end();
    let depth = |open: &[u8], close: &[u8]| {
        text.iter().filter(|byte| open.contains(byte)).count() > text.iter().filter(|byte| close.contains(byte)).count()
    };
    depth(b"{[", b"}]")
        || text.last().is_some_and(|byte| b"(,:".contains(byte))
        || memchr::memchr(b'\n', text).is_some()
        || is_thrown(line::unwrap(text).content)
}

fn is_thrown(content: &[u8]) -> bool {
    // An object is whole, whatever it speaks of.
    !content.starts_with(b"{") && THROWN.is_match(&content[..content.len().min(HEAD)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_trace_goes_on_and_a_line_does_not() {
        for record in [
            "2026-07-01 12:00:00 ERROR Pay - failed: com.alipay.api.AlipayApiException: ACQ.X, no order",
            "2026-07-01 12:00:00 ERROR failed com.shop.PayException",
            "2026-07-01 12:00:00 ERROR pay failed: ACQ.X\ncom.shop.PayException: ACQ.X",
            "PayError: ACQ.X",
            "panic: ACQ.X",
            "Exception in thread \"main\" ACQ.X",
            "Traceback (most recent call last):",
            "PHP Fatal error:  Uncaught Alipay\\ApiException: ACQ.X in /x.php:8",
            "2026-07-01 12:00:00 ERROR body {",
            "2026-07-01T12:00:00.1Z stderr F com.shop.PayException: ACQ.X",
        ] {
            assert!(will_go_on(record.as_bytes()), "{record}");
            assert!(will_go_on(format!("{record}\r\n").as_bytes()), "{record}");
        }
        for record in [
            "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {\"sub_code\":\"ACQ.X\"}",
            "2026-07-01 12:00:00 ERROR PayError: ACQ.X, order 1",
            "2026-07-01 12:00:00 WARN Internal Server Error",
            "level=error err=\"com.shop.PayException: ACQ.X\"",
            r#"{"level":"error","exception":"com.shop.PayException: ACQ.X"}"#,
            "the code ACQ.X (an Error: see the manual)",
        ] {
            assert!(!will_go_on(record.as_bytes()), "{record}");
        }
    }
}
