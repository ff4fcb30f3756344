//! A bookshop with planted defects: what `nat demo` scans.
//!
//! Each defect has a neighbour that looks alike and is right, so that a scan of this API shows both what is found and
//! what is rightly left alone. Nothing is stored: the same request always gets the same answer, and the API does no harm
//! to the machine that it runs on. All secrets in it are made up.

mod catalogue;
mod customer;
pub mod farm;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

/// What `GET /orders/history` asks for as a bearer token. `GET /invoices` should ask for it, and does not.
pub const TOKEN: &str = "bookshop-demo-token";

/// A defect that was put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The check that finds it.
    pub check: &'static str,
    /// As in findings: `GET /books/{id}`, or `*`.
    pub endpoint: &'static str,
    /// What is wrong, in a few words.
    pub what: &'static str,
}

const fn planted(check: &'static str, endpoint: &'static str, what: &'static str) -> Planted {
    Planted { check, endpoint, what }
}

/// Every planted defect that a functional scan finds.
pub const FUNCTIONAL: &[Planted] = &[
    planted("F001", "GET /search", "per_page=0 divides by zero"),
    planted("F011", "GET /status", "text/plain instead of JSON"),
    planted("F013", "GET /books/{id}/price", "the amount is a string"),
    planted("F020", "POST /books/{id}/reviews", "edition and rating are not checked"),
    planted("F020", "POST /feedback", "anything is taken for feedback"),
    planted("F022", "POST /orders", "an order without e-mail address is taken"),
    planted("F022", "POST /feedback", "no body at all is taken, too"),
    planted("F025", "POST /feedback", "every Content-Type is taken"),
    planted("F026", "POST /feedback", "a body that is no JSON is taken"),
    planted("F062", "GET /books/{id}/stock", "HEAD answers 404"),
    planted("F010", "GET /publishers/{id}", "203 is not documented"),
    planted("F014", "GET /books", "X-Total-Count is missing when a genre is asked for"),
    planted("F080", "GET /invoices", "credentials are not checked"),
];

/// Every planted defect that a security scan finds.
pub const SECURITY: &[Planted] = &[
    planted("S-AUTH1", "GET /invoices", "credentials are not checked"),
    planted("S-CORS", "GET /cart", "any origin is trusted with credentials"),
    planted("S-DBG", "GET /debug/env", "environment variables are public"),
    planted("S-EDE", "GET /authors/{id}", "the stored author is sent with its password hash"),
    planted("S-EDE-SCHEMA", "*", "answers hold members that the document does not describe"),
    planted("S-ERR", "GET /export", "an unknown format is answered with a stack trace"),
];

/// The API with its document at `/openapi.json`.
pub fn router() -> Router {
    Router::new()
        .route("/openapi.json", get(document))
        .route("/books", get(catalogue::list_books))
        .route("/books/{id}", get(catalogue::get_book))
        .route("/books/{id}/price", get(catalogue::get_price))
        .route("/books/{id}/stock", get(catalogue::get_stock).head(catalogue::head_stock))
        .route("/books/{id}/reviews", post(catalogue::add_review))
        .route("/search", get(catalogue::search))
        .route("/export", get(catalogue::export))
        .route("/authors/{id}", get(catalogue::get_author))
        .route("/publishers/{id}", get(catalogue::get_publisher))
        .route("/orders", post(customer::place_order))
        .route("/orders/history", get(customer::order_history))
        .route("/invoices", get(customer::list_invoices))
        .route("/subscriptions", post(customer::subscribe))
        .route("/feedback", post(customer::send_feedback))
        .route("/cart", get(customer::get_cart))
        .route("/wishlist", get(customer::get_wishlist))
        .route("/status", get(customer::status))
        .route("/debug/env", get(customer::debug_env))
        .route("/debug/version", get(customer::debug_version))
        .layer(map_response(harden))
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

/// Headers that a scan would miss otherwise.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
