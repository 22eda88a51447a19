//! One failure as many loggers write it, and what looks like one: each row is a file of its own.

use std::sync::Arc;

use jiff::Timestamp;
use paytriage::catalog::{Catalog, Specificity};
use paytriage::event::{Event, Origin};
use paytriage::pipeline::{Checkpoint, Engine, FileContext, Stream};
use paytriage::redact::Redactor;

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Arc::new(Catalog::builtin()), Redactor::default()))
}

fn events(engine: &Arc<Engine>, log: &[u8]) -> Vec<Event> {
    let origin = Origin { name: "app".into(), path: "app.log".into(), host: None, labels: Default::default() };
    let file = FileContext {
        origin: Arc::new(origin),
        identity: vec![1],
        provider: None,
        timezone: jiff::tz::TimeZone::UTC,
        charset: Default::default(),
    };
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let mut stream = Stream::new(engine.clone(), file, Checkpoint::default());
    let mut found = Vec::new();
    stream.push(log, now, &mut found);
    stream.finish(now, &mut found);
    found
}

/// Code and order number of each event.
fn found(engine: &Arc<Engine>, log: &[u8]) -> Vec<(String, String)> {
    let pair = |event: &Event| (event.code.clone(), event.ids.out_trade_no.clone().unwrap_or_default());
    events(engine, log).iter().map(pair).collect()
}

