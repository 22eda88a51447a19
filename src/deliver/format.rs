//! How messages look to those who get them: JSON envelopes, alerts, chat messages, the user's own template.
//!
//! Pure: rows of the outbox in, bytes out, the same bytes for the same rows. Every request keeps within its target's limits, as
//! it is sent, JSON escapes included. Text from logs can only be text: it mentions nobody, links nowhere, formats nothing
//! and ends no card. Signatures, timestamps and keys are added when a request is sent.

mod alertmanager;
mod alerts_api;
mod card;
mod cloudevents;
mod cut;
mod dingtalk;
mod feishu;
mod json;
mod markdown;
mod pagerduty;
#[cfg(test)]
mod samples;
mod slack;
mod subject;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod wecom;
pub(super) mod words;

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::TimeZone;
use memchr::memmem;

use super::message::{Item, Message};
use crate::catalog::Lang;
use crate::config::Format;
use crate::incident::notice::DIGEST_SCHEMA;

pub use card::{Voice, counted_line, headline, one_line};
pub use template::{CompiledTemplate, TemplateError, Trial, compile};

/// What a format must know besides the messages.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Of the words that a format adds.
    pub lang: Lang,
    /// Of the times that people read.
    pub timezone: &'a TimeZone,
    /// Between two notices of an incident that goes on, at most.
    pub longest_pause: Duration,
    pub host: Option<&'a str>,
    /// Of paytriage.
    pub version: &'a str,
    /// The sink's name.
    pub sink: &'a str,
    /// Bytes of a request at most, see [`limits`].
    pub max_bytes: usize,
    /// For [`Format::Template`] only.
    pub template: Option<&'a CompiledTemplate>,
}

/// A request without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub content_type: Cow<'static, str>,
    pub body: Vec<u8>,
    /// Beside the content type.
    pub headers: Vec<(String, String)>,
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Fewer messages may fit.
    #[error("the request would be larger than the {max_bytes} bytes that its target takes")]
    TooBig { max_bytes: usize },
    /// Fewer messages go together, see [`requests`].
    #[error("these messages do not go into one request")]
    NotAlone,
    #[error("a waiting row is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The sink's template was not compiled.
    #[error("the sink has no template")]
    NoTemplate,
}

/// What a target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a request, with room for what is added when it is sent.
    pub max_bytes: usize,
    /// Rows in a request.
    pub max_batch: usize,
    /// Requests; `None`: as many as there are.
    pub per_minute: Option<u32>,
    pub per_second: Option<u32>,
}

/// Left free of a documented limit: for signatures and keys, and for targets that count a little differently.
const MARGIN: usize = 300;

/// The limits of a format's target.
pub fn limits(format: &Format) -> Limits {
    let free = |max_bytes, max_batch| Limits { max_bytes, max_batch, per_minute: None, per_second: None };
    let chat = |max_bytes| free(max_bytes, 20);
    match format {
        // No limit of the format's own; this is what nginx takes unless told otherwise.
        Format::Json
        | Format::CloudEvents
        | Format::Alertmanager
        | Format::AlertmanagerAlerts
        | Format::Template(_) => free((1 << 20) - MARGIN, 1000),
        // <https://developer.pagerduty.com/docs/events-api-v2-overview>: 512 KB; Alertmanager cuts at 512,000 bytes.
        Format::PagerDuty => free(512_000 - MARGIN, 1),
        // Blocks of more than about 13,200 characters together can be refused (slackapi/bolt-js, 2509). One message a
        // second: <https://docs.slack.dev/apis/web-api/rate-limits>.
        Format::Slack => Limits { per_second: Some(1), ..chat(13_200 - MARGIN) },
        // <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>: 20 KB, 100 a minute and 5 a second.
        Format::Feishu => Limits { per_minute: Some(90), per_second: Some(4), ..chat(20_000 - MARGIN) },
        // <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>: 20,000 bytes; more than 20
        // a minute block the robot for ten minutes.
        Format::DingTalk => Limits { per_minute: Some(18), ..chat(20_000 - MARGIN) },
        // <https://developer.work.weixin.qq.com/document/path/91770>: 4,096 bytes of Markdown, 20 a minute.
        Format::WeCom => Limits { per_minute: Some(18), ..chat(4_096) },
    }
}

