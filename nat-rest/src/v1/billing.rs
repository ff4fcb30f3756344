//! Checkout, portal, the Stripe webhook, sync-tenant.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use nat_billing::service::{Checkout, StartCheckout, SyncTenant, SyncedTenant};
use nat_core::secret::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{Answer, ApiError};
use crate::extract::{self, Authenticated, Fields, FromObject, Raw, header_once};
use crate::openapi::ErrorBody;
use crate::v1::instant::millis;

/// Refuses with 503 before the body is looked at when there is no payment gateway.
pub(crate) struct Gateway;

impl FromRequestParts<App> for Gateway {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.services.billing.require_gateway()?;
        Ok(Self)
    }
}

/// The application that owns the tenants: 503 or 401 before the body is looked at.
pub(crate) struct SyncAuthorized;

impl FromRequestParts<App> for SyncAuthorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.services.billing.authorize_sync(header_once(&parts.headers, "x-sync-key"))?;
        Ok(Self)
    }
}

/// What to buy and where to return to. Exactly one of `plan` and `price_id`, or both when they agree.
#[derive(Debug, ToSchema)]
pub(crate) struct CheckoutBody {
    /// A plan of the catalogue, for example `pro`.
    plan: Option<String>,
    /// A price, for example `price_pro_monthly`.
    price_id: Option<String>,
    /// Where the customer returns to after paying.
    #[schema(value_type = String, format = "uri")]
    success_url: Option<String>,
    /// Where the customer returns to without paying.
    #[schema(value_type = String, format = "uri")]
    cancel_url: Option<String>,
}

impl FromObject for CheckoutBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            plan: fields.string("plan"),
            price_id: fields.string("price_id"),
            success_url: fields.string("success_url"),
            cancel_url: fields.string("cancel_url"),
        }
    }
}

impl From<CheckoutBody> for StartCheckout {
    fn from(body: CheckoutBody) -> Self {
        Self { plan: body.plan, price_id: body.price_id, success_url: body.success_url, cancel_url: body.cancel_url }
    }
}

/// An open checkout.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckoutSessionBody {
    /// Where the customer pays.
    checkout_url: String,
    /// Stripe's id of the session.
    session_id: String,
    /// From then on it cannot be paid.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<Checkout> for CheckoutSessionBody {
    fn from(checkout: Checkout) -> Self {
        Self {
            checkout_url: checkout.checkout_url,
            session_id: checkout.session_id,
            expires_at: millis(checkout.expires_at),
        }
    }
}

/// Starts a checkout for a plan. Scope `billing:write`.
#[utoipa::path(post, path = "/billing/checkout", tag = "billing", request_body = CheckoutBody, responses(
    (status = 200, description = "Send the customer to `checkout_url`.", body = CheckoutSessionBody),
    (status = 400, description = "`INVALID_PRICE_ID`, `MALFORMED_JSON`", body = ErrorBody),
    (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
    (status = 409, description = "`PLAN_ALREADY_ACTIVE`: use `POST /api/v1/billing/portal`.", body = ErrorBody),
    (status = 503, description = "`BILLING_NOT_CONFIGURED`, `STRIPE_UNAVAILABLE`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
))]
pub(crate) async fn checkout(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    _: Gateway,
    extract::Json(body): extract::Json<CheckoutBody>,
) -> Answer<Json<CheckoutSessionBody>> {
    Ok(Json(app.services.billing.checkout(&actor, body.into()).await?.into()))
}

/// Where to return to.
#[derive(Debug, ToSchema)]
pub(crate) struct PortalBody {
    /// Where the customer returns to.
    #[schema(value_type = String, format = "uri")]
    return_url: Option<String>,
}

impl FromObject for PortalBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { return_url: fields.string("return_url") }
    }
}

/// A link to the customer portal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortalSessionBody {
    /// Send the customer there.
    portal_url: String,
}

/// Opens the customer portal. Scope `billing:write`.
#[utoipa::path(post, path = "/billing/portal", tag = "billing", request_body = PortalBody, responses(
    (status = 200, description = "Send the customer to `portal_url`.", body = PortalSessionBody),
    (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
    (status = 409, description = "`NO_BILLING_ACCOUNT`: start a checkout first.", body = ErrorBody),
    (status = 503, description = "`BILLING_NOT_CONFIGURED`, `STRIPE_UNAVAILABLE`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
))]
pub(crate) async fn portal(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    _: Gateway,
    extract::Json(body): extract::Json<PortalBody>,
) -> Answer<Json<PortalSessionBody>> {
    let portal_url = app.services.billing.portal(&actor, body.return_url).await?;
    Ok(Json(PortalSessionBody { portal_url }))
}

