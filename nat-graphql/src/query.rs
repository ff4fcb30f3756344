//! Queries: each converts, calls one service method and converts back.

use async_graphql::{Context, Object};
use nat_core::Actor;

use crate::Services;
use crate::error::WireError;
use crate::object::UsageObject;

/// The root of all queries.
#[derive(Debug)]
pub struct Query;

#[Object]
impl Query {
    /// The usage of the tenant whose key is shown. Scope `usage:read`.
    async fn usage(&self, context: &Context<'_>) -> Result<UsageObject, WireError> {
        let services = context.data::<Services>().map_err(WireError::wiring)?;
        let actor = context.data::<Actor>().map_err(WireError::wiring)?;
        Ok(services.usage.summary(actor).await?.into())
    }
}
