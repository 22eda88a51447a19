//! `run` tells files apart that look alike, and knows one again that looks like another.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

use crate::cli_env::Env;
use crate::daemon::{append, eventually, exactly_once, failure, number, rename, run};

const ARGS: &[&str] = &["logs/*.log", "--state", "state"];

fn failures(numbers: std::ops::Range<usize>) -> String {
    numbers.map(failure).collect()
}

#[test]
fn files_with_equal_beginnings_and_of_one_line_are_all_read() {
    let env = Env::new();
    env.write("logs/first.log", "");
    let banner = "2026-07-01 12:00:00 INFO payment service 3.11.2 started with the usual settings\n".repeat(80);
    let daemon = run(&env, ARGS);
    for n in 0..5 {
        append(&env, &format!("logs/same{n}.log"), &[banner.clone(), failure(n)].concat());
        append(&env, &format!("logs/one{n}.log"), &failure(10 + n));
        append(&env, &format!("logs/equal{n}.log"), &failure(100));
    }
    exactly_once(daemon, (0..5).chain(10..15).chain([100; 5]));
}

#[test]
fn the_same_boot_error_in_a_file_made_again_is_reported_again() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    let boot = "ERROR alipay.trade.pay failed: sub_code=ACQ.TRADE_HAS_SUCCESS\n";
    for _ in 0..3 {
        append(&env, "logs/app.log", boot);
        assert_eq!(daemon.event()["source"]["line"], 1);
        fs::remove_file(env.path("logs/app.log")).unwrap();
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
}

#[test]
fn the_same_line_twice_is_two_events_with_two_ids() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1).repeat(2));
    let (one, two) = (daemon.event(), daemon.event());
    assert_eq!((number(&one), number(&two)), (1, 1));
    assert_ne!(one["id"], two["id"]);
}

#[test]
fn a_reused_inode_is_another_file() {
    let env = Env::new();
    env.write("logs/app.log", failure(0));
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    assert!(daemon.stop().success());
    // The file system gives the inode to the next file, mostly; longer than what was read of the old one.
    fs::remove_file(env.path("logs/app.log")).unwrap();
    env.write("logs/app.log", failures(2..9));
    let mut daemon = run(&env, ARGS);
    assert_eq!(daemon.numbers(7), (2..9).collect::<Vec<_>>());
    fs::remove_file(env.path("logs/app.log")).unwrap();
    env.write("logs/other.log", failures(10..20));
    exactly_once(daemon, 10..20);
}

#[test]
fn truncated_with_the_same_beginning_and_longer_is_told_apart() {
    let env = Env::new();
    let head = "2026-07-01 12:00:00 INFO the same four kibibytes at the start of each file\n".repeat(60);
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &[head.clone(), failure(1)].concat());
    assert_eq!(daemon.numbers(1), [1]);
    for (first, n) in [(10, 9), (20, 3), (30, 5)] {
        daemon.freeze();
        env.write("logs/app.log", [head.clone(), failures(first..first + n)].concat());
        daemon.thaw();
        assert_eq!(daemon.numbers(n), (first..first + n).collect::<Vec<_>>());
    }
    exactly_once(daemon, []);
}

fn sed(env: &Env) {
    let status =
        Command::new("sed").args(["-i", "s/nothing like it//"]).arg(env.path("logs/app.log")).status().unwrap();
    assert!(status.success());
}

#[test]
fn edited_in_place_by_sed_goes_on_and_repeats_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failures(0..5));
    assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    sed(&env);
    append(&env, "logs/app.log", &failures(5..7));
    assert_eq!(daemon.numbers(2), [5, 6]);
    // The same while nobody watches.
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    sed(&env);
    append(&env, "logs/app.log", &failures(7..9));
    exactly_once(run(&env, ARGS), 7..9);
}

/// `sed` writes its file beside the other, where it is seen before it takes the name.
#[test]
fn edited_again_and_again_in_a_directory_that_is_a_source_repeats_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, &["logs", "--state", "state"]);
    append(&env, "logs/app.log", &failures(0..20));
    assert_eq!(daemon.numbers(20), (0..20).collect::<Vec<_>>());
    for n in 20..28 {
        sed(&env);
        append(&env, "logs/app.log", &failure(n));
        assert_eq!(daemon.numbers(1), [n]);
    }
    exactly_once(daemon, []);
}

