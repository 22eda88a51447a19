//! Kinds of values that sinks have: URLs, headers, and where a secret is kept.
//!
//! What may be a secret is never repeated in a message.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Value;

use super::super::endpoint::{Endpoint, EndpointError};
use super::super::problem::Fault;
use super::super::sink::Secret;
use super::super::table::Node;
use super::{Kind, checked, map};

/// What begins like a signing key is one, wherever it stands.
const KEY_PREFIXES: [&str; 2] = ["whsec_", "whsk_"];

/// Names of headers that each request has anyway.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-length", "content-type", "transfer-encoding", "connection", "proxy-authorization"];

/// Parts of names whose values nobody should read.
const SECRET_NAMES: [&str; 7] = ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];

/// A URL that requests go to.
pub(in crate::config) fn url() -> Kind<String> {
    checked("a URL", |text| Endpoint::parse(text).map(drop).map_err(endpoint_fault))
}

/// An error of a URL as it is told of the key that holds it.
pub(in crate::config) fn endpoint_fault(error: EndpointError) -> Fault {
    Fault::new(error.to_string())
}

/// A URL that would let everybody who reads it post: a query with a key in it.
pub(in crate::config) fn holds_key(endpoint: &Endpoint) -> bool {
    let is_key = |name: &str| is_secret_name(name) || matches!(name, "key" | "sign" | "signature" | "sig");
    endpoint.url().query_pairs().any(|(name, _)| is_key(&name.to_ascii_lowercase()))
}

/// A proxy: its URL, or where that is kept when it has a password in it.
pub(in crate::config) fn proxy() -> Kind<Secret> {
    const WANTS: &str = "a URL such as \"http://proxy.example:3128\"";
    Kind {
        wants: WANTS.into(),
        read: Box::new(|node| match node.value.as_str() {
            Some(text) => {
                check_proxy(text).map_err(|fault| node.fault(fault)).ok().map(|()| Secret::Plain(text.to_owned()))
            }
            None if node.value.is_table() => place().read(node),
            None => {
                node.fault(node.mismatch(WANTS));
                None
            }
        }),
        write: Box::new(|secret| match secret {
            Secret::Plain(url) => Value::String(url.clone()),
            _ => place().write(secret),
        }),
    }
}

