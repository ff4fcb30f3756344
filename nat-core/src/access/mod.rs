//! API keys: format, hashing, authentication, rotation.
//!
//! `nat_pk_` + 10 characters public id + `_` + 27 base62 characters (≥ 160 bits) of secret + 6 characters checksum.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use moka::future::Cache;
use secrecy::SecretString;
use serde_json::json;
use subtle::ConstantTimeEq;

use self::{
    notes::{Denial, Notes, Refusal},
    text::{Presented, SecretHash},
};
use crate::{
    Actor, Error, ErrorCode, KeyId, Result, Scope, Scopes, TenantId,
    audit::AuditEntry,
    entitlement::Entitlement,
    entropy::Entropy,
    error::Validation,
    plan::PlanCatalogue,
    store::{CoreStore, CoreTx, StoredKey},
    tenant::Tenant,
    time::Clock,
};

mod notes;
mod text;

pub use text::hint;

/// A key as lists show it: no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The public id.
    pub id: KeyId,
    /// A label for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From this instant on it is dead.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// What lists show: `nat_pk_<id>`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("nat_pk_{}", self.id)
    }
}

/// A key that was just made: the one time that its text is shown.
#[derive(Debug)]
pub struct NewApiKey {
    /// The whole text.
    pub secret: SecretString,
    /// What lists show.
    pub key: ApiKey,
}

