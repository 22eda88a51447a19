//! Kinds of values: how each is read, written and named.
//!
//! A kind reads what it writes. Reading reports what is wrong, at the place of the value, and gives what could
//! be read all the same, so that one fault does not hide the next.

mod incident;
pub(super) mod sink;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use globset::GlobBuilder;
use jiff::tz::TimeZone;
use regex::Regex;
use toml::Value;

use super::Listen;
use super::problem::Fault;
use super::table::Node;
use crate::catalog::{EntryId, parse_duration, write_duration};
use crate::provider::Provider;

pub(super) use incident::{code_pattern, count, label_name, moment, provider_name, source_name, time_of_day};

/// One kind of value.
pub(super) struct Kind<T> {
    /// As it reads after "expected": `a list of strings`.
    pub wants: String,
    read: Reader<T>,
    write: Box<dyn Fn(&T) -> Value>,
}

/// Reads a value; `None` has been reported.
type Reader<T> = Box<dyn Fn(&Node<'_>) -> Option<T>>;

impl<T> Kind<T> {
    /// `None` has been reported.
    pub fn read(&self, node: &Node<'_>) -> Option<T> {
        (self.read)(node)
    }

    pub fn write(&self, value: &T) -> Value {
        (self.write)(value)
    }
}

/// A value that is written as a string.
fn parsed<T>(
    wants: &str,
    from: impl Fn(&str) -> Result<T, Fault> + 'static,
    to: impl Fn(&T) -> String + 'static,
) -> Kind<T> {
    let wanted = wants.to_owned();
    Kind {
        wants: wants.to_owned(),
        read: Box::new(move |node| {
            let text = node.value.as_str().ok_or_else(|| node.mismatch(&wanted));
            text.and_then(&from).map_err(|fault| node.fault(fault)).ok()
        }),
        write: Box::new(move |value| Value::String(to(value))),
    }
}

/// A string that passes a test.
fn checked(wants: &str, check: impl Fn(&str) -> Result<(), Fault> + 'static) -> Kind<String> {
    parsed(wants, move |text| check(text).map(|()| text.to_owned()), String::clone)
}

pub(super) fn text() -> Kind<String> {
    checked("a string", |_| Ok(()))
}

pub(super) fn flag() -> Kind<bool> {
    Kind {
        wants: "true or false".into(),
        read: Box::new(|node| {
            let value = node.value.as_bool();
            if value.is_none() {
                let fault = node.mismatch("true or false");
                let quoted = matches!(node.value.as_str(), Some("true" | "false"));
                node.fault(if quoted { fault.hint("leave out the quotes") } else { fault });
            }
            value
        }),
        write: Box::new(|&value| Value::Boolean(value)),
    }
}

/// One of a few words. The first spelling of a value is the one that is shown; further ones are aliases.
pub(super) fn word<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let spelling = move |value: &T| words.iter().find(|(_, v)| v == value).map_or("", |&(word, _)| word);
    let shown: Vec<&str> = words.iter().filter(|(word, v)| spelling(v) == *word).map(|&(word, _)| word).collect();
    let wants = alternatives(&shown);
    let listed = wants.clone();
    let read = move |text: &str| match words.iter().find(|&&(word, _)| word == text) {
        Some(&(_, value)) => Ok(value),
        None => Err(Fault::new(format!("{text:?} is not {listed}")).nearest(text, words.iter().map(|&(word, _)| word))),
    };
    parsed(&wants, read, move |value| spelling(value).to_owned())
}

fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => quoted.concat(),
    }
}

pub(super) fn list<T: 'static>(item: Kind<T>) -> Kind<Vec<T>> {
    let wants = format!("a list of {}", plural(&item.wants));
    let wanted = wants.clone();
    let item = std::rc::Rc::new(item);
    let writer = item.clone();
    Kind {
        wants,
        read: Box::new(move |node| match node.elements() {
            Some(elements) => Some(elements.filter_map(|element| item.read(&element)).collect()),
            None => {
                let fault = node.mismatch(&wanted);
                node.fault(if node.value.is_str() { fault.hint("put it in brackets: [\"…\"]") } else { fault });
                None
            }
        }),
        write: Box::new(move |values| values.iter().map(|value| writer.write(value)).collect::<Vec<_>>().into()),
    }
}

/// A list that must not be empty.
pub(super) fn some<T: 'static>(list: Kind<Vec<T>>, what: &'static str) -> Kind<Vec<T>> {
    Kind {
        wants: list.wants,
        read: Box::new(move |node| {
            if node.value.as_array().is_some_and(|array| array.is_empty()) {
                node.fault(Fault::new("the list is empty").hint(format!("give at least one {what}")));
                return None;
            }
            (list.read)(node)
        }),
        write: list.write,
    }
}

/// A table of strings with keys of the user's own.
pub(super) fn labels() -> Kind<BTreeMap<String, String>> {
    map(text(), "{ name = \"value\" }", |_| Ok(()))
}

