//! One request to one receiver: the edge where a stored batch becomes HTTP.
//!
//! A [`Client`] is made from the configuration, reads all secrets of its sink once, and is made anew at a reload. It follows no
//! redirects, reads no proxy from the environment, and goes only where `guard` lets it. Neither its errors nor its debug
//! output hold more of the URL than scheme, host and port.

mod connect;
mod distrust;
mod failure;
mod tls;

use std::fmt;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Proxy, Request, Response, redirect};
use sha2::{Digest, Sha256};

use super::guard::{self, Reach, Refusal, Resolver};
use super::sign::{KeyError, Signer};
use crate::config::{self, Endpoint, EndpointError, Secret};
use crate::secret::{Hidden, Mask, SecretError, Secrets};

pub use connect::Connected;
pub use failure::{Kind, SendError};
pub use tls::TlsError;

/// What is read of an answer, in bytes; the rest is left unread and the connection closed.
pub const MAX_ANSWER: usize = 64 << 10;

/// What other programs take a proxy for https from.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

const USER_AGENT: &str = concat!("paytriage/", env!("CARGO_PKG_VERSION"));

/// Sends the requests of one sink.
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    reach: Reach,
    /// See [`Client::receiver`].
    receiver: String,
    /// See [`Client::setup`].
    setup: String,
    signer: Signer,
    route: Route,
    mask: Mask,
}

/// What errors tell of the way.
struct Route {
    /// Scheme, host and port of the receiver.
    shown: String,
    /// The same of the proxy.
    proxy: Option<String>,
    timeout: std::time::Duration,
}

/// A batch on its way out. Nothing in it is secret.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The same for all attempts; letters, digits, `_` and `-`.
    pub id: &'a str,
    pub content_type: &'a str,
    /// Beside the content type.
    pub headers: &'a [(String, String)],
    /// As stored: what is signed, but without signature, timestamp and keys.
    pub body: &'a [u8],
    /// The time of this attempt.
    pub now: Timestamp,
}

/// What the receiver said, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After` as it came: seconds or a date.
    pub retry_after: Option<String>,
    /// The first [`MAX_ANSWER`] bytes; hostile text, which may hold our own secrets.
    pub body: Vec<u8>,
    /// The same as one line without secrets; hostile text all the same.
    pub text: String,
}

