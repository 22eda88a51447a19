//! `paytriage doctor`: what is wrong with a set-up, each with its remedy; the same at the daemon's start.
//!
//! Each of its files gathers facts with as little I/O as can be, and judges them by pure functions. Nothing is changed or sent. The work is
//! bounded, however many and large the logs are: their directories are walked once, as the daemon does it, and of a few files
//! per source the last part is read.

mod access;
mod clock;
mod finding;
mod http;
mod journal;
mod limits;
mod sinks;
mod sources;
mod state;
mod tail;
mod unit;
mod user;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

pub use finding::{FileFacts, Finding, LastMatch, Level, Rate, Remedy, faults};

use crate::config::Config;
use crate::pipeline::Engine;
use crate::source::selection::{BadGlob, Selection};
use access::{Need, Place};
use finding::bounded;
use unit::Unit;
use user::Me;

/// Findings of one kind in one source that are told one by one.
const AT_MOST: usize = 5;

/// The set-up that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub config: &'a Config,
    /// Where the configuration was read from.
    pub file: Option<&'a Path>,
    pub engine: &'a Arc<Engine>,
    /// Where the state is kept; without it, it is forgotten at the end.
    pub state: Option<&'a Path>,
    /// Relative paths are meant from here.
    pub cwd: &'a Path,
    pub now: Timestamp,
}

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What can be told from names, modes and times: no log is opened.
    Surface,
    /// The last part of some files is read as well.
    Samples,
}

impl Subject<'_> {
    /// Everything that can be looked at. With `connect`, connections to the receivers are made; nothing is sent to them.
    ///
    /// # Errors
    /// A glob of a source that cannot be read.
    pub fn examine(&self, connect: bool) -> Result<Vec<Finding>, BadGlob> {
        let (me, unit) = (Me::look(), Unit::look());
        let state = state::look(self.state);
        let seen = sources::look(self, Depth::Samples, &state.files)?;
        let mut findings = vec![user::judge(&me)];
        findings.extend(unit.as_ref().and_then(|unit| unit::compare(unit, &me)));
        findings.extend(sources::none(self));
        findings.extend(sources::judge(&seen, self, &me));
        findings.extend(journal::examine(self, &me));
        findings.extend(limits::judge(&limits::look(), &seen.needs, unit.as_ref()));
        findings.extend(state::judge(&state, &self.config.state, &me));
        findings.extend(sinks::look(self.config, &me, connect));
        findings.extend(http::look(self.config, &me));
        findings.extend(self.of_clock_and_unit(&seen, unit.as_ref()));
        Ok(bounded(findings, AT_MOST))
    }

    /// What the daemon does not see by itself when it starts: configuration, state and sinks are in use by then.
    ///
    /// # Errors
    /// A glob of a source that cannot be read.
    pub fn at_start(&self) -> Result<Vec<Finding>, BadGlob> {
        let (me, unit) = (Me::look(), Unit::look().filter(|_| unit::is_service()));
        let seen = sources::look(self, Depth::Surface, &[])?;
        let mut findings = sources::judge(&seen, self, &me);
        findings.extend(journal::examine(self, &me));
        findings.extend(limits::judge(&limits::look(), &seen.needs, None));
        findings.extend(self.of_clock_and_unit(&seen, unit.as_ref()));
        Ok(bounded(findings, AT_MOST))
    }

    fn of_clock_and_unit(&self, seen: &sources::Seen, unit: Option<&Unit>) -> Vec<Finding> {
        let mut findings = clock::judge(&clock::look(self.now), seen);
        findings.extend(unit::judge(unit, &seen.roots(), self.state.map(absolute).as_deref()));
        findings
    }

    fn selection(&self) -> Result<Selection, BadGlob> {
        Selection::new(&self.config.sources, self.cwd.to_path_buf())
    }
}

/// What can be said without a configuration: of its file, of this host, and of the directory of the state, where it is known all the same.
pub fn without_configuration(file: &Path, state: Option<&Path>, defaults: &Config, now: Timestamp) -> Vec<Finding> {
    let (me, unit) = (Me::look(), Unit::look());
    let mut findings = vec![user::judge(&me)];
    findings.extend(configuration_file(file, &me));
    findings.extend(limits::judge(&limits::look(), &limits::Needs::default(), unit.as_ref()));
    if state.is_some() {
        findings.extend(state::judge(&state::look(state), &defaults.state, &me));
    }
    findings.extend(clock::judge(&clock::look(now), &sources::Seen::default()));
    findings.extend(unit::judge(unit.as_ref(), &[], state.map(absolute).as_deref()));
    findings
}

/// The command that changes a configuration file.
pub fn edit(file: &Path) -> String {
    format!("sudoedit {}", access::quoted(file))
}

/// Why a configuration file cannot be read, if it cannot.
fn configuration_file(file: &Path, me: &Me) -> Option<Finding> {
    let place = access::place(&absolute(file), Need::Read);
    if let Place::Fine(_) = place {
        return None;
    }
    let example = "install -m 0644 paytriage.example.toml";
    let none = Remedy::new(
        format!("sudo {example} {}", access::quoted(file)),
        "data/paytriage.example.toml beside the source; or name another file with --config",
    );
    let remedies = if place.is_missing() { vec![none] } else { access::mend(&place, Need::Read, me) };
    let what = format!("the configuration {}", access::describe(&place, Need::Read, me));
    Some(Finding::fault("config.unreadable", what).path(file).remedies(remedies))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
