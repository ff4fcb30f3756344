//! S-ZIP: compressed bodies are unpacked to any size.

use std::io::Write as _;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::check::security::point::of_operation;
use crate::check::security::{is_success, may_repeat, privileges, rightful};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;
use crate::transport::Request;

/// S-ZIP.
pub(super) struct ExpandingBody;

static INFO: CheckInfo = CheckInfo {
    id: "S-ZIP",
    title: "Compressed bodies are unpacked without limit",
    description: "A few kilobytes of compressed body become many megabytes in the memory of the server.",
    remediation: "Count the bytes while unpacking and stop at the limit that uncompressed bodies have, or refuse Content-Encoding in requests.",
    cwe: &["CWE-409"],
    owasp: Some("API4:2023"),
};

/// Space that JSON allows around a value; it compresses a thousandfold.
const PADDING: usize = 10 << 20;
/// Operations tried.
const MAX_OPERATIONS: usize = 12;

#[async_trait]
impl SecurityCheck for ExpandingBody {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    fn is_opt_in(&self) -> bool {
        true
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let usable = cx.api.operations.iter().filter(|one| one.body.is_some() && may_repeat(cx, &one.method));
        let mut found = Vec::new();
        for operation in usable.take(cx.at_most(MAX_OPERATIONS)) {
            found.extend(probe(cx, operation).await);
        }
        found
    }
}

/// The accepted JSON body with so much space behind it, compressed; broken on the way when `spoilt`.
fn packed(cx: &SecurityContext<'_>, operation: &Operation, padding: usize, spoilt: bool) -> Option<Request> {
    let mut request = of_operation(cx, operation).iter().find_map(|point| point.plain(cx))?;
    if !request.header("content-type")?.starts_with(b"application/json") {
        return None;
    }
    let body = request.body.as_deref()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).ok()?;
    encoder.write_all(&vec![b' '; padding]).ok()?;
    let mut bytes = encoder.finish().ok()?;
    if spoilt {
        let middle = bytes.len() / 2;
        bytes.get_mut(middle..)?.iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    request.set_header("Content-Encoding", "gzip");
    request.body = Some(bytes.into());
    Some(request)
}

async fn probe(cx: &SecurityContext<'_>, operation: &Operation) -> Option<Finding> {
    let send = async |padding: usize, spoilt: bool| -> Option<Exchange> {
        let request = packed(cx, operation, padding, spoilt)?;
        cx.prober.send(Some(operation.index), request, rightful(cx)).await
    };
    // It unpacks, and notices what is broken.
    let baseline = send(0, false).await.filter(is_success)?;
    let control = send(0, true).await.filter(|control| !is_success(control))?;
    let probe = send(PADDING, false).await.filter(is_success)?;
    let repeat = send(PADDING, false).await.filter(is_success)?;
    let sent = probe.request.body.as_ref().map_or(0, |body| body.len());
    let explanation = format!(
        "{sent} compressed bytes that become {} MiB were accepted, twice; bytes that cannot be unpacked were not.",
        PADDING >> 20
    );
    let suspicion = Suspicion::new(Severity::Medium, "body", "gzip", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let exchanges =
        [(Role::Baseline, &baseline), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(operation), &exchanges);
    let privileges = privileges(cx, operation);
    Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{privileges}/UI:N/S:U/C:N/I:N/A:L")))
}
