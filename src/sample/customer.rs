//! What customers do, and what should have stayed inside.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TOKEN;
use super::catalogue::{Genre, Object, created, invalid};

#[derive(Deserialize)]
pub(super) struct NewOrder {
    book_id: i64,
    quantity: i64,
    // Planted: the document says that it is required.
    #[serde(default, deserialize_with = "present")]
    email: Option<String>,
}

/// A string when it is there; null is not one.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn is_address(text: &str) -> bool {
    (3..=60).contains(&text.chars().count())
}

pub(super) async fn place_order(Object(order): Object<NewOrder>) -> Response {
    let valid = (1..=20).contains(&order.book_id) && (1..=10).contains(&order.quantity);
    if !valid || order.email.is_some_and(|email| !is_address(&email)) {
        return invalid("book_id, quantity or email is out of bounds");
    }
    created("/orders/7", 7)
}

/// Right: refuses who does not show the token, and says how to.
pub(super) async fn order_history(headers: HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if shown.and_then(|value| value.strip_prefix("Bearer ")) == Some(TOKEN) {
        return Json(json!([{"id": 7, "book_id": 3, "quantity": 1}])).into_response();
    }
    let body = Json(json!({"error": "credentials are missing"}));
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
}

/// Planted: documented like the order history, but nobody checks.
pub(super) async fn list_invoices() -> Json<Value> {
    Json(json!([{"id": 11, "total": 23.8, "address": "12 Harbour Street"}]))
}

#[derive(Deserialize)]
pub(super) struct NewSubscription {
    email: String,
    #[serde(default)]
    genres: Vec<Genre>,
}

/// Right: everything that the document says is checked.
pub(super) async fn subscribe(Object(subscription): Object<NewSubscription>) -> Response {
    if !is_address(&subscription.email) || subscription.genres.len() > 3 {
        return invalid("email or genres are out of bounds");
    }
    created("/subscriptions/3", 3)
}

/// Planted: a parser that swallows its errors.
pub(super) async fn send_feedback(body: Bytes) -> Json<Value> {
    let feedback: Value = serde_json::from_slice(&body).unwrap_or_default();
    Json(json!({"received": true, "length": feedback["text"].as_str().map_or(0, str::len)}))
}

fn cart() -> Json<Value> {
    Json(json!({"items": [3, 5], "currency": "EUR"}))
}

fn trusting(response: impl IntoResponse, origin: &HeaderValue) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// Planted: whoever asks is trusted.
pub(super) async fn get_cart(headers: HeaderMap) -> Response {
    match headers.get(header::ORIGIN) {
        Some(origin) => trusting(cart(), origin),
        None => cart().into_response(),
    }
}

/// Right: one exact origin.
pub(super) async fn get_wishlist(headers: HeaderMap) -> Response {
    match headers.get(header::ORIGIN) {
        Some(origin) if origin == "https://bookshop.example" => trusting(cart(), origin),
        _ => cart().into_response(),
    }
}

/// Planted: text where the document promises JSON.
pub(super) async fn status() -> &'static str {
    "open"
}

/// Planted: left over from development. The values are made up.
pub(super) async fn debug_env() -> Json<Value> {
    Json(json!({
        "PATH": "/usr/local/bin:/usr/bin", "HOME": "/srv/bookshop", "PORT": "8000",
        "DATABASE_URL": "postgres://shop:not-a-real-password@db/shop", "SECRET_KEY": "made-up-for-the-demo",
    }))
}

/// Right: a neighbour that gives nothing away.
pub(super) async fn debug_version() -> Json<Value> {
    Json(json!({"version": "1.0.0"}))
}
