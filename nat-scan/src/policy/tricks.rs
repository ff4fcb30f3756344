//! Ways in which people have made scanners ask an address that they should not: none of them leads there.

use super::tests::{Scripted, policy, verdict};
use super::*;

/// Spellings of an address or name in a URL, refused before anything is resolved.
const SPELLINGS: &[(&str, &str)] = &[
    // One number, fewer parts, other bases.
    ("http://2130706433/", "loopback"),
    ("http://017700000001/", "loopback"),
    ("http://0x7f000001/", "loopback"),
    ("http://0x7F.0.0.1/", "loopback"),
    ("http://127.1/", "loopback"),
    ("http://127.0.1/", "loopback"),
    ("http://127.0.0x1/", "loopback"),
    ("http://0177.0.0.01/", "loopback"),
    ("http://127.0.0.1./", "loopback"),
    ("http://0/", "unspecified_address"),
    ("http://0.0.0.0:8080/", "unspecified_address"),
    ("http://0x0/", "unspecified_address"),
    ("http://2852039166/", "metadata_address"),
    ("http://0xa9fea9fe/", "metadata_address"),
    ("http://025177524776/", "metadata_address"),
    ("http://169.16689662/", "metadata_address"),
    ("http://169.254.43518/", "metadata_address"),
    ("http://0251.0376.0251.0376/", "metadata_address"),
    ("http://0xA9.0xFE.0xA9.0xFE/", "metadata_address"),
    ("http://169.254.169.254./", "metadata_address"),
    ("http://3232235777/", "private_network"),
    ("http://0x0a.1/", "private_network"),
    ("http://012.0.0.1/", "private_network"),
    ("http://172.1048577/", "private_network"),
    ("http://1681915905/", "shared_address_space"),
    // Unicode and percent-encoding.
    ("http://１２７.０.０.１/", "loopback"),
    ("http://①②⑦.⓪.⓪.①/", "loopback"),
    ("http://127。0。0。1/", "loopback"),
    ("http://127．0．0．1/", "loopback"),
    ("http://127｡0｡0｡1/", "loopback"),
    ("http://%31%32%37%2e0%2e0%2e1/", "loopback"),
    ("http://%6c%6f%63%61%6c%68%6f%73%74/", "loopback"),
    ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "loopback"),
    ("http://localhoſt/", "loopback"),
    ("http://１６９.254.169.254/", "metadata_address"),
    // IPv4 inside IPv6.
    ("http://[::ffff:127.0.0.1]/", "loopback"),
    ("http://[::ffff:7f00:1]/", "loopback"),
    ("http://[0:0:0:0:0:ffff:7f00:0001]/", "loopback"),
    ("http://[::127.0.0.1]/", "loopback"),
    ("http://[::ffff:0:127.0.0.1]/", "loopback"),
    ("http://[::ffff:169.254.169.254]/", "metadata_address"),
    ("http://[::ffff:a9fe:a9fe]/", "metadata_address"),
    ("http://[64:ff9b::127.0.0.1]/", "loopback"),
    ("http://[64:ff9b::a9fe:a9fe]/", "metadata_address"),
    ("http://[64:ff9b:1::7f00:1]/", "private_network"),
    ("http://[2002:7f00:1::]/", "loopback"),
    ("http://[2002:a9fe:a9fe::]/", "metadata_address"),
    ("http://[2002:c0a8:0101::1]/", "private_network"),
    // IPv6 of its own.
    ("http://[::1]/", "loopback"),
    ("http://[0000:0000:0000:0000:0000:0000:0000:0001]/", "loopback"),
    ("http://[::]/", "unspecified_address"),
    ("http://[fe80::1]/", "link_local"),
    ("http://[fd00:ec2::254]/", "metadata_address"),
    ("http://[fc00::1]/", "private_network"),
    ("http://[fec0::1]/", "private_network"),
    ("http://[ff02::1]/", "multicast"),
    ("http://[2001:0:53aa:64c:0:0:80ff:fffe]/", "reserved_address"),
    // Names.
    ("http://localhost/", "loopback"),
    ("http://LOCALHOST:80/", "loopback"),
    ("http://localhost./", "loopback"),
    ("http://a.b.localhost/", "loopback"),
    ("http://localhost.localdomain/", "loopback"),
    ("http://ip6-localhost/", "loopback"),
    ("http://metadata.google.internal./", "metadata_address"),
    ("http://Metadata.Google.Internal/", "metadata_address"),
    ("http://instance-data/", "metadata_address"),
    // What stands before and behind the host.
    ("http://example.com@127.0.0.1/", "invalid"),
    ("http://example.com:80@127.0.0.1/", "invalid"),
    ("http://example.com%40@127.0.0.1/", "invalid"),
    ("http:\\\\127.0.0.1\\", "loopback"),
    ("http:///127.0.0.1/", "loopback"),
    ("http:127.0.0.1", "loopback"),
    ("http://127.0.0.1#@example.com/", "loopback"),
    ("http://127.0.0.1?@example.com/", "loopback"),
    ("http://127.0.0.1\\@example.com/", "loopback"),
    ("\thttp://127.0.0.1/", "loopback"),
    ("ht\ntp://127.0.0.1/", "loopback"),
    ("http://127.\t0.0.1/", "loopback"),
    // Other schemes.
    ("gopher://127.0.0.1:6379/", "invalid"),
    ("file:///etc/passwd", "invalid"),
    ("ws://127.0.0.1/", "invalid"),
];

