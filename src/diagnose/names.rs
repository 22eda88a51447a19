//! Which providers a text names.

use smallvec::SmallVec;

use crate::provider::Provider;
use crate::record::key::normal_key;
use crate::record::words::Worded;

use super::phrases::{PROVIDERS, Phrase, Phrases};

/// Some of the providers that are built in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Providers(u8);

impl Providers {
    /// The providers that a short text names: the path of a file.
    pub fn named_in(text: &str) -> Providers {
        let mut providers = in_chinese(text);
        text.split(|c: char| c.is_ascii() && !is_part(c as u8)).for_each(|part| providers.add_named(part));
        providers
    }

    pub fn iter(self) -> impl Iterator<Item = &'static Provider> {
        KNOWN.iter().enumerate().filter(move |(n, _)| self.0 & 1 << n != 0).map(|(_, provider)| provider)
    }

    fn add_named(&mut self, part: &str) {
        if may_name(part.as_bytes()) || !part.is_ascii() {
            self.0 |= named(normal_key(part).as_str()).map_or(0, |provider| 1 << place(&provider).unwrap_or_default());
        }
    }
}

/// The providers that are built in, each at its place.
pub static KNOWN: [Provider; 5] = Provider::KNOWN;

/// The place of a provider among those built in.
pub fn place(provider: &Provider) -> Option<usize> {
    KNOWN.iter().position(|known| std::mem::discriminant(known) == std::mem::discriminant(provider))
}

/// Where a record names providers.
#[derive(Debug)]
pub struct Names {
    /// Places of names, and whose they are.
    places: SmallVec<[(usize, usize, Providers); 8]>,
}

impl Names {
    pub fn new(record: &Worded<'_>, phrases: &Phrases) -> Names {
        let (text, bytes) = (record.text, record.text.as_bytes());
        let mut places = SmallVec::new();
        let mut look = |start: usize| {
            if may_name(&bytes[start..]) {
                let end = part_end(bytes, start);
                let mut providers = Providers::default();
                providers.add_named(&text[start..end]);
                places.push((start, end, providers));
            }
        };
        for word in record.words().iter().filter(|word| word.n_bytes() >= SHORTEST) {
            if word.start == 0 || !is_part(bytes[word.start - 1]) {
                look(word.start);
            }
            if !word.is_plain() {
                let mut was_part = true;
                for (at, &byte) in (word.start..).zip(&bytes[word.range()]) {
                    let is_part = is_part(byte);
                    if is_part && !was_part {
                        look(at);
                    }
                    was_part = is_part;
                }
            }
        }
        // Others stand among the letters of Chinese.
        let chinese = phrases.of(Phrase::Provider);
        places.extend(chinese.map(|placed| {
            let mut providers = Providers::default();
            providers.add_named(placed.phrase);
            (placed.at, placed.at + placed.phrase.len(), providers)
        }));
        Names { places }
    }

    /// The providers that a part of the record names, which may cut words in two.
    pub fn within(&self, text: &str, from: usize, to: usize) -> Providers {
        let bytes = text.as_bytes();
        let mut providers = Providers::default();
        for &(_, _, named) in self.places.iter().filter(|&&(start, end, _)| from <= start && end <= to) {
            providers.0 |= named.0;
        }
        let is_cut = |at: usize| at > 0 && at < bytes.len() && is_part(bytes[at - 1]) && is_part(bytes[at]);
        if is_cut(from) {
            providers.add_named(&text[from..part_end(bytes, from).min(to)]);
        }
        if is_cut(to) && to > from {
            let n_letters = bytes[from..to].iter().rev().take_while(|&&b| is_part(b)).count();
            providers.add_named(&text[to - n_letters..to]);
        }
        providers
    }
}

fn in_chinese(text: &str) -> Providers {
    let mut providers = Providers::default();
    for name in PROVIDERS.into_iter().filter(|name| text.contains(name)) {
        providers.0 |= named(normal_key(name).as_str()).map_or(0, |provider| 1 << place(&provider).unwrap_or_default());
    }
    providers
}

/// What a name is made of, and what surrounds it is not: letters of any script, digits, `+`.
fn is_part(b: u8) -> bool {
    IS_PART[usize::from(b)]
}

static IS_PART: [bool; 256] = {
    let mut is_part = [false; 256];
    let mut b = 0;
    while b < 256 {
        is_part[b] = b >= 0x80 || b as u8 == b'+' || (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    is_part
};

fn part_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|&b| !is_part(b)).map_or(bytes.len(), |len| start + len)
}

/// Letters of the shortest name.
const SHORTEST: usize = 4;

/// The first four letters of every name in [`named`].
const STARTS: [[u8; 4]; 19] = [
    *b"alip", *b"anto", *b"antf", *b"trad", *b"wech", *b"weix", *b"wxpa", *b"tenp", *b"unio", *b"chin", *b"upop",
    *b"9551", *b"stri", *b"adye", *b"chec", *b"shop", *b"brai", *b"worl", *b"cybe",
];

/// False for nearly everything that names no provider.
fn may_name(part: &[u8]) -> bool {
    let Some(start) = part.first_chunk::<4>() else { return false };
    let slot = FILTER[slot(*start)];
    slot != 0 && slot == u32::from_le_bytes(*start) | 0x2020_2020
}

const fn slot(start: [u8; 4]) -> usize {
    ((u32::from_le_bytes(start) | 0x2020_2020).wrapping_mul(0x9E37_79B1) >> 22) as usize
}

static FILTER: [u32; 1024] = {
    let mut filter = [0; 1024];
    let mut n = 0;
    while n < STARTS.len() {
        let start = STARTS[n];
        assert!(filter[slot(start)] == 0, "two starts share a slot: choose another multiplier");
        filter[slot(start)] = u32::from_le_bytes(start) | 0x2020_2020;
        n += 1;
    }
    filter
};

/// Providers by the words that name them or their systems, in lower case.
fn named(word: &str) -> Option<Provider> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Providers {
        let mut providers = in_chinese(text);
        for part in text.split(|c: char| !c.is_ascii_alphanumeric() && c.is_ascii() && c != '+') {
            if let Some(provider) = named(normal_key(part).as_str()) {
                providers.0 |= 1 << place(&provider).unwrap();
            }
        }
        providers
    }

    proptest::proptest! {
        #[test]
        fn any_part_of_a_record_names_whom_it_names_alone(
            text in "(alipay|antom|AliPay\\+|antfin|tradepay|WxPay|wechat|weixin|tenpay|unionpay|chinaums|chinapay|upop|95516|stripe|adyen|checkout\\.com|checkoutcom|shopify|braintree|worldpay|cybersource|支付宝|微信|银联|Plus|[ _.+,付-]){0,9}",
            from in 0usize..40,
            len in 0usize..60,
        ) {
            let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let (from, to) = (boundary(from), boundary(from + len));
            let mut phrases = Phrases::default();
            for name in PROVIDERS {
                text.match_indices(name).for_each(|(at, _)| phrases.add(Phrase::Provider, name, at));
            }
            let names = Names::new(&Worded::new(&text), &phrases);
            proptest::prop_assert_eq!(names.within(&text, from.min(to), to), plain(&text[from.min(to)..to]));
            proptest::prop_assert_eq!(names.within(&text, 0, text.len()), plain(&text));
            proptest::prop_assert_eq!(Providers::named_in(&text), plain(&text));
        }
    }
}
