//! Masks secrets and personal data before anything is stored, shown or sent.
//!
//! Log text is hostile and confidential: [`Redacted`] can be made only here, so that none leaves the core with a
//! secret or a control character in it. What is masked: values of fields named in `fields`, and card numbers, resident
//! ids, mobile numbers, e-mail addresses and private keys wherever they stand. Ids that were extracted from the record
//! stay readable.

mod fields;
mod numbers;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::Regex;
use serde::Serialize;
use smallvec::SmallVec;

use crate::record::key::normal_key;
use crate::record::words::Worded;
use crate::visible::visible;

/// Text from a log, with secrets masked and control characters made visible.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text cut to at most `max` bytes, on a character boundary, with `…` where something is missing.
    pub fn cut(self, max: usize) -> Redacted {
        if self.0.len() <= max {
            return self;
        }
        let mut end = max.saturating_sub('…'.len_utf8());
        while !self.0.is_char_boundary(end) {
            end -= 1;
        }
        Redacted(format!("{}…", &self.0[..end]))
    }
}

#[cfg(test)]
impl Redacted {
    /// Text as hostile as a test of what shows or sends events wants it.
    pub(crate) fn sample(text: &str) -> Redacted {
        Redacted(text.to_owned())
    }
}

/// The masking rules in force.
#[derive(Debug, Clone)]
pub struct Redactor {
    rules: Option<Rules>,
}

#[derive(Debug, Clone)]
struct Rules {
    extra: Vec<Regex>,
    /// Fields that stay readable, in normal spelling.
    keep: Vec<String>,
}

/// A place to mask, and what to put there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mask {
    range: Range<usize>,
    text: Cow<'static, str>,
}

type Masks = SmallVec<[Mask; 4]>;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}").expect("literal")
});
static PRIVATE_KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?")
        .expect("literal")
});

static KEY_BEGINS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("-----BEGIN"));

impl Redactor {
    /// Built-in rules, plus the user's own expressions (the whole match is masked), minus fields that are to stay
    /// readable.
    ///
    /// # Errors
    /// The first expression of `extra` that is not a valid regular expression.
    pub fn new(extra: &[String], keep: &[String]) -> Result<Redactor, regex::Error> {
        let extra = extra.iter().map(|pattern| Regex::new(pattern)).collect::<Result<_, _>>()?;
        let keep = keep.iter().map(|key| normal_key(key).as_str().to_owned()).collect();
        Ok(Redactor { rules: Some(Rules { extra, keep }) })
    }

    /// Masks nothing; control characters are made visible all the same.
    pub fn disabled() -> Redactor {
        Redactor { rules: None }
    }

    /// Masks `text` and counts the places. `ids` are values known to be identifiers: they stay.
    pub fn redact(&self, text: &str, ids: &[&str]) -> (Redacted, u32) {
        self.redact_worded(&Worded::new(text), ids)
    }

    /// The same for a text whose words are known already.
    pub fn redact_worded(&self, record: &Worded<'_>, ids: &[&str]) -> (Redacted, u32) {
        let text = record.text;
        let mut masks = self.rules.as_ref().map_or_else(Masks::new, |rules| rules.masks(record));
        masks.retain(|mask| !ids.contains(&&text[mask.range.clone()]));
        masks.sort_by_key(|mask| (mask.range.start, std::cmp::Reverse(mask.range.end)));
        let mut out = String::with_capacity(text.len());
        let (mut at, mut n_masks) = (0, 0);
        for mask in masks {
            if mask.range.start >= at {
                out.push_str(&visible(&text[at..mask.range.start]));
                // A mask may show the ends of what it hides.
                out.push_str(&visible(&mask.text));
                at = mask.range.end;
                n_masks += 1;
            } else if mask.range.end > at {
                // A longer secret begins inside another: nothing of it may stay.
                at = mask.range.end;
            }
        }
        out.push_str(&visible(&text[at..]));
        (Redacted(out), n_masks)
    }
}

impl Default for Redactor {
    fn default() -> Redactor {
        Redactor { rules: Some(Rules { extra: Vec::new(), keep: Vec::new() }) }
    }
}

