//! What users see: every kind of problem with its place, the way back to TOML, and the example file.

mod incident;
mod source;
mod webhook;

use std::path::Path;

use proptest::prelude::*;

use incident::any_incident;
use source::any_source;

use super::*;

const EXAMPLE: &str = include_str!("../../data/paytriage.example.toml");

fn read(text: &str) -> Result<Config, Vec<Problem>> {
    parse(text, Path::new("p.toml"), &|_| None)
}

/// The problems of a text as they are printed, without the file's name.
fn problems(text: &str) -> Vec<String> {
    let problems = read(text).err().unwrap_or_default();
    problems.iter().map(|problem| problem.to_string().replacen("p.toml:", "", 1)).collect()
}

/// A source with further lines; they begin on line 3.
fn source(lines: &str) -> String {
    format!("[[source]]\npaths = [\"/srv/app.log\"]\n{lines}\n")
}

fn valid(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
}

#[test]
fn each_problem_is_told_with_its_place_and_remedy() {
    let table: &[(&str, &str)] = &[
        // Unknown keys.
        ("langg = \"en\"", "1:1: langg: unknown key; did you mean \"lang\"?"),
        ("colour = 1", "1:1: colour: unknown key"),
        ("\"a b\".c = 1", "1:1: \"a b\": unknown key"),
        ("\"\\u001b[2J\" = 1", "1:1: \"\\u{1b}[2J\": unknown key"),
        ("[sorce]", "1:2: sorce: unknown key; did you mean \"source\"?"),
        ("[state]\n  listen = 1", "2:3: state.listen: unknown key; it belongs to [http]"),
        ("paths = []", "1:1: paths: unknown key; it belongs to a [[source]]"),
        ("enabled = true", "1:1: enabled: unknown key"),
        ("[http]\nlang = \"en\"", "2:1: http.lang: unknown key; it belongs above the first [table]"),
        ("sink.stdot.enabled = true", "1:6: sink.stdot: unknown key; did you mean \"stdout\"?"),
        // Wrong types.
        ("lang = 5", "1:8: lang: expected \"en\" or \"zh\", found an integer"),
        ("[state]\ndir = []", "2:7: state.dir: expected a string, found a list"),
        ("state = \"x\"", "1:9: state: expected a table, found a string"),
        ("[redact]\nenabled = 1.5", "2:11: redact.enabled: expected true or false, found a number"),
        (
            "[redact]\nenabled = \"true\"",
            "2:11: redact.enabled: expected true or false, found a string; leave out the quotes",
        ),
        ("[catalog]\nextra = [1979-05-27]", "2:10: catalog.extra[0]: expected a string, found a date or time"),
        (
            "[[source]]\npaths = \"a\"",
            "2:9: source[0].paths: expected a list of strings, found a string; put it in brackets: [\"…\"]",
        ),
        ("[source]\npaths = [\"a\"]", "1:1: source: expected a list of tables, found a table; write [[source]]"),
        ("source = [true]", "1:11: source[0]: expected a table, found true or false"),
        // Values that cannot be.
        ("lang = \"eng\"", "1:8: lang: \"eng\" is not \"en\" or \"zh\"; did you mean \"en\"?"),
        ("[state]\ndir = \"\"", "2:7: state.dir: the path is empty"),
        (
            "[state]\nmax_outbox = \"64 MB\"",
            "2:14: state.max_outbox: \"64 MB\" is not a size such as \"64MiB\" or \"1GiB\"",
        ),
        ("[state]\nmax_outbox = \"64KiB\"", "2:14: state.max_outbox: \"64KiB\" is too small; 1MiB is the least"),
        (
            "[state]\nmax_pinned_bytes = 5",
            "2:20: state.max_pinned_bytes: expected a size such as \"64MiB\" or \"1GiB\", found an integer",
        ),
        (
            "[state]\nsynchronous = \"ful\"",
            "2:15: state.synchronous: \"ful\" is not \"full\" or \"normal\"; did you mean \"full\"?",
        ),
        ("[[source]]", "1:1: source[0].paths: missing; it has no default"),
        (
            "[[source]]\npaths = []",
            "2:9: source[0].paths: the list is empty; give at least one file, directory or glob",
        ),
        ("[[source]]\npaths = [\"\"]", "2:10: source[0].paths[0]: the path is empty"),
        (
            "[[source]]\npaths = [\"~/a\"]",
            "2:10: source[0].paths[0]: \"~/a\": no shell expands ~ here, write the whole path",
        ),
        (
            "[redact]\nextra = ['ok', '(']",
            "2:16: redact.extra[1]: \"(\" is not a valid regular expression: unclosed group",
        ),
        (
            "[redact]\nextra = ['x*']",
            "2:10: redact.extra[0]: \"x*\" matches empty text, so it would mask between any two characters",
        ),
        ("[redact]\nkeep = [\" \"]", "2:9: redact.keep[0]: the name is empty"),
        (
            "[sink.stdout]\nformat = \"jsn\"",
            "2:10: sink.stdout.format: \"jsn\" is not \"json\" or \"pretty\"; did you mean \"json\"?",
        ),
        (
            "[sink.stdout]\nnotify = \"incidents\"",
            "2:10: sink.stdout.notify: \"incidents\" is not \"event\" or \"incident\"; did you mean \"incident\"?",
        ),
        (
            "[http]\nlisten = \"0.0.0.0:9187\"",
            "2:10: http.listen: \"0.0.0.0:9187\" can be reached from other hosts, so whoever asks has to show a token; \
             name a file with one in token_file (openssl rand -hex 32 > FILE), or listen on 127.0.0.1",
        ),
        (
            "[http]\ntoken = \"0123456789abcdef\"",
            "2:1: http.token: a secret does not belong into this file, which is shown and copied; write it to a file and \
             name that in token_file",
        ),
        (
            "[http]\nlisten = \"/run/x\"",
            "2:10: http.listen: \"/run/x\" is not an address such as \"127.0.0.1:9187\" or \"unix:/run/paytriage/http.sock\"; \
             write \"unix:/run/x\"",
        ),
        ("[http]\nlisten = \"unix:x\"", "2:10: http.listen: \"x\" is not the absolute path of a socket"),
        (
            "[http]\nlisten = \"localhost:80\"",
            "2:10: http.listen: \"localhost:80\" is not an address such as \"127.0.0.1:9187\" or \"unix:/run/paytriage/http.sock\"; write \"127.0.0.1:80\"",
        ),
        // What later versions will have.
        // No TOML.
        ("lang = \"en\"\nlang = \"zh\"", "2:1: lang: the key is there twice"),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), [*expected], "{text}");
    }
}

