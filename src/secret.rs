//! Reads secrets from where the configuration says they are kept.
//!
//! What was read shows itself in no log, error or debug output, and its memory is wiped when it is dropped.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::config::{Env, Secret};

/// No secret is longer; what is longer is another file. 64 KiB.
const MAX_BYTES: u64 = 64 << 10;

/// What is shorter is in many words, and no secret.
const SHORTEST: usize = 4;
/// The same of a part of a path: `hook` and `robot` are no secrets. The whole path is masked all the same.
const SHORTEST_SEGMENT: usize = 8;
const HIDDEN: &str = "(hidden)";

/// Permission bit of a file: others may read it.
const READ_BY_OTHERS: u32 = 0o004;

/// A value that nobody may see: one line of text, never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Zeroizing<String>);

/// Why there is no secret. Prints as `/etc/paytriage/key: cannot be read: Permission denied …`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct SecretError {
    /// The file, `credential NAME` or `$NAME`.
    place: String,
    what: What,
}

#[derive(Debug, thiserror::Error)]
enum What {
    #[error("cannot be read: {error}{}", to_do(error))]
    Unreadable { error: io::Error },
    #[error("is no regular file")]
    NotAFile,
    #[error("is longer than 64 KiB, which no secret is")]
    TooLong,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is empty; write the secret to it")]
    Empty,
    #[error("has more than one line; a secret is one")]
    Lines,
    #[error("is not set")]
    Unset,
    #[error(
        "$CREDENTIALS_DIRECTORY is not set: credentials come from LoadCredential= of the systemd unit; use a file or a \
         variable elsewhere"
    )]
    NoCredentials,
}

fn unreadable(error: io::Error) -> What {
    What::Unreadable { error }
}

fn to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; write the secret to it",
        io::ErrorKind::PermissionDenied => "; let the user read it that paytriage runs as",
        _ => "",
    }
}

impl SecretError {
    /// Only the process that sends can tell: credentials are what systemd gives to it, and its environment is its own.
    pub fn is_of_another_process(&self) -> bool {
        matches!(self.what, What::Unset | What::NoCredentials)
    }
}

