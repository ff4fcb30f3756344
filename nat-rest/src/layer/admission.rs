//! Key and rate limit, before anything else is looked at; and what every tenant is told about its bucket.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nat_core::admission::{Presented, rate_fields};
use nat_core::rate_limit::RateDecision;

use crate::App;
use crate::error::ApiError;
use crate::layer::RequestId;

/// 401, then 429, then the route (or 404 and 405) with the [`nat_core::Actor`] in the extensions.
pub(crate) async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let presented = Presented::collect(
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        request.uri().query(),
    );
    match app.admission.admit(&presented, 1).await {
        Ok(admitted) => {
            let mut actor = admitted.actor;
            actor.request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
            request.extensions_mut().insert(actor);
            let mut response = next.run(request).await;
            tell_rate(response.headers_mut(), &admitted.rate);
            response
        }
        Err(refused) => {
            let mut response = ApiError::with_hint(refused.error, refused.hint).into_response();
            if let Some(rate) = &refused.rate {
                tell_rate(response.headers_mut(), rate);
            }
            response
        }
    }
}

fn tell_rate(headers: &mut HeaderMap, rate: &RateDecision) {
    for (name, text) in rate_fields(rate).into_iter().flatten() {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
