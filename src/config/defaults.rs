//! What holds where the configuration is silent.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::{
    CatalogConfig, Config, Durability, Env, Incident, Journal, Listen, Notify, Redact, Source, StartAt, State, Stdout,
    StdoutFormat, Watch, kind,
};
use crate::catalog::Lang;
use crate::record::Charset;

/// Where `[http]` listens.
pub(super) const LISTEN: Listen = Listen::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9187)));

/// A PATH of the command line that can match nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(String);

impl Config {
    /// The configuration without any file: no sources, events as JSON on standard output.
    pub fn new(env: &Env) -> Config {
        Config {
            lang: Lang::default(),
            timezone: TimeZone::system(),
            state: State { dir: state_dir(env), ..State::default() },
            sources: Vec::new(),
            catalog: CatalogConfig::default(),
            redact: Redact::default(),
            incident: Incident::default(),
            stdout: Stdout::default(),
            webhooks: Vec::new(),
            http: None,
        }
    }
}

impl Source {
    /// A source of PATHs from the command line, with a name that none of `others` has.
    ///
    /// # Errors
    /// The first PATH that is empty or not a valid glob.
    pub fn from_paths(paths: &[String], others: &[Source]) -> Result<Source, InvalidPath> {
        for path in paths {
            kind::check_path(path).map_err(InvalidPath)?;
        }
        let name = unique(derived_name(paths), others);
        Ok(Source { name, paths: paths.to_vec(), ..source() })
    }
}

impl Default for State {
    fn default() -> State {
        State { dir: None, synchronous: Durability::Full, max_outbox: 256 << 20, max_pinned_bytes: 1 << 30 }
    }
}

impl Default for Redact {
    fn default() -> Redact {
        Redact { enabled: true, extra: Vec::new(), keep: Vec::new() }
    }
}

impl Default for Stdout {
    fn default() -> Stdout {
        Stdout { enabled: true, format: StdoutFormat::Json, notify: Notify::Event }
    }
}

/// A source about which nothing is known yet, not even its name.
pub(super) fn source() -> Source {
    Source {
        name: String::new(),
        paths: Vec::new(),
        journal: None,
        exclude: Vec::new(),
        start_at: StartAt::End,
        provider: None,
        encoding: Charset::Auto,
        timezone: TimeZone::system(),
        labels: BTreeMap::new(),
        watch: Watch::Auto,
        poll_interval: poll_interval(Watch::Auto),
    }
}

pub(super) fn poll_interval(watch: Watch) -> Duration {
    match watch {
        Watch::Auto => Duration::from_secs(10),
        Watch::Poll => Duration::from_secs(1),
    }
}

/// `$STATE_DIRECTORY` as systemd sets it (the first of several), else a directory of our own in the XDG state
/// directory. The XDG specification tells programs to ignore relative paths there.
pub(super) fn state_dir(env: &Env) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    if let Some(dirs) = set("STATE_DIRECTORY") {
        return std::env::split_paths(&dirs).next();
    }
    let xdg = set("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    xdg.or_else(home).map(|dir| dir.join("paytriage"))
}

/// Names the sources that have no name yet; no two get the same one.
pub(super) fn name_sources(sources: &mut [Source]) {
    for at in 0..sources.len() {
        if sources[at].name.is_empty() {
            let Source { paths, journal, .. } = &sources[at];
            let name = journal.as_ref().map_or_else(|| derived_name(paths), name_of_journal);
            sources[at].name = unique(name, sources);
        }
    }
}

/// What the first unit is called: `shop@.service` → `shop`.
fn name_of_journal(journal: &Journal) -> String {
    let unit = journal.units.first().map(String::as_str).unwrap_or_default();
    let end = unit.find(['@', '.', '*', '?', '[', '{']).unwrap_or(unit.len());
    let name = unit[..end].trim_end_matches('-');
    if name.is_empty() { "journal".to_owned() } else { name.to_owned() }
}

/// What the first path is about: `/var/log/shop/*.log` → `shop`, `/srv/app.log` → `app`.
fn derived_name(paths: &[String]) -> String {
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{']) && !matches!(*part, "" | "." | "..");
    let part = paths.first().and_then(|path| path.split('/').rfind(is_plain)).unwrap_or("logs");
    let end = part.char_indices().skip(1).find(|&(_, c)| c == '.').map_or(part.len(), |(dot, _)| dot);
    part[..end].replace(char::is_control, "_")
}

fn unique(name: String, others: &[Source]) -> String {
    let is_free = |name: &String| others.iter().all(|source| source.name != *name);
    std::iter::once(name.clone()).chain((2..).map(|n: usize| format!("{name}-{n}"))).find(is_free).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_first_path() {
        for (path, name) in [
            ("/var/log/shop/*.log", "shop"),
            ("/srv/app.log", "app"),
            ("/srv/app.2026-11-23.log.gz", "app"),
            ("/srv/logs/", "logs"),
            ("/var/log/shop/**/pay-{a,b}.log", "shop"),
            ("./pay.log", "pay"),
            ("/srv/.hidden/*", ".hidden"),
            ("/日志/支付.log", "支付"),
            ("*.log", "logs"),
            ("../*", "logs"),
            ("/srv/a\nb", "a_b"),
        ] {
            assert_eq!(derived_name(&[path.into()]), name, "{path}");
        }
    }

    #[test]
    fn the_journal_is_named_after_its_first_unit() {
        for (units, name) in [
            (&["shop.service", "till.service"][..], "shop"),
            (&["pay-*.service"], "pay"),
            (&["till@.service"], "till"),
            (&["*.service"], "journal"),
            (&[], "journal"),
        ] {
            let units = units.iter().map(|&unit| unit.to_owned()).collect();
            assert_eq!(name_of_journal(&Journal { units, directory: None }), name);
        }
    }

    #[test]
    fn a_source_from_the_command_line_takes_no_name_twice() -> Result<(), InvalidPath> {
        let first = Source::from_paths(&["a/app.log".into()], &[])?;
        let others = [first];
        let second = Source::from_paths(&["b/app.log".into()], &others)?;
        assert_eq!((others[0].name.as_str(), second.name.as_str()), ("app", "app-2"));
        let error = Source::from_paths(&["ok".into(), "[a".into()], &[]).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.starts_with("\"[a\" is not a valid glob: ")));
        Ok(())
    }

    #[test]
    fn the_state_directory_comes_from_the_first_variable_that_says() {
        let dir = |variables: &[(&str, &str)]| {
            let env = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
            state_dir(&env).map(|dir| dir.to_string_lossy().into_owned())
        };
        let (systemd, xdg, home) = (("STATE_DIRECTORY", "/s:/t"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h"));
        assert_eq!(dir(&[home, xdg, systemd]).as_deref(), Some("/s"));
        assert_eq!(dir(&[home, xdg, ("STATE_DIRECTORY", "")]).as_deref(), Some("/x/paytriage"));
        assert_eq!(dir(&[home, ("XDG_STATE_HOME", "x")]).as_deref(), Some("/h/.local/state/paytriage"));
        assert_eq!(dir(&[("HOME", "")]), None);
    }
}
