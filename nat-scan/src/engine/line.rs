//! The one way to the target: every request of a scan is counted, paced and timed here.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Purpose};
use super::pace::Pace;
use super::{Connect, Now};
use crate::journal::KeptAnswer;
use crate::policy::PinnedTarget;
use crate::transport::{Limits, Request, Response, Transport, TransportError};

/// What every request shares.
pub(super) struct Line {
    pub(super) transport: Arc<dyn Transport>,
    /// The same target with limits that a large document fits into.
    pub(super) documents: Arc<dyn Transport>,
    pub(super) now: Arc<dyn Now>,
    pub(super) budget: Budget,
    pub(super) pace: Pace,
    pub(super) cancel: CancellationToken,
}

/// What came back.
pub(super) struct Answer {
    pub(super) result: Result<Response, TransportError>,
    pub(super) at: DateTime<Utc>,
    /// The status of an answer that asked for patience and was followed by a second try.
    pub(super) throttled: Option<u16>,
    /// It comes from a journal.
    pub(super) replayed: bool,
}

impl Line {
    /// One exchange within the budget; `None` when it does not allow it or the scan is stopped.
    pub(super) async fn send(&self, request: &Request, fresh: bool, purpose: Purpose) -> Option<Answer> {
        if self.cancel.is_cancelled() || !self.budget.take(purpose) {
            return None;
        }
        Some(self.send_paid(request, fresh, purpose).await)
    }

    /// As [`Line::send`], for a request that the budget was already asked for.
    pub(super) async fn send_paid(&self, request: &Request, fresh: bool, purpose: Purpose) -> Answer {
        let mut throttled = None;
        loop {
            self.pace.ready().await;
            let at = self.now.now();
            let transport = if purpose == Purpose::Document { &self.documents } else { &self.transport };
            let result = transport.send(request, fresh).await;
            self.budget.receive(result.as_ref().map_or(0, |response| response.wire_bytes));
            let again = self.pace.observe(&result);
            if again && throttled.is_none() && !self.cancel.is_cancelled() && self.budget.take(purpose) {
                throttled = result.ok().map(|response| response.status);
                continue;
            }
            return Answer { result, at, throttled, replayed: false };
        }
    }

    /// What was answered before the scan was resumed. It costs what it cost then, so that the plan stays the same; it says
    /// nothing about how fast the target is now.
    pub(super) async fn recall(&self, kept: KeptAnswer, purpose: Purpose, paid: bool) -> Option<Answer> {
        if self.cancel.is_cancelled() || !(paid || self.budget.take(purpose)) {
            return None;
        }
        // Nothing here waits: without a pause the writer of the journal and the timers would starve.
        tokio::task::consume_budget().await;
        let KeptAnswer { result, at, throttled, .. } = kept;
        if throttled.is_some() {
            self.budget.take(purpose);
        }
        self.budget.receive(result.as_ref().map_or(0, |response| response.wire_bytes));
        Some(Answer { result, at, throttled, replayed: true })
    }
}

/// Connections of those who sign in, at the target or elsewhere: within the same budget, and no further than the scan.
pub(super) struct Counted {
    pub(super) line: Arc<Line>,
    pub(super) connect: Arc<dyn Connect>,
}

impl Connect for Counted {
    fn connect(&self, target: &PinnedTarget, limits: Limits, scan_id: &str) -> Arc<dyn Transport> {
        let inner = self.connect.connect(target, limits, scan_id);
        Arc::new(CountedTransport { line: Arc::clone(&self.line), inner })
    }
}

struct CountedTransport {
    line: Arc<Line>,
    inner: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for CountedTransport {
    async fn send(&self, request: &Request, fresh: bool) -> Result<Response, TransportError> {
        if self.line.cancel.is_cancelled() || !self.line.budget.take(Purpose::Probe) {
            return Err(TransportError::Cancelled);
        }
        let answer = self.inner.send(request, fresh).await;
        self.line.budget.receive(answer.as_ref().map_or(0, |response| response.wire_bytes));
        answer
    }

    fn origin(&self) -> &str {
        self.inner.origin()
    }
}
