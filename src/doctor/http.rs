//! The HTTP server: can its token be read by this user and by nobody else, and its socket be made.

use std::path::Path;

use super::access::{self, Need, Place, describe, mend, quoted};
use super::finding::{Finding, Remedy, parent};
use super::sinks::{Ids, of_secret};
use super::user::Me;
use crate::config::{Config, Listen};
use crate::http::Token;

pub fn look(config: &Config, me: &Me) -> Vec<Finding> {
    let Some(http) = &config.http else { return Vec::new() };
    let token = http.token_file.as_deref().map(super::absolute);
    let socket = match &http.listen {
        Listen::Unix(path) => of_socket(path, me),
        Listen::Tcp(_) => None,
    };
    let findings: Vec<_> = token.and_then(|file| of_token(&file, me)).into_iter().chain(socket).collect();
    if findings.is_empty() {
        let who = if http.token_file.is_some() { ", whoever shows the token" } else { "" };
        return vec![Finding::ok("http.ok", format!("answers on {}{who}", http.listen))];
    }
    findings
}

fn of_token(file: &Path, me: &Me) -> Option<Finding> {
    let place = access::place(file, Need::Read);
    let ids = Ids { cannot: "http.token", open: "http.token_open" };
    if let Some(finding) = of_secret(("the token", file), &ids, &place, me) {
        return Some(finding);
    }
    let error = Token::read(file).err()?;
    let make = format!("openssl rand -hex 32 | sudo tee {} > /dev/null", quoted(file));
    let text = error.to_string();
    let text = text.strip_prefix("[http] token_file: ").unwrap_or(&text).to_owned();
    Some(
        Finding::fault("http.token", text)
            .path(file)
            .remedy(make, "makes a new one; then: sudo systemctl reload paytriage"),
    )
}

fn of_socket(path: &Path, me: &Me) -> Option<Finding> {
    let dir = parent(path);
    let place = access::place(&dir, Need::Write);
    if let Place::Fine(_) = place {
        return of_what_is_there(path, me);
    }
    // The service makes this one when it starts.
    if place.is_missing() && dir == Path::new("/run/paytriage") {
        return None;
    }
    let finding =
        Finding::fault("http.socket", format!("its directory {}", describe(&place, Need::Write, me))).path(path);
    let missing = place.is_missing().then(|| {
        let make = format!("sudo install -d -o {} -m 0750 {}", me.shown(), quoted(&dir));
        Remedy::new(make, "makes it; below /run, RuntimeDirectory= in the unit does so at each start")
    });
    Some(finding.remedies(missing).remedies(mend(&place, Need::Write, me)))
}

fn of_what_is_there(path: &Path, me: &Me) -> Option<Finding> {
    use std::os::unix::fs::FileTypeExt;
    let found = std::fs::symlink_metadata(path).ok()?;
    if found.file_type().is_socket() {
        return None;
    }
    let finding = Finding::fault(
        "http.socket",
        format!("there is a file that is no socket, and {} will not replace it", me.shown()),
    );
    Some(
        finding
            .path(path)
            .remedy(format!("ls -la {}", quoted(path)), "shows what it is; move it, or choose another path"),
    )
}
