//! Which rows a sink is told of. Pure: a row, the sink's name and its filter in, what it gets of the row out.
//!
//! That it is down itself, and up again, a sink is not told: while it is so nothing reaches it, and afterwards it is no news.
//! An incident that the sink was told of passes to its end, whatever the filter has become. A digest passes if any of its
//! incidents does, and is told with those only. A row that this version cannot read passes: nothing disappears because it
//! was not understood.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;

use crate::catalog::Severity;
use crate::config::Filter;
use crate::deliver::message::{Event, Item, Message, listed};
use crate::incident::digest_of;
use crate::incident::notice::{Digest, Notice, Status, Totals, Unheard};
use crate::notice::{SINK, SINK_DOWN, SINK_UP};
use crate::store::{Heard, Incidents};

/// The code of what paytriage says of rows that were given up.
const DROPPED: &str = "PT.DROPPED";

/// What one sink wants.
struct Wants<'a> {
    sink: &'a str,
    filter: &'a Filter,
    heard: &'a Heard,
}

impl Wants<'_> {
    fn event(&self, event: &Event) -> bool {
        self.passes(&about_event(event), false)
    }

    fn notice(&self, notice: &Notice) -> bool {
        self.passes(&about_notice(notice), self.heard.contains(&notice.incident))
    }

    fn unheard(&self, unheard: &Unheard) -> bool {
        self.passes(&about_unheard(unheard), false)
    }

    fn passes(&self, about: &About, is_heard: bool) -> bool {
        (is_heard || about.passes(self.filter)) && !about.is_health_of(self.sink)
    }
}

/// The row as the sink gets it; `None` if it does not.
pub fn passing<'a>(row: &'a [u8], sink: &str, filter: &Filter, heard: &Heard) -> Option<Cow<'a, [u8]>> {
    // Nearly no row is about a sink, so most need not be read.
    let is_of_sinks = || [SINK_DOWN, SINK_UP].iter().any(|entry| memmem::find(row, entry.as_bytes()).is_some());
    if *filter == Filter::default() && !is_of_sinks() {
        return Some(Cow::Borrowed(row));
    }
    let wants = Wants { sink, filter, heard };
    part_of(row, |it| wants.event(it), |it| wants.notice(it), |it| wants.unheard(it))
}

/// The row without the ends of incidents whose beginning the sink was not told of: there is nothing that they would close. `None` if
/// nothing is left.
pub fn begun<'a>(row: &'a [u8], heard: &Heard) -> Option<Cow<'a, [u8]>> {
    let is_known = |notice: &Notice| notice.status != Status::Resolved || heard.contains(&notice.incident);
    part_of(row, |_| true, is_known, |_| true)
}

/// What a row says of these incidents, and of those that nobody was told of; `None` if nothing.
pub fn about<'a>(row: &'a [u8], filter: &Filter, incidents: &Incidents) -> Option<Cow<'a, [u8]>> {
    let wants_unheard = |unheard: &Unheard| about_unheard(unheard).passes(filter);
    part_of(row, |_| true, |notice| incidents.contains_key(&notice.incident), wants_unheard)
}

fn part_of<'a>(
    row: &'a [u8],
    wants_event: impl Fn(&Event) -> bool,
    wants: impl Fn(&Notice) -> bool,
    wants_unheard: impl Fn(&Unheard) -> bool,
) -> Option<Cow<'a, [u8]>> {
    let whole = |passes: bool| passes.then_some(Cow::Borrowed(row));
    match Message::parse(row).map(|message| message.item) {
        Ok(Item::Event(event)) => whole(wants_event(&event)),
        Ok(Item::Incident(notice)) => whole(wants(&notice)),
        Ok(Item::Digest(digest)) => of_digest(row, &digest, wants, wants_unheard),
        Err(_) => whole(true),
    }
}

/// Whether a sink misses a row that it never gets. Not what is not for it, and no word about what it did not get: each such
/// word would lead to the next.
pub fn is_missed(row: &[u8], sink: &str, filter: &Filter, heard: &Heard) -> bool {
    let wants = Wants { sink, filter, heard };
    match Message::parse(row).map(|message| message.item) {
        Ok(Item::Event(event)) => event.code != DROPPED && wants.event(&event),
        Ok(Item::Incident(notice)) => notice.code != DROPPED && wants.notice(&notice),
        Ok(Item::Digest(digest)) => {
            let is_missed = |notice: &Notice| notice.code != DROPPED && wants.notice(notice);
            digest.unheard.iter().any(|it| wants.unheard(it)) || digest.incidents.iter().any(is_missed)
        }
        Err(_) => true,
    }
}

