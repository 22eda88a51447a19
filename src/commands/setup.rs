//! What commands that read logs need, as configured: catalogue, engine, and how each file is to be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use jiff::tz::TimeZone;

use super::catalog_in_force;
use crate::catalog::{Catalog, Lang};
use crate::config::{self, Config};
use crate::event::Origin;
use crate::input::Input;
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
    pub fn load(file: Option<&Path>, catalogs: &[String]) -> Result<Setup> {
        let env = |name: &str| std::env::var_os(name);
        let mut config = match file {
            Some(file) => config::load(file, &env)?,
            None => Config::new(&env),
        };
        config.catalog.extra.extend_from_slice(catalogs);
        let catalog = match catalog_in_force(&config.catalog) {
            Ok(catalog) => Arc::new(catalog),
            Err(errors) => bail!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        };
        let redactor = match config.redact.enabled {
            true => Redactor::new(&config.redact.extra, &config.redact.keep)?,
            false => Redactor::disabled(),
        };
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

/// The name of this machine, as the kernel knows it.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
