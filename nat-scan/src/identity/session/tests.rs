use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::identity::OAuth2;
use crate::policy::{SystemResolver, TargetPolicy};
use crate::transport::Limits;
use crate::transport::http::HttpConnect;

fn fetcher() -> Arc<PolicyFetcher> {
    let policy = TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) };
    let limits = Limits { total_timeout: Duration::from_secs(5), ..Limits::default() };
    Arc::new(PolicyFetcher { policy, connect: Arc::new(HttpConnect::new()), limits, scan_id: "scan_test".to_owned() })
}

fn session(credentials: Credentials) -> Session {
    Session::new(credentials, fetcher())
}

fn oauth2(token_url: &str, username: Option<&str>) -> Credentials {
    Credentials::OAuth2(Box::new(OAuth2 {
        token_url: Some(token_url.parse().unwrap()),
        client_id: "client:1".to_owned(),
        client_secret: Some("s3cr&t".to_owned().into()),
        username: username.map(str::to_owned),
        password: username.map(|_| "pass word".to_owned().into()),
        scope: Some("read write".to_owned()),
        refresh_token: None,
    }))
}

/// Answers token requests by `answer(number, request)` and counts them.
async fn token_server(
    answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let mut length = 0;
            // Head and body come in one write.
            while !String::from_utf8_lossy(&request[..length]).contains("grant_type") {
                match stream.read(&mut request[length..]).await {
                    Ok(read) if read > 0 => length += read,
                    _ => break,
                }
            }
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answer(number, &String::from_utf8_lossy(&request[..length]));
            let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (url, count)
}

async fn header_of(session: &Session, name: &str) -> Result<String, AuthError> {
    let mut request = Request::new("GET", "/");
    session.apply(&mut request).await?;
    Ok(String::from_utf8(request.header(name).unwrap_or_default().to_vec()).unwrap())
}

#[tokio::test]
async fn static_credentials_become_headers_and_garbage_has_their_shape() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcXYZ089";
    for (credentials, name, valid, invalid) in [
        (Credentials::None, "Authorization", String::new(), String::new()),
        (
            Credentials::Bearer("tok-9z".to_owned().into()),
            "Authorization",
            "Bearer tok-9z".into(),
            "Bearer upl-0a".into(),
        ),
        (
            Credentials::Bearer(jwt.to_owned().into()),
            "Authorization",
            format!("Bearer {jwt}"),
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.bcdYZA190".into(),
        ),
        (
            Credentials::Header { name: "X-Key".to_owned(), value: "k1".to_owned().into() },
            "x-key",
            "k1".into(),
            "l2".into(),
        ),
        (
            Credentials::Header { name: "Authorization".to_owned(), value: "Token --".to_owned().into() },
            "Authorization",
            "Token --".into(),
            "Token --x".into(),
        ),
        (
            Credentials::Basic { username: "ann".to_owned(), password: "pw".to_owned().into() },
            "Authorization",
            format!("Basic {}", STANDARD.encode("ann:pw")),
            format!("Basic {}", STANDARD.encode("ann:qx")),
        ),
    ] {
        let shown = format!("{credentials:?}");
        let session = session(credentials);
        assert_eq!(header_of(&session, name).await.unwrap(), valid);
        let mut request = Request::new("GET", "/");
        session.apply_garbage(&mut request);
        assert_eq!(request.header(name).unwrap_or_default(), invalid.as_bytes(), "garbage of {valid}");
        // What goes over the wire is covered by the list of secrets, and nothing of it is in a Debug text.
        let secrets = session.secrets();
        for value in [&valid, &invalid].into_iter().filter(|value| !value.is_empty()) {
            assert!(secrets.iter().any(|secret| value.contains(secret.expose_secret())), "{value}");
        }
        for secret in &secrets {
            assert!(!format!("{session:?} {shown}").contains(secret.expose_secret()));
        }
        assert_eq!(session.is_authenticated(), !valid.is_empty());
        assert!(valid.is_empty() || session.secret_headers().contains(&name.to_ascii_lowercase()));
    }
}

