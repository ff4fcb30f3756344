//! S-REDIR: the API sends people to any host.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;
use url::Url;

use super::likeness::plain;
use super::{MAX_FINDINGS, Point, Proof, four, is_open, places};
use crate::check::security::point::of_unaccepted;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

/// S-REDIR.
pub(super) struct Redirect;

static INFO: CheckInfo = CheckInfo {
    id: "S-REDIR",
    title: "Open redirect",
    description: "A value of the request decides to which host a browser is sent.",
    remediation: "Redirect only to paths of your own, or choose the target from a list; compare the host after parsing the URL, not the beginning of the text.",
    cwe: &["CWE-601"],
    owasp: Some("API8:2023"),
};

const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:R/S:U/C:N/I:L/A:N";

const NAMES: [&str; 22] = [
    "url",
    "uri",
    "link",
    "redirect",
    "return",
    "returnto",
    "next",
    "continue",
    "goto",
    "to",
    "target",
    "dest",
    "destination",
    "back",
    "forward",
    "callback",
    "rurl",
    "out",
    "view",
    "go",
    "location",
    "href",
];

/// `{h}` is a host of ours that nobody has, `{o}` the target's own host.
const FORMS: [(&str, &str); 6] = [
    ("https://{h}/", "a URL"),
    ("//{h}/", "a URL without scheme"),
    ("/\\{h}/", "a backslash, which browsers read as a slash"),
    ("https://{o}@{h}/", "its own host before an @"),
    ("https://{o}.{h}/", "a host that begins as its own"),
    ("https:{h}/", "a scheme without slashes"),
];

#[async_trait]
impl SecurityCheck for Redirect {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        2
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut points: Vec<Point<'_>> =
            places(cx).await.into_iter().filter(|point| point.operation.method == "GET" && is_url(point)).collect();
        // Whatever redirects is worth a try with each of its values, and a name that speaks of it is without that.
        let redirects = |index: usize| {
            cx.traffic.iter().any(|(known, seen)| {
                *known == index && seen.status().is_some_and(|status| (300..400).contains(&status))
            })
        };
        let unaccepted = cx.api.operations.iter().flat_map(|operation| of_unaccepted(cx, operation));
        points.extend(unaccepted.filter(|point| is_url(point) || redirects(point.operation.index)));
        let mut found = Vec::new();
        for point in &points {
            for form in FORMS {
                if let Some(finding) = prove(cx, point, form).await {
                    found.push(finding);
                    break;
                }
            }
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

fn is_url(point: &Point<'_>) -> bool {
    super::is_called(point, &NAMES)
        || point.value.as_str().is_some_and(|text| text.contains("://") || text.starts_with('/'))
}

/// Where a browser goes after this answer.
fn destination(cx: &SecurityContext<'_>, exchange: &Exchange) -> Option<Url> {
    static META: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)<meta[^>]{0,80}http-equiv\s*=\s*["']?refresh["']?[^>]{0,80}content\s*=\s*["']?[^"'>]{0,20}url\s*=\s*'?([^"'>\s]+)"#)
            .expect("a constant pattern")
    });
    let response = exchange.response()?;
    let base = Url::parse(cx.prober.origin()).ok()?.join(&exchange.request.target).ok()?;
    if (300..400).contains(&response.status) {
        return base.join(response.header("location")?.trim()).ok();
    }
    let refresh = response.header("refresh").and_then(|value| {
        let (_, target) = value.split_once(';')?;
        Some(target.trim().strip_prefix("url=")?.trim_matches(['"', '\'']).to_owned())
    });
    let is_html = response.media_type().is_some_and(|media| media == "text/html");
    let meta = || {
        let text = String::from_utf8_lossy(&response.body[..response.body.len().min(64 << 10)]);
        META.captures(&text).map(|found| found[1].to_owned())
    };
    let target = refresh.or_else(|| if is_html { meta() } else { None })?;
    base.join(&target).ok()
}

/// To our host, or to one below it.
fn goes_to(cx: &SecurityContext<'_>, exchange: &Exchange, host: &str) -> bool {
    destination(cx, exchange)
        .is_some_and(|url| url.host_str().is_some_and(|found| found == host || found.ends_with(&format!(".{host}"))))
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>, (form, words): (&str, &str)) -> Option<Finding> {
    let own = Url::parse(cx.prober.origin()).ok()?;
    let own = own.host_str().unwrap_or("localhost").to_owned();
    let host = || format!("{}.example", cx.prober.nonce());
    let written = |host: &str| form.replace("{h}", host).replace("{o}", &own);
    let first = host();
    let probe = point.text(cx, &written(&first)).await.filter(|answer| goes_to(cx, answer, &first))?;
    // A path that names the host leads nowhere else.
    let other = host();
    let control = point.text(cx, &format!("/{other}/")).await?;
    let baseline = plain(cx, point).await?;
    let second = host();
    let text = written(&second);
    let repeat = point.text(cx, &text).await.filter(|answer| goes_to(cx, answer, &second))?;
    if goes_to(cx, &control, &other) || goes_to(cx, &baseline, &first) {
        return None;
    }
    let request = point.with(cx, text.as_str().into());
    let open = is_open(cx, point, request, |answer| goes_to(cx, answer, &second)).await;
    let explanation = format!(
        "What is sent as {} decides where browsers are sent: with {words} the answer leads to {first}, a host that we made up.",
        point.location
    );
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "redirect",
        cause: "redirect",
        explanation,
        confidence: Confidence::Confirmed,
        vector: VECTOR,
        open,
        exchanges: four(baseline, probe, control, repeat),
    };
    Some(proof.finding(cx))
}
