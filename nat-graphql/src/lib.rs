//! The GraphQL facade of NAT over the services of nat-core, nat-billing and nat-scan.
//!
//! For now one query, `usage`: it proves the seam. Authentication, rate limit and error codes are those of the REST API,
//! because both call the same services.

use std::sync::Arc;

use async_graphql::{EmptyMutation, EmptySubscription, Schema};
use nat_core::{access::ApiKeys, rate_limit::RateLimiter, usage::Usage};

mod error;
mod guard;
mod http;
mod object;
mod query;
mod scalar;

pub use http::router;

/// Fields inside each other.
const MAX_DEPTH: usize = 12;
/// Fields in all.
const MAX_COMPLEXITY: usize = 200;

/// The use cases behind the schema, and what admission needs.
#[derive(Clone)]
pub struct Services {
    /// Authenticates.
    pub keys: ApiKeys,
    /// Requests a minute and tenant; shared with the other wires.
    pub limiter: Arc<dyn RateLimiter>,
    /// Usage.
    pub usage: Usage,
}

/// The executable schema.
pub type NatSchema = Schema<query::Query, EmptyMutation, EmptySubscription>;

/// The schema over these services. It expects a [`nat_core::Actor`] in the data of each request.
#[must_use]
pub fn schema(services: Services) -> NatSchema {
    build().data(services).finish()
}

/// The schema in the schema definition language; `schema.graphql` in git is this text.
#[must_use]
pub fn sdl() -> String {
    build().finish().sdl()
}

fn build() -> async_graphql::SchemaBuilder<query::Query, EmptyMutation, EmptySubscription> {
    Schema::build(query::Query, EmptyMutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
}

#[cfg(test)]
mod tests {
    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");

    #[test]
    #[expect(clippy::disallowed_methods, reason = "`UPDATE_SCHEMA=1` rewrites the committed schema")]
    fn sdl_is_the_committed_one() {
        let text = super::sdl();
        if std::env::var("UPDATE_SCHEMA").is_ok() {
            std::fs::write(COMMITTED, &text).expect("the schema to be written");
        }
        let committed = std::fs::read_to_string(COMMITTED).expect("nat-graphql/schema.graphql");
        assert!(committed == text, "the schema has changed: run with UPDATE_SCHEMA=1 and look at the difference");
    }
}
