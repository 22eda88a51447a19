//! What commands that read logs need, as configured: catalogue, engine, and how each file is to be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, Lang};
use crate::config::{self, CatalogConfig, Config, Redact};
use crate::event::Origin;
use crate::input::Input;
use crate::pipeline::{Engine, FileContext};
use crate::record::Charset;
use crate::redact::Redactor;

use super::in_force::{catalog_in_force, files_of};

/// Built once per command.
pub struct Setup {
    pub catalog: Arc<Catalog>,
    pub engine: Arc<Engine>,
    pub lang: Lang,
    pub host: Option<String>,
}

impl Setup {
    /// Reads the configuration, if one is named, and the catalogue files of both.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration or with a catalogue file.
    pub fn load(config: Option<&Path>, catalogs: &[String]) -> Result<Setup> {
        let env = |name: &str| std::env::var_os(name);
        let config = match config {
            Some(path) => config::load(path, &env)?,
            None => Config::new(&env),
        };
        Setup::of(&config, catalogs)
    }

    /// The same from a configuration that was read already.
    ///
    /// # Errors
    /// Everything that is wrong with a catalogue file.
    pub fn of(config: &Config, catalogs: &[String]) -> Result<Setup> {
        let catalog = Arc::new(catalog_of(&config.catalog, catalogs)?);
        let redactor = redactor_of(&config.redact)?;
        let engine = Arc::new(Engine::new(Arc::clone(&catalog), redactor));
        Ok(Setup { catalog, engine, lang: config.lang, host: host() })
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

fn redactor_of(redact: &Redact) -> Result<Redactor> {
    if redact.enabled { Ok(Redactor::new(&redact.extra, &redact.keep)?) } else { Ok(Redactor::disabled()) }
}

/// The name of this machine, as the kernel knows it.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
