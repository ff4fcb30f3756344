//! Making, replacing and revoking API keys.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use nat_core::KeyId;
use nat_core::access::{CreateApiKey, NewApiKey};
use nat_core::secret::ExposeSecret;

use super::{answered, payloads};
use crate::cost::POINT;
use crate::error::{Fallible, UserError};
use crate::object::ApiKeyObject;
use crate::relay::{GlobalId, key_id};
use crate::scalar::Instant;
use crate::viewer::Viewer;

#[derive(Default)]
pub(crate) struct KeyMutations;

#[Object]
impl KeyMutations {
    /// Makes a key. Its text is shown this one time. Scope `keys:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn create_api_key(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What it may do.")] input: CreateApiKeyInput,
    ) -> Fallible<CreateApiKeyPayload> {
        let viewer = Viewer::of(context);
        let input = CreateApiKey {
            name: input.name.unwrap_or_default(),
            scopes: input.scopes,
            expires_at: input.expires_at.map(|Instant(at)| at),
        };
        answered(viewer.services.keys.create(viewer.actor, input).await)
    }

    /// Replaces a key by a new one with the same name, scopes and expiry. The old one dies at once, or after
    /// `graceSeconds`. Scope `keys:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn rotate_api_key(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: RotateApiKeyInput,
    ) -> Fallible<RotateApiKeyPayload> {
        let viewer = Viewer::of(context);
        let grace = input.grace_seconds.map(i64::from);
        answered(viewer.services.keys.rotate(viewer.actor, &key_id(&input.id), grace).await)
    }

    /// Kills a key at once. Repeating it is fine. Scope `keys:write`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn revoke_api_key(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: RevokeApiKeyInput,
    ) -> Fallible<RevokeApiKeyPayload> {
        let viewer = Viewer::of(context);
        let id = key_id(&input.id);
        answered(viewer.services.keys.revoke(viewer.actor, &id).await.map(|()| id))
    }
}

/// A key to make.
#[derive(InputObject)]
pub(crate) struct CreateApiKeyInput {
    /// A label for people, 1 to 100 characters. Required.
    name: Option<String>,
    /// What it may do, never more than the key that makes it. Absent: all of that key's but `keys:*`.
    scopes: Option<Vec<String>>,
    /// From this instant on it is dead.
    expires_at: Option<Instant>,
}

/// A key to replace.
#[derive(InputObject)]
pub(crate) struct RotateApiKeyInput {
    /// The global id, or the id that REST shows.
    id: ID,
    /// How long the old key goes on, 0 to 604,800 seconds; 0.
    grace_seconds: Option<i32>,
}

/// A key to revoke.
#[derive(InputObject)]
pub(crate) struct RevokeApiKeyInput {
    /// The global id, or the id that REST shows.
    id: ID,
}

/// The new key, or why there is none.
#[derive(Default, SimpleObject)]
pub(crate) struct CreateApiKeyPayload {
    /// The key as lists show it.
    api_key: Option<ApiKeyObject>,
    /// Its text, shown this one time.
    secret: Option<String>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

/// The successor of a key, or why there is none.
#[derive(Default, SimpleObject)]
pub(crate) struct RotateApiKeyPayload {
    /// The new key as lists show it.
    api_key: Option<ApiKeyObject>,
    /// Its text, shown this one time.
    secret: Option<String>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

/// The key that was revoked, or why not.
#[derive(Default, SimpleObject)]
pub(crate) struct RevokeApiKeyPayload {
    /// The global id of the key that is dead now.
    revoked_id: Option<ID>,
    /// What is wrong.
    user_errors: Vec<UserError>,
}

impl From<NewApiKey> for CreateApiKeyPayload {
    fn from(new: NewApiKey) -> Self {
        let secret = Some(new.secret.expose_secret().to_owned());
        Self { api_key: Some(new.key.into()), secret, user_errors: Vec::new() }
    }
}

impl From<NewApiKey> for RotateApiKeyPayload {
    fn from(new: NewApiKey) -> Self {
        let secret = Some(new.secret.expose_secret().to_owned());
        Self { api_key: Some(new.key.into()), secret, user_errors: Vec::new() }
    }
}

impl From<KeyId> for RevokeApiKeyPayload {
    fn from(id: KeyId) -> Self {
        Self { revoked_id: Some(GlobalId::ApiKey(id).encode()), user_errors: Vec::new() }
    }
}

payloads!(CreateApiKeyPayload, RotateApiKeyPayload, RevokeApiKeyPayload);
