//! Is it there, does it live, can it serve?

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use nat_core::{Error, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::Answer;

/// A store that takes longer than this is away.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The server is up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthBody {
    /// Always `ok`.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    /// Version of the server.
    version: String,
}

/// Says that the server is up, and which version it is. Needs no key.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, description = "The server is up.", body = HealthBody)))]
pub(crate) async fn health(State(app): State<App>) -> Json<HealthBody> {
    Json(HealthBody { status: "ok", version: app.config.version.clone() })
}

#[derive(Debug, Serialize)]
pub(crate) struct ProbeBody {
    status: &'static str,
}

/// The process answers; true even when the store is away, so that nobody restarts it in a loop.
pub(crate) async fn livez() -> Json<ProbeBody> {
    Json(ProbeBody { status: "ok" })
}

/// The store answers and nobody has told the server to stop.
pub(crate) async fn readyz(State(app): State<App>) -> Answer<Json<ProbeBody>> {
    if app.config.draining.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorCode::Unavailable, "The server is stopping.").retry_after(5).into());
    }
    match tokio::time::timeout(PING_TIMEOUT, app.services.store.ping()).await {
        Ok(Ok(())) => Ok(Json(ProbeBody { status: "ok" })),
        Ok(Err(error)) => Err(Error::unavailable(error).into()),
        Err(late) => Err(Error::unavailable(late).into()),
    }
}
