//! `[[sink.webhook]]` as TOML. Secrets are not known here, only where they are kept.

use super::super::kind::{self, sink};
use super::super::parse::webhook::{BATCHES, FORMATS, FormatWord, TIMEOUTS};
use super::super::parse::{NOTIFY, SEVERITIES};
use super::super::{CatalogConfig, Filter, Format, Secret, Tls, Webhook};
use super::Toml;

impl Toml {
    pub(super) fn webhook(&mut self, webhook: &Webhook, catalog: &CatalogConfig) {
        let Webhook { name, url, notify, format, secrets, filter, headers, secret_headers, .. } = webhook;
        self.key("name", &kind::name(), Some(name));
        self.key("format", &kind::word(FORMATS), Some(&FormatWord::from(format)));
        self.url(url);
        self.key("notify", &kind::word(NOTIFY), Some(notify));
        self.key("secrets", &kind::list(sink::place()), Some(secrets));
        let Filter { min_severity, providers, codes, labels } = filter;
        self.key("min_severity", &kind::word(SEVERITIES), Some(min_severity));
        self.key("providers", &kind::list(kind::provider_name(&catalog.extra)), Some(providers));
        self.key("codes", &kind::list(kind::code_pattern()), Some(codes));
        self.key("labels", &kind::labels(), Some(labels));
        self.key("headers", &sink::headers(), Some(headers));
        self.key("secret_headers", &sink::secret_headers(), Some(secret_headers));
        let Webhook { timeout, max_batch, max_age, tls, proxy, allow_http, allow_metadata, .. } = webhook;
        self.key("timeout", &kind::span(TIMEOUTS), Some(timeout));
        self.key("max_batch", &kind::number(BATCHES), Some(max_batch));
        self.key("max_age", &kind::duration(), Some(max_age));
        let Tls { ca, cert, key } = tls;
        self.key("tls.ca", &sink::file(), ca.as_ref());
        self.key("tls.cert", &sink::file(), cert.as_ref());
        self.key("tls.key", &sink::file(), key.as_ref());
        self.key("proxy", &sink::proxy(), proxy.as_ref());
        self.key("allow_http", &kind::flag(), Some(allow_http));
        self.key("allow_metadata", &kind::flag(), Some(allow_metadata));
        if let Format::Template(template) = format {
            self.key("template", &sink::file(), Some(&template.file));
            self.key("content_type", &sink::content_type(), Some(&template.content_type));
        }
    }

    fn url(&mut self, url: &Secret) {
        match url {
            Secret::Plain(url) => self.key("url", &sink::url(), Some(url)),
            Secret::File(path) => self.key("url_file", &sink::file(), Some(path)),
            Secret::Credential(name) => self.key("url_credential", &sink::credential(), Some(name)),
            Secret::Env(name) => self.key("url_env", &sink::variable(), Some(name)),
        }
    }
}
