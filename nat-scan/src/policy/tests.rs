use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;

/// Gives one list of addresses per call: a name that is rebound between two look-ups.
#[derive(Default)]
pub(super) struct Scripted(Mutex<VecDeque<Vec<&'static str>>>);

impl Scripted {
    pub(super) fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.iter().map(|answer| answer.to_vec()).collect())))
    }
}

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, _host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let answer = self.0.lock().unwrap().pop_front().ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }
}

pub(super) fn policy(hosted: bool, deny: &[&str], resolver: Arc<dyn Resolve>) -> TargetPolicy {
    TargetPolicy { hosted, deny: deny.iter().map(|net| net.parse().unwrap()).collect(), resolver }
}

#[test]
fn address_of_every_class_is_named() {
    use AddressClass::*;
    for (address, expected) in [
        ("8.8.8.8", Public),
        ("172.15.255.255", Public),
        ("172.32.0.1", Public),
        ("100.128.0.1", Public),
        ("2606:4700::1111", Public),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("::1", Loopback),
        ("10.1.2.3", PrivateNetwork),
        ("172.16.0.1", PrivateNetwork),
        ("172.31.255.255", PrivateNetwork),
        ("192.168.0.1", PrivateNetwork),
        ("fc00::1", PrivateNetwork),
        ("fdff::1", PrivateNetwork),
        ("fec0::1", PrivateNetwork),
        ("64:ff9b:1::a00:1", PrivateNetwork),
        ("169.254.1.1", LinkLocal),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("100.64.0.1", SharedAddressSpace),
        ("100.127.255.255", SharedAddressSpace),
        ("169.254.169.254", MetadataAddress),
        ("169.254.170.2", MetadataAddress),
        ("100.100.100.200", MetadataAddress),
        ("168.63.129.16", MetadataAddress),
        ("192.0.0.192", MetadataAddress),
        ("fd00:ec2::254", MetadataAddress),
        ("fd20:ce::254", MetadataAddress),
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("::", Unspecified),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("ff02::1", Multicast),
        ("192.0.0.1", Reserved),
        ("192.0.2.1", Reserved),
        ("192.88.99.1", Reserved),
        ("198.18.0.1", Reserved),
        ("198.19.255.255", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("2001:db8::1", Reserved),
        ("2001::1", Reserved),
        ("3fff::1", Reserved),
        ("100::1", Reserved),
        ("5f00::1", Reserved),
        // IPv4 inside IPv6
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:8.8.8.8", Public),
        ("::ffff:169.254.169.254", MetadataAddress),
        ("::ffff:0:10.0.0.1", PrivateNetwork),
        ("::127.0.0.1", Loopback),
        ("64:ff9b::10.0.0.1", PrivateNetwork),
        ("64:ff9b::8.8.8.8", Public),
        ("2002:7f00:1::", Loopback),
        ("2002:a9fe:a9fe::1", MetadataAddress),
    ] {
        assert_eq!(classify_address(address.parse().unwrap()), expected, "{address}");
    }
}

/// `Ok` or the reason.
pub(super) fn verdict(result: Result<(), PolicyError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(PolicyError::NotAllowed { reason, .. }) => reason.to_owned(),
        Err(PolicyError::InvalidUrl(_)) => "invalid".to_owned(),
        Err(PolicyError::Unresolvable(_)) => "unresolvable".to_owned(),
    }
}

