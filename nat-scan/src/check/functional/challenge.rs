//! F064: a 401 that does not say how to authenticate.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::{Confidence, Severity};

/// F064.
pub(super) struct Challenge;

static INFO: CheckInfo = CheckInfo {
    id: "F064",
    title: "401 without WWW-Authenticate",
    description: "An answer 401 must carry a WWW-Authenticate header with at least one challenge (RFC 9110, section 11.6.1).",
    remediation: "Send WWW-Authenticate with every 401, for example `Bearer`.",
    cwe: &[],
    owasp: None,
};

impl Check for Challenge {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.status() == Some(401)
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let has_challenge = exchange.response().is_some_and(|response| response.header("www-authenticate").is_some());
        if has_challenge {
            return Vec::new();
        }
        let explanation = "The answer is 401 and has no WWW-Authenticate header.";
        vec![
            Suspicion::new(Severity::Info, "header WWW-Authenticate", "missing", explanation)
                .confidence(Confidence::Confirmed)
                .proof(Proof::Direct)
                .api_wide(),
        ]
    }
}
