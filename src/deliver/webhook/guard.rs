//! Where requests must not go, decided on the addresses that are really connected to.
//!
//! A name in a URL proves nothing: it may resolve to a cloud's metadata service now, or the next time. So addresses are
//! judged where names are resolved for a connection. Private networks are fine: that is where receivers live.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;

/// What an address is that no receiver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unspecified,
    Multicast,
    Broadcast,
    LinkLocal,
    /// A cloud's metadata service, which hands out the host's credentials.
    Metadata,
}

/// How far requests may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To this host.
    Loopback,
    /// To everything but what no receiver has.
    Receivers,
    /// To link-local addresses and metadata services as well.
    Metadata,
}

/// Metadata services outside the link-local networks: Alibaba Cloud, Oracle Cloud, Azure; AWS and Google Cloud.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// The one that sits in a link-local network, at most clouds.
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What stands before the four bytes of an IPv4 address at the end of an IPv6 one: as a translator (NAT64, RFC 6052; SIIT, RFC 2765)
/// or a tunnel (RFC 4291, 2.5.5.1) takes it.
const EMBEDDING: [[u16; 6]; 3] = [[0x64, 0xff9b, 0, 0, 0, 0], [0, 0, 0, 0, 0xffff, 0], [0; 6]];

/// NAT64 with a prefix of one's own (RFC 8215); its last four bytes are taken for the address.
const NAT64_LOCAL: [u16; 3] = [0x64, 0xff9b, 1];

/// 6to4 (RFC 3056): the address of the tunnel's end follows.
const SIX_TO_FOUR: u16 = 0x2002;

/// An address that requests must not go to. Prints as `169.254.169.254 is …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} {reason}")]
pub struct Refusal {
    pub address: IpAddr,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Is(Kind),
    /// Only this host may be sent plain http to.
    NotThisHost,
}

/// Why a name gave no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{0}")]
    Failed(#[source] io::Error),
    #[error(transparent)]
    Refused(Refusal),
}

/// # Errors
/// Requests must not go to this address.
pub fn judge(address: IpAddr, reach: Reach) -> Result<(), Refusal> {
    let reason = match (reach, kind(innermost(address))) {
        // Only what stays here: a tunnel or translator is somewhere else.
        (Reach::Loopback, _) if address.to_canonical().is_loopback() => return Ok(()),
        (Reach::Loopback, None) => Reason::NotThisHost,
        (Reach::Metadata, Some(Kind::LinkLocal | Kind::Metadata)) | (_, None) => return Ok(()),
        (_, Some(kind)) => Reason::Is(kind),
    };
    Err(Refusal { address, reason })
}

/// The IPv4 address in an IPv6 one, where there is one.
fn innermost(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => embedded(v6).map_or(v6.into(), IpAddr::V4),
        v4 => v4,
    }
}

fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (segments, octets) = (address.segments(), address.octets());
    let v4 = |at: usize| Some(Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]));
    match () {
        // Both begin like an embedded address.
        () if address.is_unspecified() || address.is_loopback() => None,
        () if segments[0] == SIX_TO_FOUR => v4(2),
        () if segments[..3] == NAT64_LOCAL || EMBEDDING.iter().any(|prefix| segments[..6] == *prefix) => v4(12),
        () => None,
    }
}

fn kind(address: IpAddr) -> Option<Kind> {
    let (link_local, metadata) = match address {
        IpAddr::V4(v4) if v4.octets()[0] == 0 => return Some(Kind::Unspecified),
        IpAddr::V4(v4) if v4.is_broadcast() => return Some(Kind::Broadcast),
        IpAddr::V4(v4) => (v4.is_link_local(), METADATA_V4.contains(&v4) || v4 == METADATA_LINK_LOCAL),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), METADATA_V6.contains(&v6)),
    };
    match () {
        () if address.is_unspecified() => Some(Kind::Unspecified),
        () if address.is_multicast() => Some(Kind::Multicast),
        () if metadata => Some(Kind::Metadata),
        () if link_local => Some(Kind::LinkLocal),
        () => None,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Is(Kind::Unspecified) => "is not the address of any host",
            Reason::Is(Kind::Multicast) => "is a multicast address, not that of one host",
            Reason::Is(Kind::Broadcast) => "is the broadcast address, not that of one host",
            Reason::Is(Kind::LinkLocal) => "is link-local; set allow_metadata = true if the receiver really is there",
            Reason::Is(Kind::Metadata) => {
                "is a cloud's metadata service; set allow_metadata = true if requests really have to go there"
            }
            Reason::NotThisHost => "is not this host, and plain http goes no farther; use https",
        })
    }
}