/// Only the store can tell what it is once it has another name.
#[test]
fn what_took_the_place_of_another_is_known_after_a_sigkill_under_any_name() {
    let env = Env::new();
    env.write("logs/one/app.log", "");
    let args = &["logs/*/*.log", "--state", "state"];
    let mut daemon = run(&env, args);
    append(&env, "logs/one/app.log", &failures(0..3));
    assert_eq!(daemon.numbers(3), [0, 1, 2]);
    fs::copy(env.path("logs/one/app.log"), env.path("logs/one/new")).unwrap();
    rename(&env, "logs/one/new", "logs/one/app.log");
    let inode = fs::metadata(env.path("logs/one/app.log")).unwrap().ino();
    let state = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    // What was not acknowledged would come again.
    let stored =
        "SELECT EXISTS (SELECT 1 FROM file WHERE inode = ?1 AND proof_at > 0) AND NOT EXISTS (SELECT 1 FROM outbox)";
    eventually("it is known", || state.query_row(stored, [inode.cast_signed()], |row| row.get(0)).unwrap());
    daemon.signal("KILL");
    daemon.wait();
    rename(&env, "logs/one", "logs/two");
    append(&env, "logs/two/app.log", &failure(3));
    exactly_once(run(&env, args), [3]);
}

/// vim and emacs give the old file another name, write a new one, and may delete the old one then.
#[test]
fn written_anew_by_an_editor_goes_on_and_repeats_nothing() {
    for args in [ARGS, &["logs", "--state", "state"]] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let mut daemon = run(&env, args);
        append(&env, "logs/app.log", &failures(0..20));
        assert_eq!(daemon.numbers(20), (0..20).collect::<Vec<_>>());
        let save = |numbers: std::ops::Range<usize>, is_backup_kept: bool| {
            let text = fs::read_to_string(env.path("logs/app.log")).unwrap() + &failures(numbers);
            rename(&env, "logs/app.log", "logs/app.log~");
            env.write("logs/app.log", text);
            if !is_backup_kept {
                fs::remove_file(env.path("logs/app.log~")).unwrap();
            }
        };
        for (n, is_backup_kept) in (20..28).zip([true, true, false, false].into_iter().cycle()) {
            save(n..n + 1, is_backup_kept);
            assert_eq!(daemon.numbers(1), [n], "{args:?}");
        }
        // Also while nobody watches.
        assert!(daemon.stop().success());
        assert!(daemon.rest().is_empty());
        save(28..28, true);
        append(&env, "logs/app.log", &failure(28));
        exactly_once(run(&env, args), [28]);
    }
}

/// As scripts do it that keep one backup.
#[test]
fn copied_over_the_backup_of_last_time_and_truncated_repeats_nothing() {
    for args in [ARGS, &["logs", "--state", "state"]] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let mut daemon = run(&env, args);
        for n in (0..60).step_by(10) {
            append(&env, "logs/app.log", &failures(n..n + 10));
            assert_eq!(daemon.numbers(10), (n..n + 10).collect::<Vec<_>>(), "{args:?}");
            fs::copy(env.path("logs/app.log"), env.path("logs/app.log.1")).unwrap();
            env.write("logs/app.log", "");
        }
        append(&env, "logs/app.log", &failure(60));
        exactly_once(daemon, [60]);
    }
}

/// As scripts do it that keep all of it: `cat app.log >> app.log.old; : > app.log`.
#[test]
fn appended_to_what_was_kept_before_and_truncated_repeats_nothing() {
    for args in [ARGS, &["logs", "--state", "state"]] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let archive = |env: &Env| {
            let log = fs::read_to_string(env.path("logs/app.log")).unwrap();
            append(env, "logs/app.log.old", &log);
            env.write("logs/app.log", "");
        };
        let mut daemon = run(&env, args);
        for n in (0..60).step_by(10) {
            append(&env, "logs/app.log", &failures(n..n + 10));
            assert_eq!(daemon.numbers(10), (n..n + 10).collect::<Vec<_>>(), "{args:?}");
            archive(&env);
        }
        // Also while nobody watches, for one time.
        append(&env, "logs/app.log", &failures(60..70));
        assert_eq!(daemon.numbers(10), (60..70).collect::<Vec<_>>(), "{args:?}");
        assert!(daemon.stop().success());
        archive(&env);
        append(&env, "logs/app.log", &failure(70));
        exactly_once(run(&env, args), [70]);
    }
}

