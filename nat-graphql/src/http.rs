//! GraphQL over HTTP: `POST /graphql` with one request as JSON.

use async_graphql::{Response as Answer, ServerError};
use async_graphql_axum::GraphQLResponse;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use nat_core::admission::{Admission, Hint, Presented, challenge, rate_fields};
use nat_core::rate_limit::RateDecision;
use nat_core::{Error, ErrorCode};

use crate::error::{malformed, server_error};
use crate::{NatSchema, Services, guard, schema};

/// Largest body in bytes.
const BODY_LIMIT: usize = 64 << 10;

#[derive(Clone)]
struct App {
    schema: NatSchema,
    admission: Admission,
}

/// `POST /graphql`. Merge it into the router of nat-rest (`nat_rest::router_with`), whose outer layers give it request
/// ids, a time-out and an answer to panics.
pub fn router(services: Services) -> Router {
    let admission = Admission::new(services.keys.clone(), services.limiter.clone());
    let app = App { schema: schema(services), admission };
    Router::new()
        .route("/graphql", post(execute))
        .method_not_allowed_fallback(async || {
            refusal(&Error::new(ErrorCode::MethodNotAllowed, "The method is not allowed for this path."), None)
        })
        .with_state(app)
}

/// The order of the REST API: 401, 429, then the request itself.
async fn execute(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let presented = Presented::collect(
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        parts.uri.query(),
    );
    let admitted = match app.admission.admit(&presented, 1).await {
        Ok(admitted) => admitted,
        Err(refused) => {
            let mut response = refusal(&refused.error, refused.hint);
            tell_rate(response.headers_mut(), refused.rate.as_ref());
            return response;
        }
    };
    let mut response = match read(&parts.headers, body).await {
        Ok(request) => {
            let mut actor = admitted.actor;
            actor.request_id = parts.headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
            GraphQLResponse::from(app.schema.execute(request.data(actor)).await).into_response()
        }
        Err(error) => refusal(&error, None),
    };
    tell_rate(response.headers_mut(), Some(&admitted.rate));
    response
}

/// One request, not a batch, and nothing that the parser could choke on.
async fn read(headers: &HeaderMap, body: Body) -> Result<async_graphql::Request, Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Error::new(ErrorCode::UnsupportedMediaType, "The request body must be application/json."));
    }
    let bytes = collect(body).await?;
    let request: async_graphql::Request = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("The request body is not a GraphQL request: {error}.")))?;
    guard::check(&request.query).map_err(malformed)?;
    Ok(request)
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        Error::new(ErrorCode::PayloadTooLarge, format!("The request body is larger than {BODY_LIMIT} bytes."))
    })
}

fn refusal(error: &Error, hint: Option<Hint>) -> Response {
    let answer = Answer::from_errors(Vec::<ServerError>::from([server_error(error)]));
    let mut response = GraphQLResponse::from(answer).into_response();
    *response.status_mut() = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(seconds) = error.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == ErrorCode::InvalidApiKey
        && let Ok(challenge) = HeaderValue::from_str(&challenge(hint))
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn tell_rate(headers: &mut HeaderMap, rate: Option<&RateDecision>) {
    for (name, text) in rate.and_then(rate_fields).into_iter().flatten() {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
