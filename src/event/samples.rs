//! Events for the tests of what comes after the core.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::catalog::{Actor, Advice, Category, Code, Retry, Severity, Specificity, Steps, Text};

fn text(en: &str, zh: &str) -> Text {
    Text { en: en.to_owned(), zh: zh.to_owned() }
}

fn steps(en: &[&str], zh: &[&str]) -> Steps {
    let owned = |steps: &[&str]| steps.iter().map(|&step| step.to_owned()).collect();
    Steps { en: owned(en), zh: owned(zh) }
}

/// An entry with everything an entry can have.
pub(crate) fn entry() -> Entry {
    Entry {
        id: EntryId("issuer-declined".into()),
        provider: None,
        codes: vec![Code { text: "ISSUER_DECLINED".to_owned(), specificity: Specificity::Generic, fields: Vec::new() }],
        messages: Vec::new(),
        message_code: None,
        general: false,
        title: text("The card issuer declined", "发卡行拒绝交易"),
        category: Category::Card,
        severity: Severity::Error,
        act: Actor::Issuer,
        advice: Advice::ContactIssuer,
        retry: Retry::AfterFix,
        threshold: None,
        cause: text("The payer's bank refused the charge.", "付款人的银行拒绝了这笔扣款。"),
        operator: steps(
            &["Do not retry by yourself.", "Offer another method."],
            &["不要自行重试。", "请顾客换一种付款方式。"],
        ),
        payer: steps(&["Call the number on your card."], &["请拨打卡背面的客服电话。"]),
        guides: vec!["issuer-declined".to_owned()],
        docs: vec!["https://example.com/codes".to_owned()],
        examples: Vec::new(),
        near_misses: Vec::new(),
    }
}

/// An event in which nothing is absent.
pub(crate) fn full() -> Event {
    let some = |id: &str| Some(id.to_owned());
    Event {
        id: EventId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        time: "2026-03-01T08:00:00.25Z".parse().ok(),
        observed: "2026-03-01T08:00:01Z".parse().unwrap(),
        code: "ISSUER_DECLINED".to_owned(),
        kind: Kind::Code,
        entry: Arc::new(entry()),
        provider: Some(Provider::Issuer),
        confidence: Confidence::High,
        alternatives: vec![EntryId("risk-control".into())],
        matched: Redacted::sample("ISSUER_DECLINED"),
        encoding: Encoding::Utf8,
        origin: Arc::new(Origin {
            name: "shop".to_owned(),
            path: "/var/log/shop/app.log".to_owned(),
            host: some("pay-1"),
            labels: [("env".to_owned(), "prod".to_owned())].into(),
        }),
        host: None,
        position: Position { line: 12, offset: 3456, record_first_line: 11, record_last_line: 14 },
        ids: Ids {
            out_trade_no: some("T1"),
            trade_no: some("T2"),
            transaction_id: some("T3"),
            request_id: some("T4"),
            trace_id: some("T5"),
            mch_id: some("T6"),
            app_id: some("T7"),
            amount: some("8.88"),
            currency: some("CNY"),
        },
        level: Some(Level::Error),
        excerpt: Redacted::sample("code=ISSUER_DECLINED card=***1234"),
        redactions: 1,
        lost: Missed::default(),
    }
}

/// An event in which everything is absent that may be.
pub(crate) fn bare() -> Event {
    let mut entry = entry();
    entry.payer = Steps::default();
    entry.guides = Vec::new();
    entry.docs = Vec::new();
    Event {
        time: None,
        kind: Kind::Message,
        entry: Arc::new(entry),
        provider: None,
        confidence: Confidence::Low,
        alternatives: Vec::new(),
        origin: Arc::new(Origin {
            name: "app".to_owned(),
            path: "app.log".to_owned(),
            host: None,
            labels: BTreeMap::new(),
        }),
        ids: Ids::default(),
        level: None,
        redactions: 0,
        lost: Missed::default(),
        ..full()
    }
}