impl Rules {
    fn masks(&self, record: &Worded<'_>) -> Masks {
        let text = record.text;
        let mut masks = Masks::new();
        fields::add_masks(record, &self.keep, &mut masks);
        numbers::add_masks(record, &mut masks);
        if memchr::memchr(b'@', text.as_bytes()).is_some() {
            masks.extend(
                EMAIL.find_iter(text).map(|found| Mask { text: email(found.as_str()).into(), range: found.range() }),
            );
        }
        if KEY_BEGINS.find(text.as_bytes()).is_some() {
            masks.extend(
                PRIVATE_KEY.find_iter(text).map(|found| Mask { range: found.range(), text: "[private key]".into() }),
            );
        }
        for pattern in &self.extra {
            masks.extend(
                pattern
                    .find_iter(text)
                    .filter(|m| !m.is_empty())
                    .map(|found| Mask { range: found.range(), text: "***".into() }),
            );
        }
        masks
    }
}

fn email(address: &str) -> String {
    let (name, host) = address.split_once('@').unwrap_or((address, ""));
    format!("{}***@{host}", &name[..name.len().min(1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        Redactor::default().redact(text, &[]).0.0
    }

    #[test]
    fn secrets_of_every_kind() {
        for (text, expected) in [
            ("card 4111111111111111 ok", "card 411111******1111 ok"),
            ("card 6222 0212 3456 7894 ok", "card 622202******7894 ok"),
            ("id 11010519491231002X.", "id 110105************."),
            ("tel 13812345678, +8613812345678", "tel 138****5678, +86138****5678"),
            ("mail li.lei@example.com", "mail l***@example.com"),
            ("auth_code=130061098828009406&x", "auth_code=***&x"),
            (r#""openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o""#, r#""openid":"oUpF***eS6o""#),
            ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer ***"),
            ("sign=Ab+/cd==&x=1", "sign=***&x=1"),
            ("Wechatpay-Signature=[ZnRZ+/==]", "Wechatpay-Signature=[***]"),
            ("\"access_token\": \"t0k3n\"", "\"access_token\": \"***\""),
            ("user_name: 李雷, x", "user_name: ***, x"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[private key]"),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_must_stay_readable() {
        for text in [
            "out_trade_no=4111111111111111",
            "order 20260928223835776705: ACQ.SYSTEM_ERROR",
            "trade_no=2026025242099539514689114878",
            "2026-11-23 01:38:54,744",
            "4111111111111112",
            "110105194912310021",
            "total=12345678901",
            "a @ b",
            "code=SIGN_ERROR message=签名错误",
        ] {
            assert_eq!(redacted(text), text);
        }
        let (kept, n_masks) = Redactor::default().redact("order 4111111111111111", &["4111111111111111"]);
        assert_eq!((kept.as_str(), n_masks), ("order 4111111111111111", 0));
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(redacted("a\x1b[31mb\nc\u{202e}d\u{200b}"), "a\\x1b[31mb\\nc\\u{202e}d\\u{200b}");
    }

    #[test]
    fn what_a_mask_leaves_is_made_visible_too() {
        assert_eq!(redacted("openid=a\u{1}bcdefghijk\u{7}l"), "openid=a\\x01bc***jk\\x07l");
    }

    #[test]
    fn own_rules() {
        let redactor = Redactor::new(&["CUST-\\d+".into()], &["openid".into()]).expect("valid");
        assert_eq!(redactor.redact("CUST-12 openid=abcdefghijkl", &[]).0.as_str(), "*** openid=abcdefghijkl");
        assert!(Redactor::new(&["(".into()], &[]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_card_number_survives(before in "([a-z]{0,6}[ =:\"])?", digits in "4[0-9]{14}", after in "([ \",&][a-z]{0,6})?") {
            let check = (0..10u32).find(|d| numbers::luhn(format!("{digits}{d}").as_bytes())).unwrap_or(0);
            let text = format!("{before}{digits}{check}{after}");
            proptest::prop_assert!(!redacted(&text).contains(&digits[6..12]));
        }

        #[test]
        fn no_control_character_survives(text in "\\PC{0,20}[\\x00-\\x1f\u{80}-\u{9f}\u{202a}-\u{202e}]{1,5}.{0,10}") {
            proptest::prop_assert!(!redacted(&text).chars().any(crate::visible::is_hidden));
        }
    }
}
