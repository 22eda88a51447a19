//! The catalogue from the outside: a draft becomes an entry, and an entry is found.

use crate::cli_env::Env;

#[test]
fn a_draft_that_is_filled_in_is_a_valid_entry_and_is_found() {
    let env = Env::new();
    let line =
        "2026-03-01 10:00:00 ERROR wechatpay err_code=BRAND_NEW_CODE out_trade_no=T20260301001 card 4111111111111111\n";
    env.write("app.log", line);
    let draft = env.run(&["catalog", "draft", "app.log"]).code(0).quiet();
    assert!(
        draft.stdout.contains("codes = [\"BRAND_NEW_CODE\"]") && !draft.stdout.contains("4111111111111111"),
        "{draft:#?}"
    );

    env.write("own.toml", &draft.stdout);
    let empty = env.run(&["catalog", "check", "own.toml"]).code(2);
    assert!(empty.stderr.contains("title.en"), "{empty:#?}");

    env.write("own.toml", draft.stdout.replace("\"\"", "\"What a person wrote.\""));
    env.run(&["catalog", "check", "own.toml"]).code(0).quiet();
    let events = env.run(&["scan", "--format", "json", "--catalog", "own.toml", "app.log"]).code(0).events();
    assert_eq!(events[0]["kind"], "code");
    assert_eq!(events[0]["title"], "What a person wrote.");
}

#[test]
fn nothing_unknown_needs_no_draft() {
    let env = Env::new();
    env.write("app.log", "2026-03-01 10:00:00 INFO all is well\n");
    let draft = env.run(&["catalog", "draft", "app.log"]).code(0);
    assert_eq!(draft.stdout, "");
    assert!(draft.stderr.contains("no unknown codes"), "{draft:#?}");
}
