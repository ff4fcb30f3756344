//! Usage, alerts, ledger.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use nat_core::Actor;
use nat_core::error::Validation;
use nat_core::page::{Page, Slice};
use nat_core::quota::{LedgerEntry, LedgerReason};
use nat_core::usage::{UsageAlert, UsageSummary};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::Answer;
use crate::extract::{Authenticated, Query};
use crate::v1::instant::{millis, seconds};

/// On `/usage` and on accepted scans from 80 % of a quota.
const X_NAT_USAGE_WARNING: HeaderName = HeaderName::from_static("x-nat-usage-warning");

/// The running period. `scans_used + scans_remaining == scans_limit` in every answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageBody {
    /// Whose usage this is.
    tenant_id: String,
    /// The plan in force.
    plan: String,
    /// Functional scans used in the period.
    scans_used: u32,
    /// Functional scans the plan has a period; null: unlimited.
    scans_limit: Option<u32>,
    /// Functional scans left; null: unlimited.
    scans_remaining: Option<u32>,
    /// Scans above the limit after a downgrade; absent when there are none. Nobody is charged for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    over_by: Option<u32>,
    /// Security scans used in the period.
    security_scan_count: u32,
    /// Security scans the plan has a period; null: unlimited.
    monthly_security_scan_quota: Option<u32>,
    /// True from 80 % of either quota.
    approaching_limit: bool,
    /// The instant after the period.
    #[schema(format = DateTime)]
    quota_reset_date: String,
    /// The first instant of the period.
    #[schema(format = DateTime)]
    period_start: String,
    /// The last second of the period.
    #[schema(format = DateTime)]
    period_end: String,
}

impl From<UsageSummary> for UsageBody {
    fn from(usage: UsageSummary) -> Self {
        Self {
            tenant_id: usage.tenant_id.to_string(),
            plan: usage.plan_id.to_string(),
            scans_used: usage.scans_used,
            scans_limit: usage.scans_limit,
            scans_remaining: usage.scans_remaining,
            over_by: (usage.over_by > 0).then_some(usage.over_by),
            security_scan_count: usage.security_scan_count,
            monthly_security_scan_quota: usage.monthly_security_scan_quota,
            approaching_limit: usage.approaching_limit,
            quota_reset_date: seconds(usage.period.end),
            period_start: seconds(usage.period.start),
            period_end: seconds(usage.period.end - TimeDelta::seconds(1)),
        }
    }
}

/// Shows the usage of the running period. The quickest way to see whether a key works.
#[utoipa::path(get, path = "/usage", tag = "usage", responses(
    (status = 200, description = "Usage of the running period. From 80 % of a quota with `X-NAT-Usage-Warning`.", body = UsageBody),
))]
pub(crate) async fn get_usage(State(app): State<App>, Authenticated(actor): Authenticated) -> Answer<Response> {
    let usage = app.services.usage.summary(&actor).await?;
    let warning = warning_of(&usage);
    let mut response = Json(UsageBody::from(usage)).into_response();
    if let Some(warning) = warning {
        response.headers_mut().insert(X_NAT_USAGE_WARNING, warning);
    }
    Ok(response)
}

/// Adds the warning to the answer of another route. It is a courtesy: no failure of it changes the answer.
pub(super) async fn warn(app: &App, actor: &Actor, response: &mut Response) {
    let Ok(usage) = app.services.usage.summary(actor).await else { return };
    if let Some(warning) = warning_of(&usage) {
        response.headers_mut().insert(X_NAT_USAGE_WARNING, warning);
    }
}

/// A structured field with one item for each quota that is used to 80 % or more.
fn warning_of(usage: &UsageSummary) -> Option<HeaderValue> {
    let quotas = [
        ("functional", usage.scans_used, usage.scans_limit),
        ("security", usage.security_scan_count, usage.monthly_security_scan_quota),
    ];
    let items: Vec<String> = quotas
        .into_iter()
        .filter_map(|(name, used, limit)| limit.map(|limit| (name, used, limit)))
        .filter(|(_, used, limit)| *limit > 0 && u64::from(*used) * 5 >= u64::from(*limit) * 4)
        .map(|(name, used, limit)| format!(r#""{name}";used={used};limit={limit}"#))
        .collect();
    if items.is_empty() { None } else { HeaderValue::from_str(&items.join(", ")).ok() }
}

/// A threshold that was crossed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertBody {
    /// `alert_…`
    id: String,
    /// Always `usage_threshold`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "usage_threshold")]
    kind_of_alert: &'static str,
    /// `functional` or `security`.
    #[schema(value_type = String, example = "functional")]
    kind: &'static str,
    /// 80 or 100.
    threshold_percent: u8,
    /// Units used when it was crossed.
    used: u32,
    /// The limit then.
    limit: u32,
    /// The first instant of the period.
    #[schema(format = DateTime)]
    period_start: String,
    /// A sentence for people.
    message: String,
    /// When it was crossed.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<UsageAlert> for AlertBody {
    fn from(alert: UsageAlert) -> Self {
        Self {
            id: alert.id,
            kind_of_alert: "usage_threshold",
            kind: alert.kind.as_str(),
            threshold_percent: alert.threshold_percent,
            used: alert.used,
            limit: alert.limit,
            period_start: seconds(alert.period_start),
            message: alert.message,
            created_at: millis(alert.created_at),
        }
    }
}

/// One page of alerts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertsBody {
    /// The alerts of this page.
    alerts: Vec<AlertBody>,
    /// Number of this page, from 1.
    page: u32,
    /// Largest number of alerts on a page.
    per_page: u32,
    /// Alerts on all pages.
    total: u64,
}

