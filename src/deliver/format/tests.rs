//! What each format makes of the same messages, in files that are reviewed like code, and what holds whatever is in them.
//!
//! `UPDATE_GOLDEN=1 cargo test --lib format` rewrites `tests/golden`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};

use super::samples::{self, with_texts};
use super::{CompiledTemplate, Context, RenderError, Rendered, compile, limits, render, requests, tells_of};
use crate::catalog::Lang;
use crate::config::{Format, Template};
use crate::deliver::message::Message;

mod alerts;

const CHATS: [Format; 4] = [Format::Slack, Format::Feishu, Format::DingTalk, Format::WeCom];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn template() -> Template {
    Template { file: golden().join("template/ticket.jinja"), content_type: "application/json".into() }
}

fn formats() -> Vec<(&'static str, Format)> {
    vec![
        ("json", Format::Json),
        ("cloudevents", Format::CloudEvents),
        ("alertmanager", Format::Alertmanager),
        ("alerts_api", Format::AlertmanagerAlerts),
        ("pagerduty", Format::PagerDuty),
        ("slack", Format::Slack),
        ("feishu", Format::Feishu),
        ("dingtalk", Format::DingTalk),
        ("wecom", Format::WeCom),
        ("template", Format::Template(template())),
    ]
}

fn context<'a>(format: &Format, lang: Lang, template: Option<&'a CompiledTemplate>) -> Context<'a> {
    let max_bytes = limits(format).max_bytes;
    // China's.
    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::fixed(jiff::tz::offset(8)));
    let longest_pause = Duration::from_secs(4 * 3600);
    let host = Some("pay-1");
    Context { lang, timezone: &ZONE, longest_pause, host, version: "0.1.0", sink: "oncall", max_bytes, template }
}

fn bytes(rows: &[Value]) -> Vec<Vec<u8>> {
    rows.iter().map(|row| row.to_string().into_bytes()).collect()
}

fn messages(rows: &[Vec<u8>]) -> Vec<Message<'_>> {
    rows.iter().map(|row| Message::parse(row).unwrap()).collect()
}

fn rendered(format: &Format, rows: &[Value], lang: Lang) -> Vec<Rendered> {
    let template = compile(&template()).unwrap();
    let rows = bytes(rows);
    let context = context(format, lang, Some(&template));
    let requests = in_requests(format, &messages(&rows));
    requests.iter().map(|messages| render(format, messages, &context).unwrap()).collect()
}

/// As the worker makes them: what does not go together is halved.
fn in_requests<'a>(format: &Format, messages: &[Message<'a>]) -> Vec<Vec<Message<'a>>> {
    match requests(format, limits(format).max_batch, messages) {
        Err(RenderError::NotAlone) => {
            let (left, right) = messages.split_at(messages.len() / 2);
            [in_requests(format, left), in_requests(format, right)].concat()
        }
        requests => requests.unwrap(),
    }
}

