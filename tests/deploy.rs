//! What packages and manifests bring along is valid for this program.

use std::fs;
use std::path::Path;

use super::cli_env::{Env, failure};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_configuration_of_the_package_is_valid() {
    let env = Env::new();
    env.write("paytriage.toml", read("systemd/paytriage.toml"));
    env.run(&["config", "check", "paytriage.toml"]).code(0).quiet();
}

/// The lines of a YAML block (`name: |`), without their indentation.
fn block(yaml: &str, name: &str) -> String {
    let lines = yaml.lines().skip_while(|line| line.trim() != format!("{name}: |")).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| format!("{}\n", line.trim_start_matches("    "))).collect()
}

#[test]
fn the_configuration_of_the_daemon_set_is_valid() {
    let env = Env::new();
    let secret = env.path("oncall-url");
    env.write("oncall-url", "https://hooks.example.com/services/1");
    let config = block(&read("deploy/kubernetes.yaml"), "paytriage.toml");
    let config = config.replace("/run/secrets/paytriage/oncall-url", secret.to_str().unwrap());
    env.write("paytriage.toml", config);
    let told = env.run(&["config", "check", "paytriage.toml"]).code(0).quiet().stdout;
    assert!(told.contains("1 source") && told.contains("127.0.0.1:9187"), "{told}");
}

#[test]
fn a_container_can_be_told_the_name_of_its_host() {
    let env = Env::new();
    env.write("a.log", failure(1));
    let mut scan = env.command(&["scan", "a.log", "--format", "json"]);
    let run: super::cli_env::Run = scan.env("PAYTRIAGE_HOST", "node-7").output().unwrap().into();
    assert_eq!(run.code(0).quiet().events()[0]["source"]["host"], "node-7");
}
