//! What the document itself says about security. Nothing is sent: each rule reads the document and makes one finding with
//! all the places that break it.

mod access;
mod answer;
mod audit;
mod input;
mod schema;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use crate::check::SecurityCheck;
use crate::finding::{Finding, FindingBuilder};
use crate::spec::Api;
use audit::Rule;

/// Every rule.
const RULES: &[&Rule] = &[
    &access::NO_AUTHENTICATION,
    &access::OPTIONAL_AUTHENTICATION,
    &access::PLAIN_HTTP,
    &access::BASIC,
    &access::KEY_IN_QUERY,
    &access::KEY_IN_COOKIE,
    &access::IMPLICIT,
    &access::PASSWORD_GRANT,
    &access::PLAIN_TOKEN,
    &access::UNKNOWN_SCHEME,
    &access::UNUSED_SCHEME,
    &access::NO_SCOPES,
    &access::INTERNAL_SERVER,
    &access::GET_CHANGES,
    &access::INTERNAL_PATH,
    &access::DEPRECATED,
    &access::SEQUENTIAL_ID,
    &answer::NO_UNAUTHORISED,
    &answer::NO_TOO_MANY,
    &answer::NO_ERRORS,
    &answer::SECRET_IN_ANSWER,
    &answer::SECRET_EXAMPLE,
    &input::UNBOUNDED_STRING,
    &input::UNBOUNDED_ARRAY,
    &input::UNBOUNDED_NUMBER,
    &input::PAGE_SIZE,
    &input::OPEN_OBJECT,
    &input::ANY_BODY,
    &input::PRIVILEGE,
    &input::WEAK_PASSWORD,
    &input::SECRET_IN_URL,
    &input::ADDRESS,
    &input::UPLOAD,
];

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &{
    let mut checks: [&dyn SecurityCheck; RULES.len()] = [RULES[0]; RULES.len()];
    let mut at = 0;
    while at < RULES.len() {
        checks[at] = RULES[at];
        at += 1;
    }
    checks
};

/// What is wrong with the document. A finding of a scan is asked again with it.
pub(crate) fn static_findings(api: &Api, report: &FindingBuilder, at: DateTime<Utc>) -> Vec<Finding> {
    RULES.iter().filter_map(|rule| rule.finding(api, report, at)).collect()
}
