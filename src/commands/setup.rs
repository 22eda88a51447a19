//! What commands that read logs need: the catalogue and the engine, as configured.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, Lang};
use crate::event::Origin;
use crate::input::Input;
use crate::pipeline::{Engine, FileContext};
use crate::record::Charset;

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
    pub fn load(_config: Option<&Path>, _catalogs: &[String]) -> Result<Setup> {
        anyhow::bail!("the catalogue is not there yet")
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
