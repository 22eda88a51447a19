//! Who may ask: a question has no body, comes by a name of this host, and shows the token where there is one.
//!
//! Names are looked at because of web pages: one whose own name is made to lead to this host (DNS rebinding) could read
//! the answers otherwise. Who shows the token is no web page, and none can connect to a socket in the file system.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Server;
use super::answer::Failure;
use crate::config::Listen;

/// Bytes of path and query.
const MAX_QUERY: usize = 8 << 10;

/// Who watches over the process has no token.
const OPEN_TO_ALL: [&str; 2] = ["/healthz", "/readyz"];

pub(super) async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&server, &request) {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(server: &Server, request: &Request) -> Option<Failure> {
    let (uri, headers) = (request.uri(), request.headers());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(Failure::method());
    }
    if has_body(headers) {
        return Some(Failure::body());
    }
    if uri.path_and_query().is_some_and(|asked| asked.as_str().len() > MAX_QUERY) {
        return Some(Failure::too_long());
    }
    let in_force = server.in_force();
    if in_force.token.as_ref().is_some_and(|token| token.is_shown(headers)) {
        return None;
    }
    if let Listen::Tcp(address) = server.address
        && !names(uri, headers).all(|name| is_ours(name, address))
    {
        return Some(Failure::foreign_host());
    }
    (in_force.token.is_some() && !OPEN_TO_ALL.contains(&uri.path())).then(Failure::no_token)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

/// The names that a request asks for. Browsers always give one.
fn names<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
    let hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    hosts.chain(uri.authority().map(|authority| authority.as_str().as_bytes()))
}

/// True for loopback names, and for the address that was configured. The port is left to tunnels.
fn is_ours(name: &[u8], address: SocketAddr) -> bool {
    let name = str::from_utf8(name).unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match name.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (host.ends_with(']') || !host.contains(':')) => host,
        _ => name,
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    let Ok(ip) = literal.parse::<IpAddr>().map(|ip| ip.to_canonical()) else { return false };
    let own = address.ip().to_canonical();
    // No name leads to a number.
    ip.is_loopback() || ip == own || own.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_here_and_names_that_only_pretend_to() {
        let (local, all, one) = ("127.0.0.1:9187", "0.0.0.0:9187", "10.0.0.7:9187");
        for (address, name, expected) in [
            (local, "localhost", true),
            (local, "LOCALHOST:9187", true),
            (local, "localhost.:80", true),
            (local, "app.localhost:3000", true),
            (local, "127.0.0.1:9187", true),
            (local, "127.8.8.8", true),
            (local, "[::1]:9187", true),
            (local, "[::ffff:127.0.0.1]", true),
            (local, "evil.example", false),
            (local, "evil.example:9187", false),
            (local, "localhost.evil.example", false),
            (local, "127.0.0.1.evil.example", false),
            (local, "evillocalhost", false),
            (local, "10.0.0.7:9187", false),
            (local, "localhost:80:80", false),
            (local, "localhost@evil.example", false),
            (local, "evil.example:localhost", false),
            (local, "2130706433", false),
            (local, "", false),
            (local, "\u{ff}", false),
            (one, "10.0.0.7", true),
            (one, "10.0.0.8", false),
            (one, "localhost", true),
            (one, "pay-1.example", false),
            (all, "10.0.0.8:9187", true),
            (all, "[fd00::7]:9187", true),
            (all, "pay-1.example", false),
        ] {
            assert_eq!(is_ours(name.as_bytes(), address.parse().unwrap()), expected, "{name} at {address}");
        }
    }
}
