//! Lines of a shop in which nothing failed, as five services write them.

use std::fmt::Write;

use super::rng::Rng;

/// How a service writes its log.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    Nginx,
    Logback,
    /// One object per line; the text is ASCII, `\u` for the rest.
    Json,
    /// `key=value`.
    Logfmt,
    Python,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Nginx, Format::Logback, Format::Json, Format::Logfmt, Format::Python];
}

/// The time of day in the log, in milliseconds.
#[derive(Debug, Default, Clone, Copy)]
pub struct Clock(u64);

impl Clock {
    pub fn tick(&mut self, rng: &mut Rng) {
        self.0 = (self.0 + rng.below(20)) % 86_400_000;
    }

    /// `10:20:30` and milliseconds.
    fn time(self) -> (String, u64) {
        let s = self.0 / 1000;
        (format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60), self.0 % 1000)
    }
}

const PRODUCTS: [&str; 8] =
    ["绿茶礼盒", "保温杯", "蓝牙耳机", "儿童雨衣", "坚果大礼包", "手机壳", "羊毛围巾", "折叠雨伞"];

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 \
     MicroMessenger/8.0.54(0x18003631) NetType/WIFI Language/zh_CN",
    "Mozilla/5.0 (Linux; Android 14; V2309A) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36 AlipayClient/10.6.80",
    "kube-probe/1.31",
    "Prometheus/2.55.1",
];

const LOGGERS: [&str; 6] = [
    "com.example.shop.order.OrderService",
    "com.example.shop.pay.PayService",
    "c.e.s.stock.StockController",
    "c.e.s.cart.CartRepository",
    "o.s.web.servlet.DispatcherServlet",
    "com.zaxxer.hikari.pool.HikariPool",
];

const MODULES: [&str; 5] = ["checkout.views", "orders.tasks", "pay.service", "django.server", "celery.worker"];

/// Writes one line, without its end.
pub fn line(format: Format, clock: Clock, rng: &mut Rng, out: &mut String) {
    if let Format::Nginx = format {
        return access(clock, &request(rng), rng, out);
    }
    let text = message(rng);
    let level = if rng.below(20) == 0 { "WARN" } else { "INFO" };
    wrap(format, clock, level, &text, rng, out);
}

