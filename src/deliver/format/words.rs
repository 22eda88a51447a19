//! The words that chat messages add, in English and Chinese. Those of verdicts are the report's.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Actor, Lang, Retry, Severity};
use crate::incident::notice::{Notice, Reason, Status, Totals};
use crate::incident::{self, lasts};
use crate::render::words::{self as report, grouped};

use super::subject::Subject;

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
    pub facts: &'static str,
    pub lost: &'static str,
    pub note: &'static str,
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
    facts: "Details",
    lost: "Lost",
    note: "Note",
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
    facts: "详情",
    lost: "丢失",
    note: "说明",
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
        (Lang::En, Status::Opened | Status::Ongoing, Reason::SilenceEnded) => "Silence over, still going on",
        (Lang::En, Status::Opened, _) => "New",
        (Lang::En, Status::Ongoing, Reason::Worse) => "Getting worse",
        (Lang::En, Status::Ongoing, _) => "Ongoing",
        (Lang::En, Status::Resolved, Reason::CrowdedOut) => "No longer followed",
        (Lang::En, Status::Resolved, Reason::Removed) => "Sink removed",
        (Lang::En, Status::Resolved, _) if is_own(notice) && !lasts(&notice.entry) => "No longer happening",
        (Lang::En, Status::Resolved, _) => "Resolved",
        (Lang::Zh, Status::Opened | Status::Ongoing, Reason::SilenceEnded) => "静默结束，仍在发生",
        (Lang::Zh, Status::Opened, _) => "新发生",
        (Lang::Zh, Status::Ongoing, Reason::Worse) => "正在加剧",
        (Lang::Zh, Status::Ongoing, _) => "仍在持续",
        (Lang::Zh, Status::Resolved, Reason::CrowdedOut) => "不再单独跟踪",
        (Lang::Zh, Status::Resolved, Reason::Removed) => "投递目标已移除",
        (Lang::Zh, Status::Resolved, _) if is_own(notice) && !lasts(&notice.entry) => "不再发生",
        (Lang::Zh, Status::Resolved, _) => "已恢复",
    }
}

fn is_own(notice: &Notice) -> bool {
    incident::is_own(notice.provider.as_deref())
}

/// The title of its entry, and which sink it is about.
pub fn title(subject: Subject<'_>, lang: Lang) -> String {
    let title = subject.annotation().title;
    match subject.sink() {
        Some(sink) => format!("{title}{}{sink}", words(lang).colon),
        None => title.to_owned(),
    }
}

/// Why no more is said of an incident that had to make room.
pub fn unfollowed(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Too many different failures at once to follow each. This one may well go on.",
        Lang::Zh => "同时出现的异常种类过多，无法逐项跟踪。该异常可能仍在继续。",
    }
}

/// What it is called that was only counted.
pub fn not_followed(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Not followed",
        Lang::Zh => "未逐项跟踪",
    }
}

/// Why some incidents are only counted.
pub fn only_counted(lang: Lang) -> &'static str {
    match lang {
        Lang::En => {
            "Too many different failures at once to follow each. Those not followed were counted; they may well go on."
        }
        Lang::Zh => "同时出现的异常种类过多，无法逐项跟踪。未逐项跟踪的只计入总数，可能仍在继续。",
    }
}

pub fn flapping(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "comes and goes",
        Lang::Zh => "时有时无",
    }
}

/// `1,234 events (56 new), about 310 orders, 4.7 a minute, since … (12 min), last seen 03:22:01`.
pub fn count(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let mut parts = how_many(notice, lang);
    let span = span(&notice.first_seen, &notice.time, lang);
    parts.push(
        since(&time(&notice.first_seen, timezone), lang) + &span.map(|it| bracketed(&it, lang)).unwrap_or_default(),
    );
    parts.extend(last_seen(notice, timezone, lang));
    parts.join(comma(lang))
}

