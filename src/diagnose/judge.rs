//! Decides whether an occurrence is a detection (design, section 8).

use crate::catalog::Specificity;
use crate::record::key::normal_key;
use crate::record::words;
use crate::record::{self, Level};

use super::index::Candidate;
use super::keys::{self, Role, SURE};
use super::mention::{Field, Mention};
use super::reading::Reading;
use super::verdict::{Because, Verdict, WhyNot};

/// What is known about the record as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'t> {
    pub reading: &'t Reading<'t>,
    pub level: Option<Level>,
    /// The record or its source names a provider, or is about a payment.
    pub about_payments: bool,
}

impl<'t> Setting<'t> {
    pub fn new(reading: &'t Reading<'t>) -> Setting<'t> {
        Setting { reading, level: record::level(reading.record), about_payments: false }
    }
}

/// How far a code may be believed.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    pub specificity: Specificity,
    /// Something in the record speaks for the provider whose code it is.
    pub own_provider: bool,
    /// Fields that only a provider has do, not only its name.
    pub own_fields: bool,
}

/// Decides about a code.
pub fn code(setting: Setting<'_>, mention: &Mention, weight: Weight) -> Verdict {
    let text = setting.reading.text;
    if mention.is_call(text) {
        return Err(WhyNot::IsKey);
    }
    if let Some(why) = not_a_report(setting.reading, mention) {
        return Err(why);
    }
    if is_namesake(text, mention) {
        return Err(WhyNot::OtherProvider);
    }
    let distinctive = weight.specificity == Specificity::Distinctive;
    if weight.specificity == Specificity::Field {
        fits_field(text, mention, weight)?;
    }
    // In an error field of a payment record any code may be meant; in prose a provider's own needs its provider.
    let is_meant = setting.about_payments && (mention.rank() > 0 || weight.own_provider);
    if !distinctive && !is_meant {
        return Err(WhyNot::NeedsProvider);
    }
    let name = |field: &Field| text[field.name.clone()].to_owned();
    match mention.field.as_ref().map(|field| (field.role, field)) {
        Some((Role::State, field)) if !field.loose => Err(WhyNot::State(name(field))),
        Some((Role::Code { rank, .. }, field)) if *rank >= SURE => Ok(Because::ErrorField(name(field))),
        Some((Role::Code { .. }, field)) if distinctive && !field.list => Ok(Because::ErrorField(name(field))),
        Some((Role::Code { .. }, field)) => {
            // `"code":"40004","msg":"…"` of a provider's answer needs no word of failure.
            if !(weight.own_provider && mention.rank() >= keys::CODE && has_message(text, mention)) {
                failure(setting, mention)?;
            }
            Ok(Because::ErrorField(name(field)))
        }
        Some((Role::Other, field)) if !field.loose && (field.list || !distinctive) => {
            Err(WhyNot::OtherField(name(field)))
        }
        _ => match failure(setting, mention)? {
            _ if weight.specificity == Specificity::Field => Ok(Because::Brackets),
            because => Ok(because),
        },
    }
}

/// Decides about a code in a field that its entry names: the field says enough, if something speaks for the provider.
pub fn named_field(setting: Setting<'_>, mention: &Mention, own_provider: bool) -> Verdict {
    if let Some(why) = not_a_report(setting.reading, mention) {
        return Err(why);
    }
    if keys::is_advice(mention.key()) && is_approved(setting.reading) {
        return Err(WhyNot::NoFailure);
    }
    match &mention.field {
        Some(field) if own_provider => Ok(Because::ErrorField(setting.reading.text[field.name.clone()].to_owned())),
        _ => Err(WhyNot::NeedsProvider),
    }
}

/// True if a response code in the record approves the payment.
fn is_approved(reading: &Reading<'_>) -> bool {
    let text = reading.text;
    reading.record.words().iter().any(|word| {
        let key = normal_key(&text[word.range()]);
        let value = || words::value_after(text, word.end);
        keys::holds_short_codes(key.as_str())
            && value()
                .is_some_and(|value| keys::is_approval(key.as_str(), &text[value.clone()]) || &text[value] == "00")
    })
}

/// True for a code of Taobao's platform or of Aliyun, whose families are Alipay's too.
fn is_namesake(text: &str, mention: &Mention) -> bool {
    let word = &text[mention.range.clone()];
    (word.starts_with("isv.") || word.starts_with("isp.")) && {
        let lower = text.to_ascii_lowercase();
        keys::NAMESAKES.iter().any(|name| lower.contains(name))
            && !lower.contains("alipay")
            && !lower.contains("支付宝")
    }
}

