//! What the names of fields tell: which hold error codes, which hold ids, and whose they are.
//!
//! Keys are compared in their normal spelling (`words::normal_key`), so `sub_code`, `subCode` and `SubCode` are one.
//! Sources: the providers' API references and the log lines of their SDKs.

use crate::provider::Provider;

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

/// What the field named `key` (in normal spelling) is for.
pub fn role(key: &str) -> Role {
    use Provider::*;
    let (rank, provider) = match key {
        "subcode" => (100, Some(Alipay)),
        "paymentresultcode" | "refundresultcode" | "captureresultcode" | "cancelresultcode" | "vaultingresultcode" => {
            (98, Some(AlipayPlus))
        }
        "payerrorcode" => (92, None),
        "errcode" => (90, None),
        "detailerrorcode" => (89, Some(Alipay)),
        _ if holds_short_codes(key) => (86, None),
        "errorcode" | "resultcode" => (85, None),
        "resultstatus" => (84, None),
        "resultdetails" => (85, Some(Alipay)),
        "lasterror" | "disablereason" | "failreason" | "failcode" | "failurecode" | "failurereason" | "closereason"
        | "blockreason" => (80, None),
        "code" | "eventcode" | "错误码" | "错误代码" | "返回码" => (CODE, None),
        "error" | "err" | "reason" | "exception" | "cause" => (60, None),
        "submsg"
        | "errcodedes"
        | "respmsg"
        | "resultmessage"
        | "paymentresultmessage"
        | "errmsg"
        | "错误详情"
        | "错误描述"
        | "返回信息"
        | "errormessage"
        | "errormsg"
        | "returnmsg" => return Role::Message { error_only: true },
        "msg" | "message" | "memo" | "desc" | "description" | "detail" | "text" | "event" => {
            return Role::Message { error_only: false };
        }
        "tradestate" | "tradestatus" | "tradestatedesc" | "paymentstatus" | "state" | "status" | "refundstatus" => {
            return Role::State;
        }
        _ => return Role::Other,
    };
    Role::Code { rank, provider }
}

