//! What is fixed once a scan begins to test.

use std::sync::Arc;

use super::budget::Purpose;
use super::clean_up::Made;
use super::contain::contain;
use super::identities::Identities;
use super::line::{Answer, Line};
use super::passage::{Passage, Words};
use crate::check::{As, Exchange};
use crate::classify::{self, WireTruth};
use crate::finding::FindingBuilder;
use crate::generate::{self, Case};
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// How a request is sent.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    /// On a connection of its own.
    pub(super) fresh: bool,
    pub(super) purpose: Purpose,
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
        self.identities.apply(who, request).await;
        let answer = match kept {
            Some(kept) => self.line.recall(kept, how.purpose, how.paid).await?,
            None if how.paid => self.line.send_paid(request, how.fresh, how.purpose).await,
            None => self.line.send(request, how.fresh, how.purpose).await?,
        };
        passage.note(print, request, &answer);
        if let Ok(response) = &answer.result {
            self.made.observe(request, response);
        }
        Some(answer)
    }

    /// The request of an exchange once more: what must be unique in it is.
    pub(super) fn once_more(&self, exchange: &Exchange, passage: &Passage) -> Request {
        let fresh = exchange.case.as_ref().filter(|case| case.is_fresh()).and_then(|case| {
            let operation = self.api.operations.get(case.operation)?;
            contain(|| generate::render(operation, &self.renewed(case, passage).bound(), &self.base_path))?.ok()
        });
        fresh.unwrap_or_else(|| exchange.request.clone())
    }

    /// The case with texts that no request had yet, where they must be unique.
    pub(super) fn renewed(&self, case: &Case, passage: &Passage) -> Case {
        case.renewed(&passage.word())
    }

    /// What the bytes are; a classifier that breaks on them gives no verdict.
    pub(super) fn classify(&self, operation: &Operation, request: &Request) -> WireTruth {
        contain(|| classify::classify(operation, request, &self.base_path)).unwrap_or(WireTruth::Ambiguous)
    }
}
