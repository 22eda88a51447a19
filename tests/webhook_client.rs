//! The client against receivers that misbehave: what is sent, what comes back, and what the errors say and do not say.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use paytriage::config::{Filter, Format, Notify, Secret, Tls, Webhook};
use paytriage::deliver::webhook::client::{Answer, Client, Kind, MAX_ANSWER, Outgoing, SendError};
use rustls::ServerConfig;
use tempfile::TempDir;

use crate::authority::{Authority, Clients, Validity};
use crate::receiver::{Receiver, Reply, Step};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A part of URLs that no error may show.
const PATH: &str = "/hook/T0PSECRET?q=T0PSECRET";

fn sink(url: String) -> Webhook {
    Webhook {
        name: "own".into(),
        url: Secret::Plain(url),
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
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn attempt(client: &Client) -> Result<Answer, SendError> {
    let headers = [("x-rendered".to_owned(), "yes".to_owned())];
    let content_type = "application/json";
    let body = br#"{"schema":"paytriage.incident/1"}"#;
    client.send(Outgoing { id: "msg_1", content_type, headers: &headers, body, now: Timestamp::now() }).await
}

fn send(sink: &Webhook) -> Result<Answer, SendError> {
    let client = Client::new(sink).unwrap();
    run(attempt(&client))
}

/// The kind of a failure and its text behind the receiver's address.
fn failure(sink: &Webhook) -> (Kind, String) {
    let error = send(sink).expect_err("a failure");
    assert!(!error.text.contains("T0PSECRET"), "{error}");
    let (shown, text) = error.text.split_once(": ").expect("a receiver and a text");
    assert!(shown.starts_with("http"), "{error}");
    (error.kind, text.to_owned())
}

fn refused_at_start(sink: &Webhook) -> String {
    let error = Client::new(sink).expect_err("a refusal");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("T0PSECRET"), "{text}");
    error.to_string()
}

#[test]
fn a_request_carries_all_it_should() {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "Bearer T0PSECRET\n").unwrap();
    let mut sink = sink(receiver.url(PATH));
    sink.secrets = vec![Secret::Plain(KEY.into()), Secret::Plain("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".into())];
    sink.headers = [("X-Team".to_owned(), "payments".to_owned())].into();
    sink.secret_headers = [("Authorization".to_owned(), Secret::File(dir.path().join("token")))].into();
    let answer = send(&sink).unwrap();
    assert_eq!((answer.status, answer.retry_after, answer.body), (200, None, Vec::new()));
    let [request] = &receiver.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", PATH));
    for (name, value) in [
        ("host", receiver.address().to_string().as_str()),
        ("content-type", "application/json"),
        ("user-agent", concat!("paytriage/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "msg_1"),
        ("x-rendered", "yes"),
        ("x-team", "payments"),
        ("authorization", "Bearer T0PSECRET"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.body, br#"{"schema":"paytriage.incident/1"}"#);
    assert!(request.is_signed_with(KEY));
    assert!(request.is_signed_with("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
    assert!(!request.is_signed_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
}

#[test]
fn chats_and_pagers_get_their_secrets_where_they_look_for_them() {
    let receiver = Receiver::start();
    let sign = |format: Format, path: &str| {
        let mut sink = sink(receiver.url(path));
        (sink.format, sink.secrets) = (format, vec![Secret::Plain("S3CRET".into())]);
        send(&sink).unwrap();
        receiver.requests().pop().unwrap()
    };
    let dingtalk = sign(Format::DingTalk, "/robot/send?access_token=1");
    assert!(dingtalk.target.starts_with("/robot/send?access_token=1&timestamp="), "{}", dingtalk.target);
    let sign_at = dingtalk.target.find("&sign=").expect("a sign") + "&sign=".len();
    assert!(!dingtalk.target[sign_at..].contains(['+', '/', '=']), "{}", dingtalk.target);
    assert_eq!(dingtalk.header("webhook-id"), None);
    let field = |body: &[u8], name: &str| serde_json::from_slice::<serde_json::Value>(body).unwrap()[name].clone();
    let feishu = sign(Format::Feishu, "/");
    assert!(field(&feishu.body, "sign").is_string() && field(&feishu.body, "timestamp").is_string());
    let pagerduty = sign(Format::PagerDuty, "/");
    assert_eq!(field(&pagerduty.body, "routing_key"), "S3CRET");
    assert_eq!(field(&pagerduty.body, "schema"), "paytriage.incident/1");
}

#[test]
fn every_status_is_an_answer_and_redirects_are_not_followed() {
    let receiver = Receiver::start();
    let elsewhere = Receiver::start();
    let client = Client::new(&sink(receiver.url(PATH))).unwrap();
    receiver.then([
        Step::body(400, "no"),
        Step::header(503, "Retry-After", "120"),
        Step::header(429, "Retry-After", "Mon, 23 Nov 2026 10:00:00 GMT"),
        Step::Answer(Reply { status: 307, headers: vec![("Location", elsewhere.url("/"))], body: b"there".to_vec() }),
        Step::status(410),
    ]);
    let answers = run(async {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let Answer { status, retry_after, body, .. } = attempt(&client).await.unwrap();
            answers.push((status, retry_after, String::from_utf8(body).unwrap()));
        }
        answers
    });
    let expected = [
        (400, None, "no"),
        (503, Some("120"), ""),
        (429, Some("Mon, 23 Nov 2026 10:00:00 GMT"), ""),
        (307, None, "there"),
        (410, None, ""),
    ];
    assert_eq!(answers, expected.map(|(status, after, body)| (status, after.map(str::to_owned), body.to_owned())));
    assert_eq!(elsewhere.requests().len(), 0);
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.connection == 0), "the connection is kept");
    assert!(requests.is_sorted_by_key(|request| request.at));
}

#[test]
fn an_endless_answer_is_read_to_its_limit() {
    let receiver = Receiver::start();
    receiver.then([Step::Endless]);
    let answer = send(&sink(receiver.url(PATH))).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, MAX_ANSWER));
}

#[test]
fn receivers_that_do_not_answer_in_time_are_given_up() {
    let receiver = Receiver::start();
    let mut sink = sink(receiver.url(PATH));
    sink.timeout = Duration::from_millis(200);
    for (n, step) in [Step::Hang, Step::Drip(Duration::from_millis(20))].into_iter().enumerate() {
        receiver.then([step]);
        assert_eq!(failure(&sink), (Kind::Timeout, "no complete answer within 0.2 s".into()));
        assert_eq!(receiver.wait_for(n + 1).len(), n + 1, "it was sent, once");
    }
}

#[test]
fn answers_that_break_off_are_failures() {
    let receiver = Receiver::start();
    let sink = sink(receiver.url(PATH));
    let reset = "the connection was closed before the answer was complete";
    for step in [Step::Close, Step::Reset] {
        receiver.then([step.clone()]);
        assert_eq!(failure(&sink), (Kind::Reset, reset.into()), "{step:?}");
    }
    receiver.then([Step::Garbage]);
    let (kind, text) = failure(&sink);
    assert!(kind == Kind::Protocol && text.starts_with("the answer is not HTTP: "), "{kind:?} {text}");
}

#[test]
fn a_receiver_that_is_away_is_reached_again() {
    let mut receiver = Receiver::start();
    let client = Client::new(&sink(receiver.url(PATH))).unwrap();
    run(async {
        attempt(&client).await.unwrap();
        receiver.refuse();
        let error = attempt(&client).await.expect_err("nobody listens");
        assert!(matches!(error.kind, Kind::Connect | Kind::Reset), "{error:?}");
        let error = attempt(&client).await.expect_err("nobody listens");
        let expected = format!("http://{}: no connection: Connection refused (os error 111)", receiver.address());
        assert_eq!((error.kind, error.text), (Kind::Connect, expected));
        receiver.resume();
        assert_eq!(attempt(&client).await.map(|answer| answer.status), Ok(200));
        for _ in 0..200 {
            receiver.resume();
            assert_eq!(
                attempt(&client).await.map(|answer| answer.status),
                Ok(200),
                "a kept connection has ended meanwhile"
            );
        }
    });
}

#[test]
fn a_name_without_an_address_is_told() {
    let (kind, text) = failure(&sink(format!("https://receiver.invalid{PATH}")));
    assert_eq!(kind, Kind::Dns);
    assert!(
        text.starts_with("the name has no address: ") && text.ends_with("check the URL and this host's DNS"),
        "{text}"
    );
}

/// A receiver with TLS and a sink that trusts its authority.
fn with_tls(dir: &TempDir, authority: &Authority, config: Arc<ServerConfig>) -> (Receiver, Webhook) {
    let receiver = Receiver::with_tls(config);
    let mut sink = sink(receiver.url(PATH));
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    sink.tls.ca = Some(ca);
    (receiver, sink)
}

#[test]
fn an_authority_of_ones_own_is_trusted() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    let server = authority.server("127.0.0.1", &Validity::Now, &Clients::All);
    let (receiver, sink) = with_tls(&dir, &authority, server);
    assert_eq!(send(&sink).map(|answer| answer.status), Ok(200));
    assert_eq!(receiver.requests()[0].target, PATH);
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_apart() {
    let (dir, authority, stranger) = (tempfile::tempdir().unwrap(), Authority::new("ours"), Authority::new("another"));
    for (server, expected) in [
        (
            authority.server("127.0.0.1", &Validity::Expired, &Clients::All),
            "the receiver's certificate expired on 2020-01-01; it has to be renewed there",
        ),
        (
            authority.server("127.0.0.1", &Validity::Later, &Clients::All),
            "the receiver's certificate is valid only later on 3000-01-01; check this host's clock",
        ),
        (
            authority.server("other.example", &Validity::Now, &Clients::All),
            "the receiver's certificate is for another name; check the URL's host",
        ),
        (
            stranger.server("127.0.0.1", &Validity::Now, &Clients::All),
            "the receiver's certificate is signed by itself, or by an authority that this host does not know: name that one's \
             certificate in tls.ca; or the receiver does not send the authorities in between",
        ),
    ] {
        let (receiver, sink) = with_tls(&dir, &authority, server);
        assert_eq!(failure(&sink), (Kind::Tls, expected.into()));
        assert_eq!(receiver.requests().len(), 0);
    }
}

#[test]
fn a_certificate_that_signed_itself_is_good_in_tls_ca_unless_it_is_an_authoritys() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    for (is_ca, not_named, named) in [
        (
            true,
            "is that of an authority (CA:TRUE",
            Some("-addext basicConstraints=critical,CA:FALSE and name it in tls.ca"),
        ),
        (false, "is signed by itself, or by an authority that this host does not know", None),
    ] {
        let (server, pem) = Authority::alone(is_ca);
        let (_receiver, sink) = with_tls(&dir, &authority, server);
        let (kind, text) = failure(&sink);
        assert!(kind == Kind::Tls && text.contains(not_named), "{text}");
        fs::write(sink.tls.ca.as_ref().unwrap(), pem).unwrap();
        match named {
            Some(what) => assert!(failure(&sink).1.contains(what)),
            None => assert_eq!(send(&sink).map(|answer| answer.status), Ok(200)),
        }
    }
}

#[test]
fn a_proxy_of_the_environment_is_told_where_it_could_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, Authority::new("ours").pem()).unwrap();
    let client = |url: &str, proxy: Option<&str>| {
        let mut sink = Webhook { proxy: proxy.map(|proxy| Secret::Plain(proxy.into())), ..sink(url.into()) };
        sink.tls.ca = Some(ca.clone());
        Client::new(&sink).unwrap()
    };
    let of = |client: &Client, set: &str| client.unused_proxy(|name| name == set);
    let plain = client("https://receiver.example/hook", None);
    assert_eq!(of(&plain, "HTTPS_PROXY"), Some("HTTPS_PROXY"));
    assert_eq!(of(&plain, "all_proxy"), Some("all_proxy"));
    assert_eq!(of(&plain, "HTTP_PROXY"), None);
    assert_eq!(of(&client("https://receiver.example/hook", Some("http://proxy.example:1")), "HTTPS_PROXY"), None);
    assert_eq!(of(&client("http://127.0.0.1/hook", None), "HTTPS_PROXY"), None);
}

