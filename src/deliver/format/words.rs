//! The words that chat messages add, in English and Chinese. Those of verdicts are the report's.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Actor, Lang, Retry, Severity};
use crate::incident::notice::{Notice, Reason, Status};
use crate::render::words::{self as report, grouped};

use super::subject::Totals;

/// Labels that the report does not have.
#[derive(Debug)]
pub struct Words {
    pub count: &'static str,
    pub scope: &'static str,
    pub place: &'static str,
    pub orders: &'static str,
    pub related: &'static str,
    pub excerpt: &'static str,
    pub time: &'static str,
    pub over: &'static str,
    /// Between a label and what it labels.
    pub colon: &'static str,
}

const EN: Words = Words {
    count: "How many",
    scope: "Scope",
    place: "Where",
    orders: "Orders",
    related: "Related",
    excerpt: "Log",
    time: "When",
    over: "It is over",
    colon: ": ",
};

const ZH: Words = Words {
    count: "次数",
    scope: "影响范围",
    place: "来源",
    orders: "订单",
    related: "相关异常",
    excerpt: "日志",
    time: "时间",
    over: "已恢复",
    colon: "：",
};

pub fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::Zh => &ZH,
    }
}

/// Words of the schema in the language of the reader; what this version does not know stays as it is.
pub fn severity(word: &str, lang: Lang) -> &str {
    Severity::parse(word).map_or(word, |known| report::severity(known, lang))
}

pub fn actor(word: &str, lang: Lang) -> &str {
    Actor::parse(word).map_or(word, |known| report::actor(known, lang))
}

pub fn retry(word: &str, lang: Lang) -> &str {
    Retry::parse(word).map_or(word, |known| report::retry(known, lang))
}

pub fn status(notice: &Notice, lang: Lang) -> &'static str {
    match (lang, notice.status, notice.reason) {
        (Lang::En, Status::Opened, _) => "New",
        (Lang::En, Status::Ongoing, Reason::Worse) => "Getting worse",
        (Lang::En, Status::Ongoing, _) => "Ongoing",
        (Lang::En, Status::Resolved, Reason::CrowdedOut) => "No longer watched",
        (Lang::En, Status::Resolved, _) => "Resolved",
        (Lang::Zh, Status::Opened, _) => "新发生",
        (Lang::Zh, Status::Ongoing, Reason::Worse) => "正在加剧",
        (Lang::Zh, Status::Ongoing, _) => "仍在持续",
        (Lang::Zh, Status::Resolved, Reason::CrowdedOut) => "不再跟踪",
        (Lang::Zh, Status::Resolved, _) => "已恢复",
    }
}

pub fn flapping(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "comes and goes",
        Lang::Zh => "时有时无",
    }
}

/// `1,234 events (56 new), about 310 orders, since … (12 min), 4.7 a minute`.
pub fn count(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let mut text = report::events(notice.count, lang);
    let is_news = notice.new > 0 && notice.new < notice.count;
    match lang {
        Lang::En if is_news => text.push_str(&format!(" ({} new)", grouped(notice.new))),
        Lang::Zh if is_news => text.push_str(&format!("（上次通知后 {} 次）", grouped(notice.new))),
        Lang::En | Lang::Zh => {}
    }
    let (comma, since) = (comma(lang), time(&notice.first_seen, timezone));
    if notice.orders.distinct > 0 {
        text.push_str(&format!("{comma}{}", orders(notice.orders.distinct, notice.orders.exact, lang)));
    }
    match lang {
        Lang::En => text.push_str(&format!("{comma}since {since}")),
        Lang::Zh => text.push_str(&format!("{comma}自 {since} 起")),
    }
    if let Some(span) = span(&notice.first_seen, &notice.time, lang) {
        text.push_str(&bracketed(&span, lang));
    }
    if notice.rate_per_minute.is_finite() && notice.rate_per_minute > 0.0 {
        match lang {
            Lang::En => text.push_str(&format!("{comma}{} a minute", rate(notice.rate_per_minute))),
            Lang::Zh => text.push_str(&format!("{comma}每分钟 {} 次", rate(notice.rate_per_minute))),
        }
    }
    text
}

/// `12 events, 3 orders`, for one line of a list.
pub fn short_count(notice: &Notice, lang: Lang) -> String {
    let events = report::events(notice.count, lang);
    match notice.orders.distinct {
        0 => events,
        n => format!("{events}{}{}", comma(lang), orders(n, notice.orders.exact, lang)),
    }
}

/// What is said of an incident that is over.
pub fn over(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let (from, to) = (time(&notice.first_seen, timezone), time(&notice.last_seen, timezone));
    let span =
        span(&notice.first_seen, &notice.last_seen, lang).map_or_else(String::new, |span| bracketed(&span, lang));
    let count = short_count(notice, lang);
    match lang {
        Lang::En => format!("{count}, from {from} to {to}{span}"),
        Lang::Zh => format!("{count}，{from} 至 {to}{span}"),
    }
}