/// A service's line around its text.
pub fn wrap(format: Format, clock: Clock, level: &str, text: &str, rng: &mut Rng, out: &mut String) {
    let (time, ms) = clock.time();
    match format {
        Format::Nginx => access(clock, &format!("/beacon?t=err&d={}", percent(text)), rng, out),
        Format::Logback => {
            let thread = rng.below(32);
            put(out, format_args!("2026-11-23 {time}.{ms:03} [http-nio-8080-exec-{thread}] {level:<5} "));
            put(out, format_args!("{} - {text}", rng.pick(&LOGGERS)));
        }
        Format::Json => {
            put(out, format_args!(r#"{{"ts":"2026-11-23T{time}.{ms:03}+08:00","level":"{}","#, level.to_lowercase()));
            put(out, format_args!(r#""logger":"{}","trace_id":"{}","#, rng.pick(&LOGGERS), hex(rng, 32)));
            put(out, format_args!(r#""cost_ms":{},"msg":""#, rng.below(400)));
            quote(text, true, out);
            out.push_str("\"}");
        }
        Format::Logfmt => {
            put(out, format_args!("time=\"2026-11-23T{time}+08:00\" level={} msg=\"", level.to_lowercase()));
            quote(text, false, out);
            put(out, format_args!("\" service=pay pod=pay-{}", hex(rng, 10)));
        }
        Format::Python => put(out, format_args!("2026-11-23 {time},{ms:03} {level} {} {text}", rng.pick(&MODULES))),
    }
}

fn access(clock: Clock, path: &str, rng: &mut Rng, out: &mut String) {
    let time = clock.time().0;
    put(out, format_args!("10.{}.{}.{} - - ", rng.below(256), rng.below(256), rng.below(256)));
    put(out, format_args!("[23/Nov/2026:{time} +0800] \"GET {path} HTTP/1.1\" 200 {} \"-\" ", rng.below(90_000)));
    put(out, format_args!("\"{}\" 0.{:03}", rng.pick(&AGENTS), rng.below(1000)));
}

fn request(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => "/healthz".into(),
        1 => format!("/static/img/{}.png?v={}", hex(rng, 12), rng.below(100)),
        2 => format!("/search?q={}&page={}", percent(rng.pick(&PRODUCTS)), rng.below(9)),
        3 => format!("/pay/cashier?out_trade_no={}", order(rng)),
        4 => format!(
            "/pay/return?charset=utf-8&out_trade_no={}&method=alipay.trade.wap.pay.return&total_amount={}.90&sign={}",
            order(rng),
            rng.below(500),
            percent(&base64(rng, 172))
        ),
        5 => format!("/api/orders/{}/items?fields=sku,qty,price", order(rng)),
        6 => format!("/cart/add?sku={}&name={}", rng.below(90_000), percent(rng.pick(&PRODUCTS))),
        _ => format!("/product/{}", rng.below(90_000)),
    }
}

/// What services say all day.
fn message(rng: &mut Rng) -> String {
    let n = rng.below(3000);
    let order = order(rng);
    let product = rng.pick(&PRODUCTS);
    match rng.below(20) {
        0 => format!("订单创建成功 orderNo={order} 商品={product} 金额={n}.50 买家编号={}", rng.next() >> 40),
        1 => format!("stock reserved for {order} sku={n} qty={}", n % 7),
        2 => format!("cache hit cart:{} ttl={n}", hex(rng, 32)),
        3 => format!("alipay.trade.query ok out_trade_no={order} code=10000 msg=Success"),
        4 => format!("wechat notify {order} trade_state=SUCCESS result_code=SUCCESS"),
        5 => format!("付款完成 outTradeNo={order} channel=wechat 耗时={n}ms"),
        6 => format!("user session refreshed {}", hex(rng, 32)),
        7 => format!(
            "SELECT id, order_no, amount, created_at FROM t_order WHERE order_no = '{order}' AND state IN (1, 2) took {n} ms"
        ),
        8 => format!("短信已发送 手机尾号{} 模板=order_paid 商品={product}", n % 10_000),
        9 => format!("shipping quote for {order} {n}.00 CNY"),
        10 => format!("查询物流 运单号=SF{} 承运商=顺丰速运 当前城市=杭州", rng.next() >> 24),
        11 => format!("POST https://openapi.alipay.com/gateway.do 200 {n}ms sign={}", base64(rng, 344)),
        12 => format!("heap {n} MB, {} threads, {} connections idle", n % 90, n % 20),
        13 => format!("库存扣减完成 sku={n} 剩余={} 仓库=华东一号", n % 400),
        14 => format!("GET https://api.mch.weixin.qq.com/v3/pay/transactions/id/{} 200 {n}ms", rng.next() >> 20),
        15 => format!("job nightly-settlement page {n} of 3000, {} rows", n * 100),
        16 => format!("coupon {} applied to {order}, minus {n}.00", hex(rng, 8)),
        17 => format!("推送消息给用户 {} 标题=您购买的{product}已经发货", rng.next() >> 36),
        18 => format!("Completed 200 OK in {n}ms (Views: {}ms | ActiveRecord: {}ms)", n / 3, n / 5),
        _ => format!("published event order.paid key={order} partition={} offset={}", n % 12, rng.next() >> 30),
    }
}

pub fn order(rng: &mut Rng) -> String {
    format!("SO2026{:014}", rng.next() % 100_000_000_000_000)
}

fn hex(rng: &mut Rng, n: usize) -> String {
    let mut text = String::with_capacity(n + 16);
    while text.len() < n {
        put(&mut text, format_args!("{:016x}", rng.next()));
    }
    text.truncate(n);
    text
}

pub fn base64(rng: &mut Rng, n: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text: String = (0..n).map(|_| char::from(rng.pick(DIGITS))).collect();
    text.replace_range(n - 2.., "==");
    text
}

/// As in the text of a JSON string; what is not ASCII stays or is written as `\u`.
fn quote(text: &str, is_ascii: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii() || !is_ascii => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| put(out, format_args!("\\u{unit:04x}"))),
        }
    }
}

/// As in a URL's query.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => put(&mut out, format_args!("%{byte:02X}")),
        }
    }
    out
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}