#[test]
fn an_authority_that_was_made_anew_is_told() {
    let (dir, before, after) = (tempfile::tempdir().unwrap(), Authority::new("ours"), Authority::new("ours"));
    let server = after.server("127.0.0.1", &Validity::Now, &Clients::All);
    let (_receiver, sink) = with_tls(&dir, &before, server);
    let expected =
        "the receiver's certificate is not signed by the authority that it names; is the one in tls.ca an old one?";
    assert_eq!(failure(&sink), (Kind::Tls, expected.into()));
}

#[test]
fn tls_at_a_port_without_it_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = sink(format!("https://{}{PATH}", listener.local_addr().unwrap()));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.pem"), Authority::new("ours").pem()).unwrap();
    sink.tls.ca = Some(dir.path().join("ca.pem"));
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Until the client is gone: closing earlier could tear down what it has not read.
        connection.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    assert_eq!(failure(&sink), (Kind::Tls, "no TLS is spoken at this port; is the URL's port right?".into()));
    server.join().unwrap();
}

#[test]
fn a_client_certificate_is_shown_to_who_asks() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    let server = authority.server("127.0.0.1", &Validity::Now, &Clients::Certified);
    let (_receiver, mut sink) = with_tls(&dir, &authority, server);
    let (kind, text) = failure(&sink);
    assert!(kind == Kind::Tls && text.ends_with("set tls.cert and tls.key"), "{kind:?} {text}");
    let (certificate, key) = authority.client();
    for (name, pem) in [("client.pem", certificate), ("client.key", key)] {
        fs::write(dir.path().join(name), pem).unwrap();
    }
    sink.tls.cert = Some(dir.path().join("client.pem"));
    sink.tls.key = Some(dir.path().join("client.key"));
    assert_eq!(send(&sink).map(|answer| answer.status), Ok(200));
    let (_, other_key) = authority.client();
    fs::write(dir.path().join("client.key"), other_key).unwrap();
    let refused = refused_at_start(&sink);
    assert!(
        refused.starts_with("sink \"own\": tls.key: ") && refused.contains("does not belong to the certificate"),
        "{refused}"
    );
    // As `openssl x509 -req` makes it without extensions.
    for (name, pem) in [("client.pem", OLD_CERTIFICATE), ("client.key", OLD_KEY)] {
        fs::write(dir.path().join(name), pem).unwrap();
    }
    let refused = refused_at_start(&sink);
    assert!(refused.starts_with("sink \"own\": tls.cert: ") && refused.contains("X.509 version 1"), "{refused}");
}

