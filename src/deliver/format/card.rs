//! What a person at three in the morning needs, in this order: what and how bad, who has to act and whether a retry is safe, how
//! much of it, the first steps, which orders and where to look, what else is going on, where to read on.
//!
//! One card serves all chats; each dresses it in its own markup. Everything in it is one line, bounded and
//! [plain](text::plain), but not yet escaped for its target.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::super::message::{Event, Message};
use super::subject::{Subject, Subjects, order, subjects};
use super::words::{self, Words};
use super::{Context, RenderError, Rendered, cut, text};
use crate::catalog::{Lang, Severity};
use crate::incident::notice::{Digest, Notice, Reason, Sample, Scope, Totals, Unheard};
use crate::notice::PROVIDER;
use crate::render::words as report;

const MAX_TITLE: usize = 160;
const MAX_CODE: usize = 128;
/// A cause, a step or an excerpt.
const MAX_TEXT: usize = 500;
/// A name, an order number.
const MAX_NAME: usize = 64;
const MAX_PATH: usize = 160;
const MAX_STEPS: usize = 3;
const MAX_RELATED: usize = 3;
const MAX_HOSTS: usize = 3;
/// Feishu takes some 50 elements.
const MAX_LINES: usize = 40;
/// Incidents or events of a list.
const MAX_LISTED: usize = 20;

#[derive(Debug)]
pub struct Card<'a> {
    pub tone: Tone,
    pub title: String,
    /// The most important first.
    pub lines: Vec<Line>,
    /// Incidents or events that have no line.
    pub more: u64,
    /// Checked addresses.
    pub links: Vec<&'a str>,
    pub footer: String,
}

#[derive(Debug, Clone)]
pub struct Line {
    pub label: Option<&'static str>,
    pub text: String,
}

/// What color it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Resolved,
    Info,
    Warning,
    Error,
    Critical,
}

/// How people are spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'v> {
    pub lang: Lang,
    /// Of times.
    pub timezone: &'v TimeZone,
    /// The own one.
    pub host: Option<&'v str>,
}

/// A card and the words around it.
#[derive(Debug, Clone, Copy)]
struct Writer<'w> {
    words: &'static Words,
    report: &'static report::Words,
    voice: Voice<'w>,
}

pub fn card<'a>(messages: &'a [Message<'_>], context: &Context<'_>) -> Card<'a> {
    let writer = Writer::new(Voice { lang: context.lang, timezone: context.timezone, host: context.host });
    let all = subjects(messages);
    let mut card = match all.list.as_slice() {
        [subject @ Subject::Incident(notice)] if all.more == 0 && subject.is_closed() => writer.closed(notice),
        [Subject::Incident(notice)] if all.more == 0 => writer.incident(notice),
        [Subject::Event(event)] => writer.event(event),
        _ => writer.list(&all),
    };
    let n_left_out = card.lines.len().saturating_sub(MAX_LINES);
    card.lines.truncate(MAX_LINES);
    card.more += n_left_out as u64;
    card
}

/// A request of a card as a chat dresses it, with as many lines as there is room for.
pub fn request(
    messages: &[Message<'_>],
    context: &Context<'_>,
    dress: impl Fn(&Card<'_>, usize, &Context<'_>) -> Value,
) -> Result<Rendered, RenderError> {
    let card = card(messages, context);
    let body = cut::fit(card.lines.len(), context.max_bytes, |n| dress(&card, n, context).to_string().into_bytes())?;
    context.request("application/json; charset=utf-8", body)
}

impl Card<'_> {
    /// Its first `n` lines, and one that says how many are missing.
    pub fn first(&self, n: usize, lang: Lang) -> impl Iterator<Item = Cow<'_, Line>> {
        let more = self.more + (self.lines.len() - n) as u64;
        let note = (more > 0).then(|| Cow::Owned(Line { label: None, text: words::more(more, lang) }));
        self.lines[..n].iter().map(Cow::Borrowed).chain(note)
    }
}

impl Tone {
    fn of(subject: Subject<'_>) -> Tone {
        if subject.is_over() {
            return Tone::Resolved;
        }
        Tone::of_severity(subject.annotation().severity)
    }

    fn of_severity(severity: &str) -> Tone {
        match Severity::parse(severity) {
            Some(Severity::Info) => Tone::Info,
            Some(Severity::Warning) => Tone::Warning,
            Some(Severity::Critical) => Tone::Critical,
            Some(Severity::Error) | None => Tone::Error,
        }
    }
}

