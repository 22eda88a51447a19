//! `run` and places that come and go: mounts, directories, links; and names no person would give a file.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, eventually, exactly_once, failure, rename, run};

const ARGS: &[&str] = &["logs", "--state", "state"];

/// A daemon in a mount namespace of its own, with another mounted file system kept ready in `mount`.
struct Mounts {
    daemon: Daemon,
}

impl Mounts {
    /// `None` where this system does not let us have a namespace; that is said.
    fn new(env: &Env) -> Option<Mounts> {
        let args: &[&str] = if rustix::process::geteuid().is_root() { &["-m"] } else { &["-Urm"] };
        let can = Command::new("unshare").args(args).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !can.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("NOT TESTED: mounting needs `unshare {}`, which fails here: {can:?}", args.join(" "));
            return None;
        }
        let source = format!("[[source]]\npaths = [\"{}\"]\npoll_interval = \"100ms\"\n", env.path("logs").display());
        env.write("p.toml", source);
        let mut command = Command::new("unshare");
        command.args(args).arg(env!("CARGO_BIN_EXE_paytriage")).args(["run", "--config", "p.toml", "--state", "state"]);
        command.current_dir(env.path(".")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut daemon = Daemon::spawn(command);
        daemon.wait_for_log("watching");
        Some(Mounts { daemon })
    }

