//! Registering tenants, for the application that owns them.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use nat_core::{
    Error, KeyId, PlanId, Result, Scope, TenantId,
    access::{ApiKey, NewApiKey},
    audit::AuditEntry,
    error::Validation,
    plan::PlanCatalogue,
    secret::{ExposeSecret, SecretString},
    tenant::Tenant,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Billing;
use crate::store::SyncReplay;

const MAX_TENANT_ID: usize = 128;
const MAX_NAME_CHARS: usize = 200;
/// RFC 5321: 64 octets before the @, 254 in all.
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;
/// Shorter sync keys could be guessed; they count as none.
const MIN_SYNC_KEY_CHARS: usize = 32;
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// How long a lost answer can be had again.
const REPLAY_FOR: TimeDelta = TimeDelta::hours(24);

/// Input of [`Billing::sync_tenant`], before validation.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §1, same names")]
pub struct SyncTenant {
    pub tenant_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub plan: Option<String>,
    pub stripe_customer_id: Option<String>,
}

/// What sync-tenant shows, once.
#[derive(Debug)]
pub struct SyncedTenant {
    /// The new tenant.
    pub tenant: Tenant,
    /// Its first key, with every scope.
    pub key: NewApiKey,
}

impl Billing {
    /// 503 E7 when no sync key is set, then 401 unless `sync_key` is it (constant time). The wire calls it before it
    /// reads the body.
    pub fn authorize_sync(&self, sync_key: Option<&str>) -> Result<()> {
        let wanted = self.ports.settings.sync_key.as_ref().map(ExposeSecret::expose_secret);
        let wanted =
            wanted.filter(|key| key.chars().count() >= MIN_SYNC_KEY_CHARS).ok_or_else(Error::sync_not_configured)?;
        // Digests have one length, so the comparison tells nothing about that of the key.
        let shown = Sha256::digest(sync_key.unwrap_or_default());
        if bool::from(Sha256::digest(wanted).ct_eq(&shown)) { Ok(()) } else { Err(Error::invalid_sync_key()) }
    }

    /// Registers a tenant: E9 for missing fields, 422 for a bad e-mail address, unknown plan or malformed id, E8 when
    /// the id is taken; exactly one of many parallel calls wins.
    ///
    /// A caller who lost the answer repeats the call with the same `idempotency_key` and input, and gets it once more,
    /// key included, within 24 hours. Nobody else does: for any other call the tenant simply exists. What differs in it
    /// from what is registered goes into the audit log and changes nothing.
    pub async fn sync_tenant(&self, input: SyncTenant, idempotency_key: Option<&str>) -> Result<SyncedTenant> {
        let ports = &*self.ports;
        // To the millisecond, so that what is answered now equals what is read later.
        let now = ports.clock.now().trunc_subsecs(3);
        let input_hash = input.digest();
        let tenant = validate(input, &ports.plans, idempotency_key, now)?;
        let mut tx = ports.store.begin().await?;
        if !tx.insert_tenant(&tenant).await? {
            drop(tx);
            return self.taken(&tenant, idempotency_key, input_hash).await;
        }
        if let Some(customer_id) = &tenant.stripe_customer_id
            && !self.adopt(tx.as_mut(), &tenant, customer_id).await?
        {
            let mut validation = Validation::default();
            validation.invalid("stripe_customer_id", "belongs to another tenant");
            return Err(validation.finish().err().unwrap_or_else(Error::tenant_already_exists));
        }
        let key = ports.keys.issue_first(tx.as_mut(), &tenant).await?;
        if let Some(idempotency_key) = idempotency_key {
            let kept = Kept::of(&key).seal(self, &tenant.id)?;
            let replay = SyncReplay {
                key_hash: Sha256::digest(idempotency_key).into(),
                input_hash,
                sealed_key: kept,
                expires_at: now + REPLAY_FOR,
            };
            ports.store.insert_replay(tx.as_mut(), &tenant.id, &replay).await?;
        }
        let detail = json!({"plan": tenant.entitlement.plan_id, "first_key": key.key.id});
        tx.append_audit(&sync_line(&tenant.id, "tenant.created", detail, now)).await?;
        tx.commit().await?;
        if tenant.stripe_customer_id.is_some() {
            self.wake.notify_waiters();
        }
        Ok(SyncedTenant { tenant, key })
    }

