//! Fetching with redirects: where they may lead, and what they carry.

use super::*;
use crate::policy::SystemResolver;
use crate::transport::fetch::{FetchError, PolicyFetcher};

/// A server with one answer a path; each ends with its connection.
async fn pages(pages: Vec<(&'static str, String)>) -> SocketAddr {
    let pages = Arc::new(pages);
    server(move |_, mut stream| {
        let pages = pages.clone();
        Box::pin(async move {
            if let Some(request) = read_request(&mut stream).await {
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let secret = if request.contains("X-Secret: 1") { "secret" } else { "plain" };
                let found =
                    pages.iter().find(|(at, _)| *at == path).map(|(_, answer)| answer.replace("{secret}", secret));
                let answer = found.unwrap_or_else(|| "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_owned());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
    })
    .await
}

fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn fetcher(deny: &[&str]) -> PolicyFetcher {
    let deny = deny.iter().map(|net| net.parse().unwrap()).collect();
    let policy = TargetPolicy { hosted: false, deny, resolver: Arc::new(SystemResolver) };
    PolicyFetcher { policy, connect: Arc::new(HttpConnect::new()), limits: limits(), scan_id: "scan_test".to_owned() }
}

#[tokio::test]
async fn fetch_follows_redirects_only_where_they_may_lead() {
    let other = pages(vec![("/there", "HTTP/1.1 200 OK\r\n\r\nelsewhere".to_owned())]).await;
    let ok = "HTTP/1.1 200 OK\r\n\r\n{secret}".to_owned();
    let mut site = vec![
        ("/doc", ok),
        ("/one", redirect("/doc")),
        ("/relative", redirect("doc")),
        ("/loop", redirect("/loop")),
        ("/other", redirect(&format!("http://{other}/there"))),
        ("/metadata", redirect("http://169.254.169.254/latest/meta-data/")),
        ("/private", redirect("http://192.168.0.1/")),
        ("/decimal", redirect("http://2852039166/latest/")),
        ("/mapped", redirect("http://[::ffff:a9fe:a9fe]/")),
        ("/nat64", redirect("http://[64:ff9b::a9fe:a9fe]/")),
        ("/scheme-relative", redirect("//169.254.169.254/")),
        ("/backslash", redirect("\\\\169.254.169.254\\")),
        ("/userinfo", redirect("http://example.com@169.254.169.254/")),
        ("/zone", redirect("http://[fe80::1%25eth0]/")),
        ("/unicode", redirect("http://169.254.169%E3%80%82254/")),
        ("/denied", redirect("http://127.66.0.1/")),
        ("/file", redirect("file:///etc/passwd")),
        ("/nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("/large", format!("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101))),
        ("/exact", format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(100))),
        ("/broken", "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ];
    for hop in ["/h1", "/h2", "/h3", "/h4", "/h5", "/h6"].windows(2) {
        site.push((hop[0], redirect(hop[1])));
    }
    site.push(("/h6", redirect("/doc")));
    let address = pages(site).await;
    let fetcher = fetcher(&["127.66.0.0/16"]);
    let secret = vec![("X-Secret".to_owned(), b"1".to_vec())];
    for (path, expected) in [
        ("/doc", "secret"),
        ("/one", "secret"),
        ("/relative", "secret"),
        ("/other", "elsewhere"),
        ("/h2", "secret"),
        ("/h1", "TooManyRedirects"),
        ("/loop", "TooManyRedirects"),
        ("/metadata", "RedirectRefused(\"http://169.254.169.254\")"),
        ("/private", "RedirectRefused(\"http://192.168.0.1\")"),
        ("/decimal", "RedirectRefused(\"http://169.254.169.254\")"),
        ("/mapped", "RedirectRefused(\"http://[::ffff:a9fe:a9fe]\")"),
        ("/nat64", "RedirectRefused(\"http://[64:ff9b::a9fe:a9fe]\")"),
        ("/scheme-relative", "RedirectRefused(\"http://169.254.169.254\")"),
        ("/backslash", "RedirectRefused(\"http://169.254.169.254\")"),
        ("/userinfo", "Policy(InvalidUrl(\"it holds credentials\"))"),
        ("/zone", "RedirectInvalid"),
        ("/unicode", "RedirectRefused(\"http://169.254.169.254\")"),
        ("/denied", "Policy(NotAllowed { host: \"127.66.0.1\", reason: \"denied_network\" })"),
        ("/file", "Policy(InvalidUrl(\"the scheme is neither http nor https\"))"),
        ("/nowhere", "RedirectInvalid"),
        ("/large", "TooLarge { limit: 100 }"),
        ("/broken", "Status(500)"),
        ("/missing", "Status(404)"),
    ] {
        let url = Url::parse(&format!("http://{address}{path}")).unwrap();
        let seen = match fetcher.document(&url, &secret, 100).await {
            Ok(fetched) => String::from_utf8_lossy(&fetched.response.body).into_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(seen, expected, "{path}");
    }
    let exact = fetcher.document(&format!("http://{address}/exact").parse().unwrap(), &[], 100).await;
    assert_eq!(exact.map(|fetched| fetched.response.body.len()), Ok(100));
}

#[tokio::test]
async fn fetch_does_not_carry_headers_to_another_origin() {
    let other = pages(vec![("/", "HTTP/1.1 200 OK\r\n\r\n{secret}".to_owned())]).await;
    let address = pages(vec![("/", redirect(&format!("http://{other}/")))]).await;
    let secret = vec![("X-Secret".to_owned(), b"1".to_vec())];
    let fetched = fetcher(&[]).document(&format!("http://{address}/").parse().unwrap(), &secret, 100).await;
    assert_eq!(fetched.map(|fetched| fetched.response.body), Ok(Bytes::from_static(b"plain")));
    assert!(matches!(
        fetcher(&["127.0.0.0/8"]).get(&format!("http://{address}/").parse().unwrap(), &[], 100).await,
        Err(FetchError::Policy(_))
    ));
}
