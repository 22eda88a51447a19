//! Text in, entries or problems out.

use super::*;

const NEW: &str = r#"
[[entry]]
id = "shop.refused"
provider = "shop-gateway"
codes = ["SHOP_REFUSED", { code = "R7", specificity = "field" }]
specificity = "distinctive"
category = "other"
severity = "error"
act = "merchant"
advice = "fix_request"
retry = "never"
title.en = "Refused by the shop gateway"
cause.en = "The gateway's own rule."
operator.en = ["See the gateway's rules."]
payer.en = ["Please pay in cash."]
match = ["code=SHOP_REFUSED"]
near_miss = ["MY_SHOP_REFUSED_COUNT=1"]
"#;

fn load(text: &str) -> Result<Catalog, Vec<String>> {
    let problems = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    Catalog::from_sources().with_files(&[("my.toml", text)]).map_err(problems)
}

/// `NEW` with one piece of text replaced.
fn broken(piece: &str, replacement: &str) -> Vec<String> {
    assert!(NEW.contains(piece));
    load(&NEW.replace(piece, replacement)).expect_err("should be refused")
}

#[test]
fn what_the_build_prepared_is_what_the_files_say() {
    let (prepared, read) = (Catalog::builtin(), Catalog::from_sources());
    // Test lines stay behind: only `catalog check` wants them, and it reads the files.
    let without_tests = |entry: &Entry| Entry { examples: Vec::new(), near_misses: Vec::new(), ..entry.clone() };
    let both = prepared.entries().iter().zip(read.entries()).chain([(prepared.fallback(), read.fallback())]);
    let both = both.chain(prepared.own().iter().zip(read.own()));
    both.for_each(|(prepared, read)| assert_eq!(**prepared, without_tests(read)));
    assert_eq!(prepared.entries().len(), read.entries().len());
    assert_eq!(prepared.guides(), read.guides());
    read.entries().iter().for_each(|entry| assert_eq!(prepared.place(&entry.id), read.place(&entry.id)));
}

