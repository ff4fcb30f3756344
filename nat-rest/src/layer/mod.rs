//! What stands around every route, from the outside: answer (request id, error bodies, headers, trace, metrics), then
//! deadline (time-out, panics). Admission (key, rate limit) stands around the tenants' routes only.

mod admission;
mod answer;
mod deadline;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::App;

pub(crate) use admission::admit;
pub(crate) use answer::RequestId;

/// The layers that hold for every route, unknown paths included.
pub(crate) fn around(router: Router, app: &App) -> Router {
    router
        .layer(from_fn_with_state(app.clone(), deadline::within))
        .layer(from_fn_with_state(app.clone(), answer::answer))
}
