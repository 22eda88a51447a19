//! Completion scripts and the manual page.

use super::cli_env::Env;

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Env::new().run(&["completions", shell]).code(0).quiet();
        assert!(run.stdout.contains("scan") && run.stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_section_for_every_command_and_its_options() {
    let run = Env::new().run(&["man"]).code(0).quiet();
    for text in [".TH paytriage 1", ".SH \"PAYTRIAGE SCAN\"", ".SH \"PAYTRIAGE CATALOG LIST\"", "fail\\-on"] {
        assert!(run.stdout.contains(text), "{text}");
    }
    assert_eq!(run.stdout.matches("\n.TH ").count() + usize::from(run.stdout.starts_with(".TH ")), 1);
}