/// Looks names up with the system's resolver and gives only addresses that requests may go to.
pub struct Resolver(pub Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses = look_up(name.as_str().to_owned()).await.map_err(ResolveError::Failed)?;
            Ok(Box::new(permitted(addresses, reach)?.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name that requests may go to, for who can wait so long.
///
/// # Errors
/// There is none, or the system takes longer.
pub fn addresses(name: &str, reach: Reach, within: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
    let (answer, asked) = mpsc::channel();
    // Nobody waits any more after a timeout.
    ask(name.to_owned(), move |addresses| drop(answer.send(addresses))).map_err(ResolveError::Failed)?;
    let late = |_| ResolveError::Failed(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
    permitted(asked.recv_timeout(within).map_err(late)?.map_err(ResolveError::Failed)?, reach)
}

async fn look_up(name: String) -> io::Result<Vec<SocketAddr>> {
    let (answer, asked) = oneshot::channel();
    // Nobody waits any more after a timeout.
    ask(name, move |addresses| drop(answer.send(addresses)))?;
    asked.await.map_err(io::Error::other)?
}

/// Asks the system on a thread of its own: the question cannot be taken back, and must hold up neither the sink nor, as a
/// task of the runtime would, the end of the program.
fn ask(name: String, answer: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static) -> io::Result<()> {
    let resolver = std::thread::Builder::new().name("resolve".into());
    resolver.spawn(move || answer((name.as_str(), 0).to_socket_addrs().map(Iterator::collect)))?;
    Ok(())
}

/// Those that may be connected to; if there is none, why.
fn permitted(addresses: Vec<SocketAddr>, reach: Reach) -> Result<Vec<SocketAddr>, ResolveError> {
    let (fine, refused): (Vec<_>, Vec<_>) =
        addresses.into_iter().map(|address| judge(address.ip(), reach).map(|()| address)).partition(Result::is_ok);
    match (fine.is_empty(), refused.into_iter().find_map(Result::err)) {
        (true, Some(refusal)) => Err(ResolveError::Refused(refusal)),
        (true, None) => Err(ResolveError::Failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))),
        (false, _) => Ok(fine.into_iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(address: &str, reach: Reach) -> Option<Reason> {
        judge(address.parse().expect("an address"), reach).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn addresses_that_no_receiver_has_are_refused_in_every_spelling() {
        for (address, kind) in [
            ("169.254.169.254", Kind::Metadata),
            ("100.100.100.200", Kind::Metadata),
            ("192.0.0.192", Kind::Metadata),
            ("168.63.129.16", Kind::Metadata),
            ("fd00:ec2::254", Kind::Metadata),
            ("fd20:ce::254", Kind::Metadata),
            ("::ffff:169.254.169.254", Kind::Metadata),
            ("::ffff:100.100.100.200", Kind::Metadata),
            ("64:ff9b::169.254.169.254", Kind::Metadata),
            ("64:ff9b:1::169.254.169.254", Kind::Metadata),
            ("::ffff:0:169.254.169.254", Kind::Metadata),
            ("::169.254.169.254", Kind::Metadata),
            ("2002:a9fe:a9fe::", Kind::Metadata),
            ("2002:a9fe:a9fe:1::1", Kind::Metadata),
            ("2002:6464:64c8::1", Kind::Metadata),
            ("2002:a9fe:aa02::", Kind::LinkLocal),
            ("::2", Kind::Unspecified),
            ("169.254.0.1", Kind::LinkLocal),
            ("169.254.170.2", Kind::LinkLocal),
            ("fe80::1", Kind::LinkLocal),
            ("febf::1", Kind::LinkLocal),
            ("0.0.0.0", Kind::Unspecified),
            ("0.1.2.3", Kind::Unspecified),
            ("::", Kind::Unspecified),
            ("::ffff:0.0.0.0", Kind::Unspecified),
            ("224.0.0.1", Kind::Multicast),
            ("239.255.255.255", Kind::Multicast),
            ("ff02::1", Kind::Multicast),
            ("255.255.255.255", Kind::Broadcast),
        ] {
            assert_eq!(reason(address, Reach::Receivers), Some(Reason::Is(kind)), "{address}");
            let lifted = matches!(kind, Kind::Metadata | Kind::LinkLocal);
            assert_eq!(reason(address, Reach::Metadata).is_none(), lifted, "{address}");
            assert!(reason(address, Reach::Loopback).is_some(), "{address}");
        }
    }

    #[test]
    fn receivers_live_in_public_and_private_networks_and_on_this_host() {
        for address in [
            "10.0.0.7",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.201",
            "127.0.0.1",
            "127.8.9.1",
            "8.8.8.8",
            "::1",
            "fd00::1",
            "fec0::1",
            "2001:db8::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "::8.8.8.8",
        ] {
            assert_eq!(reason(address, Reach::Receivers), None, "{address}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_host() {
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(reason(address, Reach::Loopback), None, "{address}");
        }
        for address in ["10.0.0.7", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::127.0.0.1"] {
            assert_eq!(reason(address, Reach::Loopback), Some(Reason::NotThisHost), "{address}");
        }
    }

    #[test]
    fn a_name_with_good_and_bad_addresses_goes_to_the_good_ones_only() {
        let [good, bad] = ["10.0.0.7:0", "169.254.169.254:0"].map(|text| text.parse().expect("an address"));
        assert_eq!(permitted(vec![bad, good], Reach::Receivers).ok(), Some(vec![good]));
        let refused = permitted(vec![bad], Reach::Receivers).map_err(|error| error.to_string());
        let expected = "169.254.169.254 is a cloud's metadata service; set allow_metadata = true if requests really have to go there";
        assert_eq!(refused, Err(expected.into()));
        assert!(permitted(Vec::new(), Reach::Receivers).is_err());
    }
}
