//! The command line as clap sees it. These types touch nothing: what they mean is decided in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds payment errors in log files and says what they mean, who has to act, and whether a retry is safe.
#[derive(Debug, Parser)]
#[command(name = "paytriage", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch log files and report payment errors as they are written
    #[command(
        after_help = "Examples:\n  paytriage run /var/log/shop\n  paytriage run --from-start app.log | jq .title\n  \
                            paytriage run --config /etc/paytriage/paytriage.toml"
    )]
    Run(RunArgs),
    /// Find the payment errors in existing logs
    #[command(
        after_help = "Examples:\n  paytriage scan /var/log/shop\n  paytriage scan 'logs/*.log.gz' --format summary\n  \
                            kubectl logs deploy/checkout | paytriage scan -\n  paytriage scan app.log --format json --since 2h\n\n\
                      Exit code: 0 done, 1 --fail-on was met, 2 wrong usage, 3 something could not be read\n\
                      (all else was scanned). When both hold, 1."
    )]
    Scan(ScanArgs),
    /// Say what a code, a message or a log line means
    #[command(
        after_help = "Examples:\n  paytriage explain USERPAYING\n  paytriage explain \"Unsupported Card\" --lang zh\n  \
                            grep 4012 app.log | paytriage explain"
    )]
    Explain(ExplainArgs),
    /// Copy standard input with secrets and personal data masked, as events show it
    Redact(RedactArgs),
    /// Look into the catalogue of known errors, or check one of your own
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// See what waits for delivery, or drop it
    #[command(
        subcommand,
        after_help = "Nothing is ever given up by itself, so there is nothing to retry: standard output \
                                        is the only sink so far."
    )]
    Outbox(OutboxCommand),
    /// Check a configuration, or show what is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for your shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Files, directories or globs to watch, besides the configured sources
    pub paths: Vec<String>,
    /// Configuration file [default: /etc/paytriage/paytriage.toml, where it exists and no PATH is given]
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Read files that exist at the first start from their beginning
    #[arg(long)]
    pub from_start: bool,
    /// Keep offsets and waiting events in this directory
    #[arg(long, value_name = "DIR", env = "PAYTRIAGE_STATE")]
    pub state: Option<PathBuf>,
    /// Language of titles, causes and remedies
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG")]
    pub lang: Option<LangArg>,
}

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Files, directories, globs, or - for standard input; gzip and zstd are recognised by content
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ScanFormat,
    /// Language of titles, causes and remedies [default: that of the configuration, else en]
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG")]
    pub lang: Option<LangArg>,
    /// Only this provider: alipay, alipayplus, wechatpay, unionpay, issuer, or one of your own catalogue
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
    /// Leave out what is milder
    #[arg(long, value_enum, value_name = "S")]
    pub min_severity: Option<SeverityArg>,
    /// Only events from this time on: RFC 3339, a date, a local time ("2026-03-01 08:00"), or how long ago (2h, 3d);
    /// events without a time are kept
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Only events up to this time; a date counts to the end of its day
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Exit with 1 if an event of this severity or worse is found
    #[arg(long, value_enum, value_name = "S")]
    pub fail_on: Option<SeverityArg>,
    /// Files read at the same time [default: number of processors]
    #[arg(short = 'j', long = "threads", value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Show no progress bar
    #[arg(long)]
    pub no_progress: bool,
    /// Configuration file whose catalogue, redaction and sources' hints apply
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE")]
    pub catalog: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code, a message, or a whole log line; without it, standard input is read
    pub text: Vec<String>,
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ExplainFormat,
    /// Language of titles, causes and remedies
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG", default_value = "en")]
    pub lang: LangArg,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE")]
    pub catalog: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RedactArgs {
    /// Configuration file whose rules for redaction apply
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// List the entries
    List {
        /// Only this provider
        #[arg(long, value_name = "P")]
        provider: Option<String>,
        #[command(flatten)]
        view: CatalogView,
    },
    /// Show one entry in full, by its id, a code or a guide's id
    Show {
        id: String,
        #[command(flatten)]
        view: CatalogView,
    },
    /// Check catalogue files with their own test lines; without FILE, the built-in one
    Check { files: Vec<PathBuf> },
    /// Turn the unknown codes of logs into entries to fill in
    Draft {
        /// Files, directories, globs, or - for standard input
        #[arg(required = true)]
        paths: Vec<String>,
        /// Configuration file whose catalogue and sources' hints apply
        #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Count entries and codes by provider, category and severity
    Stats {
        #[command(flatten)]
        view: CatalogView,
    },
}

#[derive(Debug, Args)]
pub struct CatalogView {
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ExplainFormat,
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG", default_value = "en")]
    pub lang: LangArg,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE")]
    pub catalog: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// How much waits for each sink, since when, and how far reading is behind; the daemon may run
    Status {
        #[command(flatten)]
        state: OutboxState,
        #[arg(long, value_enum, default_value = "pretty")]
        format: ExplainFormat,
    },
    /// The events that wait, oldest first; the daemon may run
    List {
        #[command(flatten)]
        state: OutboxState,
        /// Events at most
        #[arg(long, value_name = "N", default_value = "20")]
        limit: usize,
        /// pretty: one line each; json: as they will be delivered
        #[arg(long, value_enum, default_value = "pretty")]
        format: ExplainFormat,
    },
    /// Drop everything that waits; one event (PT.DROPPED) says so to whoever would have received it
    #[command(
        after_help = "The daemon must not run. What was dropped can be found again: `paytriage scan` gives the same event ids."
    )]
    Drop {
        #[command(flatten)]
        state: OutboxState,
        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

/// Where the state is.
#[derive(Debug, Args)]
pub struct OutboxState {
    /// State directory [default: that of the configuration]
    #[arg(long, value_name = "DIR", env = "PAYTRIAGE_STATE")]
    pub state: Option<PathBuf>,
    /// Configuration file [default: /etc/paytriage/paytriage.toml, where it exists]
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report every problem of a configuration, with its place
    Check {
        /// [default: /etc/paytriage/paytriage.toml]
        #[arg(env = "PAYTRIAGE_CONFIG")]
        file: Option<PathBuf>,
    },
    /// Print the configuration in force, defaults filled in, as TOML
    Show {
        /// [default: /etc/paytriage/paytriage.toml]
        #[arg(env = "PAYTRIAGE_CONFIG")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    /// Grouped by entry, made for reading
    Pretty,
    /// One event per line
    Json,
    /// One line per entry
    Summary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    Pretty,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LangArg {
    En,
    Zh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    Info,
    Warning,
    Error,
    Critical,
}
