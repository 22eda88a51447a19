//! `watch = "poll"`: everything that works with notifications works without, within the poll interval.

use std::fs;
use std::io::Write;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, eventually, failure, rename, run};
use crate::process;

const POLLED: &[&str] = &["--config", "p.toml", "--state", "state"];

fn polling(env: &Env, paths: &str) -> Daemon {
    env.write(
        "p.toml",
        format!("[[source]]\npaths = [\"{paths}\"]\nwatch = \"poll\"\npoll_interval = \"200ms\"\n[http]\nlisten = \"127.0.0.1:0\"\n"),
    );
    let daemon = run(env, POLLED);
    let inotify = process::descriptors(daemon.pid()).iter().filter(|fd| fd.contains("inotify")).count();
    assert_eq!(inotify, 0, "polling asks the system for no notifications");
    daemon
}

fn exactly(daemon: &mut Daemon, expected: &[usize]) {
    let mut seen = daemon.numbers(expected.len());
    seen.sort_unstable();
    assert_eq!(seen, expected);
}

fn nothing_more(mut daemon: Daemon) {
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn files_and_directories_come_and_go() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let mut daemon = polling(&env, "logs");
    append(&env, "logs/app.log", &failure(1));
    append(&env, "logs/new.log", &failure(2));
    append(&env, "logs/a/b/deep.log", &failure(3));
    exactly(&mut daemon, &[1, 2, 3]);
    rename(&env, "logs/a", "logs/c");
    append(&env, "logs/c/b/deep.log", &failure(4));
    exactly(&mut daemon, &[4]);
    fs::remove_dir_all(env.path("logs/c")).unwrap();
    append(&env, "logs/c/b/deep.log", &failure(5));
    exactly(&mut daemon, &[5]);
    nothing_more(daemon);
}

#[test]
fn renamed_files_are_read_to_their_end_inside_and_outside_the_glob() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/other.log", "");
    let mut daemon = polling(&env, "logs/*.log");
    append(&env, "logs/app.log", &failure(1));
    append(&env, "logs/other.log", &failure(2));
    exactly(&mut daemon, &[1, 2]);
    append(&env, "logs/app.log", &failure(3));
    rename(&env, "logs/app.log", "logs/app.log.1");
    append(&env, "logs/app.log", &failure(4));
    append(&env, "logs/app.log.1", &failure(5));
    rename(&env, "logs/other.log", "logs/other-1.log");
    append(&env, "logs/other-1.log", &failure(6));
    append(&env, "logs/other.log", &failure(7));
    exactly(&mut daemon, &[3, 4, 5, 6, 7]);
    rename(&env, "logs/app.log.1", "app.log.2");
    append(&env, "app.log.2", &failure(8));
    exactly(&mut daemon, &[8]);
    nothing_more(daemon);
}

#[test]
fn truncated_copied_replaced_and_deleted_files() {
    let env = Env::new();
    for name in ["copied", "regrown", "deleted"] {
        env.write(&format!("logs/{name}.log"), "");
    }
    let mut daemon = polling(&env, "logs/*.log");
    for (n, name) in ["copied", "regrown", "deleted"].iter().enumerate() {
        append(&env, &format!("logs/{name}.log"), &failure(n));
    }
    exactly(&mut daemon, &[0, 1, 2]);
    fs::copy(env.path("logs/copied.log"), env.path("logs/copied.log.1")).unwrap();
    env.write("logs/copied.log", "");
    append(&env, "logs/copied.log", &failure(10));
    env.write("logs/regrown.log", [failure(11), failure(12)].concat());
    let mut writer = fs::OpenOptions::new().append(true).open(env.path("logs/deleted.log")).unwrap();
    fs::remove_file(env.path("logs/deleted.log")).unwrap();
    writer.write_all(failure(13).as_bytes()).unwrap();
    exactly(&mut daemon, &[10, 11, 12, 13]);
    drop(writer);
    let held = || process::descriptors(daemon.pid()).iter().any(|fd| fd.contains("deleted.log"));
    eventually("the deleted file is let go", || !held());
    nothing_more(daemon);
}

#[test]
fn a_link_that_is_switched() {
    use std::os::unix::fs::symlink;
    let env = Env::new();
    env.write("pods/0.log", "").write("pods/1.log", "").write("logs/x", "");
    symlink(env.path("pods/0.log"), env.path("logs/app.log")).unwrap();
    let mut daemon = polling(&env, "logs/*.log");
    append(&env, "pods/0.log", &failure(1));
    exactly(&mut daemon, &[1]);
    append(&env, "pods/1.log", &failure(2));
    symlink(env.path("pods/1.log"), env.path("logs/next")).unwrap();
    rename(&env, "logs/next", "logs/app.log");
    append(&env, "pods/0.log", &failure(3));
    append(&env, "pods/1.log", &failure(4));
    exactly(&mut daemon, &[2, 3, 4]);
    nothing_more(daemon);
}

/// One source that polls does not take the notifications of the other, and is not watched itself.
#[test]
fn a_source_that_polls_beside_one_that_does_not() {
    let env = Env::new();
    env.write("polled/app.log", "").write("watched/app.log", "");
    env.write(
        "p.toml",
        "[[source]]\npaths = [\"polled\"]\nwatch = \"poll\"\npoll_interval = \"200ms\"\n\
         [[source]]\npaths = [\"watched\"]\n[http]\nlisten = \"127.0.0.1:0\"\n",
    );
    let mut daemon = run(&env, POLLED);
    append(&env, "polled/app.log", &failure(1));
    append(&env, "watched/app.log", &failure(2));
    exactly(&mut daemon, &[1, 2]);
    let info = fs::read_dir(format!("/proc/{}/fdinfo", daemon.pid())).unwrap().flatten();
    let info = info.filter_map(|fd| fs::read_to_string(fd.path()).ok()).find(|text| text.contains("inotify wd"));
    use std::os::unix::fs::MetadataExt;
    let watches = |dir: &str| {
        let inode = format!("ino:{:x} ", fs::metadata(env.path(dir)).unwrap().ino());
        info.as_ref().is_some_and(|text| text.contains(&inode))
    };
    assert!(watches("watched") && !watches("polled"), "{info:?}");
    nothing_more(daemon);
}
