use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use secrecy::SecretString;

use super::*;
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::classify::WireTruth;
use crate::identity::Credentials;
use crate::transport::{Request, Response};

static INFO: CheckInfo =
    CheckInfo { id: "T1", title: "", description: "", remediation: "", cwe: &["CWE-1"], owasp: None };

fn redactor() -> Redactor {
    let mut redactor = Redactor::new();
    redactor.credentials(&Credentials::Bearer(SecretString::from("s3cr3t'tok\"en")), "");
    let name = "X-Shop-Key".to_owned();
    redactor.credentials(&Credentials::Header { name, value: SecretString::from("k3y-value") }, "_2");
    redactor
}

fn request(method: &str, target: &str, headers: &[(&str, &[u8])], body: Option<&[u8]>) -> Request {
    let mut request = Request::new(method, target);
    request.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    request.body = body.map(Bytes::copy_from_slice);
    request
}

fn finding(request: Request, response: Response, origin: &str) -> Finding {
    let exchange = Exchange::new(None, request, Ok(response), WireTruth::Positive, DateTime::UNIX_EPOCH);
    let suspicion = Suspicion::new(Severity::Low, "", "d", "said s3cr3t'tok\"en");
    FindingBuilder::new(origin, redactor()).build(&INFO, &suspicion, None, &[(Role::Probe, &exchange)])
}

fn response(headers: &[(&str, &str)], body: &[u8]) -> Response {
    Response {
        status: 200,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        body: Bytes::copy_from_slice(body),
        truncated: false,
        unexpected_bytes: 0,
        elapsed: Duration::ZERO,
        wire_bytes: 0,
    }
}

/// What the printed line sends when a shell runs it, read from a socket.
fn sent_by_shell(listener: &TcpListener, line: &str) -> Vec<u8> {
    // From a file, as from a keyboard: an argument of a command could not be as long.
    let mut script = tempfile::NamedTempFile::new().expect("a file");
    script.write_all(line.as_bytes()).expect("a script");
    let child = Command::new("sh")
        .arg(script.path())
        .env("NAT_TOKEN", "s3cr3t'tok\"en")
        .env("NAT_API_KEY_2", "k3y-value")
        .env_remove("http_proxy")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.expect("a shell");
    let (mut stream, _) = listener.accept().expect("curl connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !is_complete(&bytes) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("curl reads");
    drop(stream);
    assert!(child.wait().expect("curl ends").success(), "{line}");
    bytes
}

fn split(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    // Latin-1, so that every byte stays visible.
    Some((bytes[..end].iter().copied().map(char::from).collect(), &bytes[end + 4..]))
}

fn is_complete(bytes: &[u8]) -> bool {
    let Some((head, body)) = split(bytes) else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

#[test]
fn curl_line_run_by_a_shell_sends_the_same_bytes() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        // A machine without curl has no use for the line either; `curl_line_known_request_is_one_quoted_line` remains.
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let every_byte: Vec<u8> = (0..=255).collect();
    let long = vec![b'%'; 70 << 10];
    let json = ("Content-Type", &b"application/json"[..]);
    let cases = [
        request("GET", "/a/../b//c/%2e%2e/?q=[1]&r={x}&s='$HOME'`id`\\", &[], None),
        request("HEAD", "/", &[], None),
        request("POST", "/", &[json], Some(b"{\"a\": \"it's $HOME `id` \\\\ !! \\u00e9 \xc3\xa9\"}")),
        request("POST", "/", &[("Content-Type", b"application/octet-stream")], Some(&every_byte)),
        request("POST", "/", &[json], Some(b"@/etc/hostname")),
        request("PUT", "/", &[json], Some(b"-n\n")),
        request("PATCH", "/", &[json], Some(b"line\r\nline\n")),
        request("POST", "/", &[json], Some(&long)),
        request("POST", "/", &[], None),
        request("DELETE", "/x", &[], Some(b"")),
        request("GET", "/", &[("X-Empty", b""), ("X-Latin", b"caf\xe9"), ("X-Twice", b"1"), ("X-Twice", b"2")], None),
        request("M-SEARCH", "/?t=s3cr3t%27tok%22en", &[("Authorization", b"Bearer s3cr3t'tok\"en")], None),
        request("POST", "/", &[("X-Shop-Key", b"k3y-value"), json], Some(b"{\"k\":\"k3y-value\"}\n")),
    ];
    for case in cases {
        let line = finding(case.clone(), response(&[], b""), &origin).curl;
        assert!(!line.contains("s3cr3t") && !line.contains("k3y-value") && !line.contains('\n'), "{line}");
        let bytes = sent_by_shell(&listener, &line);
        let (head, body) = split(&bytes).expect("a request");
        let mut lines = head.lines();
        let target = case.target.replace("%27tok%22en", "'tok\"en");
        assert_eq!(lines.next(), Some(format!("{} {target} HTTP/1.1", case.method).as_str()), "{line}");
        let own = |line: &&str| !["Host:", "User-Agent:", "Content-Length:"].iter().any(|name| line.starts_with(name));
        let headers: Vec<&str> = lines.filter(own).map(str::trim_end).collect();
        let wanted: Vec<String> = case
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.iter().copied().map(char::from).collect::<String>()))
            .map(|line| line.trim_end().to_owned())
            .collect();
        assert_eq!(headers, wanted, "{line}");
        assert_eq!(body, case.body.as_deref().unwrap_or_default(), "{line}");
    }
}

