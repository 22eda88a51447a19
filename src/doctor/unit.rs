//! The systemd unit, as its files have it, and what of the paths it hides from the service.
//!
//! The files are read where systemd looks for them; systemd itself is not asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::access::quoted;
use super::finding::Finding;
use super::user::Me;

const NAME: &str = "paytriage.service";

/// The first directory that has the unit wins; drop-ins of all of them count.
const DIRS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// The `[Service]` section: what is set last counts, but for lists, which grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    values: BTreeMap<String, Vec<String>>,
}

impl Unit {
    /// `None` where no unit is installed.
    pub fn look() -> Option<Unit> {
        let mut texts = vec![DIRS.iter().find_map(|dir| fs::read_to_string(Path::new(dir).join(NAME)).ok())?];
        let mut drop_ins: BTreeMap<PathBuf, String> = BTreeMap::new();
        // Of drop-ins with one name, that of the first directory counts.
        for dir in DIRS.iter().rev() {
            let entries = fs::read_dir(Path::new(dir).join(format!("{NAME}.d"))).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "conf"))
            {
                if let (Some(name), Ok(text)) = (path.file_name(), fs::read_to_string(&path)) {
                    drop_ins.insert(name.into(), text);
                }
            }
        }
        texts.extend(drop_ins.into_values());
        Some(Unit::parse(&texts))
    }

    pub fn parse(texts: &[impl AsRef<str>]) -> Unit {
        let mut unit = Unit::default();
        for text in texts {
            let mut section = "";
            for line in text.as_ref().lines().map(str::trim) {
                if line.starts_with('[') {
                    section = line;
                } else if section == "[Service]"
                    && !line.starts_with(['#', ';'])
                    && let Some((key, value)) = line.split_once('=')
                {
                    let values = unit.values.entry(key.trim().to_owned()).or_default();
                    match value.trim() {
                        // Nothing: what was set before no longer counts.
                        "" => values.clear(),
                        value => values.push(value.to_owned()),
                    }
                }
            }
        }
        unit
    }

    fn last(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.last().map(String::as_str)
    }

    /// The larger of `soft:hard`.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.last(key)?.split(':').next_back()?.parse().ok()
    }

    fn is_on(&self, key: &str) -> bool {
        self.last(key).is_some_and(|value| ["yes", "true", "on", "1"].contains(&value))
    }

    /// Paths of a list such as `ReadWritePaths=-/srv +/opt`, without their signs; of `from:to`, where they appear.
    fn paths(&self, keys: &[&str]) -> Vec<PathBuf> {
        let values = keys.iter().filter_map(|key| self.values.get(*key)).flatten();
        let paths = values.flat_map(|value| value.split_whitespace());
        let shown = |path: &str| PathBuf::from(path.split(':').nth(1).unwrap_or(path).trim_start_matches(['-', '+']));
        paths.map(shown).collect()
    }

    /// Mounted in, whatever else is hidden.
    fn shows(&self, path: &Path) -> bool {
        self.paths(&["BindPaths", "BindReadOnlyPaths", "ReadWritePaths"]).iter().any(|shown| path.starts_with(shown))
    }

    /// The setting that hides a path from the service, and what to set instead.
    fn hides(&self, path: &Path) -> Option<(String, String)> {
        let below = |dirs: &[&str]| dirs.iter().any(|dir| path.starts_with(dir));
        let home = self.last("ProtectHome").unwrap_or("no");
        if below(&["/home", "/root", "/run/user"]) && ["yes", "true", "on", "1", "tmpfs"].contains(&home) {
            let is_shown = home == "tmpfs" && self.shows(path);
            return (!is_shown).then(|| (format!("ProtectHome={home}"), "ProtectHome=read-only".to_owned()));
        }
        if below(&["/tmp", "/var/tmp"]) && (self.is_on("PrivateTmp") || self.last("PrivateTmp") == Some("disconnected"))
        {
            let is_shown = self.shows(path);
            let private = self.last("PrivateTmp").unwrap_or_default();
            return (!is_shown).then(|| (format!("PrivateTmp={private}"), "PrivateTmp=no".to_owned()));
        }
        let hidden = self.paths(&["InaccessiblePaths"]).into_iter().find(|hidden| path.starts_with(hidden))?;
        let of_directory = format!("BindReadOnlyPaths={}", quoted(path));
        Some((format!("InaccessiblePaths={}", hidden.display()), of_directory))
    }

    /// The setting that makes a directory read-only for the service.
    fn keeps_from_writing(&self, dir: &Path) -> Option<String> {
        let system = self.last("ProtectSystem").unwrap_or("no");
        let of_system = match system {
            "strict" => !["/dev", "/proc", "/sys"].iter().any(|free| dir.starts_with(free)),
            "full" => ["/usr", "/boot", "/efi", "/etc"].iter().any(|fixed| dir.starts_with(fixed)),
            "yes" | "true" | "on" | "1" => ["/usr", "/boot", "/efi"].iter().any(|fixed| dir.starts_with(fixed)),
            _ => false,
        };
        let names = |key: &str| self.values.get(key).into_iter().flatten().flat_map(|it| it.split_whitespace());
        let own: Vec<PathBuf> =
            [("StateDirectory", "/var/lib"), ("CacheDirectory", "/var/cache"), ("RuntimeDirectory", "/run")]
                .into_iter()
                .flat_map(|(key, base)| {
                    names(key).map(move |name| Path::new(base).join(name.split(':').next().unwrap_or(name)))
                })
                .chain(names("StateDirectory").map(|name| Path::new("/var/lib/private").join(name)))
                .collect();
        let writable = self.paths(&["ReadWritePaths", "BindPaths"]);
        let is_free = own.iter().chain(&writable).any(|free| dir.starts_with(free));
        (of_system && !is_free).then(|| format!("ProtectSystem={system}"))
    }
}

