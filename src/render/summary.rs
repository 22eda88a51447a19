//! One line per entry, in columns, the worst first.

use anstyle::Style;
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::distinct::Count;
use super::entry::severity_style;
use super::page::{Page, fit, pad, pad_left};
use super::pretty::{codes, nothing_found};
use super::tally::Tally;
use super::words::{self, Words};
use super::{Totals, View};

/// Codes that a line names before it says how many more there are.
const N_CODES: usize = 2;
const GAP: &str = "  ";
/// On a terminal codes are cut to this, and a title not below that.
const MAX_CODE: usize = 28;
const MIN_TITLE: usize = 20;

/// The table with terminal styles; strip them where they are not wanted.
pub fn summary(tally: &Tally, totals: &Totals, view: &View) -> String {
    let mut page = Page::new(view.width);
    if tally.n_events == 0 {
        page.paragraph((Style::new(), ""), 0, &nothing_found(totals, view.lang));
        return page.into_text();
    }
    let words = words::words(view.lang);
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| shown(time, tally.span(), view));
    let mut rows = vec![head(words)];
    rows.extend(tally.groups().into_iter().map(|group| Row {
        style: severity_style(group.entry.severity),
        cells: [
            words::severity(group.entry.severity, view.lang).to_owned(),
            group.n_events.to_string(),
            orders(group.orders.count()),
            time(group.span.map(|span| span.0)),
            time(group.span.map(|span| span.1)),
            shortened(codes(group, N_CODES, words), view),
            group.entry.title.get(view.lang).to_owned(),
        ],
    }));
    rows.push(total(tally, words, time));
    show(&mut page, &rows, view.width);
    page.into_text()
}

struct Row {
    /// Of the first cell.
    style: Style,
    cells: [String; 7],
}

fn head(words: &Words) -> Row {
    let cells = [words.severity, words.events, words.orders, words.first, words.last, words.code, words.title];
    Row { style: Style::new(), cells: cells.map(str::to_owned) }
}

fn total(tally: &Tally, words: &Words, time: impl Fn(Option<Timestamp>) -> String) -> Row {
    let (first, last) = tally.span().unzip();
    Row {
        style: Style::new(),
        cells: [
            words.total.to_owned(),
            tally.n_events.to_string(),
            orders(tally.orders().count()),
            time(first),
            time(last),
            String::new(),
            String::new(),
        ],
    }
}

fn orders(count: Count) -> String {
    match count {
        Count::Exactly(0) => "-".to_owned(),
        Count::Exactly(n) => n.to_string(),
        Count::About(n) => format!("~{n}"),
    }
}

/// On a terminal, where room is scarce, without what goes without saying: the year if it is the same for all, else
/// the time of day.
fn shown(time: Timestamp, span: Option<(Timestamp, Timestamp)>, view: &View) -> String {
    let year = |time| view.zoned(time).year();
    let is_one_year = span.is_some_and(|(first, last)| year(first) == year(last));
    match (view.width, is_one_year) {
        (None, _) => view.time(time),
        (Some(_), true) => view.zoned(time).strftime("%m-%d %H:%M").to_string(),
        (Some(_), false) => view.zoned(time).strftime("%Y-%m-%d").to_string(),
    }
}

fn shortened(codes: String, view: &View) -> String {
    match view.width {
        None => codes,
        Some(_) => fit(&codes, "", MAX_CODE),
    }
}

fn show(page: &mut Page, rows: &[Row], terminal_width: Option<usize>) {
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row.cells[column].width()).max().unwrap_or(0));
    let before_title: usize = widths[..6].iter().map(|width| width + GAP.len()).sum();
    let title_room = terminal_width.map_or(usize::MAX, |width| width.saturating_sub(before_title).max(MIN_TITLE));
    for row in rows {
        let [severity, events, orders, first, last, code, title] = &row.cells;
        let middle = [
            pad_left(events, widths[1]),
            pad_left(orders, widths[2]),
            pad(first, widths[3]),
            pad(last, widths[4]),
            pad(code, widths[5]),
            fit(title, "", title_room),
        ];
        let rest = format!("{}{GAP}{}", " ".repeat(widths[0] - severity.width()), middle.join(GAP));
        page.line(&[(row.style, severity), (Style::new(), rest.trim_end())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{EntryId, Lang, Severity};
    use crate::event::samples as events;
    use crate::render::Glyphs;
    use crate::render::samples::view;

    fn report(lang: Lang, width: Option<usize>) -> String {
        let mut tally = Tally::default();
        tally.add(&events::full(), 0);
        let mut other = events::bare();
        let entry = std::sync::Arc::make_mut(&mut other.entry);
        (entry.id, entry.severity) = (EntryId("other".into()), Severity::Critical);
        (0..10).for_each(|_| tally.add(&other, 0));
        let styled = summary(&tally, &Totals::default(), &View { width, ..view(lang, Glyphs::Unicode) });
        anstream::adapter::strip_str(&styled).to_string()
    }

    #[test]
    fn columns_are_aligned() {
        let expected = "\
SEVERITY  EVENTS  ORDERS  FIRST                LAST                 CODE             TITLE
CRITICAL      10       -  -                    -                    ISSUER_DECLINED  The card issuer declined
ERROR          1       1  2026-03-01 16:00:00  2026-03-01 16:00:00  ISSUER_DECLINED  The card issuer declined
total         11       1  2026-03-01 16:00:00  2026-03-01 16:00:00
";
        assert_eq!(report(Lang::En, None), expected);
    }

    #[test]
    fn chinese_columns_are_aligned_by_width() {
        let report = report(Lang::Zh, None);
        let column = |line: &str| line.find("ISSUER").map(|at| line[..at].width());
        let columns: Vec<_> = report.lines().filter_map(column).collect();
        assert!(columns.len() == 2 && columns[0] == columns[1], "{report}");
        assert!(report.starts_with("级别  次数  订单  首次"), "{report}");
    }

    #[test]
    fn times_and_titles_are_shortened_on_a_terminal_only() {
        let expected = "\
SEVERITY  EVENTS  ORDERS  FIRST        LAST         CODE             TITLE
CRITICAL      10       -  -            -            ISSUER_DECLINED  The card issuer dec…
ERROR          1       1  03-01 16:00  03-01 16:00  ISSUER_DECLINED  The card issuer dec…
total         11       1  03-01 16:00  03-01 16:00
";
        assert_eq!(report(Lang::En, Some(80)), expected);
        assert!(!report(Lang::En, None).contains('…'));
    }
}
