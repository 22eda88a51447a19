//! Takes the identifiers out of a record that support people search for.

use std::ops::Range;

use crate::event::Ids;
use crate::record::words::{Word, Worded, line_around};

use super::keys::{self, Id};
use super::mention::Mention;
use super::reading::{Reading, is_id_char};

/// The ids in a part of a record that belongs to one operation. Fields win over prose; among fields the
/// most specific, then the first. `failed_at` is where the failure stands.
pub fn ids(reading: &Reading<'_>, part: Range<usize>, failed_at: usize) -> Ids {
    let text = reading.text;
    let mut best: [Option<(u8, Range<usize>)>; Id::COUNT] = Default::default();
    for (id, rank, value) in reading.ids(part.clone()) {
        let held = &mut best[id as usize];
        if held.as_ref().is_none_or(|(held, _)| rank > *held) {
            *held = Some((rank, value));
        }
    }
    let mut take = |id: Id| best[id as usize].take().map(|(_, value)| text[value].to_owned());
    Ids {
        out_trade_no: take(Id::OutTradeNo).or_else(|| order_in_prose(reading.record, part, failed_at)),
        trade_no: take(Id::TradeNo),
        transaction_id: take(Id::Transaction),
        request_id: take(Id::Request),
        trace_id: take(Id::Trace),
        mch_id: take(Id::Merchant),
        app_id: take(Id::App),
        amount: take(Id::Amount),
        currency: take(Id::Currency).and_then(|code| currency(&code)),
    }
}

/// The merchant's order number, if a field of this part of a record holds it.
pub fn order_in_field<'t>(reading: &Reading<'t>, part: Range<usize>) -> Option<&'t str> {
    let orders = reading.ids(part).filter(|(id, ..)| *id == Id::OutTradeNo);
    let best = orders.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(.., value)| &reading.text[value])
}

/// ISO 4217 letters. UnionPay and ISO 8583 write the three digits; of those only the ones that occur are known.
fn currency(code: &str) -> Option<String> {
    let letters = match code {
        "156" => "CNY",
        "344" => "HKD",
        "446" => "MOP",
        "840" => "USD",
        "978" => "EUR",
        "392" => "JPY",
        "826" => "GBP",
        "702" => "SGD",
        "410" => "KRW",
        "764" => "THB",
        "458" => "MYR",
        _ => code,
    };
    letters.bytes().all(|b| b.is_ascii_alphabetic()).then(|| letters.to_ascii_uppercase())
}

/// An order number without a field: the word that looks most like one, in the line of the failure or the record's first.
fn order_in_prose(record: &Worded<'_>, part: Range<usize>, failed_at: usize) -> Option<String> {
    let text = &record.text[part.clone()];
    let lines = [line_around(text, failed_at.saturating_sub(part.start)), line_around(text, 0)];
    lines.into_iter().find_map(|line| {
        let line = part.start + line.start..part.start + line.end;
        let words = record.within(&line);
        let line_text = &record.text[line.clone()];
        let within = |word: &Word| word.start - line.start..word.end - line.start;
        let numbers = || words.iter().filter(|word| word.has_digits()).map(within);
        let named = numbers()
            .filter(|w| may_be_order_number(&line_text[w.clone()]))
            .filter(|w| follows_order_word(&line_text[..w.start]))
            .find(|w| is_order_number(line_text, w));
        named.or_else(|| numbers().find(|w| is_order_like(line_text, w))).map(|w| line_text[w].to_owned())
    })
}

/// Words that announce an order number.
fn follows_order_word(before: &str) -> bool {
    let before = before.trim_end_matches([' ', ':', '#', '(', '"', '\'', '：', '（']);
    [
        "order",
        "payment",
        "订单",
        "订单号",
        "for",
        "单号",
        "trade_no",
        "tradeno",
        "order_no",
        "orderno",
        "order_id",
        "orderid",
    ]
    .iter()
    .any(|word| {
        before.len() >= word.len()
            && before.get(before.len() - word.len()..).is_some_and(|end| end.eq_ignore_ascii_case(word))
    })
}

/// What stands behind a word for it may be shorter.
fn is_order_number(line: &str, word: &Range<usize>) -> bool {
    let is_announced = || {
        let before = line[..word.start].trim_end_matches([' ', '#', ':']);
        let is_order = before.len() >= 5 && before.as_bytes()[before.len() - 5..].eq_ignore_ascii_case(b"order");
        is_order || before.ends_with("订单")
    };
    is_order_like(line, word) || is_short_number(&line[word.clone()]) && is_announced()
}

