//! What the writers write: numbered payment errors, and lines that are none.

use serde_json::Value;

use crate::rng::Rng;

/// Numbers of one writer; the next writer's begin there.
pub const PER_WRITER: u64 = 10_000_000;

/// One failure in one of the shapes that services log; `n` comes back as the order number of its event.
pub fn failure(n: u64, rng: &mut Rng) -> String {
    match rng.below(0..4) {
        0 => format!(
            "2026-07-01 12:00:00 ERROR alipay.trade.pay failed: {{\"code\":\"40004\",\
             \"sub_code\":\"ACQ.TRADE_HAS_SUCCESS\",\"out_trade_no\":\"N{n:08}\"}}\n"
        ),
        1 => format!(
            "2026-07-01 12:00:00 ERROR pay failed error_code=ILLEGAL_EXTERIOR_USER_SCENE out_trade_no=N{n:08}\n"
        ),
        2 => format!("2026-07-01 12:00:00 ERROR sub_code=ACQ.SYSTEM_ERROR out_trade_no=N{n:08} 支付 失败\r\n"),
        // A record of several lines.
        _ => format!(
            "2026-07-01 12:00:00 ERROR sub_code=ACQ.PAYMENT_AUTH_CODE_INVALID out_trade_no=N{n:08}\n\
             \tat com.shop.Pay.run(Pay.java:7)\n\tat com.shop.Main.main(Main.java:1)\n"
        ),
    }
}

/// Lines in which nothing failed: short, long, empty.
pub fn filler(rng: &mut Rng) -> String {
    match rng.below(0..6) {
        0 => "\n".into(),
        1 => format!("2026-07-01 12:00:00 DEBUG body={}\n", "x".repeat(rng.below(100..20_000))),
        _ => format!("2026-07-01 12:00:00 INFO paid, order {}\n", rng.next()),
    }
}

/// The number that [`failure`] put into the line of this event.
pub fn number(event: &Value) -> Option<u64> {
    event["ids"]["out_trade_no"].as_str()?.strip_prefix('N')?.parse().ok()
}
