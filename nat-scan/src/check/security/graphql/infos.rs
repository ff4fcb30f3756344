//! What is constant about the checks of [`super::alone`].

use crate::check::CheckInfo;

pub(super) static INTROSPECTION_INFO: CheckInfo = CheckInfo {
    id: "Q-INTRO",
    title: "GraphQL introspection is public",
    description: "Anybody may ask the endpoint for all its types, fields and arguments.",
    remediation: "Switch introspection off in production, or allow it to signed-in developers only.",
    cwe: &["CWE-200"],
    owasp: Some("API8:2023"),
};

pub(super) static SUGGESTIONS_INFO: CheckInfo = CheckInfo {
    id: "Q-SUGG",
    title: "GraphQL errors suggest names of the schema",
    description: "Errors about unknown fields name the fields that exist, so that the schema can be guessed without introspection.",
    remediation: "Switch suggestions off in production where introspection is off.",
    cwe: &["CWE-209"],
    owasp: Some("API8:2023"),
};

pub(super) static ALIASES_INFO: CheckInfo = CheckInfo {
    id: "Q-ALIAS",
    title: "GraphQL aliases have no limit",
    description: "One query may ask for the same field any number of times, which multiplies its cost and evades limits of requests.",
    remediation: "Limit aliases or the complexity of a query.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

pub(super) static REPEATS_INFO: CheckInfo = CheckInfo {
    id: "Q-DUP",
    title: "GraphQL queries may repeat a field without limit",
    description: "A query may name the same field any number of times; comparing and merging them costs more than the number grows, though the answer stays small.",
    remediation: "Limit the tokens or the complexity of a query, and count a field as often as it stands there.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

pub(super) static DIRECTIVES_INFO: CheckInfo = CheckInfo {
    id: "Q-DIR",
    title: "GraphQL directives have no limit",
    description: "A field may carry any number of directives, each of which is looked up and answered with an error, so that a small query costs much and its answer is larger than itself.",
    remediation: "Limit the directives at a field and the tokens of a query, and stop validating at the first errors.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

pub(super) static BATCHES_INFO: CheckInfo = CheckInfo {
    id: "Q-BATCH",
    title: "GraphQL requests can be batched",
    description: "An array of queries is executed as one request, so that limits of requests count it once.",
    remediation: "Refuse arrays, or limit their length and count each query.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

pub(super) static CSRF_INFO: CheckInfo = CheckInfo {
    id: "Q-CSRF",
    title: "GraphQL mutations are executed by GET or form",
    description: "Mutations are executed from requests that a page of another site can make without a preflight.",
    remediation: "Execute mutations only from POST requests with the content type application/json, or demand a header of your own.",
    cwe: &["CWE-352"],
    owasp: Some("API8:2023"),
};

pub(super) static IDE_INFO: CheckInfo = CheckInfo {
    id: "Q-IDE",
    title: "GraphQL IDE is public",
    description: "A page to explore the schema and write queries is served to anybody.",
    remediation: "Serve it in development only.",
    cwe: &["CWE-489"],
    owasp: Some("API8:2023"),
};

pub(super) static TRACING_INFO: CheckInfo = CheckInfo {
    id: "Q-TRACE",
    title: "GraphQL answers hold timings",
    description: "The tracing extension gives the duration of every resolver to every client.",
    remediation: "Switch the tracing extension off in production, or send its data to your monitoring only.",
    cwe: &["CWE-208", "CWE-497"],
    owasp: Some("API8:2023"),
};

pub(super) static ERRORS_INFO: CheckInfo = CheckInfo {
    id: "Q-ERR",
    title: "GraphQL errors hold a stack trace",
    description: "The errors of an answer show files and functions of the server.",
    remediation: "Format errors in production: message and code, no exception.",
    cwe: &["CWE-209"],
    owasp: Some("API8:2023"),
};