#[test]
fn a_proxy_is_used_with_its_password() {
    let (proxy, dir) = (Receiver::start(), tempfile::tempdir().unwrap());
    let file = dir.path().join("proxy");
    fs::write(&file, format!("http://me:T0PSECRET@{}", proxy.address())).unwrap();
    let mut sink = sink("http://receiver.invalid/hook".into());
    (sink.allow_http, sink.proxy) = (true, Some(Secret::File(file.clone())));
    assert_eq!(send(&sink).map(|answer| answer.status), Ok(200));
    let request = &proxy.requests()[0];
    assert_eq!(request.target, "http://receiver.invalid/hook");
    assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6VDBQU0VDUkVU"));
    sink.url = Secret::Plain(format!("https://receiver.invalid{PATH}"));
    proxy.then([Step::status(407), Step::status(502)]);
    let through = format!("no connection through the proxy http://{}: ", proxy.address());
    for reason in ["tunnel error: proxy authorization required", "tunnel error: unsuccessful"] {
        assert_eq!(failure(&sink), (Kind::Proxy, format!("{through}{reason}")));
    }
    assert_eq!(proxy.requests()[1].target, "receiver.invalid:443");
    fs::write(&file, format!("http://me:T0PSECRET@127.0.0.1:{}", free_port())).unwrap();
    let (kind, text) = failure(&sink);
    assert!(
        kind == Kind::Proxy && text.starts_with("no connection through the proxy http://127.0.0.1:"),
        "{kind:?} {text}"
    );
}