/// Why a sink cannot send. Prints as `sink "own": secret_file: …`; holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("sink {sink:?}: {key}: {fault}")]
pub struct ClientError {
    pub sink: String,
    /// The key of the configuration at fault.
    pub key: String,
    pub fault: Fault,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Url(#[from] EndpointError),
    #[error(transparent)]
    Address(#[from] Refusal),
    #[error(transparent)]
    Tls(Box<TlsError>),
    #[error("the value has characters that no header can hold")]
    Header,
    #[error("not the URL of a proxy; write it as http://name:password@host:port")]
    Proxy,
    #[error("plain http to this host does not go through a proxy; remove the proxy")]
    LoopbackProxy,
    #[error("cannot be set up: {0}")]
    Setup(reqwest::Error),
}

impl Answer {
    /// The first characters of its text.
    pub fn beginning(&self, n_chars: usize) -> &str {
        self.text.char_indices().nth(n_chars).map_or(&*self.text, |(at, _)| &self.text[..at])
    }
}

impl Client {
    /// Reads the secrets and certificates of a sink.
    ///
    /// # Errors
    /// The first thing that makes sending impossible, with its key. A URL may be refused only here when it comes from a file.
    pub fn new(sink: &config::Webhook) -> Result<Client, ClientError> {
        let at = |key: &str, fault: Fault| ClientError { sink: sink.name.clone(), key: key.into(), fault };
        let mut secrets = Secrets::default();
        let url_key = key_of("url", &sink.url);
        let endpoint = endpoint(sink, &mut secrets).map_err(|fault| at(url_key, fault))?;
        let reach = reach(sink, &endpoint);
        check_address(endpoint.address(), reach).map_err(|fault| at(url_key, fault))?;
        let proxy = proxy(sink, reach, &mut secrets).map_err(|fault| at("proxy", fault))?;
        let signer = signer(sink, &mut secrets).map_err(|(key, fault)| at(&key, fault))?;
        let headers = headers(sink, &mut secrets).map_err(|(name, fault)| at(&name, fault))?;
        let encrypted = endpoint.is_encrypted() || proxy.as_ref().is_some_and(|(_, shown)| shown.starts_with("https:"));
        let tls = tls::config(&sink.tls, encrypted).map_err(|error| at(error.key(), Fault::Tls(Box::new(error))))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Resolver(reach))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .http1_only()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .timeout(sink.timeout);
        let mut route = Route { shown: endpoint.shown(), proxy: None, timeout: sink.timeout };
        if let Some((proxy, shown)) = proxy {
            builder = builder.proxy(proxy);
            route.proxy = Some(shown);
        }
        let http = builder.build().map_err(|error| at("url", Fault::Setup(error.without_url())))?;
        let receiver = receiver(&endpoint);
        Ok(Client { http, endpoint, reach, receiver, setup: secrets.mark(), signer, route, mask: secrets.mask() })
    }

    /// Makes one attempt. It ends within the sink's timeout.
    ///
    /// # Errors
    /// There was no complete answer.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, SendError> {
        let request = self.request(outgoing)?;
        notice_closed_connections().await;
        let response = self.http.execute(request).await.map_err(|error| self.route.failure(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        let text = self.mask.line(&body);
        Ok(Answer { status, retry_after, body, text })
    }

    /// Scheme, host and port: all of the URL that may be shown.
    pub fn shown(&self) -> &str {
        &self.route.shown
    }

    /// The variable of the environment that names a proxy which is not used, as none is that the configuration does not name: a
    /// service has another environment than the shell that a sink is tried in.
    pub fn unused_proxy(&self, is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
        let could_be = self.route.proxy.is_none() && self.endpoint.is_encrypted() && !self.endpoint.is_loopback();
        PROXY_VARIABLES.into_iter().find(|name| could_be && is_set(name))
    }

    /// The same for all sinks that send to one URL, and nothing that the URL could be guessed from.
    pub fn receiver(&self) -> &str {
        &self.receiver
    }

    /// A mark of the URL, the keys and whatever else was read of the sink's secrets; another one where any of that is.
    pub fn setup(&self) -> &str {
        &self.setup
    }

    fn request(&self, outgoing: Outgoing<'_>) -> Result<Request, SendError> {
        let unsendable = |what: &dyn fmt::Display| self.route.unsendable(what);
        let signed = self.signer.sign(outgoing.id, outgoing.body, outgoing.now).map_err(|error| unsendable(&error))?;
        let mut url = self.endpoint.url().clone();
        if !signed.query.is_empty() {
            url.query_pairs_mut().extend_pairs(signed.query);
        }
        let mut request = Request::new(Method::POST, url);
        let rendered = outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let content_type = [(CONTENT_TYPE.as_str(), outgoing.content_type)];
        let signature = signed.headers.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in content_type.into_iter().chain(rendered).chain(signature) {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = header.ok_or_else(|| unsendable(&format_args!("{name:?} cannot be a header")))?;
            request.headers_mut().insert(name, value);
        }
        *request.body_mut() = Some(signed.body.into_owned().into());
        Ok(request)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, SendError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.route.failure(&error))? {
            let room = MAX_ANSWER - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_ANSWER {
                break;
            }
        }
        Ok(body)
    }
}

/// Lets the runtime look at kept connections first: between two attempts it stands still, and a connection that the receiver
/// has closed meanwhile would be taken for a good one. One turn hears of it, the next one acts on it.
async fn notice_closed_connections() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shown())
    }
}

fn endpoint(sink: &config::Webhook, secrets: &mut Secrets) -> Result<Endpoint, Fault> {
    let url = secrets.read(&sink.url)?;
    let endpoint = Endpoint::parse(url.reveal())?;
    endpoint.check_http(sink.allow_http)?;
    Ok(endpoint)
}

