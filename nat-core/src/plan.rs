//! The plan catalogue: data, not code. TOML in the shape of `nat plans`.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{Actor, Error, ErrorCode, PlanId, Result, quota::QuotaKind};

/// More plans than this are a mistake in the file.
const MAX_PLANS: usize = 100;
/// The plan of tenants that pay nothing.
const FREE: &str = "free";

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

    /// What no operator can mean: an id that is no name, or a limit that locks every tenant out.
    fn mistake(&self) -> Option<String> {
        let id = self.id.as_str();
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(name) {
            return Some(format!("plan id {id:?} must be 1 to 64 of a-z, 0-9, '_' and '-'"));
        }
        if self.requests_per_minute == Some(0) {
            return Some(format!("requests_per_minute of plan '{id}' must be at least 1"));
        }
        if self.concurrent_scans == Some(0) {
            return Some(format!("concurrent_scans of plan '{id}' must be at least 1"));
        }
        None
    }
}

/// All plans, cheapest first. The first plan is the one of tenants that pay nothing ("free").
///
/// Never empty: [`PlanCatalogue::published`] and [`PlanCatalogue::parse`] are the only ways to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanCatalogue {
    #[serde(rename = "plan")]
    plans: Vec<Plan>,
}

/// The file as read, with the places of its tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    #[serde(default)]
    plan: Vec<Spanned<Plan>>,
}

impl PlanCatalogue {
    /// The published table (free, pro, team, enterprise).
    #[must_use]
    pub fn published() -> Self {
        let plan = |id: &str, functional, security, per_minute, concurrent, webhooks| Plan {
            id: PlanId::from(id),
            functional_scans: functional,
            security_scans: security,
            requests_per_minute: Some(per_minute),
            concurrent_scans: Some(concurrent),
            outgoing_webhooks: webhooks,
        };
        Self {
            plans: vec![
                plan(FREE, Some(50), Some(0), 30, 1, false),
                plan("pro", Some(500), Some(100), 120, 3, false),
                plan("team", Some(2_000), Some(500), 300, 10, true),
                plan("enterprise", None, None, 1_000, 50, true),
            ],
        }
    }

    /// Reads TOML; the error names line and reason (unknown member, duplicate id, no plan, no `free`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: CatalogueFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            format!("line {line}: {}", error.message())
        })?;
        let mut plans: Vec<Plan> = Vec::with_capacity(file.plan.len());
        for spanned in file.plan {
            let line = line_of(text, spanned.span().start);
            let plan = spanned.into_inner();
            if let Some(mistake) = plan.mistake() {
                return Err(format!("line {line}: {mistake}"));
            }
            if plans.iter().any(|other| other.id == plan.id) {
                return Err(format!("line {line}: there is a plan '{}' already", plan.id));
            }
            if plans.is_empty() && plan.id.as_str() != FREE {
                return Err(format!("line {line}: the first plan must be '{FREE}', this one is '{}'", plan.id));
            }
            if plans.len() == MAX_PLANS {
                return Err(format!("line {line}: more than {MAX_PLANS} plans"));
            }
            plans.push(plan);
        }
        if plans.is_empty() {
            return Err(format!("line 1: no [[plan]] table; the first must be '{FREE}'"));
        }
        Ok(Self { plans })
    }

    /// TOML in the shape that [`PlanCatalogue::parse`] takes.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
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
        let plan = self.get(&actor.plan_id);
        let includes = |plan: &Plan| plan.scan_limit(kind) != Some(0);
        if includes(plan) {
            return Ok(());
        }
        let lacks = format!("The plan '{}' does not include {} scans.", plan.id, kind.as_str());
        Err(match self.plans.iter().find(|plan| includes(plan)) {
            Some(other) => Error::new(
                ErrorCode::FeatureNotAvailable,
                format!("{lacks} Upgrade to the plan '{}' or above.", other.id),
            )
            .with("required_plan", other.id.as_str()),
            None => Error::new(ErrorCode::FeatureNotAvailable, lacks),
        })
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TenantId;

    #[test]
    fn catalogue_survives_printing_and_parsing() {
        let published = PlanCatalogue::published();
        assert_eq!(PlanCatalogue::parse(&published.to_toml()).unwrap(), published);
        assert_eq!(published.get(&PlanId::from("gone")).id.as_str(), "free");
        assert!(published.is_free(&PlanId::from("gone")) && !published.is_free(&PlanId::from("pro")));
    }

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let error = PlanCatalogue::parse(text).unwrap_err();
        assert!(error.contains(wanted), "{error:?} does not contain {wanted:?}");
    }

    #[test]
    fn catalogue_with_a_mistake_is_refused_with_its_line() {
        check("", "no [[plan]]");
        check("[[plan]]\nid = \"pro\"\n", "line 1: the first plan must be 'free'");
        check("[[plan]]\nid = \"free\"\n\n[[plan]]\nid = \"free\"\n", "line 4: there is a plan 'free' already");
        check("[[plan]]\nid = \"free\"\nscans = 7\n", "line 3: unknown field `scans`");
        check("[[plan]]\nid = \"free\"\nfunctional_scans = -1\n", "line 3:");
        check("[[plan]]\nid = \"free\"\nrequests_per_minute = 0\n", "requests_per_minute of plan 'free'");
        check("[[plan]]\nid = \"free\"\nconcurrent_scans = 0\n", "concurrent_scans of plan 'free'");
        check("[[plan]]\nid = \"Free Plan\"\n", "line 1: plan id");
        check("[[plan]]\nfunctional_scans = 1\n", "line 1: missing field `id`");
        check("[[plan]]\nid = \"free\"\n[prices]\n", "line 3: unknown field `prices`");
        check("[[plan]]\nid = free\n", "line 2:");
        let many: String = (0..101)
            .map(|n| format!("[[plan]]\nid = \"free{}\"\n", if n == 0 { String::new() } else { n.to_string() }))
            .collect();
        check(&many, "more than 100 plans");
    }

    #[test]
    fn feature_that_the_plan_lacks_is_refused_with_the_plan_that_has_it() {
        let plans = PlanCatalogue::published();
        let actor = |plan: &str| Actor::system(TenantId::from("t"), PlanId::from(plan));
        for (plan, kind, refused) in [
            ("free", QuotaKind::Functional, false),
            ("free", QuotaKind::Security, true),
            ("gone", QuotaKind::Security, true),
            ("pro", QuotaKind::Security, false),
            ("enterprise", QuotaKind::Security, false),
        ] {
            let verdict = plans.require_feature(&actor(plan), kind);
            assert_eq!(verdict.is_err(), refused, "{plan} {kind:?}");
            if let Err(error) = verdict {
                assert_eq!(error.code, ErrorCode::FeatureNotAvailable);
                assert_eq!(error.body()["required_plan"], "pro");
            }
        }
        let only_free = PlanCatalogue::parse("[[plan]]\nid = \"free\"\nsecurity_scans = 0\n").unwrap();
        let error = only_free.require_feature(&actor("free"), QuotaKind::Security).unwrap_err();
        assert_eq!(error.extras, []);
    }
}
