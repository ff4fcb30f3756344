//! The pages for people: the dashboard at `/`, and GraphiQL for browsers at `/graphql`. Both come from this program
//! alone, never from elsewhere, and may talk to nobody else.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::settings::Settings;

/// A file of a page.
struct File {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

macro_rules! dashboard {
    ($($name:literal $media_type:ident)*) => {
        const DASHBOARD: &[File] = &[$(File {
            name: $name,
            media_type: $media_type,
            bytes: include_bytes!(concat!("../dashboard/", $name)),
        },)*];
    };
}

dashboard! {
    "index.html" HTML
    "style.css" CSS
    "app.js" JS
    "billing.js" JS
    "dom.js" JS
    "graphql.js" JS
    "keys.js" JS
    "scan.js" JS
    "scans.js" JS
    "signin.js" JS
    "usage.js" JS
}

const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes that the settings switch on.
pub(crate) fn router(settings: &Settings) -> Router {
    let mut router = Router::new();
    if settings.dashboard {
        router = router
            .route("/", get(async || file(DASHBOARD, "index.html", STRICT)))
            .route("/dashboard/{file}", get(async |Path(name): Path<String>| file(DASHBOARD, &name, STRICT)));
    }
    #[cfg(feature = "graphiql")]
    if settings.graphiql {
        router = router.route(
            "/graphiql/{file}",
            get(async |Path(name): Path<String>| file(bundle::FILES, &name, bundle::POLICY)),
        );
    }
    router
}

fn file(files: &'static [File], name: &str, policy: &'static str) -> Response {
    let Some(file) = files.iter().find(|file| file.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, file.bytes).into_response()
}

/// A browser that was pointed at the endpoint.
pub(crate) fn wants_graphiql(settings: &Settings, request: &Request) -> bool {
    let html = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    cfg!(feature = "graphiql")
        && settings.graphiql
        && request.method() == Method::GET
        && request.uri().query().is_none()
        && html.is_some_and(|accept| accept.contains("text/html"))
}

/// The page of GraphiQL.
#[cfg(feature = "graphiql")]
pub(crate) fn graphiql() -> Response {
    file(bundle::FILES, "index.html", bundle::POLICY)
}

/// Never asked for: [`wants_graphiql`] knows that it is not there.
#[cfg(not(feature = "graphiql"))]
pub(crate) fn graphiql() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

/// What the build fetched, and how it is put together.
#[cfg(feature = "graphiql")]
mod bundle {
    use super::{CSS, File, HTML, JS};

    /// Its editor sets styles on elements and asks for source maps; it talks to this server only.
    pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
        img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'";

    macro_rules! ours {
        ($name:literal, $media_type:ident) => {
            File { name: $name, media_type: $media_type, bytes: include_bytes!(concat!("../graphiql/", $name)) }
        };
    }

    macro_rules! fetched {
        ($name:literal, $media_type:ident) => {
            File { name: $name, media_type: $media_type, bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)) }
        };
    }

    pub(super) const FILES: &[File] = &[
        ours!("index.html", HTML),
        ours!("page.css", CSS),
        ours!("page.js", JS),
        fetched!("graphiql.min.css", CSS),
        fetched!("graphiql.min.js", JS),
        fetched!("react.production.min.js", JS),
        fetched!("react-dom.production.min.js", JS),
    ];
}
