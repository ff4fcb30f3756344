//! Checks: one file a check, pure over exchanges.
//!
//! A functional check looks at one exchange and may suspect something; the engine then repeats the request (and a
//! positive control, when asked) and only what is suspected again becomes a finding. A security check drives its own
//! baseline, probe and negative control through a [`Prober`].

pub mod functional;
pub mod security;
pub(crate) mod shape;
pub(crate) mod stateful;
pub(crate) mod trace;

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::callback::Callback;
use crate::classify::WireTruth;
use crate::finding::{Confidence, Finding, FindingBuilder, Severity};
use crate::generate::{Base, Case};
use crate::identity::{Newcomer, Person, Worn};
use crate::spec::{Api, Operation};
use crate::transport::{Request, Response, TlsFacts, TransportError};
use stateful::Surroundings;

/// What is constant about a check.
#[derive(Debug)]
pub struct CheckInfo {
    /// For example `F001` or `S-CORS`.
    pub id: &'static str,
    /// A short sentence.
    pub title: &'static str,
    /// What it is.
    pub description: &'static str,
    /// What to do about a finding.
    pub remediation: &'static str,
    /// `CWE-…`
    pub cwe: &'static [&'static str],
    /// `API8:2023`, or none.
    pub owasp: Option<&'static str>,
}

/// One request, what came back, and what the request really was.
#[derive(Debug)]
pub struct Exchange {
    /// The case that it was made from; none for probes.
    pub case: Option<Case>,
    /// As sent, with credentials.
    pub request: Request,
    /// The answer.
    pub result: Result<Response, TransportError>,
    /// Judged on the bytes sent.
    pub truth: WireTruth,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Whose credentials it carried.
    pub identity: As,
    json: OnceLock<Option<Value>>,
}

impl Exchange {
    /// An exchange of the primary identity.
    #[must_use]
    pub fn new(
        case: Option<Case>,
        request: Request,
        result: Result<Response, TransportError>,
        truth: WireTruth,
        at: DateTime<Utc>,
    ) -> Self {
        Self { case, request, result, truth, at, identity: As::Primary, json: OnceLock::new() }
    }

    /// The same, sent by somebody else.
    #[must_use]
    pub fn sent_as(mut self, who: As) -> Self {
        self.identity = who;
        self
    }

    /// A copy, for evidence of its own.
    pub(crate) fn twin(&self) -> Self {
        Self::new(self.case.clone(), self.request.clone(), self.result.clone(), self.truth.clone(), self.at)
    }

    /// The answer, if one came.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.result.as_ref().ok()
    }

    /// The status, if an answer came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }

    /// The body as JSON, parsed once; none when it is no JSON, is cut off, or nests deeper than 128.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.json
            .get_or_init(|| {
                let response = self.result.as_ref().ok().filter(|response| !response.truncated)?;
                serde_json::from_slice(&response.body).ok()
            })
            .as_ref()
    }
}

/// What the engine knows when a check judges.
#[derive(Debug)]
pub struct Context<'a> {
    /// The API.
    pub api: &'a Api,
    /// The operation that was called.
    pub operation: &'a Operation,
    /// A valid request to this operation got a 2xx answer in this scan (guard G3).
    pub has_positive_control: bool,
    /// A valid request to this operation got a 5xx answer too: the environment is broken, not the input handling.
    pub baseline_fails: bool,
    /// Credentials were given for this scan.
    pub authenticated: bool,
    /// The credentials are known to be accepted by other protected operations.
    pub identity_works: bool,
    /// A 2xx exchange of the same operation with the same target, for comparisons (F062: the `GET` beside a `HEAD`); for a
    /// request that sends a default, the one with the target that lacks it (F031).
    pub baseline: Option<&'a Exchange>,
}

/// How the engine proves a suspicion before it becomes a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The bytes themselves are the proof (a violated header rule): no repetition.
    Direct,
    /// The same request on another connection must raise the same suspicion (guard G1).
    Repeat,
    /// As `Repeat`, and the same request with a plain value in the place of the unusual one must not raise it; when it
    /// does, the unusual value is not what matters, and what is reported is the plain request.
    RepeatBesidePlain,
    /// As `Repeat`, twice and seconds apart: what an overload causes goes away.
    RepeatLater,
    /// As `Repeat`, and a valid request in between must still succeed (guards G1 and G3).
    RepeatWithControl,
    /// As `RepeatWithControl`, and the valid request in between must get as long an answer as before: an API whose
    /// answers vary by themselves proves nothing about their length.
    RepeatWithSteadyControl,
    /// As `RepeatWithControl`, and the valid request in between must get the same content as before at the place that the
    /// suspicion is about: what changes by itself proves nothing.
    RepeatWithSameControl,
    /// As `Repeat`, and another protected operation must still accept the credentials.
    RepeatWithWitness,
    /// As `Repeat`, and a different valid request to the operation must raise the same suspicion too.
    TwoSamples,
}

