//! `doctor` on set-ups that are broken in every way it knows, as a user who may not read everything.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use crate::cli_env::{Env, Run, calm, failure, gzip};
use crate::daemon::{Daemon, append, command};

const NOBODY: u32 = 65534;

fn set_mode(env: &Env, name: &str, mode: u32) {
    fs::set_permissions(env.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// As somebody who may not read everything, also where the test may.
fn unprivileged(env: &Env, mut command: Command) -> Command {
    if rustix::process::geteuid().is_root() {
        set_mode(env, ".", 0o755);
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn doctor(env: &Env, arguments: &[&str]) -> Run {
    let arguments = [&["doctor", "--config", "p.toml"], arguments].concat();
    unprivileged(env, env.command(&arguments)).output().unwrap().into()
}

/// The findings as JSON, and the exit code.
fn findings(env: &Env, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let run = doctor(env, &[arguments, &["--format", "json"]].concat()).quiet();
    let report: Value = serde_json::from_str(&run.stdout).expect(&run.stdout);
    assert_eq!(report["schema"], "paytriage.doctor/1");
    let findings = report["findings"].as_array().unwrap().clone();
    let faults = findings.iter().filter(|finding| finding["level"] == "fault").count();
    assert_eq!(report["faults"], faults);
    for finding in &findings {
        let is_fine = ["ok", "note"].contains(&finding["level"].as_str().unwrap());
        assert!(is_fine || !finding["remedies"].as_array().unwrap().is_empty(), "{finding}");
    }
    (findings, run.code)
}

/// Ids of what is at least worth a warning.
fn ids(findings: &[Value]) -> Vec<&str> {
    let is_bad = |finding: &&Value| ["warning", "fault"].contains(&finding["level"].as_str().unwrap());
    findings.iter().filter(is_bad).map(|finding| finding["id"].as_str().unwrap()).collect()
}

fn of<'f>(findings: &'f [Value], id: &str) -> &'f Value {
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id} in {findings:#?}"))
}

/// A state directory of that user, with modes as the daemon makes them.
fn state(env: &Env) {
    fs::create_dir_all(env.path("state")).unwrap();
    set_mode(env, "state", 0o700);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(env.path("state"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// What is made unusable by its mode, also where the test is no root.
fn shut(env: &Env, name: &str, of_root: u32) {
    set_mode(env, name, if rustix::process::geteuid().is_root() { of_root } else { 0 });
}

#[test]
fn five_faults_are_each_named_with_their_remedy() {
    let env = Env::new();
    env.write("logs/app.log", failure(1)).write("logs/secret.log", failure(2)).write("shut/deep/app.log", "");
    env.write("state/lock", "").write("key", "whsec_QUJDREVG");
    env.write(
        "p.toml",
        "[state]\ndir = \"state\"\n[[source]]\nname = \"shop\"\npaths = [\"logs\"]\n\
         [[source]]\nname = \"till\"\npaths = [\"shut/deep/app.log\"]\n\
         [[source]]\nname = \"web\"\npaths = [\"logs/*.txt\"]\n\
         [[sink.webhook]]\nname = \"oncall\"\nurl = \"https://hooks.example/T0PSECRET\"\nsecret_file = \"key\"\n",
    );
    for (name, mode) in [("logs/secret.log", 0o600), ("shut", 0o700), ("state", 0o555), ("key", 0o600)] {
        shut(&env, name, mode);
    }
    let (found, code) = findings(&env, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        ids(&found),
        ["file.unreadable", "path.blocked", "path.no_match", "state.unwritable", "sink.secret"],
        "{found:#?}"
    );
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let run = doctor(&env, &[]).code(1).quiet();
    let dir = env.path("").canonicalize().unwrap();
    let dir = dir.display().to_string();
    let text = run.stdout.replace(&dir, "DIR");
    let lines: Vec<&str> = text.lines().collect();
    for (line, remedy) in [
        ("FAULT    shop: DIR/logs/secret.log: cannot be read by ", "sudo setfacl -m u:"),
        ("FAULT    till: shut/deep/app.log: cannot be reached: DIR/shut cannot be entered by ", "sudo setfacl -m u:"),
        ("FAULT    web: logs/*.txt: matches no file: DIR/logs has app.log, secret.log", "ls -la DIR/logs"),
        ("FAULT    DIR/state: cannot be written by ", "sudo chown -R "),
        ("FAULT    oncall: key: the secret cannot be read by ", "sudo chgrp "),
    ] {
        let at = lines.iter().position(|it| it.starts_with(line)).unwrap_or_else(|| panic!("{line}\n{text}"));
        assert!(lines[at + 1].trim_start().starts_with(remedy), "{}", lines[at + 1]);
    }
    assert_eq!(lines.last(), Some(&"5 faults, 0 warnings"));
    assert!(!text.contains("T0PSECRET") && !text.contains("QUJDREVG"), "{text}");
}

#[test]
fn the_remedies_mend_it() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("NOT TESTED: only root can mend what belongs to root");
    }
    let env = Env::new();
    env.write("logs/app.log", failure(1))
        .write("state/lock", "")
        .write("key", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY");
    env.write(
        "p.toml",
        "[state]\ndir = \"state\"\n[[source]]\nname = \"shop\"\npaths = [\"logs\"]\n\
         [[sink.webhook]]\nname = \"oncall\"\nurl = \"https://hooks.example/x\"\nsecret_file = \"key\"\n",
    );
    for (name, mode) in [("state", 0o700), ("key", 0o600)] {
        set_mode(&env, name, mode);
    }
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec!["state.unwritable", "sink.secret"], Some(1)));
    for finding in found.iter().filter(|finding| finding["level"] == "fault") {
        let command = finding["remedies"][0]["command"].as_str().unwrap().replace("sudo ", "");
        let done = Command::new("sh").current_dir(env.path(".")).args(["-ec", &command]).output().unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
    }
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec![], Some(0)), "{found:#?}");
}

