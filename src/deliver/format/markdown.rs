//! The Markdown that DingTalk and WeCom share: bold labels, and links to the catalogue's documents.

use super::card::Card;
use super::{Context, text, words};
use crate::render::words as report;

/// The card below its title, with `newline` between its lines.
pub fn body(card: &Card<'_>, n_lines: usize, context: &Context<'_>, newline: &str) -> String {
    let words = words::words(context.lang);
    let mut lines: Vec<String> = card
        .first(n_lines, context.lang)
        .map(|line| {
            let text = text::unmarked(&line.text);
            match line.label {
                Some(label) => format!("**{label}**{}{text}", words.colon),
                None => text,
            }
        })
        .collect();
    if !card.links.is_empty() {
        let docs = report::words(context.lang).docs;
        let link = |(n, url): (usize, &&str)| match card.links.len() {
            1 => format!("[{}]({url})", docs),
            _ => format!("[{} {}]({url})", docs, n + 1),
        };
        lines.push(card.links.iter().enumerate().map(link).collect::<Vec<_>>().join("  "));
    }
    lines.push(text::unmarked(&card.footer));
    lines.join(newline)
}
