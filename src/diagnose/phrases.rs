//! Phrases that rules ask for, anywhere in a record. All are looked for at once, together with the catalogue's messages;
//! a rule then asks a bit.

/// A group of phrases that mean the same to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phrase {
    /// Hosts, paths and packages of Alipay's international gateway, whose names say "alipay" too.
    GlobalGateway,
    /// The old overseas gateway shares a package with the new one, and is Alipay's.
    GlobalMapi,
    /// Together, what WeChat Pay says about a parameter.
    Issue,
    Location,
    /// Together, the answer of an older interface of WeChat Pay.
    ReturnCode,
    ReturnMsg,
    /// Paths of WeChat Pay's v3 API, how its Go library begins an error, and the answers of its v2 API.
    WechatPayCall,
    /// What Alipay's gateway alone says.
    Gateway,
    /// The record is about a payment.
    Payment,
    /// Providers that are no words of ASCII letters.
    Provider,
    /// Chinese keys of order numbers.
    OrderKey,
    /// A program that tripped over a name.
    ProgrammingError,
}

/// Texts that Alipay's gateway puts beside its numbers, and exceptions that carry them.
pub const GATEWAY_MESSAGES: [&str; 10] = [
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

/// Names of providers that are no words of ASCII letters.
pub const PROVIDERS: [&str; 4] = ["支付宝", "微信", "银联", "checkout.com"];

/// Keys of order numbers in Chinese prose.
const ORDER_KEYS: [&str; 2] = ["商户订单号", "订单号"];

/// What stands on its line before a name that a program tripped over, and behind one.
pub const ERRORS_BEFORE: [&str; 8] = [
    "KeyError:",
    "NameError:",
    "TypeError: Cannot read propert",
    "TypeError: Cannot set propert",
    "cannot find symbol",
    "duplicate key",
    "ndefined array key",
    "ndefined index",
];
pub const ERRORS_BEHIND: [&str; 2] = ["is not a valid ", "is not defined"];

const GROUPS: [(Phrase, &[&str]); 13] = [
    (
        Phrase::GlobalGateway,
        &["com.alipay.global.api", "com.alipay.ams", "-global.alipay.com", "/ams/api/", "/ams/sandbox/api/"],
    ),
    (Phrase::GlobalMapi, &["globalmapi"]),
    (Phrase::Issue, &["\"issue\""]),
    (Phrase::Location, &["\"location\""]),
    (Phrase::ReturnCode, &["return_code"]),
    (Phrase::ReturnMsg, &["return_msg"]),
    (Phrase::WechatPayCall, &["/v3/pay/", "error http response:[StatusCode:", "<return_code>"]),
    (Phrase::Gateway, &GATEWAY_MESSAGES),
    (Phrase::Gateway, &["_response"]),
    (Phrase::Payment, &["支付", "付款", "收款", "退款", "订单", "交易", "转账", "商户", "扣款"]),
    (Phrase::Provider, &PROVIDERS),
    (Phrase::OrderKey, &ORDER_KEYS),
    (
        Phrase::ProgrammingError,
        &[
            "KeyError:",
            "NameError:",
            "TypeError: Cannot ",
            "cannot find symbol",
            "duplicate key",
            "ndefined array key",
            "ndefined index",
            "is not a valid ",
            "is not defined",
        ],
    ),
];

/// Every phrase with its group.
pub fn all() -> impl Iterator<Item = (Phrase, &'static str)> {
    GROUPS.iter().flat_map(|&(group, phrases)| phrases.iter().map(move |&phrase| (group, phrase)))
}

/// The phrases of a record.
#[derive(Debug, Clone, Default)]
pub struct Phrases {
    /// The groups of which there is one.
    groups: u16,
    /// Where those stand whose places count.
    placed: Vec<Placed>,
}

/// A phrase that stands somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub group: Phrase,
    pub phrase: &'static str,
    pub at: usize,
}

impl Phrases {
    pub fn add(&mut self, group: Phrase, phrase: &'static str, at: usize) {
        self.groups |= 1 << group as u16;
        if matches!(group, Phrase::Provider | Phrase::OrderKey) {
            self.placed.push(Placed { group, phrase, at });
        }
    }

    pub fn has(&self, group: Phrase) -> bool {
        self.groups & 1 << group as u16 != 0
    }

    /// The phrases of [`Phrase::Provider`] or [`Phrase::OrderKey`], in no order.
    pub fn of(&self, group: Phrase) -> impl Iterator<Item = &Placed> {
        self.placed.iter().filter(move |placed| placed.group == group)
    }
}
