//! What a template is refused for before it is used, and what it is only warned of.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::*;
use crate::catalog::Lang;

const ZONE: TimeZone = TimeZone::UTC;

/// What is said of a template: an error, a doubt, or nothing.
fn tried(source: &str, notify: Notify, content_type: &str) -> Result<Option<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.jinja");
    fs::write(&file, source).unwrap();
    let place = format!("{}/", dir.path().display());
    let said = |error: TemplateError| error.to_string().replace(&place, "");
    let template = compile(&config::Template { file, content_type: content_type.into() }).map_err(said)?;
    let context = Context {
        lang: Lang::En,
        timezone: &ZONE,
        longest_pause: Duration::from_secs(4 * 3600),
        host: None,
        version: "0.1.0",
        sink: "oncall",
        max_bytes: 1 << 20,
        template: None,
    };
    let trial = Trial { notify, max_batch: 100, labels: [("env".to_owned(), "prod".to_owned())].into() };
    template.try_out(&trial, &context).map(|doubt| doubt.map(said)).map_err(said)
}

const JSON: &str = "application/json";

#[test]
fn what_no_message_can_fill_is_refused_with_its_line_and_the_nearest_name() {
    for (source, expected) in [
        ("", "t.jinja: gives no JSON ("),
        ("{\"text\": {{ messages[0].title|json }}", "t.jinja: gives no JSON ("),
        (
            "{\n\"text\": {{ messages[0].titel|json }}}",
            "t.jinja:2: `messages[0].titel` is undefined; did you mean `title`? (tried with an incident that opens)",
        ),
        ("{{ messages[0].titel|tojson }}", "t.jinja:1: `messages[0].titel` is undefined; did you mean `title`?"),
        (
            "{{ {\"text\": [messages[0].titel]}|json }}",
            "t.jinja:1: `messages[0].titel` is undefined; did you mean `title`?",
        ),
        (
            "{{ {\"text\": messages[0].titel}|tojson }}",
            "t.jinja:1: `messages[0].titel` is undefined; did you mean `title`?",
        ),
        ("\n\n{{ messages[0].no_such_thing }}", "t.jinja:3: `messages[0].no_such_thing` is undefined (tried with "),
        ("{% for m in messages %}{{ m.code.foo.bar }}{% endfor %}", "t.jinja:1: `m.code.foo` is undefined"),
        ("{{ debug() }}", "t.jinja:1: there is no `debug`"),
        ("{% for i in range(100000000) %}x{% endfor %}", "t.jinja:1: "),
        (
            "{% for i in range(9000) %}{% for j in range(9000) %}x{% endfor %}{% endfor %}",
            "t.jinja:1: takes more than 1000000 steps",
        ),
        ("{{ 'x' * 1000000000 }}", "t.jinja:1: "),
        (
            "{% for i in range(90000) %}{{ messages[0].id }}{% endfor %}",
            "t.jinja: the request would be larger than the ",
        ),
        ("\"{{ messages[0].samples[0].excerpt }}\"", "t.jinja: gives no JSON ("),
        ("{{ messages[1].id|json }}", "t.jinja:1: `messages[1]` is undefined (tried with an incident that opens)"),
        (
            "{% for m in messages %}{% if m.status == 'resolved' %}{{ m.resolved }}{% endif %}{% endfor %}1",
            "t.jinja:1: `m.resolved` is undefined",
        ),
        (
            "{{ messages[0].title|json }}",
            "t.jinja:1: `messages[0].title` is undefined; a digest has its incidents in `incidents`: {% for it in \
             message.incidents|default([message]) %} (tried with a digest of several incidents)",
        ),
    ] {
        let error = tried(source, Notify::Incident, JSON).expect_err(source);
        assert!(error.starts_with(expected), "{source}: {error}");
    }
    let blank = tried("{% if 1 > 2 %}{% endif %}\n", Notify::Event, "text/plain").unwrap_err();
    assert_eq!(blank, "t.jinja: gives nothing (tried with every kind of message)");
}

#[test]
fn what_some_messages_lack_is_a_doubt() {
    let doubt = |source, notify| tried(source, notify, JSON).unwrap().unwrap();
    let hint = "is undefined; not every message has it: test it with `is defined`, or give a `default`";
    assert_eq!(
        doubt("{{ messages[0].provider|json }}", Notify::Event),
        format!("t.jinja:1: `messages[0].provider` {hint} (tried with an event)")
    );
    let source = "[{% for m in messages %}{% for it in m.incidents|default([m]) %}{{ it.merchants|json }},{% endfor %}{% endfor %}1]";
    assert_eq!(
        doubt(source, Notify::Incident),
        format!("t.jinja:1: `it.merchants` {hint} (tried with an incident that opens)")
    );
    assert!(doubt("{{ messages[0].source.labels.env|json }}", Notify::Event).contains(hint));
    assert!(tried("{{ messages[0].source.labels.evn|json }}", Notify::Event, JSON).is_err());
}

#[test]
fn what_fits_every_message_is_fine() {
    for source in [
        "{{ messages|json }}",
        "{{ messages|tojson(indent=2) }}",
        "[{% for m in messages %}{{ m.id|json }},{{ m.provider|default('none')|json }},{% endfor %}0]",
        "{\"n\": {{ messages|length }}, \"labels\": {{ (messages[0].source.labels.env if messages[0].source.labels is defined)|default(0)|json }}}",
    ] {
        assert_eq!(tried(source, Notify::Event, JSON), Ok(None), "{source}");
    }
    // As the README advises: what paytriage says of a sink names it.
    for (notify, each, sink) in [
        (Notify::Event, "{% for it in messages %}", "it.source.labels.sink"),
        (
            Notify::Incident,
            "{% for m in messages %}{% for it in m.incidents|default([m]) %}",
            "it.sources[0].labels.sink",
        ),
    ] {
        let ends = "{% endfor %}".repeat(each.matches("{% for").count());
        let own = |provider| {
            format!("[{each}{{% if {provider} == 'paytriage' %}}{{{{ {sink}|json }}}},{{% endif %}}{ends}0]")
        };
        assert_eq!(tried(&own("it.provider|default('')"), notify, JSON), Ok(None));
        assert!(tried(&own("it.provider"), notify, JSON).unwrap().is_some(), "not every message has a provider");
        let unasked = tried(&format!("[{each}{{{{ {sink}|json }}}},{ends}0]"), notify, JSON).unwrap_err();
        assert!(unasked.contains("labels.sink` is undefined"), "{unasked}");
    }
    let each = "[{% for m in messages %}{% for it in m.incidents|default([m]) %}{{ it.title|json }},{% endfor %}{% endfor %}0]";
    assert_eq!(tried(each, Notify::Incident, JSON), Ok(None));
    assert_eq!(tried("{{ messages[0].excerpt }}", Notify::Event, "text/plain"), Ok(None));
}
