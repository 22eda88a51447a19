//! Whether this user gets to a path, and if not, what exactly stands in the way and which command mends it.
//!
//! The kernel is asked for each step, so that access lists, capabilities and mounts count as they will for the daemon.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::finding::{Remedy, parent};
use super::user::{Me, Names};
use crate::source::selection::visible;

/// As many as the kernel follows.
const MAX_LINKS: u32 = 40;

/// What is to be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Pass through a directory.
    Enter,
    /// See what is in a directory, and pass through it.
    List,
    /// Read a file.
    Read,
    /// Write a file, or make files in a directory.
    Write,
}

/// A file or directory and who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub is_dir: bool,
}

/// How far one gets on the way to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// There, and the need can be met.
    Fine(Node),
    /// There, and the need cannot be met.
    Denied(Node),
    /// This directory on the way cannot be entered.
    Blocked(Node),
    /// This directory has nothing of this name.
    Missing { dir: PathBuf, name: String },
    /// This symbolic link leads back to itself.
    Loop(PathBuf),
    /// Something on the way is no directory.
    NotADirectory(PathBuf),
    /// Whatever else the system says.
    Failed { at: PathBuf, reason: String },
}

impl Place {
    pub fn is_missing(&self) -> bool {
        matches!(self, Place::Missing { .. })
    }
}

impl Node {
    pub fn of(path: &Path, metadata: &Metadata) -> Node {
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        Node { path: path.to_path_buf(), mode, uid, gid, is_dir: metadata.is_dir() }
    }

    /// `mode 0750, owner root, group adm`
    fn shown(&self, names: &Names) -> String {
        format!("mode {:04o}, owner {}, group {}", self.mode, names.user(self.uid), names.group(self.gid))
    }
}

/// Goes to an absolute path step by step, through links as the kernel does.
pub fn place(path: &Path, need: Need) -> Place {
    let names = |path: &Path| -> Vec<PathBuf> {
        let steps = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
        steps.map(|step| PathBuf::from(step.as_os_str())).rev().collect()
    };
    let (mut at, mut left, mut links) = (PathBuf::from("/"), names(path), 0);
    while let Some(step) = left.pop() {
        if step == Path::new("..") {
            at.pop();
            continue;
        }
        let next = at.join(&step);
        match fs::symlink_metadata(&next) {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Place::Loop(next);
                }
                let Ok(target) = fs::read_link(&next) else { return failed(next, &Errno::IO.into()) };
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(names(&target));
            }
            Ok(_) => at = next,
            Err(error) => return stopped(&at, &step, next, &error),
        }
    }
    arrived(at, need)
}

/// Goes to what a source means: a file is to be read, a directory to be listed.
pub fn place_to_read(path: &Path) -> (Place, Need) {
    match place(path, Need::Read) {
        Place::Fine(node) | Place::Denied(node) if node.is_dir => (arrived(node.path, Need::List), Need::List),
        place => (place, Need::Read),
    }
}

/// The quick question, where the answer is mostly yes.
pub fn is_readable(file: &Path) -> bool {
    check(file, Need::Read, false).is_ok()
}

/// The same of a directory.
pub fn is_listable(dir: &Path) -> bool {
    check(dir, Need::List, true).is_ok()
}

fn stopped(dir: &Path, step: &Path, next: PathBuf, error: &io::Error) -> Place {
    match error.kind() {
        io::ErrorKind::NotFound => Place::Missing { dir: dir.to_path_buf(), name: visible(step) },
        io::ErrorKind::NotADirectory => Place::NotADirectory(dir.to_path_buf()),
        io::ErrorKind::PermissionDenied => match fs::symlink_metadata(dir) {
            Ok(metadata) => Place::Blocked(Node::of(dir, &metadata)),
            Err(error) => failed(dir.to_path_buf(), &error),
        },
        _ => failed(next, error),
    }
}

fn arrived(at: PathBuf, need: Need) -> Place {
    let node = match fs::symlink_metadata(&at) {
        Ok(metadata) => Node::of(&at, &metadata),
        Err(error) => return failed(at, &error),
    };
    match check(&at, need, node.is_dir) {
        Ok(()) => Place::Fine(node),
        Err(Errno::ACCESS | Errno::PERM) => Place::Denied(node),
        Err(error) => failed(at, &error.into()),
    }
}

