//! What users see of `[[sink.webhook]]`.

use super::*;

/// A webhook with further lines; they begin on line 4.
fn webhook(lines: &str) -> String {
    format!("[[sink.webhook]]\nname = \"own\"\nurl = \"https://hooks.example/x\"\n{lines}\n")
}

/// One without a URL; the lines begin on line 3.
fn bare(lines: &str) -> String {
    format!("[[sink.webhook]]\nname = \"own\"\n{lines}\n")
}

#[test]
fn each_problem_of_a_webhook_is_told_with_its_place_and_remedy() {
    let table: &[(&str, &str)] = &[
        ("secret_flie = \"/k\"", "4:1: secret_flie: unknown key; did you mean \"secret_file\"?"),
        ("listen = 1", "4:1: listen: unknown key; it belongs to [http]"),
        (
            "format = \"json5\"",
            "4:10: format: \"json5\" is not \"json\", \"cloudevents\", \"alertmanager\", \"alertmanager-alerts\", \"pagerduty\", \"slack\", \"feishu\", \"dingtalk\", \"wecom\" or \"template\"; did you mean \"json\"?",
        ),
        ("notify = \"events\"", "4:10: notify: \"events\" is not \"event\" or \"incident\"; did you mean \"event\"?"),
        (
            "min_severity = \"eror\"",
            "4:16: min_severity: \"eror\" is not \"info\", \"warning\", \"error\" or \"critical\"; did you mean \"error\"?",
        ),
        ("providers = [\"alipey\"]", "4:14: providers[0]: unknown provider \"alipey\"; did you mean \"alipay\"?"),
        (
            "codes = [\"A*B\"]",
            "4:10: codes[0]: \"A*B\" is not a code or an entry id; use letters, digits, \".\", \"_\" and \"-\"; \"*\" may stand at the end",
        ),
        ("timeout = \"90s\"", "4:11: timeout: not a duration from 1s to 1m"),
        ("timeout = \"10ms\"", "4:11: timeout: not a duration from 1s to 1m"),
        ("max_batch = 0", "4:13: max_batch: not a number from 1 to 1000"),
        ("max_batch = \"5\"", "4:13: max_batch: expected a number from 1 to 1000, found a string"),
        ("max_age = \"0s\"", "4:11: max_age: \"0s\" is no time at all"),
        ("url_file = \"/u\"", "4:12: url_file: url says it already; keep one of them"),
        ("secret_file = \"/a\"\nsecret_env = \"B\"", "5:14: secret_env: secret_file says it already; keep one of them"),
        (
            "secret_file = \"/a\"\nsecrets = [{ env = \"B\" }]",
            "5:11: secrets: there is one secret already; name all of them here",
        ),
        (
            "secret_env = \"A-B\"",
            "4:14: secret_env: not the name of an environment variable; give its name, not its value",
        ),
        (
            "secret_credential = \"/run/x\"",
            "4:21: secret_credential: a credential is called by its name alone, as in LoadCredential=name:/path",
        ),
        (
            "secrets = [{ file = \"/a\", env = \"B\" }]",
            "4:12: secrets[0]: a secret is kept in one place; write { file = \"/path\" }, { credential = \"name\" } or { env = \"NAME\" }",
        ),
        ("secrets = [{ fil = \"/a\" }]", "4:20: secrets[0].fil: unknown key; did you mean \"file\"?"),
        ("headers = { Host = \"x\" }", "4:20: headers.Host: paytriage sets this header itself"),
        ("headers = { \"Webhook-Id\" = \"x\" }", "4:28: headers.Webhook-Id: paytriage sets this header itself"),
        ("headers = { \"a b\" = \"x\" }", "4:21: headers.\"a b\": \"a b\" cannot be the name of a header"),
        ("headers = { X = \"支\" }", "4:17: headers.X: a header's value has printable ASCII characters only"),
        ("tls.cert = \"/c\"", "4:1: tls.key: missing; cert needs it"),
        ("tls.key = \"/c\"", "4:1: tls.cert: missing; key needs it"),
        ("tls.cer = \"/c\"", "4:5: tls.cer: unknown key; did you mean \"cert\"?"),
        ("proxy = \"proxy:3128\"", "4:9: proxy: a proxy's URL begins with http://, https://, socks5:// or socks5h://"),
        ("template = \"/t\"", "4:12: template: only of use with format = \"template\"; remove it"),
        ("format = \"template\"", "1:1: template: missing; give the file of the template"),
        ("format = \"pagerduty\"", "1:1: secret_file: missing; PagerDuty needs the integration's routing key"),
        (
            "format = \"pagerduty\"\nsecret_env = \"K\"\nmax_batch = 2",
            "6:13: max_batch: PagerDuty takes one at a time; remove it",
        ),
        (
            "format = \"feishu\"",
            "3:7: url: whoever knows this URL can post, and this file is shown and copied; put the URL into a file of its own and name that in url_file",
        ),
    ];
    for (lines, expected) in table {
        let found: Vec<String> =
            problems(&webhook(lines)).iter().map(|line| line.replace("sink.webhook[0].", "")).collect();
        assert_eq!(found, [*expected], "{lines}");
    }
}

