//! What sync-tenant accepts. Pure.

use chrono::{DateTime, Utc};
use nat_core::{PlanId, Result, TenantId, error::Validation, plan::PlanCatalogue, tenant::Tenant};

use super::SyncTenant;

const MAX_TENANT_ID: usize = 128;
const MAX_NAME_CHARS: usize = 200;
/// RFC 5321: 64 octets before the @, 254 in all.
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;

/// The tenant to write, or the 422 that names everything wrong with the input. An empty required field is a missing
/// one; without a plan it is the free one.
pub(super) fn validate(input: SyncTenant, plans: &PlanCatalogue, now: DateTime<Utc>) -> Result<Tenant> {
    let mut validation = Validation::default();
    let id = required(&mut validation, "tenant_id", input.tenant_id);
    if !id.is_empty() && !is_tenant_id(&id) {
        validation.invalid("tenant_id", "must be 1 to 128 characters of A-Z, a-z, 0-9, '_', '.', ':', '@' and '-'");
    }
    let email = required(&mut validation, "email", input.email);
    if !email.is_empty() && !is_email(&email) {
        validation.invalid("email", "must be an e-mail address");
    }
    if input.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control))
    {
        validation.invalid("name", "must be at most 200 characters without control characters");
    }
    let plan_id = input.plan.map_or_else(|| plans.plans()[0].id.clone(), PlanId::new);
    if plans.find(&plan_id).is_none() {
        let known: Vec<&str> = plans.plans().iter().map(|plan| plan.id.as_str()).collect();
        validation.invalid("plan", &format!("must be one of {}", known.join(", ")));
    }
    if input.stripe_customer_id.as_ref().is_some_and(|customer| !is_customer_id(customer)) {
        validation.invalid("stripe_customer_id", "must be the id of a Stripe customer (cus_…)");
    }
    validation.finish()?;
    Ok(Tenant {
        name: input.name,
        stripe_customer_id: input.stripe_customer_id,
        ..Tenant::new(TenantId::new(id), email, plan_id, now)
    })
}

fn required(validation: &mut Validation, field: &str, value: Option<String>) -> String {
    let value = value.unwrap_or_default();
    if value.is_empty() {
        validation.missing(field);
    }
    value
}

fn is_tenant_id(text: &str) -> bool {
    (1..=MAX_TENANT_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte))
}

fn is_customer_id(text: &str) -> bool {
    text.len() <= 255
        && text.strip_prefix("cus_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// An address in the common form (RFC 5321 without quoted local parts and address literals; letters beyond ASCII as
/// RFC 6531 has them). Whether anybody reads it, only a message could tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let dot_separated = |part: &str, allowed: fn(char) -> bool| {
        part.split('.').all(|label| !label.is_empty() && label.chars().all(allowed))
    };
    let hyphens_inside =
        domain.split('.').all(|label| !label.starts_with('-') && !label.ends_with('-') && label.len() <= 63);
    text.len() <= MAX_EMAIL
        && local.len() <= MAX_LOCAL_PART
        && dot_separated(local, |c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
        && dot_separated(domain, |c| c.is_alphanumeric() || c == '-')
        && hyphens_inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(tenant_id: &str, email: &str) -> SyncTenant {
        SyncTenant { tenant_id: Some(tenant_id.into()), email: Some(email.into()), ..SyncTenant::default() }
    }

    fn verdict(input: SyncTenant) -> Result<Tenant, String> {
        validate(input, &PlanCatalogue::published(), DateTime::UNIX_EPOCH)
            .map_err(|error| serde_json::to_string(&error.body()).unwrap())
    }

    #[test]
    fn missing_fields_have_the_published_body() {
        let both =
            r#"{"error":"VALIDATION_ERROR","message":"Fields 'tenant_id' and 'email' are required.","status":422}"#;
        assert_eq!(verdict(SyncTenant::default()).unwrap_err(), both);
        assert_eq!(verdict(input("", "")).unwrap_err(), both);
        let only_email = SyncTenant { email: Some("a@example.test".into()), ..SyncTenant::default() };
        assert!(verdict(only_email).unwrap_err().contains("\"Field 'tenant_id' is required.\""));
    }

    #[test]
    fn tenant_gets_the_free_plan_unless_told_otherwise() {
        assert_eq!(verdict(input("t_1", "a@example.test")).unwrap().entitlement.plan_id.as_str(), "free");
        let pro = SyncTenant { plan: Some("pro".into()), ..input("t_1", "a@example.test") };
        assert_eq!(verdict(pro).unwrap().entitlement.plan_id.as_str(), "pro");
        let gold = SyncTenant { plan: Some("gold".into()), ..input("t_1", "a@example.test") };
        assert!(verdict(gold).unwrap_err().contains("Field 'plan' must be one of free, pro, team, enterprise."));
    }

    #[test]
    fn several_mistakes_are_listed_together() {
        let wrong = SyncTenant {
            name: Some("a\nb".into()),
            stripe_customer_id: Some("sub_1".into()),
            ..input("a b", "nobody")
        };
        let body = verdict(wrong).unwrap_err();
        for field in ["tenant_id", "email", "name", "stripe_customer_id"] {
            assert!(body.contains(&format!(r#"{{"field":"{field}","#)), "{field}: {body}");
        }
    }

    #[test]
    fn ids_and_addresses_are_checked_for_form() {
        let id = |text: &str| verdict(input(text, "a@example.test")).is_ok();
        let longest = "x".repeat(128);
        assert!(["a", "T_1.2:3@4-5", &longest].iter().all(|text| id(text)));
        assert!(!["a b", "ä", "a/b", "a\0", "x' or 1=1", &"x".repeat(129)].iter().any(|text| id(text)));
        let email = |text: &str| verdict(input("t", text)).is_ok();
        let local = format!("{}@example.test", "x".repeat(64));
        for good in [
            "a@example.test",
            "a.b+c@x-y.example.test",
            "o'neil@example.test",
            "root@localhost",
            "jörg@müller.example",
            &local,
        ] {
            assert!(email(good), "{good}");
        }
        let long_local = format!("{}@example.test", "x".repeat(65));
        let long = format!("a@{}", "x.".repeat(130));
        for bad in [
            "not an address",
            "a",
            "@example.test",
            "a@",
            "a@@example.test",
            "a@b@example.test",
            ".a@example.test",
            "a..b@example.test",
            "a@example..test",
            "a@-example.test",
            "a@example.test ",
            " a@example.test",
            "a@exa mple.test",
            "a\r\nBcc: b@example.test",
            "<a@example.test>",
            &long_local,
            &long,
        ] {
            assert!(!email(bad), "{bad}");
        }
    }
}
