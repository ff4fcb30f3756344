//! Scans of both kinds.

mod body;
mod request;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nat_core::error::Validation;
use nat_core::{Actor, Error, ScanId};
use nat_scan::engine::ScanKind;
use nat_scan::service::{Scan, ScanFilter};

use crate::error::Answer;
use crate::extract::{self, Authenticated, Id, Query};
use crate::openapi::ErrorBody;
use crate::v1::usage;
use crate::{App, BASE_PATH};

use body::{AcceptedBody, CancelledBody, ResultsBody, ScanBody, ScansBody};
use request::StartScanBody;

/// A report shown by a browser runs nothing and loads nothing.
const EXPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Starts a functional scan: does the API keep its contract? Scope `scans:write`.
#[utoipa::path(post, path = "/scan", tag = "scans", request_body = StartScanBody, responses(
    (status = 202, description = "Accepted. `Location` is where to look for its end.", body = AcceptedBody),
    (status = 402, description = "`QUOTA_EXCEEDED`: see `quota_reset_date`.", body = ErrorBody),
    (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
    (status = 422, description = "`VALIDATION_ERROR`, `TARGET_NOT_ALLOWED`", body = ErrorBody),
    (status = 429, description = "`RATE_LIMITED`, `CONCURRENT_LIMIT`: wait `retry_after` seconds.", body = ErrorBody),
))]
pub(crate) async fn start_scan(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    extract::Json(body): extract::Json<StartScanBody>,
) -> Answer<Response> {
    let scan = app.services.scans.start(&actor, ScanKind::Functional, body.into()).await?;
    accepted(&app, &actor, &scan).await
}

/// Starts a security scan: can the API be abused? Scope `scans:write`, plan Pro or above.
#[utoipa::path(post, path = "/security-scan", tag = "scans", request_body = StartScanBody, responses(
    (status = 202, description = "Accepted. `Location` is where to look for its end.", body = AcceptedBody),
    (status = 402, description = "`QUOTA_EXCEEDED`: see `quota_reset_date`.", body = ErrorBody),
    (status = 403, description = "`FEATURE_NOT_AVAILABLE`: see `required_plan`; `FORBIDDEN`; `OWNERSHIP_NOT_PROVED`: see `token` and `proof_url`.", body = ErrorBody),
    (status = 422, description = "`VALIDATION_ERROR`, `TARGET_NOT_ALLOWED`", body = ErrorBody),
    (status = 429, description = "`RATE_LIMITED`, `CONCURRENT_LIMIT`: wait `retry_after` seconds.", body = ErrorBody),
))]
pub(crate) async fn start_security_scan(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    extract::Json(body): extract::Json<StartScanBody>,
) -> Answer<Response> {
    let scan = app.services.scans.start(&actor, ScanKind::Security, body.into()).await?;
    accepted(&app, &actor, &scan).await
}

async fn accepted(app: &App, actor: &Actor, scan: &Scan) -> Answer<Response> {
    let location = HeaderValue::from_str(&format!("{BASE_PATH}/scan/{}", scan.id)).map_err(Error::internal)?;
    let body = Json(AcceptedBody::from(scan));
    let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response();
    usage::warn(app, actor, &mut response).await;
    Ok(response)
}

/// Shows where a scan stands. Scope `scans:read`.
#[utoipa::path(get, path = "/scan/{id}", tag = "scans",
    params(("id" = String, Path, description = "`scan_…`")),
    responses(
        (status = 200, description = "The scan.", body = ScanBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    ))]
pub(crate) async fn get_scan(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
) -> Answer<Json<ScanBody>> {
    Ok(Json(app.services.scans.get(&actor, &ScanId::from(id)).await?.into()))
}

/// Stops a scan. Scope `scans:write`.
#[utoipa::path(delete, path = "/scan/{id}", tag = "scans",
    params(("id" = String, Path, description = "`scan_…`")),
    responses(
        (status = 200, description = "Stopped.", body = CancelledBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`SCAN_FINISHED`", body = ErrorBody),
    ))]
pub(crate) async fn cancel_scan(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
) -> Answer<Json<CancelledBody>> {
    let scan = app.services.scans.cancel(&actor, &ScanId::from(id)).await?;
    Ok(Json(CancelledBody { scan_id: scan.id.to_string(), status: scan.status.into() }))
}

/// Shows what a scan found, once it has ended. Scope `scans:read`.
#[utoipa::path(get, path = "/scan/{id}/results", tag = "scans",
    params(("id" = String, Path, description = "`scan_…`")),
    responses(
        (status = 200, description = "The scan, its operations and its findings.", body = ResultsBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`SCAN_NOT_FINISHED`", body = ErrorBody),
    ))]
pub(crate) async fn get_results(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
) -> Answer<Json<ResultsBody>> {
    Ok(Json(app.services.scans.results(&actor, &ScanId::from(id)).await?.into()))
}

/// Gives the report of an ended scan as a file. Scope `scans:read`.
#[utoipa::path(get, path = "/scan/{id}/export", tag = "scans",
    params(
        ("id" = String, Path, description = "`scan_…`"),
        ("format" = Option<String>, Query, description = "`json` (default), `html`, `csv`, `sarif`, `junit` or `markdown`."),
    ),
    responses(
        (status = 200, description = "The file, as an attachment.", content(
            (serde_json::Value = "application/json"),
            (serde_json::Value = "application/sarif+json"),
            (String = "application/xml"),
            (String = "text/html"),
            (String = "text/csv"),
            (String = "text/markdown"),
        )),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`SCAN_NOT_FINISHED`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: an unknown format.", body = ErrorBody),
    ))]
pub(crate) async fn export_scan(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
    query: Query,
) -> Answer<Response> {
    let mut validation = Validation::default();
    let format = query.text("format", &mut validation);
    validation.finish()?;
    let export = app.services.scans.export(&actor, &ScanId::from(id), format.as_deref()).await?;
    let disposition = format!(r#"attachment; filename="{}""#, export.file_name);
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(export.media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(EXPORT_POLICY)),
    ];
    Ok((headers, export.bytes).into_response())
}

/// Lists the tenant's scans, newest first. Scope `scans:read`.
#[utoipa::path(get, path = "/scans", tag = "scans",
    params(
        ("page" = Option<u32>, Query, description = "Number of the page, from 1.", minimum = 1, maximum = 1000000),
        ("per_page" = Option<u32>, Query, description = "Rows on a page; 20 unless given.", minimum = 1, maximum = 100),
        ("status" = Option<String>, Query, description = "`running`, `completed`, `failed` or `cancelled`."),
        ("kind" = Option<String>, Query, description = "`functional` or `security`."),
    ),
    responses(
        (status = 200, description = "One page of scans.", body = ScansBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`", body = ErrorBody),
    ))]
pub(crate) async fn list_scans(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    query: Query,
) -> Answer<Json<ScansBody>> {
    let mut validation = Validation::default();
    let filter =
        ScanFilter { status: query.text("status", &mut validation), kind: query.text("kind", &mut validation) };
    validation.finish()?;
    let page = query.page()?;
    Ok(Json(app.services.scans.list(&actor, filter, page).await?.into()))
}
