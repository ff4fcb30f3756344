//! Which addresses may be contacted. Decisions are pure functions with named outcomes; the address judged is the
//! address dialled.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

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

/// What an address is. IPv4 inside IPv6 (mapped, NAT64, 6to4) is judged as the IPv4 address.
#[must_use]
pub fn classify_address(address: IpAddr) -> AddressClass {
    let _ = address;
    todo!("net")
}

/// Turns names into addresses; a port, so that tests can rebind a name.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, never empty.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

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
        let _ = url;
        todo!("net")
    }

    /// Resolves once, judges *every* address, pins the first. Each redirect, spec and token URL passes here again.
    pub async fn pin(&self, url: &Url) -> Result<PinnedTarget, PolicyError> {
        let _ = url;
        todo!("net")
    }
}
