//! Parses the command line, calls the library, and turns the outcome into an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use paytriage::cli::{Cli, Command};
use paytriage::commands;
use paytriage::daemon::Failure;
use paytriage::exit::Exit;
use paytriage::visible::visible;

fn main() -> ExitCode {
    let env = |name: &str| std::env::var_os(name);
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let outcome = match Cli::parse().command {
        Command::Run(args) => commands::run::run(&args),
        Command::Scan(args) => commands::scan::run(&args),
        Command::Completions { shell } => commands::completions::run(shell, &mut out),
        Command::Man { page, all } => commands::man::run(page.as_deref(), all.as_deref(), &mut out),
        Command::Catalog(command) => commands::catalog::run(&command, &mut out, &mut err),
        Command::Outbox(command) => commands::outbox::run(&command, &mut out, &mut err),
        Command::Silence(command) => commands::silence::run(&command, &mut out),
        Command::Webhook(command) => commands::webhook::run(&command, &mut out),
        Command::Config(command) => commands::config::run(&command, &env, &mut out, &mut err),
        Command::Doctor(args) => commands::doctor::run(&args, &env, &mut out),
        Command::Redact(args) => commands::redact::run(&args, &mut io::stdin().lock(), &mut out, &mut err),
        Command::Explain(args) => commands::explain::run(&args, &mut out),
    };
    outcome.unwrap_or_else(|error| explain(&error)).into()
}

/// A reader that went away has what it wanted: `paytriage … | head -1` is no failure.
fn explain(error: &anyhow::Error) -> Exit {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        return Exit::Done;
    }
    let mut stderr = io::stderr().lock();
    for (at, line) in format!("{error:#}").lines().enumerate() {
        let lead = if at == 0 { "paytriage: " } else { "" };
        // With standard error closed there is nobody left to tell.
        let _ = writeln!(stderr, "{lead}{}", visible(line));
    }
    match error.downcast_ref::<Failure>() {
        Some(Failure::Start(_) | Failure::Broken(_)) => Exit::Failed,
        Some(Failure::Setup(_)) | None => Exit::Usage,
    }
}
