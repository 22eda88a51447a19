//! The sinks: can what they need be read, and, with leave, can their receivers be reached. No secret is shown, nothing is sent.

use std::path::Path;

use super::access::{self, Need, Place, describe, mend, quoted};
use super::finding::{Finding, Remedy};
use super::user::Me;
use crate::config::{Config, Format, Secret, Webhook};
use crate::deliver::webhook::client::{ClientError, Fault, Kind};
use crate::deliver::webhook::{Sender, Sink, SinkError};

pub fn look(config: &Config, me: &Me, connect: bool) -> Vec<Finding> {
    let mut findings: Vec<_> =
        config.webhooks.iter().flat_map(|webhook| of_webhook(webhook, config, me, connect)).collect();
    if config.webhooks.is_empty() && !config.stdout.enabled {
        let finding = Finding::warning("sink.none", "there is no sink: what is found goes nowhere");
        findings
            .push(finding.remedy("paytriage config show", "shows [sink.stdout]; enable it, or add a [[sink.webhook]]"));
    }
    findings
}

fn of_webhook(webhook: &Webhook, config: &Config, me: &Me, connect: bool) -> Vec<Finding> {
    let files = files(webhook);
    let seen = files.iter().map(|file| (file, access::place(&super::absolute(file.path), Need::Read)));
    let mut findings: Vec<_> = seen.filter_map(|(file, place)| of_file(file, &place, me)).collect();
    // What is wrong with one of its files would only be said again.
    if super::faults(&findings) == 0 {
        findings.extend(of_sink(webhook, config, connect));
    }
    findings.into_iter().map(|finding| finding.sink(&webhook.name)).collect()
}

/// A file that a sink reads.
struct Needed<'a> {
    key: String,
    path: &'a Path,
    is_secret: bool,
}

/// What is told of a secret that cannot be read, and of one that everybody can.
pub(super) struct Ids {
    pub cannot: &'static str,
    pub open: &'static str,
}

fn files(webhook: &Webhook) -> Vec<Needed<'_>> {
    let Webhook { url, secrets, secret_headers, tls, proxy, format, .. } = webhook;
    let header = |(name, place)| (format!("secret_headers.{name}"), place);
    let secret = |place| ("the secret".to_owned(), place);
    let places = [("the URL".to_owned(), url)].into_iter().chain(secrets.iter().map(secret));
    let places = places
        .chain(secret_headers.iter().map(header))
        .chain(proxy.iter().map(|place| ("the proxy".to_owned(), place)));
    let secrets = places.filter_map(|(key, place)| match place {
        Secret::File(path) => Some(Needed { key, path, is_secret: true }),
        _ => None,
    });
    let plain = [("tls.ca", &tls.ca, false), ("tls.cert", &tls.cert, false), ("tls.key", &tls.key, true)];
    let plain = plain
        .into_iter()
        .filter_map(|(key, path, is_secret)| Some(Needed { key: key.to_owned(), path: path.as_deref()?, is_secret }));
    let template = match format {
        Format::Template(template) => {
            Some(Needed { key: "the template".to_owned(), path: &template.file, is_secret: false })
        }
        _ => None,
    };
    secrets.chain(plain).chain(template).collect()
}

fn of_file(Needed { key, path, is_secret }: &Needed, place: &Place, me: &Me) -> Option<Finding> {
    match place {
        Place::Fine(_) if !is_secret => None,
        place if *is_secret => {
            of_secret((key, path), &Ids { cannot: "sink.secret", open: "sink.secret_open" }, place, me)
        }
        place => Some(unreadable((key, path), "sink.file", place, me)),
    }
}

/// A file that this user has to read, and not everybody; `key` is what it is called.
pub(super) fn of_secret((key, path): (&str, &Path), ids: &Ids, place: &Place, me: &Me) -> Option<Finding> {
    let group = own_group(me);
    match place {
        Place::Fine(node) if node.mode & 0o004 != 0 => {
            let text = format!("{key}: every user of this host can read it (mode {:04o})", node.mode);
            let close = format!("sudo chgrp {group} {0} && sudo chmod 0640 {0}", quoted(path));
            Some(Finding::warning(ids.open, text).path(path).remedy(close, "leaves it to root and this user"))
        }
        Place::Fine(_) => None,
        Place::Missing { .. } => {
            let finding = Finding::fault(ids.cannot, format!("{key} {}", describe(place, Need::Read, me))).path(path);
            let write = format!("sudo install -m 0640 -o root -g {group} /dev/stdin {}", quoted(path));
            Some(finding.remedy(write, "then paste it, Enter, Ctrl-D: it stands in no shell's history"))
        }
        place => Some(unreadable((key, path), ids.cannot, place, me)),
    }
}

