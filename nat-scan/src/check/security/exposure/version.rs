//! S-VER: headers and error pages that name products with their versions. One finding for the whole server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;

use crate::check::security::{is_echo, is_success, may_repeat, rightful, without_credentials};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-VER.
pub(super) struct VersionDisclosure;

static INFO: CheckInfo = CheckInfo {
    id: "S-VER",
    title: "Server names its software and version",
    description: "Answers say which products in which versions serve them. Known weaknesses of a version can be looked up.",
    remediation: "Leave the version out of the headers (`server_tokens off`, `ServerTokens Prod`, `expose_php = Off`), and serve error pages of your own.",
    cwe: &["CWE-200"],
    owasp: Some("API8:2023"),
};

const HEADERS: [&str; 7] = [
    "server",
    "x-powered-by",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-generator",
    "x-runtime-version",
    "x-drupal-version",
];
/// Of a body that is searched.
const MAX_TEXT: usize = 16 << 10;

static VERSION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+\.\d+").expect("a constant pattern"));

/// What the error pages of servers end with.
static FOOTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:nginx|openresty|Apache(?:-Coyote| Tomcat)?|Microsoft-IIS|Jetty|lighttpd|WildFly|GlassFish|Werkzeug|Phusion Passenger)[/ ]v?\d+\.\d+[\w.-]*")
        .expect("a constant pattern")
});

#[async_trait]
impl SecurityCheck for VersionDisclosure {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Passive
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let baselines = cx.baselines.iter().enumerate().filter_map(|(index, one)| one.as_ref().map(|one| (index, one)));
        let mut said: BTreeMap<String, (usize, &Exchange)> = BTreeMap::new();
        for (index, exchange) in baselines.chain(cx.traffic.iter().map(|(index, exchange)| (*index, exchange))) {
            if may_repeat(cx, &exchange.request.method) {
                for product in products(exchange) {
                    said.entry(product).or_insert((index, exchange));
                }
            }
        }
        // A read is the best example.
        let example = said.values().min_by_key(|(index, seen)| (seen.request.method != "GET", *index));
        let Some((index, seen)) = example.copied() else { return Vec::new() };
        let request = without_credentials(cx, &seen.request);
        let Some(repeat) = cx.prober.send(Some(index), request, rightful(cx)).await else { return Vec::new() };
        let again = products(&repeat);
        if !products(seen).iter().any(|product| again.contains(product)) {
            return Vec::new();
        }
        let named: Vec<&str> = said.keys().map(String::as_str).collect();
        let explanation = format!("Answers name: {}.", named.join("; "));
        let suspicion =
            Suspicion::new(Severity::Info, "", "version", explanation).confidence(Confidence::Confirmed).api_wide();
        vec![cx.report.build(&INFO, &suspicion, None, &[(Role::Probe, seen), (Role::Repeat, &repeat)])]
    }
}

/// Products with versions, that we did not name ourselves.
fn products(exchange: &Exchange) -> Vec<String> {
    let Some(response) = exchange.response() else { return Vec::new() };
    let mut found = Vec::new();
    for name in HEADERS {
        if let Some(value) = response.header(name).filter(|value| VERSION.is_match(value)) {
            found.push(format!("{name}: {}", value.chars().take(120).collect::<String>()));
        }
    }
    if !is_success(exchange) {
        let text = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]);
        let footer = FOOTER.find(&text).map(|footer| footer.as_str().to_owned());
        found.extend(
            footer.filter(|footer| !is_echo(&exchange.request, footer)).map(|footer| format!("error page: {footer}")),
        );
    }
    found
}
