//! What commands that read logs need, as configured: catalogue, engine, and how each file is to be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, Lang};
use crate::config::CatalogConfig;
use crate::event::Origin;
use crate::input::{self, Input, PathProblem};
use crate::pipeline::{Engine, FileContext};
use crate::record::Charset;
use crate::redact::Redactor;

/// Built once per command.
pub struct Setup {
    pub catalog: Arc<Catalog>,
    pub engine: Arc<Engine>,
    pub lang: Lang,
    host: Option<String>,
}

impl Setup {
    /// Reads the configuration, if one is named, and the catalogue files of both.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration or with a catalogue file.
    pub fn load(_config: Option<&Path>, catalogs: &[String]) -> Result<Setup> {
        let catalog = Arc::new(catalog(&CatalogConfig::default(), catalogs)?);
        let redactor = Redactor::new(&[], &[])?;
        let engine = Arc::new(Engine::new(Arc::clone(&catalog), redactor));
        Ok(Setup { catalog, engine, lang: Lang::En, host: host() })
    }

    /// What is fixed for a file while it is read.
    pub fn file_context(&self, input: &Input, identity: Vec<u8>) -> FileContext {
        let path = input.to_string();
        let origin = Origin { name: path.clone(), path, host: self.host.clone(), labels: Default::default() };
        FileContext {
            origin: Arc::new(origin),
            identity,
            provider: None,
            timezone: TimeZone::system(),
            charset: Charset::Auto,
        }
    }
}

/// The built-in catalogue, with the files that the configuration names, then `more`, less what is disabled.
///
/// # Errors
/// A file of `more` that is not there, a file that cannot be read, and everything that is wrong with one. A glob
/// of the configuration that matches nothing is none: an empty `catalog.d` is an ordinary thing.
pub fn catalog(config: &CatalogConfig, more: &[String]) -> Result<Catalog> {
    let mut files = catalog_files(&config.extra, |problem| matches!(problem, PathProblem::NoMatch(_)))?;
    files.extend(catalog_files(more, |_| false)?);
    let catalog = Catalog::builtin().with_files(&files).map_err(|problems| anyhow::anyhow!(lines(&problems)))?;
    catalog.without(&config.disable).map_err(|problems| anyhow::anyhow!("catalog.disable: {}", lines(&problems)))
}

/// Path and text of each file.
fn catalog_files(paths: &[String], is_harmless: impl Fn(&PathProblem) -> bool) -> Result<Vec<(String, String)>> {
    let expansion = input::expand(paths);
    let problems: Vec<&PathProblem> = expansion.problems.iter().filter(|problem| !is_harmless(problem)).collect();
    if !problems.is_empty() {
        bail!("{}", lines(&problems));
    }
    let read = |input: &Input| match input {
        Input::Stdin => bail!("-: a catalogue is read from files only"),
        Input::Named(path) | Input::Found(path) => match fs::read_to_string(path) {
            Ok(text) => Ok((input.to_string(), text)),
            Err(error) => bail!(PathProblem::Io { path: path.clone(), error }),
        },
    };
    expansion.inputs.iter().map(read).collect()
}

fn lines<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

/// The name of this machine, as the kernel knows it.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
