//! Which URLs requests may go to. The texts of errors hold nothing of the URL: all of it may be a secret.

use std::net::IpAddr;

use url::{Host, Url};

/// A URL that requests may go to: `https`, or `http` to this host; with a host, and without a name or password.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("not a URL; write it as https://host/path")]
    NotUrl,
    #[error("the URL is neither https nor http")]
    Scheme,
    #[error("the URL has a name or password before its host; send them in secret_headers as Authorization")]
    UserInfo,
    #[error(
        "plain http shows what is sent to everybody on the way; use https, or set allow_http = true where the network is trusted"
    )]
    Http,
}

impl Endpoint {
    /// # Errors
    /// Requests must not go there. `http` is judged by [`Endpoint::check_http`].
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError::NotUrl)?;
        match url.scheme() {
            "https" | "http" if url.has_host() => {}
            _ => return Err(EndpointError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        Ok(Endpoint(url))
    }

    /// Plain `http` goes to this host only, unless the user allows more.
    ///
    /// # Errors
    /// It would go farther.
    pub fn check_http(&self, allow_http: bool) -> Result<(), EndpointError> {
        let fine = self.is_encrypted() || allow_http || self.is_loopback();
        if fine { Ok(()) } else { Err(EndpointError::Http) }
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port: all of it that may be shown.
    pub fn shown(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, where it is an address and no name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    pub fn is_loopback(&self) -> bool {
        match self.address() {
            Some(address) => address.to_canonical().is_loopback(),
            None => self.0.host_str().is_some_and(|host| host == "localhost" || host.ends_with(".localhost")),
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<String, EndpointError> {
        let endpoint = Endpoint::parse(text)?;
        endpoint.check_http(false)?;
        Ok(endpoint.shown())
    }

    #[test]
    fn only_what_is_safe_by_default_passes_and_only_the_host_is_shown() {
        for (text, expected) in [
            ("https://hooks.example/T0/secret?key=1", Ok("https://hooks.example")),
            ("https://10.0.0.7:8443/x", Ok("https://10.0.0.7:8443")),
            ("http://127.0.0.1:9/x", Ok("http://127.0.0.1:9")),
            ("http://[::1]/", Ok("http://[::1]")),
            ("http://[::ffff:127.0.0.1]/", Ok("http://[::ffff:7f00:1]")),
            ("http://0x7f.1/", Ok("http://127.0.0.1")),
            ("http://localhost:80/", Ok("http://localhost")),
            ("http://localhost.example/", Err(EndpointError::Http)),
            ("http://10.0.0.7/", Err(EndpointError::Http)),
            ("https://me:pw@hooks.example/", Err(EndpointError::UserInfo)),
            ("https://me@hooks.example/", Err(EndpointError::UserInfo)),
            ("ftp://hooks.example/", Err(EndpointError::Scheme)),
            ("unix:/run/x.sock", Err(EndpointError::Scheme)),
            ("hooks.example/x", Err(EndpointError::NotUrl)),
            ("https://", Err(EndpointError::NotUrl)),
        ] {
            assert_eq!(judge(text), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(format!("{:?}", Endpoint::parse("https://h.example/secret")), "Ok(https://h.example)");
    }

    #[test]
    fn plain_http_goes_farther_where_it_is_allowed() {
        let endpoint = Endpoint::parse("http://10.0.0.7/").expect("a URL");
        assert_eq!(endpoint.check_http(true), Ok(()));
    }
}
