//! Where GraphQL is spoken.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::is_executed;
use super::schema::{INTROSPECTION, Schema};
use crate::check::security::rightful;
use crate::check::{Exchange, SecurityContext};
use crate::transport::Request;

/// Where servers put it when the document does not say.
const USUAL: &[&str] =
    &["/graphql", "/api/graphql", "/v1/graphql", "/graphql/v1", "/api/v1/graphql", "/query", "/gql", "/graph"];

/// More endpoints than these are copies of each other.
const MAX_ENDPOINTS: usize = 4;

/// It answers `{__typename}`.
pub(crate) struct Endpoint {
    /// Documented as.
    pub(super) operation: Option<usize>,
    /// Path with the base path.
    pub(super) target: String,
    /// As the rightful identity sees it; none when introspection is closed to it.
    pub(super) schema: Option<Schema>,
    by_get: bool,
}

impl Endpoint {
    /// Asks this, by `POST` where the scan may.
    pub(super) fn ask(&self, query: &str) -> Request {
        if self.by_get {
            return self.get(query);
        }
        self.post(&json!({ "query": query }))
    }

    /// `?query=…`
    pub(super) fn get(&self, query: &str) -> Request {
        let mut request = Request::new("GET", format!("{}?query={}", self.target, encoded(query)));
        request.set_header("Accept", "application/json");
        request
    }

    /// As a form.
    pub(super) fn form(&self, query: &str) -> Option<Request> {
        let mut request = Request::new("POST", self.target.clone());
        request.set_header("Content-Type", "application/x-www-form-urlencoded");
        request.body = Some(Bytes::from(format!("query={}", encoded(query))));
        (!self.by_get).then_some(request)
    }

    /// Any JSON.
    pub(super) fn post(&self, body: &Value) -> Request {
        let mut request = Request::new("POST", self.target.clone());
        request.set_header("Content-Type", "application/json");
        request.set_header("Accept", "application/json");
        request.body = Some(Bytes::from(body.to_string()));
        request
    }

    /// Whether only `GET` may be sent.
    pub(super) fn by_get(&self) -> bool {
        self.by_get
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// All endpoints; looked for once a scan.
pub(super) async fn endpoints(cx: &SecurityContext<'_>) -> Vec<Arc<Endpoint>> {
    if let Some(known) = cx.learned.with(|facts| facts.graphql.clone()) {
        return known;
    }
    let mut found = Vec::new();
    for (operation, target) in candidates(cx) {
        // Usual places beside each other are names of one endpoint.
        if found.len() >= MAX_ENDPOINTS || (operation.is_none() && !found.is_empty()) {
            break;
        }
        found.extend(look(cx, operation, target).await.map(Arc::new));
    }
    cx.learned.with(|facts| facts.graphql = Some(found.clone()));
    found
}

fn candidates(cx: &SecurityContext<'_>) -> Vec<(Option<usize>, String)> {
    let base = cx.prober.base_path();
    let mut documented: Vec<(Option<usize>, String)> = Vec::new();
    for method in ["POST", "GET"] {
        for operation in cx.api.operations.iter().filter(|one| one.method == method && speaks(&one.path)) {
            let target = format!("{base}{}", operation.path);
            if !documented.iter().any(|(_, known)| *known == target) {
                documented.push((Some(operation.index), target));
            }
        }
    }
    if !documented.is_empty() {
        return documented;
    }
    let mut usual: Vec<(Option<usize>, String)> = USUAL.iter().map(|path| (None, format!("{base}{path}"))).collect();
    if !base.is_empty() {
        usual.push((None, "/graphql".to_owned()));
    }
    usual
}

fn speaks(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    !path.contains('{') && (last.ends_with("graphql") || last == "gql")
}

async fn look(cx: &SecurityContext<'_>, operation: Option<usize>, target: String) -> Option<Endpoint> {
    let mut endpoint = Endpoint { operation, target, schema: None, by_get: cx.safe_mode };
    let who = rightful(cx);
    let name = |exchange: &Exchange| {
        let name = exchange.json()?.pointer("/data/__typename")?.as_str()?;
        Some(name.to_owned()).filter(|name| !name.is_empty())
    };
    let answer = cx.prober.send(operation, endpoint.ask("{__typename}"), who).await?;
    if answer.response().is_some_and(|response| cx.prober.is_catch_all(response)) {
        return None;
    }
    name(&answer)?;
    // Who answers anything so is no GraphQL server.
    let control = cx.prober.send(operation, endpoint.ask(&format!("{{{}}}", cx.prober.nonce())), who).await?;
    if is_executed(&control) || name(&control).is_some() {
        return None;
    }
    let answer = cx.prober.send(operation, endpoint.ask(INTROSPECTION), who).await?;
    endpoint.schema = answer.json().and_then(Schema::read);
    Some(endpoint)
}
