//! A [`Config`] back to TOML, with every default filled in. Reading that gives the same `Config` again.

mod incident;
mod webhook;

use std::fmt::Write;

use super::kind::{self, Kind};
use super::parse::{CHARSETS, DURABILITIES, FORMATS, LANGS, NOTIFY, STARTS, WATCHES};
use super::{CatalogConfig, Config, Http, Journal, Redact, Source, State, Stdout};

/// The configuration in force as TOML.
pub fn show(config: &Config) -> String {
    let Config { lang, timezone, state, sources, catalog, redact, incident, stdout, webhooks, http } = config;
    let mut out = Toml::default();
    out.key("lang", &kind::word(LANGS), Some(lang));
    out.key("timezone", &kind::timezone(), Some(timezone));
    out.header("[state]");
    let State { dir, synchronous, max_outbox, max_pinned_bytes } = state;
    out.key("dir", &kind::directory(), dir.as_ref());
    out.key("synchronous", &kind::word(DURABILITIES), Some(synchronous));
    out.key("max_outbox", &kind::size(0), Some(max_outbox));
    out.key("max_pinned_bytes", &kind::size(0), Some(max_pinned_bytes));
    for source in sources {
        out.header("[[source]]");
        out.source(source, catalog);
    }
    out.header("[catalog]");
    let CatalogConfig { extra, disable } = catalog;
    out.key("extra", &kind::list(kind::path()), Some(extra));
    out.key("disable", &kind::list(kind::entry_id()), Some(disable));
    out.header("[redact]");
    let Redact { enabled, extra, keep } = redact;
    out.key("enabled", &kind::flag(), Some(enabled));
    out.key("extra", &kind::list(kind::expression()), Some(extra));
    out.key("keep", &kind::list(kind::name()), Some(keep));
    out.incident(incident, catalog);
    out.header("[sink.stdout]");
    let Stdout { enabled, format, notify } = stdout;
    out.key("enabled", &kind::flag(), Some(enabled));
    out.key("format", &kind::word(FORMATS), Some(format));
    out.key("notify", &kind::word(NOTIFY), Some(notify));
    for webhook in webhooks {
        out.header("[[sink.webhook]]");
        out.webhook(webhook, catalog);
    }
    if let Some(Http { listen, token_file }) = http {
        out.header("[http]");
        out.key("listen", &kind::address(), Some(listen));
        out.key("token_file", &kind::sink::file(), token_file.as_ref());
    }
    out.0
}

/// TOML text in the making.
#[derive(Default)]
struct Toml(String);

impl Toml {
    fn header(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }

    /// A key; without a value there is nothing to say.
    fn key<T>(&mut self, key: &str, kind: &Kind<T>, value: Option<&T>) {
        if let Some(value) = value {
            self.line(format_args!("{key} = {}", kind.write(value)));
        }
    }

    fn source(&mut self, source: &Source, catalog: &CatalogConfig) {
        let Source {
            name,
            paths,
            journal,
            exclude,
            start_at,
            provider,
            encoding,
            timezone,
            labels,
            watch,
            poll_interval,
        } = source;
        let of_files = journal.is_none();
        self.key("name", &kind::name(), Some(name));
        self.key("paths", &kind::list(kind::path()), of_files.then_some(paths));
        self.key("exclude", &kind::list(kind::path()), of_files.then_some(exclude));
        self.key("start_at", &kind::word(STARTS), Some(start_at));
        self.key("provider", &kind::provider(&catalog.extra), provider.as_ref());
        self.key("encoding", &kind::word(CHARSETS), Some(encoding));
        self.key("timezone", &kind::timezone(), Some(timezone));
        self.key("labels", &kind::labels(), Some(labels));
        self.key("watch", &kind::word(WATCHES), of_files.then_some(watch));
        self.key("poll_interval", &kind::duration(), of_files.then_some(poll_interval));
        if let Some(Journal { units, directory }) = journal {
            self.header("[source.journal]");
            self.key("units", &kind::list(kind::unit()), Some(units));
            self.key("directory", &kind::directory(), directory.as_ref());
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}