fn of_digest<'a>(
    row: &'a [u8],
    digest: &Digest,
    wants: impl Fn(&Notice) -> bool,
    wants_unheard: impl Fn(&Unheard) -> bool,
) -> Option<Cow<'a, [u8]>> {
    let passes: Vec<bool> = digest.incidents.iter().map(wants).collect();
    let unheard: Vec<Unheard> = digest.unheard.iter().filter(|it| wants_unheard(it)).cloned().collect();
    if !passes.contains(&true) && unheard.is_empty() {
        return None;
    }
    if !passes.contains(&false) && unheard.len() == digest.unheard.len() {
        return Some(Cow::Borrowed(row));
    }
    // What was read from JSON is JSON again.
    Some(part(row, digest, &passes, unheard).map_or(Cow::Borrowed(row), Cow::Owned))
}

/// A digest of those incidents only, each as it was.
fn part(row: &[u8], digest: &Digest, passes: &[bool], unheard: Vec<Unheard>) -> serde_json::Result<Vec<u8>> {
    let written = listed(row)?.into_iter().zip(passes).filter_map(|(it, passes)| passes.then_some(it)).collect();
    let mut totals = Totals::default();
    let notices = digest.incidents.iter().zip(passes).filter(|(_, passes)| **passes);
    notices.for_each(|(notice, _)| totals.count(notice));
    let Totals { opened, ongoing, resolved, unfollowed, events } = totals;
    // Nothing is known of those that are not named.
    let more = unheard.len() as u64;
    let part = Digest {
        id: digest.id.clone(),
        time: digest.time.clone(),
        incidents: Vec::new(),
        more,
        opened,
        ongoing,
        resolved,
        unfollowed: unfollowed + more,
        count: events + unheard.iter().map(|it| it.count).sum::<u64>(),
        unheard,
    };
    Ok(digest_of(&part, written))
}

/// What a filter looks at.
struct About<'a> {
    severity: &'a str,
    provider: Option<&'a str>,
    code: &'a str,
    entry: &'a str,
    /// Of each source.
    labels: Vec<&'a BTreeMap<String, String>>,
}

fn about_event(event: &Event) -> About<'_> {
    About {
        severity: &event.severity,
        provider: event.provider.as_deref(),
        code: &event.code,
        entry: &event.entry,
        labels: vec![&event.source.labels],
    }
}

fn about_notice(notice: &Notice) -> About<'_> {
    About {
        severity: &notice.severity,
        provider: notice.provider.as_deref(),
        code: &notice.code,
        entry: &notice.entry,
        labels: notice.sources.iter().map(|source| &source.labels).collect(),
    }
}

fn about_unheard(unheard: &Unheard) -> About<'_> {
    About {
        severity: &unheard.severity,
        provider: unheard.provider.as_deref(),
        code: &unheard.code,
        entry: &unheard.entry,
        labels: vec![&unheard.labels],
    }
}

impl About<'_> {
    /// It says that this sink is down or up.
    fn is_health_of(&self, sink: &str) -> bool {
        [SINK_DOWN, SINK_UP].contains(&self.entry)
            && self.labels.iter().any(|own| own.get(SINK).is_some_and(|name| name == sink))
    }

    fn passes(&self, filter: &Filter) -> bool {
        let Filter { min_severity, providers, codes, labels } = filter;
        // A word of a later version may be worse than all that are known.
        Severity::parse(self.severity).is_none_or(|severity| severity >= *min_severity)
            && (providers.is_empty() || self.provider.is_some_and(|own| providers.iter().any(|it| it == own)))
            && (codes.is_empty() || codes.iter().any(|it| fits(it, self.code) || fits(it, self.entry)))
            && (labels.is_empty() || self.labels.iter().any(|own| labels.iter().all(|(k, v)| own.get(k) == Some(v))))
    }
}

