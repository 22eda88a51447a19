//! Secrets that are known by the name of their field.

use std::ops::Range;

use crate::record::words::{normal_key, value_after, words};

use super::Mask;

/// How much of a field's value stays readable.
enum Rule {
    /// Nothing.
    All,
    /// Both ends, four characters each; enough to compare two records.
    Middle,
    /// The scheme of an `Authorization` header.
    Credentials,
}

pub(super) fn masks(text: &str, keep: &[String]) -> Vec<Mask> {
    let mut masks = Vec::new();
    for word in words(text) {
        let name = text[word.clone()].rsplit('.').next().unwrap_or_default();
        let key = normal_key(name);
        let key = key.as_str();
        let Some(rule) = rule(key).filter(|_| !keep.iter().any(|kept| kept == key)) else { continue };
        let Some(value) = value_after(text, word.end) else { continue };
        masks.extend(match rule {
            Rule::All => Some(Mask { range: value, text: "***".into() }),
            Rule::Middle => middle(text, value),
            Rule::Credentials => Some(Mask { text: "***".into(), range: credentials(text, value) }),
        });
    }
    masks
}

/// Field names in normal spelling. Sources: the providers' lists of sensitive fields, PCI DSS 3.3 (card verification data
/// and PINs are never stored).
fn rule(key: &str) -> Option<Rule> {
    Some(match key {
        "authorization" | "proxyauthorization" => Rule::Credentials,
        "sign"
        | "paysign"
        | "signature"
        | "wechatpaysignature"
        | "truncatedsignmessage"
        | "noncestr"
        | "authcode"
        | "cookie"
        | "setcookie"
        | "password"
        | "passwd"
        | "pwd"
        | "cvv"
        | "cvv2"
        | "cvn2"
        | "cvc"
        | "track"
        | "track1"
        | "track2"
        | "pin"
        | "smscode"
        | "validdate"
        | "privatekey"
        | "apikey"
        | "apiv3key"
        | "mchkey"
        | "appkey"
        | "username"
        | "reusername"
        | "realname"
        | "certname"
        | "buyername"
        | "payername"
        | "payeename"
        | "cardholder"
        | "certno"
        | "idcard"
        | "idcardno"
        | "identityno"
        | "idno"
        | "bankcardno"
        | "cardno"
        | "accno"
        | "address"
        | "transferusername" => Rule::All,
        "openid" | "subopenid" | "reopenid" | "spopenid" | "buyerid" | "buyeruserid" | "buyeropenid"
        | "buyerlogonid" | "openuserid" | "alipayuserid" | "phone" | "mobile" | "phoneno" | "mobileno" => Rule::Middle,
        _ if key.ends_with("token") || key.ends_with("secret") || key.ends_with("password") => Rule::All,
        _ => return None,
    })
}

fn middle(text: &str, value: Range<usize>) -> Option<Mask> {
    let shown = &text[value.clone()];
    if shown.contains("***") || shown.is_empty() {
        return None;
    }
    if shown.chars().count() < 12 {
        return Some(Mask { range: value, text: "***".into() });
    }
    let head = shown.char_indices().nth(4).map_or(0, |(at, _)| at);
    let tail = shown.char_indices().rev().nth(3).map_or(shown.len(), |(at, _)| at);
    Some(Mask { text: format!("{}***{}", &shown[..head], &shown[tail..]), range: value })
}

/// What follows the scheme (`Bearer`, `Basic`), or the whole value.
fn credentials(text: &str, scheme: Range<usize>) -> Range<usize> {
    let rest = &text[scheme.end..];
    let Some(token) = rest.strip_prefix(' ') else { return scheme };
    let len = token.find(['"', '\'', '\n', ',', ' ', ';']).unwrap_or(token.len());
    if len == 0 { scheme } else { scheme.end + 1..scheme.end + 1 + len }
}