#[tokio::test]
async fn cookie_credentials_stand_beside_the_operations_cookies() {
    let session = session(Credentials::Header { name: "Cookie".to_owned(), value: "sid=1".to_owned().into() });
    let mut request = Request::new("GET", "/");
    request.set_header("cookie", "theme=dark");
    session.apply(&mut request).await.unwrap();
    assert_eq!(request.header("cookie"), Some(b"theme=dark; sid=1".as_slice()));
}

#[tokio::test]
async fn token_is_requested_once_by_many_and_again_after_a_refusal() {
    let (url, count) = token_server(|number, request| {
        // client:1 and s3cr&t, form-encoded, joined, base64
        assert!(request.contains("Authorization: Basic Y2xpZW50JTNBMTpzM2NyJTI2dA=="), "{request}");
        assert!(request.ends_with("grant_type=client_credentials&scope=read+write"), "{request}");
        (200, format!("{{\"access_token\":\"t{number}\",\"expires_in\":3600}}"))
    })
    .await;
    let session = session(oauth2(&url, None));
    let headers = futures::future::join_all((0..50).map(|_| header_of(&session, "authorization"))).await;
    assert!(headers.iter().all(|header| header.as_deref() == Ok("Bearer t0")), "{headers:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let ticket = session.apply(&mut Request::new("GET", "/")).await.unwrap();
    let renewed = futures::future::join_all((0..50).map(|_| session.renew(&ticket))).await;
    assert!(renewed.iter().all(|renewed| *renewed));
    assert_eq!(count.load(Ordering::SeqCst), 2, "fifty refusals of one token are one renewal");
    assert_eq!(header_of(&session, "authorization").await.as_deref(), Ok("Bearer t1"));
    let secrets: Vec<_> = session.secrets().iter().map(|secret| secret.expose_secret().to_owned()).collect();
    assert_eq!(secrets, ["s3cr&t", "t0", "t1", "u2"]);
}

#[tokio::test]
async fn password_grant_falls_back_to_the_clients_secret_in_the_form() {
    let (url, count) = token_server(|_, request| match request.contains("client_secret=s3cr%26t") {
        true => (200, "{\"access_token\":\"form\"}".to_owned()),
        false => (401, "{\"error\":\"invalid_client\"}".to_owned()),
    })
    .await;
    let session = session(oauth2(&url, Some("ann")));
    assert_eq!(header_of(&session, "authorization").await.as_deref(), Ok("Bearer form"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn token_failures_are_named_and_not_repeated_at_once() {
    for (status, body, expected) in [
        (
            401,
            "{\"error\":\"invalid_client\",\"error_description\":\"s3cr&t is wrong\"}",
            "the token endpoint answered 401 invalid_client",
        ),
        (500, "<html>", "the token endpoint answered 500"),
        (302, "", "the token endpoint answered 302"),
        (200, "{}", "the token answer has no access_token"),
        (200, "{\"access_token\":\"a\\r\\nX: y\"}", "the access_token holds control characters"),
    ] {
        let (url, count) = token_server(move |_, _| (status, body.to_owned())).await;
        let session = session(oauth2(&url, None));
        for _ in 0..3 {
            assert_eq!(header_of(&session, "authorization").await, Err(AuthError(expected.to_owned())));
        }
        assert!(count.load(Ordering::SeqCst) <= 2, "the endpoint is left alone after a failure");
    }
}

#[tokio::test]
async fn token_url_passes_the_target_policy() {
    let mut fetcher = (*fetcher()).clone();
    fetcher.policy.hosted = true;
    let session = Session::new(oauth2("http://169.254.169.254/token", None), Arc::new(fetcher));
    let error = header_of(&session, "authorization").await.unwrap_err();
    assert!(error.0.contains("metadata_address"), "{error}");
}