/// Asks the kernel, for the effective user.
fn check(path: &Path, need: Need, is_dir: bool) -> Result<(), Errno> {
    let access = match need {
        Need::Enter => Access::EXEC_OK,
        Need::List => Access::READ_OK | Access::EXEC_OK,
        Need::Read => Access::READ_OK,
        Need::Write if is_dir => Access::WRITE_OK | Access::EXEC_OK,
        Need::Write => Access::READ_OK | Access::WRITE_OK,
    };
    accessat(CWD, path, access, AtFlags::EACCESS)
}

fn failed(at: PathBuf, error: &io::Error) -> Place {
    Place::Failed { at, reason: crate::source::walk::reason(error) }
}

/// What is the matter, to stand behind the path that was asked for.
pub fn describe(place: &Place, need: Need, me: &Me) -> String {
    let cannot = match need {
        Need::Enter => "cannot be entered",
        Need::List => "cannot be listed and entered",
        Need::Read => "cannot be read",
        Need::Write => "cannot be written",
    };
    let who = me.shown();
    match place {
        Place::Fine(node) => format!("is there ({})", node.shown(&me.names)),
        Place::Denied(node) => format!("{cannot} by {who} ({})", node.shown(&me.names)),
        Place::Blocked(node) => {
            let shown = node.shown(&me.names);
            format!("cannot be reached: {} cannot be entered by {who} ({shown})", visible(&node.path))
        }
        Place::Missing { dir, name } => format!("is not there: {} has no {name}", visible(dir)),
        Place::Loop(link) => format!("cannot be reached: the symbolic link {} leads back to itself", visible(link)),
        Place::NotADirectory(path) => format!("cannot be reached: {} is no directory", visible(path)),
        Place::Failed { at, reason } => format!("{cannot}: {}: {reason}", visible(at)),
    }
}

/// The commands that mend it, the best first.
pub fn mend(place: &Place, need: Need, me: &Me) -> Vec<Remedy> {
    match place {
        Place::Fine(_) => Vec::new(),
        Place::Blocked(node) => permit(node, Need::Enter, me),
        Place::Denied(node) => permit(node, need, me),
        Place::Missing { dir, .. } => vec![Remedy::new(format!("ls -la {}", quoted(dir)), "shows what is there")],
        Place::Loop(link) => vec![Remedy::new(
            format!("sudo ln -sfn TARGET {}", quoted(link)),
            "makes it lead to the right place (TARGET), or remove it",
        )],
        Place::NotADirectory(path) => vec![Remedy::new(format!("ls -la {}", quoted(path)), "shows what it is")],
        Place::Failed { at, reason } if reason.contains("read-only") => vec![Remedy::new(
            format!("findmnt -T {}", quoted(at)),
            "shows the file system, which is mounted read-only here",
        )],
        Place::Failed { at, .. } => {
            vec![Remedy::new(format!("sudo ls -la {}", quoted(at)), "shows whether root can look at it")]
        }
    }
}

/// Whose permission bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Owner,
    Group,
    Other,
}

