//! As whom the doctor looks: permissions are of this user, and remedies name it.

use std::collections::HashMap;
use std::fs;

use super::finding::Finding;

/// A user with its groups.
#[derive(Debug, Clone, Default)]
pub struct Me {
    pub uid: u32,
    /// The effective one and all others.
    pub gids: Vec<u32>,
    pub names: Names,
}

/// Names of users and groups, from the files of this host; directories such as LDAP are not asked.
#[derive(Debug, Clone, Default)]
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Me {
    pub fn look() -> Me {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let mut gids = vec![rustix::process::getegid().as_raw()];
        gids.extend(rustix::process::getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()));
        let names = Names::parse(&read("/etc/passwd"), &read("/etc/group"));
        Me { uid: rustix::process::geteuid().as_raw(), gids, names }
    }

    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// As `setfacl` and `chown` take it: the name, or the number of one without.
    pub fn shown(&self) -> String {
        self.names.user(self.uid)
    }

    /// Only where there is a name: a number cannot be given groups.
    pub fn name(&self) -> Option<&str> {
        self.names.users.get(&self.uid).map(String::as_str)
    }
}

impl Names {
    pub fn parse(passwd: &str, group: &str) -> Names {
        Names { users: by_number(passwd), groups: by_number(group) }
    }

    pub fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    pub fn group(&self, gid: u32) -> String {
        self.group_name(gid).map_or_else(|| gid.to_string(), str::to_owned)
    }

    pub fn group_name(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(String::as_str)
    }
}

/// Lines such as `paytriage:x:998:`.
fn by_number(text: &str) -> HashMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

pub fn judge(me: &Me) -> Finding {
    if me.is_root() {
        let text = "looked as root, who may read everything: this says nothing of what the service's user may";
        return Finding::note("user.root", text)
            .remedy("sudo -u paytriage paytriage doctor", "looks as the service's user; with the same --config");
    }
    let mut groups: Vec<String> = me.gids.iter().map(|&gid| me.names.group(gid)).collect();
    groups.dedup();
    let text = format!("looked as {} (uid {}; groups {})", me.shown(), me.uid, groups.join(", "));
    Finding::ok("user.looked_as", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn names_are_read_and_what_has_none_is_its_number() {
        let names =
            Names::parse("root:x:0:0::/root:/bin/sh\npaytriage:x:998:998::/:/bin/false\nbroken\n", "adm:x:4:\n");
        assert_eq!([names.user(998), names.user(5), names.group(4), names.group(5)], ["paytriage", "5", "adm", "5"]);
        let me = Me { uid: 998, gids: vec![998, 4], names };
        assert_eq!(judge(&me).text, "looked as paytriage (uid 998; groups 998, adm)");
    }

    #[test]
    fn root_proves_nothing() {
        assert_eq!(judge(&Me::default()).level, Level::Note);
    }
}