/// A check suspects something.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// The slot, for example `query limit`, `response /items/[]/name`, `header Location`; empty: the answer as a whole.
    pub location: String,
    /// What distinguishes it for the fingerprint: a status class, a keyword, a top stack frame, a header name. Never a
    /// value, id, host or time.
    pub discriminant: String,
    /// Findings with the same cause are one root cause to people; defaults to check and discriminant.
    pub cause: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// How sure, once proved.
    pub confidence: Confidence,
    /// Why this is a defect, from the difference seen: expected and actual.
    pub explanation: String,
    /// JSON pointer into the spec.
    pub spec_pointer: Option<String>,
    /// How to prove it.
    pub proof: Proof,
    /// One finding for the whole API (endpoint `*`) instead of one an operation.
    pub api_wide: bool,
}

impl Suspicion {
    /// About one operation, firm once repeated. The setters below change the rest.
    #[must_use]
    pub fn new(
        severity: Severity,
        location: impl Into<String>,
        discriminant: impl Into<String>,
        explanation: impl Into<String>,
    ) -> Self {
        Self {
            location: location.into(),
            discriminant: discriminant.into(),
            cause: None,
            severity,
            confidence: Confidence::Firm,
            explanation: explanation.into(),
            spec_pointer: None,
            proof: Proof::Repeat,
            api_wide: false,
        }
    }

    /// Both mean the same defect, by the same check.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.location == other.location && self.discriminant == other.discriminant
    }

    /// How to prove it.
    #[must_use]
    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    /// How sure, once proved.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// The shared root cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The place in the spec that is broken.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.spec_pointer = Some(pointer.into());
        self
    }

    /// One finding for the whole API.
    #[must_use]
    pub fn api_wide(mut self) -> Self {
        self.api_wide = true;
        self
    }
}

/// A functional check: pure.
pub trait Check: Send + Sync {
    /// What is constant.
    fn info(&self) -> &'static CheckInfo;

    /// Whether this check has something to say about the exchange at all (for the count of passed verdicts).
    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool;

    /// What is wrong, if anything. Called only when [`Check::applies`].
    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion>;
}

/// As whom a probe is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum As {
    /// The scan's credentials.
    Primary,
    /// The second user, if one was given.
    Second,
    /// No credentials at all.
    Anonymous,
    /// Credentials of the right shape that cannot be valid.
    Garbage,
    /// Somebody with more rights than the first two, if one was given.
    Admin,
}

/// Sends probes for security checks; the engine implements it with its budget, cancellation and limits.
#[async_trait]
pub trait Prober: Send + Sync {
    /// One exchange. `operation` names the operation it belongs to (for coverage). `None`: budget used up or cancelled.
    async fn send(&self, operation: Option<usize>, request: Request, who: As) -> Option<Exchange>;

    /// As [`Prober::send`], with an answer within `limit` or none: a time-out.
    async fn send_within(
        &self,
        limit: Duration,
        operation: Option<usize>,
        request: Request,
        who: As,
    ) -> Option<Exchange> {
        let _ = limit;
        self.send(operation, request, who).await
    }

    /// Base path of the target without trailing slash (`""` or `/v2`).
    fn base_path(&self) -> &str;

    /// `http://host:port`
    fn origin(&self) -> &str;

    /// The scheme is https.
    fn tls(&self) -> bool;

    /// How the target speaks TLS; none when it does not, or nobody can tell.
    async fn tls_facts(&self) -> Option<TlsFacts> {
        None
    }

    /// Whether credentials of that kind exist.
    fn has(&self, who: As) -> bool;

    /// For nonces: derived from the seed, never repeating.
    fn nonce(&self) -> String;

    /// For texts that must differ from those of every other request.
    fn word(&self) -> String {
        self.nonce()
    }

