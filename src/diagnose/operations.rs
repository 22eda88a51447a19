//! Makes one finding of all the mentions of one failed operation.
//!
//! A record speaks of one failure many times: a parent code, a `sub_code`, its text, the exception, what caused it. The
//! most specific mention stands for all. There are several operations only where the same error field stands there
//! several times: with different codes on one line, or in objects or lines that hold different order numbers.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::judge::Setting;
use super::keys::{self, Role};
use super::reading::Reading;
use super::{Finding, Occurrence, ids, request_id};
use crate::catalog::{Entry, Specificity};
use crate::event::{Ids, Kind};

/// How far around a mention its JSON object is looked for, in bytes.
const OBJECT: usize = 8 * 1024;

/// The operations that the confirmed occurrences of a record speak of.
pub(super) fn operations(setting: Setting<'_>, confirmed: Vec<Occurrence>) -> Vec<Finding> {
    let reading = setting.reading;
    let mut findings = Vec::new();
    let mut parts = by_order(reading, without_inner_codes(reading, confirmed));
    if let [only] = &mut parts[..] {
        only.range = 0..reading.text.len();
    }
    for Part { range, occurrences, .. } in parts {
        for (occurrence, ids) in of_one_part(reading, &range, occurrences) {
            let same = |f: &&Finding| f.occurrence.code == occurrence.code;
            let ordinal = findings.iter().filter(same).count() as u32;
            findings.push(Finding { occurrence, ids, ordinal, level: setting.level });
        }
    }
    findings
}

/// The lines of a record that speak of one order.
struct Part<'t> {
    order: Option<&'t str>,
    range: Range<usize>,
    occurrences: Vec<Occurrence>,
}

/// Lines, and objects over several lines, with different order numbers speak of different operations. What stands in a line
/// without any belongs to those before it, or else to the first that follow.
fn by_order<'t>(reading: &Reading<'t>, confirmed: Vec<Occurrence>) -> Vec<Part<'t>> {
    let text = reading.text;
    let mut parts: Vec<Part<'t>> = Vec::new();
    let mut in_order = confirmed;
    in_order.sort_by_key(|occurrence| occurrence.range.start);
    for occurrence in in_order {
        let mut line = reading.line_around(occurrence.range.start);
        let mut order = ids::order_in_field(reading, line.clone());
        if order.is_none()
            && let Some(object) = object_around(text, &occurrence.range)
        {
            order = ids::order_in_field(reading, object.clone());
            line = line.start.min(object.start)..line.end.max(object.end);
        }
        let known = parts.iter().position(|part| part.order.is_none() || order.is_none() || part.order == order);
        let last = parts.len().saturating_sub(1);
        match known.map(|at| if order.is_none() { last } else { at }) {
            Some(at) => {
                let part = &mut parts[at];
                part.order = part.order.or(order);
                part.range = part.range.start.min(line.start)..part.range.end.max(line.end);
                part.occurrences.push(occurrence);
            }
            None => parts.push(Part { order, range: line, occurrences: vec![occurrence] }),
        }
    }
    parts
}

/// The operations of a part of a record.
fn of_one_part(reading: &Reading<'_>, range: &Range<usize>, confirmed: Vec<Occurrence>) -> Vec<(Occurrence, Ids)> {
    let Some(best) = confirmed.iter().map(|o| o.rank).max() else { return Vec::new() };
    let details: Vec<(Detail, Arc<Entry>)> =
        confirmed.iter().filter_map(|o| Some((detail_in(o)?, o.entry.clone()))).collect();
    let mut leaders: Vec<Occurrence> = Vec::new();
    for occurrence in confirmed.into_iter().filter(|o| o.rank == best) {
        if leaders.iter().all(|leader| is_another(reading, leader, &occurrence)) {
            leaders.push(occurrence);
        }
    }
    let alone = leaders.len() == 1;
    let found = leaders.into_iter().map(|mut occurrence| {
        if alone {
            specify(&mut occurrence, &details);
        }
        let own = if alone { range.clone() } else { part_of(reading, &occurrence) };
        let mut ids = ids::ids(reading, own, occurrence.range.start);
        if ids.out_trade_no.is_none() && !alone {
            ids = ids::ids(reading, range.clone(), occurrence.range.start);
        }
        (occurrence, ids)
    });
    found.collect()
}

/// Alipay's acquiring service ends a text with the code of an inner system, `…请联系管理员处理。[SOUNDWAVE_PARSER_FAIL]`: detail of that
/// text, and no failure of its own.
fn without_inner_codes(reading: &Reading<'_>, mut confirmed: Vec<Occurrence>) -> Vec<Occurrence> {
    let text = reading.text;
    let starts: SmallVec<[usize; 8]> = confirmed.iter().map(|o| o.range.start).collect();
    let is_inner = |o: &Occurrence| {
        let before = text[..o.range.start].strip_suffix('[').filter(|_| text[o.range.end..].starts_with(']'));
        let ends_sentence = before.is_some_and(|before| before.ends_with(['。', '，', '！']));
        let line = reading.line_around(o.range.start);
        ends_sentence && starts.iter().any(|&start| line.start <= start && start < o.range.start)
    };
    confirmed.retain(|o| !is_inner(o));
    confirmed
}

