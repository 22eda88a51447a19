//! The Markdown that DingTalk and WeCom share: bold labels, and links to the catalogue's documents.

use super::card::Card;
use super::{Context, text, words};

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
        let link = |(n, url): (usize, &&str)| match card.links.len() {
            1 => format!("[{}]({url})", words.docs),
            _ => format!("[{} {}]({url})", words.docs, n + 1),
        };
        lines.push(card.links.iter().enumerate().map(link).collect::<Vec<_>>().join("  "));
    }
    lines.push(text::unmarked(&card.footer));
    lines.join(newline)
}
