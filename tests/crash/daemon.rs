//! One life of the daemon: started, listened to, and ended.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::ledger::Ledger;

pub struct Daemon {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    watching: Arc<AtomicBool>,
}

impl Daemon {
    pub fn start(dir: &Path, ledger: &Arc<Ledger>) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paytriage"));
        command.current_dir(dir).args(["run", "--config", "paytriage.toml"]).env_clear();
        command.envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("HOME", "/nonexistent"), ("PAYTRIAGE_LOG", "debug")]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let watching = Arc::new(AtomicBool::new(false));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let events = Arc::clone(ledger);
        let (log, is_watching) = (Arc::clone(ledger), Arc::clone(&watching));
        let readers = vec![
            thread::spawn(move || each_line(out, |line| events.saw(line))),
            thread::spawn(move || {
                each_line(err, |line| {
                    log.note(format_args!("log: {line}"));
                    if line.contains("watching") {
                        is_watching.store(true, Ordering::Relaxed);
                    }
                });
            }),
        ];
        Daemon { child, readers, watching }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the first walk.
    pub fn wait_until_watching(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.watching.load(Ordering::Relaxed) {
            assert!(self.child.try_wait().unwrap().is_none(), "the daemon ended by itself");
            assert!(Instant::now() < deadline, "the daemon does not get to watch");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it without any warning; returns when all that it had written was read.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.join();
    }

    /// Asks it to end; returns when all that it had written was read.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success());
        self.join()
    }

    fn join(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn each_line(stream: impl Read, mut each: impl FnMut(&str)) {
    for line in BufReader::new(stream).lines() {
        match line {
            Ok(line) => each(&line),
            Err(_) => return,
        }
    }
}
