//! Takes the identifiers out of a record that support people search for.

use std::collections::HashMap;
use std::ops::Range;

use crate::event::Ids;
use crate::record::words::{line_around, normal_key, value_after, words};

use super::keys::{self, Id};
use super::mention::Mention;

/// Longest identifier that any of the providers allows, with room (UnionPay's `reqReserved` aside).
const MAX_LEN: usize = 128;

/// The ids in `text` (a record, or the part of it that belongs to one operation). Fields win over prose; among fields the
/// most specific, then the first. `failed_at` is where the failure stands.
pub fn ids(text: &str, failed_at: usize) -> Ids {
    let mut best: HashMap<Id, (u8, Range<usize>)> = HashMap::new();
    for (id, rank, value) in fields(text) {
        if best.get(&id).is_none_or(|(held, _)| rank > *held) {
            best.insert(id, (rank, value));
        }
    }
    let mut take = |id: Id| best.remove(&id).map(|(_, value)| text[value].to_owned());
    Ids {
        out_trade_no: take(Id::OutTradeNo).or_else(|| order_in_prose(text, failed_at)),
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

/// The merchant's order number, if a field of `text` holds it.
pub fn order_in_field(text: &str) -> Option<&str> {
    let orders = fields(text).filter(|(id, ..)| *id == Id::OutTradeNo);
    let best = orders.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(.., value)| &text[value])
}

/// The fields of `text` that hold ids, each with its rank and the place of its value.
fn fields(text: &str) -> impl Iterator<Item = (Id, u8, Range<usize>)> + '_ {
    words(text).chain(chinese_keys(text)).filter_map(move |word| {
        let key = text[word.clone()].rsplit('.').next().unwrap_or_default();
        let (id, rank) = keys::id(normal_key(key).as_str())?;
        let value = value_after(text, word.end).or_else(|| path_value(text, word.end))?;
        is_plausible(id, &text[value.clone()]).then_some((id, rank, value))
    })
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

fn chinese_keys(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    ["商户订单号", "订单号"].into_iter().flat_map(|key| text.match_indices(key).map(move |(at, _)| at..at + key.len()))
}

/// `/out-trade-no/SO2026…`: the next part of a path.
fn path_value(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text[end..].strip_prefix('/')?;
    let len = rest.find(|c: char| !is_id_char(c)).unwrap_or(rest.len());
    (len > 0).then_some(end + 1..end + 1 + len)
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_plausible(id: Id, value: &str) -> bool {
    let fits = |ok: fn(char) -> bool| !value.is_empty() && value.len() <= MAX_LEN && value.chars().all(ok);
    match id {
        Id::Amount => fits(|c| c.is_ascii_digit() || c == '.') && value.len() <= 16,
        Id::Currency => value.len() == 3 && fits(|c| c.is_ascii_alphanumeric()),
        Id::OutTradeNo => {
            fits(|c| is_id_char(c) || matches!(c, '.' | '*' | '@' | '|'))
                && value.len() >= 4
                && value.contains(|c: char| c.is_ascii_digit())
        }
        _ => fits(|c| is_id_char(c) || matches!(c, '.' | ':' | '@')) && !matches!(value, "null" | "None" | "undefined"),
    }
}

/// An order number without a field: the word that looks most like one, in the line of the failure or the record's first.
fn order_in_prose(text: &str, failed_at: usize) -> Option<String> {
    let lines = [line_around(text, failed_at), line_around(text, 0)];
    lines.into_iter().find_map(|line| {
        let line_text = &text[line];
        let named = words(line_text)
            .filter(|w| follows_order_word(&line_text[..w.start]))
            .find(|w| is_order_number(line_text, w));
        named.or_else(|| words(line_text).find(|w| is_order_like(line_text, w))).map(|w| line_text[w].to_owned())
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
    let value = &line[word.clone()];
    let announced = line[..word.start].trim_end_matches([' ', '#', ':']).to_ascii_lowercase();
    let short = (5..8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    is_order_like(line, word) || short && (announced.ends_with("order") || announced.ends_with("订单"))
}

/// Long enough, mostly digits, and none of the other things with many digits: a time, an address, a host, a field's value.
fn is_order_like(line: &str, word: &Range<usize>) -> bool {
    let value = &line[word.clone()];
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let shape =
        (8..=64).contains(&value.len()) && digits >= 6 && digits * 2 >= value.len() && value.chars().all(is_id_char);
    let bytes = value.as_bytes();
    let date = value.len() >= 10 && (bytes[4] == b'-' && bytes[7] == b'-' || bytes[2] == b'-' && bytes[6] == b'-');
    let before = line[..word.start].chars().next_back();
    let after = line[word.end..].chars().next();
    let in_time = after == Some(':') && line[word.end + 1..].starts_with(|c: char| c.is_ascii_digit())
        || before == Some('.')
        || before == Some(',');
    let in_path = matches!(before, Some('/' | '=' | '&' | '?' | '@' | '\\' | '%'));
    let quoted_value =
        line[..word.start].trim_end_matches(['"', '\'', ' ']).ends_with([':', '=']) && before != Some(' ');
    let serial = value.len() >= 32 && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    // Anything else that has a name of its own, or is made like one: an app, a trace, a thread.
    let named = matches!(before, Some('>' | '['))
        || Mention::at(line, word.clone()).field.is_some_and(|field| {
            !field.key.is_empty() && !matches!(keys::id(&field.key), Some((Id::OutTradeNo, _)) | None)
        });
    let made = is_uuid(value) || is_app(value) || is_thread(value);
    let address = value.starts_with("0x") || named || made;
    shape && !address && !date && !in_time && !in_path && !quoted_value && !serial
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
