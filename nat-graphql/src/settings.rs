//! What an operator decides about the facade.

use std::time::Duration;

use nat_core::Scope;
use tokio_util::sync::CancellationToken;

use crate::guard;

/// Who may ask for the schema itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// Everybody with a key; a misspelt field is answered with a suggestion.
    Everybody,
    /// Keys with this scope; nobody gets suggestions, which would give the schema away name by name.
    With(Scope),
}

/// Limits and switches. The default is that of a server of one's own.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the text of a document, before it is parsed.
    pub guard: guard::Limits,
    /// Fields inside each other; introspection of types needs 15.
    pub max_depth: usize,
    /// Points that one document may cost; a point is what one call of the REST API costs.
    pub max_points: u32,
    /// Requests in one HTTP batch; 0: no batches.
    pub max_batch: usize,
    /// Who may ask for the schema.
    pub introspection: Introspection,
    /// Origins beside the server's own that browsers may open a WebSocket from, such as `https://app.example`.
    pub origins: Vec<String>,
    /// WebSockets and event streams of one tenant at once.
    pub max_connections: usize,
    /// Operations of one WebSocket at once.
    pub max_operations: usize,
    /// `connection_init` must come within this.
    pub init_timeout: Duration,
    /// A client that does not take what it is sent for this long is let go.
    pub send_timeout: Duration,
    /// How often a live operation looks for news and a connection asks whether its key is still good.
    pub pulse: Duration,
    /// Serves GraphiQL to browsers at `/graphql`; needs the feature `graphiql`.
    pub graphiql: bool,
    /// Serves the dashboard at `/`.
    pub dashboard: bool,
    /// Cancelled when the server stops: open connections are told to come back later.
    pub stop: CancellationToken,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guard: guard::Limits::default(),
            max_depth: 20,
            max_points: 500,
            max_batch: 0,
            introspection: Introspection::Everybody,
            origins: Vec::new(),
            max_connections: 20,
            max_operations: 50,
            init_timeout: Duration::from_secs(3),
            send_timeout: Duration::from_secs(5),
            pulse: Duration::from_millis(400),
            graphiql: false,
            dashboard: false,
            stop: CancellationToken::new(),
        }
    }
}
