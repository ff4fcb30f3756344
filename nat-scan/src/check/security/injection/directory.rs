//! S-LDAP and S-XPATH: a condition of ours decides what a filter of a directory or a path into XML finds.

use async_trait::async_trait;

use super::likeness::Usuals;
use super::truth::{Context, Fits, Language, decision};
use super::{MAX_FINDINGS, Proof, READ, is_open, is_proved, is_success, places};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

/// S-LDAP.
pub(super) struct Ldap;

/// S-XPATH.
pub(super) struct Xpath;

static LDAP: CheckInfo = CheckInfo {
    id: "S-LDAP",
    title: "LDAP injection",
    description: "Text of the request becomes part of a filter for a directory: a condition behind the value decides the answer.",
    remediation: "Escape values for filters as RFC 4515 says (* ( ) \\ and NUL), or build filters with a library that does.",
    cwe: &["CWE-90"],
    owasp: Some("API8:2023"),
};

static XPATH: CheckInfo = CheckInfo {
    id: "S-XPATH",
    title: "XPath injection",
    description: "Text of the request becomes part of an XPath expression: a condition behind the value decides the answer.",
    remediation: "Give values to the expression as variables, or choose nodes by comparing values in the program.",
    cwe: &["CWE-643"],
    owasp: Some("API8:2023"),
};

/// Every entry has an `objectClass`.
const FILTER: Language = Language {
    narrow: &[Context {
        yes: "{v})(objectClass=*",
        no: "{v})(objectClass=nat{b}",
        wrong: "{v})[objectClass=*",
        fits: Fits::All,
    }],
    wide: &[Context {
        yes: "*)(objectClass=*",
        no: "*)(objectClass=nat{b}",
        wrong: "*)[objectClass=*",
        fits: Fits::All,
    }],
};

/// `string-length` is no function of SQL, and words are in lower case.
const PATH: Language = Language {
    narrow: &[Context {
        yes: "{v}' and string-length('{a}')=4 and '{a}'='{a}",
        no: "{v}' and string-length('{a}')=4 and '{a}'='{b}",
        wrong: "{v}' and stringlength('{a}')=4 and '{a}'='{a}",
        fits: Fits::All,
    }],
    wide: &[Context {
        yes: "{v}' or string-length('{a}')=4 and '{a}'='{a}",
        no: "{v}' or string-length('{a}')=4 and '{a}'='{b}",
        wrong: "{v}' or stringlength('{a}')=4 and '{a}'='{a}",
        fits: Fits::All,
    }],
};

#[async_trait]
impl SecurityCheck for Ldap {
    fn info(&self) -> &'static CheckInfo {
        &LDAP
    }

    fn weight(&self) -> u64 {
        4
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        decided(cx, &LDAP, &FILTER, "a filter for a directory").await
    }
}

#[async_trait]
impl SecurityCheck for Xpath {
    fn info(&self) -> &'static CheckInfo {
        &XPATH
    }

    fn weight(&self) -> u64 {
        4
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        decided(cx, &XPATH, &PATH, "an XPath expression").await
    }
}

async fn decided(cx: &SecurityContext<'_>, info: &'static CheckInfo, language: &Language, what: &str) -> Vec<Finding> {
    let mut usuals = Usuals::default();
    let mut found = Vec::new();
    let points = places(cx).await;
    for point in points.iter().filter(|point| point.takes_text() && !is_proved(cx, point)) {
        let Some(usual) = usuals.of(cx, point).await else { continue };
        let Some(proved) = decision(cx, point, usual, language).await else { continue };
        let value = point.original().unwrap_or_default();
        let shows = |answer: &Exchange| {
            if proved.widened { is_success(answer) } else { usual.likeness.holds(answer, &proved.text, &value) }
        };
        let open = is_open(cx, point, proved.request.clone(), shows).await;
        let explanation = format!("What is sent as {} becomes part of {what}. {}.", point.location, proved.words);
        let proof = Proof {
            info,
            point,
            discriminant: "boolean",
            cause: info.id,
            explanation,
            confidence: Confidence::Firm,
            vector: READ,
            open,
            exchanges: proved.exchanges,
        };
        found.push(proof.finding(cx));
        if found.len() >= MAX_FINDINGS {
            break;
        }
    }
    found
}