/// Log, code, order number.
const FAILURES: &[(&str, &str, &str)] = &[
    (
        "2026-11-23T01:10:18.716+08:00 ERROR 1 --- [nio-8080-exec-1] c.e.shop.PayService : alipay pay failed, outTradeNo=SO20261123001, subCode=ACQ.TRADE_HAS_CLOSE, subMsg=交易已经关闭",
        "ACQ.TRADE_HAS_CLOSE",
        "SO20261123001",
    ),
    (
        "E, [2026-11-23T01:10:18.716 #123] ERROR -- : wechat pay refund failed: {\"code\"=>\"NOT_ENOUGH\", \"message\"=>\"基本账户余额不足\"} out_trade_no=SO20261123002",
        "NOT_ENOUGH",
        "SO20261123002",
    ),
    (
        "fail: Shop.Payments.WeChatPayClient[0]\n      WeChatPay unified order failed. err_code: ORDERPAID, err_code_des: 该订单已支付, out_trade_no: SO20261123003",
        "ORDERPAID",
        "SO20261123003",
    ),
    (
        "[01:10:18 ERR] Alipay refund rejected {\"OutTradeNo\":\"SO20261123004\",\"SubCode\":\"ACQ.SELLER_BALANCE_NOT_ENOUGH\"}",
        "ACQ.SELLER_BALANCE_NOT_ENOUGH",
        "SO20261123004",
    ),
    (
        "2026-11-23T01:10:18.716+0800\tERROR\tpay/wechat.go:31\tprepay failed\t{\"out_trade_no\": \"SO20261123005\", \"error\": \"error http response:[StatusCode: 403 Code: \\\"NO_AUTH\\\" Message: 商户号该产品权限未开通]\"}",
        "NO_AUTH",
        "SO20261123005",
    ),
    (
        "time=\"2026-11-23T01:10:18+08:00\" level=error msg=\"alipay trade.pay failed\" out_trade_no=SO20261123006 sub_code=ACQ.PAYMENT_AUTH_CODE_INVALID",
        "ACQ.PAYMENT_AUTH_CODE_INVALID",
        "SO20261123006",
    ),
    (
        "[2026-11-23T01:10:18.716] [ERROR] default - wechatpay refund error { code: 'RESOURCE_NOT_EXISTS', message: '退款单不存在' } SO20261123007",
        "RESOURCE_NOT_EXISTS",
        "SO20261123007",
    ),
    (
        "2026-11-23 01:10:18,716 ERROR 123 [-/127.0.0.1/-/12ms POST /pay] nodejs.AlipayRequestError: alipay: ACQ.BUYER_BALANCE_NOT_ENOUGH 买家余额不足 (order SO20261123008)",
        "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "SO20261123008",
    ),
    (
        "Nov 23 01:10:18 pay-1 app[123]: ERROR wxpay failed#012Traceback (most recent call last):#012  File \"pay.py\", line 3, in pay#012    raise E(code)#012wechatpy.exceptions.WeChatPayException: Error code: SUCCESS, message: OK. Pay Error code: NOTENOUGH, message: 余额不足 order SO20261123009",
        "NOTENOUGH",
        "SO20261123009",
    ),
    (
        "2026-11-23 01:10:18 [error    ] pay failed                     channel=alipay out_trade_no=SO20261123010 sub_code=isv.invalid-signature",
        "isv.invalid-signature",
        "SO20261123010",
    ),
    (
        "E1123 01:10:18.716000       1 wechat.go:12] wechatpay: code=SIGN_ERROR message=签名错误 out_trade_no=SO20261123011",
        "SIGN_ERROR",
        "SO20261123011",
    ),
    (
        "[23-Nov-2026 01:10:18 UTC] PHP Fatal error:  Uncaught Alipay\\PayException: ACQ.TRADE_NOT_EXIST: 交易不存在, out_trade_no SO20261123012 in /var/www/pay.php:3",
        "ACQ.TRADE_NOT_EXIST",
        "SO20261123012",
    ),
    (
        "2026/11/23 01:10:18 [error] 31#31: *1 client sent \\x22err_code\\x22:\\x22ORDERCLOSED\\x22,\\x22out_trade_no\\x22:\\x22SO20261123013\\x22, client: 10.0.0.1, server: pay.example.com wxpay",
        "ORDERCLOSED",
        "SO20261123013",
    ),
    (
        "2026-11-23 01:10:18 INFO wxpay response: <xml><return_code><![CDATA[SUCCESS]]></return_code><result_code><![CDATA[FAIL]]></result_code><err_code><![CDATA[AUTH_CODE_INVALID]]></err_code><out_trade_no><![CDATA[SO20261123014]]></out_trade_no></xml>",
        "AUTH_CODE_INVALID",
        "SO20261123014",
    ),
    (
        "2026-11-23 01:10:18 DEBUG wxpay answer\n<xml>\n  <return_code>SUCCESS</return_code>\n  <result_code>FAIL</result_code>\n  <err_code>TRADE_ERROR</err_code>\n  <out_trade_no>SO20261123015</out_trade_no>\n</xml>",
        "TRADE_ERROR",
        "SO20261123015",
    ),
    (
        "2026-11-23 01:10:18 alipay answer Array\n(\n    [code] => 40004\n    [msg] => Business Failed\n    [sub_code] => ACQ.REASON_TRADE_BEEN_FREEZEN\n    [out_trade_no] => SO20261123016\n)",
        "ACQ.REASON_TRADE_BEEN_FREEZEN",
        "SO20261123016",
    ),
    (
        "2026-11-23 01:10:18 INFO [1f0c]response:{\"alipay_trade_refund_response\":{\"code\":\"40004\",\"msg\":\"Business Failed\",\"sub_code\":\"ACQ.REFUND_AMT_NOT_EQUAL_TOTAL\",\"sub_msg\":\"x\",\"out_trade_no\":\"SO20261123017\"},\"sign\":\"a==\"}",
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
        "SO20261123017",
    ),
    (
        "{\"instant\":{\"epochSecond\":1795396024},\"level\":\"ERROR\",\"loggerName\":\"pay\",\"message\":\"antom pay failed {\\\"result\\\":{\\\"resultCode\\\":\\\"RISK_REJECT\\\",\\\"resultStatus\\\":\\\"F\\\"},\\\"paymentRequestId\\\":\\\"SO20261123018\\\"}\"}",
        "RISK_REJECT",
        "SO20261123018",
    ),
    (
        "checkout-1  | 2026-11-23 01:10:18 ERROR wechat pay v3 status=429 code=FREQUENCY_LIMITED message=频率超限 out_trade_no=SO20261123019",
        "FREQUENCY_LIMITED",
        "SO20261123019",
    ),
    (
        "2026-11-23 01:10:18 WARN 银联应答 respCode=61&respMsg=输入的卡号无效&orderId=SO20261123020&merId=777290058110048",
        "61",
        "SO20261123020",
    ),
    (
        "2026-11-23 01:10:18 ErrorScene^_^40004^_^ACQ.TRADE_HAS_CLOSE^_^10.0.0.5^_^Linux^_^2026-11-23 01:10:18^_^ApplicationParams:biz_content={\"out_trade_no\":\"SO20261123021\"}",
        "ACQ.TRADE_HAS_CLOSE",
        "SO20261123021",
    ),
    (
        "2026-11-23 01:10:18 [31mERROR[0m pay [35mSYSTEMERROR[0m wxpay order SO20261123022",
        "SYSTEMERROR",
        "SO20261123022",
    ),
    (
        "2026-11-23 01:10:18 ERROR 微信支付下单失败ORDERPAID该订单已支付 订单号：SO20261123023",
        "ORDERPAID",
        "SO20261123023",
    ),
    (
        "2026-11-23 01:10:18 WARN app resultStatus={4000};memo={订单支付失败};result={} out_trade_no=SO20261123024",
        "4000",
        "SO20261123024",
    ),
    (
        "2026-11-23 01:10:18 WARN my.tradePay {\"resultCode\":\"6004\"} outTradeNo SO20261123025",
        "6004",
        "SO20261123025",
    ),
    (
        "{\"level\":\"error\",\"time\":\"2026-11-23T01:10:18Z\",\"msg\":\"card charge failed\",\"decline_code\":\"51\",\"order_id\":\"SO20261123026\"}",
        "51",
        "SO20261123026",
    ),
];

