//! Judges the paths of a source, and the directories and links below them.

use std::path::Path;

use super::super::access::{self, Need, Place, describe, mend, quoted};
use super::super::finding::{Finding, Level, Remedy};
use super::super::user::Me;
use super::{PathSeen, SourceSeen};
use crate::source::selection::visible;
use crate::visible::visible as text;

/// Names that are told of a directory.
const SHOWN: usize = 3;

pub fn judge(source: &SourceSeen, file: Option<&Path>, me: &Me) -> Vec<Finding> {
    let mut findings: Vec<_> = source.paths.iter().filter_map(|path| of_path(path, source, file, me)).collect();
    for shut in &source.shut {
        if let Place::Denied(node) = shut {
            let finding = Finding::fault("path.blocked", describe(shut, Need::List, me)).path(&node.path);
            findings.push(finding.remedies(mend(shut, Need::List, me)));
        }
    }
    findings.extend(source.links.iter().map(|(link, place)| of_link(link, place, me)));
    for problem in &source.problems {
        let finding = Finding::warning("path.problem", problem.reason.clone()).path(&problem.path);
        findings.push(
            finding.remedy(format!("sudo ls -la {}", quoted(&problem.path)), "shows whether root can look at it"),
        );
    }
    findings
}

/// Nobody is told of what other hosts write.
pub fn of_network(path: &PathSeen, file: Option<&Path>) -> Option<Finding> {
    let text =
        format!("is on {}, where changes are not announced: they are seen every source.poll_interval", path.network?);
    let finding = Finding::warning("source.network", text).path(Path::new(&path.written));
    let look = Remedy::new(format!("findmnt -T {}", quoted(&path.root)), "shows the mount");
    Some(
        finding
            .remedies(edit_so(file, "then set watch = \"poll\" in the [[source]], which looks every second"))
            .remedies([look]),
    )
}

/// Where the configuration is changed.
pub fn edit(file: Option<&Path>) -> Option<Remedy> {
    edit_so(file, "then add one")
}

fn edit_so(file: Option<&Path>, what: &str) -> Option<Remedy> {
    let file = file?;
    let why = format!("{what}; then: sudo systemctl reload paytriage");
    Some(Remedy::new(crate::doctor::edit(file), why))
}

fn of_path(path: &PathSeen, source: &SourceSeen, file: Option<&Path>, me: &Me) -> Option<Finding> {
    let written = Path::new(&path.written);
    let is_meant = path.matched + path.compressed + path.excluded > 0;
    let id = match &path.place {
        Place::Fine(_) if path.matched > 0 && path.own == 0 => return Some(claimed(path, written)),
        Place::Fine(_) if path.matched > 0 => return None,
        Place::Fine(node) | Place::Denied(node) if !node.is_dir && !is_meant => {
            let what = "is no regular file or directory: devices, pipes and sockets are not read";
            let finding = Finding::fault("path.not_a_file", what).path(written);
            return Some(finding.remedy(format!("ls -la {}", quoted(&path.root)), "shows what it is"));
        }
        Place::Fine(_) => return Some(bare(path, source, written, file)?.path(written)),
        // A file by itself is told with the files.
        Place::Denied(node) if !node.is_dir => return None,
        Place::Denied(_) | Place::Blocked(_) => "path.blocked",
        Place::Missing { .. } if path.is_link => return Some(dangling(Level::Fault, &path.root).path(written)),
        Place::Missing { .. } | Place::NotADirectory(_) => "path.missing",
        Place::Loop(_) => "path.loop",
        Place::Failed { .. } => "path.problem",
    };
    let mut finding = Finding::fault(id, describe(&path.place, path.need, me)).path(written);
    if let Place::Missing { dir, name } = &path.place {
        if let Some(near) = nearest(name, &path.names) {
            finding.text = format!("{}; did you mean {}?", finding.text, visible(&dir.join(near)));
        }
        finding = finding.remedies(edit_so(file, "then correct paths; it is read as soon as it appears"));
    }
    Some(finding.remedies(mend(&path.place, path.need, me)))
}

/// It can be looked at, and no file is meant.
fn bare(path: &PathSeen, source: &SourceSeen, written: &Path, file: Option<&Path>) -> Option<Finding> {
    let is_shut = |shut: &Place| matches!(shut, Place::Denied(node) if node.path.starts_with(&path.root));
    if path.matched == 0 && source.shut.iter().any(is_shut) {
        // Whatever is meant may be behind it, and that is told.
        return None;
    }
    let sort = |n: usize| if n == 1 { "1 file".to_owned() } else { format!("{n} files") };
    let finding = match () {
        () if path.excluded > 0 => {
            let what = format!("all that it means ({}) is excluded by source.exclude", sort(path.excluded));
            Finding::fault("path.excluded", what).remedies(edit_so(file, "then make exclude narrower"))
        }
        () if path.compressed > 0 => {
            let what = format!("means compressed files only ({}), which `run` does not read", sort(path.compressed));
            let scan = format!("paytriage scan {}", quoted(written));
            Finding::fault("path.compressed", what)
                .remedy(scan, "reads them once; to follow a log, name the one that is written to")
        }
        () if path.is_glob => {
            let what = format!("matches no file: {}", contents(&path.root, &path.names));
            Finding::fault("path.no_match", what)
                .remedy(format!("ls -la {}", quoted(&path.root)), "shows what is there")
                .remedies(edit_so(file, "then correct paths; files that appear later are read"))
        }
        () => Finding::warning("path.empty", "has no file yet; those that appear are read")
            .remedy(format!("ls -la {}", quoted(&path.root)), "shows what is there"),
    };
    Some(finding)
}