#[test]
fn what_a_sound_set_up_is_like_beside_its_daemon() {
    let env = Env::new();
    let lines = [calm(30), failure(1)].concat();
    env.write("logs/app.log", &lines)
        .write("p.toml", "[state]\ndir = \"state\"\n[[source]]\nname = \"shop\"\npaths = [\"logs\"]\n");
    state(&env);
    assert_eq!(of(&findings(&env, &[]).0, "state.ok")["level"], "ok");
    let mut daemon = Daemon::spawn(unprivileged(&env, command(&env, &["--config", "p.toml", "--from-start"])));
    daemon.wait_for_log("watching");
    drop(daemon.event());
    append(&env, "logs/app.log", "a line that was begun");
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec![], Some(0)), "{found:#?}");
    let state = of(&found, "state.ok")["text"].as_str().unwrap();
    assert!(
        state.contains("the database is sound, and knows 1 files; in use by a running paytriage (process "),
        "{state}"
    );
    let file = &of(&found, "file.ok")["file"];
    assert_eq!(file["encoding"], "ascii");
    assert_eq!(file["lines"]["by"], "times");
    assert_eq!(file["last_match"]["code"], "ILLEGAL_EXTERIOR_USER_SCENE");
    assert!(
        file["read_bytes"].as_u64().unwrap() + file["lag_bytes"].as_u64().unwrap() == lines.len() as u64 + 21,
        "{file}"
    );
    // It goes on undisturbed.
    append(&env, "logs/app.log", &format!("\n{}", crate::daemon::failure(7)));
    assert_eq!(daemon.numbers(1), [7]);
    daemon.stop();
}

#[test]
fn the_daemon_says_the_same_at_its_start() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/secret.log", "").write("p.toml", "[[source]]\npaths = [\"logs\"]\n");
    shut(&env, "logs/secret.log", 0o600);
    state(&env);
    let mut daemon = Daemon::spawn(unprivileged(&env, command(&env, &["--config", "p.toml", "--state", "state"])));
    let line = daemon.wait_for_log("file.unreadable");
    assert!(line.contains("WARN") && line.contains("secret.log"), "{line}");
    assert!(line.contains("setfacl") || line.contains("chmod"), "{line}");
}

