//! Secrets that are known by the name of their field.

use std::ops::Range;
use std::sync::LazyLock;

use crate::record::key::{NameTable, normal_key};
use crate::record::words::{Word, Worded, value_after};

use super::{Mask, Masks};

/// How much of a field's value stays readable.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Nothing.
    All,
    /// Both ends, four characters each; enough to compare two records.
    Middle,
    /// The scheme of an `Authorization` header.
    Credentials,
}

pub(super) fn add_masks(record: &Worded<'_>, keep: &[String], masks: &mut Masks) {
    let text = record.text;
    for word in record.words() {
        let Some(rule) = rule(record, word) else { continue };
        let is_kept = || keep.contains(&normal_key(&text[word.last..word.end]).as_str().to_owned());
        if !keep.is_empty() && is_kept() {
            continue;
        }
        let Some(value) = value_after(text, word.end) else { continue };
        masks.extend(match rule {
            Rule::All => Some(Mask { range: value, text: "***".into() }),
            Rule::Middle => middle(text, value),
            Rule::Credentials => Some(Mask { text: "***".into(), range: credentials(text, value) }),
        });
    }
}

/// Field names in normal spelling. Sources: the providers' lists of sensitive fields, PCI DSS 3.3 (card verification data
/// and PINs are never stored).
static RULES: LazyLock<NameTable<Rule>> = LazyLock::new(|| {
    let all = ALL.iter().map(|&name| (name, Rule::All));
    let middle = MIDDLE.iter().map(|&name| (name, Rule::Middle));
    let credentials = ["authorization", "proxyauthorization"].map(|name| (name, Rule::Credentials));
    NameTable::new(all.chain(middle).chain(credentials))
});

const ALL: &[&str] = &[
    "sign",
    "paysign",
    "signature",
    "wechatpaysignature",
    "truncatedsignmessage",
    "noncestr",
    "authcode",
    "cookie",
    "setcookie",
    "password",
    "passwd",
    "pwd",
    "cvv",
    "cvv2",
    "cvn2",
    "cvc",
    "track",
    "track1",
    "track2",
    "pin",
    "smscode",
    "validdate",
    "privatekey",
    "apikey",
    "apiv3key",
    "mchkey",
    "appkey",
    "username",
    "reusername",
    "realname",
    "certname",
    "buyername",
    "payername",
    "payeename",
    "cardholder",
    "certno",
    "idcard",
    "idcardno",
    "identityno",
    "idno",
    "bankcardno",
    "cardno",
    "accno",
    "address",
    "transferusername",
];

const MIDDLE: &[&str] = &[
    "openid",
    "subopenid",
    "reopenid",
    "spopenid",
    "buyerid",
    "buyeruserid",
    "buyeropenid",
    "buyerlogonid",
    "openuserid",
    "alipayuserid",
    "phone",
    "mobile",
    "phoneno",
    "mobileno",
];

fn rule(record: &Worded<'_>, word: &Word) -> Option<Rule> {
    record.last_key(&RULES, word).copied().or_else(|| is_token(record.text, word).then_some(Rule::All))
}

/// `access_token`, `clientSecret`, `db-password`.
fn is_token(text: &str, word: &Word) -> bool {
    // Most words are no such thing by their last two letters.
    let may_be = match &text.as_bytes()[word.last..word.end] {
        [.., a, b] => matches!(
            (a.to_ascii_lowercase(), b.to_ascii_lowercase()),
            (b'e', b'n' | b't') | (b'r', b'd') | (b'_' | b'-' | b'.', _)
        ),
        _ => false,
    };
    may_be && {
        let key = normal_key(&text[word.last..word.end]);
        ["token", "secret", "password"].iter().any(|end| key.as_str().ends_with(end))
    }
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
    Some(Mask { text: format!("{}***{}", &shown[..head], &shown[tail..]).into(), range: value })
}

/// What follows the scheme (`Bearer`, `Basic`), or the whole value.
fn credentials(text: &str, scheme: Range<usize>) -> Range<usize> {
    let rest = &text[scheme.end..];
    let Some(token) = rest.strip_prefix(' ') else { return scheme };
    let len = token.find(['"', '\'', '\n', ',', ' ', ';']).unwrap_or(token.len());
    if len == 0 { scheme } else { scheme.end + 1..scheme.end + 1 + len }
}