/// What the service may beyond this user, whom this process is run as.
pub fn compare(unit: &Unit, me: &Me) -> Option<Finding> {
    let words = |key: &str| -> Vec<String> {
        let values = unit.values.get(key).into_iter().flatten();
        values.flat_map(|value| value.split_whitespace()).map(str::to_owned).collect()
    };
    let has_group = |name: &String| me.gids.iter().any(|&gid| me.names.group_name(gid) == Some(name));
    let groups: Vec<_> = words("SupplementaryGroups").into_iter().filter(|name| !has_group(name)).collect();
    let capabilities = words("AmbientCapabilities");
    if groups.is_empty() && capabilities.is_empty() {
        return None;
    }
    let settings = [("SupplementaryGroups", groups), ("AmbientCapabilities", capabilities)];
    let given: Vec<_> = settings
        .iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(key, words)| format!("{key}={}", words.join(" ")))
        .collect();
    let given = given.join(", ");
    let text = format!("the service may more than was looked at with here: its unit has {given}");
    let user = unit.last("User").unwrap_or("root");
    let properties = ["SupplementaryGroups", "AmbientCapabilities"].map(|key| (key, words(key)));
    let properties = properties.iter().filter(|(_, words)| !words.is_empty());
    let properties: String = properties.map(|(key, words)| format!(" -p '{key}={}'", words.join(" "))).collect();
    let command = format!("sudo systemd-run --pipe --wait --collect -p User={user}{properties} paytriage doctor");
    Some(Finding::note("user.unlike_service", text).remedy(command, "looks as the service does"))
}

/// This process was started by systemd.
pub fn is_service() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// Paths of sources by their names, and where the state is, held against what the service sees.
pub fn judge(unit: Option<&Unit>, roots: &[(String, PathBuf)], state: Option<&Path>) -> Vec<Finding> {
    let Some(unit) = unit else {
        let text = format!(
            "no {NAME} is installed, and none is needed: without systemd nothing has to set $NOTIFY_SOCKET, \
                            $STATE_DIRECTORY or $CREDENTIALS_DIRECTORY"
        );
        return vec![Finding::ok("systemd.none", text)];
    };
    let mut findings = Vec::new();
    for (source, path) in roots {
        if let Some((setting, instead)) = unit.hides(path) {
            let id = if setting.starts_with("PrivateTmp") { "systemd.private_tmp" } else { "systemd.hidden" };
            let finding = Finding::fault(id, format!("the service does not see it: its unit has {setting}"));
            findings.push(with_drop_in(finding.source(source).path(path), &instead));
        }
    }
    if let Some(dir) = state {
        if let Some((setting, instead)) = unit.hides(dir) {
            let finding =
                Finding::fault("systemd.hidden", format!("the service does not see it: its unit has {setting}"));
            findings.push(with_drop_in(finding.path(dir), &instead));
        } else if let Some(setting) = unit.keeps_from_writing(dir) {
            let text = format!("the service may not write its state there: its unit has {setting}");
            let finding = Finding::fault("systemd.read_only", text).path(dir);
            findings.push(with_drop_in(finding, &format!("ReadWritePaths={}", quoted(dir))));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "systemd.ok",
            format!("{NAME} hides none of these paths; $NOTIFY_SOCKET and the like are its own"),
        ));
    }
    findings
}