#[test]
fn each_problem_of_the_url_is_told_with_its_place_and_remedy() {
    let http = "plain http shows what is sent to everybody on the way; use https, or set allow_http = true where the \
                network is trusted";
    let table: &[(&str, String)] = &[
        ("", "1:1: url: missing; give url, url_file, url_credential or url_env".into()),
        ("url = \"http://hooks.example/\"", format!("3:7: url: {http}")),
        ("url = \"hooks.example\"", "3:7: url: not a URL; write it as https://host/path".into()),
        ("url = 5", "3:7: url: expected a URL, found an integer".into()),
        ("url = \"http://localhost/\"\nproxy = \"http://p:1\"", "4:9: proxy: a proxy would look for this host's own address on itself; remove it".into()),
        ("format = \"slack\"\nurl_file = \"/u\"\nsecret_file = \"/k\"", "5:15: secret_file: this chat knows no signatures: its URL is the secret; remove it, and keep the URL in url_file".into()),
        ("format = \"feishu\"\nurl_file = \"/u\"\nsecrets = [{ env = \"A\" }, { env = \"B\" }]", "5:11: secrets: requests of this format carry one secret only; keep the newest".into()),
    ];
    for (lines, expected) in table {
        let found: Vec<String> =
            problems(&bare(lines)).iter().map(|line| line.replace("sink.webhook[0].", "")).collect();
        assert_eq!(found, [expected.as_str()], "{lines}");
    }
}

