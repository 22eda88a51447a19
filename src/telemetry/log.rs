//! Our own log, on standard error: for people on a terminal, for journald under systemd, plain otherwise.
//!
//! Control characters never get through: tracing-subscriber escapes them in messages and fields, and paths are
//! made visible before they are logged.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names the environment variable with the filter, as in `info,paytriage::source=debug`.
const FILTER: &str = "PAYTRIAGE_LOG";

/// Lines for journald: the priority as journald reads it, no time, no colours.
struct Journal;

/// Sets the log up for the whole process; a second call changes nothing.
pub fn init() {
    let (filter, bad) = match std::env::var(FILTER) {
        Ok(wanted) => match EnvFilter::try_new(&wanted) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new("info"), Some(error)),
        },
        Err(_) => (EnvFilter::new("info"), None),
    };
    // With standard error closed there is nobody left to tell, and no reason to end.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let terminal = std::io::stderr().is_terminal();
    // A second call finds the first one's subscriber in place, which is what it wants.
    drop(if std::env::var_os("JOURNAL_STREAM").is_some() && !terminal {
        builder.with_ansi(false).event_format(Journal).try_init()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_target(false).with_ansi(colours).try_init()
    });
    if let Some(error) = bad {
        tracing::warn!(%error, "{FILTER} cannot be read; logging from info on");
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(out, "<{}>", priority(*event.metadata().level()))?;
        ctx.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// The level as in syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
