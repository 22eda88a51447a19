//! A journal of systemd's own making in a directory: `systemd-journal-remote` writes what it is given in the export format.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cli_env::Env;

/// Where Debian, and others, have it.
const REMOTE: [&str; 2] = ["/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote"];
const BEGAN: u64 = 1_780_000_000_000_000;

/// A journal that grows.
pub struct Journal {
    directory: PathBuf,
    /// The file that is written to.
    file: &'static str,
    /// Microseconds since the first entry.
    clock: u64,
}

/// The fields of an entry, without its address.
pub type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// What a service prints to its standard output: one line.
pub fn line<'a>(unit: &'a str, pid: &'a str, text: &'a str) -> [(&'a str, &'a [u8]); 6] {
    [
        ("_SYSTEMD_UNIT", unit.as_bytes()),
        ("_PID", pid.as_bytes()),
        ("_TRANSPORT", b"stdout"),
        ("_STREAM_ID", b"0123456789abcdef0123456789abcdef"),
        ("PRIORITY", b"6"),
        ("MESSAGE", text.trim_end().as_bytes()),
    ]
}

/// What a program hands over by itself.
pub fn record<'a>(unit: &'a str, text: &'a [u8]) -> [(&'a str, &'a [u8]); 4] {
    [("_SYSTEMD_UNIT", unit.as_bytes()), ("_PID", b"7"), ("_TRANSPORT", b"journal"), ("MESSAGE", text)]
}

impl Journal {
    pub fn new(env: &Env) -> Journal {
        let directory = env.path("journal");
        fs::create_dir_all(&directory).unwrap();
        Journal { directory, file: "one.journal", clock: 0 }
    }

    /// A configuration that reads it, with more lines for its source.
    pub fn config(&self, env: &Env, units: &str, more: &str) {
        let directory = self.directory.display();
        env.write(
            "p.toml",
            format!(
                "[[source]]\nname = \"shop\"\njournal = {{ directory = \"{directory}\", units = {units} }}\n{more}"
            ),
        );
    }

    pub fn write(&mut self, fields: Fields) {
        self.write_all(&[fields]);
    }

    pub fn write_all(&mut self, entries: &[Fields]) {
        let mut bytes = Vec::new();
        for fields in entries {
            self.clock += 1000;
            let address = [
                ("__REALTIME_TIMESTAMP", (BEGAN + self.clock).to_string()),
                ("__MONOTONIC_TIMESTAMP", self.clock.to_string()),
            ];
            for (name, value) in address {
                writeln!(bytes, "{name}={value}").unwrap();
            }
            bytes.extend_from_slice(b"_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=fedcba9876543210fedcba9876543210\n_HOSTNAME=till-7\n");
            for (name, value) in *fields {
                bytes.extend_from_slice(name.as_bytes());
                bytes.push(b'\n');
                bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
                bytes.extend_from_slice(value);
                bytes.push(b'\n');
            }
            bytes.push(b'\n');
        }
        let remote = REMOTE.into_iter().find(|path| fs::exists(path).unwrap());
        let remote = remote.expect("systemd-journal-remote is missing: apt-get install systemd-journal-remote");
        let mut command = Command::new(remote);
        command.arg("-o").arg(self.directory.join(self.file)).arg("-").stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What is written from now on goes to another file.
    pub fn rotate(&mut self) {
        self.file = "two.journal";
    }

    /// The file before that is deleted.
    pub fn vacuum(&self) {
        fs::remove_file(self.directory.join("one.journal")).unwrap();
    }
}