/// `*` at the end stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NAME: &str = "oncall";

    fn event() -> Value {
        json!({
            "schema": "paytriage.event/1", "id": "00", "observed_time": "2026-01-01T00:00:00Z", "code": "ACQ.SYSTEM_ERROR",
            "kind": "code", "entry": "alipay.acq.system-error", "provider": "alipay", "title": "t", "category": "system",
            "severity": "error", "act": "merchant", "advice": "query_first", "retry": "after_query", "cause": "c",
            "source": {"name": "shop", "path": "/a", "line": 1, "offset": 0, "labels": {"env": "prod", "team": "pay"}},
            "excerpt": "e",
        })
    }

    fn notice(severity: &str, status: &str, count: u64) -> Value {
        json!({
            "schema": "paytriage.incident/1", "id": "0", "incident": "1", "status": status, "reason": "threshold", "time": "t", "opened_at": "t",
            "first_seen": "t", "last_seen": "t", "count": count, "new": count, "rate_per_minute": 1.5,
            "orders": {"distinct": 1, "exact": true}, "scope": "isolated", "scope_text": "s", "code": "C", "kind": "code",
            "entry": "wechatpay.c", "provider": "wechatpay", "title": "t", "category": "system", "severity": severity,
            "act": "merchant", "advice": "none", "retry": "never", "cause": "c", "samples": [],
            "sources": [{"name": "a", "count": 1}, {"name": "b", "count": 1, "labels": {"env": "prod"}}],
        })
    }

    fn passes(row: &Value, filter: &Filter) -> bool {
        passing(row.to_string().as_bytes(), NAME, filter, &Heard::default()).is_some()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn an_event_passes_if_all_of_the_filter_fits() {
        let all = Filter::default;
        let filters = [
            (all(), true),
            (Filter { min_severity: Severity::Error, ..all() }, true),
            (Filter { min_severity: Severity::Critical, ..all() }, false),
            (Filter { providers: words(&["unionpay", "alipay"]), ..all() }, true),
            (Filter { providers: words(&["alipayplus"]), ..all() }, false),
            (Filter { codes: words(&["ACQ.*"]), ..all() }, true),
            (Filter { codes: words(&["ACQ.SYSTEM_ERROR"]), ..all() }, true),
            (Filter { codes: words(&["alipay.acq.system-error"]), ..all() }, true),
            (Filter { codes: words(&["alipay.*"]), ..all() }, true),
            (Filter { codes: words(&["ACQ.SYSTEM", "*.SYSTEM_ERROR"]), ..all() }, false),
            (Filter { labels: labels(&[("env", "prod"), ("team", "pay")]), ..all() }, true),
            (Filter { labels: labels(&[("env", "prod"), ("team", "x")]), ..all() }, false),
            (Filter { labels: labels(&[("zone", "")]), ..all() }, false),
            (Filter { providers: words(&["alipay"]), min_severity: Severity::Critical, ..all() }, false),
        ];
        for (filter, expected) in filters {
            assert_eq!(passes(&event(), &filter), expected, "{filter:?}");
        }
        let mut nameless = event();
        nameless.as_object_mut().unwrap().remove("provider");
        assert!(!passes(&nameless, &Filter { providers: words(&["alipay"]), ..all() }));
    }

    #[test]
    fn an_incident_passes_if_one_of_its_sources_has_the_labels() {
        let row = notice("warning", "opened", 1);
        assert!(passes(&row, &Filter { labels: labels(&[("env", "prod")]), ..Filter::default() }));
        assert!(!passes(&row, &Filter { labels: labels(&[("env", "test")]), ..Filter::default() }));
        assert!(!passes(&row, &Filter { min_severity: Severity::Error, ..Filter::default() }));
    }

    #[test]
    fn of_a_digest_those_incidents_are_told_that_pass() {
        let mut unfollowed = notice("error", "resolved", 3);
        unfollowed["reason"] = "crowded_out".into();
        let row = json!({
            "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 3, "opened": 4, "ongoing": 1, "resolved": 1,
            "count": 900,
            "unfollowed": 4,
            "incidents": [notice("critical", "opened", 5), notice("info", "opened", 7), notice("error", "resolved", 2), unfollowed],
        });
        let text = row.to_string();
        let filter = |min_severity| Filter { min_severity, ..Filter::default() };
        let passing = |filter: &Filter| passing(text.as_bytes(), NAME, filter, &Heard::default());
        let part = passing(&filter(Severity::Error)).expect("two pass");
        let Item::Digest(digest) = Message::parse(&part).unwrap().item else { panic!("it is a digest") };
        let severities: Vec<_> = digest.incidents.iter().map(|it| &*it.severity).collect();
        assert_eq!(severities, ["critical", "error", "error"]);
        assert_eq!((digest.opened, digest.ongoing, digest.resolved, digest.unfollowed), (1, 0, 1, 1));
        assert_eq!((digest.count, digest.more), (10, 0));
        assert_eq!(digest.id, "d");
        // Each of them is as it was, with the name of its schema.
        let listed: Value = serde_json::from_slice(&part).unwrap();
        assert_eq!((&listed["incidents"][0], &listed["incidents"][1]), (&row["incidents"][0], &row["incidents"][2]));
        // All of it is told as it was stored.
        assert_eq!(passing(&filter(Severity::Info)).unwrap(), text.as_bytes());
        let other = Filter { providers: words(&["alipay"]), ..Filter::default() };
        assert_eq!(passing(&other), None);
    }

    #[test]
    fn an_incident_that_a_sink_was_told_of_passes_whatever_the_filter_says() {
        let (mut told, other) = (notice("info", "resolved", 1), notice("info", "opened", 1));
        told["incident"] = "2".into();
        let digest = json!({
            "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 0, "opened": 1, "ongoing": 0, "resolved": 1,
            "count": 2, "incidents": [other, told],
        });
        let filter = Filter { codes: words(&["NOTHING"]), ..Filter::default() };
        let heard = Heard::from(["2".to_owned()]);
        for (row, is_told) in [(&told, true), (&other, false), (&digest, true), (&event(), false)] {
            let row = row.to_string();
            assert_eq!(passing(row.as_bytes(), NAME, &filter, &heard).is_some(), is_told, "{row}");
            assert_eq!(is_missed(row.as_bytes(), NAME, &filter, &heard), is_told, "{row}");
        }
        let text = digest.to_string();
        let about = about(text.as_bytes(), &filter, &Incidents::from([("2".to_owned(), true)])).unwrap();
        assert_eq!(passing(text.as_bytes(), NAME, &filter, &heard).unwrap(), about);
        let about: Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(about["incidents"], json!([told]));
    }

    #[test]
    fn of_what_is_only_counted_a_sink_is_told_what_would_have_been_for_it() {
        let unheard = |severity, count| {
            json!({ "code": "C", "entry": "wechatpay.c", "provider": "wechatpay", "title": "t", "severity": severity, "source": "a",
                "labels": { "env": "prod" }, "count": count })
        };
        let row = json!({
            "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 30, "opened": 0, "ongoing": 0, "resolved": 0, "unfollowed": 30,
            "count": 90, "incidents": [], "unheard": [unheard("error", 5), unheard("warning", 2)],
        });
        let text = row.to_string();
        let part = |filter: &Filter| {
            passing(text.as_bytes(), NAME, filter, &Heard::default())
                .map(|row| serde_json::from_slice::<Value>(&row).unwrap())
        };
        let errors = part(&Filter { min_severity: Severity::Error, ..Filter::default() }).expect("one is for it");
        assert_eq!(errors["unheard"], json!([unheard("error", 5)]));
        let numbers = ["more", "unfollowed", "count", "opened"].map(|name| errors[name].as_u64());
        assert_eq!(numbers, [Some(1), Some(1), Some(5), Some(0)], "of the others nothing is known");
        let prod = Filter { labels: labels(&[("env", "prod")]), ..Filter::default() };
        assert_eq!(part(&prod), Some(row.clone()));
        let other = Filter { labels: labels(&[("env", "test")]), ..Filter::default() };
        assert_eq!(part(&other), None);
        let mut hostile = row;
        hostile["unheard"][0]["source"] = "a\u{202e}b".into();
        let errors = Filter { min_severity: Severity::Error, ..Filter::default() };
        let hostile = hostile.to_string();
        let part = passing(hostile.as_bytes(), NAME, &errors, &Heard::default()).unwrap();
        assert!(String::from_utf8_lossy(&part).contains(r"a\u202eb"), "hidden characters stay escaped");
    }

    #[test]
    fn a_sink_misses_what_is_for_it_but_no_word_about_what_it_missed() {
        let filter = |codes| Filter { codes: words(codes), ..Filter::default() };
        let is_missed =
            |row: &Value, codes| is_missed(row.to_string().as_bytes(), NAME, &filter(codes), &Heard::default());
        let mut word = event();
        word["code"] = DROPPED.into();
        assert!(is_missed(&event(), &[]) && is_missed(&event(), &["ACQ.*"]) && !is_missed(&event(), &["isv.*"]));
        assert!(!is_missed(&word, &[]));
        let mut of_word = notice("warning", "opened", 1);
        of_word["code"] = DROPPED.into();
        let digest = |incidents: &[&Value]| {
            json!({"schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 0, "opened": 1, "ongoing": 0, "resolved": 0,
                "count": 1, "incidents": incidents})
        };
        assert!(!is_missed(&digest(&[&of_word, &of_word]), &[]));
        assert!(is_missed(&digest(&[&of_word, &notice("info", "opened", 1)]), &[]));
    }

    #[test]
    fn an_end_closes_only_what_was_told() {
        let heard = Heard::from(["1".to_owned()]);
        let row = |incident: &str, status: &str| {
            let mut notice = notice("error", status, 1);
            notice["incident"] = incident.into();
            notice
        };
        for (incident, status, is_told) in
            [("1", "resolved", true), ("2", "resolved", false), ("2", "opened", true), ("2", "ongoing", true)]
        {
            let row = row(incident, status).to_string();
            assert_eq!(begun(row.as_bytes(), &heard).is_some(), is_told, "{row}");
        }
        let digest = json!({
            "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 0, "opened": 0, "ongoing": 0, "resolved": 2,
            "count": 2, "incidents": [row("1", "resolved"), row("2", "resolved")],
        });
        let part: Value = serde_json::from_slice(&begun(digest.to_string().as_bytes(), &heard).unwrap()).unwrap();
        assert_eq!(part["incidents"], json!([row("1", "resolved")]));
        assert_eq!(begun(event().to_string().as_bytes(), &heard).unwrap(), event().to_string().as_bytes());
    }

    #[test]
    fn what_is_not_understood_passes() {
        let filter = Filter { min_severity: Severity::Critical, ..Filter::default() };
        assert!(passing(br#"{"schema":"paytriage.event/9"}"#, NAME, &filter, &Heard::default()).is_some());
    }

    #[test]
    fn a_sink_is_not_told_of_its_own_health_and_of_all_else_it_is() {
        let own = |code: &str, entry: &str, sink: &str| {
            let mut notice = notice("error", "opened", 1);
            (notice["code"], notice["entry"], notice["provider"]) = (code.into(), entry.into(), "paytriage".into());
            notice["sources"] = json!([{ "name": "paytriage", "count": 1, "labels": { "sink": sink } }]);
            notice
        };
        let (down, up, dropped) = ("paytriage.sink-down", "paytriage.sink-up", "paytriage.dropped");
        let mut up_event = event();
        (up_event["code"], up_event["entry"]) = ("PT.SINK_UP".into(), up.into());
        up_event["source"]["labels"] = json!({ "sink": NAME });
        let all = [Filter::default(), Filter { providers: words(&["paytriage", "alipay"]), ..Filter::default() }];
        for filter in &all {
            let cases = [
                (own("PT.SINK_DOWN", down, NAME), false),
                (own("PT.SINK_DOWN", down, "log"), true),
                (own("PT.DROPPED", dropped, NAME), true),
                (up_event.clone(), false),
                (event(), true),
            ];
            for (row, expected) in cases {
                assert_eq!(passes(&row, filter), expected, "{row}");
                let is_missed = is_missed(row.to_string().as_bytes(), NAME, filter, &Heard::default());
                assert_eq!(is_missed, expected && row["code"] != "PT.DROPPED", "{row}");
            }
            let digest = json!({
                "schema": "paytriage.digest/1", "id": "d", "time": "t", "more": 0, "opened": 2, "ongoing": 0, "resolved": 0,
                "count": 2, "incidents": [own("PT.SINK_DOWN", down, NAME), own("PT.SINK_DOWN", down, "log")],
            });
            let digest = digest.to_string();
            let part = passing(digest.as_bytes(), NAME, filter, &Heard::default()).expect("one is for it");
            let part: Value = serde_json::from_slice(&part).unwrap();
            assert_eq!(part["incidents"], json!([own("PT.SINK_DOWN", down, "log")]));
        }
        // Whatever it was told: what is told of it after it is up again is no news either.
        let row = own("PT.SINK_DOWN", down, NAME).to_string();
        assert_eq!(passing(row.as_bytes(), NAME, &all[0], &Heard::from(["1".to_owned()])), None);
    }
}
