//! A tenant: a customer of the service.

use chrono::{DateTime, Utc};

use crate::{PlanId, TenantId, entitlement::Entitlement};

/// A registered tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Chosen by the application that registered it.
    pub id: TenantId,
    /// Contact address, as given.
    pub email: String,
    /// Display name.
    pub name: Option<String>,
    /// Its plan and usage periods.
    pub entitlement: Entitlement,
    /// Stripe's customer, once known.
    pub stripe_customer_id: Option<String>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl Tenant {
    /// A tenant on `plan_id`, in calendar months, without a name or a customer at Stripe.
    pub fn new(id: TenantId, email: impl Into<String>, plan_id: PlanId, created_at: DateTime<Utc>) -> Self {
        let entitlement = Entitlement::of(plan_id);
        Self { id, email: email.into(), name: None, entitlement, stripe_customer_id: None, created_at }
    }
}