/// As `docker pause`, or a busy host: of what was written, copied and cut off meanwhile only the copies are left.
#[test]
fn copied_and_truncated_again_and_again_while_it_stood_still_loses_nothing() {
    for args in [ARGS, &["logs", "--state", "state"]] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let mut daemon = run(&env, args);
        append(&env, "logs/app.log", &failures(0..10));
        assert_eq!(daemon.numbers(10), (0..10).collect::<Vec<_>>(), "{args:?}");
        daemon.freeze();
        for n in (10..50).step_by(10) {
            append(&env, "logs/app.log", &failures(n..n + 10));
            fs::copy(env.path("logs/app.log"), env.path(&format!("logs/app.log.{n}"))).unwrap();
            env.write("logs/app.log", "");
        }
        daemon.thaw();
        append(&env, "logs/app.log", &failure(50));
        exactly_once(daemon, 10..51);
    }
}

#[test]
fn restored_from_a_backup_goes_on_and_repeats_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failures(0..5));
    assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    fs::copy(env.path("logs/app.log"), env.path("backup")).unwrap();
    fs::remove_file(env.path("logs/app.log")).unwrap();
    fs::copy(env.path("backup"), env.path("logs/app.log")).unwrap();
    append(&env, "logs/app.log", &failure(5));
    assert_eq!(daemon.numbers(1), [5]);
    rename(&env, "backup", "logs/app.log");
    append(&env, "logs/app.log", &failure(6));
    exactly_once(daemon, [6]);
}

#[test]
fn another_device_number_after_a_reboot_is_the_same_file() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failures(0..3));
    assert_eq!(daemon.numbers(3), [0, 1, 2]);
    assert!(daemon.stop().success());
    let state = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    for _ in 0..2 {
        // What the store knows is of another device than what is there now.
        assert_eq!(state.execute("UPDATE file SET device = device + 1", []).unwrap(), 1);
    }
    drop(state);
    append(&env, "logs/app.log", &failure(3));
    let mut daemon = run(&env, ARGS);
    assert_eq!(daemon.numbers(1), [3]);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    // And back again: the row of the first device is older than that of the second.
    let state = rusqlite::Connection::open(env.path("state/paytriage.db")).unwrap();
    let devices = "SELECT min(device), max(device) FROM file";
    let (one, other): (i64, i64) = state.query_row(devices, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for (from, to) in [(one, -1), (other, one), (-1, other)] {
        assert_eq!(state.execute("UPDATE file SET device = ?2 WHERE device = ?1", [from, to]).unwrap(), 1);
    }
    drop(state);
    append(&env, "logs/app.log", &failure(4));
    exactly_once(run(&env, ARGS), [4]);
}

#[test]
fn an_edit_before_what_was_read_is_of_no_interest_where_the_proof_holds() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failures(0..40));
    daemon.numbers(40);
    let file = OpenOptions::new().write(true).open(env.path("logs/app.log")).unwrap();
    // Neither among the first kibibyte nor in the last line.
    file.write_all_at(b"2026-07-02", (failure(0).len() * 20) as u64).unwrap();
    append(&env, "logs/app.log", &failure(40));
    exactly_once(daemon, [40]);
}