/// The same for one line of a list.
pub fn brief(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let lost = lost(notice, lang).map(|lost| match lang {
        Lang::En => format!("{lost} lost"),
        Lang::Zh => format!("丢失 {lost}"),
    });
    let mut parts = if is_own(notice) { lost.into_iter().collect() } else { how_many(notice, lang) };
    let (first, offset) = (clock(&notice.first_seen, notice, timezone), offset(&notice.time, timezone));
    if notice.status == Status::Resolved {
        let (to, span) = (clock(end(notice), notice, timezone), span(&notice.first_seen, end(notice), lang));
        let span = span.map(|it| bracketed(&it, lang)).unwrap_or_default();
        parts.push(match lang {
            _ if first == to => format!("{first}{offset}"),
            Lang::En => format!("{first} to {to}{offset}{span}"),
            Lang::Zh => format!("{first} 至 {to}{offset}{span}"),
        });
        return parts.join(comma(lang));
    }
    let last = last_seen(notice, timezone, lang);
    let first = if last.is_some() { first } else { first + &offset };
    parts.push(since(&first, lang));
    parts.extend(last.map(|last| last + &offset));
    parts.join(comma(lang))
}

/// When what paytriage says of itself was, and how often.
pub fn when(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let (first, is_once) = (time(&notice.first_seen, timezone), notice.count == 1 || lasts(&notice.entry));
    let mut text = match notice.status {
        Status::Resolved => from_to(notice, timezone, lang),
        Status::Opened | Status::Ongoing if notice.count == 1 && !lasts(&notice.entry) => first,
        Status::Opened | Status::Ongoing => {
            let span = span(&notice.first_seen, &notice.time, lang);
            since(&first, lang) + &span.map(|it| bracketed(&it, lang)).unwrap_or_default()
        }
    };
    if !is_once {
        text.push_str(comma(lang));
        text.push_str(&match lang {
            Lang::En => format!("{} times", grouped(notice.count)),
            Lang::Zh => format!("共 {} 次", grouped(notice.count)),
        });
    }
    text
}

/// What is lost, where something is: `12 events`, `up to 36,000 messages`.
pub fn lost(notice: &Notice, lang: Lang) -> Option<String> {
    let events = (notice.lost > 0).then(|| match lang {
        Lang::En => report::events(notice.lost, lang),
        Lang::Zh => format!("{} 条", grouped(notice.lost)),
    });
    let messages = (notice.lost_messages > 0).then(|| match (lang, notice.lost_messages) {
        (Lang::En, 1) => "1 message".to_owned(),
        (Lang::En, n) => format!("{} messages", grouped(n)),
        (Lang::Zh, n) => format!("{} 条消息", grouped(n)),
    });
    let parts: Vec<String> = events.into_iter().chain(messages).collect();
    let (and, up_to) = match lang {
        Lang::En => (" and ", "up to "),
        Lang::Zh => ("和 ", "最多 "),
    };
    let up_to = if notice.lost_at_most { up_to } else { "" };
    (!parts.is_empty()).then(|| format!("{up_to}{}", parts.join(and)))
}

/// `1,234 events (56 new)`, `about 310 orders`, `4.7 a minute`.
fn how_many(notice: &Notice, lang: Lang) -> Vec<String> {
    let mut events = report::events(notice.count, lang);
    let is_over = notice.status == Status::Resolved;
    let is_news = notice.new > 0 && notice.new < notice.count && !is_over;
    match lang {
        Lang::En if is_news => events.push_str(&format!(" ({} new)", grouped(notice.new))),
        Lang::Zh if is_news => events.push_str(&format!("（上次通知后 {} 次）", grouped(notice.new))),
        Lang::En | Lang::Zh => {}
    }
    let mut parts = vec![events];
    parts.extend((notice.orders.distinct > 0).then(|| orders(notice.orders.distinct, notice.orders.exact, lang)));
    let has_rate = !is_over && notice.new > 1 && notice.rate_per_minute.is_finite();
    parts.extend(has_rate.then(|| match lang {
        Lang::En => format!("{} a minute", rate(notice.rate_per_minute)),
        Lang::Zh => format!("每分钟 {} 次", rate(notice.rate_per_minute)),
    }));
    parts
}

fn since(time: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("since {time}"),
        Lang::Zh => format!("自 {time} 起"),
    }
}

