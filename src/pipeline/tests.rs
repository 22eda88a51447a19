//! Checkpoints taken in odd places, and of earlier versions.

use super::*;

const LINE: &str = "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\"}";

fn stream(engine: &Arc<Engine>, from: Checkpoint) -> Stream {
    let origin = Origin { name: "a".into(), path: "a.log".into(), host: None, labels: Default::default() };
    let file = FileContext {
        origin: Arc::new(origin),
        identity: vec![1],
        provider: None,
        timezone: TimeZone::UTC,
        charset: Charset::Auto,
    };
    Stream::new(Arc::clone(engine), file, from)
}

/// Lines of the events and of the cuts, where the stream is replaced by another whenever `n` pieces were pushed.
fn lines(engine: &Arc<Engine>, bytes: &[u8], n: usize) -> (Vec<u64>, Vec<u64>) {
    let (now, mut events, mut cuts) = (Timestamp::UNIX_EPOCH, Vec::new(), Vec::new());
    let mut stream = stream(engine, Checkpoint::default());
    for (k, piece) in bytes.chunks(100_001).enumerate() {
        if k % n == n - 1 {
            let (position, from) = (stream.position() as usize, stream.checkpoint());
            let stored = serde_json::to_string(&from).unwrap();
            let again = from.offset as usize..position;
            stream = super::tests::stream(engine, serde_json::from_str(&stored).unwrap());
            stream.push(&bytes[again], now, &mut events);
        }
        stream.push(piece, now, &mut events);
        cuts.extend(stream.take_cuts());
    }
    stream.finish(now, &mut events);
    (events.iter().map(|event| event.position.line).collect(), cuts.iter().map(|cut| cut.line).collect())
}

#[test]
fn a_checkpoint_in_a_line_that_was_cut_skips_the_rest_of_it() {
    let engine = Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default()));
    // The second line has a code where it is looked at, and more where it is not, at its very end too.
    let filler = format!(" {} {LINE} ", "x".repeat(MAX_LINE)).repeat(3);
    let text = format!("{LINE}\n{LINE}{filler}{LINE}\n{LINE}\n{LINE}\n");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [text.as_bytes(), &utf16] {
        for n in [usize::MAX, 1, 2, 7, 13, 17] {
            assert_eq!(lines(&engine, bytes, n), (vec![1, 2, 3, 4], vec![2]), "a new stream after {n} pieces");
        }
    }
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_at_the_start_of_a_line() {
    let before = r#"{"offset":7,"line":1,"done":7,"reported":[],"charset":"auto"}"#;
    let checkpoint: Checkpoint = serde_json::from_str(before).unwrap();
    assert_eq!((checkpoint.offset, checkpoint.at), (7, At::LineStart));
}