fn unreadable((key, path): (&str, &Path), id: &'static str, place: &Place, me: &Me) -> Finding {
    let finding = Finding::fault(id, format!("{key} {}", describe(place, Need::Read, me))).path(path);
    let denied = matches!(place, Place::Denied(_)).then(|| {
        let group = own_group(me);
        Remedy::new(
            format!("sudo chgrp {group} {0} && sudo chmod 0640 {0}", quoted(path)),
            "lets root and this user read it",
        )
    });
    // No other file of its directory is meant.
    let others = mend(place, Need::Read, me).into_iter().filter(|remedy| !remedy.command.contains("setfacl -d"));
    finding.remedies(denied).remedies(others)
}

fn own_group(me: &Me) -> String {
    me.gids.first().map_or_else(|| "root".to_owned(), |&gid| me.names.group(gid))
}

fn of_sink(webhook: &Webhook, config: &Config, connect: bool) -> Vec<Finding> {
    let sink =
        match Sink::new(webhook.clone(), Sender::new(config, None)) {
            Ok(sink) => sink,
            Err(SinkError::Client(ClientError { key, fault: Fault::Secret(error), .. }))
                if error.is_of_another_process() =>
            {
                let text = format!("{key}: {error}; not checked, since the service may have what this shell has not");
                return vec![Finding::note("sink.unknown", text).remedy(
                    "systemctl show paytriage -p LoadCredential -p Environment -p EnvironmentFiles",
                    "shows what the service is given",
                )];
            }
            Err(error) => {
                let finding = Finding::fault("sink.setup", error.to_string());
                return vec![finding.remedy(
                    "paytriage config check",
                    "says so too, until it is mended in the configuration or the file",
                )];
            }
        };
    let mut findings = Vec::new();
    if let Some(doubt) = sink.doubt() {
        findings.push(
            Finding::warning("sink.template", format!("template: {doubt}"))
                .remedy(format!("paytriage webhook test {}", quoted(Path::new(&webhook.name))), "sends a sample"),
        );
    }
    findings.extend(sink.unused_proxy().map(|text| Finding::note("sink.proxy", text)));
    findings.push(if connect { tried(&sink) } else { untried(&sink) });
    findings
}

fn untried(sink: &Sink) -> Finding {
    let text =
        format!("what it needs can be read; whether {} can be reached was not tried (--connect does)", sink.receiver());
    Finding::ok("sink.ready", text)
}

fn tried(sink: &Sink) -> Finding {
    match sink.connect() {
        Ok(how) => Finding::ok("sink.reached", format!("{} can be reached: {how}; nothing was sent", sink.receiver())),
        Err(error) => {
            let url = sink.receiver();
            let (command, why) = match error.kind {
                Kind::Dns => {
                    let host = url.rsplit("://").next().unwrap_or_default().split(':').next().unwrap_or_default();
                    (format!("getent hosts {host}"), "asks this host's resolver: correct the url, or /etc/resolv.conf")
                }
                Kind::Tls => (format!("curl -v {url}/"), "shows the certificate and why it is not trusted"),
                Kind::Refused => {
                    ("paytriage config show".to_owned(), "shows the sink; what is said above allows it, or not")
                }
                _ => (
                    format!("curl -v {url}/"),
                    "tries it from this shell: does the receiver run, and does a firewall let this host through?",
                ),
            };
            Finding::fault("sink.unreachable", error.text.clone()).remedy(command, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::doctor::access::Node;

    fn needed(is_secret: bool) -> Needed<'static> {
        Needed { key: "the secret".into(), path: Path::new("/etc/paytriage/key"), is_secret }
    }

    fn node(mode: u32) -> Node {
        Node { path: "/etc/paytriage/key".into(), mode, uid: 0, gid: 0, is_dir: false }
    }

    fn me() -> Me {
        let names = crate::doctor::user::Names::parse("paytriage:x:998:\n", "paytriage:x:998:\n");
        Me { uid: 998, gids: vec![998], names }
    }

    #[test]
    fn secrets_have_to_be_read_by_us_and_by_nobody_else() {
        let missing = Place::Missing { dir: "/etc/paytriage".into(), name: "key".into() };
        for (is_secret, place, expected) in [
            (true, Place::Fine(node(0o640)), None),
            (true, Place::Fine(node(0o644)), Some(("sink.secret_open", Level::Warning, "sudo chgrp paytriage"))),
            (false, Place::Fine(node(0o644)), None),
            (true, missing.clone(), Some(("sink.secret", Level::Fault, "sudo install -m 0640 -o root -g paytriage"))),
            (false, missing, Some(("sink.file", Level::Fault, "ls -la /etc/paytriage"))),
            (true, Place::Denied(node(0o600)), Some(("sink.secret", Level::Fault, "sudo chgrp paytriage"))),
        ] {
            let finding = of_file(&needed(is_secret), &place, &me());
            let told = finding.as_ref().map(|it| (it.id, it.level, it.remedies[0].command.as_str()));
            match (told, expected) {
                (Some((id, level, command)), Some((its_id, its_level, begins))) => {
                    assert_eq!((id, level), (its_id, its_level));
                    assert!(command.starts_with(begins), "{command}");
                }
                (told, expected) => assert_eq!(told, expected),
            }
        }
    }
}