/// Whether there is anything in a row for this format: those that tell of incidents one by one have no place for a digest that
/// only counts what nobody can be told the end of.
pub fn tells_of(format: &Format, row: &[u8]) -> bool {
    let is_one_by_one =
        matches!(format, Format::PagerDuty | Format::CloudEvents | Format::Alertmanager | Format::AlertmanagerAlerts);
    // Nearly no row is a digest, so most need not be read.
    let is_digest = || memmem::find(row, DIGEST_SCHEMA.as_bytes()).is_some();
    let only_counts = || match Message::parse(row).map(|message| message.item) {
        Ok(Item::Digest(digest)) => digest.incidents.is_empty(),
        Ok(Item::Event(_) | Item::Incident(_)) | Err(_) => false,
    };
    !(is_one_by_one && is_digest() && only_counts())
}

/// Whether a target keeps something open under the key of an incident until it hears of the end.
pub fn keeps_open(format: &Format) -> bool {
    matches!(format, Format::PagerDuty | Format::Alertmanager | Format::AlertmanagerAlerts)
}

/// What goes into one request each: for PagerDuty every incident alone, also those of a digest, since one request is about one; for
/// CloudEvents every incident as an event of its own, `max_batch` of them together; for receivers of Alertmanager every incident
/// alone; for all others everything together.
///
/// # Errors
/// They do not go together: for receivers of Alertmanager what is no group, for Alertmanager several states of one incident. Or a
/// digest holds something else than incidents.
pub fn requests<'a>(
    format: &Format,
    max_batch: usize,
    messages: &[Message<'a>],
) -> Result<Vec<Vec<Message<'a>>>, RenderError> {
    let together = match format {
        Format::PagerDuty => 1,
        Format::CloudEvents => max_batch.max(1),
        Format::Alertmanager if messages.len() == 1 => 1,
        Format::Alertmanager if !alertmanager::are_a_group(messages) => return Err(RenderError::NotAlone),
        Format::AlertmanagerAlerts if messages.len() > 1 && !alerts_api::are_states_of_one_time(messages) => {
            return Err(RenderError::NotAlone);
        }
        _ => return Ok(vec![messages.to_vec()]),
    };
    let one_by_one = messages.iter().map(Message::one_by_one).collect::<Result<Vec<_>, _>>()?.concat();
    Ok(one_by_one.chunks(together).map(<[_]>::to_vec).collect())
}

/// # Errors
/// It cannot be made small enough, or the user's template does not fit the messages.
pub fn render(format: &Format, messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    match format {
        Format::Json => json::render(messages, context),
        Format::CloudEvents => cloudevents::render(messages, context),
        Format::Alertmanager => alertmanager::render(messages, context),
        Format::AlertmanagerAlerts => alerts_api::render(messages, context),
        Format::PagerDuty => pagerduty::render(messages, context),
        Format::Slack => slack::render(messages, context),
        Format::Feishu => feishu::render(messages, context),
        Format::DingTalk => dingtalk::render(messages, context),
        Format::WeCom => wecom::render(messages, context),
        Format::Template(_) => context.template.ok_or(RenderError::NoTemplate)?.render(messages, context),
    }
}

impl Context<'_> {
    /// A request of JSON, if it is small enough.
    fn request(&self, content_type: &'static str, body: Vec<u8>) -> Result<Rendered, RenderError> {
        if body.len() > self.max_bytes {
            return Err(RenderError::TooBig { max_bytes: self.max_bytes });
        }
        Ok(Rendered { content_type: content_type.into(), body, headers: Vec::new() })
    }
}