#[test]
fn builtin_catalogue_is_clean() {
    let problems = Catalog::from_sources().check();
    assert!(problems.is_empty(), "{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>());
}

#[test]
fn builtin_texts_are_chinese_where_they_should_be() {
    let has_han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let catalog = Catalog::builtin();
    for entry in catalog.entries().iter().chain(catalog.own()).chain([catalog.fallback()]) {
        let zh = [&entry.title.zh, &entry.cause.zh].into_iter().chain(&entry.operator.zh).chain(&entry.payer.zh);
        zh.for_each(|text| assert!(has_han(text), "{}: {text}", entry.id));
        let en = [&entry.title.en].into_iter().chain(&entry.payer.en);
        en.for_each(|text| assert!(!has_han(text), "{}: {text}", entry.id));
        // Consoles and answers are Chinese: an operator is told their words as they stand there.
        let mostly_en =
            |text: &str| text.chars().filter(|c| c.is_ascii_alphabetic()).count() * 2 > text.chars().count();
        let en = [&entry.cause.en].into_iter().chain(&entry.operator.en);
        en.for_each(|text| assert!(mostly_en(text), "{}: {text}", entry.id));
    }
}

#[test]
fn master_list_is_covered() {
    let catalog = Catalog::builtin();
    let code_of = |id: &str| catalog.get(id).map(|entry| entry.reported_code().to_owned());
    let rows = [
        ("risk-control", "RISK_CONTROL"),
        ("account-frozen", "ACCOUNT_FROZEN"),
        ("issuer-declined", "ISSUER_DECLINED"),
        ("unsupported-card", "UNSUPPORTED_CARD"),
        ("payment-amount-exceed-limit", "PAYMENT_AMOUNT_EXCEED_LIMIT"),
        ("user-account-status-error", "USER_ACCOUNT_STATUS_ERROR"),
        ("system-busy", "SYSTEM_BUSY"),
        ("illegal-exterior-user-scene", "ILLEGAL_EXTERIOR_USER_SCENE"),
        ("parameter-invalid", "PARAMETER_INVALID"),
        ("sms-code-not-received", "SMS_CODE_NOT_RECEIVED"),
    ];
    for (id, code) in rows {
        assert_eq!(code_of(id).as_deref(), Some(code), "{id}");
    }
    let bracketed = catalog.entries().iter().flat_map(|entry| &entry.codes).find(|code| code.text == "C6-1011");
    assert_eq!(bracketed.map(|code| code.specificity), Some(Specificity::Field));
}

#[test]
fn a_threshold_is_taken_or_told_what_is_wrong_with_it() {
    let with =
        |threshold: &str| NEW.replace("retry = \"never\"", &format!("retry = \"never\"\nthreshold = {threshold}"));
    let catalog = load(&with("{ count = 5, within = \"1m\" }")).unwrap();
    let threshold = Threshold { count: 5, within: std::time::Duration::from_secs(60) };
    assert_eq!(catalog.get("shop.refused").unwrap().threshold, Some(threshold));
    assert_eq!(load(NEW).unwrap().get("shop.refused").unwrap().threshold, None);
    for (wrong, told) in [
        ("5", "threshold: expected a table, found a number"),
        ("{ count = 5 }", "threshold.within: missing; a new entry needs it"),
        ("{ count = 0, within = \"1m\" }", "threshold.count: 0 is not a number of events from 1 to 1000"),
        ("{ count = 1001, within = \"1m\" }", "threshold.count: 1001 is not a number of events from 1 to 1000"),
        ("{ count = \"5\", within = \"1m\" }", "threshold.count: expected a whole number, found a string"),
        (
            "{ count = 5, within = \"1 min\" }",
            "threshold.within: \"1 min\" is not a duration such as \"30s\" or \"5m\"",
        ),
        ("{ count = 5, within = \"0s\" }", "threshold.within: \"0s\" is not a duration such as \"30s\" or \"5m\""),
        ("{ count = 5, within = \"1m\", per = 1 }", "threshold.per: unknown key"),
    ] {
        let problems = load(&with(wrong)).expect_err("should be refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].ends_with(told), "{problems:?}");
    }
}

#[test]
fn own_entry_is_added_and_one_language_serves_for_both() {
    let catalog = load(NEW).unwrap();
    let entry = catalog.get("shop.refused").unwrap();
    let codes: Vec<_> = entry.codes.iter().map(|code| (code.text.as_str(), code.specificity)).collect();
    assert_eq!(codes, [("SHOP_REFUSED", Specificity::Distinctive), ("R7", Specificity::Field)]);
    assert_eq!(entry.title.zh, "Refused by the shop gateway");
    assert_eq!(catalog.place(&entry.id).unwrap().to_string(), "my.toml:2:1");
    assert!(catalog.check().is_empty());
}

#[test]
fn override_changes_only_the_fields_it_gives() {
    let text = "[[entry]]\nid = \"system-busy\"\nseverity = \"critical\"\npayer.en = [\"Please wait.\"]\n";
    let (old, new) = (Catalog::from_sources(), load(text).unwrap());
    let mut expected = Entry::clone(old.get("system-busy").unwrap());
    expected.severity = Severity::Critical;
    expected.payer.en = vec!["Please wait.".to_owned()];
    assert_eq!(**new.get("system-busy").unwrap(), expected);
    assert_eq!(new.entries().len(), old.entries().len());
}

#[test]
fn override_of_specificity_spares_codes_that_have_their_own() {
    let catalog = load("[[entry]]\nid = \"issuer-declined\"\nspecificity = \"distinctive\"\n").unwrap();
    let codes = catalog.get("issuer-declined").unwrap().codes.iter().map(|code| code.specificity).collect::<Vec<_>>();
    assert_eq!(codes, [Specificity::Distinctive, Specificity::Field]);
}

#[test]
fn override_of_codes_keeps_their_specificity() {
    let catalog = load("[[entry]]\nid = \"system-busy\"\ncodes = [\"BUSY_NOW\"]\n").unwrap();
    let expected = [Code { text: "BUSY_NOW".to_owned(), specificity: Specificity::Generic, fields: Vec::new() }];
    assert_eq!(catalog.get("system-busy").unwrap().codes, expected);
}

#[test]
fn later_file_overrides_an_earlier_one() {
    let second = "[[entry]]\nid = \"shop.refused\"\nseverity = \"info\"\n";
    let catalog = Catalog::builtin().with_files(&[("a.toml", NEW), ("b.toml", second)]).unwrap();
    assert_eq!(catalog.get("shop.refused").unwrap().severity, Severity::Info);
    assert_eq!(&*catalog.place(&EntryId("shop.refused".into())).unwrap().file, "b.toml");
}

#[test]
fn fallback_can_be_overridden_but_neither_searched_for_nor_disabled() {
    let catalog = load("[[entry]]\nid = \"unknown-code\"\nseverity = \"info\"\n").unwrap();
    assert_eq!(catalog.fallback().severity, Severity::Info);
    assert!(catalog.entries().iter().all(|entry| &*entry.id.0 != FALLBACK_ID));

    let problems = load("[[entry]]\nid = \"unknown-code\"\ncodes = [\"ANY_CODE\"]\n").unwrap_err();
    assert!(problems[0].starts_with("my.toml:1:1: entry unknown-code: codes: the fallback"), "{problems:?}");

    let errors = catalog.without(&[EntryId(FALLBACK_ID.into())]).unwrap_err();
    assert_eq!(errors, [DisableError::Fallback(EntryId(FALLBACK_ID.into()))]);
}

#[test]
fn what_paytriage_says_of_itself_can_be_overridden_but_is_never_searched_for() {
    let catalog = load("[[entry]]\nid = \"paytriage.gap\"\nseverity = \"info\"\n").unwrap();
    assert_eq!(catalog.get("paytriage.gap").unwrap().severity, Severity::Info);
    assert!(catalog.entries().iter().all(|entry| !entry.id.0.starts_with(OWN_PREFIX)));
    assert!(catalog.own().iter().all(|entry| entry.codes.len() == 1));
    let errors = catalog.without(&[EntryId("paytriage.gap".into())]).unwrap_err();
    assert!(matches!(&errors[..], [DisableError::Unknown { .. }]), "{errors:?}");
}

#[test]
fn disabled_entry_is_gone_and_an_unknown_id_gets_a_hint() {
    let catalog = Catalog::builtin().without(&[EntryId("system-busy".into())]).unwrap();
    assert!(catalog.get("system-busy").is_none());
    assert!(catalog.get("parameter-invalid").is_some());

    let errors = catalog.without(&[EntryId("risk-contrl".into())]).unwrap_err();
    assert_eq!(errors[0].to_string(), "no entry is called \"risk-contrl\"; did you mean risk-control?");
}

#[test]
fn each_mistake_names_place_key_and_remedy() {
    let cases = [
        (
            "severity = \"error\"",
            "severty = \"error\"",
            vec![
                "my.toml:2:1: entry shop.refused: severity: missing; a new entry needs it",
                "my.toml:8:1: entry shop.refused: severty: unknown key; did you mean severity?",
            ],
        ),
        (
            "\"error\"",
            "\"eror\"",
            vec![
                "my.toml:8:12: entry shop.refused: severity: \"eror\" is not one of info, warning, error, critical; \
             did you mean error?",
            ],
        ),
        ("\"error\"", "3", vec!["my.toml:8:12: entry shop.refused: severity: expected a string, found a number"]),
        (
            "[\"See the gateway's rules.\"]",
            "\"See.\"",
            vec!["my.toml:14:15: entry shop.refused: operator.en: expected a list, found a string"],
        ),
        (
            "title.en",
            "title.de",
            vec![
                "my.toml:2:1: entry shop.refused: title: missing; a new entry needs it",
                "my.toml:12:7: entry shop.refused: title.de: unknown key",
            ],
        ),
        (
            "\"The gateway's own rule.\"",
            "\" \"",
            vec!["my.toml:13:12: entry shop.refused: cause.en: empty; write something or leave the key out"],
        ),
        (
            "\"Please pay",
            "\"\\u001b[31mPlease pay",
            vec!["my.toml:15:13: entry shop.refused: payer.en: holds a control character; remove it"],
        ),
        ("severity", "\"\\u001b[2J\" = 1\nseverity", vec!["my.toml:8:1: entry shop.refused: \\u{1b}[2J: unknown key"]),
        ("id = \"shop.refused\"", "", vec!["my.toml:2:1: id: missing; a new entry needs it"]),
        (
            "\"shop.refused\"",
            "\"Shop Refused\"",
            vec![
                "my.toml:3:6: id: \"Shop Refused\" is not an id; use lower-case letters, digits and '-', with '.' between \
             the parts",
            ],
        ),
        (
            "\"SHOP_REFUSED\",",
            "\"SHOP REFUSED\",",
            vec![
                "my.toml:5:10: entry shop.refused: codes: \"SHOP REFUSED\" is not a code; use letters, digits, '.', '_' and \
             '-' only, at most 128 of them; put text into messages",
            ],
        ),
        ("code = \"R7\", ", "", vec!["my.toml:5:26: entry shop.refused: codes.code: missing; a new entry needs it"]),
        (
            "codes = [\"SHOP_REFUSED\", { code = \"R7\", specificity = \"field\" }]",
            "",
            vec!["my.toml:2:1: entry shop.refused: codes: nothing to find; give codes or messages"],
        ),
        (
            "[\"SHOP_REFUSED\", { code = \"R7\", specificity = \"field\" }]",
            "[\"SHOP REFUSED\"]",
            vec![
                "my.toml:5:10: entry shop.refused: codes: \"SHOP REFUSED\" is not a code; use letters, digits, '.', '_' and \
             '-' only, at most 128 of them; put text into messages",
            ],
        ),
        ("[[entry]]", "[[entries]]", vec!["my.toml:2:3: entries: unknown key; did you mean entry?"]),
    ];
    for (piece, replacement, expected) in cases {
        assert_eq!(broken(piece, replacement), expected, "{piece} -> {replacement}");
    }
}

#[test]
fn all_mistakes_of_all_files_are_reported_together() {
    let twice = format!("{NEW}{NEW}");
    let syntax = "[[entry]]\nid = \n";
    let problems = Catalog::builtin().with_files(&[("a.toml", twice.as_str()), ("b.toml", syntax)]).unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| (&*p.place.file, p.place.line)).collect();
    assert_eq!(problems[0].wrong, Wrong::DuplicateId { first_line: 2 });
    assert_eq!(places, [("a.toml", 20), ("b.toml", 2)], "{problems:?}");
}

#[test]
fn misspelled_id_of_an_override_is_recognised() {
    let problems = load("[[entry]]\nid = \"system-bussy\"\nseverity = \"critical\"\n").unwrap_err();
    let hint = "my.toml:1:1: entry system-bussy: id: no entry had this id so far, so this is a new one; to change \
                system-busy, use its id";
    assert!(problems.iter().any(|problem| problem == hint), "{problems:#?}");
}

#[test]
fn check_objects_to_what_loads_but_is_not_good() {
    let checked = |piece: &str, replacement: &str| -> Vec<Wrong> {
        assert!(NEW.contains(piece));
        let catalog = load(&NEW.replace(piece, replacement)).expect("loads");
        catalog.check().into_iter().map(|problem| problem.wrong).collect()
    };
    let own = |text: &str| text.to_owned();
    let builtin = EntryId("system-busy".into());
    let cases = [
        (
            "provider = \"shop-gateway\"\ncodes = [",
            "codes = [\"SYSTEM_BUSY\", ",
            Wrong::CodeTwice { code: own("SYSTEM_BUSY"), other: builtin },
        ),
        ("\"SHOP_REFUSED\",", "\"SHOP_REFUSED\", \"SHOP_REFUSED\",", Wrong::Repeated(own("SHOP_REFUSED"))),
        ("\"SHOP_REFUSED\",", "\"DECLINED\",", Wrong::WeakCode(own("DECLINED"))),
        ("\"SHOP_REFUSED\",", "\"S_REF\",", Wrong::WeakCode(own("S_REF"))),
        ("category", "messages = [\"no money\"]\ncategory", Wrong::WeakMessage(own("no money"))),
        ("category", "messages = [\"余额低\"]\ncategory", Wrong::WeakMessage(own("余额低"))),
        (
            "category",
            "guides = [\"trouble-shooting\"]\ncategory",
            Wrong::UnknownGuide { id: own("trouble-shooting"), nearest: Some(own("troubleshooting")) },
        ),
        ("category", "docs = [\"http://example.com\"]\ncategory", Wrong::BadDocs(own("http://example.com"))),
        ("shop-gateway", "alipya", Wrong::MisspelledProvider { name: own("alipya"), nearest: own("alipay") }),
        ("match = [\"code=SHOP_REFUSED\"]", "", Wrong::NoExample),
        ("near_miss = [\"MY_SHOP_REFUSED_COUNT=1\"]", "", Wrong::NoNearMiss),
        ("Please pay in cash", "You failed to pay", Wrong::BlameForPayer(own("you failed"))),
        ("Please pay in cash", "Say R7 at the till", Wrong::JargonForPayer(own("R7"))),
        ("Please pay in cash", "The API is down", Wrong::JargonForPayer(own("API"))),
    ];
    for (piece, replacement, expected) in cases {
        let found = checked(piece, replacement);
        assert!(found.contains(&expected), "{replacement}: {found:?}");
    }
}

#[test]
fn every_guide_is_pointed_to() {
    let catalog = Catalog::builtin();
    let entries: Vec<_> = catalog.entries().iter().chain([catalog.fallback()]).collect();
    for guide in catalog.guides() {
        assert!(entries.iter().any(|entry| entry.guides.contains(&guide.id)), "{} is an orphan", guide.id);
    }
}
