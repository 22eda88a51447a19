//! The API over HTTP, asked as its users ask: pages, filters, languages, tokens, and questions that nobody should ask.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli_env::Env;
use crate::daemon::{Daemon, append, eventually, failure, number, rename, run};
use crate::run_control::free_address;

const ARGS: &[&str] = &["--config", "p.toml"];
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What answers have to be, by the name of their definition.
fn is_of_schema(name: &str, answer: &Value) -> bool {
    let mut schema: Value = serde_json::from_str(include_str!("../data/schema/api.v1.json")).unwrap();
    assert!(schema["$defs"][name].is_object(), "{name}");
    schema.as_object_mut().unwrap().remove("oneOf");
    schema["$ref"] = format!("#/$defs/{name}").into();
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    validator.is_valid(answer)
}

/// The definition of what a path answers.
fn definition(path: &str) -> &'static str {
    match path.split('?').next().unwrap().split('/').skip(3).collect::<Vec<_>>()[..] {
        ["status"] => "status",
        ["files"] => "files",
        ["events"] => "events",
        ["incidents"] => "incidents",
        ["incidents", _] => "incident",
        ["catalog"] => "catalog",
        ["catalog", _] => "entry",
        _ => panic!("{path}"),
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A daemon that answers.
pub struct Server {
    pub env: Env,
    daemon: Daemon,
    address: SocketAddr,
}

impl Server {
    /// Follows `logs/`, with these lines in `[http]` and below.
    pub fn new(more: &str) -> Server {
        let env = Env::new();
        env.write("logs/app.log", "");
        let address = free_address();
        configure(&env, &format!("listen = \"{address}\"\n{more}"));
        Server { daemon: run(&env, ARGS), env, address }
    }

    fn send(&self, request: &str) -> Answer {
        send(self.address, request)
    }

    fn get_with(&self, path: &str, headers: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// The body of a question that is answered.
    #[track_caller]
    fn ask(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let json = answer.json();
        assert!(is_of_schema(definition(path), &json), "{path}: {json}");
        json
    }

    /// All of what is below `key` on all pages.
    fn all_pages(&self, path: &str, key: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.ask(&format!("{path}{cursor}"));
            all.extend(page[key].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    pub fn fail(&mut self, numbers: std::ops::Range<usize>) {
        let n = numbers.len();
        append(&self.env, "logs/app.log", &numbers.map(failure).collect::<String>());
        self.daemon.numbers(n);
    }
}

fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that refuses what it has not read in full may tear the connection down after its answer.
    let read = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{read:?}: {text:?}"));
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: headers.to_owned(), body: body.to_owned() }
}

fn configure(env: &Env, http: &str) {
    let dir = env.path("");
    let (logs, state) = (dir.join("logs/*.log"), dir.join("state"));
    let source = format!("[[source]]\nname = \"shop\"\npaths = [{logs:?}]\nstart_at = \"beginning\"\n");
    env.write("p.new", format!("{source}[state]\ndir = {state:?}\n[http]\n{http}\n"));
    rename(env, "p.new", "p.toml");
}

fn token_file(env: &Env, token: &str) {
    env.write("token", format!("{token}\n"));
    fs::set_permissions(env.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn with_token() -> Server {
    let env = Env::new();
    env.write("logs/app.log", "");
    token_file(&env, TOKEN);
    let address = free_address();
    configure(&env, &format!("listen = \"{address}\"\ntoken_file = {:?}", env.path("token")));
    Server { daemon: run(&env, ARGS), env, address }
}

fn ten_thousand() -> impl Iterator<Item = usize> {
    (1..10_001).rev()
}

#[test]
fn ten_thousand_events_are_there_in_pages_after_they_were_delivered_and_after_a_restart() {
    let mut server = Server::new("");
    server.fail(0..10_001);
    let first = server.ask("/api/v1/events");
    assert_eq!(first["events"].as_array().unwrap().len(), 50, "no more unless somebody asks");
    let (_, newest) = (first["next"].as_str().unwrap(), &first["events"][0]);
    assert_eq!(number(newest), 10_000);
    let pages = server.all_pages("/api/v1/events?limit=500", "events");
    assert!(pages.iter().map(number).eq(ten_thousand()), "{}", pages.len());
    let one = server.ask("/api/v1/events?order=N000007,N000003");
    assert_eq!(one["events"].as_array().unwrap().iter().map(number).collect::<Vec<_>>(), [7, 3]);
    assert!(one.get("next").is_none(), "{one}");
    assert!(server.daemon.stop().success());
    server.daemon = run(&server.env, ARGS);
    let after = server.all_pages("/api/v1/events?limit=499", "events");
    assert!(after == pages, "a restart forgets nothing");
}

#[test]
fn events_are_filtered_by_what_is_asked() {
    let mut server = Server::new("");
    server.fail(0..3);
    append(
        &server.env,
        "logs/app.log",
        "2026-07-01 12:00:01 ERROR wechat pay failed err_code=NOTENOUGH out_trade_no=W0000001\n",
    );
    let other = server.daemon.event();
    let n = |query: &str| server.ask(&format!("/api/v1/events?{query}"))["events"].as_array().unwrap().len();
    for (query, expected) in [
        ("", 4),
        ("code=ACQ.TRADE_HAS_SUCCESS", 3),
        ("code=ACQ.*", 3),
        ("code=alipay.acq.trade-has-success", 3),
        ("code=ACQ", 0),
        ("code=NOTENOUGH,ACQ.TRADE_HAS_SUCCESS", 4),
        ("provider=wechatpay", 1),
        ("provider=alipay,wechatpay", 4),
        ("provider=unionpay", 0),
        ("source=shop", 4),
        ("source=other", 0),
        ("order=W0000001", 1),
        ("order=N000001&code=NOTENOUGH", 0),
        ("since=1h", 4),
        ("since=2036-01-01", 0),
        ("since=2026-07-01T12:00:00%2B08:00", 4),
        ("severity=info,warning,error,critical", 4),
    ] {
        assert_eq!(n(query), expected, "{query}");
    }
    let severity = other["severity"].as_str().unwrap();
    let same: Vec<Value> = server.all_pages(&format!("/api/v1/events?severity={severity}"), "events");
    assert!(same.contains(&other) && same.iter().all(|event| event["severity"] == severity), "{same:?}");
}

#[test]
fn incidents_are_told_with_what_would_be_said_of_them_now() {
    let mut server = Server::new("[sink.stdout]\nnotify = \"event\"");
    append(
        &server.env,
        "logs/app.log",
        &(0..30).map(|n| failure(n).replace("ACQ.TRADE_HAS_SUCCESS", "ACQ.SYSTEM_ERROR")).collect::<String>(),
    );
    server.daemon.numbers(30);
    let mut listed = Value::Null;
    eventually("an incident is open", || {
        listed = server.ask("/api/v1/incidents?state=open,silenced");
        listed["total"] == 1 && listed["incidents"][0]["notice"]["count"] == 30
    });
    let incident = &listed["incidents"][0];
    let notice = &incident["notice"];
    let schema: Value = serde_json::from_str(paytriage::incident::INCIDENT_JSON_SCHEMA).unwrap();
    let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    assert!(schema.is_valid(notice), "{notice}");
    let id = incident["id"].as_str().unwrap();
    assert_eq!((&notice["code"], &notice["incident"]), (&"ACQ.SYSTEM_ERROR".into(), &id.into()));
    assert_eq!(server.ask(&format!("/api/v1/incidents/{id}"))["notice"]["samples"], notice["samples"]);
    let zh = server.get_with(&format!("/api/v1/incidents/{id}"), "Accept-Language: zh-CN\r\n").json();
    assert_ne!(zh["notice"]["title"], notice["title"]);
    for (query, expected) in [
        ("state=open", 1),
        ("state=resolved", 0),
        ("code=ACQ.*&provider=alipay&source=shop", 1),
        ("provider=wechatpay", 0),
        ("source=other", 0),
        ("since=2026-06-01", 1),
        ("since=2036-01-01", 0),
        ("severity=info", 0),
    ] {
        assert_eq!(server.ask(&format!("/api/v1/incidents?{query}"))["total"], expected, "{query}");
    }
    assert_eq!(server.get("/api/v1/incidents/none").status, 404);
}

#[test]
fn an_incident_that_is_over_is_told_for_a_while() {
    let mut server =
        Server::new("[incident]\nresolve_after = \"1s\"\nbatch_wait = \"1s\"\n[sink.stdout]\nnotify = \"incident\"");
    let lines = (0..30).map(|n| failure(n).replace("ACQ.TRADE_HAS_SUCCESS", "ACQ.SYSTEM_ERROR"));
    append(&server.env, "logs/app.log", &lines.collect::<String>());
    let resolved = |line: String| line.contains("\"status\":\"resolved\"");
    while !resolved(server.daemon.line()) {}
    let listed = server.ask("/api/v1/incidents?state=resolved");
    let notice = &listed["incidents"][0]["notice"];
    assert_eq!((&listed["total"], &notice["status"], &notice["count"]), (&1.into(), &"resolved".into(), &30.into()));
    assert!(notice["resolved_at"].is_string() && notice["reason"] == "quiet", "{notice}");
    let id = listed["incidents"][0]["id"].as_str().unwrap();
    assert!(server.daemon.stop().success());
    server.daemon = run(&server.env, ARGS);
    assert_eq!(server.ask(&format!("/api/v1/incidents/{id}"))["state"], "resolved", "also after a restart");
}

#[test]
fn files_say_how_far_they_are_read() {
    let mut server = Server::new("");
    server.fail(0..3);
    let size = 3 * failure(0).len();
    let ask = |query: &str| server.ask(&format!("/api/v1/files{query}"));
    let mut files = Value::Null;
    eventually("it is read", || {
        files = ask("");
        files["files"][0]["position"] == size
    });
    let file = &files["files"][0];
    assert_eq!(
        (&file["source"], &file["state"], &file["encoding"]),
        (&"shop".into(), &"listed".into(), &"auto".into())
    );
    assert_eq!((&file["size"], &file["lag"], &files["total"]), (&size.into(), &0.into(), &1.into()));
    assert!(file["path"].as_str().unwrap().ends_with("/logs/app.log") && file["last_read"].is_string(), "{file}");
    rename(&server.env, "logs/app.log", "logs/app.log.1");
    append(&server.env, "logs/app.log", &failure(3));
    eventually("both are there", || ask("?state=rotated")["total"] == 1 && ask("?state=listed")["total"] == 1);
    let pages = server.all_pages("/api/v1/files?limit=1", "files");
    assert!(pages.len() == 2 && pages[0] != pages[1], "{pages:?}");
    assert_eq!(ask("?source=other")["total"], 0);
}

#[test]
fn the_catalogue_answers_in_the_language_that_is_asked_for() {
    let server = Server::new("");
    let path = "/api/v1/catalog/alipay.acq.trade-has-success";
    let (en, zh) = (server.get(path), server.get_with(path, "Accept-Language: zh-CN,en;q=0.5\r\n"));
    assert_ne!(en.json()["title"], zh.json()["title"]);
    assert_eq!((en.header("content-language"), zh.header("content-language")), (Some("en"), Some("zh")));
    assert_eq!(server.ask(&format!("{path}?lang=zh")), zh.json());
    let tag = en.header("etag").unwrap();
    let again = server.get_with(path, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(server.get_with(path, "If-None-Match: \"other\"\r\n").status, 200);
    let found = server.ask("/api/v1/catalog?q=Trade_Has+SUCCESS&provider=alipay");
    let ids: Vec<_> = found["entries"].as_array().unwrap().iter().map(|entry| &entry["entry"]).collect();
    assert!(ids.contains(&&"alipay.acq.trade-has-success".into()), "{ids:?}");
    assert!(server.ask("/api/v1/catalog?q=%E6%94%AF%E4%BB%98")["total"].as_u64() > Some(10), "Chinese is found too");
    let all = server.all_pages("/api/v1/catalog?limit=300", "entries");
    assert!(all.len() as u64 == server.ask("/api/v1/catalog")["total"].as_u64().unwrap() && all.len() > 900);
    let none = server.get("/api/v1/catalog/alipay.acq.trade-has-succes");
    assert_eq!(none.status, 404);
    assert!(none.body.contains("did you mean alipay.acq.trade-has-success?"), "{none:?}");
}

#[test]
fn status_says_what_runs_and_what_is_not_as_it_should_be() {
    let sink = "[[sink.webhook]]\nname = \"oncall\"\nurl = \"http://127.0.0.1:9/T0PSECRET\"\nnotify = \"event\"";
    let mut server = Server::new(sink);
    server.fail(0..2);
    let mut status = Value::Null;
    eventually("the attempt has failed", || {
        status = server.ask("/api/v1/status");
        status["sinks"][0]["last_error"].is_string()
    });
    let oncall = &status["sinks"][0];
    assert_eq!((&oncall["name"], &oncall["notify"]), (&"oncall".into(), &"event".into()));
    assert_eq!(oncall["waiting"]["messages"], 2);
    assert!(oncall["waiting"]["oldest"].is_string() && !status.to_string().contains("T0PSECRET"), "{status}");
    assert_eq!((&status["ready"], &status["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(status["state"]["dir"].as_str().unwrap(), server.env.path("state").to_str().unwrap());
    assert_eq!(status["reasons"], Value::Array(vec![]));
}

#[test]
fn what_cannot_be_read_is_named_by_readyz() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let address = free_address();
    let missing = env.path("elsewhere/pay.log");
    env.write(
        "p.toml",
        format!(
            "[[source]]\npaths = [{:?}, {missing:?}]\n[state]\ndir = {:?}\n[http]\nlisten = \"{address}\"\n",
            env.path("logs"),
            env.path("state")
        ),
    );
    let _daemon = run(&env, ARGS);
    eventually("it says so", || {
        let ready = send(address, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let line = format!("{}: nothing there yet", missing.display());
        ready.status == 200 && ready.body.starts_with("ready\n") && ready.body.contains(&line)
    });
}

#[test]
fn a_wrong_question_is_refused_with_the_parameter_named() {
    let server = Server::new("");
    for (path, parameter) in [
        ("/api/v1/events?limit=0", "limit"),
        ("/api/v1/events?limit=501", "limit"),
        ("/api/v1/events?limit=-1", "limit"),
        ("/api/v1/events?limit=99999999999999999999999", "limit"),
        ("/api/v1/events?limit=", "limit"),
        ("/api/v1/events?cursor=x", "cursor"),
        ("/api/v1/events?cursor=1'%20OR%201=1--", "cursor"),
        ("/api/v1/events?since=yesterday", "since"),
        ("/api/v1/events?severity=bad", "severity"),
        ("/api/v1/events?code=", "code"),
        ("/api/v1/events?code=A&code=B", "code"),
        ("/api/v1/events?codes=A", "codes"),
        ("/api/v1/incidents?state=closed", "state"),
        ("/api/v1/incidents?cursor=1", "cursor"),
        ("/api/v1/incidents?lang=de", "lang"),
        ("/api/v1/files?state=gone", "state"),
        ("/api/v1/files?cursor=!!", "cursor"),
        ("/api/v1/files?cursor=AAAA", "cursor"),
        ("/api/v1/catalog?lang=EN", "lang"),
        ("/api/v1/status?x", "x"),
    ] {
        let answer = server.get(path);
        assert!(is_of_schema("error", &answer.json()), "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["parameter"].as_str()), (400, Some(parameter)), "{path}: {answer:?}");
        assert!(error["code"] == "bad_parameter" && error["message"].is_string(), "{answer:?}");
    }
    let many = vec!["A"; 51].join(",");
    assert_eq!(server.get(&format!("/api/v1/events?code={many}")).status, 400);
    let hint = server.get("/api/v1/events?providr=alipay").json();
    assert_eq!(hint["error"]["message"], "unknown parameter; did you mean provider?");
}

#[test]
fn hostile_questions_get_an_answer_of_json_and_nothing_else() {
    let mut server = Server::new("");
    append(
        &server.env,
        "logs/app.log",
        "2026-07-01 12:00:00 ERROR alipay.trade.pay </script><script>alert(1)</script> \u{1b}[31m \u{202e} \
         {\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"N000001\"}\n",
    );
    server.daemon.event();
    for path in [
        "/api/v1/events",
        "/api/v1/events?code=%00%ff%fe",
        "/api/v1/events?order=%3Cscript%3E",
        "/api/v1/events?provider='%20OR%20'1'='1",
        "/api/v1/events?%3Cb%3E=1",
        "/api/v1/catalog?q=%25%27%22%5C%00",
        "/api/v1/catalog/..%2f..%2fetc%2fpasswd",
        "/api/v1/catalog/%ff",
        "/api/v1/incidents/%3Cscript%3E",
        "/api/v1/../../etc/passwd",
        "/%2e%2e/",
        "/<script>",
    ] {
        let answer = server.get(path);
        assert!(matches!(answer.status, 200 | 400 | 404), "{path}: {answer:?}");
        if answer.header("content-type").is_some() {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}: {answer:?}");
            answer.json();
        }
        assert!(!answer.body.contains(['\u{1b}', '\u{202e}']), "{answer:?}");
    }
    let answer = server.get("/api/v1/events");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.headers.to_lowercase().contains("access-control-"), "{answer:?}");
    let long = format!("/api/v1/events?order={}", "x".repeat(9000));
    assert_eq!(server.get(&long).status, 414);
}

#[test]
fn only_questions_are_taken() {
    let server = Server::new("");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer =
            server.send(&format!("{method} /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "method_not_allowed");
    }
    for path in ["/api/v1/events", "/api/v1/status", "/api/v1/catalog", "/metrics", "/healthz"] {
        let head = server.send(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}: {head:?}");
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0, "{head:?}");
    }
    let body = server.get_with("/api/v1/events", "Content-Length: 2\r\n");
    assert_eq!((body.status, &body.json()["error"]["code"]), (413, &"body_not_allowed".into()));
    assert_eq!(server.get_with("/api/v1/events", "Transfer-Encoding: chunked\r\n").status, 413);
    assert_eq!(server.get("/api/v2/events").json()["error"]["code"], "not_found");
}

#[test]
fn a_web_page_whose_name_was_made_to_lead_here_is_refused() {
    let server = Server::new("");
    let ask =
        |path: &str, host: &str| server.send(&format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).status;
    for path in ["/api/v1/events", "/metrics", "/healthz", "/else"] {
        for host in ["Host: evil.example\r\n", "Host: localhost\r\nHost: evil.example\r\n", "Host: 10.1.2.3\r\n"] {
            let status = ask(path, host);
            assert!(matches!(status, 403 | 400), "{path} {host}: {status}");
        }
    }
    assert_eq!(ask("http://evil.example/api/v1/events", "Host: localhost\r\n"), 403);
    for host in ["Host: localhost:9187\r\n", "Host: 127.0.0.1\r\n", "Host: [::1]:80\r\n"] {
        assert_eq!(ask("/api/v1/events", host), 200, "{host}");
    }
}

#[test]
fn a_token_is_asked_for_where_there_is_one_and_read_again_at_a_reload() {
    let mut server = with_token();
    let status = |path: &str, headers: &str| server.get_with(path, headers).status;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in ["/metrics", "/api/v1/events", "/api/v1/status", "/else"] {
        for wrong in ["", "Authorization: Bearer x\r\n", "Authorization: Basic eDp5\r\n", "X-Token: x\r\n"] {
            assert_eq!(status(path, wrong), 401, "{path} {wrong}");
        }
    }
    assert_eq!((status("/metrics", &bearer), status("/api/v1/events", &bearer)), (200, 200));
    assert_eq!((status("/healthz", ""), status("/readyz", "")), (200, 200));
    let refused = server.get("/api/v1/events");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"paytriage\""));
    assert_eq!(refused.json()["error"]["code"], "unauthorized");
    let named = format!("GET /metrics HTTP/1.1\r\nHost: pay-1.example\r\nConnection: close\r\n{bearer}\r\n");
    assert_eq!(server.send(&named).status, 200, "who has the token is no web page");
    // Rotated.
    token_file(&server.env, &TOKEN.replace('0', "z"));
    server.daemon.signal("HUP");
    server.daemon.wait_for_log("configuration reloaded");
    let new = format!("Authorization: Bearer {}\r\n", TOKEN.replace('0', "z"));
    assert_eq!((server.get_with("/metrics", &bearer).status, server.get_with("/metrics", &new).status), (401, 200));
    // A token that is gone keeps the old configuration in force.
    fs::remove_file(server.env.path("token")).unwrap();
    server.daemon.signal("HUP");
    let log = server.daemon.wait_for_log("token_file");
    assert!(log.contains("cannot be read"), "{log}");
    assert_eq!(server.get_with("/metrics", &new).status, 200);
    assert!(!server.daemon.drain_log().contains(&TOKEN[1..]), "a token shows nowhere");
}

#[test]
fn who_listens_to_all_keeps_the_token_when_a_reload_takes_it_away() {
    let env = Env::new();
    env.write("logs/app.log", "");
    token_file(&env, TOKEN);
    let port = free_address().port();
    configure(&env, &format!("listen = \"0.0.0.0:{port}\"\ntoken_file = {:?}", env.path("token")));
    let mut daemon = run(&env, ARGS);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let get = |headers: &str| {
        send(address, &format!("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
            .status
    };
    assert_eq!(get(""), 401);
    configure(&env, &format!("listen = \"127.0.0.1:{port}\""));
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    assert_eq!((get(""), get(&format!("Authorization: Bearer {TOKEN}\r\n"))), (401, 200));
}

#[test]
fn a_token_that_is_none_keeps_it_from_starting() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let file = env.path("token");
    configure(&env, &format!("token_file = {file:?}"));
    let refused = env.run(&["run", "--config", "p.toml"]).code(2).stderr;
    assert!(refused.contains("[http] token_file") && refused.contains("write the secret to it"), "{refused}");
    token_file(&env, "short");
    for command in [&["run", "--config", "p.toml"][..], &["config", "check", "p.toml"]] {
        let refused = env.run(command).code(2);
        let said = refused.stdout + &refused.stderr;
        assert!(said.contains("can be guessed") && said.contains("openssl rand -hex 32"), "{said}");
    }
}

#[test]
fn who_asks_often_or_slowly_holds_nobody_up() {
    let mut server = Server::new("");
    server.fail(0..1);
    // Half a question each; 64 connections are all there are, and each ends by itself.
    let slow: Vec<TcpStream> = (0..70).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for mut stream in &slow {
        stream.write_all(b"GET /api/v1/files HTTP/1.1\r\nHost: local").unwrap();
    }
    server.fail(1..2);
    assert_eq!(server.ask("/api/v1/events")["events"].as_array().unwrap().len(), 2);
    drop(slow);
    let askers: Vec<_> = (0..20)
        .map(|n| {
            let address = server.address;
            let path = ["/api/v1/files", "/api/v1/events", "/api/v1/incidents", "/api/v1/status"][n % 4];
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            std::thread::spawn(move || send(address, &request).status)
        })
        .collect();
    for asker in askers {
        assert!(matches!(asker.join().unwrap(), 200 | 503));
    }
    server.fail(2..3);
}

#[test]
fn prometheus_finds_nothing_wrong_with_the_metrics() {
    let sink =
        "[[sink.webhook]]\nname = \"on\\\\call\\\" 支\\u200b\"\nurl = \"http://127.0.0.1:9/\"\nnotify = \"event\"";
    let mut server = Server::new(sink);
    server.fail(0..2);
    let metrics = server.get("/metrics");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap_or_else(|error| {
        panic!("promtool: {error}; it is in Debian's package prometheus, which .ci/test installs")
    });
    child.stdin.take().unwrap().write_all(metrics.body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{}", String::from_utf8_lossy(&said), metrics.body);
}

#[test]
fn a_socket_in_the_file_system_is_for_its_user_and_group_and_outlives_nobody() {
    let env = Env::new();
    env.write("logs/app.log", "");
    let socket = env.path("http.sock");
    configure(&env, &format!("listen = \"unix:{}\"", socket.display()));
    let ask = |path: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // Any name will do: nobody gets here by one.
        write!(stream, "GET {path} HTTP/1.1\r\nHost: paytriage.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let mut daemon = run(&env, ARGS);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o660);
    assert!(ask("/readyz").starts_with("HTTP/1.1 200"), "{}", ask("/readyz"));
    assert!(ask("/api/v1/status").contains("\"version\""));
    // It is in use …
    env.write("other.toml", fs::read_to_string(env.path("p.toml")).unwrap().replace("/state\"", "/state2\""));
    let second = env.run(&["run", "--config", "other.toml"]).code(1);
    assert!(second.stderr.contains("http.sock") && second.stderr.contains("in use"), "{second:?}");
    // … until its daemon is killed.
    daemon.signal("KILL");
    daemon.wait();
    assert!(socket.exists());
    daemon = run(&env, ARGS);
    assert!(ask("/healthz").starts_with("HTTP/1.1 200"));
    assert!(daemon.stop().success());
}
