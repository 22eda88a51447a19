//! What a shell sees of the program: help, completion, manual pages, version.

use std::fs;
use std::process::{Command as Process, Stdio};

use clap::{Command, CommandFactory};
use paytriage::cli::Cli;

use super::cli_env::Env;

/// Every command with the words that call it, the program itself first.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn add(command: &Command, words: &[String], all: &mut Vec<(Vec<String>, Command)>) {
        all.push((words.to_vec(), command.clone()));
        for below in command.get_subcommands() {
            add(below, &[words, &[below.get_name().to_owned()]].concat(), all);
        }
    }
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut all = Vec::new();
    add(&root, &[], &mut all);
    all
}

/// What the shell gives in `lines`, each by itself.
fn bash(env: &Env, script: &str) -> Vec<String> {
    let mut bash = Process::new("bash");
    bash.args(["--norc", "-euc", script]).current_dir(env.path(".")).stdin(Stdio::null());
    let output = bash.output().expect("bash runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The commands that a help text shows, without what the shell does with them.
fn examples(help: &str) -> Vec<&str> {
    let after = help.split_once("Examples:\n").map_or("", |(_, after)| after);
    let lines = after
        .lines()
        .take_while(|line| line.starts_with("  "))
        // Another user's name may stand before it.
        .map(|line| line.trim_start().trim_start_matches("sudo -u paytriage "))
        .filter_map(|line| line.find("paytriage ").map(|at| &line[at..]));
    lines.map(|line| line.split([';', '|', '>', '<', '&', '#']).next().unwrap().split("   ").next().unwrap()).collect()
}

#[test]
fn every_command_shows_examples_that_it_takes() {
    for (words, command) in commands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        let typed =
            |example: &&str| bash(&Env::new(), &format!("for word in {example}; do printf '%s\\n' \"$word\"; done"));
        let typed: Vec<Vec<String>> = examples.iter().map(typed).collect();
        assert!(typed.iter().any(|typed| typed[1..].starts_with(&words)), "{words:?} shows {typed:?}");
        for typed in typed {
            let taken = <Cli as clap::Parser>::try_parse_from(&typed);
            assert!(taken.is_ok(), "{typed:?}: {}", taken.unwrap_err());
        }
    }
}

#[test]
fn every_argument_says_what_it_is() {
    for (words, command) in commands() {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{words:?}: {}", argument.get_id());
        }
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Env::new().run(&["completions", shell]).code(0).quiet();
        assert!(run.stdout.contains("scan") && run.stdout.contains("explain"), "{shell}");
    }
}

/// What bash offers for a line that ends where the cursor is.
fn offered(env: &Env, words: &[&str]) -> Vec<String> {
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    bash(
        env,
        &format!(
            "source paytriage.bash; set +u; compopt() {{ echo \"$*\"; }}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _paytriage paytriage \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\" || true; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        ),
    )
}

#[test]
fn bash_completes_commands_values_and_paths() {
    let env = Env::new();
    let script = env.run(&["completions", "bash"]).code(0).quiet().stdout;
    env.write("paytriage.bash", script).write("logs/app.log", "").write("mine.toml", "");
    assert_eq!(offered(&env, &["paytriage", "exp"]), ["explain"]);
    assert_eq!(offered(&env, &["paytriage", "catalog", "dr"]), ["draft"]);
    assert_eq!(offered(&env, &["paytriage", "scan", "--fo"]), ["--format"]);
    assert_eq!(offered(&env, &["paytriage", "scan", "--format", ""]), ["pretty", "json", "summary"]);
    assert_eq!(offered(&env, &["paytriage", "scan", "--fail-on", "c"]), ["critical"]);
    assert_eq!(offered(&env, &["paytriage", "completions", "z"]), ["zsh"]);
    assert_eq!(offered(&env, &["paytriage", "run", "--config", "mi"]), ["-o filenames", "mine.toml"]);
    assert_eq!(offered(&env, &["paytriage", "run", "--state", "lo"]), ["-o plusdirs", ""]);
    // For a PATH the script offers nothing of its own, and bash then completes names of files.
    assert_eq!(offered(&env, &["paytriage", "scan", "logs/a"]), [""]);
    let declared = bash(&env, "source paytriage.bash; complete -p paytriage");
    assert!(declared[0].contains("-o default"), "{declared:?}");
}

#[test]
fn every_command_has_a_manual_page_with_its_options_and_so_has_the_configuration() {
    let env = Env::new();
    env.run(&["man", "--all", "man"]).code(0).quiet();
    let commands = commands();
    for (words, command) in &commands {
        let name = [&["paytriage".to_owned()], words.as_slice()].concat().join("-");
        let page = fs::read_to_string(env.path(&format!("man/man1/{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1 ")), "{name}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"] {
            let heads = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            assert_eq!(
                heads.iter().map(|head| page.matches(head).count()).sum::<usize>(),
                1,
                "{name}: {section}\n{page}"
            );
        }
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{name}: {option}");
        }
        assert_eq!(
            env.run(&["man", words.join("-").as_str()].map(|word| if word.is_empty() { "paytriage" } else { word }))
                .code(0)
                .stdout,
            page
        );
    }
    assert_eq!(fs::read_dir(env.path("man/man1")).unwrap().count(), commands.len());
    let page = fs::read_to_string(env.path("man/man5/paytriage.toml.5")).unwrap();
    for option in paytriage::config::options() {
        assert!(page.contains(&format!("\\fB{}\\fR\n", option.key.replace('-', "\\-"))), "{}", option.key);
    }
    let unknown = env.run(&["man", "scam"]).code(2).stderr;
    assert!(unknown.starts_with("paytriage: no manual page \"scam\"; there are: paytriage, run, scan,"), "{unknown}");
}

#[test]
fn the_version_is_short_or_says_which_build_it_is() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(Env::new().run(&["-V"]).code(0).quiet().stdout, format!("paytriage {version}\n"));
    let long = Env::new().run(&["--version"]).code(0).quiet().stdout;
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("paytriage {version}"));
    let keys: Vec<&str> = lines[1..].iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(keys, ["commit", "target", "rustc", "catalogue", "events", "state"]);
    let stats = Env::new().run(&["catalog", "stats"]).code(0).stdout;
    let size = lines[4].split(['(', ')']).nth(1).unwrap();
    assert!(stats.starts_with(size), "{size}: {stats}");
}
