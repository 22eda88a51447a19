//! The state directory: is it there, ours, on a disk that will do, and is what is in it sound. Whether somebody holds the lock
//! is asked as `outbox status` asks it, and the database is only read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;

use super::access::{self, Need, Node, Place, describe, mend, quoted};
use super::finding::{Finding, Remedy};
use super::user::Me;
use crate::config::State;
use crate::render::bytes;
use crate::source::selection::visible;
use crate::store::{FileState, FileSystem, Outbox, StateError};

/// How long the database is checked.
const CHECK: Duration = Duration::from_secs(2);
/// With less than this nothing can be stored for long.
const LITTLE: u64 = 16 << 20;
const FILES: [&str; 4] = ["lock", "paytriage.db", "paytriage.db-wal", "paytriage.db-shm"];

#[derive(Debug, Default)]
pub struct StateSeen {
    /// `None`: nobody says where it is.
    dir: Option<Dir>,
    /// How far each file was read.
    pub files: Vec<FileState>,
}

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    place: Place,
    /// Where it would be made.
    parent: Option<Place>,
    system: FileSystem,
    /// Bytes.
    free: Option<u64>,
    has_inodes: bool,
    /// Files in it, and whether they can be written.
    files: Vec<(Node, bool)>,
    /// Who works with it: ` (process 123)`.
    user: Option<String>,
    database: Database,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Database {
    None,
    Sound,
    /// There was no time to look at all of it.
    Unfinished,
    Damaged(String),
    /// Of another version, or not to be opened.
    Unusable(String),
}

pub fn look(dir: Option<&Path>) -> StateSeen {
    let Some(dir) = dir else { return StateSeen::default() };
    let path = super::absolute(dir);
    let place = access::place(&path, Need::Write);
    let parent = match &place {
        Place::Missing { dir, .. } => Some(access::place(dir, Need::Write)),
        _ => None,
    };
    let standing = match &place {
        Place::Fine(node) | Place::Denied(node) => Some(node.path.clone()),
        Place::Missing { dir, .. } => Some(dir.clone()),
        _ => None,
    };
    let space = standing.as_ref().and_then(|at| statvfs(at).ok());
    let files = FILES.iter().filter_map(|name| match access::place(&path.join(name), Need::Write) {
        Place::Fine(node) => Some((node, true)),
        Place::Denied(node) => Some((node, false)),
        _ => None,
    });
    let (database, known) = database(&path);
    let dir = Dir {
        files: files.collect(),
        system: standing.map_or(FileSystem::Local, |at| FileSystem::of(&at)),
        free: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
        // Some file systems count none.
        has_inodes: space.is_none_or(|space| space.f_files == 0 || space.f_favail > 0),
        user: Outbox::user_of(&path).ok().flatten(),
        path,
        place,
        parent,
        database,
    };
    StateSeen { dir: Some(dir), files: known }
}

fn database(dir: &Path) -> (Database, Vec<FileState>) {
    let broken = |error: StateError| {
        if error.is_damage() { Database::Damaged(error.to_string()) } else { Database::Unusable(error.to_string()) }
    };
    let outbox = match Outbox::open(dir) {
        Ok(Some(outbox)) => outbox,
        Ok(None) => return (Database::None, Vec::new()),
        Err(error) => return (broken(error), Vec::new()),
    };
    let database = match outbox.is_sound(CHECK) {
        Ok(true) => Database::Sound,
        Ok(false) => Database::Unfinished,
        Err(error) => return (broken(error), Vec::new()),
    };
    match outbox.files() {
        Ok(files) => (database, files),
        Err(error) => (broken(error), Vec::new()),
    }
}

pub fn judge(seen: &StateSeen, config: &State, me: &Me) -> Vec<Finding> {
    let Some(dir) = &seen.dir else {
        let finding =
            Finding::fault("state.nowhere", "nobody says where the state is kept: offsets and waiting events");
        let why = "or set [state] dir in the configuration, or $STATE_DIRECTORY, as the systemd unit does";
        return vec![finding.remedy("paytriage run --config FILE --state /var/lib/paytriage", why)];
    };
    let mut findings = Vec::new();
    let is_there = matches!(dir.place, Place::Fine(_));
    findings.extend(permission(dir, me));
    findings.extend(files(dir, me));
    findings.extend(disk(dir, config));
    findings.extend(content(dir));
    if is_there && findings.is_empty() {
        let used = match &dir.user {
            Some(holder) => format!("in use by a running paytriage{holder}, which is fine"),
            None => "not in use now".to_owned(),
        };
        let unfinished = if dir.database == Database::Unfinished { ", as far as it was looked at in 2 s" } else { "" };
        let kept = match dir.database {
            Database::None => "nothing is stored yet".to_owned(),
            _ => format!("the database is sound{unfinished}, and knows {} files", seen.files.len()),
        };
        let free = dir.free.map(|free| format!(", {} free", bytes(free))).unwrap_or_default();
        findings.push(Finding::ok("state.ok", format!("can be written{free}; {kept}; {used}")));
    }
    findings.into_iter().map(|finding| if finding.path.is_some() { finding } else { finding.path(&dir.path) }).collect()
}