/// Every place that a secret could be written to by mistake.
#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for lines in [
        "secret = \"whsec_QUJDREVG\"",
        "secret_file = \"whsec_QUJDREVG\"",
        "secret_env = \"whsec_QUJDREVG\"",
        "secret_env = \"QUJDREVG=\"",
        "secret_credential = \"whsec_QUJDREVG\"",
        "secret_credential = \"a/QUJDREVG\"",
        "secrets = [\"QUJDREVG\"]",
        "secrets = [{ file = \"whsec_QUJDREVG\" }]",
        "secret_headers = { Authorization = \"Bearer QUJDREVG\" }",
        "headers = { Authorization = \"Bearer QUJDREVG\" }",
        "headers = { \"X-Auth-Token\" = \"QUJDREVG\" }",
        "proxy = \"http://me:QUJDREVG@proxy:3128\"",
        "proxy = \"QUJDREVG\"",
    ] {
        let found = problems(&webhook(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(!found[0].contains("QUJDREVG"), "{found:?}");
    }
    for url in [
        "https://me:QUJDREVG@hooks.example/",
        "https://hooks.example/?access_token=QUJDREVG",
        "https://hooks.example/?key=QUJDREVG",
        "ftp://hooks.example/QUJDREVG",
        "QUJDREVG",
        "http://hooks.example/QUJDREVG",
    ] {
        let found = problems(&bare(&format!("url = \"{url}\"")));
        assert_eq!(found.len(), 1, "{url}: {found:?}");
        assert!(!found[0].contains("QUJDREVG"), "{found:?}");
    }
    let told = problems(&webhook("secret = \"x\""));
    assert_eq!(
        told,
        [
            "4:1: sink.webhook[0].secret: a secret does not belong into this file, which is shown and copied; write it to a \
             file and name that in secret_file, or use secret_credential or secret_env"
        ]
    );
}

#[test]
fn names_are_unique_and_not_that_of_standard_output() {
    let text = webhook("") + &webhook("");
    assert_eq!(
        problems(&text),
        ["6:8: sink.webhook[1].name: sink.webhook[0] has this name already; give every sink a name of its own"]
    );
    let text = webhook("").replace("own", "stdout");
    assert_eq!(
        problems(&text),
        ["2:8: sink.webhook[0].name: standard output is called \"stdout\"; choose another name"]
    );
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = valid(&webhook(""));
    let expected = Webhook {
        name: "own".into(),
        url: Secret::Plain("https://hooks.example/x".into()),
        notify: Notify::Incident,
        format: Format::Json,
        secrets: Vec::new(),
        filter: Filter::default(),
        headers: BTreeMap::new(),
        secret_headers: BTreeMap::new(),
        timeout: Duration::from_secs(15),
        max_batch: 100,
        max_age: Duration::from_secs(7 * 24 * 3600),
        tls: Tls::default(),
        proxy: None,
        allow_http: false,
        allow_metadata: false,
    };
    assert_eq!(config.webhooks, [expected]);
    assert_eq!(config.stdout.notify, Notify::Event);
    let pager = valid(&bare("format = \"pagerduty\"\nsecret_env = \"K\""));
    assert_eq!(pager.webhooks[0].max_batch, 1);
    assert_eq!(pager.webhooks[0].url, Secret::Plain("https://events.pagerduty.com/v2/enqueue".into()));
}

#[test]
fn values_of_a_webhook_are_taken_as_written() {
    let lines = "format = \"dingtalk\"\nurl_credential = \"robot\"\nsecrets = [{ env = \"SIGN\" }]\nallow_http = true\n\
                 secret_headers = { X-Key = { credential = \"k\" } }\nproxy = { file = \"/p\" }\ncodes = [\"ACQ.*\"]";
    let webhook = &valid(&bare(lines)).webhooks[0];
    assert_eq!(webhook.url, Secret::Credential("robot".into()));
    assert_eq!(webhook.secrets, [Secret::Env("SIGN".into())]);
    assert_eq!(webhook.secret_headers["X-Key"], Secret::Credential("k".into()));
    assert_eq!(webhook.proxy, Some(Secret::File("/p".into())));
    assert_eq!(webhook.filter.codes, ["ACQ.*"]);
    for url in ["http://127.0.0.1:9/hook", "http://[::1]/", "http://localhost/"] {
        let text = bare(&format!("url = \"{url}\"\nformat = \"slack\""));
        assert_eq!(valid(&text).webhooks[0].url, Secret::Plain(url.into()), "this host needs no more");
    }
    assert!(valid(&bare("url = \"http://10.0.0.7/\"\nallow_http = true")).webhooks[0].allow_http);
}

fn any_place() -> impl Strategy<Value = Secret> {
    prop_oneof![
        plain_text().prop_map(|path| Secret::File(path.into())),
        "[a-z.]{0,8}x".prop_map(Secret::Credential),
        "[A-Z_][A-Z0-9_]{0,8}".prop_map(Secret::Env),
    ]
}

fn any_format() -> impl Strategy<Value = Format> {
    let template = plain_text().prop_map(|file| {
        Format::Template(Template { file: file.into(), content_type: "text/plain; charset=utf-8".into() })
    });
    let signed = [Format::Json, Format::CloudEvents, Format::Alertmanager, Format::AlertmanagerAlerts].to_vec();
    prop_oneof![prop::sample::select(signed), template]
}

pub(super) fn any_webhook() -> impl Strategy<Value = Webhook> {
    let url = prop_oneof![any_place(), "https://[a-z]{1,8}\\.example/[a-z]{0,4}".prop_map(Secret::Plain)];
    let places = proptest::collection::vec(any_place(), 0..3);
    let headers = proptest::collection::btree_map("X-[a-z]{1,5}", "[ -~]{0,9}", 0..3);
    let secret_headers = proptest::collection::btree_map("X-[a-z]{1,5}", any_place(), 0..3);
    let proxy = prop::option::of(prop_oneof![any_place(), Just(Secret::Plain("http://proxy:3128".into()))]);
    let path = || prop::option::of(plain_text().prop_map(PathBuf::from));
    let filter = (
        prop::sample::select(parse::SEVERITIES),
        proptest::collection::vec("[A-Z._]{1,8}\\*?", 0..3),
        proptest::collection::btree_map(any::<String>(), any::<String>(), 0..2),
    );
    let words = (prop::sample::select(parse::NOTIFY), any_format(), any::<[bool; 2]>());
    let numbers = (1_000..=60_000_u64, 1..=1000_usize, 1..u64::from(u32::MAX));
    (plain_text(), url, places, (headers, secret_headers, proxy), (path(), path()), filter, words, numbers).prop_map(
        |(name, url, secrets, (headers, secret_headers, proxy), (ca, cert), filter, words, numbers)| {
            let (min_severity, codes, labels) = filter;
            let (notify, format, [allow_http, allow_metadata]) = words;
            let (timeout_ms, max_batch, age_ms) = numbers;
            Webhook {
                name: name.trim().to_owned(),
                url,
                notify: notify.1,
                format,
                secrets,
                filter: Filter { min_severity: min_severity.1, providers: vec!["alipay".into()], codes, labels },
                headers,
                secret_headers,
                timeout: Duration::from_millis(timeout_ms),
                max_batch,
                max_age: Duration::from_millis(age_ms),
                tls: Tls { ca, key: cert.clone(), cert },
                proxy,
                allow_http,
                allow_metadata,
            }
        },
    )
}
