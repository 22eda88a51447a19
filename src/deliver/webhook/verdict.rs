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
    let robot = Robot::parse(format, &answer.body);
    // Some say it with a status of their own, some with 200.
    if answer.status == 429 || robot.as_ref().is_some_and(|robot| robot.is_limited(format)) {
        return Verdict::Retry { after: after.max(pause(format)), reason: reason() };
    }
    match (answer.status, robot) {
        (200..=299, robot) => accepted(format, answer, robot, after),
        (410, _) => Verdict::Gone { reason: reason() },
        (413, _) => Verdict::TooLarge { reason: reason() },
        (408 | 425, _) => Verdict::Retry { after, reason: reason() },
        (400..=499, Some(robot)) if robot.code != 0 => robot.verdict(format, after, reason()),
        (400 | 415 | 422, _) => Verdict::Unfit { reason: reason() },
        (400..=499, _) => Verdict::Refused { reason: reason() },
        (300..=399, _) => Verdict::Retry {
            after,
            reason: format!("{}; redirects are not followed, so `url` has to be the last address", reason()),
        },
        _ => Verdict::Retry { after, reason: reason() },
    }
}

/// How long a target is left alone that was asked too often, whatever it says of that itself.
fn pause(format: &Format) -> Option<Duration> {
    match format {
        Format::DingTalk => Some(DINGTALK_BLOCK),
        Format::Feishu | Format::WeCom | Format::PagerDuty => Some(NEXT_MINUTE),
        _ => None,
    }
}

/// What stands behind a status that says yes.
fn accepted(format: &Format, answer: &Answer, robot: Option<Robot>, after: Option<Duration>) -> Verdict {
    let only_if = |yes: bool| {
        if yes { Verdict::Accepted } else { Verdict::Retry { after, reason: reason(answer) } }
    };
    match format {
        Format::Slack => only_if(answer.body.trim_ascii() == b"ok"),
        Format::PagerDuty => only_if(answer.status == 202),
        Format::Feishu | Format::DingTalk | Format::WeCom => match robot {
            Some(robot) => robot.verdict(format, after, reason(answer)),
            None => only_if(false),
        },
        Format::Json
        | Format::CloudEvents
        | Format::Alertmanager
        // It says 200 itself; a gateway before it may say 202 or 204.
        | Format::AlertmanagerAlerts
        | Format::Template(_) => Verdict::Accepted,
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
        if !matches!(format, Format::Feishu | Format::DingTalk | Format::WeCom) {
            return None;
        }
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

    /// It was asked too often, which says nothing of the message.
    fn is_limited(&self, format: &Format) -> bool {
        match (format, self.code) {
            (Format::Feishu, code) => code == 11232 || code == 99_991_400 || self.text.contains("too many"),
            // Too fast; too fast as well; over the limit of a day.
            (Format::DingTalk, code) => matches!(code, 130_101 | 410_100 | 90030),
            // Too often; too many at once.
            (_, code) => matches!(code, 45009 | 45033) || self.text.contains("freq"),
        }
    }

    fn verdict(&self, format: &Format, after: Option<Duration>, reason: String) -> Verdict {
        match (format, self.code) {
            (_, 0) => Verdict::Accepted,
            // Busy, in DingTalk's and WeCom's words.
            (_, -1) => Verdict::Retry { after, reason },
            // The sign, or a clock that is more than an hour off: nothing about this message.
            (Format::Feishu, 19021) => Verdict::Retry { after, reason },
            (Format::DingTalk, 460_101 | 101_002) => Verdict::TooLarge { reason },
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
    use crate::secret::Mask;

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
        for format in [Format::Json, Format::CloudEvents, Format::Alertmanager, Format::Slack, template] {
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
        for (format, seconds) in
            [(Format::PagerDuty, 60), (Format::Feishu, 60), (Format::WeCom, 60), (Format::DingTalk, 600)]
        {
            assert_eq!(judged(&format, 429, ""), ("retry", Some(seconds)));
        }
    }

    #[test]
    fn what_is_accepted_is_said_by_each_target_in_its_own_way() {
        for (format, status, body, expected) in [
            (Format::Json, 204, "", "accepted"),
            (Format::CloudEvents, 202, "<html>", "accepted"),
            (Format::Alertmanager, 200, "", "accepted"),
            (Format::AlertmanagerAlerts, 200, "", "accepted"),
            (Format::AlertmanagerAlerts, 202, "", "accepted"),
            (Format::AlertmanagerAlerts, 204, "", "accepted"),
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
            (Format::Feishu, r#"{"code":99991400,"msg":"request trigger frequency limit"}"#, Some(60)),
            (Format::Feishu, r#"{"code":11232,"msg":"create message trigger frequency limit"}"#, Some(60)),
            (Format::Feishu, r#"{"code":9499,"msg":"too many request"}"#, Some(60)),
            (Format::DingTalk, r#"{"errcode":130101,"errmsg":"send too fast"}"#, Some(600)),
            (Format::DingTalk, r#"{"errcode":410100,"errmsg":"发送速度太快而限流"}"#, Some(600)),
            (Format::DingTalk, r#"{"errcode":90030,"errmsg":"webhook over limit"}"#, Some(600)),
            (Format::WeCom, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, Some(60)),
            (Format::WeCom, r#"{"errcode":45033,"errmsg":"api concurrent out of limit"}"#, Some(60)),
        ] {
            for status in [200, 400, 429] {
                assert_eq!(judged(&format, status, body), ("retry", seconds), "{status} {body}");
            }
        }
        // Not too often, and nothing about the message either.
        for (format, body) in [
            (Format::Feishu, r#"{"code":19021,"msg":"sign match fail"}"#),
            (Format::DingTalk, r#"{"errcode":-1,"errmsg":"system busy"}"#),
        ] {
            assert_eq!(judged(&format, 200, body), ("retry", None), "{body}");
            assert_eq!(judged(&format, 400, body), ("retry", None), "{body}");
        }
        // A code means it only where it comes from: these bodies are anybody's.
        assert_eq!(judged(&Format::Json, 200, r#"{"code":11232,"errcode":45009}"#), ("accepted", None));
        assert_eq!(judged(&Format::Feishu, 200, r#"{"code":9499,"msg":"Bad Request"}"#), ("refused", None));
    }

    #[test]
    fn a_receiver_says_when_to_come_back() {
        let with = |format, status, header: &str| {
            let answer = Answer { retry_after: Some(header.into()), ..answer(status, "") };
            judge(&format, &answer, Timestamp::UNIX_EPOCH)
        };
        let after = |seconds, status| {
            let (after, reason) = (Some(Duration::from_secs(seconds)), format!("HTTP {status}"));
            Verdict::Retry { after, reason }
        };
        assert_eq!(with(Format::Json, 503, "30"), after(30, 503));
        assert_eq!(with(Format::WeCom, 429, "90"), after(90, 429));
        assert_eq!(with(Format::DingTalk, 429, "90"), after(600, 429));
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