/// A hash of the URL, but for what is not sent.
fn receiver(endpoint: &Endpoint) -> String {
    let mut url = endpoint.url().clone();
    url.set_fragment(None);
    let hash = Sha256::digest(url.as_str());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn reach(sink: &config::Webhook, endpoint: &Endpoint) -> Reach {
    match () {
        () if !endpoint.is_encrypted() && !sink.allow_http => Reach::Loopback,
        () if sink.allow_metadata => Reach::Metadata,
        () => Reach::Receivers,
    }
}

/// Addresses are looked up by nobody, so they are judged before they are used.
fn check_address(address: Option<std::net::IpAddr>, reach: Reach) -> Result<(), Fault> {
    address.map_or(Ok(()), |address| guard::judge(address, reach)).map_err(Fault::from)
}

/// The proxy and what may be shown of it.
fn proxy(sink: &config::Webhook, reach: Reach, secrets: &mut Secrets) -> Result<Option<(Proxy, String)>, Fault> {
    let Some(proxy) = &sink.proxy else { return Ok(None) };
    if reach == Reach::Loopback {
        return Err(Fault::LoopbackProxy);
    }
    let text = secrets.read(proxy)?;
    let url = url::Url::parse(text.reveal()).map_err(|_| Fault::Proxy)?;
    let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h"));
    let host = host.ok_or(Fault::Proxy)?;
    check_address(host.trim_matches(['[', ']']).parse().ok(), reach)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{}://{host}{port}", url.scheme());
    let proxy = Proxy::all(url).map_err(|_| Fault::Proxy)?;
    Ok(Some((proxy, shown)))
}

fn signer(sink: &config::Webhook, secrets: &mut Secrets) -> Result<Signer, (String, Fault)> {
    let key = |at: usize| match sink.secrets.as_slice() {
        [one] => key_of("secret", one).to_owned(),
        [] => "secret_file".to_owned(),
        _ => format!("secrets[{at}]"),
    };
    let read = |(at, place): (usize, &Secret)| secrets.read(place).map_err(|error| (key(at), error.into()));
    let keys: Vec<Hidden> = sink.secrets.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Signer::new(&sink.format, keys).map_err(|(at, error)| (key(at), error.into()))
}

fn headers(sink: &config::Webhook, secrets: &mut Secrets) -> Result<HeaderMap, (String, Fault)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &sink.headers {
        let key = || (format!("headers.{name}"), Fault::Header);
        let value = HeaderValue::from_str(value).map_err(|_| key())?;
        headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| key())?, value);
    }
    for (name, place) in &sink.secret_headers {
        let key = format!("secret_headers.{name}");
        let value = secrets.read(place).map_err(|error| (key.clone(), error.into()))?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| (key.clone(), Fault::Header))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| (key, Fault::Header))?, value);
    }
    Ok(headers)
}

/// The key that named this place.
fn key_of(what: &'static str, place: &Secret) -> &'static str {
    match (what, place) {
        ("url", Secret::File(_)) => "url_file",
        ("url", Secret::Credential(_)) => "url_credential",
        ("url", Secret::Env(_)) => "url_env",
        ("secret", Secret::File(_)) => "secret_file",
        ("secret", Secret::Credential(_)) => "secret_credential",
        ("secret", Secret::Env(_)) => "secret_env",
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_known_by_all_of_its_url_and_its_mark_tells_nothing_of_it() {
        let mark = |url: &str| receiver(&Endpoint::parse(url).unwrap());
        let robot = mark("https://oapi.dingtalk.com/robot/send?access_token=T0KEN");
        assert_eq!(mark("https://OAPI.dingtalk.com:443/robot/send?access_token=T0KEN#a"), robot);
        for other in ["https://oapi.dingtalk.com/robot/send?access_token=T1KEN", "https://oapi.dingtalk.com/robot/send"]
        {
            assert_ne!(mark(other), robot, "{other}");
        }
        assert!(robot.len() == 32 && robot.bytes().all(|byte| byte.is_ascii_hexdigit()), "{robot}");
    }
}
