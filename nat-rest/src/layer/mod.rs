//! What stands around every route, from the outside: answer (request id, error bodies, headers, trace, metrics), then
//! deadline (time-out, panics). Admission (key, rate limit) stands around the tenants' routes only.

mod admission;
mod answer;
mod deadline;

use axum::Router;
use axum::middleware::from_fn_with_state;

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;

use crate::App;

pub(crate) use admission::admit;
pub(crate) use answer::RequestId;

/// The layers that hold for every route, unknown paths included.
pub(crate) fn around(router: Router, app: &App) -> Router {
    let router = router
        .layer(from_fn_with_state(app.clone(), deadline::within))
        .layer(from_fn_with_state(app.clone(), answer::answer));
    if app.config.origins.is_empty() { router } else { router.layer(cors(&app.config.origins)) }
}

/// Pages of these origins may call, and see what they need to behave. Keys travel in a header, never in a cookie, so
/// credentials are not allowed.
fn cors(origins: &[String]) -> CorsLayer {
    let named = |names: &'static [&'static str]| names.iter().copied().map(HeaderName::from_static).collect::<Vec<_>>();
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(named(&["x-api-key", "x-request-id", "idempotency-key", "content-type", "accept"]))
        .expose_headers(named(&["retry-after", "ratelimit", "ratelimit-policy", "x-request-id", "location"]))
}
