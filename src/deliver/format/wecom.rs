//! WeCom: a Markdown message.
//!
//! <https://developer.work.weixin.qq.com/document/path/91770>. Mentions are written into the text there (`<@userid>`), so none of
//! its characters may come from a log. There are three colors.

use serde_json::{Value, json};

use super::super::message::Message;
use super::card::{self, Card, Tone};
use super::{Context, RenderError, Rendered, markdown, text};

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    card::request(messages, context, message)
}

fn message(card: &Card<'_>, n_lines: usize, context: &Context<'_>) -> Value {
    let title = text::unmarked(&card.title);
    let body = markdown::body(card, n_lines, context, "\n");
    let color = color(card.tone);
    json!({
        "msgtype": "markdown",
        "markdown": { "content": format!("### <font color=\"{color}\">{title}</font>\n{body}") },
    })
}

fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical | Tone::Error | Tone::Warning => "warning",
        Tone::Info => "comment",
        Tone::Resolved => "info",
    }
}