fn check_proxy(text: &str) -> Result<(), Fault> {
    let url = url::Url::parse(text).map_err(|_| Fault::new("not a URL; write it as http://host:port"))?;
    if !url.has_host() || !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(Fault::new("a proxy's URL begins with http://, https://, socks5:// or socks5h://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let fault = Fault::new("everybody who can read this file can read the proxy's password");
        return Err(fault.hint("put the whole URL into a file and write proxy = { file = \"/path\" }"));
    }
    Ok(())
}

/// Where a secret is kept: `{ file = "/path" }`, `{ credential = "name" }` or `{ env = "NAME" }`.
pub(in crate::config) fn place() -> Kind<Secret> {
    Kind {
        wants: "a place".into(),
        read: Box::new(read_place),
        write: Box::new(|secret| {
            let (key, value) = match secret {
                Secret::Plain(_) => return Value::Table(toml::Table::new()),
                Secret::File(path) => ("file", path.to_string_lossy().into_owned()),
                Secret::Credential(name) => ("credential", name.clone()),
                Secret::Env(name) => ("env", name.clone()),
            };
            Value::Table([(key.to_owned(), Value::String(value))].into_iter().collect())
        }),
    }
}

fn read_place(node: &Node<'_>) -> Option<Secret> {
    const HOW: &str = "write { file = \"/path\" }, { credential = \"name\" } or { env = \"NAME\" }";
    let Some(members) = node.members() else {
        let fault = if node.value.is_str() { literal() } else { node.mismatch("where a secret is kept") };
        node.fault(fault.hint(HOW));
        return None;
    };
    let members: Vec<_> = members.collect();
    let [(key, member)] = members.as_slice() else {
        node.fault(Fault::new("a secret is kept in one place").hint(HOW));
        return None;
    };
    match *key {
        "file" => file().read(member).map(Secret::File),
        "credential" => credential().read(member).map(Secret::Credential),
        "env" => variable().read(member).map(Secret::Env),
        _ => {
            member.fault(Fault::new("unknown key").nearest(key, ["file", "credential", "env"]));
            None
        }
    }
}

/// A secret that stands in the configuration itself.
pub(in crate::config) fn literal() -> Fault {
    Fault::new("a secret does not belong into this file, which is shown and copied")
}

/// A file that holds a secret, or a certificate.
pub(in crate::config) fn file() -> Kind<PathBuf> {
    let Kind { wants, read, write } = super::directory();
    Kind {
        wants,
        read: Box::new(move |node| {
            not_a_key(node)?;
            read(node)
        }),
        write,
    }
}

/// The name of a systemd credential.
pub(in crate::config) fn credential() -> Kind<String> {
    let name = checked("a string", |text| {
        let plain = !text.is_empty() && !text.contains(['/', '\0']) && !matches!(text, "." | "..");
        let fault = || Fault::new("a credential is called by its name alone, as in LoadCredential=name:/path");
        plain.then_some(()).ok_or_else(fault)
    });
    guarded(name)
}

/// The name of an environment variable.
pub(in crate::config) fn variable() -> Kind<String> {
    let name = checked("a string", |text| {
        let plain = !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let fault = || Fault::new("not the name of an environment variable").hint("give its name, not its value");
        plain.then_some(()).ok_or_else(fault)
    });
    guarded(name)
}

/// A name, but no key that was written in its place.
fn guarded(kind: Kind<String>) -> Kind<String> {
    let Kind { wants, read, write } = kind;
    Kind {
        wants,
        read: Box::new(move |node| {
            not_a_key(node)?;
            read(node)
        }),
        write,
    }
}

fn not_a_key(node: &Node<'_>) -> Option<()> {
    let key = node.value.as_str().is_some_and(|text| KEY_PREFIXES.iter().any(|prefix| text.starts_with(prefix)));
    if key {
        node.fault(literal().hint("write where it is kept, not the secret"));
    }
    (!key).then_some(())
}

/// Headers whose values everybody may read.
pub(in crate::config) fn headers() -> Kind<BTreeMap<String, String>> {
    let value = checked("a string", |text| {
        let fine = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        fine.then_some(()).ok_or_else(|| Fault::new("a header's value has printable ASCII characters only"))
    });
    map(value, "{ \"X-Name\" = \"value\" }", |name| {
        check_header(name)?;
        if is_secret_name(&name.to_ascii_lowercase()) {
            let how = format!("secret_headers = {{ {name} = {{ file = \"/path\" }} }}");
            return Err(literal().hint(format!("write {how}")));
        }
        Ok(())
    })
}

/// Headers whose values are kept elsewhere.
pub(in crate::config) fn secret_headers() -> Kind<BTreeMap<String, Secret>> {
    map(place(), "{ Authorization = { file = \"/path\" } }", check_header)
}

/// The type of a body, such as `text/plain; charset=utf-8`.
pub(in crate::config) fn content_type() -> Kind<String> {
    checked("a type such as \"application/json\"", |text| {
        let fine = text.contains('/') && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        fine.then_some(()).ok_or_else(|| Fault::new(format!("{text:?} is not a type such as \"application/json\"")))
    })
}

fn check_header(name: &str) -> Result<(), Fault> {
    let lower = name.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Fault::new(format!("{name:?} cannot be the name of a header")));
    }
    if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
        return Err(Fault::new("paytriage sets this header itself"));
    }
    Ok(())
}

fn is_secret_name(lower: &str) -> bool {
    SECRET_NAMES.iter().any(|part| lower.contains(part))
}
