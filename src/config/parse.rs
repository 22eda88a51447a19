//! From TOML to a [`Config`]: every option with its kind, default and help, each said once.
//!
//! What is read here is what is suggested for a misspelt key and what [`options`] documents.

mod http;
mod incident;
mod journal;
pub(super) mod webhook;

use std::path::Path;

use jiff::tz::TimeZone;
use toml::de::DeTable;

use super::kind::{self, Kind};
use super::problem::{Fault, Problem, Report};
use super::table::Table;
use super::{
    CatalogConfig, Config, Durability, Env, Notify, OptionHelp, Redact, Source, StartAt, State, Stdout, StdoutFormat,
    Watch, defaults,
};
use crate::catalog::Lang;
use crate::record::Charset;

pub(super) const LANGS: &[(&str, Lang)] = &[("en", Lang::En), ("zh", Lang::Zh)];
pub(super) const STARTS: &[(&str, StartAt)] = &[("beginning", StartAt::Beginning), ("end", StartAt::End)];
pub(super) const WATCHES: &[(&str, Watch)] = &[("auto", Watch::Auto), ("poll", Watch::Poll)];
pub(super) const DURABILITIES: &[(&str, Durability)] = &[("full", Durability::Full), ("normal", Durability::Normal)];
pub(super) use incident::{DAYS, SEVERITIES};
pub(super) const FORMATS: &[(&str, StdoutFormat)] = &[("json", StdoutFormat::Json), ("pretty", StdoutFormat::Pretty)];
pub(super) const NOTIFY: &[(&str, Notify)] = &[("event", Notify::Event), ("incident", Notify::Incident)];
pub(super) const NOTIFY_HELP: &str = "Every `event`, or each `incident`: when it opens, goes on and is over";
pub(super) const CHARSETS: &[(&str, Charset)] = &[
    ("auto", Charset::Auto),
    ("utf-8", Charset::Utf8),
    ("gbk", Charset::Gbk),
    ("utf-16le", Charset::Utf16Le),
    ("utf-16be", Charset::Utf16Be),
    // GBK is read as GB18030, which holds both of these.
    ("gb18030", Charset::Gbk),
    ("gb2312", Charset::Gbk),
];

/// Reads a configuration. `file` is only its name in messages.
///
/// # Errors
/// All problems of the text, in its order.
pub fn parse(text: &str, file: &Path, env: &Env) -> Result<Config, Vec<Problem>> {
    read(text, file, env).map(|(config, _)| config)
}

/// Every option there is, in the order of the documentation.
pub fn options() -> Vec<OptionHelp> {
    // One table of each sort, so that every option is asked for.
    let document = format!(
        "[[source]]\npaths = [\"app.log\"]\n[http]\n[[sink.webhook]]\nname = \"own\"\nurl = \"https://localhost\"\n{}",
        incident::ONE_OF_EACH
    );
    let read = read(&document, Path::new("options"), &|_| None);
    let mut options = read.map(|(_, options)| options).unwrap_or_default();
    for option in &mut options {
        option.key = option.key.replace("[0]", "");
    }
    options
}

fn read(text: &str, file: &Path, env: &Env) -> Result<(Config, Vec<OptionHelp>), Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut report = Report::new(file, text.as_bytes());
    report.add_syntax(&errors);
    let read = Table::document(&report, document.get_ref(), |table| config(table, env));
    report.finish(read)
}

fn config(table: &mut Table<'_>, env: &Env) -> Config {
    let lang = table.or("lang", &kind::word(LANGS), Lang::En, "Language of titles, causes and remedies");
    let help = "Zone of the times in messages that people read";
    let timezone = table.optional("timezone", &kind::timezone(), "\"local\"", help).unwrap_or_else(TimeZone::system);
    let state = table.table("state", |table| state(table, env));
    let catalog = table.table("catalog", catalog);
    let mut sources = Vec::new();
    table.tables("source", |table| {
        let source = source(table, &catalog, &sources);
        sources.push(source);
    });
    defaults::name_sources(&mut sources);
    let redact = table.table("redact", redact);
    let known = incident::Known { catalog: &catalog, sources: &sources };
    let incident = table.table("incident", |table| incident::incident(table, &known));
    let (stdout, webhooks) = table.table("sink", |table| {
        let stdout = table.table("stdout", stdout);
        let mut webhooks = Vec::new();
        table.tables("webhook", |table| {
            let webhook = webhook::webhook(table, &catalog, &webhooks);
            webhooks.push(webhook);
        });
        (stdout, webhooks)
    });
    let http = table.optional_table("http", http::http);
    Config { lang, timezone, state, sources, catalog, redact, incident, stdout, webhooks, http }
}

