//! API keys.

use async_graphql::{ComplexObject, ID, SimpleObject};
use nat_core::Scope;
use nat_core::access::ApiKey;

use crate::relay::GlobalId;
use crate::scalar::Instant;

/// An API key, without its secret.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "ApiKey", complex)]
pub(crate) struct ApiKeyObject {
    /// The id that REST shows.
    key_id: String,
    /// A label for people.
    name: String,
    /// How the key begins: `nat_pk_` and the id.
    prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// When it was made.
    created_at: Instant,
    /// Last use, to the minute.
    last_used_at: Option<Instant>,
    /// From this instant on it is dead.
    expires_at: Option<Instant>,
    /// When it was revoked.
    revoked_at: Option<Instant>,
}

#[ComplexObject]
impl ApiKeyObject {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        GlobalId::ApiKey(self.key_id.as_str().into()).encode()
    }
}

impl From<ApiKey> for ApiKeyObject {
    fn from(key: ApiKey) -> Self {
        Self {
            prefix: key.prefix(),
            key_id: key.id.to_string(),
            name: key.name,
            scopes: scopes(&key.scopes),
            created_at: Instant(key.created_at),
            last_used_at: key.last_used_at.map(Instant),
            expires_at: key.expires_at.map(Instant),
            revoked_at: key.revoked_at.map(Instant),
        }
    }
}

/// Scopes by their names.
pub(super) fn scopes(scopes: &nat_core::Scopes) -> Vec<String> {
    scopes.iter().copied().map(Scope::as_str).map(str::to_owned).collect()
}
