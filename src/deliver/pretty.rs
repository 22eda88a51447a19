//! One event as one line for people: time, severity, code, title, ids, place.
//!
//! Made from the stored JSON, so that it says what the other sinks say. Text that came from a log cannot act on the
//! terminal.

use serde_json::Value;

use crate::visible::visible;

/// The line, without its newline.
pub fn line(body: &[u8]) -> String {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return visible(&String::from_utf8_lossy(body)).into_owned();
    };
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    let time = event.get("time").or_else(|| event.get("observed_time")).and_then(Value::as_str).unwrap_or("-");
    let mut parts =
        vec![time.to_owned(), text("/severity").to_uppercase(), text("/code").into(), text("/title").into()];
    let ids = event.get("ids").and_then(Value::as_object);
    for (name, value) in ids.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            parts.push(format!("{name}={value}"));
        }
    }
    let line = event.pointer("/source/line").and_then(Value::as_u64).unwrap_or(0);
    parts.push(format!("{}:{line}", text("/source/path")));
    visible(&parts.join("  ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_where_and_whose() {
        let body = r#"{"time":"2026-07-01T12:00:00Z","observed_time":"x","code":"USERPAYING","severity":"info",
            "title":"等待用户支付","ids":{"out_trade_no":"A1"},"source":{"path":"/a.log","line":7}}"#;
        assert_eq!(
            line(body.as_bytes()),
            "2026-07-01T12:00:00Z  INFO  USERPAYING  等待用户支付  out_trade_no=A1  /a.log:7"
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let body = br#"{"code":"X","title":"a\u001b[2Jb\nc\u202ed"}"#;
        let line = line(body);
        assert!(line.contains("a\\x1b[2Jb\\nc\\u{202e}d"), "{line}");
        assert_eq!(super::line(b"not json\x1b"), "not json\\x1b");
    }
}