impl From<Page<UsageAlert>> for AlertsBody {
    fn from(page: Page<UsageAlert>) -> Self {
        Self {
            alerts: page.rows.into_iter().map(AlertBody::from).collect(),
            page: page.request.page,
            per_page: page.request.per_page,
            total: page.total,
        }
    }
}

/// Lists the thresholds that were crossed: 80 % and 100 % of each quota, once a period.
#[utoipa::path(get, path = "/usage/alerts", tag = "usage",
    params(
        ("page" = Option<u32>, Query, description = "Number of the page, from 1.", minimum = 1, maximum = 1000000),
        ("per_page" = Option<u32>, Query, description = "Rows on a page; 20 unless given.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "One page of alerts, newest first.", body = AlertsBody),
        (status = 422, description = "`VALIDATION_ERROR`: a page out of range.", body = crate::openapi::ErrorBody),
    ))]
pub(crate) async fn list_alerts(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    query: Query,
) -> Answer<Json<AlertsBody>> {
    let page = query.page()?;
    Ok(Json(app.services.usage.alerts(&actor, page).await?.into()))
}

/// A line of the quota ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerEntryBody {
    /// When the unit moved.
    #[schema(format = DateTime)]
    at: String,
    /// `functional` or `security`.
    #[schema(value_type = String, example = "functional")]
    kind: &'static str,
    /// +1 when taken, 0 when spent for good, −1 when given back.
    delta: i32,
    /// The scan it belongs to.
    scan_id: String,
    /// Why it moved: `reserved`, `committed`, `cancelled`, `unreachable` or `engine_error`.
    #[schema(value_type = String, example = "reserved")]
    reason: &'static str,
    /// Units used in the period after this line.
    balance: u32,
}

impl From<LedgerEntry> for LedgerEntryBody {
    fn from(entry: LedgerEntry) -> Self {
        Self {
            at: millis(entry.at),
            kind: entry.kind.as_str(),
            delta: entry.delta,
            scan_id: entry.scan_id.to_string(),
            reason: match entry.reason {
                LedgerReason::Reserved => "reserved",
                LedgerReason::Committed => "committed",
                LedgerReason::Cancelled => "cancelled",
                LedgerReason::Unreachable => "unreachable",
                LedgerReason::EngineError => "engine_error",
            },
            balance: entry.balance,
        }
    }
}

/// Lines of the ledger of the running period, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerBody {
    /// At most 100 lines.
    entries: Vec<LedgerEntryBody>,
    /// Give it as `cursor` to get the next lines; null at the end.
    next_cursor: Option<String>,
}

impl From<Slice<LedgerEntry>> for LedgerBody {
    fn from(slice: Slice<LedgerEntry>) -> Self {
        Self { entries: slice.rows.into_iter().map(LedgerEntryBody::from).collect(), next_cursor: slice.next_cursor }
    }
}

/// Lists every unit of quota that was taken, spent or given back in the running period.
#[utoipa::path(get, path = "/usage/ledger", tag = "usage",
    params(("cursor" = Option<String>, Query, description = "`next_cursor` of the answer before.")),
    responses(
        (status = 200, description = "Lines of the ledger, oldest first.", body = LedgerBody),
        (status = 422, description = "`VALIDATION_ERROR`: not a cursor of ours.", body = crate::openapi::ErrorBody),
    ))]
pub(crate) async fn list_ledger(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    query: Query,
) -> Answer<Json<LedgerBody>> {
    let mut validation = Validation::default();
    let cursor = query.text("cursor", &mut validation);
    validation.finish()?;
    Ok(Json(app.services.usage.ledger(&actor, cursor.as_deref()).await?.into()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use nat_core::period::Period;

    use super::*;

    fn usage(used: u32, limit: Option<u32>, security: u32, security_limit: Option<u32>) -> UsageSummary {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("a date").to_utc();
        let period = Period { start: at("2025-01-01T00:00:00Z"), end: at("2025-02-01T00:00:00Z") };
        UsageSummary {
            tenant_id: "t".into(),
            plan_id: "free".into(),
            scans_used: used,
            scans_limit: limit,
            scans_remaining: limit.map(|limit| limit - used),
            over_by: 0,
            security_scan_count: security,
            monthly_security_scan_quota: security_limit,
            approaching_limit: false,
            period,
        }
    }

    #[test]
    fn warning_names_each_quota_from_80_percent() {
        let check = |usage: UsageSummary, expected: Option<&str>| {
            assert_eq!(warning_of(&usage).as_ref().map(|value| value.to_str().expect("ASCII")), expected);
        };
        check(usage(39, Some(50), 0, Some(0)), None);
        check(usage(40, Some(50), 0, Some(0)), Some(r#""functional";used=40;limit=50"#));
        check(usage(40, None, 9, None), None);
        check(usage(50, Some(50), 4, Some(5)), Some(r#""functional";used=50;limit=50, "security";used=4;limit=5"#));
    }

    #[test]
    fn usage_body_has_the_published_members_in_order() {
        let body = serde_json::to_string(&UsageBody::from(usage(1, Some(50), 0, None))).expect("JSON");
        assert_eq!(
            body,
            r#"{"tenant_id":"t","plan":"free","scans_used":1,"scans_limit":50,"scans_remaining":49,"security_scan_count":0,"monthly_security_scan_quota":null,"approaching_limit":false,"quota_reset_date":"2025-02-01T00:00:00Z","period_start":"2025-01-01T00:00:00Z","period_end":"2025-01-31T23:59:59Z"}"#
        );
    }
}
