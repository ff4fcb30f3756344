//! S-JWT-SIG and S-JWT-NONE: tokens that nobody signed are taken.

use async_trait::async_trait;
use serde_json::Value;

use super::gate::{Gate, Report, gates_of, holders, prove};
use crate::check::{CheckInfo, SecurityCheck, SecurityContext};
use crate::finding::Finding;

/// S-JWT-SIG.
pub(super) struct SignatureIgnored;

/// S-JWT-NONE.
pub(super) struct NoAlgorithm;

static SIGNATURE: CheckInfo = CheckInfo {
    id: "S-JWT-SIG",
    title: "The signature of a token is not verified",
    description: "A JSON Web Token with a wrong signature is accepted: anybody can write a token for anybody.",
    remediation: "Verify the signature with a well-kept library, with a fixed list of algorithms, before any claim is read. Functions called `decode` often do not verify.",
    cwe: &["CWE-347"],
    owasp: Some("API2:2023"),
};

static NONE: CheckInfo = CheckInfo {
    id: "S-JWT-NONE",
    title: "Unsigned tokens are accepted",
    description: "A JSON Web Token with the algorithm `none`, or without its signature, is accepted: anybody can write a token for anybody.",
    remediation: "Accept only the algorithm that your own tokens are signed with, and refuse tokens without a signature.",
    cwe: &["CWE-347"],
    owasp: Some("API2:2023"),
};

pub(super) const FORGED: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N";

#[async_trait]
impl SecurityCheck for SignatureIgnored {
    fn info(&self) -> &'static CheckInfo {
        &SIGNATURE
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for holder in holders(cx).await {
            let gates = gates_of(cx, holder.who).await;
            let all: Vec<&Gate> = gates.iter().collect();
            let report = Report {
                info: &SIGNATURE,
                discriminant: "signature",
                what: format!(
                    "to a token of the same claims whose {} signature is wrong; a token with unreadable claims is refused",
                    holder.jwt.algorithm()
                ),
                vector: FORGED,
                whole_api: false,
            };
            let forged = holder.worn.with(holder.jwt.with_wrong_signature());
            let control = holder.worn.with(holder.jwt.with_unreadable_claims());
            found.extend(prove(cx, &all, &forged, &control, &report).await);
            if !found.is_empty() {
                break;
            }
        }
        found
    }
}

#[async_trait]
impl SecurityCheck for NoAlgorithm {
    fn info(&self) -> &'static CheckInfo {
        &NONE
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        for holder in holders(cx).await {
            let gates = gates_of(cx, holder.who).await;
            // Where signatures do not matter at all, that is the defect.
            let wrong = holder.worn.with(holder.jwt.with_wrong_signature());
            for word in ["none", "None", "NONE", "nOnE", "", "none and the old signature"] {
                let what = match word {
                    "" => "to a token whose signature was cut off".to_owned(),
                    word => format!("to an unsigned token (alg: {word})"),
                };
                let forged = match word {
                    "" => holder.jwt.without_signature(),
                    "none and the old signature" => {
                        holder.jwt.unsigned(&holder.jwt.header_with(&[("alg", Value::from("none"))]), true)
                    }
                    word => holder.jwt.unsigned(&holder.jwt.header_with(&[("alg", Value::from(word))]), false),
                };
                let report = Report {
                    info: &NONE,
                    discriminant: "none",
                    what: format!("{what}; the same claims with a wrong signature are refused"),
                    vector: FORGED,
                    whole_api: false,
                };
                let all: Vec<&Gate> = gates.iter().collect();
                let found = prove(cx, &all, &holder.worn.with(forged), &wrong, &report).await;
                if found.is_some() {
                    return found.into_iter().collect();
                }
            }
        }
        Vec::new()
    }
}
