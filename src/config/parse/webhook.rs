//! `[[sink.webhook]]` from TOML, with what is impossible only because of something else.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::endpoint::Endpoint;
use super::super::kind::{self, sink};
use super::super::problem::Fault;
use super::super::table::Table;
use super::super::{CatalogConfig, Filter, Format, Notify, Secret, Template, Tls, Webhook};
use super::{NOTIFY, NOTIFY_HELP, SEVERITIES};

/// How a format is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum FormatWord {
    Json,
    CloudEvents,
    Alertmanager,
    AlertmanagerAlerts,
    PagerDuty,
    Slack,
    Feishu,
    DingTalk,
    WeCom,
    Template,
}

const HOW_REQUESTS_LOOK: &str = "How requests look, and what answer is a success: any 2xx; pagerduty 202; slack a 2xx with `ok`; \
                                 feishu `code` 0; dingtalk and wecom `errcode` 0";
pub(in crate::config) const FORMATS: &[(&str, FormatWord)] = &[
    ("json", FormatWord::Json),
    ("cloudevents", FormatWord::CloudEvents),
    ("alertmanager", FormatWord::Alertmanager),
    ("alertmanager-alerts", FormatWord::AlertmanagerAlerts),
    ("pagerduty", FormatWord::PagerDuty),
    ("slack", FormatWord::Slack),
    ("feishu", FormatWord::Feishu),
    ("dingtalk", FormatWord::DingTalk),
    ("wecom", FormatWord::WeCom),
    ("template", FormatWord::Template),
];

pub(in crate::config) const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
pub(in crate::config) const BATCHES: RangeInclusive<usize> = 1..=1000;
pub(in crate::config) const CONTENT_TYPE: &str = "application/json";
const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_BATCH: usize = 100;
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// The keys that say where one secret comes from.
struct Keys {
    file: (&'static str, &'static str),
    credential: (&'static str, &'static str),
    env: (&'static str, &'static str),
}

const URL_KEYS: Keys = Keys {
    file: ("url_file", "File that holds the URL: for chats, whose URL is a secret"),
    credential: ("url_credential", "The same from a systemd credential (LoadCredential=)"),
    env: ("url_env", "The same from an environment variable"),
};

const SECRET_KEYS: Keys = Keys {
    file: (
        "secret_file",
        "File with the key that signs requests: `whsec_…`, a robot's secret, or PagerDuty's routing key",
    ),
    credential: ("secret_credential", "The same from a systemd credential (LoadCredential=)"),
    env: ("secret_env", "The same from an environment variable"),
};

/// A webhook; `earlier` are those that stand before it.
pub(super) fn webhook(table: &mut Table<'_>, catalog: &CatalogConfig, earlier: &[Webhook]) -> Webhook {
    let name = name(table, earlier);
    let word = table.or("format", &kind::word(FORMATS), FormatWord::Json, HOW_REQUESTS_LOOK);
    let url = url(table, word);
    let notify = table.or("notify", &kind::word(NOTIFY), Notify::Incident, NOTIFY_HELP);
    let secrets = secrets(table, word);
    let filter = filter(table, catalog);
    let headers = table.or("headers", &sink::headers(), Default::default(), "Sent with each request");
    let help = "The same with values that are secret: each says where its value is kept";
    let secret_headers = table.or("secret_headers", &sink::secret_headers(), Default::default(), help);
    let help = "How long one request may take, from looking up the name to the end of the answer";
    let timeout = table.or("timeout", &kind::span(TIMEOUTS), TIMEOUT, help);
    let max_batch = max_batch(table, word);
    let max_age = table.or("max_age", &kind::duration(), MAX_AGE, "What could not be delivered for so long is dropped");
    let tls = table.table("tls", tls);
    let help = "Proxy to send requests through; with a password in it: `{ file = \"/path\" }`, as for secrets";
    let proxy = table.optional("proxy", &sink::proxy(), "none", help);
    let allow_http = table.or("allow_http", &kind::flag(), false, "Plain http to other hosts than this one");
    let help = "Requests to link-local addresses and to those of cloud metadata services";
    let allow_metadata = table.or("allow_metadata", &kind::flag(), false, help);
    check_http(table, &url, proxy.is_some(), allow_http);
    let format = format(table, word);
    Webhook {
        name,
        url,
        notify,
        format,
        secrets,
        filter,
        headers,
        secret_headers,
        timeout,
        max_batch,
        max_age,
        tls,
        proxy,
        allow_http,
        allow_metadata,
    }
}

