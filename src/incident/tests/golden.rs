//! Messages as they are written, in both languages: `tests/golden/incident/<case>.<lang>.json`.
//!
//! `UPDATE_GOLDEN=1 cargo test --lib golden` rewrites them; the diff is reviewed like code.

use super::*;

/// The bodies of all messages of a short outage: opened, ongoing and resolved of one incident, and a digest in the end.
fn bodies(lang: Lang) -> Vec<(&'static str, Vec<u8>)> {
    let mut settings = settings();
    settings.lang = lang;
    let (mut incidents, _) = Incidents::restore(settings, Vec::new());
    let mut driver = Driver::new();
    let mut bodies = Vec::new();
    let mut at = |name, now_ms: i64, events: &[Event]| {
        driver.now_ms = now_ms;
        for event in events {
            let mut event = event.clone();
            driver.n_events += 1;
            event.observed = driver.clock().wall;
            event.id.0 = key::hash(&[&driver.n_events.to_le_bytes()]);
            incidents.observe(&event, driver.clock());
        }
        bodies.extend(incidents.tick(driver.clock(), &[]).into_iter().map(|message| (name, message.body)));
    };
    let refused = entry("card-refused");
    let mut a = event(&refused, "shop", "SO1001");
    a.ids.mch_id = Some("1900000109".into());
    let b = event(&refused, "shop", "SO1002");
    let other = event(&entry("issuer-declined"), "kiosk", "SO1001");
    at("opened", 0, &vec![a.clone(); 10]);
    at("ongoing", 6 * MINUTE, &[b.clone(), b]);
    at("resolved", 17 * MINUTE, &[]);
    at("first of two", 20 * MINUTE, &[other]);
    at("digest", 31 * MINUTE, &vec![a; 10]);
    bodies.retain(|(name, _)| *name != "first of two");
    bodies
}

#[test]
fn messages_are_written_as_in_the_golden_files() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/incident");
    for lang in [Lang::En, Lang::Zh] {
        let bodies = bodies(lang);
        assert_eq!(
            bodies.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["opened", "ongoing", "resolved", "digest"]
        );
        for (name, body) in bodies {
            let json: Value = serde_json::from_slice(&body).unwrap();
            assert_valid(&json);
            let text = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
            let path = dir.join(format!("{name}.{lang}.json"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(golden == text, "{} differs; UPDATE_GOLDEN=1 rewrites it:\n{text}", path.display());
        }
    }
}