/// The event was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedBody {
    /// Always true.
    received: bool,
}

/// Takes an event of Stripe. Authenticated by `Stripe-Signature` over the raw bytes, by nothing else.
#[utoipa::path(post, path = "/billing/webhook", tag = "billing",
    params(("Stripe-Signature" = Option<String>, Header, description = "`t=<unix seconds>,v1=<hex HMAC-SHA256>`")),
    request_body(content = serde_json::Value, description = "A Stripe event, as it was signed.", content_type = "application/json"),
    responses(
        (status = 200, description = "Taken, or taken before.", body = ReceivedBody),
        (status = 400, description = "`INVALID_SIGNATURE`, `MALFORMED_JSON`", body = ErrorBody),
        (status = 503, description = "`BILLING_NOT_CONFIGURED`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
    ))]
pub(crate) async fn webhook(
    State(app): State<App>,
    headers: HeaderMap,
    Raw(payload): Raw,
) -> Answer<Json<ReceivedBody>> {
    let signature = header_once(&headers, "stripe-signature");
    app.services.billing.accept_webhook(&payload, signature).await?;
    Ok(Json(ReceivedBody { received: true }))
}

/// A tenant to register.
#[derive(Debug, ToSchema)]
pub(crate) struct SyncTenantBody {
    /// Chosen by the caller.
    #[schema(value_type = String)]
    tenant_id: Option<String>,
    /// A contact address.
    #[schema(value_type = String)]
    email: Option<String>,
    /// A name for people.
    name: Option<String>,
    /// A plan of the catalogue; the free one when absent.
    plan: Option<String>,
    /// `cus_…`
    stripe_customer_id: Option<String>,
}

impl FromObject for SyncTenantBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            tenant_id: fields.string("tenant_id"),
            email: fields.string("email"),
            name: fields.string("name"),
            plan: fields.string("plan"),
            stripe_customer_id: fields.string("stripe_customer_id"),
        }
    }
}

impl From<SyncTenantBody> for SyncTenant {
    fn from(body: SyncTenantBody) -> Self {
        Self {
            tenant_id: body.tenant_id,
            email: body.email,
            name: body.name,
            plan: body.plan,
            stripe_customer_id: body.stripe_customer_id,
        }
    }
}

/// A tenant that was just registered: the only time that its key is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct SyncedTenantBody {
    /// As given.
    tenant_id: String,
    /// As given.
    email: String,
    /// The plan in force.
    plan: String,
    /// The whole key, with every scope. Keep it: it is never shown again.
    api_key: String,
    /// The public id of the key.
    key_id: String,
    /// When it was registered.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<SyncedTenant> for SyncedTenantBody {
    fn from(synced: SyncedTenant) -> Self {
        Self {
            tenant_id: synced.tenant.id.to_string(),
            email: synced.tenant.email,
            plan: synced.tenant.entitlement.plan_id.to_string(),
            api_key: synced.key.secret.expose_secret().to_owned(),
            key_id: synced.key.key.id.to_string(),
            created_at: millis(synced.tenant.created_at),
        }
    }
}

/// Registers a tenant and makes its first key. For the application that owns the tenants.
#[utoipa::path(post, path = "/billing/sync-tenant", tag = "billing", request_body = SyncTenantBody,
    security(("sync_key" = [])),
    responses(
        (status = 201, description = "Registered; the key is shown once.", body = SyncedTenantBody),
        (status = 401, description = "`INVALID_SYNC_KEY`", body = ErrorBody),
        (status = 409, description = "`TENANT_ALREADY_EXISTS`", body = ErrorBody),
        (status = 503, description = "`SYNC_NOT_CONFIGURED`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
    ))]
pub(crate) async fn sync_tenant(
    State(app): State<App>,
    _: SyncAuthorized,
    extract::Json(body): extract::Json<SyncTenantBody>,
) -> Answer<(StatusCode, Json<SyncedTenantBody>)> {
    let synced = app.services.billing.sync_tenant(body.into()).await?;
    Ok((StatusCode::CREATED, Json(synced.into())))
}
