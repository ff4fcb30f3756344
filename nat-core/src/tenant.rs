//! A tenant: a customer of the service.

use chrono::{DateTime, Utc};

use crate::{PlanId, TenantId};

/// A registered tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Chosen by the application that registered it.
    pub id: TenantId,
    /// Contact address, as given.
    pub email: String,
    /// Display name.
    pub name: Option<String>,
    /// The plan in force.
    pub plan_id: PlanId,
    /// Stripe's customer, once known.
    pub stripe_customer_id: Option<String>,
    /// The instant whose day of month and time of day start each paid period; `None` means calendar months in UTC.
    pub period_anchor: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}
