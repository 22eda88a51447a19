//! One catalogue entry: what a code or a message means and what to do about it.
//!
//! These types are what the rest of the program reads; how they are written in TOML is `load`'s business.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Threshold;
use crate::provider::Provider;

/// The language of everything paytriage says to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    pub en: String,
    pub zh: String,
}

impl Text {
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// Steps in both languages, in the order to try them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Steps {
    pub en: Vec<String>,
    pub zh: Vec<String>,
}

impl Steps {
    pub fn get(&self, lang: Lang) -> &[String] {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// An entry's name: stable, lower-case, dotted, never used again for something else
/// (`alipay.acq.trade-has-success`, `risk-control`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub Arc<str>);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code as it stands in logs, and how far it may be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Case-sensitive; letters, digits, `.`, `_` and `-` only, at most 128 bytes.
    pub text: String,
    pub specificity: Specificity,
    /// Fields that are no error fields for others, but hold this code as a failure: `PAYERROR` as `trade_state`. In any
    /// spelling; empty for most.
    pub fields: Vec<String>,
}

impl Code {
    /// True for a code that is looked for by its fields, because it is an everyday word or a number. A field that is an everyday
    /// word itself would be worse.
    pub fn is_found_by_field(&self) -> bool {
        let everyday = |field: &String| matches!(field.as_str(), "status" | "state" | "result" | "type");
        self.specificity == Specificity::Named && !self.fields.iter().any(everyday)
    }
}

/// A text as providers write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub text: String,
    /// The code that goes with it, where the entry has several.
    pub code: Option<String>,
    /// Others say the same: something must speak for the provider.
    pub needs_provider: bool,
}

/// How much a code proves by standing somewhere (design, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Specificity {
    /// Nobody else uses this word: value position is enough.
    Distinctive,
    /// Several providers, or ordinary programs, use this word: it must be the value of an error field, or
    /// the record or its source must name a provider and speak of a failure.
    Generic,
    /// Too short or too common to mean anything alone (`51`, `40004`): only as the value of an error field
    /// or alone in brackets, `(C6-1011)`.
    Field,
    /// It means this in the fields that the entry names, and something else or nothing everywhere else: `03` as merchant
    /// advice, `ABNORMAL` as the state of a refund.
    Named,
}

/// How bad one occurrence is for the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Actor {
    Payer,
    Merchant,
    Issuer,
    Provider,
}

/// The next move, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Advice {
    QueryFirst,
    RetryLater,
    RetrySameOrder,
    NewOrder,
    FixRequest,
    AskPayer,
    OtherMethod,
    ContactIssuer,
    ContactProvider,
    None,
}

/// May the caller send the same request again, and could that charge twice?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Retry {
    Safe,
    AfterQuery,
    Later,
    AfterFix,
    Never,
}

/// What kind of trouble it is; used for grouping in lists and statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Category {
    /// Refused by risk control.
    Risk,
    /// The payer's or the merchant's account is not in order.
    Account,
    /// The card or its issuer refused.
    Card,
    /// Balance, or a limit on amount or frequency.
    Limit,
    /// The order's state does not allow it (paid, closed, unknown).
    Order,
    /// The request is malformed or has a wrong value.
    Request,
    /// Signature, certificate, key, permission.
    Access,
    /// The provider or the network failed; the outcome may be unknown.
    System,
    /// The payer has to do something, or did not.
    Payer,
    /// Verification of the payer (identity, SMS code, password).
    Verification,
    /// Anything else.
    Other,
}

/// Gives a closed set of words its spelling in TOML, JSON and on the command line.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in declaration order.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            pub fn parse(word: &str) -> Option<$type> {
                match word { $($word => Some($type::$variant),)+ _ => None }
            }

            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Lang { En = "en", Zh = "zh" });
words!(Specificity { Distinctive = "distinctive", Generic = "generic", Field = "field", Named = "named" });
words!(Severity { Info = "info", Warning = "warning", Error = "error", Critical = "critical" });
words!(Actor { Payer = "payer", Merchant = "merchant", Issuer = "issuer", Provider = "provider" });
words!(Advice {
    QueryFirst = "query_first",
    RetryLater = "retry_later",
    RetrySameOrder = "retry_same_order",
    NewOrder = "new_order",
    FixRequest = "fix_request",
    AskPayer = "ask_payer",
    OtherMethod = "other_method",
    ContactIssuer = "contact_issuer",
    ContactProvider = "contact_provider",
    None = "none",
});
words!(Retry { Safe = "safe", AfterQuery = "after_query", Later = "later", AfterFix = "after_fix", Never = "never" });
words!(Category {
    Risk = "risk",
    Account = "account",
    Card = "card",
    Limit = "limit",
    Order = "order",
    Request = "request",
    Access = "access",
    System = "system",
    Payer = "payer",
    Verification = "verification",
    Other = "other",
});

/// One catalogue item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: EntryId,
    /// `None`: the same word means the same everywhere; the event's provider comes from the surroundings.
    pub provider: Option<Provider>,
    /// Codes as they stand in logs, the one to report first.
    pub codes: Vec<Code>,
    /// Message texts as providers write them, whatever their language.
    pub messages: Vec<Message>,
    /// The code that events carry when only the message was found and no code exists
    /// (`UNSUPPORTED_CARD`). A message's own code wins over it; without either the entry's first code is reported.
    pub message_code: Option<String>,
    /// It says only that something failed (`40004`, `Get Wechat API Error:`): anything else in the record says more.
    pub general: bool,
    pub title: Text,
    pub category: Category,
    pub severity: Severity,
    pub act: Actor,
    pub advice: Advice,
    pub retry: Retry,
    /// When an incident begins, where the general rules do not fit.
    pub threshold: Option<Threshold>,
    pub cause: Text,
    /// What the merchant's operator does.
    pub operator: Steps,
    /// What the payer does; safe to show to a customer.
    pub payer: Steps,
    /// Ids of guides.
    pub guides: Vec<String>,
    /// Addresses of official documentation.
    pub docs: Vec<String>,
    /// Log lines in which this entry must be found. Only a catalogue read from its files has them.
    #[serde(skip)]
    pub examples: Vec<String>,
    /// Log lines that look like it and in which it must not be found.
    #[serde(skip)]
    pub near_misses: Vec<String>,
}

impl Entry {
    /// The code that an event of this entry carries when it was found by its message alone, `written` as the catalogue has it.
    pub fn code_of_message(&self, written: &str) -> &str {
        let own = self.messages.iter().find(|message| message.text == written).and_then(|m| m.code.as_deref());
        own.or(self.message_code.as_deref()).unwrap_or_else(|| self.reported_code())
    }

    /// The code that stands for the whole entry.
    pub fn reported_code(&self) -> &str {
        let code = self.codes.first().map(|code| &code.text);
        code.or(self.message_code.as_ref()).map_or(&*self.id.0, String::as_str)
    }
}

/// A longer text that entries point to, in both languages (Markdown).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    pub id: String,
    pub title: Text,
    pub body: Text,
}
