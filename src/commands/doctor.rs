//! `paytriage doctor`: looks at a set-up and says what is wrong with it, and what mends it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::in_force::catalog_in_force;
use crate::catalog::Catalog;
use crate::cli::{DoctorArgs, ExplainFormat};
use crate::config::{self, Config, DEFAULT_FILE, Env, LoadError};
use crate::doctor::{self, Finding, Level, Subject};
use crate::exit::Exit;
use crate::pipeline::Engine;
use crate::redact::Redactor;
use crate::visible::visible;

/// Columns before a text.
const INDENT: &str = "         ";

/// Looks, and prints what was found.
///
/// # Errors
/// Only what keeps it from writing, or from knowing where it is.
pub fn run(args: &DoctorArgs, env: &Env, out: &mut dyn Write) -> Result<Exit> {
    let file = args.state.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let now = Timestamp::now();
    let (findings, is_usable) = match config::load(&file, env) {
        Ok(config) => (examine(&config, &file, args, now)?, true),
        Err(error) => (without(&error, &file, args, env, now), false),
    };
    match args.format {
        ExplainFormat::Json => writeln!(out, "{}", serde_json::to_string(&Report::of(&findings, now))?)?,
        ExplainFormat::Pretty => pretty(&findings, out)?,
    }
    Ok(match (is_usable, doctor::faults(&findings)) {
        (false, _) => Exit::Usage,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Found,
    })
}

fn examine(config: &Config, file: &Path, args: &DoctorArgs, now: Timestamp) -> Result<Vec<Finding>> {
    let (catalog, mut findings) = match catalog_in_force(&config.catalog) {
        Ok(catalog) => (catalog, Vec::new()),
        Err(errors) => {
            let faults = errors.iter().map(|error| Finding::fault("config.catalog", error.to_string()));
            let check = |fault: Finding| fault.remedy("paytriage config check", "says so too, until it is mended");
            (Catalog::builtin(), faults.map(check).collect())
        }
    };
    findings.extend(
        super::config::warnings(config, &catalog).into_iter().map(|text| Finding::warning("config.doubt", text)),
    );
    if findings.is_empty() {
        findings.push(Finding::ok("config.ok", "the configuration is valid").path(file));
    }
    // Nothing of a log is shown but codes and times.
    let engine = Arc::new(Engine::new(Arc::new(catalog), Redactor::disabled()));
    let state = args.state.state.as_deref().or(config.state.dir.as_deref());
    let cwd = std::env::current_dir()?;
    let subject = Subject { config, file: Some(file), engine: &engine, state, cwd: &cwd, now };
    findings.extend(subject.examine(args.connect)?);
    Ok(findings)
}

/// What is wrong with the configuration, and all that can be said without it.
fn without(error: &LoadError, file: &Path, args: &DoctorArgs, env: &Env, now: Timestamp) -> Vec<Finding> {
    let invalid = match error {
        LoadError::Unreadable { .. } => Vec::new(),
        LoadError::Invalid(problems) => {
            let fault = |problem: &config::Problem| {
                let why = format!("line {}; then: paytriage config check", problem.line);
                Finding::fault("config.invalid", problem.to_string()).remedy(doctor::edit(file), why)
            };
            problems.iter().map(fault).collect()
        }
    };
    let mut findings: Vec<Finding> = invalid;
    // Where the state is by default says nothing of where the configuration has it.
    let state = args.state.state.as_deref();
    findings.extend(doctor::without_configuration(file, state, &Config::new(env), now));
    let unknown = if state.is_some() { "sources and sinks" } else { "sources, sinks and the state" };
    let what = format!("{unknown} were not looked at: the configuration has to be mended first");
    findings.push(Finding::note("config.unknown", what));
    findings
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    time: Timestamp,
    faults: usize,
    warnings: usize,
    findings: &'a [Finding],
}

impl<'a> Report<'a> {
    fn of(findings: &'a [Finding], time: Timestamp) -> Report<'a> {
        let warnings = findings.iter().filter(|finding| finding.level == Level::Warning).count();
        Report { schema: "paytriage.doctor/1", time, faults: doctor::faults(findings), warnings, findings }
    }
}

fn pretty(findings: &[Finding], out: &mut dyn Write) -> Result<()> {
    for finding in findings {
        let (word, style) = match finding.level {
            Level::Ok => ("ok", AnsiColor::Green.on_default()),
            Level::Note => ("note", Style::new()),
            Level::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Level::Fault => ("FAULT", AnsiColor::Red.on_default().bold()),
        };
        let about = finding.about();
        let lead = if about.is_empty() { String::new() } else { format!("{}: ", visible(&about)) };
        writeln!(out, "{style}{word:<7}{style:#}  {lead}{}", visible(&finding.text))?;
        for remedy in &finding.remedies {
            writeln!(out, "{INDENT}{}  # {}", visible(&remedy.command), visible(&remedy.why))?;
        }
    }
    let Report { faults, warnings, .. } = Report::of(findings, Timestamp::UNIX_EPOCH);
    let sort = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    writeln!(out, "\n{}, {}", sort(faults, "fault"), sort(warnings, "warning"))?;
    Ok(())
}