#[test]
fn a_header_that_is_rewritten_all_the_time_ends_up_proving_nothing() {
    let env = Env::new();
    let header = |n: usize| format!("# lines: {n:08}\n");
    env.write("logs/app.log", header(0));
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/app.log", &failures(0..5));
    assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    let file = OpenOptions::new().write(true).open(env.path("logs/app.log")).unwrap();
    // Twice it could be another file, and is read again.
    for n in 1..3 {
        file.write_all_at(header(n).as_bytes(), 0).unwrap();
        assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    }
    file.write_all_at(header(3).as_bytes(), 0).unwrap();
    daemon.wait_for_log("the beginning of this file keeps changing");
    for n in 5..20 {
        append(&env, "logs/app.log", &failure(n));
        file.write_all_at(header(n).as_bytes(), 0).unwrap();
        assert_eq!(daemon.numbers(1), [n]);
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    // That is remembered.
    file.write_all_at(header(99).as_bytes(), 0).unwrap();
    append(&env, "logs/app.log", &failure(20));
    exactly_once(run(&env, ARGS), [20]);
}

#[test]
fn hard_links_and_two_sources_of_one_file_are_read_once() {
    let env = Env::new();
    env.write("logs/app.log", "");
    fs::create_dir(env.path("more")).unwrap();
    fs::hard_link(env.path("logs/app.log"), env.path("logs/link.log")).unwrap();
    fs::hard_link(env.path("logs/app.log"), env.path("more/app.log")).unwrap();
    std::os::unix::fs::symlink(env.path("logs/app.log"), env.path("more/soft.log")).unwrap();
    let mut daemon = run(&env, &["logs", "logs/app.log", "more", "--state", "state"]);
    append(&env, "more/app.log", &failures(0..3));
    assert_eq!(daemon.numbers(3), [0, 1, 2]);
    // One name after the other goes; the file stays.
    for (n, name) in (3..).zip(["logs/app.log", "more/soft.log", "logs/link.log"]) {
        fs::remove_file(env.path(name)).unwrap();
        append(&env, "more/app.log", &failure(n));
        assert_eq!(daemon.numbers(1), [n], "{name}");
    }
    exactly_once(daemon, []);
}

#[test]
fn a_copy_that_grows_slowly_is_known_as_one() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let args = &["logs", "--state", "state"];
    let mut daemon = run(&env, args);
    append(&env, "logs/app.log", &failures(0..100));
    daemon.numbers(100);
    let whole = fs::read_to_string(env.path("logs/app.log")).unwrap();
    let half = whole.len() / 2;
    append(&env, "logs/app.log.1", &whole[..half]);
    append(&env, "logs/app.log", &failure(100));
    assert_eq!(daemon.numbers(1), [100]);
    append(&env, "logs/app.log.1", &whole[half..]);
    env.write("logs/app.log", failure(101));
    assert_eq!(daemon.numbers(1), [101]);
    append(&env, "logs/app.log.1", &failure(102));
    exactly_once(daemon, [102]);
}

#[test]
fn a_new_file_named_like_another_is_read_as_it_is_written() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let args = &["logs", "--state", "state"];
    let mut daemon = run(&env, args);
    append(&env, "logs/app.log", &failures(0..5));
    assert_eq!(daemon.numbers(5), [0, 1, 2, 3, 4]);
    append(&env, "logs/app.log.worker2", &failure(10));
    assert_eq!(daemon.numbers(1), [10]);
    append(&env, "logs/app-worker3.log", "");
    append(&env, "logs/app-worker3.log", &failure(11));
    append(&env, "logs/app-worker3.log", &failure(12));
    exactly_once(daemon, [11, 12]);
}

#[test]
fn an_upgraded_catalogue_reads_no_old_line_again() {
    let env = Env::new();
    let config = |catalog: &str| {
        let logs = env.path("logs");
        env.write("p.toml", format!("[[source]]\npaths = [\"{}/*.log\"]\n{catalog}", logs.display()));
    };
    let line = |n: usize| format!("2026-07-01 12:00:00 ERROR pay failed: ACME-NO-FUNDS-77 out_trade_no=N{n:06}\n");
    let args = &["--config", "p.toml", "--state", "state"];
    env.write("logs/app.log", "");
    config("");
    let mut daemon = run(&env, args);
    append(&env, "logs/app.log", &[line(1), failure(2)].concat());
    let before = daemon.event();
    assert_eq!(number(&before), 2);
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());

    env.write("acme.toml", crate::scan_setup::ACME);
    config("[catalog]\nextra = [\"acme.toml\"]\n");
    let daemon = run(&env, args);
    append(&env, "logs/app.log", &line(3));
    exactly_once(daemon, [3]);
}

