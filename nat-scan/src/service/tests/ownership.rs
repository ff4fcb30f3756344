//! Proof of control, asked of a target and a name server that say what the test says.

use bytes::Bytes;

use super::*;
use crate::policy::AllowList;
use crate::transport::Response;

/// A site with this file, and a name server with this record.
#[derive(Clone, Default)]
struct Site {
    status: u16,
    file: String,
    record: String,
}

#[async_trait]
impl Resolve for Site {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
        Ok(vec![([93, 184, 216, 34], port).into()])
    }

    async fn texts(&self, host: &str) -> std::io::Result<Vec<String>> {
        assert_eq!(host, "api.example.org");
        Ok(vec!["v=spf1 -all".to_owned(), self.record.clone()])
    }
}

impl Connect for Site {
    fn connect(&self, target: &PinnedTarget, _: Limits, _: &str) -> Arc<dyn Transport> {
        assert_eq!(target.origin(), "http://api.example.org:8080");
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Transport for Site {
    async fn send(&self, request: &Request, _: bool) -> Result<Response, TransportError> {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/.well-known/nat.txt"));
        Ok(Response {
            status: self.status,
            headers: vec![("Location".to_owned(), b"http://elsewhere.example/".to_vec())],
            body: Bytes::from(self.file.clone()),
            truncated: false,
            unexpected_bytes: 0,
            elapsed: std::time::Duration::ZERO,
            wire_bytes: 0,
        })
    }

    fn origin(&self) -> &str {
        "http://api.example.org:8080"
    }
}

fn scan(safe_mode: bool) -> StartScan {
    let options = OptionsInput { safe_mode: Some(safe_mode), ..OptionsInput::default() };
    StartScan { url: Some("http://api.example.org:8080/v1".to_owned()), options, ..StartScan::default() }
}

#[tokio::test]
async fn security_scan_needs_proof_where_the_server_wants_it() {
    on_every_database(migrations, async |db| {
        let world = World::new(&db).await;
        let rich = Actor::system("rich".into(), "pro".into());
        let nodes = AtomicUsize::new(0);
        let node = |site: &Site, allow: Option<&str>, key: Option<&str>| {
            // Each with randomness of its own: no two scans have the same id.
            let mut ports = world.ports(&format!("n{}", nodes.fetch_add(1, Ordering::SeqCst)));
            ports.engine.policy.resolver = Arc::new(site.clone());
            ports.engine.connect = Arc::new(site.clone());
            let allow = allow.map(|allow| AllowList::parse(allow).unwrap());
            ports.permission = Permission { allow, key: key.map(|key| key.to_owned().into()) };
            Scans::with_engine(ports, quick())
        };
        let key = Some("0123456789abcdef0123456789abcdef");
        let token = node(&Site::default(), None, key).ownership_token(&"rich".into()).unwrap();
        let other = node(&Site::default(), None, key).ownership_token(&"acme".into()).unwrap();
        let file = |status, file: &str| Site { status, file: file.to_owned(), record: String::new() };
        let record = |text: String| Site { status: 404, file: String::new(), record: text };
        let (listed, unlisted) = (Some("api.example.org"), Some("*.api.example.org"));
        for (site, allow, key, safe_mode, expected) in [
            (file(404, ""), None, None, false, None),
            (file(404, ""), None, key, false, Some(ErrorCode::OwnershipNotProved)),
            (file(404, ""), None, key, true, None),
            (file(200, &token), None, key, false, None),
            (file(200, &format!("# ours\r\n{token}\r\n")), None, key, false, None),
            (file(200, &other), None, key, false, Some(ErrorCode::OwnershipNotProved)),
            (file(302, &token), None, key, false, Some(ErrorCode::OwnershipNotProved)),
            (record(format!("nat-verification={token}")), None, key, false, None),
            (record(format!("nat-verification={other}")), None, key, false, Some(ErrorCode::OwnershipNotProved)),
            (record(token.clone()), None, key, false, Some(ErrorCode::OwnershipNotProved)),
            (file(404, ""), listed, key, false, None),
            (file(404, ""), listed, None, false, None),
            (file(404, ""), unlisted, None, false, Some(ErrorCode::TargetNotAllowed)),
            (file(404, ""), unlisted, None, true, None),
        ] {
            let scans = node(&site, allow, key);
            let started = scans.start(&rich, ScanKind::Security, scan(safe_mode)).await;
            match started {
                Ok(scan) => {
                    assert_eq!(expected, None, "{} {}", site.status, site.file);
                    // One at a time in this plan.
                    scans.cancel(&rich, &scan.id).await.unwrap();
                }
                Err(error) => {
                    assert_eq!(Some(error.code), expected, "{} {}", site.status, site.file);
                    let body = error.body();
                    if error.code == ErrorCode::OwnershipNotProved {
                        assert_eq!(body["token"], token);
                        assert_eq!(body["proof_url"], "http://api.example.org:8080/.well-known/nat.txt");
                        assert_eq!((body["status"].as_u64(), body.len()), (Some(403), 5));
                    }
                }
            }
            // Only security checks need it.
            let functional = scans.start(&rich, ScanKind::Functional, scan(false)).await.unwrap();
            scans.cancel(&rich, &functional.id).await.unwrap();
        }
    })
    .await;
}
