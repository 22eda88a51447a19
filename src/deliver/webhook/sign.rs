//! What is added to a stored body when it is sent: signatures, timestamps and keys. Pure.
//!
//! | format | secret | where it goes |
//! |---|---|---|
//! | json, cloudevents, alertmanager, alertmanager-alerts, template | `whsec_…` keys of [Standard Webhooks], several while they are rotated | headers `webhook-id`, `webhook-timestamp`, `webhook-signature` |
//! | pagerduty | the integration's routing key | field `routing_key` of the body |
//! | dingtalk | the robot's secret | query: `timestamp` (milliseconds) and `sign` |
//! | feishu | the robot's secret | fields `timestamp` (seconds) and `sign` of the body |
//! | slack, wecom | none, their URL is the secret | |
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use std::borrow::Cow;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::Format;
use crate::secret::Hidden;

/// Bytes of a signing key.
const KEY_BYTES: RangeInclusive<usize> = 24..=64;

/// How requests of one sink are signed.
#[derive(Debug)]
pub enum Signer {
    /// Id and timestamp, and a signature with each key; without keys none.
    Standard(Vec<Key>),
    PagerDuty(Hidden),
    DingTalk(Hidden),
    Feishu(Hidden),
    /// The URL is all there is.
    Nothing,
}

/// A signing key of Standard Webhooks.
pub struct Key(Zeroizing<Vec<u8>>);

/// A request as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    pub headers: Vec<(&'static str, String)>,
    /// Added to the URL's query.
    pub query: Vec<(&'static str, String)>,
    pub body: Cow<'a, [u8]>,
}

/// What is wrong with a secret. Its value is not in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "is no signing key: it has to begin with whsec_ (make one with: echo \"whsec_$(openssl rand -base64 32)\")"
    )]
    Prefix,
    #[error("is a key for asymmetric signatures (whsk_); requests are signed with whsec_ keys")]
    Asymmetric,
    #[error("is no signing key: what follows whsec_ is not base64")]
    Base64,
    #[error("is a signing key of {0} bytes; it has to have 24 to 64 (openssl rand -base64 32 makes a good one)")]
    Length(usize),
    #[error("has characters that no routing key has; PagerDuty's are 32 letters and digits")]
    RoutingKey,
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A dot would let two different messages have one signature.
    #[error("the id has characters other than letters, digits, _ and -")]
    Id,
    #[error("the body is no JSON object, which the format needs")]
    Body,
}

impl Key {
    /// # Errors
    /// It is no key of Standard Webhooks.
    fn parse(secret: &Hidden) -> Result<Key, KeyError> {
        let secret = secret.reveal().trim();
        let encoded = match secret.strip_prefix("whsec_") {
            Some(encoded) => encoded,
            None if secret.starts_with("whsk_") => return Err(KeyError::Asymmetric),
            None => return Err(KeyError::Prefix),
        };
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?);
        if KEY_BYTES.contains(&key.len()) { Ok(Key(key)) } else { Err(KeyError::Length(key.len())) }
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let start = format!("{id}.{seconds}.");
        format!("v1,{}", hmac(&self.0, &[start.as_bytes(), body]))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Signer {
    /// `secrets`: newest first. Formats that carry one secret take the first.
    ///
    /// # Errors
    /// The position of a secret that is of no use to the format, and why.
    pub fn new(format: &Format, secrets: Vec<Hidden>) -> Result<Signer, (usize, KeyError)> {
        match format {
            Format::Json
            | Format::CloudEvents
            | Format::Alertmanager
            | Format::AlertmanagerAlerts
            | Format::Template(_) => {
                let keys =
                    secrets.iter().enumerate().map(|(at, secret)| Key::parse(secret).map_err(|error| (at, error)));
                keys.collect::<Result<_, _>>().map(Signer::Standard)
            }
            Format::Slack | Format::WeCom => Ok(Signer::Nothing),
            Format::PagerDuty => match secrets.into_iter().next() {
                Some(key) if key.reveal().bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(Signer::PagerDuty(key)),
                _ => Err((0, KeyError::RoutingKey)),
            },
            Format::DingTalk => Ok(secrets.into_iter().next().map_or(Signer::Nothing, Signer::DingTalk)),
            Format::Feishu => Ok(secrets.into_iter().next().map_or(Signer::Nothing, Signer::Feishu)),
        }
    }

    /// Signs one attempt, at `now`.
    ///
    /// # Errors
    /// The id or the body is not such as formats make them.
    pub fn sign<'a>(&self, id: &str, body: &'a [u8], now: Timestamp) -> Result<Signed<'a>, SignError> {
        let mut signed = Signed { headers: Vec::new(), query: Vec::new(), body: Cow::Borrowed(body) };
        match self {
            Signer::Standard(keys) => signed.headers = standard(keys, id, body, now.as_second())?,
            Signer::PagerDuty(key) => signed.body = with_fields(body, &[("routing_key", key.reveal())])?.into(),
            Signer::DingTalk(secret) => {
                let timestamp = now.as_millisecond().to_string();
                let sign = dingtalk(secret.reveal(), &timestamp);
                signed.query = vec![("timestamp", timestamp), ("sign", sign)];
            }
            Signer::Feishu(secret) => {
                let timestamp = now.as_second().to_string();
                let sign = feishu(secret.reveal(), &timestamp);
                signed.body = with_fields(body, &[("timestamp", &timestamp), ("sign", &sign)])?.into();
            }
            Signer::Nothing => {}
        }
        Ok(signed)
    }
}

