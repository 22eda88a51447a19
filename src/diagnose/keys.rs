//! What the names of fields tell: which hold error codes, which hold ids, and whose they are.
//!
//! Keys are compared in their normal spelling (`words::normal_key`), so `sub_code`, `subCode` and `SubCode` are one.
//! Sources: the providers' API references and the log lines of their SDKs.

use std::sync::LazyLock;

use crate::provider::Provider;
use crate::record::key::{Key, NameTable};

use super::phrases::GATEWAY_MESSAGES;

/// What a field is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Holds an error code. A higher rank is more specific: `sub_code` beside `code`.
    Code { rank: u8, provider: Option<Provider> },
    /// Holds the text of an error; `error_only` if it holds nothing else.
    Message { error_only: bool },
    /// Holds the state of an order, whose names look like codes.
    State,
    /// Anything else.
    Other,
}

/// Rank from which a field is an error field beyond doubt.
pub const SURE: u8 = 80;

/// Rank of a field that says "code" and no more: it holds other things too.
pub const CODE: u8 = 75;

/// What the field of this key is for.
pub fn role(key: &Key) -> &'static Role {
    ROLES.of_key(key).unwrap_or(&Role::Other)
}

static ROLES: LazyLock<NameTable<Role>> = LazyLock::new(|| {
    use Provider::*;
    let codes: [(u8, Option<Provider>, &[&str]); 12] = [
        (100, Some(Alipay), &["subcode"]),
        (
            98,
            Some(AlipayPlus),
            &["paymentresultcode", "refundresultcode", "captureresultcode", "cancelresultcode", "vaultingresultcode"],
        ),
        (92, None, &["payerrorcode"]),
        (90, None, &["errcode"]),
        (89, Some(Alipay), &["detailerrorcode"]),
        (86, None, &SHORT_CODES),
        (85, None, &["errorcode", "resultcode"]),
        (84, None, &["resultstatus"]),
        (85, Some(Alipay), &["resultdetails"]),
        (
            SURE,
            None,
            &[
                "lasterror",
                "disablereason",
                "failreason",
                "failcode",
                "failurecode",
                "failurereason",
                "closereason",
                "blockreason",
            ],
        ),
        (CODE, None, &["code", "eventcode", "错误码", "错误代码", "返回码"]),
        (60, None, &["error", "err", "reason", "exception", "cause"]),
    ];
    let codes = codes.into_iter().flat_map(|(rank, provider, keys)| {
        keys.iter().map(move |&key| (key, Role::Code { rank, provider: provider.clone() }))
    });
    let messages = ERROR_MESSAGES.iter().map(|&key| (key, Role::Message { error_only: true }));
    let texts = MESSAGES.iter().map(|&key| (key, Role::Message { error_only: false }));
    let states = STATES.iter().map(|&key| (key, Role::State));
    NameTable::new(codes.chain(messages).chain(texts).chain(states))
});

const ERROR_MESSAGES: [&str; 12] = [
    "submsg",
    "errcodedes",
    "respmsg",
    "resultmessage",
    "paymentresultmessage",
    "errmsg",
    "错误详情",
    "错误描述",
    "返回信息",
    "errormessage",
    "errormsg",
    "returnmsg",
];

const MESSAGES: [&str; 8] = ["msg", "message", "memo", "desc", "description", "detail", "text", "event"];

const STATES: [&str; 7] =
    ["tradestate", "tradestatus", "tradestatedesc", "paymentstatus", "state", "status", "refundstatus"];

/// The fields in which card schemes, acquirers and UnionPay put their codes of two or three characters. Anywhere
/// else such a code is an amount, a port, an exit status.
const SHORT_CODES: [&str; 20] = [
    "respcode",
    "origrespcode",
    "responsecode",
    "declinecode",
    "networkdeclinecode",
    "issuerresponsecode",
    "refusalcode",
    "refusalreasoncode",
    "rawcode",
    "processorresponse",
    "processorresponsecode",
    "partnerresponsecode",
    "hostresponsecode",
    "f39",
    "de39",
    "field39",
    "bit39",
    "merchantadvicecode",
    "networkadvicecode",
    "partnermerchantadvicecode",
];

/// True for a field of [`SHORT_CODES`], by its key in normal spelling.
pub fn holds_short_codes(key: &str) -> bool {
    SHORT_CODES.contains(&key)
}

/// True for the fields whose codes are their own: `03` as merchant advice is not the `03` of a response code, and the numbers
/// of Adyen's refusal reasons are a list of Adyen's.
pub fn has_own_codes(key: &str) -> bool {
    is_advice(key) || key == "refusalreasoncode"
}

/// True for the fields of Mastercard's merchant advice codes, which say how to go on after the response code.
pub fn is_advice(key: &str) -> bool {
    matches!(key, "merchantadvicecode" | "networkadvicecode" | "partnermerchantadvicecode")
}

/// True for values of ISO 8583's field 39 that approve: `11`, approved for a VIP.
pub fn is_approval(key: &str, code: &str) -> bool {
    matches!(key, "f39" | "de39" | "field39" | "bit39" | "responsecode") && matches!(code, "00" | "11")
}

/// `Business Failed - CODE`: how PHP libraries put text and code together.
pub fn ends_with_gateway_message(text: &str) -> bool {
    GATEWAY_MESSAGES.iter().any(|message| text.ends_with(message))
}

