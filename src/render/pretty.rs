//! The report for reading at three in the morning: the worst first, and for each entry what happened, since
//! when, who has to act, whether a retry is safe, and what to do.

use std::collections::{HashMap, hash_map};

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::distinct::Count;
use super::entry::{self, BOLD, DIM, INDENT, PLAIN, labelled, severity_style};
use super::page::{Page, fit};
use super::tally::{Group, Sample, Tally};
use super::timeline::bars;
use super::words::{self, Words};
use super::{Totals, View};
use crate::catalog::{EntryId, Lang};
use crate::visible::visible;

const N_COLUMNS: usize = 40;
/// Codes that a heading names before it says how many more there are.
const N_CODES: usize = 4;

/// The report with terminal styles; strip them where they are not wanted.
pub fn pretty(tally: &Tally, totals: &Totals, view: &View) -> String {
    let mut page = Page::new(view.width);
    if tally.n_events == 0 {
        page.paragraph((PLAIN, ""), 0, &nothing_found(totals, view.lang));
        return page.into_text();
    }
    page.paragraph((PLAIN, ""), 0, &headline(tally, totals, view));
    // Groups of one entry, as those of unknown codes are, need its advice once.
    let mut advised: HashMap<&EntryId, String> = HashMap::new();
    for group in tally.groups() {
        page.blank();
        show_occurrences(&mut page, group, tally.span(), view);
        match advised.entry(&group.entry.id) {
            hash_map::Entry::Vacant(first) => {
                first.insert(codes(group, 1, words::words(view.lang)));
                show_advice(&mut page, group, view);
            }
            hash_map::Entry::Occupied(first) => {
                page.paragraph((PLAIN, ""), 2, &words::same_advice(first.get(), view.lang));
                show_samples(&mut page, group, words::words(view.lang));
            }
        }
    }
    if let Some(note) = left_over(totals, view.lang) {
        page.blank();
        page.paragraph((PLAIN, ""), 0, &note);
    }
    page.into_text()
}

/// One calm line that says what was read.
pub(super) fn nothing_found(totals: &Totals, lang: Lang) -> String {
    let files = words::files(totals.n_files, lang);
    let bytes = words::bytes(totals.n_bytes);
    let line = match lang {
        Lang::En if totals.n_files == 0 => "Nothing was read.".to_owned(),
        Lang::Zh if totals.n_files == 0 => "没有可读取的内容。".to_owned(),
        Lang::En => format!("No payment errors found in {files} ({bytes})."),
        Lang::Zh => format!("已扫描 {files}（{bytes}），未发现支付错误。"),
    };
    match left_over(totals, lang) {
        Some(note) => format!("{line} {note}"),
        None => line,
    }
}

fn headline(tally: &Tally, totals: &Totals, view: &View) -> String {
    let lang = view.lang;
    let events = words::events(tally.n_events, lang);
    let files = words::files(totals.n_files, lang);
    let n_hit = words::grouped(tally.n_inputs());
    let bytes = words::bytes(totals.n_bytes);
    let orders = orders(tally.orders().count(), lang);
    let span = tally.span().map(|span| format!("{} ({})", view.span(span), view.offset(span.1)));
    match lang {
        Lang::En => {
            let orders = orders.map(|orders| format!(", {orders}")).unwrap_or_default();
            let span = span.map(|span| format!(", {span}")).unwrap_or_default();
            format!("{events}{orders}, in {n_hit} of {files} ({bytes}){span}")
        }
        Lang::Zh => {
            let orders = orders.map(|orders| format!("，涉及 {orders}")).unwrap_or_default();
            let span = span.map(|span| format!("，{span}")).unwrap_or_default();
            format!("共发现 {events}{orders}，出现在 {files}中的 {n_hit} 个（{bytes}）{span}")
        }
    }
}

/// What the reader should know that the events do not show.
fn left_over(totals: &Totals, lang: Lang) -> Option<String> {
    let mut notes = Vec::new();
    match (lang, totals.n_left_out) {
        (_, 0) => {}
        (Lang::En, n) => notes.push(format!("{} left out by your filters.", words::events(n, lang))),
        (Lang::Zh, n) => notes.push(format!("另有 {} 被筛选条件排除。", words::events(n, lang))),
    }
    match (lang, totals.n_skipped) {
        (_, 0) => {}
        (Lang::En, n) => notes.push(format!("{} skipped: not text.", words::files(n, lang))),
        (Lang::Zh, n) => notes.push(format!("跳过 {}：不是文本。", words::files(n, lang))),
    }
    (!notes.is_empty()).then(|| notes.join(" "))
}

/// What happened, how often and when.
fn show_occurrences(page: &mut Page, group: &Group, span: Option<(Timestamp, Timestamp)>, view: &View) {
    heading(page, group, view);
    page.line(&[(PLAIN, "  "), (PLAIN, &occurrences(group, view))]);
    if let Some(span) = span.filter(|(first, last)| first < last && group.span.is_some()) {
        let (left, right) = view.glyphs.frame();
        let bars = bars(&group.timeline.columns(span, N_COLUMNS), view.glyphs.bars());
        page.line(&[(DIM, "  "), (DIM, left), (severity_style(group.entry.severity), &bars), (DIM, right)]);
    }
}