/// Input of [`ApiKeys::create`].
#[derive(Clone, Debug, Default)]
pub struct CreateApiKey {
    /// A label, 1 to 100 characters.
    pub name: String,
    /// `None`: all of the maker's but `keys:*`. Never more than the maker has (403).
    pub scopes: Option<Vec<String>>,
    /// Must lie in the future.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Ports and data of [`ApiKeys`].
#[derive(Clone)]
pub struct ApiKeysPorts {
    /// Where keys live.
    pub store: Arc<dyn CoreStore>,
    /// For the plan of the actor.
    pub plans: Arc<PlanCatalogue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for new keys.
    pub entropy: Arc<dyn Entropy>,
}

/// The use cases of API keys. Clones share one cache; make one per process.
#[derive(Clone)]
pub struct ApiKeys {
    inner: Arc<Inner>,
}

struct Inner {
    ports: ApiKeysPorts,
    cache: Cache<KeyId, Arc<CachedKey>>,
    /// Counts revocations on this node. An answer that was read from the store before one is not used after it.
    epoch: AtomicU64,
    notes: Notes,
}

/// A key that was found good.
struct CachedKey {
    stored: StoredKey,
    entitlement: Entitlement,
    read_at: DateTime<Utc>,
    epoch: u64,
}

/// A revoked key dies within one second on every node: this, and what a request needs to read the store.
const CACHE_TTL: TimeDelta = TimeDelta::milliseconds(500);
const CACHE_CAPACITY: u64 = 10_000;
const MAX_ACTIVE_KEYS: usize = 100;
const MAX_NAME_CHARS: usize = 100;
const MAX_GRACE_SECONDS: i64 = 604_800;
/// Compared when no key has the id, so that an unknown id costs what a known one does.
const NO_HASH: SecretHash = [0; 32];

impl ApiKeys {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: ApiKeysPorts) -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHE_CAPACITY)
            // Only frees memory; whether an answer is fresh is decided by the clock of the ports.
            .time_to_live(CACHE_TTL.to_std().unwrap_or_default())
            .build();
        let inner = Inner { ports, cache, epoch: AtomicU64::new(0), notes: Notes::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Who shows this text? Every failure is E1, except 503 when the store is away.
    ///
    /// A wrong checksum never reaches the store. Positive answers are cached for at most 500 ms (so that a revoked
    /// key dies within a second on every node), negative ones never.
    pub async fn authenticate(&self, raw: &str) -> Result<Actor> {
        let Some(presented) = text::parse(raw) else { return Err(Error::invalid_api_key()) };
        let Inner { ports, cache, notes, .. } = &*self.inner;
        let now = ports.clock.now();
        let epoch = self.inner.epoch.load(Ordering::Acquire);
        if let Some(cached) = cache.get(&presented.id).await
            && cached.epoch == epoch
            && (TimeDelta::zero()..CACHE_TTL).contains(&(now - cached.read_at))
            && judge(Some(&cached.stored), &presented, now).is_ok()
        {
            notes.used(&presented.id, cached.stored.key.last_used_at, now);
            return Ok(self.actor(&cached, now));
        }
        let found = ports.store.find_key_for_auth(&presented.id).await.map_err(unavailable)?;
        let verdict = judge(found.as_ref().map(|(stored, _)| stored), &presented, now);
        let Some((stored, tenant)) = found else { return Err(Error::invalid_api_key()) };
        if let Err(denial) = verdict {
            notes.refused(&stored.tenant_id, &presented.id, denial, now);
            return Err(Error::invalid_api_key());
        }
        notes.used(&presented.id, stored.key.last_used_at, now);
        let good = Arc::new(CachedKey { stored, entitlement: tenant.entitlement, read_at: now, epoch });
        cache.insert(presented.id, Arc::clone(&good)).await;
        Ok(self.actor(&good, now))
    }

    /// The tenant's keys, oldest first. Scope `keys:read`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<ApiKey>> {
        actor.require(Scope::KeysRead)?;
        self.ports().store.list_keys(&actor.tenant_id).await
    }

    /// The key that is shown, as lists show it: no scope is needed to look at oneself. `None` for the service itself.
    pub async fn own(&self, actor: &Actor) -> Result<Option<ApiKey>> {
        let Some(id) = &actor.key_id else { return Ok(None) };
        let keys = self.ports().store.list_keys(&actor.tenant_id).await?;
        Ok(keys.into_iter().find(|key| key.id == *id))
    }

    /// Makes a key. Scope `keys:write`. At most 100 keys of a tenant are active at once.
    pub async fn create(&self, actor: &Actor, input: CreateApiKey) -> Result<NewApiKey> {
        actor.require(Scope::KeysWrite)?;
        let now = self.now();
        let scopes = validate(actor, &input, now)?;
        // Read outside the transaction: a soft limit is not worth a second connection while the first one is held.
        let keys = self.ports().store.list_keys(&actor.tenant_id).await?;
        if keys.iter().filter(|key| is_active(key, now)).count() >= MAX_ACTIVE_KEYS {
            let message = format!("A tenant has at most {MAX_ACTIVE_KEYS} active API keys; revoke one first.");
            return Err(Error::new(ErrorCode::ValidationError, message));
        }
        let mut tx = self.begin(actor).await?;
        let new = self.insert(tx.as_mut(), &actor.tenant_id, input.name, scopes, input.expires_at, now).await?;
        tx.append_audit(&AuditEntry::by(actor, "key.created", new.key.id.as_str(), describe(&new.key), now)).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Replaces a key by a new one with the same name, scopes and expiry. The old one dies at once, or after
    /// `grace_seconds` (0 to 604,800), but never later than it would have. 409 `KEY_NOT_ACTIVE` for a dead key and for
    /// one that has a successor already; 403 for a key with scopes that the actor lacks. Scope `keys:write`.
    pub async fn rotate(&self, actor: &Actor, key_id: &KeyId, grace_seconds: Option<i64>) -> Result<NewApiKey> {
        actor.require(Scope::KeysWrite)?;
        let grace_s = grace_seconds.unwrap_or(0);
        let mut validation = Validation::default();
        if !(0..=MAX_GRACE_SECONDS).contains(&grace_s) {
            validation.invalid("grace_seconds", &format!("must be between 0 and {MAX_GRACE_SECONDS}"));
        }
        validation.finish()?;
        let now = self.now();
        let mut tx = self.begin(actor).await?;
        let mut old = tx.find_key(&actor.tenant_id, key_id).await?.ok_or_else(Error::not_found)?;
        if old.rotated_at.is_some() || !is_active(&old.key, now) {
            return Err(not_active());
        }
        // The successor's text is shown to the actor, who must not gain rights by it.
        old.key.scopes.iter().try_for_each(|scope| actor.require(*scope))?;
        let (name, scopes, expires_at) = (old.key.name.clone(), old.key.scopes.clone(), old.key.expires_at);
        let new = self.insert(tx.as_mut(), &actor.tenant_id, name, scopes, expires_at, now).await?;
        let dies_at = now + TimeDelta::seconds(grace_s);
        let dies_at = expires_at.map_or(dies_at, |expires_at| expires_at.min(dies_at));
        old.rotated_at = Some(now);
        if grace_s == 0 {
            old.key.revoked_at = Some(now);
        } else {
            old.key.expires_at = Some(dies_at);
        }
        if !tx.update_key(&old).await? {
            return Err(not_active());
        }
        let detail = json!({"successor": new.key.id, "old_key_dies_at": rfc3339(dies_at)});
        tx.append_audit(&AuditEntry::by(actor, "key.rotated", key_id.as_str(), detail, now)).await?;
        tx.commit().await?;
        self.forget();
        Ok(new)
    }

    /// Kills a key at once. Repeating it is fine. Scope `keys:write`.
    pub async fn revoke(&self, actor: &Actor, key_id: &KeyId) -> Result<()> {
        actor.require(Scope::KeysWrite)?;
        let now = self.now();
        let mut tx = self.begin(actor).await?;
        let mut stored = tx.find_key(&actor.tenant_id, key_id).await?.ok_or_else(Error::not_found)?;
        if stored.key.revoked_at.is_none() {
            stored.key.revoked_at = Some(now);
            if !tx.update_key(&stored).await? {
                return Err(Error::unavailable("a key changed though its tenant was locked"));
            }
            tx.append_audit(&AuditEntry::by(actor, "key.revoked", key_id.as_str(), json!({}), now)).await?;
            tx.commit().await?;
        }
        self.forget();
        Ok(())
    }

    /// The first key of a new tenant, with every scope, written in the caller's transaction, which also tells the
    /// audit log.
    pub async fn issue_first(&self, tx: &mut dyn CoreTx, tenant: &Tenant) -> Result<NewApiKey> {
        let scopes = Scope::ALL.iter().copied().collect();
        self.insert(tx, &tenant.id, "default".to_owned(), scopes, None, self.now()).await
    }

    /// Writes what authentication noted: last uses, and refusals of keys that exist into their tenant's audit log.
    /// The composition calls it every few seconds and at the end; what cannot be written stays for the next call.
    pub async fn flush(&self) -> Result<()> {
        let Inner { ports, notes, .. } = &*self.inner;
        let uses = notes.take_uses();
        if !uses.is_empty()
            && let Err(error) = ports.store.touch_keys(&uses).await
        {
            notes.return_uses(uses);
            return Err(error);
        }
        let refusals = notes.unwritten_refusals();
        if !refusals.is_empty() {
            let mut tx = ports.store.begin().await?;
            for refusal in &refusals {
                tx.append_audit(&refusal_line(refusal)).await?;
            }
            tx.commit().await?;
        }
        notes.refusals_written(&refusals, ports.clock.now());
        Ok(())
    }

    /// Who shows the key at `now`. A plan that has ended by then is not in force, however fresh the answer is.
    fn actor(&self, cached: &CachedKey, now: DateTime<Utc>) -> Actor {
        // A plan that the catalogue lost counts as the free one.
        let plan = self.ports().plans.get(cached.entitlement.plan_at(now));
        Actor {
            tenant_id: cached.stored.tenant_id.clone(),
            key_id: Some(cached.stored.key.id.clone()),
            scopes: cached.stored.key.scopes.clone(),
            plan_id: plan.id.clone(),
            request_id: None,
        }
    }

    fn ports(&self) -> &ApiKeysPorts {
        &self.inner.ports
    }

    /// To the millisecond, so that what is answered now equals what is read later.
    fn now(&self) -> DateTime<Utc> {
        self.ports().clock.now().trunc_subsecs(3)
    }

    /// A transaction that holds the tenant: key changes of one tenant happen one after the other.
    async fn begin(&self, actor: &Actor) -> Result<Box<dyn CoreTx>> {
        let mut tx = self.ports().store.begin().await?;
        tx.lock_tenant(&actor.tenant_id).await?.ok_or_else(Error::not_found)?;
        Ok(tx)
    }

    async fn insert(
        &self,
        tx: &mut dyn CoreTx,
        tenant_id: &TenantId,
        name: String,
        scopes: Scopes,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<NewApiKey> {
        // 62^10 public ids: a second try is already unlikely.
        for _ in 0..3 {
            let (id, secret, secret_hash) = text::generate(&*self.ports().entropy);
            let key = ApiKey {
                id,
                name: name.clone(),
                scopes: scopes.clone(),
                created_at: now,
                last_used_at: None,
                expires_at,
                revoked_at: None,
            };
            let stored =
                StoredKey { tenant_id: tenant_id.clone(), key: key.clone(), secret_hash, rotated_at: None, version: 0 };
            if tx.insert_key(&stored).await? {
                return Ok(NewApiKey { secret, key });
            }
        }
        Err(Error::internal("three public key ids in a row were taken: the entropy source repeats itself"))
    }

    /// Called after a commit that killed a key and before the answer: nothing read before it is believed again.
    fn forget(&self) {
        self.inner.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

/// The one decision of authentication. The hashes are compared first, in constant time, and always.
fn judge(stored: Option<&StoredKey>, presented: &Presented, now: DateTime<Utc>) -> Result<(), Denial> {
    let hash = stored.map_or(&NO_HASH, |stored| &stored.secret_hash);
    let same = bool::from(hash.ct_eq(&presented.hash));
    match stored {
        Some(_) if !same => Err(Denial::WrongSecret),
        None => Err(Denial::WrongSecret),
        Some(stored) if stored.key.revoked_at.is_some() => Err(Denial::Revoked),
        Some(stored) if !is_active(&stored.key, now) => Err(Denial::Expired),
        Some(_) => Ok(()),
    }
}

/// Neither revoked nor expired; the instant of expiry itself is too late.
fn is_active(key: &ApiKey, now: DateTime<Utc>) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|expires_at| now < expires_at)
}

/// The scopes of the new key; 422 for what is wrong, 403 for a scope that the maker lacks.
fn validate(actor: &Actor, input: &CreateApiKey, now: DateTime<Utc>) -> Result<Scopes> {
    let mut validation = Validation::default();
    let chars = input.name.chars().count();
    if input.name.trim().is_empty() {
        validation.missing("name");
    } else if chars > MAX_NAME_CHARS || input.name.chars().any(char::is_control) {
        validation.invalid("name", "must be 1 to 100 characters without control characters");
    }
    if input.expires_at.is_some_and(|expires_at| expires_at <= now) {
        validation.invalid("expires_at", "must lie in the future");
    }
    let scopes: Scopes = match &input.scopes {
        None => actor.scopes.iter().copied().filter(|scope| !scope.as_str().starts_with("keys:")).collect(),
        Some(names) => {
            let known: Scopes = names.iter().filter_map(|name| Scope::parse(name)).collect();
            if names.is_empty() || names.iter().any(|name| Scope::parse(name).is_none()) {
                let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                validation.invalid("scopes", &format!("must be a list of one or more of {}", all.join(", ")));
            }
            known
        }
    };
    validation.finish()?;
    scopes.iter().try_for_each(|scope| actor.require(*scope))?;
    Ok(scopes)
}

fn describe(key: &ApiKey) -> serde_json::Value {
    json!({"name": key.name, "scopes": key.scopes, "expires_at": key.expires_at.map(rfc3339)})
}

fn refusal_line(refusal: &Refusal) -> AuditEntry {
    AuditEntry {
        tenant_id: refusal.tenant_id.clone(),
        actor: "unknown".to_owned(),
        action: "key.refused".into(),
        subject: refusal.key_id.to_string(),
        detail: json!({"reason": refusal.denial.as_str()}),
        request_id: None,
        at: refusal.minute,
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn not_active() -> Error {
    Error::new(ErrorCode::KeyNotActive, "The API key is not active; nothing was changed.")
}

/// Whatever the store's trouble is, the key may be good: never a 401.
fn unavailable(error: Error) -> Error {
    if error.code == ErrorCode::Unavailable { error } else { Error::unavailable(error) }
}
