//! The words of reports, in English and Chinese.

use crate::catalog::{Actor, Lang, Retry, Severity};

/// Labels that stand alone.
#[derive(Debug)]
pub struct Words {
    pub cause: &'static str,
    pub act: &'static str,
    pub retry: &'static str,
    pub operator: &'static str,
    pub payer: &'static str,
    pub seen: &'static str,
    pub guide: &'static str,
    pub docs: &'static str,
    pub severity: &'static str,
    pub events: &'static str,
    pub orders: &'static str,
    pub first: &'static str,
    pub last: &'static str,
    pub code: &'static str,
    pub title: &'static str,
    pub total: &'static str,
    pub other_unknown: &'static str,
}

const EN: Words = Words {
    cause: "Cause",
    act: "Who acts",
    retry: "Retry?",
    operator: "Do",
    payer: "Tell payer",
    seen: "Seen",
    guide: "Guide",
    docs: "Docs",
    severity: "SEVERITY",
    events: "EVENTS",
    orders: "ORDERS",
    first: "FIRST",
    last: "LAST",
    code: "CODE",
    title: "TITLE",
    total: "total",
    other_unknown: "other codes",
};

const ZH: Words = Words {
    cause: "原因",
    act: "由谁处理",
    retry: "能否重试",
    operator: "处理步骤",
    payer: "告知顾客",
    seen: "出现位置",
    guide: "指南",
    docs: "官方文档",
    severity: "级别",
    events: "次数",
    orders: "订单",
    first: "首次",
    last: "末次",
    code: "错误码",
    title: "说明",
    total: "合计",
    other_unknown: "其他错误码",
};

pub fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::Zh => &ZH,
    }
}

pub fn severity(severity: Severity, lang: Lang) -> &'static str {
    match (lang, severity) {
        (Lang::En, Severity::Critical) => "CRITICAL",
        (Lang::En, Severity::Error) => "ERROR",
        (Lang::En, Severity::Warning) => "WARNING",
        (Lang::En, Severity::Info) => "INFO",
        (Lang::Zh, Severity::Critical) => "严重",
        (Lang::Zh, Severity::Error) => "错误",
        (Lang::Zh, Severity::Warning) => "警告",
        (Lang::Zh, Severity::Info) => "提示",
    }
}

pub fn actor(actor: Actor, lang: Lang) -> &'static str {
    match (lang, actor) {
        (Lang::En, Actor::Payer) => "the payer",
        (Lang::En, Actor::Merchant) => "the merchant (you)",
        (Lang::En, Actor::Issuer) => "the bank that issued the card",
        (Lang::En, Actor::Provider) => "the payment provider",
        (Lang::Zh, Actor::Payer) => "付款人",
        (Lang::Zh, Actor::Merchant) => "商户（您这一方）",
        (Lang::Zh, Actor::Issuer) => "发卡银行",
        (Lang::Zh, Actor::Provider) => "支付服务商",
    }
}

/// May the same request be sent again, and could that charge twice?
pub fn retry(retry: Retry, lang: Lang) -> &'static str {
    match (lang, retry) {
        (Lang::En, Retry::Safe) => "Yes: the same request can be sent again, the payer is not charged twice.",
        (Lang::En, Retry::AfterQuery) => {
            "Query the order first: it may already be paid, and a blind retry could charge twice."
        }
        (Lang::En, Retry::Later) => "Yes, but not at once: wait as the steps say, then send the same order again.",
        (Lang::En, Retry::AfterFix) => "Not as it is: it will fail again until the cause is dealt with.",
        (Lang::En, Retry::Never) => "No: do not send this request again.",
        (Lang::Zh, Retry::Safe) => "可以：直接重发原请求，不会重复扣款。",
        (Lang::Zh, Retry::AfterQuery) => "先查询订单：可能已经支付成功，盲目重试会造成重复扣款。",
        (Lang::Zh, Retry::Later) => "可以，但不要立即重试：按处理步骤等待后，用原订单号重发。",
        (Lang::Zh, Retry::AfterFix) => "不能原样重试：原因解决之前还会失败。",
        (Lang::Zh, Retry::Never) => "不可以：不要再次发送该请求。",
    }
}

/// Stands in for advice that was given for another code.
pub fn same_advice(code: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("Cause, retry and steps as for {code} above."),
        Lang::Zh => format!("原因、能否重试和处理步骤同上文的 {code}。"),
    }
}

/// `3 events`, `1 event`, `3 次`.
pub fn events(n: u64, lang: Lang) -> String {
    match (lang, n) {
        (Lang::En, 1) => "1 event".to_owned(),
        (Lang::En, n) => format!("{} events", grouped(n)),
        (Lang::Zh, n) => format!("{} 次", grouped(n)),
    }
}

/// `of 12 files`-style counts: `1 file`, `12 files`, `12 个文件`.
pub fn files(n: u64, lang: Lang) -> String {
    match (lang, n) {
        (Lang::En, 1) => "1 file".to_owned(),
        (Lang::En, n) => format!("{} files", grouped(n)),
        (Lang::Zh, n) => format!("{} 个文件", grouped(n)),
    }
}

/// Digits in groups of three: `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `512 B`, `3.4 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_for_reading() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(5 << 30)], ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
        assert_eq!([events(1, Lang::En), events(2, Lang::En), events(1, Lang::Zh)], ["1 event", "2 events", "1 次"]);
    }
}
