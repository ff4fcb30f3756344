//! Neither a slow nor a panicking request leaves without an answer in our shape.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use nat_core::Error;

use crate::App;
use crate::error::ApiError;

/// 408 when the time is up, wherever the request was: reading its body or in a service. What it had not committed is
/// rolled back by being dropped. A panic is a 500; the connection and the other requests live on.
pub(crate) async fn within(State(app): State<App>, request: Request, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(app.config.request_timeout, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            metrics::counter!("nat_http_panics_total").increment(1);
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            ApiError::from(Error::internal(format!("panic: {text}"))).into_response()
        }
        Err(_) => ApiError::timeout().into_response(),
    }
}
