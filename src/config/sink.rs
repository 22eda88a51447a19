//! What a user can say of the places that events and incidents go to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::Severity;

/// What a sink is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notify {
    /// Each event.
    Event,
    /// What opens, goes on and ends.
    Incident,
}

/// `[[sink.webhook]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Unique; the store knows the sink by it, so a new name is a new sink.
    pub name: String,
    pub url: Secret,
    pub notify: Notify,
    pub format: Format,
    /// Newest first. Signing keys (`whsec_…`) for most formats, the robot's secret for chats, the routing key for PagerDuty.
    /// More than one while they are rotated.
    pub secrets: Vec<Secret>,
    pub filter: Filter,
    /// Sent with each request.
    pub headers: BTreeMap<String, String>,
    /// The same, with values that nobody should read.
    pub secret_headers: BTreeMap<String, Secret>,
    /// From the first byte of the name look-up to the last byte of the answer.
    pub timeout: Duration,
    /// Rows in one request at most.
    pub max_batch: usize,
    /// What has waited for longer expires.
    pub max_age: Duration,
    pub tls: Tls,
    /// `http`, `https`, `socks5` or `socks5h`; the environment's proxy variables are not read.
    pub proxy: Option<Secret>,
    /// Plain `http` also to others than this host.
    pub allow_http: bool,
    /// Link-local addresses and those of cloud metadata services too.
    pub allow_metadata: bool,
}

/// Where a value comes from that must not be seen. The value itself is in no configuration, argument or log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration: only where it need not be secret (the URL of one's own endpoint).
    Plain(String),
    File(PathBuf),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    Env(String),
}

/// How a message looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    Json,
    CloudEvents,
    /// What Alertmanager sends to its own receivers, version 4.
    Alertmanager,
    /// Alertmanager's `POST /api/v2/alerts`.
    AlertmanagerAlerts,
    PagerDuty,
    Slack,
    Feishu,
    DingTalk,
    WeCom,
    Template(Template),
}

/// The user's own text, in Jinja's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub file: PathBuf,
    pub content_type: String,
}

/// What a sink is interested in; a row has to pass all of them. Empty: everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub min_severity: Severity,
    pub providers: Vec<String>,
    /// Codes or entry ids; `*` at the end stands for anything.
    pub codes: Vec<String>,
    /// Labels of the source, all of them.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM; trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// PEM; shown to servers that ask.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { min_severity: Severity::Info, providers: Vec::new(), codes: Vec::new(), labels: BTreeMap::new() }
    }
}