fn permission(dir: &Dir, me: &Me) -> Option<Finding> {
    let who = me.shown();
    let make = || {
        let command = format!("sudo install -d -m 0700 -o {who} -g {} {}", group(me), quoted(&dir.path));
        Remedy::new(command, "makes it; or set StateDirectory=paytriage in the systemd unit")
    };
    match &dir.place {
        // Files are made for their owner only.
        Place::Fine(node) if node.mode & 0o001 != 0 && dir.files.iter().any(|(file, _)| file.mode & 0o004 != 0) => {
            let text = "every user of this host can read what is in it: events, with the excerpts of logs";
            Some(
                Finding::warning("state.open", text)
                    .remedy(format!("sudo chmod 0700 {}", quoted(&dir.path)), "keeps them out"),
            )
        }
        Place::Fine(node) if node.is_dir => None,
        Place::Fine(_) => {
            let finding = Finding::fault("state.no_directory", "is a file: the state needs a directory");
            Some(finding.remedy("paytriage run --state DIR", "or [state] dir: name a directory"))
        }
        Place::Missing { .. } if matches!(dir.parent, Some(Place::Fine(_))) => {
            Some(Finding::ok("state.new", "is not there yet; it is made at the first start"))
        }
        Place::Missing { dir: parent, .. } => {
            let text = format!("is not there, and {who} cannot make it in {}", visible(parent));
            Some(Finding::fault("state.missing", text).remedies([make()]))
        }
        place => {
            let finding = Finding::fault("state.unwritable", describe(place, Need::Write, me));
            Some(finding.remedies(mend(place, Need::Write, me)))
        }
    }
}

/// The group that goes with a user, as `install -g` takes it.
fn group(me: &Me) -> String {
    me.gids.first().map_or_else(|| "root".to_owned(), |&gid| me.names.group(gid))
}

/// What somebody else has left there, as a run as root does.
fn files(dir: &Dir, me: &Me) -> Option<Finding> {
    let (Place::Fine(at) | Place::Denied(at)) = &dir.place else { return None };
    let name = |node: &Node| node.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let denied: Vec<_> = dir.files.iter().filter(|(_, is_writable)| !is_writable).map(|(node, _)| name(node)).collect();
    if !denied.is_empty() && matches!(dir.place, Place::Fine(_)) {
        let text = format!(
            "{} in it cannot be written by {}: was paytriage run as another user?",
            denied.join(", "),
            me.shown()
        );
        let chown = format!("sudo chown -R {}: {}", me.shown(), quoted(&dir.path));
        return Some(Finding::fault("state.files_unwritable", text).remedy(chown, "then restart the service"));
    }
    let strange: Vec<_> = dir.files.iter().filter(|(node, _)| node.uid != at.uid).map(|(node, _)| name(node)).collect();
    if strange.is_empty() || !me.is_root() {
        return None;
    }
    let owner = me.names.user(at.uid);
    let text = format!("{} in it belong to another user than the directory ({owner})", strange.join(", "));
    Some(
        Finding::warning("state.mixed_owners", text)
            .remedy(format!("sudo chown -R {owner}: {}", quoted(&dir.path)), "then restart the service"),
    )
}

fn disk(dir: &Dir, config: &State) -> Vec<Finding> {
    let mut findings = Vec::new();
    match dir.system {
        FileSystem::Local => {}
        FileSystem::Memory(kind) => {
            let text = format!("is on {kind}, in memory: positions and waiting events are gone after a reboot");
            findings.push(Finding::warning("state.in_memory", text).remedy(
                format!("findmnt -T {}", quoted(&dir.path)),
                "shows the mount; choose a directory on a disk with [state] dir",
            ));
        }
        FileSystem::Network(kind) => {
            let text =
                format!("is on {kind}: SQLite's write-ahead log needs a local file system, and `run` refuses this one");
            findings.push(Finding::fault("state.on_network", text).remedy(
                format!("findmnt -T {}", quoted(&dir.path)),
                "shows the mount; choose a local directory with [state] dir",
            ));
        }
    }
    let df = |finding: Finding, option: &str| {
        finding.remedy(format!("df -h{option} {}", quoted(&dir.path)), "shows the file system; make room there")
    };
    match dir.free {
        Some(free) if free < LITTLE => {
            let text = format!("only {} are free: soon nothing can be stored, and reading stops", bytes(free));
            findings.push(df(Finding::fault("state.full", text), ""));
        }
        Some(free) if free < config.max_outbox => {
            let text = format!("{} are free, less than state.max_outbox ({})", bytes(free), bytes(config.max_outbox));
            findings.push(df(Finding::warning("state.little_room", text), ""));
        }
        _ => {}
    }
    if !dir.has_inodes {
        findings.push(df(Finding::fault("state.full", "no inode is free there: no file can be made"), "i"));
    }
    findings
}

