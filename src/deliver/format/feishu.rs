//! Feishu (Lark): a message card.
//!
//! <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>. Every text is `plain_text`, never `lark_md`; links are
//! buttons. `timestamp` and `sign` go into the body when it is sent.

use serde_json::{Value, json};

use super::super::message::Message;
use super::card::{self, Card, Tone};
use super::{Context, RenderError, Rendered, text, words};
use crate::render::words as report;

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    card::request(messages, context, message)
}

fn message(card: &Card<'_>, n_lines: usize, context: &Context<'_>) -> Value {
    let words = words::words(context.lang);
    let mut elements: Vec<Value> = card
        .first(n_lines, context.lang)
        .map(|line| {
            let label = line.label.map_or_else(String::new, |label| format!("{label}{}", words.colon));
            json!({ "tag": "div", "text": plain_text(&format!("{label}{}", line.text)) })
        })
        .collect();
    if !card.links.is_empty() {
        let button = |url: &&str| json!({ "tag": "button", "type": "default", "text": plain_text(report::words(context.lang).docs), "url": url });
        elements.push(json!({ "tag": "action", "actions": card.links.iter().map(button).collect::<Vec<_>>() }));
    }
    elements.push(json!({ "tag": "note", "elements": [plain_text(&card.footer)] }));
    json!({
        "msg_type": "interactive",
        "card": {
            "config": { "wide_screen_mode": true },
            "header": { "title": plain_text(&card.title), "template": color(card.tone) },
            "elements": elements,
        },
    })
}

fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "red",
        Tone::Error => "orange",
        Tone::Warning => "yellow",
        Tone::Info => "blue",
        Tone::Resolved => "green",
    }
}

fn plain_text(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": text::untagged(text) })
}
