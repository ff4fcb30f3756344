//! What is fixed once a scan begins to test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::budget::Purpose;
use super::contain::contain;
use super::identities::Identities;
use super::line::{Answer, Line};
use crate::check::functional::grants_credentials;
use crate::check::{As, Exchange};
use crate::classify::{self, WireTruth};
use crate::finding::FindingBuilder;
use crate::generate;
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Shared by the driver, the proof lane and the security checks.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) line: Arc<Line>,
    pub(super) identities: Identities,
    pub(super) base_path: String,
    pub(super) seed: u64,
    /// Begins the words that make texts of this scan unique.
    pub(super) nonce: String,
    pub(super) serial: AtomicU64,
    pub(super) authenticated: bool,
    pub(super) report: FindingBuilder,
}

impl Session {
    /// One exchange as `who` within the budget; `None` when it does not allow it.
    pub(super) async fn send(
        &self,
        who: As,
        operation: Option<usize>,
        request: &mut Request,
        fresh: bool,
        purpose: Purpose,
    ) -> Option<Answer> {
        if self.line.cancel.is_cancelled() || !self.line.budget.take(purpose) {
            return None;
        }
        Some(self.send_paid(who, operation, request, fresh, purpose).await)
    }

    /// As [`Session::send`], for a request that the budget was already asked for. An identity that is refused signs in
    /// again, and the request is sent once more: a token that ran out is no answer of the operation.
    pub(super) async fn send_paid(
        &self,
        who: As,
        operation: Option<usize>,
        request: &mut Request,
        fresh: bool,
        purpose: Purpose,
    ) -> Answer {
        let ticket = self.identities.apply(who, request).await;
        let answer = self.line.send_paid(request, fresh, purpose).await;
        let refused = answer.result.as_ref().is_ok_and(|response| response.status == 401);
        if !refused || !self.expects_identity(operation) || !self.identities.renew(who, operation, &ticket).await {
            return answer;
        }
        let ticket = self.identities.apply(who, request).await;
        let Some(again) = self.line.send(request, fresh, purpose).await else { return answer };
        let helped = again.result.as_ref().is_ok_and(|response| response.status != 401);
        self.identities.renewed(who, operation, &ticket, helped);
        again
    }

    /// A 401 of an operation that signs in is about what was typed into it.
    fn expects_identity(&self, operation: Option<usize>) -> bool {
        operation
            .and_then(|index| self.api.operations.get(index))
            .is_none_or(|operation| !grants_credentials(operation))
    }

    /// The request of an exchange once more: what must be unique in it is.
    pub(super) fn once_more(&self, exchange: &Exchange) -> Request {
        let fresh = exchange.case.as_ref().filter(|case| case.is_fresh()).and_then(|case| {
            let operation = self.api.operations.get(case.operation)?;
            let word = format!("{}x{}", self.nonce, self.serial.fetch_add(1, Ordering::Relaxed));
            contain(|| generate::render(operation, &case.renewed(&word).bound(), &self.base_path))?.ok()
        });
        fresh.unwrap_or_else(|| exchange.request.clone())
    }

    /// What the bytes are; a classifier that breaks on them gives no verdict.
    pub(super) fn classify(&self, operation: &Operation, request: &Request) -> WireTruth {
        contain(|| classify::classify(operation, request, &self.base_path)).unwrap_or(WireTruth::Ambiguous)
    }
}
