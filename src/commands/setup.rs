//! What commands that read logs need, as configured: catalogue, engine, and how each file is to be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::catalog::{Catalog, Lang};
use crate::config::{self, CatalogConfig, Config, Redact, Source};
use crate::event::Origin;
use crate::input::Input;
use crate::pipeline::{Engine, FileContext};
use crate::redact::Redactor;

use super::in_force::{catalog_in_force, files_of};

/// Built once per command.
pub struct Setup {
    pub catalog: Arc<Catalog>,
    pub engine: Arc<Engine>,
    pub lang: Lang,
    /// The name of this machine.
    pub host: Option<String>,
    /// The configured sources, with the paths that they are about.
    sources: Vec<(GlobSet, Source)>,
    stdin: Source,
}

impl Setup {
    /// Reads the configuration, if one is named, and the catalogue files of both.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration or with a catalogue file.
    pub fn load(config: Option<&Path>, catalogs: &[String]) -> Result<Setup> {
        Setup::of(&config_from(config)?, catalogs)
    }

    /// The same from a configuration that was read already.
    ///
    /// # Errors
    /// Everything that is wrong with a catalogue file.
    pub fn of(config: &Config, catalogs: &[String]) -> Result<Setup> {
        let catalog = Arc::new(catalog_of(&config.catalog, catalogs)?);
        let redactor = redactor_of(&config.redact)?;
        let engine = Arc::new(Engine::new(Arc::clone(&catalog), redactor));
        let stdin = Source::from_paths(&["stdin".to_owned()], &[])?;
        let about = |source: &Source| Ok((paths_of(source)?, source.clone()));
        let sources = config.sources.iter().map(about).collect::<Result<_>>()?;
        Ok(Setup { catalog, engine, lang: config.lang, host: host(), sources, stdin })
    }

    /// What is fixed for a file while it is read: what the source that it belongs to says, else the defaults.
    pub fn file_context(&self, input: &Input, identity: Vec<u8>) -> FileContext {
        let source = self.source_of(input).cloned().unwrap_or_else(|| self.ad_hoc(input));
        let origin =
            Origin { name: source.name, path: input.to_string(), host: self.host.clone(), labels: source.labels };
        FileContext {
            origin: Arc::new(origin),
            identity,
            provider: source.provider,
            timezone: source.timezone,
            charset: source.encoding,
        }
    }

    /// A source that says nothing, named after the input where that has a name.
    fn ad_hoc(&self, input: &Input) -> Source {
        match input {
            Input::Stdin => self.stdin.clone(),
            // What looks like a broken glob gives no name.
            _ => Source::from_paths(&[input.to_string()], &[]).unwrap_or_else(|_| self.stdin.clone()),
        }
    }

    fn source_of(&self, input: &Input) -> Option<&Source> {
        let path = match input {
            Input::Stdin => return None,
            Input::Named(path) | Input::Found(path) => std::path::absolute(path).ok()?,
        };
        self.sources.iter().find(|(paths, _)| paths.is_match(&path)).map(|(_, source)| source)
    }
}

/// The configured catalogue with `more` files after its own.
///
/// # Errors
/// A glob of `more` that matches nothing, a file that cannot be read, and everything that is wrong with one.
pub fn catalog_of(config: &CatalogConfig, more: &[String]) -> Result<Catalog> {
    if let Some(pattern) = more.iter().find(|pattern| files_of(pattern).is_empty()) {
        bail!("--catalog {pattern}: no file matches");
    }
    let mut config = config.clone();
    config.extra.extend_from_slice(more);
    catalog_in_force(&config)
        .map_err(|errors| anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// The configuration in a file, or the defaults where none is named.
pub fn config_from(file: Option<&Path>) -> Result<Config> {
    let env = |name: &str| std::env::var_os(name);
    Ok(match file {
        Some(path) => config::load(path, &env)?,
        None => Config::new(&env),
    })
}

/// The masking rules of a configuration, without the rest of it.
///
/// # Errors
/// Everything that is wrong with the configuration.
pub fn redactor_from(config: Option<&Path>) -> Result<Redactor> {
    redactor_of(&config_from(config)?.redact)
}

fn redactor_of(redact: &Redact) -> Result<Redactor> {
    if redact.enabled { Ok(Redactor::new(&redact.extra, &redact.keep)?) } else { Ok(Redactor::disabled()) }
}

/// The files that a source is about, and what rotation makes of them (`app.log.2.gz`), which the daemon leaves out.
fn paths_of(source: &Source) -> Result<GlobSet> {
    let mut globs = GlobSetBuilder::new();
    for path in &source.paths {
        let path = std::path::absolute(path).with_context(|| format!("source {}: {path}", source.name))?;
        for suffix in ["", ".*", "-*", "/**"] {
            let glob = format!("{}{suffix}", path.display());
            globs.add(GlobBuilder::new(&glob).literal_separator(true).build()?);
        }
    }
    Ok(globs.build()?)
}

/// The name of this machine: what `PAYTRIAGE_HOST` says, as a container's name tells nobody where it is, else as the kernel knows it.
pub fn host() -> Option<String> {
    let given = std::env::var("PAYTRIAGE_HOST").ok().filter(|name| !name.trim().is_empty());
    let name = given.or_else(|| fs::read_to_string("/proc/sys/kernel/hostname").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Columns of the terminal that standard output is; `None` where it is none.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}
