//! Who may call what, and where.

use std::net::IpAddr;

use url::Url;

use super::audit::{Fault, INFO, LOW, Rule};
use crate::chain::tokens;
use crate::check::CheckInfo;
use crate::check::functional::grants_credentials;
use crate::spec::{Api, Location, Operation, SecurityScheme, SpecVersion};

pub(super) const NO_AUTHENTICATION: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-NOAUTH",
        title: "Operations that change something need no credentials",
        description: "The document lets anybody call operations that change state.",
        remediation: "Declare `security` for the document, and `security: []` only where the public is meant to write.",
        cwe: &["CWE-306"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| {
        let open = |one: &&Operation| one.is_unsafe() && one.security.is_empty() && !grants_credentials(one);
        operations(api, |one| open(&one) && !is_for_strangers(one))
    },
};

pub(super) const OPTIONAL_AUTHENTICATION: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-OPTIONAL-AUTH",
        title: "Credentials are optional for operations that change something",
        description: "An empty alternative in `security` makes credentials optional, for operations that change state.",
        remediation: "Remove `{}` from the list of alternatives.",
        cwe: &["CWE-306"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| operations(api, |one| one.is_unsafe() && !one.security.is_empty() && !one.is_protected()),
};

pub(super) const PLAIN_HTTP: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-HTTP",
        title: "API is offered over plain HTTP",
        description: "A server of the document is reached without TLS: who sits in between reads and changes everything.",
        remediation: "Name only https servers, and redirect or close the plain port.",
        cwe: &["CWE-319"],
        owasp: Some("API8:2023"),
    },
    vector: LOW,
    find: |api| servers(api, |url| url.scheme() == "http" && !is_local(url) && !is_private(url)),
};

pub(super) const BASIC: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-BASIC",
        title: "HTTP Basic authenticates",
        description: "Name and password go along with every request, and browsers send them by themselves.",
        remediation: "Use tokens that run out.",
        cwe: &["CWE-522"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| schemes(api, |scheme| matches!(scheme, SecurityScheme::Basic)),
};

pub(super) const KEY_IN_QUERY: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-APIKEY-QUERY",
        title: "Key is sent in the query",
        description: "A key in the query stands in logs, histories and Referer headers.",
        remediation: "Take the key from a header.",
        cwe: &["CWE-598"],
        owasp: Some("API2:2023"),
    },
    vector: LOW,
    find: |api| schemes(api, |scheme| matches!(scheme, SecurityScheme::ApiKey { location: Location::Query, .. })),
};

pub(super) const KEY_IN_COOKIE: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-APIKEY-COOKIE",
        title: "Cookie authenticates",
        description: "Browsers send cookies along by themselves, also when another site makes them send the request.",
        remediation: "Set SameSite, and ask for a token of your own with every change.",
        cwe: &["CWE-352"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| schemes(api, |scheme| matches!(scheme, SecurityScheme::ApiKey { location: Location::Cookie, .. })),
};

pub(super) const IMPLICIT: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-IMPLICIT",
        title: "OAuth 2 implicit flow",
        description: "The implicit flow hands out tokens in the address of a page, where scripts, histories and Referer headers have them. RFC 9700 advises against it.",
        remediation: "Use the authorization code flow with PKCE.",
        cwe: &["CWE-522"],
        owasp: Some("API2:2023"),
    },
    vector: LOW,
    find: |api| flows(api, "implicit"),
};

pub(super) const PASSWORD_GRANT: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-PASSWORD-GRANT",
        title: "OAuth 2 password flow",
        description: "Clients get the passwords of users. RFC 9700 forbids the flow.",
        remediation: "Use the authorization code flow with PKCE.",
        cwe: &["CWE-522"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| flows(api, "password"),
};

pub(super) const PLAIN_TOKEN: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-TOKEN-HTTP",
        title: "Tokens are got over plain HTTP",
        description: "An address of an OAuth 2 flow is reached without TLS: who sits in between has the tokens.",
        remediation: "Name https addresses.",
        cwe: &["CWE-319"],
        owasp: Some("API2:2023"),
    },
    vector: LOW,
    find: |api| {
        let is_plain = |url: &String| Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_local(&url));
        let plain = api.oauth_flows.iter().filter(|flow| flow.urls.iter().any(is_plain));
        plain.map(|flow| Fault::new(flow.pointer.clone(), format!("flow {} of {}", flow.kind, flow.scheme))).collect()
    },
};

