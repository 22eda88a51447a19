//! Sources: what is wrong with a journal among them, and any of them on its way to TOML and back.

use super::*;

#[test]
fn each_problem_of_a_journal_is_told_with_its_place_and_remedy() {
    let table: &[(&str, &str)] = &[
        (
            "[[source]]\njournal = true",
            "2:11: source[0].journal: expected a table, found true or false; write journal = {}",
        ),
        ("[[source]]\njournal = { unit = [] }", "2:13: source[0].journal.unit: unknown key; did you mean \"units\"?"),
        (
            "[[source]]\njournal = { units = [\"shop\"] }",
            "2:22: source[0].journal.units[0]: \"shop\" has no type; write \"shop.service\"",
        ),
        (
            "[[source]]\njournal = { units = [\"a b\"] }",
            "2:22: source[0].journal.units[0]: \"a b\" is not the name of a unit",
        ),
        (
            "[[source]]\njournal = {}\nwatch = \"poll\"",
            "3:9: source[0].watch: is for files, and this source is the journal; give the files a [[source]] of their own",
        ),
        (
            "[[source]]\njournal = {}\n[[source]]\nname = \"x\"\nstart_at = \"beginning\"\njournal = {}",
            "5:12: source[1].start_at: source[0] begins elsewhere in the same journal; give both the same start_at: a journal is read once \
             for all its sources",
        ),
    ];
    for (text, problem) in table {
        assert_eq!(problems(text), [*problem], "{text}");
    }
    valid(
        "[[source]]\njournal = {}\n[[source]]\nname = \"x\"\njournal = { directory = \"/mnt\" }\nstart_at = \"beginning\"",
    );
}

pub(super) fn any_source() -> impl Strategy<Value = Source> {
    let texts = || proptest::collection::vec(plain_text(), 0..3);
    let words = (
        prop::sample::select(parse::STARTS),
        prop::sample::select(parse::WATCHES),
        prop::sample::select(parse::CHARSETS),
        prop::option::of(prop::sample::select(&Provider::KNOWN[..])),
    );
    let labels = proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    let zone = prop::sample::select(vec![TimeZone::UTC, TimeZone::system()]);
    let files = (plain_text(), texts(), words, labels, zone, 1..u64::from(u32::MAX)).prop_map(
        |(path, exclude, (start_at, watch, encoding, provider), labels, timezone, ms)| Source {
            name: path.trim().to_owned(),
            paths: vec![path],
            journal: None,
            exclude,
            start_at: start_at.1,
            provider,
            encoding: encoding.1,
            timezone,
            labels,
            watch: watch.1,
            poll_interval: Duration::from_millis(ms),
        },
    );
    let units =
        proptest::collection::vec(prop::sample::select(vec!["shop.service", "pay-*", "till@[0-9].service"]), 0..3);
    (files, prop::option::of((units, prop::option::of(plain_text())))).prop_map(|(files, journal)| match journal {
        None => files,
        Some((units, directory)) => Source {
            paths: Vec::new(),
            journal: Some(Journal {
                units: units.into_iter().map(str::to_owned).collect(),
                directory: directory.map(PathBuf::from),
            }),
            exclude: Vec::new(),
            start_at: StartAt::End,
            watch: Watch::Auto,
            poll_interval: Duration::from_secs(10),
            ..files
        },
    })
}
