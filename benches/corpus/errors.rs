//! Lines in which a payment failed, as in `data/samples`: answers of providers in what services write about them.

use super::lines::{self, Clock, Format, base64, order};
use super::rng::Rng;

/// Codes of Alipay's trade interface, with their texts.
const ALIPAY: [(&str, &str); 8] = [
    ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足"),
    ("ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "买家付款日限额超限"),
    ("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款"),
    ("ACQ.SYSTEM_ERROR", "系统错误"),
    ("ACQ.TRADE_NOT_EXIST", "交易不存在"),
    ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足"),
    ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    ("ACQ.REASON_TRADE_BEEN_FREEZEN", "交易已经被冻结"),
];

/// Codes of WeChat Pay's second version, in capitals without underscores.
const WECHAT_V2: [(&str, &str); 5] = [
    ("NOTENOUGH", "余额不足"),
    ("ORDERPAID", "该订单已支付"),
    ("AUTHCODEEXPIRE", "二维码已过期，请用户在微信上刷新后再试"),
    ("SYSTEMERROR", "系统错误"),
    ("BANKERROR", "银行端超时"),
];

/// Codes of its third.
const WECHAT_V3: [(&str, &str); 5] = [
    ("PARAM_ERROR", "参数错误"),
    ("ORDER_NOT_EXIST", "订单不存在"),
    ("ACCOUNT_ABNORMAL", "分账接收方账户异常"),
    ("SYSTEM_ERROR", "系统错误"),
    ("RULE_LIMIT", "业务规则限制"),
];

/// Writes one line, without its end.
pub fn line(format: Format, clock: Clock, rng: &mut Rng, out: &mut String) {
    let order = order(rng);
    let text = match format {
        Format::Nginx => {
            let (code, text) = rng.pick(&ALIPAY);
            format!(r#"{{"outTradeNo": "{order}", "subCode": "{code}", "subMsg": "{text}"}}"#)
        }
        Format::Logback => alipay(&order, rng),
        Format::Json | Format::Python if rng.below(2) == 0 => {
            let (code, text) = rng.pick(&WECHAT_V3);
            format!(r#"微信下单失败 out_trade_no={order} {{"code":"{code}","message":"{text}"}}"#)
        }
        Format::Json | Format::Python => alipay(&order, rng),
        Format::Logfmt => {
            let (code, text) = rng.pick(&WECHAT_V2);
            format!("wechat pay failed out_trade_no={order} result_code=FAIL err_code={code} err_code_des={text}")
        }
    };
    lines::wrap(format, clock, "ERROR", &text, rng, out);
}

fn alipay(order: &str, rng: &mut Rng) -> String {
    let (code, text) = rng.pick(&ALIPAY);
    let sign = base64(rng, 172);
    format!(
        r#"支付宝接口返回失败 resp={{"alipay_trade_pay_response":{{"code":"40004","msg":"Business Failed","sub_code":"{code}","sub_msg":"{text}","out_trade_no":"{order}"}},"sign":"{sign}"}}"#
    )
}