#[test]
fn paths_that_mean_nothing_say_why() {
    let env = Env::new();
    env.write("old/app.log.1.gz", gzip(b"x"))
        .write("kept/app.tmp", "x")
        .write("logs/app.log", "")
        .write("fine/app.log", "");
    env.pipe("logs/pipe.log");
    for (from, to) in [("logs/one.log", "two.log"), ("logs/two.log", "one.log"), ("logs/none.log", "/nowhere/x.log")] {
        symlink(to, env.path(from)).unwrap();
    }
    let source =
        |name: &str, path: &str, more: &str| format!("[[source]]\nname = \"{name}\"\npaths = [\"{path}\"]\n{more}");
    let sources = [
        source("missing", "fien/app.log", ""),
        source("packed", "old/*", ""),
        source("excluded", "kept", "exclude = [\"*.tmp\"]\n"),
        source("pipe", "logs/pipe.log", ""),
        source("links", "logs", ""),
        source("loop", "logs/one.log", ""),
        source("claimed", "logs/*.log", ""),
        source("gbk", "fine/app.log", "encoding = \"utf-8\"\n"),
    ];
    env.write("p.toml", format!("[state]\ndir = \"state\"\n{}", sources.concat()));
    fs::write(env.path("fine/app.log"), encoding_rs::GB18030.encode("2026-03-01 08:00:00 支付失败\n").0).unwrap();
    state(&env);
    let (found, code) = findings(&env, &[]);
    assert_eq!(code, Some(1));
    for (source, expected) in [
        ("missing", &["path.missing"][..]),
        ("packed", &["path.compressed"]),
        ("excluded", &["path.excluded"]),
        ("pipe", &["path.not_a_file"]),
        ("links", &["link.dangling", "link.loop", "link.loop"]),
        ("loop", &["path.loop"]),
        ("claimed", &["path.claimed"]),
        ("gbk", &["file.encoding"]),
    ] {
        let its: Vec<Value> = found.iter().filter(|finding| finding["source"] == source).cloned().collect();
        let mut its = ids(&its).into_iter().map(str::to_owned).collect::<Vec<_>>();
        its.sort();
        assert_eq!(its, expected, "{source}: {found:#?}");
    }
    let missing = of(&found, "path.missing")["text"].as_str().unwrap();
    assert!(missing.contains("has no fien; did you mean ") && missing.ends_with("/fine?"), "{missing}");
}

#[test]
fn a_configuration_that_cannot_be_used_leaves_the_rest_to_be_said() {
    let env = Env::new();
    env.write("p.toml", "langg = 1\n[http]\nlisten = 2\n");
    state(&env);
    let (found, code) = findings(&env, &["--state", "state"]);
    assert_eq!((ids(&found), code), (vec!["config.invalid", "config.invalid"], Some(2)), "{found:#?}");
    for id in ["state.ok", "inotify.ok", "clock.ok", "config.unknown"] {
        of(&found, id);
    }
    shut(&env, "p.toml", 0o600);
    let (found, code) = findings(&env, &["--state", "state"]);
    assert_eq!((ids(&found), code), (vec!["config.unreadable"], Some(2)), "{found:#?}");
    fs::remove_file(env.path("p.toml")).unwrap();
    assert_eq!(ids(&findings(&env, &["--state", "state"]).0), ["config.unreadable"]);
}

#[test]
fn a_catalogue_that_cannot_be_read_is_a_fault_and_no_end() {
    let env = Env::new();
    env.write("logs/app.log", failure(1)).write("own.toml", "[[entry]]\nid = 1\n");
    env.write(
        "p.toml",
        "[state]\ndir = \"state\"\n[catalog]\nextra = [\"own.toml\"]\n[[source]]\npaths = [\"logs\"]\n",
    );
    state(&env);
    let (found, code) = findings(&env, &[]);
    assert_eq!(code, Some(1));
    assert!(ids(&found).iter().all(|&id| id == "config.catalog"), "{found:#?}");
    assert_eq!(of(&found, "file.ok")["file"]["last_match"]["code"], "ILLEGAL_EXTERIOR_USER_SCENE");
}

#[test]
fn a_damaged_database_is_told_and_left_alone() {
    let env = Env::new();
    env.write("logs/app.log", "").write("p.toml", "[state]\ndir = \"state\"\n[[source]]\npaths = [\"logs\"]\n");
    state(&env);
    let database = env.path("state/paytriage.db");
    fs::write(&database, [b'x'; 8192]).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&database, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec!["state.damaged"], Some(1)), "{found:#?}");
    assert_eq!(fs::read(&database).unwrap(), [b'x'; 8192]);
}