/// The same program again, as these variables are read when a process begins to send.
#[test]
fn the_proxy_of_the_environment_is_not_used() {
    let elsewhere = format!("http://127.0.0.1:{}", free_port());
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "webhook_client::a_request_carries_all_it_should"])
        .envs(variables.map(|name| (name, elsewhere.as_str())))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn what_must_not_be_reached_is_refused_before_anything_is_sent() {
    for (url, allow_http, expected) in [
        ("https://169.254.169.254/T0PSECRET", false, "url: 169.254.169.254 is a cloud's metadata service"),
        ("https://[::ffff:169.254.169.254]/", false, "url: ::ffff:169.254.169.254 is a cloud's metadata service"),
        ("https://2852039166/", false, "url: 169.254.169.254 is a cloud's metadata service"),
        ("http://169.254.0.9/", true, "url: 169.254.0.9 is link-local"),
        ("https://0.0.0.0/", false, "url: 0.0.0.0 is not the address of any host"),
        ("http://10.0.0.7/T0PSECRET", false, "url: plain http shows what is sent"),
        ("https://me:T0PSECRET@10.0.0.7/", false, "url: the URL has a name or password"),
        ("T0PSECRET", false, "url: not a URL"),
    ] {
        let mut sink = sink(url.into());
        sink.allow_http = allow_http;
        let refused = refused_at_start(&sink);
        assert!(refused.starts_with(&format!("sink \"own\": {expected}")), "{url}: {refused}");
    }
}

