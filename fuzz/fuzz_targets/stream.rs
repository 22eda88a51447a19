//! Any bytes, in any chunking, with a checkpoint anywhere, give the same events.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use paytriage::catalog::Catalog;
use paytriage::event::{EventId, Origin};
use paytriage::pipeline::{Checkpoint, Engine, FileContext, Stream};
use paytriage::redact::Redactor;

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default())));

fn file() -> FileContext {
    FileContext {
        origin: Arc::new(Origin { name: "f".into(), path: "f".into(), host: None, labels: Default::default() }),
        identity: vec![7],
        provider: None,
        timezone: jiff::tz::TimeZone::UTC,
        charset: Default::default(),
    }
}

fn events(bytes: &[u8], size: usize, cut: Option<usize>) -> Vec<EventId> {
    let mut found = Vec::new();
    let mut stream = Stream::new(ENGINE.clone(), file(), Checkpoint::default());
    let cut = cut.unwrap_or(bytes.len());
    for chunk in bytes[..cut].chunks(size) {
        stream.push(chunk, Timestamp::UNIX_EPOCH, &mut found);
    }
    assert_eq!(stream.position(), cut as u64);
    if cut < bytes.len() {
        let from = stream.checkpoint();
        let rest = &bytes[from.offset as usize..];
        stream = Stream::new(ENGINE.clone(), file(), from);
        for chunk in rest.chunks(size) {
            stream.push(chunk, Timestamp::UNIX_EPOCH, &mut found);
        }
    }
    stream.finish(Timestamp::UNIX_EPOCH, &mut found);
    found.iter().map(|event| event.id).collect()
}

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (size, cut, bytes) = input;
    let whole = events(bytes, bytes.len().max(1), None);
    assert_eq!(events(bytes, usize::from(size) + 1, None), whole);
    let cut = usize::from(cut) % (bytes.len() + 1);
    assert_eq!(events(bytes, usize::from(size) + 1, Some(cut)), whole);
});
