//! Runs the built program in a directory of its own, with an environment that says nothing.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub struct Env {
    dir: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Env {
    pub fn new() -> Env {
        Env { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Env {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        path
    }

    /// The program, ready to be run in the directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paytriage"));
        command.current_dir(&self.dir).args(arguments).env_clear();
        command.envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("HOME", "/nonexistent")]).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs with these bytes on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

impl Run {
    /// Asserts the exit code, showing everything if it is another.
    #[track_caller]
    pub fn code(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Nothing was complained about.
    #[track_caller]
    pub fn quiet(self) -> Run {
        assert_eq!(self.stderr, "", "{self:#?}");
        self
    }

    /// The events, one per line.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// `path:line` of each event, in the order of the output.
    #[track_caller]
    pub fn places(&self) -> Vec<String> {
        let place =
            |event: &Value| format!("{}:{}", event["source"]["path"].as_str().unwrap(), event["source"]["line"]);
        self.events().iter().map(place).collect()
    }
}

/// A record with a payment error that needs no surroundings to be known.
pub fn failure(order: u32) -> String {
    format!(
        "2026-03-01 08:{:02}:{:02} ERROR pay failed error_code=ILLEGAL_EXTERIOR_USER_SCENE out_trade_no=T{order:06}\n",
        order / 60 % 60,
        order % 60
    )
}

/// Records in which nothing failed.
pub fn calm(n_lines: u32) -> String {
    (0..n_lines).map(|n| format!("2026-03-01 07:{:02}:00 INFO paid, out_trade_no=C{n:06}\n", n % 60)).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}