#[test]
fn each_problem_of_a_source_is_told_with_its_place_and_remedy() {
    let table: &[(&str, &str)] = &[
        ("pahts = []", "3:1: source[0].pahts: unknown key; did you mean \"paths\"?"),
        ("name = \"\"", "3:8: source[0].name: the name is empty"),
        ("name = \"a\\nb\"", "3:8: source[0].name: \"a\\nb\" contains control characters"),
        (
            "start_at = \"ends\"",
            "3:12: source[0].start_at: \"ends\" is not \"beginning\" or \"end\"; did you mean \"end\"?",
        ),
        (
            "provider = \"wechatpy\"",
            "3:12: source[0].provider: unknown provider \"wechatpy\"; did you mean \"wechatpay\"?",
        ),
        (
            "provider = \"paypal\"",
            "3:12: source[0].provider: unknown provider \"paypal\"; one of your own needs its catalogue in catalog.extra",
        ),
        (
            "provider = \"WeChatPay\"",
            "3:12: source[0].provider: \"WeChatPay\" cannot be a provider: a provider's name has lower-case letters, \
             digits, - and _ only; did you mean \"wechatpay\"?",
        ),
        (
            "encoding = \"latin1\"",
            "3:12: source[0].encoding: \"latin1\" is not \"auto\", \"utf-8\", \"gbk\", \"utf-16le\" or \"utf-16be\"",
        ),
        (
            "encoding = \"utf8\"",
            "3:12: source[0].encoding: \"utf8\" is not \"auto\", \"utf-8\", \"gbk\", \"utf-16le\" or \"utf-16be\"; \
             did you mean \"utf-8\"?",
        ),
        (
            "timezone = 8",
            "3:12: source[0].timezone: expected a time zone such as \"local\" or \"Asia/Shanghai\", found an integer",
        ),
        (
            "multiline = \"off\"",
            "3:1: source[0].multiline: this version of paytriage has no settings for records of several lines yet; remove it",
        ),
        (
            "labels = [1]",
            "3:10: source[0].labels: expected a table of strings, found a list; write { name = \"value\" }",
        ),
        ("labels = { env = 1 }", "3:18: source[0].labels.env: expected a string, found an integer"),
        ("[source.labels]\n\"a.b\" = true", "4:9: source[0].labels.\"a.b\": expected a string, found true or false"),
        (
            "poll_interval = 5",
            "3:17: source[0].poll_interval: expected a duration such as \"30s\", \"5m\" or \"500ms\", found an integer",
        ),
        (
            "poll_interval = \"5 minutes\"",
            "3:17: source[0].poll_interval: \"5 minutes\" is not a duration such as \"30s\", \"5m\" or \"500ms\"",
        ),
        ("poll_interval = \"0s\"", "3:17: source[0].poll_interval: \"0s\" is no time at all"),
        (
            "poll_interval = \"99999999999999999d\"",
            "3:17: source[0].poll_interval: \"99999999999999999d\" is not a duration such as \"30s\", \"5m\" or \"500ms\"",
        ),
    ];
    for (lines, expected) in table {
        assert_eq!(problems(&source(lines)), [*expected], "{lines}");
    }
    let bad_glob = problems(&source("exclude = ['*.tmp', '[a']"));
    assert_eq!(bad_glob.len(), 1);
    assert!(bad_glob[0].starts_with("3:21: source[0].exclude[1]: \"[a\" is not a valid glob: "), "{bad_glob:?}");
}