/// What may tell more about a failure than its code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// The code in a request's id.
    RequestId,
    /// A merchant advice code that says how to go on.
    Advice,
    /// A text that no code stands for.
    Text,
    /// A text that goes with a code of its own.
    TextOfCode,
}

/// Codes that say only that the request was refused; the text beside them says why.
const CATCH_ALL: [&str; 10] = [
    "ERROR",
    "NOTENOUGH",
    "ACCOUNT_ERROR",
    "PARAM_ERROR",
    "INVALID_REQUEST",
    "NO_AUTH",
    "SIGN_ERROR",
    "NOAUTH",
    "INVALID_PARAMETER",
    "ACQ.INVALID_PARAMETER",
];

/// What a mention may add: the text of a message field, or the code in a request's id.
fn detail_in(occurrence: &Occurrence) -> Option<Detail> {
    let field = occurrence.key.as_ref()?;
    let key = field.as_str();
    if key == request_id::KEY {
        return Some(Detail::RequestId);
    }
    // These three only name the kind of card.
    if keys::is_advice(key) && !matches!(occurrence.code.as_str(), "40" | "41" | "43") {
        return Some(Detail::Advice);
    }
    let in_field = occurrence.kind == Kind::Message && matches!(keys::role(field), Role::Message { .. });
    let own_codes = occurrence.entry.codes.iter().any(|code| code.specificity != Specificity::Field);
    in_field.then_some(if own_codes { Detail::TextOfCode } else { Detail::Text })
}

/// A general code says less than the text beside it (`SIGN_ERROR` with a text about the certificate's serial number): where
/// that text has an entry of its own, it explains the event. The code stays what was written.
fn specify(occurrence: &mut Occurrence, details: &[(Detail, Arc<Entry>)]) {
    let code = occurrence.entry.codes.iter().find(|code| code.text == occurrence.code);
    let is_general = code.is_none_or(|code| code.specificity == Specificity::Generic);
    let is_catch_all = CATCH_ALL.contains(&occurrence.code.as_str());
    if occurrence.kind == Kind::Message {
        return;
    }
    let says_more = |(detail, entry): &&(Detail, Arc<Entry>)| {
        let same_provider = entry.provider.is_some() && entry.provider == occurrence.provider;
        let explains = match detail {
            Detail::Advice => true,
            Detail::RequestId | Detail::Text => is_general || is_catch_all,
            Detail::TextOfCode => is_catch_all,
        };
        same_provider && entry.id != occurrence.entry.id && explains
    };
    let Some((_, detail)) = details.iter().find(says_more) else { return };
    let general = std::mem::replace(&mut occurrence.entry, detail.clone());
    if occurrence.kind == Kind::Code {
        occurrence.alternatives.push(general.id.clone());
    }
}

/// True if `next` speaks of another operation than `leader`.
fn is_another(reading: &Reading<'_>, leader: &Occurrence, next: &Occurrence) -> bool {
    let text = reading.text;
    if leader.key.is_none() || leader.key != next.key {
        return leader.code != next.code && leader.key.is_none() && next.key.is_none() && same_line(text, leader, next);
    }
    if leader.code != next.code && same_line(text, leader, next) {
        return true;
    }
    let (one, other) = (object_around(text, &leader.range), object_around(text, &next.range));
    match (one, other) {
        (Some(one), Some(other)) if one.end <= other.start => {
            let orders = [one, other].map(|part| ids::ids(reading, part.clone(), part.start).out_trade_no);
            orders[0].is_some() && orders[1].is_some() && orders[0] != orders[1]
        }
        _ => false,
    }
}

fn same_line(text: &str, one: &Occurrence, other: &Occurrence) -> bool {
    !text[one.range.end..other.range.start.max(one.range.end)].contains('\n')
}

/// What belongs to one of several operations: its object, or its line.
fn part_of(reading: &Reading<'_>, occurrence: &Occurrence) -> Range<usize> {
    object_around(reading.text, &occurrence.range).unwrap_or_else(|| reading.line_around(occurrence.range.start))
}

/// The innermost braces around a mention.
fn object_around(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let first = range.start.saturating_sub(OBJECT);
    let start = (first..range.start).rev().find(|&at| match bytes[at] {
        b'}' => {
            depth += 1;
            false
        }
        b'{' if depth > 0 => {
            depth -= 1;
            false
        }
        b'{' => true,
        _ => false,
    })?;
    let mut depth = 0;
    let last = bytes.len().min(range.end + OBJECT);
    let end = (range.end..last).find(|&at| match bytes[at] {
        b'{' => {
            depth += 1;
            false
        }
        b'}' if depth > 0 => {
            depth -= 1;
            false
        }
        b'}' => true,
        _ => false,
    })?;
    Some(start..end + 1)
}