#[test]
fn url_in_every_spelling_is_judged_without_resolving() {
    for (url, hosted, self_hosted) in [
        ("https://example.com/", "ok", "ok"),
        ("http://93.184.216.34:8080/v1", "ok", "ok"),
        ("http://127.0.0.1/", "loopback", "ok"),
        ("http://0x7f.1/", "loopback", "ok"),
        ("http://2130706433/", "loopback", "ok"),
        ("http://0177.0.0.1/", "loopback", "ok"),
        ("http://127.1/", "loopback", "ok"),
        ("http://127.0.0.1./", "loopback", "ok"),
        ("http://１２７.0.0.1/", "loopback", "ok"),
        ("http://%31%32%37.0.0.1/", "loopback", "ok"),
        ("http://localhost/", "loopback", "ok"),
        ("http://LOCALHOST./", "loopback", "ok"),
        ("http://api.localhost:3000/", "loopback", "ok"),
        ("http://[::ffff:127.0.0.1]/", "loopback", "ok"),
        ("http://[::1]/", "loopback", "ok"),
        ("http://[64:ff9b::a9fe:a9fe]/", "metadata_address", "ok"),
        ("http://169.254.169.254/latest/meta-data/", "metadata_address", "ok"),
        ("http://0xa9fea9fe/", "metadata_address", "ok"),
        ("http://metadata.google.internal/", "metadata_address", "ok"),
        ("http://METADATA.google.internal./", "metadata_address", "ok"),
        ("http://0/", "unspecified_address", "ok"),
        ("http://192.168.1.1/", "private_network", "ok"),
        ("http://10.66.0.1/", "denied_network", "denied_network"),
        ("http://[::ffff:10.66.0.1]/", "denied_network", "denied_network"),
        ("http://[2002:0a42:1::]/", "denied_network", "denied_network"),
        ("ftp://example.com/", "invalid", "invalid"),
        ("file:///etc/passwd", "invalid", "invalid"),
        ("gopher://127.0.0.1/", "invalid", "invalid"),
        ("http://user@example.com/", "invalid", "invalid"),
        ("http://:secret@example.com/", "invalid", "invalid"),
        ("http://example.com:0/", "invalid", "invalid"),
    ] {
        let parsed = Url::parse(url).unwrap();
        let check = |hosted| verdict(policy(hosted, &["10.66.0.0/16"], Scripted::new(&[])).check_url(&parsed));
        assert_eq!((check(true).as_str(), check(false).as_str()), (hosted, self_hosted), "{url}");
    }
}

#[tokio::test]
async fn pin_judges_every_address_of_a_name() {
    for (addresses, expected) in [
        (&["93.184.216.34"][..], "ok"),
        (&["93.184.216.34", "10.0.0.1"], "private_network"),
        (&["2606:4700::1111", "::1"], "loopback"),
        (&["169.254.169.254"], "metadata_address"),
        (&[], "unresolvable"),
    ] {
        let policy = policy(true, &[], Scripted::new(&[addresses]));
        let pinned = policy.pin(&Url::parse("http://target.example/").unwrap()).await;
        assert_eq!(verdict(pinned.map(|_| ())), expected, "{addresses:?}");
    }
}

#[tokio::test]
async fn pin_of_a_rebound_name_keeps_the_judged_address() {
    let policy = policy(true, &[], Scripted::new(&[&["93.184.216.34"], &["127.0.0.1"]]));
    let url = Url::parse("https://rebound.example:8443/v1?token=x#f").unwrap();
    let pinned = policy.pin(&url).await.unwrap();
    assert_eq!(pinned.address, "93.184.216.34:8443".parse().unwrap());
    assert_eq!((pinned.host.as_str(), pinned.tls), ("rebound.example", true));
    assert_eq!(pinned.url.as_str(), "https://rebound.example:8443/v1");
    assert_eq!(
        (pinned.origin().as_str(), pinned.authority().as_str()),
        ("https://rebound.example:8443", "rebound.example:8443")
    );
    // The second look-up is judged again, and refused.
    assert_eq!(verdict(policy.pin(&url).await.map(|_| ())), "loopback");
}

#[tokio::test]
async fn pin_prefers_ipv4_and_keeps_the_others_as_fallbacks() {
    let policy = policy(false, &[], Scripted::new(&[&["::1", "127.0.0.1"]]));
    let pinned = policy.pin(&Url::parse("http://localhost:3000").unwrap()).await.unwrap();
    assert_eq!(pinned.address, "127.0.0.1:3000".parse().unwrap());
    assert_eq!(pinned.fallbacks, ["[::1]:3000".parse().unwrap()]);
}

#[tokio::test]
async fn pin_of_an_unknown_name_is_unresolvable() {
    let policy = policy(false, &[], Scripted::new(&[]));
    assert_eq!(verdict(policy.pin(&Url::parse("http://nowhere.example").unwrap()).await.map(|_| ())), "unresolvable");
}
