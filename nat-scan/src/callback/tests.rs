use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};

use chrono::DateTime;

use super::*;

struct Epoch;

impl Now for Epoch {
    fn now(&self) -> DateTime<chrono::Utc> {
        DateTime::UNIX_EPOCH
    }
}

async fn open() -> Callback {
    let address = CallbackAddress::beside("http://127.0.0.1:80").unwrap();
    Callback::open(&address, Arc::new(Epoch), 0).await.unwrap().patient(Duration::from_secs(10))
}

/// What a client in a thread of its own gets while the listener answers.
async fn ask<T: Send + 'static>(callback: &Callback, client: impl FnOnce() -> T + Send + 'static) -> T {
    let client = tokio::task::spawn_blocking(client);
    tokio::select! {
        never = callback.serve() => match never {},
        answer = client => answer.unwrap(),
    }
}

fn get(port: u16, request: String) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn announced_words_are_answered_and_remembered_without_secrets() {
    let callback = open().await;
    let port = callback.port;
    let text = callback.announce("natONE", Reply::Text("the body".to_owned()));
    let redirect = callback.announce("nattwo", Reply::Redirect(callback.url("natone")));
    for (path, expected) in [
        (format!("/{text}?x=1"), "200 OK"),
        (format!("/deep/{redirect}.png"), "302 Found"),
        ("/natthree".to_owned(), "404 Not Found"),
    ] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: h\r\nX-Api-Key: k\r\nUser-Agent: u\r\nContent-Length: 3\r\n\r\nabc");
        let answer = ask(&callback, move || get(port, head)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
    callback.wait(&[&text, &redirect]).await;
    let hits = callback.hits(&text);
    assert_eq!((hits.len(), hits[0].method.as_str(), hits[0].path.as_str()), (1, "POST", "/natone?x=1"));
    assert!(hits[0].headers.contains(&("X-Api-Key".to_owned(), "[redacted]".to_owned())));
    assert!(hits[0].headers.contains(&("User-Agent".to_owned(), "u".to_owned())));
    assert!(callback.hits("natthree").is_empty());
}

#[tokio::test]
async fn names_of_the_zone_lead_to_the_listener() {
    let callback = open().await;
    let word = callback.announce("natdns", Reply::Text(String::new()));
    let port = callback.port;
    let name = callback.name(&word).unwrap();
    assert_eq!(name, format!("natdns.callback.test:{port}"));
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x06natdns\x08callback\x04test\x00\x00\x01\x00\x01");
    let answer = ask(&callback, move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&message, ("127.0.0.1", port)).unwrap();
        let mut room = [0; 512];
        let length = socket.recv(&mut room).unwrap();
        room[..length].to_vec()
    });
    assert!(answer.await.ends_with(&[127, 0, 0, 1]));
    let hits = callback.hits(&word);
    assert_eq!((hits.len(), hits[0].protocol, hits[0].method.as_str()), (1, Protocol::Dns, "A"));
}

#[tokio::test]
async fn noise_is_dropped() {
    let callback = open().await;
    let port = callback.port;
    for noise in
        ["\r\n\r\n".to_owned(), format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000)), "\0\0\r\n\r\n".to_owned()]
    {
        ask(&callback, move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = stream.write_all(noise.as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP/1.1 200"));
        })
        .await;
    }
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (text, expected) in [
        ("10.0.0.5", Some(("10.0.0.5", 0))),
        ("10.0.0.5:53", Some(("10.0.0.5", 53))),
        ("oast.example.com:8080", Some(("oast.example.com", 8080))),
        ("[::1]:9", Some(("::1", 9))),
        ("::1", Some(("::1", 0))),
        ("host:port", None),
        ("", None),
        ("a b", None),
    ] {
        let read = text.parse::<CallbackAddress>().ok();
        assert_eq!(read.as_ref().map(|address| (address.host.as_str(), address.port)), expected, "{text}");
    }
    for (origin, expected) in [
        ("http://127.0.0.1:5000", Some("127.0.0.1")),
        ("http://localhost:5000", Some("127.0.0.1")),
        ("http://[::1]:80", Some("::1")),
        ("https://api.example.com", None),
        ("http://10.0.0.1", None),
    ] {
        assert_eq!(CallbackAddress::beside(origin).map(|address| address.host).as_deref(), expected, "{origin}");
    }
}