    /// The tenant exists: the answer that registered it, for the caller who lost it; E8 for anybody else.
    async fn taken(
        &self,
        wanted: &Tenant,
        idempotency_key: Option<&str>,
        input_hash: [u8; 32],
    ) -> Result<SyncedTenant> {
        let ports = &*self.ports;
        let now = ports.clock.now();
        let Some(tenant) = ports.store.find_tenant(&wanted.id).await? else {
            return Err(Error::unavailable("a tenant was registered and removed at once"));
        };
        if let Some(idempotency_key) = idempotency_key
            && let Some(replay) = ports.store.find_replay(&wanted.id, now).await?
        {
            let key_hash: [u8; 32] = Sha256::digest(idempotency_key).into();
            if bool::from(replay.key_hash.ct_eq(&key_hash)) && replay.input_hash == input_hash {
                let key = Kept::open(self, &replay.sealed_key, &tenant.id)?.into_key(now);
                // As it was registered: what has changed since is not what was answered then.
                return Ok(SyncedTenant { tenant: Tenant { created_at: tenant.created_at, ..wanted.clone() }, key });
            }
        }
        let differs = [
            ("email", wanted.email != tenant.email),
            ("name", wanted.name.is_some() && wanted.name != tenant.name),
            ("plan", wanted.entitlement.plan_id != *tenant.entitlement.plan_at(now)),
            ("stripe_customer_id", {
                wanted.stripe_customer_id.is_some() && wanted.stripe_customer_id != tenant.stripe_customer_id
            }),
        ];
        let differs: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if !differs.is_empty() {
            let mut tx = ports.store.begin().await?;
            tx.append_audit(&sync_line(&tenant.id, "tenant.sync_refused", json!({"differs": differs}), now)).await?;
            tx.commit().await?;
        }
        Err(Error::tenant_already_exists())
    }
}

fn sync_line(tenant_id: &TenantId, action: &'static str, detail: Value, at: DateTime<Utc>) -> AuditEntry {
    AuditEntry {
        tenant_id: tenant_id.clone(),
        actor: "sync".to_owned(),
        action: action.into(),
        subject: tenant_id.to_string(),
        detail,
        request_id: None,
        at,
    }
}

/// The part of an answer that is kept, sealed.
struct Kept {
    id: String,
    name: String,
    secret: String,
}

impl Kept {
    fn of(key: &NewApiKey) -> Self {
        Self { id: key.key.id.to_string(), name: key.key.name.clone(), secret: key.secret.expose_secret().to_owned() }
    }

    fn seal(&self, billing: &Billing, tenant_id: &TenantId) -> Result<Vec<u8>> {
        let plain = json!([self.id, self.name, self.secret]).to_string();
        billing.ports.vault.seal(plain.as_bytes(), &context(tenant_id), &*billing.ports.entropy)
    }

    fn open(billing: &Billing, sealed: &[u8], tenant_id: &TenantId) -> Result<Self> {
        let plain = billing.ports.vault.open(sealed, &context(tenant_id))?;
        let [id, name, secret] = serde_json::from_slice::<[String; 3]>(&plain).map_err(Error::internal)?;
        Ok(Self { id, name, secret })
    }

    fn into_key(self, now: DateTime<Utc>) -> NewApiKey {
        let key = ApiKey {
            id: KeyId::from(self.id),
            name: self.name,
            scopes: Scope::ALL.iter().copied().collect(),
            created_at: now,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        };
        NewApiKey { secret: SecretString::from(self.secret), key }
    }
}

fn context(tenant_id: &TenantId) -> String {
    format!("sync:{tenant_id}")
}

impl SyncTenant {
    /// Two inputs with the same digest are the same request.
    fn digest(&self) -> [u8; 32] {
        let text = json!([self.tenant_id, self.email, self.name, self.plan, self.stripe_customer_id]).to_string();
        Sha256::digest(text).into()
    }
}

/// The tenant to write, or the 422 that names everything wrong with the input. An empty required field is a missing
/// one; without a plan it is the free one.
fn validate(
    input: SyncTenant,
    plans: &PlanCatalogue,
    idempotency_key: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Tenant> {
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
    let good = |key: &str| (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if idempotency_key.is_some_and(|key| !good(key)) {
        validation.invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
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
        validate(input, &PlanCatalogue::published(), None, DateTime::UNIX_EPOCH)
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
