//! TLS: the certificate is judged by the name of the target while the pinned address is dialled.

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate for `api.test` and 127.0.0.1, signed by [`AUTHORITY`]; made for these tests, of no other use.
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/fixtures/tls/server.der");
const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/server-key.der");
const AUTHORITY: &[u8] = include_bytes!("../../../tests/fixtures/tls/authority.der");

fn acceptor() -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers with the name that the client asked for, and ends without saying so at the level of TLS.
async fn tls_server(answers: usize) -> SocketAddr {
    let acceptor = acceptor();
    server(move |_, stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
            for _ in 0..answers {
                let mut request = vec![0; 4096];
                let Ok(1..) = stream.read(&mut request).await else { return };
                let answer = format!("HTTP/1.1 200 OK\r\nX-Name: {name}\r\nContent-Length: 2\r\n\r\nok");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.flush().await;
            }
        })
    })
    .await
}

fn tls_target(address: SocketAddr, host: &str) -> PinnedTarget {
    let url = Url::parse(&format!("https://{host}:{}/", address.port())).unwrap();
    PinnedTarget { host: host.to_owned(), url, address, fallbacks: Vec::new(), tls: true }
}

#[tokio::test]
async fn certificate_is_judged_by_the_targets_name() {
    let address = tls_server(3).await;
    let private = HttpConnect::with_roots(vec![CertificateDer::from(AUTHORITY)]);
    for (connect, host, expected) in [
        (&private, "api.test", "200 2"),
        (&private, "api.test.", "200 2"),
        (&private, "127.0.0.1", "200 2"),
        (&private, "other.test", "tls"),
        (&HttpConnect::new(), "api.test", "tls"),
    ] {
        let transport = connect.connect(&tls_target(address, host), limits(), "scan_test");
        let result = transport.send(&Request::new("GET", "/"), false).await;
        assert_eq!(ending(&result), expected, "{host}: {result:?}");
        if let Ok(response) = result {
            let name = if host == "127.0.0.1" { "none" } else { "api.test" };
            assert_eq!(response.header("x-name"), Some(name), "SNI of {host}");
        }
    }
}

#[tokio::test]
async fn tls_connection_is_kept_and_a_stale_one_is_replaced() {
    let address = tls_server(2).await;
    let connect = HttpConnect::with_roots(vec![CertificateDer::from(AUTHORITY)]);
    let transport = connect.connect(&tls_target(address, "api.test"), limits(), "scan_test");
    for number in 0..5 {
        let result = transport.send(&Request::new("GET", "/"), false).await;
        assert_eq!(ending(&result), "200 2", "request {number}: {result:?}");
    }
}

#[tokio::test]
async fn facts_are_the_versions_that_the_server_speaks() {
    let address = tls_server(1).await;
    let connect = HttpConnect::with_roots(vec![CertificateDer::from(AUTHORITY)]);
    let facts = connect.connect(&tls_target(address, "api.test"), limits(), "scan_test").tls().await.expect("facts");
    assert_eq!((facts.versions, facts.plain), (vec!["TLS 1.3", "TLS 1.2"], None));
    assert!(facts.expires.is_some());
    // Who does not trust the certificate learns nothing.
    let stranger = HttpConnect::new().connect(&tls_target(address, "api.test"), limits(), "scan_test");
    assert_eq!(stranger.tls().await, Some(TlsFacts::default()));
    let plain = PinnedTarget { tls: false, ..tls_target(address, "api.test") };
    assert_eq!(connect.connect(&plain, limits(), "scan_test").tls().await, None);
}
