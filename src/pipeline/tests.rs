//! Checkpoints taken in odd places, and of earlier versions; NULs.

use std::sync::LazyLock;

use proptest::prelude::*;

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

/// Number of NULs, then text.
type Part = (usize, &'static str);

const HOLE: usize = 64 * 1024;

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let nuls = prop_oneof![
        3 => Just(0), 2 => 1..9_usize, 1 => 9..70_000_usize, 2 => HOLE - 3..HOLE + 4, 1 => Just(3 * HOLE + 1)
    ];
    let text = prop_oneof![
        3 => Just("2026-07-01 12:00:00 ERROR pay failed: {\"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\"}\n"),
        1 => Just("2026-07-01 12:00:00 ERROR pay failed: {\"sub_code\":\"ACQ.PAYMENT_AUTH_CODE_INVALID\"}\n\tat shop.Pay\n"),
        1 => Just("2026-07-01 12:00:00 ERROR half a line ACQ.TRADE_HAS_SUCCESS 余额不足"),
        1 => Just("\n"),
    ];
    proptest::collection::vec((nuls, text), 1..7)
}

/// Id and offset of each event, and where reading ended; `cuts` are places where a chunk ends, and true a new stream goes on.
fn found(engine: &Arc<Engine>, bytes: &[u8], cuts: &[(usize, bool)]) -> (Vec<(EventId, u64)>, u64) {
    let (now, mut events) = (Timestamp::UNIX_EPOCH, Vec::new());
    let mut stream = stream(engine, Checkpoint::default());
    for &(cut, anew) in cuts.iter().chain([&(bytes.len(), false)]) {
        let piece = &bytes[stream.position() as usize..cut.max(stream.position() as usize)];
        match () {
            () if piece.iter().all(|&byte| byte == 0) => stream.push_nuls(piece.len() as u64, now, &mut events),
            () if anew => stream.push(piece, now, &mut events),
            () => stream.push_searched(piece, &engine.search(piece), now, &mut events),
        }
        if anew {
            let (position, from) = (stream.position() as usize, stream.checkpoint());
            let again = &bytes[from.offset as usize..position];
            assert!(again.len() < MAX_LINE, "a hole is not kept");
            stream = super::tests::stream(engine, from);
            stream.push(again, now, &mut events);
            assert_eq!(stream.position(), position as u64);
        }
    }
    stream.finish(now, &mut events);
    (events.iter().map(|event| (event.id, event.position.offset)).collect(), stream.position())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nuls_mean_the_same_in_any_chunks(
        parts in parts(),
        encoding in 0..3,
        cuts in proptest::collection::vec((0.0..1.0_f64, any::<bool>()), 0..12),
    ) {
        static ENGINE: LazyLock<Arc<Engine>> =
            LazyLock::new(|| Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default())));
        let encode = |text: &str| match encoding {
            0 => text.as_bytes().to_vec(),
            1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        };
        let mut bytes = Vec::new();
        let mut records = 0;
        for (at, (nuls, text)) in parts.iter().enumerate() {
            // Holes keep the pairs of UTF-16 together, as writers do.
            bytes.resize(bytes.len() + if encoding == 0 { *nuls } else { nuls & !1 }, 0);
            bytes.extend(encode(text));
            let begins = at == 0 || parts[at - 1].1.ends_with('\n') || *nuls > HOLE;
            records += usize::from(begins && text.contains("ACQ."));
        }
        let mut cuts: Vec<_> = cuts.into_iter().map(|(at, anew)| ((at * bytes.len() as f64) as usize, anew)).collect();
        cuts.sort_by_key(|&(at, _)| at);
        let whole = found(&ENGINE, &bytes, &[(bytes.len(), true)]);
        prop_assert_eq!(whole.1, bytes.len() as u64);
        prop_assert!(whole.0.len() >= records || encoding != 0, "{} of {}", whole.0.len(), records);
        prop_assert!(whole.0.iter().all(|(_, offset)| bytes[*offset as usize] != 0 || encoding == 2));
        prop_assert_eq!(found(&ENGINE, &bytes, &cuts), whole);
    }
}
