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

/// Prints the manual: the main page, then a section for each command.
pub fn man() -> Result<Exit> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut sections = Vec::new();
    command.get_subcommands().try_for_each(|command| section(command, &mut sections))?;
    page.extend(demoted(&sections));
    man.render_version_section(&mut page)?;
    print(&page)
}

fn section(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    writeln!(page, ".TH \"{name}\"")?;
    let man = clap_mangen::Man::new(command.clone());
    man.render_description_section(page)?;
    man.render_synopsis_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(page)?;
    }
    command.get_subcommands().try_for_each(|command| section(command, page))
}

/// Makes pages into sections and sections into subsections, and drops the preamble that each piece repeats.
fn demoted(sections: &[u8]) -> Vec<u8> {
    let mut page = Vec::with_capacity(sections.len());
    for line in sections.split_inclusive(|&byte| byte == b'\n') {
        if let Some(heading) = line.strip_prefix(b".TH ") {
            page.extend_from_slice(b".SH ");
            page.extend_from_slice(heading);
        } else if let Some(heading) = line.strip_prefix(b".SH ") {
            page.extend_from_slice(b".SS ");
            page.extend_from_slice(heading);
        } else if !line.starts_with(b".ie ") && !line.starts_with(b".el ") {
            page.extend_from_slice(line);
        }
    }
    page
}

fn print(bytes: &[u8]) -> Result<Exit> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(Exit::Done)
}
