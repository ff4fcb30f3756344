//! The audit log: append-only, written in the transaction of the change it tells of.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Actor, TenantId};

/// One line. `detail` never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose log.
    pub tenant_id: TenantId,
    /// `key:<id>`, `system`, `sync` or `stripe`.
    pub actor: String,
    /// What was done, for example `scan.started`.
    pub action: Cow<'static, str>,
    /// To what, for example a scan id.
    pub subject: String,
    /// Before and after, without secrets.
    pub detail: Value,
    /// The request it came with.
    pub request_id: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl AuditEntry {
    /// A line for what `actor` did.
    #[must_use]
    pub fn by(
        actor: &Actor,
        action: &'static str,
        subject: impl Into<String>,
        detail: Value,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            tenant_id: actor.tenant_id.clone(),
            actor: actor.key_id.as_ref().map_or_else(|| "system".to_owned(), |key| format!("key:{key}")),
            action: Cow::Borrowed(action),
            subject: subject.into(),
            detail,
            request_id: actor.request_id.clone(),
            at,
        }
    }
}
