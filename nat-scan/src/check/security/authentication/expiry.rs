//! S-JWT-EXP: a token whose time is over is taken.

use async_trait::async_trait;
use chrono::DateTime;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::gate::{Gate, Holder, Report, gates_of, holders, nonsense, prove};
use super::jwt::Jwt;
use super::secret::guessed;
use crate::check::security::without_credentials;
use crate::check::{CheckInfo, SecurityCheck, SecurityContext, Turn};
use crate::finding::Finding;

/// S-JWT-EXP.
pub(super) struct ExpiryIgnored;

static INFO: CheckInfo = CheckInfo {
    id: "S-JWT-EXP",
    title: "Expired tokens are accepted",
    description: "A JSON Web Token is accepted after the time that its own `exp` names: a token that leaked once is good for ever.",
    remediation: "Verify `exp` (and `nbf`) together with the signature, with a leeway of a minute at most.",
    cwe: &["CWE-613"],
    owasp: Some("API2:2023"),
};

const REUSED: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";
/// Clocks differ, and servers allow for that.
const LEEWAY: i64 = 300;
const TEN_DAYS: i64 = 864_000;
/// In 2001: for tokens that do not say when they were made.
const LONG_AGO: i64 = 1_000_000_000;
/// Gates that are tried.
const MAX_TRIED: usize = 40;

#[async_trait]
impl SecurityCheck for ExpiryIgnored {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    /// Late: tokens that the scan got at its beginning may be old by now.
    fn turn(&self) -> Turn {
        Turn::Strain
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let holders = holders(cx).await;
        let key = guessed(cx, &holders);
        for holder in &holders {
            if holder.jwt.time("exp").is_none() {
                continue;
            }
            let gates = today(cx, holder).await;
            let gates: Vec<&Gate> = gates.iter().collect();
            let mut tried = Vec::new();
            if let Some(old) = expired(cx, holder, &gates) {
                tried.push((old, "to a token that the API issued itself and whose `exp` is over"));
            }
            if let Some(key) = key.as_ref().filter(|key| key.who == holder.who) {
                let forged = key.sign(&holder.jwt.header, &past(&holder.jwt));
                tried.extend(forged.map(|forged| (forged, "to a token of the same claims whose `exp` is days ago")));
            }
            for (token, what) in tried {
                let report = Report {
                    info: &INFO,
                    discriminant: "exp",
                    what: format!("{what}; a token that means nothing is refused"),
                    vector: REUSED,
                    whole_api: false,
                };
                let control = nonsense(&holder.worn);
                if let Some(found) = prove(cx, &gates, &holder.worn.with(token), &control, &report).await {
                    return vec![found];
                }
            }
        }
        Vec::new()
    }
}

/// The gates as they are now: much has happened since they were found. Where no signature counts, no time does, and that
/// is another defect.
async fn today(cx: &SecurityContext<'_>, holder: &Holder) -> Vec<Gate> {
    let known = gates_of(cx, holder.who).await;
    let wrong = holder.worn.with(holder.jwt.with_wrong_signature());
    let mut found = Vec::new();
    for gate in known.iter().take(cx.at_most(MAX_TRIED)) {
        let Some(operation) = gate.endpoint(cx) else { continue };
        let request = without_credentials(cx, &gate.request);
        let Some(gate) = Gate::open(cx, operation, &request, holder.who).await else { continue };
        if gate.takes(cx, &wrong).await.is_none() {
            found.push(gate);
        }
    }
    found
}

/// A token of this scan that is over by the server's own clock.
fn expired(cx: &SecurityContext<'_>, holder: &Holder, gates: &[&Gate]) -> Option<SecretString> {
    let date = gates.first()?.refused.response()?.header("date")?;
    let now = DateTime::parse_from_rfc2822(date).ok()?.timestamp();
    cx.prober.issued(holder.who).into_iter().find(|token| {
        let exp = Jwt::read(token.expose_secret()).and_then(|jwt| jwt.time("exp"));
        exp.is_some_and(|exp| exp + LEEWAY < now)
    })
}

/// The same claims, ten days before the token was made.
fn past(jwt: &Jwt) -> Map<String, Value> {
    let mut claims = jwt.claims.clone();
    let mut set = |name: &str, time: i64| {
        if let Some(claim) = claims.get_mut(name) {
            *claim = Value::from(time);
        }
    };
    match jwt.time("iat") {
        Some(made) => {
            set("exp", made - TEN_DAYS);
            set("iat", made - 2 * TEN_DAYS);
            set("nbf", made - 2 * TEN_DAYS);
        }
        None => {
            set("exp", LONG_AGO);
            set("nbf", LONG_AGO - TEN_DAYS);
        }
    }
    claims
}