/// A short or common code counts only as the value of an error field, or alone in brackets; if it is shorter still, only in
/// the fields that hold such codes; and something must speak for its provider.
fn fits_field(text: &str, mention: &Mention, weight: Weight) -> Result<(), WhyNot> {
    let written = &text[mention.range.clone()];
    let numeric = written.bytes().all(|b| b.is_ascii_digit());
    // `40004 - 交易不存在`: SDKs that give the parent code and the text.
    let before_text = numeric && text[mention.range.end..].starts_with(" - ");
    let in_place = match written.len() {
        0..SHORT => keys::holds_short_codes(mention.key()),
        _ if mention.rank() > 0 || mention.bracketed || before_text => true,
        _ => !numeric && is_announced(text, mention),
    };
    match in_place {
        false => Err(WhyNot::NeedsField),
        true if numeric && !weight.own_provider => Err(WhyNot::NeedsProvider),
        // Every service answers with numbers of its own in `code`.
        true if numeric && !before_text && mention.rank() <= keys::CODE && !weight.own_fields => {
            Err(WhyNot::NeedsProvider)
        }
        true => Ok(()),
    }
}

/// `refund of order 1 failed: CODE`, `支付失败：CODE`: what stands behind a word of failure and a colon is what failed.
pub fn is_announced(text: &str, mention: &Mention) -> bool {
    let before = text[..mention.range.start].trim_end_matches([' ', '"', '\'', '`', '[', '(']);
    if let Some(before) = before.strip_suffix(" -") {
        return keys::ends_with_gateway_message(before);
    }
    let Some(before) = before.strip_suffix([':', '：']) else { return false };
    let before = before.trim_end();
    FAILURE_ZH.into_iter().any(|word| before.ends_with(word))
        || words::word_before(before, before.len())
            .is_some_and(|word| word.end == before.len() && find_word(&before[word], FAILURE).is_some())
}

/// True for numbers and short words that are codes only in an error field, and stand in none: every log is full of them, and
/// nobody wants to hear why they are not reported.
pub fn is_mere_number(text: &str, mention: &Mention, candidates: &[&Candidate]) -> bool {
    is_number_or_short(&text[mention.range.clone()])
        && mention.rank() == 0
        && !mention.bracketed
        && candidates.iter().all(|c| c.specificity == Specificity::Field)
}

pub fn is_number_or_short(word: &str) -> bool {
    word.len() < SHORT || word.bytes().all(|b| b.is_ascii_digit())
}

/// Codes shorter than this are in too many places.
const SHORT: usize = 4;

/// Decides about a word that looks like a code but is in no entry, where a provider is known. A field that says only
/// `code` needs a message beside it, or a failure.
pub fn unknown_code(setting: Setting<'_>, mention: &Mention, specificity: Specificity) -> Verdict {
    let weight = Weight { specificity, own_provider: true, own_fields: true };
    let because = code(Setting { about_payments: true, ..setting }, mention, weight)?;
    if (1..SURE).contains(&mention.rank()) && !has_message(setting.reading.text, mention) {
        failure(setting, mention)?;
    }
    Ok(because)
}

/// True if a message stands beside the code: `"code":"X","message":"…"`, `Code: "X"\nMessage: …`.
fn has_message(text: &str, mention: &Mention) -> bool {
    let reach = text.len().min(mention.range.end + 400);
    let behind = &text.as_bytes()[mention.range.end..reach];
    let before = &text.as_bytes()[mention.range.start.saturating_sub(200)..mention.range.start];
    let starts_with =
        |part: &[u8], key: &[u8]| part.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
    [behind, before].into_iter().any(|part| {
        let mut starts = memchr::memchr2_iter(b'm', b'M', part).map(|at| &part[at..]);
        starts.any(|rest| starts_with(rest, b"msg") || starts_with(rest, b"message"))
    })
}

/// Decides about a message text.
pub fn message(setting: Setting<'_>, mention: &Mention) -> Verdict {
    let text = setting.reading.text;
    if let Some(why) = not_a_report(setting.reading, mention) {
        return Err(why);
    }
    if mention.is_translation(text) {
        return Err(WhyNot::Translation);
    }
    match mention.field.as_ref().map(|field| (field.role, field)) {
        Some((Role::State, field)) => Err(WhyNot::State(text[field.name.clone()].to_owned())),
        Some((Role::Message { error_only: true }, field)) => {
            Ok(Because::MessageField(text[field.name.clone()].to_owned()))
        }
        _ => failure(setting, mention)
            .or_else(|why| if is_shown(setting.reading, mention) { Ok(Because::Shown) } else { Err(why) }),
    }
}

/// What rules an occurrence out wherever it stands.
fn not_a_report(reading: &Reading<'_>, mention: &Mention) -> Option<WhyNot> {
    let text = reading.text;
    if mention.is_key(text) {
        Some(WhyNot::IsKey)
    } else if mention.is_source_line(reading) {
        Some(WhyNot::SourceLine)
    } else if mention.is_metric(reading) {
        Some(WhyNot::Metric)
    } else if mention.is_path(text) || is_referer(reading, mention) {
        Some(WhyNot::Path)
    } else if mention.is_listed(text) {
        Some(WhyNot::Listed)
    } else {
        None
    }
}