pub(super) const UNKNOWN_SCHEME: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UNKNOWN-SCHEME",
        title: "Required security scheme is not declared",
        description: "Operations name a security scheme that the document does not declare: tools take them for public.",
        remediation: "Declare the scheme, or correct its name.",
        cwe: &["CWE-1059"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| {
        let unknown = |one: &Operation| {
            one.security.iter().flat_map(|all| all.keys()).any(|name| !api.security_schemes.contains_key(name))
        };
        operations(api, unknown)
    },
};

pub(super) const UNUSED_SCHEME: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UNUSED-SCHEME",
        title: "Declared authentication is required nowhere",
        description: "The document declares how to authenticate, and no operation asks for it: by the document everything is public.",
        remediation: "Add `security` to the document or to its operations.",
        cwe: &["CWE-306"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| match api.operations.iter().all(|one| one.security.is_empty()) {
        true => schemes(api, |_| true),
        false => Vec::new(),
    },
};

pub(super) const NO_SCOPES: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-NO-SCOPES",
        title: "OAuth 2 is required without scopes",
        description: "Any token opens these operations, whatever it was issued for.",
        remediation: "Name the scopes that an operation needs.",
        cwe: &["CWE-285"],
        owasp: Some("API5:2023"),
    },
    vector: INFO,
    find: |api| {
        let is_oauth = |name: &String| api.oauth_flows.iter().any(|flow| flow.scheme == *name);
        let bare =
            |one: &Operation| one.security.iter().flatten().any(|(name, scopes)| is_oauth(name) && scopes.is_empty());
        operations(api, bare)
    },
};

pub(super) const INTERNAL_SERVER: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-INTERNAL-SERVER",
        title: "Document names an internal server",
        description: "A server of the document lies in an internal network or is one for tests. Such servers are watched less and hold copies of real data.",
        remediation: "Publish only the servers that clients may use.",
        cwe: &["CWE-200"],
        owasp: Some("API9:2023"),
    },
    vector: INFO,
    find: |api| servers(api, is_private),
};

pub(super) const GET_CHANGES: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-GET-CHANGES",
        title: "GET seems to change something",
        description: "By their names these reads change state. Links, prefetching browsers and crawlers call them, and so does any page that a user visits.",
        remediation: "Change state with POST, PUT, PATCH or DELETE.",
        cwe: &["CWE-650"],
        owasp: Some("API8:2023"),
    },
    vector: INFO,
    find: |api| operations(api, |one| one.method == "GET" && sounds_like_change(one)),
};

pub(super) const INTERNAL_PATH: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-INTERNAL",
        title: "Document names internal operations",
        description: "By their paths these operations are for developers or operators.",
        remediation: "Keep them in a document of their own, and off the public listener.",
        cwe: &["CWE-489"],
        owasp: Some("API9:2023"),
    },
    vector: INFO,
    find: |api| {
        const WORDS: [&str; 6] = ["debug", "internal", "admin", "test", "actuator", "backdoor"];
        let is_internal =
            |segment: &str| WORDS.contains(&segment.trim_start_matches('_').to_ascii_lowercase().as_str());
        operations(api, |one| one.path.split('/').any(is_internal))
    },
};

pub(super) const DEPRECATED: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-DEPRECATED",
        title: "Deprecated operations are still there",
        description: "What is deprecated is maintained least, and still answers.",
        remediation: "Say when they end (the Sunset header), and take them down.",
        cwe: &["CWE-1059"],
        owasp: Some("API9:2023"),
    },
    vector: INFO,
    find: |api| operations(api, |one| one.deprecated),
};

