//! Every field of the GraphQL schema, asked for with another tenant's key. Selections are made from the schema itself,
//! so that a new field is asked for as soon as it is there; a new argument, mutation or subscription without a case
//! fails. The routes of REST have the same test in nat-rest (`tests/it/isolation.rs`).

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use crate::process::{Client, Server};

/// Fields by the name of their object.
struct Schema(BTreeMap<String, Vec<FieldDefinition>>);

impl Schema {
    fn read() -> Self {
        let mut objects = BTreeMap::new();
        for definition in parse_schema(nat::graphql::sdl()).expect("a schema").definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => continue,
            };
            objects.insert(definition.node.name.node.to_string(), fields.into_iter().map(|field| field.node).collect());
        }
        Self(objects)
    }

    /// All fields of an object, and of the objects in them, but none inside itself.
    fn selection(&self, owner: &str, above: &mut Vec<String>, asked: &mut BTreeSet<String>) -> String {
        let mut text = String::new();
        above.push(owner.to_owned());
        for field in &self.0[owner] {
            let inner = base(&field.ty.node);
            if above.contains(&inner) {
                continue;
            }
            asked.insert(format!("{owner}.{}", field.name.node));
            text.push_str(&format!("{}{} ", field.name.node, arguments(field)));
            if self.0.contains_key(&inner) {
                text.push_str(&format!("{{ {}}} ", self.selection(&inner, above, asked)));
            }
        }
        if owner == "Node" {
            for object in ["Tenant", "Plan", "ApiKey", "Scan", "Finding"] {
                if !above.contains(&object.to_owned()) {
                    text.push_str(&format!("... on {object} {{ {}}} ", self.selection(object, above, asked)));
                }
            }
        }
        above.pop();
        text
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => base(inner),
    }
}

/// The arguments of a field of a query: the ids are the other tenant's.
fn arguments(field: &FieldDefinition) -> String {
    let given = field.arguments.iter().filter_map(|argument| {
        let name = argument.node.name.node.as_str();
        Some(match name {
            "first" => "first: 3".to_owned(),
            "id" => "id: $id".to_owned(),
            "ids" => "ids: $ids".to_owned(),
            "after" | "filter" | "orderBy" | "dryRun" | "format" | "sessionId" => return None,
            other => panic!("no case for the argument {other} of {}: add one", field.name.node),
        })
    });
    let given: Vec<String> = given.collect();
    if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
}

/// What a mutation with the other tenant's ids must give: `None`, it makes something of the caller's own.
fn mutation(name: &str, of: &Owner) -> Option<(String, &'static str)> {
    let (scan, key, finding) = (&of.ids[1], &of.ids[2], &of.ids[3]);
    Some(match name {
        "startScan" | "startSecurityScan" | "createApiKey" | "createCheckout" | "createPortalSession" => return None,
        "cancelScan" => (format!("{{id: \"{scan}\"}}"), "NOT_FOUND"),
        "rotateApiKey" | "revokeApiKey" => (format!("{{id: \"{key}\"}}"), "NOT_FOUND"),
        "setFindingStatus" => (format!("{{id: \"{finding}\", status: FALSE_POSITIVE, reason: \"x\"}}"), "NOT_FOUND"),
        other => panic!("no isolation case for the mutation {other}: add one"),
    })
}

/// A tenant with everything that there is to see, and the words by which its things are known.
struct Owner {
    client: Client,
    /// Of the tenant, a scan, a key, a finding.
    ids: [String; 4],
    words: Vec<String>,
}

async fn ask(client: &Client, query: &str, variables: Value) -> Value {
    client.send("POST", "/graphql", Some(&json!({"query": query, "variables": variables}))).await.1
}

