//! Slack: blocks, and a text for notifications.
//!
//! <https://docs.slack.dev/reference/block-kit>. Log text stands in `plain_text` objects, which know no markup; `&`, `<` and `>`
//! are escaped everywhere, since the fallback text is not one of them.

use serde_json::{Value, json};

use super::super::message::Message;
use super::card::{self, Card};
use super::{Context, RenderError, Rendered, text, words};
use crate::render::words as report;

/// Of a header block.
const MAX_HEADER: usize = 150;
/// Of a section's text: 3,000.
const MAX_SECTION: usize = 2_900;

pub fn render(messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
    card::request(messages, context, message)
}

fn message(card: &Card<'_>, n_lines: usize, context: &Context<'_>) -> Value {
    let words = words::words(context.lang);
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(&text::slack(&card.title, MAX_HEADER)) })];
    blocks.extend(
        sections(card, n_lines, context)
            .iter()
            .map(|section| json!({ "type": "section", "text": plain_text(section) })),
    );
    if !card.links.is_empty() {
        let links: Vec<_> = card.links.iter().map(|url| format!("<{}>", url.replace('&', "&amp;"))).collect();
        let text = format!("{}{}{}", report::words(context.lang).docs, words.colon, links.join("  "));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } }));
    }
    blocks.push(json!({ "type": "context", "elements": [plain_text(&text::slack(&card.footer, MAX_HEADER))] }));
    json!({
        "text": text::slack(&card.title, MAX_HEADER),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

/// The lines, as many in one section as there is room for.
fn sections(card: &Card<'_>, n_lines: usize, context: &Context<'_>) -> Vec<String> {
    let colon = words::words(context.lang).colon;
    let mut sections: Vec<String> = Vec::new();
    let mut n_chars = 0;
    for line in card.first(n_lines, context.lang) {
        let label = line.label.map_or_else(String::new, |label| format!("{label}{colon}"));
        let text = text::slack(&format!("{label}{}", line.text), MAX_SECTION);
        let n = text.chars().count() + 1;
        match sections.last_mut() {
            Some(section) if n_chars + n <= MAX_SECTION => {
                section.push('\n');
                section.push_str(&text);
                n_chars += n;
            }
            _ => {
                sections.push(text);
                n_chars = n;
            }
        }
    }
    sections
}

fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}
