//! The command line as clap sees it. These types touch nothing: what they mean is decided in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::about;

/// Finds payment errors in log files and says what they mean, who has to act, and whether a retry is safe.
#[derive(Debug, Parser)]
#[command(name = "paytriage", version, long_version = about::long(), max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  paytriage scan /var/log/shop --format summary    what has been failing in these logs\n  \
                        paytriage explain USERPAYING                     what a code, a message or a line means\n  \
                        paytriage run /var/log/shop                      tell of failures as they are written"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch log files and report payment errors as they are written
    #[command(
        after_help = "Examples:\n  paytriage run /var/log/shop\n  paytriage run --from-start app.log | jq .title\n  \
                            kubectl logs -f deploy/checkout | paytriage run -\n  \
                            paytriage run --config /etc/paytriage/paytriage.toml\n\n\
                      PAYTRIAGE_HOST names this machine in events, where its own name is that of a container. PAYTRIAGE_LOG=debug makes \
                      its own log, on standard error, say more."
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
    #[command(after_help = "Examples:\n  paytriage redact < app.log | less\n  \
                            tail -n 200 app.log | paytriage redact --config /etc/paytriage/paytriage.toml")]
    Redact(RedactArgs),
    /// Look into the catalogue of known errors, or check one of your own
    #[command(
        subcommand,
        after_help = "Examples:\n  paytriage catalog list --provider wechatpay\n  paytriage catalog show ACQ.TRADE_HAS_SUCCESS\n  \
                            paytriage catalog draft /var/log/shop > mine.toml\n  paytriage catalog check mine.toml"
    )]
    Catalog(CatalogCommand),
    /// See what waits for delivery and what was given up; try it again, or drop it
    #[command(
        subcommand,
        after_help = "Examples:\n  paytriage outbox status\n  paytriage outbox list --sink oncall\n  \
                      paytriage outbox retry --sink oncall\n  paytriage outbox list --dead --format json\n  \
                      paytriage outbox drop --sink oncall --yes"
    )]
    Outbox(OutboxCommand),
    /// Keep incidents quiet for a while, and see what is quiet
    #[command(
        subcommand,
        after_help = "Counting goes on. What is still open when a silence ends is announced then; what was resolved meanwhile is \
                      never mentioned.\nBeside a running daemon, a change counts within seconds.\n\nExamples:\n  \
                      paytriage silence add provider=alipay --for 2h --comment \"their maintenance\"\n  \
                      paytriage silence list\n  paytriage silence remove 6ba2391b"
    )]
    Silence(SilenceCommand),
    /// Try a webhook
    #[command(subcommand, after_help = "Examples:\n  paytriage webhook test oncall")]
    Webhook(WebhookCommand),
    /// Check a configuration, or show what is in force
    #[command(
        subcommand,
        after_help = "Examples:\n  paytriage config check && systemctl reload paytriage\n  paytriage config show | grep -A9 source\n\n\
                      paytriage.toml(5) says what every key means: paytriage man paytriage.toml | man -l -"
    )]
    Config(ConfigCommand),
    /// Say what is wrong with a set-up, and what mends it
    #[command(
        after_help = "Run it as the service's user: permissions are that user's. It changes and sends nothing, and may run beside \
                      the daemon.\n\nExit code: 0 no fault, 1 faults, 2 the configuration cannot be used (the rest was looked at)\n\n\
                      Examples:\n  sudo -u paytriage paytriage doctor\n  sudo -u paytriage paytriage doctor --connect\n  \
                      paytriage doctor --config ./paytriage.toml --format json | jq '.findings[] | select(.level == \"fault\")'"
    )]
    Doctor(DoctorArgs),
    /// Print a completion script for your shell
    #[command(
        after_help = "Examples:\n  paytriage completions bash > ~/.local/share/bash-completion/completions/paytriage\n  \
                            paytriage completions zsh > ~/.zfunc/_paytriage                 # a directory of $fpath\n  \
                            paytriage completions fish > ~/.config/fish/completions/paytriage.fish"
    )]
    Completions {
        /// Whose script
        shell: clap_complete::Shell,
    },
    /// Print a manual page (roff), or write all of them to a directory
    #[command(after_help = "Examples:\n  paytriage man | man -l -\n  paytriage man catalog-list | man -l -\n  \
                            paytriage man paytriage.toml | man -l -\n  paytriage man --all ~/.local/share/man")]
    Man {
        /// A command (`scan`, `catalog-list`), or paytriage.toml for the configuration file; without it, the overview
        #[arg(value_name = "PAGE", value_hint = ValueHint::Other)]
        page: Option<String>,
        /// Write every page below this directory, into man1 and man5
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "page")]
        all: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Files, directories or globs to watch, or - for standard input, besides the configured sources. With standard input alone it
    /// ends when that does
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// Configuration file [default: /etc/paytriage/paytriage.toml, where it exists and no PATH is given]
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Read files that exist at the first start from their beginning
    #[arg(long)]
    pub from_start: bool,
    /// Keep offsets and waiting events in this directory
    #[arg(long, value_name = "DIR", env = "PAYTRIAGE_STATE", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Language of titles, causes and remedies
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG")]
    pub lang: Option<LangArg>,
}

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Files, directories, globs, or - for standard input; gzip and zstd are recognised by content. In directories and globs what
    /// is not text (programs, pictures, archives, databases) is skipped and counted
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ScanFormat,
    /// Language of titles, causes and remedies [default: that of the configuration, else en]
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG")]
    pub lang: Option<LangArg>,
    /// Only this provider: alipay, alipayplus, wechatpay, unionpay, issuer, or one of your own catalogue
    #[arg(long, value_name = "P", value_hint = ValueHint::Other)]
    pub provider: Option<String>,
    /// Leave out what is milder
    #[arg(long, value_enum, value_name = "S")]
    pub min_severity: Option<SeverityArg>,
    /// Only events from this time on: RFC 3339, a date, a local time ("2026-03-01 08:00"), or how long ago (2h, 3d);
    /// events without a time are kept
    #[arg(long, value_name = "T", value_hint = ValueHint::Other)]
    pub since: Option<String>,
    /// Only events up to this time; a date counts to the end of its day
    #[arg(long, value_name = "T", value_hint = ValueHint::Other)]
    pub until: Option<String>,
    /// Exit with 1 if an event of this severity or worse is found
    #[arg(long, value_enum, value_name = "S")]
    pub fail_on: Option<SeverityArg>,
    /// Threads: each reads a file, or helps with a large one [default: number of processors]
    #[arg(short = 'j', long = "threads", value_name = "N", value_hint = ValueHint::Other)]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Show no progress bar
    #[arg(long)]
    pub no_progress: bool,
    /// Configuration file whose catalogue, redaction and sources' hints apply
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub catalog: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code, a message, or a whole log line; without it, standard input is read
    #[arg(value_hint = ValueHint::Other)]
    pub text: Vec<String>,
    /// Text for reading, or JSON
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ExplainFormat,
    /// Language of titles, causes and remedies
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG", default_value = "en")]
    pub lang: LangArg,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub catalog: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RedactArgs {
    /// Configuration file whose rules for redaction apply
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// List the entries
    #[command(
        after_help = "Examples:\n  paytriage catalog list --provider alipay\n  paytriage catalog list --format json | jq -r .id"
    )]
    List {
        /// Only this provider
        #[arg(long, value_name = "P", value_hint = ValueHint::Other)]
        provider: Option<String>,
        #[command(flatten)]
        view: CatalogView,
    },
    /// Show one entry in full, by its id, a code or a guide's id
    #[command(after_help = "Examples:\n  paytriage catalog show alipay.acq.auth-code-invalid\n  \
                            paytriage catalog show C6-1011 --lang zh")]
    Show {
        /// `catalog list` shows the ids
        #[arg(value_hint = ValueHint::Other)]
        id: String,
        #[command(flatten)]
        view: CatalogView,
    },
    /// Check catalogue files with their own test lines; without FILE, the built-in one
    #[command(after_help = "Examples:\n  paytriage catalog check /etc/paytriage/catalog.d/*.toml")]
    Check {
        /// Each by itself, on top of the built-in one
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
    /// Turn the unknown codes of logs into entries to fill in
    #[command(after_help = "Examples:\n  paytriage catalog draft /var/log/shop > mine.toml    # fill in, then:\n  \
                            paytriage catalog check mine.toml")]
    Draft {
        /// Files, directories, globs, or - for standard input
        #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        paths: Vec<String>,
        /// Configuration file whose catalogue and sources' hints apply
        #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// Count entries and codes by provider, category and severity
    #[command(after_help = "Examples:\n  paytriage catalog stats\n  paytriage catalog stats --catalog mine.toml")]
    Stats {
        #[command(flatten)]
        view: CatalogView,
    },
}

#[derive(Debug, Args)]
pub struct CatalogView {
    /// Text for reading, or JSON
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ExplainFormat,
    /// Language of titles, causes and remedies
    #[arg(long, value_enum, env = "PAYTRIAGE_LANG", default_value = "en")]
    pub lang: LangArg,
    /// A catalogue file of your own; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub catalog: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// How much waits for each sink, since when, and how far reading is behind; the daemon may run
    #[command(
        after_help = "Examples:\n  paytriage outbox status\n  paytriage outbox status --state /var/lib/paytriage --format json"
    )]
    Status {
        #[command(flatten)]
        state: StateArgs,
        /// Text for reading, or JSON
        #[arg(long, value_enum, default_value = "pretty")]
        format: ExplainFormat,
    },
    /// What waits, oldest first; the daemon may run
    #[command(
        after_help = "Examples:\n  paytriage outbox list --sink oncall\n  paytriage outbox list --dead --limit 100"
    )]
    List {
        #[command(flatten)]
        state: StateArgs,
        /// Only what waits for this sink
        #[arg(long, value_name = "S", value_hint = ValueHint::Other)]
        sink: Option<String>,
        /// What was given up because its receiver kept refusing it, and why
        #[arg(long)]
        dead: bool,
        /// Rows at most
        #[arg(long, value_name = "N", default_value = "20", value_hint = ValueHint::Other)]
        limit: usize,
        /// pretty: one line each; json: as they will be delivered
        #[arg(long, value_enum, default_value = "pretty")]
        format: ExplainFormat,
    },
    /// Try now what waits for a webhook, and what was given up once more; the daemon may run
    #[command(
        after_help = "Requests keep their ids, so a receiver that had one already can drop it. A sink that has stopped \
                      because its receiver answered 410 starts again.\n\nExamples:\n  paytriage outbox retry --sink oncall"
    )]
    Retry {
        #[command(flatten)]
        state: StateArgs,
        /// Only this sink
        #[arg(long, value_name = "S", value_hint = ValueHint::Other)]
        sink: Option<String>,
    },
    /// Drop what waits; the daemon tells of it (PT.DROPPED), now or when it is started
    #[command(
        after_help = "Without --sink and --dead everything that waits is dropped, and the daemon must not run; what waits for one \
                      webhook can be dropped beside it.\nEvents that were dropped can be found again: `paytriage scan` gives the \
                      same event ids.\n\nExamples:\n  paytriage outbox drop --sink oncall --yes\n  \
                      paytriage outbox drop --dead --yes"
    )]
    Drop {
        #[command(flatten)]
        state: StateArgs,
        /// Only what waits for this sink
        #[arg(long, value_name = "S", value_hint = ValueHint::Other)]
        sink: Option<String>,
        /// Only what was given up (dead letters)
        #[arg(long)]
        dead: bool,
        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Say nothing of some incidents until a time
    #[command(after_help = "Matchers (all have to fit; of one key given twice, either):\n  \
                      code=ACQ.SYSTEM_ERROR    a code or an entry id; * at the end stands for anything\n  \
                      provider=alipay          whose error it is\n  \
                      source=shop              name of a source\n  \
                      label.env=prod           a label of the source\n  \
                      max_severity=warning     only what is no worse\n\nExamples:\n  \
                      paytriage silence add provider=alipay --for 2h --comment \"their maintenance, INC-4711\"\n  \
                      paytriage silence add 'code=ACQ.*' label.env=staging --until 18:00 --comment \"load test\"\n  \
                      paytriage silence add --all --for 30m --comment \"moving the database\"")]
    Add(SilenceAdd),
    /// Silences in force, those of the configuration too
    #[command(after_help = "Examples:\n  paytriage silence list\n  paytriage silence list --over --format json")]
    List {
        #[command(flatten)]
        state: StateArgs,
        /// Those that are over too, until the daemon has forgotten them
        #[arg(long)]
        over: bool,
        /// json: one object per line
        #[arg(long, value_enum, default_value = "pretty")]
        format: ExplainFormat,
    },
    /// End a silence now
    #[command(
        after_help = "What is still open is announced within seconds.\n\nExamples:\n  paytriage silence remove 6ba2391b"
    )]
    Remove {
        /// As `silence list` shows it
        #[arg(value_hint = ValueHint::Other)]
        id: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
pub struct SilenceAdd {
    /// Which incidents, as KEY=VALUE: code, provider, source, label.NAME, max_severity
    #[arg(value_name = "MATCHER", required_unless_present = "all", conflicts_with = "all")]
    pub matchers: Vec<String>,
    /// All incidents
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub end: SilenceEnd,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    pub comment: String,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SilenceEnd {
    /// How long: 30m, 2h, 1h30m, 3d
    #[arg(long = "for", value_name = "TIME", value_hint = ValueHint::Other)]
    pub lasts: Option<String>,
    /// Until when: 18:00 (the next one), "2026-03-01 08:00", 2026-03-01 (to its end), or RFC 3339
    #[arg(long, value_name = "T", value_hint = ValueHint::Other)]
    pub until: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Send one signed sample to a webhook and print what came back
    #[command(
        after_help = "The sample says in its title that it is a test, and goes out whatever the webhook's filters. Nothing secret is \
                      printed.\n\nExit code: 0 accepted, 1 refused or no answer, 2 wrong usage or configuration (nothing was sent)\n\n\
                      Examples:\n  paytriage webhook test oncall\n  paytriage webhook test oncall --config ./paytriage.toml\n\n\
                      A test of a chat counts as one of the requests that its robot takes: give the daemon's --state where that is not \
                      the configuration's, so that the daemon knows of it."
    )]
    Test {
        /// Name of the [[sink.webhook]]
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub state: StateArgs,
    /// Connect to the receivers of webhooks; nothing is sent
    #[arg(long)]
    pub connect: bool,
    /// json: one object, with stable ids
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ExplainFormat,
}

/// Where the state is.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// State directory [default: that of the configuration]
    #[arg(long, value_name = "DIR", env = "PAYTRIAGE_STATE", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Configuration file [default: /etc/paytriage/paytriage.toml, where it exists]
    #[arg(long, value_name = "FILE", env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report every problem of a configuration, with its place
    #[command(
        after_help = "Exit code: 0 valid, perhaps with warnings; 2 not valid.\n\nExamples:\n  paytriage config check\n  \
                            paytriage config check ./paytriage.toml"
    )]
    Check {
        /// [default: /etc/paytriage/paytriage.toml]
        #[arg(env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the configuration in force, defaults filled in, as TOML
    #[command(after_help = "Examples:\n  paytriage config show\n  paytriage config show ./paytriage.toml")]
    Show {
        /// [default: /etc/paytriage/paytriage.toml]
        #[arg(env = "PAYTRIAGE_CONFIG", value_hint = ValueHint::FilePath)]
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