pub(super) const SEQUENTIAL_ID: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-SEQUENTIAL-ID",
        title: "Ids are numbers",
        description: "Numbers can be counted through. Where a check of the owner is missing, everything is found.",
        remediation: "Use random ids (UUID version 4), and check the owner all the same.",
        cwe: &["CWE-340"],
        owasp: Some("API1:2023"),
    },
    vector: INFO,
    find: |api| {
        let is_number = |schema: &crate::schema::Schema| schema.resolve(schema.node())["type"] == "integer";
        let ids = api.operations.iter().flat_map(|one| one.parameters.iter().map(move |parameter| (one, parameter)));
        let is_id = |name: &str| tokens(name).last().is_some_and(|word| word == "id");
        let ids = ids.filter(|(_, parameter)| {
            parameter.location == Location::Path && is_id(&parameter.name) && is_number(&parameter.schema)
        });
        ids.map(|(one, parameter)| {
            Fault::new(parameter.pointer.clone(), format!("{} path {}", one.endpoint(), parameter.name))
        })
        .collect()
    },
};

/// The operations for which `is_bad` holds.
pub(super) fn operations(api: &Api, is_bad: impl Fn(&Operation) -> bool) -> Vec<Fault> {
    let bad = api.operations.iter().filter(|one| is_bad(one));
    bad.map(|one| Fault::new(one.pointer.clone(), one.endpoint())).collect()
}

fn schemes(api: &Api, is_bad: impl Fn(&SecurityScheme) -> bool) -> Vec<Fault> {
    let home = match api.spec_version {
        SpecVersion::V2 => "/securityDefinitions",
        _ => "/components/securitySchemes",
    };
    let bad = api.security_schemes.iter().filter(|(_, scheme)| is_bad(scheme));
    bad.map(|(name, _)| Fault::new(format!("{home}/{name}"), format!("scheme {name}"))).collect()
}

fn flows(api: &Api, kind: &str) -> Vec<Fault> {
    let bad = api.oauth_flows.iter().filter(|flow| flow.kind == kind);
    bad.map(|flow| Fault::new(flow.pointer.clone(), format!("scheme {}", flow.scheme))).collect()
}

fn servers(api: &Api, is_bad: impl Fn(&Url) -> bool) -> Vec<Fault> {
    let home = if api.spec_version == SpecVersion::V2 { "/host" } else { "/servers" };
    let bad = api.servers.iter().filter(|server| Url::parse(server).is_ok_and(|url| is_bad(&url)));
    bad.map(|server| Fault::new(home, server.clone())).collect()
}

/// On the machine of whoever reads the document.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// In a network that the public does not reach, or for tests.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    if let Ok(IpAddr::V4(address)) = host.parse() {
        return address.is_private();
    }
    let endings = [".internal", ".local", ".lan", ".corp", ".intranet"];
    let stages = ["dev", "staging", "stage", "qa", "uat", "test"];
    endings.iter().any(|ending| host.ends_with(ending))
        || host.split('.').next().is_some_and(|first| first.split('-').any(|word| stages.contains(&word)))
}

/// Who signs up, or tells about an event, has no credentials yet.
fn is_for_strangers(operation: &Operation) -> bool {
    const WORDS: [&str; 10] = [
        "register",
        "registration",
        "signup",
        "webhook",
        "webhooks",
        "callback",
        "forgot",
        "reset",
        "contact",
        "subscribe",
    ];
    let named = operation.path.split('/').filter(|segment| !segment.contains('{')).flat_map(tokens);
    named.chain(operation.operation_id.iter().flat_map(|id| tokens(id))).any(|word| WORDS.contains(&word.as_str()))
}

/// The last word of the path begins with a verb of change, or the id with one that takes something away.
fn sounds_like_change(operation: &Operation) -> bool {
    const TAKES: [&str; 6] = ["delete", "remove", "reset", "purge", "drop", "wipe"];
    const MAKES: [&str; 5] = ["create", "createdb", "update", "shutdown", "restart"];
    let last = operation.path.rsplit('/').find(|segment| !segment.is_empty() && !segment.contains('{'));
    let first = |text: &str| tokens(text).into_iter().next().unwrap_or_default();
    let (path, id) = (last.map(first).unwrap_or_default(), operation.operation_id.as_deref().map(first));
    let takes = |word: &str| TAKES.contains(&word);
    takes(&path) || MAKES.contains(&path.as_str()) || id.is_some_and(|id| takes(&id))
}