/// What is no URL at all leads nowhere either.
const NO_URLS: &[&str] = &[
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%lo]/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.256/",
    "http://0x7f.0.0.0.1/",
    "http://[::ffff:127.0.0.1/",
    "http://127.0.0.1 .example.com/",
    "http://exa\0mple.com/",
    "http://a%00.example.com/",
    "http://%5b::1%5d/",
];

/// Answers of a name server that are refused whole, and that are refused when they change.
const ANSWERS: &[(&[&[&str]], &str)] = &[
    (&[&["127.0.0.1"]], "loopback"),
    (&[&["8.8.8.8", "127.0.0.1"]], "loopback"),
    (&[&["127.0.0.1", "8.8.8.8"]], "loopback"),
    (&[&["8.8.8.8", "::1"]], "loopback"),
    (&[&["8.8.8.8", "::ffff:10.0.0.1"]], "private_network"),
    (&[&["2606:4700::1111", "fd00:ec2::254"]], "metadata_address"),
    (&[&["8.8.8.8", "64:ff9b::a9fe:a9fe"]], "metadata_address"),
    (&[&["8.8.8.8", "0.0.0.0"]], "unspecified_address"),
    (&[&["8.8.8.8"], &["127.0.0.1"]], "loopback"),
    (&[&["8.8.8.8"], &["169.254.169.254"]], "metadata_address"),
    (&[&["8.8.8.8"], &["8.8.8.8"], &["8.8.4.4", "192.168.0.1"]], "private_network"),
    (&[&["8.8.8.8"], &["2002:7f00:1::"]], "loopback"),
];

#[test]
fn no_spelling_reaches_a_denied_address() {
    let hosted = policy(true, &[], Scripted::new(&[]));
    for (text, expected) in SPELLINGS {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(verdict(hosted.check_url(&url)), *expected, "{text:?} is {url}");
    }
    for text in NO_URLS {
        assert!(Url::parse(text).is_err(), "{text:?} is {:?}", Url::parse(text));
    }
    assert!(SPELLINGS.len() + NO_URLS.len() + ANSWERS.len() >= 60, "what is counted on");
}

#[test]
fn deny_list_sees_through_every_spelling() {
    let own = policy(false, &["127.0.0.0/8", "::1/128", "169.254.0.0/16"], Scripted::new(&[]));
    for (text, class) in SPELLINGS.iter().filter(|(_, class)| ["loopback", "metadata_address"].contains(class)) {
        let url = Url::parse(text).unwrap();
        // Names are judged when they were resolved, and IPv6 addresses of clouds are not on this list.
        if !matches!(url.host(), Some(Host::Domain(_))) && !text.contains("fd00") {
            assert_eq!(verdict(own.check_url(&url)), "denied_network", "{text:?} ({class})");
        }
    }
}

#[tokio::test]
async fn no_answer_of_a_name_server_reaches_a_denied_address() {
    for (answers, expected) in ANSWERS {
        let hosted = policy(true, &[], Scripted::new(answers));
        let url = Url::parse("http://rebound.example/").unwrap();
        let mut last = String::new();
        for answer in *answers {
            let pinned = hosted.pin(&url).await;
            if let Ok(pinned) = &pinned {
                let dialled = std::iter::once(&pinned.address).chain(&pinned.fallbacks);
                assert!(dialled.into_iter().all(|address| classify_address(address.ip()) == AddressClass::Public));
            }
            last = verdict(pinned.map(|_| ()));
            assert!(last == "ok" || last == *expected, "{answer:?}: {last}");
        }
        assert_eq!(last, *expected, "{answers:?}");
    }
}
