//! The plan catalogue: data, not code. TOML in the shape of `nat plans`.

use serde::{Deserialize, Serialize};

use crate::{Actor, PlanId, Result, quota::QuotaKind};

/// One plan. An absent number means unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// For example `free`.
    pub id: PlanId,
    /// Functional scans a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functional_scans: Option<u32>,
    /// Security scans a period; 0 means that the plan does not include them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_scans: Option<u32>,
    /// Requests a minute and tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Scans running at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_scans: Option<u32>,
    /// Whether outgoing webhooks may be configured.
    #[serde(default)]
    pub outgoing_webhooks: bool,
}

impl Plan {
    /// The limit of one kind of scan; `None` is unlimited.
    #[must_use]
    pub fn scan_limit(&self, kind: QuotaKind) -> Option<u32> {
        match kind {
            QuotaKind::Functional => self.functional_scans,
            QuotaKind::Security => self.security_scans,
        }
    }
}

/// All plans, cheapest first. The first plan is the one of tenants that pay nothing ("free").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanCatalogue {
    #[serde(rename = "plan")]
    plans: Vec<Plan>,
}

impl PlanCatalogue {
    /// The published table (free, pro, team, enterprise).
    #[must_use]
    pub fn published() -> Self {
        todo!("core")
    }

    /// Reads TOML; the error names line and reason (unknown member, duplicate id, no plan, no `free`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let _ = text;
        todo!("core")
    }

    /// TOML in the shape that [`PlanCatalogue::parse`] takes.
    #[must_use]
    pub fn to_toml(&self) -> String {
        todo!("core")
    }

    /// All plans, cheapest first.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan of that id.
    #[must_use]
    pub fn find(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| &plan.id == id)
    }

    /// The plan of that id, or the free one for an id that the catalogue no longer has.
    #[must_use]
    pub fn get(&self, id: &PlanId) -> &Plan {
        self.find(id).unwrap_or(&self.plans[0])
    }

    /// True for the first plan.
    #[must_use]
    pub fn is_free(&self, id: &PlanId) -> bool {
        self.get(id).id == self.plans[0].id
    }

    /// 403 `FEATURE_NOT_AVAILABLE` with `required_plan` when the actor's plan has no scans of this kind at all.
    pub fn require_feature(&self, actor: &Actor, kind: QuotaKind) -> Result<()> {
        let _ = (actor, kind);
        todo!("core")
    }
}
