//! S-JWT-WEAK: a secret that can be guessed, without a request, and one forged token as proof. And S-JWT-CLAIM, what can
//! be done with it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::gate::{Gate, Holder, Report, gates_of, holders, prove};
use super::jwt::{Jwt, signed};
use super::signature::FORGED;
use super::words::candidates;
use crate::chain::tokens;
use crate::check::security::is_success;
use crate::check::shape::leaves;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-JWT-WEAK.
pub(super) struct WeakSecret;

/// S-JWT-CLAIM.
pub(super) struct ClaimsTrusted;

static WEAK: CheckInfo = CheckInfo {
    id: "S-JWT-WEAK",
    title: "Tokens are signed with a secret that can be guessed",
    description: "The secret that signs the JSON Web Tokens is in a list of common words. Whoever has one token finds it offline and can write tokens for anybody.",
    remediation: "Sign with at least 32 random bytes that are no part of the source code, or with an asymmetric key. Change the secret now: all tokens that it signed are void then.",
    cwe: &["CWE-1391", "CWE-326"],
    owasp: Some("API2:2023"),
};

static CLAIM: CheckInfo = CheckInfo {
    id: "S-JWT-CLAIM",
    title: "A forged token gives the data of another user",
    description: "With the guessed secret a token was written in the name of another user, and the API answered with that user's data.",
    remediation: "Replace the secret. Bind tokens to a session that the server knows, so that one that it did not issue is refused.",
    cwe: &["CWE-285"],
    owasp: Some("API2:2023"),
};

/// A secret of the target that was guessed.
#[derive(Clone)]
pub(crate) struct Guessed {
    pub(super) who: As,
    secret: SecretString,
    /// Place in the list, from 1.
    rank: usize,
    /// Length of the list.
    of: usize,
}

impl Guessed {
    pub(super) fn sign(&self, header: &Map<String, Value>, claims: &Map<String, Value>) -> Option<SecretString> {
        signed(header, claims, self.secret.expose_secret().as_bytes())
    }

    /// As [`Guessed::sign`], with another secret: what must be refused.
    pub(super) fn sign_wrongly(
        &self,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Option<SecretString> {
        signed(header, claims, format!("nat-{}-not", self.secret.expose_secret()).as_bytes())
    }
}

/// The secret of the tokens of the scan's users, if it can be guessed; looked for once a scan.
pub(super) fn guessed(cx: &SecurityContext<'_>, holders: &[Holder]) -> Option<Guessed> {
    if let Some(known) = cx.learned.with(|facts| facts.jwt_secret.clone()) {
        return known;
    }
    let own: Vec<String> = tokens(&cx.api.title);
    let found = holders.iter().filter(|holder| holder.jwt.is_hmac()).find_map(|holder| {
        let mut rank = 0;
        let secret = candidates(&own).find(|word| {
            rank += 1;
            holder.jwt.is_signed_by(word.as_bytes())
        })?;
        Some(Guessed { who: holder.who, secret: secret.into(), rank, of: candidates(&own).count() })
    });
    cx.learned.with(|facts| facts.jwt_secret = Some(found.clone()));
    found
}

/// The claims as they would be a moment earlier, so that the token is another one; texts of the time of day stay.
fn moved(jwt: &Jwt, seconds: i64) -> Map<String, Value> {
    let mut claims = jwt.claims.clone();
    match ["iat", "exp"].into_iter().find_map(|name| Some((name, jwt.time(name)?))) {
        Some((name, time)) => drop(claims.insert(name.to_owned(), Value::from(time + seconds))),
        None => drop(claims.insert("jti".to_owned(), Value::from("nat"))),
    }
    claims
}

#[async_trait]
impl SecurityCheck for WeakSecret {
    fn info(&self) -> &'static CheckInfo {
        &WEAK
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let holders = holders(cx).await;
        let Some(key) = guessed(cx, &holders) else { return Vec::new() };
        let Some(holder) = holders.into_iter().find(|holder| holder.who == key.who) else { return Vec::new() };
        let claims = moved(&holder.jwt, -1);
        let (Some(forged), Some(control)) =
            (key.sign(&holder.jwt.header, &claims), key.sign_wrongly(&holder.jwt.header, &claims))
        else {
            return Vec::new();
        };
        let gates = gates_of(cx, holder.who).await;
        let gates: Vec<&Gate> = gates.iter().collect();
        let digest = hex::encode(Sha256::digest(key.secret.expose_secret()));
        let report = Report {
            info: &WEAK,
            discriminant: "secret",
            what: format!(
                "to a token that the scan signed itself ({}): the secret is number {} of {} common ones and has the \
                 SHA-256 {}…; the same claims signed with another secret are refused",
                holder.jwt.algorithm(),
                key.rank,
                key.of,
                digest.get(..12).unwrap_or_default(),
            ),
            vector: FORGED,
            // The secret is that of the whole API, wherever it was tried.
            whole_api: true,
        };
        let worn = &holder.worn;
        prove(cx, &gates, &worn.with(forged), &worn.with(control), &report).await.into_iter().collect()
    }
}