fn name(table: &mut Table<'_>, earlier: &[Webhook]) -> String {
    let help = "What the sink is called; what waits for it is stored under this name";
    let name = table.required("name", &kind::name(), help);
    if let Some(at) = earlier.iter().position(|webhook| Some(&webhook.name) == name.as_ref()) {
        let fault = Fault::new(format!("sink.webhook[{at}] has this name already"));
        table.fault("name", fault.hint("give every sink a name of its own"));
    }
    if name.as_deref() == Some("stdout") {
        table.fault("name", Fault::new("standard output is called \"stdout\"").hint("choose another name"));
    }
    name.unwrap_or_default()
}

/// Where requests go. A URL of PagerDuty's is the same for everybody.
fn url(table: &mut Table<'_>, word: FormatWord) -> Secret {
    let help = "Where requests go: https, or http to this host";
    let plain = table.optional("url", &sink::url(), "one of `url`, `url_file`, `url_credential`, `url_env`", help);
    if plain.as_deref().is_some_and(|url| gives_itself_away(url, word)) {
        let fault = Fault::new("whoever knows this URL can post, and this file is shown and copied");
        table.fault("url", fault.hint("put the URL into a file of its own and name that in url_file"));
    }
    let url = one_of(table, "url", plain.map(Secret::Plain), &URL_KEYS);
    if url.is_none() && word != FormatWord::PagerDuty && !URL_KEYS.any_there(table, "url") {
        table.missing("url", "give url, url_file, url_credential or url_env");
    }
    url.unwrap_or_else(|| Secret::Plain(PAGERDUTY_URL.into()))
}

/// Chats know who may post by the URL alone; a receiver on this host has nothing to give away.
fn gives_itself_away(url: &str, word: FormatWord) -> bool {
    let is_chat = matches!(word, FormatWord::Slack | FormatWord::Feishu | FormatWord::DingTalk | FormatWord::WeCom);
    Endpoint::parse(url).is_ok_and(|endpoint| !endpoint.is_loopback() && (is_chat || sink::holds_key(&endpoint)))
}

fn check_http(table: &Table<'_>, url: &Secret, through_proxy: bool, allow_http: bool) {
    let Secret::Plain(text) = url else { return };
    let Ok(endpoint) = Endpoint::parse(text) else { return };
    if let Err(error) = endpoint.check_http(allow_http) {
        table.fault("url", sink::endpoint_fault(error));
    } else if through_proxy && endpoint.is_loopback() {
        let fault = Fault::new("a proxy would look for this host's own address on itself");
        table.fault("proxy", fault.hint("remove it"));
    }
}

/// The keys that requests are signed with, newest first.
fn secrets(table: &mut Table<'_>, word: FormatWord) -> Vec<Secret> {
    let how = "write it to a file and name that in secret_file, or use secret_credential or secret_env";
    table.never("secret", sink::literal().hint(how));
    let one = one_of(table, "secret", None, &SECRET_KEYS);
    let help = "Several keys while they are rotated, newest first: `[{ file = \"/new\" }, { file = \"/old\" }]`";
    let several = table.or("secrets", &kind::list(sink::place()), Vec::new(), help);
    let secrets: Vec<Secret> = match one {
        Some(_) if !several.is_empty() => {
            table.fault("secrets", Fault::new("there is one secret already").hint("name all of them here"));
            return several;
        }
        Some(one) => vec![one],
        None => several,
    };
    check_secrets(table, word, secrets.len());
    secrets
}

fn check_secrets(table: &Table<'_>, word: FormatWord, n: usize) {
    let key = ["secrets", SECRET_KEYS.file.0, SECRET_KEYS.credential.0, SECRET_KEYS.env.0]
        .into_iter()
        .find(|key| table.has(key));
    match (word, n, key) {
        (FormatWord::PagerDuty, 0, None) => {
            table.missing("secret_file", "PagerDuty needs the integration's routing key");
        }
        (FormatWord::Slack | FormatWord::WeCom, 1.., Some(key)) => {
            let fault = Fault::new("this chat knows no signatures: its URL is the secret");
            table.fault(key, fault.hint("remove it, and keep the URL in url_file"));
        }
        (FormatWord::PagerDuty | FormatWord::Feishu | FormatWord::DingTalk, 2.., Some(key)) => {
            table.fault(key, Fault::new("requests of this format carry one secret only").hint("keep the newest"));
        }
        _ => {}
    }
}

/// The one place that the keys name; two of them are a fault.
fn one_of(table: &mut Table<'_>, plain: &'static str, value: Option<Secret>, keys: &Keys) -> Option<Secret> {
    let absent = "none";
    let found = [
        (plain, value),
        (keys.file.0, table.optional(keys.file.0, &sink::file(), absent, keys.file.1).map(Secret::File)),
        (
            keys.credential.0,
            table.optional(keys.credential.0, &sink::credential(), absent, keys.credential.1).map(Secret::Credential),
        ),
        (keys.env.0, table.optional(keys.env.0, &sink::variable(), absent, keys.env.1).map(Secret::Env)),
    ];
    let mut found = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let (first, value) = found.next()?;
    for (key, _) in found {
        table.fault(key, Fault::new(format!("{first} says it already")).hint("keep one of them"));
    }
    Some(value)
}