#[test]
fn curl_line_known_request_is_one_quoted_line() {
    let json = ("Content-Type", &b"application/json"[..]);
    let auth = ("Authorization", &b"Bearer s3cr3t'tok\"en"[..]);
    let line =
        finding(request("POST", "/a?b=c", &[auth, json], Some(b"{\"n\":\"it's\"}")), response(&[], b""), "http://h");
    assert_eq!(
        line.curl,
        "curl -sS -g --path-as-is -i -X 'POST' 'http://h/a?b=c' -H 'Authorization: Bearer '\"$NAT_TOKEN\" \
         -H 'Content-Type: application/json' -H 'Accept:' --data-binary '{\"n\":\"it'\\''s\"}'"
    );
    // A token that the engine got during the scan is known by its header only.
    let line =
        finding(request("GET", "/", &[("Authorization", b"Bearer fresh")], None), response(&[], b""), "http://h");
    assert_eq!(
        line.curl,
        "curl -sS -g --path-as-is -i -X 'GET' 'http://h/' -H 'Authorization: Bearer '\"$NAT_TOKEN\" -H 'Accept:'"
    );
}

#[test]
fn secrets_never_reach_a_finding() {
    let encoded = "s3cr3t%27tok%22en";
    let found = finding(
        request(
            "POST",
            &format!("/x?key={encoded}"),
            &[
                ("Authorization", b"Bearer fresh-token"),
                ("Cookie", b"sid=abc123def; theme=dark"),
                ("X-API-Key", b"other-key"),
                ("X-Shop-Key", b"k3y-value"),
                ("Proxy-Authorization", b"Basic cHJveHk="),
            ],
            Some(br#"{"token":"s3cr3t'tok\"en","plain":"k3y-value"}"#),
        ),
        response(
            &[("Set-Cookie", "sid=zzz999; HttpOnly"), ("X-Echo", "k3y-value")],
            b"you sent fresh-token and k3y-value",
        ),
        "http://h",
    );
    let text = serde_json::to_string(&found).expect("serialises");
    for secret in ["s3cr3t", encoded, "fresh-token", "k3y-value", "cHJveHk", "zzz999"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // Cookies and keys that are no credentials of the scan were made up by it: the line needs them to repeat the request.
    let evidence = &found.evidence[0];
    assert!(!evidence.request.contains("abc123def") && !evidence.request.contains("other-key"));
    assert!(found.curl.contains("sid=abc123def; theme=dark"), "{}", found.curl);
    assert!(evidence.request.contains("Cookie: sid=[redacted]; theme=[redacted]"), "{}", evidence.request);
    assert!(evidence.response.contains("Set-Cookie: sid=[redacted]; HttpOnly"), "{}", evidence.response);
    assert!(evidence.response.ends_with("you sent [redacted] and [redacted]"), "{}", evidence.response);
}

#[test]
fn evidence_bodies_are_cut_and_binary_is_encoded() {
    let mut long = "é".repeat(40 << 10).into_bytes();
    long.extend_from_slice(b"k3y-value");
    let text = finding(request("GET", "/", &[], None), response(&[], &long), "http://h").evidence.remove(0).response;
    assert!(text.len() < (64 << 10) + 200 && text.contains("[cut: 81929 bytes, SHA-256 "), "{}", text.len());
    // The secret stands across the limit.
    let mut edge = vec![b'a'; (64 << 10) - 4];
    edge.extend_from_slice(b"k3y-value");
    let text = finding(request("GET", "/", &[], None), response(&[], &edge), "http://h").evidence.remove(0).response;
    assert!(!text.contains("k3y-"), "half a secret");
    let text =
        finding(request("GET", "/", &[], None), response(&[], b"\xff\xfe"), "http://h").evidence.remove(0).response;
    assert!(text.ends_with("[2 bytes, not UTF-8, in base64]\n//4="), "{text}");
}

#[test]
fn fingerprint_is_stable_and_ignores_names_of_parameters() {
    let one = fingerprint("F001", "GET", "/users/{id}/x", "", "500|a");
    assert_eq!(one, fingerprint("F001", "GET", "/users/{userId}/x", "", "500|a"));
    // Version 1 is a promise: baselines and suppressions of users hold these values.
    assert_eq!(one, "dcaab36035e53b7528e700f76c71e548e7eb94e744a99d1e059b80efa812314b");
    for other in [
        fingerprint("F002", "GET", "/users/{id}/x", "", "500|a"),
        fingerprint("F001", "PUT", "/users/{id}/x", "", "500|a"),
        fingerprint("F001", "GET", "/users/{id}/y", "", "500|a"),
        fingerprint("F001", "GET", "/users/{id}/x", "query a", "500|a"),
        fingerprint("F001", "GET", "/users/{id}/x", "", "500|b"),
    ] {
        assert_ne!(one, other);
    }
}