fn content(dir: &Dir) -> Option<Finding> {
    let database = quoted(&dir.path.join("paytriage.db"));
    match &dir.database {
        Database::Damaged(what) => {
            let text = format!(
                "the database is damaged: {what}; at its next start `run` sets it aside, begins a new one and reports PT.STATE_LOST"
            );
            let copy = format!("sudo cp -a {database} {database}.copy");
            Some(
                Finding::fault("state.damaged", text)
                    .remedy(copy, "keeps what is in it, before anything else")
                    .remedy("sudo systemctl restart paytriage", "then: begins a new one"),
            )
        }
        // Why is told by its permissions.
        Database::Unusable(_) if dir.files.iter().any(|(_, is_writable)| !is_writable) => None,
        Database::Unusable(_) if !matches!(dir.place, Place::Fine(_)) => None,
        Database::Unusable(what) => {
            let finding = Finding::warning("state.unusable", format!("the database cannot be looked at: {what}"));
            Some(finding.remedy(format!("ls -la {}", quoted(&dir.path)), "shows what is there"))
        }
        Database::None | Database::Sound | Database::Unfinished => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Durability;

    const CONFIG: State =
        State { dir: None, synchronous: Durability::Full, max_outbox: 256 << 20, max_pinned_bytes: 1 << 30 };

    fn node(name: &str, uid: u32, mode: u32, is_dir: bool) -> Node {
        Node { path: Path::new("/var/lib/paytriage").join(name), mode, uid, gid: uid, is_dir }
    }

    fn fine() -> Dir {
        Dir {
            path: "/var/lib/paytriage".into(),
            place: Place::Fine(node("", 998, 0o700, true)),
            parent: None,
            system: FileSystem::Local,
            free: Some(1 << 30),
            has_inodes: true,
            files: vec![(node("paytriage.db", 998, 0o600, false), true)],
            user: Some(" (process 7)".into()),
            database: Database::Sound,
        }
    }

    fn ids(dir: Dir, uid: u32) -> Vec<&'static str> {
        let me = Me { uid, gids: vec![uid], ..Me::default() };
        let findings = judge(&StateSeen { dir: Some(dir), files: Vec::new() }, &CONFIG, &me);
        for finding in &findings {
            assert!(finding.level == crate::doctor::Level::Ok || !finding.remedies.is_empty(), "{finding:?}");
        }
        findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn what_is_wrong_with_the_directory_is_named() {
        let missing = || Place::Missing { dir: "/var/lib".into(), name: "paytriage".into() };
        let shut = || Place::Denied(node("", 0, 0o755, true));
        let empty = || Dir { files: Vec::new(), database: Database::None, ..fine() };
        for (dir, expected) in [
            (fine(), &["state.ok"][..]),
            (Dir { database: Database::Unfinished, ..fine() }, &["state.ok"]),
            (Dir { place: missing(), parent: Some(shut()), ..empty() }, &["state.missing"]),
            (Dir { place: missing(), parent: Some(fine().place), ..empty() }, &["state.new"]),
            (Dir { place: shut(), ..fine() }, &["state.unwritable"]),
            (Dir { place: Place::Fine(node("", 998, 0o755, true)), ..fine() }, &["state.ok"]),
            (
                Dir {
                    place: Place::Fine(node("", 998, 0o755, true)),
                    files: vec![(node("paytriage.db", 998, 0o644, false), true)],
                    ..fine()
                },
                &["state.open"],
            ),
            (Dir { files: vec![(node("lock", 0, 0o600, false), false)], ..fine() }, &["state.files_unwritable"]),
            (Dir { free: Some(1 << 20), ..fine() }, &["state.full"]),
            (Dir { free: Some(100 << 20), ..fine() }, &["state.little_room"]),
            (Dir { has_inodes: false, ..fine() }, &["state.full"]),
            (Dir { system: FileSystem::Memory("tmpfs"), ..fine() }, &["state.in_memory"]),
            (Dir { system: FileSystem::Network("NFS"), ..fine() }, &["state.on_network"]),
            (Dir { database: Database::Damaged("x".into()), ..fine() }, &["state.damaged"]),
            (Dir { database: Database::Unusable("x".into()), ..fine() }, &["state.unusable"]),
        ] {
            let told = format!("{dir:?}");
            assert_eq!(ids(dir, 998), expected, "{told}");
        }
    }

    #[test]
    fn root_sees_files_that_the_service_cannot_write() {
        let dir = Dir { files: vec![(node("lock", 0, 0o600, false), true)], ..fine() };
        assert_eq!(ids(dir, 0), ["state.mixed_owners"]);
    }

    #[test]
    fn without_a_directory_there_is_no_memory() {
        assert_eq!(judge(&StateSeen::default(), &CONFIG, &Me::default())[0].id, "state.nowhere");
    }
}
