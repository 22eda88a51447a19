//! Stands in for the formats: rows joined, as JSON.

use std::borrow::Cow;

use super::message::Message;
use crate::catalog::Lang;
use crate::config::Format;

#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub lang: Lang,
    pub host: Option<&'a str>,
    pub version: &'a str,
    pub sink: &'a str,
    pub max_bytes: usize,
    pub template: Option<&'a CompiledTemplate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub content_type: Cow<'static, str>,
    pub body: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the request would be larger than the {max_bytes} bytes that its target takes")]
    TooBig { max_bytes: usize },
    #[error("a waiting row is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_bytes: usize,
    pub max_batch: usize,
    pub per_minute: Option<u32>,
    pub per_second: Option<u32>,
}

#[derive(Debug)]
pub struct CompiledTemplate;

#[derive(Debug, thiserror::Error)]
#[error("no template")]
pub struct TemplateError;

pub fn compile(_: &crate::config::Template) -> Result<CompiledTemplate, TemplateError> {
    Ok(CompiledTemplate)
}

pub fn limits(format: &Format) -> Limits {
    let max_batch = if *format == Format::PagerDuty { 1 } else { 100 };
    Limits { max_bytes: 1 << 20, max_batch, per_minute: None, per_second: None }
}

pub fn requests<'a>(format: &Format, messages: &[Message<'a>]) -> Vec<Vec<Message<'a>>> {
    use super::message::Item;
    if *format != Format::PagerDuty {
        return vec![messages.to_vec()];
    }
    let mut requests = Vec::new();
    for message in messages {
        match &message.item {
            Item::Digest(digest) => requests.extend(
                digest
                    .incidents
                    .iter()
                    .map(|notice| vec![Message { raw: message.raw, item: Item::Incident(Box::new(notice.clone())) }]),
            ),
            Item::Event(_) | Item::Incident(_) => requests.push(vec![message.clone()]),
        }
    }
    requests
}

pub fn render(_: &Format, messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    let body = messages.iter().map(|message| message.raw).collect::<Vec<_>>().join(&b'\n');
    if body.len() > context.max_bytes {
        return Err(RenderError::TooBig { max_bytes: context.max_bytes });
    }
    Ok(Rendered { content_type: "application/json".into(), body, headers: Vec::new() })
}