fn bodies(format: &Format, rows: &[Value], lang: Lang) -> Vec<Value> {
    rendered(format, rows, lang).iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn requests_are_as_reviewed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for lang in [Lang::En, Lang::Zh] {
        for (case, rows) in samples::cases(lang) {
            for (name, format) in formats() {
                let is_of_chats = matches!(case, "long" | "storm" | "own-event" | "own-events" | "counted");
                // What is only wrapped in something needs no more examples.
                let is_of_people = is_of_chats
                    || matches!(
                        case,
                        "sink-down" | "sink-up" | "dropped" | "dropped-messages" | "special" | "unfollowed"
                    );
                let is_for_people =
                    CHATS.contains(&format) || matches!(format, Format::Alertmanager | Format::PagerDuty);
                if case == "many" || is_of_chats && !CHATS.contains(&format) || is_of_people && !is_for_people {
                    continue;
                }
                let requests = rendered(&format, &rows, lang);
                let bodies = requests.iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
                let shown = json!({ "content_type": requests[0].content_type, "bodies": bodies.collect::<Vec<_>>() });
                let path = golden().join(name).join(format!("{case}.{lang}.json"));
                if update {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(&path, format!("{shown:#}\n")).unwrap();
                }
                let expected = fs::read(&path).map(|text| serde_json::from_slice::<Value>(&text).unwrap());
                if expected.ok() != Some(shown) {
                    wrong.push(path);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 cargo test --lib format, and look at the difference: {wrong:#?}");
}

#[test]
fn every_request_is_within_the_limits_of_its_target() {
    for lang in [Lang::En, Lang::Zh] {
        for (case, rows) in samples::cases(lang) {
            for (name, format) in formats() {
                for request in rendered(&format, &rows, lang) {
                    assert!(request.body.len() <= limits(&format).max_bytes, "{name} {case}: {}", request.body.len());
                    assert!(serde_json::from_slice::<Value>(&request.body).is_ok(), "{name} {case}");
                }
            }
        }
    }
}

#[test]
fn what_is_cut_says_so_in_the_language() {
    for (lang, more) in [(Lang::En, "more"), (Lang::Zh, "另有")] {
        let cases = samples::cases(lang);
        for case in ["many", "long", "storm"] {
            let rows = &cases.iter().find(|(name, _)| *name == case).unwrap().1;
            let body = rendered(&Format::WeCom, rows, lang).remove(0).body;
            assert!(String::from_utf8(body).unwrap().contains(more), "{case}");
        }
    }
}

#[test]
fn rows_are_embedded_as_they_are() {
    // Spaces and escapes that no serializer would write again.
    let raw = samples::event(Lang::En).to_string().replacen('{', "{  \"x\": \"\\u0041\\/\", ", 1).into_bytes();
    let rows = [raw.clone(), raw.clone()];
    for format in [Format::Json, Format::CloudEvents] {
        for n in [1, 2] {
            let request = render(&format, &messages(&rows[..n]), &context(&format, Lang::En, None)).unwrap();
            let times = request.body.windows(raw.len()).filter(|window| *window == raw).count();
            assert_eq!(times, n, "{format:?}");
        }
    }
}

#[test]
fn what_cannot_be_cut_and_is_too_big_is_refused() {
    let rows = bytes(&[samples::event(Lang::En)]);
    let template = compile(&template()).unwrap();
    for (_, format) in formats() {
        let context = Context { max_bytes: 100, ..context(&format, Lang::En, Some(&template)) };
        let refused = render(&format, &messages(&rows), &context);
        assert!(matches!(refused, Err(RenderError::TooBig { max_bytes: 100 })), "{format:?}");
    }
}

#[test]
fn pagerduty_gets_each_incident_under_its_own_key() {
    let bodies = bodies(&Format::PagerDuty, &[samples::digest(Lang::En)], Lang::En);
    let said: Vec<_> =
        bodies.iter().map(|body| (body["event_action"].as_str().unwrap(), body["dedup_key"].clone())).collect();
    let key = |n: u32| Value::from(format!("{n:032x}"));
    assert_eq!(said, [("trigger", key(16)), ("trigger", key(17)), ("resolve", key(18))]);
    for body in &bodies[..2] {
        let payload = &body["payload"];
        assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
        assert!(payload["summary"].as_str().unwrap().chars().count() <= 1024);
        assert!(payload["source"].is_string() && body.get("routing_key").is_none());
    }
    let rows = bytes(&[samples::digest(Lang::En)]);
    let together = render(&Format::PagerDuty, &messages(&rows), &context(&Format::PagerDuty, Lang::En, None));
    assert!(matches!(together, Err(RenderError::NotAlone)));
}

#[test]
fn cloudevents_are_one_an_incident_and_no_more_together_than_the_receiver_takes() {
    let rows = bytes(&[samples::storm(Lang::En), samples::event(Lang::En)]);
    let n_each = |max_batch| {
        let requests = requests(&Format::CloudEvents, max_batch, &messages(&rows)).unwrap();
        requests.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!((n_each(100), n_each(20), n_each(1)), (vec![31], vec![20, 11], vec![1; 31]));
    let events = bodies(&Format::CloudEvents, &[samples::storm(Lang::En)], Lang::En).remove(0);
    let types = |name: &str| events.as_array().unwrap().iter().filter(|event| event["type"] == name).count();
    assert_eq!((types("paytriage.incident.opened"), types("paytriage.incident.resolved")), (15, 15));
}

#[test]
fn of_many_incidents_alerts_and_pagers_get_each_and_chats_show_twenty() {
    let rows = [samples::storm(Lang::En)];
    let resolved = |bodies: &[Value], pointer: &str, over: &str| bodies.iter().filter(|it| it[pointer] == over).count();
    let pages = bodies(&Format::PagerDuty, &rows, Lang::En);
    assert_eq!((pages.len(), resolved(&pages, "event_action", "resolve")), (30, 15));
    let sent = bodies(&Format::Alertmanager, &rows, Lang::En);
    assert_eq!((sent.len(), resolved(&sent, "status", "resolved")), (30, 15));
    let pushed = bodies(&Format::AlertmanagerAlerts, &rows, Lang::En).remove(0);
    assert_eq!(
        (pushed.as_array().unwrap().len(), resolved(pushed.as_array().unwrap(), "endsAt", "2026-11-22T19:32:01Z")),
        (30, 15)
    );
    for format in CHATS {
        let body = bodies(&format, &rows, Lang::En).remove(0).to_string();
        assert!(
            body.contains("(ACQ.N19)") && !body.contains("ACQ.N20") && body.contains("10 more"),
            "{format:?} {body}"
        );
    }
}

#[test]
fn cloudevents_keep_the_rules_of_attributes() {
    for (case, rows) in samples::cases(Lang::Zh) {
        let bodies = bodies(&Format::CloudEvents, &rows, Lang::Zh);
        let events = |body: Value| body.as_array().cloned().unwrap_or_else(|| vec![body]);
        for event in bodies.into_iter().flat_map(events) {
            for (name, value) in event.as_object().unwrap() {
                assert!(
                    name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                    "{name}"
                );
                assert!(
                    name == "data"
                        || value.as_str().is_some_and(|text| !text.is_empty() && !text.contains(char::is_control)),
                    "{case} {name}"
                );
            }
            for name in ["id", "source", "type", "specversion"] {
                assert!(event.get(name).is_some(), "{case} {name}");
            }
            assert!(event["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        }
    }
}

#[test]
fn who_is_told_of_incidents_one_by_one_is_told_nothing_of_what_is_only_counted() {
    let cases = samples::cases(Lang::En);
    let counted = bytes(&cases.iter().find(|(name, _)| *name == "counted").unwrap().1).remove(0);
    for (_, format) in formats() {
        let is_told = !matches!(
            format,
            Format::CloudEvents | Format::PagerDuty | Format::Alertmanager | Format::AlertmanagerAlerts
        );
        assert_eq!(tells_of(&format, &counted), is_told, "{format:?}");
        assert!(tells_of(&format, &bytes(&[samples::digest(Lang::En)])[0]) && tells_of(&format, b"what is that?"));
    }
}

#[test]
fn templates_say_where_they_are_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.jinja");
    let check = |source: &str| {
        fs::write(&file, source).unwrap();
        compile(&Template { file: file.clone(), content_type: "application/json".into() })
    };
    for (source, line, what) in
        [("{}\n{% if %}", Some(2), "syntax error"), ("{}\n\n{{ message.title }}", Some(3), "there is no `message`")]
    {
        let error = check(source).unwrap_err();
        assert_eq!((error.line, error.file.as_path()), (line, file.as_path()), "{source}");
        assert!(error.what.contains(what), "{source}: {error}");
    }
    let rows = bytes(&[with_texts(samples::event(Lang::En), &|_| samples::HOSTILE.to_owned())]);
    for (source, what) in [
        ("{{ messages[0].no_such_key }}", "undefined"),
        ("\"{{ messages[0].excerpt }}\"", "{{ value|json }}"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"),
    ] {
        let template = check(source).unwrap();
        let format = Format::Template(self::template());
        let error = render(&format, &messages(&rows), &context(&format, Lang::En, Some(&template))).unwrap_err();
        assert!(error.to_string().contains(what), "{source}: {error}");
    }
    assert!(check(&"x".repeat(300_000)).unwrap_err().what.contains("too large"));
    assert!(compile(&Template { file: dir.path().join("none"), content_type: String::new() }).is_err());
}

/// All texts of a body.
fn texts<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
        Value::Object(map) => map.values().for_each(|value| texts(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Why a chat could take a text of this request for more than text.
fn markup(format: &Format, body: &Value) -> Result<(), String> {
    let ours = match format {
        Format::Slack => r"<https://opendocs\.alipay\.com/[^<>|]*>|&amp;|&lt;|&gt;",
        Format::Feishu => r"^https://opendocs\.alipay\.com/.*$",
        _ => {
            r#"(?m)^\*\*[^*]+\*\*(: |：)|\[(Docs|官方文档)\]\(https://opendocs\.alipay\.com/[^()]*\)|^### |<font color="(warning|info|comment)">|</font>"#
        }
    };
    let forbidden = match format {
        Format::Slack => r"[<>&]|://|(?i)www\.",
        Format::Feishu => r"[<>@]|://|(?i)www\.",
        _ => r"[<>@\[\]*`~\\|&]|://|(?i)www\.|(?m)^[#>]|(^|[^\p{Alphabetic}\p{N}])_|_($|[^\p{Alphabetic}\p{N}])",
    };
    let (ours, forbidden) = (Regex::new(ours).unwrap(), Regex::new(forbidden).unwrap());
    let mut all = Vec::new();
    texts(body, &mut all);
    for text in all {
        let rest = ours.replace_all(text, "ours");
        if let Some(found) = forbidden.find(&rest) {
            return Err(format!("{:?} in {rest:?}", found.as_str()));
        }
        if let Some(hidden) = text.chars().find(|&c| c != '\n' && crate::visible::is_hidden(c)) {
            return Err(format!("{hidden:?} in {text:?}"));
        }
    }
    match format {
        Format::Slack => slack_rules(body),
        Format::DingTalk if body["at"] != json!({ "atMobiles": [], "atUserIds": [], "isAtAll": false }) => {
            Err("at".into())
        }
        Format::Feishu if body.to_string().contains("lark_md") => Err("lark_md".into()),
        _ => Ok(()),
    }
}

/// <https://docs.slack.dev/reference/block-kit>
fn slack_rules(body: &Value) -> Result<(), String> {
    let blocks = body["blocks"].as_array().unwrap();
    let chars = |text: &Value| text["text"].as_str().unwrap().chars().count();
    let is_within = blocks.len() <= 50
        && blocks.iter().all(|block| match block["type"].as_str().unwrap() {
            "header" => (1..=150).contains(&chars(&block["text"])),
            "section" => (1..=3000).contains(&chars(&block["text"])),
            _ => true,
        });
    if is_within { Ok(()) } else { Err("blocks are too large".into()) }
}

#[test]
fn hostile_text_stays_text() {
    for lang in [Lang::En, Lang::Zh] {
        for (case, rows) in samples::cases(lang) {
            for format in CHATS {
                for body in bodies(&format, &rows, lang) {
                    markup(&format, &body).unwrap_or_else(|found| panic!("{format:?} {case} {lang}: {found}"));
                }
            }
        }
    }
}

/// Mentions, links and markup of all chats, in every dress that a client may undo.
const HOSTILE_WORDS: &[&str] = &[
    "<!here|x>",
    "<!channel>",
    "<!subteam^S1>",
    "<#C1>",
    "<https://evil.example|ok>",
    "<at id=all></at>",
    "<at user_id=\"all\">all</at>",
    "<person id='ou_1'></person>",
    "<a href='https://evil.example'>x</a>",
    "<@all>",
    "<@U1>",
    "@all",
    "@everyone",
    "@所有人",
    "@13800138000",
    "@\u{200b}all",
    "\u{2060}<\u{200d}!here>",
    "＠all",
    "[text](url)",
    "![x](//evil.example)",
    "<//evil.example>",
    "javascript:alert(1)",
    "\u{202e}lla@",
    "\u{2066}x\u{2069}",
    "\u{feff}# title",
    "\r\n> quote\r\n- list\n---\n",
    "<font color=\"warning\">x</font>",
    "&lt;!here&gt;",
    "&#60;at&#62;",
    "```x```",
    "\u{1b}[31m",
    "\",\"at\":{\"isAtAll\":true}",
    "{{7*7}}",
];

fn hostile_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        any::<String>(),
        "[<>@&_*`~#|!\\[\\]()\\\\/:.\"{}\n a1支]{0,12}",
        // With the blank it cannot pass for a document of the catalogue.
        Just("https://evil.example/ ".to_owned()),
        proptest::sample::select(HOSTILE_WORDS).prop_map(str::to_owned),
        Just("wWw.".to_owned()),
        Just(samples::HOSTILE.to_owned()),
        Just("支付&\"\\".repeat(60)),
    ];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_in_them_requests_are_valid_small_and_plain(
        text in hostile_text(), other in hostile_text(), n in 1usize..4, is_chinese: bool, kind in 0usize..4,
    ) {
        let lang = if is_chinese { Lang::Zh } else { Lang::En };
        let row = match kind {
            0 => samples::event(lang),
            1 => samples::digest(lang),
            2 => samples::notice("resolved", lang),
            _ => samples::notice("ongoing", lang),
        };
        let texts = |old: &str| if old.len().is_multiple_of(2) { text.clone() } else { other.clone() };
        let rows = vec![with_texts(row, &texts); n];
        for (name, format) in formats() {
            for request in rendered(&format, &rows, lang) {
                prop_assert!(request.body.len() <= limits(&format).max_bytes);
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                if CHATS.contains(&format) && let Err(found) = markup(&format, &body) {
                    return Err(TestCaseError::fail(format!("{name}: {found}")));
                }
            }
        }
    }
}
