//! What the process tells its caller by its exit code (design, section 4).

use std::process::ExitCode;

/// The closed set of ends a command can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done.
    Done,
    /// `--fail-on` was met, `explain` knows nothing of what it was asked, a test message was not accepted, or `doctor` found faults.
    Found,
    /// Nobody reads what the daemon reports.
    Unread,
    /// The daemon could not start, or had to end, for a reason outside its configuration: trying again may help.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Some input could not be read; all else was still done.
    Unreadable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Found | Exit::Unread | Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreadable => 3,
        })
    }
}
