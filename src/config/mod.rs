//! The configuration in force, checked and with defaults filled in.
//!
//! `parse` turns TOML into these types and reports every problem at once, each with file, line, column and
//! key. No stage of the pipeline takes the whole `Config`; each gets the part that is its own.

mod defaults;
mod endpoint;
mod incident;
mod kind;
mod load;
mod parse;
mod problem;
mod show;
mod sink;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::catalog::{EntryId, Lang};
use crate::provider::Provider;
use crate::record::Charset;

pub use defaults::InvalidPath;
pub use endpoint::{Endpoint, EndpointError};
pub use incident::{Incident, Matcher, Mute, Silence, ThresholdRule};
pub use load::{DEFAULT_FILE, LoadError, load};
pub use parse::{options, parse};
pub use problem::Problem;
pub use show::show;
pub use sink::{Filter, Format, Notify, Secret, Template, Tls, Webhook};

/// The environment that defaults are taken from: a variable's value by its name.
pub type Env<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// What a user may want to know of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionHelp {
    /// With its tables: `source.start_at`.
    pub key: String,
    /// As it reads after "expected": `a list of strings`, `"json" or "pretty"`.
    pub kind: String,
    /// As it stands in TOML, or in words where it depends on other things; `required` where there is none.
    pub default: String,
    /// One line.
    pub help: &'static str,
}

/// Everything a user can set.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Language of titles, causes and remedies. `lang`, default `en`.
    pub lang: Lang,
    /// Of the times in messages that people read. `timezone`, default `local`.
    pub timezone: TimeZone,
    pub state: State,
    pub sources: Vec<Source>,
    pub catalog: CatalogConfig,
    pub redact: Redact,
    pub incident: Incident,
    pub stdout: Stdout,
    pub webhooks: Vec<Webhook>,
    /// Absent: no HTTP server.
    pub http: Option<Http>,
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where offsets and waiting events are kept. `None` where neither the key, `$STATE_DIRECTORY` nor an
    /// XDG state directory says where.
    pub dir: Option<PathBuf>,
    pub synchronous: Durability,
    /// Bytes of events that may wait for delivery before reading pauses.
    pub max_outbox: u64,
    /// Bytes on disk of deleted log files that are kept open because they are not read to their end.
    pub max_pinned_bytes: u64,
}

/// When a commit counts as stored. Either way a crash of the process loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk.
    Full,
    /// When the operating system has it: a power failure rolls the last seconds back, positions and events alike.
    Normal,
}

/// `[[source]]`: a set of paths, or entries of the systemd journal, that are read alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub name: String,
    /// Files, globs, and directories (recursive), as written. None where it is the journal.
    pub paths: Vec<String>,
    /// Which entries of the journal it is, instead of files.
    pub journal: Option<Journal>,
    /// Globs of what to leave out.
    pub exclude: Vec<String>,
    pub start_at: StartAt,
    pub provider: Option<Provider>,
    pub encoding: Charset,
    /// For times without a zone. `local` is resolved when the configuration is read.
    pub timezone: TimeZone,
    pub labels: BTreeMap<String, String>,
    /// How new bytes are noticed.
    pub watch: Watch,
    /// The longest time until a change that no notification announced is seen. Default 1 s when polling is
    /// the only way, else 10 s.
    pub poll_interval: Duration,
}

/// `journal` of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journal {
    /// Names of units, or globs of names; all units where there are none.
    pub units: Vec<String>,
    /// Where the journal's files are; those of this host without it.
    pub directory: Option<PathBuf>,
}

/// For files never seen before, at the first start only; files that appear later are read from byte 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Beginning,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Notifications of the operating system, with polling where they cannot be had.
    Auto,
    Poll,
}

/// `[catalog]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogConfig {
    /// Globs of the user's own catalogue files.
    pub extra: Vec<String>,
    /// Entries that never fire.
    pub disable: Vec<EntryId>,
}

/// `[redact]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redact {
    pub enabled: bool,
    /// Regular expressions of further secrets; the whole match is masked.
    pub extra: Vec<String>,
    /// Names of fields that stay readable.
    pub keep: Vec<String>,
}

/// `[sink.stdout]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stdout {
    pub enabled: bool,
    pub format: StdoutFormat,
    pub notify: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdoutFormat {
    Json,
    Pretty,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub listen: Listen,
    /// Holds the token that whoever asks has to show. Always there where other hosts can ask.
    pub token_file: Option<PathBuf>,
}

/// Where the HTTP server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Listen {
    /// True if only this host can ask.
    pub fn is_of_this_host(&self) -> bool {
        match self {
            Listen::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Listen::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
