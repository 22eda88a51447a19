//! What the system gives a process: descriptors, and notifications of changes.

use std::fs;

use rustix::fs::inotify::{self, CreateFlags};
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use super::unit::Unit;

/// What this user gets here. `None`: the system does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub watches: Option<u64>,
    pub instances: Option<u64>,
    /// A notifier could be made just now.
    pub instance_is_free: bool,
    /// Descriptors that a process may have; it raises its own limit to this.
    pub descriptors: Option<u64>,
}

/// What the sources take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Directories to be watched; none where all sources poll.
    pub watches: u64,
    pub files: u64,
}

pub fn look() -> Limits {
    let number = |name: &str| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok();
    Limits {
        watches: number("max_user_watches"),
        instances: number("max_user_instances"),
        // Let go at once.
        instance_is_free: inotify::init(CreateFlags::CLOEXEC).is_ok(),
        descriptors: getrlimit(Resource::Nofile).maximum,
    }
}

pub fn judge(limits: &Limits, needs: &Needs, unit: Option<&Unit>) -> Vec<Finding> {
    vec![watching(limits, needs), descriptors(limits, needs, unit)]
}

fn watching(limits: &Limits, needs: &Needs) -> Finding {
    let sysctl = |name: &str, value: u64| {
        format!(
            "echo fs.inotify.{name} = {value} | sudo tee -a /etc/sysctl.d/60-paytriage.conf && sudo sysctl --system"
        )
    };
    let polls = "paytriage looks every second instead, which costs more";
    if !limits.instance_is_free {
        let most = limits.instances.unwrap_or(128);
        let text = format!("no inotify instance is free for this user (limit {most}); {polls}");
        return Finding::warning("inotify.instances", text)
            .remedy(sysctl("max_user_instances", most.max(128) * 4), "raises the limit, now and after a reboot");
    }
    match limits.watches {
        Some(most) if needs.watches > most => {
            let text =
                format!("{} directories are to be watched and this user may watch {most}; {polls}", needs.watches);
            Finding::warning("inotify.watches", text)
                .remedy(sysctl("max_user_watches", needs.watches * 2), "raises the limit, now and after a reboot")
        }
        Some(most) => Finding::ok("inotify.ok", format!("{} of {most} inotify watches are needed", needs.watches)),
        None => Finding::note(
            "inotify.unknown",
            "this system says nothing of inotify; without it, paytriage looks every second",
        ),
    }
}

fn descriptors(limits: &Limits, needs: &Needs, unit: Option<&Unit>) -> Finding {
    // What this shell has is not what the service gets.
    let (most, whose) = match unit.and_then(|unit| unit.number("LimitNOFILE")) {
        Some(most) => (Some(most), "the service"),
        None => (limits.descriptors, "a process"),
    };
    match most {
        // As the daemon does it: with more than that, files are opened for their turn only.
        Some(most) if needs.files > most / 2 => {
            let text = format!(
                "{} files are to be read and {whose} may have {most} open; above half of that a file is opened for its turn only, \
                 and one that is rotated away and deleted at once may lose its last lines",
                needs.files
            );
            let what = format!("write two lines there: [Service] and LimitNOFILE={}", needs.files * 4);
            Finding::warning("descriptors.few", text)
                .remedy("sudo systemctl edit paytriage", what)
                .remedy("sudo systemctl restart paytriage", "then")
        }
        Some(most) => Finding::ok("descriptors.ok", format!("{} of {most} open files are needed", needs.files)),
        None => Finding::ok("descriptors.ok", format!("open files have no limit; needed: {}", needs.files)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(limits: &Limits, needs: Needs, unit: Option<&Unit>) -> Vec<&'static str> {
        judge(limits, &needs, unit).iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn what_is_needed_is_held_against_what_there_is() {
        let limits = Limits { watches: Some(10), instances: Some(1), instance_is_free: true, descriptors: Some(100) };
        assert_eq!(ids(&limits, Needs { watches: 10, files: 50 }, None), ["inotify.ok", "descriptors.ok"]);
        assert_eq!(ids(&limits, Needs { watches: 11, files: 51 }, None), ["inotify.watches", "descriptors.few"]);
        let used_up = Limits { instance_is_free: false, ..limits.clone() };
        assert_eq!(ids(&used_up, Needs::default(), None), ["inotify.instances", "descriptors.ok"]);
        let unit = Unit::parse(&["[Service]\nLimitNOFILE=1024:524288\n"]);
        assert_eq!(ids(&limits, Needs { watches: 0, files: 51 }, Some(&unit)), ["inotify.ok", "descriptors.ok"]);
        let silent = Limits { watches: None, descriptors: None, ..limits };
        assert_eq!(ids(&silent, Needs { watches: 11, files: 51 }, None), ["inotify.unknown", "descriptors.ok"]);
    }
}
