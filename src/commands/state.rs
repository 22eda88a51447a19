//! Which state directory a command means, and the configuration that belongs to it.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use super::setup::config_from;
use crate::cli::StateArgs;
use crate::config::{Config, DEFAULT_FILE};
use crate::store::{Operator, StateError};
use crate::visible::visible;

/// The configuration, and the state directory it speaks of.
///
/// # Errors
/// Everything that is wrong with the configuration; nobody says where the state is.
pub fn configured(state: &StateArgs) -> Result<(Config, PathBuf)> {
    let config = config_from(config_file(state.config.as_deref()).as_deref())?;
    let dir = state.state.clone().or_else(|| config.state.dir.clone());
    let dir = dir.ok_or_else(|| anyhow!("no state directory: give --state DIR, or --config FILE with [state] dir"))?;
    Ok((config, dir))
}

/// True if this configuration is known to be that of whoever works with the state, and not a default.
pub fn is_of_its_daemon(state: &StateArgs, (config, dir): (&Config, &Path)) -> bool {
    state.config.is_some() || config_file(None).is_some() && config.state.dir.as_deref() == Some(dir)
}

/// The file that is named, or the default one where it exists.
pub fn config_file(named: Option<&Path>) -> Option<PathBuf> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
    named.map(Path::to_owned).or_else(default)
}

/// The state, to be worked with beside its daemon.
///
/// # Errors
/// There is none, or it cannot be written.
pub fn operator(dir: &Path) -> Result<Operator> {
    if !dir.try_exists().map_err(|error| StateError::Io { path: dir.display().to_string(), error })? {
        bail!(
            "{}: there is no such state directory; name that of `paytriage run` with --state DIR, or its configuration with --config FILE",
            dir.display()
        );
    }
    let never = || anyhow!("{}: nothing was ever stored here; start `paytriage run` first", dir.display());
    Operator::open(dir)?.ok_or_else(never)
}

/// Sees that a sink is one of those that the state knows.
///
/// # Errors
/// It is none; the others are named.
pub fn check_sink(known: &[String], sink: Option<&str>) -> Result<()> {
    let Some(sink) = sink else { return Ok(()) };
    match known {
        _ if known.iter().any(|name| name == sink) => Ok(()),
        [] => bail!("no sink is called {sink:?}: this state has none; start `paytriage run` first"),
        _ => bail!("no sink is called {sink:?}; there are: {}", visible(&known.join(", "))),
    }
}
