//! Which incidents a silence means: `code=ACQ.* label.env=prod`, read and shown.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};

use crate::catalog::Severity;
use crate::config::{Config, Matcher};
use crate::notice;
use crate::provider::Provider;

const KEYS: &str = "code, provider, source, label.NAME, max_severity";

/// Reads matchers. A name that the configuration does not know would silence nothing, so it is refused.
///
/// # Errors
/// The first one that is none; it is named, and what there is.
pub fn parse(texts: &[String], config: &Config) -> Result<Matcher> {
    let mut matcher = Matcher::default();
    let mut severities = 0;
    for text in texts {
        let (key, value) = text
            .split_once('=')
            .filter(|(_, value)| !value.trim().is_empty())
            .ok_or_else(|| anyhow!("{text:?} is no matcher; write KEY=VALUE with one of {KEYS}"))?;
        let value = value.trim();
        match key.trim() {
            "code" => matcher.codes.push(code(value)?),
            "provider" => matcher.providers.push(provider(value, config)?),
            "source" => matcher.sources.push(source(value, config)?),
            "max_severity" => {
                severities += 1;
                matcher.max_severity = severity(value)?;
            }
            key => match key.strip_prefix("label.") {
                Some(name) => {
                    let name = label(name, config)?;
                    if matcher.labels.insert(name.clone(), value.to_owned()).is_some() {
                        bail!("label.{name} is given twice; a source has one value of it");
                    }
                }
                None => bail!("{key:?} is no key of incidents; there are: {KEYS}"),
            },
        }
    }
    if severities > 1 {
        bail!("max_severity is given twice");
    }
    Ok(matcher)
}

fn code(text: &str) -> Result<String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !name.bytes().all(is_name) {
        bail!("code={text:?}: use letters, digits, \".\", \"_\" and \"-\"; \"*\" may stand at the end");
    }
    Ok(text.to_owned())
}

fn provider(text: &str, config: &Config) -> Result<String> {
    let is_known = match Provider::parse(text) {
        // A catalogue of the user's own may bring it along.
        Some(Provider::Custom(_)) => text == notice::PROVIDER || !config.catalog.extra.is_empty(),
        Some(_) => true,
        None => false,
    };
    let names: BTreeSet<&str> = Provider::KNOWN.iter().map(Provider::as_str).chain([notice::PROVIDER]).collect();
    if is_known { Ok(text.to_owned()) } else { bail!("no provider is called {text:?}; there are: {}", listed(&names)) }
}

/// Without configured sources they come from the command line, and any name goes.
fn source(text: &str, config: &Config) -> Result<String> {
    let names: BTreeSet<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    if names.is_empty() || names.contains(text) || text == notice::PROVIDER {
        return Ok(text.to_owned());
    }
    bail!("no source is called {text:?}; there are: {}", listed(&names))
}

fn label(name: &str, config: &Config) -> Result<String> {
    let names: BTreeSet<&str> =
        config.sources.iter().flat_map(|source| source.labels.keys().map(String::as_str)).collect();
    match () {
        () if name.is_empty() => bail!("a label has a name: write label.env=prod"),
        () if config.sources.is_empty() || names.contains(name) => Ok(name.to_owned()),
        () if names.is_empty() => bail!("no source has a label {name:?}; none has any"),
        () => bail!("no source has a label {name:?}; there are: {}", listed(&names)),
    }
}

fn severity(text: &str) -> Result<Severity> {
    Severity::parse(text).ok_or_else(|| anyhow!("max_severity={text:?}: write info, warning, error or critical"))
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// As they could be written; none: all incidents.
pub fn written(matcher: &Matcher) -> Vec<String> {
    let Matcher { codes, providers, sources, labels, max_severity } = matcher;
    let mut parts = Vec::new();
    for (key, values) in [("code", codes), ("provider", providers), ("source", sources)] {
        parts.extend(values.iter().map(|value| format!("{key}={value}")));
    }
    parts.extend(labels.iter().map(|(name, value)| format!("label.{name}={value}")));
    if *max_severity != Severity::Critical {
        parts.push(format!("max_severity={max_severity}"));
    }
    parts
}

/// For people.
pub fn shown(matcher: &Matcher) -> String {
    let parts = written(matcher);
    if parts.is_empty() { "all incidents".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<String, String> {
        let toml = "[[source]]\nname = \"shop\"\npaths = [\"a\"]\nlabels = { env = \"prod\" }\n";
        let config = crate::config::parse(toml, std::path::Path::new("p.toml"), &|_| None).unwrap();
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        parse(&texts, &config).map(|matcher| shown(&matcher)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_is_shown_again() {
        for text in [
            "code=ACQ.* code=USERPAYING provider=alipay source=shop label.env=prod max_severity=error",
            "provider=paytriage",
            "label.env=a=b",
        ] {
            assert_eq!(read(&text.split(' ').collect::<Vec<_>>()).as_deref(), Ok(text));
        }
        assert_eq!(read(&[]).as_deref(), Ok("all incidents"));
    }

    #[test]
    fn what_would_silence_nothing_is_refused() {
        for (text, expected) in [
            ("ACQ.*", "\"ACQ.*\" is no matcher; write KEY=VALUE"),
            ("code=", "is no matcher"),
            ("code=A*B", "\"*\" may stand at the end"),
            ("codes=A", "there are: code, provider, source, label.NAME, max_severity"),
            ("provider=paypal", "there are: alipay, alipayplus, issuer, paytriage, unionpay, wechatpay"),
            ("source=shpo", "no source is called \"shpo\"; there are: shop"),
            ("label.evn=prod", "no source has a label \"evn\"; there are: env"),
            ("label.=prod", "a label has a name"),
            ("max_severity=bad", "write info, warning, error or critical"),
        ] {
            assert!(read(&[text]).is_err_and(|error| error.contains(expected)), "{text}: {:?}", read(&[text]));
        }
        assert!(read(&["label.env=a", "label.env=b"]).is_err_and(|error| error.contains("twice")));
        assert!(read(&["max_severity=info", "max_severity=error"]).is_err_and(|error| error.contains("twice")));
    }
}
