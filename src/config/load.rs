//! Reads a configuration file: the only part of `config` that touches the file system.

use std::io;
use std::path::{Path, PathBuf};

use super::problem::{Fault, Problem, Report};
use super::{Config, Env, parse};

/// Where the configuration is when nobody says so.
pub const DEFAULT_FILE: &str = "/etc/paytriage/paytriage.toml";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}: cannot read the configuration: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    /// At least one; prints one per line.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// Reads the configuration of `file`.
///
/// # Errors
/// The file cannot be read, or everything that is wrong with what it says.
pub fn load(file: &Path, env: &Env) -> Result<Config, LoadError> {
    let bytes = std::fs::read(file).map_err(|error| LoadError::Unreadable { file: file.to_owned(), error })?;
    parse_bytes(&bytes, file, env).map_err(LoadError::Invalid)
}

fn parse_bytes(bytes: &[u8], file: &Path, env: &Env) -> Result<Config, Vec<Problem>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text, file, env),
        Err(error) => {
            let report = Report::new(file, bytes);
            report.add(error.valid_up_to(), "", Fault::new("not UTF-8").hint("save the file as UTF-8"));
            report.finish(Config::new(env))
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_are_a_problem_with_a_place() {
        let problems = parse_bytes(b"# \xc4\xe3\nlang = \"en\"\n", Path::new("p.toml"), &|_| None);
        let printed = problems.map_err(|problems| lines(&problems));
        assert_eq!(printed, Err("p.toml:1:3: not UTF-8; save the file as UTF-8".into()));
    }
}