/// What it means and what to do, with samples.
fn show_advice(page: &mut Page, group: &Group, view: &View) {
    let (entry, words) = (&*group.entry, words::words(view.lang));
    entry::advice(page, entry, view.lang);
    show_samples(page, group, words);
    entry::references(page, entry, view);
}

/// Severity, title and codes; the codes go on a line of their own where they do not fit.
fn heading(page: &mut Page, group: &Group, view: &View) {
    let entry = &*group.entry;
    let severity = words::severity(entry.severity, view.lang);
    let title = entry.title.get(view.lang);
    let codes = codes(group, N_CODES, words::words(view.lang));
    let mut heading = vec![(severity_style(entry.severity), severity), (PLAIN, "  "), (BOLD, title)];
    if [severity, title, &codes].map(UnicodeWidthStr::width).iter().sum::<usize>() + 4 <= page.width {
        heading.extend([(PLAIN, "  "), (DIM, &*codes)]);
        page.line(&heading);
    } else {
        page.line(&heading);
        page.line(&[(PLAIN, "  "), (DIM, &codes)]);
    }
}

/// `A, B, +3`.
pub(super) fn codes(group: &Group, n_shown: usize, words: &Words) -> String {
    let codes = group.codes();
    if codes.is_empty() {
        return words.other_unknown.to_owned();
    }
    let mut shown = codes[..codes.len().min(n_shown)].join(", ");
    if codes.len() > n_shown {
        shown.push_str(&format!(", +{}", codes.len() - n_shown));
    }
    shown
}

