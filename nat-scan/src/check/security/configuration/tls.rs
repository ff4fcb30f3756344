//! S-TLS: how an https target is reached. What rustls refuses (a certificate that is wrong or has run out) ends a scan
//! before it begins; here is what it does not see.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::check::{As, CheckInfo, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::{Request, TlsFacts};

/// S-TLS.
pub(super) struct Tls;

static INFO: CheckInfo = CheckInfo {
    id: "S-TLS",
    title: "Connections are protected less than they could be",
    description: "The server accepts versions of TLS that are no longer safe (RFC 8996), answers the same name without TLS, or has a certificate that is about to run out.",
    remediation: "Accept TLS 1.2 and 1.3 only, redirect the plain port to https, and renew certificates by a machine.",
    cwe: &["CWE-326", "CWE-319"],
    owasp: Some("API8:2023"),
};

const WEAK: Option<&str> = Some("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N");
/// A certificate should be renewed by then.
const SOON: TimeDelta = TimeDelta::days(14);

#[async_trait]
impl SecurityCheck for Tls {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if !cx.prober.tls() {
            return Vec::new();
        }
        let request = || Request::new("GET", format!("{}/", cx.prober.base_path()));
        let Some(first) = cx.prober.tls_facts().await else { return Vec::new() };
        let Some(probe) = cx.prober.send(None, request(), As::Anonymous).await else { return Vec::new() };
        let Some(second) = cx.prober.tls_facts().await else { return Vec::new() };
        let Some(repeat) = cx.prober.send(None, request(), As::Anonymous).await else { return Vec::new() };
        let again = faults(&second, probe.at);
        let repeated = faults(&first, probe.at).into_iter().filter(|fault| again.contains(fault));
        let finding = |(discriminant, vector, explanation): Fault| {
            let suspicion = Suspicion::new(Severity::Info, "", discriminant, explanation)
                .confidence(Confidence::Confirmed)
                .api_wide();
            let finding = cx.report.build(&INFO, &suspicion, None, &[(Role::Probe, &probe), (Role::Repeat, &repeat)]);
            match vector {
                Some(vector) => finding.rated(vector),
                None => finding,
            }
        };
        repeated.map(finding).collect()
    }
}

/// What distinguishes it, how bad it is, and in words.
type Fault = (&'static str, Option<&'static str>, String);

fn faults(facts: &TlsFacts, now: DateTime<Utc>) -> Vec<Fault> {
    let mut found: Vec<Fault> = Vec::new();
    let old: Vec<&str> = facts.versions.iter().copied().filter(|one| matches!(*one, "TLS 1.0" | "TLS 1.1")).collect();
    if !old.is_empty() {
        found.push(("old-version", WEAK, format!("The server accepts {}.", old.join(" and "))));
    }
    if facts.plain == Some(true) {
        found.push(("plain", WEAK, "Port 80 of the same host answers without TLS and without a redirect.".to_owned()));
    }
    if let Some(end) = facts.expires.and_then(|end| DateTime::from_timestamp(end, 0)).filter(|end| *end < now + SOON) {
        found.push(("expires", None, format!("The certificate runs out on {}.", end.format("%Y-%m-%d"))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_old_versions_a_plain_port_and_an_end_that_is_near() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let check = |versions: &[&'static str], days: i64, plain, expected: &[&str]| {
            let expires = Some((now + TimeDelta::days(days)).timestamp());
            let found = faults(&TlsFacts { versions: versions.to_vec(), expires, plain }, now);
            assert_eq!(found.into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), expected);
        };
        check(&["TLS 1.3", "TLS 1.2"], 60, None, &[]);
        check(&["TLS 1.2"], 60, Some(false), &[]);
        check(&["TLS 1.2", "TLS 1.1", "TLS 1.0"], 60, None, &["old-version"]);
        check(&["TLS 1.3"], 60, Some(true), &["plain"]);
        check(&["TLS 1.3"], 3, None, &["expires"]);
    }
}