fn standard(keys: &[Key], id: &str, body: &[u8], seconds: i64) -> Result<Vec<(&'static str, String)>, SignError> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(SignError::Id);
    }
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string())];
    if !keys.is_empty() {
        let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, seconds, body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    Ok(headers)
}

/// The key is the secret, the message is timestamp and secret.
fn dingtalk(secret: &str, timestamp: &str) -> String {
    hmac(secret.as_bytes(), &[timestamp.as_bytes(), b"\n", secret.as_bytes()])
}

/// The key is timestamp and secret, the message is empty.
fn feishu(secret: &str, timestamp: &str) -> String {
    let key = Zeroizing::new(format!("{timestamp}\n{secret}"));
    hmac(key.as_bytes(), &[])
}

/// base64(HMAC-SHA256)
fn hmac(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The JSON object with fields before its own; the values need no escaping.
fn with_fields(body: &[u8], fields: &[(&str, &str)]) -> Result<Vec<u8>, SignError> {
    let rest = body.trim_ascii_start().strip_prefix(b"{").ok_or(SignError::Body)?.trim_ascii_start();
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    let comma = if rest.starts_with(b"}") { "" } else { "," };
    let mut with = format!("{{{}{comma}", fields.join(",")).into_bytes();
    with.extend_from_slice(rest);
    Ok(with)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Secret, Template};
    use crate::secret;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn hidden(text: &str) -> Hidden {
        secret::Secrets::default().read(&Secret::Plain(text.into())).expect("a secret")
    }

    fn signer(format: &Format, secrets: &[&str]) -> Result<Signer, (usize, KeyError)> {
        Signer::new(format, secrets.iter().map(|text| hidden(text)).collect())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn header<'s>(signed: &'s Signed<'_>, name: &str) -> Option<&'s str> {
        signed.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// The examples of the specification and of the official library.
    #[test]
    fn standard_signatures_are_the_known_answers() {
        let table: [(&str, &str, i64, &[u8], &str); 2] = [
            (
                KEY,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                OTHER,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                br#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ];
        for (key, id, seconds, body, expected) in table {
            let signer = signer(&Format::Json, &[key]).unwrap();
            let signed = signer.sign(id, body, at(seconds)).unwrap();
            assert_eq!(header(&signed, "webhook-signature"), Some(expected));
            assert_eq!(header(&signed, "webhook-id"), Some(id));
            assert_eq!(header(&signed, "webhook-timestamp"), Some(seconds.to_string().as_str()));
            assert_eq!((signed.body.as_ref(), signed.query.len()), (body, 0));
        }
    }

    #[test]
    fn the_official_library_takes_each_of_several_signatures() {
        let template = Format::Template(Template { file: PathBuf::new(), content_type: String::new() });
        let formats = [Format::Json, Format::CloudEvents, Format::Alertmanager, Format::AlertmanagerAlerts, template];
        for format in formats {
            let signed = signer(&format, &[KEY, OTHER]).unwrap();
            let signed = signed.sign("msg_0a1b", "{\"支\":1}".as_bytes(), Timestamp::now()).unwrap();
            let headers = signed.headers.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), value.parse().expect("a header's value"))
            });
            let headers: reqwest::header::HeaderMap = headers.collect();
            for key in [KEY, OTHER] {
                let verifier = standardwebhooks::Webhook::new(key).expect("a key");
                assert!(verifier.verify(&signed.body, &headers).is_ok(), "{format:?} {key}");
            }
            let stranger = standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a key");
            assert!(stranger.verify(&signed.body, &headers).is_err());
        }
    }

    #[test]
    fn without_a_key_there_is_an_id_and_no_signature() {
        let signed = signer(&Format::Json, &[]).unwrap();
        let signed = signed.sign("msg_1", b"{}", at(7)).unwrap();
        assert_eq!(signed.headers, [("webhook-id", "msg_1".into()), ("webhook-timestamp", "7".into())]);
    }

    #[test]
    fn an_id_with_a_dot_is_not_signed() {
        let signer = signer(&Format::Json, &[KEY]).unwrap();
        for id in ["msg.1", "", "msg 1", "msg\n1", "消息"] {
            assert_eq!(signer.sign(id, b"{}", at(7)), Err(SignError::Id), "{id:?}");
        }
    }

    #[test]
    fn only_keys_of_the_right_kind_and_length_are_taken() {
        let encoded = |n: usize| format!("whsec_{}", STANDARD.encode(vec![7; n]));
        for (key, expected) in [
            (encoded(24), None),
            (encoded(64), None),
            (encoded(23), Some(KeyError::Length(23))),
            (encoded(65), Some(KeyError::Length(65))),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), Some(KeyError::Prefix)),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), Some(KeyError::Asymmetric)),
            ("whsec_%%%%".into(), Some(KeyError::Base64)),
        ] {
            let found = signer(&Format::Json, &[KEY, &key]).err();
            assert_eq!(found, expected.map(|error| (1, error)), "{key}");
            assert!(found.is_none_or(|(_, error)| !error.to_string().contains(&key[6..])), "{found:?}");
        }
        assert_eq!(signer(&Format::PagerDuty, &[]).err(), Some((0, KeyError::RoutingKey)));
        assert_eq!(signer(&Format::PagerDuty, &["a\"b"]).err(), Some((0, KeyError::RoutingKey)));
        let shown = format!("{:?}", [signer(&Format::Json, &[KEY]), signer(&Format::Feishu, &[KEY])]);
        assert!(!shown.contains("MfKQ"), "{shown}");
    }

    /// DingTalk's sign made with another implementation of HMAC; Feishu's is the one of its users' tests.
    #[test]
    fn chat_signatures_are_the_known_answers() {
        let body = br#"{"msg_type":"text"}"#;
        let signed = signer(&Format::DingTalk, &["SECdemo"]).unwrap();
        let signed = signed.sign("msg_1", body, at(1_599_360_473)).unwrap();
        let sign = "tGWkA5eQOQNCNPDgphtxIoNLO+/gD8Lcb705KQoRzeY=";
        assert_eq!(signed.query, [("timestamp", "1599360473000".into()), ("sign", sign.into())]);
        assert_eq!((signed.body.as_ref(), signed.headers.len()), (&body[..], 0));

        let signed = signer(&Format::Feishu, &["demo"]).unwrap();
        let signed = signed.sign("msg_1", body, at(1_599_360_473)).unwrap();
        let sign = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=";
        let expected = format!(r#"{{"timestamp":"1599360473","sign":"{sign}","msg_type":"text"}}"#);
        assert_eq!(String::from_utf8_lossy(&signed.body), expected);
        assert_eq!((signed.query.len(), signed.headers.len()), (0, 0));
    }

    #[test]
    fn the_routing_key_goes_into_the_body_of_pagerduty() {
        let signer = signer(&Format::PagerDuty, &["R0UTINGKEY"]).unwrap();
        for (body, expected) in [
            (r#"{"event_action":"trigger"}"#, r#"{"routing_key":"R0UTINGKEY","event_action":"trigger"}"#),
            (" { } ", r#"{"routing_key":"R0UTINGKEY"} "#),
        ] {
            let signed = signer.sign("msg_1", body.as_bytes(), at(7)).unwrap();
            assert_eq!(String::from_utf8_lossy(&signed.body), expected);
        }
        assert_eq!(signer.sign("msg_1", b"[]", at(7)), Err(SignError::Body));
    }

    #[test]
    fn chats_without_a_secret_get_the_body_as_it_is() {
        for (format, secrets) in
            [(Format::Slack, &["x"][..]), (Format::WeCom, &[]), (Format::DingTalk, &[]), (Format::Feishu, &[])]
        {
            let signed = signer(&format, secrets).unwrap();
            let signed = signed.sign("msg_1", b"text", at(7)).unwrap();
            assert_eq!(signed, Signed { headers: Vec::new(), query: Vec::new(), body: Cow::Borrowed(b"text") });
        }
    }
}