/// The headline of several incidents.
pub fn incidents(totals: &Totals, lang: Lang) -> String {
    let Totals { opened, ongoing, resolved, .. } = *totals;
    let n = opened + ongoing + resolved;
    let parts = match lang {
        Lang::En => [(opened, "new"), (ongoing, "ongoing"), (resolved, "resolved")],
        Lang::Zh => [(opened, "新发生"), (ongoing, "仍在持续"), (resolved, "已恢复")],
    };
    let named = |&(n, word): &(u64, &str)| match lang {
        Lang::En => format!("{} {word}", grouped(n)),
        Lang::Zh => format!("{word} {}", grouped(n)),
    };
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(named).collect();
    match lang {
        Lang::En => format!("{} incidents: {}", grouped(n), parts.join(", ")),
        Lang::Zh => format!("{} 项支付异常：{}", grouped(n), parts.join("，")),
    }
}

/// The headline of several events.
pub fn errors(n: u64, lang: Lang) -> String {
    match lang {
        Lang::En => format!("{} payment errors", grouped(n)),
        Lang::Zh => format!("{} 条支付错误", grouped(n)),
    }
}

/// The headline where there are both.
pub fn notifications(n: u64, lang: Lang) -> String {
    match lang {
        Lang::En => format!("{} notifications", grouped(n)),
        Lang::Zh => format!("{} 条通知", grouped(n)),
    }
}

/// Stands for what was left out.
pub fn more(n: u64, lang: Lang) -> String {
    match lang {
        Lang::En => format!("… {} more", grouped(n)),
        Lang::Zh => format!("…… 另有 {} 条", grouped(n)),
    }
}

pub fn shared_orders(n: u64, lang: Lang) -> String {
    match (lang, n) {
        (Lang::En, 1) => "1 order in common".to_owned(),
        (Lang::En, n) => format!("{} orders in common", grouped(n)),
        (Lang::Zh, n) => format!("{} 个相同订单", grouped(n)),
    }
}

pub fn merchant(id: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("merchant {id}"),
        Lang::Zh => format!("商户号 {id}"),
    }
}

pub fn comma(lang: Lang) -> &'static str {
    match lang {
        Lang::En => ", ",
        Lang::Zh => "，",
    }
}

pub fn bracketed(text: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!(" ({text})"),
        Lang::Zh => format!("（{text}）"),
    }
}

pub fn several(names: &[String], lang: Lang) -> String {
    names.join(match lang {
        Lang::En => ", ",
        Lang::Zh => "、",
    })
}

/// `2026-11-23 10:10:05 +08:00`; what is no time stays as it is.
pub fn time(rfc3339: &str, timezone: &TimeZone) -> String {
    let shown = |time: Timestamp| time.to_zoned(timezone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    rfc3339.parse().map_or_else(|_| rfc3339.to_owned(), shown)
}

fn orders(n: u64, exact: bool, lang: Lang) -> String {
    let about = match (exact, lang) {
        (true, _) => "",
        (false, Lang::En) => "about ",
        (false, Lang::Zh) => "约 ",
    };
    match (lang, n) {
        (Lang::En, 1) => format!("{about}1 order"),
        (Lang::En, n) => format!("{about}{} orders", grouped(n)),
        (Lang::Zh, n) => format!("{about}{} 个订单", grouped(n)),
    }
}

/// The time between two times, in one or two units; `None` if there is none.
fn span(from: &str, to: &str, lang: Lang) -> Option<String> {
    let (from, to): (Timestamp, Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    let seconds = to.as_second().saturating_sub(from.as_second());
    let [d, h, min, s] = match lang {
        Lang::En => ["d", "h", "min", "s"],
        Lang::Zh => ["天", "小时", "分钟", "秒"],
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |n: i64, unit: &str, rest: i64, small: &str| match rest {
        0 => format!("{n} {unit}"),
        rest => format!("{n} {unit} {rest} {small}"),
    };
    match seconds {
        ..1 => None,
        1..60 => Some(format!("{seconds} {s}")),
        60..3600 => Some(format!("{minutes} {min}")),
        3600..86_400 => Some(two(hours, h, minutes % 60, min)),
        _ => Some(two(days, d, hours % 24, h)),
    }
}

/// Two digits that matter.
fn rate(per_minute: f64) -> String {
    if per_minute < 10.0 { format!("{per_minute:.1}") } else { grouped(per_minute.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let span = |to, lang| span("2026-11-23T00:00:00Z", to, lang);
        for (to, en, zh) in [
            ("2026-11-23T00:00:45Z", "45 s", "45 秒"),
            ("2026-11-23T00:59:59.9Z", "59 min", "59 分钟"),
            ("2026-11-23T03:05:00Z", "3 h 5 min", "3 小时 5 分钟"),
            ("2026-11-25T00:59:00Z", "2 d", "2 天"),
        ] {
            assert_eq!(span(to, Lang::En).as_deref(), Some(en));
            assert_eq!(span(to, Lang::Zh).as_deref(), Some(zh));
        }
        assert_eq!(span("2026-11-23T00:00:00.5Z", Lang::En), None);
        assert_eq!(span("2026-11-22T00:00:00Z", Lang::En), None);
        assert_eq!(span("yesterday", Lang::En), None);
    }

    #[test]
    fn rates_have_two_digits() {
        assert_eq!([rate(0.24), rate(4.66), rate(12.3), rate(1234.0)], ["0.2", "4.7", "12", "1,234"]);
    }
}