/// An incident in one line: what it is and how bad, how much of it and since when, where.
pub fn one_line(notice: &Notice, voice: Voice<'_>) -> String {
    Writer::new(voice).entry(Subject::Incident(notice))
}

/// One that is only counted, likewise.
pub fn counted_line(unheard: &Unheard, voice: Voice<'_>) -> String {
    Writer::new(voice).unheard(unheard)
}

/// What a digest is about, in numbers.
pub fn headline(digest: &Digest, lang: Lang) -> String {
    words::incidents(&Totals::of(digest), lang)
}

impl<'w> Writer<'w> {
    fn new(voice: Voice<'w>) -> Writer<'w> {
        Writer { words: words::words(voice.lang), report: report::words(voice.lang), voice }
    }

    fn lang(&self) -> Lang {
        self.voice.lang
    }

    fn incident<'a>(&self, notice: &'a Notice) -> Card<'a> {
        let subject = Subject::Incident(notice);
        if subject.is_own() {
            let mut lines = self.own(notice);
            lines.push(line(self.words.place, self.place(subject)));
            lines.extend(self.advice(subject));
            return self.card(subject, lines);
        }
        let mut lines = self.verdict(subject);
        lines.push(line(self.words.count, words::count(notice, self.voice.timezone, self.lang())));
        lines.push(line(self.words.scope, text::plain(&notice.scope_text, MAX_TEXT)));
        lines.push(line(self.words.place, self.places(notice)));
        lines.extend(self.advice(subject));
        lines.extend(self.samples(notice));
        lines.extend(self.related(notice));
        self.card(subject, lines)
    }

    /// Short: there is nothing left to do.
    fn closed<'a>(&self, notice: &'a Notice) -> Card<'a> {
        let subject = Subject::Incident(notice);
        let over = || words::over(notice, self.voice.timezone, self.lang());
        let mut lines = match notice.reason {
            _ if subject.is_own() => self.own(notice),
            Reason::CrowdedOut => {
                vec![line(self.words.count, over()), line(self.words.note, words::unfollowed(self.lang()).to_owned())]
            }
            _ => vec![line(self.words.over, over())],
        };
        lines.push(line(self.words.place, self.places(notice)));
        Card { links: Vec::new(), ..self.card(subject, lines) }
    }

    /// What paytriage says of itself: which sink or file, since when, why, and what is lost with it.
    fn own(&self, notice: &Notice) -> Vec<Line> {
        let timezone = self.voice.timezone;
        let facts = notice.samples.iter().map(|sample| {
            let facts = text::plain(&words::facts(&sample.excerpt, timezone), MAX_TEXT);
            match Subject::Incident(notice).place().source {
                PROVIDER => facts,
                _ => format!("{} · {facts}", at(&sample.path, sample.line)),
            }
        });
        let mut lines: Vec<_> = labelled(self.words.facts, facts).collect();
        lines.push(line(self.words.time, words::when(notice, timezone, self.lang())));
        lines.extend(words::lost(notice, self.lang()).map(|lost| line(self.words.lost, lost)));
        lines
    }

    fn event<'a>(&self, event: &'a Event) -> Card<'a> {
        let subject = Subject::Event(event);
        let mut lines = self.verdict(subject);
        let time = words::time(event.time.as_ref().unwrap_or(&event.observed_time), self.voice.timezone);
        lines.push(line(self.words.time, text::plain(&time, MAX_NAME)));
        if let Some(order) = order(&event.ids) {
            lines.push(line(self.words.orders, text::plain(order, MAX_NAME)));
        }
        if event.source.name != PROVIDER {
            lines.push(line(self.report.seen, at(&event.source.path, event.source.line)));
        }
        lines.push(line(self.words.place, self.place(subject)));
        if subject.is_own() {
            lines.insert(0, line(self.words.facts, self.facts(event)));
            lines.extend(self.advice(subject));
        } else {
            lines.extend(self.advice(subject));
            lines.push(line(self.words.excerpt, text::plain(&event.excerpt, MAX_TEXT)));
        }
        self.card(subject, lines)
    }

    /// One line each.
    fn list<'a>(&self, all: &Subjects<'a>) -> Card<'a> {
        let n_events = all.list.iter().filter(|subject| matches!(subject, Subject::Event(_))).count() as u64;
        let totals = all.totals;
        let is_own = all.list.iter().any(|subject| subject.is_own());
        let title = match (n_events, totals.incidents()) {
            (0, _) => words::incidents(&totals, self.lang()),
            (n, 0) if !is_own => words::errors(n, self.lang()),
            (n, m) => words::notifications(n + m, self.lang()),
        };
        let (listed, rest) = all.list.split_at(all.list.len().min(MAX_LISTED));
        let unheard = &all.unheard[..all.unheard.len().min(MAX_LISTED - listed.len())];
        let entries = listed.iter().map(|&subject| self.entry(subject));
        let entries = entries.chain(unheard.iter().map(|unheard| self.unheard(unheard)));
        // The mark keeps what follows from being a heading or a list of its own.
        let entries = entries.map(|entry| Line { label: None, text: format!("· {entry}") });
        let note = (all.more > 0).then(|| line(self.words.note, words::only_counted(self.lang()).to_owned()));
        let lines = note.into_iter().chain(entries).collect();
        let more = all.more + rest.len() as u64 - unheard.len() as u64;
        let tones = all.list.iter().map(|&subject| Tone::of(subject));
        let tone =
            tones.chain(all.unheard.iter().map(|it| Tone::of_severity(&it.severity))).max().unwrap_or(Tone::Info);
        Card { tone, title, lines, more, links: Vec::new(), footer: self.footer() }
    }

    pub fn card<'a>(&self, subject: Subject<'a>, lines: Vec<Line>) -> Card<'a> {
        let links = text::links(subject.annotation().docs).collect();
        Card { tone: Tone::of(subject), title: self.title(subject), lines, more: 0, links, footer: self.footer() }
    }

    /// `New · ERROR · title (CODE)`.
    fn title(&self, subject: Subject<'_>) -> String {
        let about = subject.annotation();
        let mut parts = Vec::new();
        if let Subject::Incident(notice) = subject {
            parts.push(words::status(notice, self.lang()).to_owned());
        }
        parts.push(text::plain(words::severity(about.severity, self.lang()), MAX_NAME));
        let code = words::bracketed(&text::plain(about.code, MAX_CODE), self.lang());
        parts.push(text::plain(&words::title(subject, self.lang()), MAX_TITLE) + &code);
        if matches!(subject, Subject::Incident(notice) if notice.flapping) {
            parts.push(words::flapping(self.lang()).to_owned());
        }
        parts.join(" · ")
    }

    fn verdict(&self, subject: Subject<'_>) -> Vec<Line> {
        let about = subject.annotation();
        if subject.is_own() {
            return Vec::new();
        }
        vec![
            line(self.report.act, text::plain(words::actor(about.act, self.lang()), MAX_NAME)),
            line(self.report.retry, text::plain(words::retry(about.retry, self.lang()), MAX_TEXT)),
        ]
    }

    fn advice(&self, subject: Subject<'_>) -> Vec<Line> {
        let about = subject.annotation();
        let mut lines = vec![line(self.report.cause, text::plain(about.cause, MAX_TEXT))];
        for (n, step) in about.operator.iter().take(MAX_STEPS).enumerate() {
            let label = (n == 0).then_some(self.report.operator);
            lines.push(Line { label, text: format!("{}. {}", n + 1, text::plain(step, MAX_TEXT)) });
        }
        lines
    }

    fn samples(&self, notice: &Notice) -> Vec<Line> {
        let mut lines: Vec<_> = labelled(self.report.seen, notice.samples.iter().map(sample)).collect();
        let mut orders: Vec<_> = notice.orders.samples.iter().map(|order| text::plain(order, MAX_NAME)).collect();
        // A single one stands beside its line.
        if orders.len() > 1 {
            let is_all = notice.orders.distinct <= orders.len() as u64;
            orders.extend((!is_all).then(|| "…".to_owned()));
            lines.push(line(self.words.orders, words::several(&orders, self.lang())));
        }
        lines
    }

    fn related(&self, notice: &Notice) -> Vec<Line> {
        let related = notice.related.iter().take(MAX_RELATED).map(|related| {
            let code = words::bracketed(&text::plain(&related.code, MAX_CODE), self.lang());
            let shared = words::shared_orders(related.shared_orders, self.lang());
            format!("{}{code} · {shared}", text::plain(&related.title, MAX_TITLE))
        });
        labelled(self.words.related, related).collect()
    }

    /// All of it in one line.
    fn entry(&self, subject: Subject<'_>) -> String {
        let mut parts = vec![self.title(subject)];
        match subject {
            Subject::Incident(notice) => {
                parts.push(words::brief(notice, self.voice.timezone, self.lang()));
                parts.push(self.place(subject));
            }
            Subject::Event(event) if subject.is_own() => parts.push(self.facts(event)),
            Subject::Event(event) => {
                parts.extend(order(&event.ids).map(|order| text::plain(order, MAX_NAME)));
                parts.push(at(&event.source.path, event.source.line));
            }
        }
        parts.join(" · ")
    }

    /// The same of an incident that is only counted.
    fn unheard(&self, unheard: &Unheard) -> String {
        let code = words::bracketed(&text::plain(&unheard.code, MAX_CODE), self.lang());
        [
            words::not_followed(self.lang()).to_owned(),
            text::plain(words::severity(&unheard.severity, self.lang()), MAX_NAME),
            text::plain(&unheard.title, MAX_TITLE) + &code,
            report::events(unheard.count, self.lang()),
            text::plain(&unheard.source, MAX_NAME),
        ]
        .join(" · ")
    }

    fn facts(&self, event: &Event) -> String {
        text::plain(&words::facts(&event.excerpt, self.voice.timezone), MAX_TEXT)
    }

    fn places(&self, notice: &Notice) -> String {
        let mut text = self.place(Subject::Incident(notice));
        // A list of many merchants says nothing.
        let is_about_one = notice.scope == Scope::OneMerchant || notice.merchants.len() == 1;
        if let Some(merchant) = notice.merchants.first().filter(|_| is_about_one) {
            text.push_str(" · ");
            text.push_str(&words::merchant(&text::plain(&merchant.mch_id, MAX_NAME), self.lang()));
        }
        text
    }

    /// The source and its hosts, those with most events first.
    fn place(&self, subject: Subject<'_>) -> String {
        let mut place = text::plain(subject.place().source, MAX_NAME);
        let mut hosts: Vec<&str> = match subject {
            Subject::Event(event) => event.source.host.as_deref().into_iter().collect(),
            Subject::Incident(notice) => notice.sources.iter().filter_map(|it| it.host.as_deref()).collect(),
        };
        if hosts.is_empty() {
            hosts.extend(self.voice.host);
        }
        let mut shown: Vec<_> = hosts.iter().take(MAX_HOSTS).map(|host| text::plain(host, MAX_NAME)).collect();
        if hosts.len() > MAX_HOSTS {
            shown.push("…".to_owned());
        }
        if !shown.is_empty() {
            place.push_str(&words::bracketed(&words::several(&shown, self.lang()), self.lang()));
        }
        place
    }

    /// Names the sender: robots that ask for a keyword in each message can ask for this one.
    fn footer(&self) -> String {
        match self.voice.host {
            Some(host) => format!("paytriage · {}", text::plain(host, MAX_NAME)),
            None => "paytriage".to_owned(),
        }
    }
}