fn state(table: &mut Table<'_>, env: &Env) -> State {
    let dir = table.optional(
        "dir",
        &kind::directory(),
        "$STATE_DIRECTORY, else $XDG_STATE_HOME/paytriage, else ~/.local/state/paytriage",
        "Directory for offsets and waiting events",
    );
    let State { synchronous, max_outbox, max_pinned_bytes, .. } = State::default();
    let help =
        "`normal` is faster, but a power failure takes back the last moments: what was delivered in them comes again";
    let synchronous = table.or("synchronous", &kind::word(DURABILITIES), synchronous, help);
    let help = "Reading pauses when so many bytes of events wait for delivery";
    let max_outbox = table.or("max_outbox", &kind::size(1 << 20), max_outbox, help);
    let help = "Deleted log files that are not read to their end are kept open until they take so much disk";
    let max_pinned_bytes = table.or("max_pinned_bytes", &kind::size(0), max_pinned_bytes, help);
    State { dir: dir.or_else(|| defaults::state_dir(env)), synchronous, max_outbox, max_pinned_bytes }
}

fn catalog(table: &mut Table<'_>) -> CatalogConfig {
    CatalogConfig {
        extra: table.or(
            "extra",
            &paths(),
            Vec::new(),
            "Your own catalogue files, globs allowed: entries to add or to override by id",
        ),
        disable: table.or("disable", &kind::list(kind::entry_id()), Vec::new(), "Ids of entries that never fire"),
    }
}

/// A source. Unless it is given, its name stays empty until all sources are known.
fn source(table: &mut Table<'_>, catalog: &CatalogConfig, earlier: &[Source]) -> Source {
    let name = table.optional("name", &kind::name(), "derived from the first path", "What events call the source");
    if let Some(at) = earlier.iter().position(|source| Some(&source.name) == name.as_ref()) {
        let fault = Fault::new(format!("source[{at}] has this name already"));
        table.fault("name", fault.hint("give every source a name of its own"));
    }
    let mut source = defaults::source();
    source.name = name.unwrap_or_default();
    let help = "Files, globs, and directories with all that is below them";
    let kind = kind::some(paths(), "file, directory or glob");
    source.journal = journal::journal(table);
    source.paths = match source.journal {
        Some(_) => table.optional("paths", &kind, "required", help),
        None => table.required("paths", &kind, help),
    }
    .unwrap_or_default();
    source.exclude = table.or("exclude", &paths(), source.exclude, "Globs of files to leave out");
    let help = "Where to begin in files that are there at the first start; later ones are read in full";
    source.start_at = table.or("start_at", &kind::word(STARTS), source.start_at, help);
    let help = "Whose errors to expect, where a generic code needs context";
    source.provider = table.optional("provider", &kind::provider(&catalog.extra), "any", help);
    source.encoding = table.or("encoding", &kind::word(CHARSETS), source.encoding, "How the bytes are to be read");
    let help = "Zone of times that name none: `local`, or a name such as `Asia/Shanghai`";
    source.timezone = table.optional("timezone", &kind::timezone(), "\"local\"", help).unwrap_or(source.timezone);
    table.not_yet("multiline", "settings for records of several lines");
    source.labels = table.or("labels", &kind::labels(), source.labels, "Carried by every event of the source");
    let help = "How new lines are noticed: `poll` suits network file systems";
    source.watch = table.or("watch", &kind::word(WATCHES), source.watch, help);
    let help = "How long a change that the system did not announce may go unseen";
    let default = "\"10s\", with `poll` \"1s\"";
    let poll_interval = table.optional("poll_interval", &kind::duration(), default, help);
    source.poll_interval = poll_interval.unwrap_or_else(|| defaults::poll_interval(source.watch));
    journal::check(table, &source, earlier);
    source
}

fn redact(table: &mut Table<'_>) -> Redact {
    let Redact { enabled, extra, keep } = Redact::default();
    Redact {
        enabled: table.or("enabled", &kind::flag(), enabled, "Mask secrets and personal data before anything leaves"),
        extra: table.or("extra", &kind::list(kind::expression()), extra, "Regular expressions of further secrets"),
        keep: table.or("keep", &kind::list(kind::name()), keep, "Names of fields that stay readable"),
    }
}

fn stdout(table: &mut Table<'_>) -> Stdout {
    let Stdout { enabled, format, notify } = Stdout::default();
    Stdout {
        enabled: table.or("enabled", &kind::flag(), enabled, "Write events to standard output"),
        format: table.or("format", &kind::word(FORMATS), format, "One JSON object per line, or text for people"),
        notify: table.or("notify", &kind::word(NOTIFY), notify, NOTIFY_HELP),
    }
}

fn paths() -> Kind<Vec<String>> {
    kind::list(kind::path())
}
