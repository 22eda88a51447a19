//! What `scan` reads: PATH arguments become an ordered list of inputs, and an input becomes chunks of bytes.
//!
//! Nothing here stops for one bad path or file; each is told with its reason while the rest goes on. A file that
//! was only found (in a directory or by a glob) is never waited for: pipes and devices are left out, and so is
//! what is not text. A file that the user named is read whatever it is.

mod content;
mod expand;
mod format;

use std::fmt;
use std::path::PathBuf;

pub use content::{BUFFER_BYTES, Ending, LARGE_BYTES, ReadError, Reading};
pub use expand::{Expansion, PathProblem, expand};

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Stdin,
    /// A path that the user named.
    Named(PathBuf),
    /// A regular file in a directory, or one that a glob matched.
    Found(PathBuf),
}

/// As the user would type it; bytes that are not UTF-8 are shown as `\xff`.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => f.write_str("-"),
            Input::Named(path) | Input::Found(path) => write!(f, "{}", DisplayPath(path)),
        }
    }
}

/// A path as text in which bytes that are not UTF-8 stay recognisable.
pub struct DisplayPath<'a>(pub &'a std::path::Path);

impl fmt::Display for DisplayPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::ffi::OsStrExt;
        for chunk in self.0.as_os_str().as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn bytes_of_a_path_that_are_not_utf8_stay_recognisable() {
        let path = PathBuf::from(OsStr::from_bytes(b"logs/\xc9\xcc\xff-\xe6\x97\xa5.log"));
        assert_eq!(Input::Named(path).to_string(), "logs/\\xc9\\xcc\\xff-日.log");
    }
}