/// True for the fields in which card schemes, acquirers and UnionPay put their codes of two or three characters. Anywhere
/// else such a code is an amount, a port, an exit status.
pub fn holds_short_codes(key: &str) -> bool {
    matches!(
        key,
        "respcode"
            | "origrespcode"
            | "responsecode"
            | "declinecode"
            | "networkdeclinecode"
            | "issuerresponsecode"
            | "refusalcode"
            | "refusalreasoncode"
            | "rawcode"
            | "processorresponse"
            | "processorresponsecode"
            | "partnerresponsecode"
            | "hostresponsecode"
            | "f39"
            | "de39"
            | "field39"
            | "bit39"
            | "merchantadvicecode"
            | "networkadvicecode"
            | "partnermerchantadvicecode"
    )
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

/// Texts that Alipay's gateway puts beside its numbers, and exceptions that carry them.
const GATEWAY_MESSAGES: [&str; 10] = [
    "AliPayException",
    "AlipayApiException",
    "Business Failed",
    "Service Currently Unavailable",
    "Invalid Arguments",
    "Missing Required Arguments",
    "Insufficient Token Permissions",
    "Insufficient Permissions",
    "Insufficient Conditions",
    "order success pay inprocess",
];

/// True if a text holds what Alipay's gateway alone says.
pub fn has_gateway_message(text: &str) -> bool {
    text.contains("_response") || GATEWAY_MESSAGES.iter().any(|message| text.contains(message))
}

/// `Business Failed - CODE`: how PHP libraries put text and code together.
pub fn ends_with_gateway_message(text: &str) -> bool {
    GATEWAY_MESSAGES.iter().any(|message| text.ends_with(message))
}

/// Hosts, paths and packages of Alipay's international gateway, whose names say "alipay" too.
pub const GLOBAL_GATEWAY: [&str; 5] =
    ["com.alipay.global.api", "com.alipay.ams", "-global.alipay.com", "/ams/api/", "/ams/sandbox/api/"];

/// Paths of WeChat Pay's v3 API, how its Go library begins an error, and the answers of its v2 API.
pub const WECHATPAY_CALLS: [&str; 3] = ["/v3/pay/", "error http response:[StatusCode:", "<return_code>"];

/// Systems whose codes look like Alipay's (`isv.…`): the Taobao platform, and Aliyun's text messages.
pub const NAMESAKES: [&str; 6] = ["taobao", "tmall", "dysms", "aliyun", "alidayu", "短信"];

/// The provider that alone has fields of this name, and how much that weighs.
pub fn owner(key: &str) -> Option<(Provider, u32)> {
    use Provider::*;
    Some(match key {
        "subcode" | "submsg" => (Alipay, 8),
        "errcodedes"
        | "userreceivedaccount"
        | "payerrefund"
        | "settlementrefund"
        | "mchid"
        | "submchid"
        | "spmchid"
        | "tradestate"
        | "tradestatedesc"
        | "wechatpaysignature"
        | "wechatpayserial"
        | "wechatpaynonce"
        | "prepayid" => (WechatPay, 6),
        "errcode" => (WechatPay, 1),
        "declinecode"
        | "networkdeclinecode"
        | "issuerresponsecode"
        | "refusalcode"
        | "merchantadvicecode"
        | "networkadvicecode"
        | "partnermerchantadvicecode"
        | "de39"
        | "f39"
        | "processorresponsecode" => (Issuer, 6),
        "resultstatus"
        | "paymentresultcode"
        | "paymentresultmessage"
        | "paymentrequestid"
        | "resultmessage"
        | "refundrequestid"
        | "paymentresult" => (AlipayPlus, 6),
        "merid" | "merorderid" | "origrespcode" | "respmsg" | "queryid" | "txntype" | "txnamt" | "respcode"
        | "txntime" => (UnionPay, 6),
        "buyerlogonid" | "buyerpayamount" | "invoiceamount" | "alipaytraceid" => (Alipay, 4),
        _ => return None,
    })
}

/// Words of records that are about payments at all, in lower case, and the same in Chinese.
pub const PAYMENT: &[&str] = &[
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
pub const PAYMENT_ZH: [&str; 9] = ["支付", "付款", "收款", "退款", "订单", "交易", "转账", "商户", "扣款"];

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

/// The identifier that the field named `key` holds, with its rank among the fields for that identifier (the highest
/// wins).
pub fn id(key: &str) -> Option<(Id, u8)> {
    Some(match key {
        "outtradeno" | "商户订单号" => (Id::OutTradeNo, 9),
        "paymentrequestid" | "merchantreference" | "mchorderno" | "merchantorderno" | "merchantorderid"
        | "merordid" => (Id::OutTradeNo, 8),
        "orderid" | "payorderid" | "orderno" | "ordersn" | "ordernumber" | "outorderno" | "combineouttradeno"
        | "partnertransid" | "referenceorderid" => (Id::OutTradeNo, 7),
        "order" | "订单号" | "订单" => (Id::OutTradeNo, 6),
        "outbizno" | "outrequestno" | "outrefundno" | "partnertradeno" | "outbatchno" | "outbillno"
        | "refundrequestid" | "merchantrefundno" => (Id::OutTradeNo, 4),
        "reference" => (Id::OutTradeNo, 2),
        "tradeno" | "paymentid" | "queryid" | "alipaytransid" => (Id::TradeNo, 5),
        "transactionid" => (Id::Transaction, 5),
        "requestid" | "alipayrequestid" | "xrequestid" | "reqid" => (Id::Request, 5),
        "traceid" | "alipaytraceid" | "xb3traceid" | "xtraceid" => (Id::Trace, 5),
        "mchid" | "spmchid" => (Id::Merchant, 5),
        "merid" | "merchantid" => (Id::Merchant, 4),
        "appid" | "spappid" => (Id::App, 5),
        "totalamount" | "totalfee" | "txnamt" | "orderamount" => (Id::Amount, 5),
        "amount" | "value" | "total" => (Id::Amount, 3),
        "currency" | "feetype" | "currencycode" | "transcurrency" => (Id::Currency, 4),
        _ => return None,
    })
}

/// Providers by the words that name them or their systems, in lower case.
pub fn named(word: &str) -> Option<Provider> {
    use Provider::*;
    Some(match word {
        "alipay" | "支付宝" | "antfin" | "alipayapiexception" | "alipaysdk" | "alipaydev" | "tradepay" => Alipay,
        "antom" | "alipayplus" | "alipay+" | "alipayhk" => AlipayPlus,
        "wechat" | "wechatpay" | "wechatpayapi" | "weixin" | "wxpay" | "wechatpy" | "wechatpayv3" | "tenpay"
        | "微信" | "wechatpayexception" => WechatPay,
        "unionpay" | "chinaums" | "upop" | "银联" | "chinapay" | "95516" => UnionPay,
        "stripe" | "adyen" | "checkoutcom" | "shopify" | "braintree" | "worldpay" | "cybersource" => Issuer,
        // Classes, packages and tables: `WxPayException`, `AlipayTradeService`.
        _ if ["wxpay", "wechatpay", "weixinpay"].iter().any(|name| word.starts_with(name)) => WechatPay,
        _ if word.starts_with("alipayplus") || word.starts_with("antom") => AlipayPlus,
        _ if word.starts_with("alipay") => Alipay,
        _ if word.starts_with("unionpay") => UnionPay,
        _ => return None,
    })
}