fn permit(node: &Node, need: Need, me: &Me) -> Vec<Remedy> {
    let (path, who) = (quoted(&node.path), me.shown());
    let (bits, letters) = match (need, node.is_dir) {
        (Need::Enter, _) => (0o1, "x"),
        (Need::List, _) => (0o5, "rx"),
        (Need::Read, _) => (0o4, "r"),
        (Need::Write, true) => (0o3, "wx"),
        (Need::Write, false) => (0o6, "rw"),
    };
    let class = match () {
        () if me.uid == node.uid => Class::Owner,
        () if me.gids.contains(&node.gid) => Class::Group,
        () => Class::Other,
    };
    let has = |shift: u32| (node.mode >> shift) & bits == bits;
    let allowed = match class {
        Class::Owner => has(6),
        Class::Group => has(3),
        Class::Other => has(0),
    };
    if allowed {
        // Not the mode, then.
        return vec![
            Remedy::new(format!("getfacl {path}"), "the mode allows it: an access list may not (package acl)"),
            Remedy::new("sudo journalctl -k -g 'apparmor|avc'", "or SELinux or AppArmor, which say so here"),
        ];
    }
    if need == Need::Write {
        let recursive = if node.is_dir { "-R " } else { "" };
        return vec![Remedy::new(format!("sudo chown {recursive}{who}: {path}"), format!("makes it {who}'s"))];
    }
    let mut remedies = Vec::new();
    match class {
        Class::Owner => remedies.push(Remedy::new(format!("chmod u+{letters} {path}"), "gives its owner the right")),
        Class::Group => {
            let group = me.names.group(node.gid);
            remedies
                .push(Remedy::new(format!("sudo chmod g+{letters} {path}"), format!("{who} is in the group {group}")));
        }
        // Who is in the group of root may read too much.
        Class::Other if has(3) && node.gid != 0 => {
            if let (Some(name), Some(group)) = (me.name(), me.names.group_name(node.gid)) {
                let join = format!("sudo usermod -aG {group} {name}");
                remedies.push(Remedy::new(join, format!("the group {group} may; then restart the service")));
            }
        }
        Class::Other => {}
    }
    let list = |letters: &str| format!("setfacl -m u:{who}:{letters}");
    remedies.push(Remedy::new(
        format!("sudo {} {path}", list(letters)),
        format!("lets {who}, and nobody else (package acl)"),
    ));
    if need == Need::Read && !node.is_dir {
        let dir = quoted(&parent(&node.path));
        let command = format!("sudo setfacl -d -m u:{who}:rX {dir}");
        remedies.push(Remedy::new(command, "as well, for files that rotation makes there"));
    }
    remedies
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let shown = visible(path);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if shown.chars().all(is_plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn me(gids: &[u32]) -> Me {
        let names = Names::parse("root:x:0:\npaytriage:x:998:\n", "root:x:0:\nadm:x:4:\npaytriage:x:998:\n");
        Me { uid: 998, gids: gids.to_vec(), names }
    }

    fn node(mode: u32, uid: u32, gid: u32, is_dir: bool) -> Node {
        Node { path: "/var/log/shop".into(), mode, uid, gid, is_dir }
    }

    #[test]
    fn the_best_remedy_depends_on_who_may() {
        for (node, need, gids, expected) in [
            (node(0o750, 0, 4, true), Need::Enter, &[998][..], "sudo usermod -aG adm paytriage"),
            (node(0o750, 0, 0, true), Need::Enter, &[998], "sudo setfacl -m u:paytriage:x /var/log/shop"),
            (node(0o700, 0, 4, true), Need::Enter, &[998], "sudo setfacl -m u:paytriage:x /var/log/shop"),
            (node(0o740, 0, 4, true), Need::List, &[998, 4], "sudo chmod g+rx /var/log/shop"),
            (node(0o640, 0, 4, false), Need::Read, &[998], "sudo usermod -aG adm paytriage"),
            (node(0o600, 0, 4, false), Need::Read, &[998, 4], "sudo chmod g+r /var/log/shop"),
            (node(0o000, 998, 998, false), Need::Read, &[998], "chmod u+r /var/log/shop"),
            (node(0o755, 0, 0, true), Need::Write, &[998], "sudo chown -R paytriage: /var/log/shop"),
            (node(0o644, 0, 0, false), Need::Read, &[998], "getfacl /var/log/shop"),
        ] {
            assert_eq!(permit(&node, need, &me(gids))[0].command, expected, "{node:?} {need:?}");
        }
    }

    #[test]
    fn a_user_without_a_name_is_its_number() {
        let me = Me { uid: 65534, gids: vec![65534], names: Names::default() };
        let remedies = permit(&node(0o640, 0, 4, false), Need::Read, &me);
        assert_eq!(remedies[0].command, "sudo setfacl -m u:65534:r /var/log/shop");
        assert_eq!(remedies[1].command, "sudo setfacl -d -m u:65534:rX /var/log");
    }

    #[test]
    fn paths_are_quoted_as_a_shell_takes_them() {
        assert_eq!(quoted(Path::new("/a/b-1.log")), "/a/b-1.log");
        assert_eq!(quoted(Path::new("/a/$(id) 'x'")), r"'/a/$(id) '\''x'\'''");
    }

    #[test]
    fn the_way_to_a_path_is_followed_through_links() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().canonicalize().unwrap();
        fs::create_dir(dir.join("real")).unwrap();
        fs::write(dir.join("real/app.log"), "").unwrap();
        symlink("real", dir.join("link")).unwrap();
        symlink("../link/app.log", dir.join("real/again.log")).unwrap();
        symlink(dir.join("one"), dir.join("two")).unwrap();
        symlink(dir.join("two"), dir.join("one")).unwrap();
        let place = |name: &str| place(&dir.join(name), Need::Read);
        for name in ["link/app.log", "real/again.log", "link/../real/app.log"] {
            assert!(matches!(place(name), Place::Fine(node) if node.path == dir.join("real/app.log")), "{name}");
        }
        assert!(matches!(place("one/app.log"), Place::Loop(_)));
        assert_eq!(place("link/no/x.log"), Place::Missing { dir: dir.join("real"), name: "no".into() });
        assert_eq!(place("link/app.log/x"), Place::NotADirectory(dir.join("real/app.log")));
    }
}