#[test]
fn what_is_no_toml_is_told_once_and_nothing_is_guessed_behind_it() {
    let table: &[(&str, &[&str])] = &[
        (
            "langg = 1\nlang = en\ncolour = 1",
            &[
                "1:1: langg: unknown key; did you mean \"lang\"?",
                "2:8: not valid TOML: string values must be quoted, expected literal string",
            ],
        ),
        (
            "[[source]]\npaths = [\"a\"\nname = \"x\"\n[[source]]\npaths = 3\n",
            &[
                "3:1: not valid TOML: missing comma between array elements, expected `,`; is a bracket left open here or above?",
            ],
        ),
        ("[[source]]\npahts", &["2:6: not valid TOML: key with no value, expected `=`"]),
        (
            "a = 1s\nb = 2s s\n",
            &[
                "1:5: not valid TOML: string values must be quoted, expected literal string",
                "2:5: not valid TOML: string values must be quoted, expected literal string",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

#[test]
fn unknown_time_zones_are_refused() {
    let found = problems(&source("timezone = \"Mars/Base\""));
    assert!(found[0].starts_with("3:12: source[0].timezone: unknown time zone \"Mars/Base\""), "{found:?}");
}

#[test]
fn two_sources_cannot_have_one_name() {
    let text = "[[source]]\nname = \"a\"\npaths = [\"x\"]\n[[source]]\npaths = [\"y\"]\nname = \"a\"";
    let expected = "6:8: source[1].name: source[0] has this name already; give every source a name of its own";
    assert_eq!(problems(text), [expected]);
}

/// Tabs, line ends of two characters and characters of several bytes all stand before faults.
const NINE_MISTAKES: &str = "\u{feff}lang = \"fr\"\r\n\
    # 配置\r\n\
    [[source]]\r\n\
    \tname = \"商店\"\r\n\
    \tpahts = [\"/var/log/shop/*.log\"]\r\n\
    \tpaths = [\"/日志/*.log\",\t\"[\"]\r\n\
    \tlabels = { \"环境\" = \"生产\", \"é\" = 1 }\r\n\
    [[source]]\r\n\
    paths = [\"/b\"]\r\n\
    watch = true\r\n\
    [redact]\r\n\
    extra = ['支付', '支付(']\r\n\
    [[sink.webhook]]\r\n\
    [http]\r\n\
    listen = \"10.0.0.1:80\"\r\n";

#[test]
fn all_problems_are_told_in_order_and_with_their_places() {
    let found = problems(NINE_MISTAKES);
    let places: Vec<&str> = found.iter().map(|line| line.splitn(4, ": ").take(2).last().unwrap_or_default()).collect();
    let keys = [
        "lang",
        "source[0].pahts",
        "source[0].paths[1]",
        "source[0].labels.\"é\"",
        "source[1].watch",
        "redact.extra[1]",
        "sink.webhook[0].name",
        "sink.webhook[0].url",
        "http.listen",
    ];
    assert_eq!(places, keys);
    let positions: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(positions, ["1:8", "5:2", "6:24", "7:32", "10:9", "12:16", "13:1", "13:1", "15:10"]);
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = valid(&source(""));
    let expected = Source::from_paths(&["/srv/app.log".into()], &[]);
    assert_eq!(Some(&config.sources[0]), expected.as_ref().ok());
    assert_eq!(Config { sources: Vec::new(), ..config }, Config::new(&|_| None));
    assert_eq!(valid(""), Config::new(&|_| None));
    assert_eq!(
        valid("[http]").http,
        Some(Http { listen: Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 9187))), token_file: None })
    );
    assert_eq!(valid(&source("watch = \"poll\"")).sources[0].poll_interval, Duration::from_secs(1));
}

#[test]
fn values_are_taken_as_written() {
    let lines =
        "encoding = \"gb18030\"\npoll_interval = \"1500ms\"\nprovider = \"paypal\"\n[catalog]\nextra = [\"x.toml\"]";
    let config = valid(&source(lines));
    let source = &config.sources[0];
    assert_eq!(source.encoding, Charset::Gbk);
    assert_eq!(source.poll_interval, Duration::from_millis(1500));
    assert_eq!(source.provider, Some(Provider::Custom("paypal".into())), "a user's catalogue may know it");
    assert_eq!(valid("http.listen = \"[::1]:80\"").http.map(|http| http.listen.to_string()), Some("[::1]:80".into()));
    let socket = valid("http.listen = \"unix:/run/x.sock\"").http.map(|http| http.listen);
    assert_eq!(socket, Some(Listen::Unix("/run/x.sock".into())));
}

#[test]
fn sources_without_a_name_get_one_of_their_own() {
    let text =
        "source = [{ paths = [\"/a/app.log\"] }, { paths = [\"/b/app.log\"] }, { name = \"app\", paths = [\"c\"] }]";
    let names: Vec<String> = valid(text).sources.into_iter().map(|source| source.name).collect();
    assert_eq!(names, ["app-2", "app-3", "app"]);
}

#[test]
fn the_key_counts_more_than_the_environment() {
    let env = |name: &str| (name == "STATE_DIRECTORY").then(|| "/env".into());
    let dir = |text| parse(text, Path::new("p.toml"), &env).ok().and_then(|config| config.state.dir);
    assert_eq!(dir("[state]"), Some("/env".into()));
    assert_eq!(dir("[state]\ndir = \"/key\""), Some("/key".into()));
}

#[test]
fn the_example_works_as_it_is_and_with_every_option_taken() {
    assert_eq!(valid(EXAMPLE).sources.len(), 1);
    let is_option = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let taken: Vec<&str> = EXAMPLE.lines().map(|line| if is_option(&line) { &line[1..] } else { line }).collect();
    let taken = taken.join("\n");
    valid(&taken);
    let mut table = "";
    let mut shown = Vec::new();
    for line in taken.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.push(if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
        }
    }
    let mut all: Vec<String> = options().into_iter().map(|option| option.key).collect();
    // Some stand in several examples: what excludes each other cannot stand in one.
    shown.sort();
    shown.dedup();
    all.sort();
    assert_eq!(shown, all);
}

