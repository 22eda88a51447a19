//! The program that reads journals, started without a shell and with nothing of a user's in its arguments but names of units and a directory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use super::{Cursor, export};

/// One journal: this host's, or the one in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journalctl {
    pub directory: Option<PathBuf>,
    /// Only entries of these units are asked for; all where there are none.
    pub units: Vec<String>,
}

/// Why a journal cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    pub fn start(error: &io::Error) -> Refused {
        match error.kind() {
            io::ErrorKind::NotFound => Refused::missing(),
            _ => Refused(format!("journalctl cannot be started: {error}")),
        }
    }

    /// There is no journalctl.
    pub fn missing() -> Refused {
        Refused("journalctl was not found: it comes with systemd".to_owned())
    }

    /// Of what journalctl said last, or of how it ended.
    pub fn end(said: &[u8], status: Option<ExitStatus>) -> Refused {
        let said = String::from_utf8_lossy(said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).map(str::trim);
        let how =
            || status.map_or_else(|| "journalctl ended".to_owned(), |status| format!("journalctl ended: {status}"));
        Refused(last.map_or_else(how, |line| format!("journalctl: {}", line.replace(char::is_control, " "))))
    }

    pub fn stream(error: &io::Error) -> Refused {
        Refused(format!("what journalctl writes cannot be read: {error}"))
    }
}

impl Journalctl {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("journalctl");
        // `--follow` shows this boot alone unless journals are merged.
        command.args(["--output=export", "--all", "--merge", "--no-pager"]).args(arguments);
        command.arg(format!("--output-fields={}", export::FIELDS));
        if let Some(directory) = &self.directory {
            let mut option = OsString::from("--directory=");
            option.push(directory);
            command.arg(option);
        }
        // Nothing else of the environment is its business: there may be secrets in it.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Writes the first entry that is at the cursor or behind it; without a cursor the last one there is.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn look(&self, at: Option<&Cursor>) -> Result<Child, Refused> {
        let at = at.map(|cursor| format!("--cursor={}", cursor.0));
        let arguments: Vec<&str> = ["--lines=1"].into_iter().chain(at.as_deref()).collect();
        self.command(&arguments).spawn().map_err(|error| Refused::start(&error))
    }

    /// Writes every entry from the cursor on, or from the beginning, and those to come.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn follow(&self, from: Option<&Cursor>) -> Result<Child, Refused> {
        let from = from.map(|cursor| format!("--cursor={}", cursor.0));
        let arguments: Vec<&str> = ["--follow", "--no-tail"].into_iter().chain(from.as_deref()).collect();
        let mut command = self.command(&arguments);
        for (at, field) in ["_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT"].into_iter().enumerate() {
            // Fields that are given are alternatives within one name; `+` makes the two names so.
            command.args((at > 0 && !self.units.is_empty()).then_some("+"));
            command.args(self.units.iter().map(|unit| format!("{field}={unit}")));
        }
        command.spawn().map_err(|error| Refused::start(&error))
    }

    /// The units that have written to it.
    ///
    /// # Errors
    /// It cannot be started, or the journal cannot be read.
    pub fn known_units(&self) -> Result<BTreeSet<String>, Refused> {
        let mut all = BTreeSet::new();
        for field in ["--field=_SYSTEMD_UNIT", "--field=_SYSTEMD_USER_UNIT"] {
            let output = self.command(&[field]).output().map_err(|error| Refused::start(&error))?;
            if !output.status.success() {
                return Err(Refused::end(&output.stderr, Some(output.status)));
            }
            all.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        }
        Ok(all)
    }

    /// The entry that [`Journalctl::look`] would write, in one go: `None` where the journal has none.
    ///
    /// # Errors
    /// It cannot be started, or the journal cannot be read.
    pub fn look_once(&self, at: Option<&Cursor>) -> Result<Option<super::Entry>, Refused> {
        let mut child = self.look(at)?;
        match child.stdout.take().zip(child.stderr.take()) {
            Some(pipes) => looked(pipes, || child.wait().ok()),
            None => Ok(None),
        }
    }
}

/// What a look has found, when the child has written all there is; `ended` waits for its end.
pub(super) fn looked(
    (mut stdout, stderr): (ChildStdout, ChildStderr),
    ended: impl FnOnce() -> Option<ExitStatus>,
) -> Result<Option<super::Entry>, Refused> {
    let (mut out, mut said) = (Vec::new(), Vec::new());
    stdout.read_to_end(&mut out).map_err(|error| Refused::stream(&error))?;
    // What it says does not fit into a pipe only if something is very wrong with the journal.
    stderr.take(64 * 1024).read_to_end(&mut said).map_err(|error| Refused::stream(&error))?;
    let status = ended();
    let entry = export::read(&mut &*out).map_err(|error| Refused::stream(&error))?;
    match entry {
        None if status.is_none_or(|status| !status.success()) => Err(Refused::end(&said, status)),
        entry => Ok(entry),
    }
}
