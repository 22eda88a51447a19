//! The journals among the sources: is there journalctl, may this user read all of their files, and have the units that are named written anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::access::{self, Need, Place, describe, mend, quoted};
use super::finding::{Finding, Remedy, since};
use super::user::Me;
use super::{Subject, absolute};
use crate::config;
use crate::source::journal::{Journalctl, Refused, Units};

/// Where a host keeps its journal; the second is gone after a restart of the host.
const HOST: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
/// The group that may read it.
const GROUP: &str = "systemd-journal";
/// Files of a journal that are looked at.
const MAX_FILES: usize = 10_000;
/// Names that are told.
const SHOWN: usize = 3;
/// How alike names are that somebody may have confused.
const ALIKE: f64 = 0.85;

/// What was seen of one journal.
#[derive(Debug)]
struct Seen {
    directory: Option<PathBuf>,
    /// Its directories that are there.
    places: Vec<Place>,
    files: usize,
    /// Those that cannot be read, the first few.
    denied: Vec<Place>,
    /// When its last entry was written; `None` where it has none.
    last: Result<Option<jiff::Timestamp>, Refused>,
    /// Units that have written to it.
    units: BTreeSet<String>,
}

/// Looks at each source that is a journal, and says what is wrong with it.
pub fn examine(subject: &Subject, me: &Me) -> Vec<Finding> {
    let mut looked: Vec<Seen> = Vec::new();
    let mut findings = Vec::new();
    for source in &subject.config.sources {
        let Some(journal) = &source.journal else { continue };
        let seen = match looked.iter().position(|seen| seen.directory == journal.directory) {
            Some(at) => &looked[at],
            None => {
                looked.push(look(journal.directory.as_deref()));
                &looked[looked.len() - 1]
            }
        };
        findings.extend(judge(seen, journal, subject, me).into_iter().map(|finding| finding.source(&source.name)));
    }
    findings
}

fn look(directory: Option<&Path>) -> Seen {
    let roots = directory.map_or_else(|| HOST.map(PathBuf::from).to_vec(), |directory| vec![absolute(directory)]);
    let places: Vec<Place> = roots.iter().map(|root| access::place(root, Need::List)).collect();
    let files: Vec<PathBuf> = roots.iter().flat_map(|root| files(root)).take(MAX_FILES).collect();
    let unreadable = files.iter().filter(|file| !access::is_readable(file));
    let denied =
        unreadable.map(|file| access::place(file, Need::Read)).filter(|place| !matches!(place, Place::Fine(_)));
    let journalctl = Journalctl { directory: directory.map(Path::to_path_buf), units: Vec::new() };
    let last = journalctl.look_once(None).map(|entry| entry.map(|entry| entry.time));
    let units = if let Ok(Some(_)) = last { journalctl.known_units().unwrap_or_default() } else { BTreeSet::new() };
    Seen {
        directory: directory.map(Path::to_path_buf),
        places,
        files: files.len(),
        denied: denied.take(SHOWN).collect(),
        last,
        units,
    }
}

/// The files of a journal: in its directory, and in one for each machine.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let (mut files, dirs): (Vec<_>, Vec<_>) = entries(root).into_iter().partition(|path| !path.is_dir());
    files.extend(dirs.iter().flat_map(|dir| entries(dir)));
    files.retain(|file| file.extension().is_some_and(|it| it == "journal"));
    files.sort();
    files
}

