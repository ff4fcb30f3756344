//! The routes: one file an area. Each handler converts, calls one service method and converts back.

mod billing;
mod docs;
mod instant;
mod keys;
mod plans;
mod probes;
mod scan;
mod usage;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::{App, BASE_PATH, layer};

/// Routes that need a tenant's key.
pub(crate) fn tenant_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(usage::get_usage))
        .routes(routes!(usage::list_alerts))
        .routes(routes!(usage::list_ledger))
        .routes(routes!(scan::start_scan))
        .routes(routes!(scan::start_security_scan))
        .routes(routes!(scan::get_scan, scan::cancel_scan))
        .routes(routes!(scan::get_results))
        .routes(routes!(scan::export_scan))
        .routes(routes!(scan::list_scans))
        .routes(routes!(billing::checkout))
        .routes(routes!(billing::portal))
        .routes(routes!(billing::billing_status))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::revoke_key))
}

/// Routes without a tenant's key.
pub(crate) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(probes::health))
        .routes(routes!(plans::list_plans))
        .routes(routes!(billing::webhook))
        .routes(routes!(billing::sync_tenant))
        .routes(routes!(docs::openapi_document))
        .routes(routes!(docs::docs_page))
}

/// Everything, without the outer layers. An unknown path below the base path needs a key, so that it tells strangers
/// nothing; the limits of bodies are those of our own extractors.
pub(crate) fn router(app: &App) -> Router {
    let tenant = Router::from(tenant_routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(app.clone(), layer::admit));
    let open = Router::from(open_routes())
        .route("/docs/{file}", get(docs::docs_file))
        .method_not_allowed_fallback(method_not_allowed);
    let outside = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .method_not_allowed_fallback(method_not_allowed);
    Router::new()
        .nest(BASE_PATH, tenant)
        .nest(BASE_PATH, open)
        .merge(outside)
        .fallback(not_found)
        .layer(DefaultBodyLimit::disable())
        .with_state(app.clone())
}

async fn not_found() -> ApiError {
    ApiError::not_found()
}

async fn method_not_allowed() -> ApiError {
    ApiError::method_not_allowed()
}
