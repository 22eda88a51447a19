//! What the daemon is to do: everything that follows from one configuration, checked before any of it is used.

use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::config::{Config, Source, StdoutFormat};
use crate::deliver::webhook::Sink;
use crate::http::{InForce, Token};
use crate::pipeline::Engine;
use crate::source::selection::{BadGlob, Selection};

/// A configuration and what was built from it.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    pub catalog: Arc<Catalog>,
    pub engine: Arc<Engine>,
    /// Name of this machine, as events give it.
    pub host: Option<String>,
    /// How standard input is read, where it is.
    pub stdin: Option<Source>,
    /// The webhooks, ready to be worked for; whoever works for them takes them out.
    pub webhooks: Vec<Sink>,
    /// What whoever asks over HTTP has to show.
    pub token: Option<Token>,
}

impl Setup {
    /// What answers over HTTP depend on.
    pub fn answers(&self) -> InForce {
        InForce {
            catalog: Arc::clone(&self.catalog),
            lang: self.config.lang,
            incident: self.config.incident.clone(),
            token: self.token.clone(),
        }
    }
}

/// What the reader works by; replaced as a whole when the configuration is loaded again.
#[derive(Debug)]
pub struct Plan {
    pub selection: Selection,
    pub setup: Setup,
}

impl Plan {
    /// # Errors
    /// A glob of a source that cannot be read.
    pub fn new(setup: Setup, cwd: PathBuf) -> Result<Plan, BadGlob> {
        Ok(Plan { selection: Selection::new(&setup.config.sources, cwd)?, setup })
    }

    /// Keys that differ from `new` but take effect only at the next start.
    pub fn needs_restart(&self, new: &Setup) -> Vec<&'static str> {
        let (old, new) = (&self.setup.config, &new.config);
        let is_for_people = new.stdout.enabled && new.stdout.format == StdoutFormat::Pretty;
        let differs = [
            ("state", old.state != new.state),
            ("sink.stdout", old.stdout != new.stdout),
            ("lang of sink.stdout", is_for_people && old.lang != new.lang),
            ("timezone of sink.stdout", is_for_people && old.timezone != new.timezone),
            ("http.listen", old.http.as_ref().map(|http| &http.listen) != new.http.as_ref().map(|http| &http.listen)),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}
