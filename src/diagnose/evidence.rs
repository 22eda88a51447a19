//! Whose error it is: weighs everything in a record that names a provider.

use smallvec::SmallVec;

use crate::provider::Provider;
use crate::record::key::{Key, normal_key};
use crate::record::words::value_after;

use super::keys::Role;
use super::mention::Mention;
use super::names::{self, Providers};
use super::phrases::Phrase;
use super::reading::Reading;

/// How much each provider is spoken for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Of the providers that are built in, in their order.
    known: [u32; Provider::KNOWN.len()],
    /// Of those that only a user's catalogue or configuration has.
    custom: Vec<(Provider, u32)>,
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
    pub fn of_record(reading: &Reading<'_>, hint: Option<&Provider>, path: Providers) -> Evidence {
        let mut evidence = Evidence::default();
        if let Some(hint) = hint {
            evidence.add(hint, HINT);
        }
        evidence.add_all(path, NAME);
        evidence.add_all(reading.names.within(reading.text, 0, reading.text.len()), NAMED);
        evidence.is_named = !evidence.is_empty();
        evidence.add_fields(reading);
        let has = |phrase| reading.phrases.has(phrase);
        if has(Phrase::GlobalGateway) && !has(Phrase::GlobalMapi) {
            evidence.add(&Provider::AlipayPlus, FIELD);
        }
        let detail = has(Phrase::Issue) && has(Phrase::Location);
        let answer = has(Phrase::ReturnCode) && has(Phrase::ReturnMsg);
        if detail || answer || has(Phrase::WechatPayCall) {
            evidence.add_once(&Provider::WechatPay, 4);
        }
        evidence
    }

    fn add_fields(&mut self, reading: &Reading<'_>) {
        let mut fields: SmallVec<[Key; 4]> = SmallVec::new();
        for (word, (owner, weight)) in reading.owned_fields() {
            self.add_once(owner, *weight);
            let key = normal_key(&reading.text[word.range()]);
            if !fields.contains(&key) {
                fields.push(key);
            }
        }
        self.n_fields = fields.len();
    }

    /// The same, seen from one occurrence.
    pub fn at(&self, reading: &Reading<'_>, mention: &Mention) -> Evidence {
        let text = reading.text;
        let mut evidence = self.clone();
        let mut from = mention.range.start.saturating_sub(NEAR);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        evidence.add_all(reading.names.within(text, from, mention.range.start), CLOSE);
        if let Some(Role::Code { provider: Some(provider), .. }) = mention.field.as_ref().map(|field| field.role) {
            evidence.add(provider, FIELD);
        }
        if mention.key() == "resultcode" && has_result_status(text) {
            evidence.add(&Provider::AlipayPlus, FIELD);
        }
        // The numbers of Alipay's app SDK; Antom puts S, F and U there.
        let number = text[mention.range.clone()].bytes().all(|b| b.is_ascii_digit());
        if number && mention.key() == "resultstatus" {
            evidence.add(&Provider::Alipay, FIELD);
        }
        if super::mention::is_family(&text[mention.range.clone()]) {
            evidence.add(&Provider::Alipay, FAMILY);
        }
        evidence
    }

    /// The same, and a thing that only this provider has.
    pub fn and(&self, provider: &Provider) -> Evidence {
        let mut evidence = self.clone();
        evidence.add(provider, FIELD);
        evidence
    }

    pub fn is_empty(&self) -> bool {
        self.weights().next().is_none()
    }

    /// Adds what a code beside its own text tells.
    pub fn pair(&mut self, provider: &Provider) {
        self.add_once(provider, PAIRED);
    }

    /// True if more speaks for some provider than a field that others have too.
    pub fn is_strong(&self) -> bool {
        self.weights().any(|(_, weight)| weight > WEAK)
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
        match names::place(provider) {
            Some(place) => self.known[place],
            None => self.custom.iter().find(|(p, _)| p == provider).map_or(0, |&(_, weight)| weight),
        }
    }

    /// The provider that is spoken for most; `None` when nobody is, or two equally.
    pub fn winner(&self) -> Option<&Provider> {
        let (mut best, mut most) = (None, 0);
        for (provider, weight) in self.weights() {
            if weight >= most {
                best = (weight > most).then_some(provider);
                most = weight;
            }
        }
        best
    }

    /// The providers that are spoken for.
    fn weights(&self) -> impl Iterator<Item = (&Provider, u32)> {
        let known = names::KNOWN.iter().zip(self.known);
        known.chain(self.custom.iter().map(|(provider, weight)| (provider, *weight))).filter(|&(_, weight)| weight > 0)
    }

    fn weight_mut(&mut self, provider: &Provider) -> &mut u32 {
        if let Some(place) = names::place(provider) {
            return &mut self.known[place];
        }
        let at = self.custom.iter().position(|(p, _)| p == provider).unwrap_or_else(|| {
            self.custom.push((provider.clone(), 0));
            self.custom.len() - 1
        });
        &mut self.custom[at].1
    }

    fn add(&mut self, provider: &Provider, weight: u32) {
        *self.weight_mut(provider) += weight;
    }

    /// Adds a weight that says the same thing however often it stands there.
    fn add_once(&mut self, provider: &Provider, weight: u32) {
        let held = self.weight_mut(provider);
        *held = weight.max(*held);
    }

    /// Adds each of some providers, once.
    fn add_all(&mut self, providers: Providers, weight: u32) {
        providers.iter().for_each(|provider| self.add(provider, weight));
    }
}

/// `"resultStatus":"F"`: how Antom and Alipay+ answer beside their `resultCode`.
fn has_result_status(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), "resultStatus").any(|at| {
        let value = value_after(text, at + "resultStatus".len());
        value.is_some_and(|value| matches!(&text[value], "S" | "F" | "U"))
    })
}
