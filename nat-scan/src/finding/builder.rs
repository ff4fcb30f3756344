//! From a suspicion and its exchanges to a finding.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{Cvss, Evidence, Finding, Origin, Redactor, curl, evidence};
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::generate::Intent;
use crate::spec::Operation;

/// Exchanges kept as evidence of one finding.
const MAX_EVIDENCE: usize = 8;

/// What an exchange shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The valid request as its rightful identity.
    Baseline,
    /// What shows the defect.
    Probe,
    /// What must not show it.
    Control,
    /// The probe again.
    Repeat,
}

impl Role {
    /// Lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Probe => "probe",
            Self::Control => "control",
            Self::Repeat => "repeat",
        }
    }
}

/// Fingerprint v1: hex SHA-256 of `nat1|check|method|template|slot|discriminant`, parameters of the template renamed
/// `{}`. Host, values, ids and times are no part of it, so that a finding keeps its id between scans and environments.
#[must_use]
pub fn fingerprint(check: &str, method: &str, template: &str, location: &str, discriminant: &str) -> String {
    let template = anonymous_template(template);
    hex::encode(Sha256::digest(format!("nat1|{check}|{method}|{template}|{location}|{discriminant}")))
}

fn anonymous_template(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str("{}");
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Makes findings: fingerprint, redacted evidence, curl line. The one place where exchanges become text.
#[derive(Clone, Debug)]
pub struct FindingBuilder {
    origin: String,
    redactor: Redactor,
    seed: u64,
}

impl FindingBuilder {
    /// For the target at `origin` (`http://host:port`).
    #[must_use]
    pub fn new(origin: impl Into<String>, redactor: Redactor) -> Self {
        Self { origin: origin.into(), redactor, seed: 0 }
    }

    /// Of a scan with this seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What it hides.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The same, hiding these values too (what a target leaks is not repeated in full in a report).
    #[must_use]
    pub fn masking<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut masked = self.clone();
        for value in values {
            masked.redactor.mask(value);
        }
        masked
    }

    /// A finding from exchanges: at least one of them, the probe among them. Without an operation the endpoint is what
    /// the probe asked for.
    #[must_use]
    pub fn build(
        &self,
        info: &CheckInfo,
        suspicion: &Suspicion,
        operation: Option<&Operation>,
        exchanges: &[(Role, &Exchange)],
    ) -> Finding {
        let probe =
            exchanges.iter().find(|(role, _)| *role == Role::Probe).or(exchanges.last()).map(|(_, probe)| *probe);
        let (method, template) = endpoint(suspicion, operation, probe);
        let evidence = exchanges
            .iter()
            .take(MAX_EVIDENCE)
            .map(|(role, exchange)| evidence::of_exchange(*role, exchange, &self.origin, &self.redactor))
            .collect();
        let at = exchanges.iter().map(|(_, exchange)| exchange.at).min().unwrap_or(DateTime::UNIX_EPOCH);
        let curl = probe.map(|probe| curl::line(&probe.request, &self.origin, &self.redactor)).unwrap_or_default();
        let finding = self.assemble(info, suspicion, (&method, &template), evidence, curl, at);
        let steps = probe.map(|probe| self.sequence().then(probe).steps()).unwrap_or_default();
        let origin = operation.zip(probe.and_then(|probe| probe.case.as_ref())).map(|(operation, case)| Origin {
            seed: self.seed,
            operation: operation.endpoint(),
            phase: case.phase,
            ordinal: case.ordinal,
            label: self.redactor.text(&case.label),
            intent: case.intent.clone(),
        });
        Finding { origin, ..finding.with_steps(steps) }
    }

    /// A finding about the document itself: `place` (a JSON pointer with what stands there) is wrong because of `fault`.
    #[must_use]
    pub fn build_static(
        &self,
        info: &CheckInfo,
        suspicion: &Suspicion,
        operation: &Operation,
        place: &str,
        fault: &str,
        at: DateTime<Utc>,
    ) -> Finding {
        let evidence = Evidence {
            role: "static".to_owned(),
            request: self.redactor.text(place),
            response: self.redactor.text(fault),
            at,
        };
        let (method, template) = endpoint(suspicion, Some(operation), None);
        self.assemble(info, suspicion, (&method, &template), vec![evidence], String::new(), at)
    }

    fn assemble(
        &self,
        info: &CheckInfo,
        suspicion: &Suspicion,
        (method, template): (&str, &str),
        evidence: Vec<Evidence>,
        curl: String,
        at: DateTime<Utc>,
    ) -> Finding {
        let endpoint = if method == "*" { "*".to_owned() } else { format!("{method} {template}") };
        Finding {
            id: fingerprint(info.id, method, template, &suspicion.location, &suspicion.discriminant),
            check_id: info.id.to_owned(),
            title: info.title.to_owned(),
            severity: suspicion.severity,
            confidence: suspicion.confidence,
            endpoint,
            location: suspicion.location.clone(),
            cwe: info.cwe.iter().map(|cwe| (*cwe).to_owned()).collect(),
            owasp: info.owasp.map(str::to_owned),
            cvss: None,
            description: info.description.to_owned(),
            explanation: self.redactor.text(&suspicion.explanation),
            remediation: info.remediation.to_owned(),
            evidence,
            curl,
            first_seen: at,
            occurrences: 1,
            spec_pointer: suspicion.spec_pointer.clone(),
            cause: suspicion.cause.clone().unwrap_or_else(|| format!("{}|{}", info.id, suspicion.discriminant)),
            steps: Vec::new(),
            origin: None,
        }
    }
}

/// Method and template of what is at fault: of the operation, except that a method nobody documented stands for itself.
fn endpoint(suspicion: &Suspicion, operation: Option<&Operation>, probe: Option<&Exchange>) -> (String, String) {
    if suspicion.api_wide {
        return ("*".to_owned(), "*".to_owned());
    }
    let sent = |probe: &Exchange| {
        let path = probe.request.target.split('?').next().unwrap_or_default().to_owned();
        (probe.request.method.clone(), path)
    };
    let Some(operation) = operation else { return probe.map(sent).unwrap_or_default() };
    let method = probe
        .filter(|probe| probe.case.as_ref().is_some_and(|case| case.intent == Intent::UndocumentedMethod))
        .map_or(&operation.method, |probe| &probe.request.method);
    (method.clone(), operation.path.clone())
}

impl Finding {
    /// Rated by a CVSS 3.1 base vector: the severity becomes the band of its score.
    #[must_use]
    pub fn rated(mut self, vector: &str) -> Self {
        self.cvss = Cvss::from_vector(vector);
        if let Some(cvss) = &self.cvss {
            self.severity = super::severity_of(cvss.score);
        }
        self
    }
}
