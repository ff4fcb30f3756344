//! TLS with rustls and ring; the provider is passed, never the process-wide default.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TransportError;

#[derive(Clone)]
pub(super) struct TlsConnect {
    connector: TlsConnector,
    roots: Arc<RootCertStore>,
}

impl TlsConnect {
    pub(super) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(extra_roots);
        Self::with(Arc::new(roots), rustls::DEFAULT_VERSIONS)
    }

    /// The same, speaking this version alone.
    pub(super) fn only(&self, version: &'static SupportedProtocolVersion) -> Self {
        Self::with(Arc::clone(&self.roots), &[version])
    }

    fn with(roots: Arc<RootCertStore>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { connector: TlsConnector::from(Arc::new(config)), roots }
    }

    /// `host` as in the URL: a name, an IPv4 address, or an IPv6 address in brackets.
    pub(super) async fn handshake(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TransportError> {
        // A certificate names a host without the dot that makes it absolute.
        let name = host.trim_start_matches('[').trim_end_matches([']', '.']).to_owned();
        let name = ServerName::try_from(name).map_err(|error| TransportError::Tls(error.to_string()))?;
        self.connector.connect(name, tcp).await.map_err(|error| TransportError::Tls(error.to_string()))
    }
}
