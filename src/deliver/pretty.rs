//! A message as lines for people: an event in one (time, severity, code, title, ids, place), an incident in one, several
//! incidents in three.
//!
//! Made from the stored JSON, so that it says what the other sinks say. Text that came from a log cannot act on the
//! terminal.

use serde_json::Value;

use super::message::{Item, Message};
use crate::incident::notice::{Digest, Notice, Status};
use crate::visible::visible;

/// Incidents of a digest that get a line, the worst ones.
const MAX_LISTED: usize = 2;

/// The message, without its last newline.
pub fn lines(body: &[u8]) -> String {
    match Message::parse(body) {
        Ok(Message { item: Item::Incident(notice), .. }) => incident(&notice),
        Ok(Message { item: Item::Digest(digest), .. }) => several(&digest),
        // What this version does not know is shown as well as it can be.
        Ok(Message { item: Item::Event(_), .. }) | Err(_) => event(body),
    }
}

fn event(body: &[u8]) -> String {
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
    one_line(&parts)
}

fn incident(notice: &Notice) -> String {
    let about = if notice.orders.exact { "" } else { "~" };
    let mut parts = vec![
        notice.time.clone(),
        status(notice.status).to_owned(),
        notice.severity.to_uppercase(),
        notice.code.clone(),
        notice.title.clone(),
        format!("events={}", notice.count),
        format!("orders={about}{}", notice.orders.distinct),
    ];
    if let Some(source) = notice.sources.first() {
        parts.push(format!("source={}", source.name));
        let hosts: Vec<_> = notice.sources.iter().filter_map(|source| source.host.as_deref()).collect();
        parts.extend((!hosts.is_empty()).then(|| format!("host={}", hosts.join(","))));
    }
    one_line(&parts)
}

fn several(digest: &Digest) -> String {
    let counts = [
        ("opened", digest.opened),
        ("ongoing", digest.ongoing),
        ("resolved", digest.resolved),
        ("events", digest.count),
    ];
    let counts = counts.iter().map(|(name, n)| format!("{name}={n}"));
    let mut lines =
        vec![one_line(&[digest.time.clone(), "DIGEST".to_owned()].into_iter().chain(counts).collect::<Vec<_>>())];
    lines.extend(digest.incidents.iter().take(MAX_LISTED).map(|notice| format!("  {}", incident(notice))));
    lines.join("\n")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Opened => "OPENED",
        Status::Ongoing => "ONGOING",
        Status::Resolved => "RESOLVED",
    }
}

fn one_line(parts: &[String]) -> String {
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
            lines(body.as_bytes()),
            "2026-07-01T12:00:00Z  INFO  USERPAYING  等待用户支付  out_trade_no=A1  /a.log:7"
        );
    }

    #[test]
    fn incidents_are_one_line_and_digests_three() {
        let notice = |severity: &str, title: &str| {
            format!(
                r#"{{"schema":"paytriage.incident/1","id":"1","incident":"2","status":"opened","reason":"threshold",
                "time":"2026-07-01T12:00:00Z","opened_at":"t","first_seen":"t","last_seen":"t","count":12,"new":12,
                "rate_per_minute":1.5,"orders":{{"distinct":3,"exact":false}},"scope":"isolated","scope_text":"s",
                "code":"USERPAYING","kind":"code","entry":"e","title":"{title}","category":"payer",
                "severity":"{severity}","act":"payer","advice":"none","retry":"later","cause":"c",
                "sources":[{{"name":"shop","host":"pay-1","count":12}}],"samples":[]}}"#
            )
        };
        let line = |severity: &str| {
            format!(
                "2026-07-01T12:00:00Z  OPENED  {severity}  USERPAYING  a\\x1bb  events=12  orders=~3  source=shop  host=pay-1"
            )
        };
        let hostile = r"a\u001bb";
        assert_eq!(lines(notice("error", hostile).as_bytes()), line("ERROR"));
        let incidents = ["critical", "error", "info"].map(|severity| notice(severity, hostile)).join(",");
        let digest = format!(
            r#"{{"schema":"paytriage.digest/1","id":"3","time":"2026-07-01T12:00:30Z","incidents":[{incidents}],
            "more":0,"opened":3,"ongoing":0,"resolved":0,"count":36}}"#
        );
        let first = "2026-07-01T12:00:30Z  DIGEST  opened=3  ongoing=0  resolved=0  events=36";
        assert_eq!(lines(digest.as_bytes()), format!("{first}\n  {}\n  {}", line("CRITICAL"), line("ERROR")));
    }

    #[test]
    fn hostile_text_stays_text() {
        let body = br#"{"code":"X","title":"a\u001b[2Jb\nc\u202ed"}"#;
        let line = lines(body);
        assert!(line.contains("a\\x1b[2Jb\\nc\\u{202e}d"), "{line}");
        assert_eq!(lines(b"not json\x1b"), "not json\\x1b");
    }
}
