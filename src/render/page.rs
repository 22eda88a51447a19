//! Puts text on a page of limited width: wrapped, indented, styled, and never raw.
//!
//! Every text passes [`visible`] on its way; styles are put around it here and come from nowhere else. Widths
//! are columns of a terminal, in which a Chinese character takes two.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::visible::visible;

/// Lines no longer than this are easy to read.
const MAX_WIDTH: usize = 100;
/// When the terminal does not say.
const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;

/// The text of a report as it grows.
#[derive(Debug)]
pub struct Page {
    text: String,
    pub width: usize,
}

impl Page {
    /// A page as wide as the terminal, within reason.
    pub fn new(terminal_width: Option<usize>) -> Page {
        Page { text: String::new(), width: terminal_width.unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH) }
    }

    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, as it is; `parts` stand side by side, each in its style.
    pub fn line(&mut self, parts: &[(Style, &str)]) {
        for (style, part) in parts {
            self.styled(*style, part);
        }
        self.text.push('\n');
    }

    /// A paragraph that begins with `label` and hangs `indent` columns from the margin.
    pub fn paragraph(&mut self, label: (Style, &str), indent: usize, text: &str) {
        self.hang(label, (indent, ""), text);
    }

    /// A paragraph whose text hangs behind a number.
    pub fn numbered(&mut self, label: (Style, &str), indent: usize, (number, text): (usize, &str)) {
        self.hang(label, (indent, &format!("{number}. ")), text);
    }

    fn hang(&mut self, (style, label): (Style, &str), (indent, bullet): (usize, &str), text: &str) {
        let room = self.width.saturating_sub(indent + bullet.len());
        for (at, line) in wrap(&visible(text), room).iter().enumerate() {
            let (label, bullet) = if at == 0 { (label, bullet.to_owned()) } else { ("", " ".repeat(bullet.len())) };
            self.styled(style, label);
            let gap = indent.saturating_sub(label.width());
            // Writing to a `String` cannot fail.
            let _ = writeln!(self.text, "{:gap$}{bullet}{line}", "");
        }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    fn styled(&mut self, style: Style, text: &str) {
        let _ = write!(self.text, "{style}{}{style:#}", visible(text));
    }
}

/// Breaks text into lines of at most `width` columns, at spaces and between Chinese characters. What cannot be
/// broken, an address for one, sticks out.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut line_width = 0;
    let mut is_space_due = false;
    for atom in atoms(text) {
        if atom == " " {
            is_space_due = line_width > 0;
            continue;
        }
        let atom_width = atom.width();
        if line_width > 0 && line_width + usize::from(is_space_due) + atom_width > width {
            lines.push(std::mem::take(&mut line));
            (line_width, is_space_due) = (0, false);
        }
        if std::mem::take(&mut is_space_due) {
            line.push(' ');
            line_width += 1;
        }
        line.push_str(atom);
        line_width += atom_width;
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// What a line may not be broken within: words, single wide characters with the punctuation that belongs to
/// them, and single spaces.
fn atoms(text: &str) -> Vec<&str> {
    let mut atoms = Vec::new();
    let mut start = 0;
    let mut previous: Option<char> = None;
    for (at, c) in text.char_indices() {
        if previous.is_some_and(|previous| may_break(previous, c)) {
            atoms.push(&text[start..at]);
            start = at;
        }
        previous = Some(c);
    }
    if start < text.len() {
        atoms.push(&text[start..]);
    }
    atoms
}

fn may_break(before: char, after: char) -> bool {
    const CLOSING: &str = "，。、；：！？）】》」』”’…·,.;:!?)]}%";
    const OPENING: &str = "（【《「『“‘([{";
    if before == ' ' || after == ' ' {
        return true;
    }
    let is_wide = |c: char| c.width() == Some(2);
    (is_wide(before) || is_wide(after)) && !CLOSING.contains(after) && !OPENING.contains(before)
}

/// `text` cut to `width` columns around `keep`, with an ellipsis where something is missing.
pub fn fit(text: &str, keep: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end_of_keep = text.find(keep).map_or(0, |at| at + keep.len());
    let start = if text[..end_of_keep].width() < width {
        0
    } else {
        // Some of what stands before the match says what it belongs to.
        let wanted = keep.width() + width / 3;
        let mut start = end_of_keep;
        for (at, _) in text[..end_of_keep].char_indices().rev() {
            if text[at..end_of_keep].width() > wanted.min(width.saturating_sub(2)) {
                break;
            }
            start = at;
        }
        start
    };
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    let mut used = shown.width();
    for c in text[start..].chars() {
        let c_width = c.width().unwrap_or(0);
        if used + c_width + 1 > width {
            shown.push('…');
            break;
        }
        shown.push(c);
        used += c_width;
    }
    shown
}

/// `text` followed by spaces up to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// Spaces, then `text`, `width` columns in all.
pub fn pad_left(text: &str, width: usize) -> String {
    format!("{:1$}{text}", "", width.saturating_sub(text.width()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn english_wraps_at_spaces_and_chinese_between_characters() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("https://example.com/a b", 5), ["https://example.com/a", "b"]);
        assert_eq!(wrap("付款人的银行", 5), ["付款", "人的", "银行"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn a_line_neither_begins_with_a_full_stop_nor_ends_with_an_opening_bracket() {
        assert_eq!(wrap("付款失败。重试", 8), ["付款失", "败。重试"]);
        assert_eq!(wrap("错误（超限）", 6), ["错误", "（超", "限）"]);
    }

    #[test]
    fn shortened_text_keeps_the_match_in_sight() {
        assert_eq!(fit("short", "x", 10), "short");
        assert_eq!(fit("code=X and much more", "X", 10), "code=X an…");
        let text = format!("{} code=TRADE_ERROR {}", "前".repeat(50), "y".repeat(50));
        let shown = fit(&text, "TRADE_ERROR", 40);
        assert!(shown.contains("code=TRADE_ERROR") && shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.width() <= 40, "{shown}");
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_character(text in "[a-z，。（ 付款]{0,60}", width in 4usize..20) {
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeezed(&wrap(&text, width).concat()), squeezed(&text));
        }

        #[test]
        fn shortened_text_fits(text in "[a-z付款 ]{0,80}", keep in "[a-z付]{1,5}", width in 4usize..30) {
            prop_assert!(fit(&text, &keep, width).width() <= width);
        }
    }
}
