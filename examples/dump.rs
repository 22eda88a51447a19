use std::sync::Arc;
use paytriage::{catalog::Catalog, pipeline::*, redact::Redactor, event::Origin};
fn main() {
    let engine = Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default()));
    let path = std::env::args().last().unwrap();
    let file = FileContext { origin: Arc::new(Origin { name: "x".into(), path: path.clone(), host: None, labels: Default::default() }), identity: vec![], provider: None, timezone: jiff::tz::TimeZone::UTC, charset: Default::default() };
    let mut s = Stream::new(engine, file, Checkpoint::default());
    let mut ev = vec![];
    let now = jiff::Timestamp::now();
    for c in std::fs::read(&path).unwrap().chunks(65536) { s.push(c, now, &mut ev); }
    s.finish(now, &mut ev);
    for e in ev {
        println!("{}", serde_json::json!({"code": e.code, "kind": e.kind.as_str(), "provider": e.provider.as_ref().map(|p| p.as_str().to_owned()), "ids": {"out_trade_no": e.ids.out_trade_no}, "source": {"line": e.position.line, "record_first_line": e.position.record_first_line, "record_last_line": e.position.record_last_line}, "time": e.time.map(|t| t.to_string()), "level": e.level.map(|l| l.as_str()), "excerpt": e.excerpt.as_str()}));
    }
}