fn with_drop_in(finding: Finding, setting: &str) -> Finding {
    finding
        .remedy("sudo systemctl edit paytriage", format!("write two lines there: [Service] and {setting}"))
        .remedy("sudo systemctl restart paytriage", "then")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::user::Names;

    const HARDENED: &str = "[Unit]\nProtectHome=no\n[Service]\n# ProtectHome=no\nProtectHome=yes\nPrivateTmp=true\n\
                            ProtectSystem=strict\nStateDirectory=paytriage\n";

    fn judged(texts: &[&str], source: &str, state: &str) -> Vec<(&'static str, String)> {
        let roots = [("shop".to_owned(), PathBuf::from(source))];
        let findings = judge(Some(&Unit::parse(texts)), &roots, Some(Path::new(state)));
        let what = |finding: &Finding| finding.remedies.first().map(|remedy| remedy.why.clone()).unwrap_or_default();
        findings.iter().map(|finding| (finding.id, what(finding))).collect()
    }

    fn ids(texts: &[&str], source: &str, state: &str) -> Vec<&'static str> {
        judged(texts, source, state).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_the_unit_hides_is_told() {
        for (source, state, expected) in [
            ("/home/shop/logs", "/var/lib/paytriage", &["systemd.hidden"][..]),
            ("/run/user/1000/logs", "/var/lib/paytriage", &["systemd.hidden"]),
            ("/var/tmp/logs", "/var/lib/paytriage", &["systemd.private_tmp"]),
            ("/var/log/shop", "/var/lib/paytriage", &["systemd.ok"]),
            ("/homes", "/var/lib/paytriage/deeper", &["systemd.ok"]),
            ("/var/log/shop", "/srv/state", &["systemd.read_only"]),
            ("/var/log/shop", "/root/state", &["systemd.hidden"]),
        ] {
            assert_eq!(ids(&[HARDENED], source, state), expected, "{source} {state}");
        }
        let what = &judged(&[HARDENED], "/home/shop/logs", "/var/lib/paytriage")[0].1;
        assert_eq!(what, "write two lines there: [Service] and ProtectHome=read-only");
    }

    #[test]
    fn drop_ins_count_last() {
        let fine = ["systemd.ok"];
        assert_eq!(ids(&[HARDENED, "[Service]\nProtectHome=read-only\n"], "/home/shop", "/var/lib/paytriage"), fine);
        assert_eq!(ids(&[HARDENED, "[Service]\nPrivateTmp=no\n"], "/tmp/shop", "/var/lib/paytriage"), fine);
        assert_eq!(ids(&[HARDENED, "[Service]\nReadWritePaths=-/srv\n"], "/var/log", "/srv/state"), fine);
        let reset = "[Service]\nReadWritePaths=/srv\nReadWritePaths=\n";
        assert_eq!(ids(&[HARDENED, reset], "/var/log", "/srv/state"), ["systemd.read_only"]);
        let mounted = "[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths=/home/shop\n";
        assert_eq!(ids(&[HARDENED, mounted], "/home/shop/logs", "/var/lib/paytriage"), fine);
    }

    #[test]
    fn what_the_service_may_beyond_us_is_told() {
        let unit = Unit::parse(&["[Service]\nUser=paytriage\nSupplementaryGroups=adm\nSupplementaryGroups=www\n"]);
        let me = |gids: &[u32]| {
            let names = Names::parse("", "adm:x:4:\nwww:x:33:\n");
            Me { uid: 998, gids: gids.to_vec(), names }
        };
        assert_eq!(compare(&unit, &me(&[998, 4, 33])), None);
        let finding = compare(&unit, &me(&[998, 4])).unwrap();
        assert!(finding.text.ends_with("its unit has SupplementaryGroups=www"), "{}", finding.text);
        let expected = "sudo systemd-run --pipe --wait --collect -p User=paytriage -p 'SupplementaryGroups=adm www' paytriage doctor";
        assert_eq!(finding.remedies[0].command, expected);
    }

    #[test]
    fn without_a_unit_nothing_is_needed() {
        assert_eq!(judge(None, &[], None)[0].id, "systemd.none");
    }
}
