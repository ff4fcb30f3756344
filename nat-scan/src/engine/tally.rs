//! What happened to each operation, and why one was not covered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::judge::CheckSet;
use super::outcome::OperationOutcome;
use crate::check::Exchange;
use crate::check::functional::grants_credentials;
use crate::classify::WireTruth;
use crate::generate::Intent;
use crate::spec::{Operation, StatusPattern};
use crate::transport::Response;

/// Of a body that is kept beyond its exchange.
pub(super) const KEPT_BODY: usize = 64 << 10;

/// A copy to keep: the body cut at `limit`.
pub(super) fn copy(exchange: &Exchange, limit: usize) -> Exchange {
    let result = exchange.result.clone().map(|response| cut(response, limit));
    Exchange::new(exchange.case.clone(), exchange.request.clone(), result, exchange.truth.clone(), exchange.at)
        .sent_as(exchange.identity)
}

/// An answer whose body is small enough to keep. The copy lets go of the buffer that the rest stands in.
pub(super) fn cut(mut response: Response, limit: usize) -> Response {
    if response.body.len() > limit {
        response.body = bytes::Bytes::copy_from_slice(&response.body[..limit]);
        response.truncated = true;
    }
    response
}

/// The state of one operation.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    statuses: BTreeMap<u16, u64>,
    /// Answers to valid requests only.
    valid: BTreeMap<u16, u64>,
    /// Transport errors of valid requests, by kind.
    valid_errors: BTreeMap<&'static str, u64>,
    /// Lowest position of a valid request with a 2xx answer, fixed between waves.
    control: Option<(u64, Arc<Exchange>)>,
    next_control: Option<(u64, Arc<Exchange>)>,
    pub(super) baseline_fails: bool,
    pub(super) applied: CheckSet,
    pub(super) failed: CheckSet,
    /// Cases that are under way.
    pub(super) in_flight: u32,
    /// Happy-path exchanges that wait until the whole happy path is known.
    pub(super) pending: Vec<(u64, Exchange)>,
}

/// A request that the operation must accept.
pub(super) fn is_valid(exchange: &Exchange) -> bool {
    exchange.case.as_ref().is_some_and(|case| case.intent == Intent::Positive && case.method.is_none())
        && !matches!(exchange.truth, WireTruth::Negative { .. })
}

fn is_valid_by_chance(exchange: &Exchange) -> bool {
    let random = exchange.case.as_ref().is_some_and(|case| matches!(case.intent, Intent::Random { .. }));
    random && exchange.truth == WireTruth::Positive
}

impl Tally {
    /// Counts an answer that is not judged (a throttled first try, a probe).
    pub(super) fn count(&mut self, status: Option<u16>) {
        self.requests += 1;
        if let Some(status) = status {
            *self.statuses.entry(status).or_default() += 1;
        }
    }

    /// Counts the exchange of a case; of a baseline at most `keep` bytes of body stay.
    pub(super) fn record(&mut self, position: u64, exchange: &Exchange, keep: usize) {
        self.count(exchange.status());
        if let Some(status @ 200..300) = exchange.status().filter(|_| is_valid_by_chance(exchange)) {
            // A random request shows that an operation works, not that it does not.
            *self.valid.entry(status).or_default() += 1;
        }
        if !is_valid(exchange) {
            return;
        }
        match &exchange.result {
            Ok(response) => {
                *self.valid.entry(response.status).or_default() += 1;
                let earlier = self.next_control.as_ref().is_none_or(|(first, _)| position < *first);
                if (200..300).contains(&response.status) && earlier {
                    self.next_control = Some((position, Arc::new(copy(exchange, keep))));
                }
            }
            Err(error) => *self.valid_errors.entry(error.kind()).or_default() += 1,
        }
    }

    /// Makes what was learned the knowledge that later exchanges are judged with.
    pub(super) fn learn(&mut self) {
        if self.control.is_none() {
            self.control.clone_from(&self.next_control);
        }
        self.baseline_fails |= self.valid.keys().any(|status| *status >= 500);
    }

    /// A valid request was answered 403.
    pub(super) fn is_forbidden(&self) -> bool {
        self.valid.contains_key(&403)
    }

    /// The exchange that proves the operation works.
    pub(super) fn control(&self) -> Option<&Arc<Exchange>> {
        self.control.as_ref().map(|(_, exchange)| exchange)
    }

    /// The same, to be owned.
    pub(super) fn control_copy(&self) -> Option<Exchange> {
        self.control().map(|control| copy(control, KEPT_BODY))
    }

    /// At least one valid request got a 2xx answer, or a redirect that is what the document promises.
    fn is_covered(&self, operation: &Operation) -> bool {
        self.valid.keys().any(|status| match status {
            200..300 => true,
            300..400 => operation.response(*status).is_some_and(|response| response.status != StatusPattern::Default),
            _ => false,
        })
    }

