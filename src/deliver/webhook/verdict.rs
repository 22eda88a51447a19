//! What an answer means: accepted, to be tried again, refused, unfit, too large, or never again.
//!
//! HTTP's status decides, but for the targets that answer 200 to everything and say the rest in the body.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::client::Answer;
use super::retry;
use crate::config::Format;
use crate::visible::visible;

/// What becomes of a request. Reasons are one line, and safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// Not now; `after` is what the receiver asks for.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
    /// The receiver does not want this request; perhaps because of what is in it, perhaps no other either: a wrong URL or key.
    Refused {
        reason: String,
    },
    /// What is in this request is not what the receiver wants; others it may want.
    Unfit {
        reason: String,
    },
    TooLarge {
        reason: String,
    },
    /// The receiver wants no requests any more.
    Gone {
        reason: String,
    },
}

/// Of an answer's text, as much as a reason shows.
const SHOWN: usize = 200;

/// DingTalk blocks a robot for ten minutes that was too quick.
const DINGTALK_BLOCK: Duration = Duration::from_secs(600);
/// Targets whose limits are per minute.
const NEXT_MINUTE: Duration = Duration::from_secs(60);

/// Judges an answer. `now` is what a date in `Retry-After` is compared with.
pub fn judge(format: &Format, answer: &Answer, now: Timestamp) -> Verdict {
    let after = answer.retry_after.as_deref().and_then(|header| retry::after(header, now));
    let reason = || reason(answer);
    match answer.status {
        200..=299 => accepted(format, answer, after),
        410 => Verdict::Gone { reason: reason() },
        413 => Verdict::TooLarge { reason: reason() },
        // "Back off" without saying for how long: its limit is per minute.
        429 if *format == Format::PagerDuty => Verdict::Retry { after: after.or(Some(NEXT_MINUTE)), reason: reason() },
        408 | 425 | 429 => Verdict::Retry { after, reason: reason() },
        300..=399 => Verdict::Retry {
            after,
            reason: format!("{}; redirects are not followed, so `url` has to be the last address", reason()),
        },
        400 | 415 | 422 => Verdict::Unfit { reason: reason() },
        401..=499 => Verdict::Refused { reason: reason() },
        _ => Verdict::Retry { after, reason: reason() },
    }
}

/// What stands behind a status that says yes.
fn accepted(format: &Format, answer: &Answer, after: Option<Duration>) -> Verdict {
    let only_if = |yes: bool| {
        if yes { Verdict::Accepted } else { Verdict::Retry { after, reason: reason(answer) } }
    };
    match format {
        Format::Slack => only_if(answer.body.trim_ascii() == b"ok"),
        Format::PagerDuty => only_if(answer.status == 202),
        Format::AlertmanagerAlerts => only_if(answer.status == 200),
        Format::Feishu | Format::DingTalk | Format::WeCom => match Robot::parse(format, &answer.body) {
            Some(robot) => robot.verdict(format, after, reason(answer)),
            None => only_if(false),
        },
        Format::Json | Format::CloudEvents | Format::Alertmanager | Format::Template(_) => Verdict::Accepted,
    }
}

/// The answer of a chat's robot.
struct Robot {
    code: i64,
    text: String,
}

