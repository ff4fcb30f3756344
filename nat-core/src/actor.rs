//! Who acts, and with which rights.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Error, KeyId, PlanId, Result, TenantId};

macro_rules! scopes {
    ($($variant:ident $text:literal)*) => {
        /// A right of an API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Scope { $(#[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Scope] = &[$(Scope::$variant,)*];
            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
            /// The scope of that name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> { match text { $($text => Some(Self::$variant),)* _ => None } }
        }
    };
}

scopes! {
    UsageRead "usage:read"
    ScansRead "scans:read"
    ScansWrite "scans:write"
    BillingWrite "billing:write"
    KeysRead "keys:read"
    KeysWrite "keys:write"
    SchemaRead "schema:read"
}

/// A set of scopes.
pub type Scopes = BTreeSet<Scope>;

/// Who acts. The first argument of every use case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The tenant whose data may be touched; no other.
    pub tenant_id: TenantId,
    /// The key that was shown; `None` for the service itself (worker, operator at the command line).
    pub key_id: Option<KeyId>,
    /// The rights.
    pub scopes: Scopes,
    /// The tenant's plan when the key was checked (at most one second old).
    pub plan_id: PlanId,
    /// The request that this belongs to, for audit and log.
    pub request_id: Option<String>,
}

impl Actor {
    /// 403 `FORBIDDEN` unless the actor has `scope`. The first line of every use case.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Error::forbidden(scope)) }
    }

    /// The service itself acting for a tenant: a worker, a sweep, an operator at the command line.
    #[must_use]
    pub fn system(tenant_id: TenantId, plan_id: PlanId) -> Self {
        Self { tenant_id, key_id: None, scopes: Scope::ALL.iter().copied().collect(), plan_id, request_id: None }
    }
}