    /// Waits for a target that may lag behind.
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// What requests of this user carry now; `None` when that is no token.
    async fn worn(&self, _who: As) -> Option<Worn> {
        None
    }

    /// Tokens that this user got in this scan, the oldest first.
    fn issued(&self, _who: As) -> Vec<SecretString> {
        Vec::new()
    }

    /// A user of the scan whose name and password are known.
    fn person(&self, _who: As) -> Option<Person> {
        None
    }

    /// Somebody who may be signed up, another one for each purpose; `None` where nobody may.
    fn newcomer(&self, _purpose: &str) -> Option<Newcomer> {
        None
    }

    /// A user was made by this operation.
    fn signed_up(&self, _who: &Person, _by: &Operation) {}

    /// Hides this in everything that is reported from now on.
    fn hide(&self, _secret: &SecretString) {}

    /// Nobody excluded this operation.
    fn may_call(&self, _operation: usize) -> bool {
        true
    }

    /// The answer is what this target says to any unknown path (catch-all page, learned from random paths).
    fn is_catch_all(&self, response: &Response) -> bool;
}

/// How far a security scan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// What is proved and asked politely.
    #[default]
    Quiet,
    /// Also checks that put load on the target or leave things behind, what is likely but not proved, and ten times as
    /// many places.
    Thorough,
}

impl Profile {
    /// How many places (operations, fields, users) a check looks at, when a quiet scan looks at this many.
    ///
    /// A bound of its own keeps a large API from costing a quiet scan hours; in a thorough one only the budget should.
    #[must_use]
    pub const fn at_most(self, quiet: usize) -> usize {
        match self {
            Self::Quiet => quiet,
            Self::Thorough => quiet.saturating_mul(10),
        }
    }
}

/// When a security check runs: what disturbs others comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Looks at what was said already.
    Passive,
    /// Sends what changes nothing.
    Read,
    /// Makes and changes things of its own.
    Write,
    /// Sends much, or what takes the target long.
    Strain,
    /// Ends sessions, changes passwords: nothing of the scan works as before.
    Last,
}

/// What a security check works on.
pub struct SecurityContext<'a> {
    /// The API.
    pub api: &'a Api,
    /// A valid exchange of each operation as the primary identity, where one got 2xx: index of operation to exchange.
    pub baselines: &'a [Option<Exchange>],
    /// Every exchange kept so far (happy path, examples and a sample of negative ones): for passive checks.
    pub traffic: &'a [(usize, Exchange)],
    /// A valid case of each operation that the target accepted, by index: what stages and injection points start from.
    pub(crate) accepted: &'a [Option<Base>],
    /// What checks that ran before learned.
    pub(crate) learned: &'a security::Learned,
    /// Determines every generated value.
    pub seed: u64,
    /// Begins the words that make texts of this scan unique.
    pub nonce: &'a str,
    /// How far the scan goes.
    pub profile: Profile,
    /// Only GET, HEAD and OPTIONS may be sent.
    pub safe_mode: bool,
    /// Sends.
    pub prober: &'a dyn Prober,
    /// Where the target can be made to ask, if it can reach the scan.
    pub callback: Option<&'a Callback>,
    /// Makes the findings: knows the origin and what to redact.
    pub report: &'a FindingBuilder,
}

impl<'a> SecurityContext<'a> {
    /// As [`Profile::at_most`].
    pub(crate) const fn at_most(&self, quiet: usize) -> usize {
        self.profile.at_most(quiet)
    }

    /// What stages of resources need: objects of the scan's own, made as any identity.
    pub(crate) fn surroundings(&self) -> Surroundings<'a> {
        Surroundings { api: self.api, prober: self.prober, accepted: self.accepted, seed: self.seed, nonce: self.nonce }
    }
}

/// A security check: baseline, probe, negative control, repeated.
#[async_trait]
pub trait SecurityCheck: Send + Sync {
    /// What is constant.
    fn info(&self) -> &'static CheckInfo;

    /// When it runs.
    fn turn(&self) -> Turn {
        Turn::Read
    }

    /// Only in the thorough profile.
    fn is_opt_in(&self) -> bool {
        false
    }

    /// Its share of the requests that are left, beside the others'.
    fn weight(&self) -> u64 {
        1
    }

    /// What was proved. Each finding is complete (see [`crate::finding::FindingBuilder`]).
    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding>;
}