/// Where that is later than the first time. What lasts is not seen time and again.
fn last_seen(notice: &Notice, timezone: &TimeZone, lang: Lang) -> Option<String> {
    let [first, last] = [&notice.first_seen, &notice.last_seen].map(|time| clock(time, notice, timezone));
    let is_later = first != last && !lasts(&notice.entry);
    is_later.then(|| match lang {
        Lang::En => format!("last seen {last}"),
        Lang::Zh => format!("最近一次 {last}"),
    })
}

/// When it was over: what lasts is seen for the last time long before.
fn end(notice: &Notice) -> &str {
    if lasts(&notice.entry) { notice.resolved_at.as_deref().unwrap_or(&notice.time) } else { &notice.last_seen }
}

/// What is said of an incident that is over.
pub fn over(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let mut parts = how_many(notice, lang);
    parts.push(from_to(notice, timezone, lang));
    parts.join(comma(lang))
}

fn from_to(notice: &Notice, timezone: &TimeZone, lang: Lang) -> String {
    let (from, to) = (time(&notice.first_seen, timezone), time(end(notice), timezone));
    let span = span(&notice.first_seen, end(notice), lang).map(|span| bracketed(&span, lang)).unwrap_or_default();
    match lang {
        _ if from == to => from,
        Lang::En => format!("from {from} to {to}{span}"),
        Lang::Zh => format!("{from} 至 {to}{span}"),
    }
}

/// The headline of several incidents.
pub fn incidents(totals: &Totals, lang: Lang) -> String {
    let Totals { opened, ongoing, resolved, unfollowed, .. } = *totals;
    let parts = match lang {
        Lang::En => {
            let unfollowed = (unfollowed, "not followed one by one");
            [(opened, "new"), (ongoing, "ongoing"), (resolved, "resolved"), unfollowed]
        }
        Lang::Zh => {
            let unfollowed = (unfollowed, "因数量过多未逐项跟踪");
            [(opened, "新发生"), (ongoing, "仍在持续"), (resolved, "已恢复"), unfollowed]
        }
    };
    let named = |&(n, word): &(u64, &str)| match lang {
        Lang::En => format!("{} {word}", grouped(n)),
        Lang::Zh => format!("{word} {}", grouped(n)),
    };
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(named).collect();
    match lang {
        Lang::En if totals.incidents() == 1 => format!("1 incident: {}", parts.join(", ")),
        Lang::En => format!("{} incidents: {}", grouped(totals.incidents()), parts.join(", ")),
        Lang::Zh => format!("{} 项异常：{}", grouped(totals.incidents()), parts.join("，")),
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

/// `03:10:04`; with its day, where that is not the day of the notice.
fn clock(rfc3339: &str, notice: &Notice, timezone: &TimeZone) -> String {
    let parsed = (rfc3339.parse::<Timestamp>(), notice.time.parse::<Timestamp>());
    let (Ok(time), Ok(now)) = parsed else { return rfc3339.to_owned() };
    let [time, now] = [time, now].map(|time| time.to_zoned(timezone.clone()));
    let form = if time.date() == now.date() { "%H:%M:%S" } else { "%m-%d %H:%M:%S" };
    time.strftime(form).to_string()
}

/// ` +08:00`, to stand behind times without it.
fn offset(rfc3339: &str, timezone: &TimeZone) -> String {
    let shown = |time: Timestamp| time.to_zoned(timezone.clone()).strftime(" %:z").to_string();
    rfc3339.parse().map_or_else(|_| String::new(), shown)
}

/// Facts (`key=value`) with times as people read them.
pub fn facts(text: &str, timezone: &TimeZone) -> String {
    let shown = |fact: &str| match fact.split_once('=') {
        Some((key, value)) => format!("{key}={}", time(value, timezone)),
        None => fact.to_owned(),
    };
    text.split(' ').map(shown).collect::<Vec<_>>().join(" ")
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
    fn facts_have_times_of_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let text = "sink=a since=2026-11-22T19:10:04Z reason=\"HTTP 410: x=y\"";
        assert_eq!(facts(text, &zone), "sink=a since=2026-11-23 03:10:04 +08:00 reason=\"HTTP 410: x=y\"");
    }

    #[test]
    fn rates_have_two_digits() {
        assert_eq!([rate(0.24), rate(4.66), rate(12.3), rate(1234.0)], ["0.2", "4.7", "12", "1,234"]);
    }
}
