//! `paytriage completions`: the script that completes commands, options, their values and paths in a shell.

use std::io::Write;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;

/// Prints the script for `shell`.
pub fn run(shell: Shell, out: &mut dyn Write) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "paytriage", &mut script);
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