fn judge(seen: &Seen, journal: &config::Journal, subject: &Subject, me: &Me) -> Vec<Finding> {
    let shown = seen.directory.clone().unwrap_or_else(|| "journal".into());
    if let Err(why) = &seen.last
        && *why == Refused::missing()
    {
        let finding = Finding::fault("journal.no_journalctl", "journalctl, which reads the journal, is not installed");
        return vec![finding.remedy("sudo apt-get install systemd", "has it; a container needs it in its image")];
    }
    if let Some(finding) = unreadable(seen, me) {
        return vec![finding];
    }
    let last = match &seen.last {
        Err(why) => {
            let finding = Finding::fault("journal.unreadable", why.to_string()).path(&shown);
            return vec![finding.remedy(look_yourself(seen, "-n 1"), "shows whether root can read it")];
        }
        Ok(None) => {
            let finding = Finding::warning("journal.empty", "has no entry yet").path(&shown);
            return vec![finding.remedy(look_yourself(seen, "--header"), "shows its files")];
        }
        Ok(Some(last)) => last,
    };
    let text = format!("can be read; the last entry is {} old", since(*last, subject.now));
    let mut findings = vec![Finding::ok("journal.ok", text).path(&shown)];
    findings.extend(journal.units.iter().filter_map(|unit| of_unit(unit, seen)));
    let is_volatile = seen.directory.is_none() && seen.places[0].is_missing();
    if is_volatile {
        let text = "is kept in memory: what was not read when the host restarts is gone";
        let keep = "sudo mkdir /var/log/journal && sudo systemctl restart systemd-journald";
        findings
            .push(Finding::note("journal.volatile", text).path(Path::new(HOST[1])).remedy(keep, "keeps it on disk"));
    }
    findings
}

/// A file or directory of it that this user gets nowhere near.
fn unreadable(seen: &Seen, me: &Me) -> Option<Finding> {
    let is_bad = |place: &&Place| !matches!(place, Place::Fine(_) | Place::Missing { .. });
    let missing = seen.places.iter().all(Place::is_missing).then(|| seen.places.last()).flatten();
    let (place, need) = match (seen.places.iter().find(is_bad), missing, seen.denied.first()) {
        (Some(place), ..) | (None, Some(place), _) => (place, Need::List),
        (None, None, Some(place)) => (place, Need::Read),
        (None, None, None) => return None,
    };
    let path = match place {
        Place::Denied(node) | Place::Blocked(node) => node.path.clone(),
        _ => seen.directory.clone().unwrap_or_else(|| HOST[0].into()),
    };
    let text = describe(place, need, me);
    let is_of_group = matches!(place, Place::Denied(node) if me.names.group_name(node.gid) == Some(GROUP));
    let remedies = match me.name() {
        Some(name) if is_of_group => {
            let why = format!(
                "the group {GROUP} may read all of it; then restart the service (paytriage.service has the group)"
            );
            vec![Remedy::new(format!("sudo usermod -aG {GROUP} {name}"), why)]
        }
        _ => mend(place, need, me),
    };
    let some = format!("{} of its {} files, such as this one, ", seen.denied.len(), seen.files);
    let text = if need == Need::Read && seen.files > 1 { format!("{some}{text}") } else { text };
    Some(Finding::fault("journal.unreadable", text).path(&path).remedies(remedies))
}

/// A unit that has written nothing: nobody will hear of it.
fn of_unit(unit: &str, seen: &Seen) -> Option<Finding> {
    let one = config::Journal { units: vec![unit.to_owned()], directory: None };
    let units = Units::new(&one).ok()?;
    if seen.units.iter().any(|name| units.mean(Some(name))) {
        return None;
    }
    let alike = seen.units.iter().filter(|name| strsim::jaro_winkler(name, unit) >= ALIKE).take(SHOWN);
    let alike: Vec<&str> = alike.map(String::as_str).collect();
    let hint = if alike.is_empty() { String::new() } else { format!("; it has {}", alike.join(", ")) };
    let text = format!("{unit} has written nothing to the journal{hint}");
    let finding = Finding::warning("journal.no_unit", text);
    Some(finding.remedy(look_yourself(seen, "-F _SYSTEMD_UNIT"), "shows the units that have"))
}

fn look_yourself(seen: &Seen, what: &str) -> String {
    match &seen.directory {
        Some(directory) => format!("sudo journalctl -D {} {what}", quoted(directory)),
        None => format!("sudo journalctl {what}"),
    }
}