    /// The outcome; `left_out` says why the operation was not part of the plan, `stopped` why it may not have had its
    /// turn.
    pub(super) fn outcome(
        self,
        operation: &Operation,
        authenticated: bool,
        left_out: Option<String>,
        stopped: &str,
    ) -> OperationOutcome {
        let covered = self.is_covered(operation);
        let reason = (!covered).then(|| match left_out {
            Some(reason) => reason,
            None => self.reason(operation, authenticated).unwrap_or_else(|| stopped.to_owned()),
        });
        OperationOutcome {
            method: operation.method.clone(),
            path: operation.path.clone(),
            operation_id: operation.operation_id.clone(),
            requests: self.requests,
            statuses: self.statuses,
            covered,
            reason,
        }
    }

    /// Why no valid request succeeded; `None` when none was sent.
    fn reason(&self, operation: &Operation, authenticated: bool) -> Option<String> {
        let all = |wanted: &[u16]| !self.valid.is_empty() && self.valid.keys().all(|status| wanted.contains(status));
        let first = self.valid.keys().next().copied();
        let text = match (first, self.valid_errors.keys().next()) {
            (None, None) => return None,
            (None, Some(kind)) => format!("no answer to any valid request: {kind}"),
            (Some(status), _) if all(&[401, 403]) && grants_credentials(operation) => {
                format!("always {status}: it signs in, and users who are made up are refused")
            }
            (Some(status), _) if all(&[401, 403]) => {
                let why = if authenticated { "refused" } else { "missing" };
                format!("always {status}: credentials are {why}")
            }
            (Some(404), _) if all(&[404, 410]) && operation.path.contains('{') => {
                "always 404: not reached, ids are made up".to_owned()
            }
            (Some(404), _) if all(&[404, 410]) => "always 404: the target does not have it".to_owned(),
            (Some(status), _) if all(&[405, 501]) => format!("always {status}: the target does not implement it"),
            (Some(429), _) if all(&[429]) => "always 429: the target throttles".to_owned(),
            (Some(status), _) if status >= 500 => format!("always {status}: the server fails on valid requests"),
            (Some(status), _) if self.valid.keys().all(|status| (300..400).contains(status)) => {
                format!("always {status}: redirects are not followed")
            }
            _ => {
                let counts: Vec<String> =
                    self.valid.iter().map(|(status, count)| format!("{status} ({count}×)")).collect();
                format!("no valid request succeeded: {}", counts.join(", "))
            }
        };
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ResponseSpec;

    fn operation(path: &str, documented: &[StatusPattern]) -> Operation {
        let mut operation = crate::engine::fake::operation(path);
        let response = |status| ResponseSpec {
            status,
            headers: Vec::new(),
            content: Vec::new(),
            links: Vec::new(),
            pointer: String::new(),
        };
        operation.responses = documented.iter().map(|status| response(*status)).collect();
        operation
    }

    fn tally(statuses: &[u16]) -> Tally {
        Tally { valid: statuses.iter().map(|status| (*status, 1)).collect(), ..Tally::default() }
    }

    #[test]
    fn reason_names_what_kept_the_operation_from_being_covered() {
        let check = |path: &str, statuses: &[u16], authenticated: bool, expected: &str| {
            let reason = tally(statuses).reason(&operation(path, &[]), authenticated).unwrap_or_default();
            assert!(reason.starts_with(expected), "{statuses:?}: {reason}");
        };
        check("/a", &[401, 403], false, "always 401: credentials are missing");
        check("/a", &[403], true, "always 403: credentials are refused");
        check("/login", &[401], true, "always 401: it signs in, and users who are made up");
        check("/a/{id}", &[404], false, "always 404: not reached, ids are made up");
        check("/a", &[404], false, "always 404: the target does not have it");
        check("/a", &[405], false, "always 405: the target does not implement it");
        check("/a", &[500, 503], false, "always 500: the server fails");
        check("/a", &[302], false, "always 302: redirects");
        check("/a", &[400, 404], false, "no valid request succeeded: 400 (1×), 404 (1×)");
        check("/a", &[], false, "");
    }

    #[test]
    fn success_and_documented_redirects_cover_an_operation() {
        use StatusPattern::{Class, Default, Exact};
        let check = |documented: &[StatusPattern], statuses: &[u16], expected| {
            let covered = tally(statuses).is_covered(&operation("/a", documented));
            assert_eq!(covered, expected, "{documented:?} {statuses:?}");
        };
        check(&[], &[204, 404], true);
        check(&[Exact(302)], &[302], true);
        check(&[Class(3)], &[307], true);
        check(&[Exact(302)], &[301], false);
        check(&[Exact(200), Default], &[302], false);
        check(&[Exact(404)], &[404], false);
    }
}
