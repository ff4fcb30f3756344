//! Checkout, portal, the Stripe webhook, sync-tenant.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use nat_billing::service::{BillingStatus, Checkout, StartCheckout, SubscriptionSummary, SyncTenant, SyncedTenant};
use nat_core::error::Validation;
use nat_core::secret::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{Answer, ApiError};
use crate::extract::{self, Authenticated, Fields, FromObject, Query, Raw, header_once};
use crate::openapi::ErrorBody;
use crate::v1::instant::{millis, seconds};

/// Names a call, so that repeating it is not a second one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

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

/// How the tenant's billing stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingStatusBody {
    /// The plan in force.
    plan: String,
    /// The plan ends then; null when it goes on.
    #[schema(format = DateTime)]
    plan_ends_at: Option<String>,
    /// The plan that follows.
    next_plan: Option<String>,
    /// Whether `POST /billing/portal` can be used.
    has_billing_account: bool,
    /// The subscription that decides, or the last one there was.
    subscription: Option<SubscriptionBody>,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionBody {
    /// Stripe's id.
    id: String,
    /// Stripe's word for where it stands, for example `active` or `past_due`.
    status: String,
    /// What it pays for.
    plan: String,
    /// The end of the running period.
    #[schema(format = DateTime)]
    period_end: Option<String>,
    /// It is going to end then.
    #[schema(format = DateTime)]
    cancel_at: Option<String>,
    /// A payment failed; the plan goes on until then.
    #[schema(format = DateTime)]
    grace_until: Option<String>,
}

impl From<SubscriptionSummary> for SubscriptionBody {
    fn from(subscription: SubscriptionSummary) -> Self {
        Self {
            id: subscription.id,
            status: subscription.status,
            plan: subscription.plan_id.to_string(),
            period_end: subscription.period_end.map(seconds),
            cancel_at: subscription.cancel_at.map(seconds),
            grace_until: subscription.grace_until.map(seconds),
        }
    }
}

impl From<BillingStatus> for BillingStatusBody {
    fn from(status: BillingStatus) -> Self {
        Self {
            plan: status.plan_id.to_string(),
            plan_ends_at: status.plan_ends_at.map(seconds),
            next_plan: status.next_plan_id.map(|plan| plan.to_string()),
            has_billing_account: status.has_billing_account,
            subscription: status.subscription.map(SubscriptionBody::from),
        }
    }
}

/// Shows how billing stands. With the checkout session that the customer comes back from, Stripe is asked first, so that
/// a payment shows before its webhook has arrived. Scope `usage:read`.
#[utoipa::path(get, path = "/billing/status", tag = "billing",
    params(("session_id" = Option<String>, Query, description = "What Stripe put into `success_url` for `{CHECKOUT_SESSION_ID}`.")),
    responses(
        (status = 200, description = "Plan and subscription.", body = BillingStatusBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: no such session of this tenant.", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: `session_id` given twice.", body = ErrorBody),
        (status = 503, description = "`BILLING_NOT_CONFIGURED`, `STRIPE_UNAVAILABLE`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
    ))]
pub(crate) async fn billing_status(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    query: Query,
) -> Answer<Json<BillingStatusBody>> {
    let mut validation = Validation::default();
    let session_id = query.text("session_id", &mut validation);
    validation.finish()?;
    Ok(Json(app.services.billing.status(&actor, session_id.as_deref()).await?.into()))
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
    params(("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key and body within 24 hours gets the same answer, API key included: for a caller whose first answer was lost.")),
    responses(
        (status = 201, description = "Registered; the key is shown once.", body = SyncedTenantBody),
        (status = 401, description = "`INVALID_SYNC_KEY`", body = ErrorBody),
        (status = 409, description = "`TENANT_ALREADY_EXISTS`", body = ErrorBody),
        (status = 503, description = "`SYNC_NOT_CONFIGURED`, `SERVICE_UNAVAILABLE`", body = ErrorBody),
    ))]
pub(crate) async fn sync_tenant(
    State(app): State<App>,
    _: SyncAuthorized,
    headers: HeaderMap,
    extract::Json(body): extract::Json<SyncTenantBody>,
) -> Answer<(StatusCode, Json<SyncedTenantBody>)> {
    let idempotency_key =
        headers.contains_key(IDEMPOTENCY_KEY).then(|| header_once(&headers, IDEMPOTENCY_KEY).unwrap_or(""));
    let synced = app.services.billing.sync_tenant(body.into(), idempotency_key).await?;
    Ok((StatusCode::CREATED, Json(synced.into())))
}
