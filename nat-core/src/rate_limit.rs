//! Requests a minute and tenant: GCRA behind a port.

use async_trait::async_trait;

use crate::{PlanId, TenantId};

/// The verdict on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether it may pass.
    pub allowed: bool,
    /// Requests a minute; `None` is unlimited.
    pub limit: Option<u32>,
    /// Requests that would pass right now, after this one.
    pub remaining: u32,
    /// Seconds until the full burst is available again.
    pub reset_after_s: u32,
    /// Seconds until a lone request passes; at least 1 when refused, else 0.
    pub retry_after_s: u32,
}

/// Charges requests against a tenant's bucket.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Charges `cost` requests. A refused request costs nothing.
    async fn check(&self, tenant_id: &TenantId, plan_id: &PlanId, cost: u32) -> RateDecision;
}