async fn owner(server: &Server, name: &str) -> Owner {
    let client = Client::new(server.address).await.register(name).await;
    let target = crate::server::target().await;
    let body = json!({"url": target, "spec_url": format!("{target}/openapi.json"), "options": {"max_requests": 100, "seed": 1}});
    let scan = client.call("POST", "/scan", Some(&body)).await.1;
    let scan_id = scan["scan_id"].as_str().expect("an id").to_owned();
    client.ended(&scan_id).await;
    let made = client.call("POST", "/keys", Some(&json!({"name": format!("spare of {name}")}))).await.1;
    let key_id = made["key_id"].as_str().expect("an id").to_owned();
    let query =
        "{ tenant { id } scans(first: 1) { nodes { id findings(first: 1) { nodes { id } } } } apiKeys { id keyId } }";
    let data = ask(&client, query, json!({})).await["data"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{data}")).to_owned();
    let spare =
        data["apiKeys"].as_array().expect("keys").iter().find(|key| key["keyId"] == key_id.as_str()).expect("there");
    let scan = &data["scans"]["nodes"][0];
    let ids =
        [text(&data["tenant"]["id"]), text(&scan["id"]), text(&spare["id"]), text(&scan["findings"]["nodes"][0]["id"])];
    let words = vec![name.to_owned(), scan_id, key_id, target.rsplit(':').next().expect("a port").to_owned()];
    Owner { client, ids, words }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_shows_or_touches_another_tenants_things() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_sqlite(dir.path(), 50);
    let (ann, bob) = (owner(&server, "annabelle").await, owner(&server, "bobby").await);
    let schema = Schema::read();
    let mut asked = BTreeSet::new();

    for field in &schema.0["Query"] {
        let name = field.name.node.as_str();
        asked.insert(format!("Query.{name}"));
        let inner = base(&field.ty.node);
        let fields = schema.selection(&inner, &mut vec!["Query".to_owned()], &mut asked);
        let given = arguments(field);
        for id in &ann.ids {
            let mut declared = Vec::new();
            if given.contains("$id:") || given.contains(": $id)") {
                declared.push("$id: ID!");
            }
            if given.contains("$ids") {
                declared.push("$ids: [ID!]!");
            }
            let head = if declared.is_empty() { String::new() } else { format!("({})", declared.join(", ")) };
            let query = format!("query{head} {{ {name}{given} {{ {fields}}} }}");
            let answer = ask(&bob.client, &query, json!({"id": id, "ids": ann.ids})).await.to_string();
            // A report of a scan that is not there, and billing without Stripe, are errors of their own.
            assert!(!answer.contains("GRAPHQL_") && !answer.contains("QUERY_REFUSED"), "{query}: {answer}");
            for word in &ann.words {
                assert!(!answer.contains(word.as_str()), "{word} of another tenant in the answer to {query}: {answer}");
            }
        }
        // The question is a real one: who owns the things sees them.
        if matches!(name, "tenant" | "scans" | "findings" | "apiKeys") {
            let answer = ask(&ann.client, &format!("{{ {name}{given} {{ {fields}}} }}"), json!({})).await.to_string();
            assert!(ann.words.iter().any(|word| answer.contains(word.as_str())), "{name}: {answer}");
        }
    }
    let before = state(&ann).await;
    for field in &schema.0["Mutation"] {
        let name = field.name.node.as_str();
        asked.insert(format!("Mutation.{name}"));
        let payload = base(&field.ty.node);
        let fields = schema.selection(&payload, &mut vec!["Mutation".to_owned()], &mut asked);
        let Some((input, code)) = mutation(name, &ann) else { continue };
        let answer = ask(&bob.client, &format!("mutation {{ {name}(input: {input}) {{ {fields}}} }}"), json!({})).await;
        assert_eq!(answer["data"][name]["userErrors"][0]["code"], code, "{name}: {answer}");
        assert!(ann.words.iter().all(|word| !answer.to_string().contains(word.as_str())), "{name}: {answer}");
    }
    assert_eq!(state(&ann).await, before);
    for field in &schema.0["Subscription"] {
        match field.name.node.as_str() {
            // With another tenant's id in `g20` of nat-graphql; over a connection there is no other way in.
            "scanProgress" | "scanFindings" | "usageAlerts" => {}
            other => panic!("no isolation case for the subscription {other}: add one"),
        }
        asked.insert(format!("Subscription.{}", field.name.node));
    }
    let all: BTreeSet<String> = schema
        .0
        .iter()
        .flat_map(|(owner, fields)| fields.iter().map(move |field| format!("{owner}.{}", field.name.node)))
        .collect();
    let missed: Vec<&String> = all.difference(&asked).collect();
    assert!(missed.is_empty(), "fields that no question reaches: {missed:?}");
}

/// What another tenant could have changed.
async fn state(of: &Owner) -> Value {
    let query = "{ scans(first: 5) { nodes { status findings(first: 100) { nodes { triage { reason } } } } } apiKeys { revokedAt expiresAt } }";
    ask(&of.client, query, json!({})).await["data"].clone()
}