fn is_short_number(value: &str) -> bool {
    (5..8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

fn may_be_order_number(value: &str) -> bool {
    is_short_number(value) || has_order_shape(value)
}

/// Long enough, and mostly digits.
fn has_order_shape(value: &str) -> bool {
    let n_digits = || value.bytes().filter(u8::is_ascii_digit).count();
    (8..=64).contains(&value.len()) && n_digits() >= 6 && n_digits() * 2 >= value.len() && value.chars().all(is_id_char)
}

/// It has the shape, and is none of the other things with many digits: a time, an address, a host, a field's value.
fn is_order_like(line: &str, word: &Range<usize>) -> bool {
    let value = &line[word.clone()];
    has_order_shape(value)
        && !is_date(value)
        && !value.starts_with("0x")
        && !is_uuid(value)
        && !is_app(value)
        && !is_thread(value)
        && !is_serial(value)
        && !is_of_something_else(line, word)
}

/// By what stands around it, it is part of a time or a path, or has a name of its own: an app, a trace, a thread.
fn is_of_something_else(line: &str, word: &Range<usize>) -> bool {
    let before = line[..word.start].chars().next_back();
    let after = line[word.end..].chars().next();
    let in_time = after == Some(':') && line[word.end + 1..].starts_with(|c: char| c.is_ascii_digit())
        || before == Some('.')
        || before == Some(',');
    let in_path = matches!(before, Some('/' | '=' | '&' | '?' | '@' | '\\' | '%'));
    let is_value =
        || line[..word.start].trim_end_matches(['"', '\'', ' ']).ends_with([':', '=']) && before != Some(' ');
    let is_named = || {
        Mention::at(line, word.clone()).field.is_some_and(|field| {
            let is_order = matches!(keys::IDS.of_key(&field.key), Some((Id::OutTradeNo, _)) | None);
            !field.key.as_str().is_empty() && !is_order
        })
    };
    in_time || in_path || matches!(before, Some('>' | '[')) || is_value() || is_named()
}

fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    value.len() >= 10 && (bytes[4] == b'-' && bytes[7] == b'-' || bytes[2] == b'-' && bytes[6] == b'-')
}

/// Of a certificate.
fn is_serial(value: &str) -> bool {
    value.len() >= 32 && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// `202449f5-a3d0-30ca-ce38-00f003914feb`.
fn is_uuid(value: &str) -> bool {
    value.len() == 36 && value.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// WeChat's app ids: `wx` and sixteen hexadecimal digits.
fn is_app(value: &str) -> bool {
    value.strip_prefix("wx").is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Addresses of threads, as Python's loggers print them.
fn is_thread(value: &str) -> bool {
    value.len() == 15
        && value.bytes().all(|b| b.is_ascii_digit())
        && (value.starts_with("139") || value.starts_with("140"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Diagnoser;

    fn ids(text: &str, failed_at: usize) -> Ids {
        let record = Worded::new(text);
        let diagnoser = Diagnoser::new(std::sync::Arc::new(crate::catalog::Catalog::builtin()));
        super::ids(&Reading::new(&record, diagnoser.search(text).0), 0..text.len(), failed_at)
    }

    #[test]
    fn order_numbers_wherever_they_stand() {
        for (text, expected) in [
            (r#"{"out_trade_no": "SO202609", "order": "x1234"}"#, "SO202609"),
            ("order 20260928223835776705: ACQ.SYSTEM_ERROR", "20260928223835776705"),
            ("2026/11/23 01:14:10 main.go:27: wechat pay error shop7-1725244598: error http", "shop7-1725244598"),
            ("2026-11-23 01:38:49,835 ERROR wxpay: 微信下单失败 shop7-6154402066 -> HTTP 401", "shop7-6154402066"),
            ("微信支付失败：订单不存在，订单号 SO202610287746359", "SO202610287746359"),
            ("原因：交易不存在（订单 SO202609017088068）", "SO202609017088068"),
            ("支付宝返回错误：参数无效，订单号：SO202610123412134", "SO202610123412134"),
            ("GET https://x/v3/pay/transactions/out-trade-no/SO202610204741736?mchid=1230000109", "SO202610204741736"),
            ("error SYSTEM_BUSY on order shop7-0402003706, user asked", "shop7-0402003706"),
            ("GET /pay/antom/return?paymentRequestId=SO202610116712877&resultCode=X", "SO202610116712877"),
        ] {
            assert_eq!(ids(text, text.len()).out_trade_no.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn no_order_number() {
        for text in [
            "2026-11-23 01:38:49,835 ERROR x",
            r#"antom pay: {"resultCode": "X"}"#,
            "at 0x7f61c689bb00",
            "127.0.0.1 - - [23/Nov/2026:01:16:03 +0000]",
        ] {
            assert_eq!(ids(text, 0).out_trade_no, None, "{text}");
        }
    }

    #[test]
    fn other_ids() {
        let found = ids(
            r#"mchid="1230000109" Request-Id=[08XQ-0] {"total_amount":"9.90","currency":"CNY","appid":"wx88"} traceId: 21ab"#,
            0,
        );
        assert_eq!(found.mch_id.as_deref(), Some("1230000109"));
        assert_eq!(found.request_id.as_deref(), Some("08XQ-0"));
        assert_eq!((found.amount.as_deref(), found.currency.as_deref()), (Some("9.90"), Some("CNY")));
        assert_eq!((found.app_id.as_deref(), found.trace_id.as_deref()), (Some("wx88"), Some("21ab")));
    }
}
