//! Rotation by logrotate itself, in all its forms, with a writer that keeps its old handle. Needs logrotate.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli_env::Env;
use crate::daemon::{append, eventually, exactly_once, failure, run};

const OUTSIDE: &[&str] = &["logs/*.log", "--state", "state"];
const INSIDE: &[&str] = &["logs", "--state", "state"];

/// Rotates `logs/app.log` once, whatever its age and size.
fn logrotate(env: &Env, directives: &str) {
    let log = env.path("logs/app.log");
    fs::set_permissions(log.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = env.path("logrotate.conf");
    fs::write(&config, format!("{} {{\n{directives}\n}}\n", log.display())).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("logrotate");
    command.env("PATH", path).arg("--force").arg("--state").arg(env.path("logrotate.state")).arg(&config);
    let output = command.output().expect("these tests need logrotate: install it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A handle as a logger keeps it.
fn writer(env: &Env) -> File {
    OpenOptions::new().append(true).create(true).open(env.path("logs/app.log")).unwrap()
}

fn write(mut to: &File, numbers: impl IntoIterator<Item = usize>) {
    let lines: String = numbers.into_iter().map(failure).collect();
    to.write_all(lines.as_bytes()).unwrap();
}

fn names(env: &Env) -> Vec<PathBuf> {
    let entries = fs::read_dir(env.path("logs")).unwrap();
    entries.map(|entry| PathBuf::from(entry.unwrap().file_name())).collect()
}

/// True if the process has the same file open.
fn has_open(pid: u32, file: &File) -> bool {
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    // One may be closed while the list is read.
    let mut open = descriptors.filter_map(|fd| fs::metadata(fd.path()).ok());
    open.any(|metadata| inode(metadata) == inode(file.metadata().unwrap()))
}

/// Rotates three times; before and after each, the writer goes on in its old file for a while. What is rotated away is a file that
/// the daemon has open: nobody can promise to be quicker than a file that is made and deleted within milliseconds.
fn rotate_under_a_writer(args: &[&str], directives: &str) {
    let env = Env::new();
    env.write("logs/app.log", "");
    let daemon = run(&env, args);
    let mut old = writer(&env);
    let mut n = 0;
    for _ in 0..3 {
        write(&old, n..n + 10);
        eventually("the file is open", || has_open(daemon.pid(), &old));
        logrotate(&env, directives);
        write(&old, n + 10..n + 20);
        old = writer(&env);
        write(&old, n + 20..n + 30);
        n += 30;
    }
    exactly_once(daemon, 0..n);
}

#[test]
fn create_with_the_backups_outside_the_glob() {
    rotate_under_a_writer(OUTSIDE, "create\nrotate 5");
}

#[test]
fn create_with_the_backups_in_the_source() {
    rotate_under_a_writer(INSIDE, "create\nrotate 5");
}

#[test]
fn create_with_compress_while_the_writer_is_still_on_the_old_file() {
    rotate_under_a_writer(OUTSIDE, "create\nrotate 5\ncompress");
    rotate_under_a_writer(INSIDE, "create\nrotate 5\ncompress");
}

#[test]
fn create_with_delaycompress_and_the_archives_are_not_read() {
    rotate_under_a_writer(INSIDE, "create\nrotate 5\ncompress\ndelaycompress");
}

#[test]
fn nocreate_leaves_it_to_the_writer_to_make_the_file() {
    rotate_under_a_writer(OUTSIDE, "nocreate\nrotate 5");
}

#[test]
fn nothing_is_kept_and_the_old_file_is_gone_at_once() {
    rotate_under_a_writer(OUTSIDE, "create\nrotate 0");
}

#[test]
fn olddir_moves_the_backups_to_another_directory() {
    rotate_under_a_writer(OUTSIDE, "create\nrotate 5\nolddir ../old\ncreateolddir 755");
}

/// The daemon stands still while lines are written, copied and cut off: what it had not read stands in the copy alone.
fn copytruncate_with_an_unread_end(args: &[&str], directives: &str, copy: &str) {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, args);
    let writer = writer(&env);
    write(&writer, 0..10);
    assert_eq!(daemon.numbers(10), (0..10).collect::<Vec<_>>());
    daemon.freeze();
    write(&writer, 10..20);
    logrotate(&env, directives);
    // Longer than what was read: only the content tells that it is another.
    write(&writer, 20..60);
    daemon.thaw();
    let mut seen = daemon.numbers(50);
    seen.sort_unstable();
    assert_eq!(seen, (10..60).collect::<Vec<_>>());
    // Whether it is followed or only read to its end: nothing of it comes again.
    append(&env, copy, &failure(60));
    exactly_once(daemon, 60..61);
}

#[test]
fn copytruncate_with_an_unread_end_and_the_copy_in_the_source() {
    copytruncate_with_an_unread_end(INSIDE, "copytruncate\nrotate 5", "logs/app.log.1");
}

#[test]
fn copytruncate_with_an_unread_end_and_the_copy_outside_the_glob() {
    copytruncate_with_an_unread_end(OUTSIDE, "copytruncate\nrotate 5", "logs/app.log.1");
}

#[test]
fn copytruncate_with_the_extension_kept_at_the_end() {
    copytruncate_with_an_unread_end(OUTSIDE, "copytruncate\nrotate 5\nextension .log", "logs/app.1.log");
}

#[test]
fn copytruncate_again_and_again_with_the_copies_in_the_source() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, INSIDE);
    let writer = writer(&env);
    for n in (0..50).step_by(10) {
        // What is written during the copying itself would be lost by logrotate: the writer pauses.
        write(&writer, n..n + 10);
        logrotate(&env, "copytruncate\nrotate 9");
    }
    write(&writer, [50]);
    let mut seen = daemon.numbers(51);
    seen.sort_unstable();
    assert_eq!(seen, (0..51).collect::<Vec<_>>());
    for k in 1..=5 {
        append(&env, &format!("logs/app.log.{k}"), &failure(100 + k));
    }
    exactly_once(daemon, 101..106);
}

