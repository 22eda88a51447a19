//! README shows real output: each block between marks is what the program prints.
//!
//! `UPDATE_README=1 cargo test --test integration readme` rewrites them; the diff is reviewed like code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli_env::Env;
use crate::daemon::eventually;
use crate::http_api::Server;

const SAMPLE: &str = "data/samples/seed_kiosk_stdlib.log";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the program prints when it is run in the repository.
fn output(arguments: &[&str]) -> String {
    let env = Env::new();
    let output = env.command(arguments).current_dir(root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A session in a terminal: what is typed, and the first lines of what comes.
fn session(typed: &str, arguments: &[&str], n_lines: usize) -> String {
    let lines: String = output(arguments).lines().take(n_lines).map(|line| format!("{}\n", line.trim_end())).collect();
    format!("```console\n$ paytriage {typed}\n{lines}```\n")
}

/// The first event of a sample, with what differs from run to run made up.
fn event() -> String {
    let text = output(&["scan", "--format", "json", "data/samples/py_alipay_gbk.log"]);
    let line = text.lines().next().expect("an event");
    let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["id"] = "4f0c8e0b1f5a4f0f9d3a6a1d2b7c8e90".into();
    event["observed_time"] = "2026-11-23T01:38:55.336Z".into();
    event["source"]["host"] = "pay-1".into();
    format!("```json\n{}\n```\n", serde_json::to_string_pretty(&event).unwrap())
}

/// Every id that `doctor` gives its findings.
fn doctor_ids() -> String {
    let about = "config|user|source|journal|path|file|link|inotify|descriptors|state|sink|http|clock|systemd";
    let id = regex::Regex::new(&format!("\"((?:{about})\\.[a-z_]+)\"")).unwrap();
    let (mut files, mut ids) =
        (vec![root().join("src/commands/doctor.rs"), root().join("src/doctor.rs")], BTreeSet::new());
    let mut dirs = vec![root().join("src/doctor")];
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        ids.extend(id.captures_iter(code).map(|found| format!("`{}`", &found[1])));
    }
    format!("{}.\n", ids.into_iter().collect::<Vec<_>>().join(" "))
}

/// Questions to a daemon, with what differs from run to run made up.
fn api() -> String {
    let mut server = Server::new("");
    server.fail(0..8);
    let asked = |path: &str| format!("$ curl -s 'localhost:9187/api/v1/{path}'");
    let (files, order, wrong) = ("files", "events?order=N000007", "events?since=yesterday");
    let mut file = serde_json::Value::Null;
    eventually("all of it is read", || {
        file = server.get("/api/v1/files").json();
        file["files"][0]["lag"] == 0 && file["files"][0]["lines"] == 7
    });
    file["files"][0]["path"] = "/var/log/shop/app.log".into();
    file["files"][0]["last_read"] = "2026-11-30T21:27:13.939784289Z".into();
    let event = &server.get(&format!("/api/v1/{order}")).json()["events"][0];
    let keys = ["time", "code", "title", "act", "retry", "ids"];
    let some: serde_json::Map<_, _> = keys.iter().map(|&key| (key.to_owned(), event[key].clone())).collect();
    let (event, error) = (serde_json::to_string(&some).unwrap(), server.get(&format!("/api/v1/{wrong}")).body);
    let jq = format!("| jq -c '.events[] | {{{}}}'", keys.join(", "));
    format!("```console\n{}\n{file}\n{} {jq}\n{event}\n{}\n{error}\n```\n", asked(files), asked(order), asked(wrong))
}

fn options() -> String {
    let mut table = String::from("| key | value | default | |\n|---|---|---|---|\n");
    for option in paytriage::config::options() {
        let row = format!("| `{}` | {} | {} | {} |\n", option.key, option.kind, option.default, option.help);
        table.push_str(&row);
    }
    table
}

#[test]
fn blocks_are_what_the_program_prints() {
    let path = root().join("README.md");
    let before = fs::read_to_string(&path).unwrap();
    let mut after = before.clone();
    for (name, text) in [
        (
            "explain",
            session(
                r#"explain "cashier shows: Payment failed (C6-1011)" | head -14"#,
                &["explain", "cashier shows: Payment failed (C6-1011)"],
                14,
            ),
        ),
        ("summary", session(&format!("scan --format summary {SAMPLE}"), &["scan", "--format", "summary", SAMPLE], 40)),
        (
            "why",
            session(
                r#"explain "INFO config: retry_on=['SYSTEM_BUSY'] alipay" | head -1"#,
                &["explain", "INFO config: retry_on=['SYSTEM_BUSY'] alipay"],
                1,
            ),
        ),
        ("stats", session("catalog stats | head -9", &["catalog", "stats"], 9)),
        ("event", event()),
        ("api", api()),
        ("options", options()),
        ("doctor ids", doctor_ids()),
    ] {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let start = after.find(&open).unwrap_or_else(|| panic!("no {open}")) + open.len();
        let end = after[start..].find(&close).unwrap_or_else(|| panic!("no {close}")) + start;
        after.replace_range(start..end, &text);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, &after).unwrap();
    }
    assert!(
        before == after || std::env::var_os("UPDATE_README").is_some(),
        "README.md is out of date: UPDATE_README=1 cargo test --test integration readme"
    );
}