#[test]
fn receivers_are_connected_to_only_with_leave_and_nothing_is_sent() {
    let env = Env::new();
    env.write("logs/app.log", "");
    state(&env);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sink =
        |name: &str, url: &str| format!("[[sink.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\ntimeout = \"5s\"\n");
    let sinks = [
        sink("open", &format!("http://127.0.0.1:{port}/T0PSECRET")),
        sink("closed", &format!("http://127.0.0.1:{closed}/")),
        sink("unknown", "https://no-such-host.invalid/"),
        sink("no-tls", &format!("https://127.0.0.1:{port}/")),
    ];
    env.write("p.toml", format!("[state]\ndir = \"state\"\n[[source]]\npaths = [\"logs\"]\n{}", sinks.concat()));
    listener.set_nonblocking(true).unwrap();
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec![], Some(0)), "{found:#?}");
    let untried = found.iter().filter(|finding| finding["id"] == "sink.ready");
    assert!(untried.clone().all(|it| it["text"].as_str().unwrap().contains("was not tried")) && untried.count() == 4);
    assert!(listener.accept().is_err(), "without leave nothing is connected to");
    listener.set_nonblocking(false).unwrap();
    // What the receiver gets of either connection.
    let heard = std::thread::spawn(move || {
        let plain = std::io::read_to_string(listener.accept().unwrap().0).unwrap();
        let mut encrypted = listener.accept().unwrap().0;
        std::io::Write::write_all(&mut encrypted, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        plain
    });
    let (found, code) = findings(&env, &["--connect"]);
    assert_eq!(code, Some(1));
    assert_eq!(heard.join().unwrap(), "", "nothing is sent");
    let text = |sink: &str| {
        let finding = found.iter().find(|finding| finding["sink"] == sink).unwrap();
        (finding["id"].as_str().unwrap(), finding["text"].as_str().unwrap().to_owned())
    };
    assert_eq!(text("open").0, "sink.reached");
    for (sink, what) in [("closed", "refused"), ("unknown", "the name has no address"), ("no-tls", "no TLS is spoken")]
    {
        let (id, text) = text(sink);
        assert!(id == "sink.unreachable" && text.contains(what), "{sink}: {text}");
    }
    assert!(!format!("{found:?}").contains("T0PSECRET"));
}

/// What of the host is hidden behind a unit of our own, in a mount namespace.
#[test]
fn what_the_unit_hides_from_the_service_is_told_with_the_drop_in() {
    let env = Env::new();
    env.write("logs/app.log", failure(1));
    let unit = "[Service]\nUser=paytriage\nSupplementaryGroups=adm\nProtectHome=no\nPrivateTmp=yes\n\
                ProtectSystem=strict\nStateDirectory=paytriage\n";
    env.write("units/system/paytriage.service", unit);
    let logs = env.path("logs").canonicalize().unwrap();
    let sources = format!("[[source]]\npaths = [\"{}\"]\n[[source]]\npaths = [\"/home/shop/*.log\"]\n", logs.display());
    env.write("p.toml", format!("[state]\ndir = \"state\"\n{sources}"));
    env.write("units/system/paytriage.service.d/home.conf", "[Service]\nProtectHome=yes\n");
    let bind = format!(
        "mount --bind units /etc/systemd && exec {} doctor --config p.toml --format json",
        env!("CARGO_BIN_EXE_paytriage")
    );
    let namespace: &[&str] = if rustix::process::geteuid().is_root() { &["-m"] } else { &["-Urm"] };
    let output =
        Command::new("unshare").args(namespace).args(["sh", "-c", &bind]).current_dir(env.path(".")).output().unwrap();
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return eprintln!("NOT TESTED: no mount namespace with another /etc/systemd is to be had here: {output:?}");
    };
    let found = report["findings"].as_array().unwrap();
    assert!(of(found, "user.unlike_service")["text"].as_str().unwrap().contains("SupplementaryGroups=adm"));
    let home = of(found, "systemd.hidden");
    assert_eq!((&home["source"], &home["level"]), (&"shop".into(), &"fault".into()), "{home}");
    assert_eq!(home["remedies"][0]["command"], "sudo systemctl edit paytriage");
    assert!(home["remedies"][0]["why"].as_str().unwrap().ends_with("ProtectHome=read-only"), "{home}");
    if logs.starts_with("/tmp") || logs.starts_with("/var/tmp") {
        assert!(of(found, "systemd.private_tmp")["remedies"][0]["why"].as_str().unwrap().ends_with("PrivateTmp=no"));
    }
}

#[test]
fn many_files_are_a_few_lines() {
    let env = Env::new();
    for n in 0..300 {
        env.write(&format!("logs/{}/{n}.log", n % 100), failure(n));
        if n % 100 < 20 {
            shut(&env, &format!("logs/{}/{n}.log", n % 100), 0o600);
        }
    }
    env.write("p.toml", "[state]\ndir = \"state\"\n[[source]]\nname = \"shop\"\npaths = [\"logs\"]\n");
    state(&env);
    let (found, code) = findings(&env, &[]);
    assert_eq!((ids(&found), code), (vec!["file.unreadable"; 6], Some(1)), "{found:#?}");
    assert!(found.iter().any(|finding| finding["text"] == "and 15 more of this kind"), "{found:#?}");
    assert!(found.len() < 30, "{}", found.len());
}

