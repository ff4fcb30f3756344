//! Requests a minute and tenant: GCRA behind a port.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{PlanId, TenantId, plan::PlanCatalogue, time::Clock};

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
    /// Charges `cost` requests. A refused request costs nothing. A cost above the whole limit counts as the limit, so
    /// that such a request passes when nothing else was sent for a minute.
    async fn check(&self, tenant_id: &TenantId, plan_id: &PlanId, cost: u32) -> RateDecision;
}

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
/// Tenants with a debt at one time; what is above shares one bucket.
const MAX_BUCKETS: usize = 100_000;

/// The limiter of one process: a bucket a tenant, in memory.
///
/// The burst is the limit itself: a tenant that was quiet for a minute may send `requests_per_minute` at once.
pub struct MemoryRateLimiter {
    plans: Arc<PlanCatalogue>,
    clock: Arc<dyn Clock>,
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    timeline: Timeline,
    buckets: HashMap<TenantId, Bucket>,
    swept_at_ns: u64,
}

/// Nanoseconds that only move forward. A wall clock that is set back stands still for one request and then runs on
/// from there, so nobody is locked out for the difference; set forward, it gives at most one burst.
struct Timeline {
    wall: DateTime<Utc>,
    now_ns: u64,
}

impl Timeline {
    fn advance(&mut self, wall: DateTime<Utc>) -> u64 {
        let passed = (wall - self.wall).num_nanoseconds().unwrap_or(0);
        self.wall = wall;
        self.now_ns = self.now_ns.saturating_add(u64::try_from(passed).unwrap_or(0));
        self.now_ns
    }
}

/// A debt that drains by itself: `until_ns - now` is the time that the requests taken so far still "cost".
#[derive(Clone, Copy)]
struct Bucket {
    until_ns: u64,
    /// Of the limit that the debt was made under.
    interval_ns: u64,
}

impl MemoryRateLimiter {
    /// A limiter with the limits of `plans`.
    #[must_use]
    pub fn new(plans: Arc<PlanCatalogue>, clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(plans, clock, MAX_BUCKETS)
    }

    fn with_capacity(plans: Arc<PlanCatalogue>, clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let timeline = Timeline { wall: clock.now(), now_ns: 0 };
        let state = Mutex::new(State { timeline, buckets: HashMap::new(), swept_at_ns: 0 });
        Self { plans, clock, capacity, state }
    }

    fn decide(&self, tenant_id: &TenantId, plan_id: &PlanId, cost: u32) -> RateDecision {
        let Some(limit) = self.plans.get(plan_id).requests_per_minute else {
            return RateDecision {
                allowed: true,
                limit: None,
                remaining: u32::MAX,
                reset_after_s: 0,
                retry_after_s: 0,
            };
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: two threads must not carry their readings in the other order.
        let wall = self.clock.now();
        let now_ns = state.timeline.advance(wall);
        let bucket = state.bucket(tenant_id, now_ns, self.capacity);
        charge(bucket, now_ns, limit, cost)
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn check(&self, tenant_id: &TenantId, plan_id: &PlanId, cost: u32) -> RateDecision {
        self.decide(tenant_id, plan_id, cost)
    }
}

impl State {
    /// The tenant's bucket. Only buckets without debt are ever dropped; when every bucket has one and there is no
    /// room, tenants that come on top share a single bucket instead of getting a fresh one each.
    fn bucket(&mut self, tenant_id: &TenantId, now_ns: u64, capacity: usize) -> &mut Bucket {
        let fresh = Bucket { until_ns: now_ns, interval_ns: 0 };
        if !self.buckets.contains_key(tenant_id) && self.buckets.len() >= capacity {
            // Sweeping reads every bucket, so it happens at most once a second.
            if now_ns >= self.swept_at_ns.saturating_add(SECOND_NS) {
                self.swept_at_ns = now_ns;
                self.buckets.retain(|_, bucket| bucket.until_ns > now_ns);
            }
            if self.buckets.len() >= capacity {
                // No tenant has an empty id.
                return self.buckets.entry(TenantId::new("")).or_insert(fresh);
            }
        }
        self.buckets.entry(tenant_id.clone()).or_insert(fresh)
    }
}

/// GCRA: the bucket holds at most one minute of debt, each request adds `interval`, time takes it off.
fn charge(bucket: &mut Bucket, now_ns: u64, limit: u32, cost: u32) -> RateDecision {
    let limit = limit.max(1);
    let interval_ns = MINUTE_NS.div_ceil(u64::from(limit));
    let burst_ns = interval_ns * u64::from(limit);
    let mut debt_ns = bucket.until_ns.saturating_sub(now_ns);
    if bucket.interval_ns != interval_ns {
        // Another plan: the number of requests stays, and never makes more than an empty bucket.
        debt_ns = match u128::from(bucket.interval_ns) {
            0 => 0,
            old => u64::try_from(u128::from(debt_ns) * u128::from(interval_ns) / old).unwrap_or(u64::MAX),
        }
        .min(burst_ns);
        bucket.interval_ns = interval_ns;
    }
    let after_ns = debt_ns + interval_ns * u64::from(cost.min(limit));
    let allowed = after_ns <= burst_ns;
    let held_ns = if allowed { after_ns } else { debt_ns };
    bucket.until_ns = now_ns.saturating_add(held_ns);
    RateDecision {
        allowed,
        limit: Some(limit),
        remaining: u32::try_from((burst_ns - held_ns) / interval_ns).unwrap_or(u32::MAX),
        reset_after_s: whole_seconds(held_ns),
        retry_after_s: if allowed { 0 } else { whole_seconds(after_ns - burst_ns).max(1) },
    }
}

fn whole_seconds(ns: u64) -> u32 {
    u32::try_from(ns.div_ceil(SECOND_NS)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
