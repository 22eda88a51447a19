//! What packagers install beside the binary: completion scripts and the manual page.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;

/// Prints the completion script for `shell`.
pub fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "paytriage", &mut script);
    print(&script)
}

/// Prints the manual: the main page, then one section per command with its options.
pub fn man() -> Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        section(subcommand, &mut page)?;
    }
    print(&page)
}

fn section(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    let man = clap_mangen::Man::new(command.clone());
    writeln!(page, ".SH \"{name}\"")?;
    man.render_description_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_options_section(page)?;
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        section(subcommand, page)?;
    }
    Ok(())
}

fn print(bytes: &[u8]) -> Result<Exit> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(Exit::Done)
}