impl Robot {
    /// `None` if it is none: a proxy, or a page for people.
    fn parse(format: &Format, body: &[u8]) -> Option<Robot> {
        #[derive(Deserialize)]
        struct Body {
            code: Option<i64>,
            errcode: Option<i64>,
            #[serde(default, alias = "errmsg")]
            msg: String,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        // Feishu's `StatusCode: 0` also stands in failures.
        let code = if *format == Format::Feishu { body.code } else { body.errcode }?;
        Some(Robot { code, text: body.msg.to_lowercase() })
    }

    fn verdict(&self, format: &Format, after: Option<Duration>, reason: String) -> Verdict {
        let retry = |at_least| Verdict::Retry { after: after.max(at_least), reason: reason.clone() };
        match (format, self.code) {
            (_, 0) => Verdict::Accepted,
            // Busy, in DingTalk's and WeCom's words.
            (_, -1) => retry(None),
            (Format::Feishu, 11232) => retry(Some(NEXT_MINUTE)),
            (Format::Feishu, 9499) if self.text.contains("too many") => retry(Some(NEXT_MINUTE)),
            // The sign, or a clock that is more than an hour off: nothing about this message.
            (Format::Feishu, 19021) => retry(None),
            (Format::DingTalk, 130_101) => retry(Some(DINGTALK_BLOCK)),
            (Format::DingTalk, 460_101 | 101_002) => Verdict::TooLarge { reason },
            (Format::WeCom, 45009) => retry(Some(NEXT_MINUTE)),
            (Format::WeCom, _) if self.text.contains("freq") => retry(Some(NEXT_MINUTE)),
            (Format::WeCom, 40058) if self.text.contains("exceed") => Verdict::TooLarge { reason },
            _ => Verdict::Refused { reason },
        }
    }
}

/// Status and the beginning of the answer; hostile text like any.
fn reason(answer: &Answer) -> String {
    match answer.beginning(SHOWN) {
        "" => format!("HTTP {}", answer.status),
        shown => format!("HTTP {}: {}", answer.status, visible(shown)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Template;
    use crate::deliver::webhook::secret::Mask;

    fn answer(status: u16, body: &str) -> Answer {
        let text = Mask::default().line(body.as_bytes());
        Answer { status, retry_after: None, body: body.as_bytes().to_vec(), text }
    }

    /// The verdict's name, and the seconds it asks for.
    fn judged(format: &Format, status: u16, body: &str) -> (&'static str, Option<u64>) {
        match judge(format, &answer(status, body), Timestamp::UNIX_EPOCH) {
            Verdict::Accepted => ("accepted", None),
            Verdict::Retry { after, .. } => ("retry", after.map(|after| after.as_secs())),
            Verdict::Refused { .. } => ("refused", None),
            Verdict::Unfit { .. } => ("unfit", None),
            Verdict::TooLarge { .. } => ("too large", None),
            Verdict::Gone { .. } => ("gone", None),
        }
    }

    #[test]
    fn a_status_means_the_same_for_all() {
        let template = Format::Template(Template { file: PathBuf::new(), content_type: String::new() });
        for format in [Format::Json, Format::CloudEvents, Format::Alertmanager, Format::Slack, Format::Feishu, template]
        {
            for (status, expected) in [
                (302, "retry"),
                (304, "retry"),
                (400, "unfit"),
                (401, "refused"),
                (403, "refused"),
                (404, "refused"),
                (408, "retry"),
                (410, "gone"),
                (413, "too large"),
                (415, "unfit"),
                (422, "unfit"),
                (425, "retry"),
                (429, "retry"),
                (500, "retry"),
                (502, "retry"),
                (503, "retry"),
                (101, "retry"),
            ] {
                assert_eq!(judged(&format, status, "ok"), (expected, None), "{format:?} {status}");
            }
        }
        assert_eq!(judged(&Format::PagerDuty, 429, "").1, Some(60));
    }

    #[test]
    fn what_is_accepted_is_said_by_each_target_in_its_own_way() {
        for (format, status, body, expected) in [
            (Format::Json, 204, "", "accepted"),
            (Format::CloudEvents, 202, "<html>", "accepted"),
            (Format::Alertmanager, 200, "", "accepted"),
            (Format::AlertmanagerAlerts, 200, "", "accepted"),
            (Format::AlertmanagerAlerts, 202, "", "retry"),
            (Format::PagerDuty, 202, "{\"status\":\"success\"}", "accepted"),
            (Format::PagerDuty, 200, "", "retry"),
            (Format::Slack, 200, "ok\n", "accepted"),
            (Format::Slack, 200, "<html>", "retry"),
            (Format::Feishu, 200, r#"{"code":0,"msg":"success","StatusCode":0}"#, "accepted"),
            (Format::Feishu, 200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, "retry"),
            (Format::Feishu, 200, r#"{"code":19024,"msg":"Key Words Not Found","StatusCode":0}"#, "refused"),
            (Format::Feishu, 200, "<html>", "retry"),
            (Format::DingTalk, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "accepted"),
            (Format::DingTalk, 200, r#"{"errcode":310000,"errmsg":"keywords not in content"}"#, "refused"),
            (Format::DingTalk, 200, r#"{"code":0}"#, "retry"),
            (Format::DingTalk, 200, r#"{"errcode":460101,"errmsg":"message too long"}"#, "too large"),
            (Format::WeCom, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "accepted"),
            (Format::WeCom, 200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "refused"),
            (
                Format::WeCom,
                200,
                r#"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}"#,
                "too large",
            ),
            (Format::WeCom, 200, "", "retry"),
        ] {
            assert_eq!(judged(&format, status, body), (expected, None), "{format:?} {status} {body}");
        }
    }

    #[test]
    fn robots_that_were_asked_too_often_are_left_alone_for_a_while() {
        for (format, body, seconds) in [
            (Format::Feishu, r#"{"code":11232,"msg":"create message trigger frequency limit"}"#, Some(60)),
            (Format::Feishu, r#"{"code":9499,"msg":"too many request"}"#, Some(60)),
            (Format::Feishu, r#"{"code":19021,"msg":"sign match fail"}"#, None),
            (Format::DingTalk, r#"{"errcode":130101,"errmsg":"send too fast"}"#, Some(600)),
            (Format::DingTalk, r#"{"errcode":-1,"errmsg":"system busy"}"#, None),
            (Format::WeCom, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, Some(60)),
        ] {
            assert_eq!(judged(&format, 200, body), ("retry", seconds), "{body}");
        }
    }

    #[test]
    fn a_receiver_says_when_to_come_back() {
        let answer = Answer { retry_after: Some("30".into()), ..answer(503, "") };
        let Verdict::Retry { after, reason } = judge(&Format::Json, &answer, Timestamp::UNIX_EPOCH) else {
            panic!("it is to be tried again")
        };
        assert_eq!((after, &*reason), (Some(Duration::from_secs(30)), "HTTP 503"));
    }

    #[test]
    fn reasons_are_short_and_harmless() {
        let long = format!("a\x1b[2J\nb\u{202e} {}", "x".repeat(9999));
        let Verdict::Unfit { reason } = judge(&Format::Json, &answer(400, &long), Timestamp::UNIX_EPOCH) else {
            panic!("it is refused")
        };
        assert!(reason.starts_with("HTTP 400: a\\x1b[2J b\\u{202e} xxx") && reason.len() < 300, "{reason}");
    }
}