#[test]
fn copytruncate_while_it_was_down_with_the_copy_in_the_source() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, INSIDE);
    let writer = writer(&env);
    write(&writer, 0..10);
    daemon.numbers(10);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());

    write(&writer, 10..20);
    logrotate(&env, "copytruncate\nrotate 5");
    write(&writer, 20..50);
    let mut daemon = run(&env, INSIDE);
    let mut seen = daemon.numbers(40);
    seen.sort_unstable();
    assert_eq!(seen, (10..50).collect::<Vec<_>>());
    append(&env, "logs/app.log.1", &failure(50));
    exactly_once(daemon, 50..51);
}

#[test]
fn a_copy_without_truncation_is_read_once() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, INSIDE);
    let writer = writer(&env);
    write(&writer, 0..10);
    daemon.numbers(10);
    daemon.freeze();
    write(&writer, 10..20);
    logrotate(&env, "copy\nrotate 5");
    daemon.thaw();
    assert_eq!(daemon.numbers(10), (10..20).collect::<Vec<_>>());
    append(&env, "logs/app.log.1", &failure(20));
    exactly_once(daemon, 20..21);
}

#[test]
fn dated_backups_that_are_pruned_while_it_is_behind_are_read_to_their_end() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, INSIDE);
    write(&writer(&env), [0]);
    assert_eq!(daemon.numbers(1), [0]);
    daemon.freeze();
    write(&writer(&env), 1..10);
    let dated = "create\nrotate 1\ndateext\ndateformat -%s";
    logrotate(&env, dated);
    let dated_name = || names(&env).into_iter().find(|name| name.as_os_str() != "app.log").unwrap();
    let first = dated_name();
    eventually("the next second begins", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        !first.to_str().unwrap().ends_with(&now.to_string())
    });
    logrotate(&env, dated);
    assert_ne!(dated_name(), first);
    write(&writer(&env), [10]);
    daemon.thaw();
    exactly_once(daemon, 1..11);
}

#[test]
fn two_rotations_while_it_was_down() {
    for (directives, expected) in [
        ("create\nrotate 5", &[1, 2, 3][..]),
        // What was compressed while nobody watched is not opened; the README says so.
        ("create\nrotate 5\ncompress\ndelaycompress", &[2, 3]),
    ] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let mut daemon = run(&env, OUTSIDE);
        write(&writer(&env), [0]);
        assert_eq!(daemon.numbers(1), [0]);
        assert!(daemon.stop().success());
        for n in [1, 2] {
            write(&writer(&env), [n]);
            logrotate(&env, directives);
        }
        write(&writer(&env), [3]);
        exactly_once(run(&env, OUTSIDE), expected.iter().copied());
    }
}
