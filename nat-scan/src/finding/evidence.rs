//! Exchanges as text for people: redacted, and cut at a limit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::redact::REDACTED;
use super::{Evidence, Redactor, Role};
use crate::check::Exchange;
use crate::transport::{Request, Response};

/// Of one body.
const MAX_BODY: usize = 64 << 10;

pub(super) fn of_exchange(role: Role, exchange: &Exchange, origin: &str, redactor: &Redactor) -> Evidence {
    // A token that was refreshed during the scan is known only from the request that carried it.
    let mut redactor = redactor.clone();
    for (name, value) in &exchange.request.headers {
        if redactor.is_credential_header(name) {
            let value = String::from_utf8_lossy(value);
            let token = value.rsplit(' ').next().unwrap_or_default();
            redactor.secret(token, "NAT_TOKEN");
        }
    }
    let response = match &exchange.result {
        Ok(response) => response_text(response, &redactor),
        Err(error) => redactor.text(&format!("no answer ({}): {error}", error.kind())),
    };
    Evidence {
        role: role.as_str().to_owned(),
        request: request_text(&exchange.request, origin, &redactor),
        response,
        at: exchange.at,
    }
}

fn request_text(request: &Request, origin: &str, redactor: &Redactor) -> String {
    let host = origin.split("://").nth(1).unwrap_or(origin);
    let mut text = format!("{} {} HTTP/1.1\n", request.method, redactor.text(&request.target));
    if request.foreign_host().is_none() {
        text.push_str(&format!("Host: {host}\n"));
    }
    push_headers(&mut text, &request.headers, redactor);
    push_body(&mut text, request.body.as_deref().unwrap_or_default(), false, redactor);
    text
}

fn response_text(response: &Response, redactor: &Redactor) -> String {
    let mut text = format!("HTTP/1.1 {}\n", response.status);
    push_headers(&mut text, &response.headers, redactor);
    push_body(&mut text, &response.body, response.truncated, redactor);
    if response.unexpected_bytes > 0 {
        text.push_str(&format!("\n[{} bytes followed that must not be there]", response.unexpected_bytes));
    }
    text
}

fn push_headers(text: &mut String, headers: &[(String, Vec<u8>)], redactor: &Redactor) {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        let value = match name.to_ascii_lowercase().as_str() {
            "cookie" => value.split(';').map(redacted_cookie).collect::<Vec<_>>().join("; "),
            "set-cookie" => redacted_set_cookie(&value),
            _ if redactor.is_sensitive_header(name) => REDACTED.to_owned(),
            _ => redactor.text(&value),
        };
        text.push_str(&format!("{name}: {value}\n"));
    }
}

/// Names of cookies are worth seeing.
fn redacted_cookie(pair: &str) -> String {
    match pair.trim().split_once('=') {
        Some((name, _)) => format!("{name}={REDACTED}"),
        None => REDACTED.to_owned(),
    }
}

/// So are the attributes.
fn redacted_set_cookie(value: &str) -> String {
    let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
    let pair = redacted_cookie(pair);
    if attributes.is_empty() { pair } else { format!("{pair};{attributes}") }
}

fn push_body(text: &mut String, body: &[u8], truncated: bool, redactor: &Redactor) {
    if body.is_empty() {
        return;
    }
    // Redacted before it is cut: half a secret is a secret.
    let shown = redactor.bytes(body);
    let kept = &shown[..floor_char_boundary(&shown, MAX_BODY)];
    text.push('\n');
    match std::str::from_utf8(kept) {
        Ok(body) => text.push_str(body),
        Err(_) => text.push_str(&format!("[{} bytes, not UTF-8, in base64]\n{}", body.len(), STANDARD.encode(kept))),
    }
    if kept.len() < shown.len() || truncated {
        let digest = hex::encode(Sha256::digest(body));
        let more = if truncated { ", more was not read" } else { "" };
        text.push_str(&format!("\n[cut: {} bytes{more}, SHA-256 {digest}]", body.len()));
    }
}

/// The last place at or before `limit` that does not split a UTF-8 sequence.
fn floor_char_boundary(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let is_continuation = |at: usize| bytes[at] & 0b1100_0000 == 0b1000_0000;
    (limit.saturating_sub(3)..=limit).rev().find(|at| !is_continuation(*at)).unwrap_or(limit)
}
