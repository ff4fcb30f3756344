//! What is fixed once a scan begins to test.

use std::sync::Arc;

use chrono::DateTime;

use super::budget::Purpose;
use super::clean_up::Made;
use super::contain::contain;
use super::identities::Identities;
use super::line::{Answer, Line};
use super::passage::{Passage, Words};
use super::scope::Fence;
use crate::check::functional::grants_credentials;
use crate::check::{As, Exchange};
use crate::classify::{self, WireTruth};
use crate::finding::FindingBuilder;
use crate::generate;
use crate::spec::{Api, Operation};
use crate::transport::{Request, TransportError};

/// How a request is sent.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    /// On a connection of its own.
    pub(super) fresh: bool,
    pub(super) purpose: Purpose,
    /// What is asked, when it is an operation of the document.
    pub(super) operation: Option<usize>,
    /// The budget was asked already.
    pub(super) paid: bool,
}

/// Shared by the driver, the proof lane and the security checks.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) line: Arc<Line>,
    pub(super) identities: Identities,
    pub(super) base_path: String,
    pub(super) seed: u64,
    /// Make texts of this scan unique, and know its journal.
    pub(super) words: Arc<Words>,
    /// What answers said was made.
    pub(super) made: Made,
    pub(super) authenticated: bool,
    /// What checks may send: see [`Session::refused`].
    pub(super) fence: Fence,
    pub(super) report: FindingBuilder,
}

impl Session {
    /// The nonce that begins all words.
    pub(super) fn nonce(&self) -> &str {
        &self.words.bound.nonce
    }

    /// A place in the plan that is no case of it.
    pub(super) fn passage(&self, description: &str) -> Passage {
        Passage::of(&self.words, description)
    }

    /// One exchange at a place, from the journal when it has it. Puts the credentials of `who` on the request. `None`
    /// when the budget does not allow it or the scan is stopped.
    pub(super) async fn exchange(
        &self,
        passage: &Passage,
        request: &mut Request,
        who: As,
        how: Sending,
    ) -> Option<Answer> {
        let (print, kept) = passage.next(request);
        let answer = match kept {
            Some(kept) => {
                self.identities.apply(who, request).await;
                self.line.recall(kept, how.purpose, how.paid).await?
            }
            None if how.paid => self.send_paid(who, request, how).await,
            None => self.send(who, request, how).await?,
        };
        passage.note(print, request, &answer);
        if let Ok(response) = &answer.result {
            self.made.observe(request, response);
        }
        Some(answer)
    }

    /// One exchange as `who` within the budget; `None` when it does not allow it.
    pub(super) async fn send(&self, who: As, request: &mut Request, how: Sending) -> Option<Answer> {
        if self.line.cancel.is_cancelled() || !self.line.budget.take(how.purpose) {
            return None;
        }
        Some(self.send_paid(who, request, how).await)
    }

    /// As [`Session::send`], for a request that the budget was already asked for. An identity that is refused signs in
    /// again, and the request is sent once more: a token that ran out is no answer of the operation.
    async fn send_paid(&self, who: As, request: &mut Request, how: Sending) -> Answer {
        let Sending { operation, fresh, purpose, .. } = how;
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

    /// What stands for the exchange of a request that is left out of the scan: no answer, but no reason either to stop
    /// asking about other operations. `None` when it may be sent.
    pub(super) fn refused(&self, request: &Request, about: Option<&Operation>, who: As) -> Option<Exchange> {
        if self.fence.permits(request, about) {
            return None;
        }
        let refused = Err(TransportError::Denied("outside the scope of the scan".to_owned()));
        let at = DateTime::UNIX_EPOCH;
        Some(Exchange::new(None, request.clone(), refused, WireTruth::Ambiguous, at).sent_as(who))
    }

    /// The request of an exchange once more: what must be unique in it is.
    pub(super) fn once_more(&self, exchange: &Exchange, passage: &Passage) -> Request {
        let fresh = exchange.case.as_ref().filter(|case| case.is_fresh()).and_then(|case| {
            let operation = self.api.operations.get(case.operation)?;
            let case = case.renewed(&passage.word()).bound();
            contain(|| generate::render(operation, &case, &self.base_path))?.ok()
        });
        fresh.unwrap_or_else(|| exchange.request.clone())
    }

    /// What the bytes are; a classifier that breaks on them gives no verdict.
    pub(super) fn classify(&self, operation: &Operation, request: &Request) -> WireTruth {
        contain(|| classify::classify(operation, request, &self.base_path)).unwrap_or(WireTruth::Ambiguous)
    }
}
