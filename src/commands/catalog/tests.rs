//! A command in, its answer out.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

/// What `paytriage catalog …` answers and reports, without colour.
fn answer(args: &[&str]) -> anyhow::Result<(Exit, String, String)> {
    let cli = Cli::parse_from(["paytriage", "catalog"].iter().chain(args));
    let Command::Catalog(command) = cli.command else { unreachable!("parsed as another command") };
    let mut out = anstream::StripStream::new(Vec::new());
    let mut err = Vec::new();
    let exit = run(&command, &mut out, &mut err)?;
    Ok((exit, String::from_utf8(out.into_inner())?, String::from_utf8(err)?))
}

fn text(args: &[&str]) -> String {
    answer(args).expect("should succeed").1
}

#[test]
fn list_names_every_entry_once() {
    let lines = text(&["list"]);
    let catalog = Catalog::builtin();
    assert_eq!(lines.lines().count(), catalog.entries().len() + catalog.own().len() + 1);
    assert!(lines.contains("system-busy"), "{lines}");
    assert!(text(&["list", "--lang", "zh"]).contains("支付平台系统繁忙"));
}

#[test]
fn list_keeps_to_a_provider_and_knows_a_slip() {
    let lines = text(&["list", "--provider", "issuer"]);
    assert!(lines.lines().all(|line| line.contains("  issuer  ")), "{lines}");
    let error = answer(&["list", "--provider", "isuer"]).unwrap_err();
    assert_eq!(error.to_string(), "no entry belongs to provider \"isuer\"; did you mean issuer?");
}

#[test]
fn list_as_json_is_one_object_per_line() {
    for line in text(&["list", "--format", "json"]).lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["entry"].is_string() && value["remediation"]["payer"][0].is_string(), "{line}");
        assert!(!line.contains(":null"), "{line}");
    }
}

#[test]
fn show_finds_an_entry_by_id_and_by_code() {
    let by_id = text(&["show", "system-busy"]);
    assert_eq!(by_id, text(&["show", "SYSTEM_BUSY"]));
    for part in ["SYSTEM_BUSY (generic)", "query_first", "Cause ", "alipay.trade.query", "1. Please wait 5 to 10"] {
        assert!(by_id.contains(part), "{part} is not in\n{by_id}");
    }
    assert!(text(&["show", "UNSUPPORTED_CARD"]).contains("Unsupported Card for This Service"));
}

#[test]
fn show_finds_a_guide_in_the_language_asked_for() {
    assert!(text(&["show", "payment-limits"]).starts_with("# Payment limits for foreign cards"));
    assert!(text(&["show", "payment-limits", "--lang", "zh"]).starts_with("# 外卡的支付限额"));
}

#[test]
fn show_gives_all_that_bears_a_name() {
    let both = text(&["show", "issuer-declined"]);
    assert!(both.contains("C6-1011 (field)") && both.contains("# When the payer's bank declines"), "{both}");
}

#[test]
fn show_suggests_the_nearest_name() {
    let error = answer(&["show", "SYSTEM_BUSSY"]).unwrap_err();
    assert_eq!(error.to_string(), "no entry, code or guide is called \"SYSTEM_BUSSY\"; did you mean SYSTEM_BUSY?");
}

#[test]
fn stats_add_up() {
    let stats: serde_json::Value = serde_json::from_str(&text(&["stats", "--format", "json"])).unwrap();
    for table in ["providers", "categories", "severities"] {
        let counts = stats[table].as_object().unwrap().values();
        let n_entries: u64 = counts.filter_map(|count| count["entries"].as_u64()).sum();
        assert_eq!(Some(n_entries), stats["entries"].as_u64(), "{table}");
    }
    assert!(text(&["stats"]).contains("\nseverity  entries  codes\n"));
}

#[test]
fn own_files_are_applied_and_their_problems_stop_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.toml");
    std::fs::write(&good, "[[entry]]\nid = \"system-busy\"\nseverity = \"critical\"\n").unwrap();
    assert!(text(&["show", "system-busy", "--catalog", good.to_str().unwrap()]).contains("CRITICAL"));

    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "[[entry]]\nid = \"system-busy\"\nseverity = \"bad\"\nact = \"me\"\n").unwrap();
    let error = answer(&["list", "--catalog", bad.to_str().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("bad.toml:3:12") && error.contains("bad.toml:4:7"), "{error}");

    let error = answer(&["list", "--catalog", "/nonexistent.toml"]).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent.toml: cannot read the catalogue: "), "{error}");
}

#[test]
fn check_reports_load_problems_and_unreadable_files_together() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "[[entry]]\nid = \"shop.x\"\n").unwrap();
    let (exit, out, err) = answer(&["check", "/nonexistent.toml", bad.to_str().unwrap()]).unwrap();
    assert_eq!((exit, out.as_str()), (Exit::Unreadable, ""));
    assert!(err.starts_with("/nonexistent.toml: cannot read the catalogue: "), "{err}");
    assert!(err.ends_with("\n10 problems\n"), "{err}");

    let (exit, ..) = answer(&["check", bad.to_str().unwrap()]).unwrap();
    assert_eq!(exit, Exit::Usage);
}

#[test]
fn check_finds_the_builtin_catalogue_in_order() {
    let (exit, out, err) = answer(&["check"]).unwrap();
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.starts_with("no problems: "), "{out}");
}

#[test]
fn check_tries_the_test_lines_of_own_entries() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    let own = |example: &str, near_miss: &str| {
        format!(
            "[[entry]]\nid = \"shop.x\"\ncodes = [\"SHOP_GATEWAY_REFUSED\"]\nspecificity = \"distinctive\"\n\
             category = \"other\"\nseverity = \"error\"\nact = \"merchant\"\nadvice = \"none\"\nretry = \"never\"\n\
             title.en = \"T\"\ncause.en = \"C\"\noperator.en = [\"O\"]\npayer.en = [\"P\"]\n\
             match = [\"{example}\"]\nnear_miss = [\"{near_miss}\"]\n"
        )
    };
    let (hit, miss) = ("ERROR pay failed code=SHOP_GATEWAY_REFUSED", "INFO NO_SHOP_GATEWAY_REFUSED_YET=1");
    let check = |text: String| {
        std::fs::write(&file, text).unwrap();
        answer(&["check", file.to_str().unwrap()]).unwrap()
    };
    assert_eq!(check(own(hit, miss)), (Exit::Done, "no problems: 1 entry, 2 test lines\n".into(), String::new()));

    let (exit, _, err) = check(own(miss, hit));
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("own.toml:1:1: entry shop.x: match: not found in \"INFO NO_SHOP"), "{err}");
    assert!(err.contains("own.toml:1:1: entry shop.x: near_miss: found in \"ERROR pay failed"), "{err}");
}
