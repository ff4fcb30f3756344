//! One use case, two wires: the same data and the same error code over REST and GraphQL.

use serde_json::{Value, json};

use crate::process::{Client, Server, plans};

/// `scans_used` as GraphQL writes it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

async fn graphql(client: &Client, fields: &str) -> Value {
    client.send("POST", "/graphql", Some(&json!({"query": format!("{{ usage {{ {fields} }} }}")}))).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_the_same_over_both_wires() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = format!("sqlite://{}/nat.db?mode=rwc", dir.path().display());
    let plans = plans(dir.path(), 7);
    let settings = [("DATABASE_URL", &*database), ("NAT_PLANS_FILE", plans.to_str().expect("text"))];
    let server = Server::start(&settings);
    let client = Client::new(server.address).await.register("t").await;

    let rest = client.get("/usage").await;
    let names: Vec<(String, String)> =
        rest.as_object().expect("an object").keys().map(|name| (name.clone(), camel_case(name))).collect();
    let fields: Vec<&str> = names.iter().map(|(_, field)| field.as_str()).collect();
    let answer = graphql(&client, &fields.join(" ")).await;
    for (name, field) in &names {
        assert_eq!(answer["data"]["usage"][field], rest[name], "{name}: {answer}");
    }

    let narrow = json!({"name": "no usage", "scopes": ["scans:read"]});
    let (status, made) = client.call("POST", "/keys", Some(&narrow)).await;
    assert_eq!(status, 201, "{made}");
    for key in ["nat_pk_wrong", made["api_key"].as_str().expect("a key")] {
        let client = client.with_key(key);
        let (_, rest) = client.call("GET", "/usage", None).await;
        let graphql = graphql(&client, "plan").await;
        assert!(rest["error"].is_string(), "{rest}");
        assert_eq!(graphql["errors"][0]["extensions"]["code"], rest["error"], "{graphql}");
    }
}