/// A table with keys of the user's own that pass a test; `example` shows how it is written.
fn map<T: 'static>(
    value: Kind<T>,
    example: &'static str,
    check: impl Fn(&str) -> Result<(), Fault> + 'static,
) -> Kind<BTreeMap<String, T>> {
    let wants = format!("a table of {}", plural(&value.wants));
    let wanted = wants.clone();
    let value = std::rc::Rc::new(value);
    let writer = value.clone();
    let entry = move |name: &str, node: &Node<'_>| {
        check(name).map_err(|fault| node.fault(fault)).ok()?;
        Some((name.to_owned(), value.read(node)?))
    };
    Kind {
        wants,
        read: Box::new(move |node| match node.members() {
            Some(members) => Some(members.filter_map(|(name, node)| entry(name, &node)).collect()),
            None => {
                node.fault(node.mismatch(&wanted).hint(format!("write {example}")));
                None
            }
        }),
        write: Box::new(move |map| {
            map.iter().map(|(name, value)| (name.clone(), writer.write(value))).collect::<toml::Table>().into()
        }),
    }
}

/// `a string` → `strings`
fn plural(wants: &str) -> String {
    format!("{}s", wants.trim_start_matches("a "))
}

/// Something people and machines call by: not empty, and no control characters.
pub(super) fn name() -> Kind<String> {
    checked("a string", |text| {
        if text.trim().is_empty() {
            Err(Fault::new("the name is empty"))
        } else if text.chars().any(char::is_control) {
            Err(Fault::new(format!("{text:?} contains control characters")))
        } else {
            Ok(())
        }
    })
}

/// A unit of systemd by its full name, or a glob of such names.
pub(super) fn unit() -> Kind<String> {
    checked("a string", |text| {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
            return Err(Fault::new(format!("{text:?} is not the name of a unit")));
        }
        if let Err(error) = GlobBuilder::new(text).build() {
            return Err(Fault::new(format!("{text:?} is not a valid glob: {}", error.kind())));
        }
        match text.contains(['.', '*', '?', ']', '}']) {
            true => Ok(()),
            false => Err(Fault::new(format!("{text:?} has no type")).hint(format!("write \"{text}.service\""))),
        }
    })
}

/// A file, a directory or a glob.
pub(super) fn path() -> Kind<String> {
    checked("a string", |text| check_path(text).map_err(Fault::new))
}

/// Why this cannot be a path or a glob.
pub(super) fn check_path(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the path is empty".into());
    }
    if text.contains('\0') {
        return Err(format!("{text:?} contains a NUL character"));
    }
    if text.starts_with("~/") {
        return Err(format!("{text:?}: no shell expands ~ here, write the whole path"));
    }
    match GlobBuilder::new(text).literal_separator(true).build() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{text:?} is not a valid glob: {}", error.kind())),
    }
}

pub(super) fn directory() -> Kind<PathBuf> {
    let from = |text: &str| match text {
        "" => Err(Fault::new("the path is empty")),
        _ if text.contains('\0') => Err(Fault::new(format!("{text:?} contains a NUL character"))),
        _ => Ok(PathBuf::from(text)),
    };
    parsed("a string", from, |dir| dir.to_string_lossy().into_owned())
}

/// A regular expression for text to be masked, kept as written.
pub(super) fn expression() -> Kind<String> {
    checked("a string", |text| match Regex::new(text) {
        Ok(regex) if regex.is_match("") => {
            Err(Fault::new(format!("{text:?} matches empty text, so it would mask between any two characters")))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let error = error.to_string();
            let reason = error.rsplit("error: ").next().unwrap_or_default().trim_end();
            Err(Fault::new(format!("{text:?} is not a valid regular expression: {reason}")))
        }
    })
}

pub(super) fn entry_id() -> Kind<EntryId> {
    parsed("a string", |text| Ok(EntryId(text.into())), EntryId::to_string)
}

/// A provider. Names that are not built in are possible only where a catalogue of the user's own may bring
/// them along.
pub(super) fn provider(extra_catalogues: &[String]) -> Kind<Provider> {
    let closed = extra_catalogues.is_empty();
    parsed(&provider_names(), move |text| parse_provider(text, closed), Provider::to_string)
}

fn provider_names() -> String {
    alternatives(&Provider::KNOWN.iter().map(Provider::as_str).collect::<Vec<_>>())
}

fn parse_provider(text: &str, closed: bool) -> Result<Provider, Fault> {
    let known = || Provider::KNOWN.iter().map(Provider::as_str);
    match Provider::parse(text) {
        Some(Provider::Custom(_)) if closed => {
            let fault = Fault::new(format!("unknown provider {text:?}")).nearest(text, known());
            Err(if fault.has_hint() {
                fault
            } else {
                fault.hint("one of your own needs its catalogue in catalog.extra")
            })
        }
        None => {
            let rule = "a provider's name has lower-case letters, digits, - and _ only";
            Err(Fault::new(format!("{text:?} cannot be a provider: {rule}")).nearest(text, known()))
        }
        Some(provider) => Ok(provider),
    }
}

