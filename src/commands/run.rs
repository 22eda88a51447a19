//! `paytriage run`: the daemon, by its configuration, by PATHs, or by both.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::setup::Setup;
use crate::catalog::Lang;
use crate::cli::{LangArg, RunArgs};
use crate::config::{self, Config, DEFAULT_FILE, LoadError, Source, StartAt, Webhook};
use crate::daemon::{self, Ended, Ready};
use crate::deliver::webhook::{Sender, Sink};
use crate::exit::Exit;
use crate::http::Token;
use crate::telemetry;

/// The PATH that is standard input.
const STDIN: &str = "-";

/// Runs until SIGTERM or SIGINT, or until nobody reads standard output.
///
/// # Errors
/// Everything that is wrong with configuration, catalogue or arguments, and what keeps the daemon from starting.
pub fn run(args: &RunArgs) -> Result<Exit> {
    let ready = Ready::new()?;
    telemetry::log::init();
    let file = config_file(args);
    if file.is_none() && args.paths.is_empty() {
        bail!(
            "nothing to watch: name a file, directory or glob, as in `paytriage run /var/log/shop`, or write \
             {DEFAULT_FILE}"
        );
    }
    let load = || setup(args, file.as_deref()).map_err(|error| problems(&error));
    let state = state_dir(args, file.as_deref())?;
    Ok(match daemon::run(ready, load, state.as_deref())? {
        Ended::Asked => Exit::Done,
        Ended::Unread => Exit::Unread,
        Ended::Unreadable => Exit::Unreadable,
    })
}

/// The file that is named, or the default one where PATHs do not take its place.
fn config_file(args: &RunArgs) -> Option<PathBuf> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| args.paths.is_empty() && file.exists());
    args.config.clone().or_else(default)
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn configured(file: Option<&Path>) -> Result<Config, LoadError> {
    match file {
        Some(file) => config::load(file, &env),
        None => Ok(Config::new(&env)),
    }
}

/// PATHs alone leave nothing behind unless they are told where.
fn state_dir(args: &RunArgs, file: Option<&Path>) -> Result<Option<PathBuf>> {
    if args.state.is_some() || file.is_none() {
        return Ok(args.state.clone());
    }
    match configured(file)?.state.dir {
        Some(dir) => Ok(Some(dir)),
        None => bail!("nowhere to keep the state: set [state] dir, --state or $STATE_DIRECTORY"),
    }
}

fn setup(args: &RunArgs, file: Option<&Path>) -> Result<daemon::Setup> {
    let mut config = configured(file)?;
    let (stdin, paths): (Vec<_>, Vec<_>) = args.paths.iter().cloned().partition(|path| path == STDIN);
    if !paths.is_empty() {
        config.sources.push(Source::from_paths(&paths, &config.sources)?);
    }
    let stdin = stdin.first().map(|_| Source::from_paths(&["stdin".to_owned()], &config.sources)).transpose()?;
    if config.sources.is_empty() && stdin.is_none() {
        bail!("no [[source]] in the configuration and no PATH: nothing to watch");
    }
    if args.from_start {
        config.sources.iter_mut().for_each(|source| source.start_at = StartAt::Beginning);
    }
    if let Some(lang) = args.lang {
        config.lang = match lang {
            LangArg::En => Lang::En,
            LangArg::Zh => Lang::Zh,
        };
    }
    let Setup { catalog, engine, host, .. } = Setup::of(&config, &[])?;
    let sender = Sender::new(&config, host.clone());
    let sink = |webhook: &Webhook| Sink::new(webhook.clone(), sender.clone());
    let (webhooks, wrong): (Vec<_>, Vec<_>) = config.webhooks.iter().map(sink).partition(Result::is_ok);
    if !wrong.is_empty() {
        let wrong: Vec<_> = wrong.into_iter().filter_map(|sink| Some(sink.err()?.to_string())).collect();
        bail!("{}", wrong.join("\n"));
    }
    let webhooks: Vec<_> = webhooks.into_iter().filter_map(Result::ok).collect();
    for (sink, note) in webhooks.iter().filter_map(|sink: &Sink| Some((sink.name(), sink.unused_proxy()?))) {
        tracing::warn!(sink, "{note}");
    }
    for (sink, doubt) in webhooks.iter().filter_map(|sink: &Sink| Some((sink.name(), sink.doubt()?))) {
        tracing::warn!(sink, "template: {doubt}");
    }
    let token = config.http.as_ref().and_then(|http| http.token_file.as_deref()).map(Token::read).transpose()?;
    Ok(daemon::Setup { config, catalog, engine, host, stdin, webhooks, token })
}

/// One message per problem; a configuration has as many lines as problems.
fn problems(error: &anyhow::Error) -> Vec<String> {
    format!("{error:#}").lines().map(str::to_owned).collect()
}
