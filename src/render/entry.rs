//! One catalogue entry for reading: what it means, who acts, what to do, where to read on.

use anstyle::{AnsiColor, Style};

use super::View;
use super::page::Page;
use super::words;
use crate::catalog::{Entry, Lang, Severity};

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// Columns before the text of a paragraph; its label stands in them.
pub(super) const INDENT: usize = 14;

/// The entry with terminal styles; strip them where they are not wanted. `heading` stands behind the title: a code, an
/// id.
pub fn entry(entry: &Entry, heading: &str, view: &View) -> String {
    let mut page = Page::new(view.width);
    page.line(&[
        (severity_style(entry.severity), words::severity(entry.severity, view.lang)),
        (PLAIN, "  "),
        (BOLD, entry.title.get(view.lang)),
        (PLAIN, "  "),
        (DIM, heading),
    ]);
    advice(&mut page, entry, view.lang);
    references(&mut page, entry, view);
    page.into_text()
}

/// Cause, actor, retry and steps.
pub(super) fn advice(page: &mut Page, entry: &Entry, lang: Lang) {
    let words = words::words(lang);
    labelled(page, words.cause, entry.cause.get(lang));
    labelled(page, words.act, words::actor(entry.act, lang));
    labelled(page, words.retry, words::retry(entry.retry, lang));
    steps(page, words.operator, entry.operator.get(lang));
    steps(page, words.payer, entry.payer.get(lang));
}

/// Guides and documentation.
pub(super) fn references(page: &mut Page, entry: &Entry, view: &View) {
    let words = words::words(view.lang);
    for id in &entry.guides {
        if let Some(title) = view.guides.get(id) {
            labelled(page, words.guide, &format!("{title} (paytriage catalog show {id})"));
        }
    }
    for (at, address) in entry.docs.iter().enumerate() {
        labelled(page, if at == 0 { words.docs } else { "" }, address);
    }
}

pub(super) fn labelled(page: &mut Page, label: &str, text: &str) {
    page.paragraph((DIM, &format!("  {label}")), INDENT, text);
}

/// One step stands alone; several are numbered.
fn steps(page: &mut Page, label: &str, steps: &[String]) {
    if let [only] = steps {
        return labelled(page, label, only);
    }
    for (at, step) in steps.iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        page.numbered((DIM, &format!("  {label}")), INDENT, (at + 1, step));
    }
}

pub(super) fn severity_style(severity: Severity) -> Style {
    let color = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    match severity {
        Severity::Critical => color(AnsiColor::BrightWhite).bg_color(Some(AnsiColor::Red.into())),
        Severity::Error => color(AnsiColor::Red),
        Severity::Warning => color(AnsiColor::Yellow),
        Severity::Info => color(AnsiColor::Cyan),
    }
}