/// What must yield nothing.
const CALM: &[&str] = &[
    "2026-11-23 01:10:18 INFO alipay ok out_trade_no=SO1 code=10000 msg=Success",
    "2026-11-23 01:10:18 INFO wechatpay query ok {\"trade_state\":\"USERPAYING\",\"trade_state_desc\":\"用户支付中\"}",
    "2026-11-23 01:10:18 INFO wechatpay query ok {\"trade_state\":\"CLOSED\",\"trade_state_desc\":\"订单已关闭\"}",
    "2026-11-23 01:10:18 INFO pay.retry.codes=[SYSTEM_ERROR, BANKERROR]",
    "2026-11-23 01:10:18 ERROR retry matrix SIGN_ERROR=never SYSTEM_ERROR=3",
    "2026-11-23 01:10:18 INFO GET /help/errors/ACQ.TRADE_NOT_EXIST 200",
    "2026-11-23 01:10:18 INFO pay_errors_total{provider=\"wechatpay\",code=\"SYSTEM_ERROR\"} 17",
    "if err.Code == \"ORDERPAID\" { return nil } // wechat pay",
    "2026-11-23 01:10:18 ERROR db: connection refused, exit code 51, errno=111",
    "2026-11-23 01:10:18 ERROR grpc: code = 14 desc = transport is closing",
    "2026-11-23 01:10:18 ERROR redis NOAUTH Authentication required.",
    "2026-11-23 01:10:18 ERROR auth service: INVALID_REQUEST for client 7",
    "#7 /var/www/shop/vendor/guzzle/Promise.php(69): GuzzleHttp\\Promise->wait()",
    "2026-11-23 01:10:18 WARN http statusCode: 404 path=/api/alipay/x",
    "2026-11-23 01:10:18 INFO errorCode=20003 user logged in",
    "2026-11-23 01:10:18 INFO case 'USERPAYING': return poll(order)",
    "2026-11-23 01:10:18 INFO docs: SYSTEM_ERROR means that WeChat Pay failed",
    "2026-11-23 01:10:18 INFO unionpay resp respCode=00&respMsg=success&orderId=SO1",
    "2026-11-23 01:10:18 INFO antom ok {\"resultCode\": \"SUCCESS\", \"resultStatus\": \"S\", \"paymentRequestId\": \"SO1\"}",
    "2026-11-23 01:10:18 INFO SMS verification code sent to 138****0000",
    "2026-11-23 01:10:18 ERROR NumberFormatException: For input string: \"6001\"",
];