fn line(label: &'static str, text: String) -> Line {
    Line { label: Some(label), text }
}

/// The first one has the label, the others a mark.
fn labelled(label: &'static str, texts: impl Iterator<Item = String>) -> impl Iterator<Item = Line> {
    texts.enumerate().map(move |(n, text)| match n {
        0 => line(label, text),
        _ => Line { label: None, text: format!("· {text}") },
    })
}

/// `order · path:line`.
fn sample(sample: &Sample) -> String {
    let at = at(&sample.path, sample.line);
    match order(&sample.ids) {
        Some(order) => format!("{} · {at}", text::plain(order, MAX_NAME)),
        None => at,
    }
}

fn at(path: &str, line: u64) -> String {
    format!("{}:{line}", text::path(path, MAX_PATH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn what_paytriage_says_of_itself_is_explained_whole() {
        let catalog = Catalog::builtin();
        for id in ["gap", "line-cut", "state-lost", "dropped", "sink-down", "sink-up", "dead-letter"] {
            let entry = catalog.get(&format!("paytriage.{id}")).expect("an entry");
            for lang in [Lang::En, Lang::Zh] {
                let cause = entry.cause.get(lang);
                assert!(cause.len() <= MAX_TEXT, "{id}: {} bytes", cause.len());
            }
        }
    }
}