fn occurrences(group: &Group, view: &View) -> String {
    let comma = match view.lang {
        Lang::En => ", ",
        Lang::Zh => "，",
    };
    let parts = [
        Some(words::events(group.n_events, view.lang)),
        orders(group.orders.count(), view.lang),
        group.span.map(|span| view.span(span)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(comma)
}

fn orders(count: Count, lang: Lang) -> Option<String> {
    Some(match (lang, count) {
        (_, Count::Exactly(0)) => return None,
        (Lang::En, Count::Exactly(1)) => "1 order".to_owned(),
        (Lang::En, Count::Exactly(n)) => format!("{} orders", words::grouped(n)),
        (Lang::En, Count::About(n)) => format!("about {} orders", words::grouped(n)),
        (Lang::Zh, Count::Exactly(n)) => format!("{} 笔订单", words::grouped(n)),
        (Lang::Zh, Count::About(n)) => format!("约 {} 笔订单", words::grouped(n)),
    })
}

fn show_samples(page: &mut Page, group: &Group, words: &Words) {
    for (at, sample) in group.samples.iter().enumerate() {
        let place = format!("{}:{}", sample.origin.path, sample.line);
        labelled(page, if at == 0 { words.seen } else { "" }, &[place, ids(sample)].join("  "));
        let excerpt = visible(&sample.excerpt);
        let room = page.width.saturating_sub(INDENT);
        page.line(&[(PLAIN, &" ".repeat(INDENT)), (DIM, &fit(&excerpt, &visible(&sample.matched), room))]);
    }
}

/// What to look the payment up by.
fn ids(sample: &Sample) -> String {
    let ids = &sample.ids;
    let named = [
        ("out_trade_no", &ids.out_trade_no),
        ("trade_no", &ids.trade_no),
        ("transaction_id", &ids.transaction_id),
        ("request_id", &ids.request_id),
        ("trace_id", &ids.trace_id),
        ("amount", &ids.amount),
        ("currency", &ids.currency),
    ];
    let present = named.into_iter().filter_map(|(name, id)| Some(format!("{name}={}", id.as_deref()?)));
    present.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, samples as events};
    use crate::redact::Redacted;
    use crate::render::Glyphs;
    use crate::render::samples::view;

    const TOTALS: Totals = Totals { n_files: 12, n_bytes: 3 << 20, n_skipped: 2, n_left_out: 0 };

    fn tally(list: &[Event]) -> Tally {
        let mut tally = Tally::default();
        list.iter().for_each(|event| tally.add(event, 0));
        tally
    }

    fn plain(styled: &str) -> String {
        anstream::adapter::strip_str(styled).to_string()
    }

    #[test]
    fn a_report_in_english() {
        let mut later = events::full();
        later.time = "2026-03-01T09:30:00Z".parse().ok();
        later.ids.out_trade_no = Some("T9".to_owned());
        later.position.offset += 1;
        let report = plain(&pretty(&tally(&[events::full(), later]), &TOTALS, &view(Lang::En, Glyphs::Unicode)));
        let expected = "\
2 events, 2 orders, in 1 of 12 files (3.0 MiB), 2026-03-01 16:00:00 – 17:30:00
(UTC+08:00)

ERROR  The card issuer declined  ISSUER_DECLINED
  2 events, 2 orders, 2026-03-01 16:00:00 – 17:30:00
  ▕▇                                      ▇▏
  Cause       The payer's bank refused the charge.
  Who acts    the bank that issued the card
  Retry?      Not as it is: it will fail again until the cause is dealt with.
  Do          1. Do not retry by yourself.
              2. Offer another method.
  Tell payer  Call the number on your card.
  Seen        /var/log/shop/app.log:12 out_trade_no=T1 trade_no=T2
              transaction_id=T3 request_id=T4 trace_id=T5 amount=8.88
              currency=CNY
              code=ISSUER_DECLINED card=***1234
              /var/log/shop/app.log:12 out_trade_no=T9 trade_no=T2
              transaction_id=T3 request_id=T4 trace_id=T5 amount=8.88
              currency=CNY
              code=ISSUER_DECLINED card=***1234
  Guide       Issuer declined (paytriage catalog show issuer-declined)
  Docs        https://example.com/codes

2 files skipped: not text.
";
        assert_eq!(report, expected, "{report}");
    }

    #[test]
    fn a_report_in_chinese() {
        let report = plain(&pretty(&tally(&[events::full()]), &TOTALS, &view(Lang::Zh, Glyphs::Unicode)));
        for text in [
            "共发现 1 次，涉及 1 笔订单，出现在 12 个文件中的 1 个（3.0 MiB），2026-03-01",
            "错误  发卡行拒绝交易  ISSUER_DECLINED",
            "  由谁处理    发卡银行",
            "  处理步骤    1. 不要自行重试。",
            "跳过 2 个文件：不是文本。",
        ] {
            assert!(report.contains(text), "{text}\n{report}");
        }
    }

    #[test]
    fn every_line_fits_the_terminal() {
        let mut event = events::full();
        let entry = std::sync::Arc::make_mut(&mut event.entry);
        entry.cause.zh = "付款人的银行拒绝了这笔扣款，".repeat(20);
        entry.cause.en = "The payer's bank refused the charge. ".repeat(20);
        event.excerpt = Redacted::sample(&"支付失败 ISSUER_DECLINED ".repeat(40));
        for lang in [Lang::En, Lang::Zh] {
            for width in [40, 63, 80, 100] {
                let view = View { width: Some(width), ..view(lang, Glyphs::Unicode) };
                let report = plain(&pretty(&tally(&[event.clone()]), &TOTALS, &view));
                for line in report.lines() {
                    assert!(line.width() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn no_escape_of_a_log_reaches_the_terminal() {
        let hostile = "\x1b]0;pwned\x07\u{9b}31m\u{202e}\r";
        let mut event = events::full();
        event.excerpt = Redacted::sample(&format!("ISSUER_DECLINED {hostile}"));
        event.matched = Redacted::sample(hostile);
        event.ids.out_trade_no = Some(hostile.to_owned());
        let origin = std::sync::Arc::make_mut(&mut event.origin);
        origin.path = format!("logs/{hostile}.log");
        let entry = std::sync::Arc::make_mut(&mut event.entry);
        entry.title.en = hostile.to_owned();
        entry.cause.en = hostile.to_owned();
        entry.operator.en = vec![hostile.to_owned(); 2];
        entry.docs = vec![hostile.to_owned()];
        let styled = pretty(&tally(&[event]), &TOTALS, &view(Lang::En, Glyphs::Unicode));
        let allowed = |c: char| !c.is_control() || c == '\n' || c == '\x1b';
        assert!(styled.chars().all(allowed) && !styled.contains('\u{202e}'), "{styled:?}");
        // The only escapes are our own colours.
        let escapes = styled.split('\x1b').skip(1);
        for escape in escapes {
            let parameters = escape.strip_prefix('[').and_then(|rest| rest.split_once('m')).map(|(digits, _)| digits);
            assert!(parameters.is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit() || b == b';')), "{escape:?}");
        }
        assert!(!plain(&styled).contains('\x1b'));
    }

    #[test]
    fn unknown_codes_are_told_apart_and_advised_once() {
        let unknown = |code: &str| Event { code: code.to_owned(), kind: Kind::UnknownCode, ..events::full() };
        let list = [unknown("A_CODE"), unknown("A_CODE"), unknown("B_CODE")];
        let report = plain(&pretty(&tally(&list), &TOTALS, &view(Lang::En, Glyphs::Unicode)));
        assert_eq!(report.matches("  Cause ").count(), 1, "{report}");
        assert!(report.contains("Cause, retry and steps as for A_CODE above."), "{report}");
        assert_eq!(report.matches("Seen").count(), 2, "{report}");
    }

    #[test]
    fn nothing_found_is_one_calm_line() {
        let found =
            |lang| plain(&pretty(&Tally::default(), &Totals { n_skipped: 0, ..TOTALS }, &view(lang, Glyphs::Ascii)));
        assert_eq!(found(Lang::En), "No payment errors found in 12 files (3.0 MiB).\n");
        assert_eq!(found(Lang::Zh), "已扫描 12 个文件（3.0 MiB），未发现支付错误。\n");
    }

    #[test]
    fn without_utf8_the_bars_are_ascii() {
        let report = plain(&pretty(&tally(&[events::full()]), &TOTALS, &view(Lang::En, Glyphs::Ascii)));
        assert!(report.is_ascii(), "{report}");
    }
}
