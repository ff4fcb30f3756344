//! GraphQL over HTTP, to the letter of the GraphQL-over-HTTP specification: queries by GET or POST, mutations by POST,
//! JSON and nothing else as input, the media type that the client accepts as output; event streams for subscriptions.
//!
//! The order of checks is that of the REST API: key, rate limit, method, media types, body, document.

mod answer;
mod media;
mod persisted;
mod request;
mod sse;

use std::sync::Arc;

use async_graphql::Request as Document;
use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use nat_core::admission::{Admission, Admitted, Presented};
use nat_core::{Actor, Error, ErrorCode};

use self::answer::{answered, batch, refusal, refusal_with, tell_rate};
use self::media::Media;
use self::persisted::PersistedQueries;
use self::request::Body;
use crate::facade::{Facade, Services};
use crate::page;
use crate::settings::Settings;
use crate::ws::{self, Connections};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<AppParts>);

pub(crate) struct AppParts {
    pub(crate) facade: Facade,
    pub(crate) admission: Admission,
    pub(crate) connections: Connections,
    persisted: PersistedQueries,
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

/// `/graphql`, and the pages that the settings switch on. Merge it into the router of nat-rest
/// (`nat_rest::router_with`), whose outer layers give it request ids, a time-out and an answer to panics.
pub fn router(services: Services, settings: Settings) -> Router {
    let admission = Admission::new(services.keys.clone(), services.limiter.clone());
    let connections = Connections::new(settings.max_connections);
    let pages = page::router(&settings);
    let facade = Facade::new(services, settings);
    let app = App(Arc::new(AppParts { facade, admission, connections, persisted: PersistedQueries::default() }));
    Router::new()
        .route("/graphql", any(execute))
        .route("/graphql/schema.graphql", get(async || crate::sdl()))
        .with_state(app)
        .merge(pages)
}

async fn execute(
    State(app): State<App>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    if let Ok(upgrade) = upgrade {
        return ws::accept(app, upgrade, request.headers());
    }
    if page::wants_graphiql(app.facade.settings(), &request) {
        return page::graphiql();
    }
    let (parts, body) = request.into_parts();
    let media = Media::accepted(&parts.headers);
    let form = media.unwrap_or(Media::Json);
    let presented = Presented::collect(
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        parts.uri.query(),
    );
    let mut admitted = match app.admission.admit(&presented, 1).await {
        Ok(admitted) => admitted,
        Err(refused) => return refusal_with(&refused, form, request_id(&parts.headers).as_deref()),
    };
    admitted.actor.request_id = request_id(&parts.headers);
    let id = admitted.actor.request_id.clone();
    let read = async {
        let by_get = parts.method == Method::GET;
        if !by_get && parts.method != Method::POST {
            return Err(Error::new(ErrorCode::MethodNotAllowed, "The method is not allowed for this path."));
        }
        let Some(media) = media else { return Err(not_acceptable()) };
        let limit = app.facade.settings().max_batch;
        let body = if by_get {
            request::from_query(parts.uri.query().unwrap_or_default())?
        } else {
            request::from_body(&parts.headers, body, limit).await?
        };
        Ok((media, body))
    };
    let mut response = match read.await {
        Ok((media, body)) => {
            let presented = presented.key().unwrap_or_default().to_owned();
            run(&app, &parts.method, admitted, presented, media, body).await
        }
        Err(error) => {
            let mut response = refusal(&error, form, id.as_deref());
            tell_rate(response.headers_mut(), &admitted.rate);
            response
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = if parts.method == Method::GET { "POST" } else { "GET, POST" };
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    }
    response
}

fn not_acceptable() -> Error {
    let types = "application/json, application/graphql-response+json or text/event-stream";
    Error::new(ErrorCode::NotAcceptable, format!("Accept must allow {types}."))
}

async fn run(app: &App, method: &Method, admitted: Admitted, key: String, media: Media, body: Body) -> Response {
    let Admitted { actor, rate } = admitted;
    let id = actor.request_id.clone();
    let single = |document| app.persisted.resolve(&actor.tenant_id, document);
    match body {
        Body::Single(document) => {
            match single(*document).await.and_then(|document| allow(app, method, media, document)) {
                Ok(document) if media == Media::EventStream => sse::stream(app, actor, key, document, rate),
                Ok(document) => answered(app.facade.execute_prepaid(actor, document, 1, rate).await, media),
                Err(error) => {
                    let mut response = refusal(&error, media, id.as_deref());
                    tell_rate(response.headers_mut(), &rate);
                    response
                }
            }
        }
        Body::Batch(documents) => execute_batch(app, actor, documents, media).await,
    }
}

/// One after the other; each pays for itself, the first has paid a point at admission.
async fn execute_batch(app: &App, actor: Actor, documents: Vec<Document>, media: Media) -> Response {
    let mut answers = Vec::with_capacity(documents.len());
    for document in documents {
        let document = app.persisted.resolve(&actor.tenant_id, document).await;
        answers.push(match document.and_then(|document| allow(app, &Method::POST, media, document)) {
            Ok(document) => app.facade.execute(actor.clone(), document).await.response,
            Err(error) => answer::failed(&error, actor.request_id.as_deref()),
        });
    }
    batch(answers)
}

/// GET is for queries, and a subscription needs a stream. A document that cannot be read is refused later, in full.
fn allow(app: &App, method: &Method, media: Media, document: Document) -> Result<Document, Error> {
    use async_graphql::parser::types::OperationType;
    // Nearly every document can be told by its text: an operation of these kinds spells out its keyword.
    let may_be = |keyword| document.query.contains(keyword);
    let in_question =
        (method == Method::GET && may_be("mutation")) || (media != Media::EventStream && may_be("subscription"));
    // Looking at the operation means parsing: never what has not passed the guard.
    if !in_question || app.facade.check(&document.query).is_err() {
        return Ok(document);
    }
    let Some(kind) = request::operation_type(&document) else { return Ok(document) };
    let refused = |message| Err(Error::new(ErrorCode::MethodNotAllowed, message));
    match kind {
        OperationType::Mutation if method == Method::GET => refused("A mutation must be sent by POST."),
        OperationType::Subscription if method == Method::GET && media != Media::EventStream => {
            refused("A subscription must be sent by POST, with Accept: text/event-stream, or over WebSocket.")
        }
        OperationType::Subscription if media != Media::EventStream => {
            Err(Error::new(ErrorCode::NotAcceptable, "A subscription needs Accept: text/event-stream, or a WebSocket."))
        }
        _ => Ok(document),
    }
}

/// The id that the layer outside gave the request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(ToOwned::to_owned)
}

/// A status by its number.
pub(crate) fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A refusal outside any document, for other parts of this crate.
pub(crate) fn refused(error: &Error) -> Response {
    refusal(error, Media::Json, None)
}