#[test]
fn every_option_is_documented_once() {
    let options = options();
    let mut keys: Vec<&str> = options.iter().map(|option| option.key.as_str()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), options.len());
    assert!(keys.contains(&"lang") && keys.contains(&"source.poll_interval") && keys.contains(&"http.listen"));
    for option in &options {
        assert!(!option.kind.is_empty() && !option.default.is_empty() && !option.help.is_empty(), "{option:?}");
    }
    let start_at = options.iter().find(|option| option.key == "source.start_at");
    let start_at = start_at.map(|option| (option.kind.as_str(), option.default.as_str()));
    assert_eq!(start_at, Some(("\"beginning\" or \"end\"", "\"end\"")));
}

/// Printable text with what TOML and globs find special, but valid as a path.
fn plain_text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z/\\.\"'支é #=][a-z/\\.\"'支é #=]{0,12}x").expect("a valid expression")
}

fn any_config() -> impl Strategy<Value = Config> {
    let texts = || proptest::collection::vec(plain_text(), 0..3);
    let sources = proptest::collection::vec(any_source(), 0..3);
    let port = prop::option::of(any::<u16>());
    let zone = prop::sample::select(vec![TimeZone::UTC, TimeZone::system()]);
    let words =
        (prop::sample::select(parse::LANGS), prop::sample::select(parse::FORMATS), prop::sample::select(parse::NOTIFY));
    let sinks = (proptest::collection::vec(webhook::any_webhook(), 0..3), any_incident());
    (sources, sinks, texts(), texts(), words, any::<[bool; 2]>(), prop::option::of(plain_text()), (port, zone))
        .prop_map(
            |(
                mut sources,
                (mut webhooks, incident),
                extra,
                keep,
                (lang, format, notify),
                [mask, print],
                dir,
                (port, timezone),
            )| {
                for (at, source) in sources.iter_mut().enumerate() {
                    source.name.push_str(&at.to_string());
                }
                for (at, webhook) in webhooks.iter_mut().enumerate() {
                    webhook.name.push_str(&at.to_string());
                }
                Config {
                    lang: lang.1,
                    timezone,
                    state: State { dir: dir.map(PathBuf::from), ..State::default() },
                    sources,
                    catalog: CatalogConfig {
                        disable: keep.iter().map(|id| EntryId(id.as_str().into())).collect(),
                        extra,
                    },
                    redact: Redact {
                        enabled: mask,
                        extra: keep.iter().map(|text| regex::escape(text)).collect(),
                        keep,
                    },
                    incident,
                    stdout: Stdout { enabled: print, format: format.1, notify: notify.1 },
                    webhooks,
                    http: port.map(|port| Http {
                        listen: match port % 2 {
                            0 => Listen::Tcp(SocketAddr::from(([0, 0, 0, 0], port))),
                            _ => Listen::Unix(format!("/run/{port}.sock").into()),
                        },
                        token_file: Some("/run/token".into()),
                    }),
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_shown_reads_the_same_again(config in any_config()) {
        let shown = show(&config);
        prop_assert_eq!(read(&shown), Ok(config), "{}", shown);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    /// Text that gets past the first character: pieces of a real configuration in any order.
    #[test]
    fn no_mixture_of_pieces_makes_it_panic(
        pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..24)
    ) {
        let _ = read(&pieces.concat());
    }
}

const PIECES: &[&str] = &[
    "[[source]]",
    "[source]",
    "[source.labels]",
    "[sink.stdout]",
    "[[sink.stdout]]",
    "[http]",
    "[incident]",
    "[[incident.mute]]",
    "[[incident.silence]]",
    "from",
    "until",
    "source",
    "sink",
    ".",
    "paths",
    "labels",
    "lang",
    "name",
    "listen",
    " = ",
    "\n",
    "\r\n",
    "\t",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "\"/a/*.log\"",
    "\"[\"",
    "true",
    "5",
    "1.5",
    "1979-05-27",
    "# x",
    "支",
    "\\u0000",
    "[a.b]",
    "[[a]]",
    "a.b",
    "\u{feff}",
];