#[async_trait]
impl SecurityCheck for ClaimsTrusted {
    fn info(&self) -> &'static CheckInfo {
        &CLAIM
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let holders = holders(cx).await;
        let Some(key) = guessed(cx, &holders) else { return Vec::new() };
        let Some(holder) = holders.iter().find(|holder| holder.who == key.who) else { return Vec::new() };
        let others = [As::Primary, As::Second, As::Admin].into_iter().filter(|who| *who != holder.who);
        for other in others {
            if let Some(found) = impersonate(cx, &key, holder, other).await {
                return vec![found];
            }
        }
        Vec::new()
    }
}

/// Claims in which two tokens of different users differ, apart from times and numbers of tokens.
fn differing(mine: &Jwt, theirs: &Jwt) -> Vec<String> {
    const OF_THE_TOKEN: [&str; 7] = ["iat", "exp", "nbf", "jti", "auth_time", "sid", "nonce"];
    let names = mine.claims.iter().filter(|(name, value)| {
        !OF_THE_TOKEN.contains(&name.as_str()) && theirs.claims.get(*name).is_some_and(|other| other != *value)
    });
    names.map(|(name, _)| name.clone()).collect()
}

async fn impersonate(cx: &SecurityContext<'_>, key: &Guessed, holder: &Holder, other: As) -> Option<Finding> {
    if !cx.prober.has(other) {
        return None;
    }
    let theirs = Jwt::read(cx.prober.worn(other).await?.token().expose_secret())?;
    let names = differing(&holder.jwt, &theirs);
    if names.is_empty() {
        return None;
    }
    let with = |value: &dyn Fn(&str) -> Option<Value>| {
        let mut claims = moved(&holder.jwt, -2);
        names.iter().for_each(|name| {
            if let Some(value) = value(name) {
                claims.insert(name.clone(), value);
            }
        });
        key.sign(&holder.jwt.header, &claims)
    };
    let nobody = cx.prober.nonce();
    let forged = holder.worn.with(with(&|name| theirs.claims.get(name).cloned())?);
    let control = holder.worn.with(with(&|name| match holder.jwt.claims.get(name)? {
        Value::String(_) => Some(Value::from(nobody.as_str())),
        Value::Number(_) => Some(Value::from(2_147_480_000_u64)),
        _ => None,
    })?);
    let gates = gates_of(cx, holder.who).await;
    for gate in gates.iter() {
        let operation = gate.endpoint(cx)?;
        let rightful = cx.prober.send(Some(gate.operation), gate.request.clone(), other).await.filter(is_success);
        let Some(rightful) = rightful else { continue };
        let told = |exchange: &Exchange| exchange.json().map(leaves).unwrap_or_default();
        // What only the other user is told.
        let marker: BTreeSet<String> = told(&rightful).difference(&told(&gate.baseline)).cloned().collect();
        let shows = |exchange: &Exchange| is_success(exchange) && !marker.is_disjoint(&told(exchange));
        let Some(probe) = gate.send(cx, &forged).await.filter(shows) else { continue };
        let control = gate.send(cx, &control).await?;
        let Some(repeat) = gate.send(cx, &forged).await.filter(shows).filter(|_| !shows(&control)) else { continue };
        let explanation = format!(
            "{} gives another user's data to a token that the scan wrote with the claims {} of that user. A made-up \
             user's token does not get it.",
            operation.endpoint(),
            names.join(", ")
        );
        let suspicion = Suspicion::new(Severity::High, "", "claims", explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let exchanges =
            [(Role::Baseline, &rightful), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
        return Some(cx.report.build(&CLAIM, &suspicion, Some(operation), &exchanges).rated(FORGED));
    }
    None
}
