//! `paytriage config check` and `config show`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use globset::GlobBuilder;
use walkdir::WalkDir;

use crate::cli::ConfigCommand;
use crate::config::{self, Config, DEFAULT_FILE, Env, LoadError};
use crate::exit::Exit;

/// Runs the subcommand. What was asked for goes to `out`, problems and warnings to `err`.
///
/// # Errors
/// Only what keeps it from writing.
pub fn run(command: &ConfigCommand, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    match command {
        ConfigCommand::Check { file } => check(file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)), env, out, err),
        ConfigCommand::Show { file } => show(file.as_deref(), env, out, err),
    }
}

fn check(file: &Path, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    let config = match config::load(file, env) {
        Ok(config) => config,
        Err(error) => return refuse(&error, err),
    };
    for warning in warnings(&config) {
        writeln!(err, "{}: warning: {warning}", file.display())?;
    }
    writeln!(out, "{}: configuration is valid ({})", file.display(), summary(&config))?;
    Ok(Exit::Done)
}

/// Without a file, what the default file says; where there is none, the defaults.
fn show(file: Option<&Path>, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    let config = match config::load(file.unwrap_or(Path::new(DEFAULT_FILE)), env) {
        Ok(config) => config,
        Err(LoadError::Unreadable { source, .. })
            if file.is_none() && source.kind() == std::io::ErrorKind::NotFound =>
        {
            Config::new(env)
        }
        Err(error) => return refuse(&error, err),
    };
    write!(out, "{}", config::show(&config))?;
    Ok(Exit::Done)
}

fn refuse(error: &LoadError, err: &mut dyn Write) -> Result<Exit> {
    writeln!(err, "{error}")?;
    Ok(Exit::Usage)
}

/// What is allowed and yet hardly meant.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.sources.is_empty() {
        warnings.push("no [[source]]: `paytriage run` will need a PATH".to_owned());
    }
    if config.state.dir.is_none() {
        warnings.push("no directory for state: set state.dir, or HOME".to_owned());
    }
    let unmatched = config.catalog.extra.iter().filter(|pattern| !matches_a_file(pattern));
    warnings.extend(unmatched.map(|pattern| format!("catalog.extra: {pattern:?} matches no file")));
    warnings
}

/// Is there a file that this path or glob names?
fn matches_a_file(pattern: &str) -> bool {
    if Path::new(pattern).is_file() {
        return true;
    }
    let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() else { return false };
    let matcher = glob.compile_matcher();
    let meta = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    let base_end = pattern[..meta].rfind('/').map_or(0, |slash| slash + 1);
    let (base, rest) = pattern.split_at(base_end);
    let base = if base.is_empty() { "." } else { base };
    let depth = if rest.contains("**") { usize::MAX } else { rest.split('/').count() };
    let matches = |path: &Path| matcher.is_match(path.strip_prefix("./").unwrap_or(path)) && path.is_file();
    WalkDir::new(base).max_depth(depth).into_iter().filter_map(Result::ok).any(|entry| matches(entry.path()))
}

fn summary(config: &Config) -> String {
    let sources = match config.sources.len() {
        1 => "1 source".to_owned(),
        n => format!("{n} sources"),
    };
    let mut parts = vec![sources, format!("language {}", config.lang)];
    if let Some(dir) = &config.state.dir {
        parts.push(format!("state in {}", dir.display()));
    }
    if let Some(http) = &config.http {
        parts.push(format!("HTTP on {}", http.listen));
    }
    parts.join(", ")
}
