//! F003: the target answered, and after a certain request it does not any more.

use std::collections::VecDeque;

use super::tally::copy;
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::finding::{Confidence, Finding, FindingBuilder, Role, Severity};
use crate::spec::Api;
use crate::transport::TransportError;

/// Requests before the end that are named.
const MAX_TRAIL: usize = 5;
/// Of their bodies.
const KEPT: usize = 2 << 10;
/// Time-outs in a row after which the target is looked at; each took long enough.
const MAX_TIMEOUTS: u32 = 6;
/// Broken connections in a row after which it is.
const MAX_BROKEN: u32 = 20;
/// The same when nothing more is to be sent.
const LAST_BROKEN: u32 = 3;

static INFO: CheckInfo = CheckInfo {
    id: "F003",
    title: "The target stops answering",
    description: "The target answered, and after one of the requests named it answered nothing any more, not even the request that reached it at the beginning.",
    remediation: "Send the named requests to a fresh instance, the last one first, and look for a crash, an endless loop or a lock that is never given back. Contain failures of one request, and let a supervisor restart the process.",
    cwe: &["CWE-400", "CWE-248"],
    owasp: None,
};

/// Watches answers for the moment in which they end.
#[derive(Default)]
pub(super) struct Pulse {
    /// The last exchanges, up to the first that broke.
    trail: VecDeque<(usize, Exchange)>,
    broken: u32,
    timeouts: u32,
    /// Something was answered since the scan began.
    healthy: bool,
}

impl Pulse {
    /// Takes an exchange of an operation.
    pub(super) fn observe(&mut self, operation: usize, exchange: &Exchange) {
        use TransportError::{Connect, Empty, Incomplete, Reset, Timeout, Tls};
        let first = self.broken == 0 && self.timeouts == 0;
        match &exchange.result {
            Err(Connect(_) | Reset | Empty | Incomplete | Tls(_)) => self.broken += 1,
            Err(Timeout(_)) => self.timeouts += 1,
            Err(_) => self.revive(),
            Ok(_) => {
                self.healthy = true;
                self.revive();
            }
        }
        // What follows the first failure in a row only shows that it lasts.
        if first || self.is_alive() {
            if self.trail.len() == MAX_TRAIL {
                self.trail.pop_front();
            }
            let kept = copy(exchange, KEPT);
            self.trail.push_back((operation, kept));
        }
    }

    const fn is_alive(&self) -> bool {
        self.broken == 0 && self.timeouts == 0
    }

    /// It answers after all.
    pub(super) const fn revive(&mut self) {
        self.broken = 0;
        self.timeouts = 0;
    }

    /// So much broke in a row that the target has to be looked at before anything else is sent.
    pub(super) const fn is_weak(&self) -> bool {
        self.broken >= MAX_BROKEN || self.timeouts >= MAX_TIMEOUTS
    }

    /// As [`Pulse::is_weak`], at the end of a scan.
    pub(super) const fn was_weak(&self) -> bool {
        self.broken + self.timeouts >= LAST_BROKEN
    }

    /// The finding; `looks` are requests that reached the target at the beginning and get no answer now. `None` when it
    /// never answered a test request.
    pub(super) fn finding(&self, api: &Api, report: &FindingBuilder, looks: &[Exchange]) -> Option<Finding> {
        let (suspect, probe) = self.trail.back().filter(|_| self.healthy)?;
        let named: Vec<String> = self.trail.iter().map(|(_, exchange)| line(exchange)).collect();
        let how = looks.last().and_then(|look| look.result.as_ref().err()).map(ToString::to_string).unwrap_or_default();
        let text = format!(
            "The target answered until then, and nothing since: {} requests that reached it before got no answer in more \
             than ten seconds ({how}). The last requests before were: {}.",
            looks.len(),
            named.join("; ")
        );
        let suspicion = Suspicion::new(Severity::Critical, "", "crash", text).confidence(Confidence::Firm);
        let mut evidence: Vec<(Role, &Exchange)> = vec![(Role::Probe, probe)];
        evidence.extend(self.trail.iter().rev().skip(1).map(|(_, exchange)| (Role::Baseline, exchange)));
        evidence.extend(looks.iter().map(|look| (Role::Control, look)));
        Some(report.build(&INFO, &suspicion, api.operations.get(*suspect), &evidence))
    }
}

/// A request without its values: `POST /toys (500)`.
fn line(exchange: &Exchange) -> String {
    let path = exchange.request.target.split('?').next().unwrap_or_default();
    let end = match &exchange.result {
        Ok(response) => response.status.to_string(),
        Err(error) => error.kind().to_owned(),
    };
    format!("{} {path} ({end})", exchange.request.method)
}
