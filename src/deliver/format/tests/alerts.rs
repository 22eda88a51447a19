//! What Alertmanager and its receivers are sent.

use super::*;

#[test]
fn alerts_are_as_alertmanager_sends_and_takes_them() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let set = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let legal = Regex::new("^[a-zA-Z_][a-zA-Z0-9_]*$").unwrap();
    for (case, rows) in samples::cases(Lang::En) {
        for body in bodies(&Format::Alertmanager, &rows, Lang::En) {
            assert_eq!(
                keys(&body),
                set(
                    "version groupKey truncatedAlerts status receiver groupLabels commonLabels commonAnnotations externalURL alerts"
                )
            );
            for alert in body["alerts"].as_array().unwrap() {
                assert_eq!(keys(alert), set("status labels annotations startsAt endsAt generatorURL fingerprint"));
                let labels = alert["labels"].as_object().unwrap();
                for (name, value) in body["groupLabels"].as_object().unwrap() {
                    assert_eq!(
                        labels.get(name),
                        Some(value),
                        "{case}: a group's labels are those of each of its alerts"
                    );
                }
            }
        }
        for alert in bodies(&Format::AlertmanagerAlerts, &rows, Lang::En)[0].as_array().unwrap() {
            assert!(keys(&alert["labels"]).iter().all(|name| legal.is_match(name)), "{case} {alert}");
            let time = |name: &str| alert[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            assert!(time("startsAt") <= time("endsAt"), "{case} {alert}");
        }
    }
}

/// A receiver that keys by `groupKey` takes the last status of it for that of the incident.
#[test]
fn a_group_of_alerts_is_one_incident_as_long_as_that_lasts() {
    let told = |rows: &[Value]| {
        let bodies = bodies(&Format::Alertmanager, rows, Lang::En);
        bodies.iter().map(|it| (it["groupKey"].to_string(), it["status"].to_string())).collect::<Vec<_>>()
    };
    let mut other = samples::notice("opened", Lang::En);
    other["incident"] = "f0e0d0c0b0a090807060504030201001".into();
    let story = ["opened", "ongoing", "resolved"].map(|status| samples::notice(status, Lang::En));
    let [opened, ongoing, resolved] = story.clone();
    let told = told(&[opened, other, ongoing, resolved]);
    let statuses: Vec<_> = told.iter().map(|(_, status)| status.trim_matches('"')).collect();
    assert_eq!(statuses, ["firing", "firing", "firing", "resolved"], "one request each");
    let key = |n: usize| &told[n].0;
    assert!(key(0) == key(2) && key(0) == key(3) && key(0) != key(1), "{told:?}");
    // Which host has most of its events, and what a reload says of the source's labels, may change.
    let mut changed = story[2].clone();
    changed["sources"][0]["host"] = "pay-2".into();
    changed["severity"] = "critical".into();
    let rows = bytes(&[story[0].clone(), changed]);
    let keys = messages(&rows).into_iter().map(|message| {
        let context = Context { host: None, ..context(&Format::Alertmanager, Lang::En, None) };
        let body = render(&Format::Alertmanager, &[message], &context).unwrap().body;
        serde_json::from_slice::<Value>(&body).unwrap()["groupKey"].clone()
    });
    assert_eq!(BTreeSet::from_iter(keys.map(|key| key.to_string())).len(), 1);
}

#[test]
fn events_of_one_code_and_place_are_a_group() {
    let mut rows = vec![samples::event(Lang::En); 4];
    rows[2]["code"] = "ACQ.OTHER".into();
    rows[3]["source"]["host"] = "pay-2".into();
    let bodies = bodies(&Format::Alertmanager, &rows, Lang::En);
    let n_each: Vec<_> = bodies.iter().map(|body| body["alerts"].as_array().unwrap().len()).collect();
    assert_eq!(n_each, [2, 1, 1]);
    let keys: BTreeSet<_> = bodies.iter().map(|body| body["groupKey"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

/// Of two states in one request it would keep the later end.
#[test]
fn alertmanager_is_sent_each_state_of_an_incident_by_itself() {
    let [opened, resolved] = ["opened", "resolved"].map(|status| samples::notice(status, Lang::En));
    let digest = samples::digest(Lang::En);
    let rows = [opened, samples::event(Lang::En), resolved, samples::event(Lang::En), digest.clone(), digest];
    let bodies = bodies(&Format::AlertmanagerAlerts, &rows, Lang::En);
    let n_each: Vec<_> = bodies.iter().map(|body| body.as_array().unwrap().len()).collect();
    assert_eq!(n_each, [1, 2, 1, 3, 3]);
}

#[test]
fn an_alert_lasts_until_its_next_notice() {
    let rows = bytes(&[samples::notice("ongoing", Lang::En)]);
    let ends = |hours: u64| {
        let longest_pause = Duration::from_secs(hours * 3600);
        let context = Context { longest_pause, ..context(&Format::AlertmanagerAlerts, Lang::En, None) };
        let body = render(&Format::AlertmanagerAlerts, &messages(&rows), &context).unwrap().body;
        serde_json::from_slice::<Value>(&body).unwrap()[0]["endsAt"].clone()
    };
    assert_eq!([ends(4), ends(24)], ["2026-11-23T00:22:30Z", "2026-11-23T20:22:30Z"]);
}

#[test]
fn labels_stay_the_same_while_an_incident_lasts() {
    let labels = |status| {
        bodies(&Format::AlertmanagerAlerts, &[samples::notice(status, Lang::En)], Lang::En)[0][0]["labels"].clone()
    };
    assert_eq!(labels("opened"), labels("resolved"));
    assert_eq!(labels("opened")["app_kubernetes_io_name"], "checkout");
}

#[test]
fn annotations_of_alerts_are_plain_too() {
    let rows = [with_texts(samples::notice("opened", Lang::En), &|_| samples::HOSTILE.to_owned())];
    let forbidden = Regex::new(r"[<>@\[\]*`~\\|&]|://").unwrap();
    for format in [Format::Alertmanager, Format::AlertmanagerAlerts] {
        let body = bodies(&format, &rows, Lang::En).remove(0);
        let alert = if body.is_array() { &body[0] } else { &body["alerts"][0] };
        for (name, text) in alert["annotations"].as_object().unwrap() {
            assert!(!forbidden.is_match(text.as_str().unwrap()), "{name}: {text}");
        }
    }
}
