//! Our OpenAPI document, a page that shows it, and the table of errors. All of it is in the binary: the page works
//! without a network and under a policy that lets nothing else in.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use nat_core::ErrorCode;

use crate::error::{Answer, ApiError};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Paths are relative to the page, so that it works below any prefix.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>NAT API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"#;

const START: &str = r##"SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: "none",
  presets: [SwaggerUIBundle.presets.apis],
});
"##;

static DOCUMENT: LazyLock<String> = LazyLock::new(crate::openapi);
static ERRORS: LazyLock<String> = LazyLock::new(errors_page);

type Page = ([(HeaderName, &'static str); 3], &'static str);

fn page(media_type: &'static str, text: &'static str) -> Page {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, text)
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "service", responses(
    (status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value, content_type = "application/json"),
))]
pub(crate) async fn openapi_document() -> Page {
    page("application/json", DOCUMENT.as_str())
}

/// A page that shows this document. Loads nothing from elsewhere.
#[utoipa::path(get, path = "/docs", tag = "service", responses(
    (status = 200, description = "A page.", body = String, content_type = "text/html"),
))]
pub(crate) async fn docs_page() -> Page {
    page("text/html; charset=utf-8", PAGE)
}

/// The files of the page, and the table of errors that problem types point to.
pub(crate) async fn docs_file(Path(file): Path<String>) -> Answer<Response> {
    match file.as_str() {
        "errors" => Ok(page("text/html; charset=utf-8", ERRORS.as_str()).into_response()),
        "start.js" => Ok(page("text/javascript; charset=utf-8", START).into_response()),
        "swagger-ui.css" => swagger(&file, "text/css; charset=utf-8"),
        "swagger-ui-bundle.js" => swagger(&file, "text/javascript; charset=utf-8"),
        _ => Err(ApiError::not_found()),
    }
}

fn swagger(file: &str, media_type: &'static str) -> Answer<Response> {
    let config = Arc::new(utoipa_swagger_ui::Config::from("openapi.json"));
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            let mut response = (page(media_type, "").0, found.bytes.into_owned()).into_response();
            if found.gzpipped {
                let gzip = axum::http::HeaderValue::from_static("gzip");
                response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            }
            Ok(response)
        }
        Ok(None) | Err(_) => Err(ApiError::not_found()),
    }
}

fn errors_page() -> String {
    let mut rows = String::new();
    for code in ErrorCode::ALL {
        let (name, status, why) = (code.as_str(), code.status(), code.explanation());
        let _ = writeln!(rows, r#"<tr id="{name}"><td>{status}</td><td><code>{name}</code></td><td>{why}</td></tr>"#);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>NAT API errors</title></head>\n<body>\n\
         <h1>Errors</h1>\n<table>\n<tr><th>Status</th><th>Code</th><th>When, and what to do</th></tr>\n{rows}</table>\n\
         </body>\n</html>\n"
    )
}
