//! A message as lines for people: an event in one (time, severity, code, title, ids, place), an incident in one, in the words of
//! chats, several incidents in three. Times are of the configured zone.
//!
//! Made from the stored JSON, so that it says what the other sinks say. Text that came from a log cannot act on the
//! terminal.

use serde_json::Value;

use super::format::{Voice, counted_line, headline, one_line, words};
use super::message::{Item, Message};
use crate::incident::notice::{Digest, Notice};
use crate::visible::visible;

/// Incidents of a digest that get a line, the worst ones.
const MAX_LISTED: usize = 2;

/// The message, without its last newline.
pub fn lines(body: &[u8], voice: Voice<'_>) -> String {
    match Message::parse(body) {
        Ok(Message { item: Item::Incident(notice), .. }) => incident(&notice, voice),
        Ok(Message { item: Item::Digest(digest), .. }) => several(&digest, voice),
        // What this version does not know is shown as well as it can be.
        Ok(Message { item: Item::Event(_), .. }) | Err(_) => event(body, voice),
    }
}

fn event(body: &[u8], voice: Voice<'_>) -> String {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return visible(&String::from_utf8_lossy(body)).into_owned();
    };
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    let time = event.get("time").or_else(|| event.get("observed_time")).and_then(Value::as_str).unwrap_or("-");
    let mut parts = vec![words::time(time, voice.timezone), words::severity(text("/severity"), voice.lang).to_owned()];
    parts.extend(["/code", "/title"].map(|pointer| text(pointer).to_owned()));
    let ids = event.get("ids").and_then(Value::as_object);
    for (name, value) in ids.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            parts.push(format!("{name}={value}"));
        }
    }
    let line = event.pointer("/source/line").and_then(Value::as_u64).unwrap_or(0);
    parts.push(format!("{}:{line}", text("/source/path")));
    joined(&parts)
}

fn incident(notice: &Notice, voice: Voice<'_>) -> String {
    joined(&[words::time(&notice.time, voice.timezone), one_line(notice, voice)])
}

fn several(digest: &Digest, voice: Voice<'_>) -> String {
    let mut lines = vec![joined(&[words::time(&digest.time, voice.timezone), headline(digest, voice.lang)])];
    let incidents = digest.incidents.iter().map(|notice| one_line(notice, voice));
    let listed = incidents.chain(digest.unheard.iter().map(|unheard| counted_line(unheard, voice))).take(MAX_LISTED);
    lines.extend(listed.map(|line| visible(&format!("  · {line}")).into_owned()));
    lines.join("\n")
}

fn joined(parts: &[String]) -> String {
    visible(&parts.join("  ")).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::catalog::Lang;

    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::fixed(jiff::tz::offset(8)));

    fn shown(body: &[u8], lang: Lang) -> String {
        lines(body, Voice { lang, timezone: &ZONE, host: None })
    }

    #[test]
    fn one_line_says_what_where_and_whose() {
        let body = r#"{"time":"2026-07-01T12:00:00.123456789Z","observed_time":"x","code":"USERPAYING","severity":"info",
            "title":"等待用户支付","ids":{"out_trade_no":"A1"},"source":{"path":"/a.log","line":7}}"#;
        let rest = "USERPAYING  等待用户支付  out_trade_no=A1  /a.log:7";
        assert_eq!(shown(body.as_bytes(), Lang::En), format!("2026-07-01 20:00:00 +08:00  INFO  {rest}"));
        assert_eq!(shown(body.as_bytes(), Lang::Zh), format!("2026-07-01 20:00:00 +08:00  提示  {rest}"));
    }

    fn notice(severity: &str, title: &str) -> String {
        format!(
            r#"{{"schema":"paytriage.incident/1","id":"1","incident":"2","status":"opened","reason":"threshold",
            "time":"2026-07-01T12:00:00.5Z","opened_at":"2026-07-01T12:00:00Z","first_seen":"2026-07-01T11:59:00Z",
            "last_seen":"2026-07-01T11:59:58Z","count":12,"new":12,
            "rate_per_minute":1.5,"orders":{{"distinct":3,"exact":false}},"scope":"isolated","scope_text":"s",
            "code":"USERPAYING","kind":"code","entry":"e","title":"{title}","category":"payer",
            "severity":"{severity}","act":"payer","advice":"none","retry":"later","cause":"c",
            "sources":[{{"name":"shop","host":"pay-1","count":12}}],"samples":[]}}"#
        )
    }

    #[test]
    fn incidents_are_one_line_and_digests_three_in_the_language_and_the_zone() {
        let hostile = r"a\u001bb";
        let en = |severity| {
            format!(
                "New · {severity} · a\\x1bb (USERPAYING) · 12 events, about 3 orders, 1.5 a minute, since 19:59:00, \
             last seen 19:59:58 +08:00 · shop (pay-1)"
            )
        };
        let one = notice("error", hostile);
        assert_eq!(shown(one.as_bytes(), Lang::En), format!("2026-07-01 20:00:00 +08:00  {}", en("ERROR")));
        assert_eq!(
            shown(one.as_bytes(), Lang::Zh),
            "2026-07-01 20:00:00 +08:00  新发生 · 错误 · a\\x1bb（USERPAYING） · 12 次，约 3 个订单，每分钟 1.5 次，\
             自 19:59:00 起，最近一次 19:59:58 +08:00 · shop（pay-1）"
        );
        let incidents = ["critical", "error", "info"].map(|severity| notice(severity, hostile)).join(",");
        let digest = format!(
            r#"{{"schema":"paytriage.digest/1","id":"3","time":"2026-07-01T12:00:30Z","incidents":[{incidents}],
            "more":0,"opened":3,"ongoing":0,"resolved":0,"unfollowed":7,"count":36}}"#
        );
        let first = "2026-07-01 20:00:30 +08:00  10 incidents: 3 new, 7 not followed one by one";
        let [critical, error] = ["CRITICAL", "ERROR"].map(en);
        assert_eq!(shown(digest.as_bytes(), Lang::En), format!("{first}\n  · {critical}\n  · {error}"));
        let counted = r#"{"schema":"paytriage.digest/1","id":"1","time":"2026-07-01T12:00:30Z","incidents":[],"more":1,"opened":0,
            "ongoing":0,"resolved":0,"unfollowed":1,"count":3,"unheard":[{"code":"C","entry":"e","title":"t","severity":"error",
            "source":"shop","count":3}]}"#;
        let first = "2026-07-01 20:00:30 +08:00  1 项异常：因数量过多未逐项跟踪 1";
        assert_eq!(
            shown(counted.as_bytes(), Lang::Zh),
            format!("{first}\n  · 未逐项跟踪 · 错误 · t（C） · 3 次 · shop")
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let body = br#"{"code":"X","title":"a\u001b[2Jb\nc\u202ed"}"#;
        let line = shown(body, Lang::En);
        assert!(line.contains("a\\x1b[2Jb\\nc\\u{202e}d"), "{line}");
        assert_eq!(shown(b"not json\x1b", Lang::En), "not json\\x1b");
    }
}
