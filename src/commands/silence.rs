//! `paytriage silence`: keeps incidents quiet for a while, beside a running daemon or before it starts again.

mod end;
mod matchers;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use super::state::{configured, operator};
use crate::cli::{ExplainFormat, SilenceAdd, SilenceCommand};
use crate::config;
use crate::exit::Exit;
use crate::store::{Operator, Outbox, Silence};
use crate::visible::visible;

/// Runs the subcommand.
///
/// # Errors
/// Configuration, state or arguments cannot be used; nothing was changed.
pub fn run(command: &SilenceCommand, out: &mut dyn Write) -> Result<Exit> {
    match command {
        SilenceCommand::Add(args) => add(args, out),
        SilenceCommand::List { state, over, format } => {
            let (config, dir) = configured(state)?;
            let list = listed(&dir, &config.incident.silences)?;
            list.iter().filter(|line| *over || line.active).try_for_each(|line| line.print(*format, out))?;
            Ok(Exit::Done)
        }
        SilenceCommand::Remove { id, state } => remove(&configured(state)?.1, id, out),
    }
}

fn add(args: &SilenceAdd, out: &mut dyn Write) -> Result<Exit> {
    let (config, dir) = configured(&args.state)?;
    let comment = args.comment.trim().to_owned();
    if comment.is_empty() {
        bail!("--comment is empty: say why, for those who read it later");
    }
    let now = Zoned::now();
    let silence = Silence {
        id: format!("{:08x}", fastrand::u32(..)),
        matcher: matchers::parse(&args.matchers, &config)?,
        until: end::of(&args.end, &now)?,
        comment,
        created: now.timestamp(),
        by: whoever(),
    };
    operator(&dir)?.add_silence(&silence)?;
    let Silence { id, matcher, until, .. } = &silence;
    writeln!(out, "silence {id}: {} until {}", visible(&matchers::shown(matcher)), local(*until))?;
    let note = match Outbox::user_of(&dir)? {
        Some(_) => "",
        None => "; nobody works with this state now, it counts once `paytriage run` does",
    };
    writeln!(out, "end it with `paytriage silence remove {id}`{note}")?;
    Ok(Exit::Done)
}

fn remove(dir: &Path, id: &str, out: &mut dyn Write) -> Result<Exit> {
    let mut operator = operator(dir)?;
    if operator.remove_silence(id)? {
        writeln!(out, "silence {id} has ended; what is open now is announced")?;
        return Ok(Exit::Done);
    }
    let now = Timestamp::now();
    let in_force = operator.silences()?.into_iter().filter(|silence| now < silence.until);
    let known: Vec<String> = in_force.map(|silence| silence.id).collect();
    match known.as_slice() {
        [] => bail!("no silence has the id {id:?}: none is in force; those of the configuration end there"),
        _ => bail!("no silence has the id {id:?}; in force are: {}", known.join(", ")),
    }
}

/// Who types this; behind sudo, who typed that.
fn whoever() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let name = names.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}

/// A silence as it is listed.
#[derive(Serialize)]
struct Line {
    /// Absent for those of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    active: bool,
    /// As they are typed; none: all incidents.
    matchers: Vec<String>,
    #[serde(skip)]
    what: String,
    until: Timestamp,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    by: String,
}

/// Those of state and configuration; what ends first stands first.
fn listed(dir: &Path, configured: &[config::Silence]) -> Result<Vec<Line>> {
    let stored = Operator::open(dir)?.map(|mut operator| operator.silences()).transpose()?.unwrap_or_default();
    let now = Timestamp::now();
    let stored = stored.into_iter().map(|Silence { id, matcher, until, comment, created, by }| Line {
        id: Some(id),
        active: now < until,
        matchers: matchers::written(&matcher),
        what: matchers::shown(&matcher),
        until,
        comment,
        created: Some(created),
        by,
    });
    let configured = configured.iter().cloned().map(|config::Silence { matcher, until, comment }| Line {
        id: None,
        active: now < until,
        matchers: matchers::written(&matcher),
        what: matchers::shown(&matcher),
        until,
        comment,
        created: None,
        by: "the configuration".to_owned(),
    });
    let mut all: Vec<Line> = stored.chain(configured).collect();
    all.sort_by_key(|line| line.until);
    Ok(all)
}

impl Line {
    fn print(&self, format: ExplainFormat, out: &mut dyn Write) -> Result<()> {
        if format == ExplainFormat::Json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let id = self.id.as_deref().unwrap_or("-       ");
        let until = if self.active { "until" } else { "over since" };
        writeln!(out, "{}  {}  {until} {}", visible(id), visible(&self.what), local(self.until))?;
        let made = self.created.map_or(String::new(), |created| format!(", {}", local(created)));
        let why = if self.comment.is_empty() { "no comment" } else { &self.comment };
        writeln!(out, "          {} (by {}{made})", visible(why), visible(&self.by))?;
        Ok(())
    }
}

/// With the offset of this host's zone, to the second.
fn local(time: Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}