impl Keys {
    /// Is one of them there, whatever it says?
    fn any_there(&self, table: &Table<'_>, plain: &str) -> bool {
        [plain, self.file.0, self.credential.0, self.env.0].iter().any(|key| table.has(key))
    }
}

fn filter(table: &mut Table<'_>, catalog: &CatalogConfig) -> Filter {
    let Filter { min_severity, providers, codes, labels } = Filter::default();
    let help = "Only codes or entry ids of this list; `*` at the end stands for anything";
    Filter {
        min_severity: table.or("min_severity", &kind::word(SEVERITIES), min_severity, "Only what is at least so bad"),
        providers: table.or(
            "providers",
            &kind::list(kind::provider_name(&catalog.extra)),
            providers,
            "Only errors of these providers",
        ),
        codes: table.or("codes", &kind::list(kind::code_pattern()), codes, help),
        labels: table.or("labels", &kind::labels(), labels, "Only sources with all of these labels"),
    }
}

fn max_batch(table: &mut Table<'_>, word: FormatWord) -> usize {
    let help = "How many events or notices one request holds at most";
    let max_batch = table.optional("max_batch", &kind::number(BATCHES), "100, for `pagerduty` 1", help);
    match (word, max_batch) {
        (FormatWord::PagerDuty, Some(2..)) => {
            table.fault("max_batch", Fault::new("PagerDuty takes one at a time").hint("remove it"));
            1
        }
        (FormatWord::PagerDuty, _) => 1,
        (_, n) => n.unwrap_or(MAX_BATCH),
    }
}

fn tls(table: &mut Table<'_>) -> Tls {
    let tls = Tls {
        ca: table.optional("ca", &sink::file(), "none", "Certificates (PEM) to trust besides the system's"),
        cert: table.optional("cert", &sink::file(), "none", "Our certificate (PEM), for receivers that ask for one"),
        key: table.optional("key", &sink::file(), "none", "The private key (PEM) of `cert`"),
    };
    match (&tls.cert, &tls.key) {
        (Some(_), None) if !table.has("key") => table.missing("key", "cert needs it"),
        (None, Some(_)) if !table.has("cert") => table.missing("cert", "key needs it"),
        _ => {}
    }
    tls
}

fn format(table: &mut Table<'_>, word: FormatWord) -> Format {
    let file = table.optional("template", &sink::file(), "none", "With `format = \"template\"`: file of the template");
    let help = "With `format = \"template\"`: the type of what it makes";
    let content_type = table.optional("content_type", &sink::content_type(), "\"application/json\"", help);
    if word != FormatWord::Template {
        for key in ["template", "content_type"] {
            table.fault(key, Fault::new("only of use with format = \"template\"").hint("remove it"));
        }
    } else if !table.has("template") {
        table.missing("template", "give the file of the template");
    }
    match word {
        FormatWord::Json => Format::Json,
        FormatWord::CloudEvents => Format::CloudEvents,
        FormatWord::Alertmanager => Format::Alertmanager,
        FormatWord::AlertmanagerAlerts => Format::AlertmanagerAlerts,
        FormatWord::PagerDuty => Format::PagerDuty,
        FormatWord::Slack => Format::Slack,
        FormatWord::Feishu => Format::Feishu,
        FormatWord::DingTalk => Format::DingTalk,
        FormatWord::WeCom => Format::WeCom,
        FormatWord::Template => Format::Template(Template {
            file: file.unwrap_or_default(),
            content_type: content_type.unwrap_or_else(|| CONTENT_TYPE.into()),
        }),
    }
}

impl From<&Format> for FormatWord {
    fn from(format: &Format) -> FormatWord {
        match format {
            Format::Json => FormatWord::Json,
            Format::CloudEvents => FormatWord::CloudEvents,
            Format::Alertmanager => FormatWord::Alertmanager,
            Format::AlertmanagerAlerts => FormatWord::AlertmanagerAlerts,
            Format::PagerDuty => FormatWord::PagerDuty,
            Format::Slack => FormatWord::Slack,
            Format::Feishu => FormatWord::Feishu,
            Format::DingTalk => FormatWord::DingTalk,
            Format::WeCom => FormatWord::WeCom,
            Format::Template(_) => FormatWord::Template,
        }
    }
}
