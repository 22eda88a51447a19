//! Why there was no answer: one word for the program, one sentence for whoever has to mend it.

use std::error::Error;
use std::fmt;
use std::io;

use super::{Route, distrust};
use crate::deliver::webhook::guard::ResolveError;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The receiver's address is one that requests must not go to.
    Refused,
    Dns,
    Connect,
    Tls,
    Timeout,
    /// The connection ended before the answer did.
    Reset,
    Proxy,
    /// Something answered that does not speak HTTP.
    Protocol,
    /// The request could not be made.
    Request,
}

/// A failed attempt. Prints as `https://hooks.example: …`: of the URL it holds scheme, host and port only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    pub kind: Kind,
    /// What happened and what to do.
    pub text: String,
}

impl Kind {
    /// As it stands in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Refused => "refused",
            Kind::Dns => "dns",
            Kind::Connect => "connect",
            Kind::Tls => "tls",
            Kind::Timeout => "timeout",
            Kind::Reset => "reset",
            Kind::Proxy => "proxy",
            Kind::Protocol => "protocol",
            Kind::Request => "request",
        }
    }
}

impl Route {
    pub(super) fn unsendable(&self, what: &dyn fmt::Display) -> SendError {
        self.error(Kind::Request, &format_args!("the request cannot be made: {what}"))
    }

    pub(super) fn failure(&self, error: &reqwest::Error) -> SendError {
        if let Some(error) = cause::<ResolveError>(error) {
            return self.unresolved(error);
        }
        if let Some(error) = cause::<rustls::Error>(error) {
            return self.error(Kind::Tls, &distrust::text(error));
        }
        if error.is_timeout() {
            let seconds = self.timeout.as_secs_f64();
            return self.error(Kind::Timeout, &format_args!("no complete answer within {seconds} s"));
        }
        let io = cause::<io::Error>(error);
        let reason = io.map_or_else(|| innermost(error).to_string(), io::Error::to_string);
        match (error.is_connect(), &self.proxy) {
            (true, Some(proxy)) => {
                self.error(Kind::Proxy, &format_args!("no connection through the proxy {proxy}: {reason}"))
            }
            (true, None) => self.error(Kind::Connect, &format_args!("no connection: {reason}")),
            (false, _) if io.is_some() || is_cut_short(&reason) => {
                self.error(Kind::Reset, &"the connection was closed before the answer was complete")
            }
            (false, _) => self.error(Kind::Protocol, &format_args!("the answer is not HTTP: {reason}")),
        }
    }

    pub(super) fn unresolved(&self, error: &ResolveError) -> SendError {
        match (error, &self.proxy) {
            (ResolveError::Refused(refusal), _) => self.error(Kind::Refused, &format_args!("not sent: {refusal}")),
            (ResolveError::Failed(error), None) => self
                .error(Kind::Dns, &format_args!("the name has no address: {error}; check the URL and this host's DNS")),
            (ResolveError::Failed(error), Some(proxy)) => {
                self.error(Kind::Proxy, &format_args!("the name of the proxy {proxy} has no address: {error}"))
            }
        }
    }

    pub(super) fn error(&self, kind: Kind, text: &dyn fmt::Display) -> SendError {
        SendError { kind, text: format!("{}: {text}", self.shown) }
    }
}

/// hyper keeps its words for this to itself.
fn is_cut_short(reason: &str) -> bool {
    reason.contains("connection closed before message completed")
        || reason.contains("end of file before message length")
}

/// The first error of a kind among the causes.
fn cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

/// An error and what caused it. An `io::Error` around another one gives that one's cause as its own; the one inside comes first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::dns::{Name, Resolve, Resolving};

    use super::super::tls;
    use super::*;
    use crate::config::Tls;
    use crate::deliver::webhook::guard::{self, Reach};

    /// Every name leads to the metadata service, as a name does that was bound anew after the URL was checked.
    struct Rebound;

    impl Resolve for Rebound {
        fn resolve(&self, _: Name) -> Resolving {
            guard::Resolver(Reach::Receivers).resolve("169.254.169.254".parse().expect("a name"))
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_metadata_service_is_refused_when_it_is_connected_to() {
        let tls = tls::config(&Tls::default(), false).expect("TLS");
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
        let client = builder.dns_resolver(Rebound).build().expect("a client");
        let error = client.get("http://rebound.example/secret").send().await.expect_err("a refusal");
        let route = Route { shown: "http://rebound.example".into(), proxy: None, timeout: Duration::from_secs(1) };
        let SendError { kind, text } = route.failure(&error);
        let expected = "http://rebound.example: not sent: 169.254.169.254 is a cloud's metadata service; set allow_metadata = \
                        true if requests really have to go there";
        assert_eq!((kind, text.as_str()), (Kind::Refused, expected));
    }
}
