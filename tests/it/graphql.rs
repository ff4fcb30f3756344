//! Documents that used to end the process, against a process of its own.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Client, Server};

/// A refusal takes less than this. A busy machine gets a few tries; the best counts.
const BOUND: Duration = Duration::from_millis(20);
const TRIES: usize = 20;

/// Each shape of nesting and of floods around a size.
fn shapes(size: usize) -> Vec<(&'static str, String)> {
    let (open, close) = ("{a:".repeat(size), "}".repeat(size));
    let (left, right) = ("[".repeat(size), "]".repeat(size));
    let chain: String = (0..size).map(|n| format!("fragment f{n} on Query{{...f{}}}", n + 1)).collect();
    vec![
        ("nested object literal", format!("{{scan(id:{open}1{close}){{id}}}}")),
        ("nested list", format!("{{nodes(ids:{left}1{right}){{id}}}}")),
        ("nested default value", format!("query($a:[ID!]={left}1{right}){{nodes(ids:$a){{id}}}}")),
        (
            "chain of unused fragments",
            format!("{{plans{{planId}}}}{chain}fragment f{size} on Query{{plans{{planId}}}}"),
        ),
        ("nested selections", format!("{}plans{{planId}}{}", "{scans(first:1)".repeat(size), "}".repeat(size))),
        ("nested inline fragments", format!("{{{}plans{{planId}}{}}}", "...{".repeat(size), "}".repeat(size))),
        ("nested list type", format!("query($a:{left}Int{right}){{plans{{planId}}}}")),
        ("aliases", format!("{{plans{{{}}}}}", "a:planId ".repeat(size))),
        ("directives", format!("{{plans{{planId {}}}}}", "@skip(if:false)".repeat(size))),
        ("unclosed brackets", format!("{{plans(a:{left}")),
    ]
}

async fn refused_in_time(client: &Client, name: &str, query: &str) {
    let body = json!({"query": query});
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let began = Instant::now();
        let (status, answer) = client.send("POST", "/graphql", Some(&body)).await;
        best = best.min(began.elapsed());
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{name}: {status} {answer}");
        if best < BOUND {
            return;
        }
    }
    panic!("{name} ({} bytes) was answered in {best:?} at best", query.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_overflow_a_parser_are_refused_and_the_process_lives() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_sqlite(dir.path(), 5);
    let client = Client::new(server.address).await.register("t").await;
    let mut sent = 0;
    // The sizes that used to end the process, and the thresholds from both sides.
    for size in [6_000, 2_000, 101, 100, 65, 64, 63, 51, 50, 11, 10] {
        for (name, query) in shapes(size) {
            refused_or_answered(&client, name, &query).await;
            sent += 1;
        }
    }
    assert!(sent >= 44, "{sent}");
    let (status, answer) = client.send("POST", "/graphql", Some(&json!({"query": "{ usage { plan } }"}))).await;
    assert_eq!((status, &answer["data"]["usage"]["plan"]), (200, &json!("pro")), "the process lives");
}

/// What passes the guard may still be wrong, or right; it must be answered all the same.
async fn refused_or_answered(client: &Client, name: &str, query: &str) {
    let (status, answer) = client.send("POST", "/graphql", Some(&json!({"query": query}))).await;
    assert!([200, 400, 413].contains(&status), "{name}: {status} {answer}");
}

/// What ends the stock server is refused in time, again and again.
async fn check_crash(name: &str, size: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_sqlite(dir.path(), 5);
    let client = Client::new(server.address).await.register("t").await;
    let (name, query) = shapes(size).into_iter().find(|(known, _)| *known == name).expect("a shape");
    refused_in_time(&client, name, &query).await;
    let (status, answer) = client.send("POST", "/graphql", Some(&json!({"query": query}))).await;
    assert!(status == 400 || status == 413, "{name}: {status} {answer}");
    let (status, _) = client.send("POST", "/graphql", Some(&json!({"query": "{ usage { plan } }"}))).await;
    assert_eq!(status, 200, "the process lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn g01_nested_object_literal_of_6_kb() {
    check_crash("nested object literal", 1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g02_nested_list_of_10_kb() {
    check_crash("nested list", 5_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g03_nested_default_value_of_16_kb() {
    check_crash("nested default value", 8_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g04_chain_of_unused_fragments() {
    check_crash("chain of unused fragments", 1_700).await;
}