    /// Runs a command where the daemon is.
    fn within(&self, env: &Env, script: &str) {
        self.try_within(env, script).unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    fn try_within(&self, env: &Env, script: &str) -> Result<(), String> {
        let mut enter = Command::new("nsenter");
        enter.args(["-t", &self.daemon.pid().to_string(), "-m"]);
        if !rustix::process::geteuid().is_root() {
            enter.args(["-U", "--preserve-credentials"]);
        }
        let script = format!("cd '{}' && {script}", env.path("").display());
        let output = enter.args(["sh", "-ec", &script]).output().unwrap();
        let is_done = output.status.success();
        if is_done { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

#[test]
fn a_directory_that_is_mounted_later_and_unmounted_again() {
    let env = Env::new();
    env.write("logs/volume/below.log", "");
    env.write("elsewhere/mounted.log", "");
    let Some(mut mounts) = Mounts::new(&env) else { return };
    append(&env, "logs/volume/below.log", &failure(1));
    assert_eq!(mounts.daemon.numbers(1), [1]);
    // A file system that was somewhere else.
    mounts.within(&env, "mount --bind elsewhere logs/volume");
    append(&env, "elsewhere/mounted.log", &failure(2));
    assert_eq!(mounts.daemon.numbers(1), [2]);
    mounts.within(&env, "umount --lazy logs/volume");
    append(&env, "logs/volume/below.log", &failure(3));
    assert_eq!(mounts.daemon.numbers(1), [3]);
    // And a new one, which is gone for good when nobody holds anything of it.
    mounts.within(&env, "mount -t tmpfs none logs/volume");
    mounts.within(&env, &format!("printf '%s' '{}' > logs/volume/app.log", failure(4)));
    assert_eq!(mounts.daemon.numbers(1), [4]);
    mounts.within(&env, "umount --lazy logs/volume");
    let handles = format!("/proc/{}/fd", mounts.daemon.pid());
    let holds = || {
        let links = fs::read_dir(&handles).unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links.into_iter().any(|link| link.ends_with("app.log"))
    };
    eventually("nothing of it is held", || !holds());
    append(&env, "logs/volume/below.log", &failure(5));
    exactly_once(mounts.daemon, [5]);
}

#[test]
fn what_was_mounted_before_goes_on_where_it_was() {
    let env = Env::new();
    env.write("logs/volume/below.log", "");
    env.write("elsewhere/mounted.log", "");
    let Some(mut mounts) = Mounts::new(&env) else { return };
    for n in 0..3 {
        mounts.within(&env, "mount --bind elsewhere logs/volume");
        append(&env, "elsewhere/mounted.log", &failure(n));
        assert_eq!(mounts.daemon.numbers(1), [n]);
        mounts.within(&env, "umount --lazy logs/volume");
        append(&env, "logs/volume/below.log", &failure(10 + n));
        assert_eq!(mounts.daemon.numbers(1), [10 + n]);
    }
    exactly_once(mounts.daemon, []);
}

/// Written to, a file of a lower layer is copied up and gets another birth time.
#[test]
fn a_file_of_a_lower_layer_that_is_written_to_is_the_same_file() {
    let env = Env::new();
    env.write("logs/other.log", "");
    env.write("layers/none", "");
    let Some(mut mounts) = Mounts::new(&env) else { return };
    let line = |n| format!("printf '%s' '{}'", failure(n));
    let layers = "mount -t tmpfs none layers && mkdir -p layers/lower layers/upper layers/work";
    mounts.within(&env, &format!("{layers} && {} > layers/lower/app.log", line(0)));
    let overlay = "mount -t overlay overlay -o lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work logs";
    if let Err(error) = mounts.try_within(&env, overlay) {
        return eprintln!("NOT TESTED: no overlay file system is to be had here: {error}");
    }
    assert_eq!(mounts.daemon.numbers(1), [0]);
    for n in 1..5 {
        mounts.within(&env, &format!("{} >> logs/app.log", line(n)));
        assert_eq!(mounts.daemon.numbers(1), [n]);
    }
    exactly_once(mounts.daemon, []);
}

#[test]
fn a_directory_renamed_removed_and_made_again() {
    let env = Env::new();
    env.write("logs/a/app.log", "");
    let mut daemon = run(&env, ARGS);
    append(&env, "logs/a/app.log", &failure(0));
    assert_eq!(daemon.numbers(1), [0]);
    rename(&env, "logs/a", "logs/b");
    append(&env, "logs/b/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    append(&env, "logs/a/app.log", &failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    fs::remove_dir_all(env.path("logs/b")).unwrap();
    append(&env, "logs/b/app.log", &failure(3));
    assert_eq!(daemon.numbers(1), [3]);
    // The whole source, too.
    fs::remove_dir_all(env.path("logs")).unwrap();
    append(&env, "logs/c/d/app.log", &failure(4));
    assert_eq!(daemon.numbers(1), [4]);
    append(&env, "logs/c/d/app.log", &failure(5));
    exactly_once(daemon, [5]);
}

/// As container runtimes do it: the link of the container's log is made to lead to the next file.
#[test]
fn a_link_switched_to_another_file() {
    let env = Env::new();
    env.write("pods/0.log", "");
    env.write("pods/1.log", "");
    fs::create_dir(env.path("logs")).unwrap();
    symlink(env.path("pods/0.log"), env.path("logs/app.log")).unwrap();
    let mut daemon = run(&env, ARGS);
    append(&env, "pods/0.log", &failure(0));
    assert_eq!(daemon.numbers(1), [0]);
    for n in 1..4 {
        append(&env, &format!("pods/{n}.log"), &failure(n * 10));
        symlink(env.path(&format!("pods/{n}.log")), env.path("logs/next")).unwrap();
        rename(&env, "logs/next", "logs/app.log");
        // The old one is still written to for a while.
        append(&env, &format!("pods/{}.log", n - 1), &failure(n * 10 + 1));
        append(&env, &format!("pods/{n}.log"), &failure(n * 10 + 2));
        let mut seen = daemon.numbers(3);
        seen.sort_unstable();
        assert_eq!(seen, [n * 10, n * 10 + 1, n * 10 + 2]);
    }
    exactly_once(daemon, []);
}

/// containerd writes `0.log`, which kubelet renames; links lead there over two directories.
#[test]
fn a_rotation_behind_links_of_directories() {
    let env = Env::new();
    env.write("pods/uid/app/0.log", "");
    fs::create_dir(env.path("logs")).unwrap();
    symlink(env.path("pods/uid/app/0.log"), env.path("logs/app.log")).unwrap();
    let mut daemon = run(&env, ARGS);
    for n in 0..4 {
        append(&env, "pods/uid/app/0.log", &failure(n * 2));
        rename(&env, "pods/uid/app/0.log", &format!("pods/uid/app/0.log.{n}"));
        append(&env, &format!("pods/uid/app/0.log.{n}"), &failure(n * 2 + 1));
        append(&env, "pods/uid/app/0.log", "");
        let mut seen = daemon.numbers(2);
        seen.sort_unstable();
        assert_eq!(seen, [n * 2, n * 2 + 1]);
    }
    exactly_once(daemon, []);
}

/// A daemon that looks by itself only once an hour: what it sees in this time it was notified of.
fn notified(env: &Env, path: &str) -> Daemon {
    let source = format!("[[source]]\npaths = [\"{}\"]\npoll_interval = \"1h\"\n", env.path(path).display());
    env.write("p.toml", source);
    run(env, &["--config", "p.toml", "--state", "state"])
}

/// Makes `current` lead to a release with one line in its log.
fn release(env: &Env, n: usize) {
    env.write(&format!("releases/{n}/log/app.log"), failure(n * 10));
    symlink(env.path(&format!("releases/{n}")), env.path("next")).unwrap();
    rename(env, "next", "current");
}

/// As a deployment does it: `current` is made to lead to the next release, whose predecessor may be gone soon after.
#[test]
fn a_link_to_a_directory_switched_to_another_is_noticed_and_no_release_in_between_is_missed() {
    let env = Env::new();
    release(&env, 0);
    let mut daemon = notified(&env, "current/log/*.log");
    for n in 1..5 {
        release(&env, n);
        append(&env, &format!("releases/{n}/log/app.log"), &failure(n * 10 + 1));
        assert_eq!(daemon.numbers(2), [n * 10, n * 10 + 1]);
        fs::remove_dir_all(env.path(&format!("releases/{}", n - 1))).unwrap();
    }
    exactly_once(daemon, []);
}

#[test]
fn what_was_written_to_a_release_before_the_link_left_it_is_read_by_the_next_run() {
    let env = Env::new();
    release(&env, 0);
    let mut daemon = notified(&env, "current/log/*.log");
    let mut left = Vec::new();
    for n in 1..4 {
        append(&env, &format!("releases/{}/log/app.log", n - 1), &failure(n * 10 - 1));
        assert_eq!(daemon.numbers(1), [n * 10 - 1]);
        assert!(daemon.stop().success());
        left.extend(daemon.rest());
        let before = format!("releases/{}/log/app.log", n - 1);
        append(&env, &before, &failure(n * 10 + 1));
        rename(&env, &before, &format!("{before}.1"));
        append(&env, &before, &failure(n * 10 + 2));
        release(&env, n);
        daemon = notified(&env, "current/log/*.log");
        let mut seen = daemon.numbers(3);
        seen.sort_unstable();
        assert_eq!(seen, [n * 10, n * 10 + 1, n * 10 + 2]);
    }
    assert!(left.is_empty(), "{left:?}");
    exactly_once(daemon, []);
}

/// The target of a link may come after the link, in a directory that was not there either.
#[test]
fn what_a_dangling_link_leads_to_is_noticed_when_it_appears() {
    let env = Env::new();
    fs::create_dir(env.path("logs")).unwrap();
    symlink(env.path("pods/uid/0.log"), env.path("logs/app.log")).unwrap();
    let mut daemon = notified(&env, "logs/*.log");
    env.write("pods/uid/0.log", failure(0));
    assert_eq!(daemon.numbers(1), [0]);
    // Also of a link that came while the daemon ran.
    symlink(env.path("pods/uid/1.log"), env.path("logs/next.log")).unwrap();
    append(&env, "pods/uid/0.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    env.write("pods/uid/1.log", failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    exactly_once(daemon, []);
}

/// A link to the log of a container, and how that is rotated and the link switched to the next.
struct Container<'a> {
    env: &'a Env,
    next: usize,
}

impl<'a> Container<'a> {
    fn new(env: &'a Env) -> Container<'a> {
        fs::create_dir(env.path("logs")).unwrap();
        let mut container = Container { env, next: 0 };
        container.switch(0);
        container
    }

    fn log(&self, target: usize) -> String {
        format!("docker/{target}/j.log")
    }

    fn write(&mut self, target: usize) -> usize {
        append(self.env, &self.log(target), &failure(self.next));
        self.next += 1;
        self.next - 1
    }

    fn rotate(&self, target: usize, to: usize) {
        rename(self.env, &self.log(target), &format!("{}.{to}", self.log(target)));
    }

    fn switch(&mut self, target: usize) {
        append(self.env, &self.log(target), "");
        symlink(self.env.path(&self.log(target)), self.env.path("logs/next")).unwrap();
        rename(self.env, "logs/next", "logs/app.log");
    }
}

#[test]
fn after_a_link_was_switched_the_rotations_of_its_target_are_followed_at_once() {
    let env = Env::new();
    let mut container = Container::new(&env);
    let mut daemon = notified(&env, "logs/*.log");
    for target in 1..4 {
        let n = container.write(target);
        container.switch(target);
        assert_eq!(daemon.numbers(1), [n]);
        for to in 0..3 {
            container.rotate(target, to);
            let n = container.write(target);
            assert_eq!(daemon.numbers(1), [n], "rotation {to} of {target}");
        }
    }
    exactly_once(daemon, []);
}

#[test]
fn what_was_made_where_a_link_led_is_read_although_the_link_was_switched_at_once() {
    let env = Env::new();
    let mut container = Container::new(&env);
    let mut daemon = notified(&env, "logs/*.log");
    let n = container.write(0);
    assert_eq!(daemon.numbers(1), [n]);
    for target in 1..8 {
        let from = container.next;
        container.rotate(target - 1, 0);
        container.write(target - 1);
        container.write(target);
        container.switch(target);
        container.write(target - 1);
        let mut seen = daemon.numbers(container.next - from);
        seen.sort_unstable();
        assert_eq!(seen, (from..container.next).collect::<Vec<_>>());
    }
    exactly_once(daemon, []);
}

#[test]
fn what_was_rotated_behind_a_link_and_left_by_it_while_nobody_watched_is_read() {
    let env = Env::new();
    let mut container = Container::new(&env);
    let mut daemon = notified(&env, "logs/*.log");
    let n = container.write(0);
    assert_eq!(daemon.numbers(1), [n]);
    for target in 1..4 {
        assert!(daemon.stop().success());
        let from = container.next;
        for to in 0..3 {
            container.write(target - 1);
            container.rotate(target - 1, target * 10 + to);
            container.write(target - 1);
        }
        container.switch(target);
        container.write(target);
        daemon = notified(&env, "logs/*.log");
        let mut seen = daemon.numbers(container.next - from);
        seen.sort_unstable();
        assert_eq!(seen, (from..container.next).collect::<Vec<_>>());
    }
    exactly_once(daemon, []);
}

#[test]
fn links_that_lead_to_each_other_are_left_alone() {
    let env = Env::new();
    env.write("logs/app.log", "");
    for (link, target) in [("a", "b"), ("b", "a"), ("c", "a")] {
        symlink(env.path(&format!("logs/{target}.log")), env.path(&format!("logs/{link}.log"))).unwrap();
    }
    let mut daemon = notified(&env, "logs/*.log");
    fs::remove_file(env.path("logs/c.log")).unwrap();
    symlink(env.path("logs/b.log"), env.path("logs/c.log")).unwrap();
    fs::remove_file(env.path("logs/a.log")).unwrap();
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    env.write("logs/a.log", failure(2));
    assert_eq!(daemon.numbers(1), [2]);
    exactly_once(daemon, []);
}

#[test]
fn a_link_to_what_may_not_be_read_is_reported_and_costs_the_others_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    env.write("secret/shadow", failure(9));
    fs::set_permissions(env.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    symlink(env.path("secret/shadow"), env.path("logs/link.log")).unwrap();
    symlink("/nowhere/at/all.log", env.path("logs/dangling.log")).unwrap();
    symlink(env.path("logs/self.log"), env.path("logs/self.log")).unwrap();
    let mut command = crate::daemon::command(&env, &["--from-start", "logs"]);
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        for dir in [".", "logs"] {
            fs::set_permissions(env.path(dir), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        command.uid(65534).gid(65534);
    } else {
        fs::set_permissions(env.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    }
    let mut daemon = Daemon::spawn(command);
    daemon.wait_for_log("watching");
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    fs::set_permissions(env.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    exactly_once(daemon, []);
}

#[test]
fn a_file_replaced_by_a_fifo_holds_nothing_up() {
    let env = Env::new();
    env.write("logs/app.log", "").write("logs/other.log", "");
    let mut daemon = run(&env, ARGS);
    for n in 0..10 {
        fs::remove_file(env.path("logs/other.log")).unwrap();
        env.pipe("logs/other.log");
        append(&env, "logs/app.log", &failure(n));
        assert_eq!(daemon.numbers(1), [n]);
        fs::remove_file(env.path("logs/other.log")).unwrap();
        append(&env, "logs/other.log", &failure(100 + n));
        assert_eq!(daemon.numbers(1), [100 + n]);
    }
    exactly_once(daemon, []);
}

#[test]
fn names_that_are_hard_to_print_are_read_and_cannot_act_on_a_terminal() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let long = "n".repeat(250);
    let names: [&[u8]; 6] = [
        b"new\nline.log",
        b"\x1b[2Jesc.log",
        b"\xff\xfe not utf-8.log",
        b" - .log",
        "订单\u{202e}.log".as_bytes(),
        long.as_bytes(),
    ];
    for name in names {
        fs::write(env.path("logs").join(OsStr::from_bytes(name)), "").unwrap();
    }
    let mut daemon = run(&env, ARGS);
    for (n, name) in names.iter().enumerate() {
        let path = env.path("logs").join(OsStr::from_bytes(name));
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(failure(n).as_bytes()).unwrap();
        let line = daemon.line();
        assert!(line.contains(&format!("N{n:06}")) && !line.contains(['\u{1b}', '\u{202e}']), "{line:?}");
        // Something to say about it in its own log: the file cannot be read any more.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    append(&env, "logs/app.log", &failure(99));
    assert_eq!(daemon.numbers(1), [99]);
    assert!(daemon.stop().success());
    let log = daemon.drain_log();
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "{log:?}");
}

#[test]
fn a_flood_of_files_and_lost_notifications_lose_nothing() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let daemon = run(&env, ARGS);
    daemon.freeze();
    // More events than the system keeps for a reader that stands still (16384 by default).
    for n in 0..3000 {
        append(&env, &format!("logs/{}/{n}.log", n % 7), &failure(n));
    }
    for _ in 0..20_000 {
        append(&env, "logs/app.log", "-\n");
        append(&env, "logs/0/0.log", "-\n");
    }
    append(&env, "logs/new/late.log", &failure(3000));
    daemon.thaw();
    exactly_once(daemon, 0..3001);
}
