//! `run` at the limits of the system: notifications refused or lost, few descriptors, endless lines, little memory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, eventually, failure, number, rename, run};
use crate::process;
use crate::run_control::{free_address, request};

/// A source over `logs` that looks for itself once an hour only; what comes sooner was notified or looked for because
/// notifications fail.
fn patient(env: &Env, address: std::net::SocketAddr) {
    env.write(
        "p.toml",
        format!("[[source]]\npaths = [\"logs\"]\npoll_interval = \"1h\"\n[http]\nlisten = \"{address}\"\n"),
    );
}

/// Starts the daemon through a shell that sets limits first.
fn under(env: &Env, shell: &[&str], limits: &str, args: &str) -> Daemon {
    let mut command = Command::new(shell[0]);
    let script = format!("{limits} && exec {} run {args}", env!("CARGO_BIN_EXE_paytriage"));
    command.args(&shell[1..]).args(["-c", &script]).current_dir(env.path(".")).stdin(Stdio::null());
    command.env("TZ", "UTC").stdout(Stdio::piped()).stderr(Stdio::piped());
    Daemon::spawn(command)
}

const SHELL: &[&str] = &["sh"];
/// Root of a user namespace, which has limits of its own.
const NAMESPACE: &[&str] = &["unshare", "-Ur", "sh"];

/// Changes a limit of the namespace that the daemon is in.
fn set_limit(daemon: &Daemon, name: &str, value: u32) {
    let script = format!("echo {value} > /proc/sys/user/{name}");
    let pid = daemon.pid().to_string();
    let status =
        Command::new("nsenter").args(["-U", "--preserve-credentials", "-t", &pid, "sh", "-c", &script]).status();
    assert!(status.unwrap().success());
}

fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn without_inotify_instances_it_looks_often_says_so_and_recovers() {
    if !process::namespaces_are_allowed() {
        return;
    }
    let env = Env::new();
    let address = free_address();
    patient(&env, address);
    env.write("logs/app.log", "");
    let limits = "echo 0 > /proc/sys/user/max_inotify_instances";
    let mut daemon = under(&env, NAMESPACE, limits, "--config p.toml --state state");
    daemon.wait_for_log("cannot watch for changes");
    daemon.wait_for_log("watching");
    append(&env, "logs/app.log", &failure(1));
    append(&env, "logs/new/b.log", &failure(2));
    assert_eq!(sorted(daemon.numbers(2)), [1, 2]);
    rename(&env, "logs/app.log", "app.log.1");
    append(&env, "app.log.1", &failure(3));
    append(&env, "logs/app.log", &failure(4));
    assert_eq!(sorted(daemon.numbers(2)), [3, 4]);
    let ready = request(address, "GET", "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("degraded"), "{ready}");
    assert!(request(address, "GET", "/metrics").contains("\npaytriage_watch_degraded 1\n"));

    set_limit(&daemon, "max_inotify_instances", 100);
    daemon.wait_for_log("changes can be watched for again");
    eventually("not degraded", || request(address, "GET", "/metrics").contains("\npaytriage_watch_degraded 0\n"));
    assert!(!request(address, "GET", "/readyz").contains("degraded"));
    append(&env, "logs/new/b.log", &failure(5));
    assert_eq!(daemon.numbers(1), [5]);
    assert!(daemon.stop().success());
    let log = daemon.drain_log();
    assert_eq!(log.matches("cannot watch for changes").count(), 1, "{log}");
    assert!(daemon.rest().is_empty());
}

#[test]
fn with_one_inotify_watch_all_directories_are_read() {
    if !process::namespaces_are_allowed() {
        return;
    }
    let env = Env::new();
    let address = free_address();
    patient(&env, address);
    for n in 0..4 {
        env.write(&format!("logs/{n}/app.log"), "");
    }
    let limits = "echo 1 > /proc/sys/user/max_inotify_watches";
    let mut daemon = under(&env, NAMESPACE, limits, "--config p.toml --state state");
    daemon.wait_for_log("cannot watch for changes");
    daemon.wait_for_log("watching");
    for n in 0..4 {
        append(&env, &format!("logs/{n}/app.log"), &failure(n));
    }
    append(&env, "logs/new/app.log", &failure(4));
    assert_eq!(sorted(daemon.numbers(5)), [0, 1, 2, 3, 4]);
    set_limit(&daemon, "max_inotify_watches", 100);
    daemon.wait_for_log("changes can be watched for again");
    append(&env, "logs/3/app.log", &failure(5));
    assert_eq!(daemon.numbers(1), [5]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn a_new_directory_that_cannot_be_watched_is_looked_at_often() {
    if !process::namespaces_are_allowed() {
        return;
    }
    let env = Env::new();
    let address = free_address();
    patient(&env, address);
    env.write("logs/app.log", "");
    // One for the directory, one for that which it is in.
    let limits = "echo 2 > /proc/sys/user/max_inotify_watches";
    let mut daemon = under(&env, NAMESPACE, limits, "--config p.toml --state state");
    daemon.wait_for_log("watching");
    assert!(!daemon.drain_log().contains("cannot watch"));
    append(&env, "logs/new/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    daemon.wait_for_log("cannot watch for changes");
    append(&env, "logs/new/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
}

#[test]
fn lost_notifications_are_made_up_for_at_once() {
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let queue: usize = queue.trim().parse().unwrap();
    if queue > 100_000 {
        eprintln!("NOT RUN: fs.inotify.max_queued_events is {queue}, too many to overflow in a test");
        return;
    }
    let env = Env::new();
    let address = free_address();
    patient(&env, address);
    env.write("logs/a.log", "").write("logs/b.log", "");
    let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
    daemon.freeze();
    // Equal notifications in a row are one; two files in turn are not.
    let open = |name| fs::OpenOptions::new().append(true).open(env.path(name)).unwrap();
    let mut files = [open("logs/a.log"), open("logs/b.log")];
    for n in 0..queue + 10 {
        files[n % 2].write_all(b"calm\n").unwrap();
    }
    append(&env, "logs/a.log", &failure(1));
    append(&env, "logs/new.log", &failure(2));
    append(&env, "logs/new/deep.log", &failure(3));
    rename(&env, "logs/b.log", "b.log.1");
    append(&env, "b.log.1", &failure(4));
    daemon.thaw();
    assert_eq!(sorted(daemon.numbers(4)), [1, 2, 3, 4]);
    daemon.wait_for_log("notifications were lost");
    let metrics = request(address, "GET", "/metrics");
    assert!(!metrics.contains("\npaytriage_watch_overflows_total 0\n"), "{metrics}");
    append(&env, "logs/new/deep.log", &failure(5));
    assert_eq!(daemon.numbers(1), [5]);
}

#[test]
fn a_directory_below_a_renamed_one_is_still_notified() {
    let env = Env::new();
    patient(&env, free_address());
    env.write("logs/old/sub/app.log", "");
    let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
    for n in 0..3 {
        let (from, to) = if n % 2 == 0 { ("logs/old", "logs/new") } else { ("logs/new", "logs/old") };
        rename(&env, from, to);
        append(&env, &format!("{to}/sub/app.log"), &failure(2 * n));
        assert_eq!(daemon.numbers(1), [2 * n]);
        append(&env, &format!("{to}/sub/app.log"), &failure(2 * n + 1));
        assert_eq!(daemon.numbers(1), [2 * n + 1]);
    }
}

/// Idle means: wakes up to look at everything and for nothing else, and reads nothing then.
#[test]
fn idle_it_sleeps() {
    let env = Env::new();
    for n in 0..300 {
        env.write(&format!("logs/{}/{n}.log", n % 10), failure(n));
    }
    env.write("p.toml", "[[source]]\npaths = [\"logs\"]\npoll_interval = \"500ms\"\n");
    let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
    append(&env, "logs/0/0.log", &failure(300));
    assert_eq!(daemon.numbers(1), [300]);
    let pid = daemon.pid();
    let slept = || process::wakeups(pid);
    // The system tells the watching thread of each directory that is opened; it passes nothing on.
    let looks = |thread: &str| thread == "reader" || thread.starts_with("notify");
    let of = |threads: &[(String, u64)], name: &str| threads.iter().find(|(comm, _)| comm == name).unwrap().1;
    // The position is stored, the line acknowledged.
    eventually("everything is stored", || {
        let before = slept();
        eventually("the reader looks around", || of(&slept(), "reader") >= of(&before, "reader") + 3);
        let after = slept();
        before.iter().zip(&after).all(|(before, after)| before == after || looks(&after.0))
    });
    let (before, read, began) = (slept(), process::io(pid, "rchar"), std::time::Instant::now());
    eventually("the reader has looked around six times", || of(&slept(), "reader") >= of(&before, "reader") + 6);
    let after = slept();
    // A busy machine makes this longer, never shorter.
    assert!(began.elapsed().as_millis() >= 5 * 500, "six wake-ups in {:?}: {before:?} {after:?}", began.elapsed());
    for (before, after) in before.iter().zip(&after).filter(|(thread, _)| !looks(&thread.0)) {
        assert_eq!(before, after, "somebody woke for nothing");
    }
    // The notifications of directories being opened are some hundred bytes a look; a look into 300 files would be 30 kB.
    let read_since = process::io(pid, "rchar") - read;
    assert!(read_since < 10_000, "idle files were read: {read_since} bytes");
}

#[test]
fn fifteen_hundred_files_with_256_descriptors_give_each_event_once() {
    const FILES: usize = 1500;
    let env = Env::new();
    for n in 0..FILES {
        env.write(&format!("logs/{}/{n}.log", n % 7), "");
    }
    let mut daemon = under(&env, SHELL, "ulimit -n 256", "logs/*/*.log --state state");
    daemon.wait_for_log("watching");
    for n in 0..FILES {
        append(&env, &format!("logs/{}/{n}.log", n % 7), &failure(n));
    }
    assert_eq!(sorted(daemon.numbers(FILES)), (0..FILES).collect::<Vec<_>>());
    // All are rotated out of the source at once, with something unread in each.
    for n in 0..FILES {
        let name = format!("logs/{}/{n}.log", n % 7);
        append(&env, &name, &failure(FILES + n));
        rename(&env, &name, &format!("{name}.1"));
        append(&env, &format!("{name}.1"), &failure(2 * FILES + n));
        append(&env, &name, &failure(3 * FILES + n));
    }
    assert_eq!(sorted(daemon.numbers(3 * FILES)), (FILES..4 * FILES).collect::<Vec<_>>());
    assert!(process::descriptors(daemon.pid()).len() <= 256);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    let log = daemon.drain_log();
    assert!(!log.contains("too many"), "{log}");
}

#[test]
fn a_backlog_in_more_files_than_descriptors_is_read() {
    const FILES: usize = 60;
    let env = Env::new();
    // More than one turn's worth in each, so that all are in the middle at the same time.
    let calm = "2026-07-01 12:00:00 INFO nothing happened here at all, and nobody had to act on it\n".repeat(20_000);
    for n in 0..FILES {
        env.write(&format!("logs/{n}.log"), [failure(2 * n), calm.clone(), failure(2 * n + 1)].concat());
    }
    let mut daemon = under(&env, SHELL, "ulimit -n 40", "--from-start logs");
    assert_eq!(sorted(daemon.numbers(2 * FILES)), (0..2 * FILES).collect::<Vec<_>>());
    assert!(daemon.stop().success());
    let log = daemon.drain_log();
    assert!(!log.contains("cannot read"), "{log}");
}

#[test]
fn loops_of_links_and_deep_trees_are_read_once() {
    let env = Env::new();
    env.write("logs/app.log", "");
    symlink(env.path("logs"), env.path("logs/loop")).unwrap();
    symlink("../logs", env.path("logs/loop2")).unwrap();
    symlink("self", env.path("logs/self")).unwrap();
    symlink(env.path("logs/app.log"), env.path("logs/link.log")).unwrap();
    let deep = format!("logs/{}", "d/".repeat(60));
    env.write(&format!("{deep}deep.log"), "");
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    append(&env, &format!("{deep}deep.log"), &failure(2));
    append(&env, &format!("{deep}new/new.log"), &failure(3));
    assert_eq!(sorted(daemon.numbers(3)), [1, 2, 3]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

/// Writes `n` MiB that hold no failure: one line, or many.
fn write_mebibytes(file: &mut impl Write, n: usize, line: &str) {
    let block = line.repeat(1024 * 1024 / line.len() + 1).into_bytes();
    for _ in 0..n {
        file.write_all(&block).unwrap();
    }
}

#[test]
fn a_line_of_120_mib_costs_neither_memory_nor_its_neighbours() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/other.log", "");
    let mut daemon = run(&env, &["logs"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    let before = process::status(daemon.pid(), "VmHWM");
    let mut file = fs::OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    for part in 0..4 {
        write_mebibytes(&mut file, 30, "one long line without an end ");
        append(&env, "logs/other.log", &failure(10 + part));
        // Once, that the line is longer than what is searched.
        let events = (0..if part == 0 { 2 } else { 1 }).map(|_| daemon.event());
        let found: Vec<_> = events.filter(|event| event["code"] != "PT.LINE_CUT").collect();
        assert_eq!(found.iter().map(number).collect::<Vec<_>>(), [10 + part]);
    }
    append(&env, "logs/app.log", &format!("\n{}", failure(2)));
    assert_eq!(daemon.numbers(1), [2]);
    let grown = process::status(daemon.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more for a long line");
}

#[test]
fn a_long_backlog_is_read_in_little_memory() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs/app.log", "--state", "state"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    let before = process::status(daemon.pid(), "VmHWM");
    daemon.signal("STOP");
    let mut file = fs::OpenOptions::new().append(true).open(env.path("logs/app.log")).unwrap();
    write_mebibytes(
        &mut file,
        256,
        "2026-07-01 12:00:00 INFO paid, out_trade_no=C000001, nothing to see in this line\n",
    );
    append(&env, "logs/app.log", &failure(2));
    daemon.signal("CONT");
    assert_eq!(daemon.numbers(1), [2]);
    let grown = process::status(daemon.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more for a long file");
}

/// What cannot be had ends it with a message; what was stored stays good.
#[test]
fn too_little_memory_ends_it_and_loses_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "").write("out.jsonl", "");
    let args = "logs/app.log --state state >> out.jsonl";
    let printed = |n: usize| fs::read_to_string(env.path("out.jsonl")).unwrap().contains(&format!("N{n:06}"));
    let mut daemon = under(&env, SHELL, "true", args);
    daemon.wait_for_log("watching");
    assert!(daemon.stop().success());
    append(&env, "logs/app.log", &failure(1));
    let works_with = |kib: usize| {
        let mut daemon = under(&env, SHELL, &format!("ulimit -v {kib}"), args);
        eventually("it ends, or works", || daemon.has_ended() || printed(1));
        let ended = daemon.has_ended();
        assert!(!ended || !daemon.wait().success());
        !ended || printed(1)
    };
    // From far too little for a start, in steps, to what is enough; then in smaller ones what is just not.
    let enough = (1..).map(|n| n * 16 * 1024).find(|&kib| works_with(kib)).unwrap();
    assert!(enough > 16 * 1024, "{enough} KiB");
    env.write("out.jsonl", "");
    append(&env, "logs/app.log", &failure(1));
    assert!((1..40).any(|n| works_with(enough - 16 * 1024 + n * 512)), "somewhere below {enough} KiB it is enough");
    let mut daemon = under(&env, SHELL, "true", args);
    append(&env, "logs/app.log", &failure(2));
    eventually("it works as before", || printed(2));
    assert!(daemon.stop().success());
}
