//! Who runs the payment network that an error code belongs to.
//!
//! A closed set plus names from a user's own catalogue. The spelling is the one of the event format.

use std::fmt;
use std::sync::Arc;

/// A payment provider, or the card issuer behind one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Provider {
    Alipay,
    /// Antom and Alipay+ (the cross-border APIs with `resultCode` and `paymentRequestId`).
    AlipayPlus,
    WechatPay,
    UnionPay,
    Issuer,
    /// A provider that only a user's catalogue knows.
    Custom(Arc<str>),
}

impl Provider {
    /// The providers the built-in catalogue knows, in the order they are listed to users.
    pub const KNOWN: [Provider; 5] =
        [Provider::Alipay, Provider::AlipayPlus, Provider::WechatPay, Provider::UnionPay, Provider::Issuer];

    /// Reads a provider's name. Any name of lower-case letters, digits, `-` and `_` is taken; what is not
    /// built in becomes [`Provider::Custom`]. `None` if the name has other characters or is empty.
    pub fn parse(name: &str) -> Option<Provider> {
        if let Some(known) = Provider::KNOWN.iter().find(|p| p.as_str() == name) {
            return Some(known.clone());
        }
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (!name.is_empty() && name.bytes().all(ok)).then(|| Provider::Custom(name.into()))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Provider::Alipay => "alipay",
            Provider::AlipayPlus => "alipayplus",
            Provider::WechatPay => "wechatpay",
            Provider::UnionPay => "unionpay",
            Provider::Issuer => "issuer",
            Provider::Custom(name) => name,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