impl Hidden {
    /// # Errors
    /// It is empty or has several lines; a newline at the end does not count.
    fn new(text: &str) -> Result<Hidden, What> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches(['\r', '\n']);
        match text {
            "" => Err(What::Empty),
            _ if text.contains(char::is_control) => Err(What::Lines),
            _ => Ok(Hidden(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The value itself, for the request and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Reads the secrets of one sink, and remembers what they look like in a text.
#[derive(Default)]
pub struct Secrets {
    mask: Mask,
    all: Sha256,
}

/// What of a sink's secrets may come back from outside, the longest first.
#[derive(Clone, Default)]
pub struct Mask(Vec<Zeroizing<String>>);

impl Secrets {
    /// # Errors
    /// As `read`.
    pub fn read(&mut self, place: &Secret) -> Result<Hidden, SecretError> {
        let secret = read(place)?;
        self.all.update((secret.reveal().len() as u64).to_le_bytes());
        self.all.update(secret.reveal());
        // What stands in the configuration is no secret.
        if !matches!(place, Secret::Plain(_)) {
            self.mask.0.extend(parts(secret.reveal()));
            self.mask.0.sort_by_key(|part| std::cmp::Reverse(part.len()));
        }
        Ok(secret)
    }

    pub fn mask(self) -> Mask {
        self.mask
    }

    /// Another one for nearly all others: two bytes of a hash show a change, and are too little to guess from.
    pub fn mark(&self) -> String {
        self.all.clone().finalize().iter().take(2).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Mask {
    /// An answer as one line, safe to store and to log but for characters that act on a terminal: receivers, and what stands before
    /// them, like to send back the URL that they were asked for.
    pub fn line(&self, answer: &[u8]) -> String {
        let text = String::from_utf8_lossy(answer);
        // JSON may write a slash in two ways.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\/", "/");
        self.0.iter().fold(text, |text, part| text.replace(part.as_str(), HIDDEN))
    }
}

/// A secret, and what of it may come back alone.
fn parts(secret: &str) -> Vec<Zeroizing<String>> {
    let mut parts = vec![secret.to_owned()];
    parts.extend(secret.split_whitespace().map(str::to_owned));
    parts.extend(secret.strip_prefix("whsec_").map(str::to_owned));
    if let Ok(url) = Url::parse(secret) {
        parts.push(url[Position::BeforePath..].to_owned());
        parts.push(url.path().to_owned());
        let segments = url.path_segments().into_iter().flatten();
        parts.extend(segments.filter(|segment| segment.len() >= SHORTEST_SEGMENT).map(str::to_owned));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        let written = url.query().into_iter().flat_map(|query| query.split('&'));
        parts.extend(written.filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())));
        parts.extend(url.password().map(str::to_owned));
    }
    parts.retain(|part| part.len() >= SHORTEST);
    parts.into_iter().map(Zeroizing::new).collect()
}

/// Reads a secret with the environment of the process.
///
/// # Errors
/// It is not there, or no secret; the place is named, the value is not.
fn read(secret: &Secret) -> Result<Hidden, SecretError> {
    read_with(secret, &|name| std::env::var_os(name))
}

/// Reads a private key: several lines of PEM.
///
/// # Errors
/// The file cannot be read, or is none.
pub fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    read_private(path).map_err(|what| SecretError { place: path.display().to_string(), what })
}

fn read_with(secret: &Secret, env: &Env) -> Result<Hidden, SecretError> {
    let (place, value) = match secret {
        Secret::Plain(text) => ("the configuration".to_owned(), Hidden::new(text)),
        Secret::File(path) => (path.display().to_string(), read_file(path)),
        Secret::Credential(name) => (format!("credential {name}"), read_credential(name, env)),
        Secret::Env(name) => (format!("${name}"), read_variable(name, env)),
    };
    value.map_err(|what| SecretError { place, what })
}

fn read_variable(name: &str, env: &Env) -> Result<Hidden, What> {
    let value: OsString = env(name).ok_or(What::Unset)?;
    let value = Zeroizing::new(value.into_encoded_bytes());
    to_hidden(&value)
}

fn read_credential(name: &str, env: &Env) -> Result<Hidden, What> {
    let dir = env("CREDENTIALS_DIRECTORY").filter(|dir| !dir.is_empty()).ok_or(What::NoCredentials)?;
    // systemd sees to its permissions.
    to_hidden(&read_all(open(&PathBuf::from(dir).join(name))?)?)
}

fn read_file(path: &Path) -> Result<Hidden, What> {
    to_hidden(&read_private(path)?)
}

/// A file that nobody else should be able to read.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, What> {
    let file = open(path)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    if mode & READ_BY_OTHERS != 0 {
        let path = path.display();
        tracing::warn!(%path, "every user of this host can read this secret; run chmod o-r on the file");
    }
    read_all(file)
}

/// Opens a regular file; anything else could hold us up.
fn open(path: &Path) -> Result<File, What> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if is_file { Ok(file) } else { Err(What::NotAFile) }
}

fn read_all(file: File) -> Result<Zeroizing<Vec<u8>>, What> {
    // All of the room at once: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES { Err(What::TooLong) } else { Ok(bytes) }
}

fn to_hidden(bytes: &[u8]) -> Result<Hidden, What> {
    Hidden::new(std::str::from_utf8(bytes).map_err(|_| What::NotText)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn read_text_of(secret: Secret, dir: &Path) -> Result<String, String> {
        let env = |name: &str| match name {
            "CREDENTIALS_DIRECTORY" => Some(dir.into()),
            "KEY" => Some("from the environment".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        let read = read_with(&secret, &env);
        read.map(|hidden| hidden.reveal().to_owned())
            .map_err(|error| error.to_string().replace(dir.to_str().unwrap(), "DIR"))
    }

    #[test]
    fn secrets_come_from_files_credentials_and_variables() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(name), bytes).unwrap();
            Secret::File(dir.path().join(name))
        };
        for (secret, expected) in [
            (file("a", b"key\n"), Ok("key")),
            (file("b", b"key\r\n\n"), Ok("key")),
            (file("c", b" k e y "), Ok(" k e y ")),
            (file("bom", b"\xef\xbb\xbfkey"), Ok("key")),
            (Secret::Credential("a".into()), Ok("key")),
            (Secret::Env("KEY".into()), Ok("from the environment")),
            (file("d", b"\n"), Err("DIR/d: is empty; write the secret to it")),
            (file("e", b"old\nnew\n"), Err("DIR/e: has more than one line; a secret is one")),
            (file("f", b"\xff\xfe"), Err("DIR/f: is not UTF-8 text")),
            (file("g", &[b'x'; (64 << 10) + 1]), Err("DIR/g: is longer than 64 KiB, which no secret is")),
            (Secret::File(dir.path().to_owned()), Err("DIR: is no regular file")),
            (
                Secret::File(dir.path().join("none")),
                Err("DIR/none: cannot be read: No such file or directory (os error 2); write the secret to it"),
            ),
            (
                Secret::Credential("none".into()),
                Err("credential none: cannot be read: No such file or directory (os error 2); write the secret to it"),
            ),
            (Secret::Env("EMPTY".into()), Err("$EMPTY: is empty; write the secret to it")),
            (Secret::Env("NONE".into()), Err("$NONE: is not set")),
        ] {
            let read = read_text_of(secret.clone(), dir.path());
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{secret:?}");
        }
        let outside_systemd = read_with(&Secret::Credential("a".into()), &|_| None).unwrap_err().to_string();
        assert!(outside_systemd.starts_with("credential a: $CREDENTIALS_DIRECTORY is not set"), "{outside_systemd}");
    }

    #[test]
    fn a_pipe_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(read_text_of(Secret::File(path), dir.path()), Err("DIR/pipe: is no regular file".into()));
    }