#[test]
fn rotated_twice_between_two_looks_of_a_poll() {
    let env = Env::new();
    env.write("logs/app.log", "");
    env.write("logs/app.log.old", failure(90));
    // It is older than the first look by more than times are told apart by.
    std::thread::sleep(std::time::Duration::from_millis(300));
    env.write(
        "p.toml",
        format!(
            "[[source]]\npaths = [\"{}\"]\nwatch = \"poll\"\npoll_interval = \"200ms\"\n",
            env.path("logs/app.log").display()
        ),
    );
    let mut daemon = run(&env, &["--config", "p.toml", "--state", "state"]);
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    daemon.freeze();
    for n in 2..5 {
        append(&env, "logs/app.log", &failure(n));
        for k in (1..4).rev().filter(|k| env.path(&format!("logs/app.log.{k}")).exists()) {
            rename(&env, &format!("logs/app.log.{k}"), &format!("logs/app.log.{}", k + 1));
        }
        rename(&env, "logs/app.log", "logs/app.log.1");
    }
    append(&env, "logs/app.log", &failure(5));
    daemon.thaw();
    let mut seen = daemon.numbers(4);
    seen.sort_unstable();
    assert_eq!(seen, [2, 3, 4, 5]);
    // Whoever keeps writing to one of them is heard as well.
    append(&env, "logs/app.log.2", &failure(6));
    append(&env, "logs/app.log", &failure(7));
    exactly_once(daemon, [6, 7]);
}

#[test]
fn a_file_that_lives_shortly_is_read_where_it_was_seen() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let mut daemon = run(&env, ARGS);
    for n in 0..20 {
        append(&env, "logs/short.log", &failure(n));
        let seen = daemon.numbers(1);
        assert_eq!(seen, [n]);
        fs::remove_file(env.path("logs/short.log")).unwrap();
        eventually("it is gone", || !env.path("logs/short.log").exists());
    }
    exactly_once(daemon, []);
}

#[test]
fn a_copy_made_anew_each_night_is_read_once() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let args = ["logs/*", "--state", "state"];
    let mut daemon = run(&env, &args);
    let mut n = 0;
    let copy = |env: &Env| {
        fs::copy(env.path("logs/app.log"), env.path("logs/app.log.bak")).unwrap();
    };
    for _ in 0..4 {
        append(&env, "logs/app.log", &(n..n + 20).map(failure).collect::<String>());
        assert_eq!(daemon.numbers(20).len(), 20);
        n += 20;
        copy(&env);
    }
    assert!(daemon.stop().success());
    assert!(daemon.rest().is_empty());
    append(&env, "logs/app.log", &failure(n));
    copy(&env);
    append(&env, "logs/app.log", &failure(n + 1));
    // The copy has lines of its own from now on.
    let mut daemon = run(&env, &args);
    assert_eq!(daemon.numbers(2), [n, n + 1]);
    append(&env, "logs/app.log.bak", &failure(n + 2));
    exactly_once(daemon, [n + 2]);
}

/// gedit writes the new one beside it, and gives the old one a second name before it takes its place.
#[test]
fn written_anew_by_an_editor_that_links_the_backup_repeats_nothing() {
    for args in [ARGS, &["logs", "--state", "state"]] {
        let env = Env::new();
        env.write("logs/app.log", "");
        let mut daemon = run(&env, args);
        append(&env, "logs/app.log", &failures(0..20));
        assert_eq!(daemon.numbers(20), (0..20).collect::<Vec<_>>());
        for n in 20..26 {
            let text = fs::read_to_string(env.path("logs/app.log")).unwrap() + &failure(n);
            env.write("logs/.goutputstream-AB", text);
            drop(fs::remove_file(env.path("logs/app.log~")));
            fs::hard_link(env.path("logs/app.log"), env.path("logs/app.log~")).unwrap();
            rename(&env, "logs/.goutputstream-AB", "logs/app.log");
            assert_eq!(daemon.numbers(1), [n], "{args:?}");
        }
        append(&env, "logs/app.log", &failure(26));
        exactly_once(daemon, [26]);
    }
}
