//! Kinds of values that rules about incidents are made of.

use jiff::Timestamp;
use jiff::civil::Time;
use toml::Value;
use toml::de::DeValue;

use super::super::Source;
use super::super::problem::Fault;
use super::super::table::Node;
use super::{Kind, checked, provider};
use crate::catalog::MAX_COUNT;

/// The source, and the provider, of what paytriage reports of itself.
const OURSELVES: &str = "paytriage";

/// The name of a source. Where there are none here they come from the command line, and any name goes.
pub(in super::super) fn source_name(mut names: Vec<String>) -> Kind<String> {
    if !names.is_empty() {
        names.push(OURSELVES.to_owned());
    }
    one_of("no source is called", names)
}

/// The name of a label that a source has. Any goes where there are no sources.
pub(in super::super) fn label_name(sources: &[Source]) -> Kind<String> {
    let names: Vec<String> = sources.iter().flat_map(|source| source.labels.keys().cloned()).collect();
    match (sources, &names[..]) {
        ([_, ..], []) => checked("a string", |text| Err(Fault::new(format!("no source has a label {text:?}")))),
        _ => one_of("no source has a label", names),
    }
}

fn one_of(otherwise: &'static str, names: Vec<String>) -> Kind<String> {
    checked("a string", move |text| {
        if names.is_empty() || names.iter().any(|name| name == text) {
            return Ok(());
        }
        Err(Fault::new(format!("{otherwise} {text:?}")).nearest(text, names.iter().map(String::as_str)))
    })
}

/// A code, an entry's id, or the beginning of one.
pub(in super::super) fn code_pattern() -> Kind<String> {
    checked("a string", |text| {
        let name = text.strip_suffix('*').unwrap_or(text);
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match text {
            "" => Err(Fault::new("the code is empty").hint("\"*\" stands for all")),
            _ if name.bytes().all(is_name) => Ok(()),
            _ => Err(Fault::new(format!("{text:?} is not a code or an entry id"))
                .hint("use letters, digits, \".\", \"_\" and \"-\"; \"*\" may stand at the end")),
        }
    })
}

/// A provider by its name; paytriage itself is one here.
pub(in super::super) fn provider_name(extra_catalogues: &[String]) -> Kind<String> {
    let provider = provider(extra_catalogues);
    Kind {
        wants: "a string".into(),
        read: Box::new(move |node| match node.value.as_str() {
            Some(OURSELVES) => Some(OURSELVES.to_owned()),
            _ => provider.read(node).map(|provider| provider.to_string()),
        }),
        write: Box::new(|name| Value::String(name.clone())),
    }
}

/// How many events, from 1 on.
pub(in super::super) fn count() -> Kind<u32> {
    let wants = format!("a number from 1 to {MAX_COUNT}");
    let wanted = wants.clone();
    Kind {
        wants,
        read: Box::new(move |node| {
            let DeValue::Integer(number) = node.value else {
                node.fault(node.mismatch(&wanted));
                return None;
            };
            let count = u32::from_str_radix(number.as_str(), number.radix()).ok();
            let count = count.filter(|count| (1..=MAX_COUNT).contains(count));
            if count.is_none() {
                node.fault(Fault::new(format!("{number} is not {wanted}")));
            }
            count
        }),
        write: Box::new(|&count| Value::Integer(count.into())),
    }
}

/// A moment with its offset from UTC, with or without quotes.
pub(in super::super) fn moment() -> Kind<Timestamp> {
    const WANTS: &str = "a time such as 2026-12-01T08:00:00+08:00";
    temporal(WANTS, |text| {
        let fault = || Fault::new(format!("{text:?} is not {WANTS}"));
        text.parse().map_err(|_| match text.parse::<jiff::civil::DateTime>() {
            Ok(_) => fault().hint("add the offset from UTC, or Z"),
            Err(_) => fault(),
        })
    })
}

/// A time of day to the minute, with or without quotes.
pub(in super::super) fn time_of_day() -> Kind<Time> {
    const WANTS: &str = "a time of day such as \"22:00\"";
    temporal(WANTS, |text| match text {
        "24:00" => Err(Fault::new("a day ends at \"00:00\" of the next")),
        _ => text.parse().map_err(|_| Fault::new(format!("{text:?} is not {WANTS}"))),
    })
}

/// A value of TOML's own type for dates and times, or a string of the same form.
fn temporal<T: ToString + 'static>(wants: &'static str, from: impl Fn(&str) -> Result<T, Fault> + 'static) -> Kind<T> {
    let text = move |node: &Node<'_>| match node.value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Datetime(datetime) => Ok(datetime.to_string()),
        _ => Err(node.mismatch(wants)),
    };
    Kind {
        wants: wants.into(),
        read: Box::new(move |node| text(node).and_then(|text| from(&text)).map_err(|fault| node.fault(fault)).ok()),
        write: Box::new(|value| Value::String(value.to_string())),
    }
}
