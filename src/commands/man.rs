//! `paytriage man`: a manual page for each command, and one of the configuration file.
//!
//! Everything in them is what `--help` and the table of options say, so that the three cannot differ.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Command, CommandFactory};

use crate::cli::Cli;
use crate::config::{self, OptionHelp};
use crate::exit::Exit;

/// The configuration file, and the name of its page.
const FILE: &str = "paytriage.toml";
const EXAMPLE: &str = include_str!("../../systemd/paytriage.toml");
const OVERVIEW: &str = "paytriage";

/// A manual page.
struct Page {
    /// `paytriage-catalog-list`
    name: String,
    section: char,
    roff: Vec<u8>,
}

/// Prints one page, or writes all of them below `dir`.
pub fn run(page: Option<&str>, dir: Option<&Path>, out: &mut dyn Write) -> Result<Exit> {
    let pages = pages()?;
    match dir {
        Some(dir) => pages.iter().try_for_each(|page| page.write_below(dir))?,
        None => {
            let asked = page.unwrap_or(OVERVIEW);
            let asked = asked.replace(' ', "-");
            let is_it = |page: &&Page| page.name == asked || page.name.strip_prefix("paytriage-") == Some(&asked);
            let Some(page) = pages.iter().find(is_it) else {
                let names: Vec<_> = pages.iter().map(|page| page.name.trim_start_matches("paytriage-")).collect();
                bail!("no manual page {asked:?}; there are: {}", names.join(", "));
            };
            out.write_all(&page.roff)?;
            out.flush()?;
        }
    }
    Ok(Exit::Done)
}

impl Page {
    fn write_below(&self, dir: &Path) -> Result<()> {
        let Page { name, section, roff } = self;
        let dir = dir.join(format!("man{section}"));
        let path = dir.join(format!("{name}.{section}"));
        fs::create_dir_all(&dir)
            .and_then(|()| fs::write(&path, roff))
            .with_context(|| format!("{}: cannot be written; choose another --all DIR", path.display()))
    }
}

fn pages() -> io::Result<Vec<Page>> {
    let mut overview = Cli::command().disable_help_subcommand(true);
    overview.build();
    let mut pages = Vec::new();
    add(&overview, None, &mut pages)?;
    pages.push(Page { name: FILE.to_owned(), section: '5', roff: configuration() });
    Ok(pages)
}

/// Adds the page of a command and those of its subcommands.
fn add(command: &Command, above: Option<&str>, pages: &mut Vec<Page>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut roff = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).title(&name).source(source()).manual("paytriage");
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_description_section(&mut roff)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut roff)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut roff)?;
    }
    if let Some(text) = command.get_after_help() {
        roff.extend(after_help(&text.to_string()).into_bytes());
    }
    let mut related: Vec<String> = command.get_subcommands().filter_map(page_of).collect();
    related.extend(above.map(|above| format!("{above}(1)")));
    related.push(format!("{FILE}(5)"));
    writeln!(roff, ".SH \"SEE ALSO\"\n{}", escaped(&related.join(", ")))?;
    pages.push(Page { name: name.clone(), section: '1', roff });
    command.get_subcommands().try_for_each(|below| add(below, Some(&name), pages))
}

fn page_of(command: &Command) -> Option<String> {
    command.get_display_name().map(|name| format!("{name}(1)"))
}

fn source() -> String {
    format!("paytriage {}", crate::about::VERSION)
}

/// The paragraphs that stand behind the options: one that opens with a heading (`Examples:`) is a section, the others are notes.
fn after_help(text: &str) -> String {
    let mut notes = String::new();
    let mut sections = String::new();
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(":\n") {
            Some((heading, lines)) if lines.starts_with("  ") => {
                sections += &format!(".SH \"{}\"\n{}", escaped(&heading.to_uppercase()), verbatim(lines));
            }
            _ => notes += &format!(".PP\n{}\n", escaped(paragraph)),
        }
    }
    let notes = if notes.is_empty() { notes } else { format!(".SH NOTES\n{notes}") };
    notes + &sections
}

/// paytriage.toml(5): every option in the order in which the file has them, by its tables.
fn configuration() -> Vec<u8> {
    let mut page = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {FILE} 5 \"\" \"{}\" paytriage\n\
         .SH NAME\n{FILE} \\- configuration of paytriage\n\
         .SH DESCRIPTION\n\
         What {} watches, and whom it tells. The file is TOML, by default {}; it is read at the start and at each SIGHUP (systemctl reload \
         paytriage), all or nothing: where something in it is wrong, what was in force stays in force.\n.PP\n\
         {} reports every problem with its line and the nearest key, {} prints what is in force with all defaults.\n.PP\n\
         A [[source]] may be given several times, and so may a [[sink.webhook]], an [[incident.threshold]], an [[incident.silence]] and an \
         [[incident.mute]]. The names below are those of tables and keys: source.paths is the key paths of a [[source]].\n",
        source(),
        bold("paytriage run"),
        bold(config::DEFAULT_FILE),
        bold("paytriage config check"),
        bold("paytriage config show"),
    );
    let mut table = None;
    for option in config::options() {
        let of = option.key.rsplit_once('.').map_or("", |(table, _)| table);
        if table.as_deref() != Some(of) {
            let heading = if of.is_empty() { "GENERAL".to_owned() } else { of.to_uppercase() };
            page += &format!(".SH \"{}\"\n", escaped(&heading));
            table = Some(of.to_owned());
        }
        page += &entry(&option);
    }
    page += &format!(".SH EXAMPLE\n{}", verbatim(EXAMPLE));
    page += &format!(".SH \"SEE ALSO\"\n{}\n", escaped("paytriage-run(1), paytriage-config(1), paytriage(1)"));
    page.into_bytes()
}

fn entry(option: &OptionHelp) -> String {
    let OptionHelp { key, kind, default, help } = option;
    format!(".TP\n{}\n{}.\n.br\nValue: {}. Default: {}.\n", bold(key), escaped(help), escaped(kind), escaped(default))
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// Lines as they are.
fn verbatim(lines: &str) -> String {
    format!(".PP\n.nf\n{}\n.fi\n", escaped(lines.trim_end_matches('\n')))
}

/// Text that is nothing but text for roff: no hyphen becomes a dash, no line a request.
fn escaped(text: &str) -> String {
    let escape = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
        if line.starts_with('.') { format!("\\&{line}") } else { line }
    };
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
