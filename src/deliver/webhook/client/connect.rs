//! A connection without a request: can the receiver be reached, and is its certificate one to trust?

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion};
use url::{Host, Url};

use super::failure::{Kind, SendError};
use super::guard::ResolveError;
use super::{Client, Route, distrust, guard, tls};
use crate::config::Webhook;

/// What was made, and closed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    address: SocketAddr,
    /// `None` for plain http.
    tls: Option<ProtocolVersion>,
    /// It was the proxy; what is behind it was not tried.
    proxy: Option<String>,
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.proxy, self.tls) {
            (Some(proxy), _) => write!(f, "the proxy {proxy} takes connections, what is behind it was not tried"),
            (None, Some(version)) => write!(f, "connected to {}, {}, certificate trusted", self.address, name(version)),
            (None, None) => write!(f, "connected to {}", self.address),
        }
    }
}

fn name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "TLS",
    }
}

impl Client {
    /// Connects as a request would, or to the proxy before it, and closes the connection. `sink` is what this client was made from.
    /// It ends within the sink's timeout, or a little later.
    ///
    /// # Errors
    /// There was no connection, or the certificate is not one to trust.
    pub fn connect(&self, sink: &Webhook) -> Result<Connected, SendError> {
        let route = &self.route;
        let proxy = route.proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok());
        let url = proxy.as_ref().unwrap_or(self.endpoint.url());
        let deadline = Instant::now() + route.timeout;
        let addresses = self.addresses(url, deadline)?;
        let (mut stream, address) = route.tcp(&addresses, deadline)?;
        let is_tls = proxy.is_none() && self.endpoint.is_encrypted();
        let tls = if is_tls { Some(route.handshake(&mut stream, url, sink)?) } else { None };
        Ok(Connected { address, tls, proxy: route.proxy.clone() })
    }

    fn addresses(&self, url: &Url, deadline: Instant) -> Result<Vec<SocketAddr>, SendError> {
        let default = if url.scheme().starts_with("socks") { Some(1080) } else { url.port_or_known_default() };
        let port = url.port().or(default).unwrap_or(443);
        let name = match url.host() {
            // Was judged when the client was made.
            Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Domain(name)) => name.to_owned(),
            None => return Err(self.route.unsendable(&"the URL has no host")),
        };
        let found =
            guard::addresses(&name, self.reach, left(deadline)).map_err(|error| self.route.unresolved(&error))?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }
}

impl Route {
    /// The first address that takes a connection.
    fn tcp(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<(TcpStream, SocketAddr), SendError> {
        let mut last = None;
        for &address in addresses {
            match TcpStream::connect_timeout(&address, left(deadline)) {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => last = Some((address, error)),
            }
        }
        let Some((address, error)) = last else {
            return Err(self.unresolved(&ResolveError::Failed(io::ErrorKind::NotFound.into())));
        };
        let (kind, what) = match error.kind() {
            io::ErrorKind::TimedOut => (Kind::Timeout, format!("no connection to {address} within {:?}", self.timeout)),
            _ => (Kind::Connect, format!("no connection to {address}: {error}")),
        };
        match &self.proxy {
            Some(proxy) => Err(self.error(Kind::Proxy, &format_args!("{what} (the proxy {proxy})"))),
            None => Err(self.error(kind, &what)),
        }
    }

    fn handshake(&self, stream: &mut TcpStream, url: &Url, sink: &Webhook) -> Result<ProtocolVersion, SendError> {
        let mut config = tls::config(&sink.tls, true).map_err(|error| self.unsendable(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| self.unsendable(&error))?;
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| self.error(Kind::Tls, &distrust::text(&error)))?;
        let waits =
            stream.set_read_timeout(Some(self.timeout)).and_then(|()| stream.set_write_timeout(Some(self.timeout)));
        waits.map_err(|error| self.unsendable(&error))?;
        match connection.complete_io(stream) {
            Ok(_) => Ok(connection.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2)),
            Err(error) => match error.get_ref().and_then(|inside| inside.downcast_ref::<rustls::Error>()) {
                Some(error) => Err(self.error(Kind::Tls, &distrust::text(error))),
                None if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    Err(self.error(Kind::Timeout, &format_args!("no TLS within {:?}", self.timeout)))
                }
                None => Err(self.error(Kind::Reset, &"the connection was closed while TLS was being set up")),
            },
        }
    }
}

/// Until the deadline; zero is no time-out to the system.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
