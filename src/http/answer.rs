//! What goes out: JSON, and failures that say what to do.
//!
//! A failure is `{"error": {"code", "message", "parameter"}}`, with the last only where one parameter is to blame.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::wire;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    parameter: Option<Cow<'static, str>>,
    header: Option<(header::HeaderName, &'static str)>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure { status, code, message: message.into(), parameter: None, header: None }
    }

    /// A parameter that cannot be what it is.
    pub fn parameter(name: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Failure {
        let parameter = Some(name.into());
        Failure { parameter, ..Failure::new(StatusCode::BAD_REQUEST, "bad_parameter", message) }
    }

    pub fn no_token() -> Failure {
        let message = "show the token that is in [http] token_file, as Authorization: Bearer TOKEN";
        let header = Some((header::WWW_AUTHENTICATE, "Bearer realm=\"paytriage\""));
        Failure { header, ..Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message) }
    }

    /// A web page may have made a name of its own lead here.
    pub fn foreign_host() -> Failure {
        let message = "ask by localhost or by the address that paytriage listens on; with a token any name will do";
        Failure::new(StatusCode::FORBIDDEN, "foreign_host", message)
    }

    pub fn no_such_path() -> Failure {
        let message = "nothing is here; there are /metrics, /healthz, /readyz, and in /api/v1: status, files, events, incidents, catalog";
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn not_found(message: String) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn method() -> Failure {
        let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only GET and HEAD");
        Failure { header: Some((header::ALLOW, "GET, HEAD")), ..failure }
    }

    pub fn body() -> Failure {
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_not_allowed", "a question has no body")
    }

    pub fn too_long() -> Failure {
        Failure::new(StatusCode::URI_TOO_LONG, "query_too_long", "the query is longer than 8 KiB")
    }

    pub fn busy(message: &'static str) -> Failure {
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        Failure { header: Some((header::RETRY_AFTER, "1")), ..failure }
    }

    pub fn unavailable(message: &str) -> Failure {
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message.to_owned());
        Failure { header: Some((header::RETRY_AFTER, "5")), ..failure }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure { status, code, message, parameter, header } = self;
        let error = Error { code, message: &message, parameter: parameter.as_deref() };
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], wire::json(&Body { error })).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// An answer that is true now.
pub(super) fn json(value: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, JSON)], wire::json(value)).into_response()
}

/// An answer that stays true until the configuration is loaded again: who has it already is only told so.
pub(super) fn lasting(asked: &HeaderMap, value: &impl Serialize) -> Response {
    let body = wire::json(value);
    let hash = Sha256::digest(&body);
    let tag = hash[..16].iter().fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
    let is_known = |known: &HeaderValue| {
        let known = known.to_str().unwrap_or_default().split(',').map(str::trim);
        known.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|known| known == tag || known == "*")
    };
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("Accept-Language")),
        (header::ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    match asked.get_all(header::IF_NONE_MATCH).iter().any(is_known) {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, body).into_response(),
    }
}