#[test]
fn secrets_that_are_none_are_told_with_their_key() {
    let mut sink = sink("https://10.0.0.7/".into());
    sink.secrets = vec![Secret::Plain(KEY.into()), Secret::Plain("T0PSECRET".into())];
    let refused = refused_at_start(&sink);
    assert!(refused.starts_with("sink \"own\": secrets[1]: is no signing key"), "{refused}");
    sink.secrets = vec![Secret::File("/nonexistent/key".into())];
    let refused = refused_at_start(&sink);
    assert!(refused.starts_with("sink \"own\": secret_file: /nonexistent/key: cannot be read: "), "{refused}");
    sink.secrets.clear();
    sink.url = Secret::Credential("none".into());
    assert!(refused_at_start(&sink).starts_with("sink \"own\": url_credential: credential none: "));
}

/// Signed by itself, of X.509 version 1.
const OLD_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBFzCBvwIUNF4ao6EIOH8nv8RVlvIV+7UksgwwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTIwMTAwNDkxMVoYDzIxMjYxMTA3MDA0OTExWjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQIzXofew79cjfX
mDpGbfWRTChA+ANh+d+KU7d2FveL6ZnXtSfie4ZWx5a1accM5fz1l1+LHzw0+UkC
4yg9vIAoMAoGCCqGSM49BAMCA0cAMEQCID5mlcJjVLedMnCWblrc2n2Ku7r9nuSr
vq1V/cUUstCIAiAJM6WQNgHwO9HQ+jBFTekrRFzQHP+J2cTQgdyLrmqoZQ==
-----END CERTIFICATE-----
";
const OLD_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgr0k0dG4q+n03UdQ6
ok3oY2OFw5YxFbnsW3kGyPK+gCWhRANCAAQIzXofew79cjfXmDpGbfWRTChA+ANh
+d+KU7d2FveL6ZnXtSfie4ZWx5a1accM5fz1l1+LHzw0+UkC4yg9vIAo
-----END PRIVATE KEY-----
";