fn claimed(path: &PathSeen, written: &Path) -> Finding {
    let text = format!("all of its files ({}) belong to sources that stand before this one", path.matched);
    Finding::warning("path.claimed", text)
        .path(written)
        .remedy("paytriage config show", "shows the sources in their order: the first that means a file has it")
}

fn contents(dir: &Path, names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| text(name).into_owned()).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    match names {
        [] => format!("{} is empty", visible(dir)),
        _ => format!("{} has {}{more}", visible(dir), shown.join(", ")),
    }
}

fn of_link(link: &Path, place: &Place, me: &Me) -> Finding {
    let finding = match place {
        Place::Loop(_) => Finding::fault("link.loop", describe(place, Need::Read, me)),
        Place::Blocked(_) => Finding::fault("path.blocked", describe(place, Need::Read, me)),
        // What it leads to may have come meanwhile, or come later.
        _ => return dangling(Level::Warning, link).path(link),
    };
    finding.path(link).remedies(mend(place, access::Need::Read, me))
}

/// What it leads to is not there.
fn dangling(level: Level, link: &Path) -> Finding {
    let what = "is a symbolic link that leads nowhere; it is read as soon as it leads to a file";
    let finding = Finding { level, ..Finding::warning("link.dangling", what) };
    finding.remedy(format!("ls -l {}", quoted(link)), "shows where it leads")
}

/// The name that the other is most likely a slip of.
fn nearest<'n>(name: &str, names: &'n [String]) -> Option<&'n str> {
    let limit = (name.chars().count() / 4).clamp(1, 2);
    let near = names.iter().map(|other| (strsim::osa_distance(name, other), other));
    near.filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, other)| other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::access::Node;

    fn dir(path: &str) -> Place {
        Place::Fine(Node { path: path.into(), mode: 0o755, uid: 0, gid: 0, is_dir: true })
    }

    fn seen(place: Place, is_glob: bool) -> PathSeen {
        PathSeen {
            written: "/var/log/shop/*.log".into(),
            root: "/var/log/shop".into(),
            is_glob,
            is_link: false,
            place,
            need: Need::List,
            matched: 0,
            own: 0,
            compressed: 0,
            excluded: 0,
            network: None,
            names: vec!["app.txt".into()],
        }
    }

    fn judged(path: PathSeen) -> Option<Finding> {
        let source = SourceSeen { paths: vec![path], ..SourceSeen::default() };
        judge(&source, Some(Path::new("/etc/p.toml")), &Me::default()).pop()
    }

    #[test]
    fn a_path_that_means_nothing_says_why() {
        for (path, id, level) in [
            (seen(dir("/var/log/shop"), true), "path.no_match", Level::Fault),
            (seen(dir("/var/log/shop"), false), "path.empty", Level::Warning),
            (PathSeen { compressed: 2, ..seen(dir("/var/log/shop"), true) }, "path.compressed", Level::Fault),
            (PathSeen { excluded: 2, ..seen(dir("/var/log/shop"), true) }, "path.excluded", Level::Fault),
            (PathSeen { matched: 2, ..seen(dir("/var/log/shop"), true) }, "path.claimed", Level::Warning),
            (seen(Place::Loop("/var/log/a".into()), true), "path.loop", Level::Fault),
        ] {
            let finding = judged(path).unwrap();
            assert_eq!((finding.id, finding.level), (id, level));
            assert!(!finding.remedies.is_empty(), "{finding:?}");
        }
        assert_eq!(judged(PathSeen { matched: 2, own: 1, ..seen(dir("/var/log/shop"), true) }), None);
    }

    #[test]
    fn network_file_systems_announce_nothing() {
        let path = PathSeen { network: Some("NFS"), ..seen(dir("/srv/logs"), false) };
        assert_eq!(of_network(&path, None).map(|finding| finding.id), Some("source.network"));
        assert_eq!(of_network(&seen(dir("/srv/logs"), false), None), None);
    }

    #[test]
    fn a_slip_is_guessed() {
        let missing = Place::Missing { dir: "/var/log".into(), name: "shpo".into() };
        let finding = judged(PathSeen { names: vec!["shop".into(), "syslog".into()], ..seen(missing, true) }).unwrap();
        assert!(finding.text.ends_with("/var/log has no shpo; did you mean /var/log/shop?"), "{}", finding.text);
    }

    #[test]
    fn a_link_that_is_named_and_leads_nowhere_is_a_fault() {
        let missing = Place::Missing { dir: "/var/log".into(), name: "gone".into() };
        let finding = judged(PathSeen { is_link: true, ..seen(missing, false) }).unwrap();
        assert_eq!((finding.id, finding.level), ("link.dangling", Level::Fault));
    }

    #[test]
    fn what_may_lie_behind_a_shut_directory_is_not_missed() {
        let node = Node { path: "/var/log/shop/a".into(), mode: 0o700, uid: 7, gid: 7, is_dir: true };
        let source = SourceSeen {
            paths: vec![seen(dir("/var/log/shop"), true)],
            shut: vec![Place::Denied(node)],
            ..SourceSeen::default()
        };
        let ids: Vec<_> = judge(&source, None, &Me { uid: 1, ..Me::default() }).iter().map(|it| it.id).collect();
        assert_eq!(ids, ["path.blocked"]);
    }

    #[test]
    fn links_that_lead_nowhere_may_lead_somewhere_later() {
        let missing = Place::Missing { dir: "/srv".into(), name: "x".into() };
        let link = Path::new("/var/log/shop/x.log");
        assert_eq!(of_link(link, &missing, &Me::default()).id, "link.dangling");
        assert_eq!(of_link(link, &Place::Loop("/a".into()), &Me::default()).id, "link.loop");
    }
}
