//! Where a target can reach the scan.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket, lookup_host};
use url::Host;

/// Free ports that are tried until one is free for both protocols.
const TRIES: usize = 8;
const RESOLVE_TIME: Duration = Duration::from_secs(3);

/// Host and port as targets write them: `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackAddress {
    /// An address or a name. A name is also the zone whose questions come to us, if its DNS says so.
    pub host: String,
    /// For HTTP over TCP and for DNS over UDP; 0: any that is free.
    pub port: u16,
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not HOST or HOST:PORT")]
pub struct AddressError(String);

impl FromStr for CallbackAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: 0 });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, 0),
        };
        match Host::parse(host).map_err(|_| wrong())? {
            Host::Domain(name) => Ok(Self { host: name, port }),
            Host::Ipv4(ip) => Ok(Self { host: ip.to_string(), port }),
            Host::Ipv6(ip) => Ok(Self { host: ip.to_string(), port }),
        }
    }
}

impl fmt::Display for CallbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = self.host.contains(':');
        if brackets { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl CallbackAddress {
    /// What needs no setting: a target on this machine reaches the scan on loopback. None for any other target.
    pub(crate) fn beside(origin: &str) -> Option<Self> {
        let url = url::Url::parse(origin).ok()?;
        let ip = match url.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
            Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => Ipv4Addr::LOCALHOST.into(),
            Host::Domain(_) => return None,
        };
        let host = match ip {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.to_string(),
            IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.to_string(),
            _ => return None,
        };
        Some(Self { host, port: 0 })
    }
}

/// Both sockets on one number of port; without the second when only that is taken and the number was given.
pub(super) async fn bind(literal: Option<IpAddr>, port: u16) -> std::io::Result<(TcpListener, Option<UdpSocket>)> {
    let all: IpAddr = match literal {
        Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    let mut ip = literal.unwrap_or(all);
    let mut failure = None;
    for _ in 0..TRIES {
        let listener = match TcpListener::bind(SocketAddr::new(ip, port)).await {
            Ok(listener) => listener,
            // The address belongs to somebody who passes connections on to us.
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable && ip != all => {
                ip = all;
                continue;
            }
            Err(error) => return Err(error),
        };
        let number = listener.local_addr()?.port();
        match UdpSocket::bind(SocketAddr::new(ip, number)).await {
            Ok(socket) => return Ok((listener, Some(socket))),
            Err(_) if port != 0 => return Ok((listener, None)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}

/// The address of a name, for answers to questions; IPv4 if there is one.
pub(super) async fn resolve(host: &str, port: u16) -> Option<IpAddr> {
    let found = tokio::time::timeout(RESOLVE_TIME, lookup_host((host, port))).await.ok()?.ok()?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.iter().find(|ip| ip.is_ipv4()).or(addresses.first()).copied()
}
