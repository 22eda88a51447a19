//! `paytriage scan` beside its rivals, with threads, and with catalogues of several sizes.

use std::path::Path;
use std::process::Command;

use crate::compare::{Contender, Rounds};
use crate::inputs::{Inputs, size_of};
use crate::{Options, child, rivals, table};

fn scan(options: &[&str], logs: &[&Path]) -> Command {
    let mut command = child::paytriage(["scan", "--format", "json", "--no-progress"]);
    command.args(options).args(logs);
    command
}

/// Every kind of log, all contenders.
pub fn kinds(options: &Options, inputs: &Inputs) {
    for name in ["mixed", "clean", "storm", "snake", "snake-known"] {
        let log = inputs.log(name);
        let utf8 = inputs.path("full.utf8");
        let bytes = size_of(&log);
        let n_events = child::count_lines(&mut scan(&["-j1"], &[&log]));
        let mut contenders = vec![
            Contender::new("read, count lines (limit)", bytes, rivals::own("limit", &[&log])),
            Contender::new("paytriage scan -j1", bytes, scan(&["-j1"], &[&log])),
            Contender::new("aho-corasick", bytes, rivals::own("automaton", &[&inputs.path("full.literals"), &log])),
        ];
        if let Some(rg) = &inputs.rg {
            let ripgrep = |options: &[&str], log: &Path| rivals::ripgrep(rg, options, &utf8, log);
            contenders.push(Contender::new("rg -c", bytes, ripgrep(&["-c"], &log)));
            contenders.push(Contender::new("rg -c --no-mmap", bytes, ripgrep(&["-c", "--no-mmap"], &log)));
            // Hundreds of times slower: all of the log would take hours.
            let part = inputs.log(&format!("{name}-part"));
            contenders.push(Contender::new("rg -c -i", size_of(&part), ripgrep(&["-c", "-i"], &part)));
            if name == "storm" {
                contenders.push(Contender::new("rg --json", bytes, ripgrep(&["--json"], &log)));
            }
        }
        let rounds = Rounds::run(options.n_rounds(), contenders);
        let (limit, rg) = (rounds.find("read, count lines (limit)"), rounds.find("rg -c"));
        let (rg_i, rg_json) = (rounds.find("rg -c -i"), rounds.find("rg --json"));
        let row = |who: usize| {
            let events = if rounds.names[who].starts_with("paytriage") {
                format!("{:.0}", n_events as f64 / rounds.cpu_seconds(who))
            } else {
                String::new()
            };
            vec![
                rounds.names[who].clone(),
                rounds.speed(who),
                rounds.cpu(who),
                rounds.memory(who),
                rounds.ratio(who, limit),
                rounds.ratio(who, rg),
                rounds.ratio(who, rg_i),
                rounds.ratio(who, rg_json),
                events,
            ]
        };
        let headings =
            ["", "GB/s", "CPU s/GiB", "MiB", "x limit", "x rg -c", "x rg -c -i", "x rg --json", "events/CPU s"];
        table::print(
            &format!("{name}: {} MiB, {n_events} events", size_of(&log) >> 20),
            &headings,
            &(0..rounds.names.len()).map(row).collect::<Vec<_>>(),
        );
    }
    println!(
        "\n  x: how many times as fast, by time passed, and in brackets by processor time; start-up is in all of it.\n  \
         paytriage ignores the case of ASCII letters, so `rg -i` does the same work; plain rg does less.\n  \
         rg lacks the literals that are not UTF-8 (GBK), and counts lines; with -i it reads 8 MiB of the log only; paytriage writes events as JSON to /dev/null."
    );
}

/// Two threads on one file and on two.
pub fn threads(options: &Options, inputs: &Inputs) {
    let (whole, first, second) = (inputs.log("mixed"), inputs.log("half-1"), inputs.log("half-2"));
    let files: [(&str, &[&Path]); 2] = [("one file", &[&whole]), ("two files", &[&first, &second])];
    let bytes = size_of(&whole);
    let contenders = files.iter().flat_map(|(name, logs)| {
        ["-j1", "-j2"].map(|threads| Contender::new(format!("{name}, {threads}"), bytes, scan(&[threads], logs)))
    });
    let rounds = Rounds::run(options.n_rounds(), contenders.collect());
    let row = |who: usize| {
        let one = Some(who / 2 * 2);
        vec![rounds.names[who].clone(), rounds.speed(who), rounds.cpu(who), rounds.memory(who), rounds.ratio(who, one)]
    };
    let rows: Vec<_> = (0..rounds.names.len()).map(row).collect();
    table::print("threads: mixed", &["", "GB/s", "CPU s/GiB", "MiB", "x -j1"], &rows);
}

/// From a few literals to very many.
pub fn catalogs(options: &Options, inputs: &Inputs) {
    let log = inputs.log("mixed");
    let few = inputs.path("few.toml").display().to_string();
    let many = inputs.path("many.toml").display().to_string();
    let catalogs: [(&str, &[&str]); 3] =
        [("few", &["-j1", "--config", &few]), ("full", &["-j1"]), ("many", &["-j1", "--catalog", &many])];
    let mut contenders = Vec::new();
    for (name, options) in catalogs {
        let n = inputs.n_literals(name);
        contenders.push(Contender::new(format!("paytriage, {n} literals"), size_of(&log), scan(options, &[&log])));
    }
    for (name, _) in catalogs.iter().filter(|_| inputs.rg.is_some()) {
        let rg = inputs.rg.as_deref().expect("there is one");
        let command = rivals::ripgrep(rg, &["-c"], &inputs.path(&format!("{name}.utf8")), &log);
        contenders.push(Contender::new(format!("rg -c, {} literals", inputs.n_literals(name)), size_of(&log), command));
    }
    let rounds = Rounds::run(options.n_rounds(), contenders);
    let row = |who: usize| {
        let few = Some(who / 3 * 3);
        let rg = inputs.rg.is_some().then_some(who % 3 + 3);
        vec![
            rounds.names[who].clone(),
            rounds.speed(who),
            rounds.cpu(who),
            rounds.memory(who),
            rounds.ratio(who, few),
            rounds.ratio(who, rg),
        ]
    };
    let rows: Vec<_> = (0..rounds.names.len()).map(row).collect();
    table::print("catalogues: mixed", &["", "GB/s", "CPU s/GiB", "MiB", "x with few", "x rg -c"], &rows);
}
