//! One call: a method, a path, parameters, an idempotency key; repeated a bounded number of times.

use std::time::Duration;

use serde_json::Value;
use stripe::{Client, StripeError};
use stripe_client_core::{IdempotencyKey, RequestBuilder, RequestStrategy, StripeMethod};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::gateway::GatewayError;

/// Attempts of one call. With the time-out of an attempt this keeps a whole call below the deadline of a request.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; doubled before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Call {
    method: StripeMethod,
    path: String,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    strategy: RequestStrategy,
}

impl Call {
    pub(super) fn get(path: &str) -> Self {
        Self::new(StripeMethod::Get, path, RequestStrategy::Once)
    }

    /// A call that makes something: the same `key` makes it once, however often it is sent.
    pub(super) fn post(path: &str, key: &str) -> Self {
        Self::new(StripeMethod::Post, path, idempotent(key))
    }

    /// A call that makes something of which a second one does no harm.
    pub(super) fn post_unkeyed(path: &str) -> Self {
        Self::new(StripeMethod::Post, path, RequestStrategy::Once)
    }

    /// A call that ends something: what is gone stays gone.
    pub(super) fn delete(path: &str) -> Self {
        Self::new(StripeMethod::Delete, path, RequestStrategy::Once)
    }

    fn new(method: StripeMethod, path: &str, strategy: RequestStrategy) -> Self {
        Self { method, path: path.to_owned(), query: Vec::new(), form: Vec::new(), strategy }
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn form(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The answer. What may work later is tried up to three times with the same key.
    pub(super) async fn send(self, client: &Client) -> Result<Value, GatewayError> {
        let (query, body) = (encoded(&self.query), encoded(&self.form));
        let mut attempt = 1;
        loop {
            let request = RequestBuilder {
                query: query.clone(),
                body: body.clone(),
                path: self.path.clone(),
                method: self.method,
            };
            let failed = match execute(client, request, self.strategy.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let transient = matches!(failed, GatewayError::Unavailable(_));
            metrics::counter!("nat_stripe_failures_total", "transient" => if transient { "true" } else { "false" })
                .increment(1);
            if !transient || attempt == ATTEMPTS {
                return Err(failed);
            }
            tracing::debug!(path = self.path, attempt, %failed, "a call to Stripe is repeated");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }
}

fn encoded(pairs: &[(String, String)]) -> Option<String> {
    (!pairs.is_empty()).then(|| Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// The text as one segment of a path: an id of somebody else's making cannot lead elsewhere.
pub(super) fn segment(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('.', "%2E")
}

/// Stripe takes keys of up to 255 characters; ours are made of ids and stay far below.
fn idempotent(key: &str) -> RequestStrategy {
    IdempotencyKey::new(key).map_or(RequestStrategy::Once, RequestStrategy::Idempotent)
}

/// Through the client's own JSON value, because it only hands out what it has parsed itself.
async fn execute(client: &Client, request: RequestBuilder, strategy: RequestStrategy) -> Result<Value, GatewayError> {
    let call = request.customize::<miniserde::json::Value>().request_strategy(strategy);
    let answer = call.send(client).await.map_err(failure)?;
    serde_json::from_str(&miniserde::json::to_string(&answer))
        .map_err(|error| GatewayError::Unavailable(format!("the answer is no JSON: {error}")))
}

fn failure(error: StripeError) -> GatewayError {
    match error {
        StripeError::Stripe(error, status) => {
            let code = error.code.map(|code| code.to_string()).unwrap_or_default();
            let message = error.message.unwrap_or_default();
            match status {
                404 => GatewayError::NotFound,
                // In use by a parallel call with the same key; too fast; their fault.
                409 | 424 | 429 | 500.. => GatewayError::Unavailable(format!("status {status} {code}")),
                _ => GatewayError::Refused { code: if code.is_empty() { status.to_string() } else { code }, message },
            }
        }
        StripeError::Timeout => GatewayError::Unavailable("no answer in time".to_owned()),
        // Not Stripe's JSON: a proxy's error page, or a connection that broke.
        StripeError::JSONDeserialize(text) | StripeError::ClientError(text) => GatewayError::Unavailable(text),
        StripeError::ConfigError(message) => GatewayError::Refused { code: "configuration".to_owned(), message },
    }
}