/// Systems whose codes look like Alipay's (`isv.…`): the Taobao platform, and Aliyun's text messages.
pub const NAMESAKES: [&str; 6] = ["taobao", "tmall", "dysms", "aliyun", "alidayu", "短信"];

/// The provider that alone has fields of this name, and how much that weighs.
pub static OWNERS: LazyLock<NameTable<(Provider, u32)>> = LazyLock::new(|| {
    use Provider::*;
    let owners: [(Provider, u32, &[&str]); 7] = [
        (Alipay, 8, &["subcode", "submsg"]),
        (
            WechatPay,
            6,
            &[
                "errcodedes",
                "userreceivedaccount",
                "payerrefund",
                "settlementrefund",
                "mchid",
                "submchid",
                "spmchid",
                "tradestate",
                "tradestatedesc",
                "wechatpaysignature",
                "wechatpayserial",
                "wechatpaynonce",
                "prepayid",
            ],
        ),
        (WechatPay, 1, &["errcode"]),
        (
            Issuer,
            6,
            &[
                "declinecode",
                "networkdeclinecode",
                "issuerresponsecode",
                "refusalcode",
                "merchantadvicecode",
                "networkadvicecode",
                "partnermerchantadvicecode",
                "de39",
                "f39",
                "processorresponsecode",
            ],
        ),
        (
            AlipayPlus,
            6,
            &[
                "resultstatus",
                "paymentresultcode",
                "paymentresultmessage",
                "paymentrequestid",
                "resultmessage",
                "refundrequestid",
                "paymentresult",
            ],
        ),
        (
            UnionPay,
            6,
            &["merid", "merorderid", "origrespcode", "respmsg", "queryid", "txntype", "txnamt", "respcode", "txntime"],
        ),
        (Alipay, 4, &["buyerlogonid", "buyerpayamount", "invoiceamount", "alipaytraceid"]),
    ];
    let keys = |(owner, weight, keys): (Provider, u32, &'static [&'static str])| {
        keys.iter().map(move |&key| (key, (owner.clone(), weight)))
    };
    NameTable::new(owners.into_iter().flat_map(keys))
});

/// Words of records that are about payments at all.
pub static PAYMENT: LazyLock<NameTable<()>> = LazyLock::new(|| {
    let words = [
        "pay",
        "pays",
        "paid",
        "payment",
        "payments",
        "prepay",
        "refund",
        "refunds",
        "transfer",
        "trade",
        "order",
        "orders",
        "checkout",
        "cashier",
        "wallet",
        "charge",
        "merchant",
        "card",
        "payer",
        "settle",
        "settlement",
        "payout",
        "withdraw",
    ];
    NameTable::new(words.map(|word| (word, ())))
});

/// An identifier that events carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    OutTradeNo,
    TradeNo,
    Transaction,
    Request,
    Trace,
    Merchant,
    App,
    Amount,
    Currency,
}

impl Id {
    pub const COUNT: usize = Id::Currency as usize + 1;
}

/// The identifier that a field holds, with its rank among the fields for that identifier (the highest wins).
pub static IDS: LazyLock<NameTable<(Id, u8)>> = LazyLock::new(|| {
    let ids: [(Id, u8, &[&str]); 16] = [
        (Id::OutTradeNo, 9, &["outtradeno", "商户订单号"]),
        (
            Id::OutTradeNo,
            8,
            &["paymentrequestid", "merchantreference", "mchorderno", "merchantorderno", "merchantorderid", "merordid"],
        ),
        (
            Id::OutTradeNo,
            7,
            &[
                "orderid",
                "payorderid",
                "orderno",
                "ordersn",
                "ordernumber",
                "outorderno",
                "combineouttradeno",
                "partnertransid",
                "referenceorderid",
            ],
        ),
        (Id::OutTradeNo, 6, &["order", "订单号", "订单"]),
        (
            Id::OutTradeNo,
            4,
            &[
                "outbizno",
                "outrequestno",
                "outrefundno",
                "partnertradeno",
                "outbatchno",
                "outbillno",
                "refundrequestid",
                "merchantrefundno",
            ],
        ),
        (Id::OutTradeNo, 2, &["reference"]),
        (Id::TradeNo, 5, &["tradeno", "paymentid", "queryid", "alipaytransid"]),
        (Id::Transaction, 5, &["transactionid"]),
        (Id::Request, 5, &["requestid", "alipayrequestid", "xrequestid", "reqid"]),
        (Id::Trace, 5, &["traceid", "alipaytraceid", "xb3traceid", "xtraceid"]),
        (Id::Merchant, 5, &["mchid", "spmchid"]),
        (Id::Merchant, 4, &["merid", "merchantid"]),
        (Id::App, 5, &["appid", "spappid"]),
        (Id::Amount, 5, &["totalamount", "totalfee", "txnamt", "orderamount"]),
        (Id::Amount, 3, &["amount", "value", "total"]),
        (Id::Currency, 4, &["currency", "feetype", "currencycode", "transcurrency"]),
    ];
    NameTable::new(ids.into_iter().flat_map(|(id, rank, keys)| keys.iter().map(move |&key| (key, (id, rank)))))
});
