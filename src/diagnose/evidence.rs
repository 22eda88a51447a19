//! Whose error it is: weighs everything in a record that names a provider.

use crate::provider::Provider;
use crate::record::words::{Key, normal_key, value_after, words};

use super::keys::{self, Role};
use super::mention::Mention;

/// How much each provider is spoken for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    weights: Vec<(Provider, u32)>,
    /// How many different fields speak for a provider.
    n_fields: usize,
    /// A provider is named: in the record, by its file's name, or in the configuration.
    is_named: bool,
}

/// A configured provider, and the file's name, tell something, but less than the record itself.
const HINT: u32 = 4;
const NAME: u32 = 2;
/// A provider named anywhere in the record; named close before the occurrence.
const NAMED: u32 = 3;
/// A code beside an official text.
const PAIRED: u32 = 2;
/// What is too weak to count alone: a field that others have too, the name of the file.
pub const WEAK: u32 = 1;
const CLOSE: u32 = 6;
/// The occurrence's own field, or its code's family.
const FIELD: u32 = 10;
const FAMILY: u32 = 50;
/// How near is close, in bytes before the occurrence.
const NEAR: usize = 80;

impl Evidence {
    /// What the record as a whole and its source tell.
    pub fn of_record(text: &str, hint: Option<&Provider>, path: &str) -> Evidence {
        let mut evidence = Evidence::default();
        if let Some(hint) = hint {
            evidence.add(hint.clone(), HINT);
        }
        evidence.add_names(path, NAME);
        evidence.add_names(text, NAMED);
        evidence.is_named = !evidence.is_empty();
        let mut fields: Vec<Key> = Vec::new();
        for word in words(text) {
            let key = normal_key(&text[word]);
            if let Some((owner, weight)) = keys::owner(key.as_str()) {
                evidence.add_once(owner, weight);
                if !fields.contains(&key) {
                    fields.push(key);
                }
            }
        }
        evidence.n_fields = fields.len();
        // The old overseas gateway shares a package with the new one, and is Alipay's.
        let global = keys::GLOBAL_GATEWAY.iter().any(|part| text.contains(part));
        if global && !text.contains("globalmapi") {
            evidence.add(Provider::AlipayPlus, FIELD);
        }
        // What WeChat Pay says about a parameter.
        let detail = text.contains("\"issue\"") && text.contains("\"location\"");
        let answer = text.contains("return_code") && text.contains("return_msg");
        if detail || answer || keys::WECHATPAY_CALLS.iter().any(|part| text.contains(part)) {
            evidence.add_once(Provider::WechatPay, 4);
        }
        evidence
    }

    /// The same, seen from one occurrence.
    pub fn at(&self, text: &str, mention: &Mention) -> Evidence {
        let mut evidence = self.clone();
        let mut from = mention.range.start.saturating_sub(NEAR);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        evidence.add_names(&text[from..mention.range.start], CLOSE);
        if let Some(Role::Code { provider: Some(provider), .. }) = mention.field.as_ref().map(|field| &field.role) {
            evidence.add(provider.clone(), FIELD);
        }
        if mention.key() == "resultcode" && has_result_status(text) {
            evidence.add(Provider::AlipayPlus, FIELD);
        }
        // The numbers of Alipay's app SDK; Antom puts S, F and U there.
        let number = text[mention.range.clone()].bytes().all(|b| b.is_ascii_digit());
        if number && mention.key() == "resultstatus" {
            evidence.add(Provider::Alipay, FIELD);
        }
        if super::mention::is_family(&text[mention.range.clone()]) {
            evidence.add(Provider::Alipay, FAMILY);
        }
        evidence
    }

    /// The same, and a thing that only this provider has.
    pub fn and(&self, provider: Provider) -> Evidence {
        let mut evidence = self.clone();
        evidence.add(provider, FIELD);
        evidence
    }

    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Adds what a code beside its own text tells.
    pub fn pair(&mut self, provider: &Provider) {
        self.add_once(provider.clone(), PAIRED);
    }

    /// True if more speaks for some provider than a field that others have too.
    pub fn is_strong(&self) -> bool {
        self.weights.iter().any(|&(_, weight)| weight > WEAK)
    }

    /// True if a field speaks for a provider.
    pub fn has_fields(&self) -> bool {
        self.n_fields > 0
    }

    /// True if more than one field speaks for a provider: one name alone, other programs have too.
    pub fn is_manifold(&self) -> bool {
        self.is_named || self.n_fields > 1
    }

    pub fn weight(&self, provider: &Provider) -> u32 {
        self.weights.iter().find(|(p, _)| p == provider).map_or(0, |&(_, weight)| weight)
    }

    /// The provider that is spoken for most; `None` when nobody is, or two equally.
    pub fn winner(&self) -> Option<&Provider> {
        let (best, weight) = self.weights.iter().max_by_key(|&&(_, weight)| weight)?;
        let tied = self.weights.iter().filter(|&&(_, w)| w == *weight).count() > 1;
        (!tied).then_some(best)
    }

    fn add(&mut self, provider: Provider, weight: u32) {
        match self.weights.iter_mut().find(|(p, _)| *p == provider) {
            Some((_, sum)) => *sum += weight,
            None => self.weights.push((provider, weight)),
        }
    }

    /// Adds a weight that says the same thing however often it stands there.
    fn add_once(&mut self, provider: Provider, weight: u32) {
        if self.weight(&provider) < weight {
            self.weights.retain(|(p, _)| *p != provider);
            self.weights.push((provider, weight));
        }
    }

    /// Adds each provider named in `text`, once.
    fn add_names(&mut self, text: &str, weight: u32) {
        let mut seen: Vec<Provider> = Vec::new();
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c.is_ascii() && c != '+');
        let chinese = ["支付宝", "微信", "银联", "checkout.com"].into_iter().filter(|name| text.contains(name));
        for part in parts.chain(chinese) {
            if let Some(provider) = keys::named(normal_key(part).as_str()).filter(|provider| !seen.contains(provider)) {
                self.add(provider.clone(), weight);
                seen.push(provider);
            }
        }
    }
}

/// `"resultStatus":"F"`: how Antom and Alipay+ answer beside their `resultCode`.
fn has_result_status(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), "resultStatus").any(|at| {
        let value = value_after(text, at + "resultStatus".len());
        value.is_some_and(|value| matches!(&text[value], "S" | "F" | "U"))
    })
}
