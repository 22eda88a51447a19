//! Runs other programs and asks the kernel what they cost.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// The program that is measured.
pub const PAYTRIAGE: &str = env!("CARGO_BIN_EXE_paytriage");

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Seconds from its start to its end.
    pub wall: f64,
    /// Seconds of processor, its own and the kernel's for it.
    pub cpu: f64,
    /// The most memory it had, in MiB; never less than this program had when it started the other one.
    pub memory: f64,
}

/// paytriage with nothing configured.
pub fn paytriage<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(PAYTRIAGE);
    command.args(arguments).env_remove("PAYTRIAGE_CONFIG").env_remove("PAYTRIAGE_STATE").env("PAYTRIAGE_LOG", "off");
    command
}

/// Runs to the end; what it writes is thrown away.
pub fn cost(command: &mut Command) -> Cost {
    Running::begin(command.stdout(Stdio::null())).end()
}

pub struct Running {
    child: Child,
    begun: Instant,
}

impl Running {
    pub fn begin(command: &mut Command) -> Running {
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Running { child: child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")), begun }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::with_capacity(256 * 1024, self.child.stdout.take().expect("standard output is a pipe"))
    }

    /// Seconds until so many lines were written; all of them if there are fewer.
    pub fn lines(&mut self, n: usize) -> f64 {
        let mut stdout = self.stdout();
        let mut line = Vec::new();
        for _ in 0..n {
            line.clear();
            if stdout.read_until(b'\n', &mut line).expect("a pipe can be read") == 0 {
                break;
            }
        }
        self.begun.elapsed().as_secs_f64()
    }

    pub fn kill(mut self) -> Cost {
        self.child.kill().expect("it runs until it is told to end");
        self.reap().1
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it failed: what a failure took is no measurement. (1 says "nothing found".)
    pub fn end(self) -> Cost {
        let id = self.child.id();
        let (status, cost) = self.reap();
        let has_ended = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) < 2;
        assert!(has_ended, "process {id} failed: status {status:#x}");
        cost
    }

    fn reap(self) -> (libc::c_int, Cost) {
        let id = libc::pid_t::try_from(self.child.id()).expect("the kernel gave it");
        let mut status = 0;
        // SAFETY: all numbers; zeros are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to locals that live on; the process is a child of ours that nobody else waits for.
        let reaped = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
        assert_eq!(reaped, id, "a child can be waited for");
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        let cost = Cost {
            wall: self.begun.elapsed().as_secs_f64(),
            cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            memory: usage.ru_maxrss as f64 / 1024.0,
        };
        (status, cost)
    }
}

/// Lines that it writes.
pub fn count_lines(command: &mut Command) -> usize {
    let mut running = Running::begin(command.stdout(Stdio::piped()));
    let n = running.stdout().split(b'\n').count();
    running.end();
    n
}
