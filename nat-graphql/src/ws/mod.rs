//! GraphQL over WebSocket: the protocol graphql-transport-ws with all its close codes.
//!
//! A socket is one task: it reads messages, polls the running operations, asks now and then whether the key is still
//! good, and writes. Nothing is queued beyond what the client takes: an operation is polled for its next answer when
//! the one before has been written, and a client that takes nothing for a while is let go. When the socket ends, its
//! operations end with it.

mod connections;
mod protocol;
mod socket;

use axum::extract::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nat_core::{Error, ErrorCode};

pub(crate) use connections::{Connections, Ending, Watched};

use crate::http::{App, refused, status};

/// The subprotocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// A message above this is refused by the protocol; see [`protocol::MAX_MESSAGE`].
const MAX_FRAME: usize = 1 << 20;

/// Takes a connection over, unless it comes from a page of another origin.
pub(crate) fn accept(app: App, upgrade: WebSocketUpgrade, headers: &HeaderMap) -> Response {
    if !is_own_origin(headers, &app.facade.settings().origins) {
        // The nearest documented code: this page may not.
        let mut response = refused(&Error::new(ErrorCode::Forbidden, "This origin may not open a connection."));
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    if app.facade.settings().stop.is_cancelled() {
        return status(503).into_response();
    }
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    let agreed = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| socket::serve(app, socket, agreed))
}

/// Browsers say which page asks; programs do not, and need not.
fn is_own_origin(headers: &HeaderMap, allowed: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host.map(str::to_ascii_lowercase) == text(header::HOST).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn g31_only_pages_of_our_own_origin_and_allowed_ones_may_connect() {
        let check = |origin: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("nat.example:8080"));
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            assert_eq!(is_own_origin(&headers, &["https://app.example".to_owned()]), expected, "{origin:?}");
        };
        check(None, true);
        check(Some("http://nat.example:8080"), true);
        check(Some("https://NAT.example:8080"), true);
        check(Some("https://app.example"), true);
        check(Some("https://evil.example"), false);
        check(Some("http://nat.example"), false);
        check(Some("http://nat.example:8080.evil.example"), false);
        check(Some("null"), false);
    }
}
