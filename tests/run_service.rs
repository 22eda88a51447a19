//! What the service manager is told, on a socket of its own; `tests/boot` tries the same with a real systemd.

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::cli_env::Env;
use crate::daemon::{Daemon, PATIENCE, append, command, failure};
use crate::run_control::{CONFIGURED, config};

struct Manager {
    socket: UnixDatagram,
    /// What was told and not looked at.
    told: VecDeque<String>,
}

impl Manager {
    fn new(env: &Env) -> Manager {
        Manager { socket: UnixDatagram::bind(env.path("notify")).unwrap(), told: VecDeque::new() }
    }

    fn start(&self, env: &Env) -> Daemon {
        let mut command = command(env, CONFIGURED);
        command.env("NOTIFY_SOCKET", env.path("notify")).env("WATCHDOG_USEC", "300000");
        Daemon::spawn(command)
    }

    /// The next line that it is told within this time.
    fn line(&mut self, within: Duration) -> Option<String> {
        if self.told.is_empty() {
            self.socket.set_read_timeout(Some(within)).unwrap();
            let mut buffer = [0; 4096];
            let len = self.socket.recv(&mut buffer).ok()?;
            self.told.extend(std::str::from_utf8(&buffer[..len]).unwrap().lines().map(str::to_owned));
        }
        self.told.pop_front()
    }

    /// Waits for a line that begins so, and returns its rest.
    fn until(&mut self, begin: &str) -> String {
        let (deadline, mut before) = (Instant::now() + PATIENCE, Vec::new());
        while Instant::now() < deadline {
            let Some(line) = self.line(PATIENCE) else { break };
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
            before.push(line);
        }
        panic!("{begin:?} does not come, but {before:?}");
    }
}

#[test]
fn it_says_that_it_is_ready_alive_reloads_and_ends() {
    let env = Env::new();
    env.write("logs/app.log", "");
    config(&env, &["logs"], "");
    let mut manager = Manager::new(&env);
    let mut daemon = manager.start(&env);
    manager.until("READY=1");
    manager.until("STATUS=Watching 1 file;");
    append(&env, "logs/app.log", &failure(1));
    assert_eq!(daemon.numbers(1), [1]);
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");

    daemon.signal("HUP");
    manager.until("RELOADING=1");
    let at = manager.until("MONOTONIC_USEC=");
    assert!(at.parse::<u64>().is_ok(), "{at}");
    manager.until("READY=1");

    env.write("p.toml", "[[source]]\npahts = []\n");
    daemon.signal("HUP");
    manager.until("RELOADING=1");
    // Whoever waits for the end of the reload must not wait for ever.
    manager.until("READY=1");
    let problem = manager.until("STATUS=The old configuration stays in force: ");
    assert!(problem.contains("p.toml"), "{problem}");

    config(&env, &["logs"], "");
    daemon.signal("HUP");
    manager.until("STATUS=Watching");
    daemon.signal("TERM");
    manager.until("STOPPING=1");
    assert!(daemon.wait().success());
}

#[test]
fn while_it_makes_no_progress_it_does_not_say_that_it_is_alive() {
    let env = Env::new();
    env.write("logs/app.log", "");
    config(&env, &["logs"], "");
    let mut manager = Manager::new(&env);
    let daemon = manager.start(&env);
    manager.until("READY=1");
    manager.until("WATCHDOG=1");
    daemon.freeze();
    // What it said before.
    while manager.line(Duration::from_millis(1)).is_some() {}
    assert_eq!(manager.line(Duration::from_secs(2)), None);
    daemon.thaw();
    manager.until("WATCHDOG=1");
}

#[test]
fn faults_of_the_set_up_stand_in_the_status_until_they_are_mended() {
    let env = Env::new();
    env.write("logs/app.log", "");
    config(&env, &["logs", "none/app.log"], "");
    let mut manager = Manager::new(&env);
    let mut daemon = manager.start(&env);
    let shows_faults = |status: &str| status.contains("set-up fault");
    let mut status = manager.until("STATUS=");
    while !shows_faults(&status) {
        status = manager.until("STATUS=");
    }
    assert!(status.contains("; 1 set-up fault: paytriage doctor"), "{status}");
    config(&env, &["logs"], "");
    daemon.signal("HUP");
    manager.until("RELOADING=1");
    while shows_faults(&status) {
        status = manager.until("STATUS=Watching");
    }
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