#[test]
fn journals_are_looked_at_as_files_are() {
    let env = Env::new();
    let mut journal = crate::journal::Journal::new(&env);
    journal.config(&env, "[\"shop.service\", \"tills.service\"]", "[state]\ndir = \"state\"\n");
    state(&env);
    journal.write(&crate::journal::line("shop.service", "7", "INFO all is well"));
    journal.write(&crate::journal::line("till.service", "8", "INFO all is well"));
    set_mode(&env, "journal/one.journal", 0o644);
    let (seen, _) = findings(&env, &[]);
    assert_eq!(of(&seen, "journal.ok")["source"], "shop");
    let unit = of(&seen, "journal.no_unit");
    assert_eq!(unit["text"], "tills.service has written nothing to the journal; it has till.service");
    assert!(unit["remedies"][0]["command"].as_str().unwrap().contains("-F _SYSTEMD_UNIT"));
    // As its group has it.
    shut(&env, "journal/one.journal", 0o640);
    let (seen, code) = findings(&env, &[]);
    let file = of(&seen, "journal.unreadable");
    assert!(
        file["path"].as_str().unwrap().ends_with("one.journal")
            && file["text"].as_str().unwrap().starts_with("cannot be read by"),
        "{file}"
    );
    assert_eq!((code, ids(&seen).contains(&"journal.no_unit")), (Some(1), false));
    fs::remove_file(env.path("journal/one.journal")).unwrap();
    assert_eq!(of(&findings(&env, &[]).0, "journal.empty")["level"], "warning");
    fs::remove_dir(env.path("journal")).unwrap();
    assert!(of(&findings(&env, &[]).0, "journal.unreadable")["text"].as_str().unwrap().starts_with("is not there"));
    // Without journalctl.
    let mut command = env.command(&["doctor", "--config", "p.toml"]);
    command.env("PATH", env.path("bin"));
    let run: Run = unprivileged(&env, command).output().unwrap().into();
    assert!(run.stdout.contains("journalctl, which reads the journal, is not installed"), "{run:?}");
}

#[test]
fn the_token_and_the_socket_of_http_are_looked_at() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let configure = |http: &str| {
        let [logs, state, token] = ["logs", "state", "token"].map(|name| env.path(name));
        env.write(
            "p.toml",
            format!(
                "[state]\ndir = {state:?}\n[[source]]\npaths = [{logs:?}]\n[http]\ntoken_file = {token:?}\n{http}\n"
            ),
        );
    };
    configure("");
    state(&env);
    let token = |text: &str, mode: u32| {
        env.write("token", text);
        set_mode(&env, "token", mode);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(env.path("token"), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    };
    assert!(of(&findings(&env, &[]).0, "http.token")["text"].as_str().unwrap().starts_with("the token is not there"));
    token("", 0o600);
    let (seen, code) = findings(&env, &[]);
    assert_eq!((of(&seen, "http.token")["level"].as_str(), code), (Some("fault"), Some(1)));
    assert!(of(&seen, "http.token")["remedies"][0]["command"].as_str().unwrap().contains("openssl rand -hex 32"));
    token("short", 0o600);
    assert!(of(&findings(&env, &[]).0, "http.token")["text"].as_str().unwrap().contains("shorter than 16"));
    let good = "0123456789abcdef0123456789abcdef";
    token(good, 0o644);
    let (seen, _) = findings(&env, &[]);
    assert_eq!(of(&seen, "http.token_open")["level"], "warning");
    token(good, 0o000);
    assert!(of(&findings(&env, &[]).0, "http.token")["text"].as_str().unwrap().contains("cannot be read by"));
    token(good, 0o600);
    assert_eq!(of(&findings(&env, &[]).0, "http.ok")["level"], "ok");
    configure(&format!("listen = \"unix:{}\"", env.path("none/http.sock").display()));
    let (seen, _) = findings(&env, &[]);
    assert!(of(&seen, "http.socket")["text"].as_str().unwrap().starts_with("its directory is not there"));
    env.write("state/http.sock", "");
    configure(&format!("listen = \"unix:{}\"", env.path("state/http.sock").display()));
    assert!(of(&findings(&env, &[]).0, "http.socket")["text"].as_str().unwrap().contains("no socket"));
}
