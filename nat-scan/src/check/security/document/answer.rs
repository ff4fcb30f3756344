//! What answers say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::access::operations;
use super::audit::{Fault, INFO, Rule};
use super::schema::answers;
use crate::check::CheckInfo;
use crate::check::functional::grants_credentials;
use crate::check::security::exposure::{Harm, detect};
use crate::spec::{Api, Operation, StatusPattern};

pub(super) const NO_UNAUTHORISED: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-NO-401",
        title: "Refusal without credentials is not described",
        description: "Operations need credentials, and nothing says what happens without any. Clients and tests do not expect a refusal.",
        remediation: "Describe 401 (and 403 where rights matter).",
        cwe: &["CWE-1059"],
        owasp: Some("API8:2023"),
    },
    vector: INFO,
    find: |api| operations(api, |one| one.is_protected() && one.response(401).is_none()),
};

pub(super) const NO_TOO_MANY: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-NO-429",
        title: "No operation says that there is a limit of requests",
        description: "429 is described nowhere. Either nothing limits how often one client may ask, or clients do not know how to behave.",
        remediation: "Limit requests, and describe 429 with Retry-After.",
        cwe: &["CWE-770"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| match api.operations.iter().any(|one| one.response(429).is_some()) {
        true => Vec::new(),
        false => vec![Fault::new("/paths", "429 in no operation")],
    },
};

pub(super) const NO_ERRORS: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-NO-ERRORS",
        title: "Operations describe no errors",
        description: "Only success is described. Nobody can tell a meant refusal from a failure that shows internals.",
        remediation: "Describe the errors with a schema of their own, for example `application/problem+json`.",
        cwe: &["CWE-1059"],
        owasp: Some("API8:2023"),
    },
    vector: INFO,
    find: |api| operations(api, describes_no_error),
};

fn describes_no_error(operation: &Operation) -> bool {
    let is_error = |status: StatusPattern| {
        matches!(status, StatusPattern::Exact(400..) | StatusPattern::Class(4 | 5) | StatusPattern::Default)
    };
    !operation.responses.is_empty() && !operation.responses.iter().any(|response| is_error(response.status))
}

pub(super) const SECRET_IN_ANSWER: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-SECRET-IN-ANSWER",
        title: "Answers are described with passwords",
        description: "The schema of an answer has a property for a password or its hash that is not write-only.",
        remediation: "Mark the property `writeOnly`, and leave it out of answers.",
        cwe: &["CWE-200", "CWE-522"],
        owasp: Some("API3:2023"),
    },
    vector: INFO,
    find: |api| {
        let mut found = Vec::new();
        answers(api, |node| {
            let name: String = node.name.chars().filter(char::is_ascii_alphanumeric).collect();
            let known = ["password", "passwd", "passwordhash", "hashedpassword", "userpassword", "privatekey"];
            let is_text = node.has_type("string") && !node.is_listed();
            if is_text && known.contains(&name.to_ascii_lowercase().as_str()) {
                found.push(Fault::new(node.pointer.clone(), node.what()));
            }
        });
        found
    },
};

pub(super) const SECRET_EXAMPLE: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-SECRET-EXAMPLE",
        title: "Example looks like a real secret",
        description: "An example of the document has the form of a key, a private key or the hash of a password. Examples are copied from what works.",
        remediation: "Replace it with a value that is made up, and change the real one.",
        cwe: &["CWE-798"],
        owasp: Some("API8:2023"),
    },
    vector: INFO,
    find: secret_examples,
};

/// Values of one example that are looked at.
const MAX_LEAVES: usize = 500;

fn secret_examples(api: &Api) -> Vec<Fault> {
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    for operation in &api.operations {
        let mut look = |examples: &[Value], pointer: &str| {
            for example in examples {
                let mut leaves = Vec::new();
                texts("", example, &mut leaves);
                if leaves.iter().any(|(name, text)| is_secret(name, text)) {
                    found.insert((pointer.to_owned(), operation.endpoint()));
                }
            }
        };
        operation.parameters.iter().for_each(|parameter| look(&parameter.examples, &parameter.pointer));
        // What a login gives or takes has to look so.
        if grants_credentials(operation) {
            continue;
        }
        let answers = operation.responses.iter().flat_map(|response| &response.content);
        let media = operation.body.iter().flat_map(|body| &body.content).chain(answers);
        media.for_each(|media| look(&media.examples, &media.pointer));
    }
    found.into_iter().map(|(pointer, what)| Fault::new(pointer, what)).collect()
}

/// By its form alone; what is called a password is one in every example.
fn is_secret(name: &str, text: &Value) -> bool {
    let made_up = text.as_str().is_some_and(|text| text.to_ascii_uppercase().contains("EXAMPLE"));
    let by_name = detect(name, &Value::from("correct horse")).is_some();
    !made_up && !by_name && detect(name, text).is_some_and(|kind| kind.harm() == Harm::Much)
}

fn texts<'a>(name: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    if found.len() >= MAX_LEAVES {
        return;
    }
    match value {
        Value::String(_) => found.push((name, value)),
        Value::Array(items) => items.iter().for_each(|item| texts(name, item, found)),
        Value::Object(members) => members.iter().for_each(|(name, member)| texts(name, member, found)),
        _ => {}
    }
}
