//! Which addresses may be contacted. Decisions are pure functions with named outcomes; the address judged is the
//! address dialled.

mod address;
mod name;
mod permission;
mod txt;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use ipnet::IpNet;
use url::{Host, Url};

pub use address::classify_address;
pub use permission::{AllowList, is_own_machine};

/// A resolver that takes longer is as good as none.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of one name that are kept beside the first; all of them are judged.
const MAX_FALLBACKS: usize = 3;

/// Why an address is refused, or that it is not. The names appear as `reason` in `TARGET_NOT_ALLOWED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// A public unicast address.
    Public,
    /// 127/8, ::1
    Loopback,
    /// 10/8, 172.16/12, 192.168/16, fc00::/7
    PrivateNetwork,
    /// 169.254/16, fe80::/10
    LinkLocal,
    /// 100.64/10
    SharedAddressSpace,
    /// 169.254.169.254, fd00:ec2::254 and the like
    MetadataAddress,
    /// 0/8, ::
    Unspecified,
    /// 224/4, ff00::/8
    Multicast,
    /// Documentation, benchmarking, reserved, broadcast.
    Reserved,
}

impl AddressClass {
    /// `loopback`, `private_network`, `metadata_address`, …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::PrivateNetwork => "private_network",
            Self::LinkLocal => "link_local",
            Self::SharedAddressSpace => "shared_address_space",
            Self::MetadataAddress => "metadata_address",
            Self::Unspecified => "unspecified_address",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved_address",
        }
    }
}

/// Turns names into addresses; a port, so that tests can rebind a name.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, never empty.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;

    /// The TXT records of `host`; a resolver that gives addresses only knows none.
    async fn texts(&self, _host: &str) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn texts(&self, host: &str) -> std::io::Result<Vec<String>> {
        txt::texts(host).await
    }
}

/// What may be scanned.
#[derive(Clone)]
pub struct TargetPolicy {
    /// Hosted mode: every class but [`AddressClass::Public`] is refused.
    pub hosted: bool,
    /// Refused on top, in any mode (`NAT_TARGET_DENY`): networks.
    pub deny: Vec<ipnet::IpNet>,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolve>,
}

/// A target that passed: the origin and the one address that is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedTarget {
    /// As given, without credentials, query and fragment.
    pub url: Url,
    /// Host as it goes into `Host` and SNI.
    pub host: String,
    /// The address judged.
    pub address: SocketAddr,
    /// Other addresses of the same name, judged too: dialled when nothing listens at the first (`localhost` has two).
    pub fallbacks: Vec<SocketAddr>,
    /// Scheme is https.
    pub tls: bool,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not http or https, no host, or credentials in the URL.
    #[error("not an absolute http or https URL: {0}")]
    InvalidUrl(String),
    /// The address is not allowed; `reason` is [`AddressClass::as_str`] or `denied_network`.
    #[error("the target {host} is not allowed: {reason}")]
    NotAllowed {
        /// Host as given.
        host: String,
        /// The named rule.
        reason: &'static str,
    },
    /// The name does not resolve.
    #[error("the host name {0} does not resolve")]
    Unresolvable(String),
}

impl TargetPolicy {
    /// Judges without resolving names: literals (in every spelling that a resolver would accept, such as `0x7f.1`),
    /// `localhost`, metadata names. For a fast answer at acceptance.
    pub fn check_url(&self, url: &Url) -> Result<(), PolicyError> {
        let host = checked_host(url)?;
        let class = match host {
            // The url crate has already turned every spelling of an IPv4 address into the address.
            Host::Ipv4(v4) => return self.judge(url, IpAddr::V4(v4)),
            Host::Ipv6(v6) => return self.judge(url, IpAddr::V6(v6)),
            Host::Domain(domain) => name::classify_name(domain),
        };
        match class {
            Some(class) if self.hosted => Err(not_allowed(url, class.as_str())),
            _ => Ok(()),
        }
    }

    /// Resolves once, judges *every* address, pins the first. Each redirect, spec and token URL passes here again.
    ///
    /// IPv4 comes first: development servers listen on `127.0.0.1` more often than on `::1`.
    pub async fn pin(&self, url: &Url) -> Result<PinnedTarget, PolicyError> {
        self.check_url(url)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let mut addresses = match checked_host(url)? {
            Host::Ipv4(v4) => vec![SocketAddr::from((v4, port))],
            Host::Ipv6(v6) => vec![SocketAddr::from((v6, port))],
            Host::Domain(domain) => self.resolve(domain, port).await?,
        };
        for address in &addresses {
            self.judge(url, address.ip())?;
        }
        addresses.sort_by_key(|address| address.is_ipv6());
        let mut addresses = addresses.into_iter();
        let address = addresses.next().ok_or_else(|| PolicyError::Unresolvable(host_text(url)))?;
        Ok(PinnedTarget {
            host: host_text(url),
            tls: url.scheme() == "https",
            url: stripped(url),
            address,
            fallbacks: addresses.take(MAX_FALLBACKS).collect(),
        })
    }

    async fn resolve(&self, domain: &str, port: u16) -> Result<Vec<SocketAddr>, PolicyError> {
        match tokio::time::timeout(RESOLVE_TIMEOUT, self.resolver.resolve(domain, port)).await {
            // A resolver gives addresses; the port is the URL's, whatever the resolver says.
            Ok(Ok(found)) => Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect()),
            Ok(Err(_)) | Err(_) => Err(PolicyError::Unresolvable(domain.to_owned())),
        }
    }

    fn judge(&self, url: &Url, address: IpAddr) -> Result<(), PolicyError> {
        let canonical = address::canonical(address);
        if self.deny.iter().any(|network| network.contains(&address) || network.contains(&canonical)) {
            return Err(not_allowed(url, "denied_network"));
        }
        match classify_address(address) {
            AddressClass::Public => Ok(()),
            class if self.hosted => Err(not_allowed(url, class.as_str())),
            _ => Ok(()),
        }
    }
}

impl PinnedTarget {
    /// Scheme, host and port: `http://127.0.0.1:8080`; the port only when it is not the scheme's own.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Host and, when it is not the scheme's own, port: the value of `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.url.port().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// What the pinned address is.
    #[must_use]
    pub fn class(&self) -> AddressClass {
        classify_address(self.address.ip())
    }
}

fn checked_host(url: &Url) -> Result<Host<&str>, PolicyError> {
    let invalid = |why: &str| PolicyError::InvalidUrl(why.to_owned());
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("the scheme is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds credentials"));
    }
    if url.port() == Some(0) {
        return Err(invalid("port 0 cannot be reached"));
    }
    match url.host() {
        Some(Host::Domain(domain)) if domain.trim_matches('.').is_empty() => Err(invalid("it has no host")),
        Some(host) => Ok(host),
        None => Err(invalid("it has no host")),
    }
}

fn not_allowed(url: &Url, reason: &'static str) -> PolicyError {
    PolicyError::NotAllowed { host: host_text(url), reason }
}

fn host_text(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn stripped(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tricks;
