//! DingTalk: a Markdown message that mentions nobody.
//!
//! <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>. A robot that asks for a keyword finds
//! `paytriage` in each message. The signature goes into the URL.

use serde_json::{Value, json};

use super::super::message::Message;
use super::card::{self, Card};
use super::{Context, RenderError, Rendered, markdown, text};

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    card::request(messages, context, message)
}

fn message(card: &Card<'_>, n_lines: usize, context: &Context<'_>) -> Value {
    let title = text::unmarked(&card.title);
    // A single line feed is a space.
    let body = markdown::body(card, n_lines, context, "\n\n");
    json!({
        "msgtype": "markdown",
        "markdown": { "title": title, "text": format!("### {title}\n\n{body}") },
        "at": { "atMobiles": [], "atUserIds": [], "isAtAll": false },
    })
}
