//! Our own OpenAPI 3.1 document. Its operations come from the registered routes; what holds for many operations alike
//! (errors of the layers, security, headers) is added here once.

use nat_core::ErrorCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::{BASE_PATH, v1};

/// Every error. Further members depend on the code: see the table of errors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorBody)]
pub(crate) struct ErrorBody {
    /// The code that programs match on.
    error: String,
    /// A sentence for people.
    message: String,
    /// The status of the answer. Absent from `RATE_LIMITED` and from `QUOTA_EXCEEDED` on paid plans.
    #[schema(value_type = u16)]
    status: Option<u16>,
}

/// The document as pretty JSON, the same bytes every time.
#[must_use]
pub fn openapi() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Value {
    let tenant = operations(v1::tenant_routes().into_openapi(), true);
    let open = operations(v1::open_routes().into_openapi(), false);
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for mut part in [tenant, open] {
        let found = part["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
        paths.extend(found.into_iter().map(|(path, item)| (format!("{BASE_PATH}{path}"), item)));
        schemas.extend(part["components"]["schemas"].as_object_mut().map(std::mem::take).unwrap_or_default());
    }
    paths.sort_keys();
    schemas.sort_keys();
    close_requests(&mut schemas);
    require_answers(&mut schemas);
    if let Some(error) = schemas.get_mut("ErrorBody") {
        let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        error["properties"]["error"]["enum"] = json!(codes);
        error["required"] = json!(["error", "message"]);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "NAT",
            "description": "Scans HTTP APIs for contract and security defects.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "scans", "description": "Start scans, follow them, read what they found."},
            {"name": "usage", "description": "Quotas, alerts, the ledger."},
            {"name": "keys", "description": "API keys of the tenant."},
            {"name": "billing", "description": "Plans, payment, registration of tenants."},
            {"name": "service", "description": "The server itself."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`nat_pk_…`"},
                "sync_key": {"type": "apiKey", "in": "header", "name": "X-Sync-Key", "description": "`NAT_APP_SYNC_KEY`"},
            },
        },
    })
}

/// Completes every operation of `part`.
fn operations(part: OpenApi, tenant: bool) -> Value {
    let mut part = serde_json::to_value(part).unwrap_or_default();
    if let Some(paths) = part["paths"].as_object_mut() {
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            for operation in item.values_mut().filter(|member| member.get("responses").is_some()) {
                complete(operation, tenant);
            }
        }
    }
    part
}

fn complete(operation: &mut Value, tenant: bool) {
    let takes_body = operation.get("requestBody").is_some();
    let mut errors = vec![(408, "`REQUEST_TIMEOUT`"), (500, "`INTERNAL`: our failure, see `request_id`.")];
    if tenant {
        operation["security"] = json!([{"api_key": []}]);
        errors.push((401, "`INVALID_API_KEY`: `WWW-Authenticate` has a hint."));
        errors.push((429, "`RATE_LIMITED`: wait `retry_after` seconds."));
        errors.push((503, "`SERVICE_UNAVAILABLE`: wait `retry_after` seconds."));
    }
    if takes_body {
        // A body that may be left out is still no null.
        if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json/schema")
            && let Some(schema) = body.pointer("/oneOf/0").cloned()
        {
            *body = schema;
        }
        errors.push((400, "`MALFORMED_JSON`"));
        errors.push((413, "`PAYLOAD_TOO_LARGE`"));
        errors.push((415, "`UNSUPPORTED_MEDIA_TYPE`"));
        errors.push((422, "`VALIDATION_ERROR`"));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description) in errors {
        responses.entry(status.to_string()).or_insert_with(|| {
            let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
            json!({"description": description, "content": {"application/json": {"schema": schema}}})
        });
    }
    responses.sort_keys();
    for (status, response) in responses.iter_mut() {
        response["headers"]["X-Request-Id"] =
            json!({"description": "Id of the request.", "schema": {"type": "string"}});
        if tenant && status != "401" {
            for name in ["RateLimit", "RateLimit-Policy"] {
                let schema = json!({"type": "string"});
                response["headers"][name] = json!({"description": "State of the tenant's bucket.", "schema": schema});
            }
        }
    }
}

/// Requests with unknown members are refused.
fn close_requests(schemas: &mut Map<String, Value>) {
    for name in REQUESTS {
        if let Some(schema) = schemas.get_mut(*name) {
            schema["additionalProperties"] = json!(false);
        }
    }
}

/// Answers always have all of their members, null ones included.
fn require_answers(schemas: &mut Map<String, Value>) {
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !REQUESTS.contains(&name.as_str())) {
        let mut parts: Vec<&mut Value> = vec![schema];
        if let Some(all) = parts[0].get("allOf").is_some().then(|| parts.remove(0)) {
            parts = all["allOf"].as_array_mut().map(|all| all.iter_mut().collect()).unwrap_or_default();
        }
        for part in parts.into_iter().filter(|_| name != "ErrorBody") {
            if let Some(properties) = part.get("properties").and_then(Value::as_object) {
                let names: Vec<String> = properties.keys().cloned().collect();
                part["required"] = json!(names);
            }
        }
    }
}

/// Schemas of what clients send.
const REQUESTS: &[&str] = &[
    "AuthBody",
    "CheckoutBody",
    "CreateKeyBody",
    "OptionsBody",
    "PortalBody",
    "RotateKeyBody",
    "StartScanBody",
    "SyncTenantBody",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

    #[test]
    #[expect(clippy::disallowed_methods, reason = "`UPDATE_OPENAPI=1` rewrites the committed document")]
    fn document_is_the_committed_one() {
        let text = openapi();
        if std::env::var("UPDATE_OPENAPI").is_ok() {
            std::fs::write(COMMITTED, &text).expect("the document to be written");
        }
        let committed = std::fs::read_to_string(COMMITTED).expect("nat-rest/openapi.json");
        assert!(committed == text, "the routes have changed: run with UPDATE_OPENAPI=1 and look at the difference");
    }

    #[test]
    fn document_every_reference_and_request_schema_exists() {
        let document = document();
        let schemas: BTreeSet<String> =
            document["components"]["schemas"].as_object().expect("schemas").keys().cloned().collect();
        let text = document.to_string();
        let used: BTreeSet<String> = text
            .split("#/components/schemas/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect();
        assert_eq!(used, schemas);
        for name in REQUESTS {
            assert!(schemas.contains(*name), "{name}");
        }
    }

    #[test]
    fn document_every_response_has_a_description_and_every_operation_an_id() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} twice");
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let description = response["description"].as_str().unwrap_or_default();
                    assert!(!description.is_empty(), "{method} {path} {status}");
                }
            }
        }
        assert_eq!(ids.len(), 23, "operations of the contract");
    }
}
