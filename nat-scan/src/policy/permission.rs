//! Whom a security scan may attack. A request that only reads needs no permission.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::{AddressClass, classify_address, name};

/// Names and networks whose owner agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    names: Vec<String>,
    networks: Vec<IpNet>,
}

impl AllowList {
    /// Host names, `*.` before a name for every name below it, addresses and networks, separated by commas.
    ///
    /// # Errors
    /// A sentence that names the entry that is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut list = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let network = item.parse().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from));
            match (network, host_name(item)) {
                (Some(network), _) => list.networks.push(network),
                (None, Some(name)) => list.names.push(name),
                (None, None) => return Err(format!("'{item}' is no host name, address or network")),
            }
        }
        Ok(list)
    }

    /// Nothing is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty()
    }

    /// The target is on the list. A name is on it by its name alone: what it resolves to is the policy's business.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => super::address::canonical(IpAddr::V6(v6)),
            Some(Host::Domain(domain)) => {
                let domain = domain.trim_end_matches('.').to_ascii_lowercase();
                return self.names.iter().any(|allowed| match allowed.strip_prefix("*.") {
                    Some(parent) => {
                        domain.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                    }
                    None => *allowed == domain,
                });
            }
            None => return false,
        };
        self.networks.iter().any(|network| network.contains(&address))
    }
}

impl std::fmt::Display for AllowList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> =
            self.names.iter().cloned().chain(self.networks.iter().map(ToString::to_string)).collect();
        f.write_str(&all.join(","))
    }
}

/// The name as URLs have it; `*.` stays before it.
fn host_name(item: &str) -> Option<String> {
    let (star, name) = item.strip_prefix("*.").map_or(("", item), |name| ("*.", name));
    match Host::parse(name.trim_end_matches('.')).ok()? {
        Host::Domain(domain) => Some(format!("{star}{domain}")),
        _ => None,
    }
}

/// The target is this machine by its very spelling: whoever runs the scan runs the target.
#[must_use]
pub fn is_own_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => classify_address(IpAddr::V4(v4)) == AddressClass::Loopback,
        Some(Host::Ipv6(v6)) => classify_address(IpAddr::V6(v6)) == AddressClass::Loopback,
        Some(Host::Domain(domain)) => name::classify_name(domain) == Some(AddressClass::Loopback),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_allowed_by_name_or_network() {
        let list = AllowList::parse("api.example.org, *.test.example.org,10.0.0.0/8, 2001:db8::1").unwrap();
        for (url, expected) in [
            ("https://api.example.org/v1", true),
            ("https://API.example.org.:8443", true),
            ("https://x.api.example.org", false),
            ("https://evil-api.example.org", false),
            ("https://api.example.org.evil.net", false),
            ("https://api.example.org@evil.net", false),
            ("http://a.test.example.org", true),
            ("http://a.b.test.example.org", true),
            ("http://test.example.org", false),
            ("http://eviltest.example.org", false),
            ("http://10.1.2.3", true),
            ("http://0x0a010203", true),
            ("http://[::ffff:10.1.2.3]", true),
            ("http://11.1.2.3", false),
            ("http://[2001:db8::1]:80", true),
            ("http://[2001:db8::2]", false),
        ] {
            assert_eq!(list.allows(&url.parse().unwrap()), expected, "{url}");
        }
        assert_eq!(AllowList::parse(&list.to_string()).unwrap(), list);
        assert!(AllowList::parse("a b").is_err() && AllowList::parse("http://x").is_err());
        assert!(AllowList::parse(" , ").unwrap().is_empty());
    }

    #[test]
    fn own_machine_is_what_is_spelt_so() {
        for (url, expected) in [
            ("http://127.0.0.1:8000", true),
            ("http://127.1", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost:3000", true),
            ("http://app.localhost", true),
            ("http://localhost.example.org", false),
            ("http://192.168.1.1", false),
            ("http://127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_own_machine(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