#[test]
fn failures_of_many_loggers() {
    let engine = engine();
    let mut wrong = Vec::new();
    for (log, code, order) in FAILURES {
        let found = found(&engine, log.as_bytes());
        if found != [((*code).to_owned(), (*order).to_owned())] {
            wrong.push(format!("{code} {order}: found {found:?} in {log}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn calm_lines() {
    let engine = engine();
    let wrong: Vec<String> = CALM
        .iter()
        .map(|log| (log, found(&engine, log.as_bytes())))
        .filter(|(_, found)| !found.is_empty())
        .map(|(log, found)| format!("{found:?} in {log}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn other_charsets() {
    let engine = engine();
    let line = "2026-11-23 01:10:18 ERROR 支付宝返回失败：买家余额不足（订单 SO20261123001）\n";
    let utf16: Vec<u8> = format!("\u{feff}{line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (gb18030, _, _) = encoding_rs::GB18030.encode(line);
    for bytes in [line.as_bytes().to_vec(), utf16, gb18030.into_owned()] {
        assert_eq!(found(&engine, &bytes), [("ACQ.BUYER_BALANCE_NOT_ENOUGH".to_owned(), "SO20261123001".to_owned())]);
    }
}

#[test]
fn two_operations_in_one_record_are_two_events() {
    let engine = engine();
    let log = "2026-11-23 01:10:18 ERROR alipay batch [{\"out_trade_no\":\"SO1001\",\"sub_code\":\"ACQ.TRADE_HAS_CLOSE\"},\
               {\"out_trade_no\":\"SO1002\",\"sub_code\":\"ACQ.TRADE_HAS_CLOSE\"}]";
    let orders: Vec<String> = found(&engine, log.as_bytes()).into_iter().map(|(_, order)| order).collect();
    assert_eq!(orders, ["SO1001", "SO1002"]);
    let ids: Vec<_> = events(&engine, log.as_bytes()).iter().map(|event| event.id).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn lines_of_one_record_with_different_orders_are_different_operations() {
    let engine = engine();
    let stamped = "2026-11-23 01:10:18 ERROR pay failed out_trade_no=SO1001 sub_code=ACQ.TRADE_HAS_CLOSE\n";
    let pretty = "{\n  \"alipay_trade_pay_response\": {\n    \"code\": \"40004\",\n    \
                  \"sub_code\": \"ACQ.TRADE_HAS_CLOSE\",\n    \"out_trade_no\": \"SO1002\"\n  }\n}\n";
    let indented = "  retry failed out_trade_no=SO1002 sub_code=ACQ.TRADE_HAS_CLOSE\n";
    let other = "  retry failed out_trade_no=SO1002 sub_code=ACQ.SYSTEM_ERROR\n";
    let again = "  retry failed out_trade_no=SO1001 sub_code=ACQ.TRADE_HAS_CLOSE\n";
    for (more, expected) in [
        (pretty, &["SO1001", "SO1002"][..]),
        (indented, &["SO1001", "SO1002"]),
        (other, &["SO1001", "SO1002"]),
        (again, &["SO1001"]),
    ] {
        let log = [stamped, more].concat();
        let orders: Vec<String> = found(&engine, log.as_bytes()).into_iter().map(|(_, order)| order).collect();
        assert_eq!(orders, expected, "{more}");
    }
}

#[test]
fn every_code_is_found_in_its_providers_own_field() {
    let engine = engine();
    let catalog = Catalog::builtin();
    let mut wrong = Vec::new();
    for entry in catalog.entries() {
        for code in &entry.codes {
            let text = &code.text;
            let log = match entry.provider.as_ref().map(|p| p.as_str()) {
                provider if code.specificity == Specificity::Named => format!(
                    "ERROR {} payment declined {{\"{}\":\"{text}\"}}",
                    provider.filter(|name| *name != "issuer").unwrap_or("card"),
                    code.fields[0]
                ),
                Some("alipay") => format!(
                    "ERROR alipay {{\"code\":\"40004\",\"msg\":\"Business Failed\",\"sub_code\":\"{text}\",\"sub_msg\":\"x\"}}"
                ),
                Some("wechatpay") => format!("ERROR wechatpay {{\"err_code\":\"{text}\",\"err_code_des\":\"x\"}}"),
                Some("alipayplus") => {
                    format!("ERROR antom {{\"result\":{{\"resultCode\":\"{text}\",\"resultStatus\":\"F\"}}}}")
                }
                Some("unionpay") => format!("ERROR unionpay respCode={text}&respMsg=x&merId=777290058110048"),
                _ => format!("ERROR card payment declined declineCode={text} order=SO20261123001"),
            };
            let events = events(&engine, log.as_bytes());
            if events.len() != 1 || events[0].code != *text || events[0].entry.id != entry.id {
                let ids: Vec<_> = events.iter().map(|e| (&e.code, &e.entry.id)).collect();
                wrong.push(format!("{}: {text} found as {ids:?} in {log}", entry.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{} codes:\n{}", wrong.len(), wrong.join("\n"));
}