/// True inside the referer of an access log's line: the page that asked for this one told of the failure itself.
fn is_referer(reading: &Reading<'_>, mention: &Mention) -> bool {
    let line = reading.line_around(mention.range.start);
    follows_status(&reading.text[line.start..mention.range.start])
}

/// `" 200 1234 "` and no other quote: what stands between request and referer.
fn follows_status(before: &str) -> bool {
    let Some(quote) = memchr::memrchr(b'"', before.as_bytes()) else { return false };
    let digits = |text: &str| text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let status = before[..quote].strip_suffix(' ').and_then(|before| {
        let size = match digits(before) {
            0 => usize::from(before.ends_with('-')),
            n_digits => n_digits,
        };
        before[..before.len() - size].strip_suffix(' ').filter(|_| size > 0)
    });
    status.is_some_and(|before| {
        let request = before.len() - digits(before);
        before[..request].ends_with("\" ")
            && before.len() - request == 3
            && matches!(before.as_bytes()[request], b'1'..=b'5')
    })
}

/// What in the record speaks of a failure.
fn failure(setting: Setting<'_>, mention: &Mention) -> Verdict {
    if let Some(level) = setting.level.filter(|&level| level >= Level::Warn) {
        return Ok(Because::Level(level));
    }
    let text = setting.reading.text;
    let line = setting.reading.line_around(mention.range.start);
    let before = &text[line.start..mention.range.start];
    if let Some(word) = find_word(before, ABOUT_CODES) {
        return Err(WhyNot::TalksAboutCodes(word.to_owned()));
    }
    // What stands above a body that is spread over lines speaks for all of it.
    let header = &text[setting.reading.line_around(0)];
    match failure_word(before).or_else(|| failure_word(header).filter(|_| line.start > 0)) {
        Some(word) => Ok(Because::FailureWord(word.to_owned())),
        None => Err(WhyNot::NoFailure),
    }
}

fn failure_word(text: &str) -> Option<&str> {
    find_word(text, FAILURE).or_else(|| FAILURE_ZH.into_iter().find(|word| text.contains(word)))
}

/// Words that report a failure.
const FAILURE: &[&str] = &[
    "failed",
    "failure",
    "fail",
    "error",
    "errors",
    "declined",
    "rejected",
    "refused",
    "denied",
    "exception",
    "unsuccessful",
    "giving",
    "gave",
    "aborted",
];
const FAILURE_ZH: [&str; 8] = ["失败", "错误", "异常", "拒绝", "报错", "出错", "不成功", "被拒"];

/// Words of lines that talk about codes. They count only where the level tells nothing of a failure.
const ABOUT_CODES: &[&str] = &[
    "handler",
    "handlers",
    "registered",
    "register",
    "catalog",
    "catalogue",
    "i18n",
    "macro",
    "faq",
    "help",
    "docs",
    "doc",
    "config",
    "configuration",
    "flag",
    "flags",
    "matrix",
    "template",
    "mute",
    "muted",
    "loaded",
    "mean",
    "means",
    "mapping",
    "dictionary",
    "enum",
    "retry_on",
    "retryon",
    "ignore",
    "ignored",
    "whitelist",
    "translations",
    "metric",
    "metrics",
];

fn find_word<'t>(text: &'t str, wanted: &[&str]) -> Option<&'t str> {
    words::words(text).map(|range| &text[range]).find(|word| {
        let last = word.rsplit('.').next().unwrap_or(word);
        last.ends_with("Exception") && wanted.contains(&"exception")
            || last.ends_with("Error") && wanted.contains(&"error")
            || wanted.iter().any(|want| last.eq_ignore_ascii_case(want))
    })
}

/// `cashier message "…"`, `app shows "…"`, `提示"…"`: a message quoted as one that somebody saw.
fn is_shown(reading: &Reading<'_>, mention: &Mention) -> bool {
    let line = reading.line_around(mention.range.start);
    let before = &reading.text[line.start..mention.range.start];
    mention.quoted
        && (find_word(
            before,
            &["message", "shows", "showed", "shown", "displayed", "displays", "popup", "toast", "saw", "sees"],
        )
        .is_some()
            || ["提示", "显示", "弹窗"].iter().any(|word| before.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_status_is_where_an_expression_finds_it(before in r#"([0-9]{1,4}|[" -]|" |x){0,10}"#) {
            let status = regex::Regex::new(r#"" [1-5][0-9]{2} (?:[0-9]+|-) "[^"]*$"#).unwrap();
            proptest::prop_assert_eq!(follows_status(&before), status.is_match(&before));
            let before = format!("\" 404 {before}");
            proptest::prop_assert_eq!(follows_status(&before), status.is_match(&before));
        }
    }
}
