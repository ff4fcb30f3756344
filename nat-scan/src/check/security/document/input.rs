//! What may be sent.

use super::audit::{Fault, INFO, LOW, Rule};
use super::schema::{Node, Side, inputs};
use crate::chain::tokens;
use crate::check::CheckInfo;
use crate::spec::{Api, Location};

pub(super) const UNBOUNDED_STRING: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UNBOUNDED-STRING",
        title: "Texts may have any length",
        description: "Strings that clients send have neither maxLength nor a pattern, a format or a list of values.",
        remediation: "Set maxLength, and a pattern where the alphabet is known.",
        cwe: &["CWE-770", "CWE-20"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| {
        const SHORT: [&str; 14] = [
            "date",
            "date-time",
            "time",
            "duration",
            "uuid",
            "ipv4",
            "ipv6",
            "email",
            "idn-email",
            "hostname",
            "binary",
            "byte",
            "int64",
            "decimal",
        ];
        let is_short = |node: &Node<'_>| node.node["format"].as_str().is_some_and(|format| SHORT.contains(&format));
        matching(api, |node| {
            node.has_type("string")
                && !node.has("maxLength")
                && !node.has("pattern")
                && !node.is_listed()
                && !is_short(node)
        })
    },
};

pub(super) const UNBOUNDED_ARRAY: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UNBOUNDED-ARRAY",
        title: "Lists may have any length",
        description: "Arrays that clients send have no maxItems.",
        remediation: "Set maxItems.",
        cwe: &["CWE-770"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| matching(api, |node| node.has_type("array") && !node.has("maxItems") && !node.is_listed()),
};

pub(super) const UNBOUNDED_NUMBER: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UNBOUNDED-NUMBER",
        title: "Numbers may be of any size",
        description: "Numbers that clients send lack a minimum or a maximum.",
        remediation: "Set minimum and maximum.",
        cwe: &["CWE-20"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| {
        matching(api, |node| {
            let from = node.has("minimum") || node.has("exclusiveMinimum");
            let to = node.has("maximum") || node.has("exclusiveMaximum");
            (node.has_type("integer") || node.has_type("number")) && !(from && to) && !node.is_listed()
        })
    },
};

pub(super) const PAGE_SIZE: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-PAGE-SIZE",
        title: "Size of a page has no maximum",
        description: "A parameter says how many items are answered, and nothing says how many are too many.",
        remediation: "Set a maximum, and enforce it.",
        cwe: &["CWE-770"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| {
        const NAMES: [&str; 9] =
            ["limit", "pagesize", "perpage", "size", "count", "maxresults", "pagelimit", "top", "first"];
        matching(api, |node| {
            let is_size = NAMES.contains(&plain(&node.name).as_str());
            let has_maximum = node.has("maximum") || node.has("exclusiveMaximum");
            node.side == Side::Parameter(Location::Query) && node.has_type("integer") && is_size && !has_maximum
        })
    },
};

pub(super) const OPEN_OBJECT: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-OPEN-OBJECT",
        title: "Bodies may hold more than is described",
        description: "Objects that clients send list their properties and do not exclude others. What is bound to an object without looking becomes mass assignment.",
        remediation: "Say `additionalProperties: false`, and refuse or drop what is not listed.",
        cwe: &["CWE-915"],
        owasp: Some("API3:2023"),
    },
    vector: INFO,
    find: |api| {
        matching(api, |node| {
            let lists = node.node["properties"].as_object().is_some_and(|properties| !properties.is_empty());
            let closed = node.has("additionalProperties") || node.has("unevaluatedProperties");
            node.side == Side::Body && lists && !closed && !node.is_part
        })
    },
};

pub(super) const ANY_BODY: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-ANY-BODY",
        title: "Body is not described",
        description: "Operations take a body without a schema, or with one that anything fits.",
        remediation: "Describe what is taken.",
        cwe: &["CWE-20"],
        owasp: Some("API8:2023"),
    },
    vector: INFO,
    find: |api| {
        let bodies = api.operations.iter().flat_map(|one| one.body.iter().map(move |body| (one, body)));
        let media = bodies.flat_map(|(one, body)| body.content.iter().map(move |media| (one, media)));
        let is_structured = |media: &str| ["json", "xml", "yaml", "form"].iter().any(|part| media.contains(part));
        media
            .filter(|(_, media)| is_structured(&media.media_type.to_ascii_lowercase()))
            .filter(|(_, media)| match &media.schema {
                None => true,
                Some(schema) => match schema.resolve(schema.node()) {
                    serde_json::Value::Bool(all) => *all,
                    node => node.as_object().is_some_and(serde_json::Map::is_empty),
                },
            })
            .map(|(one, media)| Fault::new(media.pointer.clone(), format!("{} {}", one.endpoint(), media.media_type)))
            .collect()
    },
};