/// `local`, or a name of the IANA database. A zone without a name is the host's own, and written `local`.
pub(super) fn timezone() -> Kind<TimeZone> {
    let from = |text: &str| match text {
        "local" => Ok(TimeZone::system()),
        _ => TimeZone::get(text).map_err(|_| unknown_timezone(text)),
    };
    parsed("a time zone such as \"local\" or \"Asia/Shanghai\"", from, |zone| {
        zone.iana_name().unwrap_or("local").to_owned()
    })
}

fn unknown_timezone(text: &str) -> Fault {
    let fault = Fault::new(format!("unknown time zone {text:?}"));
    let database = jiff::tz::db();
    if database.is_definitively_empty() {
        return fault.hint("this host has no time zone database: install tzdata");
    }
    if text.eq_ignore_ascii_case("Asia/Beijing") {
        return fault.hint("China's time zone is \"Asia/Shanghai\"");
    }
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    fault.nearest(text, names.iter().map(String::as_str).chain(["local"]))
}

/// A span of time longer than nothing, to the millisecond.
pub(super) fn duration() -> Kind<Duration> {
    const WANTS: &str = "a duration such as \"30s\", \"5m\" or \"500ms\"";
    let from = |text: &str| match parse_duration(text) {
        Some(Duration::ZERO) => Err(Fault::new(format!("{text:?} is no time at all"))),
        Some(duration) => Ok(duration),
        None => Err(Fault::new(format!("{text:?} is not {WANTS}"))),
    };
    parsed(WANTS, from, |&duration| write_duration(duration))
}

/// A span of time that is neither too short nor too long.
pub(super) fn span(range: RangeInclusive<Duration>) -> Kind<Duration> {
    let Kind { read, write, .. } = duration();
    let bounds = [write(range.start()), write(range.end())].map(|bound| bound.as_str().unwrap_or_default().to_owned());
    let wants = format!("a duration from {} to {}", bounds[0], bounds[1]);
    let wanted = wants.clone();
    Kind {
        wants,
        read: Box::new(move |node| {
            let value = read(node)?;
            if !range.contains(&value) {
                node.fault(Fault::new(format!("not {wanted}")));
                return None;
            }
            Some(value)
        }),
        write,
    }
}

/// A whole number in a range.
pub(super) fn number(range: RangeInclusive<usize>) -> Kind<usize> {
    let wants = format!("a number from {} to {}", range.start(), range.end());
    let wanted = wants.clone();
    Kind {
        wants,
        read: Box::new(move |node| {
            let number = node.value.as_integer().map(|number| usize::from_str_radix(number.as_str(), number.radix()));
            match number {
                Some(Ok(number)) if range.contains(&number) => return Some(number),
                Some(_) => node.fault(Fault::new(format!("not {wanted}"))),
                None => node.fault(node.mismatch(&wanted)),
            }
            None
        }),
        write: Box::new(|&number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))),
    }
}

/// Units of a size, largest first, with their bytes.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes, no smaller than `least`.
pub(super) fn size(least: u64) -> Kind<u64> {
    const WANTS: &str = "a size such as \"64MiB\" or \"1GiB\"";
    let from = move |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = SIZES.iter().find(|(name, _)| *name == unit).map(|&(_, bytes)| bytes);
        match number.parse().ok().zip(unit).and_then(|(number, bytes): (u64, u64)| number.checked_mul(bytes)) {
            Some(bytes) if bytes < least => {
                Err(Fault::new(format!("{text:?} is too small")).hint(format!("{} is the least", written_size(least))))
            }
            Some(bytes) => Ok(bytes),
            None => Err(Fault::new(format!("{text:?} is not {WANTS}"))),
        }
    };
    parsed(WANTS, from, |&bytes| written_size(bytes))
}

fn written_size(bytes: u64) -> String {
    let (unit, size) = SIZES.into_iter().find(|(_, size)| bytes.is_multiple_of(*size)).unwrap_or(("B", 1));
    format!("{}{unit}", bytes / size)
}

/// The longest path of a socket.
const MAX_SOCKET: usize = 107;

/// An address to listen on.
pub(super) fn address() -> Kind<Listen> {
    const WANTS: &str = "an address such as \"127.0.0.1:9187\" or \"unix:/run/paytriage/http.sock\"";
    let from = |text: &str| {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path);
        }
        text.parse::<SocketAddr>().map(Listen::Tcp).map_err(|_| {
            let fault = Fault::new(format!("{text:?} is not {WANTS}"));
            match text.strip_prefix("localhost:") {
                Some(port) => fault.hint(format!("write \"127.0.0.1:{port}\"")),
                None if text.starts_with('/') => fault.hint(format!("write \"unix:{text}\"")),
                None => fault,
            }
        })
    };
    parsed(WANTS, from, Listen::to_string)
}

fn socket(path: &str) -> Result<Listen, Fault> {
    match () {
        () if !path.starts_with('/') || path.contains('\0') => {
            Err(Fault::new(format!("{path:?} is not the absolute path of a socket")))
        }
        () if path.len() > MAX_SOCKET => Err(Fault::new(format!(
            "the path of a socket has {MAX_SOCKET} bytes at most, and this one has {}",
            path.len()
        ))),
        () => Ok(Listen::Unix(path.into())),
    }
}
