//! API keys: format, hashing, authentication, rotation.
//!
//! `nat_pk_` + 10 characters public id + `_` + 27 base62 characters (≥ 160 bits) of secret + 6 characters checksum.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::{
    Actor, KeyId, Result, Scopes,
    entropy::Entropy,
    plan::PlanCatalogue,
    store::{CoreStore, CoreTx},
    tenant::Tenant,
    time::Clock,
};

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

/// The use cases of API keys.
#[derive(Clone)]
pub struct ApiKeys {
    #[expect(dead_code, reason = "the core lands next")]
    ports: ApiKeysPorts,
}

impl ApiKeys {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: ApiKeysPorts) -> Self {
        Self { ports }
    }

    /// Who shows this text? Every failure is E1, except 503 when the store is away.
    ///
    /// A wrong checksum never reaches the store. Positive answers are cached for at most 500 ms (so that a revoked
    /// key dies within a second on every node), negative ones never.
    pub async fn authenticate(&self, raw: &str) -> Result<Actor> {
        let _ = raw;
        todo!("core")
    }

    /// The tenant's keys, oldest first. Scope `keys:read`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<ApiKey>> {
        let _ = actor;
        todo!("core")
    }

    /// Makes a key. Scope `keys:write`.
    pub async fn create(&self, actor: &Actor, input: CreateApiKey) -> Result<NewApiKey> {
        let _ = (actor, input);
        todo!("core")
    }

    /// Replaces a key by a new one with the same name, scopes and expiry. The old one dies at once, or after
    /// `grace_seconds` (0 to 604,800), but never later than it would have. 409 `KEY_NOT_ACTIVE` for a dead key.
    /// Scope `keys:write`.
    pub async fn rotate(&self, actor: &Actor, key_id: &KeyId, grace_seconds: Option<i64>) -> Result<NewApiKey> {
        let _ = (actor, key_id, grace_seconds);
        todo!("core")
    }

    /// Kills a key at once. Repeating it is fine. Scope `keys:write`.
    pub async fn revoke(&self, actor: &Actor, key_id: &KeyId) -> Result<()> {
        let _ = (actor, key_id);
        todo!("core")
    }

    /// The first key of a new tenant, with every scope, written in the caller's transaction.
    pub async fn issue_first(&self, tx: &mut dyn CoreTx, tenant: &Tenant) -> Result<NewApiKey> {
        let _ = (tx, tenant);
        todo!("core")
    }
}
