//! API keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use nat_core::KeyId;
use nat_core::access::{ApiKey, CreateApiKey, NewApiKey};
use nat_core::secret::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::Answer;
use crate::extract::{self, Authenticated, Fields, FromObject, Id};
use crate::openapi::ErrorBody;
use crate::v1::instant::millis;

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyBody {
    /// The public id.
    key_id: String,
    /// A label for people.
    name: String,
    /// `nat_pk_<key id>`
    prefix: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// From then on it is dead.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was revoked.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            prefix: key.prefix(),
            scopes: scopes_of(&key),
            key_id: key.id.to_string(),
            name: key.name,
            created_at: millis(key.created_at),
            last_used_at: key.last_used_at.map(millis),
            expires_at: key.expires_at.map(millis),
            revoked_at: key.revoked_at.map(millis),
        }
    }
}

fn scopes_of(key: &ApiKey) -> Vec<&'static str> {
    key.scopes.iter().map(|scope| scope.as_str()).collect()
}

/// All keys of the tenant, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeysBody {
    /// The keys.
    keys: Vec<KeyBody>,
}

/// A key that was just made: the only time that its text is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKeyBody {
    /// The public id.
    key_id: String,
    /// The whole key. Keep it: it is never shown again.
    api_key: String,
    /// A label for people.
    name: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// From then on it is dead.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<NewApiKey> for NewKeyBody {
    fn from(new: NewApiKey) -> Self {
        Self {
            scopes: scopes_of(&new.key),
            key_id: new.key.id.to_string(),
            api_key: new.secret.expose_secret().to_owned(),
            name: new.key.name,
            expires_at: new.key.expires_at.map(millis),
            created_at: millis(new.key.created_at),
        }
    }
}

/// The key to make.
#[derive(Debug, ToSchema)]
pub(crate) struct CreateKeyBody {
    /// A label for people.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; all that the maker may but `keys:*` when absent.
    scopes: Option<Vec<String>>,
    /// From then on it is dead; never when absent.
    #[schema(format = DateTime)]
    expires_at: Option<DateTime<Utc>>,
}

impl FromObject for CreateKeyBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            name: fields.required_string("name"),
            scopes: fields.strings("scopes"),
            expires_at: fields.instant("expires_at"),
        }
    }
}

impl From<CreateKeyBody> for CreateApiKey {
    fn from(body: CreateKeyBody) -> Self {
        Self { name: body.name, scopes: body.scopes, expires_at: body.expires_at }
    }
}

/// How to rotate. May be left out.
#[derive(Debug, ToSchema)]
pub(crate) struct RotateKeyBody {
    /// Seconds that the old key lives on; 0 unless given.
    #[schema(minimum = 0, maximum = 604800)]
    grace_seconds: Option<i64>,
}

impl FromObject for RotateKeyBody {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { grace_seconds: fields.integer("grace_seconds") }
    }
}

/// Lists the tenant's keys, without their secrets. Scope `keys:read`.
#[utoipa::path(get, path = "/keys", tag = "keys", responses(
    (status = 200, description = "All keys, oldest first.", body = KeysBody),
    (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
))]
pub(crate) async fn list_keys(State(app): State<App>, Authenticated(actor): Authenticated) -> Answer<Json<KeysBody>> {
    let keys = app.services.keys.list(&actor).await?;
    Ok(Json(KeysBody { keys: keys.into_iter().map(KeyBody::from).collect() }))
}

/// Makes a key. It never may more than its maker. Scope `keys:write`.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = CreateKeyBody, responses(
    (status = 201, description = "The key, shown once.", body = NewKeyBody),
    (status = 403, description = "`FORBIDDEN`: the maker lacks a scope.", body = ErrorBody),
))]
pub(crate) async fn create_key(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    extract::Json(body): extract::Json<CreateKeyBody>,
) -> Answer<(StatusCode, Json<NewKeyBody>)> {
    let new = app.services.keys.create(&actor, body.into()).await?;
    Ok((StatusCode::CREATED, Json(new.into())))
}

/// Replaces a key by a new one; the old one dies at once unless `grace_seconds` is given. Scope `keys:write`.
#[utoipa::path(post, path = "/keys/{id}/rotate", tag = "keys",
    params(("id" = String, Path, description = "The public id of the key.")),
    request_body = Option<RotateKeyBody>,
    responses(
        (status = 200, description = "The new key, shown once.", body = NewKeyBody),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: no such key.", body = ErrorBody),
        (status = 409, description = "`KEY_NOT_ACTIVE`: the key is revoked, expired or was rotated.", body = ErrorBody),
    ))]
pub(crate) async fn rotate_key(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
    extract::Json(body): extract::Json<RotateKeyBody>,
) -> Answer<Json<NewKeyBody>> {
    Ok(Json(app.services.keys.rotate(&actor, &KeyId::from(id), body.grace_seconds).await?.into()))
}

/// Kills a key at once. Repeating it is fine. Scope `keys:write`.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The public id of the key.")),
    responses(
        (status = 204, description = "The key is dead."),
        (status = 403, description = "`FORBIDDEN`: the key lacks the scope.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: no such key.", body = ErrorBody),
    ))]
pub(crate) async fn revoke_key(
    State(app): State<App>,
    Authenticated(actor): Authenticated,
    Id(id): Id,
) -> Answer<StatusCode> {
    app.services.keys.revoke(&actor, &KeyId::from(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
