//! S-SSRF-META: the metadata of the cloud that the target runs in can be read through it.

use async_trait::async_trait;

use super::place::{Place, fetching};
use crate::check::security::is_success;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-SSRF-META.
pub(super) struct MetadataReached;

static INFO: CheckInfo = CheckInfo {
    id: "S-SSRF-META",
    title: "The metadata service can be read through the server",
    description: "The server fetches URLs of the metadata service of its cloud for a client. Credentials of the machine can be read there.",
    remediation: "Refuse link-local addresses when fetching for clients, and require session tokens at the metadata service (IMDSv2).",
    cwe: &["CWE-918"],
    owasp: Some("API7:2023"),
};

/// A harmless page of a metadata service, and what only it contains.
struct Service {
    base: &'static str,
    page: &'static str,
    marks: [&'static str; 2],
}

const SERVICES: [Service; 3] = [
    Service { base: "http://169.254.169.254", page: "/latest/meta-data/", marks: ["instance-id", "local-hostname"] },
    Service { base: "http://169.254.169.254", page: "/metadata/v1.json", marks: ["droplet_id", "interfaces"] },
    Service { base: "http://100.100.100.200", page: "/latest/meta-data/", marks: ["instance-id", "private-ipv4"] },
];

#[async_trait]
impl SecurityCheck for MetadataReached {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    fn is_opt_in(&self) -> bool {
        true
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (place, _) in fetching(cx).iter().filter(|(_, shows)| *shows) {
            for service in &SERVICES {
                if let Some(finding) = probe(cx, place, service).await {
                    found.push(finding);
                    break;
                }
            }
        }
        found
    }
}

fn shows(exchange: &Exchange, service: &Service) -> bool {
    let Some(response) = exchange.response().filter(|_| is_success(exchange)) else { return false };
    let body = String::from_utf8_lossy(&response.body);
    service.marks.iter().all(|mark| body.contains(mark))
}

async fn probe(cx: &SecurityContext<'_>, place: &Place<'_>, service: &Service) -> Option<Finding> {
    let Service { base, page, .. } = service;
    let probe = place.send(cx, &format!("{base}{page}")).await?;
    if !shows(&probe, service) {
        return None;
    }
    let control = place.send(cx, &format!("{base}/{}", cx.prober.nonce())).await?;
    let repeat = place.send(cx, &format!("{base}{page}")).await?;
    if shows(&control, service) || !shows(&repeat, service) {
        return None;
    }
    let explanation = format!(
        "With {base}{page} in {}, the answer holds what a metadata service says there; with a page that does not exist \
         it does not.",
        place.location
    );
    let suspicion = Suspicion::new(Severity::High, &place.location, "metadata", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(place.operation.pointer.clone());
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(place.operation), &exchanges);
    Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{}/UI:N/S:C/C:H/I:N/A:N", place.privileges(cx))))
}
