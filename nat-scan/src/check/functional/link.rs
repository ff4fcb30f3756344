//! F016: documented links lead somewhere.

use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::spec::Link;

use super::{documented_response, has_contractual_body};

/// F016.
pub(super) struct Links;

static INFO: CheckInfo = CheckInfo {
    id: "F016",
    title: "Documented link leads nowhere",
    description: "The document says that a part of the answer is a parameter of another operation, and the answer does not have that part.",
    remediation: "Answer with the member that the link names, or correct its runtime expression.",
    cwe: &[],
    owasp: None,
};

impl Check for Links {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let linked = documented_response(cx, exchange).is_some_and(|response| !response.links.is_empty());
        linked && has_contractual_body(cx, exchange) && exchange.json().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let links = documented_response(cx, exchange).map_or(&[] as &[Link], |response| &response.links);
        links.iter().filter_map(|link| dead(link, exchange)).collect()
    }
}

fn dead(link: &Link, exchange: &Exchange) -> Option<Suspicion> {
    let (parameter, expression) = link.parameters.iter().find(|(_, expression)| is_missing(expression, exchange))?;
    let text = format!(
        "The link '{}' takes {parameter} from {expression}, and the answer {} does not have it.",
        link.name,
        exchange.status().unwrap_or_default()
    );
    let suspicion = Suspicion::new(Severity::Low, format!("response link {}", link.name), "dead-link", text);
    Some(suspicion.confidence(Confidence::Confirmed).pointer(link.pointer.clone()))
}

/// Only what the answer itself must have is judged; other expressions speak of the request.
fn is_missing(expression: &str, exchange: &Exchange) -> bool {
    let inner = expression.trim_start_matches('{').trim_end_matches('}');
    if let Some(pointer) = inner.strip_prefix("$response.body#") {
        return exchange.json().is_some_and(|json| json.pointer(pointer).is_none());
    }
    let header = inner.strip_prefix("$response.header.");
    header.is_some_and(|name| exchange.response().is_some_and(|response| response.header(name).is_none()))
}