pub(super) const PRIVILEGE: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-PRIVILEGE",
        title: "Clients may send what decides about rights",
        description: "A body has properties for a role, a right or a balance, which is rarely for clients to say.",
        remediation: "Mark them `readOnly`, or take them into operations of administrators.",
        cwe: &["CWE-915"],
        owasp: Some("API3:2023"),
    },
    vector: INFO,
    find: |api| {
        const NAMES: [&str; 12] = [
            "role",
            "roles",
            "isadmin",
            "admin",
            "superuser",
            "issuperuser",
            "isstaff",
            "permissions",
            "balance",
            "verified",
            "isverified",
            "ownerid",
        ];
        // What only selects changes nothing.
        let selects = |node: &Node<'_>| {
            let last = tokens(&node.operation.path).pop().unwrap_or_default();
            ["filter", "search", "query", "count", "paginate", "history"].contains(&last.as_str())
        };
        matching(api, |node| node.side == Side::Body && NAMES.contains(&plain(&node.name).as_str()) && !selects(node))
    },
};

pub(super) const WEAK_PASSWORD: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-WEAK-PASSWORD",
        title: "Passwords may be short",
        description: "A password that somebody chooses has no minLength of at least 8.",
        remediation: "Set minLength to 8 or more, and check passwords against a list of known ones.",
        cwe: &["CWE-521"],
        owasp: Some("API2:2023"),
    },
    vector: INFO,
    find: |api| {
        let is_chosen = |node: &Node<'_>| {
            let name = plain(&node.name);
            let is_new = ["newpassword", "passwordnew"].contains(&name.as_str());
            let words: Vec<String> = tokens(&node.operation.path);
            let signs_up = ["register", "registration", "signup", "users", "user", "accounts", "account"];
            let is_sign_up = words.last().is_some_and(|word| signs_up.contains(&word.as_str()));
            is_new || (name == "password" && is_sign_up && node.operation.method == "POST")
        };
        matching(api, |node| {
            let least = node.node["minLength"].as_u64().unwrap_or(0);
            node.side == Side::Body && node.has_type("string") && is_chosen(node) && least < 8 && !node.has("pattern")
        })
    },
};

pub(super) const SECRET_IN_URL: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-SECRET-IN-URL",
        title: "Secret is sent in the address",
        description: "A parameter of the path or the query is a password, a token or a key. Addresses stand in logs, histories and Referer headers.",
        remediation: "Take it from a header or the body.",
        cwe: &["CWE-598"],
        owasp: Some("API2:2023"),
    },
    vector: LOW,
    find: |api| {
        const NAMES: [&str; 13] = [
            "password",
            "passwd",
            "pwd",
            "passphrase",
            "secret",
            "accesstoken",
            "authtoken",
            "sessiontoken",
            "apikey",
            "clientsecret",
            "sessionid",
            "jwt",
            "ssn",
        ];
        matching(api, |node| {
            let in_url = matches!(node.side, Side::Parameter(Location::Query | Location::Path));
            in_url && NAMES.contains(&plain(&node.name).as_str())
        })
    },
};

pub(super) const ADDRESS: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-URL-INPUT",
        title: "Clients send addresses",
        description: "A value is the address of something that the server may fetch or send to.",
        remediation: "Allow known hosts and https only, and refuse addresses of internal networks after they were resolved.",
        cwe: &["CWE-918"],
        owasp: Some("API7:2023"),
    },
    vector: INFO,
    find: |api| {
        let has_format = |node: &Node<'_>| matches!(node.node["format"].as_str(), Some("uri" | "url" | "iri"));
        let named = |node: &Node<'_>| {
            let words = tokens(&node.name);
            words.iter().any(|word| matches!(word.as_str(), "webhook" | "callback"))
                && words.iter().any(|word| matches!(word.as_str(), "url" | "uri"))
        };
        matching(api, |node| node.has_type("string") && !node.is_listed() && (has_format(node) || named(node)))
    },
};

pub(super) const UPLOAD: Rule = Rule {
    info: &CheckInfo {
        id: "S-SPEC-UPLOAD",
        title: "Files may have any size",
        description: "A file is taken without a maxLength.",
        remediation: "Set maxLength, and refuse larger files before they are read.",
        cwe: &["CWE-434", "CWE-770"],
        owasp: Some("API4:2023"),
    },
    vector: INFO,
    find: |api| {
        matching(api, |node| {
            let is_file = node.node["format"] == "binary" || node.has("contentMediaType");
            node.side == Side::Body && is_file && !node.has("maxLength")
        })
    },
};

/// The inputs for which `is_bad` holds.
fn matching(api: &Api, is_bad: impl Fn(&Node<'_>) -> bool) -> Vec<Fault> {
    let mut found = Vec::new();
    inputs(api, |node| {
        if is_bad(node) {
            found.push(Fault::new(node.pointer.clone(), node.what()));
        }
    });
    found
}

/// `page_size` and `pageSize` are the same name.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}