    #[test]
    fn what_was_read_does_not_show() {
        let hidden = Hidden::new("QUJDREVG").map_err(|what| what.to_string()).unwrap();
        assert_eq!(format!("{hidden:?} {hidden:#?}"), "(hidden) (hidden)");
    }

    #[test]
    fn what_comes_back_is_masked_in_each_of_its_forms() {
        let dir = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::default();
        for (name, value) in [
            ("url", "https://x.example/hook/T0PSECRET?key=a%2FT0KEN&v=1"),
            ("key", "whsec_QUJDREVG"),
            ("auth", "Bearer T0PAUTH"),
        ] {
            fs::write(dir.path().join(name), value).unwrap();
            secrets.read(&Secret::File(dir.path().join(name))).unwrap();
        }
        secrets.read(&Secret::Plain("https://y.example/plain".into())).unwrap();
        let mask = secrets.mask();
        for answer in [
            "https://x.example/hook/T0PSECRET?key=a%2FT0KEN&v=1",
            r#"{"path":"\/hook\/T0PSECRET"}"#,
            "/hook/T0PSECRET?v=1&amp;key=a%2FT0KEN",
            "a/T0KEN",
            "no such\nhook: T0PSECRET",
            "whsec_QUJDREVG or QUJDREVG",
            "Authorization: Basic T0PAUTH",
        ] {
            let line = mask.line(answer.as_bytes());
            let is_shown = ["T0PSECRET", "T0KEN", "QUJDREVG", "T0PAUTH"].iter().any(|secret| line.contains(secret));
            assert!(line.contains(HIDDEN) && !is_shown && !line.contains('\n'), "{answer}: {line}");
        }
        assert_eq!(mask.line(b"/plain  v=1"), "/plain v=1");
        assert_eq!(mask.line(b"paytriage webhook test"), "paytriage webhook test", "a word of a path is no secret");
    }

    /// What the log says while `run` runs.
    fn log_of(run: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, run);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn files_that_everybody_can_read_are_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "QUJDREVG").unwrap();
        for (mode, warned) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false), (0o400, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let log = log_of(|| drop(read(&Secret::File(path.clone())).unwrap()));
            assert_eq!(log.contains("every user of this host can read this secret"), warned, "{mode:o}: {log}");
            assert!(!log.contains("QUJDREVG"), "{log}");
        }
    }
}
