//! S-UNSAFE: what the target fetches can send it elsewhere.

use async_trait::async_trait;

use super::place::{Place, fetching};
use crate::callback::{Callback, Reply};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-UNSAFE.
pub(super) struct FollowsRedirects;

static INFO: CheckInfo = CheckInfo {
    id: "S-UNSAFE",
    title: "The server follows redirects of hosts that it does not know",
    description: "The server asks for a URL that a client chose and goes on to wherever the answer points: what the URL was checked for is checked no more.",
    remediation: "Do not follow redirects of foreign hosts, or judge each target of a redirect as the first URL was judged.",
    cwe: &["CWE-601", "CWE-346"],
    owasp: Some("API10:2023"),
};

#[async_trait]
impl SecurityCheck for FollowsRedirects {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let Some(callback) = cx.callback else { return Vec::new() };
        let mut found = Vec::new();
        for (place, _) in fetching(cx) {
            found.extend(probe(cx, callback, &place).await);
        }
        found
    }
}

/// One request whose listener points to a second word, and whether that was asked for.
async fn led(
    cx: &SecurityContext<'_>,
    callback: &Callback,
    place: &Place<'_>,
    reply: fn(String) -> Reply,
) -> Option<(Exchange, bool)> {
    let second = callback.announce(&cx.prober.nonce(), Reply::Text(String::new()));
    let first = callback.announce(&cx.prober.nonce(), reply(callback.url(&second)));
    let exchange = place.send(cx, &callback.url(&first)).await?;
    callback.wait(&[&second]).await;
    // It must have come by the first.
    let came = !callback.hits(&first).is_empty();
    came.then(|| (exchange, !callback.hits(&second).is_empty()))
}

async fn probe(cx: &SecurityContext<'_>, callback: &Callback, place: &Place<'_>) -> Option<Finding> {
    let (probe, true) = led(cx, callback, place, Reply::Redirect).await? else { return None };
    // The same URL in a plain text leads nowhere.
    let (control, false) = led(cx, callback, place, Reply::Text).await? else { return None };
    let (repeat, true) = led(cx, callback, place, Reply::Redirect).await? else { return None };
    let explanation = format!(
        "The URL in {} was answered with 302 by the scan's listener, and the target asked for what it pointed to; it did \
         so again with other words. A URL that came as plain text was not asked for.",
        place.location
    );
    let suspicion = Suspicion::new(Severity::Medium, &place.location, "redirect", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(place.operation.pointer.clone());
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(place.operation), &exchanges);
    Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{}/UI:N/S:U/C:N/I:L/A:N", place.privileges(cx))))
}
